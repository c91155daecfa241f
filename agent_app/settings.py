"""The environment and `.env`, read once and only here.

Every setting is a field of `Settings`; its variable is ``AGENT_APP_`` and the field's name in capitals.
`.env.example` explains each in a line, and a test holds the two together.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agent_app.errors import SettingError

PREFIX = "AGENT_APP_"

SHORTEST_SECRET = 8
"""In characters; what is shorter would be found in ordinary text all the time."""

_SECRET_NAME = re.compile(
    r"(?:.*_)?(?:(?<!PUBLIC_)KEY|APIKEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE)|PGPASSWORD", re.IGNORECASE
)
_URL_PASSWORD = re.compile(r"://[^\s/@:]{0,256}:([^\s/]{1,256})@")


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be set from outside. An argument of a call or of the command line goes before it."""

    model: str = "embedded"
    """The model's name, as in `agent-app models`."""
    prompt: str = "pirate"
    """The prompt's name, or the path of a prompt file."""
    max_steps: int = 8
    """How many tool calls a question may take."""
    max_seconds: float | None = None
    """How long a question may take, in seconds; None: as long as it takes."""
    max_tokens: int | None = None
    """How many tokens a question may take, read and written; None: as many as it takes."""
    max_cost: float | None = None
    """How many US dollars a question may cost; None: as much as it costs."""
    prices: str | None = None
    """What models cost that the price list does not have, as `agent_app.prices.read_prices` takes it."""
    call_seconds: float | None = 300
    """How long one call of the model may take, in seconds."""
    tool_seconds: float | None = 60
    """How long one call of a tool may take, in seconds."""
    attempts: int = 3
    """How often a call of the model is made when its server fails."""
    tools_dir: Path | None = None
    """A folder of the user's own tools, added to the built-in ones."""
    mcp: Path | None = None
    """A file that names MCP servers, whose tools are added; None: none."""
    prompts_dir: Path | None = None
    """A folder of the user's own prompts, looked in before the built-in ones."""
    model_dir: Path | None = None
    """A folder that holds model files; None: the user's cache folder."""
    context: int = 8192
    """The embedded model's context window, in tokens."""
    threads: int | None = None
    """Threads of the embedded model; None: one per physical core."""


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the environment, after adding what a `.env` file here or above says.

    A variable that is already set goes before the same one in `.env`; an empty one counts as not set.

    Args:
        environ: read this instead of the process's environment, and no `.env`.

    Raises:
        SettingError: a value is not of its kind; names the variable and what would be right.
    """
    if environ is None:
        from dotenv import find_dotenv, load_dotenv

        load_dotenv(find_dotenv(usecwd=True))
        environ = os.environ
    values = {}
    for field in dataclasses.fields(Settings):
        text = environ.get(PREFIX + field.name.upper(), "").strip()
        if text:
            values[field.name] = _convert(field.name, str(field.type), text)
    return Settings(**values)  # type: ignore[arg-type]


def key_for(variable: str) -> str | None:
    """Return a secret from the environment, or None when it is not set. Never log what it gives."""
    return os.environ.get(variable) or None


def secrets(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what must never be shown, by the name of its variable; for `redaction` only.

    A variable counts by the end of its name (``..._API_KEY``, ``..._TOKEN``, ``..._SECRET``,
    ``..._PASSWORD`` and the like), or for the password in a URL that it holds.

    Args:
        environ: look into this instead of the process's environment.
    """
    found = {}
    for name, value in (os.environ if environ is None else environ).items():
        url = _URL_PASSWORD.search(value)
        secret = value.strip() if _SECRET_NAME.fullmatch(name) else url[1] if url else ""
        if len(secret) >= SHORTEST_SECRET:
            found[name] = secret
    return found


def endpoint() -> str | None:
    """Return the OpenAI-compatible endpoint named by ``OPENAI_BASE_URL``, or None."""
    return os.environ.get("OPENAI_BASE_URL") or None


def preset(variable: str, value: str) -> None:
    """Set a variable that a library in this process reads, unless the user has set it."""
    os.environ.setdefault(variable, value)


def terminal_has_colours() -> bool:
    """Say whether the terminal, if there is one, may be given colours: neither NO_COLOR nor TERM=dumb."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _convert(name: str, kind: str, text: str) -> str | int | float | Path:
    wanted = kind.removesuffix(" | None")
    try:
        if wanted == "int":
            number: int | float = int(text)
        elif wanted == "float":
            number = float(text)
        else:
            return Path(text).expanduser() if wanted == "Path" else text
    except ValueError:
        number = 0
    if not number > 0:
        words = {"int": "a whole number above 0", "float": "a number above 0"}
        raise SettingError(f"{PREFIX}{name.upper()} is {text!r}; it takes {words[wanted]}")
    return number
