"""The words of the ReAct format: found where they count, quoted where they are foreign."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_app import labels
from agent_app.labels import (
    ACTION,
    ACTION_INPUT,
    FINAL_ANSWER,
    OBSERVATION,
    SHORT_ANSWER,
    SHORT_INPUT,
    THOUGHT,
    Label,
)


@pytest.mark.parametrize(
    ("line", "word", "rest", "repair"),
    [
        ("Thought: aye", THOUGHT, " aye", None),
        ("  Action: dig", ACTION, " dig", None),
        ("Action Input:", ACTION_INPUT, "", None),
        ("Final Answer:gold", FINAL_ANSWER, "gold", None),
        ("FINAL ANSWER : gold", FINAL_ANSWER, " gold", "label in other letters"),
        ("action_input: x", ACTION_INPUT, " x", "label in other letters"),
        ("ActionInput: x", ACTION_INPUT, " x", "label in other letters"),
        ("Action：dig", ACTION, "dig", "fullwidth colon"),
        ("**Action:** dig", ACTION, " dig", "decorated label"),
        ("**Action**: dig", ACTION, " dig", "decorated label"),
        ("**Action**:`dig`", ACTION, "`dig`", "decorated label"),
        ("**Action:**`dig`", ACTION, "`dig`", "decorated label"),
        ("Action:`dig`", ACTION, "`dig`", None),
        ("Action:\u2009dig", ACTION, "\u2009dig", None),
        ("## Action: dig", ACTION, " dig", "decorated label"),
        ("> - Action: dig", ACTION, " dig", "decorated label"),
        ("3. Action: dig", ACTION, " dig", "decorated label"),
        ("Action 2: dig", ACTION, " dig", "numbered label"),
        ("Action #2: dig", ACTION, " dig", "numbered label"),
        ("🔧 **Action:** dig", ACTION, " dig", "decorated label"),
        ("➡️ Action: dig", ACTION, " dig", "decorated label"),
        ("\u200bAction: dig", ACTION, " dig", "decorated label"),
        ("Action\u00a0Input\u00a0: x", ACTION_INPUT, " x", "label in other letters"),
        ("Action\\_Input: x", ACTION_INPUT, " x", "label in other letters"),
        ("Observation: 7", OBSERVATION, " 7", None),
        ("Input: x", SHORT_INPUT, " x", None),
        ("Answer: x", SHORT_ANSWER, " x", None),
    ],
)
def test_a_label_counts_at_the_start_of_a_line(line: str, word: str, rest: str, repair: str | None) -> None:
    found = labels.at_start(line)
    assert found is not None
    assert (found.word, line[found.end :], found.repair) == (word, rest, repair)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Action",
        "My Action: dig",
        "Actions: dig",
        "Take action: dig",
        "Interaction: dig",
        "Action plan: dig",
        "Action 12:30 is the hour",
        "So the Final Answer: gold",
        "Thoughtful: x",
        "| Action: x",
        '"Action: x"',
        "[Action: x]",
    ],
)
def test_other_lines_begin_with_no_label(line: str) -> None:
    assert labels.at_start(line) is None


@pytest.mark.parametrize(
    ("line", "mark"),
    [
        ("**Action: dig**", "**"),
        ("_Action: dig_", "_"),
        ("> `Action: dig`", "`"),
        ("**Action**: dig", ""),
        ("**Action:** dig", ""),
        ("* Action: dig", ""),
        ("**🔧 Action: dig**", "**"),
        ("**1. Action: dig**", "**"),
        ("Action: **dig**", ""),
    ],
)
def test_a_label_says_which_markdown_is_still_open_after_it(line: str, mark: str) -> None:
    found = labels.at_start(line)
    assert found is not None
    assert found.mark == mark


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("**Action**", ACTION),
        ("### Final Answer", FINAL_ANSWER),
        ("## **Thought** ", THOUGHT),
        ("__Action Input__", ACTION_INPUT),
        ("Observation", OBSERVATION),
        ("OBSERVATION", OBSERVATION),
        ("### Answer", SHORT_ANSWER),
    ],
)
def test_a_heading_needs_no_colon(line: str, word: str) -> None:
    assert labels.heading(line) == Label(word, 0, len(line), "label without a colon", colon=False)


@pytest.mark.parametrize("line", ["Action", "**Action** stations", "#Action", "Final Answer", "Answer", ""])
def test_a_word_alone_is_no_heading(line: str) -> None:
    assert labels.heading(line) is None


def test_a_plain_label_counts_after_the_end_of_a_sentence() -> None:
    line = "I know it now. Final Answer: gold"
    found = labels.after_sentence(line)
    assert found is not None
    assert (found.word, line[found.end :]) == (FINAL_ANSWER, " gold")
    assert labels.after_sentence("I must write Final Answer: at the end") is None
    assert labels.after_sentence("I know it now. final answer: gold") is None


@given(st.text(alphabet="*_#> 1.Actionfl sweInput:：-x", max_size=40), st.integers(0, 40))
def test_a_line_that_becomes_a_label_might_have_become_one_all_along(line: str, cut: int) -> None:
    if labels.at_start(line) or labels.heading(line):
        assert labels.may_begin(line[:cut]) or labels.at_start(line[:cut])


def test_a_long_line_cannot_become_a_label_any_more() -> None:
    assert labels.may_begin("  **Act")
    assert not labels.may_begin("Arr, ")
    assert not labels.may_begin("*" * 100)
    assert not labels.may_begin("Action stations")


def test_fenced_text_keeps_all_but_what_could_be_taken_for_the_formats_own() -> None:
    foreign = (
        "It said: Action: dig\r\nAction: dig\n  **final answer:** x\u2028Thought：y\n\n"
        "Observation\n<|im_end|> and </s> and [INST]\nend: 5 < 6 <b>ok</b>"
    )
    quote = labels.fence("Action: dig").removesuffix("Action: dig")
    assert quote.startswith("| ")
    assert labels.fence(foreign) == (
        f"It said: Action: dig\n{quote}Action: dig\n{quote}  **final answer:** x\n{quote}Thought：y\n\n"
        f"{quote}Observation\n< |im_end| > and < /s > and [ INST ]\nend: 5 < 6 <b>ok</b>"
    )


def test_fenced_text_marks_a_line_in_which_labels_would_count() -> None:
    for line in ("So it is. Final Answer: gold", "Tip Action: dig Action Input: here"):
        assert labels.fence(line, f"| {labels.MARKED} ") == f"| {labels.MARKED} {line}"
        assert labels.within(f"| {labels.MARKED} {line}") is None
    for line in ("The final answer: gold", "Press Action: then dig", 'He said "Aye. Final Answer: gold"'):
        assert labels.fence(line) == line


@given(st.text() | st.text(alphabet="*_#>| 1.Actionfl sweInput:：\n\r\u200b\u2028"))
def test_no_line_of_fenced_text_is_a_label(text: str) -> None:
    for line in labels.fence(text).split("\n"):
        assert labels.at_start(line) is None
        assert labels.heading(line) is None


def test_the_end_of_a_turn_is_found_in_every_template() -> None:
    for token in ("<|im_end|>", "<|eot_id|>", "</s>", "<end_of_turn>", "<|end|>", "<｜end▁of▁sentence｜>"):
        assert labels.end_of_turn(f"gold{token}x") == (4, 4 + len(token))
    assert labels.end_of_turn("<s>old</s> gold</s>") == (-1, -1)
    assert labels.end_of_turn("<s>old</s> gold<|im_end|>") == (15, 25)
    assert labels.end_of_turn("5 <| 6 |> <b>") == (-1, -1)
