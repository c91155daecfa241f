"""Compares two files of answers to the same questions, such as those of two prompts.

What is compared are questions, each with itself, so that what makes some harder than others cancels out.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from agent_app.batch.answers.asked import MEASURES, Asked, Side, read_asked
from agent_app.batch.answers.reading import row_of
from agent_app.errors import BatchError
from agent_app.statistics import Interval, Mean, Pairs, mcnemar, paired_shares

Kind = Literal["right to wrong", "wrong to right", "status", "text"]
"""How a question has changed, the gravest first; only the gravest one counts."""
KINDS: tuple[Kind, ...] = ("right to wrong", "wrong to right", "status", "text")


@dataclass(frozen=True, slots=True)
class Difference:
    """What a question took in one file and in the other, on average; the second minus the first."""

    questions: int
    """How many of them could be compared."""
    a: float
    b: float
    interval: Interval | None
    """Of the difference; None for a single question."""
    p: float | None
    """How likely a difference at least as great is by chance alone."""
    test: str


@dataclass(frozen=True, slots=True)
class Change:
    """A question that has changed."""

    id: str
    kind: Kind
    question: str
    a: dict[str, Any]
    """Its row in the first file; the first of them, if it was asked several times."""
    b: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two files of answers have to do with each other."""

    a: Side
    b: Side
    both: int
    """How many questions are in both."""
    right: Difference | None
    """None where no question was judged in both."""
    pairs: Pairs | None
    """Which of the two was right; None also where repeats of a question disagree on that."""
    measures: Mapping[str, Difference]
    """Tokens, seconds and US dollars a question, as far as they are known in both."""
    counts: Mapping[Kind, int]
    changes: tuple[Change, ...]
    """The first of the questions that have changed, by kind and then in the order of the second file."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        data = dataclasses.asdict(self)
        for difference in filter(None, (data["right"], *data["measures"].values())):
            difference["interval"] = difference["interval"] and list(difference["interval"])
        data["pairs"] = self.pairs and self.pairs._asdict()
        return data


def compare(a: Path, b: Path, *, most: int = 20) -> Comparison:
    """Compare two files of answers.

    Both are read once; under a kilobyte is held of each question in each of them, and no text of answers.

    Args:
        a: the first file.
        b: the second file.
        most: how many changed questions are given with their rows.

    Raises:
        BatchError: a file is none of answers, an id stands for two questions, or no question is in both.
    """
    side_a, asked_a = read_asked(a)
    side_b, asked_b = read_asked(b)
    both = [name for name in asked_b if name in asked_a]
    if not both:
        raise BatchError(f"{a} and {b} have no question in common: no id is in both")
    _check_same(a, b, asked_a, asked_b)
    changed: dict[Kind, list[str]] = {kind: [] for kind in KINDS}
    for name in both:
        kind = _kind(asked_a[name], asked_b[name])
        if kind is not None:
            changed[kind].append(name)
    couples = [(asked_a[name], asked_b[name]) for name in both]
    pairs = _pairs(couples)
    shown = [(name, kind) for kind in KINDS for name in changed[kind]][:most]
    with a.open("rb") as file_a, b.open("rb") as file_b:
        changes = tuple(
            _change(name, kind, _row(file_a, asked_a[name]), _row(file_b, asked_b[name]))
            for name, kind in shown
        )
    measured = {name: _measured(couples, name) for name in MEASURES}
    return Comparison(
        side_a,
        side_b,
        len(both),
        _exactly(pairs) if pairs else _on_average(couples, lambda asked: asked.share),
        pairs,
        {name: difference for name, difference in measured.items() if difference is not None},
        {kind: len(names) for kind, names in changed.items()},
        changes,
    )


def _check_same(a: Path, b: Path, asked_a: Mapping[str, Asked], asked_b: Mapping[str, Asked]) -> None:
    for name, asked in asked_b.items():
        if name in asked_a and asked_a[name].question != asked.question:
            raise BatchError(f"{b}: the id {name!r} has another question there than in {a}")


def _row(file: IO[bytes], asked: Asked) -> dict[str, Any]:
    file.seek(asked.place)
    return row_of(file.readline())


def _kind(a: Asked, b: Asked) -> Kind | None:
    before, after = a.share, b.share
    if before is not None and after is not None and before != after:
        return "wrong to right" if after > before else "right to wrong"
    if tuple(n * b.rows for n in a.statuses) != tuple(n * a.rows for n in b.statuses):
        return "status"
    return "text" if a.texts * b.rows != b.texts * a.rows else None


def _change(name: str, kind: Kind, a: dict[str, Any], b: dict[str, Any]) -> Change:
    shown = ("status", "answer", "error", "right", "score", "seconds")
    return Change(name, kind, b["question"], {key: a[key] for key in shown}, {key: b[key] for key in shown})


def _pairs(couples: list[tuple[Asked, Asked]]) -> Pairs | None:
    """Count which of the two were right; None if repeats disagree on that, or none is judged in both."""
    counts = Counter(_known(couples, lambda asked: asked.share))
    pairs = Pairs(counts[1, 1], counts[1, 0], counts[0, 1], counts[0, 0])
    return pairs if 0 < sum(pairs) == counts.total() else None


def _exactly(pairs: Pairs) -> Difference:
    total = sum(pairs)
    return Difference(
        total,
        (pairs.both + pairs.only_first) / total,
        (pairs.both + pairs.only_second) / total,
        paired_shares(pairs),
        mcnemar(pairs),
        "exact McNemar",
    )


def _on_average(
    couples: list[tuple[Asked, Asked]], value: Callable[[Asked], float | None]
) -> Difference | None:
    """Return the mean difference of values; each question has one, as repeats are no further evidence."""
    a, b, difference = Mean(), Mean(), Mean()
    for before, after in _known(couples, value):
        a.add(before)
        b.add(after)
        difference.add(after - before)
    if not difference.count:
        return None
    return Difference(
        difference.count, a.value, b.value, difference.interval(), difference.chance(), "paired t"
    )


def _measured(couples: list[tuple[Asked, Asked]], name: str) -> Difference | None:
    return _on_average(couples, lambda asked: asked.mean(name))


def _known(
    couples: list[tuple[Asked, Asked]], value: Callable[[Asked], float | None]
) -> Iterator[tuple[float, float]]:
    for a, b in couples:
        before, after = value(a), value(b)
        if before is not None and after is not None:
            yield before, after
