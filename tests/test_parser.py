"""One reply of a model becomes an action, an answer, or the sentence that the model should read."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from timing import assert_linear

from agent_app.parser import FormatError, ReActOutputParser
from agent_app.prompt.scratchpad import scratchpad
from agent_app.steps import Action, Answer, Arguments

TOOLS = ("calculator", "search", "chart-plot", "Chart_Plot")
PARSER = ReActOutputParser(tool_names=TOOLS, object_tools=frozenset({"search"}))
ANY_TOOL = ReActOutputParser()
CHOICE = (
    "To use a tool, write a line 'Action:' with one of [calculator, search, chart-plot, Chart_Plot] and then "
    "a line 'Action Input:'. If you know the answer, write 'Final Answer:' and the answer."
)

ANALYSIS = "<|channel|>analysis<|message|>"
FINAL = "<|end|><|start|>assistant<|channel|>final<|message|>"
NO_INPUT = "There was no input for calculator. Write a line 'Action Input:' after 'Action: calculator'."
NO_ANSWER = "The final answer was empty. Write the answer after 'Final Answer:'."
BLOB_ANSWER = ["action written as JSON", "final answer written as an action"]
NO_FLYING = "There is no tool 'fly'; known: calculator, search, chart-plot, Chart_Plot."
NO_CHART = "There is no tool 'chart plot'; did you mean 'Chart_Plot' or 'chart-plot'?"


def not_object(problem: str) -> str:
    return f'The Action Input of search must be a JSON object: {problem}. Write it as {{"name": value}}.'


def complaint(reply: str) -> str:
    with pytest.raises(FormatError) as caught:
        PARSER.parse(reply)
    assert caught.value.llm_output == reply
    assert caught.value.send_to_llm
    return str(caught.value.observation)


def test_the_plain_format_needs_no_repair() -> None:
    assert PARSER.parse("Thought: add up\nAction: calculator\nAction Input: 2 + 2") == Action(
        "calculator", "2 + 2", "add up"
    )
    assert PARSER.parse(" I know it\nFinal Answer: Arr, four!\n\nThat be all.\n") == Answer(
        "Arr, four!\n\nThat be all.", "I know it"
    )
    assert PARSER.parse('Thought: look\nAction: search\nAction Input: {"text": "rum", "n": 3}') == Action(
        "search", {"text": "rum", "n": 3}, "look"
    )


@pytest.mark.parametrize(
    ("reply", "repairs"),
    [
        ("**Action:** calculator\n**Action Input:** 2+2", ["decorated label"]),
        ("**Action: calculator**\n**Action Input: 2+2**", ["decorated label"]),
        ("`Action: calculator`\n`Action Input: 2+2`", ["decorated label"]),
        ("### Action\ncalculator\n### Action Input\n2+2", ["label without a colon"]),
        ("> 1. Action: calculator\n> 2. Action Input: 2+2", ["decorated label"]),
        ("Action 3: calculator\nAction Input 3: 2+2", ["numbered label"]),
        ("ACTION: calculator\naction_input: 2+2", ["label in other letters"]),
        ("Action：calculator\nAction Input：2+2", ["fullwidth colon"]),
        ("Action: calculator\nInput: 2+2", ["short label"]),
        ("So be it. Action: calculator\nAction Input: 2+2", ["labels within a line"]),
        ("so be it Action: calculator Action Input: 2+2", ["labels within a line"]),
        ("Action: calculator Action Input: 2+2", ["labels within a line"]),
        ("Action: Calculator.\nAction Input: 2+2", ["tool's name cleaned"]),
        ("Action: **calculator**\nAction Input: 2+2", ["tool's name cleaned"]),
        ("Action: [calculator]\nAction Input: 2+2", ["tool's name cleaned"]),
        ("Action: functions.calculator\nAction Input: 2+2", ["tool's name cleaned"]),
        ("Action: I will use the calculator tool to add\nAction Input: 2+2", ["tool's name cleaned"]),
        ("Action: Use the tool: calculator\nAction Input: 2+2", ["tool's name cleaned"]),
        ("Action: calculator (for sums)\nAction Input: 2+2", ["tool's name cleaned"]),
        ("Action: calculator\nit adds\nAction Input: 2+2", ["text after the tool's name dropped"]),
        ('Action: calculator\nAction Input: "2+2"', ["quotes around the input"]),
        ("Action: calculator\nAction Input: “2+2”", ["quotes around the input"]),
        ("Action: calculator\nAction Input: `2+2`", ["quotes around the input"]),
        ("Action: calculator\nAction Input: ```2+2```", ["code fence around the input"]),
        ("Action: calculator\nAction Input:\n```python\n2+2\n```", ["code fence around the input"]),
        ("Action: calculator\nAction Input: 2+2```", ["stray code fence"]),
        ("Action: calculator\nAction Input: ```py\n2+2", ["open code fence", "stray code fence"]),
        ("```\nAction: calculator\nAction Input: 2+2\n```", ["code fence around the reply"]),
        (
            "````\nAction: calculator\nAction Input:\n```\n2+2\n```\n````",
            ["code fence around the reply", "code fence around the input"],
        ),
        ("```Action: calculator\nAction Input: 2+2", ["code fence around the reply"]),
        ('Action: calculator("2+2")', ["call written as a function"]),
        ("Action: calculator[2+2]", ["call written as a function"]),
        ('{"action": "calculator", "action_input": "2+2"}', ["action written as JSON"]),
        (
            'Action:\n```json\n{"action": "calculator", "action_input": "2+2"}\n```',
            ["code fence around the reply", "action written as JSON"],
        ),
        (
            'Action:\n```$JSON_BLOB\n{"action": "calculator", "action_input": "2+2"}\n```',
            ["code fence around the reply", "action written as JSON"],
        ),
        ("{'tool': 'calculator', 'tool_input': '2+2'}", ["action written as JSON", "single quotes in JSON"]),
        (
            "<think>Action: search\nAction Input: x</think>\nAction: calculator\nAction Input: 2+2",
            ["reasoning tags"],
        ),
        ("<tool_call>\nAction: calculator\nAction Input: 2+2</tool_call>\nDone.", ["tags around a call"]),
        ("[THINK]Final Answer: 5[/THINK]Action: calculator\nAction Input: 2+2", ["reasoning tags"]),
        (
            "so be it\nAction: search\nAction Input: x\n</think>\nAction: calculator\nAction Input: 2+2",
            ["reasoning tags"],
        ),
        (
            f"{ANALYSIS}Action: x\nAction Input: x{FINAL}Action: calculator\nAction Input: 2+2<|return|>",
            ["reasoning tags", "end-of-turn token"],
        ),
        (
            "<|im_start|>assistant\nAction: calculator\nAction Input: 2+2<|im_end|>",
            ["template token", "end-of-turn token"],
        ),
        (
            "<|start_header_id|>assistant<|end_header_id|>\n\nAction: calculator\nAction Input: 2+2",
            ["template token"],
        ),
        (
            "<|start_of_role|>assistant<|end_of_role|>Action: calculator\nAction Input: 2+2<|eot|>",
            ["template token", "end-of-turn token"],
        ),
        (
            "Action: calculator\nAction Input: 2+2\nObservation: 5\nFinal Answer: 5",
            ["Observation after the action dropped"],
        ),
        (
            "Action: calculator\nAction Input: 2+2\n**Observation**\n5",
            ["label without a colon", "Observation after the action dropped"],
        ),
        (
            "**Action**\ncalculator\n**Action Input**\n2+2\n**Final Answer**\n5",
            ["label without a colon", "Final Answer after the action dropped"],
        ),
        (
            "Action: calculator\nAction Input: 2+2\nAction: search\nAction Input: x",
            ["Action after the action dropped"],
        ),
        ("Action: calculator\nAction Input: 2+2\nFinal Answer: 5", ["Final Answer after the action dropped"]),
        ("Action: calculator\nAction Input: 2+2 Observation:", ["label at the input's end dropped"]),
        ("Action: calculator\nAction Input: 2+2\nObserv", ["label at the input's end dropped"]),
        (
            "so be it Action: calculator Action Input: 2+2 Observation: 5 Final Answer: 5",
            ["labels within a line", "Observation after the action dropped"],
        ),
        ("Action: search\nAction: calculator\nAction Input: 2+2", ["action without an input dropped"]),
        ("Action: None\nAction Input: None\nAction: calculator\nAction Input: 2+2", ["empty action dropped"]),
        (
            "Observation: it is 5\nAction: calculator\nAction Input: 2+2",
            ["Observation before the move dropped"],
        ),
        ("Question: what?\nAction: calculator\nAction Input: 2+2", ["Question before the move dropped"]),
        ("Final Answer:\nThought:\nAction: calculator\nAction Input: 2+2", ["empty final answer dropped"]),
        ("Final Answer:\nAction: calculator\nAction Input: 2+2", ["empty final answer dropped"]),
        (
            "So be it. **Action:** calculator\n**Action Input:** 2+2",
            ["labels within a line", "decorated label"],
        ),
        ("Action: calculator\n**Tool Input:** 2+2", ["another name of the label"]),
        ("Action: calculator\nArguments: 2+2", ["another name of the label"]),
        (
            'Action: calculator("2+2"), calculator("3+3")',
            ["call written as a function", "text after the call dropped"],
        ),
        (
            "Action: calculator\nAction Input:\n```\n2+2\n```\n*I wait for the result.*",
            ["code fence around the input", "text after the code fence dropped"],
        ),
        (
            "Action: calculator\n```\n2+2\n```\nI wait.",
            [
                "call written as a function",
                "code fence around the input",
                "text after the code fence dropped",
            ],
        ),
        (
            "Action: calculator\nAction Input: 2+2\n<think>\nAnd then\n</think>\nFinal Answer: 5",
            ["reasoning tags"],
        ),
        ("<think>\nHm\n</think>\nAction: calculator\nAction Input: 2+2\n</think>", ["reasoning tags"]),
        (
            "<thought>\nAction: search\nAction Input: x\n</thought>\nAction: calculator\nAction Input: 2+2",
            ["reasoning tags"],
        ),
        (
            "<s>Action: calculator\nAction Input: 2+2</s>",
            ["template token", "end-of-turn token"],
        ),
        (
            'Action: calculator\nAction Input: {"action": "calculator", "action_input": "2+2"}',
            ["the call written once more in its input"],
        ),
        (
            '<tool_call>\n{"name": "calculator", "arguments": "2+2"\n</tool_call>',
            ["tags around a call", "action written as JSON", "closing bracket added"],
        ),
    ],
)
def test_what_is_forgiven_is_named(reply: str, repairs: list[str]) -> None:
    move = PARSER.parse(reply)
    assert isinstance(move, Action)
    assert (move.tool, move.input) == ("calculator", "2+2")
    assert move.thought in ("", "So be it.", "so be it")
    assert list(move.repairs) == repairs


def test_an_escape_in_quotes_is_a_character_that_can_be_sent() -> None:
    move = PARSER.parse('Action: calculator\nAction Input: "\\ud83d + 1"')
    assert isinstance(move, Action)
    assert move.input == "\ufffd + 1"


@pytest.mark.parametrize(
    ("written", "arguments", "repairs"),
    [
        ('{"text": "rum"} and so I wait', {"text": "rum"}, ["text after the arguments dropped"]),
        ('{"text": "rum"}\nNow I wait.', {"text": "rum"}, ["text after the arguments dropped"]),
        (
            "{'text': 'rum', 'n': None}",
            {"text": "rum", "n": None},
            ["single quotes in JSON", "Python's words in JSON"],
        ),
        ('{"text": "rum", "n": [1, 2', {"text": "rum", "n": [1, 2]}, ["closing bracket added"]),
        ('```json{"text": "rum"}```', {"text": "rum"}, ["code fence around the input"]),
        ('{\n  "text": "a\n\nAction plan"\n}', {"text": "a\n\nAction plan"}, []),
        ('json\n{"text": "rum"}', {"text": "rum"}, ["stray code fence"]),
        ('text="rum", n=3', {"text": "rum", "n": 3}, ["keyword arguments"]),
        ('\'{"text": "rum"}\'', {"text": "rum"}, ["quotes around the input"]),
        ('"{\\"text\\": \\"rum\\"}"', {"text": "rum"}, ["quotes around the input"]),
        ('{"text": "\\ud800"}', {"text": "\ufffd"}, []),
        ('{"text": "a\\d+\\.C:\\Users"}', {"text": "a\\d+\\.C:\\Users"}, ["single backslash in JSON"]),
        ('{"text": "my\\_file, it\\\'s"}', {"text": "my_file, it's"}, []),
        (
            '{\n  text: "rum",\n  # Question: how much?\n  n: 3\n}',
            {"text": "rum", "n": 3},
            ["key without quotes", "comment in JSON"],
        ),
        ('{\n  "thought": 1,\n  action: 2\n}', {"thought": 1, "action": 2}, ["key without quotes"]),
        ('{"text": "Dear Bob,\nQuestion: how are you?"}', {"text": "Dear Bob,\nQuestion: how are you?"}, []),
        (
            '{"text": "rum"\nThought: so\nFinal Answer: 5',
            {"text": "rum"},
            ["closing bracket added", "Thought after the action dropped"],
        ),
        (
            '{"text": "rum"\nObservation: }',
            {"text": "rum"},
            ["closing bracket added", "Observation after the action dropped"],
        ),
    ],
)
def test_the_arguments_of_a_tool_with_several_are_an_object(
    written: str, arguments: Arguments, repairs: list[str]
) -> None:
    assert PARSER.parse(f"Action: search\nAction Input: {written}") == Action(
        "search", arguments, repairs=tuple(repairs)
    )


@pytest.mark.parametrize(
    "text",
    [
        'x = "a" + "b"',
        "'a' or 'b'",
        'say "hi"',
        "<b>x</b>",
        "[1, 2",
        "a: b\n\nc",
        "#1",
        "5 * 3",
        "Obs",
        "a\nOb",
    ],
)
def test_a_plain_input_is_left_as_it_is(text: str) -> None:
    assert PARSER.parse(f"Action: calculator\nAction Input: {text}") == Action("calculator", text)


@pytest.mark.parametrize(
    ("reply", "call"),
    [
        ('<tool_call>{"name": "search", "arguments": {"text": "rum"}}', {"text": "rum"}),
        ('<tool_call>\n{"name": "search", "arguments": {"text": "rum"}}\n</tool_call>', {"text": "rum"}),
        ('{"Thought": "", "Action": "search", "Action Input": {"text": "rum"}}', {"text": "rum"}),
        ('{"toolName": "search", "toolInput": {"text": "rum"}}', {"text": "rum"}),
        ('<|python_tag|>{"name": "search", "parameters": {"text": "rum"}}<|eom_id|>', {"text": "rum"}),
        ('[TOOL_CALLS] [{"name": "search", "arguments": {"text": "rum"}}]', {"text": "rum"}),
        ('Action: <tool_call>{"name": "search", "parameters": {"text": "rum"}}</tool_call>', {"text": "rum"}),
        ('{"tool_calls": [{"function": {"name": "search", "arguments": "{\\"text\\": 1}"}}]}', {"text": 1}),
        ('[{"name": "search", "arguments": {"n": 1}}, {"name": "search", "arguments": {"n": 2}}]', {"n": 1}),
        ('Action: search(text="rum", n=2)', {"text": "rum", "n": 2}),
        ('Action: search({"text": "rum"})', {"text": "rum"}),
        ("Action: search()", {}),
        ('Action: search ({"text": "rum"})', {"text": "rum"}),
        ('Action: search(\n  text="rum",\n  n=2\n)', {"text": "rum", "n": 2}),
        ('Action: search {"text": "rum"}', {"text": "rum"}),
        ('Action: search\n{"action": "search", "action_input": {"text": "rum"}}', {"text": "rum"}),
        ('Action: search\n{\n  "text": "rum"\n}\nObservation: none', {"text": "rum"}),
        ('Action: `search`\n\n```json\n{"text": "rum"}\n```', {"text": "rum"}),
        (
            'Action: ```json\n[\n  {"tool_name": "search", "parameters": {"text": "rum"}}\n]\n```',
            {"text": "rum"},
        ),
    ],
)
def test_a_native_call_is_understood(reply: str, call: dict[str, object]) -> None:
    move = PARSER.parse(reply)
    assert isinstance(move, Action)
    assert (move.tool, move.input, move.thought) == ("search", call, "")
    assert move.repairs


def test_a_fence_after_the_name_is_the_input() -> None:
    reply = "Action: calculator\n```python\na = 2\n\na + 2\n```\nThought: so"
    move = PARSER.parse(reply)
    assert isinstance(move, Action)
    assert (move.tool, move.input) == ("calculator", "a = 2\n\na + 2")


def test_the_thought_in_a_json_reply_is_kept() -> None:
    reply = 'Well.\n{"thought": "I look", "action": "search", "action_input": {"text": "rum"}}'
    assert PARSER.parse(reply) == Action(
        "search", {"text": "rum"}, "Well.\nI look", ("action written as JSON",)
    )


@pytest.mark.parametrize(
    ("reply", "repairs"),
    [
        ("Answer: gold", ["short label"]),
        ("**Final Answer**: gold", ["decorated label"]),
        ("**Final Answer: gold**", ["decorated label"]),
        ("**Final Answer:**\ngold", ["decorated label"]),
        ("**Final Answer**\n\ngold", ["label without a colon"]),
        ("## Final Answer\ngold", ["label without a colon"]),
        ("**Thought**\n**Answer**\ngold", ["label without a colon", "short label"]),
        (
            "## Final Answer\ngold\n## Action\nsearch\n## Action Input\nx",
            ["label without a colon", "Action after the final answer dropped"],
        ),
        ("FINAL ANSWER: gold", ["label in other letters"]),
        ("I know it! Final Answer: gold", ["labels within a line"]),
        ("Final Answer: gold\nObservation: none", ["Observation after the final answer dropped"]),
        ("Final Answer: gold\n\nAction: search\nAction Input: x", ["Action after the final answer dropped"]),
        ("Final Answer: gold</s>", ["end-of-turn token"]),
        ("Final Answer: gold<|im_end|>\n<|im_start|>user\nmore", ["end-of-turn token"]),
        ("Final Answer: gold<｜end▁of▁sentence｜>", ["end-of-turn token"]),
        ("Action: Finish[gold]", ["call written as a function", "final answer written as an action"]),
        ("Action: Final Answer\nAction Input: gold", ["final answer written as an action"]),
        ('{"thought": "", "action": null, "final_answer": "gold"}', BLOB_ANSWER),
        ('{"action": "Final Answer", "action_input": {"answer": "gold"}}', BLOB_ANSWER),
        ('{"action": "Final Answer", "action_input": {"Output": "gold"}}', BLOB_ANSWER),
        (
            '```json\n{"action": "Final Answer", "action_input": "gold"}\n```',
            ["code fence around the reply", "action written as JSON", "final answer written as an action"],
        ),
        ("Action: None\nFinal Answer: gold", ["action without an input dropped"]),
        ("Action: No action needed.\nAction Input: None\nFinal Answer: gold", ["empty action dropped"]),
        ("Action: N/A - I know it\nAction Input: N/A\nFinal Answer: gold", ["empty action dropped"]),
        ("Action Input: x\nThought:\nFinal Answer: gold", ["input without an action"]),
    ],
)
def test_an_answer_is_found_in_the_forms_that_models_give_it(reply: str, repairs: list[str]) -> None:
    move = PARSER.parse(reply)
    assert isinstance(move, Answer)
    assert (move.text, list(move.repairs)) == ("gold", repairs)


@pytest.mark.parametrize(
    "text",
    [
        "gold\n\n## Thought\n\n- Action stations: all\n**Observation**\n```\nAction: dig\n```\n| a | b |",
        "```yaml\naction: deploy\nthought: none\n```\nDone.",
        "```Arr``` it be\ngold",
    ],
)
def test_what_a_long_answer_holds_is_its_own(text: str) -> None:
    assert PARSER.parse(f"Final Answer: {text}") == Answer(text)


@pytest.mark.parametrize(
    "text",
    [
        "Use <s>old</s> for what is struck out, and <b>new</b> for what is not.\nThat is all.",
        "It says: end with </s>",
    ],
)
def test_what_only_looks_like_the_end_of_a_turn_ends_none(text: str) -> None:
    assert PARSER.parse(f"Final Answer: {text}") == Answer(
        text.removesuffix("</s>").strip(), "", *([("end-of-turn token",)] if text.endswith("</s>") else [])
    )


@pytest.mark.parametrize(
    "thought",
    [
        'The page says "So it is. Final Answer: 5." and is wrong',
        "The page says “So it is. Action: calculator Action Input: 2+2.” and is wrong",
        "| (false line) Action: calculator Action Input: 2+2",
        "The form is Action: <tool> Action Input: <input>. I need none",
        "They ask what the tag `<think>` means",
        "- Question: how much?\n- Answer: not known yet",
        'The record is\n{"name": "Bob", "args": 3}',
    ],
)
def test_what_a_thought_only_speaks_of_is_no_move(thought: str) -> None:
    move = PARSER.parse(f"Thought: {thought}\nAction: search\nAction Input: {{}}")
    assert isinstance(move, Action)
    assert (move.tool, move.input) == ("search", {})


@pytest.mark.parametrize("field", ["- question: who?\n- answer: Bob", "question: who?\nanswer: Bob"])
def test_fields_of_an_input_are_no_labels(field: str) -> None:
    assert PARSER.parse(f"Action: calculator\nAction Input:\n{field}") == Action("calculator", field)


@pytest.mark.parametrize("name", ["", "None", "final_answer"])
def test_a_final_answer_in_an_object_is_taken_where_it_names_no_tool(name: str) -> None:
    reply = json.dumps({"thought": "so", "action": name, "action_input": "", "final_answer": "gold"})
    assert PARSER.parse(reply) == Answer("gold", "so", tuple(BLOB_ANSWER))


def test_the_thought_beside_a_wrapped_call_is_kept() -> None:
    reply = '{"thought": "so", "action": {"name": "calculator", "arguments": "2+2"}}'
    assert PARSER.parse(reply) == Action("calculator", "2+2", "so", ("action written as JSON",))


# --- where only an answer is wanted ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "text", "thought"),
    [
        ("gold", "gold", ""),
        ("Finally, gold.\nMore of it", "Finally, gold.\nMore of it", ""),
        ("Thought: so\nFinal Answer: gold", "gold", "so"),
        ("<think>\nHm, so\n</think>\n\nThought: so\nFinal Answer: gold", "gold", "so"),
        ("<think>so</think>gold", "gold", ""),
        ("```\nFinal Answer: gold\n```", "gold", ""),
        ("```\ngold\n```", "gold", ""),
        ('{"action": "Final Answer", "action_input": "gold"}', "gold", ""),
        ('{"name": "Bob", "arguments": {"n": 3}}', '{"name": "Bob", "arguments": {"n": 3}}', ""),
        ("[1, 2]", "[1, 2]", ""),
        ("<|im_start|>assistant\ngold", "gold", ""),
        ("Action: Final Answer\nAction Input: gold", "gold", ""),
        ("gold.\nAction: search", "gold.", ""),
    ],
)
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "in pieces"])
def test_what_has_no_label_is_the_answer_where_one_is_wanted(
    reply: str, text: str, thought: str, cut: bool
) -> None:
    reader = PARSER.reader(answers=True)
    pieces = [piece for part in (reply if cut else [reply]) for piece in reader.feed(part)]
    move = reader.close()
    assert isinstance(move, Answer)
    assert (move.text, move.thought) == (text, thought)
    said = [*pieces, *reader.pieces()]
    assert "".join(piece.text for piece in said if piece.kind == "answer") == text
    assert "".join(piece.text for piece in said if piece.kind == "thought") == thought


@pytest.mark.parametrize("reply", ["", " \n", "Action: search\nAction Input: {}", "Final Answer:"])
def test_no_answer_is_said_to_be_none_where_one_is_wanted(reply: str) -> None:
    reader = PARSER.reader(answers=True)
    reader.feed(reply)
    with pytest.raises(FormatError) as caught:
        reader.close()
    assert str(caught.value.observation) == NO_ANSWER


# --- replies that were cut off ---------------------------------------------------------------------


def test_an_action_that_was_cut_off_is_none_and_an_answer_is_marked() -> None:
    def closed(reply: str) -> Action | Answer:
        reader = PARSER.reader()
        reader.feed(reply)
        return reader.close(cut=True)

    with pytest.raises(FormatError) as caught:
        closed("Action: calculator\nAction Input: delete all files older th")
    assert str(caught.value.observation) == (
        "Your reply was cut off, since it came to the most tokens that a reply may have; be brief. "
        "The action had no end. Write it once more, whole."
    )
    assert closed("Final Answer: it lies under the") == Answer("it lies under the", "", ("cut off",))
    done = closed("Action: calculator\nAction Input: 2+2\nObservation: 4\nThought: n")
    assert isinstance(done, Action)
    assert done.input == "2+2"


def test_an_object_with_a_name_of_its_own_is_the_answer_as_it_is() -> None:
    reply = '{"action": "Final Answer", "action_input": {"value": 1081}}'
    assert PARSER.parse(reply).text == '{"value": 1081}'  # type: ignore[union-attr]


def test_an_invented_observation_is_no_thought() -> None:
    reply = 'Observation: 42. Final Answer: 42\n{"action": "search"}\nThought: so\nFinal Answer: it is 42'
    assert PARSER.parse(reply) == Answer("it is 42", "so", ("Observation before the move dropped",))


def test_windows_line_ends_change_nothing() -> None:
    reply = "Thought: a\r\nb\r\nAction: calculator\r\nAction Input: 2\r\n3\r\n"
    assert PARSER.parse(reply) == Action("calculator", "2\n3", "a\nb")


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        ("", f"Your reply was empty. {CHOICE}"),
        (" \n\t\n", f"Your reply was empty. {CHOICE}"),
        ("Thought: I wonder", f"There was no action and no final answer after the thought. {CHOICE}"),
        ("Four.", f"The reply had neither an action nor a final answer. {CHOICE}"),
        ("Action Input: 2+2", f"There was an 'Action Input:' without an 'Action:' before it. {CHOICE}"),
        ("Action:\nAction Input: 2+2", f"The action named no tool. {CHOICE}"),
        ("Action: None\nAction Input: None", f"The action named no tool. {CHOICE}"),
        ("Action: calculator", NO_INPUT),
        (
            "Action: calulator\nAction Input: 2",
            f"There is no tool 'calulator'; did you mean 'calculator'? {CHOICE}",
        ),
        ("Action: fly\nAction Input: 2", f"{NO_FLYING} {CHOICE}"),
        (
            "Action: [calculator, search]\nAction Input: 2",
            f"There is no tool 'calculator, search'; did you mean 'calculator'? {CHOICE}",
        ),
        ("Action: chart plot\nAction Input: 2", f"{NO_CHART} {CHOICE}"),
        (
            'Action: search\nAction Input: {"text": "rum"\n"n" 3}',
            not_object("expected ',' or '}' at line 2, column 1"),
        ),
        ("Action: search\nAction Input: [1]", not_object("it is JSON, but not an object")),
        ("Action: Finish[]", NO_ANSWER),
        ("Final Answer: \n\n", NO_ANSWER),
        ("Final Answer:", NO_ANSWER),
    ],
)
def test_an_unreadable_reply_is_told_what_is_wrong_with_it(reply: str, sentence: str) -> None:
    assert complaint(reply) == sentence


def test_an_overlong_name_is_repeated_in_part_only() -> None:
    assert "x" * 64 + "'" in complaint("Action: " + "x" * 500_000 + "\nAction Input: y")
    assert len(complaint("Action: " + "x" * 500_000 + "\nAction Input: y")) < 500


def test_without_known_tools_any_name_is_one() -> None:
    assert ANY_TOOL.parse("Action: **Dig Deep**\nAction Input: x") == Action(
        "Dig Deep", "x", repairs=("tool's name cleaned",)
    )
    with pytest.raises(FormatError, match="cannot be the name of a tool"):
        ANY_TOOL.parse(f"Action: {'x' * 65}\nAction Input: y")


WORDS = [
    "arr",
    "the sea",
    "é海",
    "5 < 6",
    "a: b",
    "(x)",
    "{",
    "x = 1",
    "50 %",
    "it's",
    "\U0001f3f4",
    "5. Yes",
]
PLAIN = (
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join).filter(lambda t: t[0] not in "{(")
)
LINES = st.lists(PLAIN, min_size=1, max_size=3).map("\n".join)
STEPS = st.one_of(
    st.builds(Action, st.just("calculator"), LINES, LINES),
    st.builds(
        Action, st.just("search"), st.dictionaries(st.text(), st.text() | st.integers(), min_size=1), LINES
    ),
    st.builds(Answer, LINES, LINES),
)


@settings(max_examples=200)
@given(STEPS)
def test_a_written_step_is_read_back(step: Action | Answer) -> None:
    assert PARSER.parse("Thought:" + scratchpad([step])) == step


@pytest.mark.parametrize(
    "pattern",
    [
        " ",
        "\n",
        "\r\n",
        "Thought: \n",
        "Action: \n",
        "Action Input: \n",
        "Observation: x\n",
        "Final Answer: ",
        "Action: x\nAction Input: ",
        "action ",
        "action input ",
        "x Action: y ",
        "x. Final ",
        '"',
        "'",
        "{",
        "{\n",
        "{}\n",
        '{"a": 1}\n',
        '{"a": "\n',
        "[",
        "(",
        ")",
        "`",
        "```\n",
        "``` ",
        "<",
        "<think>",
        "<think>\n",
        "</think>",
        "<tool_call>",
        "<|im_start|>",
        "<|im_end|>\n",
        "*",
        "**",
        "**Action**\n",
        "# ",
        "- ",
        "1.",
        "\\",
        "Action: None\nAction Input: None\n",
        "Input: ",
        "aaaa",
        "a=1,",
        ". ",
        "\u2028",
        "：",
        "[TOOL_CALLS]",
    ],
)
@pytest.mark.parametrize(
    "before", ["", "Action: x\nAction Input: ", "Action: x(", "Final Answer: x\n", "{'a': '"]
)
def test_time_grows_with_length_alone(before: str, pattern: str) -> None:
    def parse(size: int) -> None:
        with contextlib.suppress(FormatError):
            ANY_TOOL.parse(before + pattern * (size // len(pattern)) + " end")

    assert_linear(parse, 10_000)
