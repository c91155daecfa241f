"""One question on its way: what has to be done next, and what has been done so far.

`Run.script` is a generator without input or output, like the executor loop that it drives. To the loop it
adds what a run meets in the world: time-outs, further attempts, other models, budgets, approvals. What has
to be *done* it yields as an effect; `drivers` does that, sync or async, and sends back what came of it. So
all that decides anything is written once.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections import defaultdict, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import Any, TypeAlias

from agent_app.account import Account
from agent_app.answer_form import Misfit
from agent_app.approvals import Edited, Refused, Verdict
from agent_app.budget import Spent
from agent_app.call import Call
from agent_app.errors import (
    EndpointError,
    LimitReached,
    QuestionError,
    ReplayDiverged,
    keep_partial,
    kind_of,
)
from agent_app.events import (
    Decided,
    Event,
    Failed,
    Finished,
    LimitMet,
    Repaired,
    Retrying,
    Started,
    Stepped,
    Switched,
)
from agent_app.grounding import objection
from agent_app.history import Said, turns_of
from agent_app.labels import FINAL_ANSWER
from agent_app.layout import laid_out, with_room_for
from agent_app.loop import (
    EDITED,
    CallModel,
    Direct,
    Instead,
    Move,
    Outcome,
    Overspent,
    Request,
    react_loop,
)
from agent_app.models import explain
from agent_app.parts import Parts
from agent_app.passages import Asked
from agent_app.patience import LONGEST_WAIT
from agent_app.planning import Plan, plan
from agent_app.steps import (
    LONGEST_QUESTION,
    Action,
    Answer,
    LeftOut,
    Observation,
    Result,
    Step,
    StoppedBy,
    Unreadable,
    Usage,
)


@dataclass(frozen=True, slots=True)
class Ask:
    """Call the model and let the call read its reply."""

    call: Call
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Check:
    """Find out whether the tool may be called so, asking somebody if need be; send back the verdict."""

    action: Action
    edits: int


@dataclass(frozen=True, slots=True)
class Use:
    """Run the tool and send back the observation."""

    action: Action
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Compute:
    """Call this function and send back what it returns; it may wait for a server in this process."""

    function: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait."""

    seconds: float


Deed: TypeAlias = Check | Use | Compute | Pause
Effect: TypeAlias = Event | Ask | Deed
Script: TypeAlias = Generator[Effect, Any, None]


