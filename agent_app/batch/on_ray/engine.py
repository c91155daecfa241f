"""The driver of a batch on Ray: hands out the rows, keeps what comes of them, and hands on the answers."""

from __future__ import annotations

import asyncio
import contextlib
import math
import pickle
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from agent_app.batch.engine import Batch, Rules
from agent_app.batch.identity import fingerprint
from agent_app.batch.journal.journal import Journal
from agent_app.batch.journal.record import Record
from agent_app.batch.judging.marking import Marking
from agent_app.batch.on_ray.cluster import Crew, quiet_data
from agent_app.batch.on_ray.relay import Call, Failed, Keep, Open, Pulse, Relay, Until
from agent_app.batch.on_ray.worker import AT_ONCE, ROWS, Job, Worker
from agent_app.batch.pace import FIRST, MOST, Pace
from agent_app.batch.repeating import Repeated
from agent_app.batch.rows import Row, Rows
from agent_app.batch.running import How, check_price, opened_journal, pace_for, repeated, rules_of
from agent_app.budget import UNPRICED
from agent_app.errors import BatchError, DiskFull, SettingError
from agent_app.patience import awithin
from agent_app.steps import Usage

if TYPE_CHECKING:
    from agent_app.agent import Agent
    from agent_app.budget import Budget

_MOST_ROWS = MOST // AT_ONCE
"""How many rows a block has at most: with so many each, an actor's blocks keep it as busy as it may be."""
_BLOCKS_EACH = 4
"""How many blocks each actor is to have at least, so that a slow one does not keep the others waiting."""
_ROOM = 1024
"""For how many answers room on the disk is taken beforehand, at most."""
_CALLS = 100_000
"""How many calls of actors may wait for a reply at the same time."""
_STALE = 5.0
"""After so many seconds without a pulse an actor is taken to have no row on its way."""
_GIVEN_UP = 30.0
"""How many seconds actors have to hand over the steps of what they were told to give up."""


