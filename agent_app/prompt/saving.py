"""A prompt is written to one file that needs no parts."""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent_app.errors import PromptError
from agent_app.paths import place_of
from agent_app.prompt.assemble import Content, Message
from agent_app.prompt.library import check_name
from agent_app.prompt.source import compose_source
from agent_app.prompt.template import as_source

_LINE_ENDS = re.compile("[\n\x85\u2028\u2029]")
"""What YAML takes for one."""


def file_text(content: Content, name: str) -> str:
    """Return the text of a file that holds a prompt whole, under some name."""
    front: dict[str, Any] = {"name": name, "description": content.description, "version": content.version}
    front["inputs"] = {key: spec.to_dict() for key, spec in content.inputs.items()}
    front["examples"] = [example.to_dict() for example in content.examples]
    front["reading"] = content.reading.to_dict() if content.reading else None
    front["soft"] = content.soft.name if content.soft else None
    front["stop"] = list(content.stop)
    front["openings"] = list(content.openings)
    front["thoughts"] = dict(content.thoughts)
    front["grounded"] = content.grounded
    front["model"] = dict(content.model)
    front["tests"] = [dict(test) for test in content.tests]
    chat = bool(content.messages[0].role) if content.messages else True
    front["chat"] = chat
    keep = {"name", "version"} | ({"examples"} if content.source.get("examples") else set())
    return front_and_body({k: v for k, v in front.items() if v or k in keep}, body_text(content.messages))


def body_text(messages: tuple[Message, ...]) -> str:
    """Return the body that is read as these messages."""
    if len(messages) == 1 and not messages[0].role:
        return as_source(messages[0].segments)
    return "\n".join(f"# {message.role}\n{as_source(message.segments)}" for message in messages)


def front_and_body(front: Mapping[str, Any], body: str) -> str:
    """Return the text of a file with this front matter and this body."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, _: Any) -> bool:  # the reader takes no aliases
            return True

    def on_one_line(dumper: Dumper, text: str) -> yaml.Node:
        # In other styles YAML folds what it takes for a line end into a space.
        style = '"' if _LINE_ENDS.search(text) else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Dumper.add_representer(str, on_one_line)

    return compose_source(
        yaml.dump(dict(front), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100), body
    )


def write_text(path: Path, text: str, *, overwrite: bool) -> None:
    """Write a prompt file whole or not at all.

    Raises:
        PromptError: the path does not end in ``.md`` after a prompt's name, is taken, or cannot be written.
    """
    if path.suffix != ".md":
        raise PromptError("a prompt file ends in .md", file=path)
    check_name(path.stem, path)
    if path.exists() and not overwrite:
        raise PromptError("there is a file already; choose another path, or pass overwrite=True", file=path)
    try:
        replace_file(path, text)
    except OSError as error:
        raise PromptError(f"cannot write the file: {error.strerror}", file=path) from error


def replace_file(path: Path, text: str) -> None:
    """Write a text file whole or not at all, in UTF-8, in a folder that is made when it is not there.

    Raises:
        OSError: it cannot be written.
        UserError: something else than a file is there.
    """
    path = place_of(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
        temporary.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
