"""The example of a LangGraph application, run as its own program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = ROOT / "examples" / "langgraph_app.py"
ASKED = "write_log {'entry': 'Sighted land'}: may it run? [y/n] "
WRITE = " I write.\nAction: write_log\nAction Input: Sighted land\n"


def run(folder: Path, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROGRAM), *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=folder, env=environment, input=typed, capture_output=True, text=True, timeout=60
    )


def replies(folder: Path, text: str) -> str:
    (folder / "replies.txt").write_text(text, encoding="utf-8")
    return "scripted:replies.txt"


@pytest.mark.parametrize(("typed", "log"), [("y\n", "Sighted land\n"), ("n\n", None)])
def test_a_question_left_open_is_taken_up_in_another_process(
    tmp_path: Path, typed: str, log: str | None
) -> None:
    left = run(tmp_path, "Note that we sighted land.", "--model", replies(tmp_path, WRITE))
    assert (left.stdout, left.stderr, left.returncode) == (
        ASKED,
        "\nLeft open; start again without a question to go on.\n",
        1,
    )
    answer = replies(tmp_path, "Aye.\nFinal Answer: Arg, so be it!\n")
    taken_up = run(tmp_path, "--model", answer, typed=typed)
    assert (taken_up.stdout, taken_up.stderr, taken_up.returncode) == (ASKED + "Arg, so be it!\n", "", 0)
    written = tmp_path / "ship.log"
    assert (written.read_text(encoding="utf-8") if written.exists() else None) == log


def test_a_conversation_goes_on_and_another_knows_nothing_of_it(tmp_path: Path) -> None:
    first = replies(tmp_path, f"{WRITE}---\nFinal Answer: Arg, written!\n")
    assert run(tmp_path, "Note it.", "--model", first, typed="y\n").stdout == f"{ASKED}Arg, written!\n"
    second = replies(
        tmp_path, "Action: read_log\nAction Input: {}\n---\nFinal Answer: Arg, it says: Sighted land\n"
    )
    again = run(tmp_path, "Read it.", "--model", second)
    assert (again.stdout, again.stderr) == ("Arg, it says: Sighted land\n", "")
    other = run(tmp_path, "--thread", "other", "--model", second)
    assert other.stdout == "There is nothing to go on with; ask a question.\n"
