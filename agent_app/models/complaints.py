"""What goes wrong at a model's server becomes one line that a reader can act on."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from agent_app.errors import AgentAppError, EndpointBusy, EndpointDown, EndpointError, EndpointRefused
from agent_app.models.access import CALL, shown
from agent_app.models.server_words import words_of
from agent_app.patience import OutOfTime
from agent_app.settings import SHORTEST_SECRET

# By class name, along the whole ancestry and all causes: the client libraries are slow to import, and the
# user may have another one than we do. What is more special stands first.
_BROKEN = {
    "SSLCertVerificationError": "shows a certificate that is not trusted; SSL_CERT_FILE can name one that is",
    "SSLError": "does not speak TLS as it should; is it http where the address says https?",
    "TooManyRedirects": "redirects calls in a circle",
    # aiohttp's own names come first: they say more than what httpx calls them.
    "ClientHttpProxyError": "cannot be reached through the proxy that the environment names",
    "ClientProxyConnectionError": "cannot be reached through the proxy that the environment names",
    "ProxyError": "cannot be reached through the proxy that the environment names",
    "ClientResponseError": "answered with something that is no HTTP",
    "ClientConnectorError": "cannot be reached; is it running, and is its address right?",
    "ClientOSError": "broke off its answer",
    "ServerDisconnectedError": "broke off its answer",
    "ClientPayloadError": "broke off its answer",
    "TimeoutException": "did not answer in time",
    "APITimeoutError": "did not answer in time",
    "JSONDecodeError": "answered with something that is no JSON",
    "UnicodeDecodeError": "answered with something that is no JSON",
    "NoReply": "answered with something that is no reply of a chat",
    "Withheld": "withheld its reply: its content filter objects to the question or to the answer",
    "Unfinished": "broke off its answer",
    "RemoteProtocolError": "broke off its answer",
    "ReadError": "broke off its answer",
    "APIConnectionError": "cannot be reached; is it running, and is its address right?",
    "TransportError": "cannot be reached; is it running, and is its address right?",
    "HTTPError": "failed",
}
_UNLIKE = ("JSONDecodeError", "NoReply")
"""What a server answers that is another one than the user thinks."""
_REFUSED = {
    401: "refuses the key",
    402: "wants to be paid first",
    403: "does not allow this with the given key",
    404: "knows no such model or address",
    408: "did not answer in time",
    413: "finds the prompt too long",
    429: "is asked too often",
}
_USERS_TO_MEND = (401, 402, 403, 404)
_UNKNOWN = 404
_TOO_SLOW = 408
_TOO_OFTEN = 429
_QUOTA = "insufficient_quota"
_KEY_HEADERS = ("authorization", "api-key", "x-api-key", "x-goog-api-key")
_LONGEST = 300


def explain(error: Exception) -> AgentAppError | None:
    """Return the one-line error for what a model call raised, or None when it is no endpoint's doing.

    It names the endpoint without credentials and never the key. Our own errors come back as they are.
    """
    if isinstance(error, AgentAppError):
        return error
    where = _address(error)
    too_long = _too_long(error)
    if too_long:
        return EndpointError(f"{where} finds the prompt too long{too_long}")
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return _by_status(error, status, where)
    if isinstance(error, OutOfTime):
        return EndpointDown(f"the model gave {error}")
    names = ancestry(error)
    broken = next((words for name, words in _BROKEN.items() if name in names), None)
    if broken:
        advice = "" if names.isdisjoint(_UNLIKE) else _advice(where)
        return EndpointDown(f"{where} {broken}{advice}")
    if isinstance(error, ValueError) and str(error).startswith("No generation chunks"):
        return EndpointDown(f"{where} ended its answer before it began")
    if isinstance(error, RuntimeError) and str(error) == "Event loop is closed":
        return EndpointDown(f"{where} was reached over a connection of an event loop that has ended")
    if "APIError" in names:
        return EndpointDown(f"{where} broke off its answer{_said(error)}")
    return None


def _by_status(error: Exception, status: int, where: str) -> EndpointError:
    """Tell apart who can act: the user, whoever pays, or whoever runs the server."""
    if _was_redirected(error):
        return EndpointRefused(
            f"calls are redirected to {where}, and lose their content on the way; set OPENAI_BASE_URL to that"
        )
    facts = _body(error)
    if _QUOTA in (facts.get("code"), facts.get("type")):
        return EndpointRefused(f"{where} says that the account's quota is used up (HTTP {status})")
    verdict = _REFUSED.get(status) or ("failed" if status >= 500 else "refuses the call")
    # A server may quote the key in its refusal, so what it says about keys is not repeated.
    said = "" if status in (401, 403) else _said(error)
    advice = _advice(where) if status == _UNKNOWN else ""
    message = f"{where} {verdict} (HTTP {status}){said}{advice}"
    if status == _TOO_OFTEN:
        return EndpointBusy(message, _retry_after(error))
    if status == _TOO_SLOW or status >= 500:
        return EndpointDown(message, _retry_after(error))
    return EndpointRefused(message) if status in _USERS_TO_MEND else EndpointError(message)


def _was_redirected(error: Exception) -> bool:
    """Whether a call ended as a mere GET, which HTTP's clients make of it at status 301, 302 or 303."""
    request = _request_of(error)
    return request is not None and request.method == "GET" and str(request.url).endswith(CALL)


