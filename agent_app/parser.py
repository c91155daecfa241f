"""One reply of a model becomes an `Action`, an `Answer`, or a format error that the model can mend.

The reply is read line by line, once. The first complete move wins, an action or a final answer; what
follows it (an invented observation, a second action) is dropped and never trusted. Everything that
was forgiven on the way is named in the step's ``repairs``.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Literal

from langchain_core.exceptions import OutputParserException
from langchain_core.output_parsers import BaseOutputParser

from agent_app import jsonish, labels
from agent_app.errors import suggest
from agent_app.steps import Action, Answer, Arguments

_THINK = re.compile(r"<(/?)(?:think|thinking|reasoning)>", re.IGNORECASE)
_TOOL_TAG = re.compile(r"</?(?:tool_call|function_call)>|\[TOOL_CALLS\]", re.IGNORECASE)
_FENCE = re.compile(r"`{3,}[\w.+-]{0,40}")
_SPECIAL = re.compile(r"[:：`<{\[]|observation", re.IGNORECASE)  # a line without any of these is plain text
_SPECIAL_BUT_BLOBS = re.compile(r"[:：`<]|observation", re.IGNORECASE)
_HELD = re.compile(r"<|(?<!\S)action", re.IGNORECASE)  # what makes the rest of a line uncertain until its end
_PEEL_BEFORE = re.compile(
    r"(?:(?:use|using|call|run|invoke|try|tool|function)\b:?\s{0,4})?(?:the\s{1,4})?", re.I
)
_PEEL_AFTER = re.compile(r"\s{1,4}(?:tool|function|action)$", re.IGNORECASE)
_CALL = re.compile(r"(?P<name>[\w.-]{1,64})(?P<open>[(\[])(?P<inner>.*)[)\]]\.?$", re.DOTALL)
_DECORATION = " \t*_`'\"[](){}<>.,:;"
_QUOTES = {'"': '"', "'": "'", "“": "”", "`": "`"}
_LONGEST_NAME = 64
_MOST_BLOBS = 16  # JSON objects in one reply that may turn out to be no action, before it is all text

_DECLINED = frozenset({"", "none", "na", "n/a", "null", "nothing", "notool", "noaction", "notneeded"})
_FINISH = frozenset({"finalanswer", "finish", "finalresponse"})
_BLOB_TOOL = ("action", "tool", "tool_name", "name", "function")
_BLOB_INPUT = ("action_input", "tool_input", "input", "arguments", "parameters", "args")


class FormatError(OutputParserException):
    """A reply that is neither an action nor a final answer.

    Attributes:
        observation: the sentence that the model should read next; show it this, not ``str(error)``.
        llm_output: the reply.
    """

    def __init__(self, observation: str, reply: str) -> None:
        super().__init__(observation, observation=observation, llm_output=reply, send_to_llm=True)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a reply that is certain while the rest is still being written.

    All pieces of one kind, joined, are exactly that part of the step that comes out in the end.
    """

    kind: Literal["thought", "tool", "input", "answer"]
    text: str


class ReActOutputParser(BaseOutputParser[Action | Answer]):
    """Reads Thought / Action / Action Input / Final Answer in the forms that real models write.

    Args:
        tool_names: the tools that exist; when empty, any name is taken for a tool.
        object_tools: those of them whose input has to be a JSON object.
    """

    tool_names: tuple[str, ...] = ()
    object_tools: frozenset[str] = frozenset()

    @property
    def _type(self) -> str:
        return "react"

    def parse(self, text: str) -> Action | Answer:
        """Read a whole reply.

        Raises:
            FormatError: it is neither an action nor an answer; `.observation` tells the model why.
        """
        reader = self.reader()
        reader.feed(text)
        return reader.close()

    def reader(self) -> ReplyReader:
        """Return a reader for a reply that arrives piece by piece."""
        return ReplyReader(self.tool_names, self.object_tools)


class _State(Enum):
    THOUGHT = auto()
    TOOL = auto()
    INPUT = auto()
    ANSWER = auto()
    DONE = auto()


