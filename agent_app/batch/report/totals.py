"""What all rows of a file of answers come to, counted row by row; memory does not hold the rows."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, get_args

from agent_app.batch.report.reading import Answered, Spent

Outcome = Literal["right", "answered", "wrong", "failed", "missing"]
"""What has come of a row, in one word; ``answered`` was not judged."""
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

Trouble = Literal["error", "limit", "repair"]
_NO_LIMITS = ("error", "interruption")
Samples = defaultdict[Outcome, "array[float]"]
"""One number of each row, by what has come of it."""


def outcome(row: Answered) -> Outcome:
    """Say in one word what has come of a row."""
    if row.status != "answered":
        return row.status
    if row.right is None:
        return "answered"
    return "right" if row.right else "wrong"


def troubles(row: Answered) -> Iterator[tuple[Trouble, str]]:
    """Yield what went wrong in a row, each kind once: an error, a limit, what the parser forgave."""
    if row.status == "failed":
        yield "error", row.error_kind or "(no name)"
    if row.stopped_by and row.stopped_by not in _NO_LIMITS:
        yield "limit", row.stopped_by
    for words in dict.fromkeys(words for step in row.steps for words in step.repairs):
        yield "repair", words


def calls(row: Answered) -> int:
    """Return how often a row used a tool."""
    return sum(step.kind == "action" for step in row.steps)


def _samples() -> Samples:
    return defaultdict(lambda: array("d"))


@dataclass(slots=True)
class Totals:
    """What all rows come to.

    Rows of which the model was shown the same were asked once. Each of them counts as a row, but what they
    took counts once.
    """

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    right: int = 0
    judged: int = 0
    asked: int = 0
    """Different questions that were asked."""
    unpriced: int = 0
    """How many of them have no known price."""
    usage: Spent = field(default_factory=lambda: Spent(cost=0.0))
    """What they took together; the cost is that of those with a known price."""
    seconds: Samples = field(default_factory=_samples)
    steps: Samples = field(default_factory=_samples)
    tokens: Samples = field(default_factory=_samples)
    tools: Counter[str] = field(default_factory=Counter)
    """How often each tool was called."""
    tool_errors: Counter[str] = field(default_factory=Counter)
    """How often its observation was an error."""
    troubles: Counter[tuple[Trouble, str]] = field(default_factory=Counter)
    """How many rows each kind of trouble has met."""
    models: Counter[str] = field(default_factory=Counter)
    prompts: Counter[str] = field(default_factory=Counter)
    _seen: set[int] = field(default_factory=set)
    """The runs that were counted, by their hashes."""

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.statuses.total()

    def add(self, row: Answered) -> None:
        """Count a row."""
        came = outcome(row)
        self.outcomes[came] += 1
        self.statuses[row.status] += 1
        if row.right is not None:
            self.judged += 1
            self.right += row.right
        self.troubles.update(troubles(row))
        if row.model:
            self.models[row.model] += 1
        if row.prompt:
            self.prompts[f"{row.prompt.name} {row.prompt.version} ({row.prompt.hash[:12]})"] += 1
        if row.status != "missing":
            self.seconds[came].append(row.seconds)
            self.steps[came].append(calls(row))
            self.tokens[came].append(row.usage.prompt_tokens + row.usage.completion_tokens)
        self._count_run(row)

    def _count_run(self, row: Answered) -> None:
        """Count what a row's run took, unless that run is another row's too."""
        spent = row.usage
        run = hash((row.question, row.seconds, tuple(spent.__dict__.values())))
        if not spent.calls or run in self._seen:
            return
        self._seen.add(run)
        self.asked += 1
        self.unpriced += spent.cost is None
        for name, amount in spent:
            setattr(self.usage, name, getattr(self.usage, name) + (amount or 0))
        self.tools.update(step.tool for step in row.steps if step.kind == "action")
        for step, after in pairwise(row.steps):
            if step.kind == "action" and after.kind == "observation" and after.error:
                self.tool_errors[step.tool] += 1
