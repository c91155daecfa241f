"""The chat as plain values: what each command says, and what becomes of the conversation."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from chats import FILES, HALF, HALVED, KNOWN, MULTIPLY, script, write

from agent_app.approvals import Allow, Decision, Refuse, Request, Rule
from agent_app.chat import (
    Ask,
    ClearScreen,
    Conversation,
    Copy,
    Effect,
    Explain,
    Leave,
    Loader,
    Loading,
    Permissions,
    Rewrite,
    Rows,
    Section,
    Setup,
    Tell,
    Turns,
    Write,
    completions,
    effects_of,
    resumed,
)
from agent_app.chat.calls import ModelCall
from agent_app.chat.commands import COMMANDS
from agent_app.errors import ScriptError, StoreError, UserError
from agent_app.events import Event, Finished, Stepped
from agent_app.sessions import Store, as_dict, as_markdown
from agent_app.settings import Settings
from agent_app.steps import Observation

BOTH = (MULTIPLY, KNOWN, HALF, HALVED)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for kind in ("DATA", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    write(tmp_path, FILES)
    return tmp_path


@pytest.fixture
def store() -> Iterator[Store]:
    with Store.in_memory() as store:
        yield store


def chat_of(
    store: Store, *replies: str, rules: tuple[str, ...] = (), prompt: str = "mate.md"
) -> Conversation:
    """A conversation with a model that gives these replies."""
    Path("replies.txt").write_text(script(*replies or BOTH), encoding="utf-8")
    permissions = Permissions(rules)
    loader = Loader(Settings(tools_dir=Path("mine")), permissions.approvals)
    setup = Setup("scripted:replies.txt", prompt)
    return Conversation(setup, loader, permissions, store, store.new_session())


def ask(chat: Conversation, question: str, *, instead: bool = False) -> str:
    """Ask, and return the answer."""
    *_, last = chat.ask(question, instead=instead)
    assert isinstance(last, Finished)
    return last.result.text


def done(chat: Conversation, line: str) -> list[Effect]:
    return list(effects_of(chat, line))


def refused(chat: Conversation, line: str) -> str:
    with pytest.raises(UserError) as error:
        done(chat, line)
    return str(error.value)


@pytest.fixture
def chat(folder: Path, store: Store) -> Conversation:
    """A conversation in which two questions were asked."""
    chat = chat_of(store)
    assert ask(chat, "What is 23 * 47?") == "Arg, 1081!"
    assert ask(chat, "And half of it?") == "Arg, 540.5!"
    return chat


# --- asking ----------------------------------------------------------------------------------------


def test_a_follow_up_question_knows_what_was_said(chat: Conversation) -> None:
    (section,) = [s for s in _sections(chat, "/why 1") if s.title == "Call 1: the whole prompt"]
    earlier = "Earlier in this conversation:\n\nQuestion: What is 23 * 47?\nFinal Answer: Arg, 1081!\n\n"
    assert section.text.endswith(f"{earlier}Question: And half of it?\nThought:")


def test_what_is_no_command_is_asked(chat: Conversation) -> None:
    assert done(chat, "  and in metres? ") == [Ask("and in metres?")]
    assert done(chat, " /etc/passwd, what is it?") == [Ask("/etc/passwd, what is it?")]
    assert done(chat, "  ") == []


def test_an_unknown_command_is_not_asked_and_the_nearest_are_named(chat: Conversation) -> None:
    assert refused(chat, "/promt pirate") == (
        "unknown command '/promt'; did you mean '/prompt' or '/export'? (a question may begin with a space)"
    )
    known = ", ".join(f"/{name}" for name in COMMANDS)
    assert refused(chat, "/") == f"unknown command '/'; known: {known} (a question may begin with a space)"


def test_a_command_that_takes_nothing_refuses_what_stands_after_it(chat: Conversation) -> None:
    assert refused(chat, "/undo 3") == "write /undo alone; nothing stands after it"
    assert done(chat, "/undo ") == [Tell("Taken back: And half of it?")]


def test_a_prompt_without_a_place_for_history_is_asked_without_it(folder: Path, store: Store) -> None:
    write(folder, {"alone.md": FILES["mate.md"].replace("{history}", "").replace("mate", "alone")})
    chat = chat_of(store, prompt="alone.md")
    assert not chat.has_memory
    assert [ask(chat, "What is 23 * 47?"), ask(chat, "And half of it?")] == ["Arg, 1081!", "Arg, 540.5!"]


def test_what_cannot_be_loaded_is_told_when_it_is_asked_and_tried_again(folder: Path, store: Store) -> None:
    chat = chat_of(store)
    Path("replies.txt").rename("later.txt")
    with pytest.raises(UserError, match=r"^cannot read the scripted replies replies\.txt: No such file"):
        ask(chat, "What is 23 * 47?")
    Path("later.txt").rename("replies.txt")
    assert ask(chat, "What is 23 * 47?") == "Arg, 1081!"


def test_loading_happens_behind_the_prompt(folder: Path, store: Store) -> None:
    chat, loaded = chat_of(store), threading.Event()
    assert chat.state == "loading"
    chat.begin_loading(then=loaded.set)
    assert loaded.wait(60)
    assert (chat.state, chat.problem) == ("ready", "")
    write(folder, {"mate.md": "no prompt"})
    failed = chat_of(store, prompt="plain")
    failed.setup = Setup("scripted:none.txt", "plain")
    loaded.clear()
    failed.begin_loading(then=loaded.set)
    assert loaded.wait(60)
    told = "cannot read the scripted replies none.txt: No such file or directory"
    assert (failed.state, failed.problem) == ("failed", told)


# --- commands about what was said --------------------------------------------------------------------


def test_help_lists_every_command_with_one_line(chat: Conversation) -> None:
    (rows,) = done(chat, "/help")
    assert isinstance(rows, Rows)
    assert [row[0].split()[0] for row in rows.rows] == [f"/{name}" for name in COMMANDS]
    assert all(len(row) == 2 and row[1] and "\n" not in row[1] for row in rows.rows)
    assert done(chat, "/help /undo") == [Rows([("/undo", "take the last question and its answer back")])]
    assert refused(chat, "/help nothing").startswith("unknown command '/nothing'; ")


def test_the_page_about_the_chat_names_every_command() -> None:
    page = (Path(__file__).parent.parent / "docs/chat.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"`/{name}" not in page] == []


def _sections(chat: Conversation, line: str) -> list[Section]:
    (explained,) = done(chat, line)
    assert isinstance(explained, Explain)
    return [Section(_masked(section.title), section.text) for section in explained.sections]


def _masked(text: str) -> str:
    """Leave out what depends on the machine, and on how many words the tools' descriptions have."""
    return re.sub(r"\d+(?:\.\d+ (?=s)| (?=tokens read|before))", "N ", text)


