"""Runs as OpenTelemetry spans, after its conventions for generative AI.

LangChain tells its callbacks of each run: the agent's, its model calls and its tool calls. The handler
here makes a span of each. What was asked and answered stays out of the spans unless it is wanted, and
then goes through a `Redactor`.

The names of operations and attributes are those of OpenTelemetry's semantic conventions for generative
AI, which are still in development there; names of our own begin with ``agent_app.``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler

from agent_app.errors import SettingError
from agent_app.redaction import Redactor

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage
    from langchain_core.outputs import LLMResult
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, TracerProvider

LONGEST_CONTENT = 8_000
"""In characters, for each attribute with content; the rest is cut off."""
_LONGEST_MESSAGE = 500

_PROMPT = {
    "prompt": ("gen_ai.prompt.name", "agent_app.prompt.name"),
    "prompt_version": ("agent_app.prompt.version",),
    "prompt_hash": ("agent_app.prompt.hash",),
}
"""What the agent's metadata says of its prompt, and the attributes that hold it."""

_REQUEST = {
    "ls_provider": "gen_ai.provider.name",
    "ls_model_name": "gen_ai.request.model",
    "ls_temperature": "gen_ai.request.temperature",
    "ls_max_tokens": "gen_ai.request.max_tokens",
}
"""What LangChain tells of a model call beside its parameters, in which there may be keys."""


@dataclass(frozen=True, slots=True)
class _Run:
    """A run that is under way."""

    span: Span | None
    """None for a step of a chain or graph, which has no span of its own."""
    inside: Context | None
    """Where the runs below it belong."""


