"""`agent-app soft average`: the mean of soft prompts."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from agent_app.cli import options
from agent_app.cli.soft import library
from agent_app.errors import SettingError
from agent_app.soft_prompt import find_soft_prompt, load_soft_prompt
from agent_app.soft_prompt.averaging import save_mean
from agent_app.terminal import clean_line, stdout
from agent_app.tuning.plot import PLOT


@click.command(short_help="Take the mean of soft prompts.")
@click.argument("name")
@click.argument("others", nargs=-1, required=True)
@click.option("--description", default="", metavar="TEXT", help="What it is for, in a line.")
@library.target
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
    settings = options.settings(prompts_dir=prompts_dir)
    folder, folders = library.folder_for(name, settings), library.libraries(settings)
    if not force:
        library.check_free(folder)
    soft = [load_soft_prompt(find_soft_prompt(other, folders)) for other in others]
    picture = soft[-1].folder / PLOT
    try:
        save_mean(folder, soft, description)
        if picture.is_file() and picture.resolve() != (folder / PLOT).resolve():
            shutil.copyfile(picture, folder / PLOT)
    except OSError as error:
        raise SettingError(f"{folder}: the soft prompt cannot be written: {error.strerror}") from error
    stdout().line(clean_line(str(folder)))
