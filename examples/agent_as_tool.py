"""A captain who asks his navigator: one agent is a tool of another.

    python examples/agent_as_tool.py "How many days are there from 1 May to 24 December 2025?"

`AGENT_APP_MODEL` names another model than the embedded one.
"""

from __future__ import annotations

import sys

from agent_app import Action, Agent, Budget, Observation, load_model
from agent_app.events import Finished, Stepped
from agent_app.settings import read_settings

settings = read_settings()
model = load_model(settings.model, settings=settings)  # both think with the same one
budget = Budget(tokens=100_000)  # and pay out of the same purse

navigator = Agent(model, "plain", ["calculator", "clock"], budget=budget).as_tool(
    name="navigator",
    description="Calculates, and knows dates and times. Input: a whole question, in words.",
)
captain = Agent(model, "pirate", [navigator], budget=budget)

question = " ".join(sys.argv[1:]) or "How many days are there from 1 May to 24 December 2025?"
for event in captain.stream(question):
    match event:
        case Stepped(Action(tool, asked)):
            print(f"The captain asks his {tool}: {asked}")
        case Stepped(Observation(text)):
            print(f"He hears: {text}")
        case Finished(result):
            print(result.text or f"No answer: {result.stopped_by}")
print(f"({budget.spent.tokens} tokens)")
