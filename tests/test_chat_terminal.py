"""The chat at a terminal: what is typed and seen, Ctrl-C, going on after the worst, and hostile texts."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest

if sys.platform == "win32":
    pytest.skip("there are no pseudo-terminals there", allow_module_level=True)

from chats import FILES, HALF, HALVED, KNOWN, MULTIPLY, Terminal, drawn, script, terminal, write

from agent_app.sessions import Store
from agent_app.steps import Action, Observation
from agent_app.terminal import clean
from agent_app.testing import Drip, FaultyServer, Stall

CHAT = ("-p", "mate.md", "-m", "scripted:replies.txt")
READY = "or /help"
PASTED = "\x1b[200~{}\x1b[201~"
CTRL_C, CTRL_D, ALT_ENTER = "\x03", "\x04", "\x1b\r"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for kind in ("DATA", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NO_COLOR", raising=False)
    write(tmp_path, {**FILES, "replies.txt": script(MULTIPLY, KNOWN, HALF, HALVED)})
    return tmp_path


def seen(raw: str) -> list[str]:
    """The lines that came to the screen, without what they were drawn with, each once."""
    lines = (line.rstrip() for line in drawn(raw).split("\n"))
    return list(dict.fromkeys(line for line in lines if line))


def leave(at: Terminal) -> None:
    at.expect(READY)
    at.type(CTRL_D)
    assert at.end() == 0


# --- talking -----------------------------------------------------------------------------------------


def test_steps_are_dimmed_with_name_and_time_and_the_answer_is_markdown(folder: Path) -> None:
    write(folder, {"replies.txt": script(MULTIPLY, KNOWN.replace("1081", "**1081**"))})
    with terminal(folder, *CHAT) as at:
        at.expect(READY)
        at.type("What is 23 * 47?\r")
        at.expect("\x1b[2mI need to multiply\x1b[0m")
        at.expect("\x1b[1;2mcalculator\x1b[0m  \x1b[2m23 * 47\x1b[0m  \x1b[2;36m0.0 s\x1b[0m")
        at.expect("\x1b[2m│ \x1b[0m\x1b[2m1081\x1b[0m")
        at.expect("Arg, \x1b[1m1081\x1b[0m!")
        leave(at)


def test_follow_up_questions_and_commands(folder: Path) -> None:
    with terminal(folder, *CHAT) as at:
        at.expect(READY)
        at.type("What is 23 * 47?\r")
        at.expect("Arg, 1081!", READY)
        at.type("And half of it?\r")
        at.expect("Arg, 540.5!", READY)
        at.type("/promt\r")
        at.expect("unknown command '/promt'; did you mean '/prompt' or '/export'?", READY)
        at.type("/why 1\r")
        told = at.expect("Question: And half of it?", "Call 1: the reply", READY)
        assert "Final Answer: Arg, 1081!" in told
        at.type("/quit\r")
        assert at.end() == 0


def test_a_question_of_several_lines_pasted_or_typed_is_one(folder: Path) -> None:
    with terminal(folder, *CHAT) as at:
        at.expect(READY)
        at.type(PASTED.format("What is\n23 * 47?"))
        at.type(f"{ALT_ENTER}Quick!\r")
        at.expect("Arg, 1081!")
        leave(at)
    with Store.open(folder / "home/agent-app/sessions.db") as store:
        (info,) = store.sessions()
        (run,) = store.session(info.id).runs()
        assert run.result.question == "What is\n23 * 47?\nQuick!"


def test_what_was_typed_is_found_again_in_another_chat_unless_nothing_is_kept(folder: Path) -> None:
    typed = folder / "home/agent-app/typed.txt"
    with terminal(folder, *CHAT, "--no-log") as at:
        at.expect(READY)
        at.type("/usage\r")
        at.expect("Nothing has been asked yet.")
        leave(at)
    assert not (folder / "home").exists()
    with terminal(folder, *CHAT) as at:
        at.expect(READY)
        at.type("What is 23 * 47?\r")
        at.expect("Arg, 1081!")
        at.type("/rename ghp_0123456789abcdefghijABCDEFGHIJ012345\r")
        at.expect("This session is called")
        leave(at)
    assert typed.stat().st_mode & 0o777 == 0o600
    assert "+/rename [secret: GitHub token]" in typed.read_text(encoding="utf-8").splitlines()
    write(folder, {"replies.txt": script(KNOWN)})
    with terminal(folder, *CHAT) as at:
        at.expect(READY)
        at.type("\x12is 23")  # Ctrl-R
        at.expect(" * 47?")
        at.type("\r\r")
        at.expect("Arg, 1081!")
        leave(at)


def test_what_was_typed_is_there_until_the_end_where_it_cannot_be_kept(folder: Path) -> None:
    with terminal(folder, *CHAT) as at:
        at.expect(READY)
        typed = folder / "home" / "agent-app" / "typed.txt"
        typed.unlink()
        typed.mkdir()
        at.type("What is 23 * 47?\r")
        at.expect("Arg, 1081!", READY)
        at.type("\x1b[A")
        at.expect("23 * 47?")
        at.type("\r")
        at.expect("Arg, 540.5!")
        leave(at)
    assert "Unhandled exception" not in at.raw


def test_the_last_question_is_edited_in_place_or_in_an_editor(folder: Path) -> None:
    write(folder, {"editor.sh": "#!/bin/sh\nprintf 'And a third of it?' > \"$1\"\n"})
    (folder / "editor.sh").chmod(0o755)
    write(folder, {"replies.txt": script(KNOWN, "So\nFinal Answer: Aye!", "So\nFinal Answer: Oho!")})
    with terminal(folder, *CHAT, EDITOR=str(folder / "editor.sh"), VISUAL="") as at:
        at.expect(READY)
        at.type("What is 23 * 4?\r")
        at.expect("Arg, 1081!", READY)
        at.type("/edit\r")
        at.expect("What is 23 * 4?")
        at.type("\x7f7?\r")
        at.expect("Aye!", READY)
        at.type("/edit\r")
        at.expect("What is 23 * 47?")
        at.type("\x18\x05")  # Ctrl-X Ctrl-E
        at.expect("And a third of it?", "Oho!")
        leave(at)
    with Store.open(folder / "home/agent-app/sessions.db") as store:
        latest = store.latest()
        assert latest is not None
        assert [run.result.question for run in latest.runs()] == ["And a third of it?"]


def test_commands_and_names_are_completed(folder: Path) -> None:
    with terminal(folder, *CHAT) as at:
        at.expect(READY)
        at.type("/pers")
        at.expect("list the voices of the prompt")
        at.type("\x15/prompt pla")
        at.expect(" plain ")
        at.type("\t")
        at.expect("in")
        at.type("\r")
        at.expect("The prompt is plain now.")
        leave(at)


def test_the_answer_is_copied_by_us_and_only_when_asked_for(folder: Path) -> None:
    with terminal(folder, *CHAT) as at:
        at.expect(READY)
        at.type("What is 23 * 47?\r")
        at.expect("Arg, 1081!", READY)
        assert "\x1b]" not in at.raw
        at.type("/copy\r")
        at.expect("\x1b]52;c;QXJnLCAxMDgxIQ==\x07", "Copied, if this terminal lets programs write")
        leave(at)


def test_ctrl_c_twice_at_the_prompt_leaves(folder: Path) -> None:
    with terminal(folder, *CHAT) as at:
        at.expect(READY)
        at.type(f"half a question{CTRL_C}")
        at.expect(READY)
        at.type(CTRL_C)
        at.expect("Ctrl-C again leaves")
        at.type("/usage\r")
        at.expect("Nothing has been asked yet.", READY)
        at.type(CTRL_C)
        at.expect("Ctrl-C again leaves")
        at.type(CTRL_C)
        assert at.end() == 0


def test_ctrl_z_stops_the_program_and_stands_in_no_question(folder: Path) -> None:
    with terminal(folder, *CHAT) as at:
        at.expect(READY)
        at.type("/usage\x1a\r")  # no shell waits for this program, so the system does not stop it
        at.expect("Nothing has been asked yet.")
        leave(at)


def test_what_cannot_be_loaded_is_told_at_the_prompt_already(folder: Path) -> None:
    with terminal(folder, "-m", "scripted:none.txt") as at:
        told = "cannot read the scripted replies none.txt: No such file or directory"
        at.expect(told)
        at.type("Hi\r")
        at.expect("\x1b[33m" + told)
        at.type("/model scripted:replies.txt\r")
        at.expect("The model is scripted:replies.txt now.")
        leave(at)


# --- approvals ---------------------------------------------------------------------------------------

LOOK = "Look\nAction: shell\nAction Input: {}"
SO = "So\nFinal Answer: Aye!"


def test_tools_are_asked_about_and_what_is_kept_holds_when_the_session_is_gone_on_with(folder: Path) -> None:
    write(folder, {"replies.txt": script(LOOK.format("rm x"), LOOK.format("ls"), LOOK.format("pwd"), SO)})
    tools = ("--tools-dir", "mine", "--rule", "ask:shell")
    with terminal(folder, *CHAT, *tools) as at:
        at.expect(READY)
        at.type("Look!\r")
        at.expect("May shell be called with this? (the rule ask:shell)", 'command: "rm x"')
        at.expect("a yes, always for every call that the rule ask:shell matches, kept with this session")
        at.expect("Run it (y, s, a, n, e)? ")
        at.type("n\n")
        at.expect("Why not (Enter for no reason)? ")
        at.type("it is mine\n")
        at.expect("shell is refused: The user does not allow this call of shell: it is mine.")
        at.expect('command: "ls"', "Run it (y, s, a, n, e)? ")
        at.type("a\n")
        at.expect("ran ls", "ran pwd", "Aye!", READY)
        at.type("/rules\r")
        at.expect("allowed: shell, kept with this session")
        leave(at)
    write(folder, {"replies.txt": script(LOOK.format("date"), SO)})
    with terminal(folder, *CHAT, *tools, "--continue") as at:
        at.expect(READY)
        at.type("And now?\r")
        at.expect("ran date", "Aye!", READY)
        at.type("/rules revoke 1\r")
        at.expect("Revoked; it will be asked about again.")
        leave(at)


def test_ctrl_c_while_a_tool_is_asked_about_stops_the_answer_only(folder: Path) -> None:
    write(folder, {"replies.txt": script(LOOK.format("ls"), SO)})
    with terminal(folder, *CHAT, "--tools-dir", "mine", "--rule", "ask:shell") as at:
        at.expect(READY)
        at.type("Look!\r")
        at.expect("Run it (y, s, a, n, e)? ")
        at.type(CTRL_C)
        at.expect("interrupted; what was done until then is kept", READY)
        at.type("And?\r")
        at.expect("Aye!")
        leave(at)


# --- Ctrl-C and kill -9 during an answer -----------------------------------------------------------------


def slow(server: FaultyServer) -> dict[str, Any]:
    return {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "none", "NO_PROXY": "127.0.0.1"}


OPENAI = ("-p", "mate.md", "-m", "openai:parrot")


def test_ctrl_c_stops_an_answer_keeps_its_steps_and_the_chat_goes_on(folder: Path) -> None:
    stalled = Stall(60, begun="I know\nFinal Answer: Arg, the first line\n\nof t")
    with FaultyServer(MULTIPLY, stalled, KNOWN) as server, terminal(folder, *OPENAI, **slow(server)) as at:
        at.expect(READY)
        at.type("What is 23 * 47?\r")
        at.expect("Arg, the first line", "thinking")
        at.type(CTRL_C)
        told = at.expect("interrupted; what was done until then is kept", READY)
        assert "Arg, the first line" in told
        at.type("What is 23 * 47, then?\r")
        at.expect("Arg, 1081!")
        leave(at)
        assert server.requests[1].hung_up()
    with Store.open(folder / "home/agent-app/sessions.db") as store:
        session = store.latest()
        assert session is not None
        stopped, answered = (run.result for run in session.runs())
    assert (stopped.status, stopped.stopped_by) == ("stopped", "interruption")
    assert stopped.steps == (Action("calculator", "23 * 47", "I need to multiply"), Observation("1081"))
    assert (answered.text, answered.stopped_by) == ("Arg, 1081!", None)


def test_ctrl_c_at_a_second_attempt_leaves_the_answer_before(folder: Path) -> None:
    stalled = Stall(60, begun="I know\nFinal Answer: Arg, the first line\n\nof t")
    with FaultyServer(KNOWN, stalled) as server, terminal(folder, *OPENAI, **slow(server)) as at:
        at.expect(READY)
        at.type("What is 23 * 47?\r")
        at.expect("Arg, 1081!", READY)
        at.type("/retry\r")
        at.expect("Arg, the first line", "thinking")
        at.type(CTRL_C)
        at.expect("interrupted; everything is as it was")
        leave(at)
    with Store.open(folder / "home/agent-app/sessions.db") as store:
        session = store.latest()
        assert session is not None
        assert [run.result.text for run in session.runs()] == ["Arg, 1081!"]


SLOW = """\
import time
from langchain_core.tools import tool

