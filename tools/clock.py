"""The clock: the time anywhere, weekdays, and counting with dates. Works offline.

A question is read in three passes: the dates are taken out of it, then the spans ("+ 45 days"), and
what is left must be words that the matching form knows, or the name of a place. Anything else is
refused rather than guessed at.

A place is a time zone (``Europe/Paris``), the last part of one (``New York``), an offset (``UTC+2``),
or one of a few large cities and countries that no zone is named after.
"""

from __future__ import annotations

import functools
import re
import zoneinfo
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

from langchain_core.tools import ToolException, tool

FORMS = (
    "now; Tokyo; Europe/Paris; UTC+2; weekday 2024-02-29; days between 2024-01-01 and 2024-12-25; "
    "days until 2030-01-01; 2024-01-31 + 45 days; 3 weeks before 3 March 2024"
)

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    "(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    "|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_DATE = re.compile(
    rf"""\b ([0-9]{{4}}) ([-/.]) ([0-9]{{1,2}}) \2 ([0-9]{{1,2}}) \b                          # 2024-03-03
       | \b ([0-9]{{1,2}}) (?:st|nd|rd|th)? [ ] (?:of[ ])? {_MONTH} [.,]? [ ] ([0-9]{{4}}) \b  # 3 March 2024
       | \b {_MONTH} [.]? [ ] ([0-9]{{1,2}}) (?:st|nd|rd|th)? ,? [ ] ([0-9]{{4}}) \b           # March 3, 2024
       | \b (today|tomorrow|yesterday) \b (?!'s|[ ]in\b)""",
    re.VERBOSE,
)
_SPAN = re.compile(
    r"""(?: (?P<sign> [-+] | \b(?:plus|minus|in)\b ) [ ]? )?
        \b (?P<many> [0-9]{1,9} ) [ ]? (?P<unit> day|week) s? \b
        (?: [ ] (?P<way> after|from|before|ago|later|earlier) \b )?""",
    re.VERBOSE,
)
_OFFSET = re.compile(r"(?:utc|gmt)? ?([-+]) ?([0-9]{1,2})(?::?([0-9]{2}))?")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What may stand around the dates or the place in each kind of question.
_ANY = _words("what what's which whats is was will be it the a of on at please tell me , and")
_NOW = _ANY | _words("now current currently time date day local right today today's here in for")
_WEEKDAY = _ANY | _words("weekday day week date fall falls did does")
_BETWEEN = _ANY | _words("how many number days are there between from to until till since - have passed")
_SHIFT = _ANY | _words("date day weekday week today")

_MORE_PLACES = {
    "America/Los_Angeles": ("san francisco", "seattle", "san diego", "las vegas", "california"),
    "America/New_York": ("boston", "washington", "washington dc", "miami", "atlanta", "nyc"),
    "America/Chicago": ("houston", "dallas", "austin"),
    "America/Sao_Paulo": ("rio de janeiro", "brasilia"),
    "America/Toronto": ("ottawa", "montreal"),
    "Asia/Kolkata": ("mumbai", "delhi", "new delhi", "bangalore", "india"),
    "Asia/Shanghai": ("beijing", "shenzhen", "china"),
    "Asia/Tokyo": ("osaka", "kyoto"),
    "Europe/Berlin": ("munich", "hamburg", "frankfurt", "cologne", "germany"),
    "Europe/Madrid": ("barcelona", "spain"),
    "Europe/Paris": ("lyon", "marseille", "france"),
    "Europe/Rome": ("milan", "naples", "italy"),
    "Europe/Zurich": ("geneva", "basel", "switzerland"),
}


@tool
def clock(query: str) -> str:
    """Tell the time, or count with dates.

    Input: now, a city, weekday 2024-02-29, days between 2024-01-01 and 2024-12-25, or 2024-01-31 + 45 days.
    """
    text = " ".join(re.sub(r'[()"`?!;]', " ", query.lower()).split()).strip(" .'")
    try:
        dates, rest = _take_dates(text)
        spans, rest = _take_spans(rest)
        words = [word.strip(":") for word in rest.replace(",", " , ").split()]
        if spans:
            readable = len(dates) < 2 and _SHIFT.issuperset(words)
            answer = _shifted(dates, spans) if readable else None
        elif dates:
            answer = _between(dates, words) if _BETWEEN.issuperset(words) else None
            if answer is None and len(dates) == 1 and _WEEKDAY.issuperset(words):
                answer = f"{dates[0]} is a {_WEEKDAYS[dates[0].weekday()]}"
        else:
            answer = _time_at(_place(words))
    except OverflowError as error:
        raise ToolException("that date is outside of the years 1 to 9999") from error
    if answer is None:
        raise ToolException(f"cannot read {query.strip()[:80]!r}; write one of: {FORMS}")
    return answer


# --- taking a question apart ---


def _take_dates(text: str) -> tuple[list[date], str]:
    """Return the dates in a text, in order, and the text without them."""
    return [_date(found) for found in _DATE.finditer(text)], _DATE.sub(" ", text)


