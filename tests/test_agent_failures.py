"""A real server that misbehaves: every failure is mended, handed on to another model, or named."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agents import ANSWER, KNOWN, MULTIPLY, OBSERVATION, QUESTION, STEPS, mate, told

from agent_app import (
    Agent,
    EndpointBusy,
    EndpointDown,
    EndpointError,
    EndpointRefused,
    Retry,
    load_model,
    partial_result,
)
from agent_app.events import Event, Failed, Finished, Retrying, Said, Stepped, Switched
from agent_app.testing import (
    BreakOff,
    Drip,
    FaultyServer,
    Garbage,
    Refuse,
    ScriptedModel,
    Silence,
    Status,
)

QUICK = Retry(attempts=3, first=0.01, longest=5)
ONCE = Retry(attempts=1)
WAYS = ["invoke", "ainvoke", "stream", "astream"]


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes an agent whose model is behind a server."""

    def make(server: FaultyServer, **more: Any) -> Agent:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        more = {"retry": QUICK, "tools": ["calculator"], **more}
        return Agent(load_model("openai:parrot"), mate(tmp_path), **more)

    return make


async def run(agent: Agent, way: str, seen: list[Event] | None = None) -> Any:
    """Answer the question in one of the four ways; with a stream, keep what it tells."""
    if way == "invoke":
        return agent.invoke(QUESTION)
    if way == "ainvoke":
        return await agent.ainvoke(QUESTION)
    events = [] if seen is None else seen
    if way == "stream":
        for event in agent.stream(QUESTION):
            events.append(event)
    else:
        async for event in agent.astream(QUESTION):
            events.append(event)
    assert isinstance(events[-1], Finished)
    return events[-1].result


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "fault",
    [
        Status(500),
        Status(503),
        Status(429, headers={"Retry-After": "0"}),
        Status(408),
        Refuse(),
        Garbage(b"<html>not found</html>"),
        Garbage(b"nonsense", http=False),
    ],
    ids=lambda fault: f"{type(fault).__name__}{getattr(fault, 'code', '')}",
)
async def test_what_may_pass_is_tried_again(remote: Any, way: str, fault: Any) -> None:
    with FaultyServer(MULTIPLY, fault, KNOWN) as server:
        result = await run(remote(server), way)
    assert result.steps == STEPS
    # What is no stream at all is asked for as a whole within the same call.
    is_mended = isinstance(fault, Garbage) and fault.http and "stream" in way
    assert result.usage.calls == (2 if is_mended else 3)


@pytest.mark.parametrize("way", ["stream", "astream"])
async def test_a_stream_that_breaks_off_is_withdrawn_and_begun_again(remote: Any, way: str) -> None:
    with FaultyServer(MULTIPLY, BreakOff(" I now know the final ans"), KNOWN) as server:
        seen: list[Event] = []
        result = await run(remote(server), way, seen)
        told_error = f"{server.url} broke off its answer"
    assert result.steps == STEPS
    retrying = next(event for event in seen if isinstance(event, Retrying))
    assert retrying.error == told_error
    after = seen[seen.index(retrying) :]
    thought = "".join(e.text for e in after if isinstance(e, Said) and e.kind == "thought")
    assert thought == ANSWER.thought
    assert [e.step for e in seen if isinstance(e, Stepped)] == [*STEPS]


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        (Status(429), EndpointBusy, "is asked too often (HTTP 429)"),
        (Status(500), EndpointDown, "failed (HTTP 500)"),
        (Refuse(), EndpointDown, "broke off its answer"),
        (Garbage(b"<html>"), EndpointDown, "answered with something that is no JSON"),
    ],
)
def test_what_does_not_pass_is_named_with_the_run_so_far(
    remote: Any, fault: Any, kind: type[EndpointError], says: str
) -> None:
    with FaultyServer(MULTIPLY, fault, fault, fault) as server:
        with pytest.raises(kind) as caught:
            remote(server).invoke(QUESTION)
        assert str(caught.value).startswith(("the model's server", server.url))
        assert says in str(caught.value)
    partial = partial_result(caught.value)
    assert partial is not None
    assert (partial.steps, partial.usage.calls) == (STEPS[:2], 4)


