"""What a shell may offer while a command is being typed: it must be quick, and never fail aloud.

A tool's name is read from the text of its file: nobody wants a program run at a press of the Tab key.
"""

from __future__ import annotations

import ast
import dataclasses
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import click
from click.shell_completion import CompletionItem

from agent_app.errors import UserError
from agent_app.models.pinned import pinned_models
from agent_app.prompt import library_folders, list_prompts
from agent_app.prompt.creating import persona_names
from agent_app.settings import Settings, read_settings
from agent_app.terminal import clean_line
from agent_app.toolbox import tool_files, tool_folders

Complete: TypeAlias = Callable[[click.Context, click.Parameter, str], "list[CompletionItem[str]]"]
_Offers: TypeAlias = Iterable[tuple[str, str]]
"""Names, each with a word about it."""

# What a shell would take apart or obey is not offered; whoever has such a name must type it.
_HARMLESS = re.compile(r"[\w.:-]+")
_FOLDERS = ("tools_dir", "prompts_dir")


def _completer(offers: Callable[[Settings], _Offers]) -> Complete:
    """Make a parameter's `shell_complete` of a function that tells all names there are."""

    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        logging.disable()  # what is wrong the command itself will say; here it would get into the line
        try:
            found = sorted(set(offers(_settings(ctx))))
        except UserError:
            return []
        finally:
            logging.disable(logging.NOTSET)
        return [
            CompletionItem(name, help=clean_line(about) or None)
            for name, about in found
            if name.startswith(incomplete) and _HARMLESS.fullmatch(name)
        ]

    return complete


def _settings(ctx: click.Context | None) -> Settings:
    """Return the settings, with the folders that the command line has named so far before them."""
    given: dict[str, Any] = {}
    while ctx is not None:
        given = {name: ctx.params[name] for name in _FOLDERS if ctx.params.get(name)} | given
        ctx = ctx.parent
    return dataclasses.replace(read_settings(), **given)


def _models(_: Settings) -> Iterator[tuple[str, str]]:
    yield "embedded", "the default model, in this process"
    for pinned in pinned_models().values():
        yield f"embedded:{pinned.name}", pinned.description


def _prompts(settings: Settings) -> _Offers:
    return ((entry.name, entry.description) for entry in list_prompts(library_folders(settings.prompts_dir)))


def _personas(settings: Settings) -> _Offers:
    return ((name, "") for name in persona_names(library_folders(settings.prompts_dir)))


def _tools(settings: Settings) -> Iterator[tuple[str, str]]:
    for folder in tool_folders(settings):
        for file in tool_files(folder):
            yield from ((name, "") for name in names_in(file))


models = _completer(_models)
pinned = _completer(lambda _: ((model.name, model.description) for model in pinned_models().values()))
prompts = _completer(_prompts)
personas = _completer(_personas)
tools = _completer(_tools)


def names_in(file: Path) -> list[str]:
    """Return the names of the tools in a tool file as far as its text tells; else the file's own name.

    A function under ``@tool`` or ``@tool("name")`` is one, and so is what is made by a call with
    ``name="..."``, as of ``StructuredTool.from_function``.
    """
    try:
        body = ast.parse(file.read_bytes()).body
    except (OSError, SyntaxError, ValueError, RecursionError):
        return []
    names = [name for node in body for name in _names_of(node) if not name.startswith("_")]
    return names or [file.stem]


def _names_of(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        for decorator in node.decorator_list:
            call = decorator if isinstance(decorator, ast.Call) else None
            if ast.unparse(call.func if call else decorator).rpartition(".")[2] == "tool":
                yield _text(call.args[0] if call and call.args else None) or node.name
    elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
        yield from filter(None, (_text(word.value) for word in node.value.keywords if word.arg == "name"))


def _text(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
