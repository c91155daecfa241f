"""Where virtual tokens lie among the words of their model: how long they are, and which words are nearest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent_app.soft_prompt.derived import table_parts, table_rows
from agent_app.soft_prompt.stored import SoftPrompt
from agent_app.soft_prompt.vocabulary import vocabulary

if TYPE_CHECKING:
    import numpy as np

_TINY = 1e-12
"""In place of a length of 0, which has no direction."""


@dataclass(frozen=True, slots=True)
class Near:
    """A word of the vocabulary, as seen from a virtual token."""

    token: int
    word: str
    cosine: float
    """Of the angle between the two: 1 where they point the same way, 0 where they have nothing in common."""
    distance: float
    """From tip to tip (Euclidean)."""


@dataclass(frozen=True, slots=True)
class VirtualToken:
    """One virtual token, and what is near to it."""

    number: int
    """Counted from 0."""
    norm: float
    nearest: tuple[Near, ...]
    """The words with the greatest cosine, the greatest first."""
    began_as: Near | None
    """The word that it was before it was tuned, where that is known."""


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """The virtual tokens of a soft prompt among the words of its model."""

    tokens: tuple[VirtualToken, ...]
    words: int
    """How many the vocabulary has."""
    norms: tuple[float, float, float]
    """Of the words: lower quartile, median and upper quartile."""


def neighbourhood(soft: SoftPrompt, base: Path, *, top: int, began_as: Sequence[int] = ()) -> Neighbourhood:
    """Find the words that each virtual token is most like.

    Args:
        soft: the soft prompt.
        base: the GGUF file of the model that it was tuned for.
        top: how many words for each.
        began_as: the words that the virtual tokens began as, by their numbers in the vocabulary; they are
            repeated or cut to the number of virtual tokens. Empty: nobody knows.

    Raises:
        ModelError: the model's file has no table of a row for each token.
    """
    import numpy as np

    words = vocabulary(base)
    cosines, lengths = _compared(soft.vectors, base)
    first = [began_as[n % len(began_as)] for n in range(len(soft.vectors))] if began_as else None
    tokens = []
    for n, vector in enumerate(soft.vectors):
        found = [*_greatest(cosines[:, n], top), *([first[n]] if first else [])]
        near = [
            Near(token, words[token], float(cosines[token, n]), float(np.linalg.norm(row - vector)))
            for token, row in zip(found, table_rows(base, found), strict=True)
        ]
        began = near.pop() if first else None
        tokens.append(VirtualToken(n, float(np.linalg.norm(vector)), tuple(near), began))
    low, median, high = np.percentile(lengths, [25, 50, 75]).tolist()
    return Neighbourhood(tuple(tokens), len(words), (low, median, high))


def _compared(vectors: np.ndarray, base: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return each word's cosine with each vector, [words, vectors], and each word's length, [words].

    A part of the table at a time: the whole of it takes half a gigabyte in a model of some size.
    """
    import numpy as np

    directions = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), _TINY)
    cosines, lengths = [], []
    for part in table_parts(base):
        length = np.linalg.norm(part, axis=1)
        cosines.append(part @ directions.T / np.maximum(length, _TINY)[:, None])
        lengths.append(length)
    return np.concatenate(cosines), np.concatenate(lengths)


def _greatest(values: np.ndarray, count: int) -> list[int]:
    """Return where the greatest values are, the greatest first."""
    import numpy as np

    count = min(count, len(values))
    found = np.argpartition(-values, count - 1)[:count]
    places: list[int] = found[np.argsort(-values[found], kind="stable")].tolist()
    return places
