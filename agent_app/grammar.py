"""The ReAct format as a grammar, so that a model that obeys one cannot write anything else.

The grammar is GBNF, the notation of llama.cpp. It is made from the same words as the parser, and it
is narrower than what the parser forgives: whatever it lets a model write, the parser reads without a repair.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from agent_app.labels import ACTION, ACTION_INPUT, BEFORE_VERDICT, FINAL_ANSWER

Schema = Mapping[str, Any]

# A colon stands only between digits (14:05), or so far within a line that none can become a label;
# brackets, fences and tags are left out where they would begin something else. Nothing is all white
# space. A plain input ends in no colon and no fence.
_SPACE = r"\x00-\x20\x7f-\xa0\u1680\u2000-\u200f\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
_TEXT = rf"""
thought ::= first char{{0,240}}
fact ::= told{{1,320}}
rest ::= char{{1,240}}
plain ::= first inner{{0,300}}
reply ::= (opening wide{{0,800}} | short) ("\n" line){{0,12}}
opening ::= visible char{{64}}
short ::= visible char{{0,63}}
line ::= "- "? first char{{0,240}}
first ::= [^{_SPACE}:：`<{{[*_#"'“]
visible ::= [^{_SPACE}:：<*_]
char ::= [^\r\n:：`<{{[] | [0-9] ":" [0-9]
told ::= [^;\r\n:：`<{{[] | [0-9] ":" [0-9]
wide ::= [^\r\n<] | less
inner ::= [^\r\n<:：`] | [:：`] " "? [^{_SPACE}<:：`] | less
less ::= "<" [^\r\n:：`|｜/<es]
"""

_JSON = r"""
scalar ::= string | number | "true" | "false" | "null"
string ::= "\"" ([^"\\\x00-\x1f<] | "<" [ =0-9] | "\\" ["\\nt/])* "\""
number ::= integer ("." [0-9]{1,15})?
integer ::= "-"? ("0" | [1-9] [0-9]{0,15})
boolean ::= "true" | "false"
"""

_DEEPEST_SCHEMA = 8
_DEEPEST_FREE = 4
_NAMED_TYPES = {
    "string": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "null": '"null"',
}
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\]|\{[\d,]*\}|(?P<name>[A-Za-z][A-Za-z0-9-]*)')


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a thought about passages has to be made of, and what may follow."""

    evidence: str
    """The thought begins so; what there is follows, and after a semicolon the verdict on it."""
    stated: str
    """The thought ends so, and a final answer follows."""
    missing: str
    """Or it goes on so."""
    then: Literal["action", "either", "answer"] = "action"
    """What follows what is missing: an action, a final answer, or one of the two."""
    regret: str = ""
    """How a final answer goes on after its opening when something is missing; empty: as the model likes."""


def reply_grammar(
    tools: Mapping[str, Schema | None],
    *,
    openings: Sequence[str] = (),
    form: Schema | None = None,
    last: bool = False,
    must_act: bool = False,
    verdict: Verdict | None = None,
) -> str:
    """Return the grammar of one reply: a thought, then an action with its input or a final answer.

    Args:
        tools: the tools on offer, each with the JSON schema of its arguments, or None when its
            input is plain text. Without any tool only a final answer is left.
        openings: texts of which a final answer must begin with one; none: it begins as the model likes.
        form: the JSON schema of a final answer that is data; it has no opening then.
        last: no tool may be used any more, and the model goes on after the words ``Final Answer:``;
            otherwise it goes on after ``Thought:``.
        must_act: a tool has to be used, so that there is no final answer.
        verdict: what the thought is made of, and what that leads to; None: as the model likes.
    """
    rules = _rules_in(_TEXT) | _rules_in(_JSON) | _free_json()
    if openings:
        rules["opening"] = _either(map(_literal, openings))
        rules["reply"] = rules["reply"].replace(" | short", "")
    schemas = _SchemaRules(rules)
    if form is not None:
        rules["reply"] = schemas.add("final answer", form)
    moves = [
        _literal(f"{name}\n{ACTION_INPUT}: ")
        + " "
        + ("plain" if schema is None else schemas.add(name, schema))
        for name, schema in tools.items()
    ]
    rules["action"] = f'"{ACTION}: " {_either(moves)} "\\n"?'
    rules["answer"] = f'"{FINAL_ANSWER}: " reply "\\n"?'
    either = "(action | answer)" if tools else "answer"
    if verdict is not None:
        regret = "answer"
        if verdict.regret and form is None:
            regret = "regret"
            rules[regret] = _regret(verdict.regret, openings)
        follows = {"action": "action", "either": f"(action | {regret})", "answer": regret}
        then = follows[verdict.then] if tools else regret
        stated = f'{_literal(verdict.stated)} "\\n" answer'
        missing = f'{_literal(f"{verdict.missing} ")} rest "\\n" {then}'
        rules["root"] = (
            f'{_literal(f" {verdict.evidence} ")} fact "{BEFORE_VERDICT}" {_either((stated, missing))}'
        )
    elif last:
        rules["root"] = '" " reply "\\n"?'
    else:
        rules["root"] = f'" " thought "\\n" {"action" if must_act else either}'
    return "\n".join(f"{name} ::= {rules[name]}" for name in _reachable(rules))


def _regret(words: str, openings: Sequence[str]) -> str:
    """Return the rule of a final answer that goes on with these words after its opening."""
    begun = [f"{FINAL_ANSWER}: {opening.rstrip()} {words} " for opening in openings]
    return f'{_either(map(_literal, begun or [f"{FINAL_ANSWER}: {words} "]))} wide{{0,300}} "\\n"?'


def _rules_in(text: str) -> dict[str, str]:
    pairs = (line.split(" ::= ", 1) for line in text.strip().splitlines())
    return {pair[0]: pair[1] for pair in pairs}


def _reachable(rules: Mapping[str, str]) -> list[str]:
    """Return the names of the rules that the root leads to, itself first."""
    found = ["root"]
    for name in found:
        used = dict.fromkeys(m["name"] for m in _TOKEN.finditer(rules[name]) if m["name"])
        found += [other for other in used if other not in found]
    return found


def _free_json() -> dict[str, str]:
    """Return the rules of any JSON after RFC 8259, nested a few levels deep."""
    rules = {f"value-{_DEEPEST_FREE}": "scalar"}
    for level in range(_DEEPEST_FREE):
        mark, inner = f"-{level}" if level else "", f"value-{level + 1}"
        rules[f"value{mark}"] = f"scalar | object{mark} | array{mark}"
        rules[f"object{mark}"] = _mapping(inner)
        rules[f"array{mark}"] = _list(inner)
    return rules


class _SchemaRules:
    """Adds the rules for JSON schemas; what they cannot say narrowly becomes any value."""

    def __init__(self, rules: dict[str, str]) -> None:
        self._rules = rules
        self._root: Schema = {}
        self._tool = ""

    def add(self, tool: str, schema: Schema) -> str:
        """Add the rules for a tool's arguments and return the name of the first one."""
        self._root = schema
        # Letters, digits and dashes only; the numbers keep apart two names that differ in something else.
        self._tool = "arguments-" + re.sub(r"[^A-Za-z0-9]", lambda m: f"-{ord(m[0])}-", tool)
        return self._named(self._tool, schema, 0)

    def _named(self, name: str, schema: Schema, depth: int) -> str:
        if name not in self._rules:
            self._rules[name] = ""  # it is on its way, should it lead to itself
            self._rules[name] = self._value(schema, depth)
        return name

    def _value(self, schema: Any, depth: int) -> str:
        if depth > _DEEPEST_SCHEMA or not isinstance(schema, Mapping):
            return "value"
        if "$ref" in schema:
            return self._referred(str(schema["$ref"]), depth)
        if "enum" in schema or "const" in schema:
            return _either(_literal(_json(c)) for c in schema.get("enum", [schema.get("const")]))
        options = next((schema[k] for k in ("anyOf", "oneOf") if schema.get(k)), None)
        if options:
            return _either(self._value(option, depth) for option in options)
        if len(schema.get("allOf", ())) == 1:
            return self._value(schema["allOf"][0], depth)
        kind = schema.get("type")
        if isinstance(kind, list):
            return _either(self._value({**schema, "type": one}, depth) for one in kind)
        if kind == "object":
            return self._object(schema, depth + 1)
        if kind == "array":
            return self._array(schema, depth + 1)
        return _NAMED_TYPES.get(str(kind), "value")

    def _referred(self, reference: str, depth: int) -> str:
        """Return the rule of a definition; one for each depth, so that what holds itself comes to an end."""
        target: Any = self._root
        for key in reference.removeprefix("#/").split("/"):
            target = target.get(key) if isinstance(target, Mapping) else None
        label = re.sub(r"[^A-Za-z0-9]", lambda m: f"-{ord(m[0])}-", reference)
        if not isinstance(target, Mapping) or depth > _DEEPEST_SCHEMA:
            return "value"
        return self._named(f"{self._tool}{label}-at-{depth}", target, depth + 1)

    def _object(self, schema: Schema, depth: int) -> str:
        """All required properties in their order, then those that may be left out, each in its place."""
        properties: Mapping[str, Any] = schema.get("properties", {})
        if not properties:
            inner = schema.get("additionalProperties")
            return (
                _mapping(self._shared(self._value(inner, depth))) if isinstance(inner, Mapping) else "object"
            )
        needed = set(schema.get("required", ()))
        members = {k: f"{_literal(_json(k) + ': ')} {self._value(v, depth)}" for k, v in properties.items()}
        required = [members[k] for k in members if k in needed]
        optional = [self._shared(members[k]) for k in members if k not in needed]
        if required:
            inside = ' ", " '.join(required) + _each_perhaps(optional)
        else:
            # The first one that is there has no comma before it, so each may be that one.
            starts = [first + _each_perhaps(optional[i:]) for i, first in enumerate(optional, 1)]
            inside = _either(starts) + "?"
        return f'"{{" {inside} "}}"'

    def _shared(self, expression: str) -> str:
        """Give what is needed in more than one place a rule of its own."""
        if expression in self._rules:
            return expression
        name = f"{self._tool}-part-{len(self._rules)}"
        self._rules[name] = expression
        return name

    def _array(self, schema: Schema, depth: int) -> str:
        if schema.get("prefixItems"):
            return '"[" ' + ' ", " '.join(self._value(s, depth) for s in schema["prefixItems"]) + ' "]"'
        return _list(self._shared(self._value(schema.get("items"), depth)), empty=not schema.get("minItems"))


def _mapping(value: str) -> str:
    return f'"{{" (string ": " {value} (", " string ": " {value})*)? "}}"'


def _list(item: str, *, empty: bool = True) -> str:
    return f'"[" ({item} (", " {item})*){"?" if empty else ""} "]"'


def _each_perhaps(members: Iterable[str]) -> str:
    return "".join(f' (", " {member})?' for member in members)


def _either(expressions: Iterable[str]) -> str:
    return "(" + " | ".join(expressions) + ")"


def _json(value: Any) -> str:
    # A '<' might begin a tag; JSON has another way to write it.
    return json.dumps(value, ensure_ascii=False).replace("<", r"\u003c")


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
