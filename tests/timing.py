"""How long something takes, told so that a busy machine does not change the answer."""

from __future__ import annotations

import time
from collections.abc import Callable


def processor_seconds(work: Callable[..., object], *given: object) -> float:
    """Return the processor's time that some work takes; what other programs do hardly counts."""
    begun = time.process_time()
    work(*given)
    return time.process_time() - begun


def assert_linear(work: Callable[[int], object], size: int) -> None:
    """Fail where work of ten times the size takes far more than ten times as long.

    A quadratic way takes a hundred times as long. What is over in a third of a second is too short to tell.
    """
    for _ in range(3):
        short, long = processor_seconds(work, size), processor_seconds(work, 10 * size)
        if long < max(0.3, 30 * short):
            return
    raise AssertionError(f"{long:.2f} s for what takes {short:.3f} s with a tenth of the size")
