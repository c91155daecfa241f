"""`agent-app prompts diff`: how two prompts differ, in their text, their facts and their tokens."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from agent_app.cli import completing, options
from agent_app.cli.prompts.tokens import as_written, open_if_here, tokenizer_option
from agent_app.prompt import Prompt, PromptTest, library_folders, load_prompt
from agent_app.terminal import clean_line, stdout


@click.command(short_help="Compare two prompts.")
@click.argument("first", metavar="A", shell_complete=completing.prompts)
@click.argument("second", metavar="B", shell_complete=completing.prompts)
@options.prompts_dir
@tokenizer_option
def diff(first: str, second: str, prompts_dir: Path | None, tokenizer: str | None) -> None:
    """Compare the prompts A and B, which are names or files: text, all facts of the front matter, tokens.

    The text is compared with parts and examples put in and the slots as written, and so are the tokens
    counted, where an embedded model's file is here.

    \b
    Examples:
      agent-app prompts diff plain pirate
      agent-app prompts diff pirate ./mine.md

    Exit codes: 0 there is no difference; 1 there is one; 2 there is no such prompt.

    Environment: AGENT_APP_PROMPTS_DIR, AGENT_APP_MODEL_DIR.

    See also: agent-app prompts show.
    """
    settings = options.settings(prompts_dir=prompts_dir)
    folders = library_folders(settings.prompts_dir)
    one, other = (load_prompt(name, folders=folders) for name in (first, second))
    labels = (one.name, other.name) if one.name != other.name else (str(one.path), str(other.path))
    told = [*_text_lines(one, other, labels), *_fact_lines(one, other, labels)]
    by, count = open_if_here(tokenizer, settings)
    for line in told:
        stdout().line(clean_line(line))
    if count:
        a, b = (count(as_written(prompt)) for prompt in (one, other))
        stdout().line(f"tokens: {a} and {b} ({b - a:+}), by the tokenizer of {by}")
    if told:
        sys.exit(1)


def _text_lines(one: Prompt, other: Prompt, labels: tuple[str, str]) -> Iterator[str]:
    before, after = (
        f"{label} {prompt.version} {prompt.hash[:12]}"
        for label, prompt in zip(labels, (one, other), strict=True)
    )
    return difflib.unified_diff(one.text.split("\n"), other.text.split("\n"), before, after, lineterm="")


def _fact_lines(one: Prompt, other: Prompt, labels: tuple[str, str]) -> Iterator[str]:
    """Say of each kind of fact what only one of the two has, and what is not the same in both."""
    for kind, a, b in zip(_KINDS, _facts(one), _facts(other), strict=True):
        differences = {
            f"only in {labels[0]}": [name for name in a if name not in b],
            f"only in {labels[1]}": [name for name in b if name not in a],
            "not the same": [name for name in a if name in b and a[name] != b[name]],
        }
        said = [f"{how}: {', '.join(names)}" for how, names in differences.items() if names]
        if said:
            yield f"{kind}: {'; '.join(said)}"


_KINDS = (
    *("inputs", "parts", "examples", "stop", "openings", "thoughts", "grounded", "reading"),
    *("soft", "model", "tests"),
)


def _facts(prompt: Prompt) -> tuple[Mapping[str, object], ...]:
    """Return what a prompt has of each kind, by name."""
    return (
        prompt.inputs,
        prompt.parts,
        {example.name: example.text for example in prompt.examples},
        {repr(word): None for word in prompt.stop},
        {repr(opening): None for opening in prompt.openings},
        prompt.thoughts,
        {repr(prompt.grounded): None} if prompt.grounded else {},
        _of_reading(prompt),
        {prompt.soft.name: prompt.soft.digest} if prompt.soft else {},
        prompt.model,
        _of_tests(prompt),
    )


def _of_tests(prompt: Prompt) -> Mapping[str, object]:
    tests: dict[str, list[object]] = {}
    for entry in prompt.tests:
        tests.setdefault(PromptTest.from_dict(entry).title, []).append(entry)
    return tests


def _of_reading(prompt: Prompt) -> Mapping[str, object]:
    if prompt.reading is None:
        return {}
    facts = prompt.reading.to_dict()
    examples = {f"example {example.name}": example.text for example in prompt.reading.examples}
    return {**{name: fact for name, fact in facts.items() if name != "examples"}, **examples}
