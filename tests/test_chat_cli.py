"""The chat through a pipe: a line in, an answer out; whole transcripts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from chats import FILES, HALF, HALVED, KNOWN, MULTIPLY, STEPS, environment, script, write
from said import Caller

from agent_app.errors import StoreError

MCP_SERVER = Path(__file__).parent / "mcp_servers" / "stdio_server.py"
MORE_STEPS = f"Thought: {HALF}\nObservation: 540.5\nThought: That is it\n"
KNOWN_STEP = "Thought: I now know the final answer\n"
CHAT = ("chat", "-p", "mate.md", "-m", "scripted:replies.txt")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for kind in ("DATA", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    write(tmp_path, {**FILES, "replies.txt": script(MULTIPLY, KNOWN, HALF, HALVED)})
    return tmp_path


@pytest.fixture
def chat(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Caller:
    return Caller(monkeypatch, capsys)


def test_each_line_is_answered_on_stdout_and_all_else_is_on_stderr(chat: Caller) -> None:
    outcome = chat(*CHAT, stdin="What is 23 * 47?\n\nAnd half of it?\n")
    assert outcome == (0, "Arg, 1081!\nArg, 540.5!\n", STEPS + MORE_STEPS)


def test_commands_work_and_a_wrong_one_is_one_line(chat: Caller) -> None:
    code, out, err = chat(*CHAT, stdin="What is 23 * 47?\n/undo\n/undone\n/quit\nnever asked\n")
    assert (code, out) == (1, "Arg, 1081!\n")
    assert err == (
        f"{STEPS}Taken back: What is 23 * 47?\n"
        "agent-app: unknown command '/undone'; did you mean '/undo'? (a question may begin with a space)\n"
    )


def test_a_session_that_was_deleted_elsewhere_ends_no_chat(
    chat: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe ends all the same, and so does /quit."""

    def deleted(_: object) -> tuple[()]:
        for none_yet in there:
            return none_yet
        raise StoreError("the session abc has been deleted; begin a new one", Path("sessions.db"))

    told = "agent-app: sessions.db: the session abc has been deleted; begin a new one\n"
    monkeypatch.setattr("agent_app.sessions.Session.runs", deleted)
    for stdin, times in (("/usage\n/usage\n", 2), ("/usage\n/quit\n/usage\n", 1)):
        there: Iterator[tuple[()]] = iter([()])
        assert chat(*CHAT, "--no-log", stdin=stdin) == (1, "", told * times)


def test_where_nothing_can_be_kept_it_is_told_how_to_talk_all_the_same(chat: Caller, folder: Path) -> None:
    write(folder, {"home": ""})
    told = r"agent-app: .*sessions\.db: it cannot be opened: .*; --no-log talks without it\n"
    code, out, err = chat(*CHAT, stdin="What is 23 * 47?\n")
    assert (code, out, bool(re.fullmatch(told, err))) == (2, "", True)
    assert chat(*CHAT, "--no-log", stdin="What is 23 * 47?\n").out == "Arg, 1081!\n"


def test_it_takes_what_ask_takes(chat: Caller, folder: Path) -> None:
    """Values for the prompt's inputs, tools of MCP servers, and limits."""
    crew = {"command": sys.executable, "args": [str(MCP_SERVER)]}
    add = 'Add\nAction: crew_add\nAction Input: {"a": 2, "b": 3}'
    inputs = FILES["mate.md"].replace("---\n", "---\ninputs: {ship: {type: string}}\n", 1)
    write(
        folder,
        {
            "servers.json": json.dumps({"mcpServers": {"crew": crew}}),
            "mate.md": inputs.replace("Question:", "Ship: {ship}\nQuestion:", 1),
            "replies.txt": script(add, "Five\nFinal Answer: Arg, 5!"),
        },
    )
    options = ("--mcp", "servers.json", "--rule", "always:crew_add", "-P", "ship=Ranger", "--max-steps", "2")
    code, out, err = chat(*CHAT, *options, stdin="What is 2 + 3?\n/why 1\n")
    assert (code, out.partition("\n")[0]) == (0, "Arg, 5!")
    assert "Observation: 5\n" in err
    assert "  | Ship: Ranger\n  | Question: What is 2 + 3?\n" in err


