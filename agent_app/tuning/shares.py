"""A share of cases, with how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

from agent_app.statistics import Interval, wilson


@dataclass(frozen=True, slots=True)
class Share:
    """How many of some cases were right."""

    hits: int
    of: int

    @property
    def interval(self) -> Interval:
        """Where the true share lies with a confidence of 95 %, after Wilson."""
        return wilson(self.hits, self.of)

    def __str__(self) -> str:
        if not self.of:
            return "-"
        low, high = self.interval
        return f"{100 * self.hits / self.of:.0f} % ({100 * low:.0f} to {100 * high:.0f}), n = {self.of}"

    def to_dict(self) -> dict[str, float | int | None]:
        """Return it as plain data; the share and its interval lie between 0 and 1."""
        low, high = self.interval
        share = self.hits / self.of if self.of else None
        return {"share": share, "low": low, "high": high, "hits": self.hits, "n": self.of}
