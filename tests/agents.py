"""What the tests of the agent have in common: a short prompt, a few tools, scripted replies."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from langchain_core.outputs import ChatResult
from langchain_core.tools import tool
from pydantic import Field

from agent_app import Action, Agent, Answer, Observation
from agent_app.events import Event
from agent_app.models import Traits
from agent_app.models.scripted import ScriptedModel
from agent_app.prompt import Prompt, load_prompt

PROMPT = """\
---
name: mate
version: "7"
---

Ye have these tools:
{tools}

Question: {input}
Thought:{agent_scratchpad}
"""
BARE = PROMPT.replace("Ye have these tools:\n", "")
"""The same with no words of its own, for tests that count them."""
QUESTION = "What is 23 * 47?"
MULTIPLY = " I need to multiply\nAction: calculator\nAction Input: 23 * 47"
DOUBLE = " Twice that\nAction: calculator\nAction Input: 1081 * 2"
KNOWN = " I now know the final answer\nFinal Answer: Arg, 1081!"
ACTION = Action("calculator", "23 * 47", "I need to multiply")
OBSERVATION = Observation("1081")
ANSWER = Answer("Arg, 1081!", "I now know the final answer")
STEPS = (ACTION, OBSERVATION, ANSWER)


class Continuing(ScriptedModel):
    """Goes on with what it is given and obeys a grammar, as the embedded one does; keeps all options."""

    traits: ClassVar[Traits] = Traits(continues=True, grammar=True, stop=False)
    options: list[dict[str, Any]] = Field(default_factory=list)

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        self.options.append({name: value for name, value in kwargs.items() if name != "run_manager"})
        return super()._generate(*args, **kwargs)


@tool
def shout(text: str) -> str:
    """Say it louder."""
    return text.upper()


def mate(folder: Path) -> Prompt:
    """A prompt that is quick to read."""
    file = folder / "mate.md"
    file.write_text(PROMPT, encoding="utf-8")
    return load_prompt(file)


def agent_of(folder: Path, *replies: Any, **more: Any) -> Agent:
    """An agent whose model gives these replies."""
    more.setdefault("tools", ["calculator"])
    return Agent(ScriptedModel(replies=replies), mate(folder), **more)


def said_by(agent: Agent) -> list[str]:
    """The text of each prompt that an agent's scripted model was shown."""
    assert isinstance(agent.model, ScriptedModel)
    return [messages[0].text for messages in agent.model.prompts]


def told(events: list[Event]) -> list[str]:
    """The names of events in their order."""
    return [event.event for event in events]
