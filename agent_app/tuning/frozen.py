"""The frozen model: a GGUF file, loaded into transformers, which tuning never changes.

To take a quantised file apart costs half a minute; so a converted copy in float32 is kept in the cache,
under the SHA-256 of the file it was made of.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_app.errors import ModelError, TuningError
from agent_app.models.pinned import pinned_model
from agent_app.models.stored import check_gguf, checked_file, file_named, sha256_of
from agent_app.places import frozen_folder, nearest
from agent_app.settings import Settings

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

FAMILIES = ("llama", "qwen2")
"""What a GGUF file calls the architectures that can be tuned here and served with virtual tokens."""

_BYTES = 4
"""Of a number in the copy."""
_BITS_PACKED = 4
"""Of a weight in the smallest files that there are: the copy is at most so much larger."""


@dataclass(frozen=True, slots=True)
class FrozenModel:
    """A model that is only read, with what identifies it."""

    name: str
    """Its name as in `agent-app models`, or the stem of the user's own file."""
    file: Path
    """The GGUF file."""
    sha256: str
    licence: str
    folder: Path
    """The converted copy, as transformers loads it."""
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    @property
    def dimension(self) -> int:
        """How many numbers a token's vector has."""
        return int(self.model.config.hidden_size)

    @property
    def end(self) -> int:
        """The id of the token that ends an answer."""
        return int(self.tokenizer.eos_token_id)


def load_frozen(name: str, settings: Settings, *, cache: Path | None = None) -> FrozenModel:
    """Load a model to tune a soft prompt for.

    Args:
        name: of a pinned model, as in `agent-app models`, or the path of a GGUF file.
        settings: where model files are looked for.
        cache: keeps the converted copies; None: the usual folder.

    Raises:
        UnknownName: there is no such model.
        ModelError: its file is not here, or is not what it should be.
        TuningError: it is of a family that cannot be tuned, or the copy does not fit on the disk.
    """
    own = file_named(name.removeprefix("embedded:"))
    if own is None:
        pinned = pinned_model(name)
        file, title, licence, sha256 = (
            checked_file(pinned, settings),
            pinned.name,
            pinned.licence,
            pinned.sha256,
        )
    else:
        check_gguf(own)
        file, title, licence, sha256 = own, own.stem, "unknown", sha256_of(own)
    folder = (cache or frozen_folder()) / sha256
    if not folder.is_dir():
        _convert(file, folder)
    return _open(title, file, sha256, licence, folder)


def family_of(file: Path) -> str:
    """Return the architecture that a GGUF file names, such as ``llama``.

    Raises:
        ModelError: the file is broken.
    """
    from gguf import GGUFReader

    try:
        field = GGUFReader(file).get_field("general.architecture")
    except (ValueError, IndexError, OSError) as error:
        raise ModelError(f"{file} is a broken GGUF file: {error}") from error
    return "" if field is None else str(field.contents())


def _convert(file: Path, folder: Path) -> None:
    """Write the copy; nothing is under its name before all of it is there."""
    family = family_of(file)
    if family not in FAMILIES:
        raise TuningError(
            f"{file} is of the family {family!r}; soft prompts are tuned for {' and '.join(FAMILIES)}"
        )
    _check_space(file, folder.parent)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="part-") as part:
            _write_copy(file, Path(part) / "copy")
            with contextlib.suppress(
                FileExistsError
            ):  # another process has been quicker, with the same bytes
                (Path(part) / "copy").rename(folder)
    except OSError as error:
        if folder.is_dir():
            return
        raise TuningError(
            f"cannot keep a converted copy in {folder.parent}: {error.strerror or error}"
        ) from error


def _check_space(file: Path, folder: Path) -> None:
    needed = file.stat().st_size * 8 * _BYTES // _BITS_PACKED
    free = shutil.disk_usage(nearest(folder)).free
    if free < needed:
        raise TuningError(
            f"a converted copy of {file.name} takes up to {needed / 1e9:.1f} GB, "
            f"and {folder} has room for {free / 1e9:.1f} GB"
        )


def _write_copy(file: Path, target: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with _quietly():
        tokenizer: Any = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
        model: Any = AutoModelForCausalLM.from_pretrained(
            file.parent, gguf_file=file.name, dtype=torch.float32
        )
        # The weights are plain by now, but the marks of their origin would forbid to save them.
        model.config.__dict__.pop("quantization_config", None)
        model.config.__dict__.pop("_name_or_path", None)
        model.hf_quantizer, model.is_quantized = None, False
        if hasattr(model, "quantization_method"):
            del model.quantization_method
        model.save_pretrained(target)
        tokenizer.save_pretrained(target)


def _open(name: str, file: Path, sha256: str, licence: str, folder: Path) -> FrozenModel:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with _quietly():
        model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    if tokenizer.eos_token_id is None:
        raise TuningError(f"{file} names no token that ends an answer, so nothing can be taught to end")
    return FrozenModel(name, file, sha256, licence, folder, model.eval(), tokenizer)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keep the loader's bars off the terminal; what goes wrong is raised all the same."""
    from transformers.utils import logging as told

    logging: Any = told
    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()
