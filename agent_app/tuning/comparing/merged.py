"""A model's file with what LoRA has learnt in it, for llama.cpp to serve like any other.

The matrices that were changed are written as F16 with the difference added; every other byte stays. The chat
template is replaced by one that adds nothing, as the model was tuned on plain text.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from agent_app.errors import TuningError
from agent_app.soft_prompt.gguf_header import TEXT, Entry, Header, Tensor, read_header, text
from agent_app.tuning.frozen import family_of

if TYPE_CHECKING:
    import numpy as np

_TEMPLATE = "tokenizer.chat_template"
_PLAIN = "{% for message in messages %}{{ message['content'] }}{{ '\\n' }}{% endfor %}"
_NAMES = {"q_proj": "attn_q", "v_proj": "attn_v"}


def write_merged(base: Path, added: Mapping[tuple[int, str], np.ndarray], heads: int, target: Path) -> None:
    """Write the file.

    Args:
        base: the model's file.
        added: by layer and ``q_proj`` or ``v_proj`` what is added to that matrix; float32, [out, in].
        heads: how many heads the model's queries have.
        target: is replaced.

    Raises:
        TuningError: it cannot be written.
    """
    from gguf import GGMLQuantizationType as Kind

    header, mixed = read_header(base), family_of(base) == "llama"
    changed = {f"blk.{layer}.{_NAMES[name]}.weight": (name, more) for (layer, name), more in added.items()}
    tensors = tuple(
        dataclasses.replace(one, kind=int(Kind.F16)) if one.name in changed else one for one in header.tensors
    )
    written, starts = Header(_plain(header), tensors).written()
    try:
        with base.open("rb") as source, target.open("wb") as file:
            file.write(written)
            for one, start in zip(header.tensors, starts, strict=True):
                file.write(bytes(start - file.tell()))
                source.seek(one.start)
                data = source.read(one.bytes)
                if one.name in changed:
                    name, more = changed[one.name]
                    data = _sum(one, data, _paired(more, heads) if mixed and name == "q_proj" else more)
                file.write(data)
    except OSError as error:
        raise TuningError(f"{target}: cannot write the model: {error.strerror}") from error


def _plain(header: Header) -> tuple[Entry, ...]:
    return (
        *(entry for entry in header.entries if entry.key != _TEMPLATE),
        Entry(_TEMPLATE, TEXT, text(_PLAIN)),
    )


def _sum(tensor: Tensor, data: bytes, more: np.ndarray) -> bytes:
    import numpy as np
    from gguf import GGMLQuantizationType, quants

    rows = np.frombuffer(data, np.uint8).reshape(tensor.shape[1], tensor.row_bytes)
    weights = quants.dequantize(rows, GGMLQuantizationType(tensor.kind))
    return bytes((weights + more).astype(np.float16).tobytes())


def _paired(weights: np.ndarray, heads: int) -> np.ndarray:
    """Put rows into llama.cpp's order, where both halves of a rotated pair are neighbours."""
    out, inner = weights.shape
    halves = weights.reshape(heads, 2, out // heads // 2, inner)
    paired: np.ndarray = halves.swapaxes(1, 2).reshape(out, inner)
    return paired
