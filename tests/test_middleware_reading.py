"""The middleware: how a model that goes on writing is asked about passages that a tool has found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import pytest
from agents import Continuing
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from passages import FINDS, FRONT, MISSING, STATED, TOLD, asked, looked_up, reading_mate, search
from pydantic import BaseModel

from agent_app import Agent, LeftOut, load_prompt
from agent_app.middleware import ReActMiddleware
from agent_app.models import Traits
from agent_app.models.scripted import ScriptedModel
from agent_app.prompt import Prompt

QUESTION = "Where was the captain born?"
LOOKED_UP = [looked_up("ship"), looked_up("captain", MISSING)]
READ = ["system", "human", "ai", "human", "ai", "human", "ai"]
"""The messages with which a model is asked about passages; two examples are shown."""
AS_EVER = ["human", "ai"]


class Choosing(AgentMiddleware[Any, Any, Any]):
    """Stands for any middleware that changes a request, once a tool was called."""

    def __init__(self, **changes: Any) -> None:
        super().__init__()
        self.changes = changes

    def wrap_model_call(self, request: Any, handler: Any) -> Any:
        return handler(request.override(**self.changes) if len(request.messages) > 1 else request)


class Narrow(Continuing):
    """Has a context window."""

    context: int


@pytest.fixture
def prompt(tmp_path: Path) -> Prompt:
    return reading_mate(tmp_path)


def agent_of(model: ScriptedModel, prompt: Prompt, *before: Choosing, **more: Any) -> Any:
    return create_agent(model, [search], middleware=[*before, ReActMiddleware(prompt)], **more)


def ask(agent: Any, *earlier: BaseMessage) -> list[BaseMessage]:
    return list(agent.invoke({"messages": [*earlier, HumanMessage(QUESTION)]})["messages"])


def kinds(model: ScriptedModel) -> list[list[str]]:
    return [[kind for kind, _ in messages] for messages in asked(model)]


def roots(model: Continuing) -> list[str]:
    return [options["grammar"].split("\n", 1)[0] for options in model.options]


def notes(message: BaseMessage) -> Any:
    return message.additional_kwargs["react"]


def test_passages_are_read_in_a_conversation_of_their_own(prompt: Prompt) -> None:
    model = Continuing(replies=[looked_up("ship"), STATED])
    messages = ask(agent_of(model, prompt))
    assert kinds(model) == [AS_EVER, READ]
    assert asked(model)[1][0] == ("system", TOLD)
    assert asked(model)[1][-2:] == [
        ("human", f"Passages:\n{FINDS['ship']}\n\nQuestion: {QUESTION}"),
        ("ai", "Thought:"),
    ]
    assert messages[-1].text == "In Mirefold."
    assert notes(messages[-1]) == {
        "thought": "It says in Mirefold; that is it",
        "reply": STATED,
        "repairs": [],
        "left_out": asdict(LeftOut()),
        "failed": [],
    }


@pytest.mark.parametrize(
    "replies",
    [
        [*LOOKED_UP, STATED],
        [*LOOKED_UP, looked_up("forged", MISSING), f" {MISSING}\nFinal Answer: I could not find it."],
        [looked_up("short"), looked_up("ship"), STATED],
        [looked_up("nowhere"), looked_up("long"), STATED],
    ],
)
def test_a_model_is_asked_what_an_agent_asks(prompt: Prompt, replies: Sequence[str]) -> None:
    """In the same words and with the same grammars, the verdict's after each passage among them."""
    model, other = Continuing(replies=replies), Continuing(replies=replies)
    messages = ask(agent_of(model, prompt))
    result = Agent(other, prompt, [search]).invoke(QUESTION)
    assert model.prompts == other.prompts
    assert model.options == other.options
    assert messages[-1].text == result.text


def test_what_is_missing_is_looked_for_then_given_up(prompt: Prompt) -> None:
    model = Continuing(replies=[*LOOKED_UP, looked_up("forged", MISSING), STATED])
    ask(agent_of(model, prompt))
    said = '" It says " fact "; " ("that is it" "\\n" answer | "it lacks " rest "\\n"'
    assert roots(model) == [
        'root ::= " " thought "\\n" (action | answer)',
        f"root ::= {said} action)",
        f"root ::= {said} (action | answer))",
        f"root ::= {said} answer)",
    ]


def test_where_no_tool_is_left_what_is_missing_is_given_up_at_once(prompt: Prompt) -> None:
    model = Continuing(replies=[looked_up("ship"), STATED])
    ask(agent_of(model, prompt, Choosing(tool_choice="none")))
    assert roots(model)[1].endswith('"it lacks " rest "\\n" answer)')


def test_the_system_prompt_goes_before_what_is_told_about_passages(prompt: Prompt) -> None:
    model = Continuing(replies=[looked_up("ship"), STATED])
    ask(agent_of(model, prompt, system_prompt="You serve on the Hispaniola."))
    assert kinds(model) == [["system", *AS_EVER], READ]
    assert asked(model)[1][0] == ("system", f"You serve on the Hispaniola.\n\n{TOLD}")


class Obedient(Continuing):
    """Obeys a grammar but begins a message of its own."""

    traits: ClassVar[Traits] = Traits(grammar=True)


