"""`agent-app soft show`: a look into a soft prompt, which nobody can read as it is."""

from __future__ import annotations

import dataclasses
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent_app.cli import options
from agent_app.cli.columns import columns
from agent_app.cli.showing import print_json_line
from agent_app.cli.soft.base import base_file
from agent_app.cli.soft.counting import counting
from agent_app.cli.soft.words import prompt_option, words_around
from agent_app.cli.waiting import waiting
from agent_app.errors import SettingError
from agent_app.prompt import library_folders
from agent_app.soft_prompt import Card, SoftPrompt, find_soft_prompt, load_soft_prompt
from agent_app.soft_prompt.derived import token_name
from agent_app.soft_prompt.neighbours import Near, Neighbourhood, neighbourhood
from agent_app.terminal import clean_line, stdout
from agent_app.tuning.extra import need_extra

if TYPE_CHECKING:
    from agent_app.settings import Settings
    from agent_app.tuning.ablation import Ablation, Without
    from agent_app.tuning.data import Row

_FILE = click.Path(dir_okay=False, path_type=Path)
_KINDS = (".svg", ".png")
_ROWS = 16
_CONTEXT = 256
_WIDTH = 100
_DIGEST = re.compile(r"[0-9a-f]{64}")


@click.command(short_help="Look into a soft prompt.")
@click.argument("name")
@click.option("--top", type=click.IntRange(1, 50), default=3, help="Words for each token [default: 3].")
@click.option("--picture", type=_FILE, metavar="FILE", help="Draw the tokens among the words: .svg or .png.")
@click.option(
    "--ablate", type=_FILE, metavar="DATA", help="Measure on these rows what leaving out each token does."
)
@click.option(
    "--part",
    type=click.Choice(["dev", "test"]),
    default="test",
    help="With --ablate: of the rows [default: test].",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=_ROWS,
    metavar="N",
    help=f"With --ablate: no more rows than this, evenly spread [default: {_ROWS}].",
)
@prompt_option
@click.option("-m", "--model", metavar="FILE", help="The GGUF file of its base model [default: by its name].")
@options.prompts_dir
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(
    name: str,
    top: int,
    picture: Path | None,
    ablate: Path | None,
    part: str,
    limit: int,
    prompt: str | None,
    model: str | None,
    prompts_dir: Path | None,
    as_json: bool,
) -> None:
    """Show what is known of the soft prompt NAME, and where its virtual tokens lie among the words.

    For each virtual token: how long it is, what it began as, and the words that point most nearly the same
    way, each with the cosine of the angle and the distance. Nothing but its base model is needed for that.

    --picture and --ablate need the extra `soft`. With --ablate each token is left out in its turn, and the
    table is sorted by how much the loss rises: 95 tokens on 16 rows take some minutes on two cores.

    \b
    Examples:
      agent-app soft show pirate-react
      agent-app soft show pirate-react --picture tokens.svg --top 5
      agent-app soft show pirate-react --ablate rows.jsonl --limit 32 --json

    Exit codes: 0 shown; 2 the soft prompt, its model or the rows cannot be had, or the extra is missing; 130
    interrupted.

    Environment: AGENT_APP_MODEL_DIR, AGENT_APP_PROMPTS_DIR.

    See also: agent-app soft verify, agent-app soft score.
    """
    _check_extra(picture, ablate)
    settings = options.settings(prompts_dir=prompts_dir)
    soft = load_soft_prompt(find_soft_prompt(name, library_folders(settings.prompts_dir)))
    rows = None if ablate is None else _rows(ablate, part, limit)
    base = base_file(soft, model, settings)
    with waiting("looking"):
        around = neighbourhood(soft, base, top=top, began_as=_began_as(soft, base, settings))
    ablation = None if rows is None else _ablation(soft, rows, prompt, model, settings)
    if picture is not None:
        _draw(picture, soft, base, around, ablation)
    if as_json:
        print_json_line(_as_dict(soft, around, ablation))
        return
    for line in (*_card_lines(soft.card), "", *_token_lines(soft, around, ablation)):
        stdout().line(clean_line(line))


def _check_extra(picture: Path | None, ablate: Path | None) -> None:
    """Make sure that there is what the call needs, before anything slow begins."""
    if picture is not None:
        if picture.suffix.lower() not in _KINDS:
            raise click.UsageError(f"--picture takes a file ending in {' or '.join(_KINDS)}, not {picture}")
        need_extra(("matplotlib",), "--picture")
    if ablate is not None:
        need_extra(("torch", "transformers"), "--ablate")


def _rows(file: Path, part: str, limit: int) -> Sequence[Row]:
    from agent_app.tuning.data import DataError, read_rows, spread

    rows = [row for row in read_rows(file) if row.split == part]
    if not rows:
        raise DataError(f"{file}: it has no row of the part {part!r}; --part takes another one")
    return spread(rows, limit)


