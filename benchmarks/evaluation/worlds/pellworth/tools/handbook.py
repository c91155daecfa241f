"""Looks things up in the handbook of Pellworth Instruments."""

from __future__ import annotations

import functools
from pathlib import Path

from langchain_core.tools import tool

from benchmarks.evaluation.passages import Passages, read_documents

DOCUMENTS = Path(__file__).parent.parent / "documents"
BEST = 2
"""How many pages a search returns; they are whole, as a table is nothing without its heading."""


@tool
def handbook_search(keywords: str) -> str:
    """Full-text search in the staff handbook of Pellworth Instruments.

    Covers people, sites, products, prices, rules and benefits. Returns the two pages that match best.
    """
    pages = [f"[{n}] {p.title}\n{p.text}" for n, (_, p) in enumerate(_pages().best(keywords, BEST), 1)]
    return "\n\n".join(pages) or "0 pages found"


@functools.cache
def _pages() -> Passages:
    return Passages(read_documents(DOCUMENTS))
