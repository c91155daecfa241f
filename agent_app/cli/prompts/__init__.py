"""`agent-app prompts`: looking at prompts, checking, testing and comparing them, and writing new ones."""

from __future__ import annotations

import click

from agent_app.cli.prompts.checking import check
from agent_app.cli.prompts.comparing import diff
from agent_app.cli.prompts.creating import new
from agent_app.cli.prompts.listing import list_
from agent_app.cli.prompts.rendering import render
from agent_app.cli.prompts.showing import show
from agent_app.cli.prompts.testing import test

_COMMANDS: tuple[click.Command, ...] = (list_, show, render, check, test, diff, new)


@click.group(invoke_without_command=True)
@click.pass_context
def prompts(ctx: click.Context) -> None:
    """List the prompts, look at one, check, test and compare them, or begin a new one.

    \b
    Examples:
      agent-app prompts
      agent-app prompts show pirate
      agent-app prompts render pirate -p input="What is 23 * 47?"

    A prompt is a Markdown file; see the README. Of two with one name the first of these folders goes
    before: --prompts-dir (or AGENT_APP_PROMPTS_DIR), your own, `prompts` in the current directory, the
    built-in one.

    Exit codes: 0 done; 1 a check or a test failed, or two prompts differ; 2 the call or a prompt is wrong.

    Environment: AGENT_APP_PROMPTS_DIR.

    See also: agent-app help prompts show, and likewise for the other commands.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_)


for _command in _COMMANDS:
    prompts.add_command(_command)
