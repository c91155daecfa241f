"""The pictures of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent_app.tuning.comparing.cells import Cell
from agent_app.tuning.comparing.figures import Figure, figure
from agent_app.tuning.comparing.systems import ARMS, SYSTEMS, Arm
from agent_app.tuning.metrics import MEASURES, Measure

SHOWN: tuple[Measure, ...] = ("tool", "input", "value")
_SIZE = (7.2, 4.4)
"""In inches."""
_MARKERS = {None: "s", "prompt-tuning": "o", "p-tuning": "^", "lora": "D"}
"""By what is learnt."""


def plot_systems(file: Path, systems: Mapping[str, Sequence[Cell]]) -> None:
    """Draw how often each system is right, with intervals.

    Raises:
        OSError: it cannot be written.
    """
    picture, axes = _picture()
    names = list(systems)[::-1]
    for number, measure in enumerate(SHOWN):
        found = {row: f for row, name in enumerate(names) if (f := figure(systems[name], measure))}
        places = [row + 0.2 * (1 - number) for row in found]
        _points(axes, places, list(found.values()), MEASURES[measure])
    axes.set_yticks(range(len(names)), [SYSTEMS[name].label for name in names])
    axes.set(xlabel="share of rows", xlim=(-0.02, 1.02))
    axes.grid(visible=True, axis="x", alpha=0.3)
    picture.legend(loc="outside upper center", ncols=len(SHOWN))
    _save(picture, file)


def plot_curves(file: Path, curves: Mapping[Arm, Mapping[int, Figure]], measure: Measure) -> None:
    """Draw accuracy against examples, with and without the prompt.

    Raises:
        OSError: it cannot be written.
    """
    picture, axes = _picture()
    for arm, curve in curves.items():
        sizes, values = list(curve), [f.value for f in curve.values()]
        (line,) = axes.plot(sizes, values, "o-", label=ARMS[arm].label)
        axes.fill_between(
            sizes,
            [f.low for f in curve.values()],
            [f.high for f in curve.values()],
            color=line.get_color(),
            alpha=0.12,
        )
    axes.set(xscale="log", xlabel="examples learnt from", ylabel=MEASURES[measure], ylim=(-0.02, 1.02))
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    _save(picture, file)


def plot_costs(file: Path, systems: Mapping[str, Sequence[Cell]]) -> None:
    """Draw how often each system calls rightly against how long its prompt is.

    Raises:
        OSError: it cannot be written.
    """
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    picture, axes = _picture()
    for name, cells in systems.items():
        system, speed, found = (
            SYSTEMS[name],
            next((c.speed for c in cells if c.speed), None),
            figure(cells, "input"),
        )
        if speed and found:
            marker = _MARKERS[system.method]
            axes.plot(speed["prompt_tokens"], found.value, marker, ms=8, alpha=0.8, label=system.label)
    axes.set(xscale="log", xlabel="tokens of a question's first prompt", ylabel=MEASURES["input"])
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(-0.02, 1.05)
    axes.grid(visible=True, alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    _save(picture, file)


def _points(axes: Any, places: Sequence[float], found: Sequence[Figure], label: str) -> None:
    values = [f.value for f in found]
    # An interval of Student's may be so wide that rounding puts its end on the wrong side of the mean.
    ends = [[max(0.0, f.value - f.low) for f in found], [max(0.0, f.high - f.value) for f in found]]
    axes.errorbar(values, places, xerr=ends, fmt="o", capsize=2, label=label)


def _picture() -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Picture

    picture = Picture(figsize=_SIZE, layout="constrained")
    FigureCanvasAgg(picture)
    return picture, picture.add_subplot()


def _save(picture: Any, file: Path) -> None:
    import matplotlib as mpl

    # The same cells give the same bytes: neither a date nor random names in it.
    with mpl.rc_context({"svg.hashsalt": "agent-app"}):
        picture.savefig(file, metadata={"Date": None})
