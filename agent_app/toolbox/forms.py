"""What a tool wants to be given, and what the model reads of that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_app.errors import SettingError
from agent_app.steps import Arguments
from agent_app.toolbox import parameters
from agent_app.toolbox.results import as_text, first_line

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool


@dataclass(frozen=True, slots=True)
class Form:
    """What a tool wants to be given, worked out once so that a call costs little."""

    tool: BaseTool
    schema: dict[str, Any]
    properties: Mapping[str, Any]
    required: tuple[str, ...]
    open: bool
    """Whether other arguments than `properties` are welcome."""
    only: str | None
    """The parameter, where there is just one."""
    plain: bool
    """Whether that takes text, and nothing else."""
    takes_object: bool
    """Whether it takes a JSON object."""
    is_async: bool
    """Whether the tool can only be awaited."""
    is_sync: bool
    """Whether the tool cannot be awaited but in a thread."""
    description: str
    expected: str

    def read(self, given: Arguments) -> dict[str, Any] | None:
        """Return the arguments that an input stands for; None if it stands for none."""
        if not self.properties and not self.open:
            return {}
        if isinstance(given, str):
            if not given.strip() and not self.required:
                return {}
            parsed = _json(given)
            if self.only is None:
                return parsed if isinstance(parsed, dict) else None
            if isinstance(parsed, dict) and parsed.keys() == {self.only}:
                given = parsed
            else:
                return {self.only: given if self.plain or parsed is None else parsed}
        if self.only is None or (self.only in given and not self.plain):
            return dict(given)
        # Where a text is wanted, other JSON is that text.
        if self.only in given:
            return {**given, self.only: as_text(given[self.only])}
        if self.plain:
            return {self.only: as_text(given)}
        is_value = self.takes_object and (given or self.required)
        return {self.only: dict(given)} if is_value else dict(given)

    def misfit(self, arguments: dict[str, Any]) -> str:
        """Say which arguments are missing or unknown; empty if none is."""
        missing = [name for name in self.required if name not in arguments]
        unknown = [] if self.open else [name for name in arguments if name not in self.properties]
        if not missing and not unknown:
            return ""
        problems = [f"{name!r} is missing" for name in missing] + [f"{name!r} is unknown" for name in unknown]
        return f"{self.tool.name}: {', '.join(problems)}; it takes {self.expected}"


def form_of(tool: BaseTool) -> Form:
    """Work out what a tool takes; parameters that are injected at run time are not the model's concern.

    Raises:
        SettingError: it takes something that cannot be written as JSON.
    """
    from langchain_core.tools import BaseTool
    from langchain_core.utils.function_calling import convert_to_openai_tool
    from pydantic import PydanticUserError

    has_function = getattr(tool, "func", None) is not None
    awaited = getattr(tool, "coroutine", None) is not None
    try:
        schema: dict[str, Any] = convert_to_openai_tool(tool)["function"].get("parameters", {})
    except PydanticUserError as error:
        raise SettingError(f"the tool {tool.name} cannot be used: {first_line(error)}") from error
    # A schema may be just `true`, which is anything.
    properties = {
        name: {} if is_any is True else is_any for name, is_any in schema.get("properties", {}).items()
    }
    schema["properties"] = properties
    required = tuple(schema.get("required", ()))
    only = next(iter(properties)) if len(properties) == 1 else None
    plain = only is not None and parameters.types(properties[only]) == {"string"}
    return Form(
        tool=tool,
        schema=schema,
        properties=properties,
        required=required,
        open=bool(schema.get("additionalProperties")),
        only=only,
        plain=plain,
        takes_object=only is not None and parameters.takes_object(properties[only]),
        is_async=awaited and not has_function,
        is_sync=not awaited and (has_function or type(tool)._arun is BaseTool._arun),
        description=_described(tool, schema, properties[only] if only is not None and plain else None),
        expected=_expected(schema, only),
    )


def _described(tool: BaseTool, schema: Mapping[str, Any], text: Mapping[str, Any] | None) -> str:
    """Return the line that a model reads of a tool, which may say itself what its one parameter takes.

    Args:
        tool: the tool.
        schema: that of its arguments.
        text: that of its one parameter, where that takes text.
    """
    about, properties = " ".join(tool.description.split()), schema["properties"]
    if len(properties) == 1 and "Input:" in about:
        taken = ""
    elif text is not None:
        choices = parameters.kind(text) if "enum" in text else ""
        taken = "; ".join(filter(None, (choices, parameters.about(text))))
    else:
        taken = f"JSON object {parameters.signature(schema, explained=True)}" if properties else "nothing."
    return f"{tool.name}: {about}" + (f" Input: {taken}" if taken else "")


def _expected(schema: Mapping[str, Any], only: str | None) -> str:
    """Say what a tool takes, with an example that has no more in it than must be."""
    if only is None:
        shown = json.dumps(parameters.example(schema), ensure_ascii=False)
        return f"a JSON object {parameters.signature(schema)}, for example {shown}"
    lone = schema["properties"][only]
    shown = json.dumps(parameters.example(lone), ensure_ascii=False)
    return f"{only} ({parameters.kind(lone)}), for example {shown}"


def _json(text: str) -> Any:
    """Read a text as JSON; None if it is not."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
