"""`agent-app soft train`: virtual tokens are tuned for a frozen model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from agent_app.cli import completing, options
from agent_app.cli.soft import library
from agent_app.cli.soft.tuning import interruptible, showing
from agent_app.cli.soft.words import prompt_option, words_around
from agent_app.cli.waiting import waiting
from agent_app.errors import TuningError
from agent_app.soft_prompt import Method, find_soft_prompt, load_soft_prompt
from agent_app.terminal import clean_line, stderr, stdout
from agent_app.tuning.extra import need_extra
from agent_app.tuning.methods import Start
from agent_app.tuning.recipe import Encoder, Init, Recipe
from agent_app.tuning.traces import Parts, read_parts, traces

if TYPE_CHECKING:
    from agent_app.tuning.trainer import Tuned
    from agent_app.tuning.words import Words

_FILE = click.Path(dir_okay=False, path_type=Path)
_CHECKPOINT = "checkpoint.safetensors"
_DEFAULTS = Recipe()

_recipe = options.together(
    click.option("--method", type=click.Choice(get_args(Method)), help="[default: prompt-tuning]"),
    click.option(
        "--init",
        type=click.Choice(get_args(Init)),
        help="What virtual tokens begin as in prompt tuning: the words of a text, words of the vocabulary "
        "drawn by lot, random numbers, which learn slowly, or another soft prompt [default: text].",
    ),
    click.option(
        "--encoder", type=click.Choice(get_args(Encoder)), help="The network of p-tuning [default: mlp]."
    ),
    click.option("--tokens", type=int, help=f"How many virtual tokens [default: {_DEFAULTS.tokens}]."),
    click.option("--steps", type=int, help=f"How many steps at most [default: {_DEFAULTS.steps}]."),
    click.option("--lr", type=float, help="The learning rate [default: 0.05, or 0.003 for p-tuning]."),
    click.option("--batch", type=int, help=f"Rows in a step [default: {_DEFAULTS.batch}]."),
    click.option("--minutes", type=float, help="End within so many minutes [default: as long as it takes]."),
    click.option(
        "--patience",
        type=int,
        help="Looks at the dev part without a better loss after which it ends "
        f"[default: {_DEFAULTS.patience}, one every {_DEFAULTS.dev_every} steps].",
    ),
    click.option(
        "--bfloat16",
        is_flag=True,
        default=None,
        help="Multiply with fewer bits, about twice as fast where the processor can.",
    ),
    click.option("--seed", type=int, help=f"Of all that is drawn by lot [default: {_DEFAULTS.seed}]."),
)


@click.command(short_help="Tune a soft prompt.")
@click.argument("name")
@click.option(
    "-m",
    "--model",
    metavar="NAME",
    default="smollm2-135m",
    shell_complete=completing.pinned,
    help="The frozen model: one of `agent-app models`, or a GGUF file [default: smollm2-135m].",
)
@click.option("--data", type=_FILE, required=True, metavar="FILE", help="Rows to learn from, as JSON lines.")
@prompt_option
@_recipe
@click.option(
    "--init-text",
    type=_FILE,
    metavar="FILE",
    help="The words of --init text [default: the pirate's instruction].",
)
@click.option(
    "--init-soft",
    metavar="NAME",
    help="The soft prompt of --init soft, of the same model; repeated or cut to the number of --tokens "
    "[default: as many as it has].",
)
@click.option("--threads", type=options.THREADS, help="Threads to use [default: as torch has it].")
@click.option("--description", default="", metavar="TEXT", help="What it is for, in a line.")
@library.target
@click.option("--resume", is_flag=True, help="Go on from the checkpoint of the same command.")
@click.option(
    "--force", is_flag=True, help="Replace the soft prompt, or begin anew in spite of a checkpoint."
)
def train(
    name: str,
    model: str,
    data: Path,
    prompt: str | None,
    init_text: Path | None,
    init_soft: str | None,
    threads: int | None,
    description: str,
    prompts_dir: Path | None,
    resume: bool,
    force: bool,
    **given: Any,
) -> None:
    """Tune the soft prompt NAME on a model that stays as it is, and keep it in a prompt library.

    It learns the model's turns in the train part of the data; the dev part says when to stop, and the best
    table of virtual tokens is kept. Ctrl-C leaves a checkpoint after the step under way. Loss and time left
    go to stderr, the folder of the finished soft prompt to stdout. It needs the extra `soft`.

    \b
    Examples:
      agent-app soft train sailor --data rows.jsonl
      agent-app soft train sailor --data rows.jsonl --minutes 10 --threads 2
      agent-app soft train sailor --data rows.jsonl --resume
      agent-app soft train sailor20 --data rows.jsonl --method p-tuning --tokens 20
      agent-app soft train mine --data my-rows.jsonl --init soft --init-soft pirate-react
      agent-app soft train mine --data my-rows.jsonl --prompt mine.md

    Exit codes: 0 tuned; 2 the call, the data or the model is wrong, the loss is no number, or the disk is
    full; 130 interrupted.

    Environment: AGENT_APP_MODEL_DIR, AGENT_APP_PROMPTS_DIR.

    See also: agent-app models.
    """
    need_extra()
    settings = options.settings(prompts_dir=prompts_dir)
    folder, folders = library.folder_for(name, settings), library.libraries(settings)
    start = _start(given["method"], given["init"], init_text, init_soft, folders)
    if start.soft is not None and given["tokens"] is None:
        given["tokens"] = start.soft.card.tokens
    recipe = Recipe(**{key: value for key, value in given.items() if value is not None})
    _check_target(folder, resume=resume, force=force)
    words = words_around(name, prompt, folders, settings)
    parts = read_parts(data, dev_rows=recipe.dev_rows)
    for doubt in recipe.doubts(len(parts.train)):
        stderr().line(f"note: {doubt}")
    tuned = _tuned(folder, model, parts, words, recipe, start, threads, description, resume)
    best = tuned.best
    stderr().line(
        f"{name}: {_WHY[tuned.ending]} after {tuned.steps} steps in {tuned.seconds:.0f} s; kept is step "
        f"{tuned.best_step}: dev loss {best.loss:.3f}, {best.tokens_right:.1%} of tokens and "
        f"{best.rows_right:.1%} of rows right"
    )
    stdout().line(clean_line(str(folder)))


_WHY = {"steps": "done", "time": "its time is over", "patience": "no better on the dev part"}


def _tuned(
    folder: Path,
    model: str,
    parts: Parts,
    words: Words,
    recipe: Recipe,
    start: Start,
    threads: int | None,
    description: str,
    resume: bool,
) -> Tuned:
    """Tune, and write the soft prompt.

    Raises:
        KeyboardInterrupt: Ctrl-C, or SIGTERM; a checkpoint has been written.
    """
    import torch

    from agent_app.tuning.frozen import load_frozen
    from agent_app.tuning.keeping import keep
    from agent_app.tuning.trainer import tune

    if threads is not None:
        torch.set_num_threads(threads)
    with waiting("loading the model"):
        frozen = load_frozen(model, options.settings())
        data = traces(parts, frozen.tokenizer, frozen.end, words)
    checkpoint = folder / _CHECKPOINT
    with interruptible() as asked, showing() as show:
        tuned = tune(
            frozen,
            data,
            recipe,
            start=start,
            checkpoint=checkpoint,
            resume=resume,
            on_progress=show,
            stop=asked,
        )
    if tuned.ending == "stopped":
        stderr().line(f"step {tuned.steps} is kept in {checkpoint}; the same command goes on with --resume")
        raise KeyboardInterrupt
    keep(folder, tuned, frozen, data, recipe, start=start, description=description)
    checkpoint.unlink(missing_ok=True)
    return tuned


def _check_target(folder: Path, *, resume: bool, force: bool) -> None:
    """Make sure that a tuning replaces nothing unless that is wanted.

    Raises:
        TuningError: the name is taken; says what to do.
    """
    if resume and force:
        raise TuningError("--resume goes on and --force begins anew; give one of them")
    if resume or force:
        return
    checkpoint = folder / _CHECKPOINT
    if checkpoint.exists():
        raise TuningError(
            f"{checkpoint}: an unfinished tuning is there; --resume goes on, --force begins anew"
        )
    library.check_free(folder)


def _start(
    method: str | None, init: str | None, text: Path | None, soft: str | None, folders: Sequence[Path]
) -> Start:
    """Return what virtual tokens begin as.

    Raises:
        TuningError: an option says what --init does not ask for, or lacks; or the text cannot be read.
        UnknownName: there is no such soft prompt.
        PromptError: its folder is damaged.
    """
    named = {"--init": init, "--init-text": text, "--init-soft": soft}
    unread = next((option for option, value in named.items() if value is not None), None)
    if method == "p-tuning" and unread is not None:
        raise TuningError(f"p-tuning begins with its encoder; it is prompt-tuning that {unread} is for")
    if (init == "soft") != (soft is not None):
        raise TuningError("--init soft and --init-soft NAME are given together, or neither")
    if text is not None and init not in (None, "text"):
        raise TuningError(f"--init-text is for --init text, and --init is {init}")
    if soft is None:
        return Start() if text is None else Start(_text(text))
    return Start(soft=load_soft_prompt(find_soft_prompt(soft, folders)))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise TuningError(f"{file}: the text cannot be read: {error}") from error
