"""The words of a model's vocabulary, as its file has them and as people read them."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from agent_app.errors import ModelError
from agent_app.soft_prompt.gguf_header import BrokenHeader, read_header

_TOKENS, _KIND = "tokenizer.ggml.tokens", "tokenizer.ggml.model"
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
_PRINTABLE = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))


def vocabulary(base: Path) -> list[str]:
    """Return the text of each token of a model's vocabulary; half a character as ``\\xe2``.

    Args:
        base: the model's GGUF file.

    Raises:
        ModelError: the file is broken, or has no vocabulary.
    """
    try:
        header = read_header(base)
    except BrokenHeader as error:
        raise ModelError(f"cannot read the vocabulary of {base}: {error}") from error
    tokens, kind = header.entry(_TOKENS), header.entry(_KIND)
    if tokens is None:
        raise ModelError(f"cannot read the vocabulary of {base}: it has none")
    decoded = _of_bytes if kind is not None and kind.value.endswith(b"gpt2") else _of_pieces
    return [decoded(token) for token in tokens.texts()]


def _of_bytes(token: str) -> str:
    """Return the text of a token in which each byte is written as a character of its own (GPT-2)."""
    try:
        return _shown(bytes(_bytes()[character] for character in token))
    except KeyError:  # a token that was added to the vocabulary as plain text
        return token


def _of_pieces(token: str) -> str:
    """Return the text of a token with low lines for spaces and names for single bytes (SentencePiece)."""
    byte = _BYTE.fullmatch(token)
    return _shown(bytes.fromhex(byte[1])) if byte else token.replace("\u2581", " ")


def _shown(data: bytes) -> str:
    return data.decode(errors="backslashreplace")


@functools.cache
def _bytes() -> dict[str, int]:
    """Return the byte that each character stands for: a printable one for itself, another for the rest."""
    others = (byte for byte in range(256) if byte not in _PRINTABLE)
    return {chr(byte): byte for byte in _PRINTABLE} | {chr(256 + n): byte for n, byte in enumerate(others)}
