"""Finds tool files and loads the tools in them."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent_app import places
from agent_app.errors import ToolFileError, UnknownName
from agent_app.python_file import run_python_file
from agent_app.toolbox.results import one_line

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

    from agent_app.settings import Settings


def load_tool_files(folder: Path) -> list[BaseTool]:
    """Return every tool in the Python files of a folder, in the order of the files' names.

    Files whose names begin with ``_`` are left out, and so are such names in a file. Loading a file
    runs it.

    Raises:
        ToolFileError: there is no such folder; a file cannot be run, or has no tool in it; or two
            tools have one name.
    """
    return [tool for tool, _ in _collect(tool_files(folder)).values()]


def load_tools(names: Sequence[str] | None = None, folders: Sequence[Path] = ()) -> list[BaseTool]:
    """Return the named tools from some folders of tool files, in the order of the names.

    Args:
        names: the tools that are wanted; None: all there are, in the order of the folders.
        folders: where to look; none means the built-in folder.

    Raises:
        UnknownName: no tool in these folders has that name.
        ToolFileError: as for `load_tool_files`, and two tools of one name in different folders.
    """
    found = _collect(file for folder in folders or (places.builtin("tools"),) for file in tool_files(folder))
    wanted = dict.fromkeys(found if names is None else names)
    for name in wanted:
        if name not in found:
            raise UnknownName("tool", name, found)
    return [found[name][0] for name in wanted]


def tool_folders(settings: Settings) -> tuple[Path, ...]:
    """Return where tools are found: the built-in folder, the user's own if any, that of the settings."""
    user = places.user_folder("tools")
    own = [settings.tools_dir] if settings.tools_dir else []
    return (places.builtin("tools"), *([user] if user.is_dir() else []), *own)


def tool_files(folder: Path) -> list[Path]:
    """Return the tool files of a folder by name; those whose names begin with ``_`` or ``.`` are left out.

    Hidden ones are left beside a file by editors (``.#x.py``) and by macOS (``._x.py``).

    Raises:
        ToolFileError: there is no such folder.
    """
    if not folder.is_dir():
        raise ToolFileError(f"there is no folder of tools at {folder}")
    return sorted(file.resolve() for file in folder.glob("*.py") if not file.name.startswith(("_", ".")))


def _collect(files: Iterable[Path]) -> dict[str, tuple[BaseTool, Path]]:
    """Load the tools of some files, by name; a file that is listed twice is loaded once."""
    found: dict[str, tuple[BaseTool, Path]] = {}
    for file in dict.fromkeys(files):
        for tool in load_tool_file(file):
            if tool.name in found:
                raise ToolFileError(
                    f"two tools are called {tool.name!r}: in {found[tool.name][1]} and in {file}"
                )
            found[tool.name] = (tool, file)
    return found


def load_tool_file(file: Path) -> list[BaseTool]:
    """Run a tool file and return its tools, in the order in which they stand there.

    Raises:
        ToolFileError: it cannot be run, or there is no tool in it; says where.
    """
    from langchain_core.tools import BaseTool

    try:
        module = run_python_file(file)
    except (Exception, SystemExit) as error:
        raise ToolFileError(f"{_place_of(error, file)}: {type(error).__name__}: {_reason(error)}") from error
    public = (value for key, value in vars(module).items() if not key.startswith("_"))
    # By identity, as a tool may have two names in the file, and tools are not hashable.
    tools = {id(value): value for value in public if isinstance(value, BaseTool)}
    if not tools:
        raise ToolFileError(f"{file}: there is no tool in it; write a function with @tool above it")
    return list(tools.values())


def _place_of(error: BaseException, file: Path) -> str:
    """Return the line at which a file failed to run, in it or in what it imports from its folder."""

    def is_near(name: str | None) -> bool:
        return name is not None and Path(name).parent == file.parent

    if isinstance(error, SyntaxError) and is_near(error.filename):
        return f"{error.filename}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_near(frame.filename)]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else str(file)


def _reason(error: BaseException) -> str:
    return one_line(error.msg if isinstance(error, SyntaxError) else str(error))
