"""The README is true: its Python runs, and its commands are ones that the program knows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from documents import ROOT, blocks_of, run_blocks

from agent_app.cli import _COMMANDS, app
from agent_app.testing import ScriptedModel

README = (ROOT / "README.md").read_text(encoding="utf-8")
USE = 'python3 -m venv .venv && .venv/bin/pip install --quiet . && .venv/bin/agent-app ask "What is 23 * 47?"'
TEST = 'python3 -m venv .venv && .venv/bin/pip install --quiet -e ".[test]" && .venv/bin/pytest'
_SHELLS = ("console", "sh", "bash", "shell")


BLOCKS = blocks_of(ROOT / "README.md")


def shell_lines() -> Iterator[tuple[int, str]]:
    """The commands of all shell blocks, each with the line of its block; of a session only what is typed."""
    for block in BLOCKS:
        if block.language not in _SHELLS:
            continue
        lines = block.text.replace("\\\n", " ").splitlines()
        session = any(line.startswith("$ ") for line in lines)
        for line in lines:
            if line.startswith("$ ") or not session:
                yield block.line, line.removeprefix("$ ").strip()


def calls(line: str) -> Iterator[list[str]]:
    """The arguments of each call of agent-app in a line of shell."""
    line = re.sub(r'^eval "\$\((.*?)\)"', r"\1", line)  # what it prints is another shell's matter
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for token in [*lexer, ";"]:
        if set(token) <= set("();<>|&"):
            while words and re.match(r"\w+=", words[0]):
                words.pop(0)
            if words and Path(words[0]).name == "agent-app":
                yield words[1:]
            words = []
        else:
            words.append(token)


CALLS = [(line, call) for line, text in shell_lines() for call in calls(text)]
PYTHON = [block for block in BLOCKS if block.language == "python"]


def test_the_commands_to_use_and_to_test_it_are_shown() -> None:
    lines = {line.removeprefix("$ ") for line in README.splitlines()}
    assert {USE, TEST} <= lines


def test_the_checks_run_the_command_that_the_readme_shows() -> None:
    assert TEST in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("command", _COMMANDS)
def test_every_command_is_shown(command: str) -> None:
    assert command in {call[0] for _, call in CALLS if call}


@pytest.mark.parametrize(("line", "call"), CALLS, ids=[f"line {n}: {shlex.join(c)}" for n, c in CALLS])
def test_every_call_is_one_that_the_program_knows(line: int, call: list[str]) -> None:
    """With `--help` after it a call is taken apart, so that wrong options are found, but not carried out."""
    outcome = CliRunner().invoke(app, [*call, "--help"])
    assert outcome.exit_code == 0, f"README.md:{line}: {outcome.output}{outcome.exception}"


@pytest.mark.skipif(not PYTHON, reason="the README has no Python")
def test_the_programs_run_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    model = ScriptedModel(repeat=" I know\nFinal Answer: Arg, it be so, arg!")
    monkeypatch.setattr("agent_app.agent.load_model", lambda *_, **__: model)
    run_blocks(PYTHON)
    assert "Arg, it be so, arg!" in capsys.readouterr().out
