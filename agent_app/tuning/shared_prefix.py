"""The loss of a batch, with the virtual tokens read once instead of once for each row.

Every row begins with the same virtual tokens, and in a causal model what stands after them cannot change
what was made of them. So the model reads them once, and its keys and values are shown to every row; the
gradients of all rows come together there by themselves. Logits, which cost a fifth of a small model's work,
are computed where there is something to learn only. The result is the same as that of PEFT's own forward.

This goes through the modules of transformers, and so does for any model and whatever is learnt in it; where
virtual tokens alone are learnt, `lean` is quicker.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_app.tuning.traces import Trace

if TYPE_CHECKING:
    import torch
    from peft import PeftModel


_TOGETHER = 4
"""Rows that are read at once: enough to keep two cores busy, few enough to be of a like length."""


@dataclass(frozen=True, slots=True)
class Read:
    """What a batch came to."""

    losses: torch.Tensor
    """For each token that is to be learnt, how unlikely the model holds it to be, in nats; [learnt]."""
    right: torch.Tensor
    """For each of them, whether the model would have written it; [learnt]."""
    rows: torch.Tensor
    """For each of them, the number of its row in the batch; [learnt]."""

    @property
    def loss(self) -> torch.Tensor:
        """Mean over all of them; a scalar."""
        return self.losses.mean()


def multiplying(*, bfloat16: bool) -> AbstractContextManager[None]:
    """Return what the reading of one step is to be done in.

    It must be entered for each step anew: as long as it is open, torch goes on with the first copy in
    bfloat16 that it has made of what is learnt, whatever has been learnt since.

    Args:
        bfloat16: multiply matrices with eight significant bits, instead of as they are.
    """
    import torch

    return torch.autocast("cpu", torch.bfloat16, enabled=bfloat16)


def virtual_tokens(model: PeftModel) -> torch.Tensor:
    """Return a model's virtual tokens as they are now, [1, tokens, dimension]; in float32, whatever else is.

    The encoder of p-tuning is so small that nothing is gained by multiplying its numbers with fewer bits.
    """
    import torch

    with torch.autocast("cpu", enabled=False):
        found: torch.Tensor = model.get_prompt(1)
    return found


def read_after(base: Any, before: Any, batch: Sequence[Trace]) -> Read:
    """Let a model read rows after what it has read already, and compare what it would write.

    Rows of a like length are read together, so that there is little padding however mixed a batch is.

    Args:
        base: the model without what PEFT puts round it.
        before: what all rows begin with, as `memory_of` gives it.
        batch: at least one row.
    """
    import torch

    shorter_first = sorted(range(len(batch)), key=lambda row: len(batch[row].ids))
    parts = [
        _read_together(base, before, batch, shorter_first[first : first + _TOGETHER])
        for first in range(0, len(batch), _TOGETHER)
    ]
    return Read(*(torch.cat(of_all) for of_all in zip(*parts, strict=True)))


def _read_together(
    base: Any, before: Any, batch: Sequence[Trace], rows: Sequence[int]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Read some rows of a batch, filled up to the same length; return losses, right and rows of a `Read`."""
    import torch
    from torch.nn.functional import cross_entropy

    ids, learnt = padded([batch[row] for row in rows])
    cache = _shared(base, before, len(rows))
    # Padding stands after a row's end, where no word of the row can see it: it needs no mask.
    hidden = base.base_model(input_ids=ids, cache=cache, use_cache=True).last_hidden_state
    targets, wanted = ids[:, 1:], learnt[:, 1:]
    logits = base.get_output_embeddings()(hidden[:, :-1][wanted])
    losses = cross_entropy(logits.float(), targets[wanted], reduction="none")
    with torch.no_grad():
        right = logits.argmax(-1) == targets[wanted]
    return losses, right, torch.tensor(rows)[wanted.nonzero()[:, 0]]


def padded(batch: Sequence[Trace]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the token ids of rows, filled up at their ends, and which are learnt; both [rows, longest]."""
    import torch

    longest = max(len(trace.ids) for trace in batch)
    ids = torch.zeros((len(batch), longest), dtype=torch.long)
    learnt = torch.zeros((len(batch), longest), dtype=torch.bool)
    for row, trace in enumerate(batch):
        ids[row, : len(trace.ids)] = torch.tensor(trace.ids)
        learnt[row, : len(trace.ids)] = torch.tensor(trace.learnt)
    return ids, learnt


def memory_of(base: Any, before: Any = None, **beginning: torch.Tensor) -> Any:
    """Read what rows begin with, once; return the model's memory of it, of one row, gradients and all.

    Args:
        base: the model without what PEFT puts round it.
        before: the memory of what stands before that; it stays as it is. None: nothing does.
        beginning: ``inputs_embeds`` or ``input_ids`` of one row; nothing: there is no more to read.
    """
    once = _shared(base, before, 1)
    if any(read.shape[1] for read in beginning.values()):
        base.base_model(cache=once, use_cache=True, **beginning)
    return once


def _shared(base: Any, once: Any, rows: int) -> Any:
    """Return a cache of its own for each row, which begins with what was read once."""
    from transformers import DynamicCache

    shared = DynamicCache(config=base.config)
    layers: list[Any] = once.layers if once is not None and once.get_seq_length() else []
    for number, layer in enumerate(layers):
        keys, values = (kept.expand(rows, -1, -1, -1) for kept in (layer.keys, layer.values))
        shared.update(keys, values, number)
    return shared
