"""How many answers of a batch were right, and how sure that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from agent_app.statistics import Interval, wilson


@dataclass(slots=True)
class Scores:
    """Counts what a judge has said of rows; those that were not judged do not count."""

    right: int = 0
    judged: int = 0
    questions: int = 0
    """How many different questions the judged rows are: repeats of one are no further evidence."""
    failed: int = 0
    """How many of the judged rows have no answer, which counts as a wrong one."""
    total: float = 0.0
    """The sum of the scores; another number than `right` where a judge gives parts of a point."""
    errors: Counter[str] = field(default_factory=Counter)
    """How often the judge failed, by what it said."""
    judges: Counter[str] = field(default_factory=Counter)

    def add(self, row: Mapping[str, Any]) -> None:
        """Count a row of answers."""
        if row["judge_error"] is not None:
            self.errors[row["judge_error"]] += 1
        if row["score"] is None:
            return
        self.judged += 1
        self.questions += row["repeat"] == 1 or row["vote"] is not None
        self.judges[row["judge"]] += 1
        self.right += row["right"]
        self.failed += row["status"] == "failed"
        self.total += row["score"]

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as plain data that `from_dict` takes back."""
        return {
            "right": self.right,
            "judged": self.judged,
            "questions": self.questions,
            "failed": self.failed,
            "total": self.total,
            "errors": dict(self.errors.most_common(_NAMED)),
            "judges": dict(self.judges),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Take back what `to_dict` gave.

        Raises:
            ValueError: it is something else.
        """
        try:
            found = cls(**{**data, "errors": Counter(data["errors"]), "judges": Counter(data["judges"])})
        except (TypeError, KeyError) as error:
            raise ValueError(f"no scores: {error}") from error
        counts = (found.right, found.questions, found.failed, *found.errors.values(), *found.judges.values())
        is_whole = all(isinstance(count, int) for count in (found.judged, *counts))
        if not (is_whole and isinstance(found.total, int | float) and 0 <= found.right <= found.judged):
            raise ValueError("no scores: they are not what can be counted")
        return found

    def interval(self) -> Interval:
        """Return the interval of the share that is right, as wide as if repeats always agreed."""
        questions = max(1, self.questions)
        return wilson(self.right / self.judged * questions, questions)

    def lines(self) -> Iterator[str]:
        """Say it in words; nothing if nothing was judged."""
        if self.judged:
            low, high = self.interval()
            judges = ", ".join(name for name, _ in self.judges.most_common())
            yield (
                f"{self.right:,} of {self.judged:,} right: {self.right / self.judged:.1%}, "
                f"95 % interval {low:.1%} to {high:.1%} ({', '.join(self._beside(judges))})"
            )
        if self.errors:
            (error, _), *more = self.errors.most_common()
            others = f" and {len(more):,} other errors" if more else ""
            yield f"{self.errors.total():,} could not be judged: {error}{others}"

    def _beside(self, judges: str) -> Iterator[str]:
        yield f"judged by {judges}"
        if abs(self.total - self.right) > _ROUNDING:
            yield f"mean score {self.total / self.judged:.3f}"
        if self.failed:
            yield f"{self.failed:,} failed ones count as wrong"


_NAMED = 20
_ROUNDING = 1e-9
