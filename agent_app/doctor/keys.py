"""Which keys are set and where they were read from; never what they are."""

from __future__ import annotations

from agent_app.doctor.finding import Finding
from agent_app.errors import SettingError
from agent_app.models.access import check_key
from agent_app.models.provider import key_variables, known_key_variables
from agent_app.settings import endpoint, file_of, key_for

OPENAI = "OPENAI_API_KEY"


def check_keys(kind: str) -> Finding:
    """Say whether the key is there that a model takes.

    Args:
        kind: the word before the colon of the model's name.
    """
    wanted = (OPENAI,) if kind == "openai" else key_variables(kind)
    have = [variable for variable in wanted if key_for(variable)]
    if have:
        return _check_form(have[0])
    if kind == "openai" and endpoint():
        return Finding("keys", "ok", f"{OPENAI} is not set; a server of your own may need none")
    if wanted:
        says = f"{kind} takes a key, and {' or '.join(wanted)} is not set"
        return Finding("keys", "fail", says, f"set {wanted[0]} in the environment or in a file `.env`")
    others = [said_of(variable) for variable in dict.fromkeys((OPENAI, *known_key_variables()))]
    named = [said for said in others if said]
    return Finding("keys", "ok", f"{kind} takes none" + (f"; set: {', '.join(named)}" if named else ""))


def said_of(variable: str) -> str:
    """Name a variable, and the file that it was read from; empty when it is not set."""
    return f"{variable} (from {file_of(variable) or 'the environment'})" if key_for(variable) else ""


def _check_form(variable: str) -> Finding:
    said = said_of(variable)
    try:
        check_key(key_for(variable) or "", said)
    except SettingError as error:
        return Finding.failed("keys", str(error))
    return Finding("keys", "ok", f"{said} is set")
