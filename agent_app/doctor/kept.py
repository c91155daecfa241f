"""Whether prices, MCP servers and past sessions can be read, where there are any."""

from __future__ import annotations

from collections.abc import Iterator

from agent_app.doctor.finding import Finding
from agent_app.errors import SettingError, StoreError
from agent_app.mcp_tools import load_mcp_tools
from agent_app.places import session_file
from agent_app.prices import read_prices
from agent_app.sessions import Store
from agent_app.settings import Settings


def check_prices(settings: Settings) -> Iterator[Finding]:
    """Check the prices that the settings give."""
    if settings.prices is None:
        return
    try:
        prices = read_prices(settings.prices)
    except SettingError as error:
        yield Finding("prices", "fail", str(error), "mend AGENT_APP_PRICES")
    else:
        yield Finding("prices", "ok", f"given for {', '.join(prices)}")


def check_mcp(settings: Settings) -> Iterator[Finding]:
    """Check the file of MCP servers that the settings name; no server is started."""
    if settings.mcp is None:
        return
    try:
        load_mcp_tools(settings.mcp)
    except SettingError as error:
        yield Finding("mcp", "fail", str(error), "mend that, or AGENT_APP_MCP")
    else:
        yield Finding("mcp", "ok", f"{settings.mcp} is in order; its servers were not started")


def check_sessions() -> Iterator[Finding]:
    """Check the file that sessions are kept in; it is neither made nor changed."""
    path = session_file()
    if not path.exists():
        return
    try:
        Store.check(path)
    except StoreError as error:
        yield Finding.failed("sessions", f"{path}: {error.problem}")
    else:
        yield Finding("sessions", "ok", f"kept in {path}")
