"""What a tool declares that it may do, and what follows from it where no rule says anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from agent_app.approvals.rules import WORDS, Do
from agent_app.errors import SettingError, ToolFileError, suggest

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

NONE = "none"
"""Stands in `DEFAULTS` for a tool that declares no risk."""

DEFAULTS: Mapping[str, Do] = {
    NONE: "always",
    "network": "always",  # asking the web is what such a tool is for
    "files": "ask once per session",
    "cost": "ask",
}
"""What to do about a tool by its risk; a risk that is not listed here is asked about."""


def risks_of(tool: BaseTool) -> frozenset[str]:
    """Return the risks that a tool declares in its ``metadata``, as in ``{"risk": ["network", "cost"]}``.

    Raises:
        ToolFileError: the declaration is not a list of words.
    """
    declared = (tool.metadata or {}).get("risk", [])
    words = declared if isinstance(declared, list | tuple | set | frozenset) else [None]
    if not all(isinstance(word, str) and word.strip() for word in words):
        raise ToolFileError(
            f"the tool {tool.name!r} declares the risk {declared!r}; "
            'it takes a list of words, such as ["network"]'
        )
    return frozenset(words)


def defaults_with(given: Mapping[str, Do]) -> dict[str, Do]:
    """Return `DEFAULTS` with some of them replaced or added.

    Raises:
        SettingError: one of them is no word that a rule may say.
    """
    for risk, do in given.items():
        if do not in WORDS:
            raise SettingError(f"the default for the risk {risk!r} is {do!r}; {suggest(str(do), WORDS)}")
    return {**DEFAULTS, **given}


def strictest(risks: Iterable[str], defaults: Mapping[str, Do]) -> Do:
    """Return what to do about a tool with these risks: the strictest of their defaults."""
    return max((defaults.get(risk, "ask") for risk in [*risks] or [NONE]), key=WORDS.index)