class Run:
    """A question, the steps towards its answer, and what they cost.

    Args:
        parts: what the agent is made of.
        question: what is asked.
        values: a value for each other input of the prompt.
        history: what was said before, in any form that `turns_of` takes.
        steps: where the run goes on from; empty: from the beginning.
        recorded: the steps of an earlier run, whose observations stand for those of the tools; None: the
            tools are run.

    Raises:
        QuestionError: the question is empty, far too long or no text, or the steps are no run.
    """

    def __init__(
        self,
        parts: Parts,
        question: Any,
        values: Mapping[str, Any],
        *,
        history: Iterable[Said] = (),
        steps: Sequence[Step] = (),
        recorded: Sequence[Step] | None = None,
    ) -> None:
        self.parts = parts
        self.question = _checked(question)
        self.steps = _continued(steps)
        self._draft = parts.draft(self.question, turns_of(history), values)
        self._plan: Plan | None = None
        self._left_out = LeftOut()
        self._recorded = None if recorded is None else _observed(recorded)
        self._told = len(self.steps)
        self._began = time.monotonic()
        self._model = 0
        """Which model of the chain is asked."""
        self._ready = parts.models[0]
        self._limit: StoppedBy | None = None
        self._edited: Action | None = None
        self._edits = 0
        self._account = Account(parts.terms)

    def script(self) -> Script:
        """Answer the question: yield each event as it happens, and each effect that is needed.

        Raises:
            LimitReached: a limit was met, and the terms want that to be an error.
            AgentAppError: a model or a tool failed for good.
        """
        try:
            with self._account:
                yield from self._answer()
        except GeneratorExit:
            raise
        except LimitReached as error:
            yield Failed(str(error), type(error).__name__, keep_partial(error, error.result))
            raise
        except Exception as error:
            run = keep_partial(error, self.result("error", error))
            yield Failed(_in_a_line(error), type(error).__name__, run)
            raise
        except BaseException as error:
            keep_partial(error, self.result("interruption"))
            raise

    def _answer(self) -> Script:
        terms = self.parts.terms
        yield Started(self.question, self.parts.prompt.ref, self._ready.name)
        loop = react_loop(self.steps, terms.limits, self._elapsed)
        back: Move | Outcome | None = None
        while True:
            try:
                request: Request = next(loop) if back is None else loop.send(back)
            except StopIteration as end:
                stopped_by: StoppedBy | None = end.value
                break
            if self._told < len(self.steps):
                yield from self._news()
            if isinstance(request, CallModel):
                if request.limit is not None:
                    yield from self._met(request.limit)
                back = yield from self._think(last=request.limit is not None)
            else:
                back = yield from self._see_through(request.action)
        yield from self._news()
        yield from self._met(stopped_by)
        result = self.result(stopped_by)
        if stopped_by is not None and terms.limits.then == "raise":
            raise LimitReached(result)
        yield Finished(result)

    def result(self, stopped_by: StoppedBy | None = None, error: BaseException | None = None) -> Result:
        """Return the run as far as it has come.

        Args:
            stopped_by: what ended it, if not an answer.
            error: what broke it off.
        """
        end = self.steps[-1] if self.steps else None
        answer = end.text if isinstance(end, Answer) else ""
        return Result(
            question=self.question,
            text=answer,
            steps=tuple(self.steps),
            status="answered" if answer else "stopped",
            stopped_by=stopped_by,
            usage=self._account.usage + Usage(seconds=round(self._elapsed(), 4)),
            prompt=self.parts.prompt.ref,
            model=self._ready.name,
            data=self._data(answer),
            left_out=self._left_out,
            error=None if error is None else _in_a_line(error),
        )

    def _news(self) -> Iterator[Event]:
        """Tell the steps that have not been told yet."""
        while self._told < len(self.steps):
            step = self.steps[self._told]
            self._told += 1
            if isinstance(step, Action | Answer) and step.repairs:
                yield Repaired(step.repairs)
            yield Stepped(step)

    def _met(self, limit: StoppedBy | None) -> Iterator[Event]:
        """Tell a limit, once."""
        if limit is not None and self._limit is None:
            self._limit = limit
            yield LimitMet(limit)

    def _see_through(self, action: Action) -> Generator[Effect, Any, Outcome]:
        """Return what comes of a call, now or in the run that is replayed."""
        if self._recorded is None:
            outcome = yield from self._act(action)
        else:
            outcome = self._recall(action, self._recorded)
        if (
            isinstance(outcome, Observation)
            and not outcome.error
            and self.parts.toolbox.is_direct(action.tool)
        ):
            return Direct(outcome)
        return outcome

    def _act(self, action: Action) -> Generator[Effect, Any, Outcome]:
        """Run a tool, if it may be run, and return what came of it."""
        edited = action is self._edited
        objected = None if edited else objection(self.parts.prompt, self._draft, action, self.steps)
        if objected is not None:
            return objected
        if self.parts.is_guarded(action.tool):
            given = self.parts.toolbox.arguments(action)
            if isinstance(given, Observation):
                return given
            self._edits = self._edits + 1 if edited else 0
            verdict: Verdict = yield Check(dataclasses.replace(action, input=given), self._edits)
            if isinstance(verdict, Refused):
                yield Decided(action, "refused", verdict.sentence)
                return verdict.observation
            if isinstance(verdict, Edited):
                self._edited = verdict.action
                yield Decided(verdict.action, "edited")
                return Instead(verdict.action)
            action = verdict.action  # this very value: nobody can have changed it since
        observation: Observation = yield Use(action, self._time_for(self.parts.terms.tool_seconds))
        return observation

    def _recall(self, action: Action, recorded: Mapping[str, deque[Outcome]]) -> Outcome:
        """Return what came of a call in the run that is replayed; after its last time, that again."""
        outcomes = recorded.get(action.call)
        if outcomes is None:
            raise ReplayDiverged(
                f"step {len(self.steps)} of the replayed run uses {action.tool} with "
                f"{json.dumps(action.input, ensure_ascii=False)}, of which no observation was recorded"
            )
        return outcomes.popleft() if len(outcomes) > 1 else outcomes[0]

    # -- calling the model ------------------------------------------------------------------------

    def _think(self, *, last: bool) -> Generator[Effect, Any, Move]:
        """Ask one model after the other until one replies, and return what it wants."""
        while True:
            try:
                return (yield from self._try(last=last))
            except EndpointError as failure:
                if not self._has_another:
                    raise
                self._model += 1
                self._ready = self.parts.models[self._model]
                yield Switched(_in_a_line(failure), self._ready.name)

    def _try(self, *, last: bool) -> Generator[Effect, Any, Move]:
        """Ask a model, several times if need be, and return what it wants.

        Raises:
            EndpointError: the model's server failed for good; one line says how.
        """
        attempt = 0
        while True:
            attempt += 1
            call = yield from self._call(last=last)
            try:
                with self._account.pays(call, last=last):
                    yield Ask(call, self._time_for(self.parts.terms.call_seconds, last=last))
            except Spent as spent:
                return Overspent(spent.limit)
            except Exception as error:
                failure = self._failure(error)
                if failure is None:
                    raise
                wait = self.parts.terms.retry.wait(failure, attempt)
                if not last and self._left(wait or 0) <= 0:
                    return Overspent("seconds")
                if wait is None:
                    raise failure from (None if failure is error else error)
            else:
                move = call.move()
                yield from call.rest()
                return move
            yield Retrying(_in_a_line(failure), round(wait, 3))
            yield Pause(wait)

    @property
    def _has_another(self) -> bool:
        return self._model + 1 < len(self.parts.models)

    def _failure(self, error: Exception) -> EndpointError | None:
        """Return what went wrong at the model's server, or None if it was somewhere else."""
        failure = explain(error)
        if failure is None and self._has_another:
            # Some provider's own error, that we know nothing of; its words may hold a key.
            return EndpointError(f"{self._ready.name} failed: {type(error).__name__}")
        return failure if isinstance(failure, EndpointError) else None

    def _call(self, *, last: bool) -> Generator[Effect, Any, Call]:
        parts, ready, begun = self.parts, self._ready, ""
        asked = None if last else (yield from self._reading())
        if asked is not None:
            messages, grammar, left_out = asked.messages, asked.grammar, asked.left_out
        else:
            grammar = parts.last_grammar if last else parts.grammar
            if last:
                begun = parts.prompt.thought("last", self.question)
            elif ready.traits.continues:
                begun = parts.prompt.thought_after(self.steps, self.question)
            plan = self._plan = yield from self._planned(begun)
            left_out = plan.left_out
            messages = laid_out(plan.segments, ready.traits, begun, last=last)
        self._left_out |= left_out
        options: dict[str, Any] = dict(parts.prompt.model)
        if ready.traits.grammar:
            options["grammar"] = grammar
        if ready.traits.stop:
            options["stop"] = parts.stop
        return Call(ready, messages, begun, options, parts.parser.reader(answers=last), parts.terms.form)

    def _reading(self) -> Generator[Effect, Any, Asked | None]:
        """Return how the model is asked about passages; None: there are none, or it is not to be asked so."""
        passages, ready = self.parts.passages, self._ready
        if passages is None or not passages.has_to_ask(self.steps, ready.traits):
            return None
        yield Compute(partial(self.parts.warm_to_read, ready))
        window = self.parts.window(ready)
        asked: Asked | None = yield Compute(partial(passages.asked, self._draft, self.steps, window))
        return asked

    def _planned(self, begun: str) -> Generator[Effect, Any, Plan]:
        """Choose what the model is shown; where its window is known, that takes calls of its server."""
        draft, steps, before = self._draft, self.steps, self._plan
        window = self.parts.window(self._ready)
        if window is None:
            return plan(draft, steps, None, before)
        window = with_room_for(window, draft, self._ready.traits)
        ending = f" {begun}\n{FINAL_ANSWER}:"
        made: Plan = yield Compute(lambda: plan(draft, steps, window, before, ending=ending))
        return made

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _left(self, ahead: float = 0) -> float:
        """Return how many seconds of the run are left, after so many more."""
        limit = self.parts.terms.limits.seconds
        return float("inf") if limit is None else limit - ahead - self._elapsed()

    def _time_for(self, seconds: float | None, *, last: bool = False) -> float | None:
        """Return how long something may take: its own time, but no longer than the run.

        The last call may take its own time: its answer is what the run is for.
        """
        left = None if last or self.parts.terms.limits.seconds is None else max(0.01, self._left())
        limits = [limit for limit in (left, seconds) if limit is not None]
        return min(*limits, LONGEST_WAIT) if limits else None

    def _data(self, answer: str) -> Any:
        form = self.parts.terms.form
        if form is None or not answer:
            return None
        try:
            return form.read(answer)
        except Misfit:  # an answer of earlier, that the run went on from
            return None


