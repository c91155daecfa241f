"""A prompt file's own tests: what is asked, and what must be true of the answer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from agent_app.prompt.inputs import Input, Value, wrong_type
from agent_app.prompt.yaml_marks import Marked


@dataclass(frozen=True, slots=True)
class PromptTest:
    """One entry under ``tests`` of a prompt file."""

    input: str = ""
    """The question; empty for a prompt that has no ``{input}``."""
    inputs: Mapping[str, Value] = field(default_factory=dict)
    contains: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    matches: tuple[str, ...] = ()
    """Regular expressions, each of which must match somewhere in the answer."""
    max_tokens: int | None = None
    """How many tokens the prompt may have when it is first sent."""

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PromptTest:
        """Make a test of an entry of a checked prompt, as `Prompt.tests` holds it."""
        lists = {key: tuple(data[key]) for key in ("contains", "lacks", "matches") if key in data}
        return cls(**{**data, **lists})

    @property
    def title(self) -> str:
        """What a reader knows the test by: its question, or its values, or that it has none."""
        values = ", ".join(f"{name}={value}" for name, value in self.inputs.items())
        return self.input or values or "(no input)"

    @property
    def values(self) -> dict[str, Value]:
        """What the prompt is rendered with."""
        return {**self.inputs, **({"input": self.input} if self.input else {})}

    @property
    def needs_answer(self) -> bool:
        """Whether a model must be asked: always, unless there is a limit of tokens and nothing else."""
        return self.max_tokens is None or bool(self.contains or self.lacks or self.matches)

    def misses(self, answer: str) -> list[str]:
        """Return what is wrong with an answer, a sentence each; nothing when it is right."""
        if not answer:
            return ["there is no answer"]
        unmatched = [regex for regex in self.matches if not re.search(regex, answer)]
        return [
            *(f"the answer does not contain {text!r}" for text in self.contains if text not in answer),
            *(f"the answer contains {text!r}" for text in self.lacks if text in answer),
            *(f"the answer does not match {regex!r}" for regex in unmatched),
        ]


def faults_of_test(
    test: Marked, inputs: Mapping[str, Input], *, takes_input: bool
) -> Iterator[tuple[Marked, str, str]]:
    """Yield why a test could not be run: where, what is wrong, and what would be right.

    Args:
        test: the entry, found right by the schema.
        inputs: the inputs that the prompt declares.
        takes_input: whether the prompt has the slot ``{input}``.
    """
    assert isinstance(test.value, Mapping)
    given = test.value.get("input")
    if takes_input and given is None:
        yield test, "the test has no 'input'", "add the question as 'input'"
    if given is not None and not takes_input:
        yield given, "the test has an 'input' that goes nowhere", "write {input} in the body, or take it out"
    yield from _value_faults(test, inputs)
    for regex in _items(test.value.get("matches")):
        try:
            re.compile(str(regex.value))
        except re.error as error:
            yield regex, f"{regex.value!r} is no regular expression", f"mend it: {error}"
    limit = test.value.get("max_tokens")
    if limit is not None and isinstance(limit.value, int) and limit.value < 1:
        yield limit, f"'max_tokens' is {limit.value}", "it takes a whole number above 0"


def _value_faults(test: Marked, inputs: Mapping[str, Input]) -> Iterator[tuple[Marked, str, str]]:
    assert isinstance(test.value, Mapping)
    at = test.value.get("inputs")
    given = at.value if at is not None and isinstance(at.value, Mapping) else {}
    for name, value in given.items():
        if name not in inputs:
            yield value, f"the test gives a value to {name!r}", "declare it under 'inputs' of the prompt"
        elif wrong := wrong_type(value.plain(), inputs[name].type):
            yield value, f"the value for {name!r} does not fit", wrong
    for name, spec in inputs.items():
        if name not in given and spec.default is None:
            yield test, f"the test has no value for {name!r}", "add one under its 'inputs'"


def _items(at: Marked | None) -> list[Marked]:
    return at.value if at is not None and isinstance(at.value, list) else []
