"""`agent-app prompts show`: what a prompt is made of, and its text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from agent_app.cli import completing, options
from agent_app.cli.prompts.listing import say_shadowed
from agent_app.prompt import Input, Prompt, library_folders, list_prompts, load_prompt
from agent_app.prompt.reading import Reading
from agent_app.terminal import clean_line, stdout


@click.command(short_help="Show a prompt's facts and its text.")
@click.argument("name", shell_complete=completing.prompts)
@options.prompts_dir
@options.persona
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def show(name: str, prompts_dir: Path | None, persona: str | None, as_json: bool) -> None:
    """Show the prompt NAME, or a prompt file: its facts, then its text with the slots.

    \b
    Examples:
      agent-app prompts show pirate
      agent-app prompts show pirate --persona butler
      agent-app prompts show ./mine.md --json

    Exit codes: 0 done; 2 there is no such prompt, or it is wrong.

    Environment: AGENT_APP_PROMPTS_DIR.

    See also: agent-app prompts render.
    """
    folders = library_folders(options.settings(prompts_dir=prompts_dir).prompts_dir)
    prompt = load_prompt(name, folders=folders, persona=persona)
    if as_json:
        stdout().line(json.dumps(_as_dict(prompt), indent=2))
        return
    for label, fact in _facts(prompt):
        stdout().line(clean_line(f"{label + ':':<13}{fact}"))
    stdout().line(f"\n{prompt.text}")
    say_shadowed(entry for entry in list_prompts(folders) if entry.path == prompt.path)


def _facts(prompt: Prompt) -> Iterator[tuple[str, str]]:
    yield "name", prompt.name
    yield "description", prompt.description
    yield "version", prompt.version
    yield "hash", prompt.hash
    yield "file", str(prompt.path)
    if prompt.soft is not None:
        card = prompt.soft.card
        yield "soft", f"{card.name}, {card.tokens} virtual tokens for embedded:{card.base.name}"
    yield "slots", ", ".join(prompt.slots)
    for name, spec in prompt.inputs.items():
        yield "input", f"{name}, {_input(spec)}"
    for slot, path in prompt.parts.items():
        yield "part", f"{slot}, {path}"
    for example in prompt.examples:
        yield "example", f"{example.name}, {example.question}"
    for word in prompt.stop:
        yield "stop", repr(word)
    yield from _of_replies(prompt)
    if prompt.reading is not None:
        yield from _of_reading(prompt.reading)


def _of_replies(prompt: Prompt) -> Iterator[tuple[str, str]]:
    """Yield what the file says of the model's replies."""
    for opening in prompt.openings:
        yield "opening", repr(opening)
    for when, begun in prompt.thoughts.items():
        yield "thought", f"{when}, {begun!r}"
    if prompt.grounded:
        yield "grounded", f"{prompt.grounded}, whose input may hold no number that was not given"


def _of_reading(reading: Reading) -> Iterator[tuple[str, str]]:
    verdicts = f"{reading.stated!r} or {reading.missing!r}"
    yield (
        "passages",
        f"longer than {reading.longer_than} characters: {reading.evidence!r}, then {verdicts}",
    )
    for example in reading.examples:
        yield "reading", f"{example.name}, {example.question}"


def _input(spec: Input) -> str:
    default = "" if spec.default is None else f", default {spec.default!r}"
    return f"{spec.type}{default}" + (f": {spec.description}" if spec.description else "")


def _as_dict(prompt: Prompt) -> dict[str, Any]:
    return {
        "name": prompt.name,
        "description": prompt.description,
        "version": prompt.version,
        "hash": prompt.hash,
        "path": str(prompt.path),
        "soft": prompt.soft.name if prompt.soft else None,
        "slots": prompt.slots,
        "inputs": {name: spec.to_dict() for name, spec in prompt.inputs.items()},
        "parts": prompt.parts,
        "examples": [example.to_dict() for example in prompt.examples],
        "stop": prompt.stop,
        "openings": prompt.openings,
        "thoughts": dict(prompt.thoughts),
        "grounded": prompt.grounded,
        "reading": prompt.reading.to_dict() if prompt.reading else None,
        "model": prompt.model,
        "tests": prompt.tests,
        "chat": bool(prompt.messages and prompt.messages[0].role),
        "text": prompt.text,
    }
