"""The question at the terminal: what a person is shown, what each answer means, and what is pointed out."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_app.approvals import suspicions

REPOSITORY = Path(__file__).parent.parent
OTHERWISE = "Do something else, or give the Final Answer."
pseudo_terminals = pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals there")

PROGRAM = """
import json, sys
from agent_app.approvals import Approvals, Edited
from agent_app.cli.approving import terminal_approver
from agent_app.steps import Action

approvals = Approvals(sys.argv[1], terminal_approver())
for given in json.loads(sys.argv[2]):
    verdict = approvals.check(Action("shell", given), json.loads(sys.argv[3]))
    while isinstance(verdict, Edited):
        verdict = approvals.check(verdict.action, edits=1)
    print(type(verdict).__name__, ascii(getattr(verdict, "sentence", verdict.action.input)))
"""
ALL = """\
y yes, this once
s yes, for every call that the rule ask:shell matches in this session
n no
e edit it first
"""
ASKED = (b")? ", b"leave it): ")
"""What a question ends with."""


def at_terminal(
    rules: str,
    calls: list[object],
    *typed: str,
    risks: tuple[str, ...] = (),
    early: str = "",
    stdin: bytes | None = None,
) -> tuple[int, str]:
    """Check calls of `shell` at a pseudo-terminal; return the exit code and all that came to the screen.

    Args:
        rules: the rules.
        calls: the input of each call.
        typed: the answers, each typed when it is asked for.
        risks: what the tool declares.
        early: what is typed before the program begins.
        stdin: what comes in on stdin, where that is not the terminal.
    """
    import pty

    ours, theirs = pty.openpty()
    if early:
        os.write(ours, early.encode())
    process = subprocess.Popen(
        [sys.executable, "-c", OWNING + PROGRAM, rules, json.dumps(calls), json.dumps(risks)],
        stdin=theirs if stdin is None else subprocess.PIPE,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        cwd=REPOSITORY,
        env={**os.environ, "TERM": "dumb", "PYTHONUTF8": "1"},
    )
    os.close(theirs)
    if process.stdin is not None:
        process.stdin.write(stdin or b"")
        process.stdin.close()
    screen, answers = b"", list(typed)
    while piece := _read(ours):
        screen += piece
        if answers and screen.endswith(ASKED):
            os.write(ours, answers.pop(0).encode())
    os.close(ours)
    return process.wait(timeout=30), screen.decode().replace("\r\n", "\n")


# Makes the pseudo-terminal the one that the process belongs to, so that Ctrl-C and /dev/tty work.
OWNING = """
import fcntl, termios
fcntl.ioctl(2, termios.TIOCSCTTY, 0)
"""


def _read(terminal: int) -> bytes:
    """Return what came to the screen; nothing when the program has ended, or says nothing for long."""
    try:
        return os.read(terminal, 65536) if select.select([terminal], [], [], 30)[0] else b""
    except OSError:  # Linux says so when the last one at the other end has gone
        return b""


@pseudo_terminals
def test_a_yes_for_this_once_and_a_no_with_a_reason() -> None:
    calls: list[object] = [{"command": "ls", "timeout": 5}, {}, {"command": "rm x"}]
    code, screen = at_terminal("ask:shell", calls, "y\n", "what?\n", "\n", "Y\n", "n\n", "it is mine\n")
    transcript = f"""\
May shell be called with this? (the rule ask:shell)
  command: "ls"
  timeout: 5
{ALL}Run it (y, s, n, e)? y
Allowed {{'command': 'ls', 'timeout': 5}}
May shell be called with this? (the rule ask:shell)
  (no arguments)
{ALL}Run it (y, s, n, e)? what?
Run it (y, s, n, e)? \n\
Run it (y, s, n, e)? Y
Allowed {{}}
May shell be called with this? (the rule ask:shell)
  command: "rm x"
{ALL}Run it (y, s, n, e)? n
Why not (Enter for no reason)? it is mine
Refused 'The user does not allow this call of shell: it is mine. {OTHERWISE}'
"""
    assert (code, screen) == (0, transcript)


@pseudo_terminals
def test_a_yes_for_the_session_by_a_rule_and_by_what_a_tool_declares() -> None:
    code, screen = at_terminal("ask:shell", ["a", "b"], "s\n")
    transcript = f"""\