def test_why_tells_every_step_with_prompt_reply_tokens_and_times(folder: Path, store: Store) -> None:
    chat = chat_of(store, "Hm\n**Action:** calculator\nAction Input: 23 * 47", "Action:", KNOWN)
    ask(chat, "What is 23 * 47?")
    unreadable = chat.results[0].steps[3].text  # type: ignore[union-attr]
    assert _sections(chat, "/why") == [
        Section("scripted:replies.txt, prompt mate 7", "What is 23 * 47?"),
        Section("Call 1: the prompt", chat.calls[0].prompt),  # type: ignore[union-attr]
        Section(
            "Call 1: the reply, N tokens read, 8 written, N s",
            "Hm\n**Action:** calculator\nAction Input: 23 * 47",
        ),
        Section("Read as a call of calculator; forgiven: decorated label", "23 * 47"),
        Section("What came back, after N s", "1081"),
        Section(
            "Call 2: the prompt, its last lines; /why 2 shows the N before too",
            "Thought: Hm\nAction: calculator\nAction Input: 23 * 47\nObservation: 1081\nThought:",
        ),
        Section("Call 2: the reply, N tokens read, 1 written, N s", "Action:"),
        Section("Could not be read"),
        Section("What went wrong", unreadable),
        Section(
            "Call 3: the prompt, its last lines; /why 3 shows the N before too",
            f"Thought: Action:\nObservation: {unreadable}\nThought:",
        ),
        Section("Call 3: the reply, N tokens read, 10 written, N s", KNOWN),
        Section("Read as the answer", "Arg, 1081!"),
        Section("answered, 3 calls, N tokens read, 19 written, N s"),
    ]


