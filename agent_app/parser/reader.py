"""Reads a reply line by line, whole or piece by piece, up to its first complete move."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

from agent_app import labels
from agent_app.parser.inputs import Blob, fence_end, read_blob
from agent_app.parser.move import OpenMove, Piece, State
from agent_app.parser.names import LONGEST_NAME, ToolNames
from agent_app.parser.sentences import CUT_OFF, EMPTY_ANSWER, OPEN_ACTION, FormatError
from agent_app.parser.tags import after_reasoning, channels_as_tags, first_tag
from agent_app.steps import Action, Answer

_SURROGATE = re.compile("[\ud800-\udfff]")
_IN_TAGS = "tags around a call"
_BLOB = re.compile(r"\{|\[[ \t]{0,8}(?:\{|$)")
# A line without any of these is plain text; the second is for when JSON objects count no more.
_HEADING = r"(?:[#*_][ \t]?|__|\*\*)(?:thought|action|final|answer|input)|observation"
_SPECIAL = re.compile(rf"[:：`<{{\[]|{_HEADING}", re.IGNORECASE)
_SPECIAL_BUT_BLOBS = re.compile(rf"[:：`<\[]|{_HEADING}", re.IGNORECASE)
# The rest of a line from here on is certain only at its end.
_HELD_IN_THOUGHT = re.compile(r"[<\[]|(?<!\S)(?:\*\*|__)?(?:action|final)", re.IGNORECASE)
_HELD_IN_ANSWER = re.compile("<")
# Names of an input's label that count below the name of a tool only.
_INPUT_NAMES = re.compile(
    r"[ \t*_]{0,8}(?:tool[ _]input|action inputs|arguments|parameters)[*_]{0,3}[ \t]{0,8}:[*_]{0,3}",
    re.IGNORECASE,
)
_BULLETS = ("- ", "* ", "• ", "– ")
_QUOTES = ("`", '"', "'", "“")
# What ends a call in tags or in a fence whose JSON lacks brackets at its end.
_BLOB_ENDS = re.compile(r"[ \t]{0,8}(?:</|```[ \t]*$|\[/)")
_MOST_BLOBS = 16  # JSON objects in one reply that may turn out to be no action, before it is all text
_MOST_PARTS = 64  # labels and tags within one line that count, as each costs a look at all that follows it


class ReplyReader:
    """Reads one reply; the step at the end is the same however the reply was cut into pieces.

    Feed it until it is `done`, then `close` it. Time and memory are linear in the length of the reply.

    Args:
        tool_names: the tools that exist; when empty, any name is taken for a tool.
        object_tools: those of them whose input has to be a JSON object.
        answers: a final answer is wanted, and what has no label is one.
    """

    def __init__(
        self,
        tool_names: ToolNames | Collection[str] = (),
        object_tools: Collection[str] = (),
        *,
        answers: bool = False,
    ) -> None:
        tools = tool_names if isinstance(tool_names, ToolNames) else ToolNames(tool_names)
        self._move = OpenMove(tools, object_tools, answers=answers)
        self._opening = "" if answers else None  # of a reply, until it is clear whether it needs no label
        self._reply: list[str] = []
        # The line that is not ended yet, without what was given out of it.
        self._partial: list[str] = []
        self._midline = False  # its beginning is known to be text
        self._held = False  # its rest is certain only at its end
        self._parts = 0  # how many labels and tags in it were read
        self._headed = False  # the label of what is being read has no colon, nor need the next one have
        self._mark = ""  # Markdown that was opened before its label and that its end may close
        # What the lines stand in.
        self._blob: Blob | None = None
        self._blobs = 0
        self._thinking = False
        self._reasoned = False  # what a model thinks aloud was opened as such
        self._foreign = False  # after an invented Observation or Question: its text is none of the model's
        self._outer_fence = False  # a fence around the reply itself
        self._inner_fence = False  # a fence within an input or an answer: labels are text there
        self._fences = True  # whether a fence within an input is looked for
        self._objects = True  # whether labels are text within an object of JSON that is not closed

    @property
    def done(self) -> bool:
        """Whether the first complete move has been read; what comes after it changes nothing."""
        return self._move.done

    def feed(self, text: str, *, last: bool = False) -> list[Piece]:
        """Read on, and return what has become certain.

        Args:
            text: goes on where the text before ended.
            last: it is the end of the reply, so that nothing need be found out about an open line yet.
        """
        text = text if text.isascii() else _SURROGATE.sub("\ufffd", text)  # no UTF-8 can hold it
        self._reply.append(text)
        if self._opening is not None:
            text = self._opened(text, last=last)
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
            if not last:
                self._give_out_early()
        return self.pieces()

    def pieces(self) -> list[Piece]:
        """Return what has become certain and was not returned yet; `feed` and `close` add to it."""
        return self._move.pieces()

    def close(self, *, cut: bool = False) -> Action | Answer:
        """End the reply and return its move.

        Args:
            cut: the reply was cut off before its own end, so that an action that reaches up to there is none.

        Raises:
            FormatError: there was no complete move in it, or not the one that is wanted.
        """
        cut = cut and not self.done
        if self._opening is not None:
            begun, self._opening = self._opening, ""
            self._reply.clear()
            self.feed(begun, last=True)
        if not self.done:
            self._end_line()
        if not self.done and self._blob is not None:
            self._settle_blob(ended=True)
        if not self.done and self._move.state is State.INPUT and (self._inner_fence or self._in_object):
            self._reread_input()
        if not self.done:
            self._finish()
        if not self.done:
            self._move.answer_without_label()
        reply, result = "".join(self._reply), self._move.result
        if isinstance(result, Answer):
            return replace(result, repairs=(*result.repairs, "cut off")) if cut else result
        if isinstance(result, Action):
            if not (cut or self._move.answers):
                return result
            result = OPEN_ACTION if cut else EMPTY_ANSWER
        complaint = result or self._move.complaint(empty=not reply.strip())
        raise FormatError(f"{CUT_OFF} {complaint}" if cut else complaint, reply)

    def _opened(self, text: str, *, last: bool) -> str:
        """Return the beginning of a reply that may need no label; with the label, if it is an answer."""
        begun = f"{self._opening}{text}".lstrip()
        plain = _is_plain(begun, last=last)
        self._opening = begun if plain is None else None
        if plain is None:
            return ""
        return f"{labels.FINAL_ANSWER}:\n{begun}" if plain else begun

    # -- lines ------------------------------------------------------------------------------------

    def _plain_until(self, text: str, start: int) -> int:
        """Return where the run of whole lines ends that can be nothing but text, to take them at once."""
        if self._partial or self._midline or self._blob or self._thinking or self._move.state is State.TOOL:
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
            if self._take_open_blob(line):
                return
            self._blob.add(line)
            if self._blob.complete:
                self._settle_blob(ended=False)
            return
        if not line and not self._thinking:
            self._blank_line()
            return
        ended = False
        if "<" in line:
            line, ended = self._without_end_of_turn(channels_as_tags(line))
        rest: str | None = line
        while rest is not None and self._parts < _MOST_PARTS and not self.done:
            rest = self._read(rest, midline=midline)
            self._parts, midline = self._parts + 1, False
        if rest is not None and not self.done:
            self._keep(self._unmarked(rest))
        self._parts = 0
        if ended and not self.done:
            self._move.repair("end-of-turn token")
            self._finish()

    def _read(self, line: str, *, midline: bool) -> str | None:
        """Read a line, and return what of it has to be read as a line of its own."""
        if self._thinking:
            return self._reasoning_line(line)
        line = self._unmarked(line)
        if midline and self._move.state is State.THOUGHT:
            return self._thought_line(line, midline=True)
        if midline or not self._special.search(line):
            return self._text_line(line)
        return self._label_line(line)

    def _without_end_of_turn(self, line: str) -> tuple[str, bool]:
        """Cut a line where a chat template's token ends the turn; True when it does."""
        if self._move.untouched and (bare := labels.without_begin(line)) != line:
            self._move.repair("template token")
            line = bare
        begin = 0
        start, end = labels.end_of_turn(line)
        while start >= 0 and not line[begin:start].strip() and self._move.untouched:
            self._move.repair("template token")
            begin = end
            start, end = labels.end_of_turn(line, begin)
        return (line[begin:], False) if start < 0 else (line[begin:start], True)

    def _label_line(self, line: str) -> str | None:
        if line.lstrip().startswith("```"):
            return self._fence_line(line)
        label = self._label(line) or self._heading(line)
        if label is None:
            return self._text_line(line)
        if self._enter(label):
            return line
        if self.done:
            return None
        rest = self._unmarked(_undecorated(line[label.end :])).lstrip()
        if self._foreign:
            return self._thought_line(rest, midline=True)
        if self._move.state is State.THOUGHT and rest:
            return rest
        if self._move.state is State.TOOL and labels.at_start(rest) is not None:
            return rest
        if self._move.state is not State.THOUGHT and rest.startswith("```"):
            return self._fence_line(rest)
        return self._text_line(rest)

    def _fence_line(self, line: str) -> str | None:
        """Take a line that begins with a code fence; what else stands on it may have to be read."""
        bare = line.strip()
        named = bool(bare.strip("`"))
        closes_itself = named and bare.endswith("```")
        if self._move.state in (State.INPUT, State.ANSWER):
            begins = (
                self._move.state is State.INPUT and not self._move.input and self._fences
            )  # a fenced input
            if self._outer_fence and not (self._inner_fence or named or begins):
                self._finish()
                return None
            self._inner_fence ^= self._fences and not closes_itself
            return self._text_line(line)
        if self._move.state is State.TOOL and self._move.name:
            self._outer_fence ^= not closes_itself
            return self._tool_line(line)
        self._move.repair("code fence around the reply")
        self._outer_fence ^= not closes_itself
        return bare[fence_end(bare) :].removesuffix("```" if closes_itself else "") or None

    def _keep(self, line: str) -> None:
        """Take a line that has been read too often for what it says."""
        if self._thinking:
            self._reasoning_line(line)
        elif self._move.state is State.INPUT:
            self._move.add_input(line)
        elif self._move.state is not State.TOOL:
            self._say(line + "\n")

    def _reasoning_line(self, line: str) -> str | None:
        """Pass over what a model thinks aloud between tags; return what stands after their end."""
        rest = after_reasoning(line)
        self._thinking = rest is None
        return rest

    def _unmarked(self, line: str) -> str:
        """Take off the Markdown that was opened before a label and is closed at its line's end."""
        if not self._mark:
            return line
        mark, self._mark = self._mark, ""
        bare = line.rstrip()
        return bare.removesuffix(mark) if bare.count(mark) % 2 else line

    # -- labels -----------------------------------------------------------------------------------

    def _label(self, line: str) -> labels.Label | None:
        """Find the label that a line begins with, if one counts here; short forms become long ones."""
        if self._inner_fence:
            return None
        label = labels.at_start(line)
        if label is None:
            named = _INPUT_NAMES.match(line) if self._move.state is State.TOOL and self._move.name else None
            return named and labels.Label(labels.ACTION_INPUT, 0, named.end(), "another name of the label")
        if label.word == labels.SHORT_ANSWER and line.lstrip().startswith(_BULLETS):
            return None
        return self._in_full(label)

    def _heading(self, line: str) -> labels.Label | None:
        """Find the label that a line is without a colon, if one counts here."""
        label = None if self._inner_fence else labels.heading(line)
        if label is None:
            return None
        after = State.INPUT if label.word == labels.OBSERVATION else State.THOUGHT
        return self._in_full(label) if self._headed or self._move.state in (State.TOOL, after) else None

    def _in_full(self, label: labels.Label) -> labels.Label | None:
        """Return the label that a short form stands for, or None where it does not count."""
        if self._move.state is State.INPUT:
            if self._in_object and label.word != labels.OBSERVATION:
                return None
            if label.word in (labels.QUESTION, labels.SHORT_ANSWER) and label.repair:
                return None  # a field of the input, as a list of questions and answers has them
        if label.word == labels.SHORT_INPUT:
            counts = self._move.state is State.TOOL
            return replace(label, word=labels.ACTION_INPUT, repair="short label") if counts else None
        if label.word == labels.SHORT_ANSWER:
            counts = not self._move.answering
            return replace(label, word=labels.FINAL_ANSWER, repair="short label") if counts else None
        return label

    def _enter(self, label: labels.Label) -> bool:
        """Change the state for a label; True when the line is to be looked at again."""
        self._mark, self._headed = label.mark, not label.colon
        if label.repair:
            self._move.repair(label.repair)
        self._move.labels.add(label.word)
        if self._move.state is State.ANSWER:
            self._label_after_answer(label.word)
            return False
        if self._move.state is State.INPUT:
            if label.word == labels.ACTION_INPUT and not self._move.input:
                return False
            self._finish(cut_by=label.word)
            return not self.done
        if self._move.state is State.TOOL and label.word != labels.ACTION_INPUT:
            if label.word in (labels.OBSERVATION, labels.QUESTION) or self._move.call_without_input():
                self._finish(cut_by=label.word)
                return not self.done
            if self._move.name:
                self._move.repair("action without an input dropped")
        self._label_before_move(label.word)
        return False

    def _label_after_answer(self, word: str) -> None:
        if self._move.answering or word not in (labels.FINAL_ANSWER, labels.THOUGHT, labels.ACTION):
            self._finish(cut_by=word)
        elif word != labels.FINAL_ANSWER:
            self._move.repair("empty final answer dropped")
            self._label_before_move(word)

    def _label_before_move(self, word: str) -> None:
        self._foreign = word in (labels.OBSERVATION, labels.QUESTION)
        self._move.drop_after_name()
        if word == labels.ACTION_INPUT and self._move.state is State.TOOL and self._move.name:
            self._move.state = State.INPUT
            return
        self._move.name = ""
        if word == labels.ACTION:
            self._move.state = State.TOOL
        elif word == labels.FINAL_ANSWER:
            self._move.state = State.ANSWER
        else:
            self._move.state = State.THOUGHT
            if word == labels.ACTION_INPUT:
                self._move.repair("input without an action")
            elif self._foreign:
                self._move.repair(f"{word} before the move dropped")

    # -- text -------------------------------------------------------------------------------------

    def _blank_line(self) -> None:
        if self._move.state is State.INPUT:
            self._move.add_input("")
        elif self._move.state is State.TOOL:
            self._tool_line("")
        else:
            self._move.say("\n")

    def _text_line(self, line: str) -> str | None:
        if self._move.state is State.TOOL:
            return self._tool_line(line)
        if self._move.state is State.THOUGHT:
            return self._thought_line(line)
        if self._move.state is State.ANSWER:
            self._say(line + "\n")
            return None
        return self._input_line(line)

    def _input_line(self, line: str) -> str | None:
        """Take a line of an action's input, which the end of reasoning or of tags around it may end."""
        tag = None if self._inner_fence else first_tag(line)
        if tag is not None and tag["think"] and not line[: tag.start()].strip():
            if tag["close"] and not self._reasoned:
                return self._after_reasoning(tag, line)
            if self._move.input:  # what is thought after an action changes nothing in it
                self._move.repair("reasoning tags")
                self._finish()
                return None if self.done else line
        elif tag is not None and tag["close"] and not tag["think"] and _IN_TAGS in self._move.repairs:
            self._move.add_input(line[: tag.start()])
            self._finish()
            return None
        self._move.add_input(line)
        return None

    def _thought_line(self, line: str, *, midline: bool = False) -> str | None:
        if not midline and self._begins_blob(line):
            return None
        tag = first_tag(line)
        if tag is not None and not tag["close"] and line[: tag.start()].endswith(_QUOTES):
            tag = None  # it is spoken of
        own = tag is None and not self._foreign and (":" in line or "：" in line)
        call = self._label_within(line) if own else None
        rest = None
        if tag is not None:
            line, rest = line[: tag.start()], self._after_tag(tag, line)
        elif call is not None:
            self._move.repair("labels within a line")
            line, rest = line[:call], line[call:]
        self._say(line + "\n")
        return rest

    def _label_within(self, line: str) -> int | None:
        """Return where in a line of other text a label begins that counts all the same, or None."""
        at = labels.within(line)
        label = None if at is None else labels.at_start(line[at:])
        if at is None or label is None or label.word != labels.ACTION:
            return at
        follow = labels.inside(line, at + label.end)
        if follow is None or follow.word != labels.ACTION_INPUT:
            return at
        return at if self._move.knows(line[at + label.end : follow.start]) else None

    def _tool_line(self, line: str) -> str | None:
        """Take the text of an Action: the tool's name, or a JSON object that says it all."""
        if not self._move.name and self._begins_blob(line):
            return None
        tag = first_tag(line)
        if tag is not None:
            if tag["think"] and tag["close"]:
                return self._after_reasoning(tag, line)
            if not self._move.name:
                self._move.name = line[: tag.start()].strip()
            return self._after_tag(tag, line)
        if self._move.name:
            self._move.after_name.append(line)
            return None
        bare = line.strip()
        label = labels.inside(bare)
        if label is None:
            self._move.name = bare
            return None
        self._move.repair("labels within a line")
        self._move.name = bare[: label.start].strip()
        result = labels.inside(bare, label.end)
        if label.word != labels.ACTION_INPUT or result is None or result.word != labels.OBSERVATION:
            return bare[label.start :]
        self._label_line(bare[label.start : result.start])
        return bare[result.start :]

    def _after_reasoning(self, tag: re.Match[str], line: str) -> str:
        """Drop an action before the end of reasoning that was never opened: it was part of that."""
        self._move.think_anew()
        return self._after_tag(tag, line)

    def _after_tag(self, tag: re.Match[str], line: str) -> str:
        self._move.repair("reasoning tags" if tag["think"] else _IN_TAGS)
        self._thinking = bool(tag["think"]) and not tag["close"]
        self._reasoned |= self._thinking
        return line[tag.end() :]

    def _say(self, text: str) -> None:
        """Add to the answer or the thought, unless it stands below another's label."""
        if not self._foreign:
            self._move.say(text)

    def _finish(self, *, cut_by: str | None = None) -> None:
        """Take what has been read for a move, if it is one; labels count again when it is none."""
        if self._move.state is State.INPUT and self._in_object:
            self._reread_input()
        if not self.done:
            self._move.finish(cut_by=cut_by)
        self._inner_fence &= self._move.state is not State.THOUGHT

    @property
    def _in_object(self) -> bool:
        """Whether labels are text, as they stand in an object of JSON that is an action's input."""
        return self._objects and self._move.in_object

    def _reread_input(self) -> None:
        """A fence or an object in the input was never closed: read its lines again, with labels counting."""
        if self._inner_fence:
            self._move.repair("open code fence")
        self._inner_fence = self._fences = self._objects = False
        for line in self._move.take_input():
            if not self.done:
                self._line(line)

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
        if self._move.state not in (State.THOUGHT, State.ANSWER):
            self._held = True
            return
        line = self._partial[0]
        certain = self._certain_of(line)
        if certain:
            self._say(certain)
            self._partial = [line[len(certain) :]]
            self._midline = True
        else:
            self._held = len(line) > LONGEST_NAME

    def _certain_of(self, line: str) -> str:
        """Return the beginning of a line of text that nothing which follows can change."""
        in_thought = self._move.state is State.THOUGHT
        held = (_HELD_IN_THOUGHT if in_thought else _HELD_IN_ANSWER).search(line)
        ends = [len(line)] if held is None else [held.start()]
        if self._mark and self._mark in line:
            ends.append(line.index(self._mark))
        certain = _whole_words(line[: min(ends)])
        # A label right after the end of a sentence counts, so the sentence's last word has to wait for it.
        ended = in_thought and certain.rstrip("\"')]”’").endswith(labels.SENTENCE_ENDS)
        return _whole_words(certain) if ended else certain

    def _begin_line(self, line: str) -> bool:
        """Decide what a line is while it is being written; False while that is not certain."""
        bare = line.lstrip()
        if not bare or bare[0] in "{[<`":
            self._held = bool(bare) or len(line) > LONGEST_NAME
            return False
        if self._parts >= _MOST_PARTS:
            self._midline = True
            return True
        label = self._label(line)
        if label is None:
            return not labels.may_begin(line)
        rest = line[label.end :].lstrip()
        if not rest or rest[0] in "*_`":
            self._held = len(line) > LONGEST_NAME
            return False
        before_move = self._move.state in (State.THOUGHT, State.TOOL)
        if before_move and label.word not in (labels.THOUGHT, labels.FINAL_ANSWER):
            self._held = True
            return False
        again = self._enter(label)
        if self.done:
            return False
        if not again:
            self._parts += 1
            self._partial = [rest]
            self._midline = self._move.state is not State.THOUGHT
        return self._midline or self._begin_line(self._partial[0])

    # -- JSON that says it all ----------------------------------------------------------------------

    def _begins_blob(self, line: str) -> bool:
        """Take a line that begins a JSON object; False when it does not."""
        bare = line.lstrip()
        if not _BLOB.match(bare) or self._foreign or self._blobs >= _MOST_BLOBS:
            return False
        self._blob = Blob()
        self._blobs += 1
        self._line(bare)
        return True

    def _take_open_blob(self, line: str) -> bool:
        """Take a JSON object that lacks brackets for a move, if it says one and the line ends a call."""
        if self._blob is None or self._blob.in_string or not _BLOB_ENDS.match(line):
            return False
        self._blobs += 1  # as often as a new one could be looked at
        if self._blobs > _MOST_BLOBS or read_blob(self._blob.text) is None:
            return False
        self._settle_blob(ended=False)
        if not self.done:
            self._line(line)
        return True

    def _settle_blob(self, *, ended: bool) -> None:
        """Take a JSON object for a move when it says one, else for text."""
        text = "" if self._blob is None else self._blob.text
        self._blob = None
        call = read_blob(text)
        if call is not None and self._move.takes(call):
            self._move.repair("action written as JSON")
            self._move.take_call(call)
        elif ended:  # it never closed: its lines are text, and labels in them count
            self._blobs = _MOST_BLOBS
            for line in text.split("\n"):
                if not self.done:
                    self._line(line)
        elif self._move.state is State.TOOL:
            self._move.name = text
        else:
            self._say(text + "\n")


def _is_plain(begun: str, *, last: bool) -> bool | None:
    """Say of a reply's beginning whether it is text without a label; None while that is not clear."""
    if not begun:
        return True if last else None
    if begun[0] in "<[{`":
        return False
    line, ended, _ = begun.partition("\n")
    if labels.at_start(line) or labels.heading(line):
        return False
    return None if labels.may_begin(line) and not (ended or last) else True


def _whole_words(text: str) -> str:
    """Leave off the last word, which may go on, and the white space before it."""
    if text and not text[-1].isspace():
        *before, _ = text.rsplit(None, 1)
        text = before[0] if before else ""
    return text.rstrip()


def _undecorated(rest: str) -> str:
    """Take a label's closing decoration off that is set after its colon, apart from the text."""
    bare = rest.lstrip()
    return bare[2:] if bare.startswith(("** ", "__ ")) or bare in ("**", "__") else rest
