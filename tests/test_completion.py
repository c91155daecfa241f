"""Completion as the shells do it: real bash, zsh and fish, and what they are given."""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent_app.cli import app
from agent_app.cli.completing import names_in

ROOT = Path(__file__).resolve().parents[1]
TOOL = "from langchain_core.tools import tool\nraise SystemExit\n\n@tool\ndef greet(name): ...\n"
MODELS = [
    "embedded",
    "embedded:qwen2.5-coder-0.5b",
    "embedded:qwen2.5-coder-1.5b",
    "embedded:smollm2-135m",
]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a prompt and a tool, and the program on the path as `agent-app`."""
    for kind in ("DATA", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    files = {
        "prompts/judge.md": "---\ndescription: Weighs \x1b[31m both\n---\nHi",
        "mine/greet.py": TOOL,
        "bin/agent-app": f'#!/bin/sh\nexec "{sys.executable}" -m agent_app "$@"\n',
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / "bin" / "agent-app").chmod(0o755)
    (tmp_path / "home").mkdir()
    return tmp_path


def offered(*words: str, environ: dict[str, str] | None = None) -> list[str]:
    """What zsh is offered for the last of these words: one name a line, as zsh takes no word apart."""
    line = " ".join(["agent-app", *(word or "''" for word in words)])
    told = {"_AGENT_APP_COMPLETE": "zsh_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words))}
    done = subprocess.run(
        ["agent-app"],
        env={**os.environ, **told, **(environ or {})},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [name.replace("\\:", ":") for name in done.stdout.split("\n")[1::3] if name]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("comp",), ["compare", "completion"]),
        (("ask", "-m", "emb"), MODELS),
        (("ask", "--model", "embedded:s"), ["embedded:smollm2-135m"]),
        (("ask", "-p", ""), ["judge", "pirate", "pirate-soft", "pirate-soft-qwen", "plain"]),
        (("ask", "--persona", "b"), ["bard", "butler"]),
        (("ask", "-t", ""), ["calculator", "clock", "web_search"]),
        (("ask", "--tools-dir", "mine", "-t", "g"), ["greet"]),
        (("ask", "--tools-dir", "gone", "-t", ""), []),
        (("ask", "--max-s"), ["--max-steps", "--max-seconds"]),
        (("tools", "--tools-dir", "mine", "run", "g"), ["greet"]),
        (("models", "fetch", "smo"), ["smollm2-135m"]),
        (("prompts", "sh"), ["show"]),
        (("prompts", "show", "j"), ["judge"]),
        (("prompts", "diff", "plain", "pi"), ["pirate", "pirate-soft", "pirate-soft-qwen"]),
        (("prompts", "test", "--tokenizer", "embedded:s"), ["embedded:smollm2-135m"]),
        (("doctor", "-m", "embedded:s"), ["embedded:smollm2-135m"]),
        (("completion", ""), ["bash", "zsh", "fish"]),
        (("no-such-command", "x"), []),
    ],
)
def test_names_are_offered_where_they_can_stand(words: tuple[str, ...], names: list[str]) -> None:
    assert offered(*words) == names


def test_a_wrong_setting_offers_nothing_and_is_not_complained_of() -> None:
    assert offered("ask", "-p", "", environ={"AGENT_APP_MAX_STEPS": "many"}) == []
    assert offered("ask", "-p", "pl", environ={"AGENT_APP_MODL": "x"}) == ["plain"]


def test_completing_loads_nothing_that_is_slow_and_runs_no_tool(home: Path) -> None:
    line = {"_AGENT_APP_COMPLETE": "zsh_complete", "COMP_WORDS": "agent-app ask -t ''", "COMP_CWORD": "3"}
    code = (
        "import atexit, sys; sys.argv = ['agent-app']\n"
        "slow = {'langchain', 'langchain_core', 'httpx', 'pydantic', 'xllamacpp', 'rich', 'psutil'}\n"
        "atexit.register(lambda: print(slow & {*sys.modules}, file=sys.stderr))\n"
        "from agent_app.__main__ import main; main()"
    )
    environ = {**os.environ, **line, "AGENT_APP_TOOLS_DIR": "mine"}  # running that file would end it
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=60
    )
    assert (done.stderr, done.returncode) == ("set()\n", 0)
    assert done.stdout.split("\n")[1::3] == ["calculator", "clock", "greet", "web_search"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (
            "@tool\ndef a(x): ...\n@tool('b')\ndef c(x): ...\n@lc.tool(infer=True)\nasync def d(x): ...",
            "abd",
        ),
        ("e = StructuredTool.from_function(f, name='e')\ng = Tool('h', f)\n", "e"),
        ("class Own(BaseTool): ...\nx = Own()\n", ["file"]),
        ("@tool\ndef _hidden(x): ...\n@other\ndef y(x): ...\n", ["file"]),
        ("def broken(:\n", []),
        ("\0", []),
    ],
)
def test_names_are_read_from_the_text_of_a_file(text: str, names: list[str] | str, home: Path) -> None:
    (home / "file.py").write_text(text, encoding="utf-8")
    assert names_in(home / "file.py") == [*names]


def test_a_name_that_a_shell_would_obey_is_not_offered(home: Path) -> None:
    evil = ("$(touch x)", "a\\x1b]0;x\\x07", "* *", "x;y")
    text = "".join(f"@tool('{name}')\ndef f(x): ...\n" for name in evil)
    (home / "mine" / "greet.py").write_text(text, encoding="utf-8")
    assert len(names_in(home / "mine" / "greet.py")) == len(evil)
    assert offered("ask", "--tools-dir", "mine", "-t", "") == ["calculator", "clock", "web_search"]


def test_what_is_said_about_a_name_is_clean() -> None:
    told = {"_AGENT_APP_COMPLETE": "zsh_complete", "COMP_WORDS": "agent-app ask -p j", "COMP_CWORD": "3"}
    done = subprocess.run(["agent-app"], env={**os.environ, **told}, capture_output=True, timeout=60)
    assert b"\x1b" not in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_what_the_shell_takes(shell: str, home: Path) -> None:
    done = CliRunner().invoke(app, ["completion", shell])
    assert done.exit_code == 0
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    read = subprocess.run([shell, "-n"], input=done.stdout, capture_output=True, text=True, timeout=60)
    assert (read.returncode, read.stderr) == (0, "")


def test_an_unknown_shell_is_told() -> None:
    done = CliRunner().invoke(app, ["completion", "csh"])
    assert done.exit_code == 2
    assert "'csh' is not one of 'bash', 'zsh', 'fish'" in done.output


# --- at the keyboard -------------------------------------------------------------------------------


class Shell:
    """An interactive shell at a pseudo-terminal."""

    def __init__(self, *command: str) -> None:
        import pty

        self._ours, theirs = pty.openpty()
        streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
        self._process = subprocess.Popen(command, start_new_session=True, **streams)  # type: ignore[call-overload]
        os.close(theirs)

    def type(self, text: str, until: str, seconds: float = 40) -> str:
        """Type a text and return what came to the screen since, as soon as a pattern is in it."""
        os.write(self._ours, text.encode())
        seen, end = "", time.monotonic() + seconds
        while not re.search(until, seen):
            ready, _, _ = select.select([self._ours], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"no {until!r} in {seen!r}"
            seen += os.read(self._ours, 65536).decode(errors="replace")
        return seen

    def line(self) -> str:
        """Return the line that has been typed and completed, by having the shell print it."""
        seen = self.type("\x01echo '<\x05>'\n", r"[\r\n]<[^\r\n]*>")
        return seen.rpartition("<")[2].partition(">")[0].rstrip()

    def close(self) -> None:
        self._process.kill()
        self._process.wait(timeout=20)
        os.close(self._ours)


@pytest.fixture(params=["bash", "zsh"])
def shell(request: pytest.FixtureRequest) -> Iterator[Shell]:
    """A shell with our completion in it."""
    name = request.param
    if shutil.which(name) is None:
        pytest.skip(f"there is no {name}")
    command = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"]}[name]
    shell = Shell(*command)
    if name == "zsh":
        shell.type("unsetopt prompt_cr prompt_sp; autoload -U compinit && compinit -u\n", "compinit -u")
    shell.type(f'eval "$(agent-app completion {name})"; echo rea""dy\n', r"ready\r?\n")
    yield shell
    shell.close()


@pytest.mark.parametrize(
    ("typed", "comes"),
    [
        ("agent-app comple\t", "tion"),
        ("agent-app ask -m embedded:s\t", "mollm2-135m"),
        ("agent-app ask --model=embedded:s\t", "mollm2-135m"),
        ("agent-app prompts show ju\t", "dge"),
        ("agent-app ask --tools-dir mine -t gr\t", "eet"),
    ],
)
def test_a_press_of_the_tab_key_completes(shell: Shell, typed: str, comes: str) -> None:
    # The whole line counts, as the shell has it then: a word may have been replaced rather than gone on with.
    shell.type(typed, comes)
    assert shell.line() == typed.rstrip("\t") + comes


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("agent-app comp", ["compare", "completion"]),
        ("agent-app ask -m embedded:s", ["embedded:smollm2-135m"]),
        ("agent-app prompts show ju", ["judge"]),
        ("agent-app ask --model=embedded:s", ["--model=embedded:smollm2-135m"]),
        ("agent-app ask --tools-dir mine -t g", ["greet"]),
    ],
)
@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish")
def test_fish_completes(line: str, names: list[str]) -> None:
    script = f"agent-app completion fish | source; complete -C '{line}'"
    done = subprocess.run(["fish", "-N", "-c", script], capture_output=True, text=True, timeout=60)
    assert [told.partition("\t")[0] for told in done.stdout.splitlines()] == names
