"""A model whose replies are written down beforehand: for tests, demos, and measuring overhead."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias

from langchain_core.caches import BaseCache
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, InputTokenDetails
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field, InstanceOf, PrivateAttr

from agent_app.errors import ModelError
from agent_app.models.replies import Reply, Say, Speech, speak
from agent_app.models.script import Script
from agent_app.steps import Usage

SEPARATOR = "---"

Line: TypeAlias = str | BaseException | InstanceOf[Reply]
"""A text to say, an exception to raise, or a reply with something the matter with it, such as a `Stall`."""


class ScriptedModel(BaseChatModel):
    """Gives one reply after the other, and complains when it is asked too much or too little.

    Like a real server it ends a reply before a stop word and counts tokens; a token is a word between
    spaces here. Safe to call from several threads and tasks; an asynchronous call uses no thread and can
    be cancelled while it waits. As a context manager it makes sure at the end that it was asked exactly
    as often as it has replies.
    """

    replies: Sequence[Line] = ()
    """What to say, call by call; an exception is raised instead of said."""
    repeat: Line | Callable[[list[BaseMessage]], Line] | None = None
    """What to say to every call after those, or a function that makes it of the call's messages."""
    latency: float = Field(default=0.0, ge=0)
    """How many seconds each call takes before the reply begins."""
    label: str = "scripted"
    cache: BaseCache | bool | None = Field(default=False, exclude=True)
    """Off whatever LangChain's global cache is: it would say a reply again without a call."""
    _script: Script[list[BaseMessage], Line] = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Begin at the first reply."""
        super().model_post_init(context)
        self._script = Script(self.replies, self.repeat, self.label)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._script.assert_followed()

    @property
    def _llm_type(self) -> str:
        return "scripted"

    @property
    def prompts(self) -> list[list[BaseMessage]]:
        """The messages of each call so far."""
        return self._script.calls

    @property
    def remaining(self) -> int:
        """How many replies have not been asked for yet."""
        return self._script.remaining

    def assert_done(self) -> None:
        """Make sure that every reply was used.

        Raises:
            ScriptError: some were not.
        """
        self._script.assert_used_up()

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> ChatResult:
        turn = self._turn(messages, stop)
        _wait(self.latency + turn.speech.seconds)
        return turn.result()

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> ChatResult:
        turn = self._turn(messages, stop)
        # Even a wait of nothing lets the other tasks go on, as a call of a real model does.
        await asyncio.sleep(self.latency + turn.speech.seconds)
        return turn.result()

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> Iterator[ChatGenerationChunk]:
        turn = self._turn(messages, stop)
        _wait(self.latency)
        for wait, chunk in turn.chunks():
            _wait(wait)
            if run_manager:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> AsyncIterator[ChatGenerationChunk]:
        turn = self._turn(messages, stop)
        await asyncio.sleep(self.latency)
        for wait, chunk in turn.chunks():
            if wait:
                await asyncio.sleep(wait)
            if run_manager:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    def _turn(self, messages: list[BaseMessage], stop: list[str] | None) -> _Turn:
        line = self._script.next(list(messages))
        if isinstance(line, BaseException):
            return _Turn(_NOTHING, line)
        reply = Say(line) if isinstance(line, str) else line
        speech = speak(reply, (message.text for message in messages), stop)
        return _Turn(speech, _lost_connection() if speech.breaks_off else None)


_NOTHING = Speech((), Usage(), breaks_off=False)


@dataclass(frozen=True, slots=True)
class _Turn:
    """One call: what is said to it, and the error that it ends with, if any."""

    speech: Speech
    error: BaseException | None

    def result(self) -> ChatResult:
        """Return the reply as a whole."""
        if self.error:
            raise self.error
        message = AIMessage(content=self.speech.text, usage_metadata=_usage(self.speech.usage))
        return ChatResult(generations=[ChatGeneration(message=message)])

    def chunks(self) -> Iterator[tuple[float, ChatGenerationChunk]]:
        """Yield the reply in pieces, each with the seconds to wait before it; the last tells the tokens."""
        for wait, piece in self.speech.parts:
            yield wait, ChatGenerationChunk(message=AIMessageChunk(content=piece))
        if self.error:
            raise self.error
        tokens = AIMessageChunk(content="", usage_metadata=_usage(self.speech.usage))
        yield 0.0, ChatGenerationChunk(message=tokens)


def _wait(seconds: float) -> None:
    if seconds:  # even to sleep for no time at all takes longer than all the rest of a call
        time.sleep(seconds)


def _lost_connection() -> Exception:
    """Return the error that a client gets when a server breaks off its answer."""
    import httpx

    return httpx.RemoteProtocolError("peer closed connection without sending complete message body")


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
    # Not `splitlines`: a reply may hold characters that it takes for the end of a line.
    for line in text.removesuffix("\n").split("\n"):
        if line.rstrip() == SEPARATOR:
            blocks.append([])
        else:
            blocks[-1].append(line)
    if not "".join(blocks[-1]).strip():
        blocks.pop()
    return ScriptedModel(replies=["\n".join(block) for block in blocks], label=f"scripted:{path}")


def _usage(usage: Usage) -> UsageMetadata:
    metadata = UsageMetadata(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
    )
    if usage.cached_tokens:
        metadata["input_token_details"] = InputTokenDetails(cache_read=usage.cached_tokens)
    return metadata