@pytest.mark.parametrize("kind", [ScriptedModel, Obedient])
def test_a_model_that_cannot_be_held_to_it_is_not_asked_so(prompt: Prompt, kind: type[ScriptedModel]) -> None:
    model = kind(replies=[looked_up("ship"), STATED])
    ask(agent_of(model, prompt))
    assert kinds(model) == [["human"], ["human"]]


def test_what_a_tool_complains_of_is_no_passage(prompt: Prompt) -> None:
    model = Continuing(replies=[looked_up("nowhere"), STATED])
    ask(agent_of(model, prompt))
    assert kinds(model) == [AS_EVER, AS_EVER]


def test_after_a_reply_that_could_not_be_read_it_goes_on_as_ever(prompt: Prompt) -> None:
    model = Continuing(replies=[looked_up("ship"), " Hm.", STATED])
    messages = ask(agent_of(model, prompt))
    assert kinds(model) == [AS_EVER, READ, AS_EVER]
    assert asked(model)[2][1][1].startswith(
        "Thought: Look\nAction: search\nAction Input: ship\nObservation: "
    )
    assert [step["kind"] for step in notes(messages[-1])["failed"]] == ["unreadable", "observation"]


def test_where_a_tool_must_be_called_passages_are_shown_as_ever(prompt: Prompt) -> None:
    model = Continuing(replies=[looked_up("ship"), looked_up("captain")])
    agent = agent_of(model, prompt, Choosing(tool_choice="any"), interrupt_after=["tools"])
    state = agent.invoke({"messages": [HumanMessage(QUESTION)]})
    agent.invoke({"messages": state["messages"]})
    assert kinds(model) == [AS_EVER, AS_EVER]
    assert roots(model)[1] == 'root ::= " " thought "\\n" action'


class Birth(BaseModel):
    """Who was born where."""

    town: str


def test_where_the_answer_is_a_form_passages_are_shown_as_ever(prompt: Prompt) -> None:
    model = Continuing(replies=[looked_up("ship"), "\nAction: Birth\nAction Input: Mirefold"])
    agent = agent_of(model, prompt, response_format=Birth)
    state = agent.invoke({"messages": [HumanMessage(QUESTION)]})
    assert state["structured_response"] == Birth(town="Mirefold")
    assert kinds(model) == [AS_EVER, AS_EVER]


def test_passages_are_shortened_to_fit_and_that_is_told(prompt: Prompt) -> None:
    model = Narrow(context=1100, replies=[looked_up("long"), STATED])
    messages = ask(agent_of(model, prompt))
    assert kinds(model) == [AS_EVER, READ]
    assert 1000 < len(asked(model)[1][-2][1]) < 1200
    assert notes(messages[1])["left_out"] == asdict(LeftOut())
    assert notes(messages[-1])["left_out"] == asdict(LeftOut(observations=1))


def test_the_system_prompt_takes_room_as_well(prompt: Prompt) -> None:
    model = Narrow(context=1100, replies=[looked_up("long"), STATED])
    ask(agent_of(model, prompt, system_prompt="Aye. " * 100))
    assert kinds(model)[1] == READ
    assert len(asked(model)[1][-2][1]) < 500


def test_where_not_even_that_fits_the_prompt_is_as_ever(prompt: Prompt) -> None:
    model = Narrow(context=600, replies=[looked_up("long"), STATED])
    messages = ask(agent_of(model, prompt))
    assert kinds(model) == [AS_EVER, AS_EVER]
    assert notes(messages[-1])["left_out"]["observations"] == 1


def test_in_a_conversation_each_question_has_its_own_passages(prompt: Prompt) -> None:
    prompt.path.write_text(FRONT.replace("Question: {input}", "{history}Question: {input}"), encoding="utf-8")
    again = load_prompt(prompt.path)
    model = Continuing(replies=[*LOOKED_UP, STATED, looked_up("ship"), STATED])
    agent = agent_of(model, again)
    first = ask(agent, HumanMessage("Who are you?"), AIMessage("Your mate."))
    agent.invoke({"messages": [*first, HumanMessage("And on what ship?")]})
    turns = "Question: Who are you?\nFinal Answer: Your mate."
    assert kinds(model) == [AS_EVER, READ, READ, AS_EVER, READ]
    assert asked(model)[2][-2][1].endswith(f"by the sea.\n\n{turns}\n\nQuestion: {QUESTION}")
    turns += f"\n\nQuestion: {QUESTION}\nFinal Answer: In Mirefold."
    passages = f"Passages:\n{FINDS['ship']}"
    assert asked(model)[4][-2] == ("human", f"{passages}\n\n{turns}\n\nQuestion: And on what ship?")
    assert roots(model)[4] == roots(model)[1]


async def test_async_and_streamed_calls_do_the_same(prompt: Prompt) -> None:
    question = {"messages": [HumanMessage(QUESTION)]}
    plain, later, streamed = (Continuing(replies=[*LOOKED_UP, STATED]) for _ in range(3))
    expected = ask(agent_of(plain, prompt))[-1].text
    state = await agent_of(later, prompt).ainvoke(question)
    parts = list(agent_of(streamed, prompt).stream(question, stream_mode="messages"))
    assert plain.prompts == later.prompts == streamed.prompts
    said = "".join(part.text for part, about in parts if about["langgraph_node"] == "model")
    assert expected == state["messages"][-1].text == said == "In Mirefold."
