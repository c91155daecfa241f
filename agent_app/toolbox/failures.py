"""What a tool raised: the model's mistake, which it reads and can mend, or a bug of the tool."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from agent_app.errors import ToolCrash
from agent_app.patience import OutOfTime
from agent_app.steps import Observation
from agent_app.toolbox.forms import Form
from agent_app.toolbox.results import as_text, complaint

_SHOWN = 60
"""Characters of a wrong value that a complaint about it repeats."""


def explained(form: Form, arguments: dict[str, Any], error: Exception) -> Observation:
    """Return the observation for an error that the model can mend.

    Raises:
        ToolCrash: it is none of those.
        GraphBubbleUp: the tool stops the graph that the agent is a node of, to ask somebody; the same error.
    """
    from langchain_core.tools import ToolException
    from pydantic import ValidationError

    if isinstance(error, OutOfTime):
        return complaint(f"{form.tool.name} gave {error}, and was abandoned")
    if isinstance(error, ToolException):
        return complaint(str(error) or f"{form.tool.name} failed without saying why")
    if isinstance(error, ValidationError | _former("ValidationError")):
        # The tool's own code may use pydantic too: only what the arguments do wrong is the model's fault.
        wrong = _wrong_values(form, arguments)
        if wrong:
            return complaint(f"{form.tool.name}: {wrong}; it takes {form.expected}")
    from langgraph.errors import GraphBubbleUp

    if isinstance(error, GraphBubbleUp):
        raise error
    raise ToolCrash(form.tool.name, error) from error


def _wrong_values(form: Form, arguments: dict[str, Any]) -> str:
    """Say which arguments the tool's schema refuses and why; empty if it takes them."""
    from pydantic import BaseModel, ValidationError

    schema = form.tool.get_input_schema()
    try:
        if issubclass(schema, BaseModel):
            schema.model_validate(arguments)
        elif issubclass(schema, _former("BaseModel")):
            schema.parse_obj(arguments)
    except ValidationError as error:
        return ", ".join(_problem(e) for e in error.errors(include_url=False, include_context=False))
    except _former("ValidationError") as error:
        return ", ".join(_problem({"input": arguments.get(e["loc"][0]), **e}) for e in error.errors())
    return ""


def _former(name: str) -> type[Any]:
    """Return a class of Pydantic's first version, which a schema may be of; without that, one of nothing."""
    former = sys.modules.get("pydantic.v1")
    return getattr(former, name) if former else _Nothing


class _Nothing(Exception):  # noqa: N818 - nothing ever is one
    """Stands for a class that is not there."""


def _problem(detail: Mapping[str, Any]) -> str:
    place = ".".join(map(str, detail["loc"])) or "the input"
    shown = as_text(detail["input"])
    shown = shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…"
    message = detail["msg"].removeprefix("Input ").partition(", unable")[0]
    return f"{place!r} {message}, got {shown!r}"
