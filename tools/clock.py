"""The clock: the time anywhere, weekdays, and counting with dates. Works offline.

A question is read in passes: the dates are taken out of it, the times of day, then the spans ("+ 45 days"),
and what is left must be words that the matching form knows, or the name of a place. Anything else is refused
rather than guessed at.

A date without a year is this year's; after ``until`` the next one, after ``since`` the last one. So are
Christmas and other feasts on fixed days. From one date to another the second is the next one after the
first, or the first the last one before the second, if only that has a year. 25.12.2024 and 12/25/2024 are
read where one reading is left.

A place is a time zone (``Europe/Paris``), the last part of one (``New York``), an offset (``UTC+2``),
or one of a few large cities and countries that no zone is named after.
"""

from __future__ import annotations

import functools
import re
import zoneinfo
from calendar import isleap, monthrange
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from fractions import Fraction

from langchain_core.tools import ToolException, tool

from . import _times
from ._dates import MONTH, MONTHS, NAMED_DAYS, WEEKDAYS, take_dates
from ._spans import Span, take_spans
from ._times import many

FORMS = (
    "now; Tokyo; Europe/Paris; UTC+2; weekday 2024-02-29; days between 2024-01-01 and 2024-12-25; "
    "days until 2030-01-01; 2024-01-31 + 45 days; 3 weeks before 3 March 2024; 9:48 + 35 minutes"
)

_OFFSET = re.compile(r"(?:utc|gmt) ?([-+]) ?([0-9]{1,2})(?::?([0-9]{2}))?|([-+])([0-9]{2}):([0-9]{2})")
"""By itself +2 could be hours, as in now + 2."""
_LEAP = re.compile(r"(?:is|was|will|are) (?:the )?(?:year )?([0-9]{4}) (?:be )?(?:a )?leap year")
_MONTH_LENGTH = re.compile(
    rf"(?:how many |number of )?days (?:are (?:there )?|does |has |were (?:there )?)?(?:in )?"
    rf"({MONTH})(?: of)?(?: ([0-9]{{4}}))?(?: have| has)?"
)
_TWENTY_FOUR = re.compile(r"\b(?:(?:in|on|as|by) )?(?:a |the )?24[- ]hours? (?:clock|format)\b")
"""How a time is to be written, which it is anyway."""
_ELSEWHERE = re.compile(
    r"(?:what time is it|what is the time|what's the time|time) (?:in|at) (.+) "
    r"(?:when|if) (?:it is|it's|its) (.+) (?:in|at) (.+)"
)
_AHEAD = re.compile(
    r"(?:what is |what's |whats |tell me )?(?:the )?time difference (?:between|from) (.+) (?:and|to) (.+)"
    r"|(?:by )?how (?:many hours|far|much) (?:is|are) (.+) (?:ahead of|behind|from) (.+)"
)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What may stand around the dates or the place in each kind of question.
_ANY = _words(
    "what what's whats which is was were will it it's be the a of on at please tell me give , and do does "
    "did we you i have had know can could would so now then hey ok check look up us s this that by get"
)
_NOW = _ANY | _words(
    "current currently time times date day local right today today's here in for year month week weekday "
    "how late hour clock watch say says show shows there they got exact exactly full just moment o'clock "
    "over need want like to see your my our name number"
)
_IS_IT = _words("weekend or am pm already still lunch dinner bed") | frozenset(NAMED_DAYS.split("|"))
_WEEKDAY = _ANY | _words("weekday day week date fall falls fell name born happen happened land lands")
_BETWEEN = _ANY | _words(
    "how many much long number days day's weeks day week count there are between from to until till since - "
    "have has passed left away remain remaining gone go ago old am someone somebody who born been lie lies "
    "more still wait must should come comes in starting beginning time next last coming sleeps age years "
    "year before"
)
_TO_IT = _words("until till to left away remain remaining wait sleeps")
_SINCE_IT = _words("since ago passed old gone")
_IN_YEARS = _words("old age years")
_OF_DATES = _words("day days week weeks month months year years date")
"""Words beside which 1.12 is a date, and no time of day."""
_WITH_TIMES = _words("hours minutes time hour minute and in the morning evening afternoon night")
_SHIFT = _ANY | _words(
    "date day weekday week today time year month clock be add to come comes lies fall falls take away from "
    "after exactly count back go forward current"
)

