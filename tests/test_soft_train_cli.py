"""`agent-app soft train`: a whole tuning, what it refuses, and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from test_soft_training import using, write_rows
from tiny_model import write_tiny

from agent_app.cli import app
from agent_app.prompt import load_prompt
from agent_app.soft_prompt import load_soft_prompt

QUICK = ("--threads", "1", "--tokens", "4", "--batch", "4")


@pytest.fixture(scope="module", autouse=True)
def _threads() -> Iterator[None]:
    """A command sets the number of threads for itself."""
    with using(torch.get_num_threads()):
        yield


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model and data, where nothing of the developer's own can be seen."""
    for kind in ("DATA", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("agent_app.tuning.frozen.frozen_folder", lambda: tmp_path / "frozen")
    monkeypatch.chdir(tmp_path)
    write_tiny(tmp_path / "tiny.gguf")
    write_rows(tmp_path / "rows.jsonl")
    return tmp_path


def words(*more: str, name: str = "sailor") -> list[str]:
    library = ("--prompts-dir", "library")
    return ["soft", "train", name, "-m", "./tiny.gguf", "--data", "rows.jsonl", *library, *QUICK, *more]


def train(*more: str, name: str = "sailor") -> Result:
    return CliRunner().invoke(app, words(*more, name=name), prog_name="agent-app")


def test_a_tuning_from_the_call_to_the_library(place: Path) -> None:
    done = train("--steps", "3", "--description", "Sails")
    assert (done.exit_code, done.stdout) == (0, f"{Path('library/soft/sailor')}\n")
    notes, *_, last = done.stderr.splitlines()
    assert notes == "note: 20 rows are few: expect them to be learnt by heart; 200 or more are usual"
    assert last.startswith("sailor: done after 3 steps in ")
    soft = load_soft_prompt(place / "library" / "soft" / "sailor")
    assert (soft.card.description, soft.card.tokens, soft.card.base.name) == ("Sails", 4, "tiny")
    assert {path.name for path in soft.folder.iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "card.json",
        "loss.svg",
    }


PROMPT = """\
---
name: {name}
description: Nothing but the question
version: "1"
{soft}
---

{{soft}}{words}Question: {{input}}
Thought:{{agent_scratchpad}}
"""


def test_a_prompt_may_name_what_is_tuned_in_its_words(place: Path) -> None:
    file = place / "mate.md"
    file.write_text(PROMPT.format(name="mate", soft="soft: sailor", words="{tool_names}. "), encoding="utf-8")
    assert train("--steps", "1", "-p", "mate.md").exit_code == 0
    tuned = load_soft_prompt(place / "library" / "soft" / "sailor")
    assert (tuned.card.data["prompt"], tuned.card.tokens) == ("mate", 4)
    loaded = load_prompt(file, folders=[place / "library"]).soft
    assert loaded is not None
    assert loaded.digest == tuned.digest
    bare = train("--steps", "1", name="bare")
    assert load_soft_prompt(Path(bare.stdout.strip())).card.data["tokens"] < tuned.card.data["tokens"]


def test_a_name_that_is_taken_needs_force(place: Path) -> None:
    assert train("--steps", "1").exit_code == 0
    again = train("--steps", "2")
    folder = Path("library/soft/sailor")
    assert str(again.exception) == (
        f"{folder}: there is a soft prompt already; choose another name, or --force replaces it"
    )
    assert load_soft_prompt(folder).card.settings["steps"] == 1
    assert train("--steps", "2", "--force").exit_code == 0
    assert load_soft_prompt(folder).card.settings["steps"] == 2


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--tokens", "0"], "tokens is 0; it takes a whole number from 1 to 1024"),
        (["--seed", "9" * 26], f"seed is {'9' * 26}; it takes a whole number from 0 to {2**63 - 1}"),
        (["--resume"], "there is no checkpoint to go on from; leave out --resume to begin"),
        (["--resume", "--force"], "--resume goes on and --force begins anew; give one of them"),
        (["-m", "smolm2"], "unknown embedded model 'smolm2'; did you mean 'smollm2-135m'?"),
        (["--data", "none.jsonl"], "cannot read none.jsonl"),
        (["--init-text", "none.txt"], "none.txt: the text cannot be read"),
        (
            ["--init-text", "a.txt", "--init", "random"],
            "--init-text is for --init text, and --init is random",
        ),
        (["--prompt", "none.md"], "none.md: there is no such file"),
        (
            ["--prompt", "pirate"],
            "pirate.md: it has no soft prompt; write 'soft: sailor' in its front matter",
        ),
        (["--init", "soft"], "--init soft and --init-soft NAME are given together, or neither"),
        (["--init", "soft", "--init-soft", "pirate-rect"], "did you mean 'pirate-react' or 'pirate-qwen'?"),
        (
            ["--init", "soft", "--init-soft", "pirate-react", "--method", "p-tuning"],
            "p-tuning begins with its encoder; it is prompt-tuning that --init is for",
        ),
        (
            ["--init", "text", "--method", "p-tuning"],
            "p-tuning begins with its encoder; it is prompt-tuning that --init is for",
        ),
        (
            ["--init-text", "a.txt", "--method", "p-tuning"],
            "p-tuning begins with its encoder; it is prompt-tuning that --init-text is for",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line_before_anything_is_written(
    more: list[str], says: str, place: Path
) -> None:
    done = train("--steps", "1", *more)
    assert says in str(done.exception)
    assert "\n" not in str(done.exception)
    assert not (place / "library").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        ["--data", "none.jsonl"],
        ["-m", "./none.gguf"],
        ["--data", "long.jsonl"],
        ["--init", "soft", "--init-soft", "pirate-react"],
    ],
)
def test_a_call_that_is_refused_leaves_an_unfinished_tuning_as_it_is(wrong: list[str], place: Path) -> None:
    checkpoint = place / "library/soft/sailor/checkpoint.safetensors"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"of days")
    rows = (place / "rows.jsonl").read_text(encoding="utf-8")
    (place / "long.jsonl").write_text(rows.replace("times 3", "times 3" * 600), encoding="utf-8")
    assert train("--steps", "1", "--force", *wrong).exception
    assert checkpoint.read_bytes() == b"of days"
    assert train("--steps", "1", "--force").exit_code == 0
    assert not checkpoint.exists()


