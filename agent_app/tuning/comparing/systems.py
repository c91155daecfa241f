"""What is compared: each system is a prompt, and what is learnt behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from agent_app.errors import TuningError, UnknownName
from agent_app.places import builtin
from agent_app.soft_prompt import Method
from agent_app.tuning.words import BARE

SOFT = "compared"
"""The soft prompt that the prompt files here name."""

Arm = Literal["bare", "hard"]
"""What stands before the question where LoRA learns from few examples: nothing, or the hard prompt."""


@dataclass(frozen=True, slots=True)
class System:
    """One way to have the model make its moves."""

    label: str
    prompt: str
    """A file of this package, or a prompt of the built-in library."""
    method: Method | Literal["lora"] | None = None
    """What is learnt; None: nothing."""
    tokens: int = 0
    """How many virtual tokens."""

    @property
    def hard(self) -> bool:
        """Whether what is learnt stands behind the words of the hard prompt."""
        return self.prompt.startswith("hard")

    @property
    def file(self) -> Path:
        """The file of its prompt, of this package or built in; a user's own does not replace it."""
        folders = (Path(str(resources.files(__package__))) / "prompts", BARE.parent, builtin("prompts"))
        return next(file for folder in folders if (file := folder / f"{self.prompt}.md").is_file())


SYSTEMS = MappingProxyType(
    {
        "hard": System("hard", "hard"),
        "examples": System("hard with examples", "pirate"),
        "soft-20": System("soft, 20 tokens", "soft", "prompt-tuning", 20),
        "soft-50": System("soft, 50 tokens", "soft", "prompt-tuning", 50),
        "soft-100": System("soft, 100 tokens", "soft", "prompt-tuning", 100),
        "p-20": System("p-tuning, 20 tokens", "soft", "p-tuning", 20),
        "p-50": System("p-tuning, 50 tokens", "soft", "p-tuning", 50),
        "p-100": System("p-tuning, 100 tokens", "soft", "p-tuning", 100),
        "hard-soft": System("hard and soft, 50 tokens", "hard-soft", "prompt-tuning", 50),
        "lora": System("LoRA, r = 8", "bare", "lora"),
        "shipped": System("soft, as shipped", "pirate-soft"),
    }
)
"""By the name that a call gives."""

USUAL = tuple(name for name in SYSTEMS if name != "shipped")
"""Those that any model has; what is shipped was tuned for one."""

ARMS: Mapping[Arm, System] = MappingProxyType(
    {
        "bare": System("LoRA, nothing before the question", "bare", "lora"),
        "hard": System("LoRA behind the hard prompt", "hard-tuned", "lora"),
    }
)
"""Both curves of accuracy against examples."""

SIZES = (10, 30, 100, 300, 1000, 2000)
"""How many examples the points of a curve learn from."""


@dataclass(frozen=True, slots=True)
class Task:
    """One cell of the comparison: a system, a seed, and for a curve how many examples it learns from."""

    name: str
    seed: int
    examples: int | None = None

    @property
    def system(self) -> System:
        """What is measured."""
        return SYSTEMS[self.name] if self.examples is None else ARMS[self.name]  # type: ignore[index]

    @property
    def key(self) -> str:
        """The cell's name, and that of its file."""
        return f"{'' if self.examples is None else f'curve-{self.examples}-'}{self.name}-{self.seed}"


def tasks(names: Sequence[str], seeds: int, sizes: Sequence[int], curve_seeds: int) -> tuple[Task, ...]:
    """Return all cells of a comparison, in an order that leaves a whole one at every seed.

    Args:
        names: of systems; what learns nothing is the same for all seeds, and has one cell.
        seeds: how many seeds a system that learns is given.
        sizes: how many examples the points of the curves learn from; empty: there are no curves.
        curve_seeds: how many seeds each of those is given.

    Raises:
        UnknownName: there is no such system.
        TuningError: a size is no number above 0, or nothing is left to compare.
    """
    for name in names:
        if name not in SYSTEMS:
            raise UnknownName("system", name, SYSTEMS)
    for size in sizes:
        if size < 1:
            raise TuningError(f"a curve has no point of {size} examples; it takes whole numbers above 0")
    return tuple(dict.fromkeys(_tasks(names, seeds, sorted(set(sizes)), curve_seeds)))


def _tasks(names: Sequence[str], seeds: int, sizes: Sequence[int], curve_seeds: int) -> Iterator[Task]:
    for seed in range(max(seeds, curve_seeds)):
        for name in names:
            if seed < (seeds if SYSTEMS[name].method else 1):
                yield Task(name, seed)
        if seed < curve_seeds:
            for size in sizes:
                for arm in ARMS:
                    yield Task(arm, seed, size)
