"""No command lets foreign text act on a terminal: text of files, models, tools, names and settings.

Each case brings text that a terminal would obey in by one door, and must show it harmlessly: in a pipe
and at a pseudo-terminal.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from said import leave

from agent_app.cli import _COMMANDS
from agent_app.steps import Result
from agent_app.testing import FaultyServer, Request, Status

# A title (OSC 0), a link (OSC 8), the clipboard (OSC 52), colour, clearing, the same in C1, bidirectional
# controls, a bell, a deletion, a lone carriage return; and a word to find it by.
EVIL = (
    "kraken\x1b]0;title\x07\x1b]8;;http:x\x1b\\link\x1b]52;c;cm0=\x07\x1b[31m\x1b[2J\x9b2J\x9d0;x\x9c\u202eabc"
    "\u2066\u200f\x07\x7f\rover\x08"
)
EVIL_NAME = f"{EVIL}\nnext line"
ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# What we ourselves send to a terminal: dim text, and the spinner's drawing, erasing and hiding of the cursor.
OURS = re.compile(r"\x1b\[(?:0?m|2m|22m|32m|2;32m|\?25[lh]|1A|2K)|\r(?=\n|\x1b\[)|\r+\n")

PROMPT = "---\nname: mate\n---\n{tools}\n\nQuestion: {input}\nThought:{agent_scratchpad}\n"
ASK = ("ask", "-v", "-p", "mate.md", "-m", "scripted:replies.txt")


def tool(name: str, body: str = "return text", about: str = "Do something.") -> str:
    return (
        "from langchain_core.tools import ToolException, tool\n\n"
        f"@tool({name!r}, description={about!r})\ndef f(text: str) -> str:\n    {body}\n"
    )


def replies(*moves: str) -> str:
    return "\n---\n".join(moves)


def front(**facts: object) -> str:
    return f"---\n{json.dumps(facts)}\n---\n"


CALL = "Hm\nAction: evil\nAction Input: x"
DONE = "So\nFinal Answer: Arg"
RUN_BODY = "{tools}{input}\nThought:{agent_scratchpad}"
HOSTILE = {
    "name": "evil",
    "description": EVIL,
    "version": EVIL,
    "inputs": {"who": {"description": EVIL, "default": EVIL}},
    "stop": [EVIL],
    "tests": [{"contains": [EVIL]}],
}
HOSTILE_PROMPT = front(**HOSTILE) + "{who}"
HOSTILE_RUN = front(**{**HOSTILE, "tests": [{"input": EVIL, "contains": [EVIL]}]}) + f"{{who}}{RUN_BODY}"


class Case(NamedTuple):
    """A call of the program, and the files and variables that it finds."""

    words: tuple[str, ...]
    files: Mapping[str, str] = {}
    environ: Mapping[str, str] = {}
    stdin: str = ""


CASES: dict[str, Case] = {
    # batch, report, compare, soft, log, chat
    "a report's answers": Case(("report", EVIL_NAME)),
    "a comparison's answers": Case(("compare", EVIL_NAME, "other.jsonl")),
    "a soft prompt's name": Case(("soft", "export", EVIL_NAME, "--to", "gguf")),
    "a soft prompt's rows": Case(
        ("soft", "score", "rows.jsonl", "-m", "scripted:x", "-p", "mate.md"),
        {"rows.jsonl": json.dumps({EVIL: EVIL})},
    ),
    "a batch's files": Case(("batch", EVIL_NAME, "-o", f"{EVIL_NAME}.jsonl")),
    "a session's id": Case(("log", "show", EVIL_NAME)),
    "a search": Case(("log", "search", EVIL)),
    "a chat to go on with": Case(("chat", "--resume", EVIL_NAME, "-p", "mate.md", "-m", "scripted:x")),
    # ask
    "a model's thought, action, input and answer": Case(
        (*ASK, "--tools-dir", "mine", "Hi"),
        {
            "replies.txt": replies(
                f"Hm {EVIL}\nAction: evil\nAction Input: {EVIL}",
                f"{EVIL}\nAction: {EVIL}",
                f"Final Answer: {EVIL}",
            ),
            "mine/evil.py": tool("evil"),
        },
    ),
    "a run as JSON": Case((*ASK, "--json", EVIL), {"replies.txt": f"I\nFinal Answer: {EVIL}"}),
    "a run as events": Case((*ASK, "--events", EVIL), {"replies.txt": f"I\nFinal Answer: {EVIL}"}),
    "what a tool gives": Case(
        (*ASK, "--tools-dir", "mine", "Hi"),
        {"replies.txt": replies(CALL, DONE), "mine/evil.py": tool("evil", f"return {EVIL!r}")},
    ),
    "what a tool complains of": Case(
        (*ASK, "--tools-dir", "mine", "Hi"),
        {"replies.txt": replies(CALL, DONE), "mine/evil.py": tool("evil", f"raise ToolException({EVIL!r})")},
    ),
    "a tool that crashes": Case(
        (*ASK, "--tools-dir", "mine", "Hi"),
        {"replies.txt": replies(CALL, DONE), "mine/evil.py": tool("evil", f"raise ValueError({EVIL!r})")},
    ),
    "a tool file that cannot be run": Case(
        (*ASK, "--tools-dir", "mine", "Hi"),
        {"replies.txt": DONE, "mine/evil.py": f"raise ValueError({EVIL!r})"},
    ),
    "a tool file's own name": Case(
        (*ASK, "--tools-dir", "mine", "Hi"), {"replies.txt": DONE, f"mine/{EVIL_NAME}.py": "x = 1"}
    ),
    "a folder of tools": Case((*ASK, "--tools-dir", EVIL_NAME, "Hi"), {"replies.txt": DONE}),
    "a tool's name on the command line": Case((*ASK, "-t", EVIL_NAME, "Hi"), {"replies.txt": DONE}),
    "the name of a file of replies": Case(("ask", "-m", f"scripted:{EVIL_NAME}", "Hi")),
    "too few replies": Case(
        ("ask", "-p", "mate.md", "-m", f"scripted:{EVIL}", "-q", "Hi"),
        {EVIL: "Hm\nAction: clock\nAction Input: now"},
    ),
    "a model's name": Case(("ask", "-m", EVIL_NAME, "Hi")),
    "a provider's name": Case(("ask", "-m", f"{EVIL}:x", "Hi")),
    "an embedded model's name": Case(("ask", "-m", f"embedded:{EVIL.replace('/', '')}", "Hi")),
    "a model's file": Case(("ask", "-m", f"embedded:{EVIL}.gguf", "Hi"), {f"{EVIL}.gguf": "GGUF" + EVIL * 9}),
    "a prompt's name on the command line": Case(("ask", "-m", "scripted:x", "-p", EVIL_NAME, "Hi")),
    "a prompt's file name": Case(
        ("ask", "-m", "scripted:x", "-p", f"{EVIL_NAME}.md", "Hi"), {f"{EVIL_NAME}.md": "{tols}"}
    ),
    "an unknown key in a prompt": Case((*ASK, "Hi"), {"mate.md": front(**{EVIL: 1})}),
    "a prompt's facts in a run": Case(
        ("ask", "-v", "-m", "scripted:replies.txt", "-p", "evil.md", "Hi"),
        {"evil.md": HOSTILE_RUN, "replies.txt": DONE},
    ),
    "a persona": Case(("ask", "-m", "scripted:x", "--persona", EVIL_NAME, "Hi")),
    "a value": Case((*ASK, "-P", f"{EVIL}={EVIL}", "Hi"), {"replies.txt": DONE}),
    "a value without a name": Case((*ASK, "-P", EVIL_NAME, "Hi")),
    "a wrong number": Case(("ask", "--max-steps", EVIL, "Hi")),
    "an option": Case(("ask", f"--{EVIL}", "Hi")),
    "a setting": Case(("ask", "Hi"), environ={"AGENT_APP_MAX_STEPS": EVIL_NAME}),
    "what is piped in": Case((*ASK, "--json", "Hi"), {"replies.txt": DONE}, stdin=EVIL),
    "a server's refusal": Case((*ASK[:4], "-m", "openai:418", "Hi")),
    # tools
    "a tool's description": Case(
        ("tools", "--tools-dir", "mine"), {"mine/evil.py": tool("evil", about=f"Do {EVIL}")}
    ),
    "a tool's name": Case(
        ("tools", "--tools-dir", "mine", "list"), {"mine/evil.py": tool(f"evil{EVIL_NAME}")}
    ),
    "a tool that is run": Case(
        ("tools", "--tools-dir", "mine", "run", "evil", EVIL), {"mine/evil.py": tool("evil")}
    ),
    "a tool that is run and complains": Case(
        ("tools", "--tools-dir", "mine", "run", "evil", "x"),
        {"mine/evil.py": tool("evil", f"raise ToolException({EVIL!r})")},
    ),
    "a tool that is run and crashes": Case(
        ("tools", "--tools-dir", "mine", "run", "evil", "x"),
        {"mine/evil.py": tool("evil", f"raise ValueError({EVIL!r})")},
    ),
    "a tool that is not there": Case(("tools", "run", EVIL_NAME)),
    "a file of servers": Case(("tools", "--mcp", EVIL_NAME)),
    "the names of servers": Case(
        ("tools", "--mcp", "m.json"), {"m.json": json.dumps({"mcpServers": {EVIL: 1}})}
    ),
    # models
    "a model to fetch": Case(("models", "fetch", EVIL_NAME)),
    # prompts
    "the list of prompts": Case(("prompts",), {"prompts/evil.md": HOSTILE_PROMPT}),
    "the list of prompts as JSON": Case(("prompts", "list", "--json"), {"prompts/evil.md": HOSTILE_PROMPT}),
    "a broken prompt in the list": Case(("prompts", "list"), {"prompts/evil.md": front(**{EVIL: 1})}),
    "a prompt that is shown": Case(("prompts", "show", "evil.md"), {"evil.md": HOSTILE_PROMPT + EVIL}),
    "a prompt that is shown as JSON": Case(
        ("prompts", "show", "evil.md", "--json"), {"evil.md": HOSTILE_PROMPT + EVIL}
    ),
    "a prompt that is rendered": Case(
        ("prompts", "render", "evil.md", "-p", f"who={EVIL}"), {"evil.md": HOSTILE_PROMPT + EVIL}
    ),
    "a prompt that is rendered as JSON": Case(
        ("prompts", "render", "evil.md", "--json"), {"evil.md": HOSTILE_PROMPT + EVIL}
    ),
    "a prompt that is checked": Case(
        ("prompts", "check", f"{EVIL_NAME}.md"), {f"{EVIL_NAME}.md": front(**{EVIL: 1})}
    ),
    "a prompt that is checked, as JSON": Case(
        ("prompts", "check", "--json", f"{EVIL_NAME}.md"), {f"{EVIL_NAME}.md": front(**{EVIL: 1})}
    ),
    "a prompt that is tested": Case(
        ("prompts", "test", "evil.md", "-m", "scripted:replies.txt"),
        {"evil.md": HOSTILE_RUN, "replies.txt": f"I\nFinal Answer: {EVIL}"},
    ),
    "a prompt's name while it is tested": Case(
        ("prompts", "test", f"[red]{EVIL_NAME}.md", "-m", "scripted:replies.txt"),
        {f"[red]{EVIL_NAME}.md": front(tests=[{"contains": [EVIL]}]) + "Hi", "replies.txt": EVIL},
    ),
    "two prompts that differ": Case(
        ("prompts", "diff", "plain", "evil.md"), {"evil.md": HOSTILE_PROMPT + EVIL}
    ),
    "a new prompt's name": Case(("prompts", "new", EVIL_NAME, "--description", "x", "-y")),
    "a new prompt's description": Case(("prompts", "new", "a", "--description", EVIL_NAME, "-y")),
    "a new prompt's folder": Case(
        ("prompts", "new", "a", "--description", "x", "-y", "--prompts-dir", EVIL_NAME)
    ),
    "the personas that are asked for": Case(
        ("prompts", "new", "a", "--description", "x"), {f"prompts/parts/personas/{EVIL_NAME}.md": "x"}
    ),
    # the others
    "a tokenizer": Case(("prompts", "render", "pirate", "-p", "input=x", "--tokenizer", EVIL_NAME)),
    "all that the doctor looks at": Case(
        ("doctor", "-m", f"embedded:{EVIL}.gguf", "-p", EVIL_NAME, "--tools-dir", "mine"),
        {
            f"{EVIL}.gguf": "GGUF" + EVIL * 9,
            "mine/evil.py": f"raise ValueError({EVIL!r})",
            "prompts/evil.md": front(**{EVIL: 1}),
            "mine/fine.py": tool(EVIL_NAME),
        },
        {"AGENT_APP_MODEL_DIR": EVIL_NAME},
    ),
    "all that the doctor looks at, as JSON": Case(
        ("doctor", "--json", "-m", EVIL_NAME, "--prompts-dir", EVIL_NAME, "--tools-dir", EVIL_NAME)
    ),
    "a server that the doctor asks": Case(("doctor", "-m", f"openai:{EVIL_NAME}")),
    "a shell": Case(("completion", EVIL_NAME)),
    "a command to be helped with": Case(("help", "prompts", EVIL_NAME)),
    "an unknown command": Case((EVIL_NAME,)),
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to work in, and a server that answers with hostile text."""
    for kind in ("DATA", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("AGENT_APP_MODEL_DIR", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[1]))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mate.md").write_text(PROMPT, encoding="utf-8")

    def refuse(_: Request) -> Status:
        return Status(418, body={"error": {"message": EVIL}})

    with FaultyServer(repeat=refuse) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
        yield tmp_path


