"""How a model is asked about the passages that tools have found: in which conversation, and in which format.

What is told and shown is a prompt's `Reading`. Whoever runs an agent asks with what is made here: the
executor loop and the middleware alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from agent_app.grammar import Schema, Verdict, reply_grammar
from agent_app.labels import THOUGHT
from agent_app.models import Traits
from agent_app.planning import Window
from agent_app.prompt import Draft, Reader
from agent_app.prompt.scratchpad import MAX_OBSERVATION
from agent_app.steps import LeftOut, Step

_IN_VAIN: tuple[Literal["action", "either", "answer"], ...] = ("action", "either", "answer")
"""What may follow when passages have been read in vain: the first time, the second, and from then on."""

_LIMITS = (MAX_OBSERVATION, 1000, 300)
"""How many characters of each passage are shown: the first of these with which all fits into the window."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a model is asked about passages, in one call."""

    messages: list[BaseMessage]
    """A conversation whose last message the model goes on writing."""
    grammar: str
    """The grammar of its reply."""
    left_out: LeftOut
    """What is not shown of the passages."""


class Passages:
    """Asks about passages, in all runs with one prompt and the same tools.

    Args:
        reader: writes what is asked.
        tools: the tools on offer, as `reply_grammar` takes them.
        openings: what a final answer must begin with, likewise.
        form: the JSON schema of a final answer that is data, likewise.
    """

    def __init__(
        self,
        reader: Reader,
        tools: Mapping[str, Schema | None],
        openings: Sequence[str],
        form: Mapping[str, Any] | None = None,
    ) -> None:
        self._reader, self._tools, self._openings, self._form = reader, tools, openings, form

    def has_to_ask(self, steps: Sequence[Step], traits: Traits) -> bool:
        """Say whether a run has just come upon a passage, and its model is to be asked about it in this way.

        Only a model that can be held to the format is: its thought has to end with a verdict.
        """
        return traits.continues and traits.grammar and self._reader.has_to_read(steps)

    def asked(
        self, draft: Draft, steps: Sequence[Step], window: Window | None, system: str = ""
    ) -> Asked | None:
        """Write what a model is asked about the passages of a run; None: there is no room for that.

        Args:
            draft: the run's prompt.
            steps: the steps so far, the last one being a passage.
            window: the context window; None: it is not known, and all is shown. Counting may take a call
                of the model's server.
            system: what the model is told before all else.
        """
        for limit in _LIMITS:
            asked = self._reader.asked(draft, steps, limit)
            messages = [*self._messages(asked, system), AIMessage(f"{THOUGHT}:")]
            if window is None or window.holds_all(messages):
                left_out = LeftOut(observations=self._reader.shortened(steps, limit))
                return Asked(messages, self._grammar(steps), left_out)
        return None

    def opening(self) -> list[BaseMessage]:
        """Return what all such conversations begin with; the last message goes on with the passages."""
        return self._messages(self._reader.opening)

    def _messages(self, asked: str, system: str = "") -> list[BaseMessage]:
        told = f"{system}\n\n{self._reader.told}" if system else self._reader.told
        messages: list[BaseMessage] = [SystemMessage(told)]
        for example, reply in self._reader.examples:
            messages += [HumanMessage(example), AIMessage(f"{THOUGHT}:{reply}")]
        return [*messages, HumanMessage(asked)]

    def _grammar(self, steps: Sequence[Step]) -> str:
        """Return the grammar of the reply, by how often passages were read in vain and what was missing."""
        reading = self._reader.reading
        verdict = Verdict(
            reading.begun(steps),
            reading.stated,
            reading.missing,
            _IN_VAIN[min(reading.missed(steps), len(_IN_VAIN) - 1)],
            reading.regret,
        )
        return reply_grammar(self._tools, openings=self._openings, form=self._form, verdict=verdict)
