"""A conversation with the agent, without a terminal: its commands, its state, and what each does.

    chat = Conversation(Setup("embedded", "pirate"), loader, permissions, store, store.new_session())
    for effect in effects_of(chat, "/tools off web_search"):
        ...

Whoever shows it does the effects: `agent_app.cli.chat` at a terminal or a pipe, a test in a list.
"""

from agent_app.chat.commands import Command, completions, effects_of, resumed
from agent_app.chat.conversation import Conversation
from agent_app.chat.effects import (
    Ask,
    ClearScreen,
    Copy,
    Effect,
    Explain,
    Leave,
    Loading,
    Rewrite,
    Rows,
    Section,
    Tell,
    Turns,
    Write,
)
from agent_app.chat.loading import Loader, Setup
from agent_app.chat.permissions import Permissions

__all__ = [
    "Ask",
    "ClearScreen",
    "Command",
    "Conversation",
    "Copy",
    "Effect",
    "Explain",
    "Leave",
    "Loader",
    "Loading",
    "Permissions",
    "Rewrite",
    "Rows",
    "Section",
    "Setup",
    "Tell",
    "Turns",
    "Write",
    "completions",
    "effects_of",
    "resumed",
]
