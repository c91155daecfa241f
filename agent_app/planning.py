"""The context window is planned: what a prompt shows of a run is chosen before the model is called.

What does not fit goes in this order, and no further than it must:

1. old observations are shown shorter, the oldest first, never the newest;
2. the oldest turns of the conversation go;
3. the examples go, from the last one on;
4. the oldest steps go, an action together with its observation;
5. the newest observation is shown shorter.

Where the examples that went make room, turns come back. Persona, format, tools and question stay whole;
where these alone do not fit, that is an error.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import TYPE_CHECKING, TypeVar

from agent_app.errors import PromptError, QuestionError
from agent_app.estimate import most_tokens
from agent_app.models import context_of, traits_of
from agent_app.prompt import Draft, Segments, View, Written
from agent_app.prompt.draft import EVERYTHING
from agent_app.prompt.scratchpad import is_cut, longest_text
from agent_app.steps import LeftOut, Observation, Step

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

_T = TypeVar("_T")

# Once something must go, so much goes that the next steps fit as well: while they only add to the end, the
# model's server need not read the rest again.
_CALM = 0.8

# Turns go so many at a time, so that the next questions of a conversation mostly leave out the same ones.
_TURNS_AT_ONCE = 4

_REPLY = 1024
"""How many tokens are kept free for a reply; in a small window a quarter of it."""

_TEMPLATE = 32
"""How many tokens a chat template may add where the model does not say."""

_SHORTEST = 40
"""With fewer characters than this an observation says nothing any more."""


def utf8_length(text: str) -> int:
    """Return how many bytes of UTF-8 a text has; it has no more tokens than that."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


@dataclass(frozen=True, slots=True)
class Window:
    """How much a model can read and write in one call, in tokens."""

    tokens: int
    """Prompt and reply together."""
    reserve: int
    """What is kept free for the reply."""
    count: Callable[[str], int] = utf8_length
    """Returns how many tokens a text has, or no less than that."""
    overhead: int = 0
    """What the chat template adds to a text."""

    @property
    def room(self) -> int:
        """How many tokens a prompt's text may have."""
        return self.tokens - self.reserve - self.overhead

    def holds(self, text: str) -> bool:
        """Say whether a text fits; mostly that is certain without counting."""
        return utf8_length(text) <= self.room or self.count(text) <= self.room

    def holds_all(self, messages: Sequence[BaseMessage]) -> bool:
        """Say whether a conversation fits, with what the template adds to each of its messages."""
        pairs = (len(messages) + 1) // 2
        return replace(self, overhead=pairs * self.overhead).holds("".join(m.text for m in messages))


