"""The report of a comparison, made from its cells alone: a Markdown file, and pictures beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import get_args

from agent_app.errors import TuningError
from agent_app.prompt.saving import replace_file
from agent_app.tuning.comparing.cells import Cell
from agent_app.tuning.comparing.figures import Worth, by_system, curves, figure, was_read, worth
from agent_app.tuning.comparing.learning import ALPHA, LORA_RATE, RANK
from agent_app.tuning.comparing.plots import plot_costs, plot_curves, plot_systems
from agent_app.tuning.comparing.serving import LONGEST_REPLY
from agent_app.tuning.comparing.systems import ARMS, SYSTEMS
from agent_app.tuning.metrics import MEASURES, Measure
from agent_app.tuning.recipe import LEARNING_RATES

_CURVED: tuple[Measure, ...] = ("tool", "input")
"""What curves are drawn of."""


def write_report(file: Path, cells: Sequence[Cell], *, command: str) -> None:
    """Write the report and its pictures, which are named after it.

    Args:
        file: the Markdown file.
        cells: at least one, all measured in one way.
        command: makes it, and stands in it.

    Raises:
        TuningError: a file cannot be written.
    """
    systems = by_system(cells)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        pictures = dict(_pictures(file, cells, systems))
        parts = [
            _beginning(cells, command),
            *([_results(systems, pictures)] if systems else []),
            *([_curves(cells, pictures)] if any(cell.task.examples for cell in cells) else []),
            _method(cells),
            _limits(cells),
        ]
        replace_file(file, "\n\n".join(parts) + "\n")
    except OSError as error:
        raise TuningError(f"{file}: the report cannot be written: {error.strerror or error}") from error


def _pictures(
    file: Path, cells: Sequence[Cell], systems: Mapping[str, Sequence[Cell]]
) -> Iterator[tuple[str, str]]:
    """Draw what there is, and yield what each picture shows and its name."""

    def named(what: str) -> Path:
        return file.with_name(f"{file.stem}-{what}.svg")

    if systems:
        plot_systems(named("systems"), systems)
        yield "systems", named("systems").name
        plot_costs(named("costs"), systems)
        yield "costs", named("costs").name
    for measure in _CURVED:
        found = curves(cells, measure)
        if any(found.values()):
            plot_curves(named(f"curve-{measure}"), found, measure)
            yield measure, named(f"curve-{measure}").name


def _beginning(cells: Sequence[Cell], command: str) -> str:
    return _prose("beginning", model=cells[0].made_with["model"], command=command)


def _results(systems: Mapping[str, Sequence[Cell]], pictures: Mapping[str, str]) -> str:
    return _prose(
        "results",
        shares=_shares(systems),
        systems=pictures["systems"],
        costs=_costs(systems),
        pictured=pictures["costs"],
        trainings=_trainings(systems),
    )


def _shares(systems: Mapping[str, Sequence[Cell]]) -> str:
    measures: tuple[Measure, ...] = get_args(Measure)
    rows = []
    for name, cells in systems.items():
        shares = (str(figure(cells, measure) or "-") for measure in measures)
        rows.append((SYSTEMS[name].label, str(len(cells)), *shares))
    return _table(("", "cells", *(MEASURES[measure] for measure in measures)), rows)


def _costs(systems: Mapping[str, Sequence[Cell]]) -> str:
    rows = []
    for name, cells in systems.items():
        speed = next((cell.speed for cell in cells if cell.speed), None)
        if speed is not None:
            rows.append(
                (
                    SYSTEMS[name].label,
                    f"{speed['prompt_tokens']:.0f}",
                    f"{speed['prefill_seconds']:.2f} s",
                    f"{speed['read_tokens']:.0f}",
                    f"{speed['written_tokens']:.0f}",
                    f"{speed['answers_per_minute']:.0f}",
                )
            )
    head = ("", "tokens of the first prompt", "prefill", "read a question", "written a question")
    return _table((*head, "answers a minute"), rows)


def _trainings(systems: Mapping[str, Sequence[Cell]]) -> str:
    rows = []
    for name, cells in systems.items():
        known = [cell.training for cell in cells if cell.training]
        if known:
            steps, read, seconds, loss, size = (
                sum(training[key] for training in known) / len(known)
                for key in ("steps", "rows", "seconds", "loss", "bytes")
            )
            told = (f"{steps:.0f}", f"{read:.0f}", f"{seconds:.0f} s", f"{loss:.2f}", f"{size:,.0f}")
            rows.append((SYSTEMS[name].label, *told))
    return _table(("", "steps", "rows read", "time", "loss at the end", "bytes"), rows)


def _curves(cells: Sequence[Cell], pictures: Mapping[str, str]) -> str:
    found = {measure: curves(cells, measure) for measure in _CURVED}
    sizes = sorted({size for of_arms in found.values() for curve in of_arms.values() for size in curve})
    head = ("examples", *(f"{MEASURES[m]}: {ARMS[arm].label}" for m in _CURVED for arm in ARMS))
    rows = [
        (f"{size:,}", *(str(found[m][arm].get(size) or "-") for m in _CURVED for arm in ARMS))
        for size in sizes
    ]
    parts = [_prose("curves")]
    if rows:
        parts.append(_table(head, rows))
    for measure in _CURVED:
        if measure in pictures:
            parts.append(f"![{MEASURES[measure]} against examples]({pictures[measure]})")
            told = _worth(worth(found[measure]["bare"], found[measure]["hard"]))
            parts.append(f"**{MEASURES[measure].capitalize()}:** {told}")
    left = sorted({cell.task.examples or 0 for cell in cells if cell.task.examples and not was_read(cell)})
    if left:
        why = "not all of their rows were read within the time"
        parts.append(f"Not told, as {why}: {_listed(left)} examples.")
    return "\n\n".join(parts)


def _worth(found: Worth | None) -> str:
    if found is None:
        return "the curves reach no accuracy in common over a range, so nothing can be said."
    accuracies = f"{100 * found.low:.0f} % and {100 * found.high:.0f} %"
    return (
        f"between accuracies of {accuracies}, which both curves reach, the prompt is worth {found.mean:+.0f} "
        f"examples in the mean; from {found.least:+.0f} to {found.most:+.0f} by the accuracy."
    )


def _method(cells: Sequence[Cell]) -> str:
    known = cells[0].made_with
    return _prose(
        "method",
        **known,
        within=f", within {known['minutes']:g} minutes" if known["minutes"] else "",
        bits="bfloat16" if known["bfloat16"] else "float32",
        rates=", ".join(f"{rate:g} for {name}" for name, rate in LEARNING_RATES.items()),
        lora_rate=LORA_RATE,
        rank=RANK,
        alpha=ALPHA,
        longest=LONGEST_REPLY,
        shipped=_prose("shipped") + "\n" if any(cell.task.name == "shipped" for cell in cells) else "",
    )


def _limits(cells: Sequence[Cell]) -> str:
    known = cells[0].made_with
    seeds = {cell.task.seed for cell in cells if cell.training and cell.task.examples is None}
    points = {cell.task.seed for cell in cells if cell.task.examples is not None}
    return _prose(
        "limits",
        **known,
        read=known["steps"] * known["batch"],
        seeds=len(seeds),
        points=f"; of the curves: {len(points)}" if points else "",
        ended=", but for where the time ended a tuning" if known["minutes"] else "",
    )


def _prose(name: str, **slots: object) -> str:
    """Return a part of the report, from the file that has its words."""
    words = resources.files(__package__).joinpath("prose", f"{name}.md").read_text(encoding="utf-8")
    return words.strip().format(**slots)


def _listed(sizes: Sequence[int]) -> str:
    return ", ".join(f"{size:,}" for size in sizes)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = (head, ["---"] + ["---:"] * (len(head) - 1), *rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
