"""Text ReAct inside LangChain's own agent: `create_agent` with a model that only writes text.

    from langchain.agents import create_agent
    from agent_app import load_model
    from agent_app.middleware import ReActMiddleware

    agent = create_agent(load_model(), tools, middleware=[ReActMiddleware(prompt="pirate")])

The prompt file, the parser, the grammar and the fencing are those of `agent_app.Agent`; the loop, its
checkpoints, interrupts and limits are LangGraph's.

react           the middleware: puts a model around the one of the request
model           a chat model with tools, made of one that only writes text
dialogue        what is asked of the text model until its reply can be read, without any input or output
offer           the tools on offer, as prompt, parser and grammar need them
conversation    a list of messages, read as earlier turns, a question and the steps since
"""

from __future__ import annotations

from agent_app.middleware.react import ReActMiddleware

__all__ = ["ReActMiddleware"]
