"""A pirate at work in LangGraph: a person approves what he writes, and a file remembers where things stand.

    pip install "agent-app[graph]"
    python examples/langgraph_app.py "Write into the log that we sighted land."

Leave it (Ctrl-D) when it asks whether a tool may run, and start it again without a question: it asks
once more, in a new process, for the conversation is in the file of checkpoints. The model is the
embedded one; `--model scripted:replies.txt` takes replies from a file instead.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware, ModelCallLimitMiddleware
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Command

from agent_app import load_model
from agent_app.middleware import ReActMiddleware
from agent_app.settings import read_settings

LOG = Path("ship.log")


@tool
def write_log(entry: str) -> str:
    """Write a line into the ship's log. Input: the line."""
    with LOG.open("a", encoding="utf-8") as log:
        log.write(f"{entry}\n")
    return f"Written into the log: {entry}"


@tool
def read_log() -> str:
    """Read the ship's log."""
    return LOG.read_text(encoding="utf-8") if LOG.exists() else "The log is empty."


def main() -> None:
    """Answer the question, or go on with what was left open."""
    parser = argparse.ArgumentParser(description="Ask a pirate who keeps the ship's log.")
    parser.add_argument("question", nargs="?", help="none: go on where the conversation was left")
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--checkpoints", default="checkpoints.sqlite", help="the file that remembers")
    parser.add_argument("--thread", default="main", help="the conversation's name in that file")
    given = parser.parse_args()

    middleware: list[Any] = [
        HumanInTheLoopMiddleware({"write_log": {"allowed_decisions": ["approve", "reject"]}}),
        ModelCallLimitMiddleware(run_limit=8),
        ReActMiddleware(prompt="pirate"),
    ]
    model = load_model(given.model, settings=read_settings())
    config: RunnableConfig = {"configurable": {"thread_id": given.thread}}
    with SqliteSaver.from_conn_string(given.checkpoints) as checkpoints:
        agent = create_agent(model, [write_log, read_log], middleware=middleware, checkpointer=checkpoints)
        if given.question:
            agent.invoke({"messages": [HumanMessage(given.question)]}, config)
        while waiting := agent.get_state(config).interrupts:
            decisions = [decide(action) for action in waiting[0].value["action_requests"]]
            agent.invoke(Command(resume={"decisions": decisions}), config)
        messages = agent.get_state(config).values.get("messages")
        print(messages[-1].text if messages else "There is nothing to go on with; ask a question.")


def decide(action: dict[str, Any]) -> dict[str, str]:
    """Ask the person at the terminal whether a tool may run."""
    try:
        said = input(f"{action['name']} {action['args']}: may it run? [y/n] ")
    except EOFError:
        raise SystemExit("\nLeft open; start again without a question to go on.") from None
    return {"type": "approve"} if said.strip().lower().startswith("y") else {"type": "reject"}


if __name__ == "__main__":
    main()
