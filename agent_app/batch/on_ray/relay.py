"""How actors call the driver of a Ray program, which has no address of its own.

The calls go to an actor that lies between them. The driver fetches them there and brings back the replies.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from typing import Any, TypeAlias

from agent_app.batch.rows import Row


@dataclass(frozen=True, slots=True)
class Open:
    """An actor has a block of rows.

    The reply is a line for each: its record so far, an empty one if there is none, or None if it is not to be
    asked; or None for all.
    """

    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Keep:
    """Something has come of a row. The reply says whether it is in the journal, on the disk."""

    line: bytes
    """Its record."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """How many rows an actor has on their way, and how many it may have."""

    actor: str
    in_flight: int
    limit: int


@dataclass(frozen=True, slots=True)
class Failed:
    """Something is wrong that is the same for all rows."""

    why: str
    """One line, without secrets."""


@dataclass(frozen=True, slots=True)
class Until:
    """The reply comes when the run is to stop: when it has come to this stage."""

    stage: int
    """1: no further row begins; 2: what is on its way is given up."""


Call: TypeAlias = Open | Keep | Pulse | Failed | Until


class Relay:
    """Holds calls until the driver fetches them, and the callers until it has replied; an actor's class."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._new: list[tuple[int, Call]] = []
        self._open: dict[int, asyncio.Future[Any]] = {}
        self._news = asyncio.Event()

    async def call(self, call: Call) -> Any:
        """Call the driver, and return its reply."""
        number, reply = next(self._numbers), asyncio.get_running_loop().create_future()
        self._open[number] = reply
        self._new.append((number, call))
        self._news.set()
        return await reply

    async def fetch(self) -> list[tuple[int, Call]]:
        """Return what has been called since the last time, with numbers, when there is anything."""
        await self._news.wait()
        self._news.clear()
        new, self._new = self._new, []
        return new

    async def reply(self, number: int, reply: Any) -> None:
        """Give the driver's reply to a call."""
        self._open.pop(number).set_result(reply)
