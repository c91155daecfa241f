"""Whether llama.cpp reads a soft prompt as the library does that it was tuned with.

Transformers is given the virtual tokens as ``inputs_embeds``, which is what tuning did; llama.cpp is given
the derived file. Both go on with the likeliest token each time. llama.cpp reckons with quantised numbers, so
log-probabilities differ a little, and two words that are nearly as likely may change places. Where the two
part, and at the first token, llama.cpp is asked for its log-probabilities in a call of its own, as they are
after the virtual tokens were banned: before that these leave next to nothing for real ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_app.models import Named, soft_message
from agent_app.soft_prompt import SoftPrompt
from agent_app.tuning.frozen import FrozenModel
from agent_app.tuning.words import STOP, Words, bare

if TYPE_CHECKING:
    from agent_app.models.embedded import EmbeddedModel

QUESTIONS = (
    "What is 23 times 47?",
    "How much is 15 % of 80?",
    "What time is it in Tokyo?",
    "Who wrote Treasure Island?",
    "Who are you?",
)
_TOP = 200
"""Of how many tokens at a place log-probabilities are asked for."""
_AS_THEY_ARE = {"samplers": ["temperature"], "post_sampling_probs": True}
"""Makes llama.cpp tell the chances that it draws from; at a temperature of 1 they are the model's own."""
_DRAWS = 20
"""How often at most."""
_WORTH_IT = math.log(0.01)
"""What is less likely than this hardly ever decides anything, and is not compared."""


@dataclass(frozen=True, slots=True)
class Likeliest:
    """What a model writes after a text, and how likely it holds the next tokens to be."""

    tokens: tuple[int, ...]
    text: str
    chances: Mapping[int, Mapping[int, float]]
    """The log-probabilities of the likeliest tokens, by token, at some places, counted from 0."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One question, as both have gone on from it."""

    question: str
    transformers: Likeliest
    served: Likeliest

    @property
    def parting(self) -> int | None:
        """Which is the first token that differs, counted from 0; None: none does."""
        return _parting(self.transformers.tokens, self.served.tokens)

    @property
    def gap(self) -> float:
        """How far apart the log-probabilities of a first token are, at most, of those that matter."""
        one, other = self.served.chances[0], self.transformers.chances[0]
        likely = {token for chances in (one, other) for token in chances if chances[token] > _WORTH_IT}
        return max(abs(one.get(token, -math.inf) - other.get(token, -math.inf)) for token in likely)

    @property
    def margin(self) -> float:
        """By how much either preferred its own token where they part; 0 where they do not."""
        at = self.parting
        if at is None:
            return 0.0
        one, other = self.transformers.tokens[at], self.served.tokens[at]
        return max(
            self.transformers.chances[at][one] - self.transformers.chances[at].get(other, -math.inf),
            self.served.chances[at][other] - self.served.chances[at].get(one, -math.inf),
        )

    def agrees(self, tolerance: float) -> bool:
        """Say whether nothing differs by more than this, in log-probability."""
        return self.gap <= tolerance and self.margin <= tolerance


def compare(
    question: str,
    frozen: FrozenModel,
    served: EmbeddedModel,
    soft: SoftPrompt,
    *,
    tokens: int,
    words: Words | None = None,
) -> Compared:
    """Let both go on from the virtual tokens and a question.

    Args:
        question: what is asked.
        frozen: the model in transformers.
        served: the same model in llama.cpp, with the soft prompt in it.
        soft: the soft prompt.
        tokens: how many tokens are written.
        words: in which it is asked; None: `bare`.
    """
    text = (words or bare()).before(question)
    one = _in_transformers(text, frozen, soft, tokens)
    return Compared(question, one, _in_llama(text, frozen, served, soft, tokens, one))


def _in_transformers(text: str, frozen: FrozenModel, soft: SoftPrompt, tokens: int) -> Likeliest:
    import torch

    model: Any = frozen.model
    ids = torch.tensor([frozen.tokenizer(text, add_special_tokens=False)["input_ids"]])
    with torch.inference_mode():
        virtual = torch.tensor(soft.vectors)[None]
        embeds = torch.cat([virtual, model.get_input_embeddings()(ids)], 1)
        made = model.generate(
            inputs_embeds=embeds,
            attention_mask=torch.ones(embeds.shape[:2], dtype=torch.long),
            max_new_tokens=tokens,
            do_sample=False,
            output_logits=True,
            return_dict_in_generate=True,
            pad_token_id=frozen.end,
        )
    chances = {}
    for place, logits in enumerate(made.logits):
        likely = torch.log_softmax(logits[0].float(), -1)
        top = likely.topk(_TOP)
        chances[place] = dict(zip(top.indices.tolist(), top.values.tolist(), strict=True))
    return Likeliest(*_written(made.sequences[0].tolist(), frozen), chances)


def _in_llama(
    text: str, frozen: FrozenModel, served: EmbeddedModel, soft: SoftPrompt, tokens: int, other: Likeliest
) -> Likeliest:
    """Let llama.cpp go on; its log-probabilities are told of the first token, and of where the two part."""

    def asked(text: str, tokens: int, **how: Any) -> list[Mapping[str, Any]]:
        message = soft_message([Named(soft.name), text])
        reply = served.bind(logprobs=True, **how).invoke([message], max_tokens=tokens)
        said: list[Mapping[str, Any]] = reply.response_metadata.get("logprobs", {}).get("content", [])
        return said

    def chances(text: str) -> dict[int, float]:
        # What is drawn does not matter, but where that is no text, as an end is none, nothing is told.
        drawn = (
            asked(text, 1, top_logprobs=_TOP, temperature=1.0, seed=seed, extra_body=_AS_THEY_ARE)
            for seed in range(_DRAWS)
        )
        told = next(filter(None, drawn), None)
        likely = told[0]["top_probs"] if told else []
        return {one["id"]: math.log(one["prob"]) for one in likely if one["prob"] > 0}

    ids, written = _written([one["id"] for one in asked(text, tokens, top_logprobs=1)], frozen)
    tokenizer: Any = frozen.tokenizer
    places = {0, _parting(other.tokens, ids) or 0}
    return Likeliest(ids, written, {n: chances(text + tokenizer.decode(ids[:n])) for n in places})


def _parting(tokens: Sequence[int], others: Sequence[int]) -> int | None:
    pairs = zip(tokens, others, strict=False)
    return next((n for n, (one, other) in enumerate(pairs) if one != other), None)


def _written(tokens: Sequence[int], frozen: FrozenModel) -> tuple[tuple[int, ...], str]:
    """Return what was written as tokens and as text, up to the end or to where a tool would be called.

    What would stand after that is never asked for, and no tuning has taught it.
    """
    end = tokens.index(frozen.end) if frozen.end in tokens else len(tokens)
    tokenizer: Any = frozen.tokenizer
    called = (n for n in range(1, end) if STOP in tokenizer.decode(tokens[:n]))
    end = next(called, end)
    return tuple(tokens[:end]), tokenizer.decode(tokens[:end])