def _retry_after(error: Exception) -> float | None:
    """Return how many seconds the server wants to be left alone; RFC 9110, section 10.2.3."""
    headers = getattr(getattr(error, "response", None), "headers", {})
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        # Python reads "inf" and "nan" as numbers too; nobody can wait as long as that.
        return max(0.0, seconds) if math.isfinite(seconds) else None
    try:
        when = parsedate_to_datetime(headers.get("retry-after", ""))
    except (TypeError, ValueError):
        return None
    # A zone of -0000 says that the date is UTC, of unknown origin, and is read as no zone at all.
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())


def _request_of(error: Exception) -> Any | None:
    try:
        return error.request  # type: ignore[attr-defined]
    except (AttributeError, RuntimeError):  # httpx: the request was never set
        return None


def _address(error: Exception) -> str:
    request = _request_of(error)
    if request is None:
        return "the model's server"
    return shown(str(request.url)).removesuffix(CALL)


def _advice(where: str) -> str:
    """Say what is mostly wrong with an address that has no path, where no such server answers."""
    return "" if urlsplit(where).path.strip("/") else "; most addresses end in /v1"


def _too_long(error: Exception) -> str | None:
    """Say by how much a prompt exceeds the context window; None when that is not the trouble."""
    facts = _body(error)
    if facts.get("type") == "exceed_context_size_error":
        return f": {facts.get('n_prompt_tokens')} tokens, and its context window holds {facts.get('n_ctx')}"
    if facts.get("code") == "context_length_exceeded" or "ContextOverflowError" in ancestry(error):
        return _said(error)
    return None


def _said(error: Exception) -> str:
    """Return what the server itself said, as one line of bounded length."""
    # The message of an error with a status is that status, which is told already.
    own = "" if hasattr(error, "status_code") else str(getattr(error, "message", ""))
    text = " ".join((words_of(getattr(error, "body", None)) or own).split())
    for secret in _secrets(error):
        text = text.replace(secret, "***")
    return f": {text[:_LONGEST]}" if text else ""


def _secrets(error: Exception) -> list[str]:
    """Return the keys that the call was sent with, which a server may quote in what it says.

    What is shorter than any secret is a word such as "none", for a server that wants no key.
    """
    headers = getattr(_request_of(error), "headers", {})
    sent = [headers.get(name, "").removeprefix("Bearer ") for name in _KEY_HEADERS]
    return [secret for secret in sent if len(secret) >= SHORTEST_SECRET]


def _body(error: Exception) -> dict[str, Any]:
    body = getattr(error, "body", None)
    return body if isinstance(body, dict) else {}


def ancestry(error: BaseException) -> set[str]:
    """Return the names of an error's classes and their parents, and those of all its causes.

    What an error was raised ``from None`` for counts as its cause: httpcore hides so what TLS says.
    """
    names: set[str] = set()
    link: BaseException | None = error
    while link is not None:
        names.update(parent.__name__ for parent in type(link).__mro__)
        link = link.__cause__ or (link.__context__ if link.__suppress_context__ else None)
    return names
