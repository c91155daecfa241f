"""The form that a final answer is to have, where the caller wants data instead of words."""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from agent_app import jsonish
from agent_app.errors import SettingError

ResponseFormat: TypeAlias = Any
"""A Pydantic model, a dataclass, a `TypedDict` or another type that Pydantic knows; or a JSON schema."""

_FENCE = re.compile(r"\A```\w*\s*")
_END = re.compile(r"[\s`.!]*\Z")
_VALUE = re.compile(r'["\'{\[\d-]|(?:true|false|null)\b', re.IGNORECASE)


class Misfit(ValueError):  # noqa: N818 - it is what it says
    """An answer has not the form; the text is the sentence that the model should read next."""


class AnswerForm:
    """Tells the model which JSON to answer with, and makes data of the answer.

    Args:
        wanted: a type that Pydantic knows, or a JSON schema as a mapping.

    Raises:
        SettingError: it is neither.
    """

    def __init__(self, wanted: ResponseFormat) -> None:
        self.schema: dict[str, Any]
        self._validate: Callable[[Any], Any]
        if isinstance(wanted, Mapping):
            self.schema = dict(wanted)
            self._validate = _by_schema(self.schema)
        else:
            self.schema, self._validate = _by_type(wanted)

    @property
    def _only(self) -> str | None:
        """The field of an object that has but one; a value by itself is that one's."""
        fields = list(self.schema.get("properties", ()))
        return fields[0] if len(fields) == 1 else None

    @property
    def instruction(self) -> str:
        """What is added to the question."""
        schema = json.dumps(self.schema, ensure_ascii=False)
        return f"Write the Final Answer as JSON that fits this JSON schema, and nothing else: {schema}"

    def read(self, text: str) -> Any:
        """Return the data that a final answer stands for: an instance of the type, or plain data.

        Raises:
            Misfit: it is no JSON, or does not fit.
        """
        try:
            value = _value_of(_unwrapped(text))
            alone = None if isinstance(value, dict | list) else self._only
            return self._validate(value if alone is None else {alone: value})
        except jsonish.NotJson as error:
            raise Misfit(f"The Final Answer is no JSON: {error}. {self.instruction}") from error
        except Misfit as error:
            raise Misfit(f"The Final Answer does not fit: {error}. {self.instruction}") from error


def _value_of(text: str) -> Any:
    """Read the value that a text is; after brackets there may be words, after anything else only an end.

    Raises:
        NotJson: it is none. Of ``1,081,000`` the first digit is none either.
    """
    value, end, _ = jsonish.read(text)
    if not isinstance(value, dict | list) and not _END.match(text, end):
        raise jsonish.NotJson("other text after the value", end)
    return value


def _unwrapped(text: str) -> str:
    """Leave out a fence, and words before the first bracket where the text is not JSON from its beginning."""
    body = _FENCE.sub("", text.strip(), count=1)
    if _VALUE.match(body):
        return body
    return body[min((at for at in map(body.find, "{[") if at >= 0), default=0) :]


def _by_type(wanted: Any) -> tuple[dict[str, Any], Callable[[Any], Any]]:
    from pydantic import PydanticSchemaGenerationError, TypeAdapter, ValidationError
    from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError

    taken = "response_format takes a Pydantic model, a type or a JSON schema"
    if isinstance(wanted, str):  # Pydantic would take it for Python, and run it
        raise SettingError(f"{taken}, not the text {wanted!r}")
    try:
        adapter = TypeAdapter(wanted)
        schema = adapter.json_schema()
    except (
        PydanticSchemaGenerationError,
        PydanticInvalidForJsonSchema,
        PydanticUserError,
        AttributeError,  # of a dataclass's instance, such as LangChain's `ToolStrategy`
    ) as error:
        reason = str(error).splitlines()[0]
        raise SettingError(f"{taken}, not {wanted!r}: {reason}") from error

    def validate(value: Any) -> Any:
        try:
            found = adapter.validate_json(json.dumps(value))
        except ValidationError as error:
            problems = error.errors(include_url=False, include_context=False, include_input=False)
            raise Misfit("; ".join(_place(p["loc"]) + p["msg"] for p in problems)) from error
        if not _is_finite(adapter.dump_python(found, warnings=False)):
            raise Misfit("a number has no end, which JSON cannot hold")
        return found

    return schema, validate


def _by_schema(schema: dict[str, Any]) -> Callable[[Any], Any]:
    from jsonschema import SchemaError
    from jsonschema.validators import validator_for
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    kind = validator_for(schema)
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        place = _place(error.absolute_path)
        raise SettingError(f"response_format is not a JSON schema: {place}{error.message}") from error
    none: Registry[Any] = Registry()  # without one it would fetch what a reference names
    validator = kind(schema, registry=none)

    def validate(value: Any) -> Any:
        try:
            problems = sorted(validator.iter_errors(value), key=lambda e: list(map(str, e.absolute_path)))
        except Unresolvable as error:
            raise SettingError(f"response_format refers to what is not in it: {error.ref}") from error
        except RecursionError as error:
            raise SettingError("response_format refers to itself without an end") from error
        if problems:
            raise Misfit("; ".join(_place(p.absolute_path) + p.message for p in problems))
        return value

    tried: tuple[Any, ...] = ({}, [], "", 0)
    for value in tried:  # so that most references are followed before a model is asked
        with contextlib.suppress(Misfit):
            validate(value)
    return validate


def _is_finite(data: Any) -> bool:
    """Say whether data has no number that JSON cannot hold; Pydantic makes one of the text ``"Infinity"``."""
    if isinstance(data, float):
        return math.isfinite(data)
    if isinstance(data, Mapping):
        return all(map(_is_finite, data.values()))
    return not isinstance(data, list | tuple | set | frozenset) or all(map(_is_finite, data))


def _place(path: Any) -> str:
    place = ".".join(map(str, path))
    return f"{place}: " if place else ""
