"""A model whose replies are written down beforehand: for tests, demos, and measuring overhead."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field, PrivateAttr

from agent_app.errors import ModelError, ScriptError

SEPARATOR = "---"


class ScriptedModel(BaseChatModel):
    """Gives one reply after the other, and complains when it is asked too much or too little.

    Like a real server it ends a reply before a stop word and counts tokens; a token is a word between
    spaces here. Safe to call from several threads.
    """

    replies: Sequence[str | Exception]
    """What to say, call by call; an exception is raised instead of said."""
    label: str = "scripted"
    prompts: list[list[BaseMessage]] = Field(default_factory=list)
    """The messages of each call so far."""
    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    @property
    def remaining(self) -> int:
        """How many replies have not been asked for yet."""
        return max(0, len(self.replies) - len(self.prompts))

    def assert_done(self) -> None:
        """Make sure that every reply was used.

        Raises:
            ScriptError: some were not.
        """
        if self.remaining:
            said, all_ = len(self.prompts), len(self.replies)
            raise ScriptError(f"{self.label}: only {said} of {all_} replies were asked for")

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> ChatResult:
        text = self._next(messages, stop)
        message = AIMessage(content=text, usage_metadata=_usage(messages, text))
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> Iterator[ChatGenerationChunk]:
        text = self._next(messages, stop)
        for piece in re.findall(r"\S+\s*|\s+", text):
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=piece))
            if run_manager:
                run_manager.on_llm_new_token(piece, chunk=chunk)
            yield chunk
        usage = _usage(messages, text)
        yield ChatGenerationChunk(message=AIMessageChunk(content="", usage_metadata=usage))

    def _next(self, messages: list[BaseMessage], stop: list[str] | None) -> str:
        with self._lock:
            number = len(self.prompts)
            if number >= len(self.replies):
                raise ScriptError(f"{self.label}: call {number + 1}, but there are only {number} replies")
            self.prompts.append(list(messages))
        reply = self.replies[number]
        if isinstance(reply, Exception):
            raise reply
        return reply[: min((at for word in stop or () if (at := reply.find(word)) >= 0), default=None)]


def open_scripted(path: Path) -> ScriptedModel:
    """Read the replies from a text file, where a line of three hyphens stands between two of them.

    A reply may be empty, unless it is the last: a separator at the end of the file ends the last reply.

    Raises:
        ModelError: the file cannot be read as text, or holds no reply.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ModelError(f"cannot read the scripted replies {path}: {reason}") from error
    if not text.strip():
        raise ModelError(f"{path} is empty; write replies into it, with a line of {SEPARATOR} between two")
    blocks: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.rstrip() == SEPARATOR:
            blocks.append([])
        else:
            blocks[-1].append(line)
    if not "".join(blocks[-1]).strip():
        blocks.pop()
    return ScriptedModel(replies=["\n".join(block) for block in blocks], label=f"scripted:{path}")


def _usage(messages: list[BaseMessage], reply: str) -> UsageMetadata:
    prompt = sum(len(message.text.split()) for message in messages)
    words = len(reply.split())
    return UsageMetadata(input_tokens=prompt, output_tokens=words, total_tokens=prompt + words)
