"""Times of day in a text, and counting with them: ``9:48 + 2 hours``, ``from 22:30 to 6:10``."""

from __future__ import annotations

import re

_TIME = re.compile(
    r"""(?<![\w:.+-]) (?: (?P<hour> [0-9]{1,2} ) [:.] (?P<minute> [0-5][0-9] )
                          (?: [ ]? (?P<half> [ap]\.?m\b\.? ) )?
                        | (?P<hour_2> [0-9]{1,2} ) (?: [ ]? (?P<half_2> [ap]\.?m\b\.? ) | (?=[ ]o'clock) )
                        | (?P<named> noon | midnight ) ) (?![\w:]|[.-][0-9]) (?:[ ]o'clock)?""",
    re.VERBOSE,
)
_NAMED = {"noon": 12 * 60, "midnight": 0}
_DAY = 24 * 60


def take_times(text: str) -> tuple[list[int], str]:
    """Return the times of day in a text, as minutes after midnight, and the text without them.

    Args:
        text: in small letters.
    """
    found = [_minutes(time) for time in _TIME.finditer(text)]
    times = [time for time in found if time is not None]
    return (times, _TIME.sub(" ", text)) if len(times) == len(found) else ([], text)


def then(time: int) -> str:
    """Write a time of day that may be one of another day."""
    days, rest = divmod(time, _DAY)
    when = {0: "", 1: ", the next day", -1: ", the day before"}.get(days, f", {abs(days)} days {_way(days)}")
    return f"{written(rest)}{when}"


def written(time: int) -> str:
    """Write a time of day."""
    return f"{time // 60}:{time % 60:02}"


def _long(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    parts = [many(hours, "hour")] if hours else []
    parts += [many(rest, "minute")] if rest or not hours else []
    return " ".join(parts)


def moved(time: int, minutes: int) -> str:
    """Say what time of day it is some minutes after a time, or before it."""
    return f"{written(time)} {'-' if minutes < 0 else '+'} {_long(abs(minutes))} is {then(time + minutes)}"


def between(start: int, end: int) -> str:
    """Say how long it is from one time of day to another; to an earlier one it is that of the next day."""
    next_day = " the next day" if end < start else ""
    return f"{_long((end - start) % _DAY)} from {written(start)} to {written(end)}{next_day}"


def is_long(start: int, end: int) -> bool:
    """Say whether it is more than half a day from one time of day to another."""
    return 2 * ((end - start) % _DAY) > _DAY


def _minutes(found: re.Match[str]) -> int | None:
    """Return a time as minutes after midnight; None if no clock shows it."""
    if found["named"]:
        return _NAMED[found["named"]]
    hour, minute = int(found["hour"] or found["hour_2"]), int(found["minute"] or 0)
    half = found["half"] or found["half_2"]
    if half and not 1 <= hour <= 12:
        return None
    if half:
        hour = hour % 12 + (12 if half.startswith("p") else 0)
    return 60 * hour + minute if hour < 24 else None


def many(count: int, unit: str) -> str:
    """Say a number of something."""
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def _way(days: int) -> str:
    return "later" if days > 0 else "earlier"
