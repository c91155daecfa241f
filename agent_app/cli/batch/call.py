"""What `agent-app batch run` takes: the options of its files and of its limits, and all that was given."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent_app.batch.journal.journal import SUFFIX
from agent_app.batch.journal.spare import spare_of
from agent_app.batch.on_ray.files import is_remote, local_name
from agent_app.batch.output import part_of
from agent_app.cli import options
from agent_app.cli.agents import ABOVE_NONE, Basics

if TYPE_CHECKING:
    from agent_app.batch.running import How

STDIO = "-"


class _Concurrency(click.ParamType[int | str]):
    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        if value == "auto":
            return "auto"
        try:
            number = int(value)
        except ValueError:
            number = 0
        if number < 1:
            self.fail(f"{value!r} is neither a number of rows above 0 nor auto", param, ctx)
        return number


class _Limit(click.FloatRange):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is no number above 0; without a limit, leave the option out", param, ctx)
        return number


_LIMIT = _Limit(min=0, min_open=True)


class _Errors(click.ParamType[float]):
    name = "number or share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value)
        try:
            number = float(text.removesuffix("%")) / 100 if text.endswith("%") else float(int(text))
        except (ValueError, OverflowError):
            number = 0
        if not number > 0 or (text.endswith("%") and number >= 1):
            self.fail(f"{value!r} is neither a number of rows above 0 nor a share such as 5%", param, ctx)
        return number


file_options = options.together(
    click.argument("questions", metavar="QUESTIONS"),
    click.option(
        "-o", "--output", default=STDIO, metavar="FILE", help="The answers, as JSONL or CSV; - is stdout."
    ),
    click.option(
        "--journal",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="What a broken run goes on from; by default beside the answers.",
    ),
    click.option(
        "--format",
        "kind",
        type=click.Choice(["txt", "jsonl", "csv"]),
        help="Of the questions; else their suffix.",
    ),
    click.option(
        "--field", default="question", show_default=True, metavar="NAME", help="What holds the question."
    ),
    click.option(
        "--id-field", default="id", show_default=True, metavar="NAME", help="What holds a row's own id."
    ),
    click.option("--skip-bad", is_flag=True, help="Leave out bad rows instead of refusing the file."),
    click.option("--as-completed", is_flag=True, help="Write each answer when it is there, not in order."),
)
run_options = options.together(
    click.option("--fresh", is_flag=True, help="Begin anew; earlier answers are thrown away."),
    click.option("--accept-change", is_flag=True, help="Go on although prompt, model or tools have changed."),
    click.option("--retry-errors", is_flag=True, help="Ask again what failed in an earlier run."),
    click.option("--max-errors", type=_Errors(), metavar="N|N%", help="Stop when so many rows have failed."),
    click.option(
        "--concurrency",
        type=_Concurrency(),
        default="auto",
        show_default=True,
        metavar="N|auto",
        help="Rows at the same time.",
    ),
    click.option("--rpm", type=_LIMIT, metavar="N", help="Calls of the model a minute, at most."),
    click.option("--tpm", type=_LIMIT, metavar="N", help="Tokens a minute, at most."),
    click.option(
        "--max-cost",
        type=_LIMIT,
        metavar="USD",
        help="What the whole run may cost; with --engine ray, rows on their way at the limit may exceed it.",
    ),
    click.option(
        "--max-tokens",
        type=ABOVE_NONE,
        metavar="N",
        help="Tokens the whole run may take; with --engine ray, likewise.",
    ),
    click.option("--max-seconds", type=_LIMIT, metavar="S", help="After that, no further row begins."),
)
effort_options = options.together(
    click.option(
        "--attempts", type=ABOVE_NONE, metavar="N", help="Attempts a row has when its server fails."
    ),
    click.option("-q", "--quiet", is_flag=True, help="Show no progress."),
)


@dataclass(frozen=True, kw_only=True)
class Call(Basics):
    """What `agent-app batch run` was called with; `max_seconds` and the like are of the whole run."""

    questions: str
    output: str
    journal: Path | None
    kind: Any
    field: str
    id_field: str
    skip_bad: bool
    as_completed: bool
    judge: str
    repeat: int
    vote: bool
    temperature: float | None
    fallbacks: tuple[str, ...]
    fresh: bool
    accept_change: bool
    retry_errors: bool
    max_errors: float | None
    concurrency: int | str
    rpm: float | None
    tpm: float | None
    max_cost: float | None
    max_tokens: int | None
    max_seconds: float | None
    attempts: int | None
    quiet: bool
    engine: str
    address: str | None
    actors: int | None
    cpus_per_actor: int | None
    worker_env: tuple[str, ...]

    @property
    def on_ray(self) -> bool:
        """Whether the rows are asked on a Ray cluster."""
        return self.engine == "ray"

    @property
    def path(self) -> Path | None:
        """The file of answers; None: they go to stdout."""
        return None if self.output == STDIO else local_name(self.output)

    @functools.cached_property
    def is_piped(self) -> bool:
        """Whether the questions can be read but once, from stdin or from a pipe that has a name."""
        path = Path(self.questions)
        return self.questions == STDIO or (path.exists() and not path.is_file() and not path.is_dir())

    @property
    def journal_path(self) -> Path | None:
        """The journal's file: beside the answers, or beside the questions where those go to stdout."""
        beside = self.path or (None if self.is_piped else local_name(self.questions))
        return self.journal or (None if beside is None else beside.parent / (beside.name + SUFFIX))

    @property
    def files(self) -> dict[str, str]:
        """Every file that is read or written, by what it holds."""
        found = {"the questions": "/dev/stdin" if self.questions == STDIO else self.questions}
        if self.path is not None:
            found["the answers"] = self.output
            if not is_remote(self.output):
                found["the unfinished answers"] = str(part_of(self.path.resolve()))
        if self.journal_path is not None:
            found["the journal"] = str(self.journal_path)
            found["the journal's spare room"] = str(spare_of(self.journal_path))
        return found

    @property
    def how(self) -> How:
        """How the batch is to be run."""
        given = {
            "concurrency": self.concurrency,
            "calls_per_minute": self.rpm,
            "tokens_per_minute": self.tpm,
            "retry_errors": self.retry_errors,
            "max_errors": self.max_errors,
            "max_seconds": self.max_seconds,
            "fresh": self.fresh,
            "accept_change": self.accept_change,
            "repeat": self.repeat,
            "vote": self.vote,
        }
        how: Any = {name: value for name, value in given.items() if value is not None}
        asked: How = how
        return asked
