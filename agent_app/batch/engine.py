"""The engine of a batch: gives the rows to an agent, keeps what comes of them, and hands on the answers."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from agent_app.batch.asking import Ask, Asking
from agent_app.batch.collecting import seldom_collected
from agent_app.batch.journal.index import Index
from agent_app.batch.journal.record import Record
from agent_app.batch.judging.marking import Marking
from agent_app.batch.meter import Meter
from agent_app.batch.output import AnswerRow, answer_row
from agent_app.batch.pace import Pace
from agent_app.batch.progress import Ending, Progress
from agent_app.batch.repeating import Repeated
from agent_app.batch.rows import Row, Rows
from agent_app.errors import (
    AgentAppError,
    BatchError,
    DiskFull,
    PromptError,
    QuestionError,
    SettingError,
    UserError,
)
from agent_app.retrying import Retry
from agent_app.steps import Result, Step, Usage

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

    from agent_app.agent import Agent

PATIENT = Retry(attempts=6, longest=600.0)
"""A batch has time: a server that wants to be left alone for ten minutes is."""
_OF_THE_ROW = (QuestionError, PromptError)
"""What a person has to put right in one row only; anything else is the same for all rows."""
_SHARE_FROM = 20
"""How many rows must be done before a share of errors says anything."""
_AT_ONCE = 64
"""How many rows are handed on before the others may go on."""
_IN_STEP = 8
"""How many rows may begin in one turn of the event loop. Rows in step with each other make all their calls at
the end of their work and have none under way meanwhile; a few take less of the processor than one by one."""


@dataclass(frozen=True, slots=True)
class Rules:
    """When to ask again, and when to stop."""

    retry: Retry = PATIENT
    """For a row whose model's server is busy, dead or too slow."""
    retry_errors: bool = False
    """Whether what failed in an earlier run is asked again."""
    max_errors: float | None = None
    """How many rows may fail before the run stops; below 1: which share of them."""
    max_seconds: float | None = None
    """After how many seconds no further row begins; what is on its way is finished."""

    def __post_init__(self) -> None:
        for name in ("max_errors", "max_seconds"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise SettingError(f"{name} is {value!r}; it takes a number above 0")

    def too_many(self, failed: int, done: int) -> bool:
        """Say whether so many failed ones are too many."""
        if self.max_errors is None:
            return False
        if self.max_errors < 1:
            return done >= _SHARE_FROM and failed > done * self.max_errors
        return failed >= self.max_errors


class Keeps(Protocol):
    """What the engine needs of a journal."""

    index: Index

    def record(self, key: bytes) -> Record | None:
        """Return the newest record of a question, if there is one."""

    def begin(self, rows: int, **facts: Any) -> None:
        """Note that a run begins, in which so many rows may be on their way at the same time."""

    async def add(self, record: Record) -> None:
        """Keep a record, and return when it is kept."""

    async def written(self) -> None:
        """Wait until nothing waits to be kept."""

    def end(self, **facts: Any) -> None:
        """Note how a run ended."""


class Batch:
    """A run of a batch: asks what has no answer yet, and hands on a row for each row of the input.

    Args:
        agent: answers the questions. Its budget, if any, is that of the whole run.
        rows: the questions.
        journal: keeps what comes of them.
        pace: how many at the same time.
        rules: when to ask again, and when to stop.
        values: values of the prompt's inputs that are the same in every row.
        marking: judges the answers, and lets repeats vote.
    """

    def __init__(
        self,
        agent: Agent,
        rows: Rows | Repeated,
        journal: Keeps,
        pace: Pace,
        rules: Rules,
        values: Mapping[str, Any],
        marking: Marking,
    ) -> None:
        self.progress = Progress()
        self.failure: AgentAppError | None = None
        """What keeps the run from going on."""
        self.marking = marking
        self._agent, self._rows, self._journal = agent, rows, journal
        self._pace, self._rules, self._values = pace, rules, values
        self._config: RunnableConfig = {"callbacks": [Meter(pace)]}
        keys = {key for key in rows.census.keys if key is not None}
        self._unasked = {key for key in keys if self._is_wanted(key)}
        self._others = journal.index.others(keys)
        self._in_flight: set[bytes] = set()
        self._keeps_completed = False
        self._completed: deque[Row] = deque()
        self._stopping, self._news = asyncio.Event(), asyncio.Event()
        self._short = 0
        """How many rows wait for others to give back what they have reserved of the budget."""
        self._worker: asyncio.Task[None] | None = None
        self.progress.total, self.progress.before = len(keys), len(keys) - len(self._unasked)

    @property
    def names(self) -> Iterable[str]:
        """The names of the input's other fields, as the answers have them: without secrets."""
        return dict.fromkeys(map(self._agent.redactor.data, self._rows.census.names))

    async def answers(self, *, as_completed: bool = False) -> AsyncGenerator[AnswerRow]:
        """Ask what is to be asked, and yield a row for each row of the input.

        When this ends before all is asked, the rows that have no answer say so. Closing it gives up what
        is on its way; the steps that it has come to are kept.

        Args:
            as_completed: in the order in which they are done, instead of that of the input.

        Raises:
            DiskFull: an answer could not be written.
        """
        facts = {
            "questions": self.progress.total,
            "repeat": self.marking.repeat,
            "others": self._others,
        }
        most = min(self._pace.most, len(self._unasked))
        self._journal.begin(most, input=self._rows.name, **facts)
        self._keeps_completed = as_completed
        with seldom_collected():
            self._worker = self._at_work()
            try:
                rows = self._as_completed() if as_completed else self._in_order()
                async for row in rows:
                    answer = await self.marking.marked(row.number, await self._answer(row))
                    if answer is not None:
                        yield answer
                await asyncio.wait([self._worker])
                if not self._worker.cancelled():  # as it is when it was given up
                    self._worker.result()
                if isinstance(self.failure, DiskFull):
                    raise self.failure
            finally:
                await self.abort()
                scores = self.marking.scores.to_dict()
                self._journal.end(why=self.progress.ending, limit=self._pace.limit, scores=scores)

    def stop(self, ending: Ending = "interrupted") -> None:
        """Begin no further row; what is on its way is finished."""
        self.progress.ending = self.progress.ending or ending
        self._stopping.set()
        self._pace.close()
        self._tell()

    async def abort(self) -> None:
        """Give up what is on its way, and keep the steps that it has come to."""
        if self._worker is not None and not self._worker.done():
            self.stop()
            self._worker.cancel()
            await asyncio.wait([self._worker])

    def tally(self) -> Counter[str]:
        """Count the rows of the input by what has come of them, earlier runs included."""
        index = self._journal.index

        def state(key: bytes) -> str:
            status = index.unanswered.get(key, "answered") if key in index.places else "missing"
            return "missing" if status == "begun" else status

        return self.marking.tally(state(key) for key in self._rows.census.keys if key is not None)

    # --- asking ---

    def _is_wanted(self, key: bytes) -> bool:
        if key not in self._journal.index.places:
            return True
        status = self._journal.index.unanswered.get(key, "answered")
        return status == "begun" or (status == "failed" and self._rules.retry_errors)

    def _at_work(self) -> asyncio.Task[None]:
        worker = asyncio.create_task(self._work())
        worker.add_done_callback(lambda _: self._tell())
        return worker

    async def _work(self) -> None:
        """Ask what is to be asked, until the time is over."""
        timer = None
        if self._rules.max_seconds is not None:
            timer = asyncio.get_running_loop().call_later(self._rules.max_seconds, self.stop, "time")
        try:
            await self._ask_all()
            self.progress.ending = self.progress.ending or "done"
        finally:
            if timer is not None:
                timer.cancel()
            await self._journal.written()

    async def _ask_all(self) -> None:
        """Give each row that is to be asked its turn."""
        async with asyncio.TaskGroup() as group:
            begun = 0
            async for row in self._turns():
                group.create_task(self._see_to(row))
                begun += 1
                if begun % _IN_STEP == 0:
                    await asyncio.sleep(0)

    async def _turns(self) -> AsyncIterator[Row]:
        """Yield each row that is to be asked when it may begin."""
        try:
            for row in self._rows.select(self._unasked.__contains__):
                while self._short and not self._stopping.is_set():
                    await self._news.wait()
                if not await self._pace.enter():
                    return
                self._unasked.discard(row.key)
                self._in_flight.add(row.key)
                self._show_pace()
                yield row
        except BatchError as error:
            self._give_up(error)

    async def _see_to(self, row: Row) -> None:
        """Ask a row's question and keep what comes of it."""
        try:
            asking = Asking(row.key, self._journal.record(row.key))
            try:
                record = await self._asked(row, asking)
            except asyncio.CancelledError:  # the run was given up
                record = asking.begun()
            if record is not None:
                await self._journal.add(record)
                self._count(record, asking.paid)
                if self._keeps_completed:
                    self._completed.append(row)
        except (DiskFull, BatchError) as error:
            self._give_up(error)
        finally:
            # Not before: there is room kept for no more answers than rows may be on their way.
            self._pace.leave()
            self._in_flight.discard(row.key)
            self._tell()

    async def _asked(self, row: Row, asking: Asking) -> Record | None:
        """Ask until there is an answer, or an error that asking again does not help against."""
        ask = self._ask(row)
        attempt = 0
        while True:
            attempt += 1
            try:
                run = await asking.attempt(ask)
            except Exception as error:  # noqa: BLE001 - one row's trouble is not the others'
                if isinstance(error, UserError) and not isinstance(error, _OF_THE_ROW):
                    self._give_up(error)
                    return asking.begun()
                wait = self._rules.retry.wait(error, attempt)
                if wait is None:
                    return self._redacted(asking.failed(error))
                if not await self._pause(wait):
                    return asking.begun()
                continue
            if not self._cannot_pay(run):
                return asking.settled(run)
            attempt -= 1  # nothing went wrong
            if not await self._others_settle():
                self.stop("budget")
                return asking.begun()

    def _ask(self, row: Row) -> Ask:
        question = {"input": row.question, **self._values, **row.inputs}

        async def ask(steps: tuple[Step, ...]) -> Result:
            return await self._agent.ainvoke(question, self._config, steps=steps)

        return ask

    def _redacted(self, record: Record) -> Record:
        return dataclasses.replace(record, error=self._agent.redactor.text(record.error or ""))

    def _give_up(self, error: AgentAppError) -> None:
        """Begin no further row, as something is wrong that is the same for all of them."""
        if self.failure is None or isinstance(error, DiskFull):  # the last of these says what was lost
            self.failure = error
        self.stop("failed")

    def _count(self, record: Record, paid: Usage) -> None:
        progress = self.progress
        progress.count(record, paid)
        if self._rules.too_many(progress.failed, progress.done):
            self.stop("errors")

    async def _pause(self, seconds: float) -> bool:
        """Wait; return False as soon as the run is to stop."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return True
        return False

    def _tell(self) -> None:
        """Wake up whoever waits for anything to happen."""
        self._show_pace()
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _show_pace(self) -> None:
        self.progress.in_flight, self.progress.limit = self._pace.in_flight, self._pace.limit

    # --- the budget ---

    def _cannot_pay(self, run: Result) -> bool:
        """Whether a run has no answer because the budget of all rows could not pay for one."""
        terms = self._agent.terms
        if terms.budget is None or run.text or run.stopped_by not in ("tokens", "cost"):
            return False
        own = terms.max_tokens if run.stopped_by == "tokens" else terms.max_cost
        left = terms.budget.left.tokens if run.stopped_by == "tokens" else terms.budget.left.cost
        return left is not None and (own is None or left < own)

    async def _others_settle(self) -> bool:
        """Wait until another row gives back what it has reserved; return False if there is none."""
        if self._short + 1 >= self._pace.in_flight:
            return False
        self._short += 1
        try:
            await self._news.wait()
        finally:
            self._short -= 1
        return True

    # --- answers ---

    async def _answer(self, row: Row) -> AnswerRow:
        was_there = row.key in self._journal.index.places
        record = self._journal.record(row.key)
        if record is None and was_there:
            await self._ask_anew(row.key)
            record = self._journal.record(row.key)
        redact = self._agent.redactor.data
        safe = dataclasses.replace(
            row,
            own_id=redact(row.own_id),
            question=redact(row.question),
            fields=redact(row.fields) if row.fields else row.fields,
            expected=redact(row.expected),
        )
        return answer_row(safe, record)

    async def _ask_anew(self, key: bytes) -> None:
        """Ask a question whose record is damaged, once all that was to be asked has been seen to.

        No sooner is it known: to read all records before the first question would take a long time.
        """
        self.progress.damaged += 1
        self.progress.before -= 1
        assert self._worker is not None
        await asyncio.wait([self._worker])
        if self._stopping.is_set():
            return
        self._worker.result()
        self.progress.ending = None
        self._unasked.add(key)
        self._worker = self._at_work()
        await asyncio.wait([self._worker])

    async def _in_order(self) -> AsyncIterator[Row]:
        async for row in _gently(iter(self._rows)):
            while self._is_open(row.key):
                await self._news.wait()
            if isinstance(self.failure, DiskFull):
                return
            yield row

    def _is_open(self, key: bytes) -> bool:
        """Whether something may still come of a question."""
        if self._worker is None or self._worker.done():
            return False
        return key in self._in_flight or (key in self._unasked and not self._stopping.is_set())

    async def _as_completed(self) -> AsyncIterator[Row]:
        told = bytearray(len(self._rows.census.keys))
        earlier = frozenset(self._unasked) if self.progress.before else None
        if earlier is not None:
            async for row in _gently(self._rows.select(lambda key: key not in earlier)):
                told[row.number] = 1
                yield row
        while True:
            news = self._news
            while self._completed:
                row = self._completed.popleft()
                if not told[row.number]:  # as one is that was asked anew
                    told[row.number] = 1
                    yield row
            if self._worker is None or self._worker.done():
                break
            await news.wait()
        if isinstance(self.failure, DiskFull):
            return
        async for row in _gently(iter(self._rows)):  # equal ones, and those that were not asked
            if not told[row.number]:
                yield row


async def _gently(rows: Iterator[Row]) -> AsyncIterator[Row]:
    """Yield rows, and let others go on now and then."""
    for number, row in enumerate(rows):
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
        yield row
