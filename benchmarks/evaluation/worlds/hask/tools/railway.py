"""Looks things up in the handbook of the Hask and Gable Railway."""

from __future__ import annotations

import functools
from pathlib import Path

from langchain_core.tools import tool

from benchmarks.evaluation.passages import Passages, read_documents

DOCUMENTS = Path(__file__).parent.parent / "documents"
MOST = 4
"""How many paragraphs are returned at most."""


@tool
def look_up_railway(topic: str) -> str:
    """Look something up in the handbook of the Hask and Gable Railway.

    It covers the stations, engines, staff, fares, timetables, inns, events and history of the railway.

    Args:
        topic: a name or some keywords.
    """
    hits = _handbook().best(topic, MOST)
    if not hits:
        return f"Nothing in the handbook about {topic!r}."
    # What shares only a stray word with the topic is noise beside a good hit.
    kept = [passage for score, passage in hits if score > hits[0][0] / 3]
    return "\n".join(f"[{number}] ({p.title}) {p.text}" for number, p in enumerate(kept, 1))


@functools.cache
def _handbook() -> Passages:
    return Passages((title, part) for title, text in read_documents(DOCUMENTS) for part in text.split("\n\n"))
