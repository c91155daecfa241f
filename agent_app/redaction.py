"""Keeps secrets out of what is shown, stored and traced.

A secret is a value that the environment holds under a telling name, a value that the caller names, or
a text of a form that only secrets have, such as ``ghp_...`` or a private key. Each becomes a mark that
says what it was: ``[secret: OPENAI_API_KEY]``.

It is a net under careful work and no proof: a secret that a tool spells backwards or cuts into
pieces of its own gets through.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import functools
import inspect
import json
import operator
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_type_hints
from urllib.parse import quote, quote_plus, unquote

from agent_app.history import Turn
from agent_app.settings import SHORTEST_SECRET, secrets
from agent_app.steps import Action, Answer, Observation, Unreadable

if TYPE_CHECKING:
    import regex
    from langchain_core.language_models import LanguageModelInput
    from langchain_core.messages import AIMessage, BaseMessage
    from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
    from langchain_core.runnables import Runnable
    from langchain_core.tools import BaseTool

_F = TypeVar("_F", bound="Callable[..., Any]")
_M = TypeVar("_M", bound="Runnable[LanguageModelInput, AIMessage]")


@dataclass(frozen=True)
class _Form:
    """What a kind of secret looks like: a beginning of bounded length, then a run of any length.

    That a run has one set of characters lets a stream drop it as it comes, without keeping any of it.
    """

    name: str
    hints: str
    """Some words, one of which is in every such secret: looked for first, as that is quick."""
    start: str
    """A regular expression; its group ``kept`` stays in the text."""
    run: str = ""
    """A set of characters, as in a regular expression; empty: the start is all of it."""

    @functools.cached_property
    def pattern(self) -> regex.Pattern[str]:
        """The start alone."""
        return _compiled(self.start)


_FORMS = (
    _Form(
        "private key",
        "KEY-----",
        r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY-----"
        r"(?:[\s\\nr]{1,8}[A-Za-z-]{1,20}: [^\n\\]{1,100}){0,4}[\s\\nr]{0,8}[A-Za-z0-9+/=]{16}",
        r"[A-Za-z0-9+/=\s\\]",
    ),
    _Form(
        "credentials",
        "uthorization UTHORIZATION",
        r"""(?P<kept>(?:[Aa]uthorization|AUTHORIZATION)\\?["']?\s{0,4}[:=]\s{0,4}\\?["']?(?i:bearer|basic|token)\s{1,4})"""
        r"[A-Za-z0-9._~+/=-]{8}",
        "[A-Za-z0-9._~+/=-]",
    ),
    _Form("user and password", "://", r"""(?P<kept>://)[^\s/@:"'<>]{0,256}:[^\s/"'<>]{1,256}(?=@)"""),
    _Form(
        "key in an address",
        "ey= oken= ecret= assword=",
        r"(?P<kept>[?&](?:api_?[Kk]ey|access_?[Tt]oken|auth_?[Tt]oken|client_?[Ss]ecret|password)=)[^\s&#\"'<>\[\]]{8}",
        r"""[^\s&#"'<>\[\]]""",
    ),
    _Form(
        "web token",
        ".eyJ",
        r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{10,1000}\.eyJ[A-Za-z0-9_-]{10}",
        "[A-Za-z0-9_.-]",
    ),
    # A key begins where no word goes on: `risk-...` is none.
    *(
        _Form(name, hint, f"(?<![A-Za-z0-9]){start}", run)
        for name, hint, start, run in (
            ("OpenAI key", "sk-", "sk-[A-Za-z0-9]{20}", "[A-Za-z0-9]"),
            (
                "API key",
                "sk-",
                "sk-(?:proj|svcacct|admin|ant-[a-z0-9]{1,12}|or-v1|lf)-[A-Za-z0-9_-]{20}",
                "[A-Za-z0-9_-]",
            ),
            ("Stripe key", "k_live_ k_test_", "[rs]k_(?:live|test)_[A-Za-z0-9]{16}", "[A-Za-z0-9]"),
            ("Groq key", "gsk_", "gsk_[A-Za-z0-9]{20}", "[A-Za-z0-9]"),
            ("LangSmith key", "lsv2_", "lsv2_(?:pt|sk)_[a-f0-9]{20}", "[a-f0-9_]"),
            ("GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", "gh[pousr]_[A-Za-z0-9]{30}", "[A-Za-z0-9]"),
            ("GitHub token", "github_pat_", "github_pat_[A-Za-z0-9_]{30}", "[A-Za-z0-9_]"),
            ("GitLab token", "glpat-", "glpat-[A-Za-z0-9_-]{20}", "[A-Za-z0-9_.-]"),
            ("AWS key", "AKIA ASIA", "A[KS]IA[0-9A-Z]{16}", "[0-9A-Z]"),
            ("Slack token", "xox", "xox[abeposr]-[A-Za-z0-9-]{10}", "[A-Za-z0-9-]"),
            ("Google key", "AIza", "AIza[A-Za-z0-9_-]{35}", "[A-Za-z0-9_-]"),
            ("Hugging Face token", "hf_", "hf_[A-Za-z0-9]{30}", "[A-Za-z0-9]"),
            ("PyPI token", "pypi-", "pypi-[A-Za-z0-9_-]{50}", "[A-Za-z0-9_-]"),
            ("npm token", "npm_", "npm_[A-Za-z0-9]{36}", "[A-Za-z0-9]"),
        )
    ),
)

