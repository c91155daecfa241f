"""The move that a reply is making: what has been read of it, and what that comes to in the end."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

from agent_app import labels
from agent_app.parser import sentences
from agent_app.parser.inputs import Blob, Call, as_text, call_in, read_call, read_input
from agent_app.parser.names import ToolNames, shown
from agent_app.steps import Action, Answer, Arguments

_ANSWERS = frozenset(
    {"answer", "final_answer", "final answer", "input", "output", "response", "result", "text"}
)
"""What a final answer is called in an object of its own; any other name may be that of the caller's data."""
_NO_ACTION = "empty action dropped"


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a reply that is certain while the rest is still being written.

    All pieces of one kind, joined, are exactly that part of the step that comes out in the end.
    """

    kind: Literal["thought", "tool", "input", "answer"]
    text: str


class State(Enum):
    """What is being read."""

    THOUGHT = auto()
    TOOL = auto()
    INPUT = auto()
    ANSWER = auto()
    DONE = auto()


class OpenMove:
    """A move that is being read; its lines are told to it one after the other, without their labels.

    Args:
        tools: the tools that exist.
        object_tools: those of them whose input has to be a JSON object.
        answers: text without any label is the final answer.
    """

    def __init__(self, tools: ToolNames, object_tools: Collection[str], *, answers: bool = False) -> None:
        self._tools, self._object_tools = tools, frozenset(object_tools)
        self.answers = answers
        self.state = State.THOUGHT
        self.result: Action | Answer | str = ""
        """What it came to, once it is done: a step, or what the model reads when it is none."""
        self.labels: set[str] = set()
        """Those that were read."""
        self.repairs: dict[str, None] = {}
        self.name = ""
        """Of the tool."""
        self.after_name: list[str] = []
        """Lines that may be an input without its label."""
        self.input: list[str] = []
        self._object: Blob | None = None
        self._thought, self._answer = _Text(), _Text()
        self._pieces: list[Piece] = []

    @property
    def done(self) -> bool:
        """Whether it is complete, or can no more become so."""
        return self.state is State.DONE

    @property
    def untouched(self) -> bool:
        """Whether nothing of it has been read yet."""
        return self.state is State.THOUGHT and not self._thought and not self.labels

    @property
    def answering(self) -> bool:
        """Whether a final answer has words already."""
        return self.state is State.ANSWER and bool(self._answer)

    @property
    def in_object(self) -> bool:
        """Whether the input so far is an object of JSON that is not closed."""
        return self._object is not None and not self._object.complete

    def knows(self, name: str) -> bool:
        """Whether there is such a tool."""
        return self._tools.resolve(name)[0] is not None

    def takes(self, call: Call) -> bool:
        """Whether JSON that names a tool is a call; where an answer is wanted it may be data."""
        return not self.answers or self._tools.finishes(call.name) or self.knows(call.name)

    def pieces(self) -> list[Piece]:
        """Return what has become certain and was not returned yet."""
        if self.answers and not self.labels and not self.done:
            return []  # it may yet be the answer
        pieces, self._pieces = self._pieces, []
        return pieces

    def repair(self, words: str) -> None:
        """Record what was forgiven."""
        self.repairs[words] = None

    # -- what is read of it -----------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Add to the answer or the thought, and give out what of it is certain."""
        answers = self.state is State.ANSWER
        certain = (self._answer if answers else self._thought).add(text)
        if certain:
            self._pieces.append(Piece("answer" if answers else "thought", certain))

    def add_input(self, line: str) -> None:
        """Take a line of an action's input; blank ones before its first are none of it."""
        if not self.input and line.lstrip().startswith("{"):
            self._object = Blob()
        if self._object is not None:
            self._object.add(line)
        if self.input or line.strip():
            self.input.append(line)

    def take_input(self) -> list[str]:
        """Return the lines of the input that have been read, and forget them."""
        lines, self.input, self._object = self.input, [], None
        return lines

    def think_anew(self) -> None:
        """Forget the action that was being read: it is none."""
        self.take_input()
        self.state, self.name = State.THOUGHT, ""

    def drop_after_name(self) -> None:
        """Forget what stood below the tool's name, as it is no input."""
        if any(line.strip() for line in self.after_name):
            self.repair("text after the tool's name dropped")
        self.after_name = []

    def call_without_input(self) -> Call | None:
        """Read what was written as a tool's name, if need be with the lines after it, as a whole call."""
        call = read_call(self.name)
        if call is None and self.after_name:
            whole = "\n".join((self.name, *self.after_name))
            call = read_call(whole)
            if call is not None:
                self.name, self.after_name = whole, []
        return call

    # -- what it comes to -------------------------------------------------------------------------

    def finish(self, *, cut_by: str | None = None) -> None:
        """Take what has been read for a move, if it is one.

        Args:
            cut_by: the label of what follows it and is dropped; None: nothing does.
        """
        if self.state is State.ANSWER:
            self._finish_answer(cut_by)
        elif self.state is State.INPUT:
            self._finish_action("\n".join(self.input).strip(), cut_by)
        elif self.state is State.TOOL:
            call = self.call_without_input()
            self.drop_after_name()
            if call is not None:
                self.repair("call written as a function")
                self.take_call(call, cut_by)
            elif cut_by is not None:
                self._end(self.complaint())

    def answer_without_label(self) -> None:
        """Take what has been read for the final answer, if that is wanted and no label said what it is."""
        if self.answers and not self.labels and self.state is State.THOUGHT and self._thought:
            self._pieces = [Piece("answer", self._thought.value)]
            self._end(Answer(self._thought.value, "", tuple(self.repairs)))

    def take_call(self, call: Call, cut_by: str | None = None) -> None:
        """Take a tool's name and its arguments that were written as one."""
        self.name = call.name
        for repair in call.repairs:
            self.repair(repair)
        if call.thought:
            # In one line: what escapes made several lines of may pose as steps.
            thought = " ".join(call.thought.split())
            self._pieces.append(Piece("thought", self._thought.add(thought)))
        self._finish_action(call.given, cut_by, ready=True)

    def complaint(self, *, empty: bool = False) -> str:
        """Return what the model reads when its reply had no complete move.

        Args:
            empty: the reply had nothing at all.
        """
        known = self._tools.known
        choice = sentences.choice(known)
        if empty:
            return f"Your reply was empty. {choice}"
        if self.state is State.TOOL and self.name and not self._tools.declines(self.name, ""):
            tool, _ = self._tools.resolve(self.name)
            if tool is None:
                return sentences.unknown_tool(shown(self.name), known)
            return sentences.missing_input(tool)
        if labels.ACTION in self.labels or _NO_ACTION in self.repairs:
            return f"The action named no tool. {choice}"
        if labels.ACTION_INPUT in self.labels:
            return f"There was an 'Action Input:' without an 'Action:' before it. {choice}"
        if labels.THOUGHT in self.labels:
            return f"There was no action and no final answer after the thought. {choice}"
        return f"The reply had neither an action nor a final answer. {choice}"

    def _finish_answer(self, cut_by: str | None) -> None:
        if not self._answer:
            self._end(sentences.EMPTY_ANSWER)
            return
        if cut_by:
            self.repair(f"{cut_by} after the final answer dropped")
        self._end(Answer(self._answer.value, self._thought.value, tuple(self.repairs)))

    def _finish_action(self, given: Arguments, cut_by: str | None, *, ready: bool = False) -> None:
        """Take a tool's name and its input for an action; `ready`: the input needs no reading."""
        if self._tools.declines(self.name, as_text(given)):
            self.repair(_NO_ACTION)
            self.think_anew()
            return
        if self._tools.finishes(self.name):
            self.repair("final answer written as an action")
            self._say_in_answer(given)
            self._finish_answer(cut_by)
            return
        tool, cleaned = self._tools.resolve(self.name)
        if tool is None:
            self._end(sentences.unknown_tool(shown(self.name), self._tools.known))
            return
        if cleaned:
            self.repair("tool's name cleaned")
        arguments = given if ready or not isinstance(given, str) else self._read_input(tool, given)
        if tool in self._object_tools and not isinstance(arguments, dict):
            self._end(sentences.not_an_object(tool, arguments))
            return
        if cut_by:
            self.repair(f"{cut_by} after the action dropped")
        self._pieces += (Piece("tool", tool), Piece("input", as_text(arguments)))
        self._end(Action(tool, arguments, self._thought.value, tuple(self.repairs)))

    def _say_in_answer(self, given: Arguments) -> None:
        """Take an action's input for the final answer; an object that says no more stands for its text."""
        if isinstance(given, dict) and len(given) < 2 and _ANSWERS.issuperset(map(str.casefold, given)):
            given = as_text(next(iter(given.values()), ""))
        self.state = State.ANSWER
        self.say(as_text(given))

    def _read_input(self, tool: str, text: str) -> Arguments:
        arguments, repairs = read_input(text, is_object=tool in self._object_tools)
        for repair in repairs:
            self.repair(repair)
        call = call_in(arguments)
        if call is not None and self._tools.resolve(call.name)[0] == tool:
            self.repair("the call written once more in its input")
            return call.given
        return arguments

    def _end(self, result: Action | Answer | str) -> None:
        self.result, self.state = result, State.DONE


class _Text:
    """Text that arrives in parts and comes out with the white space around it left off."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._space: list[str] = []

    def add(self, text: str) -> str:
        """Add a part; return what has become certain: not yet the white space at its end."""
        body = text.rstrip()
        if not body:
            if self._parts:
                self._space.append(text)
            return ""
        certain = "".join(self._space) + body if self._parts else body.lstrip()
        self._space = [text[len(body) :]]
        self._parts.append(certain)
        return certain

    @property
    def value(self) -> str:
        return "".join(self._parts)

    def __bool__(self) -> bool:
        return bool(self._parts)
