"""A prompt that is ready for use: values go in, text comes out."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from agent_app.errors import PromptError, UnknownName, suggest
from agent_app.history import Turn
from agent_app.labels import THOUGHT
from agent_app.prompt.assemble import EXAMPLES, HISTORY, SOFT, Content, assemble, with_examples
from agent_app.prompt.draft import EVERYTHING, Draft, Segments, View, laid_out, turn_text
from agent_app.prompt.examples import fits, joined_examples, usable
from agent_app.prompt.inputs import Value, as_text, wrong_type
from agent_app.prompt.langchain_template import to_template
from agent_app.prompt.library import find_file, part_names
from agent_app.prompt.problems import Problem, Unusable
from agent_app.prompt.reader import Reader
from agent_app.prompt.saving import body_text, file_text, write_text
from agent_app.prompt.scratchpad import quoted, shortened
from agent_app.prompt.source import Source
from agent_app.prompt.template import Segment, Slot, fill, put, slot_names
from agent_app.soft_prompt import SoftPrompt, with_others
from agent_app.steps import Action, Observation, PromptRef, Step

if TYPE_CHECKING:
    from langchain_core.prompts import ChatPromptTemplate, PromptTemplate

SCRATCHPAD = "agent_scratchpad"
_LONGEST_REPEATED = 300
"""How many characters of a question are repeated in a thought."""


class Prompt(Content):
    """A checked prompt; `load_prompt` gives one."""

    @property
    def ref(self) -> PromptRef:
        """What an answer records of its prompt."""
        return PromptRef(self.name, self.version, self.hash)

    @functools.cached_property
    def hash(self) -> str:
        """SHA-256, in hex, of all that the prompt renders from, its parts and examples included."""
        inputs = {name: [spec.type, spec.default] for name, spec in self.inputs.items()}
        messages = [
            [m.role, *(s if isinstance(s, str) else [s.name] for s in m.segments)] for m in self.messages
        ]
        examples = [example.text for example in self.examples]
        soft = [self.soft.digest] if self.soft else []
        reading = [self.reading.to_dict()] if self.reading else []
        rendered_from = [messages, inputs, examples, self.stop, self.openings, dict(self.thoughts)]
        grounded = [self.grounded] if self.grounded else []
        rendered_from += [*soft, *reading, *grounded]
        data = json.dumps(rendered_from, sort_keys=True)
        return hashlib.sha256(data.encode()).hexdigest()

    @functools.cached_property
    def slots(self) -> tuple[str, ...]:
        """The names that values are given to, in the order of the text."""
        names = slot_names(s for message in self.messages for s in message.segments)
        return tuple(n for n in names if not self._holds_examples(n) and not self._is_soft(n))

    @functools.cached_property
    def soft_prompts(self) -> tuple[SoftPrompt, ...]:
        """What a model must be loaded with to read this prompt, and the others it can then read as well."""
        return with_others(self.soft, self.libraries) if self.soft else ()

    @property
    def text(self) -> str:
        """The body with its parts and examples put in; its slots stand as ``{name}``, braces doubled."""
        return body_text(with_examples(self, self._examples_text(None)))

    def render(self, /, **values: Value) -> str:
        """Put a value into each slot and return the text; values go in as they are.

        Without a value for ``history`` nothing stands there; for virtual tokens there stand words that tell
        of them.
        Of the examples, those are shown that use no tool but ``tool_names``, or all where that is not
        a slot. A chat prompt gives its messages' texts with a blank line between.

        Args:
            values: one for each slot without a default: a text, number, truth value or list of texts.

        Raises:
            PromptError: a value is missing, belongs to no slot, or is not of its input's type.
        """
        return "\n\n".join(text for _, text in self.render_messages(**values))

    def render_messages(self, /, **values: Value) -> list[tuple[str, str]]:
        """Do as `render`, and return each message's role and text; the role is empty outside chat prompts."""
        offered = values.get("tool_names")
        names = offered.split(",") if isinstance(offered, str) else offered
        texts = self._texts(values)
        if self._shows_examples:
            texts[EXAMPLES] = self._examples_text(
                [n.strip() for n in names] if isinstance(names, Sequence) else None
            )
        if self.soft:
            texts[SOFT] = self.soft.mark
        return [(message.role, fill(message.segments, texts)) for message in self.messages]

    def render_run(
        self,
        question: str,
        steps: Sequence[Step],
        tools: str,
        tool_names: Sequence[str],
        turns: Sequence[Turn] = (),
        view: View = EVERYTHING,
        /,
        **values: Value,
    ) -> Segments:
        """Write the prompt for the next reply of a run: `draft`, and the steps so far.

        Args:
            question: what was asked.
            steps: the steps so far.
            tools: what the tools are and take, as text.
            tool_names: the names of the tools; examples that use others are left out.
            turns: what was asked and answered before.
            view: how much of all that is shown.
            values: one for each input of the prompt without a default.

        Raises:
            PromptError: as for `draft`.
        """
        return self.draft(question, tools, tool_names, turns, **values).segments(steps, view)

    def draft(
        self,
        question: str,
        tools: str,
        tool_names: Sequence[str],
        turns: Sequence[Turn] = (),
        /,
        **values: Value,
    ) -> Draft:
        """Write all of a run's prompt but its steps, which stays the same from call to call.

        The question, the turns, the observations and the values are data: lines in them that look like
        labels are quoted, control characters are taken out.

        Args:
            question: what was asked.
            tools: what the tools are and take, as text.
            tool_names: the names of the tools; examples that use others are left out.
            turns: what was asked and answered before.
            values: one for each input of the prompt without a default.

        Raises:
            PromptError: the prompt is not made for runs, or has no slot for turns that are given, or a
                value is missing, surplus or of a wrong type.
        """
        before, line = self._cut
        if turns and HISTORY not in self.slots:
            what = f"the prompt {self.name!r} takes no history, for it has no slot {{{HISTORY}}} in its body"
            fix = f"write '{{{HISTORY}}}Question: {{input}}' where it says 'Question: {{input}}'"
            raise PromptError(f"{what}; {fix}", file=self.path)
        run = {"input": quoted(question), "tools": tools, "tool_names": ", ".join(tool_names), SCRATCHPAD: ""}
        given = {**run, HISTORY: ""}
        own = {name: quoted(text) for name, text in self._texts(values, given).items()}
        examples = self._example_texts(tool_names) if self._shows_examples else ()
        said = tuple(turn_text(turn) for turn in turns)
        words = put(before, own | run)
        return Draft(words, line, examples, said, run["input"], self._soft_name, tuple(own.values()))

    def opening(self, tools: str, tool_names: Sequence[str]) -> Segments:
        """Return what every run's prompt begins with: all before the first value that a run brings along.

        Args:
            tools: as for `draft`.
            tool_names: likewise.

        Raises:
            PromptError: the prompt is not made for runs.
        """
        before, _ = self._cut
        words = put(before, {"tools": tools, "tool_names": ", ".join(tool_names)})
        same = tuple(takewhile(lambda s: isinstance(s, str) or self._is_same(s.name), words))
        # What is told ends where earlier turns have their place, which is empty as yet.
        until = len(same) + (slot_names(words[len(same) : len(same) + 1]) == (HISTORY,))
        examples = self._example_texts(tool_names) if self._shows_examples else ()
        return laid_out(words[:until], examples, "", self._soft_name)

    def reader(self, tools: str, tool_names: Sequence[str]) -> Reader | None:
        """Return what asks a model about passages; None: the prompt does not say how.

        Args:
            tools: as for `draft`.
            tool_names: likewise.
        """
        if self.reading is None:
            return None
        told = fill(self.reading.segments, {"tools": tools, "tool_names": ", ".join(tool_names)})
        return Reader(self.reading, told, self.reading.exchanges(tool_names))

    def thought(self, when: str, question: str) -> str:
        """Return how a thought begins where the file leaves that not to the model; empty: it is free.

        Args:
            when: ``"after_observation"``, ``"after_error"``, or ``"last"`` when no tool may be used any more.
            question: what was asked; goes into ``{input}``, in one line and shortened.
        """
        asked = " ".join(shortened(quoted(question), _LONGEST_REPEATED).split())
        return self.thoughts.get(when, "").replace("{input}", asked.rstrip("?.! "))

    def thought_after(self, steps: Sequence[Step], question: str) -> str:
        """Return how the thought begins after these steps; empty: it is free.

        After a run's first error, if it is one of a grounded tool, it begins in a way of its own where the
        file says so: something else is to be tried. What another tool complains of may be all that can be
        known, and after more errors it is time to think of an answer.

        Args:
            steps: the steps so far.
            question: as for `thought`.
        """
        if not steps:
            return ""
        errors = [n for n, step in enumerate(steps) if isinstance(step, Observation) and step.error]
        tried = steps[-2] if errors == [len(steps) - 1] and len(steps) > 1 else None
        anew = "after_error" in self.thoughts and isinstance(tried, Action) and self.grounds(tried.tool)
        return self.thought("after_error" if anew else "after_observation", question)

    def grounds(self, tool: str) -> bool:
        """Say whether a tool's input may hold no number that was not given."""
        return bool(self.grounded) and fits(tool, self.grounded)

    def with_parts(self, **names: str) -> Prompt:
        """Return the prompt with other parts in some slots, such as ``persona="butler"``.

        Args:
            names: for each slot a name of a part beside the one it replaces, or a path in the library.

        Raises:
            UnknownName: there is no such part.
            PromptError: the prompt has no part in that slot, or does not fit together with the new one.
        """
        swapped = {slot: self._part_path(slot, name) for slot, name in names.items()}
        return prompt_from(self.source, self.libraries, {**self.parts, **swapped})

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the prompt to one file that needs no parts and renders the same.

        A soft prompt that it names is not written: it must be in the library where the file is loaded.

        Args:
            path: a ``.md`` file; its stem becomes the prompt's name.
            overwrite: whether a file that is there may be replaced.

        Raises:
            PromptError: the path is not one of a prompt, or is taken.
        """
        path = Path(path)
        write_text(path, file_text(self, path.stem), overwrite=overwrite)

    def to_langchain(self, tool_names: Sequence[str] | None = None) -> PromptTemplate | ChatPromptTemplate:
        """Return a LangChain template of the same text; a chat prompt becomes a `ChatPromptTemplate`.

        Its variables are the slots, defaults are its partial variables. Examples become plain text.

        Args:
            tool_names: show the examples that use no tool but these; None: show all.

        Raises:
            PromptError: LangChain refuses the template, or there are virtual tokens in it, which are no text.
        """
        return to_template(self, self._examples_text(tool_names) if self._shows_examples else "")

    def _holds_examples(self, slot: str) -> bool:
        return slot == EXAMPLES and slot not in self.inputs

    def _is_read(self, step: Step) -> bool:
        return self.reading is not None and self.reading.reads(step)

    @property
    def _soft_name(self) -> str | None:
        return self.soft.name if self.soft else None

    def _is_soft(self, slot: str) -> bool:
        return slot == SOFT and self.soft is not None

    def _is_same(self, slot: str) -> bool:
        """Say whether a slot is filled alike in every run with the same tools."""
        return self._is_soft(slot) or self._holds_examples(slot)

    @functools.cached_property
    def _shows_examples(self) -> bool:
        return any(self._holds_examples(n) for m in self.messages for n in slot_names(m.segments))

    def _examples_text(self, tool_names: Sequence[str] | None) -> str:
        return joined_examples(self._example_texts(tool_names))

    def _example_texts(self, tool_names: Sequence[str] | None) -> tuple[str, ...]:
        key = None if tool_names is None else tuple(tool_names)
        if key not in self._written_examples:  # the same in every run with these tools
            shown = usable(self.examples, key)
            self._written_examples[key] = tuple(
                example.thinking(self.thought("after_observation", example.question), self._is_read).text
                for example in shown
            )
        return self._written_examples[key]

    @functools.cached_property
    def _written_examples(self) -> dict[tuple[str, ...] | None, tuple[str, ...]]:
        return {}

    def _texts(self, values: Mapping[str, Value], given: Mapping[str, str] | None = None) -> dict[str, str]:
        """Check values and return those of the slots as text, without what is given already."""
        wanted = [name for name in self.slots if name not in (given or {})]
        for name in values:
            if name not in wanted:
                raise PromptError(f"the prompt {self.name!r} has no slot {{{name}}}; {suggest(name, wanted)}")
        texts = {}
        for name in wanted:
            spec = self.inputs.get(name)
            default = spec.default if spec else "" if name == HISTORY else None
            value = values.get(name, default)
            if value is None:
                raise PromptError(f"the prompt {self.name!r} needs a value for {{{name}}}")
            texts[name] = self._text(name, value)
        return texts

    def _text(self, name: str, value: Value) -> str:
        if name == "tool_names" and not isinstance(value, str) and isinstance(value, Sequence):
            return ", ".join(value)
        spec = self.inputs.get(name)
        wrong = wrong_type(value, spec.type if spec else "string")
        if wrong:
            raise PromptError(f"the value for {{{name}}} of the prompt {self.name!r} does not fit; {wrong}")
        return as_text(value)

    @functools.cached_property
    def _cut(self) -> tuple[tuple[Segment, ...], str]:
        """What stands before the scratchpad's line, and how that line begins."""
        segments = self.messages[0].segments if len(self.messages) == 1 else ()
        names = slot_names(segments)
        for name in ("input", SCRATCHPAD):
            if name not in names:
                hint = "; it is a chat prompt" if len(self.messages) > 1 else ""
                raise self._unfit(f"no slot {{{name}}} in its body{hint}")
        at = next(n for n, s in enumerate(segments) if isinstance(s, Slot) and s.name == SCRATCHPAD)
        before = segments[at - 1] if at else ""
        words, newline, line = before.rpartition("\n") if isinstance(before, str) else ("", "", "")
        if line != f"{THOUGHT}:":
            raise self._unfit(f"a line of {{{SCRATCHPAD}}} that does not begin with '{THOUGHT}:'")
        if len(segments) > at + 1:
            raise self._unfit(f"words after {{{SCRATCHPAD}}}")
        return (*segments[: at - 1], words + newline), line

    def _unfit(self, what: str) -> PromptError:
        end = f"end it with 'Question: {{input}}' and '{THOUGHT}:{{{SCRATCHPAD}}}'"
        return PromptError(
            f"the prompt {self.name!r} cannot be run, for it has {what}; {end}", file=self.path
        )

    def _part_path(self, slot: str, name: str) -> str:
        if slot not in self.parts:
            has = suggest(slot, self.parts)
            raise PromptError(f"the prompt {self.name!r} has no part {slot!r}; {has}", file=self.path)
        if name.endswith(".md"):
            return name
        folder = Path(self.parts[slot]).parent.as_posix()
        known = part_names(folder, self.libraries)
        path = f"{folder}/{name}.md"
        if name not in known or find_file(path, self.libraries) is None:
            raise UnknownName(slot, name, known)
        return path


def prompt_from(
    source: Source, libraries: Sequence[Path], swapped: Mapping[str, str] | None = None
) -> Prompt:
    """Put a prompt together and check it.

    Raises:
        PromptError: the first thing that is wrong with it.
    """
    problems: list[Problem] = []
    try:
        content = assemble(source, libraries, problems, swapped)
    except Unusable as error:
        raise (problems or [error.problem])[0].error() from None
    if problems:
        raise problems[0].error()
    return Prompt(**vars(content))
