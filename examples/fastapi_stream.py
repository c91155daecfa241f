"""The agent behind HTTP: a client sees each event of a run as it happens, and ends the run by hanging up.

    pip install "agent-app[examples]"
    uvicorn --app-dir examples fastapi_stream:app
    curl -N --json '{"question": "What is 23 * 47?"}' http://127.0.0.1:8000/ask

`AGENT_APP_MODEL` names another model than the embedded one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel

from agent_app import Agent, AgentAppError, Budget, partial_result
from agent_app.events import event_to_dict
from agent_app.settings import read_settings

settings = read_settings()
budget = Budget(tokens=1_000_000)  # for all clients together
agent = Agent(
    settings.model, tools=["calculator", "clock"], budget=budget, max_seconds=300, settings=settings
)
agent.open()  # loads the model before the first client comes
app = FastAPI(title="A pirate who answers questions")


class Asked(BaseModel):
    """What a client sends: a question, and as pairs of a role and a text what was said before it."""

    question: str
    history: list[tuple[str, str]] = []


@app.post("/ask", response_class=EventSourceResponse)
async def ask(asked: Asked) -> AsyncIterator[ServerSentEvent]:
    """Tell each event of the run; when the client is gone, FastAPI cancels this, and this the run."""
    try:
        async for event in agent.astream(asked.question, history=asked.history):
            yield ServerSentEvent(data=event_to_dict(event), event=event.event)
    except AgentAppError as error:
        if partial_result(error) is None:  # else the run had begun, and its last event has told the error
            told = {"event": "error", "error": str(error), "kind": type(error).__name__}
            yield ServerSentEvent(data=told, event="error")


@app.get("/budget")
def tell_budget() -> dict[str, int]:
    """Say how many tokens were spent, and how many are set aside for what is under way."""
    return {"spent": budget.spent.tokens, "reserved": budget.reserved.tokens}
