"""What rows are made of: templates of questions, facts, and how a pirate puts an answer.

All of it is data, in the files of the folder `material`. Templates and facts are divided into three parts
(train, dev and test) that share nothing; how an answer is put is what is taught, and so the same in all.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from agent_app.tuning.data.rows import PARTS, Part


@dataclass(frozen=True, slots=True)
class Template:
    """A question with slots, and what is to be done about it."""

    id: str
    kind: str
    text: str
    """The question; what stands in < > is the query of a search, and of [this|that] one is chosen."""
    moves: tuple[str, ...]
    """The tools, in their order; none where the answer needs none."""
    inputs: tuple[str, ...]
    """Their inputs, of those that are not in the question itself."""
    topic: str | None
    """What facts it asks for."""
    holds: str | None
    """Finds in the last observation what the answer must hold; None: all of it."""
    bodies: tuple[str, ...]
    """How an answer may put it."""


@dataclass(frozen=True, slots=True)
class Topic:
    """Facts of one sort, as one part has them."""

    sentences: tuple[str, ...]
    """How a result of a search says a fact."""
    facts: tuple[tuple[str, str], ...]
    """What something is asked of, and what is true of it."""
    drawn: bool = False
    """Whether the digits of what is true are drawn anew each time."""


@dataclass(frozen=True, slots=True)
class Material:
    """All that the rows of one part are made of."""

    templates: Mapping[str, tuple[Template, ...]]
    """By kind."""
    topics: Mapping[str, Topic]
    words: Mapping[str, tuple[str, ...]]
    """What fills slots that are no numbers."""
    frames: tuple[str, ...]
    """What may stand around a question."""
    pages: Mapping[str, tuple[str, ...]]
    """What stands around facts in the results of a search."""
    answers: Mapping[str, Any]
    """How a pirate puts a result."""


@functools.cache
def material(part: Part) -> Material:
    """Return what the rows of a part are made of."""
    words, answers = _file("words"), _file("answers")
    frames = words.pop("frames")
    pages = {name: shared(words.pop(name), part) for name in ("fillers", "sites", "titles")}
    topics = _file("web_search")
    templates = [
        *_templates("calculator", _file("calculator"), part, answers, move="calculator"),
        *_templates("web_search", topics, part, answers, move="web_search"),
        *_templates("clock", _file("clock"), part, answers, move="clock"),
        *_templates("none", _file("none"), part, answers),
        *_templates("", _file("several"), part, answers),
    ]
    kinds = dict.fromkeys(template.kind for template in templates)
    return Material(
        templates={kind: tuple(t for t in templates if t.kind == kind) for kind in kinds},
        topics={name: _topic(topic, part) for name, topic in topics.items()},
        words={name: tuple(shared(values, part)) for name, values in words.items()},
        frames=tuple(frames[part]),
        pages={name: tuple(values) for name, values in pages.items()},
        answers=answers,
    )


def shared(values: Sequence[Any], part: Part) -> list[Any]:
    """Return a part's share of some values: of six the last goes to test, and the one before it to dev."""
    share = [PARTS[max(0, number % 6 - 3)] for number in range(len(values))]
    return [value for value, whose in zip(values, share, strict=True) if whose == part]


def _topic(topic: Mapping[str, Any], part: Part) -> Topic:
    facts = tuple(shared(list(topic["known"].items()), part))
    return Topic(tuple(topic["says"][part]), facts, drawn=part == "train" and topic.get("drawn", False))


def _templates(
    tool: str,
    kinds: Mapping[str, Any],
    part: Part,
    answers: Mapping[str, Any],
    *,
    move: str | None = None,
) -> list[Template]:
    """Return the templates of a file; in that of several moves a kind says itself which ones."""
    found = []
    for name, kind in kinds.items():
        moves = tuple(kind.get("moves", [move] if move else []))
        bodies = kind.get("be") or answers["bodies"].get(moves[-1:] and moves[-1], ())
        questions = kind[part] if isinstance(kind[part], dict) else dict.fromkeys(kind[part], ())
        for number, (text, given) in enumerate(questions.items()):
            inputs = (given,) if isinstance(given, str) else tuple(given)
            found.append(
                Template(
                    id=f"{tool or moves[0]}/{name}/{part}/{number}",
                    kind=f"{tool or moves[0]}/{name}",
                    text=text,
                    moves=moves,
                    inputs=inputs if moves else (),
                    topic=kind.get("topic") or (name if move == "web_search" else None),
                    holds=kind.get("holds"),
                    bodies=tuple(bodies) if moves else inputs,
                )
            )
    return found


@functools.cache
def thoughts() -> Mapping[str, str]:
    """Return the fixed thoughts: of each tool, of any ``other``, of an ``answer`` and of mere ``talk``."""
    found: dict[str, str] = _file("answers")["thoughts"]
    return found


def _file(name: str) -> dict[str, Any]:
    import yaml

    text = resources.files(__package__).joinpath("material", f"{name}.yaml").read_text(encoding="utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    return data
