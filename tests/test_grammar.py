"""The grammar of a reply: whatever it can produce, the parser reads without a repair."""

from __future__ import annotations

import enum
import functools
import itertools
import json
import random
import re
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage
from pydantic import BaseModel, Field

from agent_app.grammar import Verdict, reply_grammar
from agent_app.models.embedded import open_embedded
from agent_app.parser import ReActOutputParser
from agent_app.steps import Action, Answer


class Port(enum.Enum):
    WINDY = "Windy <Bay>"
    CALM = 'Calm "Cove"'


class Crew(BaseModel):
    name: str
    age: int | None = None
    mates: list[Crew] = []


class Sailor(BaseModel):
    name: str
    age: int | None


class Ship(BaseModel):
    name: str
    sailors: list[Sailor]


class Voyage(BaseModel):
    crew: Crew
    port: Port
    cargo: dict[str, float] = {}
    legs: list[tuple[str, int]] = Field(min_length=1)
    flag: Literal["black", "white"] | bool = "black"
    notes: Any = None


class Hold(BaseModel):
    """Nothing in it is required."""

    rum: int = 0
    gold: bool = False
    note: str | None = None


SCHEMAS: dict[str, Any] = {
    "sail": Voyage.model_json_schema(),
    "stow-it": Hold.model_json_schema(),
    "count": {"type": "object", "properties": {"n": {"type": ["integer", "null"]}}, "required": ["n"]},
    "anything": {"type": "object"},
    "odd": {"type": "object", "properties": {"x": {"$ref": "#/nowhere"}, "y": True, "z": {"type": "array"}}},
}
TOOLS: dict[str, Any] = {"search": None, **SCHEMAS}
PARSER = ReActOutputParser(tool_names=tuple(TOOLS), object_tools=frozenset(SCHEMAS))

_TOKEN = re.compile(
    r' *(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<set>\[(?:[^\]\\]|\\.)*\])|\{(?P<low>\d+),?(?P<high>\d*)\}'
    r"|(?P<sign>[()|?*])|(?P<name>[\w-]+))"
)
LETTERS = "aZ 09:：.,-–•>|`<{[(*_#\"'“”‘\\/=!?\r\t\u00a0\u2028é海🏴\x7f~\n"


class Gbnf:
    """A grammar that was read: it can be written as a regular expression, and produce texts by chance.

    A rule becomes a list of alternatives, each a list of items with how often they stand there.
    """

    def __init__(self, grammar: str) -> None:
        self.rules: dict[str, list[Any]] = {}
        for line in grammar.split("\n"):
            name, expression = line.split(" ::= ", 1)
            tokens = list(_TOKEN.finditer(expression))
            assert "".join(t[0] for t in tokens) == expression
            self.rules[name] = _alternatives(tokens)
            assert not tokens
        self.regex = functools.cache(lambda: re.compile(self.pattern(self.rules["root"])))

    def accepts(self, text: str) -> bool:
        return self.regex().fullmatch(text) is not None

    def pattern(self, alternatives: list[Any]) -> str:
        options = ("".join(self._item_pattern(*item) for item in option) for option in alternatives)
        return f"(?:{'|'.join(options)})"

    def _item_pattern(self, item: Any, low: int, high: int | None) -> str:
        inner = item if isinstance(item, re.Pattern) else None
        text = inner.pattern if inner else self.pattern(self.rules[item] if isinstance(item, str) else item)
        return f"(?:{text}){{{low},{'' if high is None else high}}}"

    def produce(self, chance: random.Random, name: str = "root") -> str:
        return self._produce(self.rules[name], chance)

    def _produce(self, alternatives: list[Any], chance: random.Random) -> str:
        made = ""
        for item, low, high in chance.choice(alternatives):
            for _ in range(chance.randint(low, min(low + 2 if high is None else high, low + 30))):
                if isinstance(item, re.Pattern):
                    made += chance.choice(_fitting(item))
                else:
                    made += self._produce(self.rules[item] if isinstance(item, str) else item, chance)
        return made


@functools.cache
def _fitting(item: re.Pattern[str]) -> list[str]:
    """Return a few texts that match a literal or a set."""
    if not item.pattern.startswith("["):
        return [re.sub(r"\\(.)", r"\1", item.pattern, flags=re.DOTALL)]
    return [c for c in LETTERS if item.fullmatch(c)]


