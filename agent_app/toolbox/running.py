"""Runs the tools of an agent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from agent_app.errors import SettingError, ToolFileError, kind_of, suggest
from agent_app.patience import awithin, in_time, within
from agent_app.redaction import Redactor, redacting_tool
from agent_app.steps import Action, Observation
from agent_app.toolbox.failures import explained
from agent_app.toolbox.forms import Form, form_of
from agent_app.toolbox.results import complaint, first_line, observed

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langchain_core.tools import BaseTool


class Toolbox:
    """The tools of an agent: what the model is told of them, and how an `Action` is run.

    Args:
        tools: LangChain tools; a plain function with a docstring and annotations becomes one.
        redactor: keeps secrets out of what the tools give; None: nothing does.

    Raises:
        SettingError: one of them is no tool and cannot become one, or takes what JSON cannot hold.
        ToolFileError: two tools have one name.
    """

    def __init__(
        self, tools: Sequence[BaseTool | Callable[..., Any]], redactor: Redactor | None = None
    ) -> None:
        self.tools = tuple(map(tool_of, tools))
        self.names = tuple(tool.name for tool in self.tools)
        self._forms = {
            tool.name: form_of(redacting_tool(tool, redactor) if redactor else tool) for tool in self.tools
        }
        if len(self._forms) < len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise ToolFileError(f"two tools are called {twice!r}")

    def check_complete(self) -> None:
        """Make sure that the model alone can say what each tool is called with.

        Raises:
            SettingError: a tool needs a parameter that no model is shown, and that only LangGraph fills in.
        """
        for tool in self.tools:
            hidden = _injected(tool)
            if hidden:
                raise SettingError(
                    f"the tool {tool.name} needs {hidden[0]!r}, which no model is shown; give it a default, "
                    "or use the tool with create_agent and ReActMiddleware, where LangGraph may fill it in"
                )

    def describe(self) -> str:
        """Return what the model reads of the tools: one line each."""
        return "\n".join(form.description for form in self._forms.values())

    def describe_one(self, name: str) -> str:
        """Return what the model reads of one tool."""
        return self._forms[name].description

    def schemas(self) -> dict[str, dict[str, Any]]:
        """Return the JSON schema of each tool's arguments, an object with ``properties``."""
        return {name: form.schema for name, form in self._forms.items()}

    def inputs(self) -> dict[str, dict[str, Any] | None]:
        """Return how each tool's input is written: by which JSON schema, or None for plain text."""
        return {name: None if form.plain else form.schema for name, form in self._forms.items()}

    def is_direct(self, name: str) -> bool:
        """Say whether what a tool gives is the answer of the run, as LangChain's ``return_direct`` has it."""
        form = self._forms.get(name)
        return form is not None and form.tool.return_direct

    def object_tools(self) -> frozenset[str]:
        """Return the tools with several parameters, whose input has to be a JSON object."""
        return frozenset(name for name, form in self._forms.items() if len(form.properties) > 1)

    def arguments(self, action: Action) -> dict[str, Any] | Observation:
        """Return what an action gives to its tool, by parameter, or what is wrong with the action."""
        call = self._prepare(action)
        return call if isinstance(call, Observation) else call[1]

    def run(
        self, action: Action, config: RunnableConfig | None = None, seconds: float | None = None
    ) -> Observation:
        """Run the tool that an action names and return what came back.

        A tool that is only there as a coroutine is run in an event loop of its own.

        Args:
            action: which tool, and its input.
            config: goes to the tool, with the callbacks.
            seconds: after that time the tool is abandoned; it runs in another thread then. None: it may
                take as long as it takes.

        Raises:
            ToolCrash: the tool raised something that it never announced.
        """
        call = self._prepare(action)
        if isinstance(call, Observation):
            return call
        form, arguments = call
        try:
            if form.is_async:
                return observed(_run_alone(form.tool, arguments, config, seconds))
            return observed(within(seconds, form.tool.invoke, arguments, config))
        except Exception as error:  # noqa: BLE001 - a stranger's code can raise anything; nothing is swallowed
            return explained(form, arguments, error)

    async def arun(
        self, action: Action, config: RunnableConfig | None = None, seconds: float | None = None
    ) -> Observation:
        """Do what `run` does without holding up the event loop: a tool without a coroutine gets a thread."""
        call = self._prepare(action)
        if isinstance(call, Observation):
            return call
        form, arguments = call
        try:
            if form.is_sync:
                # LangChain would take a thread of the event loop, which at its end waits for them all.
                return observed(await awithin(seconds, form.tool.invoke, arguments, config))
            async with in_time(seconds):
                return observed(await form.tool.ainvoke(arguments, config))
        except Exception as error:  # noqa: BLE001 - as in `run`
            return explained(form, arguments, error)

    def _prepare(self, action: Action) -> tuple[Form, dict[str, Any]] | Observation:
        """Return the tool's form and its arguments, or what is wrong with the action."""
        form = self._forms.get(action.tool)
        if form is None:
            return complaint(f"there is no tool {action.tool!r}; {suggest(action.tool, self.names)}")
        arguments = form.read(action.input)
        if arguments is None:
            return complaint(f"{form.tool.name} takes {form.expected}")
        wrong = form.misfit(arguments)
        return complaint(wrong) if wrong else (form, arguments)


def tool_of(given: BaseTool | Callable[..., Any]) -> BaseTool:
    """Return a tool, made of a function if need be.

    Raises:
        SettingError: it is no function either, or lacks a docstring.
    """
    from langchain_core.tools import BaseTool, tool
    from pydantic import PydanticUserError

    if isinstance(given, BaseTool):
        return given
    if isinstance(given, type) or not callable(given):
        raise SettingError(f"a tool is a name, a LangChain tool or a function, and no {kind_of(given)}")
    try:
        return tool(given)
    except (ValueError, PydanticUserError) as error:
        name = getattr(given, "__name__", kind_of(given))
        raise SettingError(f"{name} cannot become a tool: {first_line(error)}") from error


def _injected(tool: BaseTool) -> list[str]:
    """Return the parameters that a tool needs and that are kept from the model."""
    if isinstance(tool.args_schema, dict):
        return []
    needed = getattr(tool.get_input_schema(), "model_fields", {})  # Pydantic's first version has none
    shown = getattr(tool.tool_call_schema, "model_fields", {})
    return [name for name, field in needed.items() if name not in shown and field.is_required()]


def _run_alone(
    tool: BaseTool, arguments: dict[str, Any], config: RunnableConfig | None, seconds: float | None
) -> Any:
    """Run a tool that can only be awaited, from code that cannot await."""

    async def run() -> Any:
        async with in_time(seconds):
            return await tool.ainvoke(arguments, config)

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(run())
    # A thread has no loop yet, and can have one of its own while this one's stands still.
    return within(float("inf"), lambda: asyncio.run(run()))
