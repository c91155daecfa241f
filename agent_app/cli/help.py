"""`agent-app help`: the same as `--help` after a command, for those who look for it there."""

from __future__ import annotations

import click

from agent_app.errors import UnknownName
from agent_app.terminal import stdout


@click.command("help")
@click.argument("command", nargs=-1)
@click.pass_context
def help(ctx: click.Context, command: tuple[str, ...]) -> None:  # noqa: A001 - the word the user types
    """Show the help of COMMAND, or of the whole program.

    \b
    Examples:
      agent-app help
      agent-app help ask
      agent-app help prompts render

    Exit codes: 0 done; 2 there is no such command.

    See also: agent-app COMMAND --help, which shows the same.
    """
    found = ctx.find_root()
    for name in command:
        group = found.command
        below = group.get_command(found, name) if isinstance(group, click.Group) else None
        if below is None:
            known = group.list_commands(found) if isinstance(group, click.Group) else ()
            raise UnknownName("command", name, known)
        found = below.context_class(below, parent=found, info_name=name)
    stdout().line(found.get_help())
