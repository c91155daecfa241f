"""How a batch is read in a tuning: the forward pass of a Llama or Qwen2 model, and no more than that.

All rows begin alike, with the same words, the same virtual tokens, or both, and in a causal model what stands
after them cannot change what was made of them. So they are read once, and then row after row as one long text
without padding, each of which attends to that beginning and to itself; the gradients of all rows come
together there. The model's own weights need no gradients, so they
are put together beforehand: queries, keys and values in one matrix, the two halves of the network after
them in another, each with the scales of the norm before it. Logits, which cost a fifth of a small model's
work, are computed where there is something to learn only. Losses and gradients are those of PEFT's forward.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_app.tuning.low_rank import LowRank, low_rank
from agent_app.tuning.threads import at_once, shared_out
from agent_app.tuning.traces import Trace

if TYPE_CHECKING:
    import torch

_FEWEST = 2
"""Rows that are read by threads of their own."""


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


@dataclass(frozen=True, slots=True)
class _Layer:
    """The weights of a layer, as they are multiplied with; each [out, in]."""

    attend: torch.Tensor
    """Queries, keys and values."""
    attend_bias: torch.Tensor | None
    added: LowRank | None
    """What LoRA adds to them."""
    attended: torch.Tensor
    widen: torch.Tensor
    """Gate and value of the network."""
    narrow: torch.Tensor


class Reader:
    """Reads batches after words and virtual tokens.

    Args:
        base: a model without what PEFT puts before it; LoRA may be in its queries, keys and values. Its
            weights are copied, but for those of LoRA, which count as they are at each time.
        words: the ids of tokens that stand before the virtual ones.
        bfloat16: multiply matrices with eight significant bits, instead of in float32.
    """

    def __init__(self, base: Any, words: Sequence[int] = (), *, bfloat16: bool = False) -> None:
        import torch

        inner: Any = base.model
        config: Any = base.config
        self._exact = torch.bfloat16 if bfloat16 else torch.float32
        self._words, self._rotary = inner.embed_tokens.weight, inner.rotary_emb
        self._eps = config.rms_norm_eps
        self._wide = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        self._heads, self._kept = config.num_attention_heads, config.num_key_value_heads
        with torch.no_grad():
            self._layers = [self._layer(layer) for layer in inner.layers]
            self._head = self._folded(inner.norm, base.get_output_embeddings()).to(self._exact)
        self._learnt = [p for layer in self._layers if layer.added for p in layer.added.parameters]
        self._before = self._words[torch.tensor([*words], dtype=torch.long)].detach()
        with torch.no_grad():
            self._unchanged = None if self._learnt else self._memory(self._before)

    def read(self, virtual: torch.Tensor, batch: Sequence[Trace]) -> Read:
        """Let the model read rows, and compare what it would write.

        Args:
            virtual: the virtual tokens, [tokens, dimension]; there may be none.
            batch: at least one row.
        """
        return self._read(self._beginning(virtual), batch)

    def learn(self, virtual: torch.Tensor, batch: Sequence[Trace]) -> float:
        """Read rows, add the gradients of their mean loss to those of what is learnt, and return that loss.

        With several threads the batch is read in parts at the same time, each by threads of its own: threads
        that share one matrix wait for each other at every step of it, and lose more by that than they gain
        when another program takes a core away. The result does not depend on who is done first.

        Args:
            virtual: as in `read`, with the graph to what they are made of.
            batch: at least one row.
        """
        import torch

        learnt = sum(sum(row.learnt) for row in batch)
        shares = self._shares(batch)

        def part(rows: Sequence[Trace]) -> tuple[float, tuple[torch.Tensor, ...]]:
            leaves = [kept.detach().requires_grad_() for kept in memory]
            loss = self._read(leaves, rows).losses.sum() / learnt
            return loss.item(), torch.autograd.grad(loss, [*leaves, *self._learnt])

        memory = self._beginning(virtual)
        with shared_out(len(shares)) as (many, threads):
            found = at_once(part, shares, many, threads)
        gradients = [torch.stack(of_parts).sum(0) for of_parts in zip(*(g for _, g in found), strict=True)]
        # What the rows say of LoRA's own numbers, and by way of the beginning of all that is learnt.
        torch.autograd.backward([*memory, *self._learnt], gradients)
        return sum(loss for loss, _ in found)

    def look(self, virtual: torch.Tensor, batches: Sequence[Sequence[Trace]]) -> list[Read]:
        """Read batches without learning from them, several at the same time where there are threads.

        Args:
            virtual: as in `read`.
            batches: at least one.
        """
        import torch

        def one(batch: Sequence[Trace]) -> Read:
            with torch.no_grad():  # which is said to each thread for itself
                return self._read(memory, batch)

        with torch.no_grad():
            memory = self._beginning(virtual)
        with shared_out(len(batches)) as (many, threads):
            return at_once(one, batches, many, threads)

    def _shares(self, batch: Sequence[Trace]) -> list[list[Trace]]:
        """Divide a batch among threads, so that each has about as many tokens; the longest rows first."""
        import torch

        many = max(1, min(torch.get_num_threads(), len(batch) // _FEWEST))
        shares: list[list[Trace]] = [[] for _ in range(many)]
        for row in sorted(batch, key=lambda row: -len(row.ids)):
            min(shares, key=lambda share: sum(len(one.ids) for one in share)).append(row)
        return shares

    def _beginning(self, virtual: torch.Tensor) -> list[torch.Tensor]:
        """Read what all rows begin with, as `_memory` does; words that LoRA changes are read anew."""
        import torch

        if self._unchanged is None:
            return self._memory(torch.cat([self._before, virtual]))
        return self._memory(virtual, self._unchanged)

    def _memory(self, begun: torch.Tensor, before: Sequence[torch.Tensor] = ()) -> list[torch.Tensor]:
        """Read vectors; return the keys and the values of each layer, [tokens, heads, width].

        Args:
            begun: what is read, [tokens, dimension].
            before: the keys and values of what stands before that, which those that are returned begin with.
        """
        import torch

        first = len(before[0]) if before else 0
        hidden, memory = begun, list[torch.Tensor]()
        turned, masks = self._turns(range(first, first + len(begun))), [self._mask(first, len(begun))]
        for number, layer in enumerate(self._layers):
            kept = before[2 * number : 2 * number + 2]
            three = self._three(layer, hidden, turned)
            memory += [torch.cat(both) for both in zip(kept, three[1:], strict=True)] if kept else three[1:]
            if number < len(self._layers) - 1:  # what comes out of the last layer is never looked at
                hidden = self._through(layer, hidden, self._attended(three, kept, masks))
        return memory

    def _read(self, memory: Sequence[torch.Tensor], batch: Sequence[Trace]) -> Read:
        import torch
        from torch.nn.functional import cross_entropy, linear

        ids = torch.tensor([token for row in batch for token in row.ids])
        first = len(memory[0])
        turned = self._turns([first + place for row in batch for place in range(len(row.ids))])
        masks = [self._mask(first, len(row.ids)) for row in batch]
        hidden = self._words[ids]
        for number, layer in enumerate(self._layers):
            three = self._three(layer, hidden, turned)
            hidden = self._through(
                layer, hidden, self._attended(three, memory[2 * number : 2 * number + 2], masks)
            )
        # A token is foretold from the place before it; a row's first one is never learnt.
        learnt = torch.tensor([wanted for row in batch for wanted in row.learnt]).nonzero()[:, 0]
        logits = linear(self._normed(hidden[learnt - 1]), self._head).float()
        targets = ids[learnt]
        losses = cross_entropy(logits, targets, reduction="none")
        with torch.no_grad():
            right = logits.argmax(-1) == targets
        rows = torch.tensor([number for number, row in enumerate(batch) for _ in row.ids])
        return Read(losses, right, rows[learnt])

    def _layer(self, layer: Any) -> _Layer:
        import torch

        attention, network = layer.self_attn, layer.mlp
        three = (attention.q_proj, attention.k_proj, attention.v_proj)
        scales = (self._wide**-0.5, 1.0, 1.0)
        bias = None if three[0].bias is None else torch.cat([one.bias for one in three])
        attend = self._folded(layer.input_layernorm, *three)
        for weights in (attend, bias):
            if weights is not None:
                weights[: self._heads * self._wide] *= self._wide**-0.5
        return _Layer(
            attend.to(self._exact),
            None if bias is None else bias.to(self._exact),
            low_rank(three, scales, layer.input_layernorm.weight),
            attention.o_proj.weight.to(self._exact),
            self._folded(layer.post_attention_layernorm, network.gate_proj, network.up_proj).to(self._exact),
            network.down_proj.weight.to(self._exact),
        )

    def _folded(self, norm: Any, *linears: Any) -> torch.Tensor:
        """Return matrices as one, with the scales of the norm before them in it."""
        import torch

        matrix: torch.Tensor = torch.cat([one.weight for one in linears]) * norm.weight
        return matrix

    def _normed(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return places at the length 1 of their numbers' mean square; the scales are in the next matrix."""
        import torch

        scale = torch.rsqrt(hidden.square().mean(-1, keepdim=True) + self._eps)
        return (hidden * scale).to(self._exact)

    def _turns(self, places: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return by what queries and keys are turned at some places: cosines and sines, [places, 1, half]."""
        import torch

        cosines, sines = self._rotary(self._words[:1], torch.tensor([[*places]]))
        half = self._wide // 2
        return cosines[0, :, None, :half].to(self._exact), sines[0, :, None, :half].to(self._exact)

    def _mask(self, before: int, many: int) -> torch.Tensor:
        """Return what is added where a place must not see another; [queries, keys]."""
        import torch

        unseen = torch.full((many, before + many), float("-inf"), dtype=self._exact).triu(before + 1)
        return unseen.repeat(self._heads // self._kept, 1)

    def _three(
        self, layer: _Layer, hidden: torch.Tensor, turned: tuple[torch.Tensor, torch.Tensor]
    ) -> list[torch.Tensor]:
        """Return queries, keys and values of all places; each [places, heads, width]."""
        import torch
        from torch.nn.functional import linear

        cosines, sines = turned
        normed = self._normed(hidden)
        three = linear(normed, layer.attend, layer.attend_bias)
        if layer.added:
            three = layer.added(normed, three)
        three = three.view(len(hidden), self._heads + 2 * self._kept, self._wide)
        asked, values = torch.split(three, [self._heads + self._kept, self._kept], dim=1)
        one, other = asked.chunk(2, dim=-1)
        asked = torch.cat([one * cosines - other * sines, other * cosines + one * sines], dim=-1)
        return [*torch.split(asked, [self._heads, self._kept], dim=1), values]

    def _attended(
        self, three: Sequence[torch.Tensor], before: Sequence[torch.Tensor], masks: Sequence[torch.Tensor]
    ) -> torch.Tensor:
        """Attend, each row to what stands before all of them and to itself; [places, dimension]."""
        import torch

        shared = self._heads // self._kept
        lengths = [len(mask) // shared for mask in masks]
        found = []
        for query, key, value, mask in zip(*(torch.split(one, lengths) for one in three), masks, strict=True):
            own = (key, value)
            keys, values = [torch.cat(both) for both in zip(before, own, strict=True)] if before else own
            # The queries that share keys stand one after the other, as if they were one longer row.
            stacked = query.view(len(query), self._kept, shared, self._wide).permute(1, 2, 0, 3)
            likeness = torch.baddbmm(
                mask, stacked.reshape(self._kept, shared * len(query), self._wide), keys.permute(1, 2, 0)
            )
            seen = likeness.softmax(-1).bmm(values.transpose(0, 1))
            apart = seen.view(self._heads, len(query), self._wide)
            found.append(apart.transpose(0, 1).reshape(len(query), self._heads * self._wide))
        return torch.cat(found)

    def _through(self, layer: _Layer, hidden: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        """Let all places through the rest of a layer; [places, dimension]."""
        from torch.nn.functional import linear, silu

        hidden = hidden + linear(seen, layer.attended)
        gate, value = linear(self._normed(hidden), layer.widen).chunk(2, dim=-1)
        return hidden + linear(silu(gate) * value, layer.narrow)
