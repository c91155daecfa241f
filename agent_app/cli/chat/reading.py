"""Where questions and commands come from: a person at a terminal, or lines of a pipe."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import Condition, has_focus, is_searching
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import Output, create_output
from prompt_toolkit.output.plain_text import PlainTextOutput
from prompt_toolkit.styles import Style
from prompt_toolkit.utils import is_dumb_terminal

from agent_app.chat.commands import completions
from agent_app.chat.conversation import Conversation
from agent_app.errors import QuestionError, SettingError
from agent_app.jsonish import encodable
from agent_app.redaction import Redactor
from agent_app.terminal import clean_line

_STYLE = Style.from_dict(
    {
        "prompt": "bold ansicyan",
        "placeholder": "ansibrightblack",
        "completion-menu": "bg:default",
        "completion-menu.completion": "bg:default fg:default",
        "completion-menu.completion.current": "bg:default bold ansicyan noreverse",
        "completion-menu.meta.completion": "bg:default ansibrightblack",
        "completion-menu.meta.completion.current": "bg:default ansicyan noreverse",
        "scrollbar.background": "bg:default",
        "scrollbar.button": "bg:ansibrightblack",
    }
)


class Pipe:
    """Reads each line that comes in on stdin."""

    keeps_going = False

    def read(self) -> str | None:
        """Return the next line, or None at the end.

        Raises:
            QuestionError: it is not UTF-8 text.
        """
        line = sys.stdin.buffer.readline()
        if not line:
            return None
        try:
            return line.decode("utf-8-sig").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise QuestionError(f"what came in on stdin is not UTF-8 text: {error}") from error

    def rewrite(self, question: str) -> str | None:  # noqa: ARG002 - nobody is there to change it
        """Refuse.

        Raises:
            QuestionError: always; says what to write.
        """
        raise QuestionError("there is no terminal to change it at; write /edit and the new question")


class Keyboard:
    """Reads what a person types, with history, search, completion, `$EDITOR` and pasted text as it is.

    Args:
        chat: what is going on, for what can be completed and for how far the loading is.
        typed: the file that keeps what was typed; None: nothing is kept.
    """

    keeps_going = True

    def __init__(self, chat: Conversation, typed: Path | None) -> None:
        self._chat = chat
        self._once_more = False
        self._prompt = _prompt(chat, typed, self._hint)
        app = self._prompt.app
        # Once the prompt is on the screen, so that nobody has to wait for it.
        app.after_render += lambda _: chat.begin_loading(then=app.invalidate)

    def read(self) -> str | None:
        """Return what is typed next; None at Ctrl-D, or at the second Ctrl-C in a row."""
        while True:
            try:
                line = self._prompt.prompt()
            except EOFError:
                return None
            except KeyboardInterrupt:
                if self._once_more:
                    return None
                self._once_more = not self._prompt.default_buffer.text
            else:
                self._once_more = False
                return encodable(line)

    def rewrite(self, question: str) -> str | None:
        """Let a question be changed; Ctrl-C, Ctrl-D or nothing left: it is not to be asked again.

        Raises:
            QuestionError: the terminal cannot show what is to be changed; says what to write.
        """
        if is_dumb_terminal():
            problem = "this terminal cannot show what is to be changed"
            raise QuestionError(f"{problem}; write /edit and a new question")
        try:
            return encodable(self._prompt.prompt(default=question)).strip() or None
        except (EOFError, KeyboardInterrupt):
            return None

    def _hint(self) -> str:
        """Say in the empty line what is going on; nothing once it is left."""
        if self._prompt.app.is_done:
            return ""
        if self._once_more:
            return "Ctrl-C again leaves"
        match self._chat.state:
            case "loading":
                return "ask away; the model is loading"
            case "failed":
                return clean_line(self._chat.problem)
            case "ready":
                return "ask, or /help"


def _prompt(chat: Conversation, typed: Path | None, hint: Callable[[], str]) -> PromptSession[str]:
    completer = _Completer(chat)
    # Not as an argument of the prompt: one that is given an output draws on terminals that cannot draw, too.
    with create_app_session(output=_output()):
        prompt: PromptSession[str] = PromptSession(
            "\n> ",
            multiline=True,
            prompt_continuation="  ",
            placeholder=hint,
            key_bindings=_keys(),
            completer=completer,
            complete_while_typing=Condition(lambda: prompt.default_buffer.text.startswith("/")),
            history=_history(typed),
            search_ignore_case=True,
            enable_open_in_editor=True,
            enable_suspend=True,
            tempfile_suffix=".md",
            reserve_space_for_menu=6,
            style=_STYLE,
        )
    return prompt


def _output() -> Output:
    """Return what draws on the terminal, or only writes to one that cannot draw."""
    if is_dumb_terminal():
        return PlainTextOutput(sys.stdout if sys.stdout.isatty() else sys.stderr)
    return create_output(always_prefer_tty=True)


def _keys() -> KeyBindings:
    """Return what keys do beside what they always do: Enter sends, Alt-Enter begins a new line."""
    keys = KeyBindings()
    typing = has_focus(DEFAULT_BUFFER) & ~is_searching

    @keys.add("enter", filter=typing)
    def send(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @keys.add("escape", "enter", filter=typing)
    def new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys


def _history(file: Path | None) -> History:
    """Open the file of what was typed, for nobody but its owner to read."""
    if file is None:
        return InMemoryHistory()
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise SettingError(f"cannot keep what is typed in {file}: {error.strerror}") from error
    return _Typed(file)


class _Typed(FileHistory):
    """Keeps what was typed, without the secrets in it; what cannot be kept is there until the chat ends."""

    def store_string(self, string: str) -> None:
        """Add to the file, where that can be written."""
        with contextlib.suppress(OSError):
            super().store_string(Redactor.from_environment().text(string))


class _Completer(Completer):
    """Completes commands and what stands after them."""

    def __init__(self, chat: Conversation) -> None:
        self._chat = chat

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterator[Completion]:  # noqa: ARG002
        """Yield what could be meant."""
        for choice in completions(self._chat, document.text_before_cursor):
            yield Completion(choice.text, -choice.replaces, display_meta=choice.about)
