"""A prompt file and its parts are put together and checked as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agent_app.errors import PromptError, UnknownName, suggest
from agent_app.prompt.examples import Example, example_from
from agent_app.prompt.inputs import Input, input_from, wrong_type
from agent_app.prompt.library import LeadsOut, find_file, part_names
from agent_app.prompt.problems import Problem, Unusable
from agent_app.prompt.reading import Reading, reading_from
from agent_app.prompt.source import LARGEST, Source, read_source, with_plain_ends
from agent_app.prompt.template import Segment, Slot, as_source, joined, parse, put, settled
from agent_app.prompt.testing import faults_of_test
from agent_app.prompt.yaml_marks import Marked
from agent_app.soft_prompt import SoftPrompt, find_soft_prompt, load_soft_prompt

HISTORY = "history"
"""The slot that the earlier turns of a conversation go to; without any, nothing stands there."""

RUN_SLOTS = ("tools", "tool_names", HISTORY, "input", "agent_scratchpad")
"""The slots that a run fills; they need no declaration."""

READING_SLOTS = ("tools", "tool_names")
"""Those of them that may stand in what a model is told about passages."""

EXAMPLES = "examples"
"""The slot that examples go to, when a file has any."""

READING = "reading"
"""The key under which a prompt, or a part, says how passages are read."""

SOFT = "soft"
"""The slot that the virtual tokens of a soft prompt stand in, when a file names one."""

ROLES = ("system", "human", "ai")
"""The roles that the body of a chat prompt is divided into, each by a line such as ``# system``."""


_DEEPEST = 50
"""How deep parts may stand in each other; a longer chain would be too much for Python's stack."""


@dataclass(frozen=True, slots=True)
class Message:
    """A stretch of a prompt in one role; a prompt that is not for chat has one without a role."""

    role: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class Content:
    """What a prompt file says, its parts put in."""

    name: str
    description: str
    version: str
    inputs: Mapping[str, Input]
    stop: tuple[str, ...]
    openings: tuple[str, ...]
    """How a final answer begins; none: as the model likes."""
    thoughts: Mapping[str, str]
    """How a thought begins after an observation, after an error, and when no tool may be used any more."""
    grounded: str
    """The tools, by name or patterns, whose input may hold no number that was not given; empty: none."""
    examples: tuple[Example, ...]
    model: Mapping[str, Any]
    tests: tuple[Mapping[str, Any], ...]
    path: Path
    parts: Mapping[str, str]
    """Which file of the library fills which slot."""
    messages: tuple[Message, ...]
    reading: Reading | None
    """How a model is asked about passages; None: as about every other observation."""
    soft: SoftPrompt | None
    """Whose virtual tokens stand in the slot for them."""
    source: Source = field(repr=False, compare=False)
    libraries: tuple[Path, ...] = field(repr=False, compare=False)


def assemble(
    source: Source,
    libraries: Sequence[Path],
    problems: list[Problem],
    swapped: Mapping[str, str] | None = None,
) -> Content:
    """Put a prompt together.

    Args:
        source: the prompt file.
        libraries: the folders that its parts are looked for in, in that order.
        problems: all that is wrong with the file and its parts is added here; what is returned is
            only fit for use when there is nothing.
        swapped: other files for some of its parts.

    Raises:
        Unusable: there is no going on after the last problem.
    """
    problems += source.problems
    if source.problems:
        parse(source.body, source.path, source.body_line, problems)
        raise Unusable(problems[0])
    return _Assembly(source, tuple(libraries), problems, dict(swapped or {})).content()


@dataclass
class _Fill:
    """What a part puts into a slot."""

    segments: tuple[Segment, ...]
    file: Path
    part: str


