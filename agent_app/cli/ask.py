"""`agent-app ask`: one question, its steps on stderr, its answer on stdout."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from agent_app.cli import options
from agent_app.cli.fetching import make_sure
from agent_app.cli.waiting import waiting
from agent_app.errors import QuestionError
from agent_app.events import Event, Finished, Said, Started, Stepped
from agent_app.prompt import library_folders, load_prompt
from agent_app.prompt.inputs import Value
from agent_app.steps import Answer, Observation, Result, Step, Unreadable
from agent_app.terminal import Writer, clean_json, stderr, stdout


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

        agent = Agent(
            settings.model,
            loaded,
            tools=[] if no_tools else tools or None,
            max_steps=settings.max_steps,
            max_seconds=settings.max_seconds,
            settings=settings,
        ).open()
    result = _show(agent.stream(asked), steps=not quiet, answer=not as_json)
    if as_json:
        sys.stdout.write(clean_json(result.to_json(indent=2)) + "\n")
    if verbose:
        _account(result, stderr())
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


def _show(events: Iterator[Event], *, steps: bool, answer: bool) -> Result:
    """Write a run as it goes on, and return its result; however it ends, no line is left open."""
    out, err = stdout(), stderr()
    begun = ""
    with contextlib.ExitStack() as at_the_end:
        at_the_end.callback(out.end_line)
        at_the_end.callback(err.end_line)
        wait = at_the_end.enter_context(waiting("reading"))
        for event in events:
            if not isinstance(event, Started):
                wait.end()
            match event:
                case Said(kind="answer", text=text) if answer:
                    err.end_line()
                    out.write(text)
                case Said(kind=kind, text=text) if steps and kind != "answer":
                    if kind != begun:
                        err.end_line()
                        err.write(f"{_LABELS[kind]}: ", dim=True)
                    begun = kind
                    err.write(text, dim=True)
                case Stepped(step=step):
                    begun = ""
                    if steps:
                        _show_step(step, err)
                    # Not beside an answer: the sign takes its whole line with it when it goes.
                    if not isinstance(step, Answer):
                        wait.begin()
                case Finished(result=result):
                    return result
    raise AssertionError("a run ends with its result")


_LABELS = {"thought": "Thought", "tool": "Action", "input": "Action Input"}


def _show_step(step: Step, err: Writer) -> None:
    """Write what of a step has not been written while it was on its way."""
    err.end_line()
    if isinstance(step, Observation):
        err.line(f"Observation: {step.text}", dim=True)
    elif isinstance(step, Unreadable):
        err.line("(a reply that could not be read)", dim=True)


def _account(result: Result, err: Writer) -> None:
    """Write what a run cost and what was forgiven in it."""
    usage = result.usage
    for number, step in enumerate(result.steps, 1):
        for repair in getattr(step, "repairs", ()):
            err.line(f"step {number}: forgiven: {repair}", dim=True)
    cached = f", {usage.cached_tokens} of them from the cache" if usage.cached_tokens else ""
    err.line(
        f"{result.model}, prompt {result.prompt.name} {result.prompt.version} ({result.prompt.hash[:12]}): "
        f"{usage.calls} calls, {usage.prompt_tokens} prompt tokens{cached}, "
        f"{usage.completion_tokens} written, {usage.seconds:.1f} s",
        dim=True,
    )


def _exit_code(result: Result, err: Writer) -> int:
    if result.stopped_by:
        rest = "the answer is the best from what there was" if result.text else "there is no answer"
        err.line(f"agent-app: stopped by the limit of {result.stopped_by}; {rest}")
    if result.stopped_by in ("steps", "seconds"):
        return 3
    return 0 if result.text else 1
