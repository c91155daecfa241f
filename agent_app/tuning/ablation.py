"""What each virtual token is worth: how much worse a model foretells rows when it is left out.

The token is really gone: what stands after it moves up, and the sequence is one shorter. To put zeros in its
place would measure something else, as a model attends to a zero vector too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_app.errors import TuningError
from agent_app.soft_prompt import SoftPrompt
from agent_app.statistics import Interval, Mean
from agent_app.tuning.frozen import FrozenModel
from agent_app.tuning.reader import Reader
from agent_app.tuning.traces import Trace

if TYPE_CHECKING:
    import numpy as np

_BATCH = 8
"""Rows read at once."""


@dataclass(frozen=True, slots=True)
class Without:
    """What it does to leave out one virtual token."""

    number: int
    """Which one, counted from 0."""
    loss: float
    """By how much the mean loss of a token rises, in nats; below 0 it falls."""
    interval: Interval | None
    """Where that would lie on other rows like these, with a confidence of 95 %; None for a single row."""
    tokens_right: float
    """By how much the share of tokens that come first in the model's order rises; as a rule below 0."""


@dataclass(frozen=True, slots=True)
class Ablation:
    """What it does to leave out each virtual token in its turn."""

    rows: int
    tokens: int
    """How many tokens of the rows the model was to foretell."""
    loss: float
    """Their mean loss with all virtual tokens, in nats."""
    tokens_right: float
    """The share of them that come first in the model's order, with all virtual tokens."""
    without: tuple[Without, ...]
    """In the order of the virtual tokens."""

    @property
    def ranked(self) -> list[Without]:
        """The same, those first that are missed the most."""
        return sorted(self.without, key=lambda one: -one.loss)


@dataclass(frozen=True, slots=True)
class _Foretold:
    """How rows were foretold; each has its place."""

    losses: np.ndarray
    """The sum of its tokens' losses; [rows]."""
    right: int
    tokens: int


def ablate(
    frozen: FrozenModel,
    soft: SoftPrompt,
    rows: Sequence[Trace],
    on_token: Callable[[Without], object] = lambda _: None,
) -> Ablation:
    """Leave out each virtual token in its turn, and measure on the same rows.

    Args:
        frozen: the model that the soft prompt was tuned for.
        soft: the soft prompt.
        rows: what is foretold, each token after the right ones before it; at least one.
        on_token: called after each virtual token.

    Raises:
        TuningError: the vectors do not fit the model.
    """
    import numpy as np

    if soft.card.dimension != frozen.dimension:
        numbers = f"its vectors have {soft.card.dimension} numbers, and those of {frozen.name}"
        raise TuningError(f"{soft.folder}: {numbers} {frozen.dimension}")
    rows = sorted(rows, key=lambda row: len(row.ids))
    reader = Reader(frozen.model)
    whole = _foretold(reader, soft.vectors, rows)
    without = []
    for number in range(len(soft.vectors)):
        found = _foretold(reader, np.delete(soft.vectors, number, axis=0), rows)
        without.append(_difference(number, found, whole))
        on_token(without[-1])
    loss, right = whole.losses.sum() / whole.tokens, whole.right / whole.tokens
    return Ablation(len(rows), whole.tokens, float(loss), right, tuple(without))


def _foretold(reader: Reader, vectors: np.ndarray, rows: Sequence[Trace]) -> _Foretold:
    """Read rows after some vectors."""
    import torch

    parts = [rows[first : first + _BATCH] for first in range(0, len(rows), _BATCH)]
    losses, right, tokens = [], 0, 0
    for part, read in zip(parts, reader.look(torch.tensor(vectors), parts), strict=True):
        losses.append(torch.bincount(read.rows, read.losses.double(), minlength=len(part)))
        right += int(read.right.sum())
        tokens += len(read.right)
    return _Foretold(torch.cat(losses).numpy(), right, tokens)


def _difference(number: int, found: _Foretold, whole: _Foretold) -> Without:
    """Compare row by row, which is far more exact than to compare two means."""
    scale = len(whole.losses) / whole.tokens  # so that the mean over rows is the mean over tokens
    mean = Mean()
    for rise in (found.losses - whole.losses) * scale:
        mean.add(float(rise))
    return Without(number, mean.value, mean.interval(), (found.right - whole.right) / whole.tokens)