@pytest.mark.parametrize("way", WAYS)
async def test_a_reply_that_was_cut_at_its_most_tokens_is_told_to_the_model(remote: Any, way: str) -> None:
    said = {"role": "assistant", "content": "I must think about the ma"}
    end = {"index": 0, "finish_reason": "length"}
    cut: Any = Status(200, body={"choices": [{**end, "message": said}]})
    if "stream" in way:
        cut = Garbage(b"data: %b\n\n" % json.dumps({"choices": [{**end, "delta": said}]}).encode())
    with FaultyServer(MULTIPLY, cut, KNOWN) as server:
        result = await run(remote(server), way)
    complaint = result.steps[3]
    assert complaint.text.startswith(
        "Your reply was cut off, since it came to the most tokens that a reply may"
    )
    assert "Final Answer:" in complaint.text


@pytest.mark.parametrize("code", [401, 403, 404, 400])
def test_what_would_fail_again_is_not_tried_again(remote: Any, code: int) -> None:
    with FaultyServer(Status(code)) as server:
        with pytest.raises(EndpointError) as caught:
            remote(server).invoke(QUESTION)
        assert len(server.requests) == 1
    assert isinstance(caught.value, EndpointRefused) == (code != 400)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "fault",
    [
        lambda body: Status(503, body=body),
        lambda body: Status(400, body=body),
        lambda body: Status(200, body=body),
        lambda body: Garbage(b"data: %b\n\n" % json.dumps(body).encode()),
    ],
    ids=["503", "400", "a reply", "a stream"],
)
async def test_secrets_in_a_servers_words_are_told_to_nobody(
    remote: Any, monkeypatch: pytest.MonkeyPatch, way: str, fault: Any
) -> None:
    secrets = ("parrot-parrot-1883", "ghp_" + "a" * 36)
    monkeypatch.setenv("UPSTREAM_API_KEY", secrets[0])
    body = {"error": {"message": f"upstream refused {' and '.join(secrets)}", "type": "x"}}
    seen: list[Event] = []
    with FaultyServer(repeat=fault(body)) as server, pytest.raises(EndpointError) as caught:
        await run(remote(server), way, seen)
    told = repr([*seen, caught.value, *vars(caught.value).values()])
    if isinstance(fault(body), Status):
        assert "upstream refused [secret: UPSTREAM_API_KEY] and [secret: GitHub token]" in str(caught.value)
    for secret in secrets:
        assert secret not in told


def test_a_used_up_quota_is_the_accounts_matter_and_not_tried_again(remote: Any) -> None:
    body = {"error": {"message": "pay", "type": "insufficient_quota", "code": "insufficient_quota"}}
    with FaultyServer(Status(429, body=body)) as server:
        with pytest.raises(EndpointRefused, match=r"says that the account's quota is used up \(HTTP 429\)$"):
            remote(server).invoke(QUESTION)
        assert len(server.requests) == 1


def test_the_server_is_left_alone_as_long_as_it_asks(remote: Any) -> None:
    with FaultyServer(Status(429, headers={"Retry-After": "0.3"}), KNOWN) as server:
        events = list(remote(server).stream(QUESTION))
        first, second = server.requests
        assert second.began - first.began >= 0.3
    assert [e.seconds for e in events if isinstance(e, Retrying)] == [0.3]


def test_a_server_that_asks_for_too_long_is_not_waited_for(remote: Any) -> None:
    with (
        FaultyServer(Status(429, headers={"Retry-After": "3600"})) as server,
        pytest.raises(EndpointBusy) as caught,
    ):
        remote(server).invoke(QUESTION)
    assert caught.value.retry_after == 3600


# --- time ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
async def test_a_silent_server_is_given_up_in_time(remote: Any, way: str) -> None:
    with FaultyServer(Silence(60)) as server:
        began = time.monotonic()
        with pytest.raises(EndpointDown):
            await run(remote(server, call_seconds=0.4, retry=ONCE), way)
        assert time.monotonic() - began < 20


@pytest.mark.parametrize("way", ["stream", "astream"])
async def test_a_stream_that_drips_is_given_up_in_time(remote: Any, way: str) -> None:
    with FaultyServer(Drip(" a b c d e f g h i j" * 20, 0.2)) as server:
        began = time.monotonic()
        with pytest.raises(EndpointDown, match=r"^the model gave no answer within 0\.7 s$"):
            await run(remote(server, call_seconds=0.7, retry=ONCE), way)
        assert time.monotonic() - began < 20


