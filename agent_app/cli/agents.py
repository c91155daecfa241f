"""The options that say what an agent is made of, and the agent that they make."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent_app.cli import options
from agent_app.cli.fetching import make_sure
from agent_app.cli.waiting import waiting
from agent_app.prompt import Prompt, library_folders, load_prompt
from agent_app.prompt.inputs import Value
from agent_app.settings import Settings

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

    from agent_app.agent import Agent
    from agent_app.approvals import Approver

ABOVE_NONE = click.IntRange(min=1)
ABOVE_0 = click.FloatRange(min=0, min_open=True)


def _limit(name: str, kind: click.ParamType[Any], metavar: str, what: str) -> Callable[[Any], Any]:
    words = f"{what} that a question may take {options.unless(name)}."
    return click.option(f"--{name.replace('_', '-')}", type=kind, metavar=metavar, help=words)


basic_options = options.together(
    options.model,
    options.prompt,
    options.tools_dir,
    options.prompts_dir,
    options.params,
    options.persona,
    options.tools,
    options.no_tools,
    options.prices,
)
max_steps = _limit("max_steps", ABOVE_NONE, "N", "Tool calls")
"""With these and `options.yes` a command can hand what it takes to `Basics`."""
fallbacks = click.option(
    "--fallback",
    "fallbacks",
    multiple=True,
    metavar="NAME",
    help="A model that takes over when the one before fails for good (may be repeated).",
)

agent_options = options.together(
    basic_options,
    options.mcp,
    click.option(
        "--rule",
        "rules",
        multiple=True,
        metavar="RULE",
        help="Which calls just run, never do, or are asked about: always:, never:, ask:, ask-once: and "
        "ask-once-per-session: before TOOL or TOOL(PATTERN), such as 'never:shell(rm *)' (may be repeated).",
    ),
    fallbacks,
    max_steps,
    _limit("max_seconds", ABOVE_0, "S", "Seconds"),
    _limit("max_tokens", ABOVE_NONE, "N", "Tokens, read and written,"),
    _limit("max_cost", ABOVE_0, "USD", "US dollars"),
    options.yes,
)
"""A command with these takes them as ``**given`` and hands them to `Choices`."""


@dataclass(frozen=True, kw_only=True)
class Basics:
    """What was given for `basic_options`, `max_steps` and `options.yes`."""

    model: str | None
    prompt: str | None
    tools_dir: Path | None
    prompts_dir: Path | None
    params: tuple[str, ...]
    persona: str | None
    tools: tuple[str, ...]
    no_tools: bool
    prices: tuple[str, ...]
    max_steps: int | None
    yes: bool

    def settings(self) -> Settings:
        """Return the settings, with what was given before them."""
        return options.settings(
            model=self.model,
            prompt=self.prompt,
            tools_dir=self.tools_dir,
            prompts_dir=self.prompts_dir,
            prices=" ".join(self.prices) or None,
            max_steps=self.max_steps,
        )

    def loaded_prompt(self, settings: Settings) -> tuple[Prompt, dict[str, Value]]:
        """Return the prompt, and the values that were given for its inputs."""
        folders = library_folders(settings.prompts_dir)
        prompt = load_prompt(settings.prompt, folders=folders, persona=self.persona)
        return prompt, options.values(self.params, prompt)


@dataclass(frozen=True, kw_only=True)
class Choices(Basics):
    """What was given for `agent_options`."""

    mcp: Path | None
    rules: tuple[str, ...]
    fallbacks: tuple[str, ...]
    max_seconds: float | None
    max_tokens: int | None
    max_cost: float | None

    def settings(self) -> Settings:
        """Return the settings, with what was given before them."""
        given: dict[str, Any] = {
            "mcp": self.mcp,
            "max_seconds": self.max_seconds,
            "max_tokens": self.max_tokens,
            "max_cost": self.max_cost,
        }
        wanted = {name: value for name, value in given.items() if value is not None}
        return dataclasses.replace(super().settings(), **wanted)

    def agent(
        self, settings: Settings, prompt: Prompt, values: Mapping[str, Value], ask: Approver | None
    ) -> Agent:
        """Return the agent, ready to be asked; what is wrong is said before any model is fetched.

        Args:
            settings: as `settings` gives them.
            prompt: as `loaded_prompt` gives it.
            values: likewise.
            ask: asks somebody whether a tool may be called; None: nobody is there.
        """
        from agent_app.agent import Agent
        from agent_app.approvals import Approvals

        tools, approvals = self.offered(settings, click.get_current_context()), Approvals(self.rules, ask)
        if not self.tools and not self.no_tools:
            approvals.check_tools([tool.name for tool in tools])
        agent = Agent.from_settings(
            settings, prompt=prompt, tools=tools, fallbacks=self.fallbacks, approvals=approvals
        )
        prompt.draft("", agent.toolbox.describe(), agent.toolbox.names, **values)
        make_sure(settings, yes=self.yes)
        with waiting("loading"):
            return agent.open()

    def offered(self, settings: Settings, context: click.Context) -> list[BaseTool]:
        """Load the tools that may be called.

        Args:
            settings: as `settings` gives them.
            context: the command's; the tools of MCP servers are there until it ends.

        Raises:
            UserError: one cannot be had.
        """
        from agent_app.toolbox import load_tools, tool_folders

        if self.no_tools:
            return []
        served = {tool.name: tool for tool in self._served(settings, context)}
        own = [name for name in self.tools if name not in served]
        wanted = [served[name] for name in self.tools if name in served] if self.tools else served.values()
        loaded = load_tools(own or None, tool_folders(settings)) if own or not self.tools else []
        return [*loaded, *wanted]

    def every_tool(self, settings: Settings, context: click.Context) -> list[BaseTool]:
        """Load every tool there is, whatever may be called; see `offered`."""
        return dataclasses.replace(self, tools=(), no_tools=False).offered(settings, context)

    def _served(self, settings: Settings, context: click.Context) -> Sequence[BaseTool]:
        if settings.mcp is None:
            return ()
        from agent_app.mcp_tools import load_mcp_tools

        return context.with_resource(load_mcp_tools(settings.mcp))
