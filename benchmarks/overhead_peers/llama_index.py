"""`FunctionAgent` of LlamaIndex with the scripted model that it has for tests; it is asynchronous alone."""

from __future__ import annotations

from itertools import cycle

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, TextBlock, ToolCallBlock
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.tools import FunctionTool

from benchmarks.overhead_peers.conversation import ANSWER, PERSONA, QUESTION, THOUGHT, Awaited, echo, inputs


def _call(text: str) -> ChatMessage:
    call = ToolCallBlock(tool_call_id=f"c{text}", tool_name="echo", tool_kwargs={"text": text})
    return ChatMessage(role="assistant", blocks=[TextBlock(text=THOUGHT), call])


def awaited(steps: int) -> Awaited:
    """Ask through `run`."""
    replies = cycle([*map(_call, inputs(steps)), ChatMessage(role="assistant", content=ANSWER)])
    model = MockFunctionCallingLLM(response_generator=lambda *_, **__: next(replies))
    tools = [FunctionTool.from_defaults(echo)]
    agent = FunctionAgent(tools=tools, llm=model, system_prompt=PERSONA, streaming=False)

    async def run() -> str:
        return str(await agent.run(QUESTION, max_iterations=steps + 2))

    return run
