"""Runs as spans: whole trees, with names, parents and attributes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from documents import ROOT, blocks_of, run_blocks
from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tools import BaseTool, ToolException, tool
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from pydantic import SecretStr

from agent_app import Agent, EndpointDown, ToolCrash
from agent_app.models.scripted import ScriptedModel
from agent_app.redaction import Redactor, redacting_model, redacting_tool
from agent_app.retrying import Retry
from agent_app.tracing import LONGEST_CONTENT, OpenTelemetryHandler

SECRET = "black-spot-1883"
REPLIES = [
    " shout it\nAction: shout\nAction Input: ahoy",
    " now count\nAction: count\nAction Input: AHOY",
    " I know\nFinal Answer: 4, arg!",
]


@tool
def shout(text: str) -> str:
    """Write in capitals."""
    return text.upper()


@tool
async def count(text: str) -> int:
    """Count characters."""
    await asyncio.sleep(0)
    return len(text)


@tool
def refuse(text: str) -> str:
    """Refuse."""
    raise ToolException(f"the key {SECRET} is wrong")


@tool
def crash(text: str) -> str:
    """Crash."""
    raise ZeroDivisionError(f"by zero, with {SECRET}")


class Traces:
    """An exporter in memory, and what came to it as a tree."""

    def __init__(self, *, content: bool = False) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        redactor = Redactor({"SHIP_API_KEY": SECRET})
        self.handler = OpenTelemetryHandler(self.provider, content=content, redactor=redactor)

    @property
    def config(self) -> RunnableConfig:
        """As an agent that names itself and its prompt in the metadata will have it."""
        about = {"agent": "Agent", "prompt": "plain", "prompt_version": "1", "prompt_hash": "abc"}
        return {"callbacks": [self.handler], "metadata": about}

    def trees(self) -> list[Any]:
        """Every span as ``[name, [its children]]``, in the order of their beginnings."""
        spans = sorted(self.exporter.get_finished_spans(), key=lambda s: s.start_time or 0)
        nodes: dict[int, list[Any]] = {s.context.span_id: [s.name, []] for s in spans}
        roots: list[Any] = []
        for span in spans:
            node = nodes[span.context.span_id]
            (nodes[span.parent.span_id][1] if span.parent else roots).append(node)
        assert not self.handler._runs
        return roots

    def only(self, name: str) -> ReadableSpan:
        (span,) = (s for s in self.exporter.get_finished_spans() if s.name == name)
        return span

    def everything(self) -> str:
        return "\n".join(span.to_json() for span in self.exporter.get_finished_spans())


def agent_of(replies: Sequence[str | Exception], *tools: BaseTool) -> Agent:
    model = ScriptedModel(replies=list(replies))
    return Agent(model=model, tools=list(tools), prompt="plain", retry=Retry(attempts=1))


TREE = [
    "invoke_agent Agent",
    [["chat", []], ["execute_tool shout", []], ["chat", []], ["execute_tool count", []], ["chat", []]],
]


def invoke(agent: Agent, config: RunnableConfig) -> None:
    agent.invoke("how long?", config)


def stream(agent: Agent, config: RunnableConfig) -> None:
    list(agent.stream("how long?", config))


def ainvoke(agent: Agent, config: RunnableConfig) -> None:
    asyncio.run(agent.ainvoke("how long?", config))


def astream(agent: Agent, config: RunnableConfig) -> None:
    async def read() -> None:
        async for _ in agent.astream("how long?", config):
            pass

    asyncio.run(read())


@pytest.mark.parametrize("run", [invoke, stream, ainvoke, astream])
def test_a_run_is_a_tree_of_the_agent_its_model_calls_and_its_tools(
    run: Callable[[Agent, RunnableConfig], None],
) -> None:
    traces = Traces()
    run(agent_of(REPLIES, shout, count), traces.config)
    assert traces.trees() == [TREE]


def test_spans_have_the_attributes_of_the_conventions_and_of_the_prompt() -> None:
    traces = Traces()
    invoke(agent_of(REPLIES[:1] + REPLIES[2:], shout), traces.config)
    model, used, answer, agent = traces.exporter.get_finished_spans()
    prompt = {
        gen_ai.GEN_AI_PROMPT_NAME: "plain",
        "agent_app.prompt.name": "plain",
        "agent_app.prompt.version": "1",
        "agent_app.prompt.hash": "abc",
    }
    assert dict(agent.attributes or {}) == {
        gen_ai.GEN_AI_OPERATION_NAME: "invoke_agent",
        gen_ai.GEN_AI_AGENT_NAME: "Agent",
        **prompt,
    }
    assert dict(used.attributes or {}) == {
        gen_ai.GEN_AI_OPERATION_NAME: "execute_tool",
        gen_ai.GEN_AI_TOOL_NAME: "shout",
        gen_ai.GEN_AI_TOOL_TYPE: "function",
    }
    asked = dict(model.attributes or {})
    assert int(str(asked.pop(gen_ai.GEN_AI_USAGE_INPUT_TOKENS))) > 10
    assert asked == {
        gen_ai.GEN_AI_OPERATION_NAME: "chat",
        gen_ai.GEN_AI_PROVIDER_NAME: "scriptedmodel",
        gen_ai.GEN_AI_USAGE_OUTPUT_TOKENS: len(REPLIES[0].split()),
        **prompt,
    }
    kinds = [span.kind.name for span in (agent, model, used, answer)]
    assert kinds == ["INTERNAL", "CLIENT", "INTERNAL", "CLIENT"]
    assert {span.status.status_code.name for span in (agent, model, used, answer)} == {"UNSET"}


def test_a_model_is_named_and_no_parameter_of_it_is_recorded() -> None:
    from langchain_openai import ChatOpenAI

    traces = Traces(content=True)
    model = ChatOpenAI(
        model="gpt-x",
        api_key=SecretStr(SECRET),
        base_url=f"http://jim:{SECRET}@127.0.0.1:9/v1",
        max_retries=0,
        temperature=0.5,
        max_completion_tokens=9,
        model_kwargs={"extra_headers": {"k": SECRET}},
    )
    with pytest.raises(Exception, match="Connection error"):
        model.invoke("ahoy", {"callbacks": [traces.handler]})
    span = traces.only("chat gpt-x")
    assert dict(span.attributes or {}) == {
        gen_ai.GEN_AI_OPERATION_NAME: "chat",
        gen_ai.GEN_AI_PROVIDER_NAME: "openai",
        gen_ai.GEN_AI_REQUEST_MODEL: "gpt-x",
        gen_ai.GEN_AI_REQUEST_TEMPERATURE: 0.5,
        gen_ai.GEN_AI_REQUEST_MAX_TOKENS: 9,
        gen_ai.GEN_AI_INPUT_MESSAGES: '[{"role": "user", "parts": [{"type": "text", "content": "ahoy"}]}]',
        ERROR_TYPE: "langchain_openai.chat_models.base.OpenAIConnectionError",
    }
    assert SECRET not in traces.everything()


def test_spans_hang_below_the_callers_own_span() -> None:
    traces = Traces()
    tracer = trace.get_tracer("caller", tracer_provider=traces.provider)
    with tracer.start_as_current_span("request"):
        invoke(agent_of(REPLIES, shout, count), traces.config)
    with tracer.start_as_current_span("task"):
        ainvoke(agent_of(REPLIES, shout, count), traces.config)
    assert traces.trees() == [["request", [TREE]], ["task", [TREE]]]


def test_runs_in_threads_do_not_mix() -> None:
    traces = Traces()
    with ThreadPoolExecutor(20) as threads:
        for _ in range(20):
            threads.submit(invoke, agent_of(REPLIES, shout, count), traces.config)
    assert traces.trees() == [TREE] * 20


async def test_runs_in_tasks_do_not_mix() -> None:
    traces = Traces()
    agents = [agent_of(REPLIES, shout, count) for _ in range(20)]
    await asyncio.gather(*(agent.ainvoke("how long?", traces.config) for agent in agents))
    assert traces.trees() == [TREE] * 20


def test_an_agent_within_a_chain_hangs_below_it() -> None:
    traces = Traces()
    chain = (
        RunnableLambda(str.strip)
        | agent_of(REPLIES, shout, count)
        | RunnableLambda(lambda result: result.text)
    )
    assert chain.invoke(" how long? ", traces.config) == "4, arg!"
    assert traces.trees() == [["invoke_workflow RunnableSequence", [TREE]]]


# --- what goes wrong ---


def test_a_tools_complaint_marks_its_span_alone() -> None:
    traces = Traces()
    invoke(agent_of([" try\nAction: refuse\nAction Input: x", REPLIES[-1]], refuse), traces.config)
    span = traces.only("execute_tool refuse")
    assert (span.status.status_code.name, span.status.description) == (
        "ERROR",
        "the key [secret: SHIP_API_KEY] is wrong",
    )
    assert (span.attributes or {})[ERROR_TYPE] == "langchain_core.tools.base.ToolException"
    assert traces.only("invoke_agent Agent").status.status_code.name == "UNSET"


def test_a_crash_marks_the_tool_and_the_agent() -> None:
    traces = Traces()
    with pytest.raises(ToolCrash):
        invoke(agent_of([" try\nAction: crash\nAction Input: x"], crash), traces.config)
    used, agent = traces.only("execute_tool crash"), traces.only("invoke_agent Agent")
    assert [(s.attributes or {})[ERROR_TYPE] for s in (used, agent)] == [
        "ZeroDivisionError",
        "agent_app.errors.ToolCrash",
    ]
    assert used.status.description == "by zero, with [secret: SHIP_API_KEY]"
    assert SECRET not in traces.everything()


def test_a_dead_endpoint_marks_the_model_and_the_agent() -> None:
    traces = Traces()
    with pytest.raises(EndpointDown):
        invoke(agent_of([EndpointDown("nobody listens")], shout), traces.config)
    assert traces.trees() == [["invoke_agent Agent", [["chat", []]]]]
    for name in ("chat", "invoke_agent Agent"):
        span = traces.only(name)
        assert (span.attributes or {})[ERROR_TYPE] == "agent_app.errors.EndpointDown"
        assert span.status.description == "nobody listens"


def test_a_closed_stream_ends_its_spans_without_an_error() -> None:
    traces = Traces()
    events = agent_of(REPLIES, shout, count).stream("how long?", traces.config)
    next(events), next(events)
    assert isinstance(events, Iterator)
    events.close()
    assert traces.trees() == [["invoke_agent Agent", [["chat", []]]]]
    assert {s.status.status_code.name for s in traces.exporter.get_finished_spans()} == {"UNSET"}


async def test_a_closed_async_stream_ends_its_spans_without_an_error() -> None:
    traces = Traces()
    async with contextlib.aclosing(
        agent_of(REPLIES, shout, count).astream("how long?", traces.config)
    ) as events:
        await anext(events)
        await anext(events)
    for _ in range(3):
        await asyncio.sleep(0.01)
    assert traces.trees() == [["invoke_agent Agent", [["chat", []]]]]
    assert {s.status.status_code.name for s in traces.exporter.get_finished_spans()} == {"UNSET"}


def test_a_failing_exporter_breaks_no_run(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            raise ConnectionError("no collector")

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Broken()))
    result = agent_of(REPLIES, shout, count).invoke("?", {"callbacks": [OpenTelemetryHandler(provider)]})
    assert result.text == "4, arg!"
    assert caplog.records


# --- content ---


def attributes_with_content(traces: Traces) -> set[str]:
    spans = traces.exporter.get_finished_spans()
    return {name for s in spans for name in s.attributes or {} if "message" in name or "call." in name}


def test_content_is_left_out_unless_it_is_asked_for() -> None:
    traces = Traces()
    invoke(agent_of(REPLIES, shout, count), traces.config)
    assert attributes_with_content(traces) == set()
    assert "ahoy" not in traces.everything().lower()
    assert "how long" not in traces.everything()


@pytest.mark.parametrize("run", [invoke, stream, ainvoke, astream])
def test_content_is_recorded_as_the_conventions_write_it(
    run: Callable[[Agent, RunnableConfig], None],
) -> None:
    traces = Traces(content=True)
    run(agent_of([REPLIES[0], REPLIES[2]], shout), traces.config)
    agent, used = (
        traces.only("invoke_agent Agent").attributes or {},
        traces.only("execute_tool shout").attributes or {},
    )
    assert json.loads(str(agent[gen_ai.GEN_AI_INPUT_MESSAGES])) == [
        {"role": "user", "parts": [{"type": "text", "content": "how long?"}]}
    ]
    assert json.loads(str(agent[gen_ai.GEN_AI_OUTPUT_MESSAGES])) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "4, arg!"}]}
    ]
    assert (used[gen_ai.GEN_AI_TOOL_CALL_ARGUMENTS], used[gen_ai.GEN_AI_TOOL_CALL_RESULT]) == (
        '{"text": "ahoy"}',
        "AHOY",
    )
    model = traces.exporter.get_finished_spans()[0].attributes or {}
    assert json.loads(str(model[gen_ai.GEN_AI_OUTPUT_MESSAGES])) == [
        {"role": "assistant", "parts": [{"type": "text", "content": REPLIES[0]}]}
    ]


def test_content_is_redacted_and_of_bounded_length() -> None:
    @tool
    def leak(text: str) -> str:
        """Leak."""
        return f"{SECRET} {text * 20_000}"

    traces = Traces(content=True)
    replies = [
        f" {SECRET}\nAction: leak\nAction Input: {SECRET}",
        f" it is {SECRET}\nFinal Answer: {SECRET}, arg!",
    ]
    agent_of(replies, leak).invoke(f"what is {SECRET}?", traces.config)
    result = str((traces.only("execute_tool leak").attributes or {})[gen_ai.GEN_AI_TOOL_CALL_RESULT])
    assert (len(result), result[:23]) == (LONGEST_CONTENT, "[secret: SHIP_API_KEY] ")
    assert SECRET not in traces.everything()
    assert "[secret: SHIP_API_KEY], arg!" in traces.everything()


def test_with_redacting_parts_other_tracers_and_the_result_see_no_secret_either() -> None:
    @tool
    def leak(text: str) -> str:
        """Leak."""
        return f"it is {SECRET}"

    redactor = Redactor({"SHIP_API_KEY": SECRET})
    replies = [" look\nAction: leak\nAction Input: x", f" it is {SECRET}\nFinal Answer: {SECRET}, arg!"]
    model = redacting_model(ScriptedModel(replies=replies), redactor)
    agent = Agent(model=model, tools=[redacting_tool(leak, redactor)], prompt="plain")
    traces = Traces(content=True)
    traces.handler._redactor = Redactor()  # so that it is the parts that do it
    result = agent.invoke("what is it?", traces.config)
    assert result.text == "[secret: SHIP_API_KEY], arg!"
    assert SECRET not in result.to_json() + traces.everything()


# --- LangGraph ---


class CallsTools(GenericFakeChatModel):
    def bind_tools(self, *_: Any, **__: Any) -> Any:
        return self


def test_under_langgraph_an_agents_steps_have_no_spans_of_their_own() -> None:
    traces = Traces(content=True)
    call = AIMessage("", tool_calls=[{"name": "shout", "args": {"text": "ahoy"}, "id": "7"}])
    graph = create_agent(CallsTools(messages=iter([call, AIMessage("AHOY")])), [shout], name="mate")
    graph.invoke({"messages": [HumanMessage("say ahoy")]}, RunnableConfig(callbacks=[traces.handler]))
    assert traces.trees() == [["invoke_agent mate", [["chat", []], ["execute_tool shout", []], ["chat", []]]]]
    used = traces.only("execute_tool shout").attributes or {}
    assert (used[gen_ai.GEN_AI_TOOL_CALL_ID], used[gen_ai.GEN_AI_TOOL_CALL_RESULT]) == ("7", "AHOY")
    agent = traces.only("invoke_agent mate").attributes or {}
    assert json.loads(str(agent[gen_ai.GEN_AI_OUTPUT_MESSAGES])) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "AHOY"}]}
    ]


def test_a_graph_that_waits_for_a_person_has_not_failed() -> None:
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.types import interrupt

    @tool
    def ask(text: str) -> str:
        """Ask."""
        return str(interrupt(text))

    traces = Traces()
    call = AIMessage("", tool_calls=[{"name": "ask", "args": {"text": "may I?"}, "id": "7"}])
    graph = create_agent(CallsTools(messages=iter([call])), [ask], name="mate", checkpointer=InMemorySaver())
    config: RunnableConfig = {"callbacks": [traces.handler], "configurable": {"thread_id": "1"}}
    graph.invoke({"messages": [HumanMessage("go")]}, config)
    assert traces.trees() == [["invoke_agent mate", [["chat", []], ["execute_tool ask", []]]]]
    assert {s.status.status_code.name for s in traces.exporter.get_finished_spans()} == {"UNSET"}


# --- installation ---


def test_without_opentelemetry_one_line_says_how_to_install_it() -> None:
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from agent_app.errors import SettingError\n"
        "from agent_app.tracing import OpenTelemetryHandler\n"
        "try:\n    OpenTelemetryHandler()\nexcept SettingError as error:\n    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "tracing needs OpenTelemetry; install it with: pip install 'agent-app[otel]'\n"


# --- the documentation ---

BLOCKS = blocks_of(ROOT / "docs" / "tracing.md")


def test_the_programs_in_the_document_run_and_print_what_it_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    replies = [" multiply\nAction: calculator\nAction Input: 23 * 47", " I know\nFinal Answer: 1081, arg!"]
    monkeypatch.setattr("agent_app.agent.load_model", lambda *_, **__: ScriptedModel(replies=replies))
    run_blocks(block for block in BLOCKS if block.language == "python")
    printed, (said,) = capsys.readouterr().out.splitlines(), [b.text for b in BLOCKS if b.language == "text"]
    assert printed[:-1] == said.splitlines()[:-1]
    assert printed[-1].endswith(" Agent")


def test_a_handler_knows_the_secrets_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHIP_API_KEY", SECRET)
    traces = Traces()
    traces.handler = OpenTelemetryHandler(traces.provider, content=True)
    invoke(agent_of([f" so\nFinal Answer: {SECRET}"], shout), traces.config)
    assert SECRET not in traces.everything()
    assert "[secret: SHIP_API_KEY]" in traces.everything()
