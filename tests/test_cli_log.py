"""`agent-app log`: each command as a user calls it, and all that it prints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest
from said import Caller

from agent_app.places import session_file
from agent_app.sessions import Session, Store, as_dict, as_markdown
from agent_app.steps import Action, Answer, Observation, PromptRef, Result, Step, Unreadable, Usage

EVIL = "\x1b]52;c;cm0=\x07\x9b2J\u202eabc"
SHOWN = "␛]52;c;cm0=␇<U+009B>2J<U+202E>abc"


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Caller:
    """Call `agent-app log` in this process, where nobody has kept anything yet; return what it printed."""
    monkeypatch.setattr(platformdirs, "user_data_path", lambda *_, **__: tmp_path / "user")
    monkeypatch.chdir(tmp_path)

    return Caller(monkeypatch, capsys, "log")


def add(session: Session, question: str, *steps: Step, error: str | None = None, model: str = "m") -> None:
    answer = steps[-1].text if steps and isinstance(steps[-1], Answer) else ""
    result = Result(
        question,
        answer,
        steps,
        "answered" if answer else "stopped",
        "error" if error else None,
        Usage(1),
        PromptRef("pirate", "1", "abc"),
        model,
        error=error,
    )
    session.begin(question, result.prompt, model).finish(result)


@pytest.fixture
def kept(call: Caller) -> tuple[str, str, str]:
    """Two sessions and a fork of the second one; their ids, the latest last."""
    with Store.open() as store:
        first, second = store.new_session(), store.new_session("Sums")
        add(first, "When is high\ntide?", Answer("Arg, at three"), model="scripted:x")
        sum_ = (Action("calculator", "23 * 47", "I must multiply"), Observation("1081"))
        add(
            second,
            "What is 23 * 47?",
            *sum_,
            Unreadable("hm"),
            Observation("say what"),
            Answer("Arg, **1081**"),
        )
        fork = second.fork()
        add(fork, "And now?", error="the server\nis down")
    return first.id, second.id, fork.id


def changed(*ids: str) -> list[str]:
    """When sessions were changed last, as the clock here shows it."""
    with Store.open() as store:
        infos = {info.id: info for info in store.sessions()}
    return [f"{infos[id_].changed.astimezone():%Y-%m-%d %H:%M}" for id_ in ids]


def begun(id_: str) -> list[str]:
    """When the runs of a session were begun, as the clock here shows it."""
    with Store.open() as store:
        return [f"{run.begun.astimezone():%Y-%m-%d %H:%M}" for run in store.session(id_).runs()]


# --- list ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [(), ("list",)])
def test_the_sessions_are_listed_the_last_changed_first(
    words: tuple[str], call: Caller, kept: tuple[str, ...]
) -> None:
    first, second, fork = kept
    at = changed(*kept)
    listed = (
        f"{fork}  {at[2]}  Sums                2 runs  m\n"
        f"{second}  {at[1]}  Sums                1 run   m\n"
        f"{first}  {at[0]}  When is high tide?  1 run   scripted:x\n"
    )
    assert call(*words) == (0, listed, "")


def test_a_list_that_was_cut_says_so(call: Caller, kept: tuple[str, ...]) -> None:
    code, out, err = call("list", "-n", "2")
    assert (code, [line.split()[0] for line in out.splitlines()]) == (0, [kept[2], kept[1]])
    assert err == "only the last 2 are shown; -n shows more\n"
    assert call("list", "-n", "3").err == ""
    for command in (("list",), ("search", "say")):
        code, _, err = call(*command, "-n", "9223372036854775807")
        assert (code, "is not in the range 1<=x<=1000000000" in err) == (2, True)


def test_the_list_as_json(call: Caller, kept: tuple[str, ...]) -> None:
    code, out, err = call("list", "--json")
    listed = json.loads(out)
    assert (code, err) == (0, "")
    assert [info["id"] for info in listed] == [*kept[::-1]]
    with Store.open() as store:
        info = store.sessions()[0]
    assert listed[0] == {
        "id": kept[2],
        "title": "Sums",
        "created": info.created.isoformat(),
        "changed": info.changed.isoformat(),
        "parent": kept[1],
        "runs": 2,
        "model": "m",
    }


def test_where_nothing_was_kept_no_file_is_made(call: Caller) -> None:
    assert call() == (0, "", "no session has been kept yet\n")
    assert call("list", "--json") == (0, "[]\n", "")
    assert call("show") == (2, "", "agent-app: no session has been kept yet\n")
    assert call("search", "tide") == (1, "", "nothing was found for 'tide'\n")
    assert call("delete", "abc", "--yes") == (2, "", "agent-app: unknown session 'abc'; there is none\n")
    assert not session_file().parent.exists()


# --- show and export -------------------------------------------------------------------------------


SUMS = """\
{id}  Sums

