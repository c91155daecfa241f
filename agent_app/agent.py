"""The agent: a prompt, models, a parser and tools, run by the executor loop.

`Agent` is a LangChain `Runnable`. What it takes is put together here; what happens to a question is in
`run` and `loop`, and the two drivers that do it are in `drivers`.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from pathlib import Path
from typing import Any, TypeAlias, TypedDict, Unpack, get_args

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.tools import BaseTool

from agent_app.agent_tool import tool_of
from agent_app.answer_form import AnswerForm, ResponseFormat
from agent_app.approvals import Approvals
from agent_app.arguments import check_above_zero, check_kinds, check_lists, check_parts, check_soft
from agent_app.budget import Budget
from agent_app.drivers import adrive, drive
from agent_app.errors import QuestionError, SettingError, kind_of
from agent_app.events import Event, Finished
from agent_app.history import Said, turns_of
from agent_app.loop import Limits, OnLimit
from agent_app.models import Chain, ChatModel, bound_to, check_model, load_model
from agent_app.parts import Parts
from agent_app.prices import Prices, read_prices
from agent_app.prompt import Prompt, library_folders, load_prompt
from agent_app.redaction import Redactor
from agent_app.retrying import Retry
from agent_app.run import Run
from agent_app.settings import Settings
from agent_app.steps import Result, Step
from agent_app.terms import Terms
from agent_app.toolbox import Toolbox, load_tools, tool_folders

Question: TypeAlias = str | Mapping[str, Any]

_ANSWERING = inspect.signature(lambda question, run_manager, config: ...)  # noqa: ARG005
"""The signature of what answers a question; LangChain asks for it in each run, and to work it out is slow."""


class Given(TypedDict, total=False):
    """What a question may come with."""

    history: Iterable[Said]
    """What was said before: LangChain messages, earlier results, or pairs of a role and a text."""
    steps: Sequence[Step]
    """The steps of an earlier run of this question; the run goes on from there."""
    recorded: Sequence[Step]
    """The steps of an earlier run; tools are not run, but give what they gave there."""


class Agent(Runnable[Question, Result]):
    """Answers questions with the help of tools, step by step.

    Nothing is loaded before the first question; `open` does it at once. One agent can serve many
    threads and tasks at the same time: a run shares nothing with another but the model.

    Args:
        model: a model's name (see `agent-app models`), or a LangChain chat model, bare or as its ``bind`` or
            ``with_config`` gives it.
        prompt: a prompt's name, the path of a prompt file, or a `Prompt`.
        tools: names of tools, LangChain tools or plain functions; None: all built-in ones and the user's own.
        max_steps: how many tool calls a question may take.
        max_seconds: how long it may take; what is under way then is cut off.
        max_tokens: how many tokens it may read and write; cached ones count.
        max_cost: how many US dollars it may cost.
        max_format_errors: how many unreadable replies it may take.
        budget: what all questions together may take, those of other agents with the same budget as well.
        prices: the model's price, or that of each model by its name; None: as listed by genai-prices.
        on_limit: at a limit ask the model once for its best answer (``"answer"``), end the run
            (``"stop"``), or raise `LimitReached` (``"raise"``).
        context: how many tokens prompt and reply may have together; None: as many as the model can take,
            if that is known. What does not fit is left out, the oldest first; see `Result.left_out`.
        call_seconds: how long one call of the model may take; None: as long as the model itself allows.
        tool_seconds: how long one call of a tool may take; it runs in a thread of its own then. None: as
            long as it takes.
        retry: when and how often a failed call of the model is made again.
        fallbacks: models that take over, in this order, when the one before has failed for good.
        approvals: which tool calls just run, which never do, and which somebody is asked about; None: as the
            tools' declared risks want it, with nobody there to ask.
        response_format: a Pydantic model, another type that Pydantic knows or a JSON schema; the final
            answer is then JSON of that form, and `Result.data` what it stands for.
        redactor: keeps secrets out of all that is told, stored and traced; None: one that knows the secrets
            which the environment holds now.
        settings: where models, prompts and tools lie; None: the defaults, whatever the environment says.

    Raises:
        SettingError: a limit is not above 0, the response format is none, or an argument is of a wrong type.
        ModelError: the prompt holds a soft prompt that a model cannot read; of a prompt that is given by
            its name that is said when it is loaded.
    """

    def __init__(
        self,
        model: str | ChatModel = "embedded",
        prompt: str | Path | Prompt = "pirate",
        tools: Sequence[str | BaseTool | Callable[..., Any]] | None = None,
        *,
        max_steps: int = 8,
        max_seconds: float | None = None,
        max_tokens: int | None = None,
        max_cost: float | None = None,
        max_format_errors: int = 3,
        budget: Budget | None = None,
        prices: Prices | None = None,
        on_limit: OnLimit = "answer",
        context: int | None = None,
        call_seconds: float | None = None,
        tool_seconds: float | None = None,
        retry: Retry | None = None,
        fallbacks: Sequence[str | ChatModel] = (),
        approvals: Approvals | None = None,
        response_format: ResponseFormat | None = None,
        redactor: Redactor | None = None,
        settings: Settings | None = None,
    ) -> None:
        check_above_zero(
            max_steps=max_steps,
            max_seconds=max_seconds,
            max_tokens=max_tokens,
            max_cost=max_cost,
            max_format_errors=max_format_errors,
            context=context,
            call_seconds=call_seconds,
            tool_seconds=tool_seconds,
        )
        Budget(cost=max_cost)  # complains of more dollars than can be counted
        check_lists(tools=tools, fallbacks=fallbacks)
        check_parts((model, *fallbacks), prompt)
        check_kinds(
            budget=(budget, Budget),
            retry=(retry, Retry),
            approvals=(approvals, Approvals),
            redactor=(redactor, Redactor),
            settings=(settings, Settings),
        )
        if on_limit not in get_args(OnLimit):
            choices = " or ".join(map(repr, get_args(OnLimit)))
            raise SettingError(f"on_limit is {on_limit!r}; it takes {choices}")
        self.settings = settings or Settings()
        self.redactor = redactor or Redactor.from_environment()
        self.terms = Terms(
            Limits(steps=max_steps, seconds=max_seconds, format_errors=max_format_errors, then=on_limit),
            context=context,
            call_seconds=call_seconds,
            tool_seconds=tool_seconds,
            retry=retry or Retry(),
            approvals=approvals or Approvals(),
            form=None if response_format is None else AnswerForm(response_format),
            max_tokens=max_tokens,
            max_cost=max_cost,
            budget=budget,
            prices=prices,
        )
        self._given = ((model, *fallbacks), prompt, None if tools is None else tuple(tools))
        if isinstance(prompt, Prompt):
            check_soft(prompt, self._given[0])
        self._parts: Parts | None = None
        self._opened = False
        self._opening = threading.RLock()

    @classmethod
    def from_settings(cls, settings: Settings, **given: Any) -> Agent:
        """Return an agent as the settings want it; the command line makes its own this way.

        Args:
            settings: what nothing is given for is taken from them; `read_settings` reads them from the
                environment.
            given: arguments of `Agent`, which go before the settings.
        """
        limits = ("max_steps", "max_seconds", "max_tokens", "max_cost", "call_seconds", "tool_seconds")
        wanted: dict[str, Any] = {name: getattr(settings, name) for name in ("model", "prompt", *limits)}
        wanted |= {"retry": Retry(attempts=settings.attempts), "settings": settings}
        wanted["prices"] = read_prices(settings.prices) if settings.prices else None
        return cls(**wanted | given)

    def __reduce__(self) -> str:
        raise TypeError("an agent holds a loaded model and cannot be pickled or copied; make another one")

    def open(self) -> Agent:
        """Load prompt, tools and model now, in this order, and return the agent itself.

        An embedded model also reads what every prompt begins with, unless it finds that on disk. Models that
        may have to take over are looked for, but not loaded.

        Raises:
            UserError: one of them cannot be had; says which and what would be right.
        """
        with self._opening:
            if not self._opened:
                parts = self._loaded()
                parts.window(parts.models[0])
                for model in self.fallbacks:
                    if isinstance(model, str):
                        check_model(model, settings=self.settings, soft=parts.prompt.soft_prompts)
                parts.warm(parts.models[0])
                self._opened = True
        return self

    @property
    def model(self) -> BaseChatModel:
        """The chat model; loaded when first asked for."""
        return self._loaded().models[0].given

    @property
    def model_options(self) -> Mapping[str, Any]:
        """What was bound to the model, and goes into each of its calls."""
        return bound_to(self._loaded().models[0].model)

    @property
    def fallbacks(self) -> tuple[str | ChatModel, ...]:
        """The models that take over, in their order, as they were given."""
        return self._given[0][1:]

    @property
    def prompt(self) -> Prompt:
        """The prompt; loaded when first asked for."""
        return self._loaded().prompt

    @property
    def toolbox(self) -> Toolbox:
        """The tools; loaded when first asked for."""
        return self._loaded().toolbox

    def invoke(  # type: ignore[override]
        self,
        input: Question,  # noqa: A002
        config: RunnableConfig | None = None,
        **given: Unpack[Given],
    ) -> Result:
        """Answer a question.

        Args:
            input: a text, or a mapping with ``input`` and a value for each other input of the prompt; its
                ``history``, if any, is what was said before.
            config: LangChain's: callbacks, tags, metadata and so on.
            given: what the question follows on; see `Given`.

        Raises:
            QuestionError: the question is empty or far too long, or the steps are no run.
            EndpointError: the model's server is dead, refuses the key or the prompt, or breaks off, and no
                further attempt and no other model helped.
            ToolCrash: a tool raised something that it never announced.
            LimitReached: a limit was met, and `on_limit` is ``"raise"``.
        """

        def run(question: Question, run_manager: object, config: RunnableConfig) -> Result:  # noqa: ARG001
            for event in drive(self._run(question, given), config, live=False):
                last = event
            return _result(last)

        run.__signature__ = _ANSWERING  # type: ignore[attr-defined]
        self.open()
        return self._call_with_config(run, self._safe(input), self._traced(config))

    async def ainvoke(  # type: ignore[override]
        self,
        input: Question,  # noqa: A002
        config: RunnableConfig | None = None,
        **given: Unpack[Given],
    ) -> Result:
        """Do what `invoke` does, without holding up the event loop."""

        async def run(question: Question, run_manager: object, config: RunnableConfig) -> Result:  # noqa: ARG001
            async for event in adrive(self._run(question, given), config, live=False):
                last = event
            return _result(last)

        await self._aopen()
        run.__signature__ = _ANSWERING  # type: ignore[attr-defined]
        return await self._acall_with_config(run, self._safe(input), self._traced(config))

    def stream(  # type: ignore[override]
        self,
        input: Question,  # noqa: A002
        config: RunnableConfig | None = None,
        **given: Unpack[Given],
    ) -> Generator[Event]:
        """Answer a question and tell each event of the run as it happens; the last one holds the result.

        In a chain (``agent | other``) the agent hands on its `Result` alone, as `invoke` does.
        """

        def run(inputs: Iterator[Question], config: RunnableConfig) -> Iterator[Event]:
            for question in inputs:
                yield from drive(self._run(question, given), config, live=True)

        self.open()
        run_all: Any = self._transform_stream_with_config  # typed for a runnable that streams its output
        yield from run_all(iter([self._safe(input)]), run, self._traced(config))

    async def astream(  # type: ignore[override]
        self,
        input: Question,  # noqa: A002
        config: RunnableConfig | None = None,
        **given: Unpack[Given],
    ) -> AsyncGenerator[Event]:
        """Do what `stream` does, without holding up the event loop."""

        async def run(inputs: AsyncIterator[Question], config: RunnableConfig) -> AsyncIterator[Event]:
            async for question in inputs:
                async with contextlib.aclosing(adrive(self._run(question, given), config, live=True)) as told:
                    async for event in told:
                        yield event

        async def one() -> AsyncIterator[Question]:
            yield self._safe(input)

        await self._aopen()
        run_all: Any = self._atransform_stream_with_config  # as in `stream`
        # Closed here and now: Python would leave that to the end of the event loop.
        async with contextlib.aclosing(run_all(one(), run, self._traced(config))) as told:
            async for event in told:
                yield event

    def replay(
        self, result: Result, config: RunnableConfig | None = None, *, inputs: Mapping[str, Any] | None = None
    ) -> Result:
        """Run again what was run before: the model is asked anew, the tools give what they gave then.

        Args:
            result: the earlier run.
            config: as for `invoke`.
            inputs: the values that the prompt takes beside the question.

        Raises:
            ReplayDiverged: the model wants something done for which no observation was recorded.
        """
        return self.invoke({"input": result.question, **(inputs or {})}, config, recorded=result.steps)

    async def areplay(
        self, result: Result, config: RunnableConfig | None = None, *, inputs: Mapping[str, Any] | None = None
    ) -> Result:
        """Do what `replay` does, without holding up the event loop."""
        return await self.ainvoke({"input": result.question, **(inputs or {})}, config, recorded=result.steps)

    def as_tool(
        self, args_schema: Any = None, *, name: str | None = None, description: str | None = None, **_: Any
    ) -> BaseTool:
        """Return a tool that hands its input to this agent and gives the text of its answer.

        Args:
            args_schema: a Pydantic model of the tool's arguments, ``input`` among them; None: that alone.
            name: None: ``ask_`` and the prompt's name.
            description: None: the prompt's own.
        """
        return tool_of(
            self,
            args_schema,
            name=name or f"ask_{self.prompt.name}",
            description=description or f"{self.prompt.description}. Input: a question.",
        )

    def transform(  # type: ignore[override]
        self,
        input: Iterator[Question],  # noqa: A002
        config: RunnableConfig | None = None,
        **given: Unpack[Given],
    ) -> Iterator[Result]:
        """Hand on results within a chain: the parts of a question are put together, then answered."""
        yield self.invoke(_joined(list(input)), config, **given)

    async def atransform(  # type: ignore[override]
        self,
        input: AsyncIterator[Question],  # noqa: A002
        config: RunnableConfig | None = None,
        **given: Unpack[Given],
    ) -> AsyncIterator[Result]:
        """Do what `transform` does, without holding up the event loop."""
        yield await self.ainvoke(_joined([part async for part in input]), config, **given)

    async def _aopen(self) -> None:
        """Load what is not loaded yet, which can take seconds, without holding up the event loop."""
        if not self._opened:
            await asyncio.to_thread(self.open)

    def _run(self, question: Question, given: Given) -> Run:
        unknown = sorted(given.keys() - Given.__annotations__.keys())
        if unknown:
            known = ", ".join(Given.__annotations__)
            raise TypeError(f"beside question and config an agent takes {known}, and no {unknown[0]!r}")
        values: dict[str, Any] = {"input": question} if isinstance(question, str) else dict(question)
        said = values.pop("history", ())  # which `_safe` has redacted
        if "history" in given:
            given["history"] = turns_of(given["history"])
        safe: Given = self.redactor.data(given)
        safe.setdefault("history", said)
        return Run(self._loaded(), values.pop("input"), values, **safe)

    def _traced(self, config: RunnableConfig | None) -> RunnableConfig:
        """Tell tracers who answers, and with which prompt."""
        config = config or {}
        ref = self._loaded().prompt.ref
        told = {
            "agent": config.get("run_name") or self.get_name(),
            "prompt": ref.name,
            "prompt_version": ref.version,
            "prompt_hash": ref.hash,
        }
        return {**config, "metadata": {**told, **(config.get("metadata") or {})}}

    def _safe(self, question: Question) -> Question:
        """Redact what is asked, before anybody hears of it.

        Raises:
            QuestionError: it is no question, or its history is none.
        """
        taken = "a question is a text, or a mapping with the text as 'input'"
        if not isinstance(question, str | Mapping):
            raise QuestionError(f"{taken}, and no {kind_of(question)}")
        if isinstance(question, Mapping) and "input" not in question:
            raise QuestionError(f"{taken}; this has {', '.join(map(str, question)) or 'nothing'}")
        if isinstance(question, Mapping) and "history" in question:
            question = {**question, "history": turns_of(question["history"])}
        safe: Question = self.redactor.data(question)
        return safe

    def _loaded(self) -> Parts:
        if self._parts is None:
            with self._opening:
                if self._parts is None:
                    self._parts = self._load()
        return self._parts

    def _load(self) -> Parts:
        models, given, tools = self._given
        folders = library_folders(self.settings.prompts_dir)
        prompt = given if isinstance(given, Prompt) else load_prompt(given, folders=folders)
        check_soft(prompt, models)

        def load(name: str) -> BaseChatModel:
            return load_model(name, settings=self.settings, soft=prompt.soft_prompts)

        toolbox = Toolbox(_tools(tools, self.settings), self.redactor)
        toolbox.check_complete()
        return Parts(
            prompt=prompt,
            toolbox=toolbox,
            models=Chain(models, load, self.redactor),
            terms=self.terms,
        )


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


def _result(last: Event) -> Result:
    """Return the result that the last event of every run holds."""
    assert isinstance(last, Finished)
    return last.result
