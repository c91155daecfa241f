"""Which versions are installed, and whether they are those that the program is made for."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, metadata, requires, version

from packaging.requirements import Requirement

from agent_app.doctor.finding import Finding

_PACKAGE = "agent-app"
_TOLD = ("langchain", "langchain-core", "langgraph", "langchain-openai", "xllamacpp")
_OURS = ("bench", "check", "test")
"""The extras for who works on the program itself."""

Installed = Callable[[str], "str | None"]
"""Returns the version of an installed package, or None."""


def installed(name: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def requirements() -> list[str]:
    """Return what the installed program requires, as its metadata say; nothing in a bare checkout."""
    try:
        return requires(_PACKAGE) or []
    except PackageNotFoundError:
        return []


def extras() -> list[str]:
    """Return the names of the installed program's optional extras; nothing in a bare checkout."""
    try:
        return metadata(_PACKAGE).get_all("Provides-Extra") or []
    except PackageNotFoundError:
        return []


def check_versions(required: Sequence[str], installed: Installed = installed) -> Iterator[Finding]:
    """Tell the versions that matter, and each package that is missing or of a wrong version."""
    told = [f"{name} {installed(name) or 'not installed'}" for name in (_PACKAGE, *_TOLD)]
    yield Finding("versions", "ok", ", ".join([f"Python {platform.python_version()}", *told]))
    parsed = [Requirement(text) for text in required]
    for wanted in parsed:
        if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
            wrong = _misfit(wanted, installed)
            if wrong:
                yield Finding("versions", "fail", wrong, f"pip install '{wanted.name}{wanted.specifier}'")


def check_extras(
    extras: Sequence[str], required: Sequence[str], installed: Installed = installed
) -> Iterator[Finding]:
    """Tell which optional extras are installed.

    Args:
        extras: the names of all there are; those for work on the program itself are left out.
        required: all requirements, as the metadata have them.
        installed: tells an installed version.
    """
    parsed = [Requirement(text) for text in required]
    for extra in extras:
        if extra in _OURS:
            continue
        wanted = [one for one in parsed if one.marker and one.marker.evaluate({"extra": extra})]
        lacking = [wrong for one in wanted if (wrong := _misfit(one, installed))]
        if lacking:
            says = f"[{extra}] is not installed: {', '.join(lacking)}"
            yield Finding("extras", "ok", says, f"pip install '{_PACKAGE}[{extra}]'")
        else:
            yield Finding("extras", "ok", f"[{extra}] is installed")


def _misfit(wanted: Requirement, installed: Installed) -> str:
    """Say what is wrong with how a requirement is met; empty if nothing is."""
    have = installed(wanted.name)
    if have is None:
        return f"{wanted.name} is missing"
    if not wanted.specifier.contains(have, prereleases=True):
        return f"{wanted.name} is {have}, and {wanted.specifier} is needed"
    return ""
