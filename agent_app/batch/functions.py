"""A Python function by its name: ``module:function``, or ``file.py:function``."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from agent_app.errors import SettingError, suggest


def load_function(reference: str) -> Callable[..., Any]:
    """Return the function of a name; its module is run by this.

    Raises:
        SettingError: there is no such module, file or function, or it cannot be run; says why.
    """
    where, _, name = reference.rpartition(":")
    try:
        module = _of_file(Path(where)) if where.endswith(".py") else importlib.import_module(where)
    except (Exception, SystemExit) as error:
        reason = " ".join(str(error).split())
        raise SettingError(f"cannot use {reference}: {type(error).__name__}: {reason}") from error
    function = getattr(module, name, None)
    if not callable(function):
        known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise SettingError(f"cannot use {reference}: there is no function {name!r}; {suggest(name, known)}")
    loaded: Callable[..., Any] = function
    return loaded


def _of_file(file: Path) -> ModuleType:
    # A name of its own, so that a file called json.py hides no other module.
    name = f"_agent_app_function_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None  # a file that ends in .py always has one
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
