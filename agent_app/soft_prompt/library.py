"""Soft prompts in libraries: the folders ``soft/NAME`` beside prompt files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from agent_app.errors import PromptError, UnknownName
from agent_app.soft_prompt.card import SOFT_NAME
from agent_app.soft_prompt.stored import CARD, SoftPrompt, load_soft_prompt

_SOFT = "soft"
"""The folder of a library in which its soft prompts are."""


def soft_folders(libraries: Iterable[Path]) -> dict[str, Path]:
    """Return the folder of each soft prompt of some libraries by name, unread.

    Of two with one name it is the earlier library's.
    """
    found: dict[str, Path] = {}
    for path in _folders(libraries):
        found.setdefault(path.name, path)
    return found


def find_soft_prompt(name: str, libraries: Iterable[Path]) -> Path:
    """Return the folder of a soft prompt: ``soft/NAME`` in the first library that has one.

    Raises:
        UnknownName: no library has it.
    """
    known = soft_folders(libraries)
    if name not in known:
        raise UnknownName("soft prompt", name, known)
    return known[name]


def with_others(soft: SoftPrompt, libraries: Iterable[Path]) -> tuple[SoftPrompt, ...]:
    """Return a soft prompt and all others of some libraries that were tuned for the same model.

    A model that is loaded with all of them can be gone on with by another prompt. What cannot be used
    is passed over here; whoever asks for it by name is told why. Vectors of another length than these are
    not for the same model, whatever their card says.
    """
    found = [soft]
    for name, folder in soft_folders(libraries).items():
        try:
            other = soft if name == soft.name else load_soft_prompt(folder)
        except PromptError:
            continue
        if other is not soft and _model_of(other) == _model_of(soft):
            found.append(other)
    return tuple(found)


def _model_of(soft: SoftPrompt) -> tuple[str, int]:
    return soft.card.base.sha256, soft.card.dimension


def _folders(libraries: Iterable[Path]) -> Iterator[Path]:
    for library in libraries:
        for path in sorted(library.glob(f"{_SOFT}/*/{CARD}")):
            if SOFT_NAME.fullmatch(path.parent.name):
                yield path.parent