class ReplyReader:
    """Reads one reply, whole or piece by piece; the step at the end is the same either way.

    Feed it until `done`, then `close` it. Time and memory are linear in the length of the reply.
    """

    def __init__(self, tool_names: Collection[str] = (), object_tools: Collection[str] = ()) -> None:
        self._tools = _Names(tool_names)
        self._object_tools = frozenset(object_tools)
        self._reply: list[str] = []
        self._partial: list[str] = []  # the line that is not ended yet, but for what was given out
        self._midline = False  # whether the beginning of that line is known to be text
        self._held = False  # whether the rest of that line is certain only at its end
        self._state = _State.THOUGHT
        self._thought = _Text()
        self._answer = _Text()
        self._name = ""
        self._input: list[str] = []
        self._blob: _Blob | None = None
        self._blobs = 0
        self._thinking = False
        self._outer_fence = False  # a fence around the reply itself
        self._inner_fence = False  # a fence within an input or an answer: labels are text there
        self._seen: set[str] = set()
        self._repairs: dict[str, None] = {}
        self._move: Action | Answer | FormatError | None = None
        self._pieces: list[Piece] = []

    @property
    def done(self) -> bool:
        """Whether the first complete move has been read; what comes after it changes nothing."""
        return self._state is _State.DONE

    def feed(self, text: str) -> list[Piece]:
        """Read on, and return what has become certain."""
        self._reply.append(text)
        start = 0
        while not self.done and (end := text.find("\n", start)) >= 0:
            plain = self._plain_until(text, start)
            if plain > start:
                self._text_line(text[start : plain - 1].replace("\r\n", "\n").removesuffix("\r"))
                start = plain
            else:
                self._partial.append(text[start:end])
                self._end_line()
                start = end + 1
        if not self.done and start < len(text):
            self._partial.append(text[start:])
            self._give_out_early()
        return self.pieces()

    def pieces(self) -> list[Piece]:
        """Return what has become certain and was not returned yet; `feed` and `close` add to it."""
        pieces, self._pieces = self._pieces, []
        return pieces

    def close(self) -> Action | Answer:
        """End the reply and return its move.

        Raises:
            FormatError: there was no complete move in it.
        """
        if not self.done:
            self._end_line()
        if not self.done and self._blob is not None:
            self._settle_blob(ended=True)
        if not self.done and self._inner_fence and self._state is _State.INPUT:
            self._reread_input()
        if not self.done:
            self._finish()
        if isinstance(self._move, Action | Answer):
            return self._move
        raise self._move or self._no_move()

    # -- lines ------------------------------------------------------------------------------------

    def _plain_until(self, text: str, start: int) -> int:
        """Return where the run of whole lines ends that can be nothing but text, to take them at once."""
        if self._partial or self._midline or self._blob or self._thinking or self._state is _State.TOOL:
            return start
        match = self._special.search(text, start)
        return text.rfind("\n", start, len(text) if match is None else match.start()) + 1 or start

    @property
    def _special(self) -> re.Pattern[str]:
        return _SPECIAL if self._blobs < _MOST_BLOBS else _SPECIAL_BUT_BLOBS

    def _end_line(self) -> None:
        line = "".join(self._partial).removesuffix("\r")
        self._partial.clear()
        midline, self._midline, self._held = self._midline, False, False
        self._line(line, midline=midline)

    def _line(self, line: str, *, midline: bool = False) -> None:
        """Take a line, or with `midline` the rest of one whose beginning is known to be text."""
        if self._blob is not None:
            self._blob.add(line)
            if self._blob.complete:
                self._settle_blob(ended=False)
            return
        if not line and not self._thinking:
            self._blank_line()
            return
        ended = False
        if "<" in line:
            line, ended = self._without_end_of_turn(line)
        rest: str | None = line
        while rest is not None and not self.done:
            rest = self._read(rest, midline=midline)
            midline = False
        if ended and not self.done:
            self._repair("end-of-turn token")
            self._finish()

    def _read(self, line: str, *, midline: bool) -> str | None:
        """Read a line, and return what of it has to be read as a line of its own."""
        if self._thinking:
            tag = _THINK.search(line)
            while tag is not None and not tag[1]:
                tag = _THINK.search(line, tag.end())
            self._thinking = tag is None
            return None if tag is None else line[tag.end() :]
        if midline and self._state is _State.THOUGHT:
            return self._thought_line(line, midline=True)
        if midline or not self._special.search(line):
            return self._text_line(line)
        return self._label_line(line)

    def _blank_line(self) -> None:
        if self._state is _State.INPUT:
            self._input.append("")
        elif self._state is not _State.TOOL:
            self._text().add("\n")

    def _without_end_of_turn(self, line: str) -> tuple[str, bool]:
        """Cut a line where a chat template's token ends the turn; True when it does."""
        start, end = labels.end_of_turn(line)
        while start >= 0 and not line[:start].strip() and self._nothing_yet():
            self._repair("template token")
            line = line[end:].removeprefix("assistant")
            start, end = labels.end_of_turn(line)
        return (line, False) if start < 0 else (line[:start], True)

    def _nothing_yet(self) -> bool:
        return self._state is _State.THOUGHT and not self._thought and not self._seen

    def _label_line(self, line: str) -> str | None:
        if self._fence_line(line):
            return None
        label = self._label(line)
        if label is None:
            if self._state in (_State.TOOL, _State.INPUT) and labels.is_bare_observation(line):
                self._repair("label without a colon")
                self._finish(cut_by=labels.OBSERVATION)
                return None
            return self._text_line(line)
        if self._enter(label):
            return line
        if self.done:
            return None
        rest = _undecorated(line[label.end :])
        if self._state is _State.THOUGHT and rest.strip():
            return rest
        if self._state is _State.TOOL and labels.at_start(rest) is not None:
            return rest
        return self._text_line(rest)

    def _label(self, line: str) -> labels.Label | None:
        """Find the label that a line begins with, if one counts here."""
        label = None if self._inner_fence else labels.at_start(line)
        if label is None:
            return None
        word = self._meaning(label.word)
        return None if word is None else labels.Label(word, label.start, label.end, label.repair)

    def _meaning(self, word: str) -> str | None:
        """Return what a label means here, or None when it is ordinary text."""
        if word == labels.SHORT_INPUT:
            return labels.ACTION_INPUT if self._state is _State.TOOL else None
        if word == labels.SHORT_ANSWER:
            return None if self._state is _State.ANSWER and self._answer else labels.FINAL_ANSWER
        return word

    def _enter(self, label: labels.Label) -> bool:
        """Change the state for a label; True when the line is to be looked at again."""
        word = label.word
        if label.repair:
            self._repair(label.repair)
        self._seen.add(word)
        if self._state is _State.INPUT or (self._state is _State.TOOL and self._is_call()):
            if (
                word == labels.ACTION_INPUT
                and self._state is _State.INPUT
                and not any(map(str.strip, self._input))
            ):
                return False
            if self._state is _State.TOOL and word == labels.ACTION_INPUT:
                self._state = _State.INPUT
                return False
            self._finish(cut_by=word)
            return not self.done
        if self._state is _State.ANSWER:
            if self._answer or word not in (labels.FINAL_ANSWER, labels.THOUGHT):
                self._finish(cut_by=word)
            elif word == labels.THOUGHT:
                self._state = _State.THOUGHT
            return False
        if self._state is _State.TOOL and word in (labels.OBSERVATION, labels.QUESTION):
            self._finish(cut_by=word)
            return False
        self._from_thought(word)
        return False

    def _from_thought(self, word: str) -> None:
        if word == labels.ACTION_INPUT:
            if self._state is _State.TOOL and self._name:
                self._state = _State.INPUT
            return
        if self._state is _State.TOOL and self._name:
            self._repair("action without an input dropped")
        self._name = ""
        if word == labels.ACTION:
            self._state = _State.TOOL
        elif word == labels.FINAL_ANSWER:
            self._state = _State.ANSWER
        else:
            self._state = _State.THOUGHT
            if word in (labels.OBSERVATION, labels.QUESTION):
                self._repair(f"{word} at the start dropped")

    def _fence_line(self, line: str) -> bool:
        """Take a line that is a code fence; False when it is none."""
        stripped = line.strip() if "`" in line else ""
        match = _FENCE.match(stripped)
        if match is None:
            return False
        if self._state in (_State.INPUT, _State.ANSWER):
            if self._outer_fence and not self._inner_fence and stripped == "```":
                self._finish()
                return True
            one_line = stripped.endswith("```") and len(stripped) > 6
            self._inner_fence = self._inner_fence if one_line else not self._inner_fence
            self._text_line(line)
            return True
        self._repair("code fence around the reply")
        self._outer_fence = not self._outer_fence
        rest = stripped[match.end() :]
        if rest.lstrip().startswith("{"):
            self._text_line(rest)
        return True

    def _text_line(self, line: str) -> str | None:
        if self._state is _State.TOOL:
            return self._tool_line(line)
        if self._state is _State.INPUT:
            self._input.append(line)
        elif self._state is _State.ANSWER:
            self._say("answer", self._answer.add(line + "\n"))
        else:
            return self._thought_line(line)
        return None

    def _thought_line(self, line: str, *, midline: bool = False) -> str | None:
        bare = _TOOL_TAG.sub("", line).lstrip() if "<" in line or "[TOOL" in line else line.lstrip()
        if bare.startswith(("{", "[{")) and not midline and self._blobs < _MOST_BLOBS:
            self._begin_blob(bare)
            return None
        tag = _THINK.search(line) if "<" in line else None
        call = _inline_action(line) if tag is None and ("：" in line or ":" in line) else None
        rest = None
        if tag is not None:
            self._repair("reasoning tags")
            self._thinking = not tag[1]
            line, rest = line[: tag.start()], line[tag.end() :]
        elif call is not None:
            self._repair("labels within a line")
            line, rest = line[:call], line[call:]
        self._say("thought", self._thought.add(line + "\n"))
        return rest

    def _tool_line(self, line: str) -> str | None:
        """Take the text of an Action: the tool's name, or a JSON object that says it all."""
        bare = _TOOL_TAG.sub("", line).strip()
        tag = _THINK.search(bare)
        if tag is not None:
            self._repair("reasoning tags")
            self._thinking = not tag[1]
            self._state, self._name = (self._state, self._name) if self._thinking else (_State.THOUGHT, "")
            return bare[tag.end() :]
        if self._name or not bare:
            if bare:
                self._repair("text after the tool's name dropped")
            return None
        if bare.startswith(("{", "[{")) and self._blobs < _MOST_BLOBS:
            self._begin_blob(bare)
            return None
        label = labels.inside(bare)
        if label is None:
            self._name = bare
            return None
        self._repair("labels within a line")
        self._name = bare[: label.start].strip()
        return bare[label.start :]

    def _give_out_early(self) -> None:
        """Give out text of a line that has no end yet, as far as nothing that follows can change it."""
        if self._held or self._blob is not None or self._thinking:
            self._held = True
            return
        line = "".join(self._partial)
        self._partial = [line]
        if not self._midline and not self._begin_line(line):
            return
        if self._state not in (_State.THOUGHT, _State.ANSWER):
            self._held = True
            return
        line = self._partial[0]
        held = _HELD.search(line)
        certain = _whole_words(line if held is None else line[: held.start()])
        if not certain:
            self._held = held is not None or len(line) > _LONGEST_NAME
            return
        text = self._text()
        self._say("answer" if text is self._answer else "thought", text.add(certain))
        self._partial = [line[len(certain) :]]
        self._midline = True

    def _begin_line(self, line: str) -> bool:
        """Decide what a line is while it is being written; False while that is not certain."""
        bare = line.lstrip()
        if not bare or bare[0] in "{[<`":
            self._held = bool(bare) or len(line) > _LONGEST_NAME
            return False
        label = self._label(line)
        if label is None:
            return not labels.may_begin(line)
        rest = line[label.end :].lstrip()
        if not rest or rest[0] in "*_`":
            self._held = len(line) > _LONGEST_NAME
            return False
        if self._state in (_State.THOUGHT, _State.TOOL) and label.word not in (
            labels.THOUGHT,
            labels.FINAL_ANSWER,
        ):
            self._held = True
            return False
        again = self._enter(label)
        if self.done:
            return False
        if not again:
            self._partial = [line[label.end :]]
            self._midline = self._state is not _State.THOUGHT
        return self._midline or self._begin_line(self._partial[0])

    # -- ends -------------------------------------------------------------------------------------

    def _finish(self, *, cut_by: str | None = None) -> None:
        """Take what has been read for a move, if it is one."""
        if self._state is _State.ANSWER:
            self._finish_answer(cut_by)
        elif self._state is _State.INPUT:
            self._finish_action("\n".join(self._input).strip(), cut_by)
        elif self._state is _State.TOOL:
            call = self._call()
            if call is not None:
                self._name, given = call
                self._repair("call written as a function")
                self._finish_action(given, cut_by, ready=True)
            elif cut_by is not None:
                self._end(self._no_move())

    def _finish_answer(self, cut_by: str | None) -> None:
        text = self._answer.value
        if not text:
            self._end(self._error("The final answer was empty. Write the answer after 'Final Answer:'."))
            return
        if cut_by:
            self._repair(f"{cut_by} after the final answer dropped")
        self._end(Answer(text, self._thought.value, tuple(self._repairs)))

    def _finish_action(self, given: Arguments, cut_by: str | None, *, ready: bool = False) -> None:
        folded = _fold(self._name)
        declined_input = isinstance(given, str) and _fold(given) in _DECLINED
        if not self._tools.has(self._name):
            if folded in _DECLINED or ("finalanswer" in folded and declined_input):
                self._declined()
                return
            if folded in _FINISH:
                self._repair("final answer written as an action")
                self._end(Answer(_as_text(given), self._thought.value, tuple(self._repairs)))
                return
        tool, peeled = self._tools.resolve(self._name)
        if tool is None:
            self._end(self._error(self._unknown(self._name)))
            return
        if peeled:
            self._repair("tool's name cleaned")
        arguments = given if ready else self._arguments(given)
        if tool in self._object_tools and not isinstance(arguments, dict):
            self._end(self._error(_not_an_object(tool, arguments)))
            return
        if cut_by:
            self._repair(f"{cut_by} after the action dropped")
        self._pieces.append(Piece("tool", tool))
        self._pieces.append(Piece("input", _as_text(arguments)))
        self._end(Action(tool, arguments, self._thought.value, tuple(self._repairs)))

    def _declined(self) -> None:
        """Go on reading after an action that says there is none."""
        self._repair("empty action dropped")
        self._state, self._name, self._input, self._inner_fence = _State.THOUGHT, "", [], False

    def _end(self, move: Action | Answer | FormatError) -> None:
        self._move, self._state = move, _State.DONE

    def _reread_input(self) -> None:
        """A fence in the input was never closed: read its lines again, with labels counting."""
        lines, self._input, self._inner_fence = self._input, [], False
        self._repair("open code fence")
        for line in lines:
            if not self.done:
                self._line(line)

    def _begin_blob(self, line: str) -> None:
        self._blob = _Blob()
        self._blobs += 1
        self._line(line)

    def _settle_blob(self, *, ended: bool) -> None:
        """Take a JSON object for a move when it says one, else for a part of the thought."""
        text = "" if self._blob is None else self._blob.text
        self._blob = None
        move = _blob_move(text)
        if move is None:
            if ended:  # it never closed: its lines are text, and labels in them count
                self._blobs = _MOST_BLOBS
                for line in text.split("\n"):
                    if not self.done:
                        self._line(line)
            else:
                self._plain_text(text)
            return
        self._name, given = move
        self._repair("action written as JSON")
        self._finish_action(given, None, ready=True)

    def _plain_text(self, line: str) -> None:
        if self._state is _State.TOOL:
            self._name = self._name or line.strip()
        elif self._state is _State.INPUT:
            self._input.append(line)
        else:
            text = self._text()
            self._say("answer" if text is self._answer else "thought", text.add(line + "\n"))

    # -- parts ------------------------------------------------------------------------------------

    def _arguments(self, given: Arguments) -> Arguments:
        """Turn the text of an input into what the tool is called with."""
        if not isinstance(given, str):
            return given
        text = given
        if (inner := _unfenced(text)) is not None:
            self._repair("code fence around the input")
            text = inner
        if self._outer_fence and text.endswith("```"):
            text = text[:-3].rstrip()
        if text.startswith(("{", "[")):
            try:
                value, end, repairs = jsonish.read(text)
            except jsonish.NotJson:
                return text
            if isinstance(value, dict | list) and (end == len(text) or not text[end - 1 : end + 1].isalnum()):
                for repair in repairs:
                    self._repair(repair)
                if text[end:].strip():
                    self._repair("text after the arguments dropped")
                return value if isinstance(value, dict) else text[:end]
            return text
        unquoted = _unquoted(text)
        if unquoted != text:
            self._repair("quotes around the input")
        return (
            unquoted.removesuffix("Observation:").rstrip() if unquoted.endswith(" Observation:") else unquoted
        )

    def _is_call(self) -> bool:
        return self._call() is not None

    def _call(self) -> tuple[str, Arguments] | None:
        """Read an Action like ``tool("input")`` or ``tool[input]``, which needs no Action Input."""
        match = _CALL.match(self._name.strip(" *`"))
        if match is None:
            return None
        inner = match["inner"].strip()
        if match["open"] == "[":
            return match["name"], _unquoted(inner)
        return match["name"], _call_arguments(inner)

    def _text(self) -> _Text:
        return self._answer if self._state is _State.ANSWER else self._thought

    def _say(self, kind: Literal["thought", "answer"], text: str) -> None:
        if text:
            self._pieces.append(Piece(kind, text))

    def _repair(self, words: str) -> None:
        self._repairs[words] = None

    # -- what the model reads when its reply cannot be read ----------------------------------------

    def _error(self, sentence: str) -> FormatError:
        return FormatError(sentence, "".join(self._reply))

    def _unknown(self, name: str) -> str:
        shown = name.strip(_DECORATION)[:_LONGEST_NAME]
        if not self._tools.names:
            return f"{shown!r} is too long for the name of a tool. Write only the name after 'Action:'."
        return f"There is no tool {shown!r}; {suggest(shown, self._tools.names)} {self._choice()}"

    def _choice(self) -> str:
        names = ", ".join(self._tools.names) or "a tool's name"
        return (
            f"To use a tool, write a line 'Action:' with one of [{names}] and then a line 'Action Input:'. "
            "If you know the answer, write 'Final Answer:' and the answer."
        )

    def _no_move(self) -> FormatError:
        if not "".join(self._reply).strip():
            return self._error(f"Your reply was empty. {self._choice()}")
        if self._state is _State.TOOL and self._name and _fold(self._name) not in _DECLINED:
            name = self._tools.resolve(self._name)[0]
            if name is None:
                return self._error(self._unknown(self._name))
            return self._error(
                f"There was no input for {name}. Write a line 'Action Input:' after 'Action: {name}'."
            )
        if "empty action dropped" in self._repairs or labels.ACTION in self._seen:
            return self._error(f"The action named no tool. {self._choice()}")
        if labels.ACTION_INPUT in self._seen:
            return self._error(
                f"There was an 'Action Input:' without an 'Action:' before it. {self._choice()}"
            )
        if labels.THOUGHT in self._seen:
            return self._error(f"There was no action and no final answer after the thought. {self._choice()}")
        return self._error(f"The reply had neither an action nor a final answer. {self._choice()}")


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


