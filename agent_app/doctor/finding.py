"""What a check has found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, Self, TypeAlias

Status: TypeAlias = Literal["ok", "warn", "fail"]
"""In order; it works, but not as it should or not yet; it does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: how it is, and what to do where it is not in order."""

    check: str
    """What was looked at, in a word."""
    status: Status
    says: str
    advice: str = ""

    @classmethod
    def failed(cls, check: str, sentence: str) -> Self:
        """Return what an error's sentence tells: what is wrong and, after a semicolon, what to do."""
        says, _, advice = sentence.partition("; ")
        return cls(check, "fail", says, advice)


def looked_at(check: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Yield what a look finds; that the system does not let us look is a finding as well, and no end.

    Args:
        check: what is looked at, in a word.
        look: looks, and yields what it finds.
    """
    try:
        yield from look()
    except OSError as error:
        what = f"cannot use {error.filename}: " if error.filename else ""
        yield Finding(check, "fail", f"{what}{error.strerror}", "let yourself use it, or name another one")
