"""`agent-app log`: the sessions that were kept; listing, showing, searching, exporting and deleting them."""

from __future__ import annotations

import dataclasses
import json
import sys
from datetime import datetime
from typing import Any

import click

from agent_app.cli.columns import columns
from agent_app.places import session_file
from agent_app.sessions import Session, Store, StoredRun, as_dict, as_markdown
from agent_app.sessions.export import written
from agent_app.steps import Answer
from agent_app.terminal import Writer, clean_line, stderr, stdout, write_json

_MANY = 20
_MOST = 10**9
"""What can be asked for; much larger numbers the database does not know."""
_NOT_CONFIRMED = 130

_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_limit = click.option(
    "-n", "--limit", type=click.IntRange(1, _MOST), default=_MANY, show_default=True, help="How many at most."
)


@click.group(invoke_without_command=True)
@click.pass_context
def log(ctx: click.Context) -> None:
    """List, show, search, export or delete the sessions that were kept.

    \b
    Examples:
      agent-app log
      agent-app log show k3f
      agent-app log search "tides Amsterdam"
      agent-app log export k3f --format markdown > tides.md
      agent-app log delete k3f

    An ID may be cut short, as long as only one session begins so. Without one, show and export take the
    latest session.

    Exit codes: 0 done; 1 nothing was found; 2 there is no such session, or the file cannot be read; 130 a
    deletion was not confirmed.

    See also: agent-app chat.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_)


@log.command("list", short_help="List the sessions.")
@_limit
@_as_json
def list_(limit: int = _MANY, as_json: bool = False) -> None:
    """List the sessions, the last changed first: id, when, title, how many questions, model.

    \b
    Examples:
      agent-app log list
      agent-app log list -n 100 --json | jq -r ".[].title"

    Exit codes: 0 done; 2 the file cannot be read.
    """
    with _store() as store:
        sessions = store.sessions(limit + 1)
    if as_json:
        _print_json([dataclasses.asdict(session) for session in sessions[:limit]])
        return
    rows = [
        (info.id, _when(info.changed), info.title, f"{info.runs} run{'s' * (info.runs != 1)}", info.model)
        for info in sessions[:limit]
    ]
    for line in columns(rows):
        stdout().line(line)
    if not sessions:
        stderr().line("no session has been kept yet")
    elif len(sessions) > limit:
        stderr().line(f"only the last {limit} are shown; -n shows more")


@log.command(short_help="Show a session: its questions, steps and answers.")
@click.argument("id", required=False)
@click.option("-q", "--quiet", is_flag=True, help="Show no steps.")
@_as_json
def show(id: str | None, quiet: bool, as_json: bool) -> None:  # noqa: A002 - the word the help uses
    """Show the session ID, or the latest one: each question, its steps, and the answer.

    \b
    Examples:
      agent-app log show
      agent-app log show k3f --quiet
      agent-app log show k3f --json | jq ".runs[].result.usage"

    Exit codes: 0 done; 2 there is no such session, or the file cannot be read.
    """
    with _store() as store:
        session = _session(store, id)
        if as_json:
            _print_json(as_dict(session))
            return
        out = stdout()
        out.line(clean_line(f"{session.id}  {session.title}"))
        if session.parent:
            out.line(f"forked from {session.parent}", dim=True)
        for run in session.runs():
            _show_run(run, out, steps=not quiet)


def _show_run(run: StoredRun, out: Writer, *, steps: bool) -> None:
    result = run.result
    out.line()
    out.line(clean_line(f"{run.position}  {_when(run.begun)}  {result.model}"), dim=True)
    out.line(f"Question: {result.question}")
    for step in result.steps if steps else ():
        if not isinstance(step, Answer):
            out.line(written(step), dim=True)
    if result.text:
        out.line(f"Answer: {result.text}")
    if result.stopped_by is not None:
        why = f": {result.error}" if result.error else ""
        out.line(clean_line(f"(stopped by: {result.stopped_by}{why})"), dim=True)


@log.command(short_help="Find words in questions, answers and observations.")
@click.argument("text", nargs=-1, required=True)
@_limit
@_as_json
def search(text: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Find the runs in whose question, answer and observations all the words of TEXT stand.

    \b
    Examples:
      agent-app log search tides amsterdam
      agent-app log search '"high tide"' --json

    A word is found by its beginning; words within double quotes, as they follow each other.

    Exit codes: 0 done; 1 nothing was found; 2 the file cannot be read.
    """
    words = " ".join(text)
    with _store() as store:
        found = store.search(words, limit)
    if as_json:
        _print_json([dataclasses.asdict(one) for one in found])
    else:
        rows = [(f.session, f"run {f.run}", _when(f.begun), f.place, f.snippet) for f in found]
        for line in columns(rows):
            stdout().line(line)
    if not found:
        stderr().line(clean_line(f"nothing was found for {words!r}"))
        sys.exit(1)


@log.command(short_help="Write a session as Markdown or JSON to stdout.")
@click.argument("id", required=False)
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(["markdown", "json"]),
    default="markdown",
    show_default=True,
    help="What to write.",
)
def export(id: str | None, form: str) -> None:  # noqa: A002
    """Write the session ID, or the latest one, to stdout: a document to read, or all of its data.

    \b
    Examples:
      agent-app log export k3f > session.md
      agent-app log export k3f --format json > session.json

    Exit codes: 0 done; 2 there is no such session, or the file cannot be read.
    """
    with _store() as store:
        session = _session(store, id)
        if form == "json":
            _print_json(as_dict(session))
        else:
            stdout().write(as_markdown(session))


@log.command(short_help="Delete a session for good.")
@click.argument("id")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def delete(id: str, yes: bool) -> None:  # noqa: A002
    """Delete the session ID for good; sessions that were forked from it stay.

    \b
    Examples:
      agent-app log delete k3f
      agent-app log delete k3f --yes

    Exit codes: 0 it is gone; 2 there is no such session, or the file cannot be read; 130 not confirmed.
    """
    with _store() as store:
        session = store.session(id)
        name = clean_line(f"{session.id} ({session.title})")
        if not yes:
            if not (sys.stdin.isatty() and sys.stderr.isatty()):
                raise click.UsageError(f"there is nobody to ask whether to delete {name}; give --yes")
            if not click.confirm(f"Delete the session {name}?", err=True):
                stderr().line("nothing was deleted")
                sys.exit(_NOT_CONFIRMED)
        store.delete(session.id)
    stderr().line(f"deleted {name}")


def _store() -> Store:
    """Open the sessions; where there are none yet, no file is made just to look into it."""
    return Store.open() if session_file().exists() else Store.in_memory()


def _session(store: Store, id_: str | None) -> Session:
    session = store.latest() if id_ is None else store.session(id_)
    if session is None:
        raise click.UsageError("no session has been kept yet")
    return session


def _when(time: datetime) -> str:
    """Return a time as the clock here shows it."""
    return f"{time.astimezone():%Y-%m-%d %H:%M}"


def _print_json(data: Any) -> None:
    write_json(sys.stdout, json.dumps(data, ensure_ascii=False, indent=2, default=datetime.isoformat))