class _Blob:
    """Lines that may be a JSON object, until its brackets are balanced."""

    _TOKEN = re.compile(r'[\\"{}\[\]]|[^\\"{}\[\]]+')

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._depth = 0
        self._in_string = False

    @property
    def text(self) -> str:
        return "\n".join(self._lines)

    @property
    def complete(self) -> bool:
        """Whether its brackets are balanced, or nested more deeply than any action."""
        return (self._depth <= 0 and not self._in_string) or self._depth > _LONGEST_NAME

    def add(self, line: str) -> None:
        self._lines.append(line)
        escaped = False
        for token in self._TOKEN.finditer(line):
            char = token[0]
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = self._in_string
            elif char == '"':
                self._in_string = not self._in_string
            elif not self._in_string and char in "{[":
                self._depth += 1
            elif not self._in_string and char in "}]":
                self._depth -= 1


@dataclass(slots=True)
class _Names:
    """The tools that exist, and how a name as written finds one of them."""

    names: Iterable[str] = ()
    _by_folded: dict[str, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names = tuple(self.names)
        for name in self.names:
            folded = _fold(name)
            # Two names that differ only in case or dashes can be told apart only when written exactly.
            self._by_folded[folded] = None if folded in self._by_folded else name

    def has(self, written: str) -> bool:
        return written.strip() in tuple(self.names)

    def resolve(self, written: str) -> tuple[str | None, bool]:
        """Return the tool that is meant, or None, and whether the name had to be cleaned for it."""
        plain = written.strip()
        if not self.names:
            cleaned = _balanced_strip(plain)
            return (cleaned if 0 < len(cleaned) <= _LONGEST_NAME else None), cleaned != plain
        if self.has(plain):
            return plain, False
        bare = plain.strip(_DECORATION)
        candidates = [bare, _PEEL_AFTER.sub("", bare[_peel(bare) :].strip(_DECORATION))]
        head = re.match(r"[\w.-]{1,64}(?=\s*[(\[:,;–—]|\s-\s)", candidates[1])
        if head:
            candidates.append(head[0])
        for candidate in candidates:
            found = self._by_folded.get(_fold(candidate))
            if found is not None:
                return found, True
        return None, False


def _inline_action(line: str) -> int | None:
    """Return where ``Action: ... Action Input: ...`` begins within a line of other text, or None."""
    label = labels.inside(line)
    while label is not None and label.word != labels.ACTION:
        label = labels.inside(line, label.end)
    follow = None if label is None else labels.inside(line, label.end)
    if label is None or follow is None or follow.word != labels.ACTION_INPUT:
        return None
    return label.start


def _whole_words(text: str) -> str:
    """Leave off the last word, which may go on, and the white space before it."""
    match = re.search(r"\S*$", text)
    return "" if match is None else text[: match.start()].rstrip()


def _undecorated(rest: str) -> str:
    """Take a label's closing decoration off that is set after its colon, apart from the text."""
    bare = rest.lstrip()
    return bare[2:] if bare.startswith(("** ", "__ ")) else rest


def _peel(text: str) -> int:
    match = _PEEL_BEFORE.match(text)
    return 0 if match is None else match.end()


def _balanced_strip(name: str) -> str:
    """Take paired brackets, quotes and emphasis off a name of which nothing else is known."""
    previous = None
    while previous != name:
        previous = name
        name = name.strip(" \t*`")
        if len(name) > 1 and name[0] + name[-1] in ("[]", '""', "''", "__", "<>"):
            name = name[1:-1]
    return name


def _fold(name: str) -> str:
    return re.sub(r"[\W_]+", "", name[: 2 * _LONGEST_NAME]).casefold()


def _as_text(given: Arguments) -> str:
    return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)


