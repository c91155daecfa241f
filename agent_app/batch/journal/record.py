"""What came of asking one question, and the line that keeps it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal, Self

from agent_app.steps import Result

Status = Literal["answered", "failed", "begun"]
"""A question that was begun has steps to go on from, and is asked again."""

_STATUSES: dict[bytes, Status] = {b"answered": "answered", b"failed": "failed", b"begun": "begun"}
_KEY, _STATUS = b'{"key":"', b'","status":"'
_KEY_END = len(_KEY) + 32
_STATUS_BEGIN = _KEY_END + len(_STATUS)


@dataclass(frozen=True, slots=True)
class Record:
    """What came of asking one question."""

    key: bytes
    status: Status
    run: Result | None
    """The run, as far as it came; None where it did not begin."""
    attempts: int
    seconds: float
    """How long it took, waits between attempts included."""
    error: str | None = None
    error_kind: str | None = None

    def to_line(self) -> bytes:
        """Return it as a line; its head can be read without reading the rest."""
        rest = {
            "attempts": self.attempts,
            "seconds": round(self.seconds, 3),
            "error": self.error,
            "error_kind": self.error_kind,
            "run": self.run and self.run.to_dict(),
        }
        text = json.dumps(rest, ensure_ascii=False, separators=(",", ":"), default=str)
        key, status = self.key.hex().encode(), self.status.encode()
        return b'%b%b%b%b",%b\n' % (_KEY, key, _STATUS, status, encoded(text[1:]))

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        """Take back what `to_line` gave.

        Raises:
            ValueError: it is something else.
        """
        try:
            data = json.loads(line)
            run = data.pop("run")
            return cls(bytes.fromhex(data.pop("key")), run=run and Result.from_dict(run), **data)
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"not a record: {error}") from error


def head(line: bytes) -> tuple[bytes, Status] | None:
    """Return the key and the status of a record's line, or None if it is no whole line of one."""
    if not (line.startswith(_KEY) and line.endswith(b"}\n") and line[_KEY_END:_STATUS_BEGIN] == _STATUS):
        return None
    status = _STATUSES.get(line[_STATUS_BEGIN : line.find(b'"', _STATUS_BEGIN)])
    try:
        key = bytes.fromhex(line[len(_KEY) : _KEY_END].decode("ascii", "replace"))
    except ValueError:
        return None
    return (key, status) if status else None


def encoded(text: str) -> bytes:
    """Return JSON as UTF-8, with JSON's own escapes for halves of surrogate pairs, which no UTF-8 holds."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return "".join(f"\\u{ord(c):04x}" if "\ud800" <= c <= "\udfff" else c for c in text).encode()
