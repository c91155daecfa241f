"""Fixtures for every test: a real small model, no network, and no trace of the developer's own settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from agent_app import places
from agent_app.models.fetch import fetch
from agent_app.models.pinned import pinned_model
from agent_app.models.stored import find, verify
from agent_app.places import model_folder
from agent_app.settings import read_settings
from agent_app.testing import no_network

_KEPT = "AGENT_APP_MODEL_DIR"

# On a busy machine a property is as true as on a quiet one.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in list(os.environ):
        if variable.startswith(("AGENT_APP_", "OPENAI_")) and variable != _KEPT:
            monkeypatch.delenv(variable)


@pytest.fixture(autouse=True)
def _own_prompt_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.getbasetemp() / "prompt-cache"
    monkeypatch.setattr(places, "prompt_cache_folder", lambda: folder)


@pytest.fixture(autouse=True)
def _offline() -> Iterator[None]:
    """No test reaches beyond this machine, or tries to; only the fixture below may fetch its model."""
    with no_network() as refused:
        yield
    assert refused == []


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The file of smollm2-135m, fetched once and kept in the program's ordinary model folder."""
    pinned = pinned_model("smollm2-135m")
    given = read_settings({_KEPT: os.environ.get(_KEPT, "")}).model_dir
    path = find(pinned, [given, model_folder()] if given else [model_folder()])
    path = path or fetch(pinned, model_folder())
    verify(path, pinned)
    return path
