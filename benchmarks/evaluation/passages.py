"""Ranks the passages of a world's documents by the words of a query."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_IDLE = """
a about and are at be by can did do does for from had has have how i in is it its me of on or that the their
there they this to was were what when where which who whose why will with would you
"""


class Passage(NamedTuple):
    """A document or a part of it, with the words it can be found by."""

    title: str
    text: str
    words: Counter[str]


class Passages:
    """Passages that are weighed against a query by Okapi BM25 with the usual k1 = 1.2 and b = 0.75.

    Args:
        texts: the title and the text of each passage.
    """

    def __init__(self, texts: Iterable[tuple[str, str]]) -> None:
        self._passages = [Passage(title, text, Counter(_words(f"{title} {text}"))) for title, text in texts]
        self._holders = Counter(word for passage in self._passages for word in passage.words)
        self._length = sum(p.words.total() for p in self._passages) / len(self._passages)

    def best(self, query: str, most: int) -> list[tuple[float, Passage]]:
        """Return the passages that share a word with the query and their scores, the best first."""
        wanted = set(_words(query))
        scored = [(self._score(wanted, p), p) for p in self._passages]
        return sorted((s for s in scored if s[0] > 0), key=lambda s: -s[0])[:most]

    def _score(self, wanted: set[str], passage: Passage) -> float:
        length = passage.words.total() / self._length
        score = 0.0
        for word in wanted:
            count = passage.words[word]
            holders = self._holders[word]
            rarity = math.log(1 + (len(self._passages) - holders + 0.5) / (holders + 0.5))
            score += rarity * count * 2.2 / (count + 1.2 * (0.25 + 0.75 * length))
        return score


def read_documents(folder: Path) -> list[tuple[str, str]]:
    """Return the title and the text of each document in a folder, in the order of the files' names."""
    documents = []
    for file in sorted(folder.glob("*.md")):
        heading, _, text = file.read_text(encoding="utf-8").strip().partition("\n\n")
        documents.append((heading.removeprefix("# "), text))
    return documents


def _words(text: str) -> list[str]:
    """Return the words that carry meaning, in small letters, without the endings of plural and genitive."""
    idle = _IDLE.split()
    found = re.findall(r"\w+", text.casefold().replace("'s", "").replace("’s", ""))
    return [re.sub(r"(?<=\w{3})(?<!s)s$", "", w) for w in found if w not in idle]
