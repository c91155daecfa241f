"""A captain who asks his navigator: one agent is a tool of another.

    python examples/agent_as_tool.py "What is 23 * 47?"

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

navigator = Agent(model, "plain", ["calculator", "clock"], budget=budget)
tool = navigator.as_tool(name="calculator", description="Works out numbers and dates. Input: a question.")
captain = Agent(model, "pirate", [tool], budget=budget)

question = " ".join(sys.argv[1:]) or "What is 23 * 47?"
for event in captain.stream(question):
    match event:
        case Stepped(Action(input=asked)):
            print(f"The captain asks his navigator: {asked}")
        case Stepped(Observation(text)):
            print(f"He hears: {text}")
        case Finished(result):
            print(result.text or f"No answer: {result.stopped_by}")
print(f"({budget.spent.tokens} tokens)")
