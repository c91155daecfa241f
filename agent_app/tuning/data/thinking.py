"""What a small model thinks before a move: few words; for a calculation that it makes up, what is to be done.

Where a sum stands in the question, it is copied. In a story it does not, and whoever writes numbers down as
the story has them has chosen the sum before its sign comes: so the operations are named beforehand.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from agent_app.steps import Arguments
from agent_app.tuning.data.material import thoughts

_OPERATIONS: Mapping[type[ast.operator], Sequence[str]] = {
    ast.Add: ("add",),
    ast.Sub: ("subtract",),
    ast.Mult: ("multiply",),
    ast.Div: ("divide",),
    ast.Pow: ("raise",),
    ast.Mod: ("take the remainder",),
}
_ROOT = "take the root"
_IN_PYTHON = (
    (re.compile(r"(?<=\d),(?=\d{3})|%|(?<=[a-z])-(?=[a-z])"), ""),
    (re.compile(r"\bmod\b"), "%"),
    (re.compile(r"\^"), "**"),
    (re.compile(r"(?<![\w.])0+(?=\d)"), ""),
)


def thought_before(tool: str, given: Arguments, question: str) -> str:
    """Return the thought that comes before a call of a tool.

    Args:
        tool: what is called.
        given: its input.
        question: what was asked.
    """
    fixed = thoughts().get(tool, thoughts()["other"])
    if tool != "calculator" or not isinstance(given, str) or given in question:
        return fixed
    operations = [name for name, _ in groupby(_operations(given))]
    if not operations:
        return fixed
    percent = " percent" if "%" in given else ""
    return f"I must {' and then '.join(operations)}{percent}"


def _operations(calculation: str) -> Iterator[str]:
    """Yield what a calculation does, in the order in which it is done; nothing of one that is in words."""
    text = calculation.lower()
    for pattern, other in _IN_PYTHON:
        text = pattern.sub(other, text)
    try:
        yield from _in_order(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # a batch's runs may hold any text
        return


def _in_order(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.BinOp(left, operator, right):
            yield from _in_order(left)
            yield from _in_order(right)
            yield from _OPERATIONS.get(type(operator), ())
        case ast.Call(ast.Name("sqrt" | "cbrt"), [argument]):
            yield from _in_order(argument)
            yield _ROOT
        case ast.UnaryOp(_, operand):
            yield from _in_order(operand)