def test_a_document_goes_to_stdout(chat: Caller) -> None:
    _, out, _ = chat(*CHAT, stdin="What is 23 * 47?\n/export json\n")
    answer, _, document = out.partition("\n")
    assert answer == "Arg, 1081!"
    assert [run["result"]["text"] for run in json.loads(document)["runs"]] == ["Arg, 1081!"]


def test_a_session_is_gone_on_with(chat: Caller, folder: Path) -> None:
    chat(*CHAT, stdin="What is 23 * 47?\n/rename Sums\n")
    write(folder, {"replies.txt": script(HALF, HALVED)})
    code, out, err = chat(*CHAT, "--continue", stdin="And half of it?\n/usage\n")
    assert (code, out) == (0, "Arg, 540.5!\n")
    assert re.sub(r"[a-z0-9]{6}(?=: Sums)", "ID", err).startswith(
        f"Going on with ID: Sums\n> What is 23 * 47?\nArg, 1081!\n{MORE_STEPS}last answer  2 calls, "
    )
    (id_,) = re.findall(r"Going on with (\w+): Sums", err)
    assert "Going on with" in chat(*CHAT, "--resume", id_[:4], stdin="").err
    code, _, err = chat(*CHAT, "--resume", "nothing", stdin="")
    assert (code, err.startswith("agent-app: unknown session 'nothing'; ")) == (2, True)


def test_without_a_log_nothing_is_kept(chat: Caller, folder: Path) -> None:
    assert (
        chat(*CHAT, "--no-log", stdin="What is 23 * 47?\nAnd half of it?\n").out
        == "Arg, 1081!\nArg, 540.5!\n"
    )
    assert not (folder / "home").exists()


def test_the_first_continue_begins_a_session(chat: Caller) -> None:
    assert chat(*CHAT, "--continue", stdin="What is 23 * 47?\n") == (0, "Arg, 1081!\n", STEPS)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--continue", "--resume", "x"), "--continue and --resume name two sessions; give one of them"),
        (("--no-log", "--continue"), "--no-log keeps nothing; it cannot go on with a session"),
        (("-p", "pirat"), "unknown prompt 'pirat'; did you mean 'pirate' or 'pirate-soft'?"),
        (("--persona", "x"), "mate.md: the prompt 'mate' has no part 'persona'; there is none"),
        (("-P", "ship=Ranger"), "the prompt 'mate' has no slot {ship}; there is none"),
        (("--rule", "nevr:shell"), "a rule cannot say 'nevr'; did you mean 'never'?"),
    ],
)
def test_a_wrong_call_is_one_clear_line(arguments: tuple[str, ...], told: str, chat: Caller) -> None:
    assert chat(*CHAT, *arguments, stdin="Hi\n") == (2, "", f"agent-app: {told}\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("-m", "scripted:none.txt"), "cannot read the scripted replies none.txt: No such file or directory"),
        (("-m", "nosuch:x"), "unknown model provider 'nosuch'; known: "),
        (("-t", "nosuch"), "unknown tool 'nosuch'; "),
        (("--rule", "ask:nosuch"), "there is no tool for the rule ask:nosuch; "),
        (("--fallback", "nosuch"), "unknown model"),
        (("--mcp", "nofile"), "cannot read the MCP configuration nofile: "),
        (("--tools-dir", "nodir"), "there is no folder of tools at nodir"),
        (("--price", "foo"), "the price 'foo' is none; "),
        (("--max-cost", "inf"), "a budget's cost is inf; "),
    ],
)
def test_what_cannot_be_loaded_ends_a_pipe_at_its_first_question(
    arguments: tuple[str, ...], told: str, chat: Caller
) -> None:
    code, out, err = chat(*CHAT, *arguments, stdin="/usage\nHi\nHo\n")
    _, line, rest = err.split("\n")
    assert (code, out, line[: len("agent-app: ") + len(told)], rest) == (2, "", f"agent-app: {told}", "")


