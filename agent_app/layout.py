"""How a prompt is laid out as the messages of a chat model.

A model that can go on with a message of its own is shown a conversation: what it is told, each example as a
question and the reply to it, and at last the question, with the steps so far as the beginning of the reply. A
small model follows such examples far better than the same ones in one long text. Any other model gets one
text.
"""

from __future__ import annotations

from dataclasses import replace

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from agent_app.labels import FINAL_ANSWER, THOUGHT
from agent_app.models import Named, Traits, soft_message
from agent_app.planning import Window
from agent_app.prompt import Draft, Segments


def laid_out(
    segments: Segments, traits: Traits, begun: str = "", *, last: bool = False, system: str = ""
) -> list[BaseMessage]:
    """Lay out the prompt of a call.

    With virtual tokens in it, it is one plain text, as it was when they were tuned.

    Args:
        segments: the prompt, cut where the model goes on writing.
        traits: what the model can do.
        begun: how the thought begins.
        last: only a final answer is wanted.
        system: what the model is told before all else.
    """
    head, tail = segments
    if begun:
        tail = f"{tail} {begun}"
    if last:
        tail = f"{tail.rstrip()}\n{FINAL_ANSWER}:"
    if segments.virtual:
        return opening(Segments(head + tail, "", segments.virtual))
    if traits.continues:
        return [*opening(segments, system), AIMessage(tail)]
    told: list[BaseMessage] = [SystemMessage(system)] if system else []
    return [*told, HumanMessage(head + tail)]


def opening(segments: Segments, system: str = "") -> list[BaseMessage]:
    """Return all messages but the model's own, for one that can go on with it; or one text, as `laid_out`."""
    head, shown = segments.head, segments.shown
    if segments.virtual:
        name, at = segments.virtual
        return [soft_message([head[:at], Named(name), head[at:]])]
    if shown is None:
        told: list[BaseMessage] = [SystemMessage(system)] if system else []
        return [*told, HumanMessage(head.rstrip())]
    parts = (system, head[: shown.begin].strip(), head[shown.end : shown.told].strip())
    messages: list[BaseMessage] = [SystemMessage("\n\n".join(filter(None, parts)))]
    for example in shown.examples:
        asked, _, reply = example.partition(f"\n{THOUGHT}:")
        messages += [HumanMessage(asked), AIMessage(f"{THOUGHT}:{reply}")]
    return [*messages, HumanMessage(head[shown.told :].strip())]


def with_room_for(window: Window, draft: Draft, traits: Traits) -> Window:
    """Return a window that keeps room for what a chat template adds to each message of a conversation."""
    if draft.soft or not traits.continues:
        return window
    return replace(window, overhead=window.overhead * (1 + len(draft.examples)))
