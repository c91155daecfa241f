"""The agent: a prompt, a model, a parser and tools, run by the executor loop.

`Agent` is a LangChain `Runnable`. Its two drivers, one sync and one async, do what the loop asks for;
everything that decides anything is in `loop`, `prompt`, `parser` and `toolbox`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.tools import BaseTool

from agent_app import places
from agent_app.errors import QuestionError
from agent_app.events import Event, Finished, Said, Started, Stepped
from agent_app.grammar import reply_grammar
from agent_app.labels import FINAL_ANSWER, OBSERVATION
from agent_app.loop import CallModel, Limits, Move, Request, RunTool, Unread, react_loop
from agent_app.models import Traits, explain, load_model, name_of, traits_of
from agent_app.parser import FormatError, Piece, ReActOutputParser, ReplyReader
from agent_app.prompt import Prompt, library_folders, load_prompt
from agent_app.settings import Settings
from agent_app.steps import Answer, Observation, Result, Step, StoppedBy, Usage
from agent_app.toolbox import Toolbox, load_tools

LONGEST_QUESTION = 50_000
"""In characters; far more than any question, and less than what would only waste a model's time."""

Question: TypeAlias = str | Mapping[str, Any]


class Agent(Runnable[Question, Result]):
    """Answers questions with the help of tools, step by step.

    Nothing is loaded before the first question; `open` does it at once. One agent can serve many
    threads and tasks at the same time: a run shares nothing with another but the model.

    Args:
        model: a model's name (see `agent-app models`), or a LangChain chat model.
        prompt: a prompt's name, the path of a prompt file, or a `Prompt`.
        tools: names of tools, LangChain tools or plain functions; None: all built-in ones and the user's own.
        max_steps: how many tool calls a question may take.
        max_seconds: how long it may take; a step under way is finished.
        max_format_errors: how many unreadable replies it may take.
        settings: where models, prompts and tools lie; None: the defaults, whatever the environment says.
    """

    def __init__(
        self,
        model: str | BaseChatModel = "embedded",
        prompt: str | Path | Prompt = "pirate",
        tools: Sequence[str | BaseTool | Callable[..., Any]] | None = None,
        *,
        max_steps: int = 8,
        max_seconds: float | None = None,
        max_format_errors: int = 3,
        settings: Settings | None = None,
    ) -> None:
        self._given = (model, prompt, tools)
        self.settings = settings or Settings()
        self.limits = Limits(steps=max_steps, seconds=max_seconds, format_errors=max_format_errors)
        self._parts: _Parts | None = None
        self._opening = threading.Lock()

    def open(self) -> Agent:
        """Load prompt, tools and model now, in this order, and return the agent itself.

        Raises:
            UserError: one of them cannot be had; says which and what would be right.
        """
        self._loaded()
        return self

    @property
    def model(self) -> BaseChatModel:
        """The chat model; loaded when first asked for."""
        return self._loaded().model

    @property
    def prompt(self) -> Prompt:
        """The prompt; loaded when first asked for."""
        return self._loaded().prompt

    @property
    def toolbox(self) -> Toolbox:
        """The tools; loaded when first asked for."""
        return self._loaded().toolbox

    def invoke(self, input: Question, config: RunnableConfig | None = None, **_: Any) -> Result:  # noqa: A002
        """Answer a question: a text, or a mapping with ``input`` and a value for each input of the prompt.

        Raises:
            QuestionError: the question is empty or far too long.
            EndpointError: the model's server is dead, refuses the key or the prompt, or breaks off.
            ToolCrash: a tool raised something that it never announced.
        """

        def run(question: Question, run_manager: object, config: RunnableConfig) -> Result:  # noqa: ARG001
            for event in self._events(question, config, live=False):
                last = event
            return _result(last)

        return self._call_with_config(run, input, config)

    async def ainvoke(self, input: Question, config: RunnableConfig | None = None, **_: Any) -> Result:  # noqa: A002
        """Do what `invoke` does, without holding up the event loop."""

        async def run(question: Question, run_manager: object, config: RunnableConfig) -> Result:  # noqa: ARG001
            async for event in self._aevents(question, config, live=False):
                last = event
            return _result(last)

        return await self._acall_with_config(run, input, config)

    def stream(self, input: Question, config: RunnableConfig | None = None, **_: Any) -> Iterator[Event]:  # type: ignore[override]  # noqa: A002
        """Answer a question and tell each event of the run as it happens; the last one holds the result.

        In a chain (``agent | other``) the agent hands on its `Result` alone, as `invoke` does.
        """

        def run(inputs: Iterator[Question], config: RunnableConfig) -> Iterator[Event]:
            for question in inputs:
                yield from self._events(question, config, live=True)

        drive: Any = self._transform_stream_with_config  # typed for a runnable that streams its output
        yield from drive(iter([input]), run, config)

    async def astream(  # type: ignore[override]
        self,
        input: Question,  # noqa: A002
        config: RunnableConfig | None = None,
        **_: Any,
    ) -> AsyncIterator[Event]:
        """Do what `stream` does, without holding up the event loop."""

        async def run(inputs: AsyncIterator[Question], config: RunnableConfig) -> AsyncIterator[Event]:
            async for question in inputs:
                async for event in self._aevents(question, config, live=True):
                    yield event

        async def one() -> AsyncIterator[Question]:
            yield input

        drive: Any = self._atransform_stream_with_config  # as in `stream`
        async for event in drive(one(), run, config):
            yield event

    def transform(
        self,
        input: Iterator[Question],  # noqa: A002
        config: RunnableConfig | None = None,
        **_: Any,
    ) -> Iterator[Result]:
        """Hand on results within a chain: the parts of a question are put together, then answered."""
        yield self.invoke(_joined(list(input)), config)

    async def atransform(
        self,
        input: AsyncIterator[Question],  # noqa: A002
        config: RunnableConfig | None = None,
        **_: Any,
    ) -> AsyncIterator[Result]:
        """Do what `transform` does, without holding up the event loop."""
        yield await self.ainvoke(_joined([part async for part in input]), config)

    # -- the two drivers --------------------------------------------------------------------------

    def _events(self, question: Question, config: RunnableConfig, *, live: bool) -> Iterator[Event]:
        run = _Run(self._loaded(), question, self.limits)
        yield run.started()
        back: Move | Observation | None = None
        while (request := run.next(back)) is not None:
            yield from run.news()
            if isinstance(request, RunTool):
                back = run.parts.toolbox.run(request.action, config)
                continue
            call = run.call(request)
            yield from self._ask(call, config, live=live)
            back = call.move()
            yield from call.rest()
        yield from run.news()
        yield Finished(run.result())

    async def _aevents(
        self, question: Question, config: RunnableConfig, *, live: bool
    ) -> AsyncIterator[Event]:
        run = _Run(self._loaded(), question, self.limits)
        yield run.started()
        back: Move | Observation | None = None
        while (request := run.next(back)) is not None:
            for step in run.news():
                yield step
            if isinstance(request, RunTool):
                back = await run.parts.toolbox.arun(request.action, config)
                continue
            call = run.call(request)
            async for said in self._aask(call, config, live=live):
                yield said
            back = call.move()
            for said in call.rest():
                yield said
        for step in run.news():
            yield step
        yield Finished(run.result())

    def _ask(self, call: _Call, config: RunnableConfig, *, live: bool) -> Iterator[Said]:
        model = self._loaded().model
        with _explained():
            if not live:
                call.take(model.invoke(call.messages, config, **call.options))
                return
            for chunk in model.stream(call.messages, config, **call.options):
                yield from call.read(chunk)
                if call.reader.done:
                    return

    async def _aask(self, call: _Call, config: RunnableConfig, *, live: bool) -> AsyncIterator[Said]:
        model = self._loaded().model
        with _explained():
            if not live:
                call.take(await model.ainvoke(call.messages, config, **call.options))
                return
            async for chunk in model.astream(call.messages, config, **call.options):
                for said in call.read(chunk):
                    yield said
                if call.reader.done:
                    return

    def _loaded(self) -> _Parts:
        if self._parts is None:
            with self._opening:
                if self._parts is None:
                    self._parts = self._load()
        return self._parts

    def _load(self) -> _Parts:
        model, prompt, tools = self._given
        return _Parts(
            prompt=prompt
            if isinstance(prompt, Prompt)
            else load_prompt(prompt, folders=prompt_folders(self.settings)),
            toolbox=Toolbox(_tools(tools, self.settings)),
            model=model if isinstance(model, BaseChatModel) else load_model(model, settings=self.settings),
        )


