"""`agent-app soft average`: the mean of soft prompts."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from agent_app import places
from agent_app.cli import options
from agent_app.errors import SettingError
from agent_app.prompt import library_folders
from agent_app.soft_prompt import SOFT_NAME, find_soft_prompt, load_soft_prompt
from agent_app.soft_prompt.averaging import save_mean
from agent_app.soft_prompt.stored import CARD
from agent_app.terminal import clean_line, stdout
from agent_app.tuning.plot import PLOT


@click.command(short_help="Take the mean of soft prompts.")
@click.argument("name")
@click.argument("others", nargs=-1, required=True)
@click.option("--description", default="", metavar="TEXT", help="What it is for, in a line.")
@click.option(
    "--prompts-dir", type=options.FOLDER, metavar="FOLDER", help="The library it goes to [default: your own]."
)
@click.option("--force", is_flag=True, help="Replace the soft prompt if it is there.")
def average(
    name: str, others: tuple[str, ...], description: str, prompts_dir: Path | None, force: bool
) -> None:
    """Keep the mean of OTHERS, two or more soft prompts, as the soft prompt NAME.

    They must be of one model and have as many tokens. Those that were tuned from the same beginning, each on
    rows of its own, often do better together than each alone.

    \b
    Examples:
      agent-app soft average sailor sailor-monday sailor-tuesday

    Exit codes: 0 written; 2 a soft prompt cannot be had, they do not belong together, or NAME is taken.

    Environment: AGENT_APP_PROMPTS_DIR.

    See also: agent-app soft train.
    """
    if len(others) < 2:
        raise SettingError("a mean takes two soft prompts or more")
    if not SOFT_NAME.fullmatch(name):
        raise SettingError(f"{name!r} is no name for a soft prompt; it takes a-z, 0-9, - and _")
    library = options.settings(prompts_dir=prompts_dir).prompts_dir
    folders = library_folders(library if library is not None and library.is_dir() else None)
    folder = (library or places.user_folder("prompts")) / "soft" / name
    if (folder / CARD).exists() and not force:
        raise SettingError(
            f"{folder}: there is a soft prompt already; choose another name, or --force replaces it"
        )
    soft = [load_soft_prompt(find_soft_prompt(other, folders)) for other in others]
    picture = soft[-1].folder / PLOT
    try:
        save_mean(folder, soft, description)
        if picture.is_file() and picture.resolve() != (folder / PLOT).resolve():
            shutil.copyfile(picture, folder / PLOT)
    except OSError as error:
        raise SettingError(f"{folder}: the soft prompt cannot be written: {error.strerror}") from error
    stdout().line(clean_line(str(folder)))
