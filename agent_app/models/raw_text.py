"""Prompts without a chat template go to another endpoint of the server, with replies of another form.

`ChatOpenAI` sends a call to one place and reads one kind of reply. The two classes here stand in that place:
what has a ``prompt`` goes to ``/v1/completions``, and its stream is given back as one of chat.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any


class Completions:
    """Takes the calls of a sync client.

    Args:
        chat: where calls with messages go.
        raw: where those with a prompt go.
    """

    def __init__(self, chat: Any, raw: Any) -> None:
        self._chat, self._raw = chat, raw

    def create(self, **payload: Any) -> Any:
        """Send a call and return its stream, a context manager."""
        return _streamed(self._raw, payload) if "prompt" in payload else self._chat.create(**payload)


class AsyncCompletions:
    """Takes the calls of an async client; the arguments are as for `Completions`."""

    def __init__(self, chat: Any, raw: Any) -> None:
        self._chat, self._raw = chat, raw

    async def create(self, **payload: Any) -> Any:
        """Send a call and return its stream, an async context manager."""
        return _astreamed(self._raw, payload) if "prompt" in payload else await self._chat.create(**payload)


@contextlib.contextmanager
def _streamed(raw: Any, payload: dict[str, Any]) -> Iterator[Iterator[dict[str, Any]]]:
    with raw.create(**payload) as stream:
        yield (_as_chat(chunk) for chunk in stream)


@contextlib.asynccontextmanager
async def _astreamed(raw: Any, payload: dict[str, Any]) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    async with await raw.create(**payload) as stream:
        yield (_as_chat(chunk) async for chunk in stream)


def _as_chat(chunk: Any) -> dict[str, Any]:
    """Return a part of a reply in the form that chat has."""
    told: dict[str, Any] = chunk.model_dump()
    for choice in told["choices"]:
        choice["delta"] = {"role": "assistant", "content": choice.pop("text")}
    return told
