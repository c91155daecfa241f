"""JSON as models write it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from timing import assert_linear

from agent_app import jsonish
from agent_app.jsonish import NotJson

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200)
@given(VALUES, st.sampled_from(["", " tail", "\n}"]))
def test_json_is_read_as_it_is(value: Any, tail: str) -> None:
    written = json.dumps(value, ensure_ascii=False)
    if isinstance(value, int | float) and tail:
        tail = " tail"
    assert jsonish.read(f" {written}{tail}") == (value, len(written) + 1, ())


@settings(max_examples=200)
@given(VALUES.filter(lambda v: isinstance(v, dict | list)))
def test_what_python_prints_is_read_too(value: Any) -> None:
    read, _, _ = jsonish.read(repr(value).replace("\\x", "\\u00"))
    plain = json.loads(json.dumps(value))
    if "\\U" not in repr(value):
        assert read == plain


@pytest.mark.parametrize(
    ("written", "value", "repairs"),
    [
        ("{'a': 'b'}", {"a": "b"}, ("single quotes in JSON",)),
        ("{“a”: “b”}", {"a": "b"}, ("typographic quotes in JSON",)),
        ("{a: 1}", {"a": 1}, ("key without quotes",)),
        ('{"a": None, "b": True}', {"a": None, "b": True}, ("Python's words in JSON",)),
        ('{"a": 1,}', {"a": 1}, ("comma too many",)),
        ("[1, 2,]", [1, 2], ("comma too many",)),
        ('{"a": [1, {"b": 2', {"a": [1, {"b": 2}]}, ("closing bracket added",)),
        ('{"a": 1 /* one */, // two\n "b": 2}', {"a": 1, "b": 2}, ("comment in JSON",)),
        ('{"a": "#1", # one\n"b": 2}', {"a": "#1", "b": 2}, ("comment in JSON",)),
        ('{"a": "x\ny"}', {"a": "x\ny"}, ()),
        ("{'a': 'it\\'s \\u00e9\\n'}", {"a": "it's é\n"}, ("single quotes in JSON",)),
    ],
)
def test_what_can_mean_only_one_thing_is_forgiven(written: str, value: Any, repairs: tuple[str, ...]) -> None:
    assert jsonish.read(written) == (value, len(written), repairs)


@pytest.mark.parametrize(
    ("written", "problem", "position"),
    [
        ("", "expected a value", 0),
        ("{gold coins}", "expected ':' after a key", 6),
        ('{"a": gold}', "expected a value", 6),
        ('{"a": "gold}', "a string without its closing quote", 6),
        ('{"a": 1 "b": 2}', "expected ',' or '}'", 8),
        ("{,}", "expected a key in quotes", 1),
        ('{"a": 007}', "not a number of JSON", 6),
        ('{"a": NaN}', "a number without end", 0),
        ("[1e999]", "a number without end", 0),
        ("9" * 5000, "not a number of JSON", 0),
        ("[" * 100 + "]" * 100, "brackets nested too deeply", 0),
        ("[" * 100_000, "brackets nested too deeply", 0),
    ],
)
def test_what_is_no_json_is_told_with_its_place(written: str, problem: str, position: int) -> None:
    with pytest.raises(NotJson) as caught:
        jsonish.read(written)
    assert caught.value.problem == problem
    if "nested" not in problem:
        assert caught.value.position == position
        assert str(caught.value) == f"{problem} at character {position + 1}"


@pytest.mark.parametrize("quote", ['"', "'"])
def test_halves_of_surrogate_pairs_are_joined_or_replaced(quote: str) -> None:
    written = f"{{{quote}a\\ud83d{quote}: {quote}\\ud83d\\ude00 \\udc00{quote}}}"
    assert jsonish.read(written)[0] == {"a\ufffd": "😀 \ufffd"}
    assert jsonish.encodable("\ud83d\ude00\ud83dx é") == "😀\ufffdx é"


@settings(max_examples=300)
@given(st.text(alphabet="{}[]\"'“”,: \n\\/*aT1.-e0nulu\ud800", max_size=60))
def test_whatever_is_read_can_be_stored(text: str) -> None:
    place = None
    try:
        value, end, _ = jsonish.read(text)
    except NotJson as error:
        place = error.position
    if place is not None:
        assert 0 <= place <= len(text)
        return
    assert 0 < end <= len(text)
    assert json.loads(json.dumps(value, allow_nan=False).encode()) == value


@pytest.mark.parametrize("part", ['{"', "'\\", "[", '{"a":', "/*", "//\n", "{a:1,", '"\\u12', "1", "“"])
def test_time_is_linear(part: str) -> None:
    def read(size: int) -> None:
        with pytest.raises(NotJson):
            jsonish.read("{'a': " + part * (size // len(part)) + "?")

    assert_linear(read, 20_000)
