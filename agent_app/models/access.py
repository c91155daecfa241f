"""The address of a model's server and the key for it: whether a call can be made with them at all."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import urlsplit

from agent_app.errors import SettingError

CALL = "/chat/completions"
"""What a call puts behind an address."""
_PORTS = 1 << 16


def check_address(url: str) -> None:
    """Make sure that an address names a server; it may hold a password, so what is wrong does not show it.

    Raises:
        SettingError: its scheme, host or port is missing or none, a blank stands in it, or the path of a
            call cannot be put behind it.
    """
    from httpx2 import URL, InvalidURL

    try:
        parts = URL(url)
        port = 1 if parts.port is None else parts.port
        is_one = parts.scheme in ("http", "https") and bool(parts.host) and 0 < port < _PORTS
    except (InvalidURL, UnicodeError):
        is_one = False
    if not is_one or " " in url:
        raise SettingError("OPENAI_BASE_URL is no address; it takes http://HOST:PORT/v1")
    if parts.query:
        raise SettingError("OPENAI_BASE_URL has a `?`; it takes an address without, as http://HOST:PORT/v1")
    if parts.path.rstrip("/").endswith(CALL):
        raise SettingError(f"OPENAI_BASE_URL ends in {CALL}; leave that out, the calls put it there")


def shown(url: str) -> str:
    """Return an address as it may be shown: without the user and password, and what follows its path."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def without_credentials(url: str) -> tuple[str, Mapping[str, str]]:
    """Return an address without the user and password in it, and the headers that say them.

    httpx sends what stands in an address instead of a key; aiohttp takes no call that has both.

    Args:
        url: one that `check_address` lets pass.
    """
    from httpx2 import URL

    parts = URL(url)
    if not parts.userinfo:
        return url, {}
    said = b64encode(f"{parts.username}:{parts.password}".encode()).decode()
    return str(parts.copy_with(userinfo=b"")), {"Authorization": f"Basic {said}"}


def check_key(key: str, name: str) -> None:
    """Make sure that a key can be sent at all; it is never shown.

    Args:
        key: the key.
        name: what the user calls it, such as the name of its variable.

    Raises:
        SettingError: it has a character that no key has.
    """
    if key != key.strip() or not (key.isascii() and key.isprintable()):
        raise SettingError(
            f"{name} has a blank, a line end or another character in it that no key has; "
            "copy the key again, and nothing else"
        )