@tool
def slow(text: str) -> str:
    "Take a minute."
    time.sleep(60)
    return text
"""


def test_ctrl_c_stops_a_tool_and_says_which_one(folder: Path) -> None:
    write(
        folder, {"mine/slow.py": SLOW, "replies.txt": script("Wait\nAction: slow\nAction Input: a while", SO)}
    )
    with terminal(folder, *CHAT, "--tools-dir", "mine") as at:
        at.expect(READY)
        at.type("Wait!\r")
        at.expect("slow", "a while", "1 s")
        at.type(CTRL_C)
        told = at.expect("interrupted; what was done until then is kept", READY)
        assert "  \x1b[1;2mslow\x1b[0m  \x1b[2ma while\x1b[0m\r\n" in told
        at.type("/why\r")
        at.expect("Read as a call of slow", "stopped by: interruption", READY)
        at.type("And?\r")
        at.expect("Aye!")
        leave(at)


def test_a_chat_that_was_killed_is_gone_on_with(folder: Path) -> None:
    slowly = Drip("I know\nFinal Answer: " + "Arg " * 200, 0.1)
    with (
        FaultyServer(MULTIPLY, KNOWN, MULTIPLY, slowly) as server,
        terminal(folder, *OPENAI, **slow(server)) as at,
    ):
        at.expect(READY)
        at.type("What is 23 * 47?\r")
        at.expect("Arg, 1081!", READY)
        at.type("And again?\r")
        at.expect("Arg Arg")
        at.kill()
    with terminal(folder, *CHAT, "--continue") as at:
        at.expect("Going on with", "> ", "What is 23 * 47?", "Arg, 1081!", "And again?", "(no answer)", READY)
        at.type("/why\r")
        at.expect("Read as a call of calculator", "What came back", "stopped by: interruption", READY)
        at.type("What is 23 * 47?\r")
        at.expect("I need to multiply", "Arg, 1081!")
        leave(at)


# --- plain and narrow terminals --------------------------------------------------------------------------


@pytest.mark.parametrize("variable", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_without_colours_gets_none_and_nothing_moves(variable: Any, folder: Path) -> None:
    write(folder, {"replies.txt": script(MULTIPLY, KNOWN.replace("1081", "**1081**"))})
    with terminal(folder, *CHAT, **variable) as at:
        at.expect("> ")
        at.type("What is 23 * 47?\r")
        at.expect("Thought: I need to multiply", "Observation: 1081", "Arg, **1081**!", "> ")
        time.sleep(0.5)  # till the keys are read one by one
        at.type(CTRL_D)
        assert at.end() == 0
    assert (
        re.findall(r"\x1b\[[0-9;]*[1-9][0-9;]*m|⠋", at.raw.partition("**1081**")[0].partition("Thought")[2])
        == []
    )


def test_to_a_terminal_that_cannot_draw_nothing_but_text_is_written(folder: Path) -> None:
    with terminal(folder, *CHAT, TERM="dumb") as at:
        at.expect("> ")
        at.type("What is 23 * 47?\r")
        at.expect("Arg, 1081!", "> ")
        at.type("/edit\r")
        at.expect("this terminal cannot show what is to be changed; write /edit and a new question", "> ")
        at.type("/edit And half of it?\r")
        at.expect("Arg, 540.5!", "> ")
        time.sleep(0.5)  # till the keys are read one by one
        at.type(CTRL_D)
        assert at.end() == 0
    assert "\x1b" not in at.raw


def test_forty_columns_and_wide_characters(folder: Path) -> None:
    wide = "海賊" * 15
    table = f"| {'a long heading ' * 3} | another |\n|---|---|\n| {wide} | x |"
    write(folder, {"replies.txt": script(MULTIPLY, f"So {wide}\nFinal Answer: Arg {wide}\n\n{table}")})
    with terminal(folder, *CHAT, columns=40) as at:
        at.expect(READY)
        at.type("What is 23 * 47?\r")
        at.expect("another")
        leave(at)
    lines = drawn(at.raw).split("\n")
    assert sum(line.count("海") for line in lines if line.startswith(("Arg", "海"))) >= 15


# --- the hostile model -----------------------------------------------------------------------------------

EVIL = (
    "\x1b]0;title\x07\x1b]8;;http://x\x1b\\link\x1b]52;c;cm0=\x07\x1b[31m\x1b[2J\x9b2J\x9d0;x\x9c\u202eabc\x07\x7f"
    "&#x202e;&#x9b;<http://x/%1B%5D0;t%07>"
)
EVIL_TOOL = f"""\
from langchain_core.tools import StructuredTool