class _Assembly:
    """The work of putting one prompt together."""

    def __init__(
        self, source: Source, libraries: tuple[Path, ...], problems: list[Problem], swapped: dict[str, str]
    ) -> None:
        self.source, self.libraries, self.problems, self.swapped = source, libraries, problems, swapped
        self.parts = {slot: swapped.get(slot, str(at.value)) for slot, at in source.mapping("parts").items()}
        self.fills: dict[str, _Fill] = {}
        self.done: dict[str, tuple[Segment, ...]] = {}
        self.answers: dict[str, str] = {}
        self.openings: list[str] = list(source.front.plain().get("openings", ()))
        self.used: set[str] = set()

    def content(self) -> Content:
        source = self.source
        plain = source.front.plain()
        self.check_name()
        self.inputs = self.read_inputs()
        self.read_parts()
        self.examples = self.read_examples()
        self.reading = self.read_reading()
        self.soft = self.read_soft()
        messages = self.with_soft(tuple(self.read_message(*section) for section in self.sections()))
        messages = tuple(replace(m, segments=settled(m.segments, EXAMPLES)) for m in messages)
        if not self.swapped:
            self.check_use()
            self.check_tests()
        return Content(
            name=source.path.stem,
            description=plain.get("description", ""),
            version=plain.get("version", "0"),
            inputs=self.inputs,
            stop=tuple(plain.get("stop", ())),
            openings=tuple(self.openings),
            thoughts=plain.get("thoughts", {}),
            grounded=plain.get("grounded", ""),
            examples=tuple(self.examples),
            model=plain.get("model", {}),
            tests=tuple(plain.get("tests", ())),
            path=source.path,
            parts=self.parts,
            messages=messages,
            reading=self.reading,
            soft=self.soft,
            source=source,
            libraries=self.libraries,
        )

    def add(self, code: str, at: Marked | Slot, message: str, fix: str, file: Path | None = None) -> None:
        self.problems.append(Problem(code, file or self.source.path, at.line, at.column, message, fix))

    def check_name(self) -> None:
        name, stem = self.source.get("name"), self.source.path.stem
        if name is not None and name.value != stem:
            self.add(
                "P005",
                name,
                f"the name is {name.value!r}",
                f"name it {stem!r} as the file, or rename the file",
            )

    def read_inputs(self) -> dict[str, Input]:
        inputs = {}
        for name, at in self.source.mapping("inputs").items():
            if name in self.reserved:
                self.add(
                    "P010", at, f"the input {name!r} is filled by the program", "take it out or rename it"
                )
            inputs[name] = declared = input_from(at)
            wrong = wrong_type(declared.default, declared.type) if declared.default is not None else None
            if wrong:
                self.add("P009", at, f"the default of the input {name!r} does not fit", wrong)
        return inputs

    def read_parts(self) -> None:
        for slot, at in self.source.mapping("parts").items():
            part = self.read_part(self.parts[slot], at)
            if part is None:
                continue
            self.add_fill(slot, part.body, part.body_line, part, slot, at)
            for name, text in part.mapping("texts").items():
                # As in a body, so that it stays the same when it is saved in one.
                words = with_plain_ends(str(text.value))
                self.add_fill(name, words, text.text_line, part, slot, at, text.indent)
            self.answers |= {name: str(text.value) for name, text in part.mapping("answers").items()}
            self.openings += part.front.plain().get("openings", ())

    def read_part(self, path: str, at: Marked) -> Source | None:
        try:
            file = find_file(path, self.libraries)
            if file is None:
                known = part_names(str(Path(path).parent), self.libraries)
                near = suggest(Path(path).stem, sorted(known))
                self.add("P011", at, f"there is no part {path!r} in the library", near)
                return None
            part = read_source(file, "part")
        except LeadsOut as error:
            self.add("P011", at, error.what, error.fix)
            return None
        except Unusable as error:
            self.problems.append(error.problem)
            return None
        self.problems += part.problems
        return None if part.problems else part

    def add_fill(
        self, slot: str, text: str, line: int, part: Source, name: str, at: Marked, indent: int = 0
    ) -> None:
        if slot in self.fills or slot in self.inputs or slot in self.reserved:
            where = f"the part {self.parts[name]!r} fills {{{slot}}}, which something else fills"
            self.add("P010", at, where, "give one of the two another name")
            return
        self.fills[slot] = _Fill(parse(text, part.path, line, self.problems, indent), part.path, name)

    def read_key(self, key: str, what: str) -> tuple[Marked | None, Path]:
        """Return what stands under a key, or under the same key of the part that is named there."""
        at, file = self.source.get(key), self.source.path
        if at is not None and isinstance(at.value, str):
            part = self.read_part(at.value, at)
            held = part.get(key) if part else None
            if part and held is None:
                self.add("P011", at, f"the part {at.value!r} holds no {key}", f"give it {what} under {key!r}")
            at, file = held, part.path if part else file
        return at, file

    def read_examples(self) -> list[Example]:
        at, file = self.read_key(EXAMPLES, "a list")
        return self.examples_at(at, file)

    def examples_at(self, at: Marked | None, file: Path) -> list[Example]:
        items = at.value if at is not None and isinstance(at.value, list) else []
        found: dict[str, Example] = {}
        for item in items:
            try:
                example = example_from(item)
            except ValueError as error:
                what = f"the example {item.plain()['name']!r} is no run: {error}"
                fix = "give each step its observation and add 'final', or show a first move without both"
                self.add("P018", item, what, fix, file)
                continue
            if example.name in found:
                self.add("P010", item, f"a second example is called {example.name!r}", "rename one", file)
            answer = self.answers.get(example.name)
            found[example.name] = example.answering(answer) if answer else example
        return list(found.values())

    def read_reading(self) -> Reading | None:
        at, file = self.read_key(READING, "what is told to the model")
        if at is None:
            return None
        assert isinstance(at.value, Mapping)
        text = at.value["text"]
        read = parse(str(text.value), file, text.text_line, self.problems, text.indent)
        segments = self.expand(read, file, ())
        for slot in segments:
            if isinstance(slot, Slot) and slot.name not in READING_SLOTS:
                what = f"what is told about passages has a slot {{{slot.name}}}"
                self.add("P017", text, what, "write {tools}, {tool_names} or a part", file)
        held = at.value.get(EXAMPLES)
        reading = reading_from(at.plain(), segments, self.examples_at(held, file))
        for example, fix in reading.without_verdict():
            what = f"a thought after a passage in the example {example.name!r} has no evidence or no verdict"
            self.add("P017", held or at, what, fix, file)
        return reading

    @property
    def reserved(self) -> tuple[str, ...]:
        """The slots that the program fills."""
        return (*RUN_SLOTS, EXAMPLES, *([SOFT] if self.source.get(SOFT) is not None else []))

    def read_soft(self) -> SoftPrompt | None:
        at = self.source.get(SOFT)
        if at is None:
            return None
        try:
            return load_soft_prompt(find_soft_prompt(str(at.value), self.libraries))
        except UnknownName as error:
            message = f"there is no soft prompt {error.name!r} in the library"
            self.add("P016", at, message, suggest(error.name, error.known))
        except PromptError as error:
            message = f"the soft prompt {at.value!r} cannot be used: {error.file}: {error.problem}"
            self.add("P016", at, message, "mend it, or get it anew")
        return None

    def with_soft(self, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        """Give the virtual tokens their place, where the body does not: at the very beginning."""
        at = self.source.get(SOFT)
        if at is None:
            return messages
        if len(messages) != 1 or messages[0].role:
            self.add("P016", at, "a chat prompt takes no soft prompt", "take 'soft' or 'chat' out")
            return messages
        segments = messages[0].segments
        places = [s for s in segments if isinstance(s, Slot) and s.name == SOFT]
        if len(places) > 1:
            self.add("P016", places[1], "{soft} stands a second time", "take one of them out")
        return messages if places else (replace(messages[0], segments=(Slot(SOFT), *segments)),)

    def sections(self) -> list[tuple[str, str, int]]:
        """Divide the body into roles: the role, the text, and the line that the text begins on."""
        source = self.source
        chat = source.get("chat")
        if chat is None or not chat.value:
            return [("", source.body, source.body_line)]
        sections: list[tuple[str, list[str], int]] = []
        for number, line in enumerate(source.body.split("\n"), source.body_line):
            role = _role_begun_by(line)
            if role:
                sections.append((role, [], number + 1))
            elif sections:
                sections[-1][1].append(line)
            elif line.strip():
                fix = "begin with a line like '# system' or '# human'"
                self.add(
                    "P014", Marked(None, number, 1), "the body of a chat prompt has words before a role", fix
                )
                break
        return [(role, "\n".join(lines), first) for role, lines, first in sections]

    def read_message(self, role: str, text: str, line: int) -> Message:
        path = self.source.path
        message = Message(role, self.expand(parse(text, path, line, self.problems), path, ()))
        if role:
            self.check_one_message(message, Marked(None, line - 1, 1))
        return message

    def check_one_message(self, message: Message, at: Marked) -> None:
        """Make sure that a message, written to a file with its parts put in, is read back as one."""
        begun = next(filter(_role_begun_by, as_source(message.segments).split("\n")), None)
        if begun is not None:
            what = f"a part puts the line {begun!r} into a message, where it would begin another one"
            self.add("P020", at, what, "write a space before that line in the part")

    def expand(self, segments: Sequence[Segment], file: Path, trail: tuple[str, ...]) -> tuple[Segment, ...]:
        out: list[Segment] = []
        size = 0
        for segment in segments:
            put = [segment] if isinstance(segment, str) else self.put(segment, file, trail)
            out += put
            size += sum(len(s) if isinstance(s, str) else 1 for s in put)
            if size > LARGEST:
                fix = f"keep it under {LARGEST:,} characters"
                self.add("P013", Marked(None, 1, 1), "the prompt is too large when its parts are put in", fix)
                raise Unusable(self.problems[-1])
        return joined(out)

    def put(self, slot: Slot, file: Path, trail: tuple[str, ...]) -> list[Segment]:
        """Return what stands in a slot's place: a part, put together itself, or the slot."""
        name = slot.name
        self.used.add(name)
        if name in self.fills:
            text = self.filled(slot, file, trail)
            return [*text, slot.tail] if text else []
        if name == EXAMPLES and self.source.get(EXAMPLES) is not None:
            return [replace(slot, tail=""), slot.tail]
        if name not in (*RUN_SLOTS, *self.inputs) and (name != SOFT or SOFT not in self.reserved):
            known = [*self.inputs, *self.fills, *RUN_SLOTS, EXAMPLES]
            fix = f"declare it under 'inputs', or {suggest(name, known)}"
            if name == SOFT:
                fix = "name a soft prompt as 'soft' in the front matter"
            self.add("P007", slot, f"nothing fills {{{name}}}", fix, file)
        return [replace(slot, tail=""), slot.tail]

    def filled(self, slot: Slot, file: Path, trail: tuple[str, ...]) -> tuple[Segment, ...]:
        name = slot.name
        if name in trail:
            ring = " -> ".join([*trail[trail.index(name) :], name])
            self.add("P012", slot, f"parts go round in a circle: {ring}", f"take {{{name}}} out here", file)
            return ()
        if len(trail) == _DEEPEST:
            deep = f"more than {_DEEPEST} parts stand in each other: {trail[0]} -> ... -> {name}"
            self.add("P019", slot, deep, f"take {{{name}}} out here, or put it further up", file)
            raise Unusable(self.problems[-1])
        if name not in self.done:
            fill = self.fills[name]
            self.done[name] = self.expand(fill.segments, fill.file, (*trail, name))
        return self.done[name]

    def check_use(self) -> None:
        for name, at in self.source.mapping("inputs").items():
            if name not in self.used:
                message, fix = (
                    f"the input {name!r} is not used",
                    f"write {{{name}}} where it belongs, or take it out",
                )
                self.add("P008", at, message, fix)
        used_parts = {fill.part for slot, fill in self.fills.items() if slot in self.used}
        for slot, at in self.source.mapping("parts").items():
            if slot not in used_parts and any(fill.part == slot for fill in self.fills.values()):
                message, fix = (
                    f"the part {slot!r} is not used",
                    f"write {{{slot}}} where it belongs, or take it out",
                )
                self.add("P008", at, message, fix)
        examples = self.source.get(EXAMPLES)
        if examples is not None and EXAMPLES not in self.used:
            self.add("P008", examples, "the examples are not used", "write {examples} where they belong")

    def check_tests(self) -> None:
        tests = self.source.get("tests")
        for test in tests.value if tests is not None and isinstance(tests.value, list) else ():
            for at, message, fix in faults_of_test(test, self.inputs, takes_input="input" in self.used):
                self.add("P015", at, message, fix)


def _role_begun_by(line: str) -> str | None:
    """Return the role whose message a line of a chat prompt begins; None: it is text like others."""
    role = line.removeprefix("# ").rstrip()
    return role if line.startswith("# ") and role in ROLES else None


def with_examples(content: Content, examples: str) -> tuple[Message, ...]:
    """Return a prompt's messages with a text where the examples are shown; an empty one leaves no hole."""
    if EXAMPLES in content.inputs:
        return content.messages
    shown = {EXAMPLES: examples}
    return tuple(replace(m, segments=put(m.segments, shown)) for m in content.messages)
