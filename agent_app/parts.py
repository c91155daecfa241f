"""What an agent is made of, loaded: its prompt, its tools, its models, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from agent_app.approvals import risks_of
from agent_app.grammar import reply_grammar
from agent_app.history import Turn
from agent_app.labels import OBSERVATION
from agent_app.layout import opening
from agent_app.models import Chain, ReadyModel, Warmable
from agent_app.parser import ReActOutputParser
from agent_app.passages import Passages
from agent_app.planning import Window, window_of
from agent_app.prompt import Draft, Prompt
from agent_app.steps import Action
from agent_app.terms import Terms
from agent_app.toolbox import Toolbox


@dataclass
class Parts:
    """What an agent is made of, loaded, with all that is the same in each of its runs."""

    prompt: Prompt
    toolbox: Toolbox
    models: Chain
    terms: Terms
    parser: ReActOutputParser = field(init=False)
    described: str = field(init=False)
    passages: Passages | None = field(init=False)
    """Asks a model about passages; None: they are shown to it like any other observation."""
    grammar: str = field(init=False)
    last_grammar: str = field(init=False)
    stop: list[str] = field(init=False)

    def __post_init__(self) -> None:
        toolbox, offered = self.toolbox, self.toolbox.inputs()
        self.parser = ReActOutputParser(tool_names=toolbox.names, object_tools=toolbox.object_tools())
        self.described = toolbox.describe()
        openings, form = self.prompt.openings, self.terms.form.schema if self.terms.form else None
        self.grammar = reply_grammar(offered, openings=openings, form=form)
        self.last_grammar = reply_grammar({}, openings=openings, form=form, last=True)
        reader = self.prompt.reader(self.described, toolbox.names)
        self.passages = None if reader is None else Passages(reader, offered, openings, form)
        self._risks = {tool.name: risks_of(tool) for tool in toolbox.tools}
        self._windows: dict[int, Window | None] = {}
        self._warm: set[int] = set()
        self._warm_to_read: set[int] = set()
        self.stop = list(self.prompt.stop or (f"\n{OBSERVATION}:",))

    def draft(self, question: str, turns: tuple[Turn, ...], values: Mapping[str, Any]) -> Draft:
        """Return all of a run's prompt but its steps.

        Raises:
            PromptError: a value is missing, surplus or of a wrong type, or there is no room for turns.
        """
        if self.terms.form is not None:
            question = f"{question}\n{self.terms.form.instruction}"
        return self.prompt.draft(question, self.described, self.toolbox.names, turns, **values)

    def is_guarded(self, tool: str) -> bool:
        """Say whether a tool's calls have to be checked at all."""
        return self.terms.approvals.may_ask(self._risks.get(tool, frozenset()))

    def facts(self, action: Action) -> tuple[frozenset[str], str]:
        """Return what a check has to know of a tool: its risks, and what the model reads of it."""
        return self._risks[action.tool], self.toolbox.describe_one(action.tool)

    def window(self, ready: ReadyModel) -> Window | None:
        """Return a model's context window, or None if nobody knows it; an embedded one is asked, once."""
        key = id(ready)
        if key not in self._windows:
            window = window_of(ready.given, context=self.terms.context)
            if window is not None and self.prompt.soft is not None:
                # The text is counted; the virtual tokens in it, and a seam on each of their sides, are not.
                window = replace(window, overhead=self.prompt.soft.card.tokens + 2)
            self._windows[key] = window
        return self._windows[key]

    def warm(self, ready: ReadyModel) -> None:
        """Let a model that can do so read what every prompt begins with, once; it may take its time."""
        if id(ready) in self._warm or not isinstance(ready.given, Warmable):
            return
        self.warm_to_read(ready, only_kept=True)
        ready.given.warm(opening(self.prompt.opening(self.described, self.toolbox.names)))
        self._warm.add(id(ready))

    def warm_to_read(self, ready: ReadyModel, *, only_kept: bool = False) -> None:
        """Let such a model read what every question about passages begins with, which it may never need.

        Args:
            ready: the model.
            only_kept: only if that takes no time, because it is found on disk.
        """
        if self.passages is None or id(ready) in self._warm_to_read or not isinstance(ready.given, Warmable):
            return
        ready.given.warm(self.passages.opening(), only_kept=only_kept)
        if not only_kept:
            self._warm_to_read.add(id(ready))
