"""The words of the ReAct format, and what a line that begins with one of them looks like.

One definition serves three readers: the parser finds the parts of a reply by it, the prompt quotes
look-alikes in text that is not the model's own, and the grammar is written with the same words.
The format is that of Yao et al., "ReAct: Synergizing Reasoning and Acting in Language Models" (2022).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

QUESTION = "Question"
THOUGHT = "Thought"
ACTION = "Action"
ACTION_INPUT = "Action Input"
OBSERVATION = "Observation"
FINAL_ANSWER = "Final Answer"

MARKED = "(false line)"
"""Stands in a prompt before what poses as one of these words in text that is not the model's own."""

# Short forms that models write. They count only where nothing else fits, which the parser decides.
SHORT_INPUT = "Input"
SHORT_ANSWER = "Answer"

# Spaces are matched with a bound, so that no line of any length makes the matcher go back and forth.
_SPACE = r" \t\u00a0\u2000-\u200a\u202f\u3000"
_GAP = rf"[{_SPACE}\\_-]{{0,8}}"  # a backslash, as Markdown writes `Action\_Input`
_WORDS = {
    QUESTION: "question",
    THOUGHT: "thought",
    ACTION_INPUT: f"action{_GAP}input",
    ACTION: "action",
    OBSERVATION: "observation",
    FINAL_ANSWER: f"final{_GAP}answer",
    SHORT_INPUT: "input",
    SHORT_ANSWER: "answer",
}
_GROUPS = {word.replace(" ", "_"): word for word in _WORDS}
_ANY = "|".join(f"(?P<{group}>{_WORDS[word]})" for group, word in _GROUPS.items())
_COLON = rf"[*_`]{{0,3}}[{_SPACE}]{{0,8}}[:：]"
# What may stand before a label: Markdown, dashes and bullets, arrows and emoji, characters without width.
_DECORATION = rf"{_SPACE}*_#>`•‣–—\u2190-\u2bff\U0001f000-\U0001faff\u200b-\u200d\u2060\ufe0f\ufeff\-"
_AT_START = re.compile(
    rf"(?P<before>[{_DECORATION}]{{0,16}}(?:\d{{1,3}}[.)][{_SPACE}*_]{{0,8}})?)"
    rf"(?:{_ANY})(?P<number>[{_SPACE}]?#?\d{{1,3}}(?!{_COLON}\d))?(?P<colon>{_COLON})(?P<after>[*_`]{{0,3}})",
    re.IGNORECASE,
)
_EMPHASIS = re.compile(r"[*_`]+(?!\s)")  # it sticks to what it is put on, as a bullet does not
_BEFORE = re.compile(rf"\A[{_DECORATION}\d.)]*")
_INSIDE = re.compile(rf"(?<!\S)(?:{_ANY}){_COLON}", re.IGNORECASE)
# A line that is nothing but a label in bold or a heading, and so needs no colon.
_HEADING = re.compile(
    rf"\s{{0,8}}(?P<mark>(?:#{{1,6}}[ \t]{{1,8}})?(?:\*\*|__)?)(?:{_ANY})(?:\*\*|__)?\s*", re.IGNORECASE
)
SENTENCE_ENDS = tuple(".!?…。！？")
_AFTER_SENTENCE = re.compile(
    r"[.!?…。！？][\"')\]”’]?[ \t]{1,8}(?P<begin>(?:\*\*|__)?(?P<label>Action|Final Answer)(?:\*\*|__)?:)"
)

