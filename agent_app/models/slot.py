"""The server's slot, which holds what the model has read: filled ahead of time, from disk where possible."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence

from agent_app.models.connection import Connection
from agent_app.models.prompt_cache import PromptCache

_WORTH_KEEPING = 64
"""With fewer tokens than this a prompt is read as quickly as it is found on disk."""


class Slot:
    """The one slot of an embedded model's server.

    Args:
        server: the way to it.
        cache: where what was read is kept; None: nowhere.
        batch: how many tokens the server reads at once.
        made_by: whatever the model's memory of a text depends on beside the text.
    """

    def __init__(
        self, server: Connection, cache: PromptCache | None, batch: int, made_by: Sequence[str | int]
    ) -> None:
        self._server, self._cache, self._batch, self._made_by = server, cache, batch, made_by
        self._held: set[str] = set()
        """What is in the slot, or in what the server keeps of it when it is given another prompt."""
        self._filling = threading.Lock()

    def fill(self, tokens: Sequence[int], *, only_kept: bool = False) -> None:
        """Have the model know these tokens, so that a prompt that begins with them is read from there on.

        Whether they are read now or were read by another process makes no difference to any reply: they
        are read by themselves, from the first on, in the same batches.

        Args:
            tokens: what prompts begin with.
            only_kept: where nobody has read them before, they are not read now.
        """
        if len(tokens) < _WORTH_KEEPING:
            return
        key = hashlib.sha256(json.dumps([*self._made_by, *tokens]).encode()).hexdigest()[:32]
        with self._filling:
            if key in self._held:
                return
            if not self._restored(key, len(tokens)):
                if only_kept or not self._read(tokens):
                    return
                self._save(key, len(tokens))
            self._held.add(key)

    def _read(self, tokens: Sequence[int]) -> bool:
        """Read tokens; say whether that came to its end.

        It goes by batches, so that a thread which reads does not hold up the end of the program for longer.
        """
        for end in (*range(self._batch, len(tokens), self._batch), len(tokens)):
            if not threading.main_thread().is_alive():
                return False
            body = {"prompt": tokens[:end], "n_predict": 0, "cache_prompt": end > self._batch}
            self._server.post("/completion", body)
        return True

    def _restored(self, key: str, tokens: int) -> bool:
        name = self._cache.find(key) if self._cache else None
        if self._cache is None or name is None:
            return False
        if self._held:
            # What is restored replaces what the slot holds; asked something else, the server keeps that.
            self._server.post("/completion", {"prompt": [tokens], "n_predict": 0})
        answer = self._server.try_to_post("/slots/0?action=restore", {"filename": name})
        if answer is not None and answer["n_restored"] == tokens:
            return True
        self._cache.drop(name)
        return False

    def _save(self, key: str, tokens: int) -> None:
        """Keep what was read, and only that: nothing, where somebody has asked something meanwhile."""
        name = self._cache.begin() if self._cache else None
        if self._cache is None or name is None:
            return
        answer = self._server.try_to_post("/slots/0?action=save", {"filename": name})
        if answer is not None and answer["n_saved"] == tokens:
            self._cache.keep(name, key)
        else:
            self._cache.drop(name)
