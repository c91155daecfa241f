"""`agent-app soft export`: a soft prompt for other programs."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent_app.cli import options
from agent_app.cli.soft.base import base_file
from agent_app.cli.waiting import waiting
from agent_app.errors import SettingError
from agent_app.prompt import library_folders
from agent_app.soft_prompt import SoftPrompt, find_soft_prompt, load_soft_prompt
from agent_app.soft_prompt.derived import token_name
from agent_app.soft_prompt.exporting import export_embeds, export_gguf
from agent_app.terminal import clean_line, stderr, stdout

if TYPE_CHECKING:
    from agent_app.settings import Settings

_ENDINGS = {"gguf": ".gguf", "vllm": ".safetensors"}
_CONTEXT = 256


@click.command(short_help="Write a soft prompt for other programs.")
@click.argument("name")
@click.option("--to", "form", type=click.Choice(tuple(_ENDINGS)), required=True, help="For which program.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="[default: the soft prompt's name, in the current folder].",
)
@click.option("--text", metavar="TEXT", help="With --to vllm: the prompt's text after the virtual tokens.")
@click.option("-m", "--model", metavar="FILE", help="The GGUF file of its base model [default: by its name].")
@options.prompts_dir
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
def export(
    name: str,
    form: str,
    output: Path | None,
    text: str | None,
    model: str | None,
    prompts_dir: Path | None,
    force: bool,
) -> None:
    """Write the soft prompt NAME in a form that another program takes; nothing but its base model is needed.

    --to gguf writes the base model with the virtual tokens as words of its vocabulary, for llama-server,
    llama-cli and all else that is built on llama.cpp. A prompt begins with their names, <|soft:NAME:0|>,
    <|soft:NAME:1|> and so on, which the program must read as special tokens (llama-server does). The output
    has a matrix of its own in which they are zero, so that the model does not write them. Text of strangers
    can name them: keep it from holding "<|".

    --to vllm writes the tensor prompt_embeds, float32, [tokens, dimension], to a safetensors file. vLLM,
    started with --enable-prompt-embeds on the unquantised base model, takes the vectors of a whole prompt,
    so those of its text come after the virtual tokens: give the text as --text, or add them there.

    \b
    Examples:
      agent-app soft export pirate-react --to gguf -o pirate.gguf
      agent-app soft export pirate-react --to vllm --text $'Question: Who?\\nThought:'

    Exit codes: 0 written; 2 the soft prompt or its model cannot be had, or the file is there.

    Environment: AGENT_APP_MODEL_DIR, AGENT_APP_PROMPTS_DIR.

    See also: agent-app soft verify.
    """
    settings = options.settings(prompts_dir=prompts_dir)
    target = output or Path(f"{name}{_ENDINGS[form]}")
    if text is not None and form != "vllm":
        raise click.UsageError(
            "--text goes with --to vllm alone; elsewhere the text is written by its reader"
        )
    if target.exists() and not force:
        raise SettingError(
            f"{target} is there already; name another file with -o, or replace it with --force"
        )
    soft = load_soft_prompt(find_soft_prompt(name, library_folders(settings.prompts_dir)))
    with waiting("writing"):
        if form == "gguf":
            told = _gguf(soft, target, _base(soft, model, settings, target))
        elif text:
            told = _whole_prompt(soft, target, text, _base(soft, model, settings, target), settings)
        else:
            told = f"{export_embeds(soft, target)} vectors, of the virtual tokens alone"
    stderr().line(clean_line(told))
    stdout().line(clean_line(str(target)))


def _base(soft: SoftPrompt, model: str | None, settings: Settings, target: Path) -> Path:
    """Return the base model's file.

    Raises:
        SettingError: it would be replaced by what is made from it.
    """
    base = base_file(soft, model, settings)
    if target.exists() and target.samefile(base):
        raise SettingError(f"{target} is the base model itself; name another file with -o")
    return base


def _gguf(soft: SoftPrompt, target: Path, base: Path) -> str:
    rows = export_gguf(base, soft, target)
    names = [token_name(soft.name, n) for n in (0, rows.count - 1)]
    return f"{rows.count} virtual tokens, {' to '.join(names)}: the words {rows.first} to {rows.tokens[-1]}"


def _whole_prompt(soft: SoftPrompt, target: Path, text: str, base: Path, settings: Settings) -> str:
    from agent_app.models import load_model

    model = load_model(f"embedded:{base}", settings=dataclasses.replace(settings, context=_CONTEXT))
    vectors = export_embeds(soft, target, base, model.get_token_ids(text))
    return f"{vectors} vectors, {soft.card.tokens} of them of the virtual tokens"