# What chat templates are made of. In a message's text a server may take it for the real thing.
_CONTROL_TOKEN = re.compile(
    r"<[|｜][^\n<>|｜]{1,64}[|｜]>"
    r"|</?(?:s|bos|eos|pad|unk|think|thinking|reasoning|function_call|tool_calls?|tool_response)>"
    r"|<(?:start|end)_of_(?:turn|image)>|<</?SYS>>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|ARGS|THINK)\]",
    re.IGNORECASE,
)
# Ends a turn, or begins the next one; at a reply's very beginning it belongs to the template.
_TURN = re.compile(
    r"<\|(?:im_(?:end|start|sep)|endoftext|end_of_text|begin_of_text|eo[tm](?:_id)?|end|return|call"
    r"|(?:start|end)_(?:header_id|of_role)|header_(?:start|end)|(?:START|END)_OF_TURN_TOKEN|CHATBOT_TOKEN"
    r"|system|user|assistant|tool_calls?_(?:section_)?end)\|>"
    r"(?:(?:assistant|model)\b)?|<｜(?:end▁of▁sentence|begin▁of▁sentence|User|Assistant)｜>"
    r"|</s>|<eos>|<(?:start|end)_of_turn>(?:model\b)?"
)
_BEGIN = re.compile(r"\s*(?:<s>|<bos>)")
"""What a template begins the whole text with, and no turn."""
_LONGEST_STRUCK = 1000
_LONGEST_HEADING = 40
_LINE_END = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Label:
    """A label found in a line."""

    word: str
    """The word as the format writes it, such as ``"Action Input"``."""
    start: int
    end: int
    """Where in the line it begins, and where the text after it begins."""
    repair: str | None
    """How it differs from the plain form, in words, or None."""
    mark: str = ""
    """Markdown that was opened before it and is still open after it: ``**`` in ``**Action: x**``."""
    colon: bool = True
    """Whether it is followed by a colon; without one it is a line of its own."""


def at_start(line: str) -> Label | None:
    """Find the label that a line begins with, in any case and through Markdown decoration.

    ``**Action:** x``, ``## action : x``, ``1. Action: x`` and ``Action 1: x`` all begin with ``Action``.
    """
    word, colon, text = line.partition(":")
    if not colon and "：" not in line:
        return None
    if word in _WORDS and not text.startswith(("*", "_", "`")):
        return Label(word, 0, len(word) + 1, None)  # written as it should be, which is mostly so
    indent = len(line) - len(line.lstrip())
    match = _AT_START.match(line, indent)
    if match is None:
        return None
    word = _word(match)
    emphasis = _EMPHASIS.search(match["before"])
    opened = emphasis[0] if emphasis else ""
    closed = bool(match["colon"].strip(":：").strip())
    closes = not closed and match["after"].startswith(opened[::-1])  # else it belongs to the text
    end = match.start("after") + (len(opened) if closes else 0)
    return Label(word, 0, end, _difference(match, word), "" if closed or closes else opened)


def heading(line: str) -> Label | None:
    """Find the label that a line consists of without a colon: in bold, as a heading, or ``Observation``.

    Some models end an action with that one word, so it needs no decoration.
    """
    match = _HEADING.fullmatch(line) if len(line) < _LONGEST_HEADING else None
    if match is None:
        return None
    word = _word(match)
    if not (match["mark"] or word == OBSERVATION):
        return None
    return Label(word, 0, len(line), "label without a colon", colon=False)


def after_sentence(line: str) -> Label | None:
    """Find ``Action:`` or ``Final Answer:`` in a line, plain or in bold, right after a sentence's end."""
    match = _AFTER_SENTENCE.search(line)
    return None if match is None else Label(match["label"], match.start("begin"), match.end(), None)


def inside(line: str, start: int = 0) -> Label | None:
    """Find the first label at or after `start`, wherever in the line it stands."""
    match = _INSIDE.search(line, start)
    return None if match is None else Label(_word(match), match.start(), match.end(), None)


def may_begin(partial: str) -> bool:
    """Say whether a line of which only the beginning is known may still turn out to begin with a label."""
    # A chat template's token may follow a label, and is taken off before the line is read.
    stripped = partial.partition("<")[0].lstrip()
    bare = _BEFORE.sub("", stripped)
    if len(stripped) - len(bare) > 40 or len(bare) > 40:
        return False
    letters = re.sub(r"[\s\\_*`#\d-]", "", bare).casefold()
    return any(word.replace(" ", "").casefold().startswith(letters) for word in _WORDS)


