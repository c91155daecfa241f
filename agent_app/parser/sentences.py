"""What is said to a model whose reply cannot be read: what is wrong with it and what would be right."""

from __future__ import annotations

from collections.abc import Collection

from langchain_core.exceptions import OutputParserException

from agent_app import jsonish
from agent_app.errors import suggest

CUT_OFF = "Your reply was cut off, since it came to the most tokens that a reply may have; be brief."
OPEN_ACTION = "The action had no end. Write it once more, whole."
EMPTY_ANSWER = "The final answer was empty. Write the answer after 'Final Answer:'."


class FormatError(OutputParserException):
    """A reply that is neither an action nor a final answer.

    Attributes:
        observation: the sentence that the model should read next; show it this, not ``str(error)``.
        llm_output: the reply.
    """

    def __init__(self, observation: str, reply: str) -> None:
        super().__init__(observation, observation=observation, llm_output=reply, send_to_llm=True)


def unknown_tool(name: str, known: Collection[str]) -> str:
    """Say that there is no such tool, and which ones are near."""
    if not known:
        return f"{name!r} cannot be the name of a tool. Write only the name after 'Action:'."
    near = suggest(name, known)
    return f"There is no tool {name!r}; {near}{'' if near.endswith('?') else '.'} {choice(known)}"


def choice(known: Collection[str]) -> str:
    """Say what a reply has to be."""
    names = ", ".join(known) or "a tool's name"
    return (
        f"To use a tool, write a line 'Action:' with one of [{names}] and then a line 'Action Input:'. "
        "If you know the answer, write 'Final Answer:' and the answer."
    )


def missing_input(tool: str) -> str:
    """Say that an action lacks its input."""
    return f"There was no input for {tool}. Write a line 'Action Input:' after 'Action: {tool}'."


def not_an_object(tool: str, text: str) -> str:
    """Say that a tool's input must be a JSON object, and where it stops being one."""
    try:
        jsonish.read(text)
        problem = "it is JSON, but not an object"
    except jsonish.NotJson as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        problem = f"{error.problem} at line {line}, column {column}"
    return f'The Action Input of {tool} must be a JSON object: {problem}. Write it as {{"name": value}}.'
