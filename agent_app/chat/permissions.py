"""What tools may do in a conversation: its rules, what was decided, and what of that is kept with it."""

from __future__ import annotations

from collections.abc import Iterable

from agent_app.approvals import Approvals, Approver, Decision, Remembered, Request, Rule


class Permissions:
    """The approvals of a conversation.

    What was decided for this session holds as long as the chat is open; what was decided for always is
    kept with the session, and holds again when it is gone on with.

    Args:
        rules: what is allowed, refused or asked about from the beginning.
    """

    def __init__(self, rules: Iterable[Rule | str] = ()) -> None:
        self.approvals = Approvals(rules)
        self._kept: set[tuple[str, str | None, str]] = set()

    def ask_with(self, approver: Approver | None) -> None:
        """Set who is asked."""
        self.approvals.ask = approver

    def keep(self, request: Request) -> None:
        """Keep the yes that is about to be given for every such call."""
        tool = request.action.tool if request.rule is None else request.rule.tool
        self._kept.add((tool, None, request.do if request.rule is None else str(request.rule)))

    def take(self, remembered: Remembered) -> None:
        """Go on with what was kept of another conversation, and with nothing else."""
        self._kept = {decision.key for decision in remembered}
        self.approvals.remembered = Remembered(tuple(remembered))

    def to_keep(self) -> Remembered:
        """Return what is to be kept with the session."""
        return Remembered(tuple(d for d in self.decisions if self.is_kept(d)))

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """What was decided, in the order in which it was."""
        return tuple(self.approvals.remembered)

    def is_kept(self, decision: Decision) -> bool:
        """Say whether a decision outlives the chat."""
        return decision.arguments is not None or decision.key in self._kept

    def revoke(self, decision: Decision) -> None:
        """Forget a decision: its calls are asked about again."""
        self._kept.discard(decision.key)
        self.approvals.remembered.revoke(decision)
