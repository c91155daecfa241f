"""Batches for programs: `run_batch` and `arun_batch`, and what the command line is made of as well."""

from __future__ import annotations

import contextlib
import inspect
import math
import tempfile
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypedDict, TypeVar, Unpack

from agent_app.batch.blocking import from_thread
from agent_app.batch.engine import PATIENT, Batch, Rules
from agent_app.batch.formats import Given
from agent_app.batch.identity import fingerprint
from agent_app.batch.journal.journal import SUFFIX, Journal, open_journal
from agent_app.batch.judging.judges import Function, Judge, judge_for
from agent_app.batch.judging.marking import Marking
from agent_app.batch.output import AnswerRow
from agent_app.batch.pace import FIRST, MOST, Pace
from agent_app.batch.repeating import Repeated
from agent_app.batch.rows import Reading, Rows, check_values, rows_of_file, rows_of_values
from agent_app.budget import UNPRICED, Budget
from agent_app.errors import SettingError
from agent_app.models import name_of
from agent_app.prices import estimate, served_at
from agent_app.retrying import Retry

if TYPE_CHECKING:
    from agent_app.agent import Agent
    from agent_app.prompt.inputs import Value

P = ParamSpec("P")
T = TypeVar("T")


class How(TypedDict, total=False):
    """How a batch is run; each has a default."""

    concurrency: int | Literal["auto"]
    """How many rows at the same time; ``"auto"``: as many as the server takes without slowing down."""
    calls_per_minute: float
    """How many calls of the model a minute there may be."""
    tokens_per_minute: float
    """How many tokens a minute they may read and write."""
    retry: Retry
    """When a row is asked again whose model's server is busy, dead or too slow; it goes on where it was.
    An agent that does so itself needs no more here."""
    retry_errors: bool
    """Whether what failed in an earlier run is asked again; the old error stays until there is an answer."""
    max_errors: float
    """How many rows may fail before no further one begins; below 1: which share of them."""
    max_seconds: float
    """After how many seconds no further row begins."""
    values: Mapping[str, Value]
    """Values of the prompt's inputs that are the same in every row."""
    fresh: bool
    """Whether to ask everything anew; the journal's answers are thrown away."""
    accept_change: bool
    """Whether to go on with a journal whose answers are another agent's."""
    judge: str | Function | Judge
    """Says which answers are right: a rule's name (see `judging.judges`), ``"module:function"``, or a
    function that is given a row of answers; by default what each row's ``expected`` is judges it."""
    repeat: int
    """How often each question is asked; each time has a row of its own."""
    vote: bool
    """Whether the answer that most repeats agree on becomes the only row."""


def repeated(rows: Rows, how: How) -> tuple[Rows | Repeated, Marking]:
    """Return the rows as often as they are asked, and what marks their answers.

    Raises:
        SettingError: there is no such judge, or nobody to vote.
    """
    marking = Marking(judge_for(how.get("judge")), how.get("repeat", 1), vote=how.get("vote", False))
    return (rows if marking.repeat == 1 else Repeated(rows, marking.repeat)), marking


@contextlib.contextmanager
def open_batch(agent: Agent, rows: Rows, journal: Path | None, **how: Unpack[How]) -> Iterator[Batch]:
    """Open a journal and make a batch ready to run.

    Args:
        agent: answers the questions. Its budget, if it has one, is that of the whole run.
        rows: the questions.
        journal: the file of the journal; None: a temporary one.
        how: see `How`.

    Raises:
        BatchError: the journal is another agent's or another process's, or cannot be opened.
        SettingError: a limit is not above 0, there is no such judge, or money is limited and the model's
            price not known.
    """
    asked, marking = repeated(rows, how)
    rules, values = rules_of(how), how.get("values", {})
    made_of = fingerprint(agent, values)
    pace_for(agent, FIRST, how)  # complains of limits before a journal begins anew
    check_price(agent, agent.terms.budget)
    with opened_journal(journal, made_of, how) as kept:
        pace = pace_for(agent, kept.index.ended.get("limit", FIRST), how)
        yield Batch(agent, asked, kept, pace, rules, values, marking)


def check_price(agent: Agent, budget: Budget | None) -> None:
    """Make sure that it is known what a model costs, if money is limited.

    Args:
        agent: the agent; it is loaded by this.
        budget: that of all rows, if there is one.

    Raises:
        SettingError: it is not known; asking would end with the first row.
    """
    terms = agent.terms
    is_limited = terms.max_cost is not None or (budget is not None and budget.cost is not None)
    name, url = name_of(agent.model), served_at(agent.model)
    if is_limited and estimate(name, 1, 1, terms.prices, url=url) is None:
        raise SettingError(UNPRICED)


def rules_of(how: How) -> Rules:
    """Return when to ask again, and when to stop.

    Raises:
        SettingError: a limit is not above 0.
    """
    limits = {name: how[name] for name in ("max_errors", "max_seconds") if name in how}
    return Rules(how.get("retry", PATIENT), how.get("retry_errors", False), **limits)