def test_the_calls_of_an_agent_within_a_tool_are_not_taken_for_the_agents_own(
    folder: Path, store: Store
) -> None:
    inner = """\
from agent_app import Agent
from agent_app.models.scripted import ScriptedModel

mate = Agent(ScriptedModel(replies=["So\\nFinal Answer: aye"]), "mate.md", []).as_tool()
"""
    write(folder, {"mine/mate.py": inner})
    chat = chat_of(store, "Ask\nAction: ask_mate\nAction Input: Aye?", KNOWN)
    assert ask(chat, "Who knows?") == "Arg, 1081!"
    assert [type(call).__name__ for call in chat.calls] == ["ModelCall", "ToolCall", "ModelCall"]
    assert chat.calls[2].reply == KNOWN  # type: ignore[union-attr]


def test_a_time_is_told_of_a_tool_that_ran_and_of_no_other(folder: Path, store: Store) -> None:
    chat = chat_of(store, MULTIPLY, MULTIPLY, KNOWN)
    seconds = [chat.tool_seconds() for event in chat.ask("What?") if _is_observation(event)]
    assert [type(s).__name__ for s in seconds] == ["float", "NoneType"]


def _is_observation(event: Event) -> bool:
    return isinstance(event, Stepped) and isinstance(event.step, Observation)


def test_why_with_a_number_shows_all_of_that_call(chat: Conversation) -> None:
    whole, reply = _sections(chat, "/why 2")
    assert whole.text.startswith("Ye have these tools:\ncalculator: ")
    assert whole.text.endswith("Action Input: 1081 / 2\nObservation: 540.5\nThought:")
    assert reply == Section("Call 2: the reply, N tokens read, 7 written, N s", HALVED)
    assert refused(chat, "/why 3") == "there is no call 3 of the model; the last answer took 2"
    assert refused(chat, "/why two") == "not a number: 'two'"


def test_why_of_an_answer_from_an_earlier_chat_says_what_is_not_kept(chat: Conversation) -> None:
    chat.resume(chat.session)
    sections = _sections(chat, "/why")
    assert [section.title for section in sections] == [
        "scripted:replies.txt, prompt mate 7",
        "Read as a call of calculator",
        "What came back",
        "Read as the answer",
        "answered, 2 calls, N tokens read, 17 written, N s",
        "The prompts and raw replies of this answer are not kept any more.",
    ]
    assert refused(chat, "/why 1") == "no call of the model is kept of the last answer"


def test_usage_tells_of_the_last_answer_and_of_all(chat: Conversation) -> None:
    (rows,) = done(chat, "/usage")
    assert isinstance(rows, Rows)
    assert [(name, _masked(text)) for name, text in rows.rows] == [
        ("last answer", "2 calls, N tokens read, 17 written, N s"),
        ("all 2", "4 calls, N tokens read, 38 written, N s"),
    ]


def test_an_answer_is_taken_back_and_restored(chat: Conversation) -> None:
    second = chat.results[1]
    assert done(chat, "/undo") == [Tell("Taken back: And half of it?")]
    assert [result.question for result in chat.results] == ["What is 23 * 47?"]
    assert done(chat, "/redo") == [Turns([second])]
    assert done(chat, "/redo") == [Tell("There is nothing to restore.")]
    assert [done(chat, "/undo"), done(chat, "/undo"), done(chat, "/undo")][2] == [
        Tell("There is nothing to take back.")
    ]
    assert refused(chat, "/retry") == "nothing has been asked yet"


def test_the_last_question_is_asked_again_in_its_own_place(chat: Conversation) -> None:
    assert done(chat, "/retry") == [Ask("And half of it?", instead=True)]
    assert done(chat, "/edit And twice?") == [Ask("And twice?", instead=True)]
    assert done(chat, "/edit") == [Rewrite("And half of it?")]
    done(chat, "/undo")
    write(Path(), {"more.txt": script(HALF, "So\nFinal Answer: Aye!")})
    done(chat, "/model scripted:more.txt")
    assert ask(chat, "And half?", instead=True) == "Aye!"
    assert [result.question for result in chat.results] == ["And half?"]


def test_an_attempt_that_comes_to_nothing_leaves_the_answer_before(chat: Conversation) -> None:
    before, calls = chat.results, chat.calls
    with pytest.raises(ScriptError):
        ask(chat, "And half of it?", instead=True)
    assert (chat.results, chat.calls) == (before, calls)
    write(Path(), {"more.txt": script("Action:", "Action:", "Action:", "Action:", HALF, "Aye")})
    done(chat, "/model scripted:more.txt")
    assert ask(chat, "And half of it?", instead=True) == ""  # it was stopped by a limit
    assert (chat.results, chat.calls) == (before, calls)
    with closing(chat.ask("And half of it?", instead=True)) as events:  # as Ctrl-C closes it
        while not _is_observation(next(events)):
            pass
        assert len(chat.results) == 3
    assert (chat.results, chat.calls) == (before, calls)
    assert done(chat, "/redo") == [Tell("There is nothing to restore.")]


