"""Looks things up in the archive of the Corvane Islands."""

from __future__ import annotations

import functools
from pathlib import Path

from langchain_core.tools import tool

from benchmarks.evaluation.passages import Passages, read_documents

DOCUMENTS = Path(__file__).parent.parent / "documents"
BEST = 3
"""How many paragraphs a search returns at most."""


@tool
def search_archive(query: str) -> str:
    """Search the archive of the Corvane Islands: their ships, captains, ports, taverns, prices and history.

    Takes a few words to look for and returns the passages that fit best.
    """
    best = _paragraphs().best(query, BEST)
    if not best:
        return f"no document matches {query!r}"
    # What shares only a stray word with the query is noise beside a good hit.
    return "\n\n".join(f"{p.title}: {p.text}" for score, p in best if score > best[0][0] / 3)


@functools.cache
def _paragraphs() -> Passages:
    return Passages((title, part) for title, text in read_documents(DOCUMENTS) for part in text.split("\n\n"))
