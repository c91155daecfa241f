"""The training of virtual tokens on a frozen model: steps, looks at the dev part, checkpoints, and an end."""

from __future__ import annotations

import dataclasses
import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from agent_app.errors import TuningError
from agent_app.soft_prompt import Point
from agent_app.tuning.checkpoint import Checkpoint, damaged, load_checkpoint, save_checkpoint
from agent_app.tuning.frozen import FrozenModel
from agent_app.tuning.methods import Start, virtual_tokens, wrapped
from agent_app.tuning.order import Order
from agent_app.tuning.reader import Reader
from agent_app.tuning.recipe import Recipe
from agent_app.tuning.traces import Data, Trace

if TYPE_CHECKING:
    import numpy as np
    import torch
    from peft import PeftModel

    _Form: TypeAlias = tuple[torch.dtype, tuple[int, ...]]

Ending = Literal["steps", "time", "patience", "stopped"]
"""Why a tuning ended: all steps done, its time over, the dev loss no better any more, or told to stop."""

_POINT_EVERY = 5
"""Steps from one point of the curve to the next, which has the mean loss of those steps."""

_BEST = "best"
_FREE = frozenset({"minutes", "patience"})
"""What may be set anew when a tuning goes on."""


@dataclass(frozen=True, slots=True)
class Measured:
    """How well rows are foretold, each token after the right ones before it."""

    loss: float
    tokens_right: float
    """The share of the tokens to be learnt that come first in the model's order."""
    rows_right: float
    """The share of the rows in which all of them do: those that the model would write by itself."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a tuning has come."""

    step: int
    steps: int
    seconds: float
    """Since it was begun, without the time between a stop and going on."""
    seconds_left: float
    loss: float
    """Of the last step."""
    rate: float
    tokens: int
    """Read in the last step, padding and virtual tokens left out."""
    dev: Measured | None
    """The last look at the dev part."""
    looked: bool
    """Whether that was right now."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a tuning came to."""

    ending: Ending
    steps: int
    seconds: float
    curve: tuple[Point, ...]
    best_step: int
    best: Measured
    """On the dev part, at that step."""
    vectors: np.ndarray
    """The table of that step; float32, [tokens, dimension]."""


@dataclass
class _Standing:
    """What changes while a tuning goes on, but for tensors."""

    step: int = 0
    seconds: float = 0.0
    waited: int = 0
    """Looks at the dev part since the best one."""
    since: list[float] = field(default_factory=list)
    """The losses since the last point of the curve."""
    curve: list[Point] = field(default_factory=list)
    dev: Measured | None = None
    best: Measured | None = None
    best_step: int = 0

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> _Standing:
        """Take back what `to_dict` gave.

        Raises:
            KeyError, TypeError, ValueError, OverflowError, AttributeError: it did not give that.
        """
        return cls(
            step=int(data["step"]),
            seconds=float(data["seconds"]),
            waited=int(data["waited"]),
            since=[float(loss) for loss in data["since"]],
            curve=[_point(point) for point in data["curve"]],
            dev=_measured(data["dev"]),
            best=_measured(data["best"]),
            best_step=int(data["best_step"]),
        )


def _point(data: Mapping[str, Any]) -> Point:
    dev = data["dev_loss"]
    loss, dev_loss = float(data["loss"]), None if dev is None else float(dev)
    return Point(int(data["step"]), float(data["seconds"]), loss, dev_loss)


def _measured(data: Mapping[str, Any] | None) -> Measured | None:
    return None if data is None else Measured(**{name: float(share) for name, share in data.items()})


