"""A share of cases, with how far it can be trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass


def wilson(hits: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """Return Wilson's score interval of a share, as two shares; z = 1.96 makes it the 95 % one.

    After E. B. Wilson, "Probable inference, the law of succession, and statistical inference" (1927).
    """
    if of == 0:
        return 0.0, 1.0
    share, weight = hits / of, z * z / of
    middle = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * math.sqrt(share * (1 - share) / of + weight / of / 4)
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True, slots=True)
class Share:
    """How many of some cases were right."""

    hits: int
    of: int

    @property
    def interval(self) -> tuple[float, float]:
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
