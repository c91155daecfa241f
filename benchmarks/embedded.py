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
from typing import Any

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


@dataclass(slots=True)
class Taken:
    """What the conversations of one round took."""

    seconds: float = 0.0
    steps: int = 0
    prompts: list[list[int]] = field(default_factory=list)
    """Prompt tokens and cached ones of each call from the second of its conversation on."""

    @property
    def per_step(self) -> float:
        """Seconds for a call of the model and what belongs to it."""
        return self.seconds / self.steps


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
        prompt, cached = (sum(p[i] for t in takes for p in t.prompts) for i in (0, 1))
        share = 100 * cached / prompt if prompt else 0
        median = statistics.median(t.per_step for t in takes)
        print(
            f"{name:10}{median:8.3f} s a step   {share:5.1f} % of the prompt cached from the second step on"
        )
    ratio = statistics.median(a.per_step / b.per_step for a, b in zip(ours, straight, strict=True))
    print(f"ours / straight: {ratio:.3f} over {ours[0].steps} steps a round")


def _round(agent: Agent, model: Any) -> tuple[Taken, Taken]:
    """Let the agent answer each question, then send what it sent once more."""
    ours, straight = Taken(), Taken()
    for question in QUESTIONS:
        _take_slot(model)
        requests = _ask(agent, model, question, ours)
        _take_slot(model)
        _send(model.root_client._client, requests, straight)
    return ours, straight


def _take_slot(model: Any) -> None:
    """Let an unrelated prompt push the last conversation out of the model's slot."""
    model.invoke(f"Name a fruit. The number of this question is {time.perf_counter_ns()}.", max_tokens=1)


def _ask(agent: Agent, model: Any, question: str, taken: Taken) -> list[Any]:
    """Let the agent answer a question and return the HTTP requests that it made."""
    requests: list[Any] = []
    client = model.root_client._client
    outcome = Outcome()
    hooks = client.event_hooks
    client.event_hooks = {"request": [requests.append]}
    try:
        begun = time.perf_counter()
        agent.invoke(question, {"callbacks": [Recorder(outcome)]})
        taken.seconds += time.perf_counter() - begun
    finally:
        client.event_hooks = hooks
    taken.steps += len(requests)
    calls = [step["tokens"] for step in outcome.steps if "tokens" in step]
    taken.prompts += [[prompt, cached] for prompt, cached, _ in calls[1:]]
    return requests


def _send(client: Any, requests: Sequence[Any], taken: Taken) -> None:
    """Send the requests of a conversation again and read the replies to their end."""
    for number, request in enumerate(requests):
        begun = time.perf_counter()
        reply = client.send(request)
        taken.seconds += time.perf_counter() - begun
        reply.raise_for_status()
        usage = _usage(reply.text)
        if number:
            cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
            taken.prompts.append([usage["prompt_tokens"], cached])
    taken.steps += len(requests)


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