_MORE_PLACES = {
    "Pacific/Apia": ("samoa",),
    "America/Los_Angeles": (
        "san francisco", "seattle", "san diego", "las vegas", "california", "nevada", "oregon",
    ),
    "America/New_York": (
        "boston", "washington", "washington dc", "miami", "atlanta", "nyc", "florida", "massachusetts",
        "maine", "new jersey", "north carolina", "ohio", "pennsylvania", "virginia",
    ),
    "America/Chicago": (
        "houston", "dallas", "austin", "alabama", "arkansas", "illinois", "iowa", "louisiana", "minnesota",
        "mississippi", "missouri", "oklahoma", "texas", "wisconsin",
    ),
    "America/Denver": ("colorado", "montana", "new mexico", "utah", "wyoming"),
    "America/Phoenix": ("arizona",),
    "America/Sao_Paulo": ("rio de janeiro", "brasilia"),
    "America/Toronto": ("ottawa", "montreal", "ontario", "quebec"),
    "America/Vancouver": ("british columbia",),
    "Pacific/Easter": ("easter island",),
    "Asia/Kolkata": ("mumbai", "delhi", "new delhi", "bangalore", "india"),
    "Asia/Shanghai": ("beijing", "shenzhen", "china"),
    "Asia/Tokyo": ("osaka", "kyoto"),
    "Europe/Berlin": ("munich", "hamburg", "frankfurt", "cologne", "germany"),
    "Europe/Madrid": ("barcelona", "spain"),
    "Europe/Paris": ("lyon", "marseille", "france"),
    "Europe/Rome": ("milan", "naples", "italy"),
    "Europe/Zurich": ("geneva", "basel", "switzerland"),
    "Africa/Johannesburg": ("south africa", "cape town"),
    "America/Argentina/Buenos_Aires": ("argentina",),
    "America/Bogota": ("colombia",),
    "America/Edmonton": ("calgary", "alberta"),
    "America/Lima": ("peru",),
    "Asia/Bangkok": ("thailand",),
    "Asia/Dubai": ("abu dhabi",),
    "Asia/Ho_Chi_Minh": ("hanoi", "vietnam", "saigon"),
    "Asia/Seoul": ("south korea", "korea"),
    "Europe/Amsterdam": ("netherlands", "the netherlands", "rotterdam", "holland"),
    "Europe/Athens": ("greece",),
    "Europe/Brussels": ("belgium",),
    "Europe/Budapest": ("hungary",),
    "Europe/Copenhagen": ("denmark",),
    "Europe/Dublin": ("ireland",),
    "Europe/Helsinki": ("finland",),
    "Europe/Kyiv": ("ukraine",),
    "Europe/London": ("england", "uk", "the uk", "britain", "scotland", "wales", "edinburgh", "glasgow"),
    "Europe/Moscow": ("st petersburg", "saint petersburg"),
    "Europe/Oslo": ("norway",),
    "Europe/Prague": ("czech republic", "czechia"),
    "Europe/Stockholm": ("sweden",),
    "Europe/Vienna": ("austria",),
    "Africa/Nairobi": ("kenya",),
    "Africa/Lagos": ("nigeria",),
}  # fmt: skip


@tool
def clock(query: str) -> str:
    """Tell the time, or count with dates and times.

    Input: now, a city, weekday 2024-02-29, days between 2024-01-01 and 2024-12-25, 2024-01-31 + 45 days, or
    9:48 + 35 minutes.
    """
    plain = re.sub(r'[()"`?!;]|:(?![0-9])', " ", query.lower().replace("’", "'"))
    try:
        answer = _answer(" ".join(plain.split()).strip(" .,'"))
    except OverflowError as error:
        raise ToolException("that date is outside of the years 1 to 9999") from error
    if answer is None:
        raise ToolException(f"cannot read {query.strip()[:80]!r}; write one of: {FORMS}")
    return answer


