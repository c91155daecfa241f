"""What is piped in: below the question, bounded, and never waited for without end."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_app.cli import piped
from agent_app.cli.piped import piped_text, whole_stdin, with_piped
from agent_app.errors import QuestionError
from agent_app.steps import Result

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("question", "text", "asked"),
    [
        ("Sum up", "a\nb\n", "Sum up\n\nThis text came with the question:\n\na\nb\n"),
        ("Sum up", " \n", "Sum up"),
        ("Sum up", "", "Sum up"),
        ("", "What is 2 + 2?\n", "What is 2 + 2?\n"),
        (" ", "", ""),
    ],
)
def test_a_text_stands_below_its_question_or_is_the_question(question: str, text: str, asked: str) -> None:
    assert with_piped(question, text) == asked


class Pipe:
    """A pipe in the place of stdin."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._read, self.write_end = os.pipe()
        self.stdin = os.fdopen(self._read, encoding="utf-8")
        monkeypatch.setattr(sys, "stdin", self.stdin)

    def say(self, data: bytes) -> None:
        os.write(self.write_end, data)

    def end(self) -> None:
        os.close(self.write_end)
        self.write_end = -1


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipe]:
    made = Pipe(monkeypatch)
    yield made
    if made.write_end != -1:
        made.end()
    made.stdin.close()


def test_a_pipe_is_read_to_its_end(pipe: Pipe) -> None:
    pipe.say("\ufeffahoy ⚓\n".encode())
    pipe.end()
    assert piped_text() == "ahoy ⚓\n"


def test_an_empty_pipe_is_nothing(pipe: Pipe) -> None:
    pipe.end()
    assert piped_text() == ""


def test_a_pipe_that_nobody_writes_to_is_left_alone_and_told(
    pipe: Pipe, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    assert piped_text(seconds=0.2) == ""
    assert time.monotonic() - began < 5
    assert capsys.readouterr() == (
        "",
        "agent-app: nothing came in on stdin for 0.2 s, so it is not read\n",
    )
    pipe.end()  # so that the thread that still waits for it comes to an end


def test_a_pipe_that_never_ends_is_cut_off_and_told(pipe: Pipe) -> None:
    import threading

    def pour() -> None:
        try:
            while True:
                os.write(pipe.write_end, b"x" * 4096)
        except OSError:
            pass

    thread = threading.Thread(target=pour)
    thread.start()
    with pytest.raises(QuestionError) as caught:
        piped_text()
    pipe.stdin.close()  # which ends the pouring
    thread.join(timeout=20)
    assert str(caught.value) == "more than 50,000 characters came in on stdin; give a part of them"
    assert not thread.is_alive()


def test_what_is_no_text_is_told(pipe: Pipe) -> None:
    pipe.say(b"ahoy \xff")
    pipe.end()
    with pytest.raises(QuestionError, match=r"^what came in on stdin is not UTF-8 text: "):
        piped_text()


def test_no_stdin_and_a_closed_one_are_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert piped_text() == ""
    with pytest.raises(QuestionError, match="there is no stdin"):
        whole_stdin()
    closed = io.TextIOWrapper(io.BytesIO(b"x"))
    closed.close()
    monkeypatch.setattr(sys, "stdin", closed)
    assert piped_text() == ""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals there")
def test_a_terminal_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.openpty()
    with os.fdopen(theirs, encoding="utf-8") as terminal:
        os.write(ours, b"typed\n")
        monkeypatch.setattr(sys, "stdin", terminal)
        assert piped_text() == ""
    os.close(ours)


# --- the whole program, in a process of its own -----------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "replies.txt").write_text("I know\nFinal Answer: Arg\n", encoding="utf-8")
    (tmp_path / "report.txt").write_text("We sank.\n", encoding="utf-8")
    return tmp_path


def ask(*words: str, **streams: Any) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "agent_app", "ask", "-q", "--json", "-m", "scripted:replies.txt", *words]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=60, **streams)
    question = Result.from_json(done.stdout).question if done.stdout else ""
    return done.returncode, question, done.stderr


def test_a_file_and_a_pipe_come_below_the_question(home: Path) -> None:
    asked = "Sum this up\n\nThis text came with the question:\n\nWe sank.\n"
    with (home / "report.txt").open(encoding="utf-8") as report:
        assert ask("Sum this up", stdin=report) == (0, asked, "")
    assert ask("Sum", "this", "up", input="We sank.\n") == (0, asked, "")


def test_without_words_what_is_piped_in_is_the_question(home: Path) -> None:
    assert ask(input="How deep?\n") == (0, "How deep?\n", "")
    assert ask("-", input="How deep?\n") == (0, "How deep?\n", "")


def test_nothing_on_stdin_holds_nothing_up(home: Path) -> None:
    assert ask("Hi", stdin=subprocess.DEVNULL) == (0, "Hi", "")  # as cron and `ssh -n` have it
    closed = ["/bin/sh", "-c", f'"{sys.executable}" -m agent_app ask -q -m scripted:replies.txt Hi <&-']
    if sys.platform != "win32":
        done = subprocess.run(closed, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (0, "Arg\n", "")


def test_a_pipe_that_is_left_open_for_ever_is_given_up(home: Path) -> None:
    read, write = os.pipe()
    began = time.monotonic()
    said = f"agent-app: nothing came in on stdin for {piped.PATIENCE:g} s, so it is not read\n"
    assert ask("Hi", stdin=read) == (0, "Hi", said)
    assert time.monotonic() - began > piped.PATIENCE
    os.close(read)
    os.close(write)


def test_together_they_are_bounded(home: Path) -> None:
    says = "agent-app: the question has 50,038 characters; at most 50,000 are taken\n"
    assert ask("?", input="x" * 50_000) == (2, "", says)
