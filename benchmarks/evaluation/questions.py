"""Reads the questions of the evaluation."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable

from benchmarks.evaluation.judge import Question
from benchmarks.evaluation.worlds import OF_SPLIT


def load_questions(split: str = "all", kinds: Iterable[str] = (), limit: int | None = None) -> list[Question]:
    """Return the questions of a split and of some kinds, in the order of the file.

    Args:
        split: ``dev``, ``test`` or both of these as ``all``; or ``blind``.
        kinds: only these; empty means every kind.
        limit: at most this many, taken from the kinds in turn so that a small sample is a mixed one.

    Raises:
        KeyError: there is no such split.
        TypeError: a line has an unknown field or lacks one.
    """
    with (OF_SPLIT[split] / "questions.jsonl").open(encoding="utf-8") as lines:
        wanted = [q for q in (Question(**json.loads(line)) for line in lines) if split in ("all", q.split)]
    chosen = set(kinds)
    wanted = [q for q in wanted if not chosen or q.kind in chosen]
    if limit is None:
        return wanted
    seen: Counter[str] = Counter()
    turns: list[tuple[int, int, Question]] = []
    for question in wanted:
        turns.append((seen[question.kind], len(turns), question))
        seen[question.kind] += 1
    return [question for *_, question in sorted(turns)[:limit]]