def _unfenced(text: str) -> str | None:
    """Return what one code fence around a whole text holds, or None when there is no such fence."""
    match = _FENCE.match(text)
    if match is None or not text.endswith("```") or len(text) < match.end() + 3:
        return None
    inner = text[match.end() : -3]
    return None if "```" in inner else inner.strip()


def _unquoted(text: str) -> str:
    """Take one matched pair of quotes off a whole text; quotes that only stand at both ends stay."""
    if len(text) < 2 or _QUOTES.get(text[0]) != text[-1]:
        return text
    inner = text[1:-1]
    if text[0] == '"' and "\\" in inner:
        try:
            value = json.loads(text)
        except ValueError:
            return text
        return value if isinstance(value, str) else text
    return text if text[0] in inner or text[-1] in inner else inner.strip()


def _call_arguments(inner: str) -> Arguments:
    """Read what stands between the brackets of ``tool(...)``: keywords, one value, or plain text."""
    if len(inner) > 10_000:
        return inner
    try:
        call = ast.parse(f"f({inner})", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return inner
    if not isinstance(call, ast.Call):
        return inner
    try:
        values = [ast.literal_eval(a) for a in call.args]
        named = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords if k.arg}
    except ValueError:
        return inner
    if named and not values:
        return named
    if len(values) == 1 and not named and isinstance(values[0], str | dict):
        value: str | dict[str, Any] = values[0]
        return value
    return inner


