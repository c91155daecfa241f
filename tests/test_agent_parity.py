"""An agent is a LangChain component: all that works with other ones works with it, in threads and tasks."""

from __future__ import annotations

import asyncio
import functools
import gc
import operator
import pickle
import re
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypedDict
from uuid import UUID

import pytest
from agents import ANSWER, DOUBLE, KNOWN, MULTIPLY, QUESTION, STEPS, agent_of, mate, said_by
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import RunnableBranch, RunnableConfig, RunnableLambda
from langchain_core.tools import BaseTool, StructuredTool, ToolException, tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt
from pydantic import BaseModel, Field, SecretStr

from agent_app import Action, Agent, Answer, EndpointError, Observation, QuestionError, Result, Retry
from agent_app.events import Finished, Stepped
from agent_app.models.async_client import AnyLoopClient
from agent_app.models.scripted import ScriptedModel
from agent_app.testing import FaultyServer

# --- many at once ----------------------------------------------------------------------------------

RUNS = 200


def play(messages: list[BaseMessage]) -> str:
    """Have the number in the question doubled by the tool, and answer with what came back."""
    shown = messages[-1].text
    number = shown.rpartition("Question: ")[2].partition("\n")[0]
    seen = re.findall(r"^Observation: (.+)$", shown, re.MULTILINE)
    return f" Done\nFinal Answer: {seen[0]}" if seen else f" Double\nAction: double\nAction Input: {number}"


def steps_for(number: int) -> tuple[Any, ...]:
    doubled = str(2 * number)
    return Action("double", str(number), "Double"), Observation(doubled), Answer(doubled, "Done")


class _All:
    """A tool that waits until all runs are in it, so that they are certainly all under way at once."""

    def __init__(self) -> None:
        self.threads = threading.Barrier(RUNS)
        self.tasks = asyncio.Barrier(RUNS)
        self.heard: list[str] = []

    def tool(self) -> BaseTool:
        def double(text: str) -> int:
            """Double a number."""
            self.threads.wait(60)
            self.heard.append(text)
            return 2 * int(text)

        async def adouble(text: str) -> int:
            """Double a number."""
            async with asyncio.timeout(60):
                await self.tasks.wait()
            self.heard.append(text)
            return 2 * int(text)

        return StructuredTool.from_function(double, coroutine=adouble)


def doubler(folder: Path) -> tuple[Agent, _All]:
    together = _All()
    return Agent(ScriptedModel(repeat=play), mate(folder), [together.tool()]), together


def check(results: list[Result], together: _All) -> None:
    assert [result.steps for result in results] == [steps_for(n) for n in range(RUNS)]
    assert [result.question for result in results] == [str(n) for n in range(RUNS)]
    assert {(result.usage.calls, result.stopped_by) for result in results} == {(2, None)}
    assert sorted(together.heard, key=int) == [str(n) for n in range(RUNS)]


def last_of(agent: Agent, question: str) -> Result:
    *_, last = agent.stream(question)
    assert isinstance(last, Finished)
    return last.result


@pytest.mark.parametrize("ask", [Agent.invoke, last_of])
def test_two_hundred_threads_share_no_state(ask: Callable[[Agent, str], Result], tmp_path: Path) -> None:
    agent, together = doubler(tmp_path)
    with ThreadPoolExecutor(RUNS) as pool:
        results = list(pool.map(lambda n: ask(agent, str(n)), range(RUNS)))
    check(results, together)


async def alast_of(agent: Agent, question: str) -> Result:
    events = [event async for event in agent.astream(question)]
    last = events[-1]
    assert isinstance(last, Finished)
    assert tuple(event.step for event in events if isinstance(event, Stepped)) == last.result.steps
    return last.result


@pytest.mark.parametrize("ask", [Agent.ainvoke, alast_of])
async def test_two_hundred_tasks_share_no_state(ask: Callable[[Agent, str], Any], tmp_path: Path) -> None:
    agent, together = doubler(tmp_path)
    check(await asyncio.gather(*(ask(agent, str(n)) for n in range(RUNS))), together)