def test_what_an_answer_takes_the_place_of_is_no_history_of_it(chat: Conversation) -> None:
    write(Path(), {"more.txt": script(HALVED)})
    done(chat, "/model scripted:more.txt")
    ask(chat, "And half of it?", instead=True)
    (call,) = chat.calls
    assert isinstance(call, ModelCall)
    assert call.prompt.count("Final Answer: Arg, 1081!") == 1
    assert "Final Answer: Arg, 540.5!" not in call.prompt


def test_the_answer_is_copied_and_nothing_else(chat: Conversation) -> None:
    assert done(chat, "/copy") == [Copy("Arg, 540.5!")]


def test_the_session_is_saved_and_shown_as_a_document_and_as_data(chat: Conversation, folder: Path) -> None:
    assert done(chat, "/export") == [Write(as_markdown(chat.session))]
    (written,) = done(chat, "/export json")
    assert isinstance(written, Write)
    assert json.loads(written.text) == as_dict(chat.session)
    assert refused(chat, "/export pdf") == "unknown form 'pdf'; known: json, markdown"
    assert done(chat, "/save log.md") == [Tell("Saved in log.md.")]
    assert (folder / "log.md").read_text(encoding="utf-8") == as_markdown(chat.session)
    assert refused(chat, "/save log.md") == "log.md is there already; name another file"
    assert done(chat, "/save log.json") == [Tell("Saved in log.json.")]
    assert json.loads((folder / "log.json").read_text(encoding="utf-8")) == as_dict(chat.session)
    assert refused(chat, "/save") == "write /save and a file, such as /save chat.md or /save chat.json"
    assert refused(chat, "/save no/log.md") == "cannot write no/log.md: No such file or directory"
    assert refused(chat, "/save log.pdf") == "unknown form 'pdf'; known: json, markdown"


# --- commands about sessions -------------------------------------------------------------------------


def test_sessions_are_listed_named_copied_and_gone_on_with(chat: Conversation) -> None:
    first = chat.session.id
    assert done(chat, "/rename Sums") == [Tell("This session is called: Sums")]
    assert refused(chat, "/rename") == "write /rename and a title"
    (told,) = done(chat, "/fork")
    second = chat.session.id
    assert told == Tell(f"Going on in a copy, {second}; {first} stays as it is.")
    done(chat, "/undo")
    (rows,) = done(chat, "/sessions")
    assert isinstance(rows, Rows)
    assert [(row[0], *row[2:]) for row in rows.rows] == [
        (f"* {second}", "1", "Sums"),
        (f"  {first}", "2", "Sums"),
    ]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", row[1]) for row in rows.rows)
    assert done(chat, f"/sessions {first}") == [
        Tell(f"Going on with {first}: Sums"),
        Turns(chat.store.session(first).history()),
    ]
    assert [choice.text for choice in completions(chat, "/sessions ")] == [second, first]
    assert refused(chat, "/sessions nothing").startswith("unknown session 'nothing'; ")


def test_clear_begins_a_new_session_and_keeps_the_old(chat: Conversation) -> None:
    before = chat.session.id
    assert done(chat, "/clear") == [
        ClearScreen(),
        Tell(f"A new session. /sessions {before} goes back to the one before."),
    ]
    assert chat.session.id != before
    assert chat.results == ()
    assert done(chat, "/clear") == [ClearScreen(), Tell("A new session.")]


def test_a_session_that_was_deleted_elsewhere_can_be_left(chat: Conversation, store: Store) -> None:
    done(chat, "What is 23 * 47?")
    store.delete(chat.session.id)
    with pytest.raises(StoreError, match="has been deleted; begin a new one"):
        done(chat, "/usage")
    assert chat.kept == ()
    assert done(chat, "/clear") == [ClearScreen(), Tell("A new session.")]
    assert chat.results == ()


