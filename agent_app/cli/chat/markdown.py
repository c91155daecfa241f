"""An answer in Markdown: shown calmly, and so that no character of it is lost."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import CodeBlock, Heading, Markdown, MarkdownElement
from rich.padding import Padding
from rich.segment import Segment
from rich.syntax import Syntax


def _parser() -> MarkdownIt:
    # HTML, link definitions and pictures would be swallowed; as text they are seen.
    return (
        MarkdownIt("commonmark", {"html": False})
        .enable(["strikethrough", "table"])
        .disable(["html_block", "html_inline", "reference", "image"])
    )


class _Code(CodeBlock):
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        code = Syntax(
            str(self.text).rstrip(), self.lexer_name, theme="ansi_dark", background_color="default",
            word_wrap=True,
        )  # fmt: skip
        yield Padding(code, (0, 0, 0, 2))


class _Heading(Heading):
    LEVEL_ALIGN: ClassVar[dict[str, Any]] = {}


class Block(Markdown):
    """A paragraph, list, table or the like of an answer, as rich shows it."""

    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "fence": _Code,
        "code_block": _Code,
        "heading_open": _Heading,
    }

    def __init__(self, text: str) -> None:
        super().__init__("", hyperlinks=False)
        self.markup = text
        self.parsed = _parser().parse(text)
        for token in self.parsed:
            if token.children:
                token.children = [_with_break(child) for child in _with_products(token.children)]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        """Render without empty lines around it and without spaces at the ends of lines."""
        rendered: Any = super().__rich_console__(console, options)  # which has nothing but segments in it
        lines = [_trimmed(line) for line in Segment.split_lines(rendered)]
        full = [number for number, line in enumerate(lines) if line]
        for line in lines[full[0] : full[-1] + 1] if full else []:
            yield from line
            yield Segment.line()


class Blocks:
    """Takes an answer as it comes in, and hands it on block by block: paragraphs, lists, tables, code.

    A block that another one has followed can change no more, whatever comes.
    """

    def __init__(self) -> None:
        self.rest = ""
        """What has come in of blocks that are not finished."""

    def feed(self, text: str) -> list[str]:
        """Take more of the answer and return the blocks that are finished now."""
        self.rest += text
        if "\n" not in text:
            return []
        # A line that has only begun could still become anything.
        whole = self.rest[: self.rest.rindex("\n") + 1]
        starts = [t.map[0] for t in _parser().parse(whole) if t.level == 0 and t.map and t.nesting >= 0]
        if len(starts) < 2:
            return []
        lines = self.rest.split("\n")
        self.rest = "\n".join(lines[starts[-1] :])
        return ["\n".join(lines[start:end]).rstrip() for start, end in itertools.pairwise(starts)]

    def close(self) -> str:
        """Return the last block."""
        rest, self.rest = self.rest, ""
        return rest.rstrip()


class Answer:
    """A whole answer."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render its blocks with an empty line between them."""
        blocks = Blocks()
        for block in blocks.feed(f"{self._text}\n"):
            yield Block(block)
            yield Segment.line()
        yield Block(blocks.close())


def _with_products(tokens: Sequence[Token]) -> list[Token]:
    """Keep the stars of ``2*3*4``: between letters or digits they are no emphasis."""
    kept = list(tokens)
    opened: list[int] = []
    for at, token in enumerate(tokens):
        if token.type == "em_open":
            opened.append(at)
        elif token.type == "em_close":
            begin = opened.pop()
            inside_a_word = _ends(tokens, begin - 1, -1) or _ends(tokens, at + 1, 0)
            if token.markup == "*" and inside_a_word:
                kept[begin] = kept[at] = Token("text", "", 0, content="*")
    return kept


def _with_break(token: Token) -> Token:
    """Keep the ends of lines as the model wrote them."""
    if token.type == "softbreak":
        token.type = "hardbreak"
    return token


def _trimmed(line: Sequence[Segment]) -> list[Segment]:
    kept = list(line)
    while kept and not kept[-1].text.strip():
        kept.pop()
    if kept:
        kept[-1] = Segment(kept[-1].text.rstrip(), kept[-1].style)
    return kept


def _ends(tokens: Sequence[Token], at: int, edge: int) -> bool:
    """Say whether the text beside a star has a letter or digit next to it."""
    beside = tokens[at] if 0 <= at < len(tokens) else None
    return beside is not None and beside.type == "text" and beside.content[edge:][:1].isalnum()