def _alternatives(tokens: list[re.Match[str]]) -> list[Any]:
    found: list[Any] = [[]]
    while tokens and tokens[0]["sign"] != ")":
        token = tokens.pop(0)
        if token["sign"] == "|":
            found.append([])
            continue
        item: Any = token["name"]
        if token["text"]:
            item = re.compile(re.escape(json.loads(token["text"])))
        elif token["set"]:
            item = re.compile("[" + token["set"][1:].replace("[", r"\["))
        elif token["sign"] == "(":
            item = _alternatives(tokens)
            assert tokens.pop(0)["sign"] == ")"
        follow = tokens[0] if tokens else token
        low = 1
        high: int | None = 1
        if follow["sign"] in ("?", "*") or follow["low"]:
            tokens.pop(0)
            low = int(follow["low"] or 0)
            high = {"?": 1, "*": None}.get(follow["sign"] or "", int(follow["high"] or low))
        found[-1].append((item, low, high))
    return found


NORMAL = Gbnf(reply_grammar(TOOLS))
OPENED = Gbnf(reply_grammar(TOOLS, openings=["Arr, ", "Ahoy! "]))


@settings(max_examples=300, deadline=None)
@given(st.integers(min_value=0), st.sampled_from([NORMAL, OPENED]))
def test_what_the_grammar_produces_is_read_without_a_repair(seed: int, grammar: Gbnf) -> None:
    reply = grammar.produce(random.Random(seed))
    move = PARSER.parse(reply)
    assert move.repairs == ()
    head, _, tail = reply.partition("\nAction: ")
    if isinstance(move, Action):
        assert move.thought == head.strip()
        name, _, written = tail.partition("\nAction Input: ")
        assert move.tool == name
        assert move.input == (written.strip() if name == "search" else json.loads(written, strict=False))
    else:
        thought, _, answer = reply.partition("\nFinal Answer: ")
        assert (move.thought, move.text) == (thought.strip(), answer.strip())


@settings(max_examples=100, deadline=None)
@given(st.integers(min_value=0), st.sampled_from(["action", "either", "answer"]))
def test_a_verdict_leads_to_what_may_follow(seed: int, then: Literal["action", "either", "answer"]) -> None:
    verdict = Verdict("It says", "that is it", "it lacks", then, "I could not find")
    grammar = Gbnf(reply_grammar(TOOLS, openings=["Arr, "], verdict=verdict))
    move = PARSER.parse(grammar.produce(random.Random(seed)))
    assert move.repairs == ()
    said, between, rest = move.thought.partition("; ")
    assert said.startswith("It says ")
    assert between
    missing = rest.startswith("it lacks")
    assert missing or rest == "that is it"
    if isinstance(move, Action):
        assert missing
        assert then != "answer"
    else:
        assert not missing or then != "action"
        # An answer may be no more than its opening, whose last space is then not part of it.
        assert f"{move.text} ".startswith("Arr, I could not find " if missing else "Arr, ")


@settings(max_examples=100, deadline=None)
@given(st.integers(min_value=0), st.sampled_from([(), ("Arr, ",)]))
def test_a_last_answer_is_read_whole(seed: int, openings: tuple[str, ...]) -> None:
    reply = Gbnf(reply_grammar({}, openings=openings, last=True)).produce(random.Random(seed))
    reader = PARSER.reader()
    reader.feed("Final Answer:\n")
    reader.feed(reply)
    assert reader.close() == Answer(reply.strip())
    assert f"{reply.strip()} ".startswith("".join(openings))


HOSTILE = [
    "Action: search",
    "Final Answer: no",
    "**Action** ",
    "# Action",
    "Observation",
    "x. Action: search",
    "x. Final Answer: no",
    "5:6 Action 1:2",
    "<think>",
    "</think>x",
    "a <|im_end|> b",
    "a <end_of_turn> b",
    "a <｜end▁of▁sentence｜>",
    "```",
    "a ```",
    "`a`",
    '"a"',
    "[TOOL_CALLS]",
    '{"action": "search"}',
    "a Observation:",
    "a Observation: ",
    "Answer: a",
    "Thought: a",
    "1. Thought: a",
    "- Action: a",
    "search(x)",
    "\r",
    "\u2028",
    "\u200b",
    " ",
]


