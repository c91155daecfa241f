"""Whether a model that is not embedded can be had: its key, its package, its server."""

from __future__ import annotations

from collections.abc import Iterator

from agent_app.doctor.endpoint import check_endpoint
from agent_app.doctor.finding import Finding
from agent_app.doctor.keys import OPENAI, check_keys
from agent_app.errors import SettingError, UserError
from agent_app.models import load_model
from agent_app.settings import Settings, endpoint, key_for

_OPENAI_URL = "https://api.openai.com/v1"


def check_remote(settings: Settings) -> Iterator[Finding]:
    """Check key, name and server of the model that the settings name, until something fails.

    Of the servers only that of ``openai:NAME`` is spoken to; the addresses of the others are their
    packages' own concern.
    """
    kind, _, name = settings.model.partition(":")
    keys = check_keys(kind)
    yield keys
    if keys.status == "fail":
        return
    try:
        load_model(settings.model, settings=settings)
    except SettingError as error:
        yield Finding.failed("endpoint", str(error))
        return
    except UserError as error:
        yield Finding("model", "fail", str(error), "`agent-app models` tells what a model may be called")
        return
    yield Finding("model", "ok", f"{settings.model} can be asked")
    if kind == "openai":
        yield check_endpoint(endpoint() or _OPENAI_URL, key_for(OPENAI), name)
