"""What a session keeps of a conversation, and what can be done with it."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent_app.approvals import Decision, Remembered
from agent_app.errors import StoreError, UnknownName, UserError
from agent_app.sessions import Session, Store, as_dict, as_markdown
from agent_app.steps import Action, Answer, LeftOut, Observation, PromptRef, Result, Step, Unreadable, Usage

PROMPT = PromptRef("pirate", "1.2", "abc123")
ACTION = Action("tides", {"port": "Amsterdam", "days": [1, 2]}, "look it up", ("bold label",))
STEPS = (ACTION, Observation("high at 3 o'clock"), Answer("Arg, at three", "I know"))
RESULT = Result(
    "When is high tide?",
    "Arg, at three",
    STEPS,
    "answered",
    "steps",
    Usage(2, 300, 40, 250, 1.5, 0.002),
    PROMPT,
    "scripted:x",
    data={"hour": 3},
    left_out=LeftOut(1, 2, 3, 4),
    error="none really",
)


@pytest.fixture
def store() -> Iterator[Store]:
    with Store.in_memory() as store:
        yield store


def add(session: Session, result: Result) -> None:
    writer = session.begin(result.question, result.prompt, result.model)
    for step in result.steps:
        writer.step(step)
    writer.finish(result)


def asked(question: str, answer: str = "Arg", *observations: str) -> Result:
    steps: list[Step] = []
    for text in observations:
        steps += [Action("look", text), Observation(text)]
    return dataclasses.replace(
        RESULT, question=question, text=answer, steps=(*steps, Answer(answer)), stopped_by=None, error=None
    )


def questions(session: Session) -> list[str]:
    return [run.result.question for run in session.runs()]


# --- runs ------------------------------------------------------------------------------------------


def test_a_result_comes_back_whole(tmp_path: Path) -> None:
    with Store.open(tmp_path / "kept.db") as store:
        session = store.new_session()
        add(session, RESULT)
    with Store.open(tmp_path / "kept.db") as store:
        (run,) = store.session(session.id).runs()
    assert (run.position, run.result) == (1, RESULT)
    assert run.ended is not None
    assert timedelta(0) <= run.ended - run.begun < timedelta(minutes=1)
    assert abs(datetime.now(UTC) - run.begun) < timedelta(minutes=1)


def test_no_field_of_a_result_is_left_at_its_default_in_the_test_above() -> None:
    plain = Result("", "", (), "stopped", None, Usage(), PromptRef("", "", ""), "")
    for field in dataclasses.fields(Result):
        assert getattr(RESULT, field.name) != getattr(plain, field.name), field.name
    assert 0 not in dataclasses.astuple(RESULT.usage) + dataclasses.astuple(RESULT.left_out)


_TEXT = st.text(st.characters(codec=None, exclude_categories=()))  # half characters as well
_STEP = st.one_of(
    st.builds(
        Action, _TEXT, st.one_of(_TEXT, st.dictionaries(_TEXT, st.integers())), _TEXT, st.tuples(_TEXT)
    ),
    st.builds(Unreadable, _TEXT),
    st.builds(Observation, _TEXT, st.booleans()),
    st.builds(Answer, _TEXT, _TEXT),
)


@given(st.lists(_STEP).map(tuple))
@example((Observation("the sea \ud800"),))
def test_any_steps_come_back_as_they_were(steps: tuple[Step, ...]) -> None:
    with Store.in_memory() as store:
        session = store.new_session()
        add(session, dataclasses.replace(RESULT, steps=steps))
        (run,) = session.runs()
        assert run.result.steps == steps
        assert store.search("tide")[0].place == "question"


def test_half_a_character_outside_of_steps_is_kept_as_its_escape(store: Store) -> None:
    session = store.new_session("a\udc80")
    prompt = PromptRef("d\udc80", "1", "abc")
    add(session, dataclasses.replace(RESULT, text="b\ud800", data=["c\ud800"], model="\udcff", prompt=prompt))
    (run,) = session.runs()
    assert (session.title, run.result.text, run.result.data) == ("a\\udc80", "b\\ud800", ["c\ud800"])
    assert (run.result.model, run.result.prompt.name) == ("\\udcff", "d\\udc80")


def test_a_run_that_nobody_ended_was_interrupted(store: Store) -> None:
    session = store.new_session()
    writer = session.begin("When?", PROMPT, "m")
    begun = Result("When?", "", (), "stopped", "interruption", Usage(), PROMPT, "m")
    assert [(run.result, run.ended) for run in session.runs()] == [(begun, None)]
    writer.step(ACTION)
    assert session.runs()[0].result == dataclasses.replace(begun, steps=(ACTION,))
    writer.step(Observation("3"))
    writer.step(Answer("Arg, 3"))
    (run,) = session.runs()
    assert (run.result.text, run.result.status, run.result.stopped_by) == (
        "Arg, 3",
        "answered",
        "interruption",
    )


def test_steps_that_were_known_before_are_part_of_the_run_in_the_end(store: Store) -> None:
    session = store.new_session()
    writer = session.begin(RESULT.question, PROMPT, "m")
    writer.step(STEPS[2])
    writer.finish(RESULT)
    assert session.runs()[0].result == RESULT
    assert [found.place for found in store.search("o'clock")] == ["observation"]


@pytest.mark.parametrize(
    ("error", "stopped_by", "says"),
    [
        (ValueError("a\nbug"), "error", "a bug"),
        (ValueError(), "error", "ValueError"),
        (KeyboardInterrupt(), "interruption", None),
        (GeneratorExit(), "interruption", None),
    ],
)
def test_a_run_ends_with_what_broke_it_off(
    error: BaseException, stopped_by: str, says: str | None, store: Store
) -> None:
    session = store.new_session()
    writer = session.begin("When?", PROMPT, "m")
    writer.step(ACTION)
    assert writer.is_open
    writer.fail(error)
    (run,) = session.runs()
    assert (run.result.steps, run.result.stopped_by, run.result.error) == ((ACTION,), stopped_by, says)
    assert (run.ended is not None, writer.is_open) == (True, False)


def test_what_an_error_says_of_a_run_goes_before_what_was_written(store: Store) -> None:
    session = store.new_session()
    session.begin("When?", PROMPT, "m").fail(KeyboardInterrupt(), RESULT)
    assert session.runs()[0].result == RESULT


def test_the_history_is_what_was_answered(store: Store) -> None:
    session = store.new_session()
    add(session, asked("one"))
    session.begin("two", PROMPT, "m")
    add(session, asked("three"))
    assert session.history() == (asked("one"), asked("three"))


# --- undo, redo, fork, titles ----------------------------------------------------------------------


def test_what_was_undone_can_be_restored_until_the_next_run(store: Store) -> None:
    session = store.new_session()
    for question in ("one", "two", "three"):
        add(session, asked(question))
    undone = [session.undo(), session.undo()]
    assert [run and run.result.question for run in undone] == ["three", "two"]
    assert (questions(session), store.search("two"), store.sessions()[0].runs) == (["one"], [], 1)
    restored = session.redo()
    assert restored is not None
    assert (restored.result, questions(session)) == (asked("two"), ["one", "two"])
    add(session, asked("four"))
    assert session.redo() is None
    assert [(run.position, run.result.question) for run in session.runs()] == [
        (1, "one"),
        (2, "two"),
        (3, "four"),
    ]


@pytest.mark.parametrize(
    ("first", "second", "stays"),
    [("Arg", "Aye", "Aye"), ("Arg", "", "Arg"), ("", "Aye", "Aye"), ("", "", "")],
)
def test_of_a_run_and_one_in_its_place_the_better_stays(
    first: str, second: str, stays: str, store: Store
) -> None:
    session = store.new_session()
    add(session, asked("zero"))
    before, after = asked("one", first, "rum"), asked("two", second, "gin")
    add(session, before)
    writer = session.begin("two", PROMPT, "m", instead=True)
    assert questions(session) == ["zero", "one", "two"]  # so that nothing is lost when it is killed
    writer.finish(after)
    (_, run) = session.runs()
    kept = before if stays == "Arg" else after
    assert (run.position, run.result, session.redo()) == (2, kept, None)
    assert [len(store.search(word)) for word in ("rum", "gin")] == [kept is before, kept is after]


def test_a_run_in_the_place_of_another_may_be_broken_off_and_others_may_follow(store: Store) -> None:
    session = store.new_session()
    add(session, asked("one"))
    writer = session.begin("two", PROMPT, "m", instead=True)
    for question in ("three", "four"):  # as another program asks them
        add(session, asked(question))
    writer.fail(KeyboardInterrupt())
    assert [(run.position, run.result.question) for run in session.runs()] == [
        (1, "one"),
        (2, "three"),
        (3, "four"),
    ]
    add(session, asked("five"))
    assert questions(session)[-1] == "five"


def test_the_first_run_has_no_place_of_another_to_take(store: Store) -> None:
    session = store.new_session()
    session.begin("one", PROMPT, "m", instead=True).finish(asked("one"))
    assert questions(session) == ["one"]


def test_there_may_be_nothing_to_undo_or_to_restore(store: Store) -> None:
    session = store.new_session()
    assert (session.undo(), session.redo()) == (None, None)


@pytest.mark.parametrize(
    ("after", "copied"), [(None, ["one", "two"]), (2, ["one", "two"]), (1, ["one"]), (0, [])]
)
def test_a_fork_goes_its_own_way(after: int | None, copied: list[str], store: Store) -> None:
    session = store.new_session("Tides")
    for question in ("one", "two", "three"):
        add(session, asked(question, "Arg", "seen"))
    session.undo()
    fork = session.fork(after)
    assert (fork.title, fork.parent, questions(fork)) == ("Tides", session.id, copied)
    assert fork.runs() == session.runs()[: len(copied)]
    assert len(store.search("seen")) == 2 + len(copied)
    add(fork, asked("other"))
    assert (questions(fork), questions(session)) == ([*copied, "other"], ["one", "two"])


@pytest.mark.parametrize("after", [-1, 2])
def test_a_fork_begins_after_a_run_that_is_there(after: int, store: Store) -> None:
    session = store.new_session()
    add(session, asked("one"))
    with pytest.raises(UserError) as caught:
        session.fork(after)
    assert str(caught.value) == f"the session {session.id} has no run {after}; its last one is 1"
    assert len(store.sessions()) == 1


def test_a_session_is_called_by_its_first_question_until_it_has_a_title(store: Store) -> None:
    session = store.new_session()
    assert session.title == ""
    add(session, asked("When is\n high tide? " + "x" * 80))
    assert session.title == "When is high tide? " + "x" * 40 + "…"
    session.rename("  Tides ")
    assert (session.title, store.sessions()[0].title) == ("Tides", "Tides")
    session.rename("")
    assert session.title.startswith("When is high tide?")


def test_decisions_about_tools_stay_with_their_session(store: Store) -> None:
    decisions = (
        Decision("shell", '{"command": "ls"}', "ask:shell", True),
        Decision("x", None, "ask", False, "no"),
    )
    session = store.new_session()
    assert list(session.remembered()) == []
    session.remember(Remembered(decisions))
    assert tuple(store.session(session.id).remembered()) == decisions
    assert list(session.fork().remembered()) == []


# --- the store -------------------------------------------------------------------------------------


def test_sessions_are_listed_and_the_last_changed_is_the_latest(store: Store) -> None:
    assert (store.sessions(), store.latest()) == ([], None)
    first, second, empty = store.new_session("First"), store.new_session(), store.new_session()
    add(first, asked("one"))
    add(second, asked("two"))
    add(first, dataclasses.replace(asked("three"), model="other"))
    listed = [(info.id, info.title, info.runs, info.model, info.parent) for info in store.sessions()]
    assert listed == [(first.id, "First", 2, "other", None), (second.id, "two", 1, "scripted:x", None)]
    latest = store.latest()
    assert latest is not None
    assert latest.id == first.id
    assert [info.id for info in store.sessions(limit=1)] == [first.id]
    assert store.session(empty.id).runs() == ()


def test_a_session_in_which_nothing_was_asked_is_dropped(tmp_path: Path) -> None:
    with Store.open(tmp_path / "kept.db") as store:
        empty, full = store.new_session("empty"), store.new_session("full")
        add(full, RESULT)
    with Store.open(tmp_path / "kept.db") as store:
        assert store.session(full.id).title == "full"
        with pytest.raises(UnknownName):
            store.session(empty.id)


def test_an_id_is_short_and_may_be_cut_short(store: Store) -> None:
    ids = {store.new_session().id for _ in range(100)}
    assert len(ids) == 100
    assert {len(id_) for id_ in ids} == {6}
    letters = {id_[0] for id_ in ids}
    for letter in letters:
        same = [id_ for id_ in ids if id_.startswith(letter)]
        if len(same) == 1:
            assert store.session(f" {letter.upper()}").id == same[0]
            continue
        with pytest.raises(
            UserError, match=rf"^several sessions begin with '{letter}': [^ ]+, .*; type more of it$"
        ):
            store.session(letter)
    assert {store.session(id_).id for id_ in ids} == ids


def test_an_unknown_id_names_the_nearest(store: Store) -> None:
    with pytest.raises(UnknownName) as caught:
        store.session("abc")
    assert str(caught.value) == "unknown session 'abc'; there is none"
    sessions = [store.new_session() for _ in range(9)]
    with pytest.raises(UnknownName) as caught:  # as for a list: nothing was asked in them
        store.session("")
    assert caught.value.known == []
    for session in sessions:
        add(session, asked("tide"))
    with pytest.raises(UnknownName) as caught:
        store.session(sessions[0].id[:5] + "!")
    assert sessions[0].id in caught.value.known
    with pytest.raises(UnknownName) as caught:
        store.session("")
    assert len(caught.value.known) == 5


def test_what_was_deleted_is_gone_and_what_was_forked_from_it_stays(store: Store) -> None:
    session = store.new_session()
    add(session, asked("secret tide"))
    fork = session.fork()
    store.delete(session.id[:5])
    assert [(found.session, found.run) for found in store.search("secret")] == [(fork.id, 1)]
    assert (questions(fork), fork.parent) == (["secret tide"], None)


def test_deleted_text_is_no_longer_in_the_file(tmp_path: Path) -> None:
    with Store.open(tmp_path / "kept.db") as store:
        for word in ("xylophone", "harbour"):
            add(store.new_session(word), asked(f"a {word}", f"an {word}", f"the {word}"))
        assert b"xylophone" in held(tmp_path)
        store.delete(store.search("xylophone")[0].session)
        assert b"xylophone" not in held(tmp_path)
    assert (b"xylophone" in held(tmp_path), b"harbour" in held(tmp_path)) == (False, True)


def held(folder: Path) -> bytes:
    """All text in the files of a folder; in the one that is left out, SQLite keeps its locks."""
    return b"".join(file.read_bytes() for file in folder.iterdir() if not file.name.endswith("-shm"))


@pytest.mark.parametrize(
    "change",
    [
        lambda session: session.begin("again", PROMPT, "m"),
        lambda session: session.rename("new"),
        lambda session: session.remember(Remembered()),
        lambda session: session.fork(),
        lambda session: session.runs(),
        lambda session: session.title,
    ],
)
def test_a_session_that_was_deleted_says_so(change: Any, store: Store) -> None:
    session = store.new_session()
    store.delete(session.id)
    with pytest.raises(StoreError) as caught:
        change(session)
    assert str(caught.value) == f"the session {session.id} has been deleted; begin a new one"


def test_a_run_whose_session_was_deleted_cannot_be_written_any_further(store: Store) -> None:
    session = store.new_session()
    writer = session.begin("one", PROMPT, "m")
    store.delete(session.id)
    writes: list[Callable[[], None]] = [
        lambda: writer.step(ACTION),
        lambda: writer.finish(RESULT),
        lambda: writer.fail(ValueError()),
    ]
    for write in writes:
        with pytest.raises(StoreError, match=r"^the run has been deleted meanwhile, by another program"):
            write()


def test_threads_can_share_a_store(tmp_path: Path) -> None:
    with Store.open(tmp_path / "kept.db") as store:
        session = store.new_session()
        threads = [threading.Thread(target=add, args=(session, asked(str(n)))) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(questions(session)) == [str(n) for n in range(8)]
        assert all(run.result.steps == (Answer("Arg"),) for run in session.runs())


# --- search ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place", "snippet"),
    [
        ("HARBOUR", "question", "Is the harbour deep?"),
        ("deep harb", "question", "Is the harbour deep?"),
        ("tides", "answer", "Arg, tïdes of 3 fathoms"),
        ('"3 fathoms"', "answer", "Arg, tïdes of 3 fathoms"),
        ("harbour fathoms rope", "question", "Is the harbour deep?"),
        ("rope", "observation", "measured with a rope"),
        ("23*47", "observation", "23*47 = 1081"),
        ('"sunk', "observation", "one line of many: sunk"),
    ],
)
def test_words_are_found_wherever_they_stand(text: str, place: str, snippet: str, store: Store) -> None:
    add(store.new_session(), asked("Is it far?", "Arg"))
    session = store.new_session("Depths")
    observations = ("23*47 = 1081", "measured with a rope", "one line\nof many: sunk")
    add(session, asked("Is the harbour deep?", "Arg, tïdes of 3 fathoms", *observations))
    (found,) = store.search(text)
    assert (found.session, found.title, found.run, found.place) == (session.id, "Depths", 1, place)
    assert snippet in found.snippet.removeprefix("…").removesuffix("…")


@pytest.mark.parametrize("text", ["", " ", "fathoms 3 deepest", '"harbour the"', "arbour", "*", "NOT", '"'])
def test_what_stands_nowhere_is_not_found(text: str, store: Store) -> None:
    add(store.new_session(), asked("Is the harbour deep?", "Arg, 3 fathoms"))
    assert store.search(text) == []


def test_no_more_is_found_than_wanted(store: Store) -> None:
    for _ in range(5):
        add(store.new_session(), asked("the sea"))
    assert (len(store.search("sea")), len(store.search("sea", limit=2))) == (5, 2)


@given(_TEXT)
def test_any_text_can_be_searched_for(text: str) -> None:
    with Store.in_memory() as store:
        add(store.new_session(), asked("the sea"))
        assert len(store.search(text)) <= 1


# --- documents -------------------------------------------------------------------------------------

MARKDOWN = """\
# Tides

