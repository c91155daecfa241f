"""How long something takes, told so that a busy machine does not change the answer."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable


def processor_seconds(work: Callable[..., object], *given: object) -> float:
    """Return this thread's processor time that some work takes; what others do hardly counts.

    Nor does the collection of garbage, which would look at all that earlier tests have left.
    """
    gc.disable()
    try:
        begun = time.thread_time()
        work(*given)
        return time.thread_time() - begun
    finally:
        gc.enable()


def assert_linear(work: Callable[[int], object], size: int) -> None:
    """Fail where work of ten times the size takes far more than ten times as long.

    A quadratic way takes a hundred times as long. What is over in a tenth of a second is too short to tell.
    """
    short = min(processor_seconds(work, size) for _ in range(3))
    for _ in range(3):
        long = processor_seconds(work, 10 * size)
        if long < max(0.1, 30 * short):
            return
    raise AssertionError(f"{long:.2f} s for what takes {short:.4f} s with a tenth of the size")
