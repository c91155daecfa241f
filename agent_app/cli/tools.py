"""`agent-app tools`: what the model reads of the tools, and running one without a model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from agent_app.cli import completing, options
from agent_app.errors import UnknownName
from agent_app.terminal import stderr, stdout

if TYPE_CHECKING:
    from agent_app.toolbox import Toolbox


class _Offer(NamedTuple):
    """Where tools come from beside those that are built in."""

    tools_dir: Path | None
    mcp: Path | None


@click.group(invoke_without_command=True)
@options.together(options.tools_dir, options.mcp)
@click.pass_context
def tools(ctx: click.Context, tools_dir: Path | None, mcp: Path | None) -> None:
    """List the tools with what the model reads of them.

    \b
    Examples:
      agent-app tools
      agent-app tools run calculator "2*(3+4)"
      agent-app tools --tools-dir my_tools run greet '{"name": "Anne"}'
      agent-app tools --mcp servers.json

    A tool is a Python file with a LangChain tool in it; see the README.

    Exit codes: 0 done; 1 a tool failed; 2 a name, a file or the call is wrong.

    Environment: AGENT_APP_TOOLS_DIR, AGENT_APP_MCP.

    See also: agent-app doctor, which names each file that cannot be loaded.
    """
    ctx.obj = _Offer(tools_dir, mcp)
    if ctx.invoked_subcommand is None:
        stdout().line(_toolbox(ctx.obj).describe())


@tools.command("list")
@click.pass_obj
def list_(offer: _Offer) -> None:
    """List the tools, as `agent-app tools` does.

    \b
    Examples:
      agent-app tools list
    """
    stdout().line(_toolbox(offer).describe())


# What stands behind NAME is the tool's, even where it looks like an option.
@tools.command(context_settings={"allow_interspersed_args": False})
@click.argument("name", shell_complete=completing.tools)
@click.argument("input", nargs=-1)
@click.pass_context
def run(ctx: click.Context, name: str, input: tuple[str, ...]) -> None:  # noqa: A002 - the format's word
    """Run the tool NAME with INPUT: plain text, or a JSON object for a tool with several parameters.

    What it gives goes to stdout, what it complains of to stderr. No model is asked.

    \b
    Examples:
      agent-app tools run calculator "2*(3+4)"
      agent-app tools run calculator "-5 + 3"
      agent-app tools run clock Tokyo

    Exit codes: 0 done; 1 the tool complained or crashed; 2 there is no such tool.
    """
    from agent_app.steps import Action

    if input and input[-1] in ctx.help_option_names:
        click.echo(ctx.get_help())
        return
    toolbox = _toolbox(ctx.obj)
    if name not in toolbox.names:
        raise UnknownName("tool", name, toolbox.names)
    observation = toolbox.run(Action(name, " ".join(input)))
    if observation.error:
        stderr().line(observation.text)
        sys.exit(1)
    stdout().line(observation.text)


def _toolbox(offer: _Offer) -> Toolbox:
    from agent_app.toolbox import Toolbox, load_tools, tool_folders

    settings = options.settings(tools_dir=offer.tools_dir, mcp=offer.mcp)
    tools = load_tools(None, tool_folders(settings))
    if settings.mcp is not None:
        from agent_app.mcp_tools import load_mcp_tools

        tools += click.get_current_context().with_resource(load_mcp_tools(settings.mcp))
    return Toolbox(tools)
