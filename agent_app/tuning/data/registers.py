"""Says a question as people write: in one wording of several, politely, in small letters, with a slip."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

_WORD = re.compile(r"[a-z]{4,}")
_ALTERNATIVES = re.compile(r"\[([^\[\]|]*(?:\|[^\[\]|]*)+)\]")
_KEPT = re.compile(r"<[^>]*>|\{[^}]*\}")


def in_one_wording(template: str, random: Random) -> str:
    """Return a template in which one of each ``[this|that]`` has been chosen."""
    return _ALTERNATIVES.sub(lambda found: random.choice(found[1].split("|")), template)


def with_slip(template: str, random: Random) -> str:
    """Return a template with two letters of a word swapped, or one lost; slots and queries stay."""
    kept = [found.span() for found in _KEPT.finditer(template)]
    words = [
        found
        for found in _WORD.finditer(template)
        if not any(start < found.end() and found.start() < end for start, end in kept)
    ]
    if not words:
        return template
    word = random.choice(words)
    at = random.randrange(word.start() + 1, word.end() - 1)
    here, following = template[at], template[at + 1]
    slipped = following + here if random.random() < 0.5 else following
    return template[:at] + slipped + template[at + 2 :]


def in_small_letters(text: str) -> str:
    """Return a text as it is written in haste: no capitals, no mark at the end."""
    return text.lower().rstrip("?.! ")


def framed(question: str, frames: Sequence[str], random: Random) -> str:
    """Return a question with a courtesy before or after it."""
    return random.choice(frames).replace("{q}", question)
