"""What only a server can do to a call, besides giving a `Reply`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import responses
from typing import Any, TypeAlias

from agent_app.models.replies import Reply


@dataclass(frozen=True, slots=True)
class Status:
    """Refuses the call.

    Args:
        code: the HTTP status, such as 429.
        headers: sent beside the usual ones, such as ``{"Retry-After": "1"}``.
        body: an object is sent as JSON, a text as it is, as a proxy does with its page of HTML;
            None: an error as OpenAI words it, with the usual phrase for the code as its message.
    """

    code: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | str | None = None

    def content(self) -> tuple[str, bytes]:
        """Return the body's media type and its bytes."""
        if isinstance(self.body, str):
            return "text/html; charset=utf-8", self.body.encode()
        body = self.body or error(responses.get(self.code, "Unknown"))
        return "application/json", json.dumps(body).encode()


@dataclass(frozen=True, slots=True)
class Silence:
    """Takes the call and says nothing at all; then closes the connection.

    Args:
        seconds: how long it says nothing.
    """

    seconds: float


@dataclass(frozen=True, slots=True)
class Garbage:
    """Answers with what nobody can read.

    Args:
        data: the bytes.
        http: whether they are the body of an answer with status 200, or stand in the place of all of it.
    """

    data: bytes
    http: bool = True


@dataclass(frozen=True, slots=True)
class Refuse:
    """Resets the connection as soon as it has read the call."""


Behaviour: TypeAlias = Reply | Status | Silence | Garbage | Refuse


def error(message: str, **facts: str) -> dict[str, Any]:
    """Return an error as OpenAI words it, for the body of a `Status`.

    Args:
        message: what went wrong.
        facts: ``type``, ``param`` or ``code``, where there is one.
    """
    return {
        "error": {"message": message, "type": "invalid_request_error", "param": None, "code": None, **facts}
    }