@pytest.mark.parametrize("way", ["stream", "astream"])
async def test_the_runs_own_time_ends_a_call_and_asks_for_the_best_answer(remote: Any, way: str) -> None:
    with FaultyServer(MULTIPLY, Drip(" a b c d e f g h" * 20, 0.2), " Arg, 1081") as server:
        result = await run(remote(server, max_seconds=1.0), way)
    assert (result.stopped_by, result.text, result.steps[:2]) == ("seconds", "Arg, 1081", STEPS[:2])


@pytest.mark.parametrize("way", WAYS)
async def test_a_model_without_time_outs_of_its_own_is_given_up_as_well(tmp_path: Path, way: str) -> None:
    from agent_app.testing import Stall

    model = ScriptedModel(replies=[Stall(60, KNOWN)])
    agent = Agent(model, mate(tmp_path), ["calculator"], call_seconds=0.3, retry=ONCE)
    began = time.monotonic()
    with pytest.raises(EndpointDown, match=r"^the model gave no answer within 0\.3 s$"):
        await run(agent, way)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("way", ["invoke", "stream", "astream"])
@pytest.mark.parametrize("seconds", [1e10, float("inf")])
async def test_a_time_that_is_longer_than_systems_can_wait_is_one(
    remote: Any, tmp_path: Path, way: str, seconds: float
) -> None:
    at_most: dict[str, Any] = {"call_seconds": seconds, "tool_seconds": seconds, "max_seconds": seconds}
    with FaultyServer(MULTIPLY, KNOWN) as server:
        far = remote(server, **at_most)  # kept, so that its connections are closed with the loop
        assert (await run(far, way)).steps == STEPS
    within = Agent(ScriptedModel(replies=[MULTIPLY, KNOWN]), mate(tmp_path), ["calculator"], **at_most)
    assert (await run(within, way)).steps == STEPS


# --- other models ----------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["stream", "astream"])
async def test_the_next_model_takes_over_for_the_rest_of_the_run(remote: Any, way: str) -> None:
    with FaultyServer(MULTIPLY, Status(500)) as server:
        second = ScriptedModel(replies=[EndpointDown("gone too")], label="scripted:second")
        third = ScriptedModel(replies=[KNOWN], label="scripted:third")
        seen: list[Event] = []
        result = await run(remote(server, fallbacks=[second, third], retry=ONCE), way, seen)
    assert (result.steps, result.model) == (STEPS, "scripted:third")
    assert [e.model for e in seen if isinstance(e, Switched)] == ["scripted:second", "scripted:third"]


def test_a_strangers_error_leads_to_the_next_model_without_its_words(tmp_path: Path) -> None:
    first = ScriptedModel(
        replies=[MULTIPLY, RuntimeError("quota of key sk-very-secret")], label="scripted:one"
    )
    second = ScriptedModel(replies=[KNOWN], label="scripted:two")
    events = list(Agent(first, mate(tmp_path), ["calculator"], fallbacks=[second]).stream(QUESTION))
    assert [e for e in events if isinstance(e, Switched)] == [
        Switched("scripted:one failed: RuntimeError", "scripted:two")
    ]
    assert "secret" not in repr(events)


def test_the_last_models_failure_is_the_runs(tmp_path: Path) -> None:
    one, two = (ScriptedModel(replies=[EndpointDown(name)], label=name) for name in ("one", "two"))
    agent = Agent(one, mate(tmp_path), [], fallbacks=[two], retry=ONCE)
    seen: list[Event] = []
    with pytest.raises(EndpointDown, match=r"^two$"):
        seen.extend(_kept(agent.stream(QUESTION), seen))
    assert told(seen) == ["run_started", "switch", "error"]
    assert isinstance(seen[-1], Failed)
    assert seen[-1].error == "two"


def _kept(events: Iterator[Event], seen: list[Event]) -> list[Event]:
    """Keep events as they come, so that those before an error are not lost."""
    for event in events:
        seen.append(event)
    return []


def test_an_embedded_model_can_take_over_from_a_remote_one(remote: Any, smollm2: Path) -> None:
    with FaultyServer(MULTIPLY, Status(500)) as server:
        result = remote(server, fallbacks=[f"embedded:{smollm2}"], retry=ONCE, max_steps=3).invoke(QUESTION)
    assert result.model == f"embedded:{smollm2}"
    assert result.steps[:2] == (STEPS[0], OBSERVATION)
    assert result.status == "answered"
