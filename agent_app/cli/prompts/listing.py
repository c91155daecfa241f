"""`agent-app prompts list`: the prompts there are, where each is, and what it goes before."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path

import click

from agent_app.cli import options
from agent_app.cli.columns import columns
from agent_app.prompt import PromptEntry, check_library, library_folders, list_prompts
from agent_app.terminal import clean_line, stderr, stdout


@click.command("list", short_help="List the prompts.")
@options.prompts_dir
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def list_(prompts_dir: Path | None = None, as_json: bool = False) -> None:
    """List the prompts: name, version, what for, and the file.

    \b
    agent-app prompts list
    agent-app prompts list --json | jq -r ".[].name"

    A file that cannot be used is listed with what is wrong with it.
    """
    folders = library_folders(options.settings(prompts_dir=prompts_dir).prompts_dir)
    problems = check_library(folders)
    entries = [
        dataclasses.replace(
            entry, problem=str(problems[entry.path][0].error()) if problems[entry.path] else ""
        )
        for entry in list_prompts(folders)
    ]
    if as_json:
        stdout().line(json.dumps([_as_dict(entry) for entry in entries], indent=2))
        return
    rows = [(e.name, e.version or "-", _what(e), str(e.path)) for e in entries]
    for line in columns(rows):
        stdout().line(line)
    say_shadowed(entries)


def say_shadowed(entries: Iterable[PromptEntry]) -> None:
    """Tell on stderr which files are not found because another one of their name goes before them."""
    for entry in entries:
        for shadowed in entry.shadows:
            stderr().line(clean_line(f"{entry.name}: {entry.path} goes before {shadowed}"))


def _what(entry: PromptEntry) -> str:
    return f"cannot be used: {entry.problem}" if entry.problem else entry.description


def _as_dict(entry: PromptEntry) -> dict[str, object]:
    data = dataclasses.asdict(entry)
    return {**data, "path": str(entry.path), "shadows": [str(path) for path in entry.shadows]}