def prepare(case: Case, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in case.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())
    for variable, value in case.environ.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(sys, "argv", ["agent-app", *case.words])


needs_unix = pytest.mark.skipif(sys.platform == "win32", reason="such file names and terminals are not there")
each = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@needs_unix
@each
def test_in_a_pipe_nothing_acts(
    case: Case, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(case, home, monkeypatch)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(case.stdin.encode()), encoding="utf-8"))
    leave()
    said = "".join(capsys.readouterr())
    assert ACTS.findall(said) == []
    at_a_terminal_only = "prompts/parts" in "".join(case.files)
    assert ("kraken" in said) is not at_a_terminal_only


@needs_unix
@each
def test_at_a_terminal_nothing_acts(case: Case, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(case, home, monkeypatch)
    screen = at_terminal(monkeypatch, typed="\n\n")
    assert ACTS.findall(OURS.sub("", screen)) == []
    assert case.stdin or "kraken" in screen


def at_terminal(monkeypatch: pytest.MonkeyPatch, typed: str = "") -> str:
    """Run the program with all streams at a pseudo-terminal, and return all that came to the screen."""
    import pty
    import termios

    ours, theirs = pty.openpty()
    mode = termios.tcgetattr(theirs)
    mode[3] &= ~termios.ECHO
    termios.tcsetattr(theirs, termios.TCSANOW, mode)
    os.write(ours, typed.encode())
    pieces: list[bytes] = []
    reader = threading.Thread(target=_read_all, args=(ours, pieces))
    reader.start()
    with (
        os.fdopen(theirs, "r", encoding="utf-8") as keyboard,
        os.fdopen(os.dup(theirs), "w", encoding="utf-8", errors="replace") as screen,
        monkeypatch.context() as patched,
    ):
        patched.setattr(sys, "stdin", keyboard)
        patched.setattr(sys, "stdout", screen)
        patched.setattr(sys, "stderr", screen)
        leave()
    reader.join(timeout=20)
    os.close(ours)
    return b"".join(pieces).decode()


def _read_all(terminal: int, pieces: list[bytes]) -> None:
    try:
        while piece := os.read(terminal, 65536):
            pieces.append(piece)
    except OSError:  # Linux says so when the last one at the other end has gone
        return


def test_every_command_has_a_case() -> None:
    assert {case.words[0] for case in CASES.values()} >= {*_COMMANDS}


def test_json_loses_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(CASES["a run as JSON"], home, monkeypatch)
    monkeypatch.setattr(sys, "stdin", None)
    assert leave() == 0
    result = Result.from_json(capsys.readouterr().out)
    assert result.question == EVIL
    assert result.text == EVIL.replace("\r", "\n")  # the file of replies is read as text


# --- plain terminals -------------------------------------------------------------------------------


@needs_unix
@pytest.mark.parametrize("plain", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
@pytest.mark.parametrize(
    "words", [(*ASK, "1 + 1?"), ("doctor", "-m", "scripted:replies.txt"), ("prompts", "test", "quiz.md")]
)
def test_a_plain_terminal_gets_plain_text(
    words: tuple[str, ...], plain: dict[str, str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiz = "---\ntests: [{contains: [Arg]}]\n---\nHi"
    if words[0] == "prompts":
        words = (*words, "-m", "scripted:replies.txt")
    prepare(Case(words, {"replies.txt": DONE, "quiz.md": quiz}, plain), home, monkeypatch)
    assert "\x1b" not in at_terminal(monkeypatch)


@needs_unix
def test_a_narrow_terminal_and_wide_characters_are_no_trouble(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = "海は広いな大きいな👩‍👩‍👧"
    files = {
        "replies.txt": f"Hm\nFinal Answer: {wide}",
        "prompts/umi.md": f"---\ndescription: {wide}\n---\nHi",
    }
    prepare(Case((*ASK, "-q", wide), files, {"COLUMNS": "40"}), home, monkeypatch)
    assert f"{wide}\r\n" in at_terminal(monkeypatch)
    prepare(Case(("prompts", "list")), home, monkeypatch)
    assert f"umi               0    {wide}" in at_terminal(monkeypatch)


@needs_unix
@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("help", "ask"),
        ("completion", "zsh"),
        ("models",),
        ("tools",),
        ("prompts",),
        ("prompts", "show", "pirate"),
        ("prompts", "check"),
        ("doctor", "-m", "scripted:replies.txt"),
        ("doctor", "-m", "scripted:replies.txt", "--json"),
        (*ASK, "--json", "Hi"),
        (*ASK, "--events", "Hi"),
    ],
)
def test_a_reader_that_goes_early_is_no_reason_for_a_traceback(
    words: tuple[str, ...], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(Case(words, {"replies.txt": DONE}), home, monkeypatch)
    read, written = os.pipe()
    os.close(read)
    process = subprocess.Popen(
        [sys.executable, "-m", "agent_app", *words],
        stdin=subprocess.DEVNULL,
        stdout=written,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(written)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in err
    assert "BrokenPipe" not in err