@contextlib.contextmanager
def opened_journal(journal: Path | None, made_of: dict[str, Any], how: How) -> Iterator[Journal]:
    """Open the journal of a batch for the length of a block.

    Args:
        journal: its file; None: a temporary one.
        made_of: the `fingerprint` of the agent.
        how: see `How`.

    Raises:
        BatchError: it is another agent's or another process's, or cannot be opened.
    """
    fresh, accept = how.get("fresh", False), how.get("accept_change", False)
    with contextlib.ExitStack() as stack:
        if journal is None:
            journal = Path(stack.enter_context(tempfile.TemporaryDirectory())) / f"answers{SUFFIX}"
        yield stack.enter_context(open_journal(journal, made_of, fresh=fresh, accept_change=accept))


async def arun_batch(
    agent: Agent,
    rows: str | Path | Iterable[Given],
    *,
    journal: str | Path | None = None,
    field: str = "question",
    id_field: str = "id",
    skip_bad: bool = False,
    as_completed: bool = False,
    **how: Unpack[How],
) -> AsyncGenerator[AnswerRow]:
    """Answer many questions, several at a time, and yield a row for each of them.

    With a journal a run that was broken off goes on where it was when it is begun again: no question that
    has an answer is asked twice. A row that went wrong has an `error`, one that was not reached because of
    a limit has the status ``"missing"``.

    Args:
        agent: answers the questions. Its budget, if it has one, is that of the whole run.
        rows: the path of a file (txt, jsonl or csv), or questions, or mappings with a question each.
        journal: the file that keeps what was answered; None: nothing is kept.
        field: the field that holds the question.
        id_field: the field that holds a row's own id, if it has one.
        skip_bad: leave out rows that are none, instead of refusing all.
        as_completed: yield rows as they are done, instead of in the order of the input.
        how: see `How`.

    Raises:
        BatchError: a row is none, or the journal is another agent's or another process's.
        PromptError: the agent's prompt does not take the values.
        EndpointRefused: the model's server refuses the key or the model; so with any error that is the same
            for all rows. It is raised after the last row.
        DiskFull: an answer could not be written.
    """
    how["judge"] = judge = judge_for(how.get("judge"))
    read = rows_for(
        agent,
        rows,
        field=field,
        id_field=id_field,
        skip_bad=skip_bad,
        values=how.get("values"),
        judge=judge,
    )
    check_values(agent.prompt, how.get("values", {}), read)
    with open_batch(agent, read, None if journal is None else Path(journal), **how) as batch:
        async with contextlib.aclosing(batch.answers(as_completed=as_completed)) as answers:
            async for answer in answers:
                yield answer
        if batch.failure is not None:
            raise batch.failure


def _called_like(other: Callable[P, object]) -> Callable[[Callable[..., T]], Callable[P, T]]:
    """Give a function the parameters of another one, which it hands them on to."""

    def decorate(function: Callable[..., T]) -> Callable[P, T]:
        given = inspect.signature(function).return_annotation
        shown = inspect.signature(other).replace(return_annotation=given)
        function.__signature__ = shown  # type: ignore[attr-defined]  # what `help` and editors show
        return function

    return decorate


@_called_like(arun_batch)
def run_batch(*args: Any, **options: Any) -> Iterator[AnswerRow]:
    """Do what `arun_batch` does, for code that does not await: the work goes on in another thread.

    Args:
        args: the agent and the rows, as for `arun_batch`.
        options: all the others of `arun_batch`, by name.
    """
    return from_thread(arun_batch(*args, **options))


def rows_for(
    agent: Agent,
    rows: str | Path | Iterable[Given],
    *,
    field: str,
    id_field: str,
    skip_bad: bool,
    values: Mapping[str, Value] | None,
    judge: Judge | None = None,
) -> Rows:
    """Return the rows of a file or of a program.

    They give values to those inputs of the agent's prompt that have none yet.
    """
    inputs = {name: spec for name, spec in agent.prompt.inputs.items() if name not in (values or {})}
    reading = Reading(field, id_field, inputs, (judge or judge_for(None)).check)
    if isinstance(rows, str | Path):
        return rows_of_file(Path(rows), reading, skip_bad=skip_bad)
    return rows_of_values(rows, reading, skip_bad=skip_bad)


def pace_for(agent: Agent, first: int, how: How) -> Pace:
    """Return the pace for an agent's rows.

    Args:
        agent: the agent; it is loaded by this.
        first: how many rows to begin with where that has to be found out.
        how: see `How`.

    Raises:
        SettingError: a limit is not above 0.
    """
    wanted = how.get("concurrency", "auto")
    if wanted != "auto" and not (isinstance(wanted, int) and wanted > 0):
        raise SettingError(f"concurrency is {wanted!r}; it takes a whole number above 0, or 'auto'")
    for name in ("calls_per_minute", "tokens_per_minute"):
        value = how.get(name)
        if value is not None and not (isinstance(value, int | float) and 0 < value < math.inf):
            raise SettingError(f"{name} is {value!r}; it takes a number above 0")
    at_once = getattr(agent.model, "parallel", None)  # how many calls an embedded model takes at once
    most = at_once if isinstance(at_once, int) else MOST if wanted == "auto" else wanted
    return Pace(
        None if wanted == "auto" else min(wanted, most),
        first=max(1, first),
        most=most,
        calls_per_minute=how.get("calls_per_minute"),
        tokens_per_minute=how.get("tokens_per_minute"),
    )
