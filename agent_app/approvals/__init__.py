"""Approvals: which tool calls just run, which never do, and which somebody is asked about first.

A `Rule` says it per tool and argument pattern; where no rule matches, the risks that a tool declares
decide. A decision holds for the exact arguments that were shown, and nothing else is run on it.
"""

from agent_app.approvals.checking import (
    Allow,
    Allowed,
    Approvals,
    Approver,
    Edit,
    Edited,
    Refuse,
    Refused,
    Reply,
    Request,
    Verdict,
)
from agent_app.approvals.remembered import Decision, Remembered
from agent_app.approvals.risks import risks_of
from agent_app.approvals.rules import Do, Rule, read_rules
from agent_app.approvals.suspicions import suspicions

__all__ = [
    "Allow",
    "Allowed",
    "Approvals",
    "Approver",
    "Decision",
    "Do",
    "Edit",
    "Edited",
    "Refuse",
    "Refused",
    "Remembered",
    "Reply",
    "Request",
    "Rule",
    "Verdict",
    "read_rules",
    "risks_of",
    "suspicions",
]
