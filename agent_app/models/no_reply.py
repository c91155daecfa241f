"""What a server sends in the place of a reply of a chat becomes the client's own errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import openai

from agent_app.models.client_calls import Client, call_of
from agent_app.models.server_words import words_of


class NoReply(ValueError):  # noqa: N818 - it reads as what it is
    """A server's JSON is no reply of a chat."""


class Withheld(ValueError):  # noqa: N818 - as above
    """A server's filter has kept back the reply, or the rest of it."""


class Unfinished(ValueError):  # noqa: N818 - as above
    """A stream was closed before it told of an end."""


def no_reply(given: Any, client: Client) -> openai.APIError:
    """Return the client's error for what should be a reply of a chat and is none.

    Args:
        given: what the server sent, read from JSON; it may tell of an error.
        client: what asked it.
    """
    told = _field(given, "error")
    return openai.APIError(words_of(told), call_of(client), body=told) if told else _caused(NoReply(), client)


def check_choice(given: Any, client: Client) -> None:
    """Make sure that a server wrote its reply, or a piece of it, to an end that it likes.

    Gateways such as OpenRouter tell in the reply itself that the model behind them failed.

    Args:
        given: as for `no_reply`.
        client: as for `no_reply`.

    Raises:
        openai.APIError: the server failed in the middle of the reply, or its filter cut it.
    """
    choices = _field(given, "choices")
    if not isinstance(choices, list) or not choices:
        return
    end = _field(choices[0], "finish_reason")
    if end == "error" or _field(choices[0], "error"):
        told = _field(choices[0], "error")
        raise openai.APIError(words_of(told), call_of(client), body=told)
    if isinstance(end, str) and end.startswith("content_filter"):
        raise _caused(Withheld(), client)


def unfinished(client: Client) -> openai.APIError:
    """Return the client's error for a stream that ended without saying why (`finish_reason`)."""
    return _caused(Unfinished(), client)


def _caused(cause: Exception, client: Client) -> openai.APIConnectionError:
    error = openai.APIConnectionError(request=call_of(client))
    error.__cause__ = cause
    return error


def _field(given: Any, name: str) -> Any:
    return given.get(name) if isinstance(given, Mapping) else getattr(given, name, None)
