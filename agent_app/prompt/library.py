"""Libraries: folders of prompts, looked in one after the other, that no path leads out of.

A prompt `name` is the file `name.md` of a library; parts are files below it. The first library that
has a file goes before the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from agent_app import places
from agent_app.errors import PromptError, UnknownName
from agent_app.prompt.problems import Unusable
from agent_app.prompt.source import read_source

_PROJECT = Path("prompts")
PROMPT_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
"""What a prompt may be called."""


def check_name(name: str, file: Path | None = None) -> None:
    """Make sure that a prompt can be called so.

    Args:
        name: what it is to be called.
        file: the one that it is the name of, for the message.

    Raises:
        PromptError: it cannot.
    """
    if not PROMPT_NAME.fullmatch(name):
        what = f"{name!r} is no name for a prompt"
        raise PromptError(f"{what}; it takes lower-case letters, digits, - and _", file=file)


@dataclass(frozen=True, slots=True)
class PromptEntry:
    """A prompt that a library offers."""

    name: str
    description: str
    version: str
    path: Path
    shadows: tuple[Path, ...]
    """Files of the same name in later libraries, which this one goes before."""
    problem: str = ""
    """Why the file cannot be read, or empty."""


class LeadsOut(PromptError):  # noqa: N818 - it reads as what it is
    """A path, or a link on it, leads out of its library."""

    def __init__(self, what: str, fix: str, file: Path | None = None) -> None:
        self.what, self.fix = what, fix
        super().__init__(f"{what}; {fix}", file=file)


def library_folders(own: Path | None = None) -> tuple[Path, ...]:
    """Return the libraries in the order in which they go before each other, each once.

    That is the folder given, the user's own, the project's, and the built-in one. The project's is the
    folder ``prompts`` in the current directory, where there is one.

    Args:
        own: a folder that goes before all others.

    Raises:
        PromptError: that folder is not there.
    """
    if own is not None and not own.is_dir():
        raise PromptError("there is no such folder of prompts", file=own)
    given = [own] if own is not None else []
    project = [_PROJECT.absolute()] if _PROJECT.is_dir() else []
    once: dict[Path, Path] = {}
    for folder in (*given, places.user_folder("prompts"), *project, places.builtin("prompts")):
        once.setdefault(folder.resolve(), folder)
    return tuple(once.values())


def list_prompts(folders: Sequence[Path] = ()) -> list[PromptEntry]:
    """List the prompts of some libraries by name; of two with one name, the earlier library's.

    Args:
        folders: the libraries; none means the built-in one. One that is not there is passed over.
    """
    found: dict[str, list[Path]] = {}
    for folder in folders or (places.builtin("prompts"),):
        for name in _names(folder):
            found.setdefault(name, []).append(folder / f"{name}.md")
    return [_entry(name, paths[0], tuple(paths[1:])) for name, paths in sorted(found.items())]


def find_prompt(name: str | Path, folders: Sequence[Path]) -> tuple[Path, tuple[Path, ...]]:
    """Find a prompt's file, and the libraries that its parts come from.

    Args:
        name: a name, or a path: one that ends in ``.md`` or has a separator.
        folders: the libraries that a name is looked up in; none means the built-in one.

    Raises:
        UnknownName: no library has a prompt of that name.
        PromptError: the path is no file, or the file of that name is a link out of its library.
    """
    builtin = places.builtin("prompts")
    if isinstance(name, Path) or name.endswith(".md") or "/" in name or "\\" in name:
        path = Path(name)
        if _is(Path.is_dir, path):
            raise PromptError("it is a folder; name a file in it", file=path)
        if not _is(Path.is_file, path):
            raise PromptError("there is no such file", file=path)
        return path, _each_once([path.resolve().parent, *folders, builtin])
    libraries = tuple(folders) or (builtin,)
    path_found = find_file(f"{name}.md", libraries) if PROMPT_NAME.fullmatch(name) else None
    if path_found is None:
        raise UnknownName("prompt", name, {n for folder in libraries for n in _names(folder)})
    return path_found, _each_once([*libraries, builtin])


def prompt_files(path: Path) -> list[Path]:
    """Return the files of the prompts in a folder; of anything else the path itself.

    Raises:
        PromptError: there is no prompt in the folder.
    """
    if not _is(Path.is_dir, path):
        return [path]
    found = [entry.path for entry in list_prompts([path])]
    if not found:
        raise PromptError("there is no prompt in this folder", file=path)
    return found


def find_file(path: str, libraries: Iterable[Path]) -> Path | None:
    """Return the first library's file at a path inside it, or None.

    Args:
        path: a relative path with ``/``.
        libraries: the folders to look in.

    Raises:
        LeadsOut: the path is absolute or has ``..``, or a link on it leads out of its library.
    """
    if not stays_inside(path):
        raise LeadsOut(f"the path {path!r} leads out of the library", "give one inside it, without '..'")
    for library in libraries:
        candidate = library / path
        if _is(Path.is_file, candidate):
            if not candidate.resolve().is_relative_to(library.resolve()):
                raise LeadsOut("a link leads out of the library", "put the file itself there", candidate)
            return candidate
    return None


def stays_inside(path: str) -> bool:
    """Say whether a path, by its words alone, stays inside the folder that it is taken from."""
    windows = PureWindowsPath(path)
    absolute = PurePosixPath(path).is_absolute() or windows.anchor
    return not absolute and "\0" not in path and ".." not in windows.parts and "\\" not in path


def part_names(folder: str, libraries: Iterable[Path]) -> set[str]:
    """Return the names of the parts that lie in one folder of some libraries."""
    return {path.stem for library in libraries for path in (library / folder).glob("*.md")}


def _is(kind: Callable[[Path], bool], path: Path) -> bool:
    try:
        return kind(path)
    except (OSError, ValueError):  # a name that is too long, or that no file can have
        return False


def _names(folder: Path) -> Iterator[str]:
    for path in folder.glob("*.md"):
        if PROMPT_NAME.fullmatch(path.stem):
            yield path.stem


def _entry(name: str, path: Path, shadows: tuple[Path, ...]) -> PromptEntry:
    try:
        find_file(path.name, [path.parent])
        source = read_source(path, "prompt")
    except Unusable as error:
        return PromptEntry(name, "", "", path, shadows, problem=str(error.problem.error()))
    except PromptError as error:
        return PromptEntry(name, "", "", path, shadows, problem=str(error))
    texts = {key: at.plain() for key in ("description", "version") if (at := source.get(key))}
    description, version = str(texts.get("description", "")), str(texts.get("version", "0"))
    problem = str(source.problems[0].error()) if source.problems else ""
    return PromptEntry(name, description, version, path, shadows, problem)


def _each_once(folders: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(folders))
