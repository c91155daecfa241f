"""`agent-app prompts new`: a prompt file to begin with, which has nothing wrong with it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from agent_app import places
from agent_app.cli import completing, options
from agent_app.cli.prompts.listing import say_shadowed
from agent_app.prompt import library_folders, list_prompts, new_prompt
from agent_app.prompt.creating import PATTERN, persona_names
from agent_app.terminal import clean_line, stdout


@click.command(short_help="Write a new prompt file.")
@click.argument("name")
@click.option(
    "--prompts-dir", type=options.FOLDER, metavar="FOLDER", help="Where it goes [default: your own folder]."
)
@click.option("--description", metavar="TEXT", help="What it is for, in a line.")
@click.option(
    "--persona",
    metavar="NAME",
    shell_complete=completing.personas,
    help=f"The voice it speaks in: plain, pirate, butler, bard, noir [default: {PATTERN}].",
)
@click.option(
    "--examples/--no-examples",
    default=None,
    help="Whether it shows short runs to learn the format from [default: yes].",
)
@click.option("-y", "--yes", is_flag=True, help="Ask nothing: the plain voice, with examples.")
def new(
    name: str,
    prompts_dir: Path | None,
    description: str | None,
    persona: str | None,
    examples: bool | None,
    yes: bool,
) -> None:
    """Write the prompt file NAME.md, after asking what is not said by an option.

    It is a copy of the prompt `plain` to change as you like; its path goes to stdout. A file that is there
    already stays.

    \b
    Examples:
      agent-app prompts new sailor
      agent-app prompts new judge --description "Weighs both sides" --yes

    Exit codes: 0 written; 2 the name is none, or the file is there already; 130 interrupted.

    Environment: AGENT_APP_PROMPTS_DIR.

    See also: agent-app prompts check.
    """
    target = options.settings(prompts_dir=prompts_dir).prompts_dir or places.user_folder("prompts")
    folders = library_folders()
    ask = not yes and sys.stdin.isatty() and sys.stderr.isatty()
    if description is None:
        if not ask:
            raise click.UsageError('say what it is for: --description "..."')
        description = _asked("What is it for, in a line")
    if persona is None:
        known = ", ".join(sorted(persona_names((target, *folders))))
        persona = _asked(f"In which voice ({known})", PATTERN) if ask else PATTERN
    if examples is None:
        examples = not ask or click.confirm("Show it examples of the format?", default=True, err=True)
    prompt = new_prompt(
        name, target, description=description, persona=persona, examples=examples, folders=folders
    )
    stdout().line(clean_line(str(prompt.path)))
    say_shadowed(entry for entry in list_prompts(library_folders(target)) if entry.path == prompt.path)


def _asked(question: str, default: str | None = None) -> str:
    answer: str = click.prompt(clean_line(question), default=default, err=True)
    return answer
