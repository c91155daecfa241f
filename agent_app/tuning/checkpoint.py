"""Checkpoints: all that a tuning needs to go on exactly, in one file without pickle.

Tensors (the parameters, AdamW's memory of them, the best table so far) are a safetensors file; the rest is
JSON in its metadata. A file is replaced at once, so a crash or a full disk leaves the one before it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_app.errors import TuningError

if TYPE_CHECKING:
    import torch

_STATE = "state"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a tuning stands."""

    state: Mapping[str, Any]
    """Plain data: the settings, the steps done, the curve, and hashes of what it was begun with."""
    tensors: Mapping[str, torch.Tensor]


def save_checkpoint(file: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; its folder is made if it is not there.

    Raises:
        TuningError: it cannot be written, as when the disk is full; an earlier one stays.
    """
    from safetensors.torch import save

    content = save(dict(checkpoint.tensors), {_STATE: json.dumps(dict(checkpoint.state))})
    unfinished = file.with_name(f"{file.name}.unfinished")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(content)
        unfinished.replace(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        kept = "; the one before it is kept, and --resume goes on from it" if file.is_file() else ""
        raise TuningError(f"{file}: the checkpoint cannot be written: {error.strerror}{kept}") from error


def load_checkpoint(file: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        TuningError: there is none, or it is damaged.
    """
    from safetensors import SafetensorError, safe_open

    if not file.is_file():
        raise TuningError(f"{file}: there is no checkpoint to go on from; leave out --resume to begin")
    try:
        with safe_open(file, "pt") as content:
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118 - no dict
            state = json.loads((content.metadata() or {})[_STATE])
    except (SafetensorError, OSError, KeyError, ValueError, RecursionError) as error:
        raise damaged(file, str(error)) from error
    if not isinstance(state, dict):
        raise damaged(file, "its state is no JSON object")
    return Checkpoint(state, tensors)


def damaged(file: Path, what: str) -> TuningError:
    """Return what is told of a checkpoint that no tuning has written so."""
    return TuningError(f"{file}: the checkpoint is damaged ({what}); begin anew with --force")
