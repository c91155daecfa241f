"""`agent-app prompts render`: the exact text that a model would be sent, and its tokens; no model is run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent_app.cli import completing, options
from agent_app.cli.prompts.tokens import Messages, joined, length, open_if_here, tokenizer_option, tuned_for
from agent_app.errors import PromptError
from agent_app.prompt import Prompt, library_folders, load_prompt
from agent_app.prompt.inputs import Value
from agent_app.terminal import stderr, stdout

if TYPE_CHECKING:
    from agent_app.settings import Settings
    from agent_app.toolbox import Toolbox


@click.command(short_help="Show the exact text that a model is sent.")
@click.argument("name", shell_complete=completing.prompts)
@click.option(
    "-p", "-P", "--param", "params", multiple=True, metavar="NAME=VALUE", help="A value, such as input=..."
)
@options.together(options.prompts_dir, options.tools_dir)
@options.persona
@tokenizer_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def render(
    name: str,
    params: tuple[str, ...],
    prompts_dir: Path | None,
    tools_dir: Path | None,
    persona: str | None,
    tokenizer: str | None,
    as_json: bool,
) -> None:
    """Show what the prompt NAME is with values put in; how many tokens that is goes to stderr.

    Of a prompt for runs this is the first thing that the model reads, with the tools at hand. No model is
    asked; tokens are counted by the tokenizer of an embedded model, where its file is here. Virtual tokens
    of a soft prompt are no text: in their place it says how many there are.

    \b
    Examples:
      agent-app prompts render pirate -p input="What is 23 * 47?"
      agent-app prompts render ./letter.md -p pages=3 -p 'topics=["sea", "sky"]'

    Exit codes: 0 done; 2 there is no such prompt, or a value is missing or wrong.

    Environment: AGENT_APP_PROMPTS_DIR, AGENT_APP_TOOLS_DIR, AGENT_APP_MODEL_DIR.

    See also: agent-app prompts show, which shows the slots instead of values.
    """
    settings = options.settings(prompts_dir=prompts_dir, tools_dir=tools_dir)
    prompt = load_prompt(name, folders=library_folders(settings.prompts_dir), persona=persona)
    messages = first_messages(prompt, tools_at_hand(settings), options.values(params, prompt))
    by, count = open_if_here(tokenizer or tuned_for(prompt), settings)
    tokens = length(messages, prompt, count) if count else None
    if as_json:
        said = [{"role": role, "text": text} for role, text in messages]
        stdout().line(json.dumps({"messages": said, "tokens": tokens, "tokenizer": by}, indent=2))
        return
    stdout().line(joined(messages))
    if count:
        stderr().line(f"{tokens} tokens, by the tokenizer of {by}")


def first_messages(prompt: Prompt, toolbox: Toolbox, values: Mapping[str, Value]) -> Messages:
    """Return what a model is sent first: each message's role and text, the role empty outside chat prompts.

    Where virtual tokens stand, there are words that tell of them.

    Raises:
        PromptError: a value is missing, belongs to no slot, or is not of its input's type.
    """
    if "agent_scratchpad" not in prompt.slots:
        tools = {"tools": toolbox.describe(), "tool_names": list(toolbox.names)}
        at_hand = {slot: value for slot, value in tools.items() if slot in prompt.slots}
        return prompt.render_messages(**{**at_hand, **values})
    rest = dict(values)
    question = rest.pop("input", None)
    if not isinstance(question, str):
        raise PromptError(f"the prompt {prompt.name!r} needs a value for {{input}}")
    segments = prompt.render_run(question, [], toolbox.describe(), toolbox.names, **rest)
    text = "".join(segments)
    if segments.virtual and prompt.soft:
        at = segments.virtual.at
        text = f"{text[:at]}{prompt.soft.mark}{text[at:]}"
    return [("", text)]


def tools_at_hand(settings: Settings) -> Toolbox:
    """Return the tools that a run with these settings would have."""
    from agent_app.toolbox import Toolbox, load_tools, tool_folders

    return Toolbox(load_tools(None, tool_folders(settings)))