## 1

> When is
>
> high tide?

*{begun}, scripted:x, prompt pirate 1.2*

````text
Thought: look it up
Action: tides
Action Input: {{"port": "Amsterdam", "days": [1, 2]}}
Observation: ```
(a reply that could not be read) hm
Observation: say what
````

Arg, **three**

## 2

> And then?

*{begun}, m, prompt pirate 1.2*

*Stopped by: error: the server is down*
"""


def test_a_session_as_a_document(store: Store) -> None:
    session = store.new_session("Tides")
    steps = (ACTION, Observation("```"), Unreadable("hm"), Observation("say what", error=True), Answer("Arg"))
    first = dataclasses.replace(asked("When is\n\nhigh tide?", "Arg, **three**"), steps=steps)
    failed = Result("And then?", "", (), "stopped", "error", Usage(), PROMPT, "m", error="the server is down")
    add(session, first)
    add(session, failed)
    times = [f"{run.begun:%Y-%m-%d %H:%M} UTC" for run in session.runs()]
    expected = MARKDOWN.format(begun=times[0])
    assert as_markdown(session).replace(times[1], times[0]) == expected


def test_a_session_as_data(store: Store) -> None:
    session = store.new_session("Tides")
    add(session, RESULT)
    session.begin("And then?", PROMPT, "m")
    first, second = session.runs()
    assert first.ended is not None
    assert as_dict(session) == {
        "id": session.id,
        "title": "Tides",
        "created": session.created.isoformat(),
        "parent": None,
        "runs": [
            {
                "position": 1,
                "begun": first.begun.isoformat(),
                "ended": first.ended.isoformat(),
                "result": RESULT.to_dict(),
            },
            {
                "position": 2,
                "begun": second.begun.isoformat(),
                "ended": None,
                "result": second.result.to_dict(),
            },
        ],
    }
