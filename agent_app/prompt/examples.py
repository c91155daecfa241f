"""Few-shot examples: whole runs kept as data, and written by what writes a real run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Any

from agent_app.labels import QUESTION, THOUGHT
from agent_app.prompt.scratchpad import scratchpad
from agent_app.prompt.yaml_marks import Marked
from agent_app.steps import Action, Answer, Observation, Step

CLOSING_THOUGHT = "I now know the final answer"
"""What an example's last thought is when it does not say."""


@dataclass(frozen=True, slots=True)
class Example:
    """A question and the run that answers it."""

    name: str
    question: str
    steps: tuple[Step, ...]
    """Actions, each with its observation after it, and an answer at the end; or a first move by itself."""

    @property
    def tools(self) -> frozenset[str]:
        """The tools that it uses."""
        return frozenset(step.tool for step in self.steps if isinstance(step, Action))

    @property
    def text(self) -> str:
        """The example as the model reads it, from ``Question:`` to the final answer."""
        return f"{QUESTION}: {self.question}\n{THOUGHT}:{scratchpad(self.steps)}"

    def replies(self) -> list[tuple[str, Action | Answer]]:
        """Return each reply of the model in it, and the step that a parser must read it as."""
        return [(scratchpad([step]), step) for step in self.steps if isinstance(step, Action | Answer)]

    def answering(self, text: str) -> Example:
        """Return the same run with another final answer."""
        last = self.steps[-1]
        if not isinstance(last, Answer):
            return self
        return replace(self, steps=(*self.steps[:-1], replace(last, text=text)))

    def thinking(self, begun: str, otherwise: Callable[[Step], bool] = lambda _: False) -> Example:
        """Return the same run with thoughts after an observation begun in this way.

        Args:
            begun: the words.
            otherwise: says of an observation that the thought after it begins in a way of its own.
        """
        if not begun:
            return self
        later = (
            replace(step, thought=f"{begun} {step.thought}".rstrip())
            if isinstance(step, Action | Answer) and not otherwise(seen)
            else step
            for seen, step in pairwise(self.steps)
        )
        return replace(self, steps=(*self.steps[:1], *later))

    def to_dict(self) -> dict[str, Any]:
        """Return it as the front matter of a file has it."""
        steps: list[dict[str, Any]] = []
        data: dict[str, Any] = {"name": self.name, "input": self.question, "steps": steps}
        for step in self.steps:
            match step:
                case Action():
                    thought = {"thought": step.thought} if step.thought else {}
                    steps.append({**thought, "action": step.tool, "action_input": step.input})
                case Observation():
                    steps[-1]["observation"] = step.text
                case Answer():
                    data["final"] = {"thought": step.thought, "answer": step.text}
        return data


def example_from(at: Marked) -> Example:
    """Make an example of front matter that the schema has found right.

    Raises:
        ValueError: it is no run; says why.
    """
    data: Mapping[str, Any] = at.plain()
    steps: list[Step] = []
    given = data.get("steps", ())
    for number, step in enumerate(given, 1):
        steps.append(Action(step["action"], step["action_input"], step.get("thought", "")))
        if "observation" in step:
            steps.append(Observation(step["observation"]))
        elif number < len(given) or "final" in data:
            raise ValueError(f"step {number} has no observation")
    final = data.get("final")
    if final is not None:
        steps.append(Answer(final["answer"], final.get("thought", CLOSING_THOUGHT)))
    elif not steps or isinstance(steps[-1], Observation):
        raise ValueError("it has no final answer")
    return Example(data["name"], data["input"], tuple(steps))


def usable(examples: Sequence[Example], tool_names: Iterable[str] | None) -> list[Example]:
    """Return the examples that use none but these tools; None: all of them.

    An example may name a tool by patterns, such as ``*search*|*lookup*``; it stands for the first
    tool that one of them fits, so that one example serves whatever search an agent is given. Where
    the tools are not known, a pattern is shown by its first word (``search``).
    """
    if tool_names is None:
        words = {t: t.split("|")[0].strip("*") for e in examples for t in e.tools if "*" in t}
        return [_fitted(example, [words.get(t, t) for t in example.tools]) for example in examples]
    offered = tuple(tool_names)
    fitted = (_fitted(example, offered) for example in examples)
    return [example for example in fitted if example.tools <= frozenset(offered)]


def _fitted(example: Example, offered: Sequence[str]) -> Example:
    """Put real tools in the place of patterns."""
    return replace(
        example,
        steps=tuple(
            replace(step, tool=_first_fit(step.tool, offered)) if isinstance(step, Action) else step
            for step in example.steps
        ),
    )


def fits(tool: str, pattern: str) -> bool:
    """Say whether a tool's name is one of those that patterns such as ``*search*|*lookup*`` stand for."""
    return any(fnmatchcase(tool, one) for one in pattern.split("|"))


def _first_fit(pattern: str, offered: Sequence[str]) -> str:
    if "*" not in pattern:
        return pattern
    return next((name for name in offered if fits(name, pattern)), pattern)


def joined_examples(texts: Iterable[str]) -> str:
    """Put examples one below the other with a blank line between; none give an empty text."""
    return "\n\n".join(texts)
