"""A system as it is served: llama.cpp with the grammar, the same rows, and the same judgement."""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from agent_app.agent import Agent
from agent_app.layout import laid_out
from agent_app.models import load_model, traits_of
from agent_app.prompt import Prompt, load_prompt
from agent_app.settings import Settings
from agent_app.soft_prompt import Base, Card, save_soft_prompt
from agent_app.toolbox import Toolbox
from agent_app.tuning.comparing.learning import Learnt
from agent_app.tuning.comparing.merged import write_merged
from agent_app.tuning.comparing.systems import SOFT, System
from agent_app.tuning.data import Row
from agent_app.tuning.frozen import FrozenModel
from agent_app.tuning.keeping import tokenizer_sha256
from agent_app.tuning.metrics import Measure, Scores, judged, moves_of
from agent_app.tuning.runs import RecordedTools, ask

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

_CONTEXT = 3072
"""For the longest prompt, a run and its answer."""
LONGEST_REPLY = 160
"""In tokens, several times what a right one takes: a model that cannot end would take all the time."""
_READ_ANEW = {"cache_prompt": False}


@dataclasses.dataclass(frozen=True, slots=True)
class Served:
    """A system ready to be asked."""

    model: BaseChatModel
    prompt: Prompt
    tools: RecordedTools
    agent: Agent


@contextlib.contextmanager
def served(
    system: System,
    frozen: FrozenModel,
    learnt: Learnt | None,
    settings: Settings,
    folder: Path,
    parallel: int,
) -> Iterator[Served]:
    """Load a system.

    Args:
        system: what is served.
        frozen: the model that it rests on.
        learnt: what it has learnt.
        settings: the threads of the model.
        folder: where its soft prompt or its merged model is written; a merged model is deleted at the end.
        parallel: how many rows are asked at the same time.

    Raises:
        TuningError: a file cannot be written.
        ModelError: the model cannot be loaded.
    """
    settings = dataclasses.replace(settings, context=_CONTEXT)
    merged = folder / "merged.gguf"
    if learnt is not None and learnt.vectors is not None:
        _keep(folder / "soft" / SOFT, system, frozen, learnt)
    prompt = load_prompt(system.file, folders=[folder])
    name = f"embedded:{frozen.file}"
    if learnt is not None and learnt.added:
        write_merged(frozen.file, learnt.added, frozen.model.config.num_attention_heads, merged)
        name = f"embedded:{merged}"
    soft = [prompt.soft] if prompt.soft else []
    model = load_model(name, settings=settings, parallel=parallel, soft=soft)
    model.max_tokens = LONGEST_REPLY  # type: ignore[attr-defined]
    try:
        tools = RecordedTools()
        yield Served(model, prompt, tools, Agent(model, prompt, tools.tools, settings=settings).open())
    finally:
        model.close()  # type: ignore[attr-defined]
        merged.unlink(missing_ok=True)


def scored(served: Served, rows: Sequence[Row], parallel: int) -> Scores:
    """Have the moves of all rows made, some rows at the same time, and judge them."""
    move = moves_of(served.agent)
    with ThreadPoolExecutor(parallel) as pool:
        return Scores(tuple(pool.map(lambda row: judged(row, move), rows)))


def marks_of(scores: Scores) -> dict[str, dict[str, int]]:
    """Return how often each measure was met, and of how many."""
    shares = {name: scores.share(name) for name in get_args(Measure)}
    return {name: {"hits": share.hits, "of": share.of} for name, share in shares.items()}


def timed(served: Served, rows: Sequence[Row]) -> dict[str, float]:
    """Ask whole questions one after the other, and say what they cost.

    Returns:
        Means: ``prompt_tokens`` of the first prompt of a question, ``read_tokens`` of all of a question's
        prompts that were not in memory, ``written_tokens``, ``answers_per_minute``; and the median
        ``prefill_seconds``, the time to read a first prompt that nothing of is in memory and write a token.
    """
    described = Toolbox(served.tools.tools).describe()
    prefills, tokens = [], []
    for row in rows:
        messages = _messages(served, row.question, described)
        began = time.perf_counter()
        reply = served.model.invoke(messages, max_tokens=1, extra_body=_READ_ANEW)
        prefills.append(time.perf_counter() - began)
        assert reply.usage_metadata is not None
        tokens.append(reply.usage_metadata["input_tokens"])
    ask(rows[:1], served.agent, served.tools, lambda _: None)  # from here on the beginning is in memory
    began = time.perf_counter()
    runs = ask(rows, served.agent, served.tools, lambda _: None).to_dict()
    return {
        "questions": len(rows),
        "prompt_tokens": round(statistics.mean(tokens), 1),
        "prefill_seconds": round(statistics.median(prefills), 4),
        "read_tokens": round(runs["read_tokens"], 1),
        "written_tokens": round(runs["completion_tokens"], 1),
        "answers_per_minute": round(60 * len(rows) / (time.perf_counter() - began), 1),
    }


def words_of(prompt: Prompt) -> str:
    """Return the words that stand before the question and before any virtual tokens, as they are served."""
    tools = RecordedTools().tools
    toolbox = Toolbox(tools)
    opening = prompt.opening(toolbox.describe(), toolbox.names)
    return opening.head[: opening.virtual.at] if opening.virtual else opening.head


def _messages(served: Served, question: str, described: str) -> list[BaseMessage]:
    names = [tool.name for tool in served.tools.tools]
    segments = served.prompt.draft(question, described, names).segments(())
    return laid_out(segments, traits_of(served.model))


def _keep(folder: Path, system: System, frozen: FrozenModel, learnt: Learnt) -> None:
    assert learnt.vectors is not None
    assert system.method in ("prompt-tuning", "p-tuning")
    card = Card(
        name=folder.name,
        description=f"{system.label}, tuned for a comparison",
        method=system.method,
        tokens=system.tokens,
        dimension=frozen.dimension,
        base=Base(frozen.name, frozen.sha256),
        tokenizer_sha256=tokenizer_sha256(frozen.tokenizer),
        licence=frozen.licence,
    )
    save_soft_prompt(folder, learnt.vectors, card)
