"""Whether the folders are there, and whether the prompts and tools in them can be used."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from agent_app import places
from agent_app.doctor.finding import Finding, looked_at
from agent_app.doctor.model import size_of
from agent_app.errors import PromptError, ToolFileError, UserError
from agent_app.models.virtual import check_can_read
from agent_app.prompt import check_library, library_folders, load_prompt
from agent_app.prompt.inputs import InputType, Value
from agent_app.settings import Settings
from agent_app.soft_prompt import SoftPrompt
from agent_app.toolbox import load_tool_file, tool_files, tool_folders

_EXAMPLES: dict[InputType, Value] = {"string": "", "integer": 1, "number": 1.0, "boolean": True, "list": ()}


def check_folders(settings: Settings) -> Iterator[Finding]:
    """Check the folders that the settings name, and those that the program writes to."""
    named = {
        "prompts": (settings.prompts_dir, "--prompts-dir or AGENT_APP_PROMPTS_DIR"),
        "tools": (settings.tools_dir, "--tools-dir or AGENT_APP_TOOLS_DIR"),
        "models": (settings.model_dir, "AGENT_APP_MODEL_DIR"),
    }
    for kind, (folder, setting) in named.items():
        if folder is not None:
            yield from looked_at("folders", partial(_check_readable, kind, folder, setting))
    written = {
        "fetched models": places.model_folder(),
        "your own prompts and tools": places.user_folder("prompts").parent,
    }
    for what, folder in written.items():
        yield from looked_at("folders", partial(_check_writable, what, folder))


def _check_readable(kind: str, folder: Path, setting: str) -> Iterator[Finding]:
    """Tell where a folder that the settings name is not there, or cannot be read."""
    if not folder.is_dir():
        says = f"there is no folder of {kind} at {folder}"
        yield Finding("folders", "fail", says, f"make it, or mend {setting}")
    elif not os.access(folder, os.R_OK | os.X_OK):
        says = f"the folder of {kind} at {folder} cannot be read"
        yield Finding("folders", "fail", says, f"let yourself read it, or mend {setting}")


def _check_writable(what: str, folder: Path) -> Iterator[Finding]:
    """Say whether a folder can be written to, or made, and how much room there is."""
    there = places.nearest(folder)
    if not there.is_dir():
        says = f"{what}: {there} is no folder"
        yield Finding("folders", "warn", says, "move it away, or put HOME elsewhere")
    elif not os.access(there, os.W_OK | os.X_OK):
        says = f"{what}: {there} cannot be written to"
        yield Finding("folders", "warn", says, "let yourself write there, or put HOME elsewhere")
    else:
        made = "" if there == folder else ", made when it is needed"
        says = f"{what}: {folder}{made}, {size_of(shutil.disk_usage(there).free)} free"
        yield Finding("folders", "ok", says)


def check_prompts(settings: Settings) -> Iterator[Finding]:
    """Check the prompt that the settings name, and tell which others cannot be used."""
    try:
        folders = library_folders(settings.prompts_dir)
    except PromptError as error:
        yield Finding("prompts", "fail", str(error), "name a folder that is there")
        return
    yield _check_named(settings, folders)
    problems = check_library(folders)
    broken = {file: found[0].error() for file, found in problems.items() if found}
    for problem in broken.values():
        yield Finding("prompts", "warn", f"cannot be used: {problem}", "see `agent-app prompts check`")
    yield Finding("prompts", "ok", f"{len(problems) - len(broken)} can be used, see `agent-app prompts`")


def soft_prompt_of(settings: Settings) -> SoftPrompt | None:
    """Return the soft prompt in the prompt that the settings name, if it can be loaded and has one."""
    try:
        return load_prompt(settings.prompt, folders=library_folders(settings.prompts_dir)).soft
    except (UserError, OSError):  # `check_prompts` tells of it
        return None


def _check_named(settings: Settings, folders: tuple[Path, ...]) -> Finding:
    try:
        prompt = load_prompt(settings.prompt, folders=folders)
        if prompt.soft is not None:
            check_can_read(settings.model, prompt.soft)
        needed = {slot: spec for slot, spec in prompt.inputs.items() if spec.default is None}
        # Only a prompt for runs can be written like this; the values are never seen.
        prompt.draft("?", "", (), **{slot: _EXAMPLES[spec.type] for slot, spec in needed.items()})
    except UserError as error:
        return Finding("prompts", "fail", str(error), "see `agent-app prompts` and `agent-app prompts check`")
    says = f"{prompt.name} {prompt.version} is in order: {prompt.path}"
    advice = f"each question takes {' '.join(f'-P {slot}=...' for slot in needed)}" if needed else ""
    return Finding("prompts", "ok", says, advice)


def check_tools(settings: Settings) -> Iterator[Finding]:
    """Load every tool file, as a run does, and tell which cannot be loaded; loading a file runs it."""
    files: list[Path] = []
    for folder in tool_folders(settings):
        try:
            files += tool_files(folder)
        except ToolFileError as error:
            yield Finding("tools", "fail", str(error), "name a folder that is there")
        except OSError:  # `check_folders` tells of it
            continue
    found: dict[str, Path] = {}
    for file in dict.fromkeys(files):
        try:
            names = [tool.name for tool in load_tool_file(file)]
        except ToolFileError as error:
            yield Finding("tools", "fail", str(error), "mend the file, or put `_` before its name")
            continue
        for name in names:
            if name in found:
                says = f"two tools are called {name!r}: in {found[name]} and in {file}"
                yield Finding("tools", "fail", says, "give one of them another name")
            found.setdefault(name, file)
    yield Finding("tools", "ok", f"{len(found)} can be used: {', '.join(found)}")
