"""Checks one tool call before it runs: by the rules, by what was decided before, or by asking."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from agent_app.approvals.remembered import Decision, Remembered, canonical, frozen
from agent_app.approvals.risks import defaults_with, strictest
from agent_app.approvals.rules import Do, Rule, read_rules
from agent_app.approvals.turns import Turns, in_thread
from agent_app.errors import SettingError, suggest
from agent_app.steps import Action, Arguments, Observation

MAX_EDITS = 5
"""How often one call may be edited; an approver that edits for ever is stopped."""

_OTHERWISE = "Do something else, or give the Final Answer."


# --- what an approver is asked, and says ---


@dataclass(frozen=True, slots=True)
class Request:
    """A call that somebody is asked about: exactly what would run."""

    action: Action
    """The tool, its exact arguments and the thought before it; a copy, which nothing else looks at."""
    do: Do
    """What the rule says: ``ask``, ``ask once`` or ``ask once per session``."""
    rule: Rule | None = None
    """The rule that asks; None: no rule matches, and the tool's risks ask."""
    risks: frozenset[str] = frozenset()
    """What the tool declares that it may do."""
    description: str = ""
    """What the model reads of the tool."""

    @property
    def because(self) -> str:
        """Say why it is asked, in a few words."""
        if self.rule is not None:
            return f"the rule {self.rule}"
        return f"the tool declares: {', '.join(sorted(self.risks)) or 'no risk'}"

    @property
    def session(self) -> str:
        """Say what a yes for the session would hold for."""
        every = f"every call of {self.action.tool}"
        return every if self.rule is None else f"every call that the rule {self.rule} matches"


@dataclass(frozen=True, slots=True)
class Allow:
    """Yes: the call may run."""

    remember: Literal["no", "these arguments", "session"] | None = None
    """What else the yes holds for; None: what the rule says.

    ``these arguments``: the same call again; ``session``: every call that the rule matches, or every
    call of the tool where no rule does.
    """

    def __post_init__(self) -> None:
        if self.remember not in (None, "no", "these arguments", "session"):
            raise SettingError(f"a yes holds for 'no', 'these arguments' or 'session', not {self.remember!r}")


