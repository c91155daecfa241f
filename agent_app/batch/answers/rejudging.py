"""Judges a file of answers again, in another way, without asking a model."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent_app.batch.answers.reading import read_answers
from agent_app.batch.judging.judges import Judge, verdict
from agent_app.batch.judging.scores import Scores
from agent_app.batch.output import AnswerFile, file_at, part_of
from agent_app.errors import BatchError


def judge_again(path: Path, judge: Judge, output: Path | Callable[[dict[str, Any]], object]) -> Scores:
    """Write the rows of a file of answers anew, with what a judge says of them.

    Args:
        path: the file.
        judge: says what is right.
        output: where the rows go: a file, JSONL or CSV, which may be the same one and is then replaced at
            the end; or what is called with each of them.

    Raises:
        BatchError: it is no file of answers, a row expects what the judge cannot judge, or a batch is
            still to write it.
    """
    if isinstance(output, Path) and part_of(file_at(output)).exists():
        part = part_of(output)
        raise BatchError(f"{part} is there: the batch that writes it has not ended; run it again first")
    names: dict[str, None] = {}
    for number, _, row in read_answers(path):
        try:
            judge.check(row["expected"])
        except ValueError as error:
            raise BatchError(f"{path}:{number}: {error}; nothing was judged") from error
        names.update(dict.fromkeys(row["fields"]))
    scores = Scores()
    with contextlib.ExitStack() as stack:
        if isinstance(output, Path):
            output = stack.enter_context(AnswerFile(output, names, whole=True)).add
        for _, _, row in read_answers(path):
            marked = row | verdict(judge, row).fields
            scores.add(marked)
            output(marked)
    return scores
