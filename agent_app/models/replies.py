"""What a scripted model or server says to one call: at once, slowly, after a silence, or not to the end."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from agent_app.steps import Usage

_WORD = re.compile(r"\S+\s*|\s+")

Part: TypeAlias = tuple[float, str]
"""A wait in seconds, and the piece of text that comes after it."""


class Reply(ABC):
    """One reply, as the parts in which it is said. Whoever asks for it whole gets it after all the waits."""

    __slots__ = ()

    @property
    def counted(self) -> Usage | None:
        """What the reply says that it cost; None: it is counted, a word for a token."""
        return None

    @property
    def breaks_off(self) -> bool:
        """Whether the connection is lost after the last part."""
        return False

    @abstractmethod
    def parts(self) -> Iterator[Part]:
        """Yield the parts, word by word."""


@dataclass(frozen=True, slots=True)
class Say(Reply):
    """Says a text at once.

    Args:
        text: what is said.
        usage: the tokens it is said to have cost; None: they are counted, a word for a token.
    """

    text: str
    usage: Usage | None = None

    @property
    def counted(self) -> Usage | None:
        """What the reply was given as its cost."""
        return self.usage

    def parts(self) -> Iterator[Part]:
        """Yield all words without a wait."""
        return _at_once(self.text)


@dataclass(frozen=True, slots=True)
class Stall(Reply):
    """Falls silent for a time, then goes on.

    Args:
        seconds: how long nothing is said.
        text: what is said after that.
        begun: what is said before that.
    """

    seconds: float
    text: str = ""
    begun: str = ""

    def parts(self) -> Iterator[Part]:
        """Yield the beginning, the wait, and the rest."""
        yield from _at_once(self.begun)
        yield self.seconds, ""
        yield from _at_once(self.text)


@dataclass(frozen=True, slots=True)
class Drip(Reply):
    """Says a text word by word, slowly.

    Args:
        text: what is said.
        seconds_between: how long it takes from one word to the next.
    """

    text: str
    seconds_between: float

    def parts(self) -> Iterator[Part]:
        """Yield every word but the first after a wait."""
        for number, word in enumerate(_WORD.findall(self.text)):
            yield (self.seconds_between if number else 0.0), word


@dataclass(frozen=True, slots=True)
class BreakOff(Reply):
    """Says a part of a reply, and then the connection is lost; whoever asks for the whole gets nothing.

    Args:
        text: what is still said.
    """

    text: str = ""

    @property
    def breaks_off(self) -> bool:
        """Always: that is what it is for."""
        return True

    def parts(self) -> Iterator[Part]:
        """Yield what is still said, without a wait."""
        return _at_once(self.text)


@dataclass(frozen=True, slots=True)
class Speech:
    """A reply as it is said to one particular call."""

    parts: tuple[Part, ...]
    usage: Usage
    breaks_off: bool

    @property
    def text(self) -> str:
        """All that is said."""
        return "".join(piece for _, piece in self.parts)

    @property
    def seconds(self) -> float:
        """How long it takes to say it."""
        return sum(wait for wait, _ in self.parts)


def speak(reply: Reply, prompt: Iterable[str], stop: Sequence[str] | None) -> Speech:
    """Return what is said to a call: like a real server, only what comes before the first stop word.

    Args:
        reply: what the script says.
        prompt: the texts of the call's messages.
        stop: the call's stop words. A reply that is cut at one ends there, and breaks off no more.
    """
    parts = tuple(reply.parts())
    text = "".join([piece for _, piece in parts])
    end = min((at for word in stop or () if (at := text.find(word)) >= 0), default=None)
    if end is not None:
        parts, text = tuple(_up_to(end, parts)), text[:end]
    usage = reply.counted or Usage(
        prompt_tokens=sum(len(message.split()) for message in prompt), completion_tokens=len(text.split())
    )
    return Speech(parts, usage, breaks_off=reply.breaks_off and end is None)


def _up_to(end: int, parts: Iterable[Part]) -> Iterator[Part]:
    for wait, piece in parts:
        if end <= 0:
            return
        yield wait, piece[:end]
        end -= len(piece)


def _at_once(text: str) -> Iterator[Part]:
    return ((0.0, word) for word in _WORD.findall(text))
