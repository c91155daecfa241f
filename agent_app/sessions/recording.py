"""Writing a run to a session while it goes on, without being in its way."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator

from agent_app.events import Event, Failed, Finished, Started, Stepped
from agent_app.sessions.session import Session
from agent_app.sessions.writing import RunWriter


def record(events: Iterable[Event], session: Session) -> Iterator[Event]:
    """Hand on the events of a run, each after it has been written to the session.

    However the run ends, by its end, an error, Ctrl-C, or because nobody takes its events any more (close
    it then), it is left whole.

    Args:
        events: what `Agent.stream` gives.
        session: where the run is added.

    Raises:
        StoreError: something cannot be written; the run is closed then.
    """
    writer: RunWriter | None = None
    try:
        for event in events:
            if isinstance(event, Started):
                writer = session.begin(event.question, event.prompt, event.model)
            elif writer is not None:
                _take(event, writer)
            yield event
    except BaseException as error:
        if isinstance(events, Generator):
            events.close()
        if writer is not None and writer.is_open:
            writer.fail(error)
        raise


def _take(event: Event, writer: RunWriter) -> None:
    match event:
        case Stepped(step=step):
            writer.step(step)
        case Finished(result=result) | Failed(run=result):
            writer.finish(result)
        case _:
            pass
