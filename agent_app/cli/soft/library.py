"""The prompt library that a new soft prompt goes to."""

from __future__ import annotations

from pathlib import Path

import click

from agent_app import places
from agent_app.cli import options
from agent_app.errors import TuningError
from agent_app.prompt import library_folders
from agent_app.settings import Settings
from agent_app.soft_prompt import SOFT_NAME
from agent_app.soft_prompt.stored import CARD

target = click.option(
    "--prompts-dir", type=options.FOLDER, metavar="FOLDER", help="The library it goes to [default: your own]."
)


def folder_for(name: str, settings: Settings) -> Path:
    """Return the folder of a new soft prompt, which need not be there yet.

    Raises:
        TuningError: a soft prompt cannot be called so.
    """
    if not SOFT_NAME.fullmatch(name):
        raise TuningError(f"{name!r} is no name for a soft prompt; it takes a-z, 0-9, - and _")
    return (settings.prompts_dir or places.user_folder("prompts")) / "soft" / name


def check_free(folder: Path) -> None:
    """Make sure that no soft prompt is in a folder.

    Raises:
        TuningError: one is; says what to do.
    """
    if (folder / CARD).exists():
        raise TuningError(
            f"{folder}: there is a soft prompt already; choose another name, or --force replaces it"
        )


def libraries(settings: Settings) -> tuple[Path, ...]:
    """Return the libraries that are there; the one that the settings name may be made at the end only."""
    named = settings.prompts_dir
    return library_folders(named if named is not None and named.is_dir() else None)
