"""A picture of virtual tokens among the words of their model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_app.soft_prompt import SoftPrompt
from agent_app.soft_prompt.derived import table_rows
from agent_app.soft_prompt.neighbours import Neighbourhood, VirtualToken

if TYPE_CHECKING:
    import numpy as np

_SIZE = (10.0, 5.6)
"""In inches."""
_SAMPLE = 5000
"""Words that the axes are found from and that are drawn, evenly spread over the vocabulary. The more frequent
ones come first in it, so rare and frequent ones are in as they are in the whole."""
_LABELS = 16
_APART = (0.13, 0.045)
"""How far apart two labels are at least, as a share of the picture's width and height."""
_SMALL = 8.5
_GREY, _LINE, _VIOLET = "#b8bcc4", "#8a93a5", "#7b2d8b"


@dataclass(frozen=True, slots=True)
class Axes:
    """The two directions in which vectors differ the most (principal components, from the SVD)."""

    mean: np.ndarray
    directions: np.ndarray
    """[2, dimension]."""

    @classmethod
    def of(cls, vectors: np.ndarray) -> Axes:
        """Find them; of each direction's two signs the one whose largest number is above 0."""
        import numpy as np

        mean = vectors.mean(axis=0)
        _, _, directions = np.linalg.svd(vectors - mean, full_matrices=False)
        directions = directions[:2]
        largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)
        return cls(mean, directions * np.sign(largest))

    def places(self, vectors: np.ndarray) -> np.ndarray:
        """Return where vectors lie on them; [vectors, 2]."""
        found: np.ndarray = (vectors - self.mean) @ self.directions.T
        return found

    def shares(self, vectors: np.ndarray) -> list[float]:
        """Return how much of vectors' variance each axis shows, from 0 to 1."""
        whole = vectors.var(axis=0).sum()
        shares: list[float] = (self.places(vectors).var(axis=0) / (whole or 1)).tolist()
        return shares


