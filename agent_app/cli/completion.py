"""`agent-app completion`: the script that lets a shell complete our commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from agent_app.terminal import stdout

_SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands, options and names in SHELL: bash (4.4 or newer), zsh or fish.

    Commands, options and files are completed, and the names of models, prompts, personas and tools.

    \b
    Examples:
      eval "$(agent-app completion bash)"
      agent-app completion fish | source

    To have it in every shell write the first line into ~/.bashrc, or with zsh instead of bash into ~/.zshrc
    after compinit; or the second line into ~/.config/fish/config.fish.

    Exit codes: 0 done; 2 there is no such shell.
    """
    app = ctx.find_root()
    script = get_completion_class(shell)
    assert script is not None  # one of click's own
    stdout().write(script(app.command, {}, "agent-app", "_AGENT_APP_COMPLETE").source())
