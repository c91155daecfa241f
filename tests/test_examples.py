"""The example programs, each run as its own program; the service is called by real clients."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import strictness

from agent_app.events import Failed, Finished, Said, Started, Stepped, event_from_dict
from agent_app.steps import Action, Answer, Observation
from agent_app.testing import Behaviour, Drip, FaultyServer, Request, Stall, Status

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
ENVIRONMENT = {"PYTHONPATH": str(EXAMPLES.parent), **strictness.VARIABLES}


def test_the_table_names_every_example() -> None:
    table = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| \[`(.+?)`\]\(\1\) \|", table, re.MULTILINE)
    assert sorted(named) == sorted(
        file.name for file in EXAMPLES.iterdir() if file.suffix in (".py", ".ipynb")
    )


def test_a_captain_asks_his_navigator(tmp_path: Path) -> None:
    replies = [
        " I shall ask\nAction: calculator\nAction Input: What is 2400 / 8?",
        " Divide\nAction: calculator\nAction Input: 2400 / 8",
        " It is 300\nFinal Answer: It is 300.",
        " So be it\nFinal Answer: Arg, 300 hours!",
    ]
    (tmp_path / "replies.txt").write_text("\n---\n".join(replies), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "agent_as_tool.py"), "How many hours are 2400 miles at 8 knots?"],
        cwd=tmp_path,
        env=os.environ | ENVIRONMENT | {"AGENT_APP_MODEL": "scripted:replies.txt"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    said, tokens = done.stdout.splitlines()[:-1], done.stdout.splitlines()[-1]
    assert said == [
        "The captain asks his navigator: What is 2400 / 8?",
        "He hears: It is 300.",
        "Arg, 300 hours!",
    ]
    # Of the four calls, two are the navigator's: no call is counted twice, and none is forgotten.
    assert re.fullmatch(r"\(3\d\d\d tokens\)", tokens), tokens


# --- the service -----------------------------------------------------------------------------------


class Service(NamedTuple):
    """The example's server, and the model's server behind it."""

    url: str
    model: FaultyServer

    def ask(self, question: str, **more: Any) -> Generator[dict[str, Any]]:
        """Yield the data of each event as it comes in; to close this is to hang up."""
        body = {"question": question, **more}
        with httpx.stream("POST", f"{self.url}/ask", json=body, timeout=30, trust_env=False) as response:
            assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
            name = ""
            for line in response.iter_lines():
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    data = json.loads(value)
                    assert data["event"] == name
                    yield data

    def calls(self, question: str) -> list[Request]:
        """The calls of the model that a question led to."""
        return [call for call in self.model.requests if f"Question: {question}\n" in call.texts[0]]

    def budget(self) -> dict[str, int]:
        told: dict[str, int] = httpx.get(f"{self.url}/budget", trust_env=False).json()
        return told


def reply_to(request: Request) -> str | Behaviour:
    """Play the model: what it does depends on what was asked."""
    asked = request.texts[0].rpartition("Question: ")[2]
    question, _, steps = asked.partition("\n")
    if question.startswith("stall"):
        return Stall(60, begun=" I wonder ")
    if question.startswith("drip"):
        return Drip(" word" * 2000, 0.05)
    if question.startswith("refuse"):
        return Status(401)
    if "Observation: 1081" in steps:
        return " I know\nFinal Answer: Arg, 1081!"
    return " Multiply\nAction: calculator\nAction Input: 23 * 47"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AGENT_APP_")}
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "--app-dir",
        str(EXAMPLES),
        "fastapi_stream:app",
        "--port",
        "0",
    ]
    with FaultyServer(repeat=reply_to) as model:
        settings = {
            "AGENT_APP_MODEL": "openai:parrot",
            "OPENAI_BASE_URL": model.url,
            "OPENAI_API_KEY": "none",
        }
        with subprocess.Popen(
            command,
            cwd=tmp_path_factory.mktemp("service"),
            env=environment | ENVIRONMENT | settings,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        ) as process:
            try:
                assert process.stderr is not None
                log = iter(process.stderr.readline, "")
                url = next(found[0] for line in log if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
                yield Service(url, model)
            finally:
                process.terminate()
                _, log_at_the_end = process.communicate(timeout=20)
    assert "Traceback" not in log_at_the_end


def test_a_client_sees_each_event_of_the_run(service: Service) -> None:
    events = [event_from_dict(data) for data in service.ask("What is 23 * 47?")]
    said = "".join(event.text for event in events if isinstance(event, Said) and event.kind == "answer")
    steps = (
        Action("calculator", "23 * 47", "Multiply"),
        Observation("1081"),
        Answer("Arg, 1081!", "I know"),
    )
    assert isinstance(events[0], Started)
    assert tuple(event.step for event in events if isinstance(event, Stepped)) == steps
    assert isinstance(events[-1], Finished)
    assert (events[-1].result.steps, said) == (steps, "Arg, 1081!")


def test_what_was_said_before_goes_with_the_question(service: Service) -> None:
    last = list(service.ask("And now?", history=[("user", "Who are ye?"), ("assistant", "A pirate.")]))[-1]
    shown = service.calls("And now?")[0].texts[0]
    assert "Question: Who are ye?\nFinal Answer: A pirate.\n\nQuestion: And now?\nThought:" in shown
    assert last["event"] == "run_finished"


def test_all_clients_pay_out_of_one_budget(service: Service) -> None:
    before = service.budget()["spent"]
    results = [list(service.ask(f"What is 23 * 47, {name}?"))[-1]["result"] for name in ("Anne", "Mary")]
    tokens = [result["usage"]["prompt_tokens"] + result["usage"]["completion_tokens"] for result in results]
    assert min(tokens) > 0
    assert service.budget() == {"spent": before + sum(tokens), "reserved": 0}


@pytest.mark.parametrize("question", ["stall", "drip"])
def test_a_client_that_hangs_up_ends_the_run(service: Service, question: str) -> None:
    """Whether the model is silent at that moment or in the middle of writing."""
    events = service.ask(question)
    assert [next(events)["event"], next(events)["event"]] == ["run_started", "said"]
    assert service.budget()["reserved"] > 0
    events.close()
    (call,) = service.calls(question)
    assert call.hung_up(within=10)
    assert call.ended is not None
    assert call.ended - call.began < 20  # and not a minute, or the hundred seconds of two thousand words
    deadline = time.monotonic() + 10
    while service.budget()["reserved"] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert service.budget()["reserved"] == 0
    assert len(service.calls(question)) == 1  # it was not tried again


def test_an_error_is_the_last_event(service: Service) -> None:
    data = list(service.ask("refuse"))
    assert [event["event"] for event in data] == ["run_started", "error"]
    failed = event_from_dict(data[-1])
    assert isinstance(failed, Failed)
    assert (failed.kind, failed.run.stopped_by) == ("EndpointRefused", "error")
    assert failed.error == f"{service.model.url} refuses the key (HTTP 401)"


def test_a_question_that_is_none_is_an_error_event_too(service: Service) -> None:
    told = {"event": "error", "error": "the question is empty; ask something", "kind": "QuestionError"}
    assert list(service.ask(" ")) == [told]
