"""Which tool a model means by the name that it wrote."""

from __future__ import annotations

import re
from collections.abc import Collection

LONGEST_NAME = 64

_DECORATION = " \t*_`'\"[](){}<>.,:;"
_PEEL_BEFORE = re.compile(
    r"(?:(?:I\s(?:will|should|need\sto|must)|I'll|let\sme|let's)\s)?"
    r"(?:(?:use|using|call|calling|run|invoke|try)\b:?\s{0,4})?(?:the\s{1,4})?"
    r"(?:(?:tools?|functions?|default_api)\b[:.]?\s{0,4})?",
    re.IGNORECASE,
)
_PEEL_AFTER = re.compile(r"\s{1,4}(?:tool|function|action)\b.*$", re.IGNORECASE | re.DOTALL)
_HEAD = re.compile(r"[\w.-]{1,64}(?=\s*[(\[:,;–—]|\s-\s|\s(?:to|for|with)\s)")
_DECLINED = re.compile(
    r"(?:none|null|nothing|n[/.]?a|not[ _-]?(?:applicable|needed|required|necessary)"
    r"|no[ _-]?(?:(?:further|more|other|additional)\s)?(?:need|tools?|actions?))(?![\w-])|$",
    re.IGNORECASE,
)
_FINISH = frozenset({"finalanswer", "finish", "finalresponse"})


class ToolNames:
    """The tools that exist; without any, every name is taken for a tool.

    Decoration is peeled off a name (``**X**``, ``[X]``, ``Use X``, ``X (a note)``), and letters may be
    of either case and dashes of any kind. Between two tools nothing is guessed.
    """

    def __init__(self, names: Collection[str]) -> None:
        self.known = tuple(names)
        self._folded: dict[str, str | None] = {}
        for name in self.known:
            # Two names that fold to one can be told apart only when they are written exactly.
            self._folded[fold(name)] = None if fold(name) in self._folded else name

    def resolve(self, written: str) -> tuple[str | None, bool]:
        """Return the tool that is meant, or None, and whether the name had to be cleaned for that."""
        plain = written.strip()
        if not self.known:
            cleaned = _without_pairs(plain)
            return (cleaned if 0 < len(cleaned) <= LONGEST_NAME else None), cleaned != plain
        if plain in self.known:
            return plain, False
        bare = shown(written)
        peeled = _PEEL_AFTER.sub("", _PEEL_BEFORE.sub("", bare, count=1)).strip(_DECORATION)
        head = _HEAD.match(peeled)
        if len(self._folded.keys() & {fold(part) for part in peeled.split(",")}) > 1:
            return None, False
        for candidate in (bare, peeled, head[0] if head else ""):
            found = self._folded.get(fold(candidate))
            if found is not None:
                return found, True
        return None, False

    def declines(self, written: str, given: str) -> bool:
        """Say whether an action and its input say that there is none: ``Action: None needed``."""
        declined = _DECLINED.match(written.strip(_DECORATION)) or (
            "finalanswer" in fold(written) and _DECLINED.fullmatch(given.strip(_DECORATION))
        )
        return bool(declined) and not (self.known and self.resolve(written)[0])

    def finishes(self, written: str) -> bool:
        """Say whether an action is a final answer by another name: ``Action: Finish``."""
        return written.strip() not in self.known and fold(written) in _FINISH


def fold(name: str) -> str:
    """Return a name without what may differ in it: case, spaces, dashes, decoration."""
    return re.sub(r"[\W_]+", "", name[: 2 * LONGEST_NAME]).casefold()


def shown(written: str) -> str:
    """Return a name as it may be repeated to the model: without decoration and of bounded length."""
    return written[: 4 * LONGEST_NAME].strip(_DECORATION)[:LONGEST_NAME]


def _without_pairs(name: str) -> str:
    """Take paired brackets, quotes and emphasis off a name of which nothing else is known."""
    previous = None
    while previous != name and len(name) <= 4 * LONGEST_NAME:
        previous = name
        name = name.strip(" \t*`")
        if len(name) > 1 and name[0] + name[-1] in ("[]", '""', "''", "__", "<>"):
            name = name[1:-1]
    return name
