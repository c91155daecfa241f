"""A script: what is said to the first call, to the second, and so on, and never again from the beginning."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, cast

from agent_app.errors import ScriptError

Call = TypeVar("Call")
Line = TypeVar("Line")


class Script(Generic[Call, Line]):
    """Hands out one line per call, in the order in which the calls come; safe to use from several threads.

    Args:
        lines: what is said, call by call.
        repeat: what is said to every call after those, or a function that makes it of the call; None:
            such a call is one too many.
        label: whose script it is, for the complaints.
    """

    def __init__(
        self, lines: Sequence[Line], repeat: Line | Callable[[Call], Line] | None, label: str
    ) -> None:
        self.calls: list[Call] = []
        """Every call so far that was given a line."""
        self._lines, self._repeat, self._label = lines, repeat, label
        self._lock = threading.Lock()
        self._too_many: ScriptError | None = None

    @property
    def remaining(self) -> int:
        """How many lines have not been asked for yet."""
        return max(0, len(self._lines) - len(self.calls))

    def next(self, call: Call) -> Line:
        """Return what is said to this call.

        Raises:
            ScriptError: there is nothing left to say.
        """
        with self._lock:
            number = len(self.calls)
            if number >= len(self._lines) and self._repeat is None:
                self._too_many = ScriptError(
                    f"{self._label}: call {number + 1}, but there are only {number} replies"
                )
                raise self._too_many
            self.calls.append(call)
        if number < len(self._lines):
            return self._lines[number]
        return self._repeat(call) if callable(self._repeat) else cast("Line", self._repeat)

    def assert_used_up(self) -> None:
        """Make sure that no line is left over.

        Raises:
            ScriptError: one is.
        """
        if self.remaining:
            said, lines = len(self.calls), len(self._lines)
            raise ScriptError(f"{self._label}: only {said} of {lines} replies were asked for")

    def assert_followed(self) -> None:
        """Make sure that no line is left over, and that no call was one too many.

        A refused call is told to its caller at once; here it comes up again, because the caller may
        have taken it for an ordinary failure of a model and gone on.

        Raises:
            ScriptError: the script was not followed.
        """
        if self._too_many:
            raise ScriptError(str(self._too_many))
        self.assert_used_up()
