"""Measures how much faster a soft prompt is tuned here than with PEFT's plain forward, on the same rows.

    agent-app soft data -o rows.jsonl
    python benchmarks/soft_training.py rows.jsonl --steps 6

Both ways take the same steps on the same shuffled batches with the same optimizer, in turns, in one process:
one reads the virtual tokens once for all rows of a batch and the rows without padding, through weights that
were put together beforehand, and computes logits where there is something to learn; the other calls PEFT's
model with `labels`, as its documentation does, where a long row pads all others. Both multiply in float32,
and a step's loss must be the same in both.
Counted is the processor's time, so that other programs do not count.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

Step = Callable[[Sequence[Any]], float]


def ours(model: Any) -> Step:
    """Return what learns from a batch as `agent-app soft train` does, and gives its loss."""
    from agent_app.tuning.methods import virtual_tokens
    from agent_app.tuning.reader import Reader

    reader = Reader(model.get_base_model())
    return lambda batch: reader.learn(virtual_tokens(model), batch)


def plain(model: Any) -> Step:
    """Return what learns from a batch by PEFT's own forward, and gives its loss."""
    import torch

    def learn(batch: Sequence[Any]) -> float:
        ids, learnt = padded(batch)
        lengths = torch.tensor([[len(trace.ids)] for trace in batch])
        mask = (torch.arange(ids.shape[1]) < lengths).long()
        loss = model(input_ids=ids, attention_mask=mask, labels=ids.masked_fill(~learnt, -100)).loss
        loss.backward()
        return float(loss.item())

    return learn


def padded(batch: Sequence[Any]) -> tuple[Any, Any]:
    """Return the token ids of rows, filled up at their ends, and which are learnt; both [rows, longest]."""
    import torch

    longest = max(len(trace.ids) for trace in batch)
    ids = torch.zeros((len(batch), longest), dtype=torch.long)
    learnt = torch.zeros((len(batch), longest), dtype=torch.bool)
    for row, trace in enumerate(batch):
        ids[row, : len(trace.ids)] = torch.tensor(trace.ids)
        learnt[row, : len(trace.ids)] = torch.tensor(trace.learnt)
    return ids, learnt


def seconds(step: Step, batch: Sequence[Any], adam: Any) -> tuple[float, float]:
    """Take one step without changing anything; return the processor's seconds, and the loss."""
    began = time.process_time()
    adam.zero_grad()
    loss = step(batch)
    adam.step()
    return time.process_time() - began, loss


def measure(model: Any, traces: Sequence[Any], batch: int, steps: int) -> dict[str, list[float]]:
    """Return the seconds of each step, for each way.

    Raises:
        RuntimeError: the two ways do not agree on a loss.
    """
    import torch

    from agent_app.tuning.order import Order

    # A learning rate of nothing, so that both ways see the same virtual tokens in each step.
    adam = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.0, weight_decay=0.0)
    order = Order(len(traces), batch, seed=0)
    ways = {"ours": ours(model), "PEFT": plain(model)}
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(steps + 1):
        losses = {}
        for way, step in ways.items():
            took, losses[way] = seconds(step, [traces[row] for row in order.rows(number)], adam)
            if number:  # the first step warms up
                taken[way].append(took)
        if abs(losses["ours"] - losses["PEFT"]) > 1e-3 * losses["PEFT"]:
            raise RuntimeError(f"the losses differ: {losses}")
    return taken


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each way: the median step, and how many times as fast ours is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="rows, as `agent-app soft data` makes them")
    parser.add_argument("--model", default="smollm2-135m", help="as for `agent-app soft train`")
    parser.add_argument("--tokens", type=int, default=95, help="virtual tokens")
    parser.add_argument("--batch", type=int, default=8, help="rows in a step")
    parser.add_argument("--steps", type=int, default=6, help="steps of each way that are measured")
    parser.add_argument("--threads", type=int, default=1, help="one: threads that wait count as busy")
    given = parser.parse_args(arguments)
    import torch

    from agent_app.settings import read_settings
    from agent_app.tuning.frozen import load_frozen
    from agent_app.tuning.methods import Start, wrapped
    from agent_app.tuning.recipe import Recipe
    from agent_app.tuning.traces import read_parts, traces

    torch.set_num_threads(given.threads)
    parts = read_parts(given.data, dev_rows=1)
    frozen = load_frozen(given.model, read_settings())
    data = traces(parts, frozen.tokenizer, frozen.end)
    recipe = Recipe(tokens=given.tokens, batch=given.batch)
    with wrapped(frozen, recipe, Start()) as model:
        taken = measure(model, data.train, given.batch, given.steps)
    print(table(taken))


def table(taken: dict[str, list[float]]) -> str:
    """Return a line for each way: its median step, and its time as a multiple of ours, in all and by step."""
    lines = [f"{'':<16}{'CPU s a step':>14}{'x ours':>10}   of single steps"]
    for way, took in taken.items():
        ratios = [theirs / mine for theirs, mine in zip(took, taken["ours"], strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        lines.append(
            f"{way:<16}{statistics.median(took):>14.2f}{sum(took) / sum(taken['ours']):>10.2f}   {spread}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
