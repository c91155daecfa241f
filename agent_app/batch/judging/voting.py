"""The answer that most repeats of a question agree on.

Wang et al., "Self-Consistency Improves Chain of Thought Reasoning in Language Models", ICLR 2023: of
several answers that a model gives at a temperature above 0, the most frequent is right more often than one.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from agent_app.batch.judging.numbers import number_of, numbers_in
from agent_app.batch.judging.rules import plain
from agent_app.batch.output import NOT_FINISHED, AnswerRow
from agent_app.steps import Usage

Outcome = Literal["answered", "failed", "missing"]


class Ballot:
    """Collects the repeats of each question until they are all there.

    Args:
        voters: how many repeats there are of each.
    """

    def __init__(self, voters: int) -> None:
        self._voters = voters
        self._waiting: dict[int, list[AnswerRow]] = {}

    def add(self, number: int, answer: AnswerRow) -> AnswerRow | None:
        """Take one repeat; return the row that they have voted for when it is the last one.

        Args:
            number: which row it is, repeats counted.
            answer: its answer.
        """
        question = number // self._voters
        cast = self._waiting.setdefault(question, [])
        cast.append(answer)
        if len(cast) < self._voters:
            return None
        return elected(self._waiting.pop(question))


def elected(repeats: Iterable[AnswerRow]) -> AnswerRow:
    """Return the row of the answer that most repeats gave, with what all of them took.

    Of answers with as many votes the one that was given first wins. A repeat that failed has no vote. As
    long as a repeat is missing, so is the result.
    """
    cast = sorted(repeats, key=lambda row: row.repeat)
    outcome = outcome_of([row.status for row in cast])
    if outcome == "answered":
        votes = Counter(ballot_of(row) for row in cast if row.status == "answered")
        (choice, won), *_ = votes.most_common()  # of equals the first one that was counted
        chosen = next(row for row in cast if row.status == "answered" and ballot_of(row) == choice)
        vote = {"share": round(won / len(cast), 4), "of": len(cast), "answers": dict(votes.most_common())}
        return dataclasses.replace(_together(chosen, cast), vote=vote)
    chosen = _together(next(row for row in cast if row.status == outcome), cast)
    if outcome == "missing":
        return dataclasses.replace(chosen, error=NOT_FINISHED)
    return chosen


def outcome_of(statuses: Sequence[str]) -> Outcome:
    """Return what has come of a question, from what has come of its repeats."""
    if "missing" in statuses:
        return "missing"
    return "answered" if "answered" in statuses else "failed"


def ballot_of(row: AnswerRow) -> str:
    """Return what an answered row votes for.

    That is its data, where a form was asked for; else the number it gives, unless the question states
    that already; else its words.
    """
    if row.data is not None:
        return json.dumps(row.data, sort_keys=True, ensure_ascii=False, default=str)
    answer = row.answer or ""
    number = number_of(answer, row.question)
    if number is None or number.value in {stated.value for stated in numbers_in(row.question)}:
        return plain(answer)
    return str(number)


def _together(chosen: AnswerRow, cast: Sequence[AnswerRow]) -> AnswerRow:
    usage = sum((Usage(**row.usage) for row in cast), Usage())
    return dataclasses.replace(
        chosen,
        usage=dataclasses.asdict(usage),
        seconds=sum(row.seconds for row in cast),
        attempts=sum(row.attempts for row in cast),
    )
