"""Hard prompts: one Markdown file each, checked when loaded, rendered without surprises."""

from agent_app.prompt.examples import Example
from agent_app.prompt.inputs import Input
from agent_app.prompt.library import PromptEntry, list_prompts
from agent_app.prompt.loading import check_file, from_langchain, load_prompt
from agent_app.prompt.problems import CODES, Problem
from agent_app.prompt.prompt import Prompt, Segments
from agent_app.prompt.schema import frontmatter_schema
from agent_app.prompt.scratchpad import scratchpad

__all__ = [
    "CODES",
    "Example",
    "Input",
    "Problem",
    "Prompt",
    "PromptEntry",
    "Segments",
    "check_file",
    "from_langchain",
    "frontmatter_schema",
    "list_prompts",
    "load_prompt",
    "scratchpad",
]