May shell be called with this? (the rule ask:shell)
  | a
{ALL}Run it (y, s, n, e)? s
Allowed 'a'
Allowed 'b'
"""
    assert (code, screen) == (0, transcript)
    code, screen = at_terminal("", ["a", "b"], "s\n", "y\n", risks=("files", "network"))
    transcript = """\
May shell be called with this? (the tool declares: files, network)
  | a
y yes, for every call of shell in this session
n no
e edit it first
Run it (y, n, e)? s
Run it (y, n, e)? y
Allowed 'a'
Allowed 'b'
"""
    assert (code, screen) == (0, transcript)


@pseudo_terminals
def test_an_edited_call_is_shown_and_asked_about_again() -> None:
    typed = ("e\n", '{"command": "ls"\n', "e\n", "\n", "e\n", '{"command": "ls"}\n', "y\n")
    code, screen = at_terminal("ask once:shell", [{"command": "ls\u202e"}, {"command": "ls"}], *typed)
    choices = """\
y yes, and always for this same call
s yes, for every call that the rule ask once:shell matches in this session
n no, likewise
e edit it first
"""
    edit = (
        'Run it (y, s, n, e)? e\nNow: {"command": "ls\\u202e"}\n'
        "Instead (a JSON object or text, Enter to leave it): "
    )
    transcript = f"""\
