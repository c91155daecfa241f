"""Every way of asking a model, whole and in pieces, with and without waiting for it asynchronously."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

import pytest
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable

Model: TypeAlias = Runnable[LanguageModelInput, AIMessage]
Ask: TypeAlias = Callable[[Model], Coroutine[Any, Any, str]]


async def whole(model: Model) -> str:
    return model.invoke("a").text


async def in_pieces(model: Model) -> str:
    return "".join([piece.text for piece in model.stream("a")])


async def awaited(model: Model) -> str:
    return (await model.ainvoke("a")).text


async def in_awaited_pieces(model: Model) -> str:
    return "".join([piece.text async for piece in model.astream("a")])


every_way = pytest.mark.parametrize("ask", [whole, in_pieces, awaited, in_awaited_pieces])
