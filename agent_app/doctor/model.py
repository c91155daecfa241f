"""Whether the embedded model is here, is what it claims to be, and fits into memory and on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agent_app.doctor.finding import Finding
from agent_app.doctor.gguf import ModelFacts, NotGguf, read_facts
from agent_app.doctor.memory import free_memory
from agent_app.errors import FetchError, ModelError, UnknownName
from agent_app.models.fetch import check_space
from agent_app.models.pinned import Pinned, pinned_model
from agent_app.models.stored import file_named, find, verify
from agent_app.places import model_folder
from agent_app.settings import Settings

_WORKING = 256 << 20
"""Bytes beside weights and cache, for libraries and llama.cpp's buffers; 200 to 250 MB were measured."""

_TWICE = 0.5
"""The part of the weights that llama.cpp may keep a second time, in an order that a processor reads quicker:
measured about a half of the default model's, and none of the two smaller ones'."""


def check_embedded(name: str, settings: Settings) -> Iterator[Finding]:
    """Check an embedded model: its file, and the memory that it takes. Nothing is loaded.

    Args:
        name: what follows ``embedded:``, or nothing for the default one.
        settings: where models lie, and the context window.
    """
    path = file_named(name)
    if path is not None:
        yield from _check_file(path, "a model file of yours", "", settings)
        return
    try:
        pinned = pinned_model(name)
    except UnknownName as error:
        yield Finding("model", "fail", str(error), "`agent-app models` lists them")
        return
    folders = [settings.model_dir, model_folder()] if settings.model_dir else [model_folder()]
    path = find(pinned, folders)
    if path is None:
        yield check_fetch(pinned, model_folder())
        return
    try:
        verify(path, pinned)
    except OSError as error:
        yield Finding("model", "fail", f"cannot read {path}: {error.strerror}", "let yourself read it")
    except ModelError as error:
        yield Finding.failed("model", str(error))
    else:
        yield from _check_file(path, f"{pinned.name} is here", ", its SHA-256 is right", settings)


def check_fetch(pinned: Pinned, folder: Path) -> Finding:
    """Say what fetching a model would take, and whether the disk has room for it."""
    says = f"{pinned.name} is not here yet: {pinned.size}, licence {pinned.licence}"
    try:
        check_space(pinned, folder)
    except FetchError as error:
        advice = "free some space, or set AGENT_APP_MODEL_DIR to where the file is"
        return Finding("model", "fail", f"{says}; {error}", advice)
    return Finding("model", "warn", says, f"get it with `agent-app models fetch {pinned.name}`")


def check_memory(facts: ModelFacts, context: int, free: int, *, grouped: bool) -> Finding:
    """Say whether a model fits into memory.

    Without room for its cache and for what it keeps twice it cannot run; without room for the file itself
    that is read from the disk again and again.

    Args:
        facts: what its file says.
        context: tokens of the context window.
        free: bytes that it may take.
        grouped: whether that is the limit of a control group, such as a container's.
    """
    cache = facts.cache(context)
    least = (cache or 0) + _WORKING + int(facts.weights * _TWICE)
    needed = facts.weights + least
    where = "this container's limit leaves" if grouped else "there are"
    unknown = " (without its cache, whose size its file does not tell)" if cache is None else ""
    says = f"the model takes up to {size_of(needed)}{unknown} with {context:,} tokens of context"
    smaller = "set AGENT_APP_CONTEXT lower, take a smaller model, or end other programs"
    if free < least:
        return Finding("memory", "fail", f"{says}, but {where} only {size_of(free)}", smaller)
    if free < needed:
        told = f"{says}, but {where} only {size_of(free)}: it will be very slow"
        return Finding("memory", "warn", told, smaller)
    return Finding("memory", "ok", f"{says}; {where} {size_of(free)}")


def size_of(count: int) -> str:
    """Write a number of bytes as people say it: ``"1.1 GB"``, ``"98 MB"``."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _check_file(path: Path, what: str, more: str, settings: Settings) -> Iterator[Finding]:
    try:
        facts = read_facts(path)
    except OSError as error:
        yield Finding("model", "fail", f"cannot read {path}: {error.strerror}", "is the path right?")
    except NotGguf as error:
        yield Finding("model", "fail", f"{path} {error}", "get the file again")
    else:
        yield Finding("model", "ok", f"{what}: {path}, {size_of(facts.weights)}{more}")
        free, grouped = free_memory()
        yield check_memory(facts, settings.context, free, grouped=grouped)