async def test_it_can_be_called_in_a_running_event_loop(tmp_path: Path) -> None:
    """As in a notebook, whose every cell runs in one."""
    agent = agent_of(tmp_path, MULTIPLY, KNOWN, MULTIPLY, KNOWN, MULTIPLY, KNOWN)
    assert agent.invoke(QUESTION).steps == STEPS
    assert (await agent.ainvoke(QUESTION)).steps == STEPS
    assert last_of(agent, QUESTION).steps == STEPS


async def test_a_tool_that_can_only_be_awaited_works_there_too(tmp_path: Path) -> None:
    @tool
    async def shout(text: str) -> str:
        """Say it louder."""
        await asyncio.sleep(0)
        return text.upper()

    replies = (" Go\nAction: shout\nAction Input: ahoy", KNOWN)
    assert agent_of(tmp_path, *replies, tools=[shout]).invoke("q").steps[1] == Observation("AHOY")


# --- batches ---------------------------------------------------------------------------------------


def test_a_batch_keeps_the_order_and_hands_back_errors(tmp_path: Path) -> None:
    agent = Agent(ScriptedModel(repeat=play), mate(tmp_path), [_double])
    first, second, third = agent.batch(["1", " ", "3"], return_exceptions=True)
    assert isinstance(first, Result)
    assert isinstance(third, Result)
    assert (first.steps, third.steps) == (steps_for(1), steps_for(3))
    assert isinstance(second, QuestionError)
    with pytest.raises(QuestionError):
        agent.batch(["1", " ", "3"])


async def test_an_async_batch_does_too(tmp_path: Path) -> None:
    agent = Agent(ScriptedModel(repeat=play), mate(tmp_path), [_double])
    first, second = await agent.abatch(["1", " "], return_exceptions=True)
    assert isinstance(first, Result)
    assert first.steps == steps_for(1)
    assert isinstance(second, QuestionError)


@tool("double")
def _double(text: str) -> int:
    """Double a number."""
    return 2 * int(text)


@pytest.mark.parametrize("way", ["batch", "abatch", "map"])
async def test_no_more_run_at_once_than_allowed(way: str, tmp_path: Path) -> None:
    under_way: list[int] = []
    lock = threading.Lock()
    most = 0

    @tool("double")
    async def double(text: str) -> int:
        """Double a number."""
        nonlocal most
        with lock:
            under_way.append(1)
            most = max(most, len(under_way))
        await asyncio.sleep(0.02)
        with lock:
            under_way.pop()
        return 2 * int(text)

    agent = Agent(ScriptedModel(repeat=play), mate(tmp_path), [double])
    config: RunnableConfig = {"max_concurrency": 3}
    questions: list[Any] = [str(n) for n in range(9)]
    if way == "batch":
        results = await asyncio.to_thread(agent.batch, questions, config)
    elif way == "abatch":
        results = await agent.abatch(questions, config)
    else:
        results = await agent.map().ainvoke(questions, config)
    assert [result.steps for result in results] == [steps_for(n) for n in range(9)]
    assert most == 3
    assert not under_way


# --- put together with other runnables -------------------------------------------------------------


def text_of(result: Result) -> str:
    return result.text


async def test_it_goes_before_and_after_other_runnables(tmp_path: Path) -> None:
    def chain() -> Any:
        return RunnableLambda(lambda n: f"What is {n} * 47?") | agent_of(tmp_path, MULTIPLY, KNOWN) | text_of

    assert chain().invoke(23) == ANSWER.text
    assert await chain().ainvoke(23) == ANSWER.text
    assert list(chain().stream(23)) == [ANSWER.text]
    assert [text async for text in chain().astream(23)] == [ANSWER.text]
    assert chain().batch([23]) == [ANSWER.text]


def routed(agent: Agent) -> Any:
    return RunnableLambda(lambda _: agent)


def branched(agent: Agent) -> Any:
    return RunnableBranch((lambda _: False, agent), agent)


def backed(agent: Agent) -> Any:
    return agent.with_fallbacks([agent])


