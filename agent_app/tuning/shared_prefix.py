"""The loss of a batch, with the virtual tokens read once instead of once for each row.

Every row begins with the same virtual tokens, and in a causal model what stands after them cannot change
what was made of them. So the model reads them once, and its keys and values are shown to every row; the
gradients of all rows come together there by themselves. Logits, which cost a fifth of a small model's work,
are computed where there is something to learn only. The result is the same as that of PEFT's own forward.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_app.tuning.traces import Trace

if TYPE_CHECKING:
    import torch
    from peft import PeftModel


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


def read(model: PeftModel, batch: Sequence[Trace]) -> Read:
    """Let the model read rows after its virtual tokens, and compare what it would write.

    Args:
        model: a frozen model with its virtual tokens, as `wrapped` gives it.
        batch: at least one row; rows of a like length cost the least.
    """
    return read_after(model.get_base_model(), model.get_prompt(1), batch)


def read_after(base: Any, vectors: torch.Tensor, batch: Sequence[Trace]) -> Read:
    """Let a model read rows after vectors, and compare what it would write.

    Args:
        base: a frozen model, as transformers has it.
        vectors: what stands before each row in place of words; [1, tokens, dimension].
        batch: at least one row; rows of a like length cost the least.
    """
    import torch
    from torch.nn.functional import cross_entropy

    ids, learnt = padded(batch)
    cache = _shared(base, vectors, len(batch))
    # Padding stands after a row's end, where no word of the row can see it: it needs no mask.
    hidden = base.base_model(input_ids=ids, past_key_values=cache, use_cache=True).last_hidden_state
    targets, wanted = ids[:, 1:], learnt[:, 1:]
    logits = base.get_output_embeddings()(hidden[:, :-1][wanted])
    losses = cross_entropy(logits.float(), targets[wanted], reduction="none")
    with torch.no_grad():
        right = logits.argmax(-1) == targets[wanted]
    return Read(losses, right, wanted.nonzero()[:, 0])


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


def _shared(base: Any, vectors: torch.Tensor, rows: int) -> Any:
    """Read the virtual tokens once; return a cache that shows them to each row, gradients and all."""
    from transformers import DynamicCache

    once = DynamicCache(config=base.config)
    if not vectors.shape[1]:
        return once
    base.base_model(inputs_embeds=vectors, past_key_values=once, use_cache=True)
    shared = DynamicCache(config=base.config)
    layers: list[Any] = once.layers
    for number, layer in enumerate(layers):
        keys, values = (kept.expand(rows, -1, -1, -1) for kept in (layer.keys, layer.values))
        shared.update(keys, values, number)
    return shared
