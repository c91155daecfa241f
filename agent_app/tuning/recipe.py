"""The settings of a tuning, checked before anything slow begins, and what is known to be a bad choice."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, get_args

from agent_app.errors import TuningError
from agent_app.soft_prompt import Method
from agent_app.soft_prompt.card import MOST_TOKENS

Init = Literal["text", "vocabulary", "random", "soft"]
"""What virtual tokens are before the first step: the words of a text, sampled words, noise, or what another
soft prompt has come to (Vu et al., 2022)."""

Encoder = Literal["mlp", "lstm"]
"""The network of p-tuning that writes the virtual tokens; it is thrown away afterwards."""

LEARNING_RATES = MappingProxyType({"prompt-tuning": 0.05, "p-tuning": 0.003})
"""The usual learning rate of each method. Where the table itself is tuned, it has to be large: a row of an
embedding must move by about its own length."""

_SEEDS = 2**63
"""How many seeds there are; torch takes no number of more bits."""
_MANY_TOKENS = 200
_FEW_ROWS = 200
_MANY_EPOCHS = 30


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a soft prompt is tuned. The defaults are what did best in `docs/soft-prompts.md`."""

    method: Method = "prompt-tuning"
    init: Init = "text"
    encoder: Encoder = "mlp"
    hidden: int = 256
    """The width of p-tuning's encoder."""
    tokens: int = 95
    """How many virtual tokens."""
    lr: float | None = None
    """The learning rate; None: the usual one of the method."""
    steps: int = 240
    """How many times the table is changed, at most."""
    batch: int = 8
    """Rows in a step."""
    warmup: int = 10
    """Steps in which the learning rate rises from nothing; after half of all steps it falls to nothing."""
    clip: float = 1.0
    """The greatest norm of a gradient."""
    dev_every: int = 40
    """Steps from one look at the dev part to the next; a checkpoint is written each time."""
    dev_rows: int = 48
    """Rows of the dev part that are looked at, the same ones each time."""
    patience: int = 5
    """Looks at the dev part without a better loss after which tuning ends."""
    minutes: float | None = None
    """How long it may take; the learning rate then follows the clock, so that it ends in time."""
    bfloat16: bool = False
    """Whether matrices are multiplied with eight significant bits, about twice as fast on processors that can
    do it; the table itself is kept in float32 all the same."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse nonsense.

        Raises:
            TuningError: a value is out of its range; says what would be right.
        """
        for name, kind in (("method", Method), ("init", Init), ("encoder", Encoder)):
            if getattr(self, name) not in get_args(kind):
                raise TuningError(f"{name} is {getattr(self, name)!r}; it takes {', '.join(get_args(kind))}")
        for name in ("hidden", "steps", "batch", "warmup", "dev_every", "dev_rows", "patience"):
            if getattr(self, name) < 1:
                raise TuningError(f"{name} is {getattr(self, name)}; it takes a whole number above 0")
        if not 1 <= self.tokens <= MOST_TOKENS:
            raise TuningError(f"tokens is {self.tokens}; it takes a whole number from 1 to {MOST_TOKENS}")
        for name in ("lr", "minutes", "clip"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise TuningError(f"{name} is {value}; it takes a number above 0")
        if self.init == "soft" and self.method != "prompt-tuning":
            raise TuningError("p-tuning begins with its encoder; it is prompt-tuning that init 'soft' is for")
        if not 0 <= self.seed < _SEEDS:
            raise TuningError(f"seed is {self.seed}; it takes a whole number from 0 to {_SEEDS - 1}")

    @property
    def rate(self) -> float:
        """The learning rate that counts."""
        return LEARNING_RATES[self.method] if self.lr is None else self.lr

    def rate_at(self, step: int, fraction: float) -> float:
        """Return the learning rate of a step.

        Args:
            step: counted from 0.
            fraction: how much of the tuning is over, from 0 to 1.
        """
        return self.rate * min(1.0, (step + 1) / self.warmup) * min(1.0, 2 * (1 - fraction))

    def doubts(self, rows: int) -> Iterator[str]:
        """Say what is known to go badly, a sentence each.

        Args:
            rows: how many rows the training part has.
        """
        usual = LEARNING_RATES[self.method]
        if self.rate < usual / 10:
            yield (
                f"a learning rate of {self.rate:g} teaches virtual tokens next to nothing in {self.steps} "
                f"steps; {usual:g} is usual for {self.method}"
            )
        if self.rate > usual * 10:
            yield f"a learning rate of {self.rate:g} may end in NaN; {usual:g} is usual for {self.method}"
        if self.method == "prompt-tuning" and self.init == "random":
            yield "random vectors lie far from all words, and learn slowly; --init text does far better"
        if self.tokens > _MANY_TOKENS:
            yield f"{self.tokens} virtual tokens are read before each question; 20 to 100 are usual"
        if rows < _FEW_ROWS:
            yield f"{rows} rows are few: expect them to be learnt by heart; {_FEW_ROWS} or more are usual"
        if self.steps * self.batch > _MANY_EPOCHS * rows:
            yield f"each row will be read {self.steps * self.batch // rows} times; fewer --steps would do"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, the learning rate that counts in it."""
        return {**dataclasses.asdict(self), "lr": self.rate}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Recipe:
        """Take back what `to_dict` gave.

        Raises:
            TuningError: a value is out of its range, or unknown.
        """
        try:
            return cls(**data)
        except TypeError as error:
            raise TuningError(f"no settings of a tuning: {error}") from error