class OpenTelemetryHandler(BaseCallbackHandler):
    """Makes OpenTelemetry spans of the runs of an agent: ``invoke_agent``, ``chat``, ``execute_tool``.

    Give it to a run: ``agent.invoke(question, {"callbacks": [OpenTelemetryHandler()]})``. One handler serves
    many threads and tasks at the same time. An error in it or in an exporter never breaks a run.

    Args:
        tracer_provider: where the spans go; None: OpenTelemetry's global one.
        content: whether questions, replies, and the arguments and results of tools are recorded.
        redactor: what takes secrets out of error messages and content; None: one that knows those in the
            environment.

    Raises:
        SettingError: OpenTelemetry is not installed.
    """

    run_inline = True  # in the caller's own context, where OpenTelemetry finds the caller's span

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        content: bool = False,
        *,
        redactor: Redactor | None = None,
    ) -> None:
        try:
            from opentelemetry import trace
        except ImportError as error:
            raise SettingError(
                "tracing needs OpenTelemetry; install it with: pip install 'agent-app[otel]'"
            ) from error
        self._tracer = trace.get_tracer("agent_app", tracer_provider=tracer_provider)
        self._content = content
        self._redactor = redactor or Redactor.from_environment()
        self._runs: dict[UUID, _Run] = {}

    # -- agents and chains ------------------------------------------------------------------------

    def on_chain_start(
        self,
        serialized: Mapping[str, Any] | None,
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Begin the span of an agent, or of a chain that nothing else called; a step of it has none."""
        name, known = kwargs.get("name") or (serialized or {}).get("name") or "chain", metadata or {}
        if name in (known.get("agent"), known.get("lc_agent_name")):
            attributes = {"gen_ai.agent.name": name, **_of_prompt(known)}
            self._start("invoke_agent", name, attributes, run_id, parent_run_id)
        elif parent_run_id not in self._runs:
            attributes = {"gen_ai.workflow.name": name}
            self._start("invoke_workflow", name, attributes, run_id, parent_run_id)
        else:
            self._runs[run_id] = _Run(None, self._runs[parent_run_id].inside)
        self._record(run_id, "gen_ai.input.messages", lambda: _asked(inputs))

    def on_chain_end(self, outputs: Any, *, run_id: UUID, inputs: Any = None, **_: Any) -> None:
        """End what `on_chain_start` began; of a streamed run the question is known only now."""
        self._record(run_id, "gen_ai.input.messages", lambda: _asked(inputs))
        self._record(run_id, "gen_ai.output.messages", lambda: _answered(outputs))
        self._end(run_id)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """End what `on_chain_start` began, as failed."""
        self._end(run_id, error)

    # -- models -----------------------------------------------------------------------------------

    def on_chat_model_start(
        self,
        serialized: Mapping[str, Any] | None,  # noqa: ARG002 - this and others are LangChain's
        messages: Sequence[Sequence[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Begin the span of a call of a chat model."""
        self._start_model("chat", metadata or {}, run_id, parent_run_id)
        self._record(run_id, "gen_ai.input.messages", lambda: [_message(m) for m in messages[0]])

    def on_llm_start(
        self,
        serialized: Mapping[str, Any] | None,  # noqa: ARG002
        prompts: Sequence[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Begin the span of a call of a model that completes a text."""
        self._start_model("text_completion", metadata or {}, run_id, parent_run_id)
        self._record(run_id, "gen_ai.input.messages", lambda: [_said("user", prompts[0])])

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_: Any) -> None:
        """End the span of a model call, with its tokens."""
        generation = response.generations[0][0]
        message = getattr(generation, "message", None)
        if message is not None:
            self._set(run_id, _of_reply(message))
        said = [_said("assistant", generation.text)]
        self._record(run_id, "gen_ai.output.messages", lambda: said)
        self._end(run_id)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """End the span of a model call, as failed."""
        self._end(run_id, error)

    # -- tools ------------------------------------------------------------------------------------

    def on_tool_start(
        self,
        serialized: Mapping[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        inputs: Mapping[str, Any] | None = None,
        tool_call_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Begin the span of a tool call."""
        name = (serialized or {}).get("name") or kwargs.get("name") or "tool"
        attributes = {"gen_ai.tool.name": name, "gen_ai.tool.type": "function"}
        if tool_call_id:
            attributes["gen_ai.tool.call.id"] = tool_call_id
        self._start("execute_tool", name, attributes, run_id, parent_run_id)
        self._record(
            run_id, "gen_ai.tool.call.arguments", lambda: inputs if inputs is not None else input_str
        )

    def on_tool_end(self, output: Any, *, run_id: UUID, **_: Any) -> None:
        """End the span of a tool call."""
        self._record(run_id, "gen_ai.tool.call.result", lambda: getattr(output, "content", output))
        self._end(run_id)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """End the span of a tool call, as failed."""
        self._end(run_id, error)

    # -- spans ------------------------------------------------------------------------------------

    def _start_model(
        self, operation: str, metadata: Mapping[str, Any], run_id: UUID, parent_run_id: UUID | None
    ) -> None:
        attributes = {name: metadata[key] for key, name in _REQUEST.items() if metadata.get(key) is not None}
        attributes |= _of_prompt(metadata)
        self._start(operation, metadata.get("ls_model_name"), attributes, run_id, parent_run_id)

    def _start(
        self,
        operation: str,
        name: str | None,
        attributes: Mapping[str, Any],
        run_id: UUID,
        parent_run_id: UUID | None,
    ) -> None:
        """Begin a span below that of the run's parent, or below the caller's own."""
        from opentelemetry.trace import SpanKind, set_span_in_context

        parent = self._runs.get(parent_run_id) if parent_run_id else None
        span = self._tracer.start_span(
            self._redactor.text(f"{operation} {name}" if name else operation),
            context=parent.inside if parent else None,
            kind=SpanKind.CLIENT if operation in ("chat", "text_completion") else SpanKind.INTERNAL,
            attributes=self._redactor.data({"gen_ai.operation.name": operation, **attributes}),
        )
        self._runs[run_id] = _Run(span, set_span_in_context(span, parent.inside if parent else None))

    def _set(self, run_id: UUID, attributes: Mapping[str, Any]) -> None:
        run = self._runs.get(run_id)
        if run and run.span:
            run.span.set_attributes(self._redactor.data(attributes))

    def _record(self, run_id: UUID, name: str, content: Any) -> None:
        """Put content into an attribute, where that is wanted.

        Args:
            content: a function that returns it, as it may be dear to make.
        """
        run = self._runs.get(run_id)
        if self._content and run and run.span and (value := content()):
            safe = self._redactor.data(value)
            if not isinstance(safe, str):
                safe = json.dumps(safe, ensure_ascii=False, default=self._written)
            run.span.set_attribute(name, safe[:LONGEST_CONTENT])

    def _written(self, value: object) -> str:
        return self._redactor.text(str(value))

    def _end(self, run_id: UUID, error: BaseException | None = None) -> None:
        from opentelemetry.trace import Status, StatusCode

        run = self._runs.pop(run_id, None)
        if run is None or run.span is None:
            return
        if error is not None and not _is_planned(error):
            kind = type(error)
            builtin = kind.__module__ == "builtins"
            run.span.set_attribute(
                "error.type", kind.__qualname__ if builtin else f"{kind.__module__}.{kind.__qualname__}"
            )
            message = self._redactor.text(str(error))[:_LONGEST_MESSAGE]
            run.span.set_status(Status(StatusCode.ERROR, message))
        run.span.end()


def _is_planned(error: BaseException) -> bool:
    """Say whether it is no failure: a stream that its reader closed, or a graph that waits for a person."""
    return isinstance(error, GeneratorExit) or any(c.__name__ == "GraphBubbleUp" for c in type(error).__mro__)


def _of_prompt(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {name: metadata[key] for key, names in _PROMPT.items() if key in metadata for name in names}


def _of_reply(message: BaseMessage) -> dict[str, Any]:
    """Return what is recorded of each reply: tokens, the model that gave it, and why it ended."""
    usage = getattr(message, "usage_metadata", None) or {}
    about = message.response_metadata
    finish = about.get("finish_reason") or about.get("stop_reason")
    known = {
        "gen_ai.usage.input_tokens": usage.get("input_tokens"),
        "gen_ai.usage.output_tokens": usage.get("output_tokens"),
        "gen_ai.usage.cache_read.input_tokens": (usage.get("input_token_details") or {}).get("cache_read"),
        "gen_ai.response.model": about.get("model_name") or about.get("model"),
        "gen_ai.response.finish_reasons": (finish,) if finish else None,
    }
    return {name: value for name, value in known.items() if value is not None}


# -- content, in the form that the conventions give it ------------------------------------------------


def _said(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


_ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool"}


def _message(message: BaseMessage) -> dict[str, Any]:
    return _said(_ROLES.get(message.type, message.type), message.text)


def _asked(inputs: Any) -> list[dict[str, Any]]:
    """Return the question in what an agent was given; empty where none is recognised."""
    question = inputs.get("input") if isinstance(inputs, Mapping) else inputs
    if isinstance(question, str):
        return [_said("user", question)] if question else []
    return _messages_in(inputs)


def _answered(outputs: Any) -> list[dict[str, Any]]:
    """Return the answer in what an agent gave back; empty where none is recognised."""
    text = getattr(outputs, "text", outputs)
    if isinstance(text, str):
        return [_said("assistant", text)] if text else []
    return _messages_in(outputs)[-1:]


def _messages_in(state: Any) -> list[dict[str, Any]]:
    from langchain_core.messages import convert_to_messages

    messages: Iterable[Any] = (state.get("messages") or ()) if isinstance(state, Mapping) else ()
    return [_message(message) for message in convert_to_messages(list(messages))]
