"""Measures how soon the embedded model's first word comes, with and without what was kept of the prompt.

    python benchmarks/warm.py --runs 3
    python benchmarks/warm.py --runs 3 --model embedded:smollm2-135m

Each run is two processes, which take turns: one that finds nothing of the prompt on disk ("cold") and one
that finds what the first has kept ("warm"). Both open an agent and ask two questions, the second one after
the first in the same conversation. A question's first word is the first text that is told of its first
reply; what the agent's opening took is counted on its own, and added to the first question for the total.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

ROOT = Path(__file__).resolve().parents[1]
QUESTIONS = ("What is 23 * 47?", "And twice that?")
FIGURES = {
    "import": "importing the package",
    "model": "loading the model",
    "opening": "reading the fixed part, or taking it from disk",
    "first": "first question: to its first word",
    "total": "all of that together",
    "second": "second question: to its first word",
}


def measure(model: str, prompts: Path) -> dict[str, Any]:
    """Open an agent in this process and ask both questions; return what that took."""
    times: dict[str, Any] = {}
    begun = time.perf_counter()
    from agent_app import Agent, places
    from agent_app.models import load_model
    from agent_app.settings import read_settings

    places.prompt_cache_folder = lambda: prompts
    times["import"] = time.perf_counter() - begun
    begun = time.perf_counter()
    loaded = load_model(model, settings=read_settings())
    times["model"] = time.perf_counter() - begun
    begun = time.perf_counter()
    agent = Agent(loaded, max_steps=1, on_limit="stop").open()
    times["opening"] = time.perf_counter() - begun
    history: tuple[Any, ...] = ()
    for name, question in zip(("first", "second"), QUESTIONS, strict=True):
        result, facts = ask(agent, question, history)
        history = (result,)
        times |= {name if key == "word" else f"{name}_{key}": fact for key, fact in facts.items()}
    times["total"] = sum(times[name] for name in ("import", "model", "opening", "first"))
    return times


def ask(agent: Any, question: str, history: Sequence[Any]) -> tuple[Any, dict[str, Any]]:
    """Ask; return the result, the seconds to the first word, and the tokens of the first call."""
    from agent_app.events import Finished, Said
    from benchmarks.evaluation.outcome import Outcome, Recorder

    outcome = Outcome()
    word = result = None
    begun = time.perf_counter()
    for event in agent.stream({"input": question, "history": history}, {"callbacks": [Recorder(outcome)]}):
        if isinstance(event, Said) and word is None:
            word = time.perf_counter() - begun
        if isinstance(event, Finished):
            result = event.result
    assert result is not None
    prompt, cached, _ = next(step["tokens"] for step in outcome.steps if "tokens" in step)
    return result, {"word": word, "read": prompt - cached, "prompt": prompt, "run": repr(result.steps)}


def fresh(model: str, prompts: Path) -> dict[str, Any]:
    """Measure in a process of its own.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    command = [sys.executable, __file__, "--model", model, "--inside", str(prompts)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def main(arguments: Sequence[str] | None = None) -> None:
    """Print medians of both, their ratios, and the tokens that had to be read."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="embedded", help="an embedded model, as for agent-app")
    parser.add_argument("--runs", type=int, default=3, help="pairs of processes")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.inside:
        print(json.dumps(measure(options.model, options.inside)))
        return
    pairs = []
    for _ in range(options.runs):
        with tempfile.TemporaryDirectory() as folder:
            pairs.append([fresh(options.model, Path(folder) / "prompts") for _ in ("cold", "warm")])
    show(options.model, pairs)


def show(model: str, pairs: Sequence[Sequence[dict[str, Any]]]) -> None:
    """Print the table."""
    print(f"{model}, {len(pairs)} pairs of processes{'cold s':>15}{'warm s':>9}{'cold/warm':>11}")
    for figure, meaning in FIGURES.items():
        cold, warm = (statistics.median(pair[side][figure] for pair in pairs) for side in (0, 1))
        print(f"{meaning:48}{cold:9.2f}{warm:9.2f}{cold / warm:11.1f}")
    rows = [row for pair in pairs for row in pair]
    for name in ("first", "second"):
        read, whole, runs = ({row[f"{name}_{fact}"] for row in rows} for fact in ("read", "prompt", "run"))
        same = "the same run in every process" if len(runs) == 1 else "RUNS DIFFER"
        print(f"{name} question: read {sorted(read)} of {sorted(whole)} tokens; {same}")


if __name__ == "__main__":
    main()
