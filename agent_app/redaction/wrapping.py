"""Tools and models whose secrets are kept from LangChain's callbacks too."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_type_hints

from agent_app.redaction.redactor import Redactor
from agent_app.redaction.replies import RedactedChunks, redacted_message, redacted_reply

if TYPE_CHECKING:
    from langchain_core.language_models import LanguageModelInput
    from langchain_core.messages import AIMessage
    from langchain_core.outputs import ChatGenerationChunk, ChatResult
    from langchain_core.runnables import Runnable
    from langchain_core.tools import BaseTool

_F = TypeVar("_F", bound="Callable[..., Any]")
_M = TypeVar("_M", bound="Runnable[LanguageModelInput, AIMessage]")


def redacting_tool(tool: BaseTool, redactor: Redactor) -> BaseTool:
    """Return a copy of a tool whose results and errors are redacted before any callback gets them.

    What the tool is told, its schema and its ``content_and_artifact`` stay as they are.
    """
    copy = tool.model_copy()
    # What the tool keeps in itself stays there; one that calls a function has that looked up in the copy.
    called = copy if hasattr(copy, "func") else tool
    run, arun, redacted_errors = called._run, called._arun, _RedactedErrors(redactor)

    @_stands_for(run)
    def redacted_run(*args: Any, **kwargs: Any) -> Any:
        with redacted_errors:
            return _redacted_result(run(*args, **kwargs), redactor)

    @_stands_for(arun)
    async def redacted_arun(*args: Any, **kwargs: Any) -> Any:
        with redacted_errors:
            return _redacted_result(await arun(*args, **kwargs), redactor)

    copy.__dict__.update(_run=redacted_run, _arun=redacted_arun)
    for name in ("func", "coroutine"):
        function = getattr(copy, name, None)
        if function is not None:
            copy.__dict__[name] = _stands_for(function)(_handing_on(function))
    return copy


def _stands_for(function: Callable[..., Any]) -> Callable[[_F], _F]:
    """Like `functools.wraps`, but what LangChain looks up at every call need not be worked out each time.

    That is the signature, and the types of the parameters: it injects what they ask for.
    """

    def decorate(wrapper: _F) -> _F:
        functools.update_wrapper(wrapper, function)
        # Where a type is not there at run time, LangChain makes what it can of that, as without a wrapper.
        with contextlib.suppress(NameError, TypeError, ValueError):
            signature = inspect.signature(function, eval_str=True)
            hints = get_type_hints(function, include_extras=True)
            wrapper.__signature__ = signature  # type: ignore[attr-defined]
            wrapper.__annotations__ = hints
        return wrapper

    return decorate


def _handing_on(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: function(*args, **kwargs)


def redacting_model(model: _M, redactor: Redactor) -> _M:
    """Return a copy of a chat model whose replies and errors are redacted before any callback gets them.

    Its type, name and settings stay as they are, and what was bound to it.
    """
    from langchain_core.runnables.base import RunnableBindingBase

    given: Any = model
    copy: Any = given.model_copy()
    if isinstance(model, RunnableBindingBase):
        copy.bound = redacting_model(model.bound, redactor)
        return cast(_M, copy)
    # It is the model itself that is called: what it keeps stays in it, and what is set in it later counts.
    generate, agenerate, stream, astream = given._generate, given._agenerate, given._stream, given._astream
    redacted_errors = _RedactedErrors(redactor)

    @_stands_for(generate)
    def redacted_generate(*args: Any, **kwargs: Any) -> ChatResult:
        with redacted_errors:
            return redacted_reply(generate(*args, **kwargs), redactor)

    @_stands_for(agenerate)
    async def redacted_agenerate(*args: Any, **kwargs: Any) -> ChatResult:
        with redacted_errors:
            return redacted_reply(await agenerate(*args, **kwargs), redactor)

    @_stands_for(stream)
    def redacted_stream(*args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        safe = RedactedChunks(redactor)
        with redacted_errors, contextlib.closing(_generator(stream(*args, **kwargs))) as chunks:
            for chunk in chunks:
                yield safe.take(chunk)
        yield from safe.rest()

    @_stands_for(astream)
    async def redacted_astream(*args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        safe = RedactedChunks(redactor)
        with redacted_errors:
            async with contextlib.aclosing(_generator(astream(*args, **kwargs))) as chunks:
                async for chunk in chunks:
                    yield safe.take(chunk)
        for chunk in safe.rest():
            yield chunk

    copy.__dict__.update(
        _generate=redacted_generate,
        _agenerate=redacted_agenerate,
        _stream=redacted_stream,
        _astream=redacted_astream,
    )
    return cast(_M, copy)


def _generator(chunks: Any) -> Any:
    """Take chunks for the generator that they are, though LangChain declares an iterator."""
    return chunks


@dataclass(frozen=True, slots=True)
class _RedactedErrors:
    """Lets errors out with redacted messages; a context manager without a state of its own."""

    redactor: Redactor

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception):
            redacted = self.redactor.error(error)
            if redacted is not error:
                raise redacted from None


def _redacted_result(result: Any, redactor: Redactor) -> Any:
    """Redact what a tool returned: data, messages, or LangGraph's `Command` that updates with them.

    For any other object whose text has a secret in it, that text stands, redacted.
    """
    if isinstance(result, str):
        return redactor.text(result)
    from langchain_core.messages import BaseMessage

    if isinstance(result, BaseMessage):
        return redacted_message(result, redactor)
    if dataclasses.is_dataclass(result) and hasattr(result, "update"):
        return dataclasses.replace(result, update=_redacted_result(result.update, redactor))  # type: ignore[type-var]
    if isinstance(result, Mapping):
        return {redactor.data(key): _redacted_result(item, redactor) for key, item in result.items()}
    if type(result) in (list, tuple):
        return type(result)(_redacted_result(item, redactor) for item in result)
    if isinstance(result, int | float | None):
        return result
    text = str(result)
    safe = redactor.text(text)
    return result if safe == text else safe
