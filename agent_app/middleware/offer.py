"""The tools on offer in one model call, as prompt, parser and grammar need them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.tools import BaseTool

from agent_app.errors import PromptError, SettingError
from agent_app.grammar import reply_grammar
from agent_app.parser import ReActOutputParser
from agent_app.passages import Passages
from agent_app.prompt import Prompt
from agent_app.toolbox import Toolbox


class Offer:
    """A prompt and tools, with all that is worked out of them once and is the same in each call.

    Args:
        prompt: the prompt that the model will read.
        tools: what is offered in it.

    Raises:
        ToolFileError: two tools have one name.
        PromptError: the prompt holds virtual tokens, which the loop's model need not know.
    """

    def __init__(self, prompt: Prompt, tools: tuple[BaseTool, ...]) -> None:
        if prompt.soft is not None:
            what = (
                f"the prompt {prompt.name!r} holds {prompt.soft.mark}; run it with Agent, or use a hard one"
            )
            raise PromptError(what, file=prompt.path)
        self.prompt, self.tools = prompt, tools
        self.toolbox = toolbox = Toolbox(tools)
        self.described = toolbox.describe()
        self.schemas = toolbox.schemas()
        self.parser = ReActOutputParser(tool_names=toolbox.names, object_tools=toolbox.object_tools())
        self._inputs = toolbox.inputs()
        self._grammars: dict[tuple[tuple[str, ...], bool], str] = {}
        reader = prompt.reader(self.described, toolbox.names)
        self.passages = None if reader is None else Passages(reader, self._inputs, prompt.openings)

    def grammar(self, names: tuple[str, ...], *, must_call: bool) -> str:
        """Return the grammar of a reply that may use these tools, or has to use one of them."""
        key = (names, must_call)
        if key not in self._grammars:
            inputs = {name: self._inputs[name] for name in names}
            self._grammars[key] = reply_grammar(inputs, openings=self.prompt.openings, must_act=must_call)
        return self._grammars[key]

    def holds(self, tools: Sequence[BaseTool]) -> bool:
        """Say whether it is of these very tools."""
        return len(tools) == len(self.tools) and all(map(lambda a, b: a is b, tools, self.tools))


def chosen(tools: Sequence[Any], choice: Any) -> tuple[tuple[BaseTool, ...], bool]:
    """Return the tools that may be called, and whether one of them must be.

    Args:
        tools: LangChain tools.
        choice: LangChain's ``tool_choice``: None or ``"auto"``, ``"any"`` or ``"required"``, ``"none"``,
            or the name of a tool.

    Raises:
        SettingError: one of the tools is not of LangChain but of a provider, or the choice is none of these.
    """
    foreign = [tool for tool in tools if not isinstance(tool, BaseTool)]
    if foreign:
        raise SettingError(
            f"a model that only writes text cannot use {foreign[0]!r}, a tool that its provider would run; "
            "give LangChain tools or plain functions"
        )
    if choice in (None, "auto"):
        return tuple(tools), False
    if choice in ("any", "required"):
        return tuple(tools), True
    if choice == "none":
        return (), False
    named = tuple(tool for tool in tools if tool.name == choice)
    if not named:
        names = ", ".join(tool.name for tool in tools)
        raise SettingError(
            f"tool_choice {choice!r} is not 'auto', 'any', 'none' or the name of a tool: {names}"
        )
    return named, True
