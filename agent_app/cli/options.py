"""What several commands have in common: their options, and how those go before the settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from agent_app.cli import completing
from agent_app.errors import PromptError
from agent_app.prompt import Prompt
from agent_app.prompt.inputs import Value, value_from
from agent_app.settings import PREFIX, Settings, read_settings

FOLDER = click.Path(file_okay=False, path_type=Path)
THREADS = click.IntRange(1, 1024)
"""Threads for torch; a number of more than 32 bits would overflow there."""


def unless(name: str) -> str:
    """Say in a help text what a setting is by default, and which variable sets it."""
    default = getattr(Settings(), name)
    return f"[default: {'none' if default is None else default}; {PREFIX}{name.upper()}]"


model = click.option(
    "-m",
    "--model",
    metavar="NAME",
    shell_complete=completing.models,
    help=f"The model, as in `agent-app models` {unless('model')}.",
)
prompt = click.option(
    "-p",
    "--prompt",
    metavar="NAME",
    shell_complete=completing.prompts,
    help=f"A prompt's name, or the path of a prompt file {unless('prompt')}.",
)
persona = click.option(
    "--persona",
    metavar="NAME",
    shell_complete=completing.personas,
    help="Another voice for the prompt, such as butler or noir [default: the prompt's own].",
)
tools = click.option(
    "-t",
    "--tool",
    "tools",
    multiple=True,
    metavar="NAME",
    shell_complete=completing.tools,
    help="Offer only this tool; may be repeated [default: every tool there is].",
)
no_tools = click.option("--no-tools", is_flag=True, help="Offer no tool.")
tools_dir = click.option(
    "--tools-dir",
    type=FOLDER,
    metavar="FOLDER",
    help=f"A folder of your own tools, added to the built-in ones {unless('tools_dir')}.",
)
mcp = click.option(
    "--mcp",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help=f"A JSON file that names MCP servers, whose tools are added {unless('mcp')}.",
)
prompts_dir = click.option(
    "--prompts-dir",
    type=FOLDER,
    metavar="FOLDER",
    help=f"A folder of your own prompts, looked in first {unless('prompts_dir')}.",
)
params = click.option(
    "-P", "--param", "params", multiple=True, metavar="NAME=VALUE", help="A value for an input of the prompt."
)
prices = click.option(
    "--price",
    "prices",
    multiple=True,
    metavar="NAME=INPUT,OUTPUT",
    help="What a model costs, in US dollars per million tokens read and written, such as "
    f"openai:our-own=0.5,1.5; may be repeated {unless('prices')}.",
)
yes = click.option(
    "-y", "--yes", is_flag=True, help="Fetch the model without asking when it is not here yet."
)


def together(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Put several options on a command, in this order."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def settings(**given: Any) -> Settings:
    """Return the settings, with what was given on the command line before them."""
    return dataclasses.replace(read_settings(), **{k: v for k, v in given.items() if v is not None})


def values(pairs: tuple[str, ...], prompt: Prompt) -> dict[str, Value]:
    """Read ``NAME=VALUE`` pairs, each value as the type that the prompt declares for its input.

    Raises:
        click.UsageError: a pair has no ``=``.
        PromptError: a value is not of its type.
    """
    found: dict[str, Value] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise click.UsageError(f"-P takes NAME=VALUE, not {pair!r}")
        spec = prompt.inputs.get(name)
        try:
            found[name] = value_from(value, spec.type if spec else "string")
        except ValueError as error:
            raise PromptError(f"{name}={value!r} does not fit the prompt {prompt.name!r}; {error}") from error
    return found
