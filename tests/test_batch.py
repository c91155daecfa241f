"""`agent-app batch`: a run may be broken off in any way, and the same command goes on where it was."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import click
import pytest
from agents import PROMPT
from jsonschema import Draft202012Validator
from said import Caller, Said

from agent_app import BatchError, Budget, Result, Usage
from agent_app.batch.answers.rejudging import judge_again
from agent_app.batch.journal.record import Record
from agent_app.batch.judging.judges import judge_for
from agent_app.batch.output import AnswerFile, schema
from agent_app.batch.progress import Progress
from agent_app.batch.report import Answers
from agent_app.cli import app
from agent_app.cli.batch.showing import in_a_line
from agent_app.steps import PromptRef
from agent_app.testing import FaultyServer, Request, Say, Status

MATE = PromptRef("mate", "7", "0" * 64)
ROW = Draft202012Validator(json.loads(schema()))
UNIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process in other ways")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mate.md").write_text(PROMPT, encoding="utf-8")
    return tmp_path


def questions(folder: Path, count: int) -> list[str]:
    asked = [f"What is {number}?" for number in range(count)]
    lines = [json.dumps({"id": f"q{n}", "question": q, "topic": "sums"}) for n, q in enumerate(asked)]
    (folder / "q.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return asked


def asked(text: str) -> str:
    return text.rpartition("Question: ")[2].partition("\n")[0]


def echo(request: Request) -> str:
    return f" So\nFinal Answer: Arg, {asked(request.texts[0])}"


def start(
    server: FaultyServer | None,
    folder: Path,
    *arguments: str | Path,
    model: str = "openai:parrot",
    **more: Any,
) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "agent_app", "batch", *arguments]
    if arguments[0] not in ("status", "schema"):
        command += ["-m", model, "-p", "mate.md", "-t", "calculator"]
    environment = {**os.environ, **more.pop("variables", {})}
    if server is not None:
        environment["OPENAI_BASE_URL"] = server.url
    pipes: dict[str, Any] = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
    }
    return subprocess.Popen(command, cwd=folder, env=environment, text=True, **{**pipes, **more})


def run(
    server: FaultyServer | None, folder: Path, *arguments: str | Path, **more: Any
) -> tuple[int, str, str]:
    with start(server, folder, *arguments, **more) as process:
        try:
            out, err = process.communicate(timeout=300)
        finally:
            process.kill()
    return process.returncode, out, err


Here: TypeAlias = Callable[..., Said]


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """Does what `run` does within this process, which is quicker."""
    call = Caller(monkeypatch, capsys, "batch")
    monkeypatch.chdir(folder)

    def run_here(server: FaultyServer, *arguments: str) -> Said:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        made_of = ("-m", "openai:parrot", "-p", "mate.md", "-t", "calculator")
        return call(*arguments, *(() if arguments[0] == "status" else made_of))

    return run_here


def answers(folder: Path, name: str = "a.jsonl") -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]
    for row in rows:
        ROW.validate(row)
    return rows


def times_asked(server: FaultyServer) -> Counter[str]:
    return Counter(asked(request.texts[0]) for request in server.requests)


def wait_until(truth: Callable[[], bool]) -> None:
    for _ in range(2400):
        if truth():
            return
        time.sleep(0.05)
    raise AssertionError("it never came true")


def wait_for(path: Path, lines: int) -> None:
    wait_until(lambda: path.exists() and path.read_bytes().count(b"\n") >= lines)


def test_a_file_of_questions_becomes_a_file_of_answers(folder: Path) -> None:
    expected = questions(folder, 12)
    with FaultyServer(repeat=echo) as server:
        code, out, err = run(server, folder, "q.jsonl", "-o", "a.jsonl")
        assert (code, out) == (0, "")
        assert err.startswith("a.jsonl: 12 answered; this run took ")
        rows = answers(folder)
        assert [(row["id"], row["answer"]) for row in rows] == [
            (f"q{n}", f"Arg, {question}") for n, question in enumerate(expected)
        ]
        assert {(row["status"], row["fields"]["topic"], row["model"]) for row in rows} == {
            ("answered", "sums", "openai:parrot")
        }
        before = (folder / "a.jsonl").read_bytes()
        assert run(server, folder, "q.jsonl", "-o", "a.jsonl")[0] == 0
        assert (folder / "a.jsonl").read_bytes() == before
        assert len(server.requests) == 12
    assert run(None, folder, "status", "a.jsonl")[0] == 0
    assert sorted(file.name for file in folder.iterdir()) == [
        "a.jsonl",
        "a.jsonl.journal",
        "mate.md",
        "q.jsonl",
    ]


def test_answers_can_be_csv(folder: Path, here: Here) -> None:
    (folder / "q.csv").write_text('nr,text,topic\n1,"a, b",x\n2,c,y\n', encoding="utf-8")
    with FaultyServer(repeat=echo) as server:
        how = ("--field", "text", "--id-field", "nr")
        assert here(server, "q.csv", "-o", "a.csv", *how)[0] == 0
    with (folder / "a.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["id"], row["answer"], row["fields.topic"], row["usage.calls"]) for row in rows] == [
        ("1", "Arg, a, b", "x", "1"),
        ("2", "Arg, c", "y", "1"),
    ]
    assert json.loads(rows[0]["prompt"])["name"] == "mate"


def test_no_text_in_csv_is_a_formula_to_a_spreadsheet(folder: Path, here: Here) -> None:
    formulas = ["=1+2", "+cmd", "-5-5", "@SUM(A1)", "\tx", "\r\nx", "\rx"]
    formulas += ["\uff1d1", "-5\n", "-", "+1e", "- 5"]
    plain = ["-5", "+3.2", "-.5", "-1.", "+1e-9", "5", "a=b", "'=1", "", "a\rb", "a\nb"]
    with (folder / "q.csv").open("w", encoding="utf-8", newline="") as file:
        notes = (("=Why?", note) for note in formulas + plain)
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("question", "note"), *notes])
    with FaultyServer(repeat=echo) as server:
        assert here(server, "q.csv", "-o", "a.csv").code == 0
        assert here(server, "q.csv", "-o", "a.jsonl").code == 0
        assert set(times_asked(server)) == {"=Why?"}
    with (folder / "a.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["fields.note"] for row in rows] == [*(f"'{note}" for note in formulas), *plain]
    assert {(row["question"], row["answer"]) for row in rows} == {("'=Why?", "Arg, =Why?")}
    kept = answers(folder)
    assert [row["fields"]["note"] for row in kept] == formulas + plain
    assert {row["question"] for row in kept} == {"=Why?"}


def test_a_secret_does_not_get_into_csv(folder: Path, here: Here) -> None:
    key = "ghp_" + "a" * 36
    (folder / "q.csv").write_text(f"id,question,{key}\nid-{key},Why?,x\n", encoding="utf-8")
    with FaultyServer(repeat=echo) as server:
        assert here(server, "q.csv", "-o", "a.csv").code == 0
    with (folder / "a.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["id"], row["fields.[secret: GitHub token]"]) == ("id-[secret: GitHub token]", "x")
    assert key not in (folder / "a.csv").read_text(encoding="utf-8")


def test_questions_come_from_stdin_and_answers_go_to_stdout(folder: Path) -> None:
    (folder / "q.txt").write_text("Why?\nHow?\n", encoding="utf-8")
    with FaultyServer(repeat=echo) as server, (folder / "q.txt").open() as file:
        code, out, err = run(server, folder, "-", stdin=file)
    assert (code, [json.loads(line)["answer"] for line in out.splitlines()]) == (
        0,
        ["Arg, Why?", "Arg, How?"],
    )
    assert err.startswith("nothing is kept to go on from, as this goes from stdin to stdout")


def test_a_run_killed_again_and_again_comes_to_its_end_and_pays_for_nothing_twice(folder: Path) -> None:
    expected = questions(folder, 80)
    chance = random.Random(7)
    concurrency, kills = 4, 0
    with FaultyServer(repeat=echo, latency=0.05) as server:
        for _ in range(4):
            process = start(server, folder, "q.jsonl", "-o", "a.jsonl", "--concurrency", str(concurrency))
            before = len(server.requests)
            for _ in range(600):
                if len(server.requests) > before + 3 or process.poll() is not None:
                    break
                time.sleep(0.05)
            time.sleep(chance.uniform(0, 0.4))
            kills += process.poll() is None
            process.kill()
            process.communicate()
        assert run(server, folder, "q.jsonl", "-o", "a.jsonl")[0] == 0
        times = times_asked(server)
    assert [row["answer"] for row in answers(folder)] == [f"Arg, {question}" for question in expected]
    assert kills >= 2
    # Only what was on its way when the process died can have been asked again.
    assert sum(times.values()) - len(times) <= kills * concurrency


@UNIX
def test_ctrl_c_finishes_what_is_on_its_way_and_a_second_one_stops(folder: Path) -> None:
    questions(folder, 40)
    call = ("q.jsonl", "-o", "a.jsonl", "--concurrency", "4")

    def slow_from_the_fifth_on(request: Request) -> str:
        server.latency = 0.0 if len(server.requests) <= 4 else 5.0
        return echo(request)

    with FaultyServer(repeat=slow_from_the_fifth_on) as server:
        process = start(server, folder, *call)
        wait_until(lambda: len(server.requests) == 8)  # four of them are answered, and four are on their way
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
        assert process.returncode == 130
        assert "finishing what is on its way: 4 rows; Ctrl-C again stops at once" in err
        assert "agent-app: interrupted\na.jsonl (partial): " in err
        assert all(not request.hung_up() for request in server.requests)
        assert Counter(row["status"] for row in answers(folder)) == {"answered": 8, "missing": 32}
        assert {row["error"] for row in answers(folder) if row["answer"] is None} == {
            "it was not asked yet; run the same command again"
        }
    with FaultyServer(repeat=echo, latency=600) as server:
        process = start(server, folder, *call)
        wait_until(lambda: len(server.requests) == 4)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert process.stderr.readline().startswith("finishing what is on its way: 4 rows; ")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
        assert process.returncode == 130
        assert all(request.hung_up(60) for request in server.requests)
        server.latency = 0
        assert run(server, folder, *call)[0] == 0
        assert len(server.requests) == 4 + 32
    assert {row["status"] for row in answers(folder)} == {"answered"}


@UNIX
def test_after_a_closed_pipe_the_same_command_asks_only_what_is_missing(folder: Path) -> None:
    questions(folder, 300)
    with FaultyServer(repeat=echo, latency=0.02) as server:
        with start(server, folder, "q.jsonl", "--concurrency", "4") as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            process.stdout.close()
            assert process.wait(timeout=120) == 1
        assert json.loads(first)["id"] == "q0"
        before = len(server.requests)
        assert before < 300
        code, out, _ = run(server, folder, "q.jsonl")
        assert (code, len(out.splitlines()), len(server.requests)) == (0, 300, 300)


@UNIX
def test_after_a_full_disk_the_same_command_asks_only_what_is_missing(folder: Path) -> None:
    import resource

    expected = questions(folder, 60)

    def behave(request: Request) -> str:
        return echo(request) + "!" * 20_000

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (900_000, 900_000))

    with FaultyServer(repeat=behave) as server:
        code, _, err = run(server, folder, "q.jsonl", "-o", "a.jsonl", "--concurrency", "4", preexec_fn=limit)
        assert code == 1
        assert err.endswith("a.jsonl.journal: File too large; what was paid for is kept beside it\n")
        assert 0 < len(server.requests) < 60
        assert run(server, folder, "q.jsonl", "-o", "a.jsonl")[0] == 0
        assert set(times_asked(server).values()) == {1}
    assert [row["question"] for row in answers(folder)] == expected
    assert {row["status"] for row in answers(folder)} == {"answered"}


@UNIX
def test_a_disk_that_only_the_answers_fill_costs_no_answer(folder: Path) -> None:
    import resource

    rows = [{"question": f"What is {number}?", "page": "x" * 20_000} for number in range(60)]
    (folder / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))

    call = ("q.jsonl", "-o", "a.jsonl", "--concurrency", "4")
    with FaultyServer(repeat=echo, latency=0.1) as server:
        code, _, err = run(server, folder, *call, preexec_fn=limit)
        why = "cannot write a.jsonl.part: File too large; the answers are kept in the journal; run"
        assert (code, len(server.requests) < 60) == (1, True)
        assert err == f"agent-app: {why} the same command again\n"
        assert all(not request.hung_up() for request in server.requests)
        assert run(server, folder, *call)[0] == 0
        assert set(times_asked(server).values()) == {1}
    assert {row["status"] for row in answers(folder)} == {"answered"}


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="there is no such device")
def test_a_full_disk_behind_stdout_is_said_in_a_line(folder: Path) -> None:
    questions(folder, 60)
    with FaultyServer(repeat=echo, latency=0.1) as server:
        with Path("/dev/full").open("w") as full:
            code, _, err = run(server, folder, "q.jsonl", "--concurrency", "4", stdout=full)
        why = "cannot write to stdout: No space left on device; the answers are kept in the journal; run"
        assert (code, len(server.requests) < 60) == (1, True)
        assert err == f"agent-app: {why} the same command again\n"
        code, out, _ = run(server, folder, "q.jsonl")
        assert (code, len(out.splitlines()), len(server.requests)) == (0, 60, 60)


@UNIX
def test_answers_replace_a_file_and_nothing_else(folder: Path, here: Here) -> None:
    questions(folder, 2)
    os.mkfifo(folder / "pipe")
    (folder / "kept").mkdir()
    (folder / "a.jsonl").symlink_to(folder / "kept" / "b.jsonl")
    with FaultyServer(repeat=echo) as server:
        for wrong in ("pipe", "/dev/null"):
            code, _, err = here(server, "q.jsonl", "-o", wrong, "--journal", "j", "--fresh")
            complaint = f"agent-app: {wrong} is no ordinary file, which a finished one could replace\n"
            assert (code, err) == (2, complaint)
        assert server.requests == []
        assert here(server, "q.jsonl", "-o", "a.jsonl").code == 0
        assert here(server, "q.jsonl", "-o", "a.jsonl").code == 0
    assert (folder / "a.jsonl").is_symlink()
    assert [file.name for file in (folder / "kept").iterdir()] == ["b.jsonl"]
    assert len(answers(folder)) == 2


@pytest.mark.parametrize("order", [("--fresh",), ("--as-completed", "--fresh")])
@pytest.mark.parametrize("whole", [True, False])
def test_two_batches_do_not_write_one_file(
    folder: Path, here: Here, order: tuple[str, ...], whole: bool
) -> None:
    """Be it one that is seen as it grows or one that takes its name at the end."""
    questions(folder, 2)
    call = ("q.jsonl", "-o", "a.jsonl", "--journal", "j", *order)
    name = "a.jsonl.part" if whole else "a.jsonl"
    complaint = f"agent-app: {name} is being written by another process; wait, or name another output\n"
    with FaultyServer(repeat=echo) as server:
        with AnswerFile(folder / "a.jsonl", (), whole=whole) as other:
            other.add({"id": "mine"})
            code, _, err = here(server, *call)
        assert (code, err, server.requests) == (2, complaint, [])
        assert (folder / "a.jsonl").read_text(encoding="utf-8") == '{"id": "mine"}\n'
        assert list(folder.glob("*.part")) == []
        assert here(server, *call).code == 0
    assert len(answers(folder)) == 2


def test_a_file_that_a_batch_is_writing_is_not_judged_anew(folder: Path, here: Here) -> None:
    questions(folder, 1)
    with FaultyServer(repeat=echo) as server:
        assert here(server, "q.jsonl", "-o", "a.jsonl").code == 0
    (row,) = answers(folder)
    with AnswerFile(folder / "a.jsonl", (), whole=False) as other:
        other.add(row)
        with pytest.raises(BatchError, match=r"a\.jsonl is being written by another process; wait, or name"):
            judge_again(folder / "a.jsonl", judge_for("contains"), folder / "a.jsonl")
        other.add(row)
    assert answers(folder) == [row, row]


@UNIX
def test_what_is_no_ordinary_file_can_be_written_as_it_grows(folder: Path, here: Here) -> None:
    questions(folder, 2)
    end, other = os.pipe()
    with FaultyServer(repeat=echo) as server, os.fdopen(end, encoding="utf-8") as pipe:
        for name in ("/dev/null", f"/dev/fd/{other}"):
            outcome = here(server, "q.jsonl", "-o", name, "--journal", "j", "--fresh", "--as-completed")
            assert outcome.code == 0
        os.close(other)
        assert len(pipe.readlines()) == 2


def test_answers_that_cannot_take_their_name_stay_under_the_one_they_have(folder: Path) -> None:
    complaint = r"^cannot write .*a\.jsonl: Is a directory; the answers are in .*a\.jsonl\.part$"
    file = AnswerFile(folder / "a.jsonl", (), whole=True).__enter__()
    file.add({"id": "mine"})
    (folder / "a.jsonl").mkdir()
    with pytest.raises(BatchError, match=complaint):
        file.__exit__(None, None, None)
    assert (folder / "a.jsonl.part").read_text(encoding="utf-8") == '{"id": "mine"}\n'


@pytest.mark.parametrize("order", [(), ("--as-completed",)])
def test_a_row_whose_record_is_damaged_is_asked_again(
    folder: Path, here: Here, order: tuple[str, ...]
) -> None:
    expected = questions(folder, 5)
    call = ("q.jsonl", "-o", "a.jsonl", "--concurrency", "1", *order)
    journal = folder / "a.jsonl.journal"
    with FaultyServer(repeat=echo) as server:
        assert here(server, *call).code == 0
        journal.write_bytes(journal.read_bytes().replace(b'"attempts":1', b'"attempts":\0', 2))
        code, _, err = here(server, *call)
        assert (code, err.splitlines()[1:]) == (
            0,
            ["damaged records in the journal, which counted as not there: 2"],
        )
        assert err.startswith("a.jsonl: 5 answered; this run took ")
        assert sorted(row["answer"] for row in answers(folder)) == [f"Arg, {one}" for one in expected]
        assert here(server, *call).code == 0
    asked_twice = [one for one, times in times_asked(server).items() if times == 2]
    assert (asked_twice, len(server.requests)) == (expected[:2], 7)


def test_failed_rows_are_named_and_asked_again_on_demand(folder: Path, here: Here) -> None:
    questions(folder, 6)
    broken = True

    def behave(request: Request) -> Any:
        return Status(500) if broken and asked(request.texts[0]) == "What is 3?" else echo(request)

    with FaultyServer(repeat=behave) as server:
        code, _, err = here(server, "q.jsonl", "-o", "a.jsonl", "--attempts", "1")
        assert code == 1
        assert "a.jsonl: 5 answered, 1 failed (1 EndpointDown); this run took" in err
        assert err.endswith("--retry-errors asks again what failed\n")
        (failed,) = (row for row in answers(folder) if row["status"] == "failed")
        assert (failed["id"], failed["answer"], failed["error_kind"]) == ("q3", None, "EndpointDown")
        code, out, _ = here(server, "status", "a.jsonl")
        assert (code, out.splitlines()[:2]) == (1, ["5 of 6 questions answered", "1 failed: 1 EndpointDown"])
        broken = False
        assert here(server, "q.jsonl", "-o", "a.jsonl")[0] == 1
        assert here(server, "q.jsonl", "-o", "a.jsonl", "--retry-errors")[0] == 0
        assert len(server.requests) == 7
    assert {row["status"] for row in answers(folder)} == {"answered"}


def test_a_journal_may_have_any_name(folder: Path, here: Here) -> None:
    questions(folder, 2)
    (folder / "none.journal").touch()
    with FaultyServer(repeat=echo) as server:
        assert here(server, "q.jsonl", "--journal", "my.log").code == 0
        assert here(server, "status", "my.log").out.startswith("2 of 2 questions answered\n")
        told = "agent-app: none.journal has no batch in it: nothing was begun yet\n"
        assert here(server, "status", "none.journal") == (2, "", told)
        told = "agent-app: cannot read the journal q.jsonl.journal: No such file or directory\n"
        assert here(server, "status", "q.jsonl") == (2, "", told)


def test_how_a_batch_stands_is_told_of_its_last_input(folder: Path, here: Here) -> None:
    call = ("q.jsonl", "-o", "a.jsonl")
    with FaultyServer(repeat=echo) as server:
        questions(folder, 3)
        assert here(server, *call, "--repeat", "3").code == 0
        assert here(server, *call).code == 0
        assert here(server, "status", "a.jsonl").out.startswith("3 of 3 questions answered\n")
        other = '{"question": "Who?"}\n{"question": "What is 1?"}\n'
        (folder / "q.jsonl").write_text(other, encoding="utf-8")
        assert here(server, *call, "--max-tokens", "1").code == 3
        code, out, _ = here(server, "status", "a.jsonl")
    assert (code, out.splitlines()[:2]) == (1, ["1 of 2 questions answered", "1 left"])
    assert Answers(folder / "a.jsonl.journal").not_reached() == 1


def test_another_model_takes_over_where_one_has_failed(folder: Path, here: Here) -> None:
    questions(folder, 3)
    call = ("q.jsonl", "-o", "a.jsonl", "--attempts", "2")

    def behave(request: Request) -> Any:
        fails = request.body["model"] == "parrot" and asked(request.texts[0]) != "What is 0?"
        return Status(503, headers={"Retry-After": "0"}) if fails else echo(request)

    with FaultyServer(repeat=behave) as server:
        assert here(server, *call, "--fallback", "openai:gull", "--temperature", "0.5").code == 0
        tried = Counter((request.body["model"], asked(request.texts[0])) for request in server.requests)
        assert {request.body["temperature"] for request in server.requests} == {0.5}
        code, _, err = here(server, *call, "--temperature", "0.5")
    assert [row["model"] for row in answers(folder)] == ["openai:parrot", "openai:gull", "openai:gull"]
    assert [tried["parrot", f"What is {n}?"] for n in range(3)] == [1, 2, 2]
    assert [tried["gull", f"What is {n}?"] for n in range(3)] == [0, 1, 1]
    assert (code, "answers of another agent: fallbacks is gone\n" in err) == (2, True)


def test_a_budget_ends_a_run_with_code_3_and_a_count_of_what_is_left(folder: Path, here: Here) -> None:
    questions(folder, 50)

    def behave(request: Request) -> Say:
        return Say(echo(request), Usage(prompt_tokens=600, completion_tokens=400))

    with FaultyServer(repeat=behave) as server:
        code, _, err = here(server, "q.jsonl", "-o", "a.jsonl", "--max-tokens", "12000")
        asked_for = len(server.requests)
        assert code == 3
        assert 1 <= asked_for <= 12
        left = f"{asked_for} answered, {50 - asked_for} left, which the same command goes on with"
        assert f"agent-app: the budget does not allow another call\na.jsonl (partial): {left}; this" in err
        unpriced = "a budget limits the cost, but the model's price is not known"
        code, _, err = here(server, "q.jsonl", "-o", "a.jsonl", "--max-cost", "1")
        assert (code, unpriced in err) == (2, True)
        dear = ("--price", "openai:parrot=500,5000")
        code, _, err = here(server, "q.jsonl", "-o", "a.jsonl", "--max-cost", "1", *dear)
        assert (code, "the budget does not allow another call" in err) == (3, True)
        code, _, err = here(server, "q.jsonl", "-o", "a.jsonl", "--price", "0.5,1.5")
        assert (code, "the price '0.5,1.5' is none; it takes a model's name" in err) == (2, True)
        assert here(server, "q.jsonl", "-o", "a.jsonl", "--max-seconds", "0.001")[0] == 3


def test_answers_are_not_thrown_away_for_a_call_that_is_wrong(folder: Path, here: Here) -> None:
    questions(folder, 2)
    with FaultyServer(repeat=echo) as server:
        assert here(server, "q.jsonl", "-o", "a.jsonl").code == 0
        kept = {file.name: file.read_bytes() for file in folder.iterdir()}
        for call in (("--max-cost", "1"), ("--max-cost", "1e300", "--price", "openai:parrot=1,1")):
            code, _, err = here(server, "q.jsonl", "-o", "a.jsonl", "--fresh", *call)
            assert (code, err.count("\n"), err.startswith("agent-app: a budget")) == (2, 1, True)
        assert len(server.requests) == 2
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == kept


def test_what_is_wrong_with_the_call_is_said_before_anything_is_asked(folder: Path, here: Here) -> None:
    questions(folder, 3)
    with FaultyServer(repeat=echo) as server:
        (folder / "b.jsonl").write_text('{"question": "a"}\n{"question": 5}\n', encoding="utf-8")
        code, _, err = here(server, "b.jsonl", "-o", "a.jsonl")
        assert (code, err.splitlines()) == (
            2,
            [
                "agent-app: b.jsonl:2: the question is no text: 'question' is 5",
                "nothing was asked; --skip-bad leaves out bad rows",
            ],
        )
        (folder / "old.jsonl").write_text("mine", encoding="utf-8")
        assert here(server, "q.jsonl", "-o", "old.jsonl")[2] == (
            "agent-app: old.jsonl is there, but not its journal old.jsonl.journal; --fresh replaces it\n"
        )
        for wrong in ("0", "x", "100%", "0%", "2.5", "9" * 400):
            with pytest.raises(click.BadParameter, match="neither a number of rows above 0 nor a share"):
                app.main(["batch", "q.jsonl", "--max-errors", wrong], standalone_mode=False)
        for wrong in ("0", "lots", "2.5"):
            with pytest.raises(click.BadParameter, match="is neither a number of rows above 0 nor auto"):
                app.main(["batch", "q.jsonl", "--concurrency", wrong], standalone_mode=False)
        for option in ("--rpm", "--tpm", "--max-cost", "--max-seconds"):
            for wrong in ("inf", "nan"):
                with pytest.raises(click.BadParameter, match=f"'{wrong}' is no number above 0; without a"):
                    app.main(["batch", "q.jsonl", option, wrong], standalone_mode=False)
        for option in ("-o", "--journal"):
            told = "agent-app: cannot write nowhere/a.jsonl: there is no folder nowhere; make it\n"
            assert here(server, "q.jsonl", option, "nowhere/a.jsonl") == (2, "", told)
        for name in (".", str(folder)):
            such = str(Path(name) / "answers.jsonl")
            for call in (("q.jsonl", "-o", name), ("status", name)):
                code, _, err = here(server, *call)
                folder_named = f"agent-app: {name} is a folder; name a file of answers, such as {such}\n"
                assert (code, err) == (2, folder_named)
        assert server.requests == []
        code, _, err = here(server, "b.jsonl", "-o", "a.jsonl", "--skip-bad")
        assert (code, len(server.requests)) == (0, 1)
        assert "1 answered, 1 bad rows left out;" in err


def test_no_file_holds_two_things(folder: Path, here: Here) -> None:
    """Each would be overwritten by the other: the questions, the answers, the journal."""
    questions(folder, 2)
    (folder / "notes.txt").write_text("dear diary\n", encoding="utf-8")
    for name in ("b.jsonl.part", "j.spare"):
        (folder / name).write_text("Why?\n", encoding="utf-8")
    (folder / "link.jsonl").symlink_to(folder / "q.jsonl")
    kept = {file.name: file.read_bytes() for file in folder.iterdir()}
    both = {
        ("q.jsonl", "-o", "q.jsonl"): "q.jsonl cannot hold both the questions and the answers",
        ("q.jsonl", "-o", "link.jsonl"): "link.jsonl cannot hold both the questions and the answers",
        ("q.jsonl", "--journal", "./link.jsonl"): "link.jsonl cannot hold both the questions and the journal",
        ("q.jsonl", "-o", "s", "--journal", "s"): "s cannot hold both the answers and the journal",
        ("b.jsonl.part", "-o", "b.jsonl", "--format", "txt"): (
            f"{folder / 'b.jsonl.part'} cannot hold both the questions and the unfinished answers"
        ),
        ("j.spare", "-o", "a.jsonl", "--journal", "j", "--format", "txt"): (
            "j.spare cannot hold both the questions and the journal's spare room"
        ),
    }
    with FaultyServer(repeat=echo) as server:
        for call, problem in both.items():
            code, _, err = here(server, *call, "--fresh")
            assert (code, err) == (2, f"agent-app: {problem}; name another file for one of them\n")
        with (folder / "q.jsonl").open("rb") as stdin:
            code, _, err = run(server, folder, "-", "-o", "q.jsonl", "--fresh", stdin=stdin)
        problem = both["q.jsonl", "-o", "q.jsonl"]
        assert (code, err) == (2, f"agent-app: {problem}; name another file for one of them\n")
        code, _, err = here(server, "q.jsonl", "-o", "a.jsonl", "--journal", "notes.txt", "--fresh")
        none = "agent-app: notes.txt is there, but is no journal of a batch; move it away\n"
        assert (code, err) == (2, none)
        assert server.requests == []
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == kept


@UNIX
def test_questions_come_from_a_pipe_with_a_name(folder: Path, here: Here) -> None:
    def piped() -> str:
        """Leave two questions in a pipe, as `<(...)` does."""
        end, other = os.pipe()
        os.write(other, b"Why?\nHow?\n")
        os.close(other)
        stack.callback(os.close, end)
        return f"/dev/fd/{end}"

    with FaultyServer(repeat=echo) as server, contextlib.ExitStack() as stack:
        assert here(server, piped(), "-o", "a.jsonl").code == 0
        assert [row["answer"] for row in answers(folder)] == ["Arg, Why?", "Arg, How?"]
        name = piped()
        code, out, err = here(server, name)
    assert (code, len(out.splitlines())) == (0, 2)
    assert err.startswith(f"nothing is kept to go on from, as this goes from {name} to stdout; --journal")


@UNIX
def test_a_stdin_that_is_closed_is_said_in_a_line(folder: Path) -> None:
    command = f"{sys.executable} -m agent_app batch - -o a.jsonl -m openai:parrot -p mate.md <&-"
    done = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (2, "agent-app: stdin: there is no question in it\n")


def test_a_value_that_the_prompt_does_not_take_is_refused_before_anything_is_written(
    folder: Path, here: Here
) -> None:
    dated = PROMPT.replace("version:", "inputs:\n  year: {type: integer}\n  tone: {type: string}\nversion:")
    text = dated.replace("Question:", "In {year}, {tone}.\nQuestion:")
    (folder / "mate.md").write_text(text, encoding="utf-8")
    (folder / "q.csv").write_text("question,year,foo\nWhy?,1720,x\n", encoding="utf-8")
    before = sorted(folder.iterdir())
    call = ("q.csv", "-o", "a.jsonl", "-P", "tone=calm")
    with FaultyServer(repeat=echo) as server:
        code, _, err = here(server, *call, "-P", "foo=1")
        complaint = "agent-app: the prompt 'mate' has no slot {foo}; known: year, tone\n"
        assert (code, err) == (2, complaint)
        assert (server.requests, sorted(folder.iterdir())) == ([], before)
        assert here(server, *call).code == 0
        assert "In 1720, calm." in server.requests[0].texts[0]


def test_a_secret_that_is_given_to_the_prompt_is_not_kept_but_another_is_told_apart(
    folder: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONE_API_KEY", "topsecret-123456789")
    text = PROMPT.replace("version:", "inputs:\n  tok: {type: string}\nversion:")
    (folder / "mate.md").write_text(text.replace("Question:", "Of {tok}.\nQuestion:"), encoding="utf-8")
    questions(folder, 1)
    call = ("q.jsonl", "-o", "a.jsonl", "-P")
    with FaultyServer(repeat=echo) as server:
        for _ in range(2):
            assert here(server, *call, "tok=topsecret-123456789").code == 0
        assert "topsecret" not in (folder / "a.jsonl.journal").read_text(encoding="utf-8")
        code, _, err = here(server, *call, "tok=topsecret-123456789!")
        assert (code, "topsecret" in err) == (2, False)
        told = r"input tok was \[secret: ONE_API_KEY\] \(\w+\), is \[secret: ONE_API_KEY\]! \(\w+\)\n"
        assert re.search(told, err)


@pytest.mark.parametrize(
    ("option", "value"),
    [("--actors", "2"), ("--address", "auto"), ("--cpus-per-actor", "2"), ("--worker-env", "HOME")],
)
def test_what_is_of_a_cluster_takes_the_engine(folder: Path, option: str, value: str) -> None:
    questions(folder, 1)
    with pytest.raises(click.UsageError, match=f"^{option} needs --engine ray$"):
        app.main(["batch", str(folder / "q.jsonl"), "-m", "openai:x", option, value], standalone_mode=False)


def test_a_changed_prompt_is_refused_until_it_is_accepted(folder: Path, here: Here) -> None:
    questions(folder, 3)
    with FaultyServer(repeat=echo) as server:
        assert here(server, "q.jsonl", "-o", "a.jsonl")[0] == 0
        (folder / "mate.md").write_text(PROMPT.replace("Ye have", "You have"), encoding="utf-8")
        code, _, err = here(server, "q.jsonl", "-o", "a.jsonl")
        assert (code, "has answers of another agent: prompt was mate 7 (" in err) == (2, True)
        assert here(server, "q.jsonl", "-o", "a.jsonl", "--accept-change")[0] == 0
        assert len(server.requests) == 3
        assert here(server, "q.jsonl", "-o", "a.jsonl", "--fresh")[0] == 0
        assert len(server.requests) == 6


def test_answers_can_be_read_as_they_are_completed(folder: Path, here: Here) -> None:
    questions(folder, 5)

    def behave(request: Request) -> Any:
        first = asked(request.texts[0]) == "What is 0?" and len(server.requests) < 4
        return Status(429, headers={"Retry-After": "1"}) if first else echo(request)

    with FaultyServer(repeat=behave) as server:
        assert here(server, "q.jsonl", "-o", "a.jsonl", "--as-completed", "--concurrency", "2")[0] == 0
    rows = answers(folder)
    assert sorted(row["id"] for row in rows) == ["q0", "q1", "q2", "q3", "q4"]
    assert rows[0]["id"] == "q1"


def test_the_schema_is_printed_and_is_one() -> None:
    code, out, _ = run(None, Path.cwd(), "schema")
    assert code == 0
    Draft202012Validator.check_schema(json.loads(out))
    empty = {"id": "1", "question": "a", "status": "failed", "answer": "", "error": "x", "error_kind": "X"}
    assert not Draft202012Validator(json.loads(out)).is_valid(empty)


def test_a_run_on_the_embedded_model_is_killed_and_finished(folder: Path, smollm2: Path) -> None:
    questions(folder, 4)
    prompt = PROMPT.replace('version: "7"', 'version: "7"\nmodel: {max_tokens: 8}')
    (folder / "mate.md").write_text(prompt, encoding="utf-8")
    how = ("q.jsonl", "-o", "a.jsonl", "--concurrency", "2", "--max-steps", "1")
    with start(None, folder, *how, model=f"embedded:{smollm2}") as process:
        try:
            wait_for(folder / "a.jsonl.journal", 3)
        finally:
            process.kill()
    code, _, _ = run(None, folder, *how, model=f"embedded:{smollm2}")
    rows = answers(folder)
    assert code == (0 if all(row["status"] == "answered" for row in rows) else 1)
    assert [row["id"] for row in rows] == [f"q{n}" for n in range(4)]
    assert all(row["answer"] or row["error_kind"] == "LimitReached" for row in rows)


def test_a_line_tells_how_far_a_batch_has_come() -> None:
    progress = Progress(total=200, before=50, in_flight=8, limit=16)
    run = Result("Why?", "so", (), "answered", None, Usage(1, 900, 100, cost=0.25), MATE, "parrot")
    for status in ("answered", "answered", "failed"):
        record = Record(b"k", status, run, 1, 1.0)
        progress.count(record, run.usage)
    progress.began = time.monotonic() - 60
    assert in_a_line(progress, Budget(tokens=10_000, cost=2.0)) == (
        "53 of 200 done, 1 failed, 3 a minute, 0:49:00 left, 8 on their way (up to 16), "
        "3,000 of 10,000 tokens, $0.7500 of $2.0000"
    )
    assert in_a_line(Progress(total=3), None) == "0 of 3 done, 0 a minute, 0 on their way (up to 0), 0 tokens"


@UNIX
def test_on_a_terminal_there_is_a_bar(folder: Path) -> None:
    import pty

    questions(folder, 8)
    ours, theirs = pty.openpty()
    with FaultyServer(repeat=echo, latency=0.5) as server:
        more = {"TERM": "xterm", "COLUMNS": "200"}
        call = ("q.jsonl", "-o", "a.jsonl", "--concurrency", "4")
        with start(server, folder, *call, stderr=theirs, variables=more) as process:
            os.close(theirs)
            shown = b""
            with contextlib.suppress(OSError):  # the end, on Linux
                while piece := os.read(ours, 4096):
                    shown += piece
            os.close(ours)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
    assert process.returncode == 0
    assert re.search(r"\d/8 .* a minute, .*4 on their way \(up to 4\), \d+ tokens", text)
    assert "\ra.jsonl: 8 answered; this run took" in text
