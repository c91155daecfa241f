"""The card of a soft prompt: what it was tuned for, from what, how, and how well it does."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

Method: TypeAlias = Literal["prompt-tuning", "p-tuning"]
"""How the virtual tokens were tuned: directly (Lester et al., 2021), or through a small encoder that is
thrown away afterwards (Liu et al., 2021)."""

SOFT_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
"""What a soft prompt may be called."""
MOST_TOKENS = 1024
"""More virtual tokens than this are taken for a mistake."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Base:
    """The frozen model that a soft prompt was tuned for, and which alone understands it."""

    name: str
    sha256: str
    """Of the GGUF file."""


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the loss curve."""

    step: int
    seconds: float
    loss: float
    dev_loss: float | None = None
    """On the part held back, where it was measured."""


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of a soft prompt; `card.json` in its folder.

    Raises:
        ValueError: a value cannot be; says which and what would be right.
    """

    name: str
    description: str
    method: Method
    tokens: int
    dimension: int
    base: Base
    tokenizer_sha256: str
    """Of what the tokenizer is made of, as the one who tuned it counted that."""
    licence: str
    data: Mapping[str, Any] = field(default_factory=dict)
    """What it was tuned on: the file's ``sha256``, how many ``examples``, and so on."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Every hyperparameter, the seed among them."""
    curve: Sequence[Point] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    """The SHA-256 of each file beside the card; `save_soft_prompt` fills it in."""

    def __post_init__(self) -> None:
        if not SOFT_NAME.fullmatch(self.name):
            raise ValueError(f"'name' is {self.name!r}; it takes small letters, digits, '-' and '_'")
        if self.method not in get_args(Method):
            raise ValueError(f"'method' is {self.method!r}; it takes {' or '.join(get_args(Method))}")
        if not 1 <= self.tokens <= MOST_TOKENS:
            raise ValueError(f"'tokens' is {self.tokens}; it takes 1 to {MOST_TOKENS}")
        if self.dimension < 1:
            raise ValueError(f"'dimension' is {self.dimension}; it takes a number above 0")
        hashes = {"base.sha256": self.base.sha256, "tokenizer_sha256": self.tokenizer_sha256, **self.files}
        for where, digest in hashes.items():
            if not _SHA256.fullmatch(digest):
                raise ValueError(
                    f"{where!r} is {digest!r}; it takes a SHA-256 of 64 small hexadecimal digits"
                )

    def to_json(self) -> str:
        """Return the text of `card.json`.

        Raises:
            ValueError: a number is not finite.
        """
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, indent=2, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Card:
        """Take back what `to_json` gave.

        Raises:
            ValueError: it is not JSON, or a value is missing, unknown, or not of its kind.
        """
        try:
            data = json.loads(text, parse_constant=_refuse)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        if not isinstance(data, dict):
            raise ValueError("expected a JSON object")  # noqa: TRY004 - it is the text's fault
        _check_kinds(data)
        try:
            base, curve = Base(**data["base"]), tuple(Point(**point) for point in data.get("curve", ()))
            return cls(**{**data, "base": base, "curve": curve})
        except TypeError as error:
            raise ValueError(f"a value is missing or unknown: {error}") from error


_KINDS: dict[str, type] = {
    **dict.fromkeys(("name", "description", "method", "tokenizer_sha256", "licence"), str),
    **dict.fromkeys(("tokens", "dimension"), int),
    **dict.fromkeys(("base", "data", "settings", "metrics", "versions", "files"), dict),
    "curve": list,
}


def _check_kinds(data: Mapping[str, Any]) -> None:
    for name, kind in _KINDS.items():
        value = data.get(name, kind() if name in _OPTIONAL else None)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ValueError(f"{name!r} is missing or not {_SAID[kind]}")  # noqa: TRY004 - the text's fault
    for name in ("base", "versions", "files"):
        if not all(isinstance(value, str) for value in data.get(name, {}).values()):
            raise ValueError(f"{name!r} holds something else than texts")
    for point in data.get("curve", ()):
        if not isinstance(point, dict) or not all(isinstance(n, float | int | None) for n in point.values()):
            raise ValueError("'curve' holds something else than objects of numbers")


_OPTIONAL = {f.name for f in dataclasses.fields(Card) if f.default is not dataclasses.MISSING} | {
    f.name for f in dataclasses.fields(Card) if f.default_factory is not dataclasses.MISSING
}
_SAID = {str: "a text", int: "a whole number", dict: "an object", list: "a list"}


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number")