1  {at}  m
Question: What is 23 * 47?
Thought: I must multiply
Action: calculator
Action Input: 23 * 47
Observation: 1081
(a reply that could not be read) hm
Observation: say what
Answer: Arg, **1081**
"""


def test_a_session_is_shown_with_its_steps(call: Caller, kept: tuple[str, ...]) -> None:
    second = kept[1]
    assert call("show", second) == (0, SUMS.format(id=second, at=begun(second)[0]), "")


def test_the_latest_session_is_shown_without_steps(call: Caller, kept: tuple[str, ...]) -> None:
    _, second, fork = kept
    first_at, second_at = begun(fork)
    shown = (
        f"{fork}  Sums\nforked from {second}\n\n"
        f"1  {first_at}  m\nQuestion: What is 23 * 47?\nAnswer: Arg, **1081**\n\n"
        f"2  {second_at}  m\nQuestion: And now?\n(stopped by: error: the server␊is down)\n"
    )
    assert call("show", "-q") == (0, shown, "")


def test_a_session_as_json(call: Caller, kept: tuple[str, ...]) -> None:
    with Store.open() as store:
        data = as_dict(store.session(kept[1]))
    for words in (("show", kept[1], "--json"), ("export", kept[1], "-f", "json")):
        code, out, err = call(*words)
        assert (code, json.loads(out), err) == (0, data, "")


def test_a_session_as_markdown(call: Caller, kept: tuple[str, ...]) -> None:
    with Store.open() as store:
        first, fork = (as_markdown(store.session(id_)) for id_ in (kept[0], kept[2]))
    assert call("export", kept[0]) == (0, first, "")
    assert call("export", "--format", "markdown") == (0, fork, "")


def test_an_unknown_session_is_one_clear_line(call: Caller, kept: tuple[str, ...]) -> None:
    for command in ("show", "export", "delete"):
        code, out, err = call(command, kept[0] + "x")
        assert (code, out) == (2, "")
        assert err.startswith(f"agent-app: unknown session '{kept[0]}x'; did you mean '{kept[0]}'")


# --- search ----------------------------------------------------------------------------------------


def test_what_is_found_is_told_with_its_place(call: Caller, kept: tuple[str, ...]) -> None:
    first = kept[0]
    (at,) = begun(first)
    assert call("search", "tide", "THREE") == (0, f"{first}  run 1  {at}  question  When is high tide?\n", "")
    code, out, err = call("search", "say what", "--json", "-n", "1")
    (found,) = json.loads(out)
    assert (code, err) == (0, "")
    assert (found["run"], found["title"], found["place"]) == (1, "Sums", "question")
    for words, out in (((), ""), (("--json",), "[]\n")):
        assert call("search", "walrus", *words) == (1, out, "nothing was found for 'walrus'\n")


# --- delete ----------------------------------------------------------------------------------------


def test_a_session_is_deleted_for_good(call: Caller, kept: tuple[str, ...]) -> None:
    assert call("delete", kept[0], "--yes") == (0, "", f"deleted {kept[0]} (When is high tide?)\n")
    assert [line.split()[0] for line in call().out.splitlines()] == [kept[2], kept[1]]


def test_nothing_is_deleted_where_nobody_can_be_asked(call: Caller, kept: tuple[str, ...]) -> None:
    assert call("delete", kept[1]) == (
        2,
        "",
        f"agent-app: there is nobody to ask whether to delete {kept[1]} (Sums); give --yes\n",
    )
    assert len(call().out.splitlines()) == 3


@pytest.mark.skipif(
    sys.platform != "linux", reason="the user's folder is set another way, or there is no terminal"
)
@pytest.mark.parametrize(
    ("typed", "said", "code"),
    [("n", "nothing was deleted", 130), ("", "nothing was deleted", 130), ("y", "deleted", 0)],
)
def test_at_a_terminal_it_asks_before_it_deletes(typed: str, said: str, code: int, tmp_path: Path) -> None:
    import pty

    path = tmp_path / "agent-app" / "sessions.db"
    with Store.open(path) as store:
        session = store.new_session("Sums" + EVIL)
        add(session, "What is 2 + 2?")
    ours, theirs = pty.openpty()
    os.write(ours, f"{typed}\n".encode())
    done = subprocess.run(
        [sys.executable, "-m", "agent_app", "log", "delete", session.id],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "XDG_DATA_HOME": str(tmp_path)},
        timeout=60,
    )
    screen = os.read(ours, 10_000).decode().replace("\r\n", "\n")
    os.close(theirs)
    os.close(ours)
    name = f"{session.id} (Sums{SHOWN})"
    assert f"Delete the session {name}? [y/N]: " in screen
    assert screen.endswith(f"{said} {name}\n" if typed == "y" else f"{said}\n")
    assert done.returncode == code
    with Store.open(path) as store:
        assert len(store.sessions()) == (typed != "y")


# --- what is wrong with the file, and what is in it --------------------------------------------------


@pytest.mark.parametrize("words", [(), ("show",), ("search", "x"), ("export",), ("delete", "x", "-y")])
def test_a_damaged_file_is_one_clear_line(words: tuple[str, ...], call: Caller) -> None:
    session_file().parent.mkdir()
    session_file().write_text("Dear diary, " * 100)
    says = (
        "it is no file of sessions, or damaged; move it away, and a new one is begun (file is not a database)"
    )
    assert call(*words) == (2, "", f"agent-app: {session_file()}: {says}\n")


def test_nothing_of_a_hostile_session_reaches_the_terminal_raw(call: Caller) -> None:
    with Store.open() as store:
        session = store.new_session(EVIL)
        steps = (Action(EVIL, {"x": EVIL}, EVIL), Observation(EVIL + "\rover"), Answer(f"tide {EVIL}"))
        add(session, EVIL, *steps, model=EVIL)
        (at,) = changed(session.id)
        data = as_dict(session)
    for words in (
        (),
        ("show",),
        ("export",),
        ("search", "tide"),
        ("search", EVIL),
        ("list", "--json"),
        ("show", "--json"),
    ):
        code, out, err = call(*words)
        assert code == 0
        assert [c for c in out + err if c in "\x1b\x07\x9b\u202e\r"] == []
    assert json.loads(out) == data
    assert call().out == f"{session.id}  {at}  {SHOWN}  1 run  {SHOWN}\n"
    assert f"Observation: {SHOWN}␍over\nAnswer: tide {SHOWN}\n" in call("show").out


def test_help_of_each_command_has_an_example(call: Caller) -> None:
    for command in ("list", "show", "search", "export", "delete"):
        code, out, err = call(command, "--help")
        assert (code, err) == (0, "")
        assert f"\n    agent-app log {command}" in out