@pytest.mark.parametrize("within", [routed, branched, backed])
async def test_within_others_it_hands_on_its_result_in_a_stream_too(
    within: Callable[[Agent], Any], tmp_path: Path
) -> None:
    chain = within(agent_of(tmp_path, KNOWN, KNOWN)) | text_of
    assert list(chain.stream(QUESTION)) == [ANSWER.text]
    assert [text async for text in chain.astream(QUESTION)] == [ANSWER.text]


def test_what_is_streamed_adds_up_to_the_result(tmp_path: Path) -> None:
    heard: list[Any] = []
    agent = agent_of(tmp_path, MULTIPLY, KNOWN).with_listeners(on_end=lambda run: heard.append(run.outputs))
    events: list[Any] = list(agent.stream(QUESTION))
    result = functools.reduce(operator.add, events)
    assert result is events[-1].result
    assert [outputs["output"] for outputs in heard] == [result]


async def test_one_agent_hands_its_answer_on_to_another(tmp_path: Path) -> None:
    first, second = agent_of(tmp_path, MULTIPLY, KNOWN), agent_of(tmp_path, " Aye\nFinal Answer: twice so")
    assert (first | text_of | second).invoke(QUESTION).text == "twice so"
    assert "Question: Arg, 1081!\n" in said_by(second)[0]


async def test_a_failed_run_is_tried_again(tmp_path: Path) -> None:
    def again() -> Any:
        agent = agent_of(tmp_path, ValueError("a storm"), MULTIPLY, KNOWN)
        return agent.with_retry(retry_if_exception_type=(ValueError,), wait_exponential_jitter=False)

    assert again().invoke(QUESTION).steps == STEPS
    assert (await again().ainvoke(QUESTION)).steps == STEPS
    assert again().batch([QUESTION])[0].steps == STEPS


async def test_another_agent_takes_over(tmp_path: Path) -> None:
    def both() -> Any:
        dead = agent_of(tmp_path, EndpointError("the server is dead"))
        return dead.with_fallbacks([agent_of(tmp_path, MULTIPLY, KNOWN)])

    assert both().invoke(QUESTION).steps == STEPS
    assert (await both().ainvoke(QUESTION)).steps == STEPS
    assert both().batch([QUESTION])[0].steps == STEPS


async def test_history_can_be_bound(tmp_path: Path) -> None:
    talk: list[Any] = [HumanMessage("Who are ye?"), AIMessage("A pirate.")]
    agent = Agent(ScriptedModel(repeat=KNOWN), "plain", ["calculator"])
    bound: Any = agent.bind(history=talk)
    bound.invoke(QUESTION)
    await bound.ainvoke(QUESTION)
    list(bound.stream(QUESTION))
    bound.batch([QUESTION])
    await bound.abatch([QUESTION, QUESTION])
    prompts = said_by(agent)
    assert len(prompts) == 6
    for prompt in prompts:
        assert "Question: Who are ye?\nFinal Answer: A pirate.\n\nQuestion: What is 23 * 47?" in prompt


async def test_bound_history_is_not_lost_in_a_chain_that_streams(tmp_path: Path) -> None:
    agent = Agent(ScriptedModel(repeat=KNOWN), "plain", ["calculator"])
    chain: Any = agent.bind(history=[("user", "Who are ye?"), ("assistant", "A pirate.")]) | text_of
    assert list(chain.stream(QUESTION)) == [ANSWER.text]
    assert [text async for text in chain.astream(QUESTION)] == [ANSWER.text]
    for prompt in said_by(agent):
        assert "Question: Who are ye?\nFinal Answer: A pirate.\n" in prompt


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainDeprecationWarning")
def test_langchains_own_keeper_of_history_works_around_it() -> None:
    from langchain_core.chat_history import InMemoryChatMessageHistory
    from langchain_core.runnables.history import RunnableWithMessageHistory

    agent = Agent(ScriptedModel(replies=[KNOWN, " Aye\nFinal Answer: twice so"]), "plain", ["calculator"])
    kept = InMemoryChatMessageHistory()
    talk = RunnableWithMessageHistory(
        agent | (lambda result: {"answer": result.text}),
        lambda: kept,
        input_messages_key="input",
        history_messages_key="history",
        output_messages_key="answer",
        history_factory_config=[],
    )
    assert talk.invoke({"input": QUESTION}) == {"answer": "Arg, 1081!"}
    assert talk.invoke({"input": "And twice that?"}) == {"answer": "twice so"}
    earlier = f"Question: {QUESTION}\nFinal Answer: Arg, 1081!\n\nQuestion: And twice that?"
    assert earlier in said_by(agent)[1]
    assert [message.text for message in kept.messages] == [
        *(QUESTION, "Arg, 1081!"),
        *("And twice that?", "twice so"),
    ]


