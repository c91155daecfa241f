"""A session as a document for people, and as plain data for programs."""

from __future__ import annotations

import json
import re
from typing import Any

from agent_app.sessions.session import Session, StoredRun
from agent_app.steps import Action, Answer, Observation, Step, Unreadable


def as_dict(session: Session) -> dict[str, Any]:
    """Return a session as plain data, each result as `Result.to_dict` gives it."""
    return {
        "id": session.id,
        "title": session.title,
        "created": session.created.isoformat(),
        "parent": session.parent,
        "runs": [
            {
                "position": run.position,
                "begun": run.begun.isoformat(),
                "ended": run.ended and run.ended.isoformat(),
                "result": run.result.to_dict(),
            }
            for run in session.runs()
        ],
    }


def as_markdown(session: Session) -> str:
    """Return a session as a Markdown document: each question, the steps, and the answer."""
    head = f"# {session.title or session.id}\n"
    return "\n".join([head, *(_turn(run) for run in session.runs())])


def _turn(run: StoredRun) -> str:
    result = run.result
    facts = (
        f"{run.begun:%Y-%m-%d %H:%M} UTC, {result.model}, prompt {result.prompt.name} {result.prompt.version}"
    )
    steps = "\n".join(written(step) for step in result.steps if not isinstance(step, Answer))
    parts = [f"## {run.position}", _quoted(result.question), f"*{facts}*"]
    parts += [_fenced(steps)] if steps else []
    parts += [result.text] if result.text else []
    if result.stopped_by is not None:
        parts.append(f"*Stopped by: {result.stopped_by}{': ' + result.error if result.error else ''}*")
    return "\n\n".join(parts) + "\n"


def written(step: Step) -> str:
    """Return a step as text, the way it stands in a prompt."""
    match step:
        case Action(tool=tool, input=given, thought=thought):
            text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
            return _line("Thought", thought) + f"Action: {tool}\nAction Input: {text}"
        case Observation(text=text):
            return f"Observation: {text}"
        case Unreadable(text=text):
            return f"(a reply that could not be read) {text}"
        case Answer(text=text, thought=thought):
            return _line("Thought", thought) + f"Final Answer: {text}"


def _line(label: str, text: str) -> str:
    return f"{label}: {text}\n" if text else ""


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def _fenced(text: str) -> str:
    """Put a text between fences that are longer than any in it."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}text\n{text}\n{fence}"