def _began_as(soft: SoftPrompt, base: Path, settings: Settings) -> list[int]:
    """Return the tokens of the text that virtual tokens began as; none where the card tells of no text."""
    from agent_app.models import load_model
    from agent_app.models.embedded import EmbeddedModel

    text = soft.card.settings.get("text")
    if not isinstance(text, str):
        return []
    model = load_model(f"embedded:{base}", settings=dataclasses.replace(settings, context=_CONTEXT))
    assert isinstance(model, EmbeddedModel)
    tokens = model.get_token_ids(text)
    model.close()
    return tokens


def _ablation(
    soft: SoftPrompt, rows: Sequence[Row], prompt: str | None, model: str | None, settings: Settings
) -> Ablation:
    from agent_app.tuning.ablation import ablate
    from agent_app.tuning.frozen import load_frozen
    from agent_app.tuning.traces import trace

    words = words_around(soft.name, prompt, library_folders(settings.prompts_dir), settings)
    with waiting("loading the model"):
        frozen = load_frozen(soft.card.base.name if model is None else str(Path(model).resolve()), settings)
        traces = [trace(row, frozen.tokenizer, frozen.end, words) for row in rows]
    with counting(soft.card.tokens, "tokens", "left out") as advance:
        return ablate(frozen, soft, traces, advance)


def _draw(file: Path, soft: SoftPrompt, base: Path, around: Neighbourhood, ablation: Ablation | None) -> None:
    from agent_app.tuning.token_map import plot_tokens

    losses = None if ablation is None else [one.loss for one in ablation.without]
    try:
        with waiting("drawing"):
            plot_tokens(file, soft, base, around, losses)
    except OSError as error:
        raise SettingError(f"{file}: the picture cannot be written: {error.strerror or error}") from error


# -- what is written --------------------------------------------------------------------------------


def _card_lines(card: Card) -> Iterator[str]:
    rows = {
        "base": f"{card.base.name}, SHA-256 {_told(card.base.sha256)}",
        "tokens": f"{card.tokens} virtual tokens of {card.dimension} numbers, by {card.method}",
        "data": _facts(card.data),
        "settings": _facts(card.settings),
        "metrics": _facts(card.metrics),
        "licence": card.licence,
        "versions": _facts(card.versions),
    }
    yield f"{card.name}: {card.description}"
    for word, told in rows.items():
        for number, line in enumerate(textwrap.wrap(clean_line(told), _WIDTH - 10)):
            yield f"{word if number == 0 else '':<10}{line}"


def _facts(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {_told(value)}" for name, value in facts.items())


def _told(value: object) -> str:
    if isinstance(value, str):
        return f"{value[:12]}..." if _DIGEST.fullmatch(value) else value
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _token_lines(soft: SoftPrompt, around: Neighbourhood, ablation: Ablation | None) -> Iterator[str]:
    low, median, high = around.norms
    yield (
        f"{around.words:,} words: median length {median:.2f}, half of them between {low:.2f} and {high:.2f}; "
        f"tokens from 0, as in {token_name(soft.name, 0)}"
    )
    if ablation is not None:
        yield (
            f"{ablation.rows} rows: loss {ablation.loss:.4f}, {ablation.tokens_right:.1%} of "
            f"{ablation.tokens:,} tokens right; the loss rises by this where a token is left out:"
        )
    yield "a word's figures: cosine, distance"
    without = {one.number: one for one in ablation.ranked} if ablation else {}
    begun = any(one.began_as for one in around.tokens)
    top = len(around.tokens[0].nearest)
    heads = ("without it (95 %)", "right") if ablation else ()
    rows = [("token", *heads, "length", *(["began as"] if begun else []), "nearest", *["next"] * (top - 1))]
    for number in without or range(len(around.tokens)):
        one = around.tokens[number]
        first = [_near(one.began_as)] if one.began_as else []
        cells = _without(without[number]) if without else ()
        rows.append((str(number), *cells, f"{one.norm:.2f}", *first, *map(_near, one.nearest)))
    yield from columns(rows)


def _near(near: Near) -> str:
    return f'"{near.word}" {near.cosine:.2f}, {near.distance:.2f}'


def _without(one: Without) -> tuple[str, str]:
    span = "" if one.interval is None else f" ({one.interval.low:+.4f} to {one.interval.high:+.4f})"
    return f"{one.loss:+.4f}{span}", f"{100 * one.tokens_right:+.1f} %"


def _as_dict(soft: SoftPrompt, around: Neighbourhood, ablation: Ablation | None) -> dict[str, Any]:
    low, median, high = around.norms
    found: dict[str, Any] = {
        "card": dataclasses.asdict(soft.card),
        "words": {"count": around.words, "norms": {"low": low, "median": median, "high": high}},
        "tokens": [dataclasses.asdict(one) for one in around.tokens],
    }
    if ablation is not None:
        found["ablation"] = dataclasses.asdict(ablation) | {
            "without": [_as_facts(w) for w in ablation.ranked]
        }
    return found


def _as_facts(one: Without) -> dict[str, Any]:
    low, high = one.interval or (None, None)
    return {
        "number": one.number,
        "loss": one.loss,
        "low": low,
        "high": high,
        "tokens_right": one.tokens_right,
    }