class Voyage(TypedDict, total=False):
    """The state of a graph."""

    asked: str
    answer: str


@tool
def hail(text: str) -> str:
    """Ask the captain. Input: what."""
    return f"The captain says: {interrupt(text)}"


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
async def test_as_a_node_of_a_graph_it_waits_for_a_person_whom_a_tool_asks(way: str, tmp_path: Path) -> None:
    ask = " Ask\nAction: hail\nAction Input: Whither?"
    node = (lambda state: {"input": state["asked"]}) | agent_of(
        tmp_path, ask, ask, " Aye\nFinal Answer: West!", tools=[hail]
    )
    graph: Any = StateGraph(Voyage)
    graph.add_node("agent", node | (lambda result: {"answer": result.text + result.steps[1].text}))
    graph.add_edge(START, "agent")
    run = graph.compile(checkpointer=InMemorySaver())
    config: RunnableConfig = {"configurable": {"thread_id": "1"}}

    async def go(given: Any) -> Any:
        return run.invoke(given, config) if way == "invoke" else await run.ainvoke(given, config)

    waiting = await go({"asked": "Whither?"})
    assert [one.value for one in waiting["__interrupt__"]] == ["Whither?"]
    assert (await go(Command(resume="west")))["answer"] == "West!The captain says: west"


# --- callbacks -------------------------------------------------------------------------------------


class _Notes(BaseCallbackHandler):
    """Notes of each run its name, its parent's name, its tags, and the metadata that the caller gave."""

    def __init__(self) -> None:
        self.names: dict[UUID | None, str] = {None: "-"}
        self.runs: list[tuple[str, str, list[str], Any]] = []
        self.agents: list[Any] = []

    def _note(self, serialized: Any, facts: dict[str, Any]) -> None:
        name = facts["name"] or serialized["name"]
        self.names[facts["run_id"]] = name
        tags = sorted(tag for tag in facts["tags"] or () if not tag.startswith(("seq:", "map:")))
        self.runs.append((name, self.names[facts["parent_run_id"]], tags, facts["metadata"].get("ship")))
        self.agents.append(facts["metadata"].get("agent"))

    def on_chain_start(self, serialized: Any, inputs: Any, **facts: Any) -> None:
        self._note(serialized, facts)

    def on_chat_model_start(self, serialized: Any, messages: Any, **facts: Any) -> None:
        self._note(serialized, facts)

    def on_tool_start(self, serialized: Any, input_str: str, **facts: Any) -> None:
        self._note(serialized, facts)


async def run_in(way: str, agent: Any) -> None:
    match way:
        case "invoke":
            agent.invoke(QUESTION)
        case "ainvoke":
            await agent.ainvoke(QUESTION)
        case "stream":
            list(agent.stream(QUESTION))
        case "astream":
            [event async for event in agent.astream(QUESTION)]
        case "batch":
            agent.batch([QUESTION])


WAYS = pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream", "batch"])


@WAYS
async def test_name_tags_and_metadata_reach_the_callbacks_of_model_and_tools(
    way: str, tmp_path: Path
) -> None:
    notes = _Notes()
    agent = agent_of(tmp_path, MULTIPLY, KNOWN).with_config(
        run_name="Anne", tags=["sea"], metadata={"ship": "Revenge"}, callbacks=[notes]
    )
    await run_in(way, agent)
    assert notes.runs == [
        ("Anne", "-", ["sea"], "Revenge"),
        ("ScriptedModel", "Anne", ["sea"], "Revenge"),
        ("calculator", "Anne", ["sea"], "Revenge"),
        ("ScriptedModel", "Anne", ["sea"], "Revenge"),
    ]
    assert set(notes.agents) == {"Anne"}


