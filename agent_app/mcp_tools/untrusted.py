"""What an MCP server says of itself and what it sends, made fit to be shown to a model.

A server is a stranger: names, descriptions and schemas come into the prompt before the question, so
nothing in them may pose as a part of the prompt. Results are text of bounded length; that they cannot
pass for the agent's own words is seen to where every observation is rendered.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from agent_app.labels import fence

if TYPE_CHECKING:
    from mcp.types import CallToolResult, ContentBlock

LONGEST_NAME = 64
"""In characters; what the parser and the servers of models take."""
LONGEST_DESCRIPTION = 500
LONGEST_NOTE = 120
"""Of what a schema says that a parameter is for."""
LONGEST_SCHEMA = 20_000
"""In characters of JSON: a few dozen parameters; more would fill a model's window."""

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
_CUT = 4
"""A text is cut to this many times its length first, so that no length of it costs time."""
_CHOICES = ("enum", "const")


def prefixed(server: str, tool: str = "") -> str:
    """Return a tool's name with its server's before it: letters, digits, ``_`` and ``-`` alone."""
    return _UNSAFE.sub("_", f"{server}_{tool}")[:LONGEST_NAME]


def one_line(text: str, limit: int = LONGEST_DESCRIPTION) -> str:
    """Return a text as one line without control characters and chat templates' tokens, cut to `limit`."""
    visible = "".join(c if c.isprintable() else " " for c in text[: _CUT * limit])
    line = fence(" ".join(visible.split()))
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def schema_problem(schema: dict[str, Any]) -> str:
    """Say what speaks against showing the schema of a tool's arguments to a model; empty if nothing does."""
    from jsonschema import SchemaError
    from jsonschema.validators import Draft202012Validator, validator_for
    from langchain_core.utils.json_schema import dereference_refs

    if len(json.dumps(schema)) > LONGEST_SCHEMA:
        return f"has more than {LONGEST_SCHEMA:,} characters"
    try:
        validator_for(schema, default=Draft202012Validator).check_schema(schema)
        dereference_refs(schema)
    except SchemaError as error:
        return f"is not JSON schema: {one_line(error.message, 100)}"
    except (KeyError, ValueError, TypeError, RecursionError):
        return "has a reference in it that leads nowhere"
    for text in _shown(schema):
        if not text.isprintable() or fence(text) != text:
            return f"has a name or a choice in it that poses as a part of the prompt: {one_line(text, 60)!r}"
    return ""


def with_safe_notes(schema: Any) -> Any:
    """Return a schema, or a part of one, whose descriptions may be shown to a model."""
    if isinstance(schema, list):
        return [with_safe_notes(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: value if key in _CHOICES else _note(value) if key == "description" else with_safe_notes(value)
        for key, value in schema.items()
    }


def _note(value: Any) -> Any:
    """Make a description safe, unless it is a parameter of that name."""
    return one_line(value, LONGEST_NOTE) if isinstance(value, str) else with_safe_notes(value)


def _shown(schema: Any) -> Iterator[str]:
    """Return the texts in a schema that a model gets to read or write: names, and choices of all depths."""
    if isinstance(schema, list):
        for item in schema:
            yield from _shown(item)
    if isinstance(schema, dict):
        for key, value in schema.items():
            yield key
            if key in _CHOICES:
                yield from _texts(value)
            else:
                yield from _shown(value)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for item in (*value, *(value.values() if isinstance(value, dict) else ())):
            yield from _texts(item)


def result_text(result: CallToolResult, limit: int) -> str:
    """Return what a tool gave as text of at most `limit` characters and a note on how many were left out."""
    text = "\n".join(map(_block_text, result.content))
    if not result.content and result.structuredContent is not None:
        text = json.dumps(result.structuredContent, ensure_ascii=False)
    return text if len(text) <= limit else f"{text[:limit]}\n... [{len(text) - limit} characters left out]"


def _block_text(block: ContentBlock) -> str:
    """Return a text as it is; of anything else only what it was, as a model that reads text cannot see it."""
    from mcp.types import AudioContent, BlobResourceContents, ImageContent, ResourceLink, TextContent

    if isinstance(block, TextContent):
        return block.text
    if isinstance(block, ImageContent | AudioContent):
        return f"[{block.type}: {block.mimeType}, {_size(block.data)} bytes]"
    if isinstance(block, ResourceLink):
        return f"[link: {block.name}, {block.uri}]"
    if isinstance(block.resource, BlobResourceContents):
        kind = block.resource.mimeType or "unknown kind"
        return f"[file: {block.resource.uri}, {kind}, {_size(block.resource.blob)} bytes]"
    return block.resource.text


def _size(base64: str) -> str:
    """Count the bytes that a text in base64 stands for."""
    return f"{len(base64.rstrip('=')) * 3 // 4:,}"
