"""The loss of a tuning as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agent_app.soft_prompt import Point

PLOT = "loss.svg"
_SIZE = (6.4, 4.0)
"""In inches."""


def plot_loss(file: Path, curve: Sequence[Point], title: str) -> None:
    """Draw the loss on the training rows, and on the dev part where it was measured, on a log scale.

    Args:
        file: where the picture goes; its ending says of which kind it is.
        curve: at least one point.
        title: stands above it.

    Raises:
        OSError: it cannot be written.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot([p.step for p in curve], [p.loss for p in curve], label="training rows")
    looks = [(p.step, p.dev_loss) for p in curve if p.dev_loss is not None]
    axes.plot([step for step, _ in looks], [loss for _, loss in looks], "o-", label="dev rows")
    axes.set(title=title, xlabel="step", ylabel="mean loss of a token (nats)", yscale="log")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    # The same curve gives the same bytes: neither a date nor random names in it.
    with mpl.rc_context({"svg.hashsalt": "agent-app"}):
        figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)
