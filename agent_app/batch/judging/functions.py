"""A Python function by its name: ``module:function``, or ``file.py:function``."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent_app.errors import SettingError, suggest
from agent_app.python_file import run_python_file


def load_function(reference: str) -> Callable[..., Any]:
    """Return the function of a name; its module is run by this.

    Raises:
        SettingError: there is no such module, file or function, or it cannot be run; says why.
    """
    where, _, name = reference.rpartition(":")
    try:
        module = run_python_file(Path(where)) if where.endswith(".py") else importlib.import_module(where)
    except (Exception, SystemExit) as error:
        reason = " ".join(str(error).split())
        raise SettingError(f"cannot use {reference}: {type(error).__name__}: {reason}") from error
    function = getattr(module, name, None)
    if not callable(function):
        known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise SettingError(f"cannot use {reference}: there is no function {name!r}; {suggest(name, known)}")
    loaded: Callable[..., Any] = function
    return loaded