def test_a_title_keeps_no_secret(chat: Conversation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHIP_TOKEN", "hispaniola")
    assert done(chat, "/rename the hispaniola") == [Tell("This session is called: the [secret: SHIP_TOKEN]")]


@pytest.mark.parametrize(
    ("name", "problem"), [("~nobody.md", "there is no user of that name"), ("a\0.md", "a NUL character")]
)
def test_a_name_that_no_file_can_have_is_told(chat: Conversation, name: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        done(chat, f"/save {name}")


def test_resuming_shows_the_last_turns(chat: Conversation) -> None:
    assert list(resumed(chat)) == [
        Tell(f"Going on with {chat.session.id}: What is 23 * 47?"),
        Turns(chat.results),
    ]


def test_quit_leaves(chat: Conversation) -> None:
    assert done(chat, "/quit") == [Leave()]


# --- commands about what answers ---------------------------------------------------------------------


def test_prompts_are_listed_and_switched_with_the_history_kept(chat: Conversation) -> None:
    (rows,) = done(chat, "/prompt")
    assert isinstance(rows, Rows)
    assert [row[0] for row in rows.rows] == ["  pirate", "  pirate-soft", "  pirate-soft-qwen", "  plain"]
    assert done(chat, "/prompt plain") == [Loading(), Tell("The prompt is plain now.")]
    assert (chat.prompt.name, len(chat.results)) == ("plain", 2)
    (rows,) = done(chat, "/prompt")
    assert isinstance(rows, Rows)
    assert [row[0] for row in rows.rows] == ["  pirate", "  pirate-soft", "  pirate-soft-qwen", "* plain"]
    assert refused(chat, "/prompt pirat") == "unknown prompt 'pirat'; did you mean 'pirate' or 'pirate-soft'?"
    assert chat.prompt.name == "plain"


def test_a_prompt_that_knows_no_history_says_so(chat: Conversation, folder: Path) -> None:
    write(folder, {"alone.md": FILES["mate.md"].replace("{history}", "").replace("mate", "alone")})
    assert done(chat, "/prompt alone.md")[1:] == [
        Tell("The prompt is alone now."),
        Tell("This prompt shows the model nothing of what was said before; each question stands alone."),
    ]


def test_personas_are_those_of_the_prompt(chat: Conversation) -> None:
    assert refused(chat, "/persona butler").startswith("mate.md: the prompt 'mate' has no part 'persona'; ")
    done(chat, "/prompt pirate")
    names = ["  bard", "  butler", "  noir", "* pirate", "  plain"]
    assert done(chat, "/persona") == [Rows([(name,) for name in names])]
    assert done(chat, "/persona butler") == [Loading(), Tell("The persona is butler now.")]
    assert (chat.setup.persona, len(chat.results)) == ("butler", 2)
    assert refused(chat, "/persona buttler") == "unknown persona 'buttler'; did you mean 'butler'?"


def test_models_are_listed_and_one_that_cannot_be_loaded_changes_nothing(chat: Conversation) -> None:
    (rows,) = done(chat, "/model")
    assert isinstance(rows, Rows)
    assert rows.rows[0] == ("* scripted:replies.txt", "")
    assert [row[0] for row in rows.rows[-3:]] == ["  embedded:PATH.gguf", "  openai:NAME", "  PROVIDER:NAME"]
    agent = chat.agent()
    assert refused(chat, "/model embeded") == "unknown model 'embeded'; did you mean 'embedded'?"
    assert (chat.agent() is agent, chat.setup.model) == (True, "scripted:replies.txt")
    write(Path(), {"more.txt": script("So\nFinal Answer: Aye!")})
    assert done(chat, "/model scripted:more.txt") == [Loading(), Tell("The model is scripted:more.txt now.")]
    assert ask(chat, "Really?") == "Aye!"


def test_tools_are_offered_no_more_and_again(chat: Conversation) -> None:
    loading, rows = done(chat, "/tools")
    assert isinstance(rows, Rows)
    assert (loading, [row[:2] for row in rows.rows]) == (
        Loading(),
        [("calculator", "on"), ("clock", "on"), ("web_search", "on"), ("shell", "on")],
    )
    assert rows.rows[3][2] == "Run a command."
    assert done(chat, "/tools off web_search shell")[1:] == [Tell("The tools are: calculator, clock.")]
    assert chat.offered == ("calculator", "clock")
    assert done(chat, "/tools on shell")[1:] == [Tell("The tools are: calculator, clock, shell.")]
    assert refused(chat, "/tools off clok") == "unknown tool 'clok'; did you mean 'clock'?"
    assert refused(chat, "/tools clock") == "write /tools, or /tools on NAME, or /tools off NAME"
    done(chat, "/tools off calculator clock shell")
    assert [*chat.offered] == []


def test_switching_another_thing_keeps_the_loaded_model(folder: Path, store: Store) -> None:
    chat = chat_of(store)
    ask(chat, "What is 23 * 47?")
    done(chat, "/tools off web_search")
    assert ask(chat, "And half of it?") == "Arg, 540.5!"  # the third and fourth reply of the same script


# --- what tools may do ---------------------------------------------------------------------------------


RUN = "Look\nAction: shell\nAction Input: ls"
SO = "So\nFinal Answer: Aye!"
ALLOWED = Decision("shell", None, "ask once per session", allowed=True)


def test_a_decision_for_the_session_ends_with_the_chat(folder: Path, store: Store) -> None:
    chat = chat_of(store, RUN, SO)
    asked: list[Request] = []

    def yes(request: Request) -> bool:
        asked.append(request)
        return True

    chat.permissions.ask_with(yes)
    ask(chat, "Look!")
    assert [request.action.input for request in asked] == [{"command": "ls"}]
    assert done(chat, "/rules") == [Rows([("1", "allowed: shell, until this chat ends")])]
    chat.resume(chat.session)
    assert chat.permissions.decisions == ()


def test_a_decision_for_always_is_kept_with_the_session_until_it_is_revoked(
    folder: Path, store: Store
) -> None:
    chat = chat_of(store, RUN, SO, RUN.replace("ls", "pwd"), SO, rules=("never:shell(rm *)",))

    def always(request: Request) -> bool:
        chat.permissions.keep(request)
        return True

    chat.permissions.ask_with(always)
    ask(chat, "Look!")
    assert tuple(chat.session.remembered()) == (ALLOWED,)
    chat.resume(chat.store.session(chat.session.id))
    chat.permissions.ask_with(lambda _: Refuse("asked again"))
    assert ask(chat, "Where?") == "Aye!"
    assert chat.last.steps[1].text == "ran pwd"  # type: ignore[union-attr]
    assert done(chat, "/rules") == [
        Rows([("rule", "never:shell(rm *)"), ("1", "allowed: shell, kept with this session")])
    ]
    assert refused(chat, "/rules revoke 2") == "there is no decision 2; /rules lists them"
    assert refused(chat, "/rules drop") == "write /rules, or /rules revoke and a number"
    assert done(chat, "/rules revoke 1") == [Tell("Revoked; it will be asked about again.")]
    assert tuple(chat.session.remembered()) == ()
    nothing = "No rule was given, and nothing was decided. Tools are asked about by what they declare."
    chat.permissions.approvals.rules = ()
    assert done(chat, "/rules") == [Tell(nothing)]


def test_a_yes_for_a_rule_is_kept_under_that_rule(folder: Path, store: Store) -> None:
    chat = chat_of(store, RUN, SO, rules=("ask:sh*",))

    def always(request: Request) -> Allow:
        chat.permissions.keep(request)
        return Allow("session")

    chat.permissions.ask_with(always)
    ask(chat, "Look!")
    assert chat.permissions.approvals.rules == (Rule("sh*"),)
    assert tuple(chat.session.remembered()) == (Decision("sh*", None, "ask:sh*", allowed=True),)


# --- what could be typed on ------------------------------------------------------------------------------


def test_commands_and_what_follows_them_can_be_completed(chat: Conversation) -> None:
    assert [(c.text, c.replaces, c.about) for c in completions(chat, "/un")] == [
        ("undo", 2, "take the last question and its answer back")
    ]
    assert [choice.text for choice in completions(chat, "/prompt pi")] == [
        "pirate",
        "pirate-soft",
        "pirate-soft-qwen",
    ]
    assert [(choice.text, choice.replaces) for choice in completions(chat, "/tools off cl")] == [
        ("off clock", 6)
    ]
    assert "embedded:smollm2-135m" in [choice.text for choice in completions(chat, "/model ")]
    for typed in ("what", "/nothing x", "/prompt\n", " /un"):
        assert list(completions(chat, typed)) == []


@pytest.mark.skipif(os.name == "nt", reason="no file is called so there")
def test_a_hostile_name_cannot_be_completed(chat: Conversation, folder: Path) -> None:
    done(chat, "/prompt pirate")
    write(folder, {"prompts/parts/personas/x\x1b]0;t\x07.md": "---\ndescription: no\n---\nx"})
    done(chat, "/prompt pirate")
    assert [choice.text for choice in completions(chat, "/persona ")] == [
        "bard", "butler", "noir", "pirate", "plain",
    ]  # fmt: skip
