"""A batch on a Ray cluster of two nodes: a node dies, the driver dies, and nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import dataclasses
import importlib.util
import json
import os
import pickle
import re
import shutil
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray
from agents import PROMPT, mate
from pydantic import SecretStr
from ray.exceptions import ActorDiedError

from agent_app import (
    Action,
    Agent,
    BatchError,
    Budget,
    Observation,
    Result,
    Retry,
    SettingError,
    Usage,
    UserError,
    load_prompt,
    run_batch,
)
from agent_app.batch.identity import fingerprint
from agent_app.batch.journal.record import Record, Status
from agent_app.batch.on_ray import cluster as ray_cluster
from agent_app.batch.on_ray.cluster import Crew, connected
from agent_app.batch.on_ray.engine import RayBatch, open_ray_batch
from agent_app.batch.on_ray.files import answers_at, rows_at
from agent_app.batch.on_ray.recipe import Recipe, environment, packed_tools
from agent_app.batch.on_ray.relay import Call, Keep, Open, Relay, Until
from agent_app.batch.on_ray.worker import ROWS, Job, Worker
from agent_app.batch.output import AnswerRow
from agent_app.batch.rows import Reading, Row, rows_of_values
from agent_app.batch.running import How
from agent_app.cli import app
from agent_app.models.endpoint import EndpointModel
from agent_app.prompt import Prompt
from agent_app.settings import Settings
from agent_app.steps import PromptRef
from agent_app.testing import FaultyServer, Request

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:ray.data.context",  # Ray Data copies its settings, old names included
)
HERE = Path(__file__).parent
AT_ONCE = 4


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster of two nodes with a CPU each; this process is a driver of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", os.pathsep.join([str(HERE.parent), str(HERE)]))  # the nodes' Python, too
        from ray.cluster_utils import Cluster

        node: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
        made: Any = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
        try:
            made.second = made.add_node(**node)
            with connected(made.address):
                yield made
        finally:
            made.shutdown()


def numbers(count: int) -> list[str]:
    return [f"What is {number}?" for number in range(count)]


def asked(text: str) -> str:
    return text.rpartition("Question: ")[2].partition("\n")[0]


def echo(request: Request) -> str:
    return f" So\nFinal Answer: Arg, {asked(request.texts[0])}"


def times_asked(server: FaultyServer) -> Counter[str]:
    return Counter(asked(request.texts[0]) for request in server.requests)


@dataclasses.dataclass(frozen=True)
class Mate:
    """Makes an agent that asks a server on loopback."""

    url: str
    prompt: Prompt

    def __call__(self) -> Agent:
        model = EndpointModel(model="parrot", base_url=self.url, api_key=SecretStr("none"), max_retries=0)
        return Agent(model, self.prompt, tools=["calculator"], retry=Retry(attempts=1))


@contextlib.asynccontextmanager
async def running(
    make: Callable[[], Agent], count: int, journal: Path, agent: Agent | None = None
) -> AsyncIterator[tuple[RayBatch, asyncio.Task[list[AnswerRow]]]]:
    """A batch on the cluster, and the task that gathers its answers."""
    rows = rows_of_values(numbers(count), Reading())
    with open_ray_batch(
        agent or make(), make, rows, journal, Crew(2, 1), concurrency=AT_ONCE, retry=Retry(attempts=2)
    ) as batch:

        async def answers() -> list[AnswerRow]:
            return [row async for row in batch.answers()]

        async with asyncio.timeout(80):
            yield batch, asyncio.create_task(answers())


async def until(truth: Callable[[], object]) -> None:
    while not truth():  # noqa: ASYNC110 - what happens, happens in other processes
        await asyncio.sleep(0.02)


async def test_an_actor_whose_agent_is_another_one_stops_the_run_before_anything_is_asked(
    cluster: Any, tmp_path: Path
) -> None:
    make = Mate("http://127.0.0.1:9/v1", mate(tmp_path))
    (tmp_path / "mate.md").write_text(PROMPT.replace("Ye have", "You have"), encoding="utf-8")
    agent = Mate(make.url, load_prompt(tmp_path / "mate.md"))()
    async with running(make, 8, tmp_path / "journal", agent) as (batch, answers):
        assert {row.status for row in await answers} == {"missing"}
    why = r"on the node \S+: the agent is another one than the driver's: prompt was mate 7 \(.*, is mate 7 "
    assert re.match(why, str(batch.failure))


async def test_repeats_are_asked_by_an_actor_and_voted_on_and_judged_by_the_driver(
    cluster: Any, tmp_path: Path
) -> None:
    given = [{"question": question, "expected": 40} for question in numbers(4)]
    often: Counter[str] = Counter()

    def behave(request: Request) -> str:
        often[asked(request.texts[0])] += 1
        return f" So\nFinal Answer: {50 if often[asked(request.texts[0])] == 2 else 40}"

    with FaultyServer(repeat=behave) as server:
        make = Mate(server.url, mate(tmp_path))
        how: How = {"repeat": 3, "vote": True}
        rows = rows_of_values(given, Reading())
        with open_ray_batch(make(), make, rows, tmp_path / "journal", Crew(1, 1), **how) as batch:
            voted = [row async for row in batch.answers()]
        assert [(row.answer, row.right, row.vote and row.vote["answers"]) for row in voted] == [
            ("40", True, {"40": 2, "50": 1})
        ] * 4
        assert list(run_batch(make(), given, journal=tmp_path / "journal", **how)) == voted
    assert set(often.values()) == {3}


async def test_a_run_is_stopped_then_loses_a_node_and_nothing_is_lost_or_asked_twice(
    cluster: Any, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    with FaultyServer(repeat=echo, latency=0.1) as server:
        make = Mate(server.url, mate(tmp_path))
        async with running(make, 90, journal) as (batch, answers):
            await until(lambda: len(server.requests) >= 10)
            batch.stop()
            first = Counter(row.status for row in await answers)
            assert batch.progress.ending == "interrupted"
        # What was on its way was finished; nothing else was begun.
        assert first == {"answered": len(server.requests), "missing": 90 - len(server.requests)}
        assert not any(request.hung_up() for request in server.requests)

        async with running(make, 90, journal) as (batch, answers):
            await until(lambda: batch.progress.answered >= 20)
            await asyncio.to_thread(cluster.remove_node, cluster.second, allow_graceful=False)
            rows = await answers
            assert (batch.progress.before, batch.progress.ending) == (first["answered"], "done")
        assert [(row.status, row.answer) for row in rows] == [
            ("answered", f"Arg, {question}") for question in numbers(90)
        ]
        # Only what was on its way on the node that died was asked again.
        times = times_asked(server)
        assert len(times) == 90
        assert sum(times.values()) - 90 <= AT_ONCE // 2
        before = len(server.requests)

        # To the local engine it is a journal like any other: of the same rows and the same agent.
        assert list(run_batch(make(), numbers(90), journal=journal)) == rows
        assert len(server.requests) == before


def test_a_driver_that_is_killed_goes_on_where_it_was_and_writes_parquet(
    cluster: Any, tmp_path: Path
) -> None:
    (tmp_path / "mate.md").write_text(PROMPT, encoding="utf-8")
    questions = [{"nr": n, "text": q, "topic": "odd" if n % 2 else None} for n, q in enumerate(numbers(60))]
    pq.write_table(pa.Table.from_pylist(questions), tmp_path / "q.parquet")
    journal = tmp_path / "a.parquet.journal"
    with FaultyServer(repeat=echo, latency=0.2) as server:
        with start(cluster, server, tmp_path) as process:
            wait_for(journal, 12, process)
            process.kill()
        answered = answered_in(journal)
        assert not (tmp_path / "a.parquet").exists()
        with start(cluster, server, tmp_path) as process:
            try:
                out, err = process.communicate(timeout=80)
            finally:
                process.kill()
        assert (process.returncode, out) == (0, ""), err
        assert "a.parquet: 60 answered; this run took " in err
        times = times_asked(server)
    assert sum(times.values()) - 60 <= AT_ONCE
    assert {times[question] for question in answered} == {1}
    rows = pq.read_table(tmp_path / "a.parquet").to_pylist()
    assert [(row["id"], row["answer"], json.loads(row["fields"])) for row in rows] == [
        (str(n), f"Arg, {question}", {"topic": "odd"} if n % 2 else {})
        for n, question in enumerate(numbers(60))
    ]
    assert {(row["status"], row["usage"]["calls"], row["prompt"]["name"]) for row in rows} == {
        ("answered", 1, "mate")
    }


def start(cluster: Any, server: FaultyServer, folder: Path) -> Popen[str]:
    command = [sys.executable, "-m", "agent_app", "batch", "q.parquet", "-o", "a.parquet", "--engine", "ray"]
    command += ["--address", cluster.address, "--actors", "1", "--concurrency", str(AT_ONCE)]
    command += ["--field", "text", "--id-field", "nr", "-m", "openai:parrot", "-p", "mate.md"]
    command += ["-t", "calculator", "--worker-env", "OPENAI_BASE_URL", "--worker-env", "OPENAI_API_KEY"]
    environment = {
        **os.environ,
        "OPENAI_BASE_URL": server.url,
        "OPENAI_API_KEY": "key-of-this-test",
        "PYTHONPATH": str(HERE.parent),
    }
    return Popen(command, cwd=folder, env=environment, text=True, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)


def wait_for(journal: Path, lines: int, process: Popen[str]) -> None:
    for _ in range(1200):
        if journal.exists() and journal.read_bytes().count(b"\n") >= lines:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError(f"{journal} never had {lines} lines")


def answered_in(journal: Path) -> set[str]:
    lines = [
        json.loads(line)
        for line in journal.read_text(encoding="utf-8").splitlines(keepends=True)
        if line.endswith("\n")
    ]
    return {line["run"]["question"] for line in lines if line.get("status") == "answered"}


# --- without a cluster ---


async def test_a_block_that_ray_runs_again_is_not_asked_again(tmp_path: Path) -> None:
    make = Mate("http://127.0.0.1:9/v1", mate(tmp_path))
    rows, budget = rows_of_values(numbers(4), Reading()), Budget(tokens=1_000)
    block = Open(tuple(rows))
    with open_ray_batch(make(), make, rows, tmp_path / "journal", Crew(2, 1), budget=budget) as batch:
        first, second, third, _ = block.rows
        assert await batch.heed(block) == [b"", b"", b"", b""]
        done = record(first, "answered", Usage(1, 300, 100))
        broken = record(second, "begun", Usage(1, 300, 0))
        assert [await batch.heed(Keep(each.to_line())) for each in (done, broken)] == [True, True]
        # Its node is lost: what is done is not wanted, and what was begun goes on where it was.
        assert await batch.heed(block) == [None, broken.to_line(), b"", b""]
        # An actor that was taken for dead has asked as well; the first answer stays, and is counted once.
        assert await batch.heed(Keep(record(first, "answered", Usage(1, 300, 200)).to_line()))
        assert (batch.progress.answered, batch.progress.usage.calls) == (1, 2)
        # Of what a row has taken in all, only the new part counts against the budget.
        assert batch.progress.ending is None
        assert await batch.heed(Keep(record(second, "answered", Usage(2, 600, 0)).to_line()))
        assert batch.progress.ending == "budget"
        assert await batch.heed(Open((third,))) == [None]
        assert await batch.heed(Until(1)) == 1
        assert dict(batch.tally()) == {"answered": 2, "missing": 2}


def record(row: Row, status: Status, usage: Usage) -> Record:
    steps = (Action("calculator", "2 + 2"), Observation("4"))
    result = Result(row.question, "So", steps, "answered", None, usage, PromptRef("mate", "7", ""), "parrot")
    return Record(row.key, status, result, 1, 1.0)


async def test_calls_wait_in_the_relay_until_the_driver_has_replied() -> None:
    relay = Relay()
    calls = [asyncio.create_task(relay.call(Until(stage))) for stage in (1, 2)]
    assert await relay.fetch() == [(0, Until(1)), (1, Until(2))]
    fetching = asyncio.create_task(relay.fetch())
    await relay.reply(1, "two")
    assert (await calls[1], calls[0].done(), fetching.done()) == ("two", False, False)
    await relay.reply(0, "one")
    assert await calls[0] == "one"
    fetching.cancel()


class DyingRelay:
    """Stands where a worker has the handle of its relay; it dies when answers come, after a given event."""

    def __init__(self, event: Callable[[], object]) -> None:
        self.call, self._event, self._dead = self, event, False

    async def remote(self, call: Call) -> Any:
        match call:
            case Open(rows):
                return [b""] * len(rows)
            case Until():
                await until(lambda: self._dead)
            case Keep():
                await until(self._event)
                self._dead = True
        raise ActorDiedError


async def test_a_worker_whose_driver_is_gone_begins_no_further_row(tmp_path: Path) -> None:
    rows = list(rows_of_values(numbers(16), Reading()))
    blocks = [{ROWS: [pickle.dumps(row) for row in rows[begin : begin + 8]]} for begin in (0, 8)]
    with FaultyServer(repeat=echo) as server:
        make = Mate(server.url, mate(tmp_path))
        how: How = {"concurrency": AT_ONCE, "retry": Retry(attempts=2), "values": {}}
        relay = DyingRelay(lambda: len(server.requests) >= AT_ONCE)
        worker = Worker(Job(make, fingerprint(make(), {}), how), relay)
        asking = [asyncio.to_thread(worker, block) for block in blocks]
        async with asyncio.timeout(30):
            errors = await asyncio.gather(*asking, return_exceptions=True)
        assert len(server.requests) == AT_ONCE
        assert [(type(error), str(error)) for error in errors] == [(BatchError, "the driver is gone")] * 2


def test_a_recipe_makes_the_same_agent_where_the_files_of_its_tools_are_not(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    (tools / "words").mkdir(parents=True)
    (tools / "words" / "hello.txt").write_text("Ahoy", encoding="utf-8")
    (tools / "greet.py").write_text(
        "from pathlib import Path\n"
        "from langchain_core.tools import tool\n"
        "@tool\n"
        "def greet(name: str) -> str:\n"
        "    'Greet somebody.'\n"
        "    return Path(__file__).with_name('words').joinpath('hello.txt').read_text() + name\n",
        encoding="utf-8",
    )
    replies = tmp_path / "replies"
    replies.write_text(" So\nAction: greet\nAction Input: Ann\n---\n So\nFinal Answer: Arg", encoding="utf-8")
    settings = Settings(model=f"scripted:{replies}", tools_dir=tools)
    recipe = Recipe(settings, mate(tmp_path), ("greet",), packed_tools(settings), fallbacks=(settings.model,))
    sent = pickle.dumps(recipe)
    shutil.rmtree(tools)
    agent = pickle.loads(sent)()
    assert agent.fallbacks == (settings.model,)
    result = agent.invoke("Who?")
    assert (result.steps[1], result.text) == (Observation("AhoyAnn"), "Arg")


def test_a_secret_for_the_actors_is_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARROT_KEY", "polly-wants-it")
    recipe = Recipe(Settings(), mate(tmp_path), environment=environment(("PARROT_KEY",)))
    assert recipe.environment == {"PARROT_KEY": "polly-wants-it"}
    assert "polly" not in repr(recipe)
    with pytest.raises(SettingError, match="are to be given CAT_KEY, but it is not set here"):
        environment(("CAT_KEY",))


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl", "a.csv"])
def test_files_that_lie_elsewhere_are_read_and_written_by_their_address(tmp_path: Path, name: str) -> None:
    lines = [{"question": "Why?", "id": "1"}, {"question": "How?", "topic": "x"}]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    pq.write_table(pa.Table.from_pylist([{"topic": None, **line} for line in lines]), tmp_path / "q.parquet")
    rows, same = (rows_at((tmp_path / q).as_uri(), Reading()) for q in ("q.jsonl", "q.parquet"))
    assert [(row.id, row.question, row.key) for row in rows] == [(r.id, r.question, r.key) for r in same]
    assert [row.place for row in rows] == ["q.jsonl:1", "q.jsonl:2"]
    target = tmp_path / name
    with answers_at(target.as_uri(), ["topic"], whole=True) as file:
        file.add(AnswerRow("1", "Why?", "answered", answer="So", attempts=1).to_dict())
        assert not target.exists()
    read: dict[str, Callable[[], list[Any]]] = {
        ".parquet": lambda: list(pq.read_table(target).to_pylist()),
        ".jsonl": lambda: [json.loads(line) for line in target.read_text().splitlines()],
        ".csv": lambda: list(csv.DictReader(target.read_text().splitlines())),
    }
    (row,) = read[target.suffix]()
    assert (row["id"], row["status"], row["answer"]) == ("1", "answered", "So")
    with pytest.raises(BatchError, match="cannot read file:"):
        rows_at((tmp_path / "none.parquet").as_uri(), Reading())


def test_what_is_wrong_with_the_engine_is_said_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingError, match="the driver has to run on a node of the cluster"):
        ray_cluster.connected("ray://10.0.0.1:10001").__enter__()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BatchError, match="folders, Parquet, and files that lie elsewhere, take --engine ray"):
        app.main(["batch", "q.parquet"], standalone_mode=False)
    Path("q.txt").write_text("Why?\n", encoding="utf-8")
    monkeypatch.setattr(ray, "init", lambda *_, **__: pytest.fail("a cluster was started"))
    for wrong, problem in (
        (["--judge", "wisdom"], "unknown judge 'wisdom'"),
        (["--vote"], "a vote takes several repeats of each question"),
        (["-p", "nowhere"], "unknown prompt 'nowhere'"),
        (["--format", "jsonl"], "q.txt:1: it is not JSON"),
        (["--worker-env", "NO_SUCH_KEY"], "the actors are to be given NO_SUCH_KEY, but it is not set here"),
        (["--tools-dir", "nowhere"], "there is no folder of tools at nowhere"),
    ):
        with pytest.raises(UserError, match=problem):
            app.main(["batch", "q.txt", "--engine", "ray", "-m", "openai:x", *wrong], standalone_mode=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(SettingError, match=r'^the engine "ray" takes an extra; run: pip install "agent-app'):
        app.main(["batch", "q.parquet", "--engine", "ray"], standalone_mode=False)