def _answer(text: str) -> str | None:
    """Answer a question in small letters; None if it is not understood."""
    for form, answered in _ANSWERS:
        found = form.fullmatch(text.replace(" please", ""))
        if found and (answer := answered(found)) is not None:
            return answer
    asked = frozenset(text.replace(",", " ").split())
    if asked & {"is", "was", "isn't"} and asked & _IS_IT and asked <= _NOW | _IS_IT | {"isn't"}:
        return _time_at("")
    dates, rest = take_dates(text, _now().date())
    times, rest = _times.take_times(_TWENTY_FOUR.sub("", rest))
    spans, rest = take_spans(rest)
    words = [word.strip(":") for word in rest.replace(",", " , ").replace(". ", " ").split()]
    if times:
        unclear = "o'clock" in text and not spans  # from 9 to 5 o'clock can be 8 hours or 20
        return None if dates or unclear or _OF_DATES & set(words) else _with_times(times, spans, words)
    if spans:
        return _shifted(dates, spans) if len(dates) < 2 and _SHIFT.issuperset(words) else None
    if dates:
        answer = _between(dates, words) if _BETWEEN.issuperset(words) else None
        if answer is None and len(dates) == 1 and _WEEKDAY.issuperset(words):
            answer = f"{dates[0]} is a {WEEKDAYS[dates[0].weekday()]}"
        return answer
    return _time_at(_place(words))


# --- taking a question apart ---


def _place(words: list[str]) -> str:
    """Return the place that is left when the words around it are dropped, with commas; empty for here."""
    first, last = 0, len(words)
    while first < last and words[first] in _NOW:
        first += 1
    while first < last and words[last - 1] in _NOW:
        last -= 1
    return " ".join(words[first:last])


# --- answering ---


def _shifted(dates: list[date], spans: list[Span]) -> str | None:
    minutes, days, months = (sum(parts) for parts in zip(*spans, strict=True))
    if minutes and (dates or days or months):
        return None
    if minutes:
        then = (_now(UTC) + timedelta(minutes=minutes)).astimezone()
        return f"{_written(then.date())} {then:%H:%M:%S} (local time)"
    start = dates[0] if dates else _now().date()
    end = _months_later(start, months) + timedelta(days=days)
    parts = [(months, "month")] if months else []
    parts += [(days, "day")] if days or not months else []
    told, before = f"{start}", ""
    for count, unit in parts:
        sign = "-" if count < 0 else "+"
        told += f" {'and' if sign == before else sign} {many(abs(count), unit)}"
        before = sign
    return f"{told} is {_written(end)}"


def _with_times(times: list[int], spans: list[Span], words: list[str]) -> str | None:
    """Count with times of day."""
    minutes, days, months = (sum(parts) for parts in zip(*spans, strict=True)) if spans else (0, 0, 0)
    if spans and len(times) == 1 and not (days or months) and (_SHIFT | _WITH_TIMES).issuperset(words):
        return _times.moved(times[0], minutes)
    if spans or not (_BETWEEN | _WITH_TIMES).issuperset(words):
        return None
    if len(times) == 1 and _TO_IT & set(words):
        now = _now()
        times = [60 * now.hour + now.minute, *times]
    if len(times) != 2:
        return None
    if times[0] > times[1] and "-" in words:  # 22:00 - 6:00 is a night, 17:30 - 9:00 is a working day
        ways = [_times.between(*times), _times.between(*reversed(times))]
        return "; ".join(reversed(ways) if _times.is_long(*times) else ways)
    return _times.between(*times)


