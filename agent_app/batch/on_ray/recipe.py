"""What an agent is made of, as plain data that can be sent to another machine."""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agent_app import places
from agent_app.agent import Agent
from agent_app.batch.repeating import set_temperature
from agent_app.batch.taking_over import those_that_take_over
from agent_app.errors import SettingError, ToolFileError
from agent_app.models import load_model
from agent_app.prompt import Prompt
from agent_app.retrying import Retry
from agent_app.settings import Settings, key_for, preset, read_settings
from agent_app.toolbox import load_tools, tool_folders

_LARGEST = 50_000_000
"""How many bytes the folders of tools may hold together."""
_ONCE = Retry(attempts=1)
"""The engine makes further attempts, and goes on where the row was."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Makes the same agent on any machine that has this program; calling it gives a new one.

    The prompt and the files of the user's own tools travel with it. Models do not: each machine has its own
    model folder, and an embedded model's bytes are checked there.
    """

    settings: Settings
    prompt: Prompt
    tools: tuple[str, ...] | None = None
    """The tools' names; None: all."""
    folders: tuple[Mapping[str, bytes], ...] = ()
    """The folders of the user's own tools: each file's path in the folder, and what is in it."""
    parallel: int = 1
    """How many rows an embedded model answers at once."""
    temperature: float | None = None
    """How freely the model chooses its words; None: as it is set."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables that are set where the agent is made, unless they are set there; keys, mostly."""
    fallbacks: tuple[str, ...] = ()
    """The models that take over."""
    retry: Retry = _ONCE
    """How often the agent itself calls a model whose server fails."""

    def __call__(self) -> Agent:
        """Make the agent; its model is loaded, the rest is not yet."""
        for variable, value in self.environment.items():
            preset(variable, value)
        own = read_settings().model_dir
        settings = dataclasses.replace(self.settings, model_dir=own or self.settings.model_dir)
        place = Path(tempfile.mkdtemp(prefix="agent-app-tools-"))
        folders = [_unpacked(files, place / str(number)) for number, files in enumerate(self.folders)]
        soft = self.prompt.soft_prompts
        model = load_model(settings.model, settings=settings, parallel=self.parallel, soft=soft)
        set_temperature(model, self.temperature)
        agent = Agent.from_settings(
            settings,
            model=model,
            prompt=self.prompt,
            tools=load_tools(self.tools, (places.builtin("tools"), *folders)),
            fallbacks=those_that_take_over(self.fallbacks, settings, self.prompt, self.temperature),
            retry=self.retry,
        )
        weakref.finalize(agent, shutil.rmtree, place, ignore_errors=True)
        return agent


def packed_tools(settings: Settings) -> tuple[dict[str, bytes], ...]:
    """Return the files of the user's own folders of tools, for a `Recipe`.

    Raises:
        ToolFileError: there is no such folder, or it holds far more than tools.
    """
    builtin = places.builtin("tools")
    return tuple(_packed(folder) for folder in tool_folders(settings) if folder != builtin)


def environment(names: tuple[str, ...]) -> dict[str, str]:
    """Return the values of variables of the environment, by their names.

    Raises:
        SettingError: one is not set.
    """
    found = {name: key_for(name) for name in names}
    missing = [name for name, value in found.items() if value is None]
    if missing:
        raise SettingError(f"the actors are to be given {missing[0]}, but it is not set here")
    return {name: value for name, value in found.items() if value is not None}


def _packed(folder: Path) -> dict[str, bytes]:
    if not folder.is_dir():
        raise ToolFileError(f"there is no folder of tools at {folder}")
    packed, size = {}, 0
    for file in _files(folder):
        size += file.stat().st_size
        if size > _LARGEST:
            raise ToolFileError(
                f"{folder} holds more than {_LARGEST // 1_000_000} MB, too much to send to actors"
            )
        packed[file.relative_to(folder).as_posix()] = file.read_bytes()
    return packed


def _files(folder: Path) -> Iterator[Path]:
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__pycache__")))
        yield from (Path(here, name) for name in sorted(names) if not name.startswith("."))


def _unpacked(files: Mapping[str, bytes], folder: Path) -> Path:
    folder.mkdir()
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return folder
