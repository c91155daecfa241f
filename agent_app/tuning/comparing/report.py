"""The report of a comparison, made from its cells alone: a Markdown file, and pictures beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
    known = cells[0].made_with
    return "\n".join(
        (
            "# Hard prompts and soft prompts",
            "",
            (
                f"What a prompt in words, a soft prompt, both together and LoRA make of "
                f"`{known['model']}`, on the "
                "same rows, with"
            ),
            (
                "the same measure. This file and its pictures are written by one command, "
                "which goes on where it "
                "was stopped, and with"
            ),
            "`--report-only` makes them anew from the measured cells:",
            "",
            f"```sh\n{command}\n```",
        )
    )


def _results(systems: Mapping[str, Sequence[Cell]], pictures: Mapping[str, str]) -> str:
    return "\n\n".join(
        (
            "## Results",
            (
                "Shares of rows with intervals of 95 %: over the seeds by Student's "
                "distribution, of a single "
                "cell over its rows after\nWilson."
            ),
            _shares(systems),
            f"![How often each system is right]({pictures['systems']})",
            "What a question costs with the tuning of the first seed, asked one after the other:",
            _costs(systems),
            f"![Right calls against the length of the prompt]({pictures['costs']})",
            "What was learnt, in the mean over the seeds:",
            _trainings(systems),
        )
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
    parts = [
        "## How many data points is the prompt worth?",
        (
            "After Le Scao and Rush (2021): LoRA learns from few examples, with nothing "
            "before the question and "
            "behind the words of the\nhard prompt. What the prompt is worth is the distance "
            "of both curves in "
            "examples, at the same accuracy."
        ),
    ]
    if rows:
        parts.append(_table(head, rows))
    for measure in _CURVED:
        if measure in pictures:
            parts.append(f"![{MEASURES[measure]} against examples]({pictures[measure]})")
            told = _worth(worth(found[measure]["bare"], found[measure]["hard"]))
            parts.append(f"**{MEASURES[measure].capitalize()}:** {told}")
    left = sorted({cell.task.examples or 0 for cell in cells if cell.task.examples and not was_read(cell)})
    if left:
        parts.append(
            f"Not told, as not all of their rows were read within the steps or the time: "
            f"{_listed(left)} examples."
        )
    return "\n\n".join(parts)


def _worth(found: Worth | None) -> str:
    if found is None:
        return "the curves reach no accuracy in common over a range, so nothing can be said."
    return (
        f"between accuracies of {100 * found.low:.0f} % and {100 * found.high:.0f} %, which both "
        "curves reach, "
        f"the prompt is worth {found.mean:+.0f} examples in the mean; from {found.least:+.0f} to "
        f"{found.most:+.0f} by the accuracy."
    )


def _method(cells: Sequence[Cell]) -> str:
    known = cells[0].made_with
    minutes = f", within {known['minutes']:g} minutes" if known["minutes"] else ""
    bits = "bfloat16" if known["bfloat16"] else "float32"
    lines = (
        (
            f"Data: SHA-256 `{known['data'][:16]}`, {known['train']:,} rows to learn from and "
            f"{known['rows']} of the "
            "test part, evenly spread. No two parts share a template."
        ),
        (
            f"Model: SHA-256 `{known['base'][:16]}`, as a quantised GGUF file for serving, "
            "and as its float32 copy "
            "for tuning."
        ),
        (
            f"All that learns takes up to {known['steps']} steps of {known['batch']} "
            f"rows{minutes}, reads no row more "
            f"than {known['passes']} times, and multiplies in {bits}. AdamW, gradients cut at a norm of "
            "1, ten steps "
            "to warm up, after half of all steps the rate falls to nothing; the last step counts. The "
            "same seed gives "
            "the same rows in the same order to every system."
        ),
        (
            f"Rates: {', '.join(f'{rate:g} for {name}' for name, rate in LEARNING_RATES.items())}, "
            f"{LORA_RATE:g} for LoRA."
        ),
        (
            "`hard` is the prompt `pirate` without its examples, and `hard with examples` "
            "that prompt as shipped. In "
            "`hard and soft` the virtual tokens stand after the words of `hard`, and were tuned there."
        ),
        (
            f"LoRA has rank {RANK} and scale {ALPHA} / {RANK} on the queries and values of "
            "every layer. It is merged into the "
            "model's file, those matrices as F16, and reads the bare question without a chat "
            "template, as soft "
            "prompts do."
        ),
        (
            "Everything is served by llama.cpp with the grammar of the format, greedily, a reply of up to "
            f"{LONGEST_REPLY} tokens. Each move is asked for after the recorded steps before it."
        ),
        (
            f"Costs: means over {known['timed']} of the rows, whole runs with recorded tools. "
            "Prefill is the median "
            "time to read a first prompt of which nothing is in memory, and write a token; afterwards "
            "only what is "
            "new is read. Bytes: four for every number that was learnt."
        ),
        (
            "The curves: with one seed the examples of a smaller point are among those of a "
            "larger one. Between points "
            "a curve is a line over the logarithm of the examples, what was reached before holds on "
            "where it falls, "
            "and distances are told only where both curves are known."
        ),
    )
    return "## Method\n\n" + "\n".join(f"- {line}" for line in lines)


def _limits(cells: Sequence[Cell]) -> str:
    known = cells[0].made_with
    seeds = {cell.task.seed for cell in cells if cell.training and cell.task.examples is None}
    points = {cell.task.seed for cell in cells if cell.task.examples is not None}
    read = known["steps"] * known["batch"]
    lines = [
        (
            f"The tunings are short: {read:,} rows at most of {known['train']:,}. They tell "
            "who learns quickly, and "
            "not who is best in the end; `agent-app soft train` takes far longer."
        ),
        f"There are {len(seeds)} seeds of what learns"
        + (f", and {len(points)} of the curves" if points else "")
        + f"; with few seeds and {known['rows']} rows the intervals are wide, and several "
        "comparisons at once "
        "make a chance find likelier than each interval says.",
        "Questions and answers come from templates. On what people write all systems do worse.",
        (
            "The grammar makes every whole reply readable, and where the hard words stand it "
            "begins the answer like "
            "a pirate; so `every reply parses` and `pirate voice` tell little of the model there."
        ),
        "Rates were not searched for each system; each has the usual one of its method.",
        "Times hold for one machine and what else it did. All else follows from data, model, "
        "settings and seeds" + (", but for where the time ended a tuning." if known["minutes"] else "."),
    ]
    return "## Limits\n\n" + "\n".join(f"- {line}" for line in lines)


def _listed(sizes: Sequence[int]) -> str:
    return ", ".join(f"{size:,}" for size in sizes)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = (head, ["---"] + ["---:"] * (len(head) - 1), *rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
