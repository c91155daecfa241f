"""An answer in Markdown: what is shown of it, that nothing is lost, and that nothing in it acts."""

from __future__ import annotations

import io
import re

import pytest
from chats import drawn
from hypothesis import given
from hypothesis import strategies as st

from agent_app.cli.chat.markdown import Answer, Blocks
from agent_app.cli.console import SafeConsole
from agent_app.terminal import clean


def shown(text: str, columns: int = 60) -> str:
    """What an answer looks like, without its colours."""
    console = SafeConsole(io.StringIO(), force_terminal=True, width=columns)
    console.print(Answer(text))
    file = console.file
    assert isinstance(file, io.StringIO)
    return re.sub(r"\x1b\[[0-9;]*m", "", file.getvalue())


def blocks_of(text: str, size: int = 1) -> list[str]:
    """What an answer is cut into that comes in pieces of a size."""
    blocks = Blocks()
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    found = [block for piece in pieces for block in blocks.feed(piece)]
    return [*found, blocks.close()]


def test_an_answer_is_shown_as_what_it_means() -> None:
    text = "# Ahoy\n*so* **it** `is`\n- one\n- two\n\n"
    text += "| a | b |\n|---|---|\n| 1 | 海賊 |\n\n```py\nx = 1\n```\n> yo"
    assert shown(text) == (
        "Ahoy\n\nso it is\n\n • one\n • two\n\n a  b\n ───────\n 1  海賊\n\n  x = 1\n\n▌ yo\n"
    )


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("23*47*2 = 5*x + 3*x", "23*47*2 = 5*x + 3*x\n"),
        ("List<String> and <b>that</b>", "List<String> and <b>that</b>\n"),
        ("<div>\nwhole\n</div>", "<div>\nwhole\n</div>\n"),
        ("[1]: http://example.com", "[1]: http://example.com\n"),
        ("![a ship](http://example.com/x.png)", "!a ship (http://example.com/x.png)\n"),
        ("one\ntwo", "one\ntwo\n"),
        ("[red]no markup[/red] :skull:", "[red]no markup[/red] :skull:\n"),
    ],
)
def test_nothing_of_an_answer_is_swallowed(text: str, seen: str) -> None:
    assert shown(text) == seen


@pytest.mark.parametrize(
    "text",
    [
        "&#x202e;reversed&#13;over&#x9b;2J",
        "<http://example.com/%1B%5D52;c;cm0=%07>",
        "[a link](http://example.com/%1b]0;t%07 'title\x1b')",
        "```\x1b]0;t\x07\ncode\x1b[2J\n```",
        "\x1b]8;;http://example.com\x1b\\link\x1b]8;;\x1b\\",
    ],
)
def test_what_markdown_makes_of_an_answer_acts_no_more_than_the_answer_itself(text: str) -> None:
    console = SafeConsole(io.StringIO(), force_terminal=True, width=60)
    console.print(Answer(text))
    file = console.file
    assert isinstance(file, io.StringIO)
    left = drawn(file.getvalue())
    assert clean(left) == left
    assert "\r" not in file.getvalue()


def test_a_finished_block_is_handed_on_and_the_last_one_waited_for() -> None:
    blocks = Blocks()
    assert list(blocks.feed("One\ntwo\n\n- a")) == []
    assert list(blocks.feed("\n- b\n\n")) == ["One\ntwo"]
    assert list(blocks.feed("```\n\n# no heading\n\n")) == ["- a\n- b"]
    assert list(blocks.feed("```\nend\n")) == ["```\n\n# no heading\n\n```"]
    assert (blocks.rest, blocks.close(), blocks.rest) == ("end\n", "end", "")


PARTS = [
    "# Head",
    "words and more\nof them",
    "- a\n- b\n\n  more",
    "1. x\n2. y",
    "```\ncode\n\n\ncode\n```",
    "> quoted",
]


@given(st.lists(st.sampled_from(PARTS), min_size=1, max_size=6), st.integers(1, 9))
def test_an_answer_in_pieces_loses_nothing_however_it_is_cut(parts: list[str], size: int) -> None:
    text = "\n\n".join(parts)
    assert "".join("".join(blocks_of(text, size)).split()) == "".join(text.split())


@given(st.text(alphabet="a*`#->|_[]() \n1.", max_size=60), st.integers(1, 7))
def test_any_answer_in_pieces_loses_nothing(text: str, size: int) -> None:
    assert "".join("".join(blocks_of(text, size)).split()) == "".join(text.split())
