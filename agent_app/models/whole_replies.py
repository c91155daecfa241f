"""Whole replies of a chat endpoint, past the client library's own models of calls and replies.

OpenAI's client walks through each call and each reply several times, which takes five times the processor's
time that the HTTP takes, and is what limits how many calls one process can have under way. What stands here
posts the JSON that `ChatOpenAI` has made and gives it the JSON that comes back. It reads no more of that than
the protocol promises, and what goes wrong becomes the client's own errors.
"""

from __future__ import annotations

import contextlib
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import openai
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector
from httpx2 import Request, Response

from agent_app.models.async_client import PerLoop
from agent_app.models.client_calls import address_of, call_of, headers_of
from agent_app.models.no_reply import no_reply

_AT_ONCE = 1000
_IDLE = 5.0
"""How many seconds an unused connection is kept. This and the number of connections are the client's own."""
_KINDS: dict[int, type[openai.APIStatusError]] = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
}
_REDIRECTED = 300
_OF_THE_CLIENT = {"extra_headers", "extra_query", "extra_body", "response_format"}
"""Arguments of a call that the client does something with."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call: a reply, or an error.

    It can stand in the place of the client that `ChatOpenAI` calls, which then raises the error by the names
    that LangChain has for it.
    """

    reply: dict[str, Any] | None = None
    error: openai.APIError | None = None

    @property
    def with_raw_response(self) -> Outcome:
        """Where `ChatOpenAI` asks for whole replies."""
        return self

    async def create(self, **_: Any) -> Outcome:
        """Take a call that was made already."""
        return self

    def parse(self) -> dict[str, Any] | None:
        """Return the reply.

        Raises:
            openai.APIError: there is none.
        """
        if self.error is not None:
            raise self.error
        return self.reply


class WholeReplies:
    """Makes the calls of a client that want a whole reply.

    Args:
        client: where the server is, and what it wants to see.
        tls: whose certificates are trusted.
    """

    def __init__(self, client: openai.AsyncOpenAI, tls: ssl.SSLContext) -> None:
        self._client, self._tls = client, tls
        self._url = address_of(client)
        self._sessions = PerLoop(self._session, ClientSession.close)

    @staticmethod
    def takes(payload: Mapping[str, Any]) -> bool:
        """Whether a call is one of chat that wants a whole reply, and nothing of the client."""
        if payload.get("stream") or "messages" not in payload or not _OF_THE_CLIENT.isdisjoint(payload):
            return False
        return isinstance(payload.get("timeout"), int | float | None)

    async def ask(self, payload: Mapping[str, Any]) -> Outcome:
        """Make a call that it takes, and return what came of it."""
        seconds = payload.get("timeout")
        body = json.dumps({name: value for name, value in payload.items() if name != "timeout"}).encode()
        limits = ClientTimeout(sock_connect=seconds, sock_read=seconds)
        session = await self._sessions.of_this_loop()
        try:
            async with session.post(self._url, data=body, timeout=limits) as answer:
                content = await answer.read()
            if answer.status >= _REDIRECTED:
                request = Request(answer.method, str(answer.url), headers=headers_of(self._client))
                return Outcome(error=self._refusal(answer.status, answer.headers, content, request))
            return self._read(content)
        except TimeoutError as error:
            return self._broken(openai.APITimeoutError(call_of(self._client)), error)
        except (ClientError, OSError, ValueError) as error:
            return self._broken(openai.APIConnectionError(request=call_of(self._client)), error)

    def _read(self, content: bytes) -> Outcome:
        """Take a reply, after a look at the one thing that every reply has.

        Raises:
            ValueError: it is not JSON.
        """
        reply = json.loads(content)
        if isinstance(reply, dict) and isinstance(reply.get("choices"), list):
            return Outcome(reply)
        return Outcome(error=no_reply(reply, self._client))

    @staticmethod
    def _refusal(
        status: int, headers: Mapping[str, str], content: bytes, request: Request
    ) -> openai.APIStatusError:
        """Return the client's error for a status, worded as the client does."""
        body: Any = content.decode("utf-8", "replace").strip()
        said = ""
        with contextlib.suppress(ValueError):
            told = json.loads(body)
            body = told.get("error", told) if isinstance(told, dict) else told
            said = _message(body)
        kind = _KINDS.get(status, openai.InternalServerError if status >= 500 else openai.APIStatusError)
        response = Response(status, headers=dict(headers), content=content, request=request)
        return kind(f"Error code: {status}{said and f' - {said}'}", response=response, body=body)

    @staticmethod
    def _broken(error: openai.APIConnectionError, cause: Exception) -> Outcome:
        error.__cause__ = cause
        return Outcome(error=error)

    def _session(self) -> ClientSession:
        connector = TCPConnector(limit=_AT_ONCE, keepalive_timeout=_IDLE, ssl=self._tls)
        return ClientSession(connector=connector, headers=headers_of(self._client))


def _message(error: Any) -> str:
    message = error.get("message") if isinstance(error, dict) else None
    return message if isinstance(message, str) else ""
