"""Prompts are loaded from files, checked, and taken in from LangChain."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent_app import places
from agent_app.errors import PromptError
from agent_app.prompt.assemble import assemble
from agent_app.prompt.langchain_template import front_and_body_of
from agent_app.prompt.library import LeadsOut, find_file, find_prompt, list_prompts
from agent_app.prompt.problems import Problem, Unusable
from agent_app.prompt.prompt import Prompt, prompt_from
from agent_app.prompt.saving import front_and_body, write_text
from agent_app.prompt.source import parse_source, read_source

if TYPE_CHECKING:
    from langchain_core.prompts import ChatPromptTemplate, PromptTemplate


def load_prompt(
    name_or_path: str | Path, *, folders: Sequence[Path] = (), persona: str | None = None
) -> Prompt:
    """Load a prompt by its name or from a file, and check it.

    Args:
        name_or_path: a name such as ``"pirate"``, or a path: one that ends in ``.md`` or has a separator.
        folders: the libraries, the first going before the others; none means the built-in one. Parts
            come from a file's own folder first, then from these, then from the built-in library.
        persona: another persona for it, by name, such as ``"butler"``.

    Raises:
        UnknownName: there is no prompt, or no persona, of that name.
        PromptError: a file of it is wrong; says what, where, and what would be right.
    """
    path, libraries = find_prompt(name_or_path, folders)
    try:
        source = read_source(path, "prompt")
    except Unusable as error:
        raise error.problem.error() from None
    prompt = prompt_from(source, libraries)
    return prompt.with_parts(persona=persona) if persona else prompt


def check_file(path: str | Path, folders: Sequence[Path] = ()) -> list[Problem]:
    """Return all that is wrong with a prompt file and its parts; nothing when it can be loaded.

    Args:
        path: the file.
        folders: the libraries that its parts may come from, besides its own folder and the built-in one.

    Raises:
        PromptError: there is no such file.
    """
    return _problems(*find_prompt(Path(path), folders))


def check_library(folders: Sequence[Path]) -> dict[Path, list[Problem]]:
    """Check every prompt of some libraries, the shadowed ones too, as it is loaded by its name.

    Returns:
        For each file all that is wrong with it, in the order of `list_prompts`.
    """
    paths = [path for entry in list_prompts(folders) for path in (entry.path, *entry.shadows)]
    return {path: _named_problems(path, folders) for path in paths}


def _named_problems(path: Path, folders: Sequence[Path]) -> list[Problem]:
    try:
        find_file(path.name, [path.parent])
    except LeadsOut as error:
        return [Problem("P001", path, 1, 1, error.what, error.fix)]
    return _problems(path, (*folders, places.builtin("prompts")))


def _problems(file: Path, libraries: Sequence[Path]) -> list[Problem]:
    problems: list[Problem] = []
    try:
        assemble(read_source(file, "prompt"), libraries, problems)
    except Unusable as error:
        if error.problem not in problems:
            problems.append(error.problem)
    return problems


def from_langchain(
    template: PromptTemplate | ChatPromptTemplate,
    path_or_name: str | Path,
    *,
    description: str = "",
    version: str = "1",
    overwrite: bool = False,
) -> Prompt:
    """Write a LangChain template to a prompt file and return the prompt, whose `to_langchain` gives it back.

    Args:
        template: a `PromptTemplate`, or a `ChatPromptTemplate` of system, human and ai texts.
        path_or_name: a ``.md`` file, or a name in the user's own library.
        description: what the prompt is for, in a line.
        version: what its author calls this state of it.
        overwrite: whether a file that is there may be replaced.

    Raises:
        PromptError: a prompt file cannot say what the template says, or the path is taken.
    """
    path = Path(path_or_name)
    if path.suffix != ".md" and len(path.parts) == 1:
        path = places.user_folder("prompts") / f"{path}.md"
    front, body = front_and_body_of(template)
    facts = {"name": path.stem, "version": version} | ({"description": description} if description else {})
    text = front_and_body(facts | front, body)
    try:
        prompt = prompt_from(parse_source(text, path, "prompt"), ())
    except Unusable as error:
        raise error.problem.error() from None
    given_back = prompt.to_langchain()
    if given_back != template:
        fields = type(template).model_fields
        lost = [name for name in fields if getattr(given_back, name, None) != getattr(template, name)]
        raise PromptError(f"a prompt file cannot keep this template's {', '.join(lost)}")
    write_text(path, text, overwrite=overwrite)
    return prompt