def tune(
    frozen: FrozenModel,
    data: Data,
    recipe: Recipe,
    *,
    start: Start,
    checkpoint: Path,
    resume: bool = False,
    on_progress: Callable[[Progress], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> Tuned:
    """Tune virtual tokens until all steps are done, the time is over, or the dev part is served no better.

    Nothing random is drawn once it has begun, so it goes on from a checkpoint as if it had never stopped,
    as long as it has as many threads.

    Args:
        frozen: the model; stays as it is.
        data: what is learnt, and what is looked at to see how well.
        recipe: the settings.
        start: the words or the soft prompt that virtual tokens begin as.
        checkpoint: the file that keeps where it stands; written at every look at the dev part and at a stop.
            Another tuning's is deleted when this one begins, once all that it takes has been found right.
        resume: go on from that file.
        on_progress: called after each step.
        stop: asked before each step whether to stop there.

    Raises:
        TuningError: the loss is not finite, a checkpoint cannot be written or read, or is another tuning's.
    """
    with wrapped(frozen, recipe, start) as model:
        tuning = _Tuning(model, data, recipe, checkpoint, identity(frozen, data, recipe, start))
        if resume:
            tuning.load()
        elif checkpoint.is_file():
            checkpoint.unlink()
        ending = tuning.run(on_progress, stop)
        return tuning.result(ending)


def identity(frozen: FrozenModel, data: Data, recipe: Recipe, start: Start) -> dict[str, Any]:
    """Return what makes a tuning the same as another one: model, data, settings and what it began as."""
    settings = {name: value for name, value in recipe.to_dict().items() if name not in _FREE}
    told = {"data": data.sha256, "words": data.words.sha256}
    return {"base": frozen.sha256, **told, **start.to_dict(recipe), **settings}


def measure(reader: Reader, virtual: torch.Tensor, rows: Sequence[Trace], batch: int) -> Measured:
    """Read rows without learning from them.

    Args:
        reader: of the model.
        virtual: the virtual tokens, [tokens, dimension].
        rows: what is foretold.
        batch: how many are read at once.
    """
    loss = tokens = tokens_right = rows_right = 0.0
    ordered = sorted(rows, key=lambda row: len(row.ids))
    parts = [ordered[first : first + batch] for first in range(0, len(ordered), batch)]
    for part, found in zip(parts, reader.look(virtual, parts), strict=True):
        loss += found.losses.sum().item()
        tokens += len(found.right)
        tokens_right += found.right.sum().item()
        rows_right += len(part) - len(set(found.rows[~found.right].tolist()))
    return Measured(loss / tokens, tokens_right / tokens, rows_right / len(rows))


class _Tuning:
    """A tuning under way; `tune` says what it does."""

    def __init__(
        self, model: PeftModel, data: Data, recipe: Recipe, checkpoint: Path, same: dict[str, Any]
    ) -> None:
        import torch

        self._model, self._data, self._recipe = model, data, recipe
        self._reader = Reader(model.get_base_model(), bfloat16=recipe.bfloat16)
        self._file, self._same = checkpoint, same
        self._order = Order(len(data.train), recipe.batch, recipe.seed)
        self._learnt = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self._adam = torch.optim.AdamW(self._learnt.values(), lr=recipe.rate, weight_decay=0.0)
        self._at = _Standing()
        self._best: torch.Tensor | None = None
        self._took: deque[float] = deque(maxlen=recipe.dev_every)
        self._noted = 0.0

    def run(self, on_progress: Callable[[Progress], None], stop: Callable[[], bool]) -> Ending:
        """Take steps until there is a reason to end."""
        began = time.monotonic() - self._at.seconds
        self._noted = self._at.seconds
        if self._at.best is None:
            self._look()  # what the first step has to be better than
        while (ending := self._ending(stop)) is None:
            batch = [self._data.train[row] for row in self._order.rows(self._at.step)]
            loss, rate = self._step(batch)
            self._note_pace(began)
            looked = self._at.step % self._recipe.dev_every == 0 or self._is_over()
            if looked:
                self._look()
            self._add_point(looked)
            if looked:
                self.save()
                self._at.seconds = time.monotonic() - began
            on_progress(self._progress(loss, rate, batch, looked))
        if ending == "stopped":
            self.save()
        return ending

    def result(self, ending: Ending) -> Tuned:
        """Return what has been learnt."""
        at = self._at
        assert at.best is not None  # `run` begins with a look
        assert self._best is not None
        vectors = self._best.numpy()
        return Tuned(ending, at.step, at.seconds, tuple(at.curve), at.best_step, at.best, vectors)

    def save(self) -> None:
        """Write a checkpoint."""
        tensors = {f"parameter.{name}": p.detach() for name, p in self._learnt.items()}
        for name, p in self._learnt.items():
            tensors |= {f"adam.{name}.{key}": kept for key, kept in self._adam.state[p].items()}
        if self._best is not None:
            tensors[_BEST] = self._best
        save_checkpoint(self._file, Checkpoint({"same": self._same, "standing": self._at.to_dict()}, tensors))

    def load(self) -> None:
        """Take up what a checkpoint holds.

        Raises:
            TuningError: it cannot be read, is damaged, or is another tuning's; says in what they differ.
        """
        kept = load_checkpoint(self._file)
        try:
            _check_same(dict(kept.state["same"]), self._same, self._file)
            at = _Standing.from_dict(kept.state["standing"])
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise damaged(self._file, f"its state is not one of a tuning: {error}") from error
        if {name: _form(tensor) for name, tensor in kept.tensors.items()} != self._forms(at):
            raise damaged(self._file, "its tensors are not those of this tuning")
        for name, p in self._learnt.items():
            p.data.copy_(kept.tensors[f"parameter.{name}"])
            memory = f"adam.{name}."
            self._adam.state[p] = {
                key.removeprefix(memory): tensor
                for key, tensor in kept.tensors.items()
                if key.startswith(memory)
            }
        self._best = kept.tensors.get(_BEST)
        self._at = at

    def _forms(self, at: _Standing) -> dict[str, _Form]:
        """Return the name and the form of each tensor that a checkpoint holds when a tuning stands there."""
        import torch

        forms: dict[str, _Form] = {}
        for name, p in self._learnt.items():
            forms[f"parameter.{name}"] = _form(p)
            if at.step:
                forms[f"adam.{name}.step"] = torch.float32, ()
                forms |= {f"adam.{name}.{mean}": _form(p) for mean in ("exp_avg", "exp_avg_sq")}
        if at.best is not None:
            forms[_BEST] = _form(self._model.get_prompt_embedding_to_save("default"))
        return forms

    def _step(self, batch: Sequence[Trace]) -> tuple[float, float]:
        """Learn from a batch; return the loss before it, and the learning rate."""
        import torch

        at, recipe = self._at, self._recipe
        rate = recipe.rate_at(at.step, self._fraction())
        for group in self._adam.param_groups:
            group["lr"] = rate
        self._adam.zero_grad()
        loss = self._reader.learn(virtual_tokens(self._model), batch)
        norm = torch.nn.utils.clip_grad_norm_(self._learnt.values(), recipe.clip).item()
        if not math.isfinite(loss) or not math.isfinite(norm):
            raise TuningError(self._not_finite(rate))
        self._adam.step()
        at.step += 1
        at.since.append(loss)
        return loss, rate

    def _look(self) -> None:
        """Measure on the dev part, and keep the table if it is the best so far."""
        at = self._at
        at.dev = measure(self._reader, virtual_tokens(self._model), self._data.dev, self._recipe.batch)
        if not math.isfinite(at.dev.loss):
            raise TuningError(self._not_finite(self._recipe.rate))
        if at.best is None or at.dev.loss < at.best.loss:
            at.best, at.best_step, at.waited = at.dev, at.step, 0
            self._best = self._model.get_prompt_embedding_to_save("default").clone()
        else:
            at.waited += 1

    def _add_point(self, looked: bool) -> None:
        at = self._at
        if looked or at.step % _POINT_EVERY == 0:
            mean = sum(at.since) / len(at.since)
            dev = at.dev.loss if looked and at.dev else None
            at.curve.append(Point(at.step, round(at.seconds, 1), round(mean, 4), dev and round(dev, 4)))
            at.since = []

    def _ending(self, stop: Callable[[], bool]) -> Ending | None:
        if self._at.step >= self._recipe.steps:
            return "steps"
        if self._is_over():
            return "time"
        if self._at.waited >= self._recipe.patience:
            return "patience"
        return "stopped" if stop() else None

    def _is_over(self) -> bool:
        """Say whether all steps are done, or another one would end after the time that there is."""
        at, minutes = self._at, self._recipe.minutes
        if at.step >= self._recipe.steps:
            return True
        return minutes is not None and at.seconds + self._pace() > 60 * minutes

    def _fraction(self) -> float:
        at, minutes = self._at, self._recipe.minutes
        return min(1.0, max(at.step / self._recipe.steps, at.seconds / (60 * minutes) if minutes else 0.0))

    def _note_pace(self, began: float) -> None:
        """Take down what the step took, with the look before it."""
        self._at.seconds = time.monotonic() - began
        if len(self._took) == 1 and self._took.maxlen != 1:
            self._took.clear()  # the first step also imports half of torch
        self._took.append(self._at.seconds - self._noted)
        self._noted = self._at.seconds

    def _pace(self) -> float:
        """Return how many seconds a step takes lately, with its share of the looks."""
        return sum(self._took) / len(self._took) if self._took else 0.0

    def _progress(self, loss: float, rate: float, batch: Sequence[Trace], looked: bool) -> Progress:
        at = self._at
        left = self._pace() * (self._recipe.steps - at.step)
        if self._recipe.minutes is not None:
            left = min(left, max(0.0, 60 * self._recipe.minutes - at.seconds))
        tokens = sum(len(row.ids) for row in batch)
        return Progress(at.step, self._recipe.steps, at.seconds, left, loss, rate, tokens, at.dev, looked)

    def _not_finite(self, rate: float) -> str:
        kept = f"; the checkpoint of an earlier step is kept in {self._file}" if self._file.is_file() else ""
        return (
            f"the loss is no number any more at step {self._at.step}, with a learning rate of {rate:g}: "
            f"begin anew with a lower --lr{kept}"
        )


def _form(tensor: torch.Tensor) -> _Form:
    return tensor.dtype, tuple(tensor.shape)


def _check_same(before: Mapping[str, Any], now: Mapping[str, Any], file: Path) -> None:
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            raise TuningError(
                f"{file}: the checkpoint is of a tuning with another {name} "
                f"({before.get(name)!r}, not {now.get(name)!r}); begin anew with --force"
            )
