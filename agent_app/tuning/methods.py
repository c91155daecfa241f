"""Prompt tuning and p-tuning, as PEFT does them: what is learnt, and how it begins."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from agent_app.errors import TuningError
from agent_app.tuning.frozen import FrozenModel
from agent_app.tuning.recipe import Recipe

if TYPE_CHECKING:
    from peft import PeftModel

_INITS = MappingProxyType({"text": "TEXT", "vocabulary": "SAMPLE_VOCAB", "random": "RANDOM"})


def instruction() -> str:
    """Return the words that virtual tokens begin as, unless others are given."""
    return resources.files(__package__).joinpath("instruction.txt").read_text(encoding="utf-8").strip()


@contextlib.contextmanager
def wrapped(frozen: FrozenModel, recipe: Recipe, text: str) -> Iterator[PeftModel]:
    """Put a frozen model's virtual tokens before it, in their first state, and take them off at the end.

    The caller's own random numbers stay as they are.

    Args:
        frozen: the model; nothing in it is changed.
        recipe: the method, how the virtual tokens begin, how many, and the seed.
        text: the words that they begin as, repeated or cut to their number; for ``init="text"``.

    Raises:
        TuningError: the text has no words.
    """
    import torch
    from peft import get_peft_model

    if recipe.method == "prompt-tuning" and recipe.init == "text" and not text.strip():
        raise TuningError("the text that virtual tokens begin as is empty")
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of what PEFT calls in transformers
        torch.manual_seed(recipe.seed)
        model: Any = get_peft_model(frozen.model, _config(frozen, recipe, text))
    try:
        yield model
    finally:
        # PEFT leaves its mark on the model, and would complain of it when the next one is put before it.
        for mark in ("peft_config", "_hf_peft_config_loaded"):
            frozen.model.__dict__.pop(mark, None)


def _config(frozen: FrozenModel, recipe: Recipe, text: str) -> Any:
    from peft import PromptEncoderConfig, PromptTuningConfig, TaskType

    if recipe.method == "p-tuning":
        return PromptEncoderConfig(
            task_type=TaskType.CAUSAL_LM,
            num_virtual_tokens=recipe.tokens,
            encoder_reparameterization_type=recipe.encoder.upper(),
            encoder_hidden_size=recipe.hidden,
        )
    words: dict[str, Any] = {"prompt_tuning_init_text": text, "tokenizer_name_or_path": str(frozen.folder)}
    return PromptTuningConfig(
        task_type=TaskType.CAUSAL_LM,
        num_virtual_tokens=recipe.tokens,
        prompt_tuning_init=_INITS[recipe.init],
        **(words if recipe.init == "text" else {}),
    )
