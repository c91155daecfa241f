"""Tags that models write around what they think aloud, and around calls of tools."""

from __future__ import annotations

import re

_TAG = re.compile(
    r"(?:<|\[(?=/?(?-i:THINK|TOOL_CALLS)\]))(?P<close>/?)"
    r"(?:(?P<think>(?:seed:)?think|thinking|thought|reasoning|reflection)|(?:tool|function)_calls?)[>\]]|<\|(?:python_tag|tool_call)\|>",
    re.IGNORECASE,
)
# How gpt-oss marks what it thinks aloud, and what it says after that.
_CHANNEL = re.compile(
    r"(?:<\|end\|>)?(?:<\|start\|>assistant)?<\|channel\|>(?:(?P<think>analysis)|final)<\|message\|>"
)


def first_tag(line: str) -> re.Match[str] | None:
    """Find the first tag in a line; its group ``think`` says of which sort it is, ``close`` if it ends."""
    return _TAG.search(line) if "<" in line or "[" in line else None


def after_reasoning(line: str) -> str | None:
    """Return what stands after the end of reasoning in a line; None: it does not end there."""
    return next((line[tag.end() :] for tag in _TAG.finditer(line) if tag["think"] and tag["close"]), None)


def channels_as_tags(line: str) -> str:
    """Write the channels of gpt-oss as the tags of others."""
    return _CHANNEL.sub(lambda channel: "<think>" if channel["think"] else "</think>", line)