def prompt_folders(settings: Settings) -> tuple[Path, ...]:
    """Return where prompts are looked for, in that order; see `library_folders`."""
    return library_folders(settings.prompts_dir)


def tool_folders(settings: Settings) -> tuple[Path, ...]:
    """Return where tools are found: the built-in folder, the user's own if any, that of the settings."""
    user = places.user_folder("tools")
    own = [settings.tools_dir] if settings.tools_dir else []
    return (places.builtin("tools"), *([user] if user.is_dir() else []), *own)


@dataclass
class _Parts:
    """What an agent is made of, loaded, with all that is the same in each of its runs."""

    prompt: Prompt
    toolbox: Toolbox
    model: BaseChatModel
    parser: ReActOutputParser = field(init=False)
    traits: Traits = field(init=False)
    described: str = field(init=False)
    grammar: str = field(init=False)
    last_grammar: str = field(init=False)

    def __post_init__(self) -> None:
        schemas = self.toolbox.schemas()
        objects = {n: s for n, s in schemas.items() if not self.toolbox.is_plain(n)}
        several = frozenset(n for n, s in objects.items() if len(s["properties"]) > 1)
        self.parser = ReActOutputParser(tool_names=self.toolbox.names, object_tools=several)
        self.traits = traits_of(self.model)
        self.described = self.toolbox.describe()
        openings = self.prompt.openings
        self.grammar = reply_grammar({n: objects.get(n) for n in schemas}, openings=openings)
        self.last_grammar = reply_grammar({}, openings=openings, last=True)


