"""The answers of OpenAI's chat completions as bytes: whole, or as a stream of server-sent events."""

from __future__ import annotations

import itertools
import json
import time
from typing import Any

from agent_app.models.replies import Speech
from agent_app.steps import Usage
from agent_app.testing.request import Request

PATH = "/v1/chat/completions"
END_MARK = b"data: [DONE]\n\n"

_numbers = itertools.count(1)


class Answer:
    """One answer to a call, whole or in events.

    Args:
        request: the call; it says the model's name, and whether the tokens are wanted in a stream.
        speech: what is said.
    """

    def __init__(self, request: Request, speech: Speech) -> None:
        self.speech = speech
        options = request.body.get("stream_options") or {}
        self._tells_usage = bool(options.get("include_usage"))
        self._facts = {
            "id": f"chatcmpl-{next(_numbers)}",
            "created": int(time.time()),
            "model": request.body.get("model", ""),
        }

    def whole(self) -> bytes:
        """Return the answer as one JSON object."""
        message = {"role": "assistant", "content": self.speech.text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = _usage(self.speech.usage)
        return self._json("chat.completion", choices=[choice], usage=usage)

    def first_event(self) -> bytes:
        """Return the event that says who speaks."""
        return self._event({"role": "assistant", "content": ""})

    def event(self, piece: str) -> bytes:
        """Return the event that says a piece of text."""
        return self._event({"content": piece})

    def last_events(self) -> bytes:
        """Return the events that end a stream, the tokens among them if they were asked for."""
        events = self._event({}, "stop")
        if self._tells_usage:
            usage = _usage(self.speech.usage)
            events += b"data: %b\n\n" % self._json("chat.completion.chunk", choices=[], usage=usage)
        return events + END_MARK

    def _event(self, delta: dict[str, str], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return b"data: %b\n\n" % self._json("chat.completion.chunk", choices=[choice])

    def _json(self, kind: str, **facts: Any) -> bytes:
        return json.dumps({**self._facts, "object": kind, **facts}).encode()


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }
