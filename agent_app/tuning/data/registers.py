"""Says a question as people write: with courtesies around it, in small letters, with a slip of the keyboard."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

_WORD = re.compile(r"[a-z]{4,}")
_KEPT = re.compile(r"<[^>]*>|\{[^}]*\}")


def with_slip(template: str, random: Random) -> str:
    """Return a template with two letters of one word swapped or one lost; what fills it or is a query stays."""
    kept = [found.span() for found in _KEPT.finditer(template)]
    words = [
        found.span()
        for found in _WORD.finditer(template)
        if not any(start < found.end() and found.start() < end for start, end in kept)
    ]
    if not words:
        return template
    start, end = random.choice(words)
    word = template[start:end]
    at = random.randrange(1, len(word) - 1)
    slipped = word[:at] + (word[at + 1] + word[at] if random.random() < 0.5 else "") + word[at + 2 :]
    if len(slipped) < len(word) - 1:
        slipped = word[:at] + word[at + 1 :]
    return template[:start] + slipped + template[end:]


def in_small_letters(text: str) -> str:
    """Return a text as it is written in haste: no capitals, no mark at the end."""
    return text.lower().rstrip("?.! ")


def framed(question: str, frames: Sequence[str], random: Random) -> str:
    """Return a question with a courtesy before or after it."""
    return random.choice(frames).replace("{q}", question)