_HINTS = tuple((hint, form) for form in _FORMS for hint in form.hints.split())


class Redactor:
    """Puts a mark in the place of each secret in a text.

    It takes linear time. A text without secrets is only looked through for a few fixed words. What is
    redacted already stays as it is.

    Args:
        values: secrets by the name that is shown instead of them. They are also found where they are
            written as in a URL, in a JSON string or in base64.

    Raises:
        ValueError: a value has fewer than 8 characters and would be found everywhere.
    """

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._names: dict[str, str] = {}
        for name, value in (values or {}).items():
            if len(value) < SHORTEST_SECRET:
                raise ValueError(
                    f"the secret {name!r} has {len(value)} characters; at least {SHORTEST_SECRET} are needed"
                )
            for written in _ways_to_write(value):
                if len(written) >= SHORTEST_SECRET:
                    self._names.setdefault(written, name)

    @classmethod
    def from_environment(cls, values: Mapping[str, str] | None = None) -> Redactor:
        """Return one that knows the secrets which the environment holds now, and some more values."""
        return cls({**secrets(), **(values or {})})

    def text(self, text: str) -> str:
        """Return a text with a mark in the place of each secret."""
        if not self._may_have_secret(text):
            return text
        return self._whole.sub(self._replacement, text)

    def data(self, value: Any) -> Any:
        """Return JSON-like data with each text in it redacted, keys too; what is not JSON-like stays.

        The steps of a run and the turns of a conversation are JSON-like.
        """
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.data(key): self.data(item) for key, item in value.items()}
        if type(value) in (list, tuple):
            return type(value)(self.data(item) for item in value)
        if isinstance(value, Turn | Action | Observation | Answer | Unreadable):
            given = {
                field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init
            }
            safe = self.data(given)
            return value if safe == given else dataclasses.replace(value, **safe)
        return value

    def error(self, error: BaseException) -> BaseException:
        """Return an error, and those that it came from, with redacted messages.

        It is the same object, unless its message is made of more than its arguments; then a `RuntimeError`
        that names its type stands for it. What it came from is left out from the first such message on.
        """
        seen: list[BaseException] = []
        link: BaseException | None = error
        while link is not None and link not in seen:
            seen.append(link)
            link.args = tuple(self.data(item) for item in link.args)
            link = link.__cause__ or link.__context__
        if self._tells(error):
            return RuntimeError(f"{type(error).__name__}: {self.text(str(error))}")
        for link, cause in pairwise(seen):
            if self._tells(cause):
                link.__cause__ = link.__context__ = None
                break
        return error

    def _tells(self, error: BaseException) -> bool:
        return self.text(str(error)) != str(error)

    def stream(self) -> RedactingStream:
        """Return what redacts one text that arrives in pieces."""
        return RedactingStream(self)

    def _may_have_secret(self, text: str) -> bool:
        if self._names and any(value in text for value in self._names):
            return True
        for hint, form in _HINTS:  # noqa: SIM110 - every reply passes here, and `any` takes twice as long
            if hint in text and form.pattern.search(text):
                return True
        return False

    @functools.cached_property
    def _whole(self) -> regex.Pattern[str]:
        """Finds whole secrets."""
        return _compiled(self._pattern(run=True))

    @functools.cached_property
    def _started(self) -> regex.Pattern[str]:
        """Finds secrets up to where their run goes on."""
        return _compiled(self._pattern(run=False))

    @functools.cached_property
    def _unfinished(self) -> regex.Pattern[str]:
        """Finds where, at the end of a text, a secret may be beginning; to be used with ``partial=True``.

        As it can never match as a whole, a secret that is there already does not hide one before it.
        """
        return _compiled(f"(?:{self._pattern(run=False)})(?!)")

    def _pattern(self, *, run: bool) -> str:
        # Marks first, so that no name in one is taken for a secret; longer values before their beginnings.
        marks = dict.fromkeys(map(_mark, (*self._names.values(), *(form.name for form in _FORMS))))
        choices = [f"(?P<mark>{_any_of(marks)})"]
        if self._names:
            choices.append(f"(?P<value>{_any_of(sorted(self._names, key=len, reverse=True))})")
        for number, form in enumerate(_FORMS):
            rest = f"{form.run}*" if run and form.run else ""
            choices.append(f"(?P<form{number}>{form.start}{rest})")
        return "|".join(choices)

    def _replacement(self, found: regex.Match[str]) -> str:
        form = _form_of(found)
        if form is not None:
            return (found["kept"] or "") + _mark(form.name)
        return found[0] if found["mark"] else _mark(self._names[found[0]])


