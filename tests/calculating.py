"""Asking the calculator."""

from __future__ import annotations

import pytest
from langchain_core.tools import ToolException

from agent_app.places import builtin
from agent_app.toolbox import load_tools

(calculator,) = load_tools(["calculator"], [builtin("tools")])


def answer(expression: str) -> str:
    """Return what an expression comes to."""
    result = calculator.invoke(expression)
    assert isinstance(result, str)
    return result


def complaint(expression: str) -> str:
    """Return why an expression is not worked out."""
    with pytest.raises(ToolException) as caught:
        calculator.invoke(expression)
    return str(caught.value)
