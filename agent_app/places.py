"""Where things live: what ships with the program, and what belongs to the user."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

_APP = "agent-app"


def builtin(kind: Literal["prompts", "tools"]) -> Path:
    """Return the folder of prompts or tools that ships with the program.

    In an installed wheel it lies inside the package, in a checkout beside it.
    """
    package = Path(__file__).parent
    inside = package / kind
    return inside if inside.is_dir() else package.parent / kind


def user_folder(kind: Literal["prompts", "tools"]) -> Path:
    """Return the user's own folder of prompts or tools; it need not exist."""
    import platformdirs

    return platformdirs.user_data_path(_APP, appauthor=False) / kind


def model_folder() -> Path:
    """Return the folder that fetched models are kept in; it need not exist."""
    import platformdirs

    return platformdirs.user_cache_path(_APP, appauthor=False) / "models"


def prompt_cache_folder() -> Path:
    """Return the folder that keeps what embedded models have read of prompts; it need not exist."""
    import platformdirs

    return platformdirs.user_cache_path(_APP, appauthor=False) / "prompts"
