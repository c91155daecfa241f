"""Looks things up in the archive of the Corvane Islands, the documents of the evaluation."""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from langchain_core.tools import tool

DOCUMENTS = Path(__file__).parent.parent / "documents"
BEST = 3
"""How many passages a search returns at most."""

_IDLE = """
a about and are at be by can did do does for from had has have how i in is it its me of on or that the their
there they this to was were what when where which who whose why will with would you
"""


class Passage(NamedTuple):
    """One paragraph of a document, with the words it can be found by."""

    title: str
    text: str
    words: Counter[str]


@tool
def search_archive(query: str) -> str:
    """Search the archive of the Corvane Islands: their ships, captains, ports, taverns, prices and history.

    Takes a few words to look for and returns the passages that fit best.
    """
    wanted = set(_words(query))
    scored = [(_score(wanted, p), p) for p in _passages()]
    best = sorted((s for s in scored if s[0] > 0), key=lambda s: -s[0])[:BEST]
    if not best:
        return f"no document matches {query!r}"
    # What shares only a stray word with the query is noise beside a good hit.
    return "\n\n".join(f"{p.title}: {p.text}" for score, p in best if score > best[0][0] / 3)


def _score(wanted: set[str], passage: Passage) -> float:
    """Weigh a passage by Okapi BM25 with the usual k1 = 1.2 and b = 0.75."""
    passages = _passages()
    length = passage.words.total() / (sum(p.words.total() for p in passages) / len(passages))
    score = 0.0
    for word in wanted:
        count = passage.words[word]
        holders = _holders()[word]
        rarity = math.log(1 + (len(passages) - holders + 0.5) / (holders + 0.5))
        score += rarity * count * 2.2 / (count + 1.2 * (0.25 + 0.75 * length))
    return score


@functools.cache
def _passages() -> tuple[Passage, ...]:
    passages = []
    for file in sorted(DOCUMENTS.glob("*.md")):
        heading, *paragraphs = file.read_text(encoding="utf-8").strip().split("\n\n")
        title = heading.removeprefix("# ")
        passages += [Passage(title, p, Counter(_words(f"{title} {p}"))) for p in paragraphs]
    return tuple(passages)


@functools.cache
def _holders() -> Counter[str]:
    return Counter(word for passage in _passages() for word in passage.words)


def _words(text: str) -> list[str]:
    """Return the words that carry meaning, in small letters, without the endings of plural and genitive."""
    idle = _IDLE.split()
    found = re.findall(r"\w+", text.casefold().replace("'s", "").replace("’s", ""))
    return [re.sub(r"(?<=\w{3})(?<!s)s$", "", w) for w in found if w not in idle]
