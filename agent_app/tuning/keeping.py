"""A tuning's result becomes a soft prompt of the library, with a card and its loss as a picture."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_app.errors import TuningError
from agent_app.soft_prompt import Base, Card, SoftPrompt, save_soft_prompt
from agent_app.tuning.frozen import FrozenModel
from agent_app.tuning.methods import Start
from agent_app.tuning.plot import PLOT, plot_loss
from agent_app.tuning.recipe import Recipe
from agent_app.tuning.traces import Data
from agent_app.tuning.trainer import Tuned

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_VERSIONS = ("agent-app", "gguf", "peft", "torch", "transformers")


def keep(
    folder: Path,
    tuned: Tuned,
    frozen: FrozenModel,
    data: Data,
    recipe: Recipe,
    *,
    start: Start,
    description: str,
) -> SoftPrompt:
    """Write a soft prompt's folder.

    Args:
        folder: its name is the soft prompt's; a soft prompt that is there is replaced.
        tuned: what was learnt.
        frozen: on which model.
        data: from what.
        recipe: with which settings.
        start: what the virtual tokens began as.
        description: what it is for, in a line; empty: that is told by its data.

    Raises:
        TuningError: it cannot be written.
        PromptError: the vectors cannot be served.
    """
    card = Card(
        name=folder.name,
        description=description or f"Tuned by {recipe.method} on {data.file.name}",
        method=recipe.method,
        tokens=recipe.tokens,
        dimension=frozen.dimension,
        base=Base(frozen.name, frozen.sha256),
        tokenizer_sha256=tokenizer_sha256(frozen.tokenizer),
        licence=frozen.licence,
        data=_data(data),
        settings={**recipe.to_dict(), **start.to_dict(recipe)},
        curve=tuned.curve,
        metrics=_metrics(tuned),
        versions={name: version(name) for name in _VERSIONS},
    )
    try:
        soft = save_soft_prompt(folder, tuned.vectors, card)
        plot_loss(folder / PLOT, tuned.curve, f"{folder.name}: {recipe.method} on {frozen.name}")
    except OSError as error:
        raise TuningError(f"{folder}: the soft prompt cannot be written: {error.strerror}") from error
    return soft


def tokenizer_sha256(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return the SHA-256 of a tokenizer's tokens in the order of their ids, each ended by a zero byte."""
    tokens: dict[str, int] = tokenizer.get_vocab()
    ordered = sorted(tokens, key=tokens.__getitem__)
    return hashlib.sha256("".join(f"{token}\0" for token in ordered).encode()).hexdigest()


def _data(data: Data) -> dict[str, Any]:
    tokens = sum(len(row.ids) for row in data.train)
    return {
        "file": data.file.name,
        "sha256": data.sha256,
        "examples": len(data.train),
        "tokens": tokens,
        "dev_examples": len(data.dev),
        "prompt": data.words.name,
    }


def _metrics(tuned: Tuned) -> dict[str, Any]:
    return {
        "ended_by": tuned.ending,
        "steps": tuned.steps,
        "seconds": round(tuned.seconds, 1),
        "best_step": tuned.best_step,
        "dev_loss": round(tuned.best.loss, 4),
        "dev_tokens_right": round(tuned.best.tokens_right, 4),
        "dev_rows_right": round(tuned.best.rows_right, 4),
    }
