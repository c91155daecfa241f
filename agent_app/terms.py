"""On what terms an agent answers questions: its limits, its time-outs, what it may spend."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent_app.answer_form import AnswerForm
from agent_app.approvals import Approvals
from agent_app.budget import Budget
from agent_app.loop import Limits
from agent_app.prices import Prices
from agent_app.retrying import Retry


@dataclass(frozen=True, slots=True)
class Terms:
    """What is the same for every question that an agent is asked."""

    limits: Limits
    call_seconds: float | None = None
    """How long one call of the model may take."""
    tool_seconds: float | None = None
    """How long one call of a tool may take."""
    retry: Retry = field(default_factory=Retry)
    context: int | None = None
    """How many tokens prompt and reply may have together; None: as many as the model can take."""
    approvals: Approvals = field(default_factory=Approvals)
    """Who decides which tools may be called."""
    form: AnswerForm | None = None
    """What the final answer has to be, if it is to be data."""
    max_tokens: int | None = None
    """How many tokens one run may read and write."""
    max_cost: float | None = None
    """How many US dollars one run may cost."""
    budget: Budget | None = None
    """What all runs together may take, those of other agents as well."""
    prices: Prices | None = None
    """Prices that go before the listed ones."""
