"""`agent-app ask`: one question, its steps on stderr, its answer on stdout."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from agent_app.cli import options
from agent_app.cli.fetching import make_sure
from agent_app.cli.piped import LONGEST, piped_text, whole_stdin, with_piped
from agent_app.cli.showing import account, as_json_lines, show
from agent_app.cli.waiting import waiting
from agent_app.errors import QuestionError
from agent_app.prompt import library_folders, load_prompt
from agent_app.steps import Result
from agent_app.terminal import Writer, clean_json, stderr


@click.command()
@click.argument("question", nargs=-1)
@options.together(options.model, options.prompt, options.tools_dir, options.prompts_dir, options.params)
@options.together(options.persona, options.tools)
@click.option("--no-tools", is_flag=True, help="Offer no tool.")
@click.option(
    "--max-steps",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"Tool calls that a question may take {options.unless('max_steps')}.",
)
@click.option(
    "--max-seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="S",
    help=f"Seconds that a question may take {options.unless('max_seconds')}.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole run as one JSON object on stdout.")
@click.option(
    "--events", "as_events", is_flag=True, help="Print what happens as it happens, as lines of JSON."
)
@click.option("-q", "--quiet", is_flag=True, help="Show no steps.")
@click.option(
    "-v", "--verbose", is_flag=True, help="Show what was forgiven in the replies, tokens and times too."
)
@options.yes
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
    """Answer QUESTION, step by step and with the help of tools.

    What is piped in stands below the question; without a question it is the question, and "-" waits for
    it however long it takes. Otherwise stdin is left alone when nothing comes within 5 seconds.

    \b
    Examples:
      agent-app ask "What is 23 * 47?"
      cat report.txt | agent-app ask "Summarise this"
      agent-app ask -t calculator --json "15% of 240" | jq .text
      agent-app ask -m openai:gpt-4o-mini --max-seconds 30 "Who was Anne Bonny?"
      echo "How late is it in Tokyo?" | agent-app ask -

    The answer goes to stdout, the steps to stderr as they happen.

    Exit codes: 0 answered; 1 there is no answer, or something failed; 2 the call or a setting is wrong;
    3 a limit ended the run early; 130 interrupted.

    Environment: AGENT_APP_MODEL, AGENT_APP_PROMPT and the other settings; OPENAI_API_KEY and
    OPENAI_BASE_URL for openai:NAME models.

    See also: agent-app models, agent-app prompts, agent-app tools, agent-app doctor.
    """
    if as_json and as_events:
        raise click.UsageError("--json and --events both want stdout; give one of them")
    text = _question(question)
    settings = options.settings(
        model=model,
        prompt=prompt,
        tools_dir=tools_dir,
        prompts_dir=prompts_dir,
        max_steps=max_steps,
        max_seconds=max_seconds,
    )
    loaded = load_prompt(settings.prompt, folders=library_folders(settings.prompts_dir), persona=persona)
    values = options.values(params, loaded)
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
        )
        # What is wrong with the call itself is said before a model is fetched.
        loaded.draft(text, agent.toolbox.describe(), agent.toolbox.names, **values)
    make_sure(settings, yes=yes)
    with waiting("loading"):
        agent.open()
    events = agent.stream({"input": text, **values})
    result = as_json_lines(events) if as_events else show(events, steps=not quiet, answer=not as_json)
    if as_json:
        sys.stdout.write(clean_json(result.to_json(indent=2)) + "\n")
    if verbose:
        account(result, stderr())
    sys.exit(_exit_code(result, stderr()))


def _question(words: tuple[str, ...]) -> str:
    """Return what is asked: the words, and below them what is piped in; or that alone."""
    text = whole_stdin() if words == ("-",) else with_piped(" ".join(words), piped_text())
    if not text.strip():
        raise QuestionError('there is no question; write agent-app ask "What is 23 * 47?"')
    if len(text) > LONGEST:
        raise QuestionError(f"the question has {len(text):,} characters; at most {LONGEST:,} are taken")
    return text


def _exit_code(result: Result, err: Writer) -> int:
    if result.stopped_by:
        rest = "the answer is the best from what there was" if result.text else "there is no answer"
        err.line(f"agent-app: stopped by the limit of {result.stopped_by}; {rest}")
    if result.stopped_by in ("steps", "seconds", "tokens", "cost"):
        return 3
    return 0 if result.text else 1