def window_of(model: BaseChatModel, *, context: int | None = None) -> Window | None:
    """Return a model's context window, or None where nobody knows it.

    Args:
        model: the model; where it cannot count tokens itself, they are estimated.
        context: how many tokens of the window may be used; None: all that it has.
    """
    known = [tokens for tokens in (context, context_of(model)) if tokens is not None]
    if not known:
        return None
    tokens = min(known)
    count = model.get_num_tokens if traits_of(model).counts else most_tokens
    return Window(tokens, min(_REPLY, tokens // 4), count, getattr(model, "template_tokens", _TEMPLATE))


@dataclass(frozen=True, slots=True)
class Plan:
    """The prompt of one call, and what of the run it shows."""

    segments: Segments
    left_out: LeftOut
    view: View
    written: tuple[Written, ...] = field(repr=False)
    """The texts of the steps, so that the next call need not write them again."""


def plan(
    draft: Draft,
    steps: Sequence[Step],
    window: Window | None = None,
    before: Plan | None = None,
    *,
    ending: str = "",
) -> Plan:
    """Write the prompt of the next call so that it fits into the context window.

    Args:
        draft: all of the prompt but the steps.
        steps: the steps so far.
        window: the context window; None: it is not known, and everything is shown.
        before: the plan of the call before in the same run. What it left out stays out, so that the
            prompt's beginning changes as seldom as can be.
        ending: what the caller will write after the prompt; it must fit as well.

    Raises:
        QuestionError: the question is too long for the window.
        PromptError: persona, format and tools are.
    """
    view = EVERYTHING if before is None else before.view
    known = () if before is None else before.written
    if view.longest is None:
        written = draft.add(known, steps, view)
    else:
        view = replace(view, longest=None)  # that was for a step that is not the newest any more
        written = draft.write(steps, view, known)
    segments = draft.put_together(written, view, None if before is None else before.segments)
    if window is not None and not window.holds(segments.head + segments.tail + ending):
        view = _Search(draft, steps, window, ending, written).view(view)
        written = draft.write(steps, view, written)
        segments = draft.put_together(written, view)
    return Plan(segments, _left_out(view, written), view, written)


@dataclass
class _Search:
    """The search for the mildest view that fits, with few counts."""

    draft: Draft
    steps: Sequence[Step]
    window: Window
    ending: str
    known: tuple[Written, ...]
    sizes: dict[View, int] = field(default_factory=dict)

    def view(self, start: View) -> View:
        """Return the view to show, beginning with one that does not fit.

        From one view to the next a prompt gets shorter or stays as it is. Where the words that tell of a cut
        are longer than what they replace, a milder view may be missed, but what is returned does fit.
        """
        rungs = list(self.rungs(start))
        ladder = [view for rung in rungs for view in rung]
        first = _first(ladder, self.fits)
        if first == len(ladder):
            return self.shortest(ladder[-1] if ladder else start)
        last = next(end for end in accumulate(map(len, rungs)) if end > first) - 1
        calm = _first(ladder[first:last], self.fits_calmly) + first
        found = ladder[calm if self.fits(ladder[calm]) else first]
        return found if found.examples == start.examples else self.with_turns(found, start.turns)

    def with_turns(self, view: View, turns: int) -> View:
        """Return the view with as many turns as still fit: where examples went, there may be room again."""
        wider = [replace(view, turns=n) for n in (turns, *self.turns_after(turns)) if n < view.turns]
        return [*wider, view][_first(wider, self.fits_calmly)]

    def turns_after(self, turns: int) -> list[int]:
        """Return how many turns may be left out when so many are already; of the last few any number."""
        total = len(self.draft.turns)
        singly = total - _TURNS_AT_ONCE
        return [n for n in range(turns + 1, total + 1) if n > singly or n % _TURNS_AT_ONCE == 0]

    def rungs(self, view: View) -> Iterator[list[View]]:
        """Yield what is tried one after the other: of each kind the mildest first."""
        starts = exchanges(self.steps)[1:]
        ways = {
            "brief": [n for n in starts if n > view.brief],
            "turns": self.turns_after(view.turns),
            "examples": range(view.examples + 1, len(self.draft.examples) + 1),
            "steps": [n for n in starts if n > view.steps],
        }
        for name, values in ways.items():
            rung = [replace(view, **{name: value}) for value in values]
            if rung:
                yield rung
                view = rung[-1]

    def shortest(self, view: View) -> View:
        """Return the view with the newest step as long as fits."""
        longest = max(map(longest_text, self.steps[view.steps :]), default=0)
        limits = range(_SHORTEST, longest, _SHORTEST)
        fitting = _first(limits, lambda limit: not self.fits(replace(view, longest=limit)))
        if not fitting:
            raise self.error(replace(view, longest=_SHORTEST))
        return replace(view, longest=limits[fitting - 1])

    def fits(self, view: View) -> bool:
        return self.size(view) <= self.window.room

    def fits_calmly(self, view: View) -> bool:
        return self.size(view) <= self.window.room * _CALM

    def size(self, view: View) -> int:
        """Return how many tokens a view's prompt has; as many bytes where that is few enough."""
        if view not in self.sizes:
            head, tail = self.draft.put_together(self.draft.write(self.steps, view, self.known), view)
            text = head + tail + self.ending
            size = utf8_length(text)
            self.sizes[view] = size if size <= self.window.room * _CALM else self.window.count(text)
        return self.sizes[view]

    def error(self, view: View) -> QuestionError | PromptError:
        """Say what is too long, with the figures."""
        window = self.window
        question = window.count(self.draft.question)
        rest = self.size(view) - question
        kept = f"{window.tokens:,} tokens, {window.reserve + window.overhead:,} of them kept for the reply"
        if rest <= window.room:
            what = f"the question takes {question:,} tokens, and what must stand beside it {rest:,}"
            return QuestionError(f"{what}: too much for a context window of {kept}; ask more shortly")
        what = f"persona, format and tools take {rest:,} tokens: too much for a context window"
        return PromptError(f"{what} of {kept}; use fewer tools or a larger one")


def exchanges(steps: Sequence[Step]) -> list[int]:
    """Return where each exchange begins: what the model wrote, up to the observation that answers it."""
    ends = (n + 1 for n, step in enumerate(steps) if isinstance(step, Observation))
    return [start for start in (0, *ends) if start < len(steps)]


def _first(items: Sequence[_T], good: Callable[[_T], bool]) -> int:
    """Return the index of the first item that is good, where all after it are good as well."""
    return bisect_left(items, x=True, key=good)


def _left_out(view: View, written: Sequence[Written]) -> LeftOut:
    if view is EVERYTHING:
        return LeftOut()
    cut = sum(is_cut(step, limit) for step, limit, _ in written[view.steps :])
    return LeftOut(observations=cut, turns=view.turns, examples=view.examples, steps=view.steps)
