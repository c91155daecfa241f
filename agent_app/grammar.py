"""The ReAct format as a grammar, so that a model that obeys one cannot write anything else.

The grammar is GBNF, the notation of llama.cpp. It is made from the same words as the parser, and it
is narrower than what the parser forgives: whatever it lets a model write, the parser reads without a repair.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from agent_app.labels import ACTION, ACTION_INPUT, FINAL_ANSWER

Schema = Mapping[str, Any]

# A colon stands only between digits (14:05), so that no line of a thought or a list can become a label;
# brackets, fences and tags are left out where they would begin something else.
_TEXT = r"""
thought ::= [^\n:：`<{[* \t_] char{0,240}
char ::= [^\n:：`<{[] | [0-9] ":" [0-9]
plain ::= [^\n<"'“`{[* \t_] wide{0,300}
wide ::= [^\n<] | "<" [^\n|/<]
reply ::= [^\n<* \t_] wide{0,800} ("\n" line){0,12}
line ::= "- "? [^\n:：`<{[* \t_-] char{0,240}
"""

# JSON after RFC 8259, with at most one space between its parts.
_JSON = r"""
value ::= object | array | string | number | ("true" | "false" | "null")
object ::= "{" (string ": " value (", " string ": " value)*)? "}"
array ::= "[" (value (", " value)*)? "]"
string ::= "\"" ([^"\\\n\x00-\x1f<] | "\\" ["\\nt/])* "\""
number ::= integer ("." [0-9]{1,15})?
integer ::= "-"? ("0" | [1-9] [0-9]{0,15})
"""


def reply_grammar(tools: Mapping[str, Schema | None], *, last: bool = False) -> str:
    """Return the grammar of one reply: a thought, then an action with its input or a final answer.

    Args:
        tools: the tools on offer, each with the JSON schema of its arguments, or None when its
            input is plain text. Without any tool only a final answer is left.
        last: no tool may be used any more, and the model goes on after the words ``Final Answer:``;
            otherwise it goes on after ``Thought:``.
    """
    if last:
        return 'root ::= " " reply "\\n"?' + _TEXT.replace(_rule("thought"), "").replace(_rule("plain"), "")
    rules = ['root ::= " " thought "\\n" (' + " | ".join([*(["action"] if tools else []), "answer"]) + ")"]
    rules.append(f'answer ::= "{FINAL_ANSWER}: " reply "\\n"?')
    schemas = {name: schema for name, schema in tools.items() if schema is not None}
    if tools:
        moves = " | ".join(_move(name, schema) for name, schema in tools.items())
        rules.append(f'action ::= "{ACTION}: " ({moves}) "\\n"?')
    text = _TEXT if len(schemas) < len(tools) else _TEXT.replace(_rule("plain"), "")
    for name, schema in schemas.items():
        rules.append(f"{_symbol(name)} ::= {_value(schema, depth=0)}")
    return "\n".join(rules) + text + (_JSON if schemas else "")


def _rule(name: str) -> str:
    """Return one line of the rules for text, to leave out where nothing refers to it."""
    return next(line + "\n" for line in _TEXT.splitlines() if line.startswith(f"{name} ::="))


def _move(name: str, schema: Schema | None) -> str:
    arguments = "plain" if schema is None else _symbol(name)
    return _literal(f"{name}\n{ACTION_INPUT}: ") + " " + arguments


def _symbol(name: str) -> str:
    # Letters and dashes only; the numbers keep apart two names that differ in something else.
    return "arguments-" + re.sub(r"[^A-Za-z-]", lambda m: f"-{ord(m[0])}-", name)


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _value(schema: Schema, *, depth: int) -> str:
    """Turn a JSON schema into an expression; what it cannot say more narrowly becomes any value."""
    if depth > 8:
        return "value"
    if "enum" in schema or "const" in schema:
        choices = schema.get("enum", [schema.get("const")])
        return "(" + " | ".join(_literal(json.dumps(c, ensure_ascii=False)) for c in choices) + ")"
    if "anyOf" in schema:
        return "(" + " | ".join(_value(s, depth=depth + 1) for s in schema["anyOf"]) + ")"
    kind = schema.get("type")
    if kind == "object" and schema.get("properties"):
        return _object(schema, depth)
    if kind == "array":
        item = _value(schema.get("items", {}), depth=depth + 1)
        return f'"[" ({item} (", " {item})*)? "]"'
    simple = {
        "string": "string",
        "integer": "integer",
        "number": "number",
        "boolean": '("true" | "false")',
        "null": '"null"',
        "object": "object",
    }
    return simple.get(str(kind), "value")


def _object(schema: Schema, depth: int) -> str:
    """All required properties in their order, then those that may be left out, each in its place."""
    needed = set(schema.get("required", ()))
    properties: Mapping[str, Schema] = schema["properties"]
    members = {
        k: f"{_literal(json.dumps(k) + ': ')} {_value(v, depth=depth + 1)}" for k, v in properties.items()
    }
    required = [members[k] for k in members if k in needed]
    optional = [members[k] for k in members if k not in needed]
    if required:
        inside = ' ", " '.join(required) + "".join(f' (", " {m})?' for m in optional)
    else:
        # The first one that is there has no comma before it, so each may be that one.
        starts = [m + "".join(f' (", " {n})?' for n in optional[i + 1 :]) for i, m in enumerate(optional)]
        inside = "(" + " | ".join(starts) + ")?"
    return f'"{{" {inside} "}}"'
