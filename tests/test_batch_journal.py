"""What was paid for is on the disk before it counts, and is never lost or mixed up."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from agent_app import Answer, BatchError, DiskFull, Result, Usage
from agent_app.batch.journal.index import Index
from agent_app.batch.journal.journal import Journal, open_journal
from agent_app.batch.journal.record import Record, Status
from agent_app.batch.journal.standing import standing
from agent_app.batch.judging.scores import Scores
from agent_app.cli.batch.showing import standing_lines
from agent_app.steps import PromptRef

AGENT = {"prompt": "mate 7 (0123456789ab)", "model": "scripted", "tool clock": "aa"}
CHANGE = "prompt was mate 7 (0123456789ab), is mate 8 (ba9876543210); tool clock is gone; tool map is new"
RUN = Result(
    question="Why?",
    text="Arg \ud83d",
    steps=(Answer("Arg \ud83d"),),
    status="answered",
    stopped_by=None,
    usage=Usage(calls=1),
    prompt=PromptRef("mate", "7", "0" * 64),
    model="scripted",
)


def record(number: int, status: Status = "answered") -> Record:
    error = ("it is down", "EndpointDown") if status == "failed" else (None, None)
    return Record(number.to_bytes(16), status, RUN, 1, 0.5, *error)


def add(journal: Journal, *records: Record) -> None:
    async def all_at_once() -> None:
        await asyncio.gather(*map(journal.add, records))

    asyncio.run(all_at_once())


def test_records_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    with open_journal(path, AGENT) as journal:
        add(journal, record(1), record(2, "failed"), record(3, "begun"))
        assert journal.record(record(2).key) == record(2, "failed")
    with open_journal(path, AGENT) as journal:
        assert [journal.record(record(n).key) for n in (1, 2, 3, 4)] == [
            record(1),
            record(2, "failed"),
            record(3, "begun"),
            None,
        ]
        assert journal.index.unanswered == {record(2).key: "failed", record(3).key: "begun"}


def test_the_newest_record_of_a_question_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    with open_journal(path, AGENT) as journal:
        add(journal, record(1, "failed"))
        add(journal, record(1))
    with open_journal(path, AGENT) as journal:
        assert journal.record(record(1).key) == record(1)
        assert journal.index.unanswered == {}


def test_a_journal_torn_at_any_byte_is_mended(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    with open_journal(path, AGENT) as journal:
        add(journal, record(1))
        before = path.stat().st_size
        add(journal, record(2))
    whole = path.read_bytes()
    for size in (*range(0, len(whole), 7), before, len(whole) - 1):
        path.write_bytes(whole[:size])
        with open_journal(path, AGENT) as journal:
            known = [n for n in (1, 2) if record(n).key in journal.index.places]
            assert known == ([1] if size >= before else [])
            add(journal, record(2))
            assert journal.record(record(2).key) == record(2)
        assert [line for line in path.read_bytes().splitlines() if not json.loads(line)] == []


def test_a_damaged_record_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    with open_journal(path, AGENT) as journal:
        add(journal, record(1))
        add(journal, record(2))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"\0" * 20 + b"\n" + lines[2])
    with open_journal(path, AGENT) as journal:
        assert list(journal.index.places) == [record(2).key]


def test_a_record_that_cannot_be_read_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    with open_journal(path, AGENT) as journal:
        add(journal, record(1), record(2, "failed"), record(3))
    whole = path.read_bytes()
    for damage in (b'"attempts":\0', b'"attemptz":1', b'"attempts":' + b"[" * 10_000):
        path.write_bytes(whole.replace(b'"attempts":1', damage, 2))
        now = standing(path)
        assert (now.answered, now.failed, now.errors) == (2, 0, {})
        with open_journal(path, AGENT) as journal:
            assert [journal.record(record(n).key) for n in (1, 2, 3)] == [None, None, record(3)]
            assert (list(journal.index.places), journal.index.unanswered) == ([record(3).key], {})


def test_lines_that_are_no_notes_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    with open_journal(path, AGENT) as journal:
        add(journal, record(1))
    with path.open("ab") as file:
        file.write(b'5\n"journal"\nnull\n' + b"[" * 10_000 + b"\n")
    assert standing(path).answered == 1
    with open_journal(path, AGENT) as journal:
        assert journal.record(record(1).key) == record(1)


@pytest.mark.parametrize("first", [b'{"journal":1,"fingerprimt":{}}\n', b'{"journal":1,\0\0\n'])
def test_a_journal_that_does_not_tell_whose_answers_it_has_is_refused(tmp_path: Path, first: bytes) -> None:
    path = tmp_path / "a.journal"
    path.write_bytes(first)
    with pytest.raises(BatchError, match=r"a\.journal has no batch in it: nothing was begun yet$"):
        standing(path)
    with pytest.raises(BatchError, match=r"has answers of another agent: prompt is new; model is new; tool"):
        open_journal(path, AGENT)
    with open_journal(path, AGENT, accept_change=True) as journal:
        add(journal, record(1))
    open_journal(path, AGENT).__exit__()
    assert standing(path).fingerprint == AGENT


DAMAGED = [
    (b'"questions":2', b'"questions":"2"'),
    (b'"repeat":1', b'"repeat":[1]'),
    (b'"answered":0', b'"answered":null'),
    (b'"unanswered":[]', b'"unanswered":["x"]'),
    (b'"unanswered":[]', b'"unanswered":[7]'),
    (b'"limit":8', b'"limit":{}'),
    (b'"judged":1', b'"judgel":1'),
    (b'"judged":1', b'"judged":"1"'),
    (b'"right":1', b'"right":9'),
    (b'"errors":{}', b'"errors":7'),
    (b'"scores":{', b'"scores":[{'),
    (b'"fingerprint":{', b'"fingerprint":[{'),
]


@pytest.mark.parametrize(("whole", "damaged"), DAMAGED)
def test_a_note_of_another_shape_counts_as_not_there(tmp_path: Path, whole: bytes, damaged: bytes) -> None:
    path = tmp_path / "a.journal"
    scores = Scores(right=1, judged=1, questions=1, total=1.0, judges=Counter(exact=1))
    with open_journal(path, AGENT) as journal:
        add(journal, record(1))
        others = journal.index.others({record(1).key, record(2).key})
        journal.begin(1, input="q.txt", questions=2, repeat=1, others=others)
        journal.end(why=None, limit=8, scores=scores.to_dict())
    whole_lines = path.read_bytes()
    before = "\n".join(standing_lines(standing(path)))
    assert (before.splitlines()[0], "1 of 1 right" in before) == ("1 of 2 questions answered", True)
    path.write_bytes(re.sub(re.escape(whole) + b"[^\\[{\n]*", damaged, whole_lines, count=1))
    assert path.read_bytes() != whole_lines
    after = "\n".join(standing_lines(standing(path)))
    assert after.startswith("1 of ")
    assert after != before
    with open_journal(path, AGENT, accept_change=True) as journal:
        assert isinstance(journal.index.ended.get("limit", 8), int)


def test_only_the_last_runs_questions_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    with open_journal(path, AGENT) as journal:
        add(journal, record(1), record(2), record(3, "failed"), record(4, "failed"), record(5, "begun"))
        journal.begin(1, questions=4, others=journal.index.others({record(n).key for n in (2, 4, 6, 7)}))
        now = standing(path)
        assert (now.questions, now.answered, now.failed, now.begun, now.missing) == (4, 1, 1, 0, 2)
        assert now.errors == {"EndpointDown": 1}
        add(journal, record(4), record(6, "begun"))
        now = standing(path)
        assert (now.answered, now.failed, now.begun, now.missing, now.errors) == (2, 0, 1, 2, {})


def test_answers_of_another_agent_are_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    with open_journal(path, AGENT) as journal:
        add(journal, record(1))
    now = {"prompt": "mate 8 (ba9876543210)", "model": "scripted", "tool map": "bb"}
    with pytest.raises(BatchError) as caught:
        open_journal(path, now)
    assert str(caught.value).splitlines() == [
        f"{path} has answers of another agent: {CHANGE}",
        "--accept-change keeps them and goes on, --fresh asks everything anew",
    ]
    with open_journal(path, now, accept_change=True) as journal:
        assert len(journal.index.places) == 1
    open_journal(path, now).__exit__()  # it was accepted once for all
    with open_journal(path, AGENT, fresh=True) as journal:
        assert len(journal.index.places) == 0


def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    for text in ("dear diary", "dear diary\n", '{"journal":2,"x":1}\n'):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(BatchError, match=r"is no journal of a batch; move it away|of another version"):
            open_journal(path, AGENT)
        assert path.read_text(encoding="utf-8") == text


def test_to_begin_anew_replaces_a_journal_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    for text in ("dear diary", "dear diary\n", "\n"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(BatchError, match=r"notes\.txt is there, but is no journal of a batch"):
            open_journal(path, AGENT, fresh=True)
        assert path.read_text(encoding="utf-8") == text
    for text in ("", '{"jour', '{"journal":2,"x":1}\n', '{"journal":1,\0\0\n'):
        path.write_text(text, encoding="utf-8")
        with open_journal(path, AGENT, fresh=True) as journal:
            add(journal, record(1))
        with open_journal(path, AGENT) as journal:
            assert list(journal.index.places) == [record(1).key]


def test_two_writers_of_one_journal_are_one_too_many(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    hold = (
        "import sys, time; from pathlib import Path\n"
        "from agent_app.batch.journal.journal import open_journal\n"
        f"with open_journal(Path(sys.argv[1]), {AGENT!r}) as journal:\n"
        "    journal.begin(1); print('here', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", hold, str(path)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == b"here"
        assert standing(path).is_running
        with pytest.raises(BatchError, match="is being written by another process"):
            open_journal(path, AGENT)
        other.kill()
    with open_journal(path, AGENT) as journal:
        add(journal, record(1))
    assert not standing(path).is_running


def test_records_that_come_together_are_written_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    sync = os.fsync

    def counted(number: int) -> None:
        synced.append(number)
        sync(number)

    monkeypatch.setattr(os, "fsync", counted)
    with open_journal(tmp_path / "a.journal", AGENT) as journal:
        synced.clear()
        add(journal, *(record(number) for number in range(100)))
        assert len(journal.index.places) == 100
        assert 1 <= len(synced) <= 3


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_what_no_longer_fits_on_the_disk_is_kept_and_taken_in_later(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    code = f"""
import asyncio, resource, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_batch_journal import *
from pathlib import Path
async def fill(journal):
    for number in range(10_000):
        try:
            await journal.add(record(number))
        except DiskFull as error:
            print(number, error, flush=True)
            try:
                await journal.add(record(number + 1))
            except DiskFull:
                return
