"""What tests of an agent need: a model with a script, a server that misbehaves, a guard against the network.

    from agent_app.testing import ScriptedModel, no_network

Nothing here is used by the program itself, and nothing here needs pytest.
"""

from __future__ import annotations

from agent_app.models.replies import BreakOff, Drip, Reply, Say, Stall
from agent_app.models.scripted import ScriptedModel
from agent_app.testing.behaviours import Behaviour, Garbage, Refuse, Silence, Status
from agent_app.testing.faulty_server import FaultyServer
from agent_app.testing.network import NetworkRefused, no_network
from agent_app.testing.request import Request

__all__ = [
    "Behaviour",
    "BreakOff",
    "Drip",
    "FaultyServer",
    "Garbage",
    "NetworkRefused",
    "Refuse",
    "Reply",
    "Request",
    "Say",
    "ScriptedModel",
    "Silence",
    "Stall",
    "Status",
    "no_network",
]
