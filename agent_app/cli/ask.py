"""`agent-app ask`: one question, its steps on stderr, its answer on stdout."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from agent_app.cli import options
from agent_app.cli.fetching import make_sure
from agent_app.cli.showing import account, as_json_lines, show
from agent_app.cli.waiting import waiting
from agent_app.errors import QuestionError
from agent_app.prompt import library_folders, load_prompt
from agent_app.prompt.inputs import Value
from agent_app.steps import Result
from agent_app.terminal import Writer, clean_json, stderr


@click.command()
@click.argument("question", nargs=-1)
@options.together(options.model, options.prompt, options.tools_dir, options.prompts_dir, options.params)
@click.option("--persona", metavar="NAME", help="Another voice for the prompt, such as butler or noir.")
@click.option(
    "-t", "--tool", "tools", multiple=True, metavar="NAME", help="Offer only this tool (may be repeated)."
)
@click.option("--no-tools", is_flag=True, help="Offer no tool.")
@click.option("--max-steps", type=click.IntRange(min=1), metavar="N", help="Tool calls a question may take.")
@click.option(
    "--max-seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="S",
    help="Time a question may take.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole run as one JSON object on stdout.")
@click.option(
    "--events", "as_events", is_flag=True, help="Print what happens as it happens, as lines of JSON."
)
@click.option("-q", "--quiet", is_flag=True, help="Show no steps.")
@click.option(
    "-v", "--verbose", is_flag=True, help="Show what was forgiven in the replies, tokens and times too."
)
@click.option("-y", "--yes", is_flag=True, help="Fetch the model without asking when it is not here yet.")
def ask(
    question: tuple[str, ...],
    model: str | None,
    prompt: str | None,
    tools_dir: Path | None,
    prompts_dir: Path | None,
    params: tuple[str, ...],
    persona: str | None,
    tools: tuple[str, ...],
    no_tools: bool,
    max_steps: int | None,
    max_seconds: float | None,
    as_json: bool,
    as_events: bool,
    quiet: bool,
    verbose: bool,
    yes: bool,
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
    settings = options.settings(
        model=model,
        prompt=prompt,
        tools_dir=tools_dir,
        prompts_dir=prompts_dir,
        max_steps=max_steps,
        max_seconds=max_seconds,
    )
    loaded = load_prompt(settings.prompt, folders=library_folders(settings.prompts_dir), persona=persona)
    asked |= options.values(params, loaded)
    make_sure(settings, yes=yes)
    with waiting("loading"):
        from agent_app.agent import Agent
        from agent_app.retrying import Retry

        agent = Agent(
            settings.model,
            loaded,
            tools=[] if no_tools else tools or None,
            max_steps=settings.max_steps,
            max_seconds=settings.max_seconds,
            call_seconds=settings.call_seconds,
            tool_seconds=settings.tool_seconds,
            retry=Retry(attempts=settings.attempts),
            settings=settings,
        ).open()
    events = agent.stream(asked)
    result = as_json_lines(events) if as_events else show(events, steps=not quiet, answer=not as_json)
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
