"""What the tests of the documents have in common: their blocks of code, and running these."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
_FENCED = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A block of code in a document."""

    language: str
    text: str
    line: int
    file: Path


def blocks_of(file: Path) -> list[Block]:
    """Return all blocks of code in a document."""
    text = file.read_text(encoding="utf-8")
    return [Block(m[1], m[2], text.count("\n", 0, m.start()) + 1, file) for m in _FENCED.finditer(text)]


def run_blocks(blocks: Iterable[Block]) -> dict[str, Any]:
    """Run Python one block after the other, as one program, and return what its names stand for.

    A block whose first line names a file, such as ``# my_tools/greet.py``, is put into that file too.
    """
    namespace: dict[str, Any] = {"__name__": "document"}
    with asyncio.Runner() as runner:
        for block in blocks:
            if file := re.match(r"# (\S+\.py)\n", block.text):
                Path(file[1]).parent.mkdir(parents=True, exist_ok=True)
                Path(file[1]).write_text(block.text, encoding="utf-8")
            # As many line ends before it as there are in the document, so a traceback tells the line there.
            source = "\n" * block.line + block.text
            code = compile(source, str(block.file), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            if code.co_flags & inspect.CO_COROUTINE:
                runner.run(eval(code, namespace))
            else:
                exec(code, namespace)
    return namespace
