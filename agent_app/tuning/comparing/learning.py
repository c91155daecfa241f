"""A short tuning, the same for all that learn: the same rows in the same order, as many steps, one clock."""

from __future__ import annotations

import contextlib
import math
import random
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from agent_app.errors import TuningError
from agent_app.tuning.comparing.systems import System
from agent_app.tuning.data import Row
from agent_app.tuning.frozen import FrozenModel
from agent_app.tuning.methods import Start, virtual_tokens, wrapped
from agent_app.tuning.order import Order
from agent_app.tuning.reader import Reader
from agent_app.tuning.recipe import Recipe
from agent_app.tuning.traces import Trace, trace

if TYPE_CHECKING:
    import numpy as np
    import torch

RANK, ALPHA, LORA_RATE = 8, 16, 2e-3
"""LoRA's, after Hu et al. (2021): on the queries and the values of every layer."""
TARGETS = ("q_proj", "v_proj")


@dataclass(frozen=True, slots=True)
class Effort:
    """How long everything that learns may learn."""

    steps: int
    batch: int
    passes: int
    """How often a row is read at most, where there are few."""
    minutes: float | None = None
    """At most; None: as long as the steps take, which does not depend on the machine."""
    bfloat16: bool = False
    """Whether matrices are multiplied with eight significant bits, twice as fast where the processor can."""

    def recipe(self, system: System, rows: int, seed: int, *, each: bool = False) -> Recipe:
        """Return the settings of one tuning; of LoRA how long, how and at which rate is taken.

        Args:
            system: says what is learnt.
            rows: how many there are to learn from.
            seed: of the luck.
            each: take as many steps as reading each row once needs, where that is more.
        """
        soft: dict[str, Any] = (
            {"lr": LORA_RATE}
            if system.method == "lora"
            else {"method": system.method, "tokens": system.tokens}
        )
        steps = min(self.steps, max(1, self.passes * rows // min(self.batch, rows)))
        if each:
            steps = max(steps, math.ceil(rows / self.batch))
        return Recipe(
            steps=steps, batch=self.batch, minutes=self.minutes, seed=seed, bfloat16=self.bfloat16, **soft
        )


@dataclass(frozen=True, slots=True)
class Learnt:
    """What a tuning came to: vectors, or what is to be added to some weights."""

    steps: int
    rows: int
    """How many rows were read, each as often as it was."""
    seconds: float
    loss: float
    """The mean of the last steps."""
    numbers: int
    """How many numbers were learnt and are kept."""
    vectors: np.ndarray | None = field(default=None, repr=False)
    """float32, [tokens, dimension]"""
    added: dict[tuple[int, str], np.ndarray] = field(default_factory=dict, repr=False)
    """By layer and ``q_proj`` or ``v_proj``: float32, [out, in]"""


_LAST = 10
"""How many steps the loss at the end is the mean of."""


def chosen(rows: Sequence[Row], examples: int | None, seed: int) -> list[Row]:
    """Return some rows by lot; with one seed fewer examples are among the more.

    Raises:
        TuningError: there are not so many.
    """
    if examples is None:
        return list(rows)
    if examples > len(rows):
        raise TuningError(
            f"a point of the curve takes {examples} examples, and the data has {len(rows)} rows to learn "
            "from; leave that point out, or make more rows"
        )
    mixed = list(rows)
    random.Random(f"curve/{seed}").shuffle(mixed)  # noqa: S311 - nothing secret is drawn
    return mixed[:examples]


def learn(
    frozen: FrozenModel,
    rows: Sequence[Row],
    system: System,
    recipe: Recipe,
    *,
    words: str,
    tell: Callable[[int, float], None] = lambda *_: None,
) -> Learnt:
    """Tune what a system learns.

    Args:
        frozen: the model; is as before afterwards.
        rows: what is learnt from.
        system: says what is learnt.
        recipe: for how long, and how.
        words: of the hard prompt, before the question; empty: none.
        tell: is told the number of each step done, and its loss.

    Raises:
        TuningError: the loss is no number any more.
    """

    with contextlib.ExitStack() as stack:
        if system.method == "lora":
            model = stack.enter_context(_lora(frozen, recipe.seed))
            traces, common = _without_beginning(
                [trace(row, frozen.tokenizer, frozen.end, before=words) for row in rows]
            )
        else:
            model = stack.enter_context(wrapped(frozen, recipe, Start()))
            traces = [trace(row, frozen.tokenizer, frozen.end) for row in rows]
            common = tuple(frozen.tokenizer(words, add_special_tokens=False)["input_ids"]) if words else ()
        reader = Reader(model.get_base_model(), common, bfloat16=recipe.bfloat16)
        virtual = _none(frozen) if system.method == "lora" else partial(virtual_tokens, model)

        def from_batch(batch: Sequence[Trace]) -> float:
            return reader.learn(virtual(), batch)

        steps, seconds, losses = _steps(model, from_batch, traces, recipe, tell)
        found: dict[str, Any] = _added(model) if system.method == "lora" else _vectors(model)
    read = steps * min(recipe.batch, len(rows))
    return Learnt(steps, read, seconds, sum(losses[-_LAST:]) / len(losses[-_LAST:]), **found)


@contextlib.contextmanager
def _lora(frozen: FrozenModel, seed: int) -> Iterator[Any]:
    import torch
    from peft import LoraConfig, TaskType, get_peft_model

    config = LoraConfig(
        task_type=TaskType.CAUSAL_LM, r=RANK, lora_alpha=ALPHA, target_modules=list(TARGETS), lora_dropout=0.0
    )
    frozen_before = {name: p.requires_grad for name, p in frozen.model.named_parameters()}
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch.manual_seed(seed)
        model: Any = get_peft_model(frozen.model, config)
    try:
        yield model
    finally:
        model.unload()
        for mark in ("peft_config", "_hf_peft_config_loaded"):
            frozen.model.__dict__.pop(mark, None)
        for name, p in frozen.model.named_parameters():
            p.requires_grad_(frozen_before[name])


def _without_beginning(traces: Sequence[Trace]) -> tuple[list[Trace], tuple[int, ...]]:
    """Cut off the tokens that all rows begin with, which are read once for a whole batch."""
    columns = zip(*(one.ids for one in traces), strict=False)
    shared = len(list(takewhile(lambda column: len(set(column)) == 1, columns)))
    shared = min([shared, *(one.learnt.index(True) - 1 for one in traces)])
    return [Trace(one.ids[shared:], one.learnt[shared:]) for one in traces], traces[0].ids[:shared]


def _none(frozen: FrozenModel) -> Callable[[], torch.Tensor]:
    """Return what gives no virtual tokens."""
    import torch

    return lambda: torch.empty(0, frozen.dimension)


def _steps(
    model: Any,
    learn_from: Callable[[Sequence[Trace]], float],
    traces: Sequence[Trace],
    recipe: Recipe,
    tell: Callable[[int, float], None],
) -> tuple[int, float, list[float]]:
    import torch

    order = Order(len(traces), recipe.batch, recipe.seed)
    learnt = [p for p in model.parameters() if p.requires_grad]
    adam = torch.optim.AdamW(learnt, lr=recipe.rate, weight_decay=0.0)
    began, seconds, losses = time.monotonic(), 0.0, list[float]()
    limit = math.inf if recipe.minutes is None else 60 * recipe.minutes
    while len(losses) < recipe.steps and seconds * (len(losses) + 1) <= limit * max(1, len(losses)):
        step = len(losses)
        for group in adam.param_groups:
            group["lr"] = recipe.rate_at(step, min(1.0, max(step / recipe.steps, seconds / limit)))
        adam.zero_grad()
        loss = learn_from([traces[row] for row in order.rows(step)])
        norm = torch.nn.utils.clip_grad_norm_(learnt, recipe.clip).item()
        if not math.isfinite(loss) or not math.isfinite(norm):
            raise TuningError(f"the loss is no number any more at step {step + 1}")
        adam.step()
        losses.append(loss)
        seconds = time.monotonic() - began
        tell(step + 1, losses[-1])
    return len(losses), seconds, losses


def _vectors(model: Any) -> dict[str, Any]:
    vectors = model.get_prompt_embedding_to_save("default").detach().numpy().copy()
    return {"vectors": vectors, "numbers": vectors.size}


def _added(model: Any) -> dict[str, Any]:
    """Return what LoRA adds to each matrix: its two factors multiplied, and scaled."""
    layers: torch.nn.ModuleList = model.get_base_model().base_model.layers
    added, numbers = {}, 0
    for number, layer in enumerate(layers):
        for name in TARGETS:
            module: Any = getattr(layer.self_attn, name)
            added[number, name] = module.get_delta_weight("default").detach().numpy().copy()
            factors = (module.lora_A["default"].weight, module.lora_B["default"].weight)
            numbers += sum(factor.numel() for factor in factors)
    return {"added": added, "numbers": numbers}
