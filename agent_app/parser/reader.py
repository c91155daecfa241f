"""Reads a reply line by line, whole or piece by piece, up to its first complete move."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Literal

from agent_app import labels
from agent_app.parser import sentences
from agent_app.parser.inputs import FENCE, Blob, as_text, read_blob, read_call, read_input
from agent_app.parser.names import LONGEST_NAME, ToolNames, shown
from agent_app.parser.sentences import FormatError
from agent_app.steps import Action, Answer, Arguments

_THINK = re.compile(r"<(/?)(?:think|thinking|reasoning)>", re.IGNORECASE)
_TOOL_TAG = re.compile(r"</?(?:tool_call|function_call)>|\[TOOL_CALLS\]", re.IGNORECASE)
# A line without any of these is plain text; the second is for when JSON objects count no more.
_SPECIAL = re.compile(r"[:：`<{\[]|observation", re.IGNORECASE)
_SPECIAL_BUT_BLOBS = re.compile(r"[:：`<]|observation", re.IGNORECASE)
_HELD = re.compile(r"<|(?<!\S)action", re.IGNORECASE)  # the rest of such a line is certain only at its end
_MOST_BLOBS = 16  # JSON objects in one reply that may turn out to be no action, before it is all text


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a reply that is certain while the rest is still being written.

    All pieces of one kind, joined, are exactly that part of the step that comes out in the end.
    """

    kind: Literal["thought", "tool", "input", "answer"]
    text: str


class _State(Enum):
    THOUGHT = auto()
    TOOL = auto()
    INPUT = auto()
    ANSWER = auto()
    DONE = auto()


