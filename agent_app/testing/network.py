"""A guard that keeps a test from reaching anything beyond its own machine."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from agent_app.errors import AgentAppError


class NetworkRefused(AgentAppError):  # noqa: N818 - that is what happened to it
    """Something wanted to reach the network where a guard forbids it.

    It is no `OSError`, so that a program which bears with a network that is down does not bear with this.

    Args:
        address: what was to be reached, such as ``example.org:443``.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__(f"the network was to be reached at {address}, which `no_network` forbids")


@contextlib.contextmanager
def no_network() -> Iterator[list[str]]:
    """Refuse every connection and every look-up of a name beyond loopback, in all threads, within a block.

    It yields the list of the addresses that were refused so far: a program may well swallow the error, so
    a strict test looks into the list at the end. Files that are sockets (Unix domain) are let through.

    The guard hears what Python announces about its own sockets (the audit events of PEP 578): that is all
    there is for synchronous programs, for asyncio, and for libraries on top of them. It does not hear
    native code that makes its own sockets (curl, Rust, llama.cpp, uvloop), other processes, or a
    connection of asyncio's on Windows to an address that is no name.

    Raises:
        NetworkRefused: within the block, in the place of the connection; it names the address.
    """
    _listen()
    refused: list[str] = []
    with _changing:
        _guards.append(refused)
    try:
        yield refused
    finally:
        with _changing:
            _guards[:] = [guard for guard in _guards if guard is not refused]


_guards: list[list[str]] = []
"""The guards that are up, each as the list of what it refused; the innermost comes last."""
_changing = threading.Lock()
_INTERNET = (socket.AF_INET, socket.AF_INET6)


@functools.cache
def _listen() -> None:
    """Begin to hear audit events. Python has no way to end that, so without a guard they are let pass."""
    sys.addaudithook(_heard)


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    address_of = _ADDRESSES.get(event)
    guards = _guards[:] if address_of else ()
    if not address_of or not guards:
        return
    host, port = address_of(*arguments)
    name = host.decode("utf-8", "replace") if isinstance(host, bytes) else host
    if name and not _is_here(str(name)):
        address = f"{name}:{port}" if port else str(name)
        guards[-1].append(address)
        raise NetworkRefused(address)


def _named(name: Any, port: Any = None, *_: Any) -> tuple[Any, Any]:
    return name, port


def _peer(sock: socket.socket, address: Any) -> tuple[Any, Any]:
    return address[:2] if address and sock.family in _INTERNET else (None, None)


_ADDRESSES: dict[str, Callable[..., tuple[Any, Any]]] = {
    "socket.connect": _peer,
    "socket.sendto": _peer,
    "socket.sendmsg": _peer,
    "socket.getaddrinfo": _named,
    "socket.gethostbyname": _named,
    "socket.gethostbyaddr": _named,
    "socket.getnameinfo": lambda address: address[:2],
}
"""The events that tell of a way to the network, and how each of them tells the host and the port."""


def _is_here(host: str) -> bool:
    """Whether a host is this machine's loopback, or stands for all its own addresses."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.lower().rstrip(".")
        return name == "localhost" or name.endswith(".localhost")
    return address.is_loopback or address.is_unspecified
