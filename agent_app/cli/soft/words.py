"""The words that stand around the rows of a tuning: those of the prompt that it is for."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent_app.cli import completing
from agent_app.errors import TuningError
from agent_app.prompt import load_prompt
from agent_app.soft_prompt import Base, Card, save_soft_prompt

if TYPE_CHECKING:
    from agent_app.settings import Settings
    from agent_app.tuning.words import Words

_NOBODY = "0" * 64

prompt_option = click.option(
    "-p",
    "--prompt",
    metavar="NAME",
    shell_complete=completing.prompts,
    help="The prompt that the soft prompt stands in, whose words stand around the questions then "
    "[default: nothing but the question].",
)


def words_around(name: str, prompt: str | None, folders: Sequence[Path], settings: Settings) -> Words:
    """Return the words of a prompt, or of one that says nothing but the question.

    Args:
        name: of the soft prompt, which the prompt may name though it is not there yet.
        prompt: a prompt's name or file; None: nothing but the question.
        folders: the libraries that the prompt may be in.
        settings: where tools are.

    Raises:
        TuningError: virtual tokens have no place in the prompt, or not the first one.
        UserError: the prompt cannot be loaded, or its tools cannot.
    """
    from agent_app.toolbox import Toolbox, load_tools, tool_folders
    from agent_app.tuning.words import Words, bare

    if prompt is None:
        return bare()
    with tempfile.TemporaryDirectory() as folder:
        _stand_in(Path(folder) / "soft" / name)
        loaded = load_prompt(prompt, folders=[*folders, Path(folder)])
    if loaded.soft is None:
        raise TuningError(f"{loaded.path}: it has no soft prompt; write 'soft: {name}' in its front matter")
    tells = not {"tools", "tool_names"}.isdisjoint(loaded.slots)
    return Words(loaded, Toolbox(load_tools(None, tool_folders(settings)) if tells else []))


def _stand_in(folder: Path) -> None:
    """Write a soft prompt that only stands for one which is not there yet."""
    import numpy as np

    card = Card(
        name=folder.name,
        description="not tuned yet",
        method="prompt-tuning",
        tokens=1,
        dimension=1,
        base=Base("none", _NOBODY),
        tokenizer_sha256=_NOBODY,
        licence="none",
    )
    save_soft_prompt(folder, np.zeros((1, 1), np.float32), card)
