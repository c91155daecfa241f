"""Prompts: one Markdown file each, checked when loaded, rendered without surprises.

A prompt for runs has these slots, which the program fills:

tools, tool_names      what the tools are and take, and their names
history                earlier turns of the conversation; may be left out where none are given
input                  the question
agent_scratchpad       the steps so far, right after ``Thought:`` at the end
examples               the short runs that its front matter holds
soft                   the virtual tokens of the soft prompt that its front matter names; where the body does
                       not have it, they stand at its very beginning
"""

from agent_app.prompt.creating import new_prompt
from agent_app.prompt.draft import Draft, Segments, View, Written
from agent_app.prompt.examples import Example
from agent_app.prompt.inputs import Input
from agent_app.prompt.library import PromptEntry, library_folders, list_prompts
from agent_app.prompt.loading import check_file, check_library, from_langchain, load_prompt
from agent_app.prompt.problems import CODES, Problem
from agent_app.prompt.prompt import Prompt
from agent_app.prompt.reader import Reader
from agent_app.prompt.schema import frontmatter_schema
from agent_app.prompt.scratchpad import scratchpad
from agent_app.prompt.testing import PromptTest

__all__ = [
    "CODES",
    "Draft",
    "Example",
    "Input",
    "Problem",
    "Prompt",
    "PromptEntry",
    "PromptTest",
    "Reader",
    "Segments",
    "View",
    "Written",
    "check_file",
    "check_library",
    "from_langchain",
    "frontmatter_schema",
    "library_folders",
    "list_prompts",
    "load_prompt",
    "new_prompt",
    "scratchpad",
]
