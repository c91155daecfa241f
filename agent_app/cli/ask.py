"""`agent-app ask`: one question, its steps on stderr, its answer on stdout."""

from __future__ import annotations

import sys
from typing import Any

import click

from agent_app.cli.agents import Choices, agent_options
from agent_app.cli.approving import terminal_approver
from agent_app.cli.piped import piped_text, whole_stdin, with_piped
from agent_app.cli.showing import Screen, account, as_json_lines
from agent_app.errors import QuestionError
from agent_app.steps import LONGEST_QUESTION, Result
from agent_app.terminal import Writer, stderr, write_json


class _Asked(click.Command):
    """A command whose argument may begin as an option does, such as ``-5 + 3``; says how to write it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.possibilities:
                raise
            how = "before a question that begins with a dash write --, and options before that"
            raise click.UsageError(f"there is no option {error.option_name}; {how}") from error


@click.command(cls=_Asked)
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
    """Answer QUESTION, step by step and with the help of tools.

    What is piped in stands below the question; without a question it is the question, and "-" waits for
    it however long it takes. Otherwise stdin is left alone when nothing comes within 5 seconds. Within a
    loop that reads lines itself add "< /dev/null"; a file of questions is what `agent-app batch` is for.

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

    See also: agent-app batch, agent-app models, agent-app prompts, agent-app tools, agent-app doctor.
    """
    if as_json and as_events:
        raise click.UsageError("--json and --events both want stdout; give one of them")
    text = _question(question)
    choices = Choices(**given)
    settings = choices.settings()
    prompt, values = choices.loaded_prompt(settings)
    screen = Screen(steps=not quiet, answer=not as_json)
    agent = choices.agent(settings, prompt, values, screen.asking(terminal_approver()))
    events = agent.stream({"input": text, **values})
    result = as_json_lines(events) if as_events else screen.show(events)
    if as_json:
        write_json(sys.stdout, result.to_json(indent=2))
    if verbose:
        account(result, stderr())
    sys.exit(_exit_code(result, stderr()))


def _question(words: tuple[str, ...]) -> str:
    """Return what is asked: the words, and below them what is piped in; or that alone."""
    text = whole_stdin() if words == ("-",) else with_piped(" ".join(words), piped_text())
    if not text.strip():
        raise QuestionError('there is no question; write agent-app ask "What is 23 * 47?"')
    if len(text) > LONGEST_QUESTION:
        most = f"at most {LONGEST_QUESTION:,} are taken"
        raise QuestionError(f"the question has {len(text):,} characters; {most}")
    return text


def _exit_code(result: Result, err: Writer) -> int:
    if result.stopped_by:
        rest = "the answer is the best from what there was" if result.text else "there is no answer"
        err.line(f"agent-app: stopped by the limit of {result.stopped_by}; {rest}")
    if result.stopped_by in ("steps", "seconds", "tokens", "cost"):
        return 3
    return 0 if result.text else 1
