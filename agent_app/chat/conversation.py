"""A conversation with the agent, without a terminal: what is asked, with what, and where it is kept."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Literal

from agent_app.chat.calls import ModelCall, ToolCall
from agent_app.chat.loading import Loader, Setup
from agent_app.chat.permissions import Permissions
from agent_app.errors import StoreError, UserError
from agent_app.prompt import Prompt
from agent_app.sessions import Session, Store, record
from agent_app.steps import Result

if TYPE_CHECKING:
    from agent_app.agent import Agent
    from agent_app.chat.recording import Recorder
    from agent_app.events import Event

_HISTORY = "history"
_MOMENT = 0.1
"""How many seconds at most Ctrl-C has to wait, where a thread that waits cannot be interrupted."""


class Conversation:
    """What is going on: the session that is kept, and what answers.

    Args:
        setup: with what questions are answered.
        loader: makes the agent.
        permissions: what tools may do.
        store: where sessions are kept.
        session: the one to go on with.

    Raises:
        UserError: the prompt cannot be had.
    """

    def __init__(
        self, setup: Setup, loader: Loader, permissions: Permissions, store: Store, session: Session
    ) -> None:
        self.setup, self.loader, self.permissions, self.store = setup, loader, permissions, store
        self.prompt: Prompt = loader.prompt(setup)
        self.session = session
        self.unkept: StoreError | None = None
        """Why the last answer could not be kept; None where it was."""
        self._agent: Future[Agent] | None = None
        self._recorder: Recorder | None = None
        self.resume(session)

    # -- what answers -----------------------------------------------------------------------------

    def begin_loading(self, then: Callable[[], None] = lambda: None) -> None:
        """Load what answers, in a thread, so that the person can type meanwhile.

        Args:
            then: is called from that thread when it is loaded, or cannot be.
        """
        if self._agent is None:
            loading = self._agent = Future()
            threading.Thread(target=self._load, args=(loading, then), name="loading").start()

    def _load(self, loading: Future[Agent], then: Callable[[], None]) -> None:
        try:
            loading.set_result(self.loader.load(self.setup))
        except BaseException as error:  # noqa: BLE001 - handed to whoever asks
            loading.set_exception(error)
        then()

    @property
    def state(self) -> Literal["loading", "ready", "failed"]:
        """How far the loading has come."""
        if self._agent is None or not self._agent.done():
            return "loading"
        return "ready" if self._agent.exception() is None else "failed"

    @property
    def problem(self) -> str:
        """Why it could not be loaded; empty where it could, or where that is not known yet."""
        error = self._agent.exception() if self._agent is not None and self._agent.done() else None
        return "" if error is None else str(error)

    def agent(self) -> Agent:
        """Return what answers; wait until it is loaded.

        Raises:
            UserError: it cannot be; the next call tries again.
        """
        self.begin_loading()
        assert self._agent is not None
        _wait_for(self._agent)
        try:
            return self._agent.result()
        except Exception:
            self._agent = None
            raise

    def change(self, setup: Setup) -> None:
        """Answer with something else from now on; the conversation goes on.

        Raises:
            UserError: it cannot be loaded; everything stays as it is.
        """
        if self._agent is not None:
            _wait_for(self._agent)
        agent: Future[Agent] = Future()
        agent.set_result(self.loader.load(setup))
        self.prompt, self.setup, self._agent = self.loader.prompt(setup), setup, agent

    def choose(self, **changes: str | None) -> None:
        """Change a part of the set-up; see `change`."""
        self.change(dataclasses.replace(self.setup, **changes))  # type: ignore[arg-type]

    @property
    def offered(self) -> tuple[str, ...]:
        """The names of the tools that the agent may use; waits until they are loaded."""
        return self.agent().toolbox.names

    @property
    def has_memory(self) -> bool:
        """Whether the prompt shows the model what was said before."""
        return _HISTORY in self.prompt.slots

    # -- asking -----------------------------------------------------------------------------------

    def ask(self, question: str, *, instead: bool = False) -> Generator[Event, None, None]:
        """Ask a question that follows on what was said, and yield what happens; it is kept as it happens.

        Where it cannot be kept it is answered all the same; `unkept` says so then.

        Args:
            question: what is asked.
            instead: whether it takes the place of the last question. Where nothing comes of it, the answer
                that was there before stays.

        Raises:
            AgentAppError: as for `Agent.stream`.
        """
        agent, self.unkept = self.agent(), None
        from agent_app.chat.recording import Recorder

        runs = self.session.runs()
        before, self._recorder = self._recorder, Recorder()
        earlier = [run.result for run in (runs[:-1] if instead else runs)]
        history = [result for result in earlier if result.text] if self.has_memory else ()
        values = {name: given for name, given in self.setup.values.items() if name in self.prompt.inputs}
        asked = {"input": question, **values}
        events = agent.stream(asked, {"callbacks": [self._recorder]}, history=history)
        try:
            yield from record(events, self.session, instead=instead, unkept=self._cannot_keep)
        finally:
            if self.session.runs() == runs:  # nothing came of it, so `calls` are those of the answer before
                self._recorder = before
            self.keep_decisions()

    def _cannot_keep(self, error: StoreError) -> None:
        self.unkept = error

    @property
    def calls(self) -> Sequence[ModelCall | ToolCall]:
        """What went on behind the last answer; empty where it was given in an earlier chat."""
        return () if self._recorder is None else self._recorder.calls

    def tool_seconds(self) -> float | None:
        """Return how long the tool took that was called since this was asked last; None where none was."""
        tool = None if self._recorder is None else self._recorder.take_tool()
        return None if tool is None else tool.seconds

    # -- what was said ----------------------------------------------------------------------------

    @property
    def results(self) -> tuple[Result, ...]:
        """What was asked and answered, in its order."""
        return tuple(run.result for run in self.session.runs())

    @property
    def kept(self) -> tuple[Result, ...]:
        """What of it is still there: `results`, or nothing where the session was deleted elsewhere."""
        try:
            return self.results
        except StoreError:
            return ()

    @property
    def last(self) -> Result:
        """What was asked last.

        Raises:
            UserError: nothing was.
        """
        if not self.results:
            raise UserError("nothing has been asked yet")
        return self.results[-1]

    def undo(self) -> Result | None:
        """Take the last question back with its answer, and return them; None where there is none."""
        self._recorder = None
        undone = self.session.undo()
        return None if undone is None else undone.result

    def redo(self) -> Result | None:
        """Restore what was taken back last, and return it; None where nothing was."""
        self._recorder = None
        restored = self.session.redo()
        return None if restored is None else restored.result

    def resume(self, session: Session) -> None:
        """Go on with another session."""
        self._recorder = None
        self.session = session
        self.permissions.take(session.remembered())

    def keep_decisions(self) -> None:
        """Keep with the session what was decided about tools for always."""
        kept = self.permissions.to_keep()
        if tuple(kept) != tuple(self.session.remembered()):
            self.session.remember(kept)


def _wait_for(future: Future[Agent]) -> None:
    while not future.done():
        wait([future], timeout=_MOMENT)
