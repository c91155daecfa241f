"""What a model's server says of a failure, in any of the forms that servers have for it."""

from __future__ import annotations

from typing import Any

_FIELDS = ("message", "detail", "error", "msg")
"""In which a text may stand, or an object that has one: OpenAI's, FastAPI's, most others', Pydantic's."""


def words_of(body: Any) -> str:
    """Return the text in the body of a refusal, or nothing where there is none or it is a page of HTML.

    Args:
        body: read from JSON, or a text that is no JSON.
    """
    if isinstance(body, str):
        return "" if body.lstrip().startswith("<") else body
    if isinstance(body, list):
        return "; ".join(filter(None, map(words_of, body)))
    if not isinstance(body, dict):
        return ""
    text = next((text for name in _FIELDS if (text := words_of(body.get(name)))), "")
    field = body.get("loc")  # Pydantic tells the field that its text is about apart from it
    return f"{'.'.join(map(str, field))}: {text}" if isinstance(field, list) and text else text