def fence(text: str, mark: str = "| ") -> str:
    """Quote in foreign text whatever could be taken for the format's own words or for a chat template's.

    A line that begins with a label gets `mark` before it; a control token is broken up with spaces
    (``<|im_end|>`` becomes ``< |im_end| >``). All else stays as it is, and every kind of line end
    becomes ``\\n``, because what a model takes for a new line is not only ``\\n``.
    """
    lines = _LINE_END.split(text)
    return _without_tokens("\n".join(f"{mark}{line}" if _looks_like_label(line) else line for line in lines))


def fence_json(text: str) -> str:
    """Do for JSON what `fence` does for text: what may be taken for a token or a line end is escaped."""
    ended = _LINE_END.sub(lambda m: "".join(map(_escape, m[0])), text)
    return _CONTROL_TOKEN.sub(lambda m: _escape(m[0][0]) + m[0][1:], ended)


def own_words(reply: str) -> str:
    """Return of a model's reply what is its own to say: all before the first result that it invented.

    Control tokens are broken up, as by `fence`.
    """
    own: list[str] = []
    for line in _LINE_END.split(reply):
        label = at_start(line) or heading(line)
        if label is not None and label.word in (OBSERVATION, QUESTION):
            break
        own.append(line)
    return _without_tokens("\n".join(own).strip())


def _escape(character: str) -> str:
    return f"\\u{ord(character):04x}"


def _without_tokens(text: str) -> str:
    return _CONTROL_TOKEN.sub(lambda m: f"{m[0][0]} {m[0][1:-1]} {m[0][-1]}", text)


def end_of_turn(line: str, start: int = 0) -> tuple[int, int]:
    """Return where the first token at or after `start` that ends a turn begins and ends, or ``(-1, -1)``.

    ``</s>`` is one of HTML's own tags as well, where ``<s>`` stands before it.
    """
    for match in _TURN.finditer(line, start):
        near = max(start, match.start() - _LONGEST_STRUCK)
        if match[0] != "</s>" or line.rfind("<s>", near, match.start()) < 0:
            return match.span()
    return -1, -1


def without_begin(line: str) -> str:
    """Take off what a template begins the whole text with."""
    match = _BEGIN.match(line)
    return line if match is None else line[match.end() :]


def within(line: str) -> int | None:
    """Return where in a line of other text a label begins that counts all the same, or None.

    That is ``Action: ... Action Input: ...``, which can be nothing but the two labels, and what stands
    plainly right after the end of a sentence. In quotation marks it is somebody else's.
    """
    found = [label.start for label in (_inside_pair(line), after_sentence(line)) if label]
    first = min(found, default=None)
    if first is None or MARKED in line or line.count('"', 0, first) % 2 or _opened(line[:first], "“", "”"):
        return None
    return first


def _inside_pair(line: str) -> Label | None:
    label = inside(line)
    while label is not None and label.word != ACTION:
        label = inside(line, label.end)
    follow = None if label is None else inside(line, label.end)
    return label if follow is not None and follow.word == ACTION_INPUT else None


def _opened(text: str, opening: str, closing: str) -> bool:
    return text.rfind(opening) > text.rfind(closing)


def _looks_like_label(line: str) -> bool:
    # A reader of text takes a fullwidth or dotted look-alike for the letter itself, so compare as read.
    seen = line
    if not line.isascii():
        shown = unicodedata.normalize("NFKC", line)
        seen = "".join(c for c in shown if unicodedata.category(c) not in ("Cf", "Mn"))
    seen = seen.lstrip(" \t|")
    return at_start(seen) is not None or heading(seen) is not None or within(seen) is not None


def _word(match: re.Match[str]) -> str:
    return next(word for group, word in _GROUPS.items() if match[group] is not None)


def _difference(match: re.Match[str], word: str) -> str | None:
    written = match[0][len(match["before"]) :].removesuffix(match["after"])
    if match["before"].strip() or any(c in match["colon"] for c in "*_`"):
        return "decorated label"
    if match["number"]:
        return "numbered label"
    if written == f"{word}:":
        return None
    return "fullwidth colon" if "：" in match["colon"] else "label in other letters"


BEFORE_VERDICT = "; "
"""Stands in a thought about passages, between what they say and the verdict on that."""