class ReplyReader:
    """Reads one reply; the step at the end is the same however the reply was cut into pieces.

    Feed it until it is `done`, then `close` it. Time and memory are linear in the length of the reply.

    Args:
        tool_names: the tools that exist; when empty, any name is taken for a tool.
        object_tools: those of them whose input has to be a JSON object.
    """

    def __init__(self, tool_names: Collection[str] = (), object_tools: Collection[str] = ()) -> None:
        self._tools = ToolNames(tool_names)
        self._object_tools = frozenset(object_tools)
        self._reply: list[str] = []
        self._state = _State.THOUGHT
        self._move: Action | Answer | FormatError | None = None
        self._pieces: list[Piece] = []
        # What has been read of the move.
        self._thought = _Text()
        self._answer = _Text()
        self._name = ""
        self._input: list[str] = []
        self._seen: set[str] = set()
        self._repairs: dict[str, None] = {}
        # The line that is not ended yet, without what was given out of it.
        self._partial: list[str] = []
        self._midline = False  # its beginning is known to be text
        self._held = False  # its rest is certain only at its end
        # What the lines stand in.
        self._blob: Blob | None = None
        self._blobs = 0
        self._thinking = False
        self._outer_fence = False  # a fence around the reply itself
        self._inner_fence = False  # a fence within an input or an answer: labels are text there
        self._fences = True  # whether a fence within an input is looked for

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
        if self._state is _State.INPUT and self._fence_line(rest):
            return None
        return self._text_line(rest)

    def _fence_line(self, line: str) -> bool:
        """Take a line that is a code fence; False when it is none."""
        stripped = line.strip() if "`" in line else ""
        match = FENCE.match(stripped)
        if match is None:
            return False
        if self._state in (_State.INPUT, _State.ANSWER):
            if self._outer_fence and not self._inner_fence and stripped == "```":
                self._finish()
            else:
                closes_itself = stripped.endswith("```") and len(stripped) > match.end()
                self._inner_fence ^= self._fences and not closes_itself
                self._text_line(line)
            return True
        self._repair("code fence around the reply")
        self._outer_fence = not self._outer_fence
        rest = stripped[match.end() :]
        if rest.lstrip().startswith("{"):
            self._text_line(rest)
        return True

    # -- labels -----------------------------------------------------------------------------------

    def _label(self, line: str) -> labels.Label | None:
        """Find the label that a line begins with, if one counts here; short forms become long ones."""
        label = None if self._inner_fence else labels.at_start(line)
        if label is not None and label.word == labels.SHORT_INPUT:
            counts = self._state is _State.TOOL
            return replace(label, word=labels.ACTION_INPUT, repair="short label") if counts else None
        if label is not None and label.word == labels.SHORT_ANSWER:
            counts = self._state is not _State.ANSWER or not self._answer
            return replace(label, word=labels.FINAL_ANSWER, repair="short label") if counts else None
        return label

    def _enter(self, label: labels.Label) -> bool:
        """Change the state for a label; True when the line is to be looked at again."""
        if label.repair:
            self._repair(label.repair)
        self._seen.add(label.word)
        if self._state is _State.ANSWER:
            self._label_after_answer(label.word)
            return False
        if self._state is _State.INPUT:
            if label.word == labels.ACTION_INPUT and not any(map(str.strip, self._input)):
                return False
            self._finish(cut_by=label.word)
            return not self.done
        if self._state is _State.TOOL and label.word != labels.ACTION_INPUT:
            if label.word in (labels.OBSERVATION, labels.QUESTION) or read_call(self._name):
                self._finish(cut_by=label.word)
                return not self.done
            if self._name:
                self._repair("action without an input dropped")
        self._label_before_move(label.word)
        return False

    def _label_after_answer(self, word: str) -> None:
        if self._answer or word not in (labels.FINAL_ANSWER, labels.THOUGHT):
            self._finish(cut_by=word)
        elif word == labels.THOUGHT:
            self._state = _State.THOUGHT

    def _label_before_move(self, word: str) -> None:
        if word == labels.ACTION_INPUT:
            if self._state is _State.TOOL and self._name:
                self._state = _State.INPUT
            return
        self._name = ""
        if word == labels.ACTION:
            self._state = _State.TOOL
        elif word == labels.FINAL_ANSWER:
            self._state = _State.ANSWER
        else:
            self._state = _State.THOUGHT
            if word != labels.THOUGHT:
                self._repair(f"{word} at the start dropped")

    # -- text -------------------------------------------------------------------------------------

    def _blank_line(self) -> None:
        if self._state is _State.INPUT:
            self._input.append("")
        elif self._state is not _State.TOOL:
            self._text().add("\n")

    def _text_line(self, line: str) -> str | None:
        if self._state is _State.TOOL:
            return self._tool_line(line)
        if self._state is _State.INPUT:
            self._input.append(line)
        elif self._state is _State.ANSWER:
            self._say(line + "\n")
        else:
            return self._thought_line(line)
        return None

    def _thought_line(self, line: str, *, midline: bool = False) -> str | None:
        if not midline and self._begins_blob(line):
            return None
        tag = _THINK.search(line) if "<" in line else None
        call = _inline_action(line) if tag is None and ("：" in line or ":" in line) else None
        rest = None
        if tag is not None:
            line, rest = line[: tag.start()], self._after_tag(tag, line)
        elif call is not None:
            self._repair("labels within a line")
            line, rest = line[:call], line[call:]
        self._say(line + "\n")
        return rest

    def _tool_line(self, line: str) -> str | None:
        """Take the text of an Action: the tool's name, or a JSON object that says it all."""
        tag = _THINK.search(line) if "<" in line else None
        if tag is not None:
            rest = self._after_tag(tag, line)
            if not self._thinking:  # all that stood before was reasoning
                self._state, self._name = _State.THOUGHT, ""
            return rest
        bare = line.strip()
        if self._name or not bare:
            if bare:
                self._repair("text after the tool's name dropped")
            return None
        if self._begins_blob(line):
            return None
        label = labels.inside(bare)
        if label is None:
            self._name = bare
            return None
        self._repair("labels within a line")
        self._name = bare[: label.start].strip()
        return bare[label.start :]

    def _after_tag(self, tag: re.Match[str], line: str) -> str:
        self._repair("reasoning tags")
        self._thinking = not tag[1]
        return line[tag.end() :]

    def _text(self) -> _Text:
        return self._answer if self._state is _State.ANSWER else self._thought

    def _say(self, text: str) -> None:
        """Add to the answer or the thought, and give out what of it is certain."""
        certain = self._text().add(text)
        if certain:
            self._pieces.append(Piece("answer" if self._state is _State.ANSWER else "thought", certain))

    def _repair(self, words: str) -> None:
        self._repairs[words] = None

    # -- while a line is being written --------------------------------------------------------------

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
        if certain:
            self._say(certain)
            self._partial = [line[len(certain) :]]
            self._midline = True
        else:
            self._held = held is not None or len(line) > LONGEST_NAME

    def _begin_line(self, line: str) -> bool:
        """Decide what a line is while it is being written; False while that is not certain."""
        bare = line.lstrip()
        if not bare or bare[0] in "{[<`":
            self._held = bool(bare) or len(line) > LONGEST_NAME
            return False
        label = self._label(line)
        if label is None:
            return not labels.may_begin(line)
        rest = line[label.end :].lstrip()
        if not rest or rest[0] in "*_`":
            self._held = len(line) > LONGEST_NAME
            return False
        before_move = self._state in (_State.THOUGHT, _State.TOOL)
        if before_move and label.word not in (labels.THOUGHT, labels.FINAL_ANSWER):
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
            call = read_call(self._name)
            if call is not None:
                self._name, given = call
                self._repair("call written as a function")
                self._finish_action(given, cut_by, ready=True)
            elif cut_by is not None:
                self._end(self._no_move())

    def _finish_answer(self, cut_by: str | None) -> None:
        if not self._answer:
            self._end(self._error(sentences.EMPTY_ANSWER))
            return
        if cut_by:
            self._repair(f"{cut_by} after the final answer dropped")
        self._end(Answer(self._answer.value, self._thought.value, tuple(self._repairs)))

    def _finish_action(self, given: Arguments, cut_by: str | None, *, ready: bool = False) -> None:
        """Take a tool's name and its input for an action; `ready`: the input needs no reading."""
        if self._tools.declines(self._name, as_text(given)):
            self._repair("empty action dropped")
            self._state, self._name, self._input, self._inner_fence = _State.THOUGHT, "", [], False
            return
        if self._tools.finishes(self._name):
            self._repair("final answer written as an action")
            self._end(Answer(as_text(given), self._thought.value, tuple(self._repairs)))
            return
        tool, cleaned = self._tools.resolve(self._name)
        if tool is None:
            self._end(self._error(sentences.unknown_tool(shown(self._name), self._tools.known)))
            return
        if cleaned:
            self._repair("tool's name cleaned")
        arguments = given if ready or not isinstance(given, str) else self._read_input(given)
        if tool in self._object_tools and not isinstance(arguments, dict):
            self._end(self._error(sentences.not_an_object(tool, arguments)))
            return
        if cut_by:
            self._repair(f"{cut_by} after the action dropped")
        self._pieces += (Piece("tool", tool), Piece("input", as_text(arguments)))
        self._end(Action(tool, arguments, self._thought.value, tuple(self._repairs)))

    def _read_input(self, text: str) -> Arguments:
        if self._outer_fence and not FENCE.match(text):
            text = text.removesuffix("```").rstrip()
        arguments, repairs = read_input(text)
        for repair in repairs:
            self._repair(repair)
        return arguments

    def _end(self, move: Action | Answer | FormatError) -> None:
        self._move, self._state = move, _State.DONE

    def _reread_input(self) -> None:
        """A fence in the input was never closed: read its lines again, with labels counting."""
        lines, self._input, self._inner_fence, self._fences = self._input, [], False, False
        self._repair("open code fence")
        for line in lines:
            if not self.done:
                self._line(line)

    # -- JSON that says it all ----------------------------------------------------------------------

    def _begins_blob(self, line: str) -> bool:
        """Take a line that begins a JSON object; False when it does not."""
        bare = _TOOL_TAG.sub("", line).lstrip() if "<" in line or "[" in line else line.lstrip()
        if not bare.startswith(("{", "[{")) or self._blobs >= _MOST_BLOBS:
            return False
        self._blob = Blob()
        self._blobs += 1
        self._line(bare)
        return True

    def _settle_blob(self, *, ended: bool) -> None:
        """Take a JSON object for a move when it says one, else for text."""
        text = "" if self._blob is None else self._blob.text
        self._blob = None
        move = read_blob(text)
        if move is not None:
            self._name, given = move
            self._repair("action written as JSON")
            self._finish_action(given, None, ready=True)
        elif ended:  # it never closed: its lines are text, and labels in them count
            self._blobs = _MOST_BLOBS
            for line in text.split("\n"):
                if not self.done:
                    self._line(line)
        elif self._state is _State.TOOL:
            self._name = text
        else:
            self._say(text + "\n")

    # -- what the model reads when its reply cannot be read ----------------------------------------

    def _error(self, sentence: str) -> FormatError:
        return FormatError(sentence, "".join(self._reply))

    def _no_move(self) -> FormatError:
        known = self._tools.known
        choice = sentences.choice(known)
        if not "".join(self._reply).strip():
            return self._error(f"Your reply was empty. {choice}")
        if self._state is _State.TOOL and self._name and not self._tools.declines(self._name, ""):
            tool, _ = self._tools.resolve(self._name)
            unknown = sentences.unknown_tool(shown(self._name), known)
            return self._error(unknown if tool is None else sentences.missing_input(tool))
        if labels.ACTION in self._seen or "empty action dropped" in self._repairs:
            return self._error(f"The action named no tool. {choice}")
        if labels.ACTION_INPUT in self._seen:
            return self._error(f"There was an 'Action Input:' without an 'Action:' before it. {choice}")
        if labels.THOUGHT in self._seen:
            return self._error(f"There was no action and no final answer after the thought. {choice}")
        return self._error(f"The reply had neither an action nor a final answer. {choice}")


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