class RedactingStream:
    """Redacts one text that arrives in pieces; joined, it gives what `Redactor.text` gives for the whole.

    It holds back only what may still turn out to be a secret, at most the length of the longest.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._before = ""
        """The last character that was dealt with, as a key does not begin within a word."""
        self._held = ""
        self._run: str = ""
        """The characters that go on the secret which is arriving; empty when none is."""

    def feed(self, piece: str) -> str:
        """Take a piece and return the text that is now safe to show; it may be empty."""
        return "".join(self._safe(self._held + piece, partial=True))

    def close(self) -> str:
        """Say that the text is over and return the rest of it."""
        return "".join(self._safe(self._held, partial=False))

    def _safe(self, new: str, *, partial: bool) -> Iterator[str]:
        """Yield what is certain of the text that has not been dealt with, and hold back the rest."""
        text, at = self._before + new, len(self._before)
        at = self._after_run(text, at)
        redactor = self._redactor
        end = len(text)
        if partial and (unfinished := redactor._unfinished.search(text, at, partial=True)):
            end = unfinished.start()
        while (found := redactor._started.search(text, at)) and found.start() < end:
            yield text[at : found.start()]
            yield redactor._replacement(found)
            at = found.end()
            if form := _form_of(found):
                self._run = form.run
                at = self._after_run(text, at)
        if at < end:
            yield text[at:end]
            at = end
        self._before, self._held = text[max(at - 1, 0) : at], text[at:]

    def _after_run(self, text: str, at: int) -> int:
        """Return where the run of a secret ends that goes on here, if one does."""
        import regex

        if self._run:
            at = regex.compile(f"{self._run}*").match(text, at).end()  # type: ignore[union-attr]
            if at < len(text):
                self._run = ""
        return at


def _compiled(pattern: str) -> regex.Pattern[str]:
    import regex

    return regex.compile(pattern, regex.ASCII)


def _mark(name: str) -> str:
    return f"[secret: {name}]"


def _any_of(texts: Iterable[str]) -> str:
    import regex

    return "|".join(regex.escape(text) for text in texts)


def _form_of(found: regex.Match[str]) -> _Form | None:
    """Return the form that a secret was found by; None for a mark or a value that is known."""
    return next((form for number, form in enumerate(_FORMS) if found[f"form{number}"] is not None), None)


def _ways_to_write(value: str) -> Iterator[str]:
    """Yield a secret as it is, and as it looks in a URL, in a JSON string and in base64."""
    escaped = quote(value, safe="")
    lower = "%".join(
        part if not at else part[:2].lower() + part[2:] for at, part in enumerate(escaped.split("%"))
    )
    yield from (value, escaped, lower, quote_plus(value), unquote(value))
    yield from (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
    raw = value.encode("utf-8", "surrogatepass")
    for offset in range(3):
        # Base64 writes three bytes as four characters: a value looks different at each place among three,
        # and the characters at its edges depend on its neighbours.
        inner = slice(-(-offset * 8 // 6), (offset + len(raw)) * 8 // 6)
        encoded = base64.b64encode(bytes(offset) + raw).decode()[inner]
        yield from (encoded, encoded.replace("+", "-").replace("/", "_"))


# --- what LangChain's callbacks see ---


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

    Its type, name and settings stay as they are, and what was bound to it. Of content in blocks each block
    is redacted for itself.
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
            return _redacted_reply(generate(*args, **kwargs), redactor)

    @_stands_for(agenerate)
    async def redacted_agenerate(*args: Any, **kwargs: Any) -> ChatResult:
        with redacted_errors:
            return _redacted_reply(await agenerate(*args, **kwargs), redactor)

    @_stands_for(stream)
    def redacted_stream(*args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        safe = redactor.stream()
        with redacted_errors, contextlib.closing(_generator(stream(*args, **kwargs))) as chunks:
            for chunk in chunks:
                yield _redacted_chunk(chunk, redactor, safe)
        yield from _last_chunk(safe)

    @_stands_for(astream)
    async def redacted_astream(*args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        safe = redactor.stream()
        with redacted_errors:
            async with contextlib.aclosing(_generator(astream(*args, **kwargs))) as chunks:
                async for chunk in chunks:
                    yield _redacted_chunk(chunk, redactor, safe)
        for chunk in _last_chunk(safe):
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
        return _redacted_message(result, redactor)
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


def _redacted_message(message: BaseMessage, redactor: Redactor) -> BaseMessage:
    fields = ("content", "additional_kwargs", "tool_calls", "artifact")
    values = vars(message)
    held = {name: values[name] for name in fields if name in values}
    safe = {name: redactor.data(value) for name, value in held.items()}
    return message if safe == held else message.model_copy(update=safe)


def _redacted_reply(reply: ChatResult, redactor: Redactor) -> ChatResult:
    generations = [_redacted_generation(one, redactor) for one in reply.generations]
    if all(map(operator.is_, generations, reply.generations)):
        return reply
    return reply.model_copy(update={"generations": generations})


def _redacted_generation(generation: ChatGeneration, redactor: Redactor) -> ChatGeneration:
    message = _redacted_message(generation.message, redactor)
    if message is generation.message:
        return generation
    from langchain_core.outputs import ChatGeneration

    return ChatGeneration(message=message, generation_info=generation.generation_info)


def _redacted_chunk(
    chunk: ChatGenerationChunk, redactor: Redactor, safe: RedactingStream
) -> ChatGenerationChunk:
    from langchain_core.outputs import ChatGenerationChunk

    content = chunk.message.content
    redacted = safe.feed(content) if isinstance(content, str) else redactor.data(content)
    message = chunk.message.model_copy(update={"content": redacted})
    return ChatGenerationChunk(message=message, generation_info=chunk.generation_info)


def _last_chunk(safe: RedactingStream) -> Iterator[ChatGenerationChunk]:
    """Yield what was held back to the end, if anything was."""
    from langchain_core.messages import AIMessageChunk
    from langchain_core.outputs import ChatGenerationChunk

    if rest := safe.close():
        yield ChatGenerationChunk(message=AIMessageChunk(content=rest))