class RayBatch(Batch):
    """A run of a batch whose rows are asked by the actors of a Ray cluster; made by `open_ray_batch`.

    Args:
        agent: the driver's own, which asks nothing: what it is made of is compared with the actors'.
        rows: the questions.
        journal: keeps what comes of them.
        rules: when to stop; when to ask again is the actors' concern.
        job: what the actors are made of, but for the relay.
        crew: how many actors there are.
        budget: no further row begins when it is spent.
        marking: marks the answers, here and not at the actors.
    """

    def __init__(
        self,
        agent: Agent,
        rows: Rows | Repeated,
        journal: Journal,
        rules: Rules,
        job: Job,
        crew: Crew,
        budget: Budget | None,
        marking: Marking,
    ) -> None:
        most = min(_ROOM, crew.actors * MOST)
        super().__init__(agent, rows, journal, Pace(most), rules, job.how["values"], marking)
        self._job, self._crew, self._budget = job, crew, budget
        self._under_way: dict[bytes, Row] = {}
        """The rows of open blocks that nothing has come of yet."""
        self._settled: set[bytes] = set()
        """What this run has seen to."""
        self._pulses: dict[str, tuple[float, Pulse]] = {}
        self._giving_up = asyncio.Event()

    async def _ask_all(self) -> None:
        if not self._unasked:
            return
        relay = _relay()
        serving = asyncio.create_task(self._serve(relay))
        asking = asyncio.create_task(awithin(None, self._run, relay))
        try:
            await asyncio.wait([asking, serving], return_when=asyncio.FIRST_COMPLETED)
            (serving if serving.done() else asking).result()
        except asyncio.CancelledError:  # the run was given up; the steps it has come to are on their way here
            self._giving_up.set()
            await asyncio.wait([asking], timeout=_GIVEN_UP)
            raise
        except BatchError as error:
            self._give_up(error)
        finally:
            serving.cancel()
            await asyncio.wait([serving])
            _dismiss(relay)

    def _run(self, relay: Any) -> None:
        """Send what is to be asked through Ray Data, and return when all of it has been seen to."""
        import pyarrow
        import ray.data

        blocks = [pyarrow.table({ROWS: [pickle.dumps(row) for row in block]}) for block in self._blocks()]
        with quiet_data(), _explained():
            asked = ray.data.from_arrow(blocks).map_batches(
                Worker,
                fn_constructor_args=(self._job, relay),
                batch_size=None,
                num_cpus=self._crew.cpus,
                compute=ray.data.ActorPoolStrategy(
                    size=min(self._crew.actors, len(blocks)),
                    max_tasks_in_flight_per_actor=AT_ONCE,
                    max_concurrent_calls_per_actor=AT_ONCE,
                    enable_true_multi_threading=True,
                ),
            )
            for _ in asked.iter_batches(batch_size=None, prefetch_batches=0):
                pass

    def _blocks(self) -> Iterator[list[Row]]:
        """Yield the rows that are to be asked, equal ones once, in blocks of about the same length."""
        wanted = set(self._unasked)
        actors = self._crew.actors
        fair = math.ceil(len(wanted) / (actors * _BLOCKS_EACH))
        length = max(min(_MOST_ROWS, fair), math.ceil(_fixed(self._job.how) / AT_ONCE))
        block: list[Row] = []
        for row in self._rows.select(wanted.__contains__):
            wanted.discard(row.key)
            block.append(row)
            if len(block) == length:
                yield block
                block = []
        if block:
            yield block

    # --- what the actors say ---

    async def _serve(self, relay: Any) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                for number, call in await relay.fetch.remote():
                    group.create_task(self._reply(relay, number, call))

    async def _reply(self, relay: Any, number: int, call: Call) -> None:
        try:
            reply = await self.heed(call)
        except (DiskFull, BatchError) as error:
            self._give_up(error)
            reply = None
        await relay.reply.remote(number, reply)

    async def heed(self, call: Call) -> Any:
        """Do what an actor wants, and return what the relay is to reply.

        Raises:
            BatchError: something is wrong that is the same for all rows.
            DiskFull: an answer could not be written.
        """
        match call:
            case Open(rows):
                return [self._open(row) for row in rows]
            case Keep(line):
                return await self._keep(Record.from_line(line))
            case Pulse(actor):
                self._pulses[actor] = (time.monotonic(), call)
                self._tell()
            case Failed(why):
                raise BatchError(why)
            case Until(stage):
                await (self._stopping if stage == 1 else self._giving_up).wait()
                return stage
        return None

    def _open(self, row: Row) -> bytes | None:
        """Return a row's record so far; None where it is not to be asked, as when its block is run again."""
        if self._stopping.is_set() or row.key in self._settled:
            return None
        before = self._journal.record(row.key)
        self._unasked.discard(row.key)
        self._in_flight.add(row.key)
        self._under_way[row.key] = row
        return b"" if before is None else before.to_line()

    async def _keep(self, record: Record) -> bool:
        key = record.key
        if key in self._settled:  # of an actor that was taken for dead, when another one had asked as well
            return True
        paid = _paid(self._journal.record(key), record)
        await self._journal.add(record)
        if record.status != "begun":
            self._settled.add(key)
        self._count(record, paid)
        self._mind_budget()
        row = self._under_way.pop(key, None)
        if self._keeps_completed and row is not None:
            self._completed.append(row)
        self._in_flight.discard(key)
        self._tell()
        return True

    def _mind_budget(self) -> None:
        budget, usage = self._budget, self.progress.usage
        if budget is None:
            return
        if budget.cost is not None and usage.cost is None:
            self._give_up(SettingError(UNPRICED))
        tokens = usage.prompt_tokens + usage.completion_tokens
        if tokens >= (budget.tokens or math.inf) or (usage.cost or 0) >= (budget.cost or math.inf):
            self.stop("budget")

    def _tell(self) -> None:
        super()._tell()
        now = time.monotonic()
        pulses = [pulse for heard, pulse in self._pulses.values() if now - heard < _STALE]
        self.progress.in_flight = sum(pulse.in_flight for pulse in pulses)
        self.progress.limit = sum(pulse.limit for pulse in pulses)


