"""What an actor of Ray Data does: it has an agent, and asks blocks of rows with the engine of one machine."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import threading
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_app.batch.engine import Batch, Rules
from agent_app.batch.identity import differences, fingerprint
from agent_app.batch.journal.index import Index
from agent_app.batch.journal.record import Record
from agent_app.batch.judging.marking import Marking
from agent_app.batch.on_ray.relay import Call, Failed, Keep, Open, Pulse, Until
from agent_app.batch.pace import FIRST, Pace
from agent_app.batch.rows import Census, Row, Rows
from agent_app.batch.running import How, pace_for
from agent_app.errors import AgentAppError, BatchError, DiskFull
from agent_app.redaction import Redactor

if TYPE_CHECKING:
    from agent_app.agent import Agent

ROWS = "row"
"""The one column of a block: a pickled row in each."""
AT_ONCE = 2
"""How many blocks an actor has at the same time: when one comes to its end, the next has begun."""
_BEAT = 0.5
"""Seconds between two pulses."""


@dataclass(frozen=True, slots=True)
class Job:
    """What an actor is made of."""

    make: Callable[[], Agent]
    """Makes the agent."""
    fingerprint: Mapping[str, Any]
    """What decides how the driver's agent answers, but for the values, which are the driver's own; the
    actor's must be the same."""
    how: How
    """How the batch is run, as far as it is the actor's concern: an actor's share of each limit."""


class Worker:
    """Answers blocks of rows; the class that Ray Data makes its actors of.

    Ray Data calls it in threads, a block each. The work is done in an event loop of the actor's own, which
    all blocks share, as the connections of a model belong to the loop that they were made in.

    Args:
        job: what to do.
        relay: the handle of the `Relay`.
    """

    def __init__(self, job: Job, relay: Any) -> None:
        self._job, self._relay = job, relay
        self._agent: Agent | None = None
        self._pace: Pace | None = None
        self._opening = asyncio.Lock()
        self._batches: set[Batch] = set()
        self._stage = 0
        self._lost: BatchError | None = None
        """Why the driver cannot be called any more, if it cannot."""
        self._duties: list[asyncio.Task[None]] = []
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="agent_app-worker", daemon=True).start()

    def __call__(self, block: dict[str, Any]) -> dict[str, list[int]]:
        """Ask the rows of a block, and return how many it has."""
        rows = tuple(pickle.loads(row) for row in block[ROWS])  # noqa: S301 - the driver's own
        asyncio.run_coroutine_threadsafe(self._see_to(rows), self._loop).result()
        return {"rows": [len(rows)]}

    async def _see_to(self, rows: tuple[Row, ...]) -> None:
        if not self._duties:
            self._duties = [asyncio.create_task(self._beat()), asyncio.create_task(self._obey())]
        lines = await self._call(Open(rows))
        if lines is None:
            return
        wanted = [(row, line) for row, line in zip(rows, lines, strict=True) if line is not None]
        try:
            if wanted:
                await self._ask(wanted)
        except AgentAppError as error:
            await self._call(Failed(self._told(error)))

    async def _ask(self, wanted: Sequence[tuple[Row, bytes]]) -> None:
        agent, pace = await self._opened()
        how = self._job.how
        block = _Block([row for row, _ in wanted])
        journal = _Journal(self._call, [Record.from_line(line) for _, line in wanted if line])
        rules = Rules(how["retry"], retry_errors=True)  # what is not to be asked again is not wanted
        batch = Batch(agent, block, journal, pace, rules, how["values"], Marking())
        if not self._stage:
            self._batches.add(batch)
            try:
                async for _ in batch.answers():
                    pass
            finally:
                self._batches.discard(batch)
        if failure := batch.failure or self._lost:
            raise failure

    async def _opened(self) -> tuple[Agent, Pace]:
        """Make the agent, once; it must be the same as the driver's."""
        async with self._opening:
            if self._agent is None or self._pace is None:
                self._agent = await asyncio.to_thread(self._made)
                self._pace = pace_for(self._agent, FIRST, self._job.how)
        return self._agent, self._pace

    def _made(self) -> Agent:
        agent = self._job.make()
        changes = differences(self._job.fingerprint, fingerprint(agent, {}))
        if found := "; ".join(changes):
            raise BatchError(f"the agent is another one than the driver's: {found}")
        return agent.open()

    async def _beat(self) -> None:
        actor = uuid.uuid4().hex
        while not self._lost:
            if self._pace is not None:
                with contextlib.suppress(BatchError):  # it is the blocks that tell of a lost driver
                    await self._call(Pulse(actor, self._pace.in_flight, self._pace.limit))
            await asyncio.sleep(_BEAT)

    async def _obey(self) -> None:
        """Stop when the driver says so; give up what is on its way when it says so, or can keep nothing."""
        with contextlib.suppress(BatchError):
            self._stop(await self._call(Until(1)))
            self._stage = await self._call(Until(2))
        await asyncio.gather(*(batch.abort() for batch in self._batches))

    def _stop(self, stage: int) -> None:
        """Begin no further row."""
        self._stage = stage
        for batch in self._batches:
            batch.stop()

    def _told(self, error: AgentAppError) -> str:
        import ray.util

        here: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
        redactor = self._agent.redactor if self._agent else Redactor.from_environment()
        return redactor.text(f"on the node {here}: {error}")

    async def _call(self, call: Call) -> Any:
        """Call the driver, and return its reply.

        Raises:
            BatchError: the relay is gone, and with it the driver; no further row begins then.
        """
        from ray.exceptions import RayActorError

        try:
            return await self._relay.call.remote(call)
        except RayActorError as error:
            # At once: the caller will give back its row's place, where the next would begin and be paid for.
            self._lost = BatchError("the driver is gone")
            self._stop(2)
            raise self._lost from error


class _Block(Rows):
    """The rows of a block."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.name, self._all = "block", rows
        self.census = Census([row.key for row in rows])

    def select(self, wanted: Callable[[bytes], bool]) -> Iterator[Row]:
        """Yield the rows whose keys are wanted."""
        return (row for row in self._all if wanted(row.key))


class _Journal:
    """The driver's journal, as an actor sees it that asks a block."""

    def __init__(self, call: Callable[[Call], Awaitable[Any]], records: Iterable[Record]) -> None:
        self._call = call
        self._records = {record.key: record for record in records}
        self.index = Index(
            places=dict.fromkeys(self._records, 0),
            unanswered={key: record.status for key, record in self._records.items()},
        )

    def record(self, key: bytes) -> Record | None:
        return self._records.get(key)

    def begin(self, rows: int, **facts: Any) -> None:
        """Do nothing: the driver has noted it."""

    async def add(self, record: Record) -> None:
        if not await self._call(Keep(record.to_line())):
            raise DiskFull("the driver could not write an answer")
        self._records[record.key] = record

    async def written(self) -> None:
        """Do nothing: `add` has waited."""

    def end(self, **facts: Any) -> None:
        """Do nothing, as above."""