@dataclass(frozen=True, slots=True)
class Refuse:
    """No: the call may not run; the model reads why."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Edit:
    """Not like that: this input instead, which is checked in its turn."""

    input: Arguments


Reply: TypeAlias = Allow | Refuse | Edit | bool
Approver: TypeAlias = Callable[[Request], Reply | Awaitable[Reply]]


# --- what becomes of a call ---


@dataclass(frozen=True, slots=True)
class Allowed:
    """The call may run: this very action, which nobody else holds a part of."""

    action: Action


@dataclass(frozen=True, slots=True)
class Refused:
    """The call may not run."""

    action: Action
    sentence: str
    """What the model reads instead of a result."""

    @property
    def observation(self) -> Observation:
        """What came back, for the run: a refusal is no exception."""
        return Observation(self.sentence, error=True)


@dataclass(frozen=True, slots=True)
class Edited:
    """Another call takes its place, and has to be checked as any other."""

    action: Action


Verdict: TypeAlias = Allowed | Refused | Edited


class Approvals:
    """Decides whether a call may run. One object serves many runs, threads and tasks at the same time.

    Args:
        rules: the first one that matches counts; as `Rule`, in the short form, or as plain data.
        ask: is given a `Request` and says `Allow`, `Refuse`, `Edit`, or just True or False; a function or
            a coroutine function. It is asked one question at a time. From async code a plain function
            is called in a thread. None: nobody is there, and what would be asked about is refused.
        remembered: what was decided before; new decisions go there too.
        defaults: what to do by risk where no rule matches, beside and before `DEFAULTS`; ``"none"``
            stands for tools that declare no risk.

    Raises:
        SettingError: a rule or a default is wrong.
    """

    def __init__(
        self,
        rules: str | Iterable[Rule | str | Mapping[str, Any]] = (),
        ask: Approver | None = None,
        *,
        remembered: Remembered | None = None,
        defaults: Mapping[str, Do] | None = None,
    ) -> None:
        self.rules = read_rules(rules)
        self.ask = ask
        self.remembered = Remembered() if remembered is None else remembered
        self.defaults = defaults_with(defaults or {})
        self._turns = Turns()

    def check_tools(self, names: Collection[str]) -> None:
        """Make sure that each rule is about a tool that there is; a pattern may match none.

        Args:
            names: of every tool there is, whichever of them are offered.

        Raises:
            SettingError: a rule names another one.
        """
        for rule in self.rules:
            if rule.tool not in names and not rule.is_pattern:
                raise SettingError(f"there is no tool for the rule {rule}; {suggest(rule.tool, names)}")

    def may_ask(self, risks: Iterable[str]) -> bool:
        """Say whether a tool with these risks has to be checked: any call may be refused or asked about."""
        return bool(self.rules) or strictest(risks, self.defaults) != "always"

    def check(
        self, action: Action, risks: Iterable[str] = (), description: str = "", *, edits: int = 0
    ) -> Verdict:
        """Say whether a call may run; ask, if need be, and wait for the answer.

        Args:
            action: the call, best with the input as `Toolbox.arguments` gives it: one form a call.
            risks: what its tool declares; see `risks_of`.
            description: what the model reads of the tool, for whoever is asked.
            edits: how often this call was edited already.

        Raises:
            TypeError: the approver said something that is no reply.
            Exception: whatever the approver raises.
        """
        call = self._call(action, frozenset(risks), description, edits)
        verdict = self._settled(call)
        if verdict is None:
            with self._turns.one():  # which may have taken until somebody else was told about this very call
                verdict = self._settled(call) or self._judged(call, self._asked(call))
        return verdict

    async def acheck(
        self, action: Action, risks: Iterable[str] = (), description: str = "", *, edits: int = 0
    ) -> Verdict:
        """Do what `check` does, without holding up the event loop.

        When it is cancelled, an approver in a thread is left to end its question; what it says counts for
        nothing, and the next question waits for it.
        """
        call = self._call(action, frozenset(risks), description, edits)
        verdict = self._settled(call)
        if verdict is None:
            async with self._turns.one_of_tasks() as turn:
                verdict = self._settled(call)
                if verdict is None:
                    assert self.ask is not None
                    # Of a coroutine function the thread just makes the coroutine, which is awaited here.
                    asking = in_thread(self.ask, call.request())
                    turn.keep_until(asking)
                    said = await asyncio.wrap_future(asking)
                    verdict = self._judged(call, await said if inspect.isawaitable(said) else said)
        return verdict

    def _call(self, action: Action, risks: frozenset[str], description: str, edits: int) -> _Call:
        """Freeze a call, and find out what is to be done about it."""
        try:
            action = replace(action, input=frozen(action.input))
        except ValueError:
            return _Call(action, None, "never", None, risks, description, edits)
        rule = next((rule for rule in self.rules if rule.matches(action)), None)
        do = strictest(risks, self.defaults) if rule is None else rule.do
        return _Call(action, canonical(action.input), do, rule, risks, description, edits)

    def _settled(self, call: _Call) -> Verdict | None:
        """Return the verdict on a call that nobody needs to be asked about, else None."""
        if call.arguments is None:
            return call.refused(f"The arguments of {call.action.tool} cannot be written as JSON.")
        if call.do == "always":
            return Allowed(call.action)
        if call.do == "never":
            return call.forbidden()
        decision = self.remembered.find(*call.keys)
        if decision is not None:
            return Allowed(call.action) if decision.allowed else call.forbidden(decision.reason)
        if self.ask is None:
            return call.refused(
                f"This call of {call.action.tool} needs the user's permission, and nobody is there to ask."
            )
        return None

    def _asked(self, call: _Call) -> Reply:
        assert self.ask is not None
        said = self.ask(call.request())
        return _run_alone(said) if inspect.isawaitable(said) else said

    def _judged(self, call: _Call, reply: Reply) -> Verdict:
        """Turn what the approver said into a verdict, and remember what is to be remembered."""
        if isinstance(reply, bool):
            reply = Allow() if reply else Refuse()
        match reply:
            case Allow(remember=wanted):
                scope = wanted or _SCOPES.get(call.do, "no")
                if scope != "no":
                    self.remembered.add(Decision(*call.keys[scope == "session"], allowed=True))
                return Allowed(call.action)
            case Refuse(reason=reason):
                if call.do == "ask once":
                    self.remembered.add(Decision(*call.keys[0], allowed=False, reason=reason))
                return call.forbidden(reason)
            case Edit(input=changed):
                return call.edited(changed)
        raise TypeError(f"the approver said {reply!r}; it may say True, False, Allow, Refuse or Edit")


_SCOPES: Mapping[Do, Literal["these arguments", "session"]] = {
    "ask once": "these arguments",
    "ask once per session": "session",
}


@dataclass(frozen=True, slots=True)
class _Call:
    """A call under check."""

    action: Action
    arguments: str | None
    """In canonical form; None: they have none."""
    do: Do
    rule: Rule | None
    risks: frozenset[str]
    description: str
    edits: int

    @property
    def keys(self) -> tuple[tuple[str, str | None, str], tuple[str, None, str]]:
        """What decisions are found by: one on this exact call, and one for the session."""
        asker = self.do if self.rule is None else str(self.rule)
        wide = self.action.tool if self.rule is None else self.rule.tool
        return (self.action.tool, self.arguments, asker), (wide, None, asker)

    def request(self) -> Request:
        """Return the question, with a copy of the arguments: who is asked could change them."""
        shown = replace(self.action, input=frozen(self.action.input))
        return Request(shown, self.do, self.rule, self.risks, self.description)

    def edited(self, changed: Arguments) -> Verdict:
        if self.edits >= MAX_EDITS:
            return self.refused(
                f"This call of {self.action.tool} was edited {self.edits} times, and never run."
            )
        try:
            return Edited(replace(self.action, input=frozen(changed), repairs=()))
        except ValueError:
            return self.refused(f"The edited arguments of {self.action.tool} cannot be written as JSON.")

    def forbidden(self, reason: str = "") -> Refused:
        """Refuse in the user's name; say so of the whole tool where a rule is about all its calls."""
        tool = self.action.tool
        whole = self.do == "never" and (self.rule is None or self.rule.arguments is None)
        why = " ".join(reason.split()).rstrip(".")
        what = tool if whole else f"this call of {tool}"
        return self.refused(f"The user does not allow {what}{f': {why}' if why else ''}.")

    def refused(self, sentence: str) -> Refused:
        return Refused(self.action, f"{sentence} {_OTHERWISE}")


def _run_alone(said: Awaitable[Reply]) -> Reply:
    """Wait for an approver that can only be awaited, in code that cannot await."""

    async def waited() -> Reply:
        return await said

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(waited())
    if inspect.iscoroutine(said):
        said.close()
    raise RuntimeError(
        "the approver can only be awaited, and an event loop is running; call the agent's async methods"
    )