def _months_later(start: date, months: int) -> date:
    """Return the same day in another month, or the last of that month if it is shorter."""
    year, month = divmod(12 * start.year + start.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise OverflowError
    return date(year, month + 1, min(start.day, monthrange(year, month + 1)[1]))


def _between(dates: list[date], words: list[str]) -> str | None:
    """Count the days from one date to the next; to or from today when only one is given."""
    said = frozenset(words)
    counted_before = "before" in said
    if counted_before and (len(dates) != 1 or "days" not in said):
        return None
    if len(dates) == 1 and said & _SINCE_IT:
        dates = [*dates, _now().date()]
    elif len(dates) == 1 and (counted_before or said & _TO_IT or "now and" in " ".join(words)):
        dates = [_now().date(), *dates]
    if len(dates) != 2:
        return None
    days = (dates[1] - dates[0]).days
    direction = "back to" if days < 0 else "to"
    long = _calendar(min(dates), max(dates))
    count = many(abs(days), "day")
    if said & _IN_YEARS and not said & {"days", "day"} and long:
        count, long = long, count
    if said & {"weeks", "week"}:
        weeks, rest = divmod(abs(days), 7)
        more = f" and {many(rest, 'day')}" if rest else ""
        count = f"{many(weeks, 'week')}{more}, {count}"
    return f"{count}{long and f' ({long})'} from {_written(dates[0])} {direction} {_written(dates[1])}"


def _leap(found: re.Match[str]) -> str:
    year = int(found[1])
    return f"{year} is {'' if isleap(year) else 'not '}a leap year"


def _month_length(found: re.Match[str]) -> str:
    year = int(found[2] or _now().year)
    month = MONTHS.index(found[1][:3]) + 1
    return f"{many(monthrange(year, month)[1], 'day')} in {year}-{month:02}"


def _ahead(found: re.Match[str]) -> str | None:
    """Say how many hours the clocks of two places differ by."""
    names = [_place((name or "").split()) for name in (found[1] or found[3], found[2] or found[4])]
    zones = [_zone_at(name) if name else None for name in names]
    if None in zones:
        return None
    one, other = (_now(zone).utcoffset() or timedelta() for zone in zones)
    hours = Fraction(round((one - other).total_seconds()), 3600)
    how = "ahead of" if hours >= 0 else "behind"
    return f"{float(abs(hours)):g} hours: {zones[0]} is {how} {zones[1]}"


def _elsewhere(found: re.Match[str]) -> str | None:
    """Tell the time at a place when it is some time at another one, as their clocks differ today."""
    zone, other = (_zone_at(_place(name.split())) for name in (found[1], found[3]))
    times, rest = _times.take_times(found[2])
    if zone is None or other is None or len(times) != 1 or rest.strip():
        return None
    ahead = (_now(zone).utcoffset() or timedelta()) - (_now(other).utcoffset() or timedelta())
    then = _times.then(times[0] + round(ahead.total_seconds() / 60))
    return f"{_times.written(times[0])} ({other}) is {then} ({zone})"


_ANSWERS = ((_LEAP, _leap), (_MONTH_LENGTH, _month_length), (_ELSEWHERE, _elsewhere), (_AHEAD, _ahead))


def _time_at(place: str) -> str | None:
    """Tell the time at a place, or here if it is empty; None if there is no such place."""
    zone = _zone_at(place) if place else None
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
    return f"{WEEKDAYS[day.weekday()]} {day}"


def _calendar(start: date, end: date) -> str:
    """Say a stretch of time in years, months and days; empty below a month."""
    months = 12 * (end.year - start.year) + end.month - start.month - (end.day < start.day)
    if months < 1:
        return ""
    year, month = divmod(start.month - 1 + months, 12)
    # The 31st stands for the last day of a shorter month.
    last = monthrange(start.year + year, month + 1)[1]
    days = (end - date(start.year + year, month + 1, min(start.day, last))).days
    parts = [(months // 12, "year"), (months % 12, "month"), (days, "day")]
    return ", ".join(many(count, unit) for count, unit in parts if count)


# --- time zones ---


def _zone_at(place: str) -> tzinfo | None:
    """Find the zone of a place that may say after a comma where that is; None if it is not known.

    Raises:
        ToolException: what stands after the comma is known, and is somewhere else.
    """
    name, *more = (part.strip().removeprefix("and ") for part in place.split(","))
    zone = _zone(name)
    for other in filter(None, map(_zone, more)):
        if zone is not None and _now(other).utcoffset() != _now(zone).utcoffset():
            raise ToolException(f"{name!r} is in {zone}, and not in {other}; ask for one place at a time")
    return zone


def _zone(place: str) -> tzinfo | None:
    """Find the zone of a place; None if there is none of that name.

    Raises:
        ToolException: zones of that name show different times, or no zones are installed.
    """
    if offset := _OFFSET.fullmatch(place):
        sign, hours, minutes = offset.groups()[:3] if offset[1] else offset.groups()[3:]
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
    del names["easter"]  # who asks for it means the feast
    return names