def _date(found: re.Match[str]) -> date:
    year, _, month, day, day_2, month_2, year_2, month_3, day_3, year_3, word = found.groups()
    if word:
        return _now().date() + timedelta(days={"yesterday": -1, "today": 0, "tomorrow": 1}[word])
    name = month_2 or month_3
    number = _MONTHS.index(name[:3]) + 1 if name else int(month)
    try:
        return date(int(year or year_2 or year_3), number, int(day or day_2 or day_3))
    except ValueError as error:
        raise ToolException(
            f"{found[0]!r} is not in the calendar; a date is written like 2024-02-29"
        ) from error


def _take_spans(text: str) -> tuple[list[timedelta], str]:
    """Return the spans in a text, with their signs, and the text without them."""
    text = " ".join(text.split())
    return [_span(found) for found in _SPAN.finditer(text)], _SPAN.sub(" ", text)


def _span(found: re.Match[str]) -> timedelta:
    days = int(found["many"]) * (7 if found["unit"] == "week" else 1)
    back = found["sign"] in ("-", "minus") or found["way"] in ("before", "ago", "earlier")
    return timedelta(days=-days if back else days)


def _place(words: list[str]) -> str:
    """Return the place that is left when the words around it are dropped; empty for here."""
    first, last = 0, len(words)
    while first < last and words[first] in _NOW:
        first += 1
    while first < last and words[last - 1] in _NOW:
        last -= 1
    return " ".join(words[first:last]).partition(" ,")[0]


# --- answering ---


def _shifted(dates: list[date], spans: list[timedelta]) -> str:
    start = dates[0] if dates else _now().date()
    span = sum(spans, timedelta())
    sign = "-" if span.days < 0 else "+"
    return f"{start} {sign} {_many(abs(span.days), 'day')} is {_written(start + span)}"


def _between(dates: list[date], words: list[str]) -> str | None:
    """Count the days from one date to the next; to or from today when only one is given."""
    if len(dates) == 1 and "since" in words:
        dates = [*dates, _now().date()]
    elif len(dates) == 1 and {"until", "till", "to"}.intersection(words):
        dates = [_now().date(), *dates]
    if len(dates) != 2:
        return None
    days = (dates[1] - dates[0]).days
    direction = "back to" if days < 0 else "to"
    long = _calendar(min(dates), max(dates))
    return f"{_many(abs(days), 'day')}{long} from {_written(dates[0])} {direction} {_written(dates[1])}"


def _time_at(place: str) -> str | None:
    """Tell the time at a place, or here if it is empty; None if there is no such place."""
    zone = _zone(place) if place else None
    if place and zone is None:
        return None
    now = _now(zone)
    offset = now.strftime("%z")
    name = "local time" if zone is None else f"{zone}" if isinstance(zone, zoneinfo.ZoneInfo) else ""
    label = ", ".join(part for part in (name, f"UTC{offset[:3]}:{offset[3:5]}") if part)
    return f"{_written(now.date())} {now:%H:%M:%S} ({label})"


def _now(zone: tzinfo | None = None) -> datetime:
    """Return the time in a zone, or on this machine's own clock."""
    return datetime.now(UTC).astimezone(zone)


def _written(day: date) -> str:
    return f"{_WEEKDAYS[day.weekday()]} {day}"


def _calendar(start: date, end: date) -> str:
    """Say a stretch of time in years, months and days, as ages are told; empty below a month."""
    months = 12 * (end.year - start.year) + end.month - start.month - (end.day < start.day)
    if months < 1:
        return ""
    year, month = divmod(start.month - 1 + months, 12)
    # The 31st stands for the last day of a shorter month.
    last = monthrange(start.year + year, month + 1)[1]
    days = (end - date(start.year + year, month + 1, min(start.day, last))).days
    parts = [(months // 12, "year"), (months % 12, "month"), (days, "day")]
    return f" ({', '.join(_many(count, unit) for count, unit in parts if count)})"


def _many(count: int, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


# --- time zones ---


def _zone(place: str) -> tzinfo | None:
    """Find the zone of a place; None if there is none of that name.

    Raises:
        ToolException: zones of that name show different times, or no zones are installed.
    """
    if offset := _OFFSET.fullmatch(place):
        sign, hours, minutes = offset.groups()
        ahead = timedelta(hours=int(hours), minutes=int(minutes or 0))
        if ahead > timedelta(hours=14):
            raise ToolException(f"there is no offset {place.upper()!r}; offsets go up to 14 hours")
        return timezone(-ahead if sign == "-" else ahead)
    zones = [zoneinfo.ZoneInfo(name) for name in _zone_names().get(place.replace(" ", "_"), ())]
    if len({_now(zone).utcoffset() for zone in zones}) > 1:
        raise ToolException(f"{place!r} is more than one time zone: {', '.join(map(str, zones))}")
    return zones[0] if zones else None


@functools.cache
def _zone_names() -> dict[str, list[str]]:
    """Return the zones by their names and by the last parts of them, in small letters."""
    known = sorted(zoneinfo.available_timezones())
    if not known:
        raise ToolException("this machine has no time zones; install the Python package tzdata")
    names: dict[str, list[str]] = {}
    # Regions come before old names without one: Asia/Singapore rather than Singapore.
    for zone in sorted(known, key=lambda name: "/" not in name):
        for name in {zone.lower(), zone.lower().rpartition("/")[2]}:
            names.setdefault(name, []).append(zone)
    for zone, places in _MORE_PLACES.items():
        for place in places:
            names.setdefault(place.replace(" ", "_"), []).append(zone)
    return names
