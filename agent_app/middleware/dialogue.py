"""What is asked of a text model until its reply can be read, without any input or output of its own.

`Dialogue.calls` is one plain generator of model calls. Whoever drives it makes each call and feeds what
the model says into it, sync or async, whole or in pieces; the next call follows from what was said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any
from uuid import uuid4

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata, add_usage
from langchain_core.messages.tool import ToolCall

from agent_app.errors import LimitReached
from agent_app.grounding import objection
from agent_app.labels import OBSERVATION
from agent_app.layout import laid_out, with_room_for
from agent_app.middleware.conversation import Conversation
from agent_app.middleware.offer import Offer
from agent_app.models import Traits, is_cut
from agent_app.parser import FormatError
from agent_app.passages import Asked
from agent_app.planning import Plan, Window, plan
from agent_app.prompt import Draft
from agent_app.steps import (
    Action,
    Answer,
    LeftOut,
    Observation,
    Result,
    Step,
    Unreadable,
    Usage,
    step_to_dict,
)


@dataclass
class Ledger:
    """What a reply of the agent took: all calls of the text model, those that were of no use included."""

    calls: int = 0
    usage: UsageMetadata | None = None

    def enter(self, message: BaseMessage) -> None:
        """Add the tokens that a message, or a part of one, reports."""
        if isinstance(message, AIMessage) and message.usage_metadata:
            self.usage = add_usage(self.usage, message.usage_metadata)


@dataclass
class Call:
    """One call of the text model: what it is asked, and its reply as it comes in."""

    offer: Offer
    messages: list[BaseMessage]
    options: dict[str, Any]
    begun: str
    """How the thought begins: the prompt has written that for the model."""
    left_out: LeftOut
    """What the messages do not show of the run."""
    ledger: Ledger
    reply: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._reader = self.offer.parser.reader()

    @property
    def done(self) -> bool:
        """Whether the rest of the reply would change nothing."""
        return self._reader.done

    def read(self, message: BaseMessage) -> str:
        """Take the reply, or a part of it, and return what it adds to the final answer."""
        self.ledger.enter(message)
        self.metadata |= message.response_metadata
        self.reply += message.text
        return "".join(piece.text for piece in self._reader.feed(message.text) if piece.kind == "answer")

    def close(self) -> Action | Answer:
        """End the reply and return what the model wants.

        Raises:
            FormatError: that cannot be made out.
        """
        return self._reader.close(cut=is_cut(self.metadata))


@dataclass(kw_only=True)
class Dialogue:
    """The calls of a text model that make one reply of the agent."""

    offer: Offer
    conversation: Conversation
    traits: Traits
    """What the text model can do beyond a plain chat call."""
    window: Window | None
    """Its context window, if that is known; what does not fit is left out of the prompt."""
    model_name: str
    ledger: Ledger
    options: Mapping[str, Any]
    """Arguments for each call of the text model; they go before the prompt's own."""
    values: Mapping[str, Any]
    """For each of the prompt's inputs that has no default."""
    must_call: bool
    """Whether a tool has to be called, so that no answer in words is taken."""
    forms: tuple[str, ...]
    """Tools that stand for an answer. Who answers in words where that is not taken is led to them."""
    max_format_errors: int
    """How many unreadable replies there may be."""
    notes: dict[str, Any] = field(default_factory=dict, init=False)
    """What the message cannot say itself: thought, raw reply, what was forgiven, what failed before."""

    def __post_init__(self) -> None:
        self._failed: list[Step] = []
        self._errors = 0
        self._answered = False
        self._plan: Plan | None = None
        self._message = AIMessage("")

    def calls(self) -> Iterator[Call]:
        """Yield each call to be made, until a reply can be read.

        Raises:
            LimitReached: too many replies could not be.
            PromptError: the prompt is not made for this.
        """
        while not self.notes:
            if self._errors >= self.max_format_errors:
                raise LimitReached(self._broken_off())
            call = self._call()
            self.ledger.calls += 1
            yield call
            self._settle(call)

    def message(self) -> AIMessage:
        """Return the reply as LangChain's loop wants it: with a tool call, or with the final answer."""
        return self._message

    @property
    def _wanted(self) -> tuple[str, ...]:
        """The tools that the model is to choose from."""
        return self.forms if self._answered and self.forms else self.offer.toolbox.names

    @property
    def _steps(self) -> tuple[Step, ...]:
        return (*self.conversation.steps, *self._failed)

    def _call(self) -> Call:
        asked = self._asked()
        if asked is not None:
            options = self._call_options(asked.grammar)
            return Call(self.offer, asked.messages, options, "", asked.left_out, self.ledger)
        begun = self._begun()
        shown = self._shown(f" {begun}".rstrip())
        messages = laid_out(shown.segments, self.traits, begun, system=self.conversation.system)
        return Call(self.offer, messages, self._call_options(), begun, shown.left_out, self.ledger)

    def _asked(self) -> Asked | None:
        """Return how the model is asked about passages; None: there are none, or it is not to be asked so.

        Its reply may be an answer in words, so they have to be wanted.
        """
        passages, steps = self.offer.passages, self._steps
        if self.must_call or passages is None or not passages.has_to_ask(steps, self.traits):
            return None
        return passages.asked(self._draft, steps, self.window, self.conversation.system)

    def _begun(self) -> str:
        """Return how the next thought begins, where that is not left to the model."""
        if not self.traits.continues:
            return ""
        return self.offer.prompt.thought_after(self._steps, self.conversation.question)

    def _call_options(self, grammar: str | None = None) -> dict[str, Any]:
        """Return what a call is made with; without a grammar, with that of any reply."""
        prompt = self.offer.prompt
        options = {**prompt.model, **self.options}
        stop = [*(prompt.stop or (f"\n{OBSERVATION}:",)), *(options.pop("stop", None) or ())]
        if self.traits.stop:
            options["stop"] = stop
        if self.traits.grammar:
            options["grammar"] = grammar or self._grammar()
        return options

    def _grammar(self) -> str:
        # Who is to fill in a form at the end thinks and looks things up as ever until then.
        must_call = self.must_call and (self._answered or not self.forms)
        return self.offer.grammar(self._wanted, must_call=must_call)

    @cached_property
    def _draft(self) -> Draft:
        offer, conversation = self.offer, self.conversation
        return offer.prompt.draft(
            conversation.question,
            offer.described,
            offer.toolbox.names,
            conversation.turns,
            **self.values,
        )

    def _shown(self, ending: str) -> Plan:
        ending += self.conversation.system  # it takes room as well
        self._plan = plan(self._draft, self._steps, self._room, self._plan, ending=ending)
        return self._plan

    @cached_property
    def _room(self) -> Window | None:
        return self.window and with_room_for(self.window, self._draft, self.traits)

    def _settle(self, call: Call) -> None:
        """Take what the model wants, or note why that cannot be had."""
        try:
            move = call.close()
        except FormatError as error:
            self._refuse(call, str(error.observation))
            return
        if isinstance(move, Action):
            arguments = self.offer.toolbox.arguments(move)
            if isinstance(arguments, Observation):
                self._refuse(call, arguments.text)
                return
            objected = objection(self.offer.prompt, self._draft, move, self._steps)
            if objected is not None:
                self._failed += [replace(move, thought=_whole(call, move)), objected]
                return
            self._message = AIMessage("", tool_calls=[_tool_call(move, arguments)])
        elif self.must_call:
            # The first answer in words only says that it is time for a form.
            expected = bool(self.forms) and not self._answered
            self._answered = True
            names = ", ".join(self._wanted)
            sentence = f"An answer in words is not taken here. Use one of the tools [{names}]."
            self._refuse(call, sentence, errors=0 if expected else 1)
            return
        else:
            self._message = AIMessage(move.text)
        self._note(call, move)

    def _refuse(self, call: Call, sentence: str, *, errors: int = 1) -> None:
        self._errors += errors
        self._failed += [Unreadable(f"{call.begun}{call.reply}"), Observation(sentence, error=True)]

    def _note(self, call: Call, move: Action | Answer) -> None:
        ref = self.offer.prompt.ref
        prompt = {"name": ref.name, "version": ref.version, "hash": ref.hash}
        self._message.response_metadata = {**call.metadata, "prompt": prompt}
        self.notes = {
            "thought": _whole(call, move),
            "reply": call.reply,
            "repairs": list(move.repairs),
            "left_out": asdict(call.left_out),
            "failed": [step_to_dict(step) for step in self._failed],
        }

    def _broken_off(self) -> Result:
        usage = self.ledger.usage or UsageMetadata(input_tokens=0, output_tokens=0, total_tokens=0)
        return Result(
            question=self.conversation.question,
            text="",
            steps=self._steps,
            status="stopped",
            stopped_by="format errors",
            usage=Usage(
                self.ledger.calls,
                usage["input_tokens"],
                usage["output_tokens"],
                usage.get("input_token_details", {}).get("cache_read", 0) or 0,
            ),
            prompt=self.offer.prompt.ref,
            model=self.model_name,
        )


def _whole(call: Call, move: Action | Answer) -> str:
    """Return a thought with its beginning, which the model did not write."""
    return f"{call.begun} {move.thought}".strip()


def _tool_call(action: Action, arguments: dict[str, Any]) -> ToolCall:
    return ToolCall(name=action.tool, args=arguments, id=f"call_{uuid4().hex}")
