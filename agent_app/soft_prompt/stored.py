"""A soft prompt as it is stored: a folder with PEFT's own two files and a card.

adapter_config.json            PEFT's settings; `PeftModel.from_pretrained` takes the folder
adapter_model.safetensors      one tensor, ``prompt_embeddings``: a row for each virtual token
card.json                      what it was tuned for and how, and the SHA-256 of the other two

Weights are read from safetensors alone: a pickled file can run code when it is opened.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_app.errors import PromptError
from agent_app.soft_prompt.card import Card, Method

if TYPE_CHECKING:
    import numpy as np

CARD = "card.json"
CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
TENSOR = "prompt_embeddings"

_LARGEST = 64 * 1024 * 1024
_LONGEST_VECTOR = 1e4
"""No model's embeddings come near to this; a number beyond it is damage."""


@dataclass(frozen=True, slots=True)
class SoftPrompt:
    """Virtual tokens: vectors that stand in a prompt where words would."""

    name: str
    vectors: np.ndarray = field(repr=False, compare=False)
    """float32, [tokens, dimension]; not to be written to."""
    card: Card
    """Two soft prompts are equal when their cards are, which hold the hashes of their files."""
    folder: Path

    @property
    def mark(self) -> str:
        """What stands for the virtual tokens where a reader sees the prompt."""
        return f"[{self.card.tokens} virtual tokens of {self.name}]"

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of the name and of what the virtual tokens are."""
        return hashlib.sha256(self.name.encode() + b"\0" + self.vectors.tobytes()).hexdigest()


def load_soft_prompt(folder: Path) -> SoftPrompt:
    """Read a soft prompt, and make sure that its files are whole and agree with each other.

    Args:
        folder: its name is the soft prompt's.

    Raises:
        PromptError: a file is missing, damaged, or has been changed since the card was written.
    """
    card = _card(folder)
    if card.name != folder.resolve().name:
        raise PromptError(f"'name' is {card.name!r}; name it as its folder", file=folder / CARD)
    contents = {name: _checked(folder / name, card.files.get(name)) for name in (CONFIG, WEIGHTS)}
    _check_config(contents[CONFIG], card, folder / CONFIG)
    return SoftPrompt(card.name, _vectors(contents[WEIGHTS], card, folder / WEIGHTS), card, folder)


def save_soft_prompt(folder: Path, vectors: np.ndarray, card: Card) -> SoftPrompt:
    """Write a soft prompt's three files and return it as loaded; other files of the folder stay.

    Each file is replaced at once, the card last: what a crash leaves half done is refused by its hashes.

    Args:
        folder: made if it is not there; its name must be the card's.
        vectors: [tokens, dimension]; stored as float32.
        card: its ``files`` are filled in here.

    Raises:
        PromptError: the vectors do not fit the card, or are not finite; nothing is written then.
        OSError: it cannot be written.
    """
    from safetensors.numpy import save

    if card.name != folder.resolve().name:
        raise PromptError(f"the card's name is {card.name!r}; it takes the folder's", file=folder)
    vectors = _usable(vectors, card, folder)
    config = json.dumps(_adapter_config(card), indent=2, sort_keys=True).encode() + b"\n"
    contents = {CONFIG: config, WEIGHTS: save({TENSOR: vectors}, {"format": "pt"})}
    files = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    contents[CARD] = dataclasses.replace(card, files=files).to_json().encode()
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in contents.items():
        _write(folder / name, data)
    return load_soft_prompt(folder)


def _card(folder: Path) -> Card:
    path = folder / CARD
    try:
        return Card.from_json(_read(path))
    except ValueError as error:
        raise PromptError(f"not the card of a soft prompt: {error}", file=path) from error


def _checked(path: Path, digest: str | None) -> bytes:
    """Return what is in a file, if that is what its card says."""
    data = _read(path)
    if digest is None:
        raise PromptError(f"'files' has no SHA-256 of {path.name}", file=path.with_name(CARD))
    if hashlib.sha256(data).hexdigest() != digest:
        raise PromptError(
            "not the file that its card tells of: the SHA-256 differs; get both anew", file=path
        )
    return data


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except FileNotFoundError as error:
        pickled = path.with_suffix(".bin").is_file() and path.name == WEIGHTS
        hint = "; a pickled file is never opened, save it as safetensors" if pickled else ""
        raise PromptError(f"a soft prompt needs this file{hint}", file=path) from error
    except OSError as error:
        raise PromptError(f"cannot read the file: {error.strerror}", file=path) from error
    if len(data) > _LARGEST:
        raise PromptError(f"the file has more than {_LARGEST:,} bytes", file=path)
    return data


def _check_config(data: bytes, card: Card, path: Path) -> None:
    try:
        config = json.loads(data)
    except ValueError as error:
        raise PromptError(f"not JSON: {error}", file=path) from error
    except RecursionError:
        raise PromptError("it is nested too deeply", file=path) from None
    if not isinstance(config, dict):
        raise PromptError("not the settings of an adapter: expected a JSON object", file=path)
    wanted = {key: _adapter_config(card)[key] for key in _TOLD_BY_CARD}
    for key, value in wanted.items():
        if config.get(key) != value:
            raise PromptError(f"{key!r} is {config.get(key)!r}; with this card it is {value!r}", file=path)


def _vectors(data: bytes, card: Card, path: Path) -> np.ndarray:
    import numpy as np
    from safetensors import SafetensorError, deserialize

    try:
        tensors = dict(deserialize(data))  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise PromptError(f"not a safetensors file: {error}", file=path) from error
    if set(tensors) != {TENSOR}:
        held = ", ".join(sorted(tensors)) or "nothing"
        raise PromptError(f"it holds {held}; it takes {TENSOR} alone", file=path)
    tensor = tensors[TENSOR]
    if tensor["dtype"] != "F32":
        raise PromptError(f"{TENSOR} is of type {tensor['dtype']}; it takes F32", file=path)
    return _usable(np.frombuffer(tensor["data"], "<f4").reshape(tensor["shape"]), card, path)


def _usable(vectors: np.ndarray, card: Card, path: Path) -> np.ndarray:
    """Return vectors as float32 that nobody can write to, if they are what the card tells."""
    import numpy as np

    if vectors.shape != (card.tokens, card.dimension):
        shape, told = list(vectors.shape), [card.tokens, card.dimension]
        raise PromptError(f"{TENSOR} has the shape {shape}; by the card it is {told}", file=path)
    vectors = np.array(vectors, dtype=np.float32, order="C")
    if not np.isfinite(vectors).all() or np.abs(vectors).max() > _LONGEST_VECTOR:
        raise PromptError(f"{TENSOR} holds numbers that are not finite, or absurdly large", file=path)
    vectors.flags.writeable = False
    return vectors


_TOLD_BY_CARD = ("peft_type", "task_type", "num_virtual_tokens", "token_dim")
_OF_METHOD: Mapping[Method, Mapping[str, Any]] = {
    # The table of virtual tokens is all there is: how it began and what encoder made it is in the card.
    "prompt-tuning": {
        "peft_type": "PROMPT_TUNING",
        "prompt_tuning_init": "RANDOM",
        "prompt_tuning_init_text": None,
        "tokenizer_name_or_path": None,
        "tokenizer_kwargs": None,
    },
    "p-tuning": {
        "peft_type": "P_TUNING",
        "encoder_reparameterization_type": "MLP",
        "encoder_hidden_size": None,
        "encoder_num_layers": 2,
        "encoder_dropout": 0.0,
    },
}


def _adapter_config(card: Card) -> dict[str, Any]:
    """Return PEFT's settings; what is None there PEFT takes from the base model."""
    return {
        "auto_mapping": None,
        "base_model_name_or_path": card.base.name,
        "inference_mode": True,
        "modules_to_save": None,
        "num_attention_heads": None,
        "num_layers": None,
        "num_transformer_submodules": 1,
        "num_virtual_tokens": card.tokens,
        "peft_version": card.versions.get("peft"),
        "revision": None,
        "task_type": "CAUSAL_LM",
        "token_dim": card.dimension,
        **_OF_METHOD[card.method],
    }


def _write(path: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(".unfinished", dir=path.parent)
    unfinished = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.chmod(0o644)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