def run(text: str) -> str:
    return {EVIL + chr(13) + "over"!r}

evil = StructuredTool.from_function(run, name="evil", description={"Evil " + EVIL!r})
worse = StructuredTool.from_function(run, name={"worse" + EVIL!r}, description="Worse.")
evil.metadata = {{"risk": ["cost"]}}
"""
_ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def test_nothing_hostile_gets_raw_to_the_terminal(folder: Path) -> None:
    replies = (
        f"Hm {EVIL}\nAction: evil\nAction Input: {EVIL}",
        f"{EVIL}\nAction: {EVIL}\nAction Input: x",
        f"So {EVIL}\nFinal Answer: Arg {EVIL}\r\n\n# {EVIL}\n\n- x\rover\n\n```{EVIL}\nx\n```\nend",
    )
    write(folder, {"replies.txt": script(*replies), "mine/evil.py": EVIL_TOOL})
    write(folder, {"prompts/evil.md": f'---\nname: evil\ndescription: "x"\nversion: "1"\n---\n{EVIL}'})
    with Store.open(folder / "home/agent-app/sessions.db") as store:
        store.new_session(f"Title {EVIL}")
        list(_one_run(store))
    with terminal(folder, *CHAT, "--tools-dir", "mine", "--continue") as at:
        at.expect("Going on with", "Title ", "Stored", READY)
        at.type("Hi\r")
        at.expect("Run it (y, s, a, n, e)? ")
        at.type("y\n")
        at.expect("␍over", "end", READY)
        for command, told in (
            ("/why", ", 3 calls"),
            ("/why 3", "Call 3: the reply"),
            ("/tools", "Worse."),
            ("/tools off evil", "The tools are: "),
            ("/prompt", "evil"),
            ("/sessions", "Title "),
            ("/export", "Arg "),
            ("/export json", '"runs"'),
            ("/rename x", "This session is called: x"),
        ):
            at.type(f"{command}\r")
            at.expect(command, told, READY)
        at.type(CTRL_D)
        assert at.end() == 0
    assert clean("\x1b]0;title\x07") in at.raw
    assert _ACTS.findall(drawn(at.raw)) == []
    assert "\x1b[2J" not in at.raw
    assert "\x1b[31m" not in at.raw


def _one_run(store: Store) -> Any:
    from agent_app.events import Finished, Started
    from agent_app.sessions import record
    from agent_app.steps import Answer, PromptRef, Result, Usage

    ref, answer = PromptRef("mate", "7", "0"), Answer(f"Stored {EVIL}")
    result = Result(f"Asked {EVIL}", answer.text, (answer,), "answered", None, Usage(), ref, f"model {EVIL}")
    session = store.new_session(f"Title {EVIL}")
    return record([Started(result.question, ref, result.model), Finished(result)], session)