@WAYS
async def test_an_agent_within_a_tool_hangs_below_that_tool(way: str, tmp_path: Path) -> None:
    notes = _Notes()
    inner = agent_of(tmp_path, MULTIPLY, KNOWN).as_tool(name="mary")
    outer = agent_of(tmp_path, ASK, SAY, tools=[inner])
    await run_in(way, outer.with_config(run_name="Anne", callbacks=[notes], tags=["sea"]))
    assert [run[:3] for run in notes.runs] == [
        ("Anne", "-", ["sea"]),
        ("ScriptedModel", "Anne", ["sea"]),
        ("mary", "Anne", ["sea"]),
        ("Agent", "mary", ["sea"]),
        ("ScriptedModel", "Agent", ["sea"]),
        ("calculator", "Agent", ["sea"]),
        ("ScriptedModel", "Agent", ["sea"]),
        ("ScriptedModel", "Anne", ["sea"]),
    ]


# --- as a tool -------------------------------------------------------------------------------------

ASK = " I ask\nAction: mary\nAction Input: What is 23 * 47?"
SAY = " So\nFinal Answer: Aye"


async def test_a_tool_of_it_has_the_prompts_name_and_description(tmp_path: Path) -> None:
    made = Agent(ScriptedModel(replies=[KNOWN, KNOWN]), "plain", []).as_tool()
    assert (made.name, made.description) == (
        "ask_plain",
        "Answers questions with tools, in plain words. Input: a question.",
    )
    assert made.args == {"input": {"description": "the question", "title": "Input", "type": "string"}}
    assert made.invoke(QUESTION) == ANSWER.text
    assert await made.ainvoke({"input": QUESTION}) == ANSWER.text


def test_a_tool_of_it_can_be_named_described_and_given_arguments(tmp_path: Path) -> None:
    class Asked(BaseModel):
        input: str
        tongue: str = Field(description="the language of the answer")

    prompt = agent_of(tmp_path).prompt.path
    assert prompt is not None
    declared = prompt.read_text(encoding="utf-8").replace('"7"', '"7"\ninputs:\n  tongue: {type: string}')
    prompt.write_text(declared.replace("Question:", "Speak {tongue}.\nQuestion:"), encoding="utf-8")
    agent = Agent(ScriptedModel(replies=[KNOWN]), prompt, ["calculator"])
    made = agent.as_tool(Asked, name="mary", description="Ask Mary.")
    assert (made.name, made.description, sorted(made.args)) == ("mary", "Ask Mary.", ["input", "tongue"])
    ask = ' Ask\nAction: mary\nAction Input: {"input": "Hi", "tongue": "Latin"}'
    outer = Agent(ScriptedModel(replies=[ask, SAY]), "plain", [made])
    assert outer.invoke("q").steps[1] == Observation("Arg, 1081!")
    assert "Speak Latin.\nQuestion: Hi\n" in said_by(agent)[0]


@WAYS
async def test_no_answer_is_a_complaint_that_the_other_agent_reads(way: str, tmp_path: Path) -> None:
    inner = agent_of(tmp_path, MULTIPLY, max_steps=1, on_limit="stop").as_tool(name="mary")
    outer = agent_of(tmp_path, ASK, SAY, tools=[inner])
    await run_in(way, outer)
    complaint = "no answer was found: stopped by the limit of steps"
    assert f"\nObservation: {complaint}\nThought:" in said_by(outer)[1]


@WAYS
async def test_an_empty_question_is_a_complaint_that_the_other_agent_reads(way: str, tmp_path: Path) -> None:
    inner = agent_of(tmp_path).as_tool(name="mary")
    outer = agent_of(tmp_path, ' I ask\nAction: mary\nAction Input: {"input": ""}', SAY, tools=[inner])
    await run_in(way, outer)
    assert "\nObservation: the question is empty; ask something\nThought:" in said_by(outer)[1]