def plot_tokens(
    file: Path, soft: SoftPrompt, base: Path, around: Neighbourhood, losses: Sequence[float] | None = None
) -> None:
    """Draw virtual tokens among words, on the axes of the words, and beside them how long both are.

    Where it is known what a virtual token began as, a line leads to it from that word.

    Args:
        file: where the picture goes; its ending says of which kind it is.
        soft: the soft prompt.
        base: the GGUF file of its model.
        around: its virtual tokens among the words.
        losses: for each virtual token what its colour shows, by how much the loss rises without it;
            None: the colour shows where in the prompt it stands.

    Raises:
        OSError: it cannot be written.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    step = max(1, around.words // _SAMPLE)
    words = table_rows(base, range(0, around.words, step))
    figure = Figure(figsize=_SIZE, layout="constrained")
    FigureCanvasAgg(figure)
    card = soft.card
    figure.suptitle(f"{soft.name}: {card.tokens} virtual tokens among the words of {card.base.name}")
    where, lengths = figure.subplots(1, 2, width_ratios=(3.2, 1))
    _draw_map(where, soft, base, around, words, losses)
    _draw_lengths(lengths, soft, words)
    # The same soft prompt gives the same bytes: neither a date nor random names in it.
    with mpl.rc_context({"svg.hashsalt": "agent-app"}):
        figure.savefig(file, dpi=150, metadata={"Date": None} if file.suffix == ".svg" else None)


def _draw_map(
    axes: Any,
    soft: SoftPrompt,
    base: Path,
    around: Neighbourhood,
    words: np.ndarray,
    losses: Sequence[float] | None,
) -> None:
    found = Axes.of(words)
    cloud, virtual = found.places(words), found.places(soft.vectors)
    told = f"{len(words):,} of {around.words:,} words"
    axes.scatter(*cloud.T, s=3, color=_GREY, linewidths=0, rasterized=True, label=told)
    _draw_ways(axes, found, base, around.tokens, virtual)
    colours = range(len(virtual)) if losses is None else losses
    drawn = axes.scatter(
        *virtual.T, s=26, c=colours, cmap="plasma", edgecolors="white", linewidths=0.5, zorder=3
    )
    label = "its place in the prompt" if losses is None else "rise of the loss without it (nats)"
    bar = axes.figure.colorbar(drawn, ax=axes, location="bottom", aspect=50, pad=0.02)
    bar.set_label(label, size=_SMALL)
    bar.ax.tick_params(labelsize=_SMALL)
    _write_names(axes, virtual, around.tokens, losses)
    shares = zip(found.shares(words), found.shares(soft.vectors), strict=True)
    told_of = [f"{a:.1%} of the words' variance, {b:.1%} of the virtual tokens'" for a, b in shares]
    axes.set_xlabel(f"1st axis of the words: {told_of[0]}", size=_SMALL)
    axes.set_ylabel(f"2nd axis: {told_of[1]}", size=_SMALL)
    axes.legend(loc="upper right", frameon=False, fontsize=_SMALL, markerscale=2)


def _draw_ways(
    axes: Any, found: Axes, base: Path, tokens: Sequence[VirtualToken], virtual: np.ndarray
) -> None:
    """Draw a line to each virtual token from the word that it began as."""
    first = [one.began_as.token for one in tokens if one.began_as is not None]
    if first:
        starts = found.places(table_rows(base, first))
        # A column for each line: where it begins, and where it ends.
        xs, ys = ([starts[:, n], virtual[:, n]] for n in (0, 1))
        lines = axes.plot(xs, ys, color=_LINE, linewidth=0.6, alpha=0.55, zorder=2)
        lines[0].set_label("the way from the word that it began as")


def _write_names(
    axes: Any, virtual: np.ndarray, tokens: Sequence[VirtualToken], losses: Sequence[float] | None
) -> None:
    ground = {"boxstyle": "round,pad=0.1", "facecolor": "white", "alpha": 0.6, "linewidth": 0}
    for number in _labelled(virtual, tokens, losses):
        axes.annotate(
            _name(tokens[number]),
            virtual[number],
            xytext=(5, 3),
            textcoords="offset points",
            fontsize=_SMALL,
            parse_math=False,
            bbox=ground,
            zorder=4,
        )


def _labelled(
    places: np.ndarray, tokens: Sequence[VirtualToken], losses: Sequence[float] | None
) -> list[int]:
    """Choose virtual tokens to be named by their nearest word, no two names in each other's way.

    Those that matter most come first, or those that are most like a word.
    """
    import numpy as np

    room = np.ptp(places, axis=0) * _APART
    weights = [one.nearest[0].cosine for one in tokens] if losses is None else losses
    chosen: list[int] = []
    for number in np.argsort(-np.asarray(weights), kind="stable").tolist():
        free = all((np.abs(places[number] - places[other]) > room).any() for other in chosen)
        if free and len(chosen) < _LABELS:
            chosen.append(number)
    return chosen


def _name(token: VirtualToken) -> str:
    """Return a word that every font can draw, or the token's number; signs in quotes, to be seen at all."""
    word = token.nearest[0].word.strip()
    if not word or not word.isascii() or not word.isprintable():
        return str(token.number)
    return word if word.isalnum() else f'"{word}"'


def _draw_lengths(axes: Any, soft: SoftPrompt, words: np.ndarray) -> None:
    import numpy as np

    lengths = [np.linalg.norm(vectors, axis=1) for vectors in (words, soft.vectors)]
    bins = np.linspace(0, max(length.max() for length in lengths) * 1.02, 40)
    for length, name, colour in zip(lengths, ("words", "virtual tokens"), (_GREY, _VIOLET), strict=True):
        axes.hist(
            length, bins, weights=np.full(len(length), 1 / len(length)), color=colour, alpha=0.8, label=name
        )
    axes.set_xlabel("length of the vector", size=_SMALL)
    axes.set_ylabel("share of each", size=_SMALL)
    axes.legend(frameon=False, fontsize=_SMALL)
    axes.spines[["top", "right"]].set_visible(False)