class _Run:
    """One question on its way: its steps, its cost, and the loop that decides what comes next."""

    def __init__(self, parts: _Parts, question: Question, limits: Limits) -> None:
        values = {"input": question} if isinstance(question, str) else dict(question)
        self.parts = parts
        self.question = _checked(values.pop("input", ""))
        self.values = values
        self.steps: list[Step] = []
        self.usage = Usage()
        self._told = 0
        self._began = time.monotonic()
        self._loop = react_loop(self.steps, limits, time.monotonic)
        self._stopped_by: StoppedBy | None = None

    def started(self) -> Started:
        return Started(self.question, self.parts.prompt.ref, name_of(self.parts.model))

    def next(self, back: Move | Observation | None) -> Request | None:
        """Send the loop what came back; return what it asks for next, or None when the run is over."""
        try:
            return next(self._loop) if back is None else self._loop.send(back)
        except StopIteration as end:
            self._stopped_by = end.value
            return None

    def news(self) -> Iterator[Stepped]:
        """Tell the steps that have not been told yet."""
        while self._told < len(self.steps):
            yield Stepped(self.steps[self._told])
            self._told += 1

    def call(self, request: CallModel) -> _Call:
        parts = self.parts
        head, tail = parts.prompt.render_run(
            self.question, self.steps, parts.described, parts.toolbox.names, **self.values
        )
        begun = ""
        if request.last:
            begun = parts.prompt.thought("last", self.question)
            tail = f"{tail} {begun}".rstrip() + f"\n{FINAL_ANSWER}:"
        elif self.steps and parts.traits.continues:
            begun = parts.prompt.thought("after_observation", self.question)
            tail = f"{tail} {begun}" if begun else tail
        options: dict[str, Any] = dict(parts.prompt.model)
        if parts.traits.grammar:
            options["grammar"] = parts.last_grammar if request.last else parts.grammar
        if parts.traits.stop:
            options["stop"] = list(parts.prompt.stop or (f"\n{OBSERVATION}:",))
        messages: list[BaseMessage] = [HumanMessage(head + tail)]
        if parts.traits.continues:
            messages = [HumanMessage(head.rstrip()), AIMessage(tail)]
        return _Call(self, messages, options, begun, last=request.last)

    def result(self) -> Result:
        end = self.steps[-1] if self.steps else None
        answer = end.text if isinstance(end, Answer) else ""
        return Result(
            question=self.question,
            text=answer,
            steps=tuple(self.steps),
            status="answered" if answer else "stopped",
            stopped_by=self._stopped_by,
            usage=dataclasses.replace(self.usage, seconds=round(time.monotonic() - self._began, 4)),
            prompt=self.parts.prompt.ref,
            model=name_of(self.parts.model),
        )


