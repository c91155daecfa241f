"""Front matter is checked by the very JSON schema that is published for editors.

Of JSON Schema this knows what that file uses: `type`, `properties`, `required`, `propertyNames`,
`additionalProperties`, `items`, `enum`, `pattern`, `minimum`, `maximum`, `anyOf` by type, and `$ref` within
the file.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agent_app.errors import suggest
from agent_app.prompt.problems import Problem
from agent_app.prompt.yaml_marks import Marked

SCHEMA_FILE = Path(__file__).with_name("frontmatter.schema.json")

_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}


@functools.cache
def frontmatter_schema() -> dict[str, Any]:
    """Return the published JSON schema of a prompt file's front matter."""
    schema: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    return schema


def check(front: Marked, kind: Literal["prompt", "part"], file: Path, problems: list[Problem]) -> None:
    """Hold front matter against the schema and add what is wrong to the problems.

    Args:
        front: the front matter.
        kind: whether it is that of a prompt or that of a part.
        file: where it stands.
        problems: what is wrong is added here, in the order of the file.
    """
    schema = frontmatter_schema()
    _Check(file, problems).value(
        front, schema if kind == "prompt" else schema["$defs"]["part"], "the front matter"
    )


def type_of(value: object) -> str:
    """Return the JSON Schema type of a value; a whole number is an ``integer``."""
    return _TYPES.get(type(value), "null")


def in_words(kind: str) -> str:
    """Say a JSON Schema type as a reader would."""
    return _WORDS[kind]


def fits(kind: str, wanted: str) -> bool:
    """Say whether a value of one JSON Schema type may stand where another is wanted."""
    return kind == wanted or (kind == "integer" and wanted == "number")


@dataclass(frozen=True, slots=True)
class _Check:
    file: Path
    problems: list[Problem]

    def value(self, at: Marked, schema: Mapping[str, Any], what: str) -> None:
        kind = type_of(at.value)
        choices = [_resolved(choice) for choice in _resolved(schema).get("anyOf", [schema])]
        rules = next((c for c in choices if any(fits(kind, t) for t in _types(c))), None)
        if rules is None:
            wanted = " or ".join(dict.fromkeys(_WORDS[t] for c in choices for t in _types(c)))
            quote = wanted == "text" and kind in ("integer", "number", "boolean")
            fix = f"it takes {wanted}" + (", so put it in quotes" if quote else "")
            self.add("P004", at, f"{what} is {_WORDS[kind]}", fix)
        elif isinstance(at.value, Mapping):
            self.mapping(at, at.value, rules, what)
        elif isinstance(at.value, list):
            for number, item in enumerate(at.value, 1):
                self.value(item, rules.get("items", {}), f"item {number} of {what}")
        else:
            self.scalar(at, rules, what)

    def mapping(self, at: Marked, values: Mapping[str, Marked], rules: Mapping[str, Any], what: str) -> None:
        known = rules.get("properties", {})
        others = rules.get("additionalProperties", {})
        names = rules.get("propertyNames", {}).get("pattern", "")
        for key, child in values.items():
            if key in known:
                self.value(child, known[key], repr(key))
            elif others is False:
                self.add("P003", child, f"unknown key {key!r} in {what}", suggest(key, known))
            elif not re.search(names, key):
                fix = "a name is letters, digits and _, and begins with no digit"
                self.add("P004", child, f"{key!r} in {what} is no name", fix)
            else:
                self.value(child, others, f"{key!r} in {what}")
        beside = rules.get("dependentRequired", {})
        needed = [*rules.get("required", ()), *(k for key in beside if key in values for k in beside[key])]
        for key in needed:
            if key not in values:
                self.add("P004", at, f"{what} has no {key!r}", f"add {key!r}")

    def scalar(self, at: Marked, rules: Mapping[str, Any], what: str) -> None:
        if "enum" in rules and at.value not in rules["enum"]:
            self.add("P004", at, f"{what} is {at.value!r}", suggest(str(at.value), rules["enum"]))
        if isinstance(at.value, str) and not re.search(rules.get("pattern", ""), at.value):
            self.add("P004", at, f"{what} is {at.value[:60]!r}", f"it takes {rules['description']}")

        if isinstance(at.value, int | float) and not isinstance(at.value, bool):
            least, most = rules.get("minimum"), rules.get("maximum")
            if (least is not None and at.value < least) or (most is not None and at.value > most):
                bounds = [f"no less than {least}"] if least is not None else []
                bounds += [f"no more than {most}"] if most is not None else []
                fix = f"it takes {in_words(rules['type'])}, {' and '.join(bounds)}"
                self.add("P004", at, f"{what} is {at.value}", fix)

    def add(self, code: str, at: Marked, message: str, fix: str) -> None:
        self.problems.append(Problem(code, self.file, at.line, at.column, message, fix))


def _resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in schema:
        return schema
    found: Mapping[str, Any] = frontmatter_schema()["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    return found


def _types(schema: Mapping[str, Any]) -> list[str]:
    kinds = schema.get("type", list(_WORDS))
    return [kinds] if isinstance(kinds, str) else list(kinds)
