"""Runs a Python file that is part of no package."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

_loads = itertools.count()


def run_python_file(file: Path) -> ModuleType:
    """Run a Python file as a module, and return that.

    It may import what lies beside it, as in ``from ._rates import RATES``. Its name, and the names of what it
    imports so, are their own for each load: a file called json.py hides no other module, and what an earlier
    load of it has given stays as it was.

    Args:
        file: a file whose name ends in ``.py``.

    Raises:
        BaseException: whatever the file raises; nothing is left of the module then.
    """
    package = _package_of(file.parent)
    name = f"{package}.{file.stem.replace('.', '_')}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None  # a file that ends in .py always has one
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        for loaded in [other for other in sys.modules if f"{other}.".startswith(f"{package}.")]:
            del sys.modules[loaded]
        raise
    return module


def _package_of(folder: Path) -> str:
    """Make a folder a package under a new name, so that a file in it has neighbours; return the name."""
    spec = ModuleSpec(f"_agent_app_folder_{next(_loads)}", loader=None, is_package=True)
    spec.submodule_search_locations = [str(folder.absolute())]
    sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    return spec.name
