"""Soft prompts in the forms that other programs take."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TypeVar

from agent_app.errors import ModelError
from agent_app.paths import place_of
from agent_app.soft_prompt.derived import Rows, table_rows, write_derived
from agent_app.soft_prompt.stored import SoftPrompt

_Made = TypeVar("_Made")

EMBEDS = "prompt_embeds"
"""The name of the tensor that vLLM takes: float32, [tokens, dimension]."""


def export_gguf(base: Path, soft: SoftPrompt, target: Path) -> Rows:
    """Write a model's file with a soft prompt in it that any program built on llama.cpp can load.

    Args:
        base: the model's file.
        soft: the soft prompt, tuned for it.
        target: the file to write; replaced whole or not at all.

    Returns:
        Where in the vocabulary the virtual tokens are; `token_name` gives the name of each.

    Raises:
        ModelError: the model's file does not fit, or the target cannot be written.
    """
    return _write(target, lambda file: write_derived(base, [soft], file, by_name=True))[soft.name]


def export_embeds(soft: SoftPrompt, target: Path, base: Path | None = None, text: Sequence[int] = ()) -> int:
    """Write the vectors of a prompt, as vLLM takes them, to a safetensors file.

    Args:
        soft: the soft prompt.
        target: the file to write; replaced whole or not at all.
        base: the model's file, where there is a text.
        text: the tokens of a text that comes after the virtual tokens.

    Returns:
        How many vectors there are.

    Raises:
        ModelError: the model's file does not fit, or the target cannot be written.
    """
    import numpy as np
    from safetensors.numpy import save

    vectors = soft.vectors
    if base is not None and text:
        vectors = np.concatenate([vectors, table_rows(base, text)])
    told = {"soft_prompt": soft.name, "base": json.dumps([soft.card.base.name, soft.card.base.sha256])}
    data = save({EMBEDS: np.ascontiguousarray(vectors)}, told)
    _write(target, lambda file: file.write(data))
    return len(vectors)


def _write(target: Path, write: Callable[[IO[bytes]], _Made]) -> _Made:
    name, target = "", place_of(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(".unfinished", dir=target.parent)
        with os.fdopen(handle, "wb") as file:
            made = write(file)
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except OSError as error:
        raise ModelError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        if name:
            Path(name).unlink(missing_ok=True)
    return made
