"""The guard against the network: loopback is open, all else is shut, for sockets, asyncio and clients."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from agent_app.errors import AgentAppError
from agent_app.testing import FaultyServer, NetworkRefused, no_network

FAR = ("192.0.2.1", 9)
"""An address that is set aside for examples, and leads nowhere."""
BODY = {"messages": [{"role": "user", "content": "hi"}]}


def connect() -> None:
    with socket.socket() as sock:
        sock.connect(FAR)


def connect_ex() -> None:
    with socket.socket() as sock:
        sock.connect_ex(FAR)


def connect_6() -> None:
    with socket.socket(socket.AF_INET6) as sock:
        sock.connect(("2001:db8::1", 9))


def send_a_datagram() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"ahoy", FAR)


def open_a_connection() -> None:
    asyncio.run(_open_a_connection(FAR[0]))


def open_a_connection_by_name() -> None:
    asyncio.run(_open_a_connection("ship.example"))


async def _open_a_connection(host: str) -> None:
    await asyncio.open_connection(host, 9)


def get() -> None:
    httpx.get("http://ship.example:9/", trust_env=False)


def get_by_https() -> None:
    httpx.get("https://192.0.2.1:9/", trust_env=False)


def get_asynchronously() -> None:
    async def run() -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.get("http://ship.example:9/")

    asyncio.run(run())


@pytest.mark.parametrize(
    ("reach", "address"),
    [
        (connect, "192.0.2.1:9"),
        (connect_ex, "192.0.2.1:9"),
        (connect_6, "2001:db8::1:9"),
        (send_a_datagram, "192.0.2.1:9"),
        (lambda: socket.create_connection(("ship.example", 9)), "ship.example:9"),
        (lambda: socket.getaddrinfo("ship.example", 443), "ship.example:443"),
        (lambda: socket.getaddrinfo(b"ship.example", None), "ship.example"),
        (lambda: socket.getaddrinfo("notlocalhost", 80), "notlocalhost:80"),
        (lambda: socket.gethostbyname("ship.example"), "ship.example"),
        (lambda: socket.gethostbyname_ex("ship.example"), "ship.example"),
        (lambda: socket.gethostbyaddr("192.0.2.1"), "192.0.2.1"),
        (lambda: socket.getnameinfo(FAR, 0), "192.0.2.1:9"),
        (open_a_connection, "192.0.2.1:9"),
        (open_a_connection_by_name, "ship.example:9"),
        (get, "ship.example:9"),
        (get_by_https, "192.0.2.1:9"),
        (get_asynchronously, "ship.example:9"),
    ],
)
def test_what_leads_beyond_loopback_is_refused_by_its_address(reach: Callable[[], Any], address: str) -> None:
    with no_network() as refused, pytest.raises(NetworkRefused) as caught:
        reach()
    assert caught.value.address == address
    assert str(caught.value) == f"the network was to be reached at {address}, which `no_network` forbids"
    assert refused == [address]
    assert not isinstance(caught.value, OSError)
    assert isinstance(caught.value, AgentAppError)


def test_loopback_is_open() -> None:
    with no_network() as refused, FaultyServer("one", "two", "three") as server:
        for host in ("127.0.0.1", "localhost", "LOCALHOST"):
            url = server.url.replace("127.0.0.1", host)
            assert httpx.post(f"{url}/chat/completions", json=BODY, trust_env=False).status_code == 200
    assert refused == []


async def test_loopback_is_open_asynchronously() -> None:
    with no_network() as refused, FaultyServer("one") as server:
        async with httpx.AsyncClient(trust_env=False) as client:
            reply = await client.post(f"{server.url}/chat/completions", json=BODY)
    assert (reply.status_code, refused) == (200, [])


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no sockets in files")
def test_a_socket_in_a_file_is_open() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, no_network() as refused:
        ours.sendall(b"ahoy")
        assert theirs.recv(4) == b"ahoy"
        with socket.socket(socket.AF_UNIX) as sock, contextlib.suppress(FileNotFoundError):
            sock.connect("/nowhere/at/all")
    assert refused == []


def test_a_server_may_listen_on_all_addresses() -> None:
    with no_network() as refused, socket.create_server(("", 0)) as server:
        socket.create_connection(("0.0.0.0", server.getsockname()[1])).close()
        socket.getaddrinfo("::", 0)
        socket.getaddrinfo(None, 0)
    assert refused == []


def test_other_threads_are_guarded_too() -> None:
    errors: list[str] = []

    def reach() -> None:
        try:
            connect()
        except NetworkRefused as error:
            errors.append(error.address)

    with no_network() as refused:
        thread = threading.Thread(target=reach)
        thread.start()
        thread.join()
    assert errors == refused == ["192.0.2.1:9"]


def test_what_was_swallowed_is_remembered() -> None:
    with no_network() as refused, contextlib.suppress(NetworkRefused):
        connect()
    assert refused == ["192.0.2.1:9"]


def test_of_two_guards_the_inner_one_notes_it_and_the_outer_one_stays_up() -> None:
    with no_network() as outer:
        with no_network() as inner, contextlib.suppress(NetworkRefused):
            connect()
        with contextlib.suppress(NetworkRefused):
            connect_ex()
    assert (inner, outer) == (["192.0.2.1:9"], ["192.0.2.1:9"])


def test_after_the_block_nothing_is_refused_any_more() -> None:
    """In another process, because the guard of all our tests is up in this one."""
    done = subprocess.run([sys.executable, "-c", AFTER], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("not refused\n", "")


AFTER = """
import contextlib, socket
from agent_app.testing import no_network

with no_network():
    pass
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, contextlib.suppress(OSError):
    sock.connect(("192.0.2.1", 9))  # of datagrams this sends nothing
print("not refused")
"""
