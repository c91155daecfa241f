"""The file of the model that a soft prompt was tuned for."""

from __future__ import annotations

from pathlib import Path

from agent_app.errors import ModelError
from agent_app.models.pinned import pinned_model, pinned_models
from agent_app.models.stored import check_gguf, checked_file, sha256_of
from agent_app.settings import Settings
from agent_app.soft_prompt import SoftPrompt
from agent_app.soft_prompt.derived import check_base


def base_file(soft: SoftPrompt, model: str | None, settings: Settings) -> Path:
    """Return the file of the model that a soft prompt was tuned for.

    Args:
        soft: the soft prompt.
        model: a file that the user names; None: it is looked for by its name.
        settings: where model files are looked for.

    Raises:
        ModelError: it is not here; says how to get it.
        PromptError: it is another model.
    """
    if model is not None:
        check_gguf(Path(model))
        check_base(soft, sha256_of(Path(model)), model)
        return Path(model)
    name = soft.card.base.name
    if name not in pinned_models():
        raise ModelError(
            f"the soft prompt {soft.name!r} was tuned for {name}, which is not one of `agent-app models`; "
            "name its GGUF file with --model"
        )
    pinned = pinned_model(name)
    check_base(soft, pinned.sha256, pinned.name)
    return checked_file(pinned, settings)
