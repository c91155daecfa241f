"""`agent-app doctor`: whether everything is there that a question needs, and what to do where it is not."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent_app.cli import options
from agent_app.errors import SettingError
from agent_app.terminal import clean_line, stdout

if TYPE_CHECKING:
    from agent_app.doctor import Finding

_ADVICE = " " * 16


@click.command()
@options.together(options.model, options.prompt, options.tools_dir, options.prompts_dir)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of what was found.")
def doctor(
    model: str | None, prompt: str | None, tools_dir: Path | None, prompts_dir: Path | None, as_json: bool
) -> None:
    """Check that everything is there that a question needs, and say what to do where it is not.

    It looks at versions and extras, the terminal, folders, past sessions, prompts, prices, keys, the model
    (its file, the memory and the disk, or its server), tools and the file of MCP servers. Each line begins
    with `ok`, with `warn` for what works but not as it should, or with `fail`. No key is ever shown. The
    server of a remote model is asked for its list of models and never a question; with an embedded model
    nothing is sent anywhere.

    \b
    Examples:
      agent-app doctor
      agent-app doctor -m openai:gpt-4o-mini
      agent-app doctor --json | jq '.[] | select(.status != "ok")'

    Exit codes: 0 nothing fails; 1 something does; 2 the call is wrong.

    Environment: all settings, see .env.example; the keys of providers; OPENAI_BASE_URL.

    See also: agent-app models, agent-app tools, agent-app prompts check.
    """
    found = _look(model=model, prompt=prompt, tools_dir=tools_dir, prompts_dir=prompts_dir)
    if as_json:
        findings = list(found)
        stdout().line(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2))
    else:
        findings = [_told(finding) for finding in found]
    if any(finding.status == "fail" for finding in findings):
        sys.exit(1)


def _look(**given: str | Path | None) -> Iterator[Finding]:
    from agent_app.doctor import Finding, examine

    try:
        settings = options.settings(**given)
    except SettingError as error:
        yield Finding("settings", "fail", str(error), "mend the variable, in the environment or in `.env`")
        return
    yield from examine(settings)


def _told(finding: Finding) -> Finding:
    """Write a finding as soon as it is there: some take a second."""
    out = stdout()
    out.line(clean_line(f"{finding.status:<6}{finding.check:<10}{finding.says}"))
    if finding.advice:
        out.line(clean_line(f"{_ADVICE}{finding.advice}"), dim=True)
    return finding