with open_journal(Path({str(path)!r}), AGENT) as journal:
    journal.begin(1, questions=10_000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (530_000, 530_000))
    asyncio.run(fill(journal))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    number, _, said = done.stdout.strip().partition(" ")
    assert said == f"cannot write {path}: File too large; what was paid for is kept beside it"
    with open_journal(path, AGENT) as journal:
        known = [n for n in range(int(number) + 3) if record(n).key in journal.index.places]
        assert known == list(range(int(number) + 2))
        assert journal.record(record(int(number)).key) == record(int(number))
    assert [file.name for file in tmp_path.iterdir()] == ["a.journal"]


def test_without_room_for_what_is_on_its_way_nothing_is_begun(tmp_path: Path) -> None:
    (tmp_path / "a.journal.spare").mkdir()
    journal = Journal(tmp_path / "a.journal", (tmp_path / "a.journal").open("w+b", buffering=0), Index())
    with pytest.raises(
        DiskFull, match=r"cannot write .*a\.journal\.spare: Is a directory; nothing was asked"
    ):
        journal.begin(1)
    (tmp_path / "a.journal.spare").rmdir()
    journal.__exit__()


def test_a_journal_with_nothing_in_it_does_not_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.journal"
    open_journal(path, AGENT).__exit__()
    assert list(tmp_path.iterdir()) == []

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(DiskFull, match=r"a\.journal: No space left on device; nothing was asked$"):
            open_journal(path, AGENT)
    assert list(tmp_path.iterdir()) == []
    with open_journal(path, AGENT) as journal:
        add(journal, record(1))
    open_journal(path, AGENT).__exit__()
    assert standing(path).answered == 1
    with open_journal(path, AGENT) as journal, monkeypatch.context() as patched:
        patched.setattr(journal._spare, "take_room", lambda _: None)
        patched.setattr(os, "fsync", full)
        with pytest.raises(DiskFull, match=r"a\.journal: No space left on device; nothing was asked$"):
            journal.begin(1)
        journal.end(why="failed")
    assert standing(path).answered == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
def test_a_journal_is_an_ordinary_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (Path("/dev/null"), tmp_path / "pipe"):
        with pytest.raises(BatchError, match=f"^{path} is no ordinary file, as a journal has to be"):
            open_journal(path, AGENT)


def test_how_a_batch_stands_can_be_read_while_it_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    with open_journal(path, AGENT) as journal:
        journal.begin(1, input="q.txt", questions=5)
        add(journal, record(1), record(2, "failed"), record(3, "begun"))
        now = standing(path)
        assert (now.questions, now.answered, now.failed, now.begun, now.missing) == (5, 1, 1, 1, 3)
        assert (now.errors, now.fingerprint, now.is_running) == ({"EndpointDown": 1}, AGENT, True)
        assert (now.began["input"], now.ended) == ("q.txt", {})
        journal.end(why="budget", limit=8)
    now = standing(path)
    assert (now.ended["why"], now.ended["limit"], now.is_running) == ("budget", 8, False)
    with pytest.raises(BatchError, match="cannot read the journal"):
        standing(tmp_path / "none.journal")
