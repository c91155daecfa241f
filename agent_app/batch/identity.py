"""What makes two questions the same, and what makes two agents the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent_app.agent import Agent
    from agent_app.redaction import Redactor

_KEY_BYTES = 16
_SHOWN = 12
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str)
"""Made once, as `json.dumps` would make one for each of 200,000 rows."""


def key_of(question: str, inputs: Mapping[str, Any]) -> bytes:
    """Return the hash of a question and what goes with it.

    Rows of which a model is shown the same have the same key, and are asked once.

    Raises:
        UnicodeEncodeError: the question is no Unicode text.
    """
    content = question.encode()
    if inputs:
        content += b"\0" + canonical_json(inputs)
    return hashlib.blake2b(content, digest_size=_KEY_BYTES).digest()


def fingerprint(agent: Agent, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides how an agent answers, as plain data to store, to compare and to show.

    Time-outs, attempts and budgets are not among it: they decide whether it answers. Nor are approvals.

    Args:
        agent: the agent; it is loaded by this.
        values: the values of the prompt's inputs that are the same in every row.
    """
    from agent_app.models import name_of

    terms, ref = agent.terms, agent.prompt.ref
    limits = terms.limits
    others = [model if isinstance(model, str) else name_of(model) for model in agent.fallbacks]
    return {
        "prompt": f"{ref.name} {ref.version} ({ref.hash[:_SHOWN]})",
        "model": name_of(agent.model),
        "model settings": _hash(_settings_of(agent.model)),
        **({"bound to the model": _hash(agent.model_options)} if agent.model_options else {}),
        **({"fallbacks": ", ".join(others)} if others else {}),
        **{f"tool {name}": _hash([agent.toolbox.describe_one(name), schema])
           for name, schema in sorted(agent.toolbox.schemas().items())},
        "max_steps": limits.steps,
        "max_format_errors": limits.format_errors,
        "max_tokens": terms.max_tokens,
        "max_cost": terms.max_cost,
        "on_limit": limits.then,
        "context": terms.context,
        "response format": None if terms.form is None else _hash(terms.form.schema),
        **{f"input {name}": _safe(value, agent.redactor) for name, value in sorted(values.items())},
    }  # fmt: skip


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Yield in words what is not the same in two fingerprints."""
    for name in dict.fromkeys([*before, *now]):
        if name not in now:
            yield f"{name} is gone"
        elif name not in before:
            yield f"{name} is new"
        elif before[name] != now[name]:
            yield f"{name} was {before[name]}, is {now[name]}"


def _safe(value: Any, redactor: Redactor) -> Any:
    """Return a value without the secrets in it; a hash keeps values apart that would be the same so."""
    safe = redactor.data(value)
    return value if safe == value else f"{safe} ({_hash(value)})"


def _settings_of(model: Any) -> dict[str, Any]:
    """Return what LangChain tells its tracers of a model, without what is of no account for its words."""
    facts = model._get_ls_params()
    return {name: facts.get(name) for name in ("ls_temperature", "ls_max_tokens", "ls_stop")}


def _hash(value: Any) -> str:
    return hashlib.blake2b(canonical_json(value), digest_size=_KEY_BYTES).hexdigest()[:_SHOWN]


def canonical_json(value: Any) -> bytes:
    """Return a value as JSON, the same for equal ones; of a type that JSON has not its text."""
    return _ENCODER.encode(value).encode()