def test_more_threads_than_a_machine_can_have_are_refused(place: Path) -> None:
    done = train("--steps", "1", "--threads", "99999999999")
    assert done.exit_code == 2
    assert "99999999999 is not in the range 1<=x<=1024" in done.stderr


def test_the_data_is_checked_before_a_model_is_looked_for(place: Path) -> None:
    (place / "bad.jsonl").write_text("{\n", encoding="utf-8")
    done = train("-m", "./none.gguf", "--data", "bad.jsonl")
    says = "it is not JSON: Expecting property name enclosed in double quotes, at character 2"
    assert str(done.exception) == f"bad.jsonl:1: {says}"
    write_rows(place / "bad.jsonl", train=15)
    done = train("-m", "./none.gguf", "--data", "bad.jsonl")
    says = "it has 15 rows of the split 'train'; tuning takes 16 or more"
    assert str(done.exception) == f"bad.jsonl: {says}"


def test_a_name_that_leads_elsewhere_is_refused(place: Path) -> None:
    done = train(name="../sailor")
    assert str(done.exception) == "'../sailor' is no name for a soft prompt; it takes a-z, 0-9, - and _"


def test_the_words_that_tokens_begin_as_may_be_ones_own(place: Path) -> None:
    (place / "words.txt").write_text("Ahoy there\n", encoding="utf-8")
    assert train("--steps", "1", "--init-text", "words.txt").exit_code == 0
    card = json.loads((place / "library/soft/sailor/card.json").read_text(encoding="utf-8"))
    assert card["settings"]["text"] == "Ahoy there"


def test_a_p_tuning_claims_no_words_that_it_began_as(place: Path) -> None:
    assert train("--steps", "1", "--method", "p-tuning").exit_code == 0
    card = json.loads((place / "library/soft/sailor/card.json").read_text(encoding="utf-8"))
    assert card["method"] == "p-tuning"
    assert "text" not in card["settings"]


def test_a_tuning_may_begin_as_another_soft_prompt(place: Path) -> None:
    assert train("--steps", "1", name="first").exit_code == 0
    first = load_soft_prompt(place / "library/soft/first")
    begun = ("--init", "soft", "--init-soft", "first")
    assert train("--steps", "1", "--lr", "1e-9", "--tokens", "4", *begun, name="second").exit_code == 0
    second = load_soft_prompt(place / "library/soft/second")
    assert np.abs(second.vectors - first.vectors).max() < 1e-6
    assert second.card.settings["begun_from"] == "first"
    assert second.card.settings["begun_from_sha256"] == first.digest


def test_a_soft_prompt_is_repeated_or_cut_to_the_number_of_tokens(place: Path) -> None:
    assert train("--steps", "1", name="first").exit_code == 0
    first = load_soft_prompt(place / "library/soft/first").vectors
    begun = ("--steps", "1", "--lr", "1e-9", "--init", "soft", "--init-soft", "first")
    for tokens in (3, 9):
        name = f"of{tokens}"
        assert train(*begun, "--tokens", str(tokens), name=name).exit_code == 0
        vectors = load_soft_prompt(place / "library/soft" / name).vectors
        assert np.abs(vectors - np.vstack([first, first, first])[:tokens]).max() < 1e-6


def test_a_soft_prompt_of_another_model_is_no_beginning(place: Path) -> None:
    assert train("--steps", "1", name="first").exit_code == 0
    write_tiny(place / "tiny.gguf", seed=1)
    done = train("--steps", "1", "--init", "soft", "--init-soft", "first")
    assert "the soft prompt 'first' was tuned for tiny" in str(done.exception)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send Ctrl-C to one process alone")
def test_ctrl_c_leaves_a_checkpoint_that_the_same_command_goes_on_from(place: Path) -> None:
    root = Path(__file__).resolve().parents[1]
    call = [sys.executable, "-m", "agent_app", *words("--steps", "1000000")]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(call, stderr=subprocess.PIPE, text=True, cwd=place, env=environment) as running:
        assert running.stderr is not None
        said = iter(running.stderr)
        assert any(line.startswith("step 1 of 1000000: loss ") for line in said)
        running.send_signal(signal.SIGINT)
        rest = list(said)
    assert running.returncode == 130
    checkpoint = Path("library/soft/sailor/checkpoint.safetensors")
    assert f"is kept in {checkpoint}; the same command goes on with --resume\n" in "".join(rest)
    anew = train("--steps", "1000000")
    assert str(anew.exception) == (
        f"{checkpoint}: an unfinished tuning is there; --resume goes on, --force begins anew"
    )
    free = ("--minutes", "0.05", "--patience", "1000000", "--threads", "2", "--description", "Sails")
    on = train("--steps", "1000000", "--resume", *free)
    assert on.exit_code == 0
    assert "sailor: its time is over after " in on.stderr
    assert load_soft_prompt(place / "library/soft/sailor").card.description == "Sails"
    assert not (place / checkpoint).exists()
