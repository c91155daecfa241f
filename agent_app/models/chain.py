"""The models that an agent may call: the one it was given, and those that take over when it fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent_app.models.traits import ChatModel, Traits, chat_model_in, name_of, traits_of
from agent_app.prices import served_at
from agent_app.redaction import Redactor, redacting_model

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


@dataclass(frozen=True, slots=True)
class ReadyModel:
    """A loaded model, with what a call has to know of it."""

    given: BaseChatModel
    model: ChatModel
    """What is called: the given one, with what was bound to it, whose replies pass a redactor."""
    name: str = field(init=False)
    traits: Traits = field(init=False)
    url: str | None = field(init=False)
    """Where it is served, as `served_at` gives it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", name_of(self.given))
        object.__setattr__(self, "traits", traits_of(self.given))
        object.__setattr__(self, "url", served_at(self.given))


class Chain:
    """Models in the order in which they are asked; each is loaded when it is first needed.

    Args:
        given: names, or loaded models.
        load: makes a model of a name.
        redactor: keeps secrets out of what the models write.
    """

    def __init__(
        self,
        given: Sequence[str | ChatModel],
        load: Callable[[str], BaseChatModel],
        redactor: Redactor,
    ) -> None:
        self._given = given
        self._load = load
        self._redactor = redactor
        self._ready: dict[int, ReadyModel] = {}
        self._loading = threading.Lock()

    def __len__(self) -> int:
        return len(self._given)

    def __getitem__(self, position: int) -> ReadyModel:
        """Return a model, loaded.

        Raises:
            UserError: it cannot be had; says what would be right.
        """
        ready = self._ready.get(position)
        if ready is None:
            with self._loading:
                ready = self._ready.get(position) or self._open(position)
        return ready

    def _open(self, position: int) -> ReadyModel:
        given = self._given[position]
        model = self._load(given) if isinstance(given, str) else given
        ready = ReadyModel(chat_model_in(model), redacting_model(model, self._redactor))
        self._ready[position] = ready
        return ready
