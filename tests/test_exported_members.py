"""What a package exports is there, is listed once and in order, and nothing public is left out."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

import agent_app
from agent_app.errors import AgentAppError

PACKAGE = Path(agent_app.__file__).parent
EXPORTING = sorted(
    ".".join(("agent_app", *file.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
    for file in PACKAGE.rglob("*.py")
    if "\n__all__ = [" in file.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("module", EXPORTING)
def test_every_exported_name_is_there_and_once(module: str) -> None:
    exporting = importlib.import_module(module)
    names = exporting.__all__
    assert len(names) == len(set(names))
    assert [name for name in names if getattr(exporting, name, None) is None] == []


def test_type_checkers_and_programs_see_the_same_names() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    (checking,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in checking.body if isinstance(node, ast.ImportFrom)]
    assert sorted(alias.name for node in imports for alias in node.names) == agent_app.__all__
    for node in imports:
        for alias in node.names:
            source = importlib.import_module(str(node.module))
            assert getattr(agent_app, alias.name) is getattr(source, alias.name)
    assert set(dir(agent_app)) == {*agent_app.__all__, "__version__"}


def test_every_error_can_be_caught_by_its_public_name() -> None:
    errors = importlib.import_module("agent_app.errors")
    kinds = [value for value in vars(errors).values() if isinstance(value, type)]
    public = {kind.__name__ for kind in kinds if issubclass(kind, AgentAppError)}
    assert public <= set(agent_app.__all__)


def test_an_unknown_name_is_an_ordinary_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'agent_app' has no attribute 'Pirate'$"):
        agent_app.Pirate  # noqa: B018
