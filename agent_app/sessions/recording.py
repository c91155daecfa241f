"""Writing a run to a session while it goes on, without being in its way."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator

from agent_app.errors import StoreError
from agent_app.events import Event, Failed, Finished, Started, Stepped
from agent_app.sessions.session import Session
from agent_app.sessions.writing import RunWriter


def record(
    events: Iterable[Event],
    session: Session,
    *,
    instead: bool = False,
    unkept: Callable[[StoreError], None] | None = None,
) -> Generator[Event, None, None]:
    """Hand on the events of a run, each after it has been written to the session.

    However the run ends, by its end, an error, Ctrl-C, or because nobody takes its events any more (close
    it then), it is left whole.

    Args:
        events: what `Agent.stream` gives.
        session: where the run is added.
        instead: whether it is to take the place of the last run, as for `Session.begin`.
        unkept: told why the run cannot be kept any further, as when the disk is full; the run itself goes
            on. None: that error is raised, and the run is closed.

    Raises:
        StoreError: as said above.
    """
    recorder = _Recorder(session, instead, unkept)
    try:
        for event in events:
            recorder.take(event)
            yield event
    except BaseException as error:
        if isinstance(events, Generator):
            events.close()
        recorder.broken_off(error)
        raise


class _Recorder:
    """Writes events down, for as long as that can be done."""

    def __init__(self, session: Session, instead: bool, unkept: Callable[[StoreError], None] | None) -> None:
        self._session, self._instead = session, instead
        self._unkept = unkept
        self._writer: RunWriter | None = None

    def take(self, event: Event) -> None:
        """Write what an event adds to the run."""
        with self._while_it_can_be_kept():
            if isinstance(event, Started):
                asked = (event.question, event.prompt, event.model)
                self._writer = self._session.begin(*asked, instead=self._instead)
            elif self._writer is not None:
                match event:
                    case Stepped(step=step):
                        self._writer.step(step)
                    case Finished(result=result) | Failed(run=result):
                        self._writer.finish(result)
                    case _:
                        pass

    def broken_off(self, error: BaseException) -> None:
        """Write that the run was ended by an error, unless its end has been written."""
        with self._while_it_can_be_kept():
            if self._writer is not None and self._writer.is_open:
                self._writer.fail(error)

    @contextlib.contextmanager
    def _while_it_can_be_kept(self) -> Iterator[None]:
        try:
            yield
        except StoreError as error:
            self._writer = None  # what has been written is a whole run
            if self._unkept is None:
                raise
            self._unkept(error)
