"""`agent-app soft`: making soft prompts, looking into them and checking them."""

from __future__ import annotations

import click

from agent_app.cli.soft.average import average
from agent_app.cli.soft.compare import compare
from agent_app.cli.soft.data import data
from agent_app.cli.soft.export import export
from agent_app.cli.soft.score import score
from agent_app.cli.soft.show import show
from agent_app.cli.soft.train import train
from agent_app.cli.soft.verify import verify

_COMMANDS: tuple[click.Command, ...] = (data, train, average, score, show, verify, compare, export)


@click.group()
def soft() -> None:
    """Tune soft prompts: virtual tokens for a frozen model, which do what a hard prompt does.

    \b
    Examples:
      agent-app soft data -o data.jsonl
      agent-app soft score data.jsonl -m embedded:smollm2-135m -p pirate --limit 60

    Exit codes: 0 done; 1 a check failed; 2 the call, the data or a soft prompt is wrong; 130 interrupted.

    Environment: AGENT_APP_MODEL_DIR, AGENT_APP_PROMPTS_DIR.
    """


for _command in _COMMANDS:
    soft.add_command(_command)
