"""The invented worlds that are asked about, each with documents, a search of its own and questions."""

from __future__ import annotations

from pathlib import Path

ISLANDS = Path(__file__).parent / "islands"
PELLWORTH = Path(__file__).parent / "pellworth"

HASK = Path(__file__).parent / "hask"

OF_SPLIT = {"dev": ISLANDS, "test": ISLANDS, "all": ISLANDS, "practice": HASK, "blind": PELLWORTH}
"""The world of each split; ``all`` is both halves of the islands, as the other sets are kept apart."""
