"""Fetching a model at the terminal: what will come, how large it is, and how far it has got."""

from __future__ import annotations

import sys

import click

from agent_app.errors import ModelError
from agent_app.models.fetch import Progress, check_space, fetch
from agent_app.models.pinned import Pinned, pinned_model
from agent_app.models.stored import file_named, find
from agent_app.models.virtual import check_can_read, meant_by
from agent_app.places import model_folder
from agent_app.prompt import Prompt
from agent_app.settings import Settings
from agent_app.terminal import colours, stderr


def make_sure(settings: Settings, *, yes: bool, prompt: Prompt | None = None) -> None:
    """Fetch the embedded model that the settings name, if it is one of ours and not here yet.

    On a terminal it asks first; elsewhere there is nobody to ask, and who names the model wants it.

    Args:
        settings: they name the model.
        yes: do not ask.
        prompt: what the model will be asked with; a model that cannot read it is not fetched.

    Raises:
        PromptError: the prompt holds a soft prompt for another model.
        UnknownName: the settings name no model that there is.
        FetchError: the disk has no room for it; nothing has been fetched then.
        ModelError: the person at the terminal would rather not, or the model reads no soft prompts.
    """
    soft = None if prompt is None else prompt.soft
    if soft is not None:
        check_can_read(settings.model, soft)
    kind, _, rest = meant_by(settings.model, soft).strip().partition(":")
    if kind != "embedded" or file_named(rest):
        return
    pinned = pinned_model(rest)
    if is_here(pinned, settings):
        return
    stderr().line(f"The model {pinned.name} is not here yet: {pinned.size}, licence {pinned.licence}.")
    check_space(pinned, model_folder())  # before anybody is asked whether to begin
    if not yes and _somebody_answers() and not click.confirm("Fetch it now?", default=True, err=True):
        raise ModelError(
            f"no model; get it with `agent-app models fetch {pinned.name}`, or name another with -m"
        )
    fetch_with_bar(pinned)


def _somebody_answers() -> bool:
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def is_here(pinned: Pinned, settings: Settings) -> bool:
    """Say whether a pinned model's file is there; its bytes are checked when it is loaded."""
    folders = [settings.model_dir] if settings.model_dir else []
    return find(pinned, [*folders, model_folder()]) is not None


def fetch_with_bar(pinned: Pinned) -> None:
    """Fetch a model and show how far it has got: a bar on a terminal, a line for each tenth elsewhere."""
    folder = model_folder()
    if colours(sys.stderr):
        _with_bar(pinned)
    else:
        fetch(pinned, folder, _Tenths())
    stderr().line(f"{pinned.name} is in {folder}, its SHA-256 is right")


def _with_bar(pinned: Pinned) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(pinned.name, total=pinned.bytes)

        def show(progress: Progress) -> None:
            bar.update(task, completed=progress.done, description=progress.source)

        fetch(pinned, model_folder(), show)


class _Tenths:
    """Writes a line when a source begins and whenever another tenth of the file has arrived."""

    def __init__(self) -> None:
        self._last: tuple[str, int] | None = None

    def __call__(self, progress: Progress) -> None:
        now = progress.source, 10 * progress.done // progress.total
        if now != self._last:
            self._last = now
            stderr().line(f"{progress.source}: {progress.done / 1e6:,.0f} of {progress.total / 1e6:,.0f} MB")
