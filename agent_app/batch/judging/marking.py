"""What becomes of answers before they are handed on: repeats vote, and a judge says what is right.

Both are worked out from the journal anew each time, so that neither costs a call of the model: a finished
batch can be judged in another way, or be voted on, by running it again.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from agent_app.batch.judging.judges import Judge, Verdict, judge_for, verdict
from agent_app.batch.judging.scores import Scores
from agent_app.batch.judging.voting import Ballot, outcome_of
from agent_app.batch.output import AnswerRow
from agent_app.errors import SettingError


class Marking:
    """Marks the answers of a batch.

    Args:
        judge: says what is right; None: by what each row expects.
        repeat: how often each question is asked.
        vote: whether its repeats become one row.

    Raises:
        SettingError: there is nobody to vote.
    """

    def __init__(self, judge: Judge | None = None, repeat: int = 1, *, vote: bool = False) -> None:
        if repeat < 1:
            raise SettingError(f"repeat is {repeat!r}; it takes a whole number above 0")
        if vote and repeat == 1:
            raise SettingError("a vote takes several repeats of each question, such as 3")
        self.repeat = repeat
        self.scores = Scores()
        """Of the rows that were handed on."""
        self._judge = judge or judge_for(None)
        self._ballot = Ballot(repeat) if vote else None

    async def marked(self, number: int, answer: AnswerRow) -> AnswerRow | None:
        """Return a row with its marks, or None if it waits for other repeats to vote.

        Args:
            number: which row it is, repeats counted.
            answer: what came of it.
        """
        final = self._ballot.add(number, answer) if self._ballot else answer
        if final is None:
            return None
        row = final.to_dict()
        said = await self._verdict(row)
        self.scores.add(row | said.fields)
        return dataclasses.replace(final, **said.fields) if said.judge else final

    async def _verdict(self, row: dict[str, Any]) -> Verdict:
        if self._judge.is_slow:
            return await asyncio.to_thread(verdict, self._judge, row)
        return verdict(self._judge, row)

    def tally(self, statuses: Iterable[str]) -> Counter[str]:
        """Count rows by what has come of them; where repeats vote, they are one row."""
        if self._ballot is None:
            return Counter(statuses)
        return Counter(outcome_of(group) for group in _groups(statuses, self.repeat))


def _groups(values: Iterable[str], size: int) -> Iterator[tuple[str, ...]]:
    rest = iter(values)
    while group := tuple(islice(rest, size)):
        yield group
