"""Where a client of OpenAI's sends its calls of a chat, and with which headers."""

from __future__ import annotations

from typing import TypeAlias

from httpx2 import Request
from openai import AsyncOpenAI, OpenAI

from agent_app.models.access import CALL, without_credentials

Client: TypeAlias = OpenAI | AsyncOpenAI


def address_of(client: Client) -> str:
    """Return where a client's calls go, without the password that its address may hold."""
    return without_credentials(_url(client))[0]


def headers_of(client: Client) -> dict[str, str]:
    """Return what a client sends before each call, with the key or an address's own password."""
    _, credentials = without_credentials(_url(client))
    headers = {**client.default_headers, **client.auth_headers, **credentials}
    return {name: value for name, value in headers.items() if isinstance(value, str)}


def call_of(client: Client) -> Request:
    """Return a client's call, for an error that the client itself has not made.

    It has the key, so that a server which quotes it can be kept from showing it.
    """
    return Request("POST", address_of(client), headers=headers_of(client))


def _url(client: Client) -> str:
    # The client ends a path with a slash, but leaves an address without a path as it is.
    return f"{str(client.base_url).rstrip('/')}{CALL}"
