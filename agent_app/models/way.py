"""The way to a model's server: straight or through a proxy, and whose certificates are trusted on it."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from typing import TypedDict
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from httpx2 import create_ssl_context

from agent_app.errors import SettingError


class ClientOptions(TypedDict):
    """What httpx's clients take of a way."""

    trust_env: bool
    proxy: str | None
    verify: ssl.SSLContext


@dataclass(frozen=True, slots=True)
class Way:
    """How calls get to a server, as the environment wants it.

    It is worked out here for one address, and not left to the clients: httpx makes itself ready for every
    proxy that the environment names, and fails at one that no call would have gone through.
    """

    proxy: str | None
    tls: ssl.SSLContext

    @property
    def options(self) -> ClientOptions:
        """What an httpx client has to be made with."""
        return {"trust_env": False, "proxy": self.proxy, "verify": self.tls}


def way_to(url: str) -> Way:
    """Return the way to an address, by HTTP_PROXY and the like, NO_PROXY, and SSL_CERT_FILE.

    Raises:
        SettingError: the proxy for it is no HTTP proxy, or the certificates cannot be read.
    """
    try:
        tls = create_ssl_context()
    except OSError as error:
        raise SettingError(
            f"SSL_CERT_FILE or SSL_CERT_DIR names no certificates that can be read: {error.strerror}"
        ) from None
    return Way(_proxy_for(url), tls)


def _proxy_for(url: str) -> str | None:
    parts = urlsplit(url)
    host, scheme = parts.hostname or "", parts.scheme.lower()
    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or _is_here(host) or proxy_bypass(host):
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    if urlsplit(proxy).scheme not in ("http", "https"):  # the proxy may hold a password: it is not shown
        raise SettingError(
            f"the proxy that the environment names for {scheme}://{host} is no HTTP proxy; set "
            f"{scheme.upper()}_PROXY=http://HOST:PORT, or NO_PROXY={host} to go without one"
        )
    return proxy


def _is_here(host: str) -> bool:
    """Whether a host is this machine, to which no proxy leads."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return address.is_loopback or address.is_unspecified
