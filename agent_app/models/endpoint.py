"""`openai:NAME`: OpenAI, or any server that speaks its protocol."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar

from httpx2 import Request
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI
from openai import BadRequestError, DefaultHttpxClient
from pydantic import PrivateAttr, SecretStr

from agent_app.errors import ModelError
from agent_app.models.access import check_address, check_key
from agent_app.models.async_client import AnyLoopClient
from agent_app.models.traits import Traits
from agent_app.models.way import way_to
from agent_app.models.whole_replies import (
    NoReply,
    WholeReplies,
    chat_url,
    no_reply,
)
from agent_app.settings import endpoint, key_for

OPENAI = "https://api.openai.com/v1"
KEY = "OPENAI_API_KEY"


class EndpointModel(ChatOpenAI):
    """A `ChatOpenAI` that finds out by itself whether its model takes stop words.

    Reasoning models of OpenAI refuse the parameter ``stop`` as a whole. The first refused call is
    repeated without it, and no later call sends it. The caller must then cut a reply itself.
    """

    traits: ClassVar[Traits] = Traits(bounds=True)
    _takes_stop: bool = PrivateAttr(default=True)
    _whole: WholeReplies | None = PrivateAttr(default=None)

    def take_whole(self, replies: WholeReplies) -> None:
        """Make the async calls that want a whole reply in a leaner way than by OpenAI's client."""
        self._whole = replies

    def _get_request_payload(
        self, input_: LanguageModelInput, *, stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        return super()._get_request_payload(input_, stop=stop if self._takes_stop else None, **kwargs)

    def _refused_stop(self, error: BadRequestError) -> bool:
        """Whether this call may succeed when repeated; remembers that ``stop`` is not taken."""
        if error.param != "stop" or not self._takes_stop:
            return False
        self._takes_stop = False
        return True

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        try:
            return super()._generate(messages, stop, run_manager, **kwargs)
        except BadRequestError as error:
            if not self._refused_stop(error):
                raise
            return super()._generate(messages, None, run_manager, **kwargs)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        try:
            return await self._awhole(messages, stop, run_manager, **kwargs)
        except BadRequestError as error:
            if not self._refused_stop(error):
                raise
            return await self._awhole(messages, None, run_manager, **kwargs)

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

    @contextlib.contextmanager
    def _replied(self, reply: Any) -> Iterator[None]:
        """Tell what is wrong with a reply that nobody can read in the words for a server that fails."""
        try:
            yield
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            request = Request("POST", chat_url(self.root_client))
            raise no_reply(reply, request)  # noqa: B904 - it says itself what it came from

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        # A refusal comes before the first piece, so nothing is ever said twice.
        try:
            yield from super()._stream(*args, **kwargs)
        except BadRequestError as error:
            if not self._refused_stop(error):
                raise
            yield from super()._stream(*args, **kwargs)

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        try:
            async for chunk in super()._astream(*args, **kwargs):
                yield chunk
        except BadRequestError as error:
            if not self._refused_stop(error):
                raise
            async for chunk in super()._astream(*args, **kwargs):
                yield chunk


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
