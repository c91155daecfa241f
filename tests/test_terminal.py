"""The sanitiser: nothing that a terminal would obey gets through, and everything else does."""

from __future__ import annotations

import io
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_app.terminal import (
    Writer,
    clean,
    clean_json,
    clean_line,
    colours,
    stderr,
    stdout,
    width,
    write_json,
)

HOSTILE = {
    "the window's title": ("\x1b]0;pwned\x07", "␛]0;pwned␇"),
    "a link": ("\x1b]8;;http://x\x1b\\here\x1b]8;;\x1b\\", "␛]8;;http://x␛\\here␛]8;;␛\\"),
    "the clipboard": ("\x1b]52;c;cm0gLXJm\x07", "␛]52;c;cm0gLXJm␇"),
    "the screen": ("\x1b[2J\x1b[H", "␛[2J␛[H"),
    "a C1 sequence": ("\x9b2J\x9d0;x\x9c", "<U+009B>2J<U+009D>0;x<U+009C>"),
    "a lone carriage return": ("safe\rrm -rf", "safe␍rm -rf"),
    "backspaces": ("ab\b\bxy\x7f", "ab␈␈xy␡"),
    "the writing direction": ("a\u202eb\u2066c\u200f", "a<U+202E>b<U+2066>c<U+200F>"),
    "unseen characters": ("a\u200bb\ufeffc\u00add", "a<U+200B>b<U+FEFF>c<U+00AD>d"),
    "unseen letters of the tag block": ("a\U000e0041", "a<U+E0041>"),
    "a line separator": ("a\u2028b", "a<U+2028>b"),
    "a lone surrogate": ("a\ud800b", "a\ufffdb"),
    "a null": ("a\0b", "a␀b"),
}

any_text = st.text(st.characters(codec=None))


@pytest.mark.parametrize(("text", "shown"), HOSTILE.values(), ids=HOSTILE)
def test_what_a_terminal_would_obey_is_shown(text: str, shown: str) -> None:
    assert clean(text) == shown


@pytest.mark.parametrize(
    "text", ["plain", "two\nlines\n", "a\tb", "Käpt'n ☠ 海賊 🏴‍☠️", "\u0643\u062a", "क्‍ष", ""]
)
def test_what_people_write_stays(text: str) -> None:
    assert clean(text) == text


def test_line_ends_of_windows_become_plain() -> None:
    assert clean("a\r\nb\r\n") == "a\nb\n"


def test_a_line_stays_one_line() -> None:
    assert clean_line("a\nb\tc\x1b\r\n") == "a␊b␉c␛␊"


@given(any_text)
def test_no_character_that_acts_gets_through(text: str) -> None:
    shown = clean(text)
    assert {c for c in shown if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")} <= {"\n", "\t"}
    assert {unicodedata.bidirectional(c) for c in shown}.isdisjoint(
        {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    )
    assert clean(shown) == shown
    shown.encode()


@given(any_text, any_text)
def test_a_text_in_two_pieces_is_as_harmless_as_in_one(first: str, second: str) -> None:
    together = clean(first) + clean(second)
    assert together.replace("␍\n", "\n") == clean(first + second).replace("␍\n", "\n")


@given(any_text)
def test_json_is_as_harmless_and_loses_nothing(text: str) -> None:
    shown = clean_json(json.dumps({"text": text}, ensure_ascii=False, indent=1))
    assert clean(shown) == shown
    assert json.loads(shown) == {"text": text}


def test_json_keeps_letters_readable() -> None:
    assert clean_json('{"a": "Käpt\'n\x9b☠\u202e"}') == '{"a": "Käpt\'n\\u009b☠\\u202e"}'


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1", "cp1252"])
def test_of_json_nothing_is_lost_in_any_encoding(encoding: str) -> None:
    data, kept = {"a": "Käpt'n\x9b ☠ 海賊 🏴‍☠️"}, io.BytesIO()
    stream = io.TextIOWrapper(kept, encoding=encoding, errors="replace")
    write_json(stream, json.dumps(data, ensure_ascii=False))
    assert json.loads(kept.getvalue().decode("utf-8")) == data


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("海賊", 4), ("e\u0301", 1), ("", 0)])
def test_width_counts_columns(text: str, columns: int) -> None:
    assert width(text) == columns


class _Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_writer_cleans_and_knows_whether_a_line_is_open() -> None:
    out = io.StringIO()
    writer = Writer(out)
    writer.end_line()
    writer.write("a\x1b")
    writer.write("")
    writer.end_line()
    writer.end_line()
    writer.line("b", dim=True)
    writer.line()
    assert out.getvalue() == "a␛\nb\n\n"


def test_a_terminal_is_shown_dim_text_and_no_sequence_but_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    out = _Screen()
    writer = Writer(out)
    writer.write("a\x1b[22m", dim=True)
    writer.write("b")
    assert out.getvalue() == "\x1b[2ma␛[22m\x1b[22mb"


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert (colours(_Screen()), colours(io.StringIO())) == (True, False)
    monkeypatch.setenv("NO_COLOR", "1")
    assert colours(_Screen()) is False


def test_answers_and_the_rest_go_to_their_own_streams(capsys: pytest.CaptureFixture[str]) -> None:
    stdout().write("answer")
    stderr().write("step")
    assert capsys.readouterr() == ("answer", "step")