async def test_no_answer_is_a_tool_exception(tmp_path: Path) -> None:
    def made() -> BaseTool:
        return agent_of(tmp_path, MULTIPLY, max_steps=1, on_limit="stop").as_tool()

    with pytest.raises(ToolException, match=r"^no answer was found: stopped by the limit of steps$"):
        made().invoke({"input": QUESTION})
    with pytest.raises(ToolException, match=r"^no answer was found: stopped by the limit of steps$"):
        await made().ainvoke({"input": QUESTION})


# --- in one event loop after another ---------------------------------------------------------------


@pytest.mark.parametrize("named", [True, False])
def test_an_endpoint_answers_in_one_event_loop_after_another(
    named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LangChain's own client keeps connections of loops that have ended; a given one is asked again."""
    with FaultyServer(repeat=" Aye\nFinal Answer: Aye.") as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        given = ChatOpenAI(base_url=server.url, api_key=SecretStr("none"), model="parrot")
        agent = Agent("openai:parrot" if named else given, "plain", [], retry=Retry(2 - named, first=0))
        for _ in range(3):
            assert asyncio.run(agent.ainvoke(QUESTION)).text == "Aye."
    assert len(server.requests) == 3 or not named


async def test_a_client_is_closed_where_it_is_used() -> None:
    client = AnyLoopClient(trust_env=False)
    with FaultyServer("Aye") as server:
        await client.post(f"{server.url}/chat/completions", json={"messages": []})
        await client.aclose()
    assert client.is_closed


async def test_an_agent_that_is_dropped_leaves_no_connection_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """As garbage the connections would be found open, which aiohttp complains of to the event loop."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))
    with FaultyServer(repeat=" Aye\nFinal Answer: Aye.") as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        agent = Agent("openai:parrot", "plain", [])
        result = await agent.ainvoke(QUESTION)
        said = [event async for event in agent.astream(QUESTION)]
        assert result.text == "Aye."
        assert said
        dropped = weakref.ref(agent)
        del agent
        for _ in range(3):
            gc.collect()
            await asyncio.sleep(0.05)
    assert dropped() is None
    assert not complaints


# --- what it says of itself ------------------------------------------------------------------------


def test_its_schemas_and_its_graph_can_be_had(tmp_path: Path) -> None:
    agent = agent_of(tmp_path)
    assert agent.get_input_jsonschema() == {
        "anyOf": [{"type": "string"}, {"additionalProperties": True, "type": "object"}],
        "title": "AgentInput",
    }
    result = agent.get_output_jsonschema()["$defs"]["Result"]
    assert {"question", "text", "steps", "status", "usage"} <= result["properties"].keys()
    graph = (agent | text_of).get_graph()
    assert [node.name for node in graph.nodes.values()] == [
        "AgentInput",
        "Agent",
        "text_of",
        "text_of_output",
    ]


def test_it_cannot_be_pickled(tmp_path: Path) -> None:
    """It holds a lock and may hold a model that runs in this process; its steps can be stored instead."""
    with pytest.raises(TypeError, match="cannot be pickled or copied; make another one"):
        pickle.dumps(agent_of(tmp_path))


async def test_its_inner_events_can_be_followed_the_langchain_way(tmp_path: Path) -> None:
    agent = agent_of(tmp_path, MULTIPLY, KNOWN)
    kinds = [event async for event in agent.astream_events(QUESTION)]
    told = [(e["event"], e["name"]) for e in kinds if not e["event"].endswith("_stream")]
    model = [("on_chat_model_start", "ScriptedModel"), ("on_chat_model_end", "ScriptedModel")]
    assert told == [
        ("on_chain_start", "Agent"),
        *model,
        *[("on_tool_start", "calculator"), ("on_tool_end", "calculator")],
        *model,
        ("on_chain_end", "Agent"),
    ]


async def test_every_chat_model_of_langchain_will_do(tmp_path: Path) -> None:
    model = FakeListChatModel(responses=[MULTIPLY, DOUBLE, KNOWN])
    result = await Agent(model, mate(tmp_path), ["calculator"]).ainvoke(QUESTION)
    assert result.text == ANSWER.text
    assert len(result.steps) == 5
