"""What `agent-app doctor` looks at: everything that a question needs, before one is asked.

Nothing is sent anywhere unless the model that is named has a server, and that is only asked for its
list of models. No model is loaded. Tool files are run, as they are for every question.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from agent_app.doctor.files import check_folders, check_prompts, check_tools, soft_prompt_of
from agent_app.doctor.finding import Finding, Status, looked_at
from agent_app.doctor.kept import check_mcp, check_prices, check_sessions
from agent_app.doctor.keys import check_keys
from agent_app.doctor.model import check_embedded
from agent_app.doctor.remote import check_remote
from agent_app.doctor.terminal import check_terminal, this_terminal
from agent_app.doctor.versions import check_extras, check_versions, extras, requirements
from agent_app.models.virtual import meant_by
from agent_app.settings import Settings

__all__ = ["Finding", "Status", "examine"]


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything that a question with these settings needs; what is quick comes first."""
    required = requirements()
    yield from check_versions(required)
    yield from check_extras(extras(), required)
    yield check_terminal(this_terminal())
    yield from check_folders(settings)
    yield from looked_at("sessions", check_sessions)
    yield from looked_at("prompts", partial(check_prompts, settings))
    yield from looked_at("prices", partial(check_prices, settings))
    yield from looked_at("model", partial(_check_model, settings))
    yield from looked_at("tools", partial(check_tools, settings))
    yield from looked_at("mcp", partial(check_mcp, settings))


def _check_model(settings: Settings) -> Iterator[Finding]:
    kind, _, name = meant_by(settings.model, soft_prompt_of(settings)).strip().partition(":")
    if kind == "embedded":
        yield check_keys(kind)
        yield from check_embedded(name, settings)
    else:
        yield from check_remote(settings)