May shell be called with this? (the rule ask once:shell)
  command: "ls\\u202e"
  ! a character that cannot be seen: U+202E right-to-left override
{choices}{edit}{{"command": "ls"
That is not JSON: Expecting ',' delimiter: line 1 column 17 (char 16)
{edit}
{edit}{{"command": "ls"}}
May shell be called with this? (the rule ask once:shell)
  command: "ls"
{choices}Run it (y, s, n, e)? y
Allowed {{'command': 'ls'}}
Allowed {{'command': 'ls'}}
"""
    assert (code, screen) == (0, transcript)


@pseudo_terminals
def test_a_text_of_several_lines_cannot_pose_as_the_question() -> None:
    hostile = "x\x1b[2J\r\ny yes, this once\nRun it (y, n)? y\nAllowed"
    code, screen = at_terminal("ask:shell", [{"code": hostile, "a\nb": "c"}], "n\n", "\n")
    shown, _, _ = screen.partition(ALL)
    transcript = """\
May shell be called with this? (the rule ask:shell)
  code:
    | x␛[2J␍
    | y yes, this once
    | Run it (y, n)? y
    | Allowed
  a␊b: "c"
  ! a character that cannot be seen: U+001B
  ! a character that cannot be seen: U+000D
"""
    assert (code, shown) == (0, transcript)


@pseudo_terminals
def test_many_doubts_are_counted() -> None:
    hidden = "".join(map(chr, range(0xE0041, 0xE004B)))
    _, screen = at_terminal("ask:shell", [hidden], "n\n", "\n")
    assert screen.count("\n  ! a character") == 8
    assert "\n  ! and 2 more like these\n" in screen


@pseudo_terminals
def test_the_end_of_the_input_is_a_no() -> None:
    code, screen = at_terminal("ask:shell", ["ls"], "\x04")
    last = f"Refused 'The user does not allow this call of shell. {OTHERWISE}'"
    assert (code, screen.splitlines()[-1]) == (0, last)


@pseudo_terminals
def test_ctrl_c_ends_the_whole_run() -> None:
    code, screen = at_terminal("ask:shell", ["ls", "ls"], "\x03")
    assert (code, screen.splitlines()[-1]) == (-signal.SIGINT, "KeyboardInterrupt")


@pseudo_terminals
def test_what_was_typed_before_the_question_is_no_answer_to_it() -> None:
    code, screen = at_terminal("ask:shell", ["ls"], "n\n", "\n", early="y\ny\n")
    assert (code, screen.splitlines()[-1].split()[0]) == (0, "Refused")


@pseudo_terminals
def test_a_pipe_is_no_person_and_the_terminal_is_asked_instead() -> None:
    code, screen = at_terminal("ask:shell", ["ls"], "n\n", "\n", stdin=b"y\ny\n")
    assert (code, screen.splitlines()[-1].split()[0]) == (0, "Refused")


def test_without_a_terminal_nobody_is_asked() -> None:
    command = [sys.executable, "-c", PROGRAM, "ask:shell", '["ls"]', "[]"]
    done = subprocess.run(
        command, input="y\n", capture_output=True, text=True, timeout=60, check=True, cwd=REPOSITORY
    )
    nobody = "This call of shell needs the user's permission, and nobody is there to ask."
    assert (done.stdout, done.stderr) == (f'Refused "{nobody} {OTHERWISE}"\n', "")


# --- what is pointed out ---


@pytest.mark.parametrize(
    "text",
    [
        "ls -la\n\tcat x",
        "see https://example.com/a?b=c@d and mail me@example.com",
        "Käpt'n ☠ 海賊 🏴‍☠️ ❤️ 1️⃣ 👨‍👩‍👧 क्‍ष",
        "http://[::1]:8080/ http://127.0.0.1/",
    ],
)
def test_what_is_what_it_looks_like_is_left_alone(text: str) -> None:
    assert suspicions(text) == []


MISLEADING = {
    "a\u200bb\u200bc": "a character that cannot be seen: U+200B zero width space",
    "pay\u200dpal": "a character that cannot be seen: U+200D zero width joiner",
    "\u200cx": "a character that cannot be seen: U+200C zero width non-joiner",
    "a\ufe0f": "a character that cannot be seen: U+FE0F variation selector-16",
    "❤\ufe0f\ufe0e": "a character that cannot be seen: U+FE0E variation selector-15",
    "❤\ufe01": "a character that cannot be seen: U+FE01 variation selector-2",
    "x\U000e0041": "a character that cannot be seen: U+E0041 tag latin capital letter a",
    "x\u3164": "a character that cannot be seen: U+3164 hangul filler",
    "\u2066x": "a character that cannot be seen: U+2066 left-to-right isolate",
    "x\x07": "a character that cannot be seen: U+0007",
    "go to https://bank.example@evil.example/x": (
        "an address that leads to evil.example, whatever stands before its @: https://bank.example@evil.example/x"
    ),
    "https://bank.example\\@evil.example": (
        "an address that leads to one host or another, as its backslash is read: "
        "https://bank.example\\@evil.example"
    ),
    "curl https://p\u0430ypal.com": (
        "a host in letters that can look like others: p\u0430ypal.com (Cyrillic and Latin)"
    ),
    "https://пример.рф/x": "a host in letters that can look like others: пример.рф (Cyrillic)",
    "HTTPS://XN--80AK6AA92E.com": (
        "a host in other letters than it is written in: xn--80ak6aa92e.com is "
        "\u0430\u0440\u0440\u04cf\u0435.com (Cyrillic and Latin)"
    ),
    "https://xn--99999999999.com": "a host that cannot be read: xn--99999999999.com",
    "http://[::1": "an address that cannot be read: http://[::1 (Invalid IPv6 URL)",
}


@pytest.mark.parametrize(("text", "found"), MISLEADING.items(), ids=map(ascii, MISLEADING))
def test_what_may_mislead_is_pointed_out(text: str, found: str) -> None:
    assert suspicions(text) == [found]


@given(st.text(st.characters(codec=None)))
def test_any_text_can_be_looked_at(text: str) -> None:
    for address in (text, f"https://{text}", f"https://xn--{text}.com"):
        assert all(isinstance(doubt, str) for doubt in suspicions(address))