def _checked(question: Any) -> str:
    if not isinstance(question, str):
        raise QuestionError(f"the question is a text, and no {kind_of(question)}")
    if not question.strip():
        raise QuestionError("the question is empty; ask something")
    if len(question) > LONGEST_QUESTION:
        raise QuestionError(
            f"the question has {len(question):,} characters; at most {LONGEST_QUESTION:,} are taken"
        )
    if not question.isascii() and any("\ud800" <= c <= "\udfff" for c in question):
        raise QuestionError("the question is not Unicode text: a part of it was in another encoding")
    return question


def _continued(steps: Sequence[Step]) -> list[Step]:
    """Return steps to go on from, after making sure that they are a run."""
    _check_steps(steps)
    before: Step | None = None
    for number, step in enumerate(steps, 1):
        answers_something = isinstance(before, Action | Unreadable)
        if isinstance(before, Answer) or isinstance(step, Observation) != answers_something:
            raise QuestionError(
                f"the steps to go on from are no run: step {number} is {_kind(step)} after {_kind(before)}"
            )
        before = step
    if isinstance(before, Unreadable):
        raise QuestionError("the steps to go on from end with an unreadable reply; leave it out")
    return list(steps)


def _observed(steps: Sequence[Step]) -> dict[str, deque[Outcome]]:
    """Return what came of each call, each time; of one that somebody changed, the changed call."""
    _check_steps(steps)
    found = defaultdict[str, deque[Outcome]](deque)
    for action, observation, after in zip_longest(steps, steps[1:], steps[2:]):
        if isinstance(action, Action) and isinstance(observation, Observation):
            is_changed = observation.text == EDITED
            changed = Instead(after) if is_changed and isinstance(after, Action) else None
            found[action.call].append(changed or observation)
    return dict(found)


def _check_steps(given: Sequence[Step]) -> None:
    taken = "steps are those of a result (of stored ones `step_from_dict` makes them), and no"
    if not isinstance(given, Sequence):
        raise QuestionError(f"{taken} {kind_of(given)}")
    for step in given:
        if not isinstance(step, Step):
            raise QuestionError(f"{taken} {kind_of(step)}")


def _kind(step: Step | None) -> str:
    return "nothing" if step is None else f"an {type(step).__name__.lower()}"


def _in_a_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
