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


def session_file() -> Path:
    """Return the file that sessions are kept in; it need not exist."""
    import platformdirs

    return platformdirs.user_data_path(_APP, appauthor=False) / "sessions.db"


def nearest(folder: Path) -> Path:
    """Return a folder, or the nearest path above it that is there: a folder, unless a file is in the way."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())


def typed_file() -> Path:
    """Return the file that keeps what was typed into the chat, for its history; it need not exist."""
    import platformdirs

    return platformdirs.user_data_path(_APP, appauthor=False) / "typed.txt"


def model_folder() -> Path:
    """Return the folder that fetched models are kept in; it need not exist."""
    import platformdirs

    return platformdirs.user_cache_path(_APP, appauthor=False) / "models"


def frozen_folder() -> Path:
    """Return the folder that keeps copies of models as tuning reads them; it need not exist."""
    import platformdirs

    return platformdirs.user_cache_path(_APP, appauthor=False) / "frozen"


def prompt_cache_folder() -> Path:
    """Return the folder that keeps what embedded models have read of prompts; it need not exist."""
    import platformdirs

    return platformdirs.user_cache_path(_APP, appauthor=False) / "prompts"


def derived_folder() -> Path:
    """Return the folder that keeps model files with soft prompts in them; it need not exist."""
    import platformdirs

    return platformdirs.user_cache_path(_APP, appauthor=False) / "derived"
