"""Conversations that are kept: sessions, their runs and each step of these, in one SQLite file.

    with Store.open() as store:
        session = store.latest() or store.new_session()
        for event in record(agent.stream(question, history=session.history()), session):
            ...

What is stored is what the agent tells, which it has redacted; it is stored as it is, and cleaned where it
is shown.
"""

from __future__ import annotations

from agent_app.sessions.export import as_dict, as_markdown
from agent_app.sessions.recording import record
from agent_app.sessions.session import Session, StoredRun
from agent_app.sessions.store import Found, SessionInfo, Store
from agent_app.sessions.writing import RunWriter

__all__ = [
    "Found",
    "RunWriter",
    "Session",
    "SessionInfo",
    "Store",
    "StoredRun",
    "as_dict",
    "as_markdown",
    "record",
]
