"""A comparison of prompts: its cells are kept and gone on with, and the report tells what is in them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from test_soft_training import row, using, write_rows
from tiny_model import HEADS, write_tiny

from agent_app.cli import app
from agent_app.errors import TuningError, UnknownName, UserError
from agent_app.prompt import load_prompt
from agent_app.settings import Settings
from agent_app.tuning.comparing.cells import Cell, Cells
from agent_app.tuning.comparing.figures import Figure, curves, figure, worth
from agent_app.tuning.comparing.learning import Effort, Learnt, chosen, learn
from agent_app.tuning.comparing.merged import write_merged
from agent_app.tuning.comparing.report import write_report
from agent_app.tuning.comparing.systems import ARMS, SYSTEMS, USUAL, System, Task, tasks
from agent_app.tuning.frozen import FrozenModel, load_frozen

MADE_WITH = {
    "base": "b" * 64,
    "model": "tiny",
    "data": "d" * 64,
    "train": 20,
    "rows": 10,
    "timed": 2,
    "steps": 3,
    "batch": 4,
    "passes": 10,
    "minutes": None,
    "bfloat16": False,
}
SPEED = {
    "questions": 2,
    "prompt_tokens": 40.0,
    "prefill_seconds": 0.25,
    "read_tokens": 90.0,
    "written_tokens": 30.0,
    "answers_per_minute": 24.0,
}


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    with using(1):
        yield


@pytest.fixture(scope="module", params=["llama", "qwen2"])
def tiny(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FrozenModel:
    folder = tmp_path_factory.mktemp(request.param)
    file = write_tiny(folder / "tiny.gguf", family=request.param)
    return load_frozen(str(file), Settings(), cache=folder / "cache")


def cell(name: str, seed: int, right: int, *, examples: int | None = None, **more: Any) -> Cell:
    """A cell in which so many of ten rows were right."""
    learns = examples is not None or SYSTEMS[name].method is not None
    training = {"steps": 3, "rows": examples or 12, "seconds": 6.0, "loss": 0.5, "bytes": 1024}
    marks = {m: {"hits": right, "of": 10} for m in ("parses", "tool", "input", "later", "value", "voice")}
    return Cell(
        Task(name, seed, examples), MADE_WITH, marks, **({"training": training} if learns else {}) | more
    )


# --- what is compared -----------------------------------------------------------------------------


def test_what_learns_nothing_has_one_cell_and_every_seed_leaves_a_whole_comparison() -> None:
    found = [task.key for task in tasks(["hard", "lora"], 2, [30, 10], 1)]
    assert found == [
        "hard-0",
        "lora-0",
        "curve-10-bare-0",
        "curve-10-hard-0",
        "curve-30-bare-0",
        "curve-30-hard-0",
        "lora-1",
    ]


def test_every_system_has_a_prompt_file_and_only_one_has_examples() -> None:
    systems = [*SYSTEMS.values(), *ARMS.values()]
    assert [system.label for system in systems if not system.file.is_file()] == []
    assert [bool(load_prompt(SYSTEMS[name].file).examples) for name in ("hard", "examples")] == [False, True]


def test_what_is_shipped_is_compared_where_it_is_asked_for() -> None:
    assert set(SYSTEMS) - set(USUAL) == {"shipped"}
    assert [task.key for task in tasks(["shipped"], 3, [], 1)] == ["shipped-0"]
    soft = load_prompt(SYSTEMS["shipped"].file).soft
    assert soft is not None
    assert soft.card.base.name == "smollm2-135m"


def test_an_unknown_system_and_a_point_of_no_examples_are_refused() -> None:
    with pytest.raises(UnknownName, match="unknown system 'sof-20'; did you mean 'soft-20'"):
        tasks(["sof-20"], 1, [], 1)
    with pytest.raises(TuningError, match="a curve has no point of 0 examples"):
        tasks(["hard"], 1, [0], 1)


def test_fewer_examples_are_among_the_more_and_too_many_are_refused() -> None:
    rows = [row(n) for n in range(20)]
    few, more = chosen(rows, 3, 1), chosen(rows, 9, 1)
    assert few == more[:3]
    assert few != chosen(rows, 3, 2)[:3]
    with pytest.raises(TuningError, match="takes 21 examples, and the data has 20 rows"):
        chosen(rows, 21, 1)


# --- what is learnt -------------------------------------------------------------------------------

EFFORT = Effort(steps=12, batch=4, passes=10)


def test_few_rows_are_not_read_too_often_and_many_examples_once_each() -> None:
    lora = SYSTEMS["lora"]
    assert [EFFORT.recipe(lora, rows, 0).steps for rows in (2, 4, 50)] == [10, 10, 12]
    assert [EFFORT.recipe(lora, rows, 0, each=True).steps for rows in (2, 48, 49)] == [10, 12, 13]


def taught(
    frozen: FrozenModel, system: System, words: str = "", *, bfloat16: bool = False
) -> tuple[Learnt, list[float]]:
    rows, losses = [row(n) for n in range(16)], list[float]()
    recipe = dataclasses.replace(EFFORT.recipe(system, len(rows), 0), warmup=1, bfloat16=bfloat16)
    told = learn(frozen, rows, system, recipe, words=words, tell=lambda _, loss: losses.append(loss))
    return told, losses


@pytest.mark.parametrize("system", [SYSTEMS["soft-20"], SYSTEMS["lora"]], ids=["soft", "lora"])
@pytest.mark.parametrize("words", ["", "Answer.\n\n"], ids=["bare", "behind words"])
def test_all_that_learns_lowers_its_loss_and_leaves_the_model_as_it_was(
    tiny: FrozenModel, system: System, words: str
) -> None:
    before = {name: p.detach().clone() for name, p in tiny.model.named_parameters()}
    one, losses = taught(tiny, system, words)
    again, same = taught(tiny, system, words)
    assert losses[-1] < losses[0]
    assert losses == same
    assert (one.steps, one.rows, one.loss) == (12, 48, again.loss)
    after = dict(tiny.model.named_parameters())
    assert before.keys() == after.keys()
    assert all(torch.equal(p, after[name]) for name, p in before.items())


@pytest.mark.parametrize("name", ["soft-20", "p-20", "lora"])
def test_with_fewer_bits_the_same_is_learnt(tiny: FrozenModel, name: str) -> None:
    (_, exact), (_, rough) = (taught(tiny, SYSTEMS[name], bfloat16=bits) for bits in (False, True))
    assert rough != exact
    assert rough == pytest.approx(exact, rel=0.01)


def test_a_merged_file_is_the_model_with_what_lora_has_learnt(tiny: FrozenModel, tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    added = {
        (layer, name): chance.normal(0, 0.2, getattr(part.self_attn, name).weight.shape).astype(np.float32)
        for layer, part in enumerate(tiny.model.base_model.layers)  # type: ignore[arg-type]
        for name in ("q_proj", "v_proj")
    }
    write_merged(tiny.file, added, HEADS, tmp_path / "merged.gguf")
    merged = load_frozen(str(tmp_path / "merged.gguf"), Settings(), cache=tmp_path / "cache")
    before, after = (dict(m.model.named_parameters()) for m in (tiny, merged))
    for name, p in before.items():
        _, _, layer, _, *rest = [*name.split("."), "", "", ""]
        more = added.get((int(layer), rest[0])) if layer.isdigit() and name.endswith(".weight") else None
        wanted = p.detach() if more is None else p.detach() + torch.from_numpy(more)
        assert torch.allclose(after[name], wanted, atol=2e-3), name
    assert (
        merged.tokenizer.chat_template
        == "{% for message in messages %}{{ message['content'] }}{{ '\\n' }}{% endfor %}"
    )


# --- what is kept ---------------------------------------------------------------------------------


def test_a_cell_comes_back_as_it_was_kept_and_one_made_otherwise_is_refused(tmp_path: Path) -> None:
    cells, one = Cells(tmp_path), cell("soft-20", 1, 7, speed=SPEED)
    assert cells.get(one.task, MADE_WITH) is None
    cells.keep(one)
    assert cells.get(one.task, MADE_WITH) == one
    assert cells.all() == (one,)
    with pytest.raises(TuningError, match=r"another rows \(10, not 99\).*take another --work folder"):
        cells.get(one.task, MADE_WITH | {"rows": 99})


@pytest.mark.parametrize("text", ["", "{}", '{"task": {"name": "hard", "seed": 0, "other": 1}}'])
def test_a_damaged_cell_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "cell-hard-0.json").write_text(text)
    with pytest.raises(TuningError, match=r"cell-hard-0.json: the cell is damaged .*measured anew"):
        Cells(tmp_path).all()


# --- figures --------------------------------------------------------------------------------------


def test_seeds_have_students_interval_and_a_single_cell_has_wilsons() -> None:
    three = figure([cell("soft-20", seed, right) for seed, right in enumerate((6, 7, 8))], "tool")
    assert three is not None
    assert (round(three.value, 4), round(three.low, 4), round(three.high, 4)) == (0.7, 0.4516, 0.9484)
    assert str(figure([cell("hard", 0, 7)], "tool")) == "70 % (40 to 89)"
    nothing = dataclasses.replace(cell("hard", 0, 7), marks={"later": {"hits": 0, "of": 0}})
    assert figure([nothing], "later") is None


def points(**values: float) -> dict[int, Figure]:
    return {int(size[1:]): Figure(value, 0, 1, 1) for size, value in values.items()}


def test_a_prompt_is_worth_the_distance_of_the_curves_at_the_same_accuracy() -> None:
    found = worth(points(n10=0.0, n100=0.5, n1000=1.0), points(n10=0.5, n100=1.0))
    assert found is not None
    assert (found.low, found.high) == (0.5, 1.0)
    assert (round(found.least), round(found.most)) == (90, 900)
    # The mean of 900 * 10^x over x from 0 to 1, a tenth of it at its beginning.
    assert found.mean == pytest.approx(90 * 9 / np.log(10), rel=0.01)


def test_curves_without_an_accuracy_in_common_say_nothing() -> None:
    assert worth(points(n10=0.1, n100=0.2), points(n10=0.5, n100=0.9)) is None
    assert worth({}, points(n10=0.5)) is None


def test_a_curve_that_falls_holds_what_it_had_reached() -> None:
    steady = worth(points(n10=0.2, n100=0.6, n1000=0.8), points(n10=0.2, n100=0.8))
    falling = worth(points(n10=0.2, n100=0.6, n1000=0.8), points(n10=0.2, n100=0.8, n1000=0.3))
    assert steady == falling


def test_a_point_whose_rows_were_not_all_read_is_on_no_curve() -> None:
    read = cell("bare", 0, 4, examples=10)
    unread = dataclasses.replace(read, task=Task("bare", 0, 2000))
    assert {arm: list(curve) for arm, curve in curves([read, unread], "tool").items()} == {
        "bare": [10],
        "hard": [],
    }


# --- the report -----------------------------------------------------------------------------------


CURVES = (("bare", 10, 2), ("bare", 100, 6), ("hard", 10, 4), ("hard", 100, 8))


def test_the_report_tells_what_the_cells_hold_and_is_the_same_again(tmp_path: Path) -> None:
    cells = [
        cell("hard", 0, 2, speed=SPEED),
        *(cell("soft-20", seed, right) for seed, right in enumerate((6, 7, 8))),
        *(cell(arm, 0, right, examples=size) for arm, size, right in CURVES),
    ]
    file = tmp_path / "report.md"
    write_report(file, cells, command="agent-app soft compare rows.jsonl")
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(first) == {
        "report.md",
        *(f"report-{what}.svg" for what in ("systems", "costs", "curve-tool", "curve-input")),
    }
    lines = file.read_text(encoding="utf-8").splitlines()
    assert "agent-app soft compare rows.jsonl" in lines
    assert f"| hard | 1 |{' 20 % (6 to 51) |' * 6}" in lines
    assert f"| soft, 20 tokens | 3 |{' 70 % (45 to 95) |' * 6}" in lines
    assert "| hard | 40 | 0.25 s | 90 | 30 | 24 |" in lines
    assert "| soft, 20 tokens | 3 | 12 | 6 s | 0.50 | 1,024 |" in lines
    told = (
        "between accuracies of 40 % and 60 %, which both curves reach, the prompt is worth +41 examples "
        "in the mean; "
    )
    assert f"**Right first tool:** {told}from +22 to +68 by the accuracy." in lines
    write_report(file, cells, command="agent-app soft compare rows.jsonl")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for kind in ("DATA", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("agent_app.tuning.frozen.frozen_folder", lambda: tmp_path / "frozen")
    monkeypatch.chdir(tmp_path)
    write_tiny(tmp_path / "tiny.gguf")
    with write_rows(tmp_path / "rows.jsonl").open("a") as more:
        more.write(json.dumps(row(7, "test").to_dict()) + "\n")
    return tmp_path


def compare(*more: str) -> Result:
    small = ("--seeds", "1", "--steps", "2", "--timed", "1", "--parallel", "1", "--threads", "1")
    call = ["soft", "compare", "rows.jsonl", "-m", "./tiny.gguf", "-o", "r.md", "--work", "w", *small, *more]
    return CliRunner().invoke(app, call, prog_name="agent-app")


def test_more_threads_than_a_machine_can_have_are_refused(place: Path) -> None:
    done = compare("--threads", "99999999999")
    assert done.exit_code == 2
    assert "99999999999 is not in the range 1<=x<=1024" in done.stderr


def test_a_comparison_goes_on_where_it_was_and_the_report_is_made_of_cells_alone(place: Path) -> None:
    done = compare("--systems", "soft-20,lora", "--curve", "none")
    assert (done.exit_code, done.stdout) == (0, "r.md\n"), done.output
    kept = {path.name: path.stat().st_mtime_ns for path in (place / "w").glob("cell-*")}
    assert set(kept) == {"cell-soft-20-0.json", "cell-lora-0.json"}
    (place / "w" / "cell-lora-0.json").unlink()
    again = compare("--systems", "soft-20,lora", "--curve", "none")
    assert again.stderr.splitlines()[0] == "cell 1 of 1: lora-0"
    assert (place / "w" / "cell-soft-20-0.json").stat().st_mtime_ns == kept["cell-soft-20-0.json"]
    (place / "tiny.gguf").unlink()
    (place / "r.md").unlink()
    assert compare("--report-only").exit_code == 0
    assert "| LoRA, r = 8 | 1 |" in (place / "r.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (("--systems", "sof"), "unknown system 'sof'; did you mean 'soft-50' or 'soft-20'?"),
        (
            ("--systems", "shipped", "--curve", "none"),
            "the soft prompt 'pirate-react' was tuned for smollm2-135m",
        ),
        (("--report-only",), "w: there are no cells; measure some before making the report"),
        (("--curve", "30"), "a point of the curve takes 30 examples, and the data has 20 rows "),
        (("--curve", "10,many"), "'10,many' is no list of numbers such as 10,30,100"),
    ],
)
def test_what_is_wrong_is_said_in_a_line_before_anything_slow(
    place: Path, more: tuple[str, ...], line: str
) -> None:
    done = compare(*more)
    said = str(done.exception) if isinstance(done.exception, UserError) else done.stderr
    assert line in said
    assert not (place / "w").exists()
