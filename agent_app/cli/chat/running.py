"""One run at a terminal: steps dimmed as they happen, the answer as Markdown, a sign while nothing moves."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from types import TracebackType

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.padding import Padding
from rich.segment import Segment
from rich.spinner import Spinner
from rich.text import Text

from agent_app.cli.chat.markdown import Block, Blocks
from agent_app.cli.chat.quiet import quiet_keys
from agent_app.cli.console import SafeConsole
from agent_app.events import Decided, Event, LimitMet, Retrying, Said, Stepped, Switched
from agent_app.steps import Action, Answer, Arguments, Observation, Step, Unreadable
from agent_app.terminal import clean, clean_line

_STILL = 0.4
"""After how many seconds without a word the sign is shown."""
_LONGEST_DRAWN = 4000
"""In characters; a longer block is plain text until it is finished, as it is drawn again and again."""
_MOST_LINES = 6
"""Of an observation."""
_INDENT = (0, 0, 0, 2)


class RunView:
    """Shows one run; used as ``with RunView(...) as view: view.take(event)``.

    What is finished is written for good, above; what is still being written is drawn anew below it, and
    taken away when it is finished. So nothing is ever written twice, and nothing is lost.

    Args:
        console: where it is shown.
        tool_seconds: says how long the tool took that was called since it was asked last.
        doing: says what is waited for.
    """

    def __init__(
        self, console: SafeConsole, tool_seconds: Callable[[], float | None], doing: Callable[[], str]
    ) -> None:
        self._console, self._tool_seconds, self._doing = console, tool_seconds, doing
        self._blocks = Blocks()
        self._said = False
        self._draft = {"thought": "", "tool": "", "input": ""}
        self._running: Action | None = None
        self._unread = False
        self._moved = time.monotonic()
        self._spinner = Spinner("dots", style="dim")
        self._open = contextlib.ExitStack()

    def __enter__(self) -> RunView:
        self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._moved = time.monotonic()
        try:
            self._finish_draft()
            self._finish_call()
            self._finish_answer()
        finally:
            self._open.close()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the terminal to somebody else for a while."""
        self._open.close()
        try:
            yield
        finally:
            self._begin()

    def take(self, event: Event) -> None:
        """Show what an event tells."""
        self._moved = time.monotonic()
        match event:
            case Said(kind="answer", text=text):
                self._say(text)
            case Said(kind=kind, text=text):
                self._draft[kind] += clean(text)
            case Stepped(step=step):
                self._step(step)
            case Retrying(error=error, seconds=seconds):
                self._withdraw(f"{error}; trying again in {seconds:.1f} s")
            case Switched(error=error, model=model):
                self._withdraw(f"{error}; {model} takes over")
            case LimitMet():
                self._withdraw()
            case Decided(action=action, decision=decision, reason=reason):
                self._note(f"{action.tool} is {decision}{': ' if reason else ''}{reason}")

    # -- what is finished -------------------------------------------------------------------------

    def _step(self, step: Step) -> None:
        match step:
            case Action():
                self._finish_draft(only="thought")
                self._running = step
            case Observation() if self._unread:
                self._unread = False  # it is for the model
            case Observation():
                self._observed(step)
            case Unreadable():
                self._unread = True
                self._draft = dict.fromkeys(self._draft, "")
                self._note("a reply that could not be read; asking again")
            case Answer(text=text):
                if not self._said:
                    self._say(text)
                self._finish_answer()

    def _observed(self, step: Observation) -> None:
        self._finish_call()
        style = "yellow" if step.error else "dim"
        self._print(_quoted(self._console, clean(step.text).strip("\n"), style))

    def _finish_draft(self, only: str | None = None) -> None:
        """Write for good what was thought; of a step that has been broken off, all there is."""
        thought, tool, given = (self._draft[kind].strip() for kind in ("thought", "tool", "input"))
        self._draft = dict.fromkeys(self._draft, "")
        if thought:
            self._print(Text(thought, style="dim"))
        if tool and only is None:
            self._print(_call(tool, given, ""))

    def _finish_call(self) -> None:
        action, self._running = self._running, None
        if action is not None:
            seconds = self._tool_seconds()
            self._print(_call(action.tool, action.input, "" if seconds is None else f"{seconds:.1f} s"))

    def _say(self, text: str) -> None:
        if not self._said:
            self._finish_draft()
            self._said = True
        for block in self._blocks.feed(clean(text)):
            self._block(block)

    def _finish_answer(self) -> None:
        rest = self._blocks.close()
        if rest.strip():
            self._block(rest)

    def _block(self, text: str) -> None:
        self._console.print()
        self._console.print(Block(text))

    def _withdraw(self, why: str = "") -> None:
        """Take back what was said of the step so far, and say why where that is not told later."""
        self._draft = dict.fromkeys(self._draft, "")
        self._blocks, self._said = Blocks(), False
        if why:
            self._note(why)

    def _note(self, text: str) -> None:
        self._print(Text(f"({clean_line(text)})", style="yellow"))

    def _print(self, what: RenderableType) -> None:
        self._console.print(Padding(what, _INDENT, expand=False))

    # -- what is not ------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._moved = time.monotonic()
        self._open.enter_context(quiet_keys())
        # Asked anew whenever something is drawn: what has just been written for good is no draft any more.
        live = Live(self, console=self._console, transient=True, refresh_per_second=10)
        self._open.enter_context(live)

    def __rich__(self) -> RenderableType:
        """Return what is drawn at the bottom."""
        parts: list[RenderableType] = []
        rest = self._blocks.rest
        if rest.strip():
            short = len(rest) <= _LONGEST_DRAWN
            parts += [Text(), _Tail(Block(rest) if short else Text(rest[-_LONGEST_DRAWN:]))]
        elif self._running is not None:
            parts.append(Padding(_call(self._running.tool, self._running.input, ""), _INDENT))
        elif any(self._draft.values()):
            parts.append(Padding(_Tail(self._drafted()), _INDENT))
        still = time.monotonic() - self._moved
        if still > _STILL:
            what = "" if self._running else f"{self._doing()} "
            self._spinner.update(text=Text(f"{what}{still:.0f} s", style="dim"))
            parts.append(Padding(self._spinner, _INDENT))
        return Group(*parts)

    def _drafted(self) -> RenderableType:
        thought, tool, given = (self._draft[kind].strip() for kind in ("thought", "tool", "input"))
        shown: list[RenderableType] = [Text(thought, style="dim")] if thought else []
        return Group(*shown, *([_call(tool, given, "")] if tool else []))


def _call(tool: str, given: Arguments, time_: str) -> Text:
    """Write a call of a tool in a line."""
    text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    parts = [(clean_line(tool), "dim bold"), (clean_line(text), "dim"), (time_, "dim cyan")]
    return Text("  ").join(Text(part, style=style) for part, style in parts if part)


def _quoted(console: Console, text: str, style: str) -> Text:
    """Return the first lines of what a tool gave, each behind a bar."""
    width = max(1, console.width - 4)
    # What could fill no line that is shown need not be wrapped.
    begun = text[: _MOST_LINES * width]
    lines = Text(begun, style=style).wrap(console, width)
    shown = [*lines[:_MOST_LINES]]
    if len(lines) > _MOST_LINES or len(begun) < len(text):
        shown.append(Text("… /why shows all", style="dim"))
    return Text("\n").join(Text("│ ", style="dim") + line for line in shown)


class _Tail:
    """The last lines of something that may be higher than the screen."""

    def __init__(self, whole: RenderableType) -> None:
        self._whole = whole

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self._whole, options, pad=False)
        for line in lines[-max(1, console.height - 4) :]:
            yield from line
            yield Segment.line()
