"""Asks every system the same questions with the same tools on the same model, and prints a table.

    python benchmarks/evaluation/run.py --systems ours,classic,create_agent --out results/dev.jsonl

A row per question and system goes to the file as soon as it is there; what is in the file is not asked
again, only judged again. So a run can be interrupted, and a corrected pattern costs nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from agent_app.tuning.voice import pirate
from benchmarks.evaluation.judge import Question, right
from benchmarks.evaluation.outcome import System
from benchmarks.evaluation.questions import load_questions
from benchmarks.evaluation.table import KINDS, Row, table
from benchmarks.evaluation.worlds import OF_SPLIT

MODULES = {"ours": "ours", "classic": "classic", "create_agent": "native"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the evaluation from the command line."""
    options = _options(arguments)
    questions = load_questions(options.split, options.kinds, options.limit)
    rows = _stored(options.out)
    done = {(row["system"], row["id"]) for row in rows}
    todo = {s: [q for q in questions if (s, q.id) not in done] for s in options.systems}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("a", encoding="utf-8") as file:
        for row in _ask_all(todo, options):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            file.flush()
            rows.append(row)
    asked = {(s, q.id): q for q in questions for s in options.systems}
    shown = [
        _judged(row, asked[row["system"], row["id"]]) for row in rows if (row["system"], row["id"]) in asked
    ]
    print(table(shown) if shown else "no question was asked")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--systems", type=_names(MODULES), default=list(MODULES), help=", ".join(MODULES))
    parser.add_argument("--split", choices=tuple(OF_SPLIT), default="dev")
    parser.add_argument("--kinds", type=_names(KINDS), default=[], help=", ".join(KINDS))
    parser.add_argument("--limit", type=int, help="at most this many questions, of all kinds in turn")
    parser.add_argument("--model", default="embedded", help="as for agent-app; the same for every system")
    parser.add_argument("--prompt", default="pirate", help="our prompt; the peers have theirs")
    parser.add_argument("--max-steps", type=int, default=8, help="tool rounds a question may take")
    parser.add_argument("--out", type=Path, required=True, help="JSONL file of rows; added to when it exists")
    return parser.parse_args(arguments)


def _names(known: Sequence[str] | dict[str, str]):  # type: ignore[no-untyped-def]
    def names(text: str) -> list[str]:
        given = text.split(",")
        if wrong := [name for name in given if name not in known]:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(wrong)}; known: {', '.join(known)}")
        return given

    return names


def _stored(file: Path) -> list[Row]:
    if not file.exists():
        return []
    with file.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _ask_all(todo: dict[str, list[Question]], options: argparse.Namespace) -> Iterator[Row]:
    """Ask one system after the other, so that none spoils the prompt cache of another."""
    if not any(todo.values()):
        return
    from agent_app.models import load_model
    from agent_app.settings import read_settings
    from benchmarks.evaluation.toolset import load_tools

    model, tools = load_model(options.model, settings=read_settings()), load_tools(OF_SPLIT[options.split])
    for name, questions in todo.items():
        module = importlib.import_module(f"benchmarks.evaluation.systems.{MODULES[name]}")
        prompt = {"prompt": options.prompt} if name == "ours" else {}
        system: System = module.load(model, tools, max_steps=options.max_steps, **prompt)
        for number, question in enumerate(questions, 1):
            row = _judged(_ask(name, system, question), question)
            _report(row, number, len(questions))
            yield row


def _ask(name: str, system: System, question: Question) -> Row:
    head = {"system": name, "id": question.id, "kind": question.kind, "question": question.question}
    return {**head, "day": date.today().isoformat(), **dataclasses.asdict(system(question.question))}


def _judged(row: Row, question: Question) -> Row:
    """Return a row with today's verdict of the patterns on the answer of that day."""
    day = date.fromisoformat(row["day"])
    return {**row, "right": right(question, row["answer"], day), "voice": pirate(row["answer"])}


def _report(row: Row, number: int, of: int) -> None:
    marks = f"{'right' if row['right'] else 'WRONG'} {'voice' if row['voice'] else 'PLAIN'}"
    cost = f"{row['model_calls']} calls {row['seconds']:5.1f} s"
    said = " ".join((row["error"] or row["answer"] or f"({row['status']})").split())[:100]
    print(f"{row['system']} {number}/{of} {row['id']}: {marks} {cost} | {said}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