class _Call:
    """One call of the model: what it is asked, and its reply as it comes in."""

    def __init__(
        self, run: _Run, messages: list[BaseMessage], options: dict[str, Any], begun: str, *, last: bool
    ) -> None:
        self.messages, self.options = messages, options
        self.reader: ReplyReader = run.parts.parser.reader()
        self._run = run
        self._begun = begun
        """How the thought begins: the prompt has written that for the model."""
        self._said_begun = not begun
        self._reply: list[str] = []
        self._tokens = Usage(calls=1)
        if last:
            self.reader.feed(f"{FINAL_ANSWER}:\n")

    def read(self, message: BaseMessage) -> Iterator[Said]:
        """Take the reply, or a part of it."""
        text = message.text
        self._reply.append(text)
        self._tokens += _tokens(message)
        yield from self._said(self.reader.feed(text))

    def take(self, message: BaseMessage) -> None:
        """Take the whole reply, of which nobody wants to see the parts."""
        for _ in self.read(message):
            pass

    def move(self) -> Move:
        """End the reply and return what the model wants."""
        self._run.usage += self._tokens
        reply = "".join(self._reply)
        try:
            move = self.reader.close()
        except FormatError as error:
            return Unread(f"{self._begun}{reply}", str(error.observation))
        return dataclasses.replace(move, thought=f"{self._begun} {move.thought}".strip())

    def rest(self) -> Iterator[Said]:
        """Tell what became certain only at the reply's end."""
        yield from self._said(self.reader.pieces())

    def _said(self, pieces: Sequence[Piece]) -> Iterator[Said]:
        for piece in pieces:
            text = piece.text
            if not self._said_begun:
                self._said_begun = True
                yield Said("thought", self._begun)
                text = f" {text}" if piece.kind == "thought" else text
            yield Said(piece.kind, text)


def _tokens(message: BaseMessage) -> Usage:
    usage = getattr(message, "usage_metadata", None)
    if not usage:
        return Usage()
    return Usage(
        prompt_tokens=usage["input_tokens"],
        completion_tokens=usage["output_tokens"],
        cached_tokens=usage.get("input_token_details", {}).get("cache_read", 0) or 0,
    )


def _checked(question: Any) -> str:
    if not isinstance(question, str) or not question.strip():
        raise QuestionError("the question is empty; ask something")
    if len(question) > LONGEST_QUESTION:
        raise QuestionError(
            f"the question has {len(question):,} characters; at most {LONGEST_QUESTION:,} are taken"
        )
    if not question.isascii() and any("\ud800" <= c <= "\udfff" for c in question):
        raise QuestionError("the question is not Unicode text: a part of it was in another encoding")
    return question


def _tools(
    given: Sequence[str | BaseTool | Callable[..., Any]] | None, settings: Settings
) -> list[BaseTool | Callable[..., Any]]:
    if given is None:
        return [*load_tools(None, tool_folders(settings))]
    names = [tool for tool in given if isinstance(tool, str)]
    named = {tool.name: tool for tool in load_tools(names, tool_folders(settings))} if names else {}
    return [named[tool] if isinstance(tool, str) else tool for tool in given]


def _joined(parts: list[Any]) -> Any:
    """Put the parts of a streamed question together, as LangChain's own runnables do."""
    whole = parts[0] if parts else ""
    for part in parts[1:]:
        whole = whole + part if isinstance(whole, str) else {**whole, **part}
    return whole


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Make one line of what goes wrong at a model's server; all else goes on its way as it is."""
    try:
        yield
    except Exception as error:
        explained = explain(error)
        if explained is None or explained is error:
            raise
        raise explained from error


def _result(last: Event) -> Result:
    """Return the result that the last event of every run holds."""
    assert isinstance(last, Finished)
    return last.result
