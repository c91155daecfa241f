"""Whether a model's server is there, takes the key and knows the model; it is never sent a question."""

from __future__ import annotations

import json
import textwrap
from typing import NamedTuple

from agent_app.doctor.finding import Finding, Status
from agent_app.errors import suggest
from agent_app.models.access import shown
from agent_app.models.complaints import ancestry
from agent_app.models.way import way_to
from agent_app.patience import OutOfTime, within

_LONGEST = 4 << 20
"""Bytes of an answer that are read."""
_LONGEST_ADVICE = 300
"""Characters; some servers have hundreds of models."""
_OK = 200

_START = "start the server, or mend OPENAI_BASE_URL"
# By the name of httpx's error or of its cause, the most special first; their own texts may quote the key or
# a password.
_BROKEN = {
    "SSLCertVerificationError": (
        "shows a certificate that is not trusted",
        "name a file that holds it in SSL_CERT_FILE",
    ),
    "SSLError": ("does not speak TLS as it should", "is it http where it says https?"),
    "ProxyError": ("cannot be reached through the proxy that the environment names", "mend HTTPS_PROXY"),
    "ConnectTimeout": ("does not answer", _START),
    "TimeoutException": ("takes a connection and then says nothing", "is it an HTTP server, and is it busy?"),
    "ConnectError": ("cannot be reached", _START),
    "RemoteProtocolError": ("does not speak HTTP", "is it http where it should be https?"),
    "HTTPError": ("breaks off its answer", "look at what the server says"),
}
_BY_STATUS: dict[int, tuple[Status, str, str]] = {
    401: ("fail", "refuses the key", "the key is wrong, or another server's; see `keys` above"),
    403: ("fail", "does not allow this with the given key", "the key's account or project may not use it"),
    404: ("warn", "has no list of models", "most addresses end in /v1; a few servers keep no list"),
    407: ("fail", "is behind a proxy that wants a password", "mend HTTPS_PROXY"),
    429: ("warn", "is asked too often", "wait, or look at your quota"),
}
_FAILS: tuple[Status, str, str] = ("fail", "fails", "look at what the server says")
_OTHERWISE: tuple[Status, str, str] = ("warn", "does not give its list of models", "is the address right?")


class _Answer(NamedTuple):
    status: int
    body: bytes


def check_endpoint(url: str, key: str | None, name: str, *, seconds: float = 5) -> Finding:
    """Ask a server for its list of models.

    Args:
        url: its address, with ``/v1`` and the like; one that `check_address` lets pass.
        key: sent to it; None: it needs none.
        name: the model that it should have.
        seconds: how long it may take to answer.
    """
    import httpx

    where = shown(url)
    try:
        answer = within(2 * seconds, _ask, f"{url.rstrip('/')}/models", key, seconds)
    except OutOfTime:
        return Finding("endpoint", "fail", f"{where} sends its list of models without end or too slowly")
    except httpx.HTTPError as error:
        says, advice = _broken(error)
        return Finding("endpoint", "fail", f"{where} {says}", advice)
    return _read_status(answer, where, name)


def _ask(address: str, key: str | None, seconds: float) -> _Answer:
    import httpx

    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with httpx.stream(
        "GET", address, headers=headers, timeout=seconds, **way_to(address).options
    ) as response:
        body = bytearray()
        for piece in response.iter_bytes():
            body += piece
            if len(body) > _LONGEST:
                break
        return _Answer(response.status_code, bytes(body))


def _broken(error: Exception) -> tuple[str, str]:
    names = ancestry(error)
    return next(words for name, words in _BROKEN.items() if name in names)


def _read_status(answer: _Answer, where: str, name: str) -> Finding:
    if answer.status == _OK:
        return _read_list(answer.body, where, name)
    usual = _FAILS if answer.status >= 500 else _OTHERWISE
    status, verdict, advice = _BY_STATUS.get(answer.status, usual)
    return Finding("endpoint", status, f"{where} {verdict} (HTTP {answer.status})", advice)


def _read_list(body: bytes, where: str, name: str) -> Finding:
    try:
        names = [str(model["id"]) for model in json.loads(body)["data"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        says = f"{where} answers, but not as an OpenAI-compatible server does"
        return Finding("endpoint", "warn", says, "most addresses end in /v1")
    if name not in names:
        says = f"{where} lists no model {name!r}"
        advice = textwrap.shorten(suggest(name, names), _LONGEST_ADVICE, placeholder=" ...")
        return Finding("endpoint", "warn", says, advice)
    return Finding("endpoint", "ok", f"{where} answers and has {name}")
