"""What was decided about calls, as data that can be looked at, taken back, stored and read again."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agent_app.steps import Arguments


def frozen(arguments: Arguments) -> Arguments:
    """Return a copy of arguments that shares nothing with them.

    Raises:
        ValueError: they are not JSON, or would not come back from it as they are.
    """
    try:
        copy: Arguments = json.loads(json.dumps(arguments, allow_nan=False))
        same = copy == arguments
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from error
    if not same:
        raise ValueError("not JSON: it has a tuple, a name that is no text, or half a character in it")
    return copy


def canonical(arguments: Arguments) -> str:
    """Return arguments as JSON text, the same for the same value and for no other.

    The order of names does not matter; ``1``, ``1.0``, ``"1"`` and ``true`` are four values.

    Raises:
        ValueError: as for `frozen`.
    """
    return json.dumps(frozen(arguments), sort_keys=True)


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody said about calls, and about which."""

    tool: str
    """The tool's name; the rule's pattern for it, where a yes holds for all that the rule matches."""
    arguments: str | None
    """The exact arguments as canonical JSON; None: whatever they are, until the session ends."""
    rule: str
    """The rule that asked, in its short form; the bare word, such as ``ask``, where it was a default."""
    allowed: bool
    reason: str = ""
    """Why it was refused."""

    @property
    def key(self) -> tuple[str, str | None, str]:
        """What it is found by: a decision given under one rule is none under another."""
        return self.tool, self.arguments, self.rule


class Remembered:
    """The decisions of a session, in the order in which they were made; safe to share between threads.

    Iterate over it to list them. A chat can store `to_dict` with its history and go on with `from_dict`.
    """

    def __init__(self, decisions: tuple[Decision, ...] = ()) -> None:
        self._decisions = {decision.key: decision for decision in decisions}
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[Decision]:
        with self._lock:
            return iter(tuple(self._decisions.values()))

    def __len__(self) -> int:
        return len(self._decisions)

    def find(self, *keys: tuple[str, str | None, str]) -> Decision | None:
        """Return the decision under the first of some keys that there is one for."""
        with self._lock:
            return next((self._decisions[key] for key in keys if key in self._decisions), None)

    def add(self, decision: Decision) -> None:
        """Remember a decision, in place of an earlier one on the same calls."""
        with self._lock:
            self._decisions.pop(decision.key, None)
            self._decisions[decision.key] = decision

    def revoke(self, decision: Decision) -> bool:
        """Forget a decision; say whether it was there. Its calls are asked about again."""
        with self._lock:
            return self._decisions.pop(decision.key, None) is not None

    def end_session(self) -> None:
        """Forget what was allowed for a session; what was decided on exact arguments stays."""
        with self._lock:
            self._decisions = {k: d for k, d in self._decisions.items() if d.arguments is not None}

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._decisions = {}

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that `from_dict` takes back."""
        return {"decisions": [dataclasses.asdict(decision) for decision in self]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Remembered:
        """Take back what `to_dict` gave.

        Raises:
            ValueError: it is something else.
        """
        try:
            return cls(tuple(_checked(Decision(**item)) for item in data["decisions"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not stored decisions: {error}") from error


def _checked(decision: Decision) -> Decision:
    """Refuse stored data that would be taken for another decision than was made."""
    texts = (decision.tool, decision.rule, decision.reason)
    if not all(isinstance(text, str) for text in texts) or not isinstance(decision.allowed, bool):
        raise ValueError(f"{decision} is not a decision")
    if decision.arguments is not None and canonical(json.loads(decision.arguments)) != decision.arguments:
        raise ValueError(f"the arguments {decision.arguments} are not in canonical form")
    return decision
