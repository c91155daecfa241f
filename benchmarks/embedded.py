"""Measures what the agent adds to the embedded model: prompt cache and time per step.

    python benchmarks/embedded.py --rounds 3

The agent answers a few questions while its HTTP requests are noted; then the very same requests are sent
straight to the same llama.cpp server. Before each conversation an unrelated prompt takes the model's slot, so
that both begin alike. They take turns, and the first round is not counted.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from agent_app import Agent
from agent_app.models import load_model
from agent_app.settings import read_settings
from benchmarks.evaluation.outcome import Outcome, Recorder
from benchmarks.evaluation.toolset import load_tools

QUESTIONS = (
    "What is 37 * 41, and what is that minus 500?",
    "Who keeps the tavern in the home port of the Sable Finch?",
    "How much taller is the Stormhook Light than the Maiden's Candle?",
)


class Call(NamedTuple):
    """The tokens of one call of the model, and whether it was the first of its conversation."""

    prompt: int
    cached: int
    written: int
    first: bool


@dataclass(slots=True)
class Taken:
    """What the conversations of one round took."""

    seconds: float = 0.0
    calls: list[Call] = field(default_factory=list)

    @property
    def per_step(self) -> float:
        """Seconds for a call of the model and what belongs to it."""
        return self.seconds / len(self.calls)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the cached share and the times per step."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="embedded", help="an embedded model, as for agent-app")
    parser.add_argument("--rounds", type=int, default=3, help="rounds that count")
    options = parser.parse_args(arguments)
    model: Any = load_model(options.model, settings=read_settings())
    agent = Agent(model=model, prompt="pirate", tools=load_tools(), max_steps=8)
    rounds = [_round(agent, model) for _ in range(options.rounds + 1)][1:]
    ours, straight = ([pair[i] for pair in rounds] for i in (0, 1))
    for name, takes in (("ours", ours), ("straight", straight)):
        print(f"{name:10}{_line(takes)}")
    ratio = statistics.median(a.per_step / b.per_step for a, b in zip(ours, straight, strict=True))
    print(f"ours / straight: {ratio:.3f} over {len(ours[0].calls)} steps a round")


def _line(takes: Sequence[Taken]) -> str:
    """Say what the rounds of one side took; both sides should have read and written as many tokens."""
    calls = [call for taken in takes for call in taken.calls]
    later = [call for call in calls if not call.first]
    seconds = statistics.median(taken.per_step for taken in takes)
    read = sum(call.prompt - call.cached for call in calls) / len(calls)
    written = sum(call.written for call in calls) / len(calls)
    prompt = sum(call.prompt for call in later)
    share = f"{sum(call.cached for call in later) / prompt:.1%}" if prompt else "(there was none)"
    return (
        f"{seconds:8.3f} s a step, {read:.0f} tokens read and {written:.0f} written; "
        f"cached from the second step on: {share}"
    )


def _round(agent: Agent, model: Any) -> tuple[Taken, Taken]:
    """Let the agent answer all questions, then send all that it sent once more.

    In this order both sides find the same in the server's prompt cache: the whole round of the other.
    """
    ours, straight = Taken(), Taken()
    conversations = []
    for question in QUESTIONS:
        _take_slot(model)
        conversations.append(_ask(agent, model, question, ours))
    for requests in conversations:
        _take_slot(model)
        _send(model.root_client._client, requests, straight)
    return ours, straight


def _take_slot(model: Any) -> None:
    """Let an unrelated prompt push the last conversation out of the model's slot."""
    model.invoke(f"Name a fruit. The number of this question is {time.perf_counter_ns()}.", max_tokens=1)


def _ask(agent: Agent, model: Any, question: str, taken: Taken) -> list[Any]:
    """Let the agent answer a question and return the HTTP requests for replies that it made."""
    requests: list[Any] = []

    def keep(request: Any) -> None:
        if request.url.path.endswith("/completions"):  # and not one that counts tokens
            requests.append(request)

    client = model.root_client._client
    outcome = Outcome()
    hooks = client.event_hooks
    client.event_hooks = {"request": [keep]}
    try:
        begun = time.perf_counter()
        agent.invoke(question, {"callbacks": [Recorder(outcome)]})
        taken.seconds += time.perf_counter() - begun
    finally:
        client.event_hooks = hooks
    counts = [step["tokens"] for step in outcome.steps if "tokens" in step]
    for number, (prompt, cached, written) in enumerate(counts):
        taken.calls.append(Call(prompt, cached, written, number == 0))
    return requests


def _send(client: Any, requests: Sequence[Any], taken: Taken) -> None:
    """Send the requests of a conversation again and read the replies to their end."""
    for number, request in enumerate(requests):
        begun = time.perf_counter()
        reply = client.send(request)
        taken.seconds += time.perf_counter() - begun
        reply.raise_for_status()
        usage = _usage(reply.text)
        cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
        taken.calls.append(Call(usage["prompt_tokens"], cached, usage["completion_tokens"], number == 0))


def _usage(text: str) -> dict[str, Any]:
    """Return the token counts of a reply, whether it came whole or as a stream of events."""
    if text.lstrip().startswith("{"):
        whole: dict[str, Any] = json.loads(text)["usage"]
        return whole
    events = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: {")]
    counts = [event["usage"] for event in map(json.loads, events) if event.get("usage")]
    if not counts:
        raise RuntimeError("the server did not say how many tokens it read")
    last: dict[str, Any] = counts[-1]
    return last


if __name__ == "__main__":
    main()
