"""`openai:NAME`: OpenAI, or any server that speaks its protocol."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI
from openai import (
    APIConnectionError,
    APIStatusError,
    BadRequestError,
    DefaultHttpxClient,
    UnprocessableEntityError,
)
from pydantic import PrivateAttr, SecretStr

from agent_app.errors import ModelError
from agent_app.models.access import check_address, check_key
from agent_app.models.async_client import AnyLoopClient
from agent_app.models.client_calls import call_of
from agent_app.models.no_reply import NoReply, check_choice, no_reply, unfinished
from agent_app.models.server_words import words_of
from agent_app.models.streamed import Told, in_one_piece
from agent_app.models.traits import Traits
from agent_app.models.way import way_to
from agent_app.models.whole_replies import WholeReplies
from agent_app.settings import endpoint, key_for

OPENAI = "https://api.openai.com/v1"
KEY = "OPENAI_API_KEY"

_UNREADABLE = (json.JSONDecodeError, UnicodeDecodeError)
_REFUSALS = (BadRequestError, UnprocessableEntityError)
_UNSENT = {"stop": None, "stream_options": None, "max_completion_tokens": "max_tokens"}
"""Parameters that a server may not know, and what each is called there instead; None: nothing."""
_UNKNOWN = re.compile(
    r"not support|unsupported|not permitted|unrecogni[sz]ed|unexpected|unknown", re.IGNORECASE
)
"""How servers say that they do not know a parameter, and not that its value is wrong."""


class EndpointModel(ChatOpenAI):
    """A `ChatOpenAI` that finds out by itself which of its parameters a server does not know.

    Reasoning models of OpenAI and xAI refuse ``stop``, and Mistral refuses what is not in its own list. A
    call that is refused for such a parameter is repeated without it, and no later call sends it. Without
    stop words the caller must cut a reply itself.

    Where the answer to a call for a stream is none that can be read, the whole reply is asked for, and from
    then on always: some servers know no streams, and some proxies send signs of life in them that OpenAI's
    client takes for broken JSON (openai-python, issue 2722). A server that has once said why a stream ends
    does so always: one that ends without it was broken off on its way.
    """

    traits: ClassVar[Traits] = Traits(bounds=True)
    _refused: set[str] = PrivateAttr(default_factory=set)
    _streams: bool = PrivateAttr(default=True)
    _tells_ends: bool = PrivateAttr(default=False)
    _whole: WholeReplies | None = PrivateAttr(default=None)

    def take_whole(self, replies: WholeReplies) -> None:
        """Make the async calls that want a whole reply in a leaner way than by OpenAI's client."""
        self._whole = replies

    def _get_request_payload(
        self, input_: LanguageModelInput, *, stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        payload = super()._get_request_payload(input_, stop=stop, **kwargs)
        for name in self._refused & payload.keys():
            value, instead = payload.pop(name), _UNSENT[name]
            if instead is not None:
                payload[instead] = value
        return payload

    def _learns(self, error: APIStatusError, known: frozenset[str]) -> bool:
        """Whether a call may succeed when repeated; remembers what the server does not know.

        Args:
            error: how the call was refused.
            known: what the call was made without. Others may have learnt more meanwhile.
        """
        said = f"{error.param} {words_of(error.body)}"
        if not _UNKNOWN.search(said):
            return False
        new = {name for name in _UNSENT.keys() - known if re.search(rf"\b{name}\b", said)}
        self._refused |= new
        return bool(new)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        known = frozenset(self._refused)
        try:
            return super()._generate(messages, stop, run_manager, **kwargs)
        except _REFUSALS as error:
            if not self._learns(error, known):
                raise
            return self._generate(messages, stop, run_manager, **kwargs)
        except _UNREADABLE as error:
            raise self._unread(error) from error

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        known = frozenset(self._refused)
        try:
            return await self._awhole(messages, stop, run_manager, **kwargs)
        except _REFUSALS as error:
            if not self._learns(error, known):
                raise
            return await self._agenerate(messages, stop, run_manager, **kwargs)
        except _UNREADABLE as error:
            raise self._unread(error) from error

    async def _awhole(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        run_manager: AsyncCallbackManagerForLLMRun | None,
        **kwargs: Any,
    ) -> ChatResult:
        payload = self._get_request_payload(messages, stop=stop, **kwargs)
        if self._whole is None or self.include_response_headers or not self._whole.takes(payload):
            return await super()._agenerate(messages, stop, run_manager, **kwargs)
        outcome = await self._whole.ask(payload)
        if outcome.reply is not None:
            return self._create_chat_result(outcome.reply)
        failed = self.model_copy(update={"async_client": outcome})
        return await super(EndpointModel, failed)._agenerate(messages, stop, run_manager, **kwargs)

    def _create_chat_result(self, response: Any, generation_info: dict[str, Any] | None = None) -> ChatResult:
        with self._replied(response):
            result = super()._create_chat_result(response, generation_info)
            if not result.generations:
                raise NoReply
            return result

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], *given: Any, **named: Any
    ) -> ChatGenerationChunk | None:
        with self._replied(chunk):
            return super()._convert_chunk_to_generation_chunk(chunk, *given, **named)

    def _unread(self, error: ValueError) -> APIConnectionError:
        """Return the client's error, which says where the call went, for bytes that nobody can read."""
        return APIConnectionError(message=str(error), request=call_of(self.root_client))

    @contextlib.contextmanager
    def _replied(self, reply: Any) -> Iterator[None]:
        """Tell what is wrong with a reply that nobody can read in the words for a server that fails."""
        check_choice(reply, self.root_client)
        try:
            yield
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise no_reply(reply, self.root_client)  # noqa: B904 - it says itself what it came from

    def _check_end(self, told: Told) -> None:
        """Make sure that a stream came to its end, if the server is one that says so."""
        if self._tells_ends and not told.ended:
            raise unfinished(self.root_client)
        self._tells_ends = told.ended

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        known, told = frozenset(self._refused), Told()
        if self._streams:
            try:
                for chunk in super()._stream(*args, **kwargs):
                    yield told.take(chunk)
            except _REFUSALS as error:
                # It comes before the first piece, so nothing is ever said twice.
                if not self._learns(error, known):
                    raise
                yield from self._stream(*args, **kwargs)
                return
            except _UNREADABLE as error:
                if told.text:
                    raise self._unread(error) from error
            else:
                if told.anything:
                    self._check_end(told)
                    return
        result = self._generate(*args, **kwargs)
        self._streams = False
        yield in_one_piece(result)

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        known, told = frozenset(self._refused), Told()
        if self._streams:
            try:
                async for chunk in super()._astream(*args, **kwargs):
                    yield told.take(chunk)
            except _REFUSALS as error:
                if not self._learns(error, known):
                    raise
                async for chunk in self._astream(*args, **kwargs):
                    yield chunk
                return
            except _UNREADABLE as error:
                if told.text:
                    raise self._unread(error) from error
            else:
                if told.anything:
                    self._check_end(told)
                    return
        result = await self._agenerate(*args, **kwargs)
        self._streams = False
        yield in_one_piece(result)


