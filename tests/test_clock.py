"""The clock, on a Monday in March 2026 at noon in UTC."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta, tzinfo

import pytest
from langchain_core.tools import StructuredTool, ToolException

from agent_app.places import builtin
from agent_app.toolbox import load_tools

(clock,) = load_tools(["clock"], [builtin("tools")])
NOON = datetime(2026, 3, 2, 12, 5, 33, tzinfo=UTC)
NOW = "Monday 2026-03-02 12:05:33 (local time, UTC+00:00)"


@pytest.fixture(autouse=True)
def _stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(clock, StructuredTool)
    assert clock.func is not None

    def now(zone: tzinfo | None = None) -> datetime:
        return NOON.astimezone(zone or UTC)

    monkeypatch.setattr(sys.modules[clock.func.__module__], "_now", now)


@pytest.mark.parametrize(
    ("query", "line"),
    [
        ("", NOW),
        ("now", NOW),
        ("What is the current time?", NOW),
        ("current date and time", NOW),
        ("what's today's date", NOW),
        ("now()", NOW),
        ("current time in 24 hour clock", NOW),
        ("Tokyo", "Monday 2026-03-02 21:05:33 (Asia/Tokyo, UTC+09:00)"),
        ("Europe/Paris", "Monday 2026-03-02 13:05:33 (Europe/Paris, UTC+01:00)"),
        ("Paris, France", "Monday 2026-03-02 13:05:33 (Europe/Paris, UTC+01:00)"),
        ("current time in New York", "Monday 2026-03-02 07:05:33 (America/New_York, UTC-05:00)"),
        ("What time is it in San Francisco?", "Monday 2026-03-02 04:05:33 (America/Los_Angeles, UTC-08:00)"),
        ("Port of Spain", "Monday 2026-03-02 08:05:33 (America/Port_of_Spain, UTC-04:00)"),
        ("today in Auckland", "Tuesday 2026-03-03 01:05:33 (Pacific/Auckland, UTC+13:00)"),
        ("UTC+2", "Monday 2026-03-02 14:05:33 (UTC+02:00)"),
        ("time at +02:00", "Monday 2026-03-02 14:05:33 (UTC+02:00)"),
        ("time in GMT-3:30", "Monday 2026-03-02 08:35:33 (UTC-03:30)"),
        ("Sydney, Australia", "Monday 2026-03-02 23:05:33 (Australia/Sydney, UTC+11:00)"),
        ("Houston, Texas, USA", "Monday 2026-03-02 06:05:33 (America/Chicago, UTC-06:00)"),
        ("Easter Island", "Monday 2026-03-02 07:05:33 (Pacific/Easter, UTC-05:00)"),
    ],
)
def test_it_tells_the_time_here_and_elsewhere(query: str, line: str) -> None:
    assert clock.invoke(query) == line


@pytest.mark.parametrize(
    ("query", "line"),
    [
        ("today", "2026-03-02 is a Monday"),
        ("what day is it tomorrow?", "2026-03-03 is a Tuesday"),
        ("weekday 2024-02-29", "2024-02-29 is a Thursday"),
        ("weekday(2024/02/29)", "2024-02-29 is a Thursday"),
        ("What day of the week was 2001-09-11?", "2001-09-11 is a Tuesday"),
        ("3 March 2024", "2024-03-03 is a Sunday"),
        ("weekday of the 3rd of March 2024", "2024-03-03 is a Sunday"),
        ("March 3, 2024", "2024-03-03 is a Sunday"),
        ("Sept. 1st 2024", "2024-09-01 is a Sunday"),
        ("what date is next friday", "2026-03-06 is a Friday"),
        ("last friday", "2026-02-27 is a Friday"),
    ],
)
def test_it_names_the_weekday_of_a_date(query: str, line: str) -> None:
    assert clock.invoke(query) == line


@pytest.mark.parametrize(
    ("query", "line"),
    [
        (
            "days between 2024-01-01 and 2024-12-25",
            "359 days (11 months, 24 days) from Monday 2024-01-01 to Wednesday 2024-12-25",
        ),
        (
            "how many days from 2024-03-01 to 2024-03-15",
            "14 days from Friday 2024-03-01 to Friday 2024-03-15",
        ),
        (
            "days between March 2, 2024 and March 1, 2024",
            "1 day from Saturday 2024-03-02 back to Friday 2024-03-01",
        ),
        ("days until 2026-12-25", "298 days (9 months, 23 days) from Monday 2026-03-02 to Friday 2026-12-25"),
        (
            "how many days since 2026-01-01",
            "60 days (2 months, 1 day) from Thursday 2026-01-01 to Monday 2026-03-02",
        ),
        ("2024-01-31 + 45 days", "2024-01-31 + 45 days is Saturday 2024-03-16"),
        ("2024-01-31 - 10 days", "2024-01-31 - 10 days is Sunday 2024-01-21"),
        ("2024-01-31 plus 1 week and 2 days", "2024-01-31 + 9 days is Friday 2024-02-09"),
        ("What date is 3 weeks before 3 March 2024?", "2024-03-03 - 21 days is Sunday 2024-02-11"),
        ("45 days from today", "2026-03-02 + 45 days is Thursday 2026-04-16"),
        ("in 1 day", "2026-03-02 + 1 day is Tuesday 2026-03-03"),
        ("2 weeks ago", "2026-03-02 - 14 days is Monday 2026-02-16"),
        ("fifteen days from today", "2026-03-02 + 15 days is Tuesday 2026-03-17"),
        ("twenty-five days from today", "2026-03-02 + 25 days is Friday 2026-03-27"),
        ("sixty two days from today", "2026-03-02 + 62 days is Sunday 2026-05-03"),
        ("a hundred days from today", "2026-03-02 + 100 days is Wednesday 2026-06-10"),
        ("1,000 days after 2024-01-01", "2024-01-01 + 1000 days is Sunday 2026-09-27"),
        ("3 weeks from next friday", "2026-03-06 + 21 days is Friday 2026-03-27"),
        ("the day after christmas", "2026-12-25 + 1 day is Saturday 2026-12-26"),
        ("the day before 2024-03-01", "2024-03-01 - 1 day is Thursday 2024-02-29"),
        ("2 weeks before 1 January", "2026-01-01 - 14 days is Thursday 2025-12-18"),
    ],
)
def test_it_counts_with_dates(query: str, line: str) -> None:
    assert clock.invoke(query) == line


@pytest.mark.parametrize(
    ("query", "line"),
    [
        (
            "How many days until Christmas?",
            "298 days (9 months, 23 days) from Monday 2026-03-02 to Friday 2026-12-25",
        ),
        ("days until 1 March", "364 days (11 months, 27 days) from Monday 2026-03-02 to Monday 2027-03-01"),
        ("days since March 1st", "1 day from Sunday 2026-03-01 to Monday 2026-03-02"),
        ("how many days until next friday", "4 days from Monday 2026-03-02 to Friday 2026-03-06"),
        ("days since last monday", "7 days from Monday 2026-02-23 to Monday 2026-03-02"),
        ("what day was it 3 weeks ago", "2026-03-02 - 21 days is Monday 2026-02-09"),
        ("in two months", "2026-03-02 + 2 months is Saturday 2026-05-02"),
        ("2024-01-31 + 1 month", "2024-01-31 + 1 month is Thursday 2024-02-29"),
        ("a year before 29 February 2024", "2024-02-29 - 12 months is Tuesday 2023-02-28"),
        ("What day is the day after tomorrow?", "2026-03-04 is a Wednesday"),
        ("25.12.2024", "2024-12-25 is a Wednesday"),
        ("weekday 12/25/2024", "2024-12-25 is a Wednesday"),
        ("the 3rd of March, 2024", "2024-03-03 is a Sunday"),
        ("Is 1900 a leap year?", "1900 is not a leap year"),
        ("how many days are in February 2024", "29 days in 2024-02"),
        ("time difference between Tokyo and UTC", "9 hours: Asia/Tokyo is ahead of Etc/UTC"),
        (
            "How old was someone born on 14 September 1941 on 1 May 2020?",
            "78 years, 7 months, 17 days (28719 days) from Sunday 1941-09-14 to Friday 2020-05-01",
        ),
        (
            "days until the first of May",
            "60 days (1 month, 29 days) from Monday 2026-03-02 to Friday 2026-05-01",
        ),
        ("weekday of May the twenty-third, 2025", "2025-05-23 is a Friday"),
        ("2024-05-10 - 1 month and 5 days", "2024-05-10 - 1 month and 5 days is Friday 2024-04-05"),
        ("3 weeks and 2 days before 3 March 2024", "2024-03-03 - 23 days is Friday 2024-02-09"),
        ("2024-05-10 + 1 month - 5 days", "2024-05-10 + 1 month - 5 days is Wednesday 2024-06-05"),
        ("2024-05-10 take away 5 days", "2024-05-10 - 5 days is Sunday 2024-05-05"),
        ("take away 5 days from 2024-05-10", "2024-05-10 - 5 days is Sunday 2024-05-05"),
        ("count back 5 days from 2024-05-10", "2024-05-10 - 5 days is Sunday 2024-05-05"),
        ("go back a week", "2026-03-02 - 7 days is Monday 2026-02-23"),
        ("2 weeks to christmas", "2026-12-25 - 14 days is Friday 2026-12-11"),
        ("add 2 weeks to 2024-05-10", "2024-05-10 + 14 days is Friday 2024-05-24"),
        (
            "days until 29 February",
            "729 days (1 year, 11 months, 27 days) from Monday 2026-03-02 to Tuesday 2028-02-29",
        ),
        (
            "days since 29 February",
            "732 days (2 years, 2 days) from Thursday 2024-02-29 to Monday 2026-03-02",
        ),
    ],
)
def test_it_reads_what_people_ask(query: str, line: str) -> None:
    assert clock.invoke(query) == line


@pytest.mark.parametrize(
    ("query", "ends"),
    [
        ("days from 1 June to 24 December", "from Monday 2026-06-01 to Thursday 2026-12-24"),
        ("days from 1 January to 1 February", "from Thursday 2026-01-01 to Sunday 2026-02-01"),
        ("days between 30 dec and 2 jan", "from Wednesday 2026-12-30 to Saturday 2027-01-02"),
        ("days from new year to christmas", "from Thursday 2026-01-01 to Friday 2026-12-25"),
        ("days from christmas to new year", "from Friday 2026-12-25 to Friday 2027-01-01"),
        ("days from 1 June to today", "from Sunday 2025-06-01 to Monday 2026-03-02"),
        ("days from 1 June to 24 December 2024", "from Saturday 2024-06-01 to Tuesday 2024-12-24"),
        ("days from today to 1 June", "from Monday 2026-03-02 to Monday 2026-06-01"),
        ("days between 4 May 2024 and 25 December", "from Saturday 2024-05-04 to Wednesday 2024-12-25"),
        ("from 4 May 2024 to christmas", "from Saturday 2024-05-04 to Wednesday 2024-12-25"),
        ("days between 31 december 2024 and 1 jan", "from Tuesday 2024-12-31 to Wednesday 2025-01-01"),
        ("days from 7 June 2027 to 1 July", "from Monday 2027-06-07 to Thursday 2027-07-01"),
        ("days between 25 December and 4 May 2024", "from Monday 2023-12-25 to Saturday 2024-05-04"),
        ("how many days before christmas", "from Monday 2026-03-02 to Friday 2026-12-25"),
        ("days between now and 1 January", "from Monday 2026-03-02 to Friday 2027-01-01"),
        ("days between today and 1 January", "from Monday 2026-03-02 to Friday 2027-01-01"),
        ("how old on 1 May is who was born 14 July 1950", "from Friday 2026-05-01 back to Friday 1950-07-14"),
        ("age of someone born 14 July 1950 on 1 May", "from Friday 1950-07-14 to Friday 2026-05-01"),
    ],
)
def test_from_one_date_to_another_it_goes_forward_where_no_year_is_said(query: str, ends: str) -> None:
    assert clock.invoke(query).endswith(ends)


def test_hours_are_counted_over_a_change_of_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        assert clock.invoke("3000 hours from now") == "Sunday 2026-07-05 14:05:33 (local time)"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("query", "line"),
    [
        ("9:48 + 2 hours and 35 minutes", "9:48 + 2 hours 35 minutes is 12:23"),
        ("9.48 am + 35 minutes", "9:48 + 35 minutes is 10:23"),
        ("17:40 - 1 hour and 5 minutes", "17:40 - 1 hour 5 minutes is 16:35"),
        ("What time is it 45 minutes before 3 pm?", "15:00 - 45 minutes is 14:15"),
        ("two hours after noon", "12:00 + 2 hours is 14:00"),
        ("30 minutes to noon", "12:00 - 30 minutes is 11:30"),
        ("add 30 minutes to 9:48", "9:48 + 30 minutes is 10:18"),
        ("23:30 + 45 minutes", "23:30 + 45 minutes is 0:15, the next day"),
        ("0:10 - 20 minutes", "0:10 - 20 minutes is 23:50, the day before"),
        ("12 am + 50 hours", "0:00 + 50 hours is 2:00, 2 days later"),
        ("How long is it from 9:15 to 11:40?", "2 hours 25 minutes from 9:15 to 11:40"),
        ("hours between 22:30 and 6:30", "8 hours from 22:30 to 6:30 the next day"),
        ("9:00 - 17:30", "8 hours 30 minutes from 9:00 to 17:30"),
        (
            "17:30 - 9:00",
            "8 hours 30 minutes from 9:00 to 17:30; 15 hours 30 minutes from 17:30 to 9:00 the next day",
        ),
        ("22:00 - 6:00", "8 hours from 22:00 to 6:00 the next day; 16 hours from 6:00 to 22:00"),
        ("how long until 13:00", "55 minutes from 12:05 to 13:00"),
        ("9:48 + 35 min", "9:48 + 35 minutes is 10:23"),
        ("3:45 pm + 2h", "15:45 + 2 hours is 17:45"),
        ("3:45 pm + 2 hrs 30 mins", "15:45 + 2 hours 30 minutes is 18:15"),
        ("3 p.m. + 2 hours", "15:00 + 2 hours is 17:00"),
        ("3 o'clock + 2 hours", "3:00 + 2 hours is 5:00"),
        ("half an hour before 9 am", "9:00 - 30 minutes is 8:30"),
        ("9 a.m. to 5 p.m.", "8 hours from 9:00 to 17:00"),
        ("how many hours is it from 9 am to 5 pm", "8 hours from 9:00 to 17:00"),
        ("half an hour ago", "Monday 2026-03-02 11:35:33 (local time)"),
        ("what time is it in Tokyo when it is 9 am in Paris", "9:00 (Europe/Paris) is 17:00 (Asia/Tokyo)"),
        (
            "time in Los Angeles if it's 3:30 in Tokyo",
            "3:30 (Asia/Tokyo) is 10:30, the day before (America/Los_Angeles)",
        ),
    ],
)
def test_it_counts_with_times_of_day(query: str, line: str) -> None:
    assert clock.invoke(query) == line


@pytest.mark.parametrize(
    "query", ["What year is it?", "which month is it", "Is today Friday?", "is it the weekend"]
)
def test_questions_about_today_are_told_all_of_it(query: str) -> None:
    assert clock.invoke(query) == clock.invoke("now")


FORMS = (
    "now; Tokyo; Europe/Paris; UTC+2; weekday 2024-02-29; days between 2024-01-01 and 2024-12-25; "
    "days until 2030-01-01; 2024-01-31 + 45 days; 3 weeks before 3 March 2024; 9:48 + 35 minutes"
)


@pytest.mark.parametrize(
    "query",
    [
        "Atlantis",
        "days until easter",
        "what date is easter",
        "hours between 2024-01-01 and 2024-01-02",
        "2024-01-31 + 1 month and 2 hours",
        "2024-01-01 2024-01-02 + 3 days",
        "how many days in 2 weeks",
        "25:00 + 5 minutes",
        "13 pm + 5 minutes",
        "9:30 + 2 days",
        "2024-05-10 + 9:30",
        "12:30",
        "1.5 hours after 9:00",
        "from 9:15 to 11:40 to 12:00",
        "days until 1.12",
        "days from 1.10 to 3.12",
        "current time in 12 hour format",
        "from 9 o'clock to 5 o'clock",
        "at 17 h",
        "10 h 30 min + 2 h",
        "last christmas",
        "an hour and a half before 9 am",
        "one hundred and five days from today",
        "how many days before christmas is 3 May",
        "now + 2",
        "time in +2",
    ],
)
def test_what_it_cannot_read_is_refused_with_the_forms_it_knows(query: str) -> None:
    with pytest.raises(ToolException) as caught:
        clock.invoke(query)
    assert str(caught.value) == f"cannot read {query!r}; write one of: {FORMS}"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("2023-02-29", "'2023-02-29' is not in the calendar; a date is written like 2024-02-29"),
        ("9999-12-31 + 5 days", "that date is outside of the years 1 to 9999"),
        ("today - 999999999 days", "that date is outside of the years 1 to 9999"),
        ("03/04/2024", "'03/04/2024' can be read in two ways; a date is written like 2024-02-29"),
        ("9999-12-01 + 1 month", "that date is outside of the years 1 to 9999"),
        ("UTC+20", "there is no offset 'UTC+20'; offsets go up to 14 hours"),
        ("30 February", "'30 february' is not in the calendar; a date is written like 2024-02-29"),
        ("days until 30 February", "'30 february' is not in the calendar; a date is written like 2024-02-29"),
        (
            "Paris, Texas",
            "'paris' is in Europe/Paris, and not in America/Chicago; ask for one place at a time",
        ),
        (
            "Tokyo, London, and Paris",
            "'tokyo' is in Asia/Tokyo, and not in Europe/London; ask for one place at a time",
        ),
    ],
)
def test_what_does_not_exist_is_said_to_be_so(query: str, message: str) -> None:
    with pytest.raises(ToolException) as caught:
        clock.invoke(query)
    assert str(caught.value) == message


def test_without_the_stopped_clock_it_tells_the_real_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    _, day, hour, _ = clock.invoke("UTC+0").split(" ")
    told = datetime.fromisoformat(f"{day} {hour}+00:00")
    assert abs(datetime.now(UTC) - told) < timedelta(seconds=60)
