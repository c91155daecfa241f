"""A first run: what will be fetched is said, and whatever is wrong is said before anything is fetched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agent_app.cli.fetching import make_sure
from agent_app.errors import FetchError, UnknownName
from agent_app.models.pinned import Pinned
from agent_app.places import model_folder
from agent_app.settings import Settings

Outcome = tuple[int, str, str]

QUIZ = "---\ntests: [{input: x, contains: [a]}]\n---\n{tools}{input}\nThought:{agent_scratchpad}"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any model."""
    for kind in ("DATA", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("AGENT_APP_MODEL_DIR", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quiz.md").write_text(QUIZ, encoding="utf-8")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "bad.py").write_text("1 / 0\n", encoding="utf-8")
    return tmp_path


def run(*words: str) -> Outcome:
    """Call the program with no network at all: a fetch that is begun would be told on stderr."""
    code = (
        "import sys; from agent_app.testing import no_network; from agent_app.__main__ import main\n"
        f"sys.argv = {['agent-app', *words]!r}\nwith no_network(): main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ("ask", "-m", "embedded:smollm", "x"),
            "unknown embedded model 'smollm'; did you mean 'smollm2-135m'?",
        ),
        (("ask", "-p", "pirat", "x"), "unknown prompt 'pirat'; did you mean 'pirate' or 'pirate-soft'?"),
        (("ask", "-t", "clok", "x"), "unknown tool 'clok'; did you mean 'clock'?"),
        (("ask", "--tools-dir", "mine", "x"), "{home}/mine/bad.py:1: ZeroDivisionError: division by zero"),
        (("ask", "--max-steps", "0", "x"), "Invalid value for '--max-steps': 0 is not in the range x>=1."),
        (("ask", "x" * 50_001), "the question has 50,001 characters; at most 50,000 are taken"),
        (("ask", "--persona", "butlr", "x"), "unknown persona 'butlr'; did you mean 'butler'?"),
        (("ask", "-P", "n=1", "x"), "the prompt 'pirate' has no slot {n}; there is none"),
        (
            ("ask", "-m", "openai:x", "x"),
            (
                "openai:x takes a key: set OPENAI_API_KEY in the environment or in a file `.env`; "
                "for a server of your own set OPENAI_BASE_URL"
            ),
        ),
        (
            ("prompts", "test", "quiz.md", "--tools-dir", "mine"),
            "{home}/mine/bad.py:1: ZeroDivisionError: division by zero",
        ),
        (
            ("prompts", "test", "quiz.md", "--tokenizer", "openai:x"),
            "--tokenizer takes an embedded model, not 'openai:x'",
        ),
    ],
)
def test_a_mistake_is_told_before_a_model_is_fetched(words: tuple[str, ...], says: str, home: Path) -> None:
    assert run(*words) == (2, "", f"agent-app: {says.replace('{home}', str(home))}\n")


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models that would have been fetched."""
    names: list[str] = []
    monkeypatch.setattr("agent_app.cli.fetching.fetch_with_bar", lambda pinned: names.append(pinned.name))
    return names


SMALL = Settings(model="embedded:smollm2-135m")
SAYS = "The model smollm2-135m is not here yet: 98 MB, licence Apache-2.0.\n"


@pytest.mark.parametrize("yes", [True, False])
def test_without_a_terminal_it_says_what_comes_and_fetches(
    yes: bool,
    home: Path,
    fetched: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    make_sure(SMALL, yes=yes)
    assert (fetched, capsys.readouterr()) == (["smollm2-135m"], ("", SAYS))


def test_a_disk_without_room_is_told_before_anything_begins(
    home: Path, fetched: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    free = shutil.disk_usage(home).free
    monkeypatch.setattr(Pinned, "bytes", free + 10**9, raising=True)
    with pytest.raises(FetchError) as caught:
        make_sure(SMALL, yes=False)
    assert str(caught.value).startswith(f"{model_folder()} has ")
    assert str(caught.value).endswith(" MB more")
    assert fetched == []
    assert not (home / "home").exists()


@pytest.mark.parametrize(
    "model", ["scripted:x", "openai:x", "embedded:mine.gguf", "embedded:a/b", "nonsense"]
)
def test_other_models_are_not_fetched(model: str, home: Path, fetched: list[str]) -> None:
    make_sure(Settings(model=model), yes=True)
    assert fetched == []


def test_a_model_in_a_folder_of_the_users_is_here(home: Path, fetched: list[str]) -> None:
    (home / "smollm2-135m.gguf").write_bytes(b"GGUF")
    make_sure(Settings(model="embedded:smollm2-135m", model_dir=home), yes=True)
    assert fetched == []


def test_an_unknown_model_is_named(home: Path) -> None:
    with pytest.raises(UnknownName):
        make_sure(Settings(model="embedded:smol"), yes=True)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals there")
@pytest.mark.parametrize(
    ("typed", "ends"), [(b"n\n", b"or name another with -m\r\n"), (b"\x04", b"interrupted\r\n")]
)
def test_at_a_terminal_a_no_and_the_end_of_input_fetch_nothing(typed: bytes, ends: bytes, home: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "agent_app", "ask", "-m", "embedded:smollm2-135m", "Hi"]
    process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    screen = b""
    while not screen.endswith(b"[Y/n]: "):
        screen += os.read(ours, 1000)
    assert screen.replace(b"\r\n", b"\n").decode() == f"{SAYS}Fetch it now? [Y/n]: "
    os.write(ours, typed)
    while not screen.endswith(ends):
        screen += os.read(ours, 1000)
    os.close(ours)
    assert process.wait(timeout=60) in (2, 130)
    assert not (home / "home").exists()
