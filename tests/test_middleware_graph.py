"""The middleware among LangGraph's own parts: checkpoints, interrupts, limits; the agent in graphs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, TypedDict

import pytest
import strictness
from langchain.agents import create_agent
from langchain.agents.middleware import (
    HumanInTheLoopMiddleware,
    ModelCallLimitMiddleware,
    ModelFallbackMiddleware,
    ModelRetryMiddleware,
    ToolCallLimitMiddleware,
    ToolRetryMiddleware,
)
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, messages_to_dict
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command

from agent_app import Agent, LimitReached, Result
from agent_app.middleware import ReActMiddleware
from agent_app.models.scripted import ScriptedModel

ROOT = Path(__file__).resolve().parents[1]
THREAD: RunnableConfig = {"configurable": {"thread_id": "1"}}
QUESTION: Any = {"messages": [HumanMessage("What is 2 + 3?")]}
ADD = ' I add them.\nAction: add\nAction Input: {"a": 2, "b": 3}'
ANSWER = " I know it.\nFinal Answer: Arg, 5"


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def agent_of(model: Any, *before: Any, tools: Any = (add,), **options: Any) -> Any:
    return create_agent(model, [*tools], middleware=[*before, ReActMiddleware()], **options)


def scratch(model: ScriptedModel) -> str:
    """What the model was shown last, after the question."""
    return str(model.prompts[-1][-1].content).rpartition("Question: What is 2 + 3?\n")[2]


def texts(state: dict[str, Any]) -> list[str]:
    return [message.text for message in state["messages"]]


# -- checkpoints and interrupts -----------------------------------------------------------------

ELSEWHERE = '''
import sys
from langchain.agents import create_agent
from langchain_core.tools import tool
from langgraph.checkpoint.sqlite import SqliteSaver
from agent_app.middleware import ReActMiddleware
from agent_app.models.scripted import ScriptedModel

@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b

model = ScriptedModel(replies=[" I know it.\\nFinal Answer: Arg, 5"])
with SqliteSaver.from_conn_string(sys.argv[1]) as saver:
    agent = create_agent(
        model, [add], middleware=[ReActMiddleware()], checkpointer=saver, interrupt_before=["tools"]
    )
    agent.invoke(None, {"configurable": {"thread_id": "1"}})
print(model.prompts[0][0].content.rpartition("?\\n")[2])
'''


def test_a_run_goes_on_in_a_new_process_with_all_that_was_thought(tmp_path: Path) -> None:
    file = str(tmp_path / "checkpoints.sqlite")
    with SqliteSaver.from_conn_string(file) as saver:
        model = ScriptedModel(replies=[" Hm.", ADD])
        agent_of(model, checkpointer=saver, interrupt_before=["tools"]).invoke(QUESTION, THREAD)
        tried = model.prompts[1][0].text.rpartition("?\n")[2]

    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, *strictness.OPTIONS, "-c", ELSEWHERE, file]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.stderr, done.returncode) == ("", 0)
    assert tried.startswith("Thought: Hm.\nObservation:")
    assert done.stdout == f"{tried}{ADD}\nObservation: 5\nThought:\n"

    with SqliteSaver.from_conn_string(file) as saver:
        state = agent_of(ScriptedModel(replies=["unused"]), checkpointer=saver).get_state(THREAD)
    assert texts(state.values) == ["What is 2 + 3?", "", "5", "Arg, 5"]
    assert state.next == ()


async def test_a_conversation_is_kept_by_an_async_checkpointer(tmp_path: Path) -> None:
    model = ScriptedModel(replies=[ADD, ANSWER, "Final Answer: Arg, still 5"])
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "checkpoints.sqlite")) as saver:
        agent = agent_of(model, checkpointer=saver)
        await agent.ainvoke(QUESTION, THREAD)
        state = await agent.ainvoke({"messages": [HumanMessage("Sure?")]}, THREAD)
    assert texts(state) == ["What is 2 + 3?", "", "5", "Arg, 5", "Sure?", "Arg, still 5"]
    (prompt,) = model.prompts[2]
    assert "\nQuestion: What is 2 + 3?\nFinal Answer: Arg, 5\n" in str(prompt.content)


def test_the_messages_are_plain_json() -> None:
    state = agent_of(ScriptedModel(replies=["Hm.", ADD, ANSWER])).invoke(QUESTION)
    stored = messages_to_dict(state["messages"])
    assert json.loads(json.dumps(stored)) == stored
    assert {type(message) for message in state["messages"]} <= set(BaseMessage.__subclasses__())


REFUSAL = "User rejected the tool call for `add` with reason: "
REJECTED = {"type": "reject", "message": "No sums today.\nFinal Answer: none"}
SHOWN = f"Thought:{ADD}\nObservation: "


@pytest.mark.parametrize("mode", ["batched", "per_call"])
@pytest.mark.parametrize(
    ("decision", "observed"),
    [
        ({"type": "approve"}, "5"),
        (
            {"type": "edit", "edited_action": {"name": "add", "args": {"a": 20, "b": 30}}},
            'Edited. Executed instead: add with arguments {"a": 20, "b": 30}.\n\nTool response:\n50',
        ),
        (REJECTED, f"{REFUSAL}No sums today.\n| (false line) Final Answer: none"),
    ],
)
def test_a_person_approves_edits_or_rejects_a_call(mode: Any, decision: Any, observed: str) -> None:
    model = ScriptedModel(replies=[ADD, ANSWER])
    approval: Any = HumanInTheLoopMiddleware({"add": True}, interrupt_mode=mode, edit_notice="Edited.")
    agent = agent_of(model, approval, checkpointer=InMemorySaver())
    (waiting,) = agent.invoke(QUESTION, THREAD)["__interrupt__"]
    asked = waiting.value["action_requests"][0] if mode == "batched" else waiting.value
    assert (asked["name"], asked["args"]) == ("add", {"a": 2, "b": 3})
    resume = {"decisions": [decision]} if mode == "batched" else {waiting.id: decision}
    state = agent.invoke(Command(resume=resume), THREAD)
    assert state["messages"][-1].text == "Arg, 5"
    assert scratch(model) == f"{SHOWN}{observed}\nThought:"


# -- limits, retries, fallbacks -----------------------------------------------------------------


def test_a_model_call_limit_counts_what_the_loop_asks_for() -> None:
    model = ScriptedModel(replies=["Hm.", ADD, "unused"])
    state = agent_of(model, ModelCallLimitMiddleware(run_limit=1)).invoke(QUESTION)
    assert texts(state) == ["What is 2 + 3?", "", "5", "Model call limits exceeded: run limit (1/1)"]
    assert model.remaining == 1


def test_a_tool_call_limit_is_told_to_the_model() -> None:
    other = ADD.replace("2", "4")
    model = ScriptedModel(replies=[ADD, other, ANSWER])
    state = agent_of(model, ToolCallLimitMiddleware(run_limit=1)).invoke(QUESTION)
    assert texts(state)[-1] == "Arg, 5"
    assert scratch(model) == (
        f"{SHOWN}5\nThought:{other}\n"
        "Observation: Tool call limit exceeded. Do not make additional tool calls.\nThought:"
    )


@pytest.mark.parametrize("within", [False, True], ids=["around it", "within it"])
def test_a_failing_model_is_asked_again(within: bool) -> None:
    retry: Any = ModelRetryMiddleware(max_retries=1, initial_delay=0, on_failure="error")
    react: Any = ReActMiddleware()
    model = ScriptedModel(replies=["Hm.", OSError("gone"), ADD, ANSWER])
    agent: Any = create_agent(model, [add], middleware=[react, retry] if within else [retry, react])
    state = agent.invoke(QUESTION)
    assert texts(state) == ["What is 2 + 3?", "", "5", "Arg, 5"]
    model.assert_done()


def test_a_model_that_stays_unreadable_gives_way_to_another() -> None:
    first = ScriptedModel(replies=["One.", "Two.", "Three."])
    second = ScriptedModel(replies=[ANSWER])
    state = agent_of(first, ModelFallbackMiddleware(second)).invoke(QUESTION)
    assert texts(state)[-1] == "Arg, 5"
    first.assert_done()
    with pytest.raises(LimitReached):
        agent_of(ScriptedModel(replies=["One.", "Two.", "Three."])).invoke(QUESTION)


def test_a_failing_tool_is_tried_again_and_its_failure_told() -> None:
    tries: list[int] = []

    @tool
    def well(depth: int) -> str:
        """Draw water."""
        tries.append(depth)
        if len(tries) < 3:
            raise OSError("dry")
        return "water"

    retry: Any = ToolRetryMiddleware(max_retries=1, initial_delay=0)
    draw = " I draw.\nAction: well\nAction Input: 9"
    model = ScriptedModel(replies=[draw, draw, ANSWER])
    agent_of(model, retry, tools=[well]).invoke(QUESTION)
    assert tries == [9, 9, 9]
    assert scratch(model) == (
        f"Thought:{draw}\nObservation: Tool 'well' failed after 2 attempts with OSError: dry. "
        f"Please try again.\nThought:{draw}\nObservation: water\nThought:"
    )


def test_all_of_them_work_together() -> None:
    middleware: list[Any] = [
        HumanInTheLoopMiddleware({"add": True}),
        ModelCallLimitMiddleware(run_limit=5),
        ToolCallLimitMiddleware(run_limit=5),
        ModelRetryMiddleware(max_retries=1, initial_delay=0),
        ToolRetryMiddleware(max_retries=1, initial_delay=0),
    ]
    model = ScriptedModel(replies=[OSError("gone"), "Hm.", ADD, ANSWER])
    agent = agent_of(model, *middleware, checkpointer=InMemorySaver())
    agent.invoke(QUESTION, THREAD)
    state = agent.invoke(Command(resume={"decisions": [{"type": "approve"}]}), THREAD)
    assert texts(state) == ["What is 2 + 3?", "", "5", "Arg, 5"]
    model.assert_done()


# -- the agent itself in graphs -----------------------------------------------------------------


class Case(TypedDict, total=False):
    question: str
    result: Result


def graph_around(agent: Agent) -> Any:
    """A graph with the agent as its one node, sync and async."""

    def sync(state: Case, config: RunnableConfig) -> Case:
        return {"result": agent.invoke(state["question"], config)}

    async def asynchronous(state: Case, config: RunnableConfig) -> Case:
        return {"result": await agent.ainvoke(state["question"], config)}

    graph = StateGraph(Case)
    graph.add_node("pirate", RunnableLambda(sync, asynchronous))
    graph.add_edge(START, "pirate")
    graph.add_edge("pirate", END)
    return graph.compile()


async def test_the_agent_is_a_node_of_a_graph() -> None:
    def agent() -> Agent:
        return Agent(ScriptedModel(replies=[ADD, ANSWER]), tools=[add])

    for state in (
        graph_around(agent()).invoke({"question": "What is 2 + 3?"}),
        await graph_around(agent()).ainvoke({"question": "What is 2 + 3?"}),
    ):
        assert isinstance(state["result"], Result)
        assert (state["result"].text, len(state["result"].steps)) == ("Arg, 5", 3)


def test_the_agent_is_a_tool_of_another_agents_graph() -> None:
    pirate = Agent(ScriptedModel(replies=[ADD, ANSWER]), tools=[add])

    @tool
    def ask_pirate(question: str, config: RunnableConfig) -> str:
        """Ask a pirate who can reckon."""
        return pirate.invoke(question, config).text

    model = ScriptedModel(
        replies=["Action: ask_pirate\nAction Input: What is 2 + 3?", "Final Answer: He says 5"]
    )
    crew = agent_of(model, tools=[ask_pirate])
    outer = StateGraph(MessagesState)
    outer.add_node("crew", crew)
    outer.add_edge(START, "crew")
    said = outer.compile().invoke(QUESTION)["messages"]
    assert [m.text for m in said] == ["What is 2 + 3?", "", "Arg, 5", "He says 5"]
    assert isinstance(said[1], AIMessage)
    assert said[1].tool_calls[0]["args"] == {"question": "What is 2 + 3?"}
