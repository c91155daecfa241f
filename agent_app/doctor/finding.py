"""What a check has found."""

from __future__ import annotations

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
