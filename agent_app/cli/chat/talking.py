"""The chat itself: one line after the other is read, done, and what comes of it shown."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from agent_app.chat.commands import effects_of, resumed
from agent_app.chat.conversation import Conversation
from agent_app.chat.effects import (
    Ask,
    ClearScreen,
    Copy,
    Effect,
    Explain,
    Leave,
    Loading,
    Rewrite,
    Rows,
    Section,
    Tell,
    Turns,
    Write,
)
from agent_app.chat.switching import NO_MEMORY
from agent_app.errors import AgentAppError, UserError
from agent_app.events import Event
from agent_app.steps import Result
from agent_app.terminal import to_clipboard


class Reader(Protocol):
    """Gives one line after the other; a line of a person may hold several."""

    keeps_going: bool
    """Whether a person is there: Ctrl-C ends an answer only then, and not the chat."""

    def read(self) -> str | None:
        """Return what is typed next, or None at the end."""

    def rewrite(self, question: str) -> str | None:
        """Let a question be changed; None if it is not to be asked again."""


class View(Protocol):
    """Shows what goes on."""

    def run(self, events: Iterator[Event]) -> Result:
        """Show a run while it goes on, and return its result."""

    def tell(self, text: str) -> None:
        """Say something of the program's own."""

    def table(self, rows: Sequence[tuple[str, ...]]) -> None:
        """Show rows, their columns aligned."""

    def explain(self, sections: Sequence[Section]) -> None:
        """Show an explanation, part after part."""

    def turns(self, results: Sequence[Result]) -> None:
        """Show what was asked and answered."""

    def write(self, text: str) -> None:
        """Write a document to where answers go."""

    def clear(self) -> None:
        """Begin with an empty screen, where there is one."""

    def complain(self, problem: str) -> None:
        """Say in a line what went wrong."""

    def waiting(self) -> contextlib.AbstractContextManager[object]:
        """Show that something takes its time."""


class Talk:
    """A chat between whoever types and the agent.

    Args:
        chat: what is going on.
        reader: where lines come from.
        make_view: makes what shows things, when there is something to show.
    """

    def __init__(self, chat: Conversation, reader: Reader, make_view: Callable[[], View]) -> None:
        self._chat, self._reader, self._make_view = chat, reader, make_view
        self.failures = 0
        """How many lines came to nothing, or to what could not be kept."""
        self._hopeless: UserError | None = None
        """Why nothing can be answered where nobody is there to choose something else."""

    @functools.cached_property
    def _view(self) -> View:
        return self._make_view()

    def begin(self) -> None:
        """Show what a person should know before the first line."""
        for effect in resumed(self._chat) if self._chat.results else ():
            show(effect, self._view)
        if not self._chat.has_memory:
            self._view.tell(NO_MEMORY)

    def go_on(self) -> None:
        """Take lines until there are no more, or one of them ends the chat.

        Raises:
            UserError: what the call names cannot be had, and no person is there to choose something else.
        """
        before: Sequence[Result] = ()
        while True:
            try:
                line = self._reader.read()
                if line is None:
                    return
                before = self._chat.kept
                if not self._take(line):
                    return
            except AgentAppError as error:
                if error is self._hopeless:
                    raise
                self.failures += 1
                self._view.complain(str(error))
            except KeyboardInterrupt:
                if not self._reader.keeps_going:
                    raise
                changed = self._chat.kept != before
                kept = "what was done until then is kept" if changed else "everything is as it was"
                self._view.complain(f"interrupted; {kept}")

    def _take(self, line: str) -> bool:
        """Do what a line says; say whether the chat goes on."""
        effect: Effect | None = None
        with contextlib.closing(effects_of(self._chat, line)) as effects:
            while True:
                slow = isinstance(effect, Loading)
                with self._view.waiting() if slow else contextlib.nullcontext():
                    effect = next(effects, None)
                match effect:
                    case None:
                        return True
                    case Loading():
                        pass
                    case Leave():
                        return False
                    case Ask(question=question, instead=instead):
                        self._ask(question, instead=instead)
                    case Rewrite(question=question):
                        changed = self._reader.rewrite(question)
                        if changed is not None:
                            self._ask(changed, instead=True)
                    case _:
                        show(effect, self._view)

    def _ask(self, question: str, *, instead: bool) -> None:
        self._load()
        # Closed however it ends, so that a run that nobody looks at any more stops and is kept.
        with contextlib.closing(self._chat.ask(question, instead=instead)) as events:
            result = self._view.run(events)
        self.failures += not result.text
        if result.stopped_by:
            rest = "the answer is the best from what there was" if result.text else "there is no answer"
            self._view.complain(f"stopped by the limit of {result.stopped_by}; {rest}")
        if self._chat.unkept is not None:
            raise self._chat.unkept

    def _load(self) -> None:
        """Wait for what answers, unless it is there already.

        Raises:
            UserError: it cannot be had.
        """
        try:
            self._chat.agent()
        except UserError as error:
            if not self._reader.keeps_going:
                self._hopeless = error
            raise


def show(effect: Effect, view: View) -> None:
    """Do an effect that only has to be shown.

    Raises:
        UserError: it needs a terminal, and there is none.
    """
    match effect:
        case Tell(text=text):
            view.tell(text)
        case Rows(rows=rows):
            view.table(rows)
        case Explain(sections=sections):
            view.explain(sections)
        case Turns(results=results):
            view.turns(results)
        case Write(text=text):
            view.write(text)
        case ClearScreen():
            view.clear()
        case Copy(text=text):
            _copy(text)
            view.tell("Copied, if this terminal lets programs write its clipboard (OSC 52).")
        case _:
            raise AssertionError(f"{effect} has more to it than to be shown")


def _copy(text: str) -> None:
    stream = next((stream for stream in (sys.stdout, sys.stderr) if stream.isatty()), None)
    if stream is None:
        raise UserError("there is no terminal whose clipboard could be written")
    to_clipboard(stream, text)