def test_an_answer_that_cannot_be_kept_is_shown_all_the_same(
    chat: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreError("the disk is full", Path("sessions.db"))

    monkeypatch.setattr("agent_app.sessions.writing.RunWriter.step", full)
    told = "agent-app: sessions.db: the disk is full\n"
    outcome = chat(*CHAT, stdin="What is 23 * 47?\nAnd half of it?\n")
    assert outcome == (1, "Arg, 1081!\nArg, 540.5!\n", f"{STEPS}{told}{MORE_STEPS}{told}")


def test_a_model_that_fails_ends_its_answer_only(chat: Caller) -> None:
    code, out, err = chat(*CHAT, stdin="What is 23 * 47?\nAnd half of it?\nMore?\n/undo\n")
    assert (code, out) == (1, "Arg, 1081!\nArg, 540.5!\n")
    told = "agent-app: scripted:replies.txt: call 5, but there are only 4 replies\n"
    assert err == f"{STEPS}{MORE_STEPS}{told}Taken back: More?\n"


def test_a_good_answer_is_not_lost_to_an_attempt_that_fails(chat: Caller, folder: Path) -> None:
    write(folder, {"replies.txt": script(KNOWN)})
    typed = "What is 23 * 47?\n/retry\n/redo\n/undo\n/redo\n/edit And?\n/export\n"
    code, out, err = chat(*CHAT, stdin=typed)
    failed = "agent-app: scripted:replies.txt: call 2, but there are only 1 replies\n"
    assert (code, out.count("Arg, 1081!")) == (1, 2)  # the answer, and the document
    assert err == (
        f"{KNOWN_STEP}{failed}There is nothing to restore.\nTaken back: What is 23 * 47?\n"
        f"> What is 23 * 47?\nArg, 1081!\n{failed}"
    )


def test_a_limit_is_told(chat: Caller, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("AGENT_APP_MAX_STEPS", "1")
    write(folder, {"replies.txt": script(MULTIPLY, "Arg, 1081 I guess")})
    code, out, err = chat(*CHAT, stdin="What is 23 * 47?\n")
    assert (code, out) == (0, "Arg, 1081 I guess\n")
    told = "agent-app: stopped by the limit of steps; the answer is the best from what there was\n"
    assert err.endswith(told)


def test_tools_are_those_that_are_offered(chat: Caller) -> None:
    (*_, listed) = chat(*CHAT, "-t", "clock", stdin="/tools off clock\n/tools\n").err.splitlines()
    assert listed.split()[:2] == ["web_search", "off"]
    assert chat(*CHAT, "--no-tools", stdin="/tools on clock\n").err == "The tools are: clock.\n"


def test_nobody_is_there_to_ask_about_a_tool(chat: Caller, folder: Path) -> None:
    write(folder, {"replies.txt": script("Look\nAction: shell\nAction Input: ls", KNOWN)})
    code, out, err = chat(*CHAT, "--tools-dir", "mine", stdin="Look!\n")
    assert (code, out) == (0, "Arg, 1081!\n")
    assert "This call of shell needs the user's permission, and nobody is there to ask." in err
    write(folder, {"replies.txt": script("Look\nAction: shell\nAction Input: ls", KNOWN)})
    err = chat(*CHAT, "--tools-dir", "mine", "--rule", "always:shell", stdin="Look!\n").err
    assert "Observation: ran ls\n" in err


def test_what_needs_a_terminal_says_so(chat: Caller) -> None:
    err = chat(*CHAT, stdin="What is 23 * 47?\n/copy\n/edit\n/edit And half of it?\n/clear\n").err
    assert err == (
        f"{STEPS}agent-app: there is no terminal whose clipboard could be written\n"
        "agent-app: there is no terminal to change it at; write /edit and the new question\n"
        f"{MORE_STEPS}A new session. /sessions {err.split()[-7]} goes back to the one before.\n"
    )


def test_what_comes_in_must_be_text(chat: Caller) -> None:
    code, out, err = chat(*CHAT, stdin="\ufeffWhat is 23 * 47?\r\n".encode() + b"\xff\n")
    assert (code, out) == (1, "Arg, 1081!\n")
    assert err.splitlines()[-1].startswith("agent-app: what came in on stdin is not UTF-8 text: ")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes are of another kind there")
def test_a_reader_that_has_gone_is_no_reason_for_a_traceback(folder: Path) -> None:
    read, written = os.pipe()
    os.close(read)
    process = subprocess.Popen(
        [sys.executable, "-m", "agent_app", *CHAT],
        stdin=subprocess.PIPE, stdout=written, stderr=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip
    os.close(written)
    _, err = process.communicate("What is 23 * 47?\nAnd half of it?\n", timeout=60)
    assert (process.returncode, err) == (1, STEPS)
