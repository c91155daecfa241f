"""The file that names MCP servers, in the form that many programs share.

    {"mcpServers": {
        "files": {"command": "uvx", "args": ["some-server", "/data"], "env": {"TOKEN": "${FILES_TOKEN}"}},
        "shop": {"url": "https://shop.example/mcp", "headers": {"Authorization": "Bearer ${SHOP_KEY}"}}}}

``${NAME}`` in any of the texts is filled from the environment, so that no secret need be in the file.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from agent_app.errors import SettingError, suggest
from agent_app.paths import path_of
from agent_app.settings import key_for

_STDIO_FIELDS = ("command", "args", "env", "cwd")
_HTTP_FIELDS = ("url", "headers")
_ANY_FIELDS = ("type", "disabled")
_OTHERS_FIELDS = frozenset({"description", "timeout", "alwaysAllow", "autoApprove"})
"""What other programs keep in the same file and what asks nothing of this one."""
_TRANSPORTS = {
    "command": ("stdio",),
    "url": ("http", "streamable-http", "streamable_http", "streamableHttp"),
}
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


@dataclass(frozen=True, slots=True)
class StdioServer:
    """A server that is a program on this machine; it is spoken to over its standard input and output."""

    name: str
    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What its environment holds beyond the few harmless variables that every server is given."""
    cwd: Path | None = None


@dataclass(frozen=True, slots=True)
class HttpServer:
    """A server behind an address; it is spoken to over streamable HTTP."""

    name: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


Server: TypeAlias = StdioServer | HttpServer


def read_servers(config: Path | Mapping[str, Any]) -> list[Server]:
    """Return the servers that a configuration names, without those that are ``"disabled"``.

    Args:
        config: the path of a JSON file, or what would stand in it.

    Raises:
        SettingError: it cannot be read, or a field is wrong; names the file and the field.
    """
    place = "the MCP configuration" if isinstance(config, Mapping) else str(config)
    data = config if isinstance(config, Mapping) else _read(config)
    named = data.get("mcpServers") if isinstance(data, Mapping) else None
    if not isinstance(named, Mapping):
        raise SettingError(f'{place}: there is no object "mcpServers" in it, which names the servers')
    entries = [_Entry(place, name, value) for name, value in named.items()]
    return [_server(entry) for entry in entries if not entry.flag("disabled")]


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingError(f"cannot read the MCP configuration {path}: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise SettingError(f"{path}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise SettingError(f"{path}: not JSON in UTF-8") from error


def _server(entry: _Entry) -> Server:
    match [kind for kind in _TRANSPORTS if kind in entry.fields]:
        case ["command"]:
            entry.check("command", (*_STDIO_FIELDS, *_ANY_FIELDS))
            command, args = entry.text("command"), entry.texts("args")
            return StdioServer(entry.name, command, tuple(args), entry.table("env"), entry.folder("cwd"))
        case ["url"]:
            entry.check("url", (*_HTTP_FIELDS, *_ANY_FIELDS))
            return HttpServer(entry.name, entry.address("url"), entry.headers("headers"))
        case kinds:
            problem = "has both" if kinds else "lacks"
            raise entry.wrong(f'{problem} "command" (a program) and "url" (an address); it takes one of them')


class _Entry:
    """What the file says of one server; each look at a field checks it."""

    def __init__(self, place: str, name: str, fields: Any) -> None:
        self.name = name
        self._where = f"{place}: mcpServers.{name}"
        if not isinstance(fields, Mapping):
            raise self.wrong('must be an object such as {"command": "...", "args": []}')
        self.fields: Mapping[str, Any] = fields

    def wrong(self, problem: str, *path: str | int) -> SettingError:
        return SettingError(f"{'.'.join([self._where, *map(str, path)])} {problem}")

    def check(self, kind: str, known: Sequence[str]) -> None:
        """Refuse unknown fields, as passing over one would mean a limit or a key that is not there."""
        for name in self.fields:
            if name not in known and name not in _OTHERS_FIELDS:
                raise self.wrong(f"is an unknown field; {suggest(name, known)}", name)
        transport = self.fields.get("type", _TRANSPORTS[kind][0])
        if transport not in _TRANSPORTS[kind]:
            right = "stdio for a command, http for a url; servers that speak only sse are not supported"
            raise self.wrong(f"is {transport!r}; it takes {right}", "type")

    def flag(self, name: str) -> bool:
        value = self.fields.get(name, False)
        if not isinstance(value, bool):
            raise self.wrong("must be true or false", name)
        return value

    def text(self, name: str) -> str:
        value = self._filled(self.fields[name], name)
        if not value.strip():
            raise self.wrong("is empty", name)
        return value

    def texts(self, name: str) -> list[str]:
        values = self.fields.get(name, [])
        if not isinstance(values, list | tuple):
            raise self.wrong("must be a list of texts", name)
        return [self._filled(value, name, number) for number, value in enumerate(values)]

    def table(self, name: str) -> dict[str, str]:
        values = self.fields.get(name, {})
        if not isinstance(values, Mapping):
            raise self.wrong("must be an object of texts", name)
        return {key: self._filled(value, name, key) for key, value in values.items()}

    def headers(self, name: str) -> dict[str, str]:
        found = {key: value.strip() for key, value in self.table(name).items()}
        for key, value in found.items():
            # Said here, as the HTTP library would repeat the value, which may be a secret.
            if not (value.isascii() and value.isprintable()):
                raise self.wrong("must be printable ASCII", name, key)
        return found

    def address(self, name: str) -> str:
        url = self.text(name)
        with contextlib.suppress(ValueError):  # brackets that do not match, for example
            parts = urlsplit(url)
            if parts.scheme in ("http", "https") and parts.hostname:
                return url
        raise self.wrong("must be an address that begins with https:// or http://", name)

    def folder(self, name: str) -> Path | None:
        if name not in self.fields:
            return None
        path = path_of(self.text(name))
        if not path.is_dir():
            raise self.wrong(f"is {str(path)!r}; there is no such folder", name)
        return path

    def _filled(self, value: Any, *path: str | int) -> str:
        if not isinstance(value, str):
            raise self.wrong("must be a text", *path)

        def look_up(match: re.Match[str]) -> str:
            found = key_for(match[1])
            if found is None:
                raise self.wrong(f"takes {match[1]!r} from the environment, where it is not set", *path)
            return found

        return _VARIABLE.sub(look_up, value)
