"""Prompt tuning and p-tuning, as PEFT does them: what is learnt, and how it begins."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from agent_app.errors import TuningError
from agent_app.soft_prompt import SoftPrompt
from agent_app.soft_prompt.derived import check_base
from agent_app.tuning.frozen import FrozenModel
from agent_app.tuning.recipe import Recipe

if TYPE_CHECKING:
    import torch
    from peft import PeftModel

_INITS = MappingProxyType(
    {"text": "TEXT", "vocabulary": "SAMPLE_VOCAB", "random": "RANDOM", "soft": "RANDOM"}
)


def instruction() -> str:
    """Return the words that virtual tokens begin as, unless others are given."""
    return resources.files(__package__).joinpath("instruction.txt").read_text(encoding="utf-8").strip()


@dataclass(frozen=True, slots=True)
class Start:
    """What virtual tokens begin as in prompt tuning, where the settings name no more than its kind."""

    text: str = field(default_factory=instruction)
    """The words of ``init="text"``, repeated or cut to the number of tokens."""
    soft: SoftPrompt | None = None
    """The soft prompt of ``init="soft"``, of the same model; repeated or cut, as words are."""

    def to_dict(self, recipe: Recipe) -> dict[str, str]:
        """Return what the settings need beside them, as plain data."""
        if recipe.init == "soft" and self.soft is not None:
            return {"begun_from": self.soft.name, "begun_from_sha256": self.soft.digest}
        return {"text": self.text} if (recipe.method, recipe.init) == ("prompt-tuning", "text") else {}


@contextlib.contextmanager
def wrapped(frozen: FrozenModel, recipe: Recipe, start: Start) -> Iterator[PeftModel]:
    """Put a frozen model's virtual tokens before it, in their first state, and take them off at the end.

    The caller's own random numbers stay as they are.

    Args:
        frozen: the model; nothing in it is changed.
        recipe: the method, how the virtual tokens begin, how many, and the seed.
        start: the words or the soft prompt that they begin as.

    Raises:
        TuningError: the text has no words, or no soft prompt is there.
        PromptError: the soft prompt is of another model.
    """
    import numpy as np
    import torch
    from peft import get_peft_model

    _check(frozen, recipe, start)
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of what PEFT calls in transformers
        torch.manual_seed(recipe.seed)
        model: Any = get_peft_model(frozen.model, _config(frozen, recipe, start.text))
        if recipe.init == "soft" and start.soft is not None:
            vectors = np.resize(start.soft.vectors, (recipe.tokens, start.soft.card.dimension))
            model.prompt_encoder["default"].embedding.weight.data.copy_(torch.from_numpy(vectors))
    try:
        yield model
    finally:
        # PEFT leaves its mark on the model, and would complain of it when the next one is put before it.
        for mark in ("peft_config", "_hf_peft_config_loaded"):
            frozen.model.__dict__.pop(mark, None)


def virtual_tokens(model: PeftModel) -> torch.Tensor:
    """Return virtual tokens as they are now, [tokens, dimension], with the graph to what is learnt."""
    found: torch.Tensor = model.get_prompt(1)[0]
    return found


def _check(frozen: FrozenModel, recipe: Recipe, start: Start) -> None:
    if recipe.method == "prompt-tuning" and recipe.init == "text" and not start.text.strip():
        raise TuningError("the text that virtual tokens begin as is empty")
    if recipe.init != "soft":
        return
    if start.soft is None:
        raise TuningError("init is 'soft', and no soft prompt is named to begin as")
    check_base(start.soft, frozen.sha256, frozen.name)


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
