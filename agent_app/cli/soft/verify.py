"""`agent-app soft verify`: does llama.cpp read a soft prompt as transformers does?"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent_app.cli import options
from agent_app.cli.soft.words import prompt_option, words_around
from agent_app.cli.waiting import waiting
from agent_app.prompt import library_folders
from agent_app.soft_prompt import SoftPrompt, find_soft_prompt, load_soft_prompt
from agent_app.terminal import clean_line, stdout
from agent_app.tuning.extra import need_extra

if TYPE_CHECKING:
    from agent_app.settings import Settings
    from agent_app.tuning.verifying import Compared
    from agent_app.tuning.words import Words

_CONTEXT = 1024


@click.command(short_help="Compare llama.cpp with transformers.")
@click.argument("name")
@click.option("-m", "--model", metavar="NAME", help="The GGUF file of its base model [default: by its name].")
@click.option("-q", "--question", "questions", multiple=True, metavar="TEXT", help="May be repeated.")
@click.option("--tokens", type=click.IntRange(1, 500), default=32, help="Tokens written [default: 32].")
@click.option(
    "--tolerance",
    type=click.FloatRange(0, 10),
    default=0.5,
    help="How far log-probabilities may be apart [default: 0.5].",
)
@prompt_option
@options.prompts_dir
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def verify(
    name: str,
    model: str | None,
    questions: tuple[str, ...],
    tokens: int,
    tolerance: float,
    prompt: str | None,
    prompts_dir: Path | None,
    as_json: bool,
) -> None:
    """Compare what llama.cpp makes of the soft prompt NAME with what transformers makes of it.

    Both go on from its virtual tokens and a question, always with the likeliest token: llama.cpp with the
    model file that serves it, transformers with the vectors themselves (`inputs_embeds`). The texts must be
    the same; where they part, both must have held both tokens to be about as likely. It needs the extra
    `soft`, and half a minute for a model that is not converted yet.

    \b
    Examples:
      agent-app soft verify pirate-react
      agent-app soft verify mine --prompt mine.md
      agent-app soft verify pirate-react -q "What is 7 + 8?" -q "What time is it?" --tokens 60

    Exit codes: 0 they agree; 1 they do not; 2 the soft prompt or its model cannot be had; 130 interrupted.

    Environment: AGENT_APP_MODEL_DIR, AGENT_APP_PROMPTS_DIR.

    See also: agent-app soft export.
    """
    need_extra(("torch", "transformers"))
    settings = options.settings(prompts_dir=prompts_dir)
    soft = load_soft_prompt(find_soft_prompt(name, library_folders(settings.prompts_dir)))
    words = words_around(soft.name, prompt, library_folders(settings.prompts_dir), settings)
    compared = _compared(soft, model or soft.card.base.name, questions, tokens, words, settings)
    agreeing = sum(one.agrees(tolerance) for one in compared)
    if as_json:
        stdout().line(json.dumps([_as_dict(one, tolerance) for one in compared], indent=2))
    else:
        for one in compared:
            for line in _lines(one, tolerance):
                stdout().line(clean_line(line))
        stdout().line(f"{agreeing} of {len(compared)} agree")
    if agreeing < len(compared):
        sys.exit(1)


def _compared(
    soft: SoftPrompt, model: str, questions: tuple[str, ...], tokens: int, words: Words, settings: Settings
) -> list[Compared]:
    from agent_app.models import load_model
    from agent_app.models.embedded import EmbeddedModel
    from agent_app.soft_prompt.derived import check_base
    from agent_app.tuning.frozen import load_frozen
    from agent_app.tuning.verifying import QUESTIONS, compare

    settings = dataclasses.replace(settings, context=_CONTEXT)
    with waiting("loading"):
        served = load_model(f"embedded:{model.removeprefix('embedded:')}", settings=settings, soft=[soft])
        assert isinstance(served, EmbeddedModel)
        frozen = load_frozen(model, settings)
        check_base(soft, frozen.sha256, frozen.name)
    with waiting("comparing"):
        asked = questions or QUESTIONS
        return [compare(text, frozen, served, soft, tokens=tokens, words=words) for text in asked]


def _lines(one: Compared, tolerance: float) -> list[str]:
    verdict = "ok" if one.agrees(tolerance) else "FAIL"
    texts = "the same text" if one.parting is None else f"parting at token {one.parting + 1}"
    first = f"first tokens {one.gap:.3f} apart" + (f", {one.margin:.3f} there" if one.margin else "")
    lines = [f"{verdict:<6}{one.question}  {texts}, {first}", f"      {one.served.text!r}"]
    return lines if one.parting is None else [*lines, f"      {one.transformers.text!r} in transformers"]


def _as_dict(one: Compared, tolerance: float) -> dict[str, Any]:
    return {
        "question": one.question,
        "agrees": one.agrees(tolerance),
        "parting": one.parting,
        "gap": _finite(one.gap),
        "margin": _finite(one.margin),
        "served": one.served.text,
        "transformers": one.transformers.text,
    }


def _finite(distance: float) -> float | None:
    """Return a distance as JSON has it: one that is not known, as a token is missing on one side, is null."""
    return round(distance, 4) if math.isfinite(distance) else None
