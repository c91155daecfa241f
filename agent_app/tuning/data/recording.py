"""Runs the real tools for rows of data, offline: at a moment that is chosen, with search results that are recorded.

Each time a tool file is loaded it becomes a module of its own, so what is replaced in it here is replaced for
nobody else. All the rest of a tool (how it reads its input, what it complains of, how it writes its result) is its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone, tzinfo
from typing import Any

from agent_app import places
from agent_app.steps import Action, Observation
from agent_app.toolbox import Toolbox, load_tools

TOOLS = ("calculator", "web_search", "clock")
"""The tools that rows can be made for."""

SearchResult = Mapping[str, str]
"""A ``title``, a ``snippet`` and a ``link``."""


class Recorder:
    """The built-in tools, with a clock that can be set and a web that is recorded.

    Args:
        names: the tools, of `TOOLS`.
    """

    def __init__(self, names: Iterable[str] = TOOLS) -> None:
        tools = load_tools(list(names), [places.builtin("tools")])
        self._toolbox = Toolbox(tools)
        self._now = datetime.now(timezone.utc)
        self._found: Sequence[Sequence[SearchResult]] = ()
        self._searches = 0
        replaced: dict[str, tuple[str, Callable[..., Any]]] = {
            "clock": ("_now", self._at),
            "web_search": ("_search", self._search),
        }
        for tool in tools:
            if tool.name in replaced:
                name, function = replaced[tool.name]
                module = tool.func.__globals__  # type: ignore[attr-defined]
                assert callable(module[name])
                module[name] = function

    def begin(self, now: datetime, found: Sequence[Sequence[SearchResult]] = ()) -> None:
        """Set the clock, and what each search from now on will find.

        Args:
            now: the moment, with the zone that counts as local.
            found: the results of the first search, of the second one, and so on.
        """
        self._now, self._found, self._searches = now, found, 0

    def run(self, action: Action) -> Observation:
        """Run a tool as an agent would."""
        return self._toolbox.run(action)

    def _at(self, zone: tzinfo | None = None) -> datetime:
        return self._now if zone is None else self._now.astimezone(zone)

    def _search(self, words: str) -> list[dict[str, str]]:  # noqa: ARG002 - what is found was recorded
        self._searches += 1
        return [dict(result) for result in self._found[self._searches - 1]]
