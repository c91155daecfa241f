"""What a tool's parameters take, in words: for the model that is to fill them in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

_DEEPEST = 4
"""Objects within one another that are written out; more would fill a model's window."""
_EXAMPLES: dict[str, Any] = {
    "string": "text",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "array": [],
    "object": {},
}


def signature(schema: Schema, *, explained: bool = False, depth: int = 1) -> str:
    """Write the properties of an object in a line: ``{"a": number (in metres), "b": string (optional)}``.

    Args:
        schema: the object's JSON schema.
        explained: with what the schema says that each property is for.
        depth: in how many objects it stands, with itself.
    """
    parts = []
    for name, inner in schema["properties"].items():
        notes = [] if name in schema.get("required", ()) else ["optional"]
        if explained and (words := about(inner)):
            notes.append(words)
        note = f" ({'; '.join(notes)})" if notes else ""
        parts.append(f'"{name}": {kind(inner, explained=explained, depth=depth)}{note}')
    return "{" + ", ".join(parts) + "}"


def kind(schema: Any, *, explained: bool = False, depth: int = 0) -> str:
    """Name what a parameter takes: its choices, the kinds of JSON value, or the properties of an object."""
    if not isinstance(schema, Mapping):
        return "any value"
    if "enum" in schema:
        return " or ".join(json.dumps(choice, ensure_ascii=False) for choice in schema["enum"])
    options = _options(schema)
    if options:
        return " or ".join(sorted({kind(one, explained=explained, depth=depth) for one in options}))
    if schema.get("type") == "array" and schema.get("items"):
        return f"array of {kind(schema['items'], explained=explained, depth=depth)}"
    if schema.get("properties") and depth < _DEEPEST:
        return signature(schema, explained=explained, depth=depth + 1)
    return " or ".join(sorted(types(schema))) or "any value"


def about(schema: Any) -> str:
    """Return what a schema says that a parameter is for, in a line; empty if it does not say."""
    words = schema.get("description") if isinstance(schema, Mapping) else None
    return " ".join(words.split()) if isinstance(words, str) else ""


def types(schema: Any) -> set[str]:
    """Return the types of JSON value that a schema allows beside null; empty if it does not say."""
    if not isinstance(schema, Mapping):
        return set()
    named = schema.get("type", [])
    found = {named} if isinstance(named, str) else set(named)
    return found.union(*map(types, _options(schema))) - {"null"}


def takes_object(schema: Any) -> bool:
    """Say whether an object may be the value of a parameter."""
    found = types(schema)
    return "object" in found or not (found or "enum" in schema)


def example(schema: Any) -> Any:
    """Return a value that a parameter would take, with no more in it than must be."""
    if not isinstance(schema, Mapping):
        return _EXAMPLES["string"]
    if "enum" in schema:
        return schema["enum"][0]
    options = _options(schema)
    if options:
        return example(options[0])
    properties = schema.get("properties")
    if properties:
        return {name: example(properties.get(name)) for name in schema.get("required") or properties}
    return _EXAMPLES[min(types(schema), default="string")]


def _options(schema: Schema) -> list[Any]:
    """Return the schemas of which a value has to fit one, but not that of null."""
    options = (*schema.get("anyOf", ()), *schema.get("oneOf", ()))
    return [one for one in options if not (isinstance(one, Mapping) and one.get("type") == "null")]
