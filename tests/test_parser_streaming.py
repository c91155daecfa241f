"""A reply that arrives piece by piece is read as if it had come whole, and told as soon as it is certain."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from timing import assert_linear

from agent_app.parser import FormatError, Piece, ReActOutputParser, ReplyReader
from agent_app.steps import Action, Answer

TOOLS = ("calculator", "search")
PARSER = ReActOutputParser(tool_names=TOOLS, object_tools=frozenset({"search"}))
ANY_TOOL = ReActOutputParser()
FRAGMENTS = [
    "Thought: hmm",
    "Action: search",
    "Action: calculator",
    "Action Input: 2",
    "Final Answer: z <b>",
    "Observation: q",
    "```",
    "```json",
    "{",
    "}",
    '{"action": "x", "action_input": "q"}',
    "<think>",
    "</think>",
    "text. Action: a",
    "**Action**",
    "## Answer",
    "**Action Input**",
    "**Final Answer**",
    "**Final Answer: x**",
    "x**",
    "# Thought",
    " ",
    "a",
    "Ac",
    "tion:",
    "Answer: 5",
    "Input: 3",
    "<|im_end|>",
    "<tool_call>",
    "Final",
    " Answer:",
    "x Action: y Action Input: z",
    "\r\n",
    '"q"',
    'Action: f("x")',
    "Question: a",
    "Observation",
    "[TOOL_CALLS]",
    "[THINK]",
    "<|channel|>analysis<|message|>",
    "<|end|><|start|>assistant<|channel|>final<|message|>",
    "\ud800",
    "\udc00",
    "\u2028",
    "：",
    "\x00",
    "a=1",
    "None",
    "Finish[3]",
    "🔧 Action: search",
    "Action\u00a0#2: a",
]
REPLIES = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=4), max_size=12).flatmap(
    lambda parts: st.lists(st.sampled_from(["", "\n", " "]), min_size=len(parts), max_size=len(parts)).map(
        lambda ends: "".join(p + e for p, e in zip(parts, ends, strict=True))
    )
)


def read(pieces: list[str], tools: tuple[str, ...] = TOOLS) -> tuple[Action | Answer | str, list[Piece]]:
    reader = ReplyReader(tools, {"search"} & set(tools))
    told = []
    for piece in pieces:
        told += reader.feed(piece)
    try:
        move: Action | Answer | str = reader.close()
    except FormatError as error:
        move = str(error.observation)
    return move, told + reader.pieces()


def joined(told: list[Piece], kind: str) -> str:
    return "".join(piece.text for piece in told if piece.kind == kind)


@settings(max_examples=300, deadline=None)
@given(REPLIES, st.sampled_from([PARSER, ANY_TOOL]))
def test_there_is_no_fourth_outcome(reply: str, parser: ReActOutputParser) -> None:
    move: Action | Answer | FormatError
    try:
        move = parser.parse(reply)
    except FormatError as error:
        move = error
    if isinstance(move, FormatError):
        assert str(move.observation).encode().strip()
        return
    if isinstance(move, Answer):
        assert move.text == move.text.strip() != ""
    else:
        assert move.tool
        assert parser is ANY_TOOL or move.tool in TOOLS
    content = move.text if isinstance(move, Answer) else [move.tool, move.input]
    json.dumps([content, move.thought, move.repairs], ensure_ascii=False, allow_nan=False).encode()


@settings(max_examples=300, deadline=None)
@example(reply="# Thought<|im_end|>\n", cuts=[10], known=True)
@example(reply="## Action<|im_end|> and all that is said after it\nx", cuts=[], known=True)
@given(REPLIES, st.lists(st.integers(0, 120), max_size=8), st.booleans())
def test_however_it_is_cut_it_comes_to_the_same(reply: str, cuts: list[int], known: bool) -> None:
    tools = TOOLS if known else ()
    whole, _ = read([reply], tools)
    ends = [0, *sorted(min(cut, len(reply)) for cut in cuts), len(reply)]
    parts = [reply[a:b] for a, b in itertools.pairwise(ends)]
    for pieces in (parts, list(reply)):
        move, told = read(pieces, tools)
        assert move == whole
        assert all(piece.text or piece.kind == "input" for piece in told)  # an input is told though empty
        if isinstance(move, str):
            continue
        assert joined(told, "thought") == move.thought
        if isinstance(move, Action):
            assert joined(told, "tool") == move.tool
            assert joined(told, "answer") == ""
        else:
            assert joined(told, "tool") == joined(told, "input") == ""
            assert joined(told, "answer") == move.text


def test_a_long_answer_is_told_word_by_word() -> None:
    answer = "Arr, the Treasure be: north of the action, by 3 palms, _quite_ near (they say)."
    words = answer.split() * 5
    reader = ReplyReader(TOOLS)
    reader.feed("Thought: I know\nFinal Answer: ")
    behind = 0
    told = ""
    for count, word in enumerate(words):
        told += joined(reader.feed(f"{word} "), "answer")
        behind = max(behind, count + 1 - len(told.split()))
    assert behind <= 1
    move = reader.close()
    assert isinstance(move, Answer)
    assert told + joined(reader.pieces(), "answer") == move.text == " ".join(words).strip()


def test_a_thought_is_told_before_its_line_ends() -> None:
    reader = ReplyReader(TOOLS)
    assert joined(reader.feed("I wonder about the "), "thought") == "I wonder about the"
    assert joined(reader.feed("tide. The "), "thought") == " tide. The"
    assert reader.feed("act") == []
    assert reader.feed("ion: search\n") == [Piece("thought", " action: search")]
    assert reader.feed("Action: calculator\nAction Input: 2+2") == []
    assert reader.feed("\nObservation") == []
    assert reader.feed(": 4") == [Piece("tool", "calculator"), Piece("input", "2+2")]
    assert reader.done
    assert reader.close() == Action(
        "calculator",
        "2+2",
        "I wonder about the tide. The action: search",
        ("Observation after the action dropped",),
    )


def test_an_action_is_done_as_soon_as_the_next_label_is_written() -> None:
    reader = ReplyReader(TOOLS)
    reader.feed("Action: calculator\nAction Input: 2+2\nObservation: 4\n")
    assert reader.done
    assert reader.feed("Final Answer: 4") == []
    assert isinstance(reader.close(), Action)


def test_a_closing_mark_is_not_told() -> None:
    for cut in range(25):
        reply = "**Final Answer: so be it**"
        move, told = read([reply[:cut], reply[cut:]])
        assert move == Answer("so be it", repairs=("decorated label",))
        assert joined(told, "answer") == "so be it"


@pytest.mark.parametrize(
    "pattern", ["a", " ", "a ", "Thought: ", "**", "{", "<", "x. Final ", "\n", "Action: x ", "`"]
)
def test_time_grows_with_length_alone(pattern: str) -> None:
    def stream(size: int) -> None:
        reply = pattern * (size // len(pattern)) + " "
        for before in ("", "Final Answer: ", "**Final Answer: "):
            read([before, *(reply[i : i + 3] for i in range(0, len(reply), 3))])
            read([before, reply, "x"])

    assert_linear(stream, 3_000)
