"""The upper bound of a prompt's tokens, against a real tokenizer with a small vocabulary."""

from __future__ import annotations

import base64
import itertools
import json
import random
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from timing import assert_linear

from agent_app.estimate import WRAPPING, Counted, most_tokens
from agent_app.models.embedded import EmbeddedModel, open_embedded

ROOT = Path(__file__).resolve().parents[1]
DICE = random.Random(3)
RECORDS = [{"id": i, "name": f"Item {i}", "price": i * 1.37, "tags": ["a", "bb"]} for i in range(40)]
TEXTS = {
    "English": (ROOT / "LICENSE").read_text(encoding="utf-8")[:5000],
    "Markdown": (ROOT / "README.md").read_text(encoding="utf-8")[:5000],
    "code": (ROOT / "agent_app" / "steps.py").read_text(encoding="utf-8")[:5000],
    "JSON": json.dumps(RECORDS, indent=2),
    "flat JSON": json.dumps(RECORDS),
    "numbers": " ".join(str(DICE.random() * 10 ** DICE.randint(0, 9)) for _ in range(150)),
    "digits": "".join(DICE.choices(string.digits, k=1000)),
    "hex": " ".join(DICE.randbytes(16).hex() for _ in range(30)),
    "base64": base64.b64encode(DICE.randbytes(900)).decode(),
    "signs": "".join(DICE.choices(string.punctuation, k=1000)),
    "capitals": (ROOT / "LICENSE").read_text(encoding="utf-8")[:2000].upper(),
    "a table": "| a | b | c |\n|---|---|---|\n" + "| 1.0 | x | -- |\n" * 40,
    "indentation": "\n".join(" " * DICE.randint(0, 40) + "x" for _ in range(100)),
    "tabs": "\n".join("\t" * DICE.randint(0, 6) + "x\r" for _ in range(100)),
    "German": "Die Straßenbahnhaltestelle liegt gegenüber dem Krankenhaus und der Grundschule, "
    "Kraftfahrzeughaftpflichtversicherungen bleiben unberührt. " * 5,
    "Polish": "W Szczebrzeszynie chrząszcz brzmi w trzcinie i Szczebrzeszyn z tego słynie. " * 5,
    "Chinese": "机器学习是人工智能的一个分支。我们在预算之内完成任务，龘靐齉爩麤。" * 5,
    "Japanese": "吾輩は猫である。名前はまだ無い。カタカナとひらがなが混ざる。" * 5,
    "Korean": "값이 얼마인지 알려 주세요. 모든 인간은 자유로우며 평등하다." * 5,
    "Hindi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में समानता प्राप्त है।" * 5,
    "emoji": "😀🎉👩‍👩‍👧‍👦🏴‍☠️🇩🇪👍🏽❤️‍🔥🦜⚓️" * 10,
    "mathematics": "∑∫√∞≈≠≤≥±×÷∂∇⊂⊃∪∩αβγδεζηθ→←⇒⇔" * 10,
}


@pytest.fixture(scope="module")
def model(smollm2: Path) -> Iterator[EmbeddedModel]:
    opened = open_embedded(smollm2, context=512, name="embedded:smollm2-135m")
    yield opened
    opened.close()


@pytest.mark.parametrize("kind", TEXTS)
def test_the_bound_holds_without_what_is_added_for_the_chat_template(kind: str, model: EmbeddedModel) -> None:
    assert most_tokens(TEXTS[kind]) - WRAPPING >= model.get_num_tokens(TEXTS[kind])


@pytest.mark.parametrize("kind", ["English", "Markdown", "code", "JSON", "numbers"])
def test_the_bound_is_near_enough_to_be_of_use(kind: str, model: EmbeddedModel) -> None:
    assert most_tokens(TEXTS[kind]) - WRAPPING <= 2.3 * model.get_num_tokens(TEXTS[kind])


@pytest.mark.parametrize("kind", TEXTS)
def test_from_the_second_call_on_only_what_is_new_is_estimated(kind: str, model: EmbeddedModel) -> None:
    head, new = TEXTS["English"], f"\nObservation: {TEXTS[kind][:300]}\nThought:"
    earlier = head + "\nThought:"
    counted = Counted(earlier, model.get_num_tokens(earlier))
    real = model.get_num_tokens(head + new)
    assert real <= most_tokens(head + new, counted) < 1.4 * real


@pytest.mark.parametrize("earlier", [TEXTS["Chinese"], TEXTS["code"][:100] + TEXTS["Chinese"]])
def test_an_earlier_prompt_of_which_little_is_left_does_no_harm(earlier: str) -> None:
    text = TEXTS["code"]
    assert most_tokens(text, Counted(earlier, 5000)) == most_tokens(text)


def test_a_server_that_does_not_count_leaves_the_bound_as_it_is() -> None:
    assert most_tokens(TEXTS["code"], Counted(TEXTS["code"], 0)) == most_tokens(TEXTS["code"])


@given(st.text(), st.text(), st.text(), st.integers(1, 10_000))
def test_what_two_prompts_begin_with_is_found(head: str, one: str, other: str, tokens: int) -> None:
    text, earlier = head + one, head + other
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(text, earlier, strict=False))
    shared = len([*same])
    expected = most_tokens(text)
    if shared >= len(earlier) / 2:
        expected = tokens + most_tokens(text[shared:]) - WRAPPING + 1
    assert most_tokens(text, Counted(earlier, tokens)) == expected


def test_half_a_character_counts_as_its_bytes() -> None:
    assert most_tokens("\ud83d") == WRAPPING + 3


@pytest.mark.parametrize("part", ["a", "a" * 50 + "é", " ", "aé"])
def test_a_long_text_takes_time_in_proportion_to_its_length(part: str) -> None:
    assert_linear(lambda size: most_tokens(part * (size // len(part)) + "é"), 30_000)


@given(st.text())
def test_a_text_has_no_more_tokens_than_bytes(text: str) -> None:
    assert most_tokens(text) - WRAPPING <= len(text.encode())