@contextlib.contextmanager
def open_ray_batch(
    agent: Agent,
    make: Callable[[], Agent],
    rows: Rows,
    journal: Path | None,
    crew: Crew,
    *,
    budget: Budget | None = None,
    **how: Unpack[How],
) -> Iterator[RayBatch]:
    """Open a journal and make a batch ready to run on the cluster that this program is connected to.

    Args:
        agent: one that was made by `make`. It asks nothing itself, and an embedded model of it is closed.
        make: makes the agent of an actor; it is pickled, with all that it refers to.
        rows: the questions.
        journal: the file of the journal; None: a temporary one.
        crew: how many actors there are.
        budget: no further row begins when it is spent; what is on its way then is paid for as well.
        how: see `How`; limits of a minute and the rows at the same time are those of all actors together.

    Raises:
        BatchError: the journal is another agent's or another process's, or cannot be opened.
        SettingError: a limit is not above 0, or money is limited and the model's price not known.
    """
    values = how.get("values", {})
    made_of, of_actors = fingerprint(agent, values), fingerprint(agent, {})
    pace_for(agent, FIRST, how)  # complains of limits before a journal begins anew
    check_price(agent, budget)
    _close(agent)
    rules = rules_of(how)
    asked, marking = repeated(rows, how)
    job = Job(make, of_actors, _share({"retry": rules.retry, **how, "values": values}, crew.actors))
    with opened_journal(journal, made_of, how) as kept:
        yield RayBatch(agent, asked, kept, rules, job, crew, budget, marking)


def _share(how: How, actors: int) -> How:
    """Return an actor's share of what is for all of them together."""
    share = how.copy()
    # The driver repeats the rows, and judges what comes back.
    share.pop("judge", None)
    share.pop("repeat", None)
    share.pop("vote", None)
    if isinstance(rows := how.get("concurrency"), int):
        share["concurrency"] = math.ceil(rows / actors)
    if (calls := how.get("calls_per_minute")) is not None:
        share["calls_per_minute"] = calls / actors
    if (tokens := how.get("tokens_per_minute")) is not None:
        share["tokens_per_minute"] = tokens / actors
    return share


def _fixed(how: How) -> int:
    """Return how many rows an actor has at the same time, if that is fixed, else 1."""
    rows = how.get("concurrency")
    return rows if isinstance(rows, int) else 1


def _paid(before: Record | None, now: Record) -> Usage:
    """Return what was paid between two records of a question; each counts all that came before it."""
    new = now.run.usage if now.run else Usage()
    old = before.run.usage if before and before.run else Usage()
    cost = None if new.cost is None or old.cost is None else new.cost - old.cost
    return Usage(
        new.calls - old.calls,
        new.prompt_tokens - old.prompt_tokens,
        new.completion_tokens - old.completion_tokens,
        new.cached_tokens - old.cached_tokens,
        new.seconds - old.seconds,
        cost,
    )


def _close(agent: Agent) -> None:
    """Free the memory of an embedded model."""
    close = getattr(agent.model, "close", None)
    if close is not None:
        close()


def _relay() -> Any:
    """Return the handle of a new relay, on this very node: where the driver is, it is."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(Relay).options(num_cpus=0, max_concurrency=_CALLS, scheduling_strategy=here).remote()


def _dismiss(relay: Any) -> None:
    import ray

    ray.kill(relay)


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Say in a line what has kept Ray from going on; a bug of ours keeps its traceback."""
    from ray.exceptions import RayError, RayTaskError

    try:
        yield
    except RayTaskError:
        raise
    except RayError as error:
        raise BatchError(f"Ray cannot go on: {' '.join(str(error).split())}") from error
