"""A new prompt is written as a copy of the plain one that ships, in another voice."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from agent_app import places
from agent_app.errors import PromptError, UnknownName
from agent_app.prompt.library import check_name, part_names
from agent_app.prompt.loading import load_prompt
from agent_app.prompt.prompt import Prompt, prompt_from
from agent_app.prompt.saving import front_and_body, write_text
from agent_app.prompt.source import parse_source

PATTERN = "plain"
"""The prompt, and the persona, that a new prompt begins as."""

_PERSONAS = "parts/personas"
_EXAMPLES = re.compile(r"^\{examples\}\n\n?", re.MULTILINE)


def persona_names(folders: Sequence[Path]) -> set[str]:
    """Return the names of the personas that some libraries have."""
    return part_names(_PERSONAS, folders)


def new_prompt(
    name: str,
    folder: Path,
    *,
    description: str,
    persona: str = PATTERN,
    examples: bool = True,
    folders: Sequence[Path] = (),
) -> Prompt:
    """Write a prompt for runs with tools, which has nothing wrong with it, and return it.

    Args:
        name: lower-case letters, digits, - and _.
        folder: where the file goes; made when it is not there.
        description: what the prompt is for, in a line.
        persona: the voice it speaks in, by name.
        examples: whether it shows the short runs that the plain prompt shows.
        folders: the libraries that its parts come from, besides its own folder and the built-in one.

    Raises:
        PromptError: the name is none for a prompt, or its file is there already.
        UnknownName: there is no such persona.
    """
    path = folder / f"{name}.md"
    check_name(name)
    if path.exists():
        raise PromptError("there is a file already; choose another name", file=path)
    if not description.isprintable():
        raise PromptError(f"the description is {description!r}; it takes one line of text")
    libraries = (folder, *folders, places.builtin("prompts"))
    known = persona_names(libraries)
    if persona not in known:
        raise UnknownName("persona", persona, known)
    pattern = load_prompt(PATTERN).source
    front = {**pattern.front.plain(), "name": name, "description": description, "version": "1"}
    front["parts"] = {**front["parts"], "persona": f"{_PERSONAS}/{persona}.md"}
    front.pop("tests", None)
    body = pattern.body
    if not examples:
        front.pop("examples", None)
        body = _EXAMPLES.sub("", body)
    text = front_and_body(front, body)
    prompt = prompt_from(parse_source(text, path, "prompt"), libraries)
    write_text(path, text, overwrite=False)
    return prompt
