"""The way to the endpoints of llama.cpp's server that are not of the OpenAI protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Connection:
    """Calls a server in this process, which may take its time.

    Args:
        client: an HTTP client.
        address: the server's.
        key: what it wants to see.
    """

    def __init__(self, client: Any, address: str, key: str) -> None:
        self._client, self.address = client, address
        self._headers = {"Authorization": f"Bearer {key}"}

    def get(self, endpoint: str) -> Any:
        """Return what an endpoint tells, read from JSON."""
        return self._client.get(f"{self.address}{endpoint}", headers=self._headers).raise_for_status().json()

    def post(self, endpoint: str, body: Mapping[str, Any]) -> Any:
        """Return what an endpoint answers, read from JSON."""
        return self._posted(endpoint, body).raise_for_status().json()

    def try_to_post(self, endpoint: str, body: Mapping[str, Any]) -> Any | None:
        """Return what an endpoint answers, or None where it refuses."""
        answer = self._posted(endpoint, body)
        return answer.json() if answer.is_success else None

    def _posted(self, endpoint: str, body: Mapping[str, Any]) -> Any:
        url = f"{self.address}{endpoint}"
        return self._client.post(url, json=body, headers=self._headers, timeout=None)
