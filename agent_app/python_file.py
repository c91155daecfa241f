"""Runs a Python file that is part of no package."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from pathlib import Path
from types import ModuleType

_loads = itertools.count()


def run_python_file(file: Path) -> ModuleType:
    """Run a Python file as a module, and return that.

    Its name is its own for each load: a file called json.py hides no other module, and what an earlier load
    of it has given stays as it was.

    Args:
        file: a file whose name ends in ``.py``.

    Raises:
        BaseException: whatever the file raises; nothing is left of the module then.
    """
    name = f"_agent_app_file_{next(_loads)}_{file.stem}"
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
