"""What a tool gave becomes an `Observation`."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from agent_app.history import text_of
from agent_app.jsonish import encodable
from agent_app.steps import Observation


def observed(result: Any) -> Observation:
    """Return what a model reads of a tool's result: text as it is, and all else as JSON."""
    if isinstance(result, str):
        return Observation(encodable(result))
    from langchain_core.messages import BaseMessage

    if isinstance(result, BaseMessage):
        failed = getattr(result, "status", None) == "error"
        return Observation(encodable(text_of(result.content)), error=failed)
    if _is_content(result):
        return Observation(encodable(text_of(result)))
    return Observation(as_text(result if isinstance(result, _JSON) else _plain(result)))


_JSON = (dict, list, tuple, int, float, type(None))
_PAYLOADS = {"text", "image_url", "base64", "url", "file_id"}


def _is_content(result: Any) -> bool:
    """Say whether it is a list of the blocks that LangChain's messages are made of, and no data like them."""
    from langchain_core.tools.base import TOOL_MESSAGE_BLOCK_TYPES

    return (
        isinstance(result, list)
        and bool(result)
        and all(
            isinstance(block, dict)
            and block.get("type") in TOOL_MESSAGE_BLOCK_TYPES
            and not _PAYLOADS.isdisjoint(block)
            for block in result
        )
    )


def _plain(value: Any) -> Any:
    """Return the fields that a Pydantic model or a dataclass shows, unless it has a text of its own.

    Of anything else it is the text.
    """
    from pydantic import BaseModel

    if isinstance(value, BaseModel) and type(value).__str__ is BaseModel.__str__:
        return dict(value.__repr_args__())
    if dataclasses.is_dataclass(value) and type(value).__str__ is object.__str__:
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.repr}
    return str(value)


def as_text(result: Any) -> str:
    """Write what a tool gave or was given; halves of surrogate pairs are mended, as no UTF-8 holds them."""
    try:
        text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False, default=_plain)
    except (TypeError, ValueError):  # a key that JSON has not, or a list that holds itself
        text = str(result)
    return encodable(text)


def complaint(text: str) -> Observation:
    """Return an observation that says what went wrong."""
    return Observation(encodable(one_line(text)), error=True)


def first_line(error: Exception) -> str:
    """Return what an error says, without the advice that Pydantic puts below it."""
    return str(error).partition("\n")[0]


def one_line(text: str) -> str:
    """Return a text without its line breaks."""
    return " ".join(text.split())