def test_nothing_hostile_that_the_grammar_accepts_is_misread() -> None:
    """Random letters never spell a label, so spell them out and see which the grammar lets through."""
    grammar = Gbnf(reply_grammar({"search": None}))
    parser = ReActOutputParser(tool_names=("search",))
    accepted = 0
    for thought, text in itertools.product(["Aye", *HOSTILE], ["Aye", *HOSTILE]):
        for label, meant in (
            ("Action: search\nAction Input", text),
            ("Final Answer", text),
            ("Final Answer", f"a\n{text}"),
        ):
            reply = f" {thought}\n{label}: {meant}"
            if grammar.accepts(reply):
                accepted += 1
                move = parser.parse(reply)
                assert move.repairs == (), reply
                assert move.thought == thought.strip()
                assert (move.input if isinstance(move, Action) else move.text) == meant.strip()
    assert accepted > 50


def test_only_required_properties_have_to_be_there() -> None:
    grammar = Gbnf(reply_grammar({"stow": SCHEMAS["stow-it"]}))

    def accepts(arguments: str) -> bool:
        return grammar.accepts(f" Stow it\nAction: stow\nAction Input: {arguments}")

    assert accepts("{}")
    assert accepts('{"gold": true}')
    assert accepts('{"rum": 5, "note": null}')
    assert not accepts('{"note": null, "rum": 5}')
    assert not accepts('{"rum": "much"}')
    assert not accepts('{"grog": 1}')


def test_a_reference_is_followed_to_its_definition() -> None:
    grammar = Gbnf(reply_grammar({"board": Ship.model_json_schema()}))

    def accepts(arguments: str) -> bool:
        return grammar.accepts(f" Board\nAction: board\nAction Input: {arguments}")

    assert accepts(
        '{"name": "Gull", "sailors": [{"name": "Mary", "age": 20}, {"name": "Jack", "age": null}]}'
    )
    assert accepts('{"name": "Gull", "sailors": []}')
    assert not accepts('{"name": "Gull", "sailors": ["Mary"]}')
    assert not accepts('{"name": "Gull", "sailors": [{"age": 20}]}')


def test_without_tools_only_an_answer_is_left() -> None:
    assert "Action" not in reply_grammar({})
    assert PARSER.parse(Gbnf(reply_grammar({})).produce(random.Random(1))).repairs == ()
    verdict = Verdict("It says", "that is it", "it lacks", "action", "I could not find")
    assert '"it lacks " rest "\\n" regret' in reply_grammar({}, verdict=verdict)


def test_every_rule_is_used_and_there() -> None:
    for grammar in (
        reply_grammar(TOOLS),
        reply_grammar({}, last=True),
        reply_grammar({"count": SCHEMAS["count"]}),
    ):
        expressions = dict(line.split(" ::= ", 1) for line in grammar.split("\n"))
        used = {t["name"] for text in expressions.values() for t in _TOKEN.finditer(text) if t["name"]}
        assert used | {"root"} == set(expressions)


def test_llama_cpp_accepts_the_grammar(smollm2: Path) -> None:
    question = [HumanMessage("Use a tool. Question: where is the gold?"), AIMessage("Thought:")]
    grammars = [
        reply_grammar(TOOLS),
        reply_grammar(TOOLS, openings=["Arr, "]),
        reply_grammar({"sail": SCHEMAS["sail"]}),
        reply_grammar({}),
        reply_grammar({}, last=True),
    ]
    model = open_embedded(smollm2, context=1024)
    try:
        for grammar in grammars:
            written = model.invoke(question, grammar=grammar, max_tokens=12).text
            assert written.startswith(" "), grammar
    finally:
        model.close()


@pytest.mark.parametrize("name", ["a_b", "a-b", "a.b", "a1"])
def test_a_tool_of_any_name_can_be_written(name: str) -> None:
    grammar = reply_grammar({name: SCHEMAS["count"]})
    reply = f' Go\nAction: {name}\nAction Input: {{"n": 3}}'
    assert Gbnf(grammar).accepts(reply)
    assert ReActOutputParser(tool_names=(name,)).parse(reply) == Action(name, {"n": 3}, "Go")
