"""The environment and `.env`, read once and only here.

Every setting is a field of `Settings`; its variable is ``AGENT_APP_`` and the field's name in capitals.
`.env.example` explains each in a line, and a test holds the two together.
"""

from __future__ import annotations

import dataclasses
import io
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agent_app.errors import SettingError, suggest
from agent_app.paths import path_of

PREFIX = "AGENT_APP_"

SHORTEST_SECRET = 8
"""In characters; what is shorter would be found in ordinary text all the time."""

_log = logging.getLogger(__name__)

_SECRET_NAME = re.compile(
    r"(?:.*_)?(?:(?<!PUBLIC_)KEY|APIKEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE)|PGPASSWORD", re.IGNORECASE
)
_URL_PASSWORD = re.compile(r"://[^\s/@:?#]{0,256}:(?![0-9]{1,5}[?#])([^\s/]{1,256})@(?!sha(?:256|512):)")


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
    One that begins as ours do and is none, such as ``AGENT_APP_MODL``, is passed over with a warning.

    Args:
        environ: read this instead of the process's environment, and no `.env`.

    Raises:
        SettingError: a value is not of its kind; names the variable and what would be right. Or `.env` is
            not UTF-8 text, or cannot be read.
    """
    if environ is None:
        _load_file()
        environ = os.environ
    fields = {PREFIX + field.name.upper(): field for field in dataclasses.fields(Settings)}
    for variable in environ:
        if variable.startswith(PREFIX) and variable not in fields:
            _log.warning("%s is no setting; %s", variable, suggest(variable, fields))
    values = {}
    for variable, field in fields.items():
        text = environ.get(variable, "").strip()
        if text:
            values[field.name] = _convert(field.name, str(field.type), text)
    return Settings(**values)  # type: ignore[arg-type]


def key_for(variable: str) -> str | None:
    """Return a secret from the environment, or None when it is not set. Never log what it gives."""
    return os.environ.get(variable) or None


def file_of(variable: str) -> Path | None:
    """Return the `.env` file that a variable was read from; None: it was set before, or is not set.

    Raises:
        SettingError: as for `read_settings`.
    """
    from dotenv import dotenv_values

    path, value = _file(), os.environ.get(variable)
    if path is None or value is None:
        return None
    text, _ = _read(path)
    # A variable of the environment goes before the file, so only the same value may be the file's.
    return path if dotenv_values(stream=io.StringIO(text)).get(variable) == value else None


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


def _file() -> Path | None:
    from dotenv import find_dotenv

    try:
        found = find_dotenv(usecwd=True)
    except FileNotFoundError:  # the current folder has been deleted
        return None
    return Path(found) if found else None


def _load_file() -> None:
    """Add to the environment what a `.env` file says."""
    from dotenv import load_dotenv

    path = _file()
    if path is None:
        return
    text, wrong = _read(path)
    for line in wrong:
        _log.warning("%s:%d: this line is passed over; write NAME=VALUE, or # before it", path, line)
    load_dotenv(stream=io.StringIO(text))


def _read(path: Path) -> tuple[str, list[int]]:
    """Return what can be read of a `.env` file, and the numbers of the lines that are left out.

    Raises:
        SettingError: it is not UTF-8 text, or cannot be read.
    """
    from dotenv.parser import parse_stream

    try:
        text = path.read_text(encoding="utf-8-sig")
        is_text = "\0" not in text  # UTF-16 is full of them, and may be UTF-8 all the same
    except UnicodeDecodeError:
        is_text = False
    except OSError as error:
        raise SettingError(f"cannot read {path}: {error.strerror}") from error
    if not is_text:
        raise SettingError(f"{path}: it is not UTF-8 text; save it as UTF-8")
    read, wrong = "", []
    for binding in parse_stream(io.StringIO(text)):
        said = binding.original.string
        if binding.error:  # it begins with the empty lines before it
            wrong.append(binding.original.line + said.removesuffix(said.lstrip()).count("\n"))
        else:
            read += said
    return read, wrong


def _convert(name: str, kind: str, text: str) -> str | int | float | Path:
    wanted = kind.removesuffix(" | None")
    try:
        if wanted == "int":
            number: int | float = int(text)
        elif wanted == "float":
            number = float(text)
        else:
            return path_of(text) if wanted == "Path" else text
    except ValueError:
        number = 0
    if not number > 0:
        words = {"int": "a whole number above 0", "float": "a number above 0"}
        raise SettingError(f"{PREFIX}{name.upper()} is {text!r}; it takes {words[wanted]}")
    return number
