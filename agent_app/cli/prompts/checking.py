"""`agent-app prompts check`: everything that is wrong with prompt files, where, and what would be right."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import click

from agent_app.cli import options
from agent_app.prompt import Problem, check_file, check_library, library_folders
from agent_app.prompt.library import prompt_files
from agent_app.terminal import clean_line, stdout


@click.command(short_help="Tell what is wrong with prompt files.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@options.prompts_dir
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of the problems.")
def check(files: tuple[Path, ...], prompts_dir: Path | None, as_json: bool) -> None:
    """Check prompt FILES, or all prompts there are: each problem with its place, its code and a fix.

    Of a folder all prompts in it are checked.

    \b
    Examples:
      agent-app prompts check
      agent-app prompts check prompts/*.md
      agent-app prompts check my_prompts
      agent-app prompts check --json | jq -r ".[].fix"

    Exit codes: 0 no problem; 1 there is one; 2 there is no such file, or no prompt in a folder.

    Environment: AGENT_APP_PROMPTS_DIR.

    See also: agent-app prompts test.
    """
    folders = library_folders(options.settings(prompts_dir=prompts_dir).prompts_dir)
    named = [file for path in files for file in prompt_files(path)]
    found = {file: check_file(file, folders) for file in named} if files else check_library(folders)
    # What is wrong with a part is found by every prompt that it is a part of, and told once.
    problems = list(dict.fromkeys(problem for some in found.values() for problem in some))
    if as_json:
        stdout().line(json.dumps([_as_dict(problem) for problem in problems], indent=2))
    else:
        for problem in problems:
            stdout().line(clean_line(_as_line(problem)))
        stdout().line(_summary(len(found), len(problems)))
    if problems:
        sys.exit(1)


def _as_line(problem: Problem) -> str:
    place = f"{problem.file}:{problem.line}:{problem.column}"
    return f"{place}: {problem.code} {problem.message}; fix: {problem.fix}"


def _as_dict(problem: Problem) -> dict[str, object]:
    return {**dataclasses.asdict(problem), "file": str(problem.file)}


def _summary(files: int, problems: int) -> str:
    said = "no problem" if not problems else "1 problem" if problems == 1 else f"{problems} problems"
    return f"{files} file{'' if files == 1 else 's'}, {said}"