def _blob_move(text: str) -> tuple[str, Arguments] | None:
    """Read ``{"action": ..., "action_input": ...}`` and its kin; None when the object says no such thing."""
    try:
        value, _, _ = jsonish.read(text)
    except jsonish.NotJson:
        return None
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        return None
    name = next((value[k] for k in _BLOB_TOOL if isinstance(value.get(k), str)), None)
    key = next((k for k in _BLOB_INPUT if k in value), None)
    if name is None or (key is None and "action" not in value):
        return None
    given = None if key is None else value[key]
    if isinstance(given, str) and key in ("arguments", "parameters") and given.lstrip().startswith("{"):
        given = jsonish.read(given)[0] if _is_json(given) else given
    if given is None:
        return name, ""
    return name, given if isinstance(given, str | dict) else json.dumps(given, ensure_ascii=False)


def _is_json(text: str) -> bool:
    try:
        jsonish.read(text)
    except jsonish.NotJson:
        return False
    return True


def _not_an_object(tool: str, given: Arguments) -> str:
    text = _as_text(given)
    try:
        jsonish.read(text)
        problem = "it is JSON, but not an object"
    except jsonish.NotJson as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - (text.rfind("\n", 0, error.position) + 1) + 1
        problem = f"{error.problem} at line {line}, column {column}"
    return f'The Action Input of {tool} must be a JSON object: {problem}. Write it as {{"name": value}}.'