def open_endpoint(name: str) -> EndpointModel:
    """Return a model at ``OPENAI_BASE_URL``, or at OpenAI when that is not set; makes no call yet.

    Args:
        name: the model's name as its server knows it.

    Raises:
        ModelError: there is no name, or no key for OpenAI itself.
        SettingError: no call could be made with the address, the key, or the way there.
    """
    if not name:
        raise ModelError("`openai:` lacks the model's name; write for example openai:gpt-4o-mini")
    url, key = endpoint(), key_for(KEY)
    if not key and not url:
        raise ModelError(
            f"openai:{name} takes a key: set {KEY} in the environment or in a file `.env`; "
            "for a server of your own set OPENAI_BASE_URL"
        )
    if url:
        check_address(url)
    if key:
        check_key(key, KEY)
    address = url or OPENAI
    way = way_to(address)
    # All of this is given explicitly, so that no other variable can lead a call elsewhere.
    # Local servers want no key, but the client library insists on one.
    model = EndpointModel(
        model=name,
        base_url=address,
        api_key=SecretStr(key or "none"),
        stream_usage=True,
        http_client=DefaultHttpxClient(**way.options),
        http_async_client=AnyLoopClient(**way.options),
        http_socket_options=(),  # else it warns that it leaves proxies out
        max_retries=0,  # the agent tries again by itself, and tells of it
    )
    if way.proxy is None:
        model.take_whole(WholeReplies(model.root_async_client, way.tls))
    return model
