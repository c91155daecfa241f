"""`agent-app ask`: one question, its steps on stderr, its answer on stdout."""

from __future__ import annotations

import sys
from typing import Any

import click

from agent_app.cli.agents import Choices, agent_options
from agent_app.cli.approving import terminal_approver
from agent_app.cli.showing import Screen, account, as_json_lines
from agent_app.errors import QuestionError
from agent_app.prompt.inputs import Value
from agent_app.steps import Result
from agent_app.terminal import Writer, clean_json, stderr


@click.command()
@click.argument("question", nargs=-1)
@agent_options
@click.option("--json", "as_json", is_flag=True, help="Print the whole run as one JSON object on stdout.")
@click.option(
    "--events", "as_events", is_flag=True, help="Print what happens as it happens, as lines of JSON."
)
@click.option("-q", "--quiet", is_flag=True, help="Show no steps.")
@click.option(
    "-v", "--verbose", is_flag=True, help="Show what was forgiven in the replies, tokens and times too."
)
def ask(
    question: tuple[str, ...],
    as_json: bool,
    as_events: bool,
    quiet: bool,
    verbose: bool,
    **given: Any,
) -> None:
    """Answer QUESTION, or what comes in on stdin when it is "-".

    \b
    agent-app ask "What is 23 * 47?"
    agent-app ask -m openai:gpt-4o-mini "Which weekday was 20 July 1969?"
    agent-app ask -t calculator --json "15% of 240" | jq .text
    echo "How late is it in Tokyo?" | agent-app ask -
    """
    if as_json and as_events:
        raise click.UsageError("--json and --events both want stdout; give one of them")
    # What is wrong with the call itself is said before any model is fetched.
    asked: dict[str, Value] = {"input": _question(question)}
    choices = Choices(**given)
    settings = choices.settings()
    prompt, values = choices.loaded_prompt(settings)
    screen = Screen(steps=not quiet, answer=not as_json)
    agent = choices.agent(settings, prompt, screen.asking(terminal_approver()))
    events = agent.stream(asked | values)
    result = as_json_lines(events) if as_events else screen.show(events)
    if as_json:
        sys.stdout.write(clean_json(result.to_json(indent=2)) + "\n")
    if verbose:
        account(result, stderr())
    sys.exit(_exit_code(result, stderr()))


def _question(words: tuple[str, ...]) -> str:
    text = " ".join(words)
    if words == ("-",):
        try:
            text = sys.stdin.buffer.read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise QuestionError(f"what came in on stdin is not UTF-8 text: {error}") from error
    if not text.strip():
        raise QuestionError('there is no question; write agent-app ask "What is 23 * 47?"')
    return text


def _exit_code(result: Result, err: Writer) -> int:
    if result.stopped_by:
        rest = "the answer is the best from what there was" if result.text else "there is no answer"
        err.line(f"agent-app: stopped by the limit of {result.stopped_by}; {rest}")
    if result.stopped_by in ("steps", "seconds", "tokens", "cost"):
        return 3
    return 0 if result.text else 1
