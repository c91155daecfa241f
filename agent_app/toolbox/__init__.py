"""Finds tool files, checks arguments, runs an `Action` and returns an `Observation`.

A tool file is a Python file with LangChain tools in it; the built-in tools and a user's own come in by
the same door. What tool files share, or what one of them has grown too long for, stands beside them in
files or packages whose names begin with ``_``, and is imported with a dot: ``from ._rates import
RATES``. What the *model* can mend (an unknown tool, wrong arguments, a complaint that the tool
announces with `ToolException`) becomes an observation. Anything else that a tool raises is a bug in it
and reaches the caller as `ToolCrash`.
"""

from agent_app.toolbox.files import load_tool_file, load_tool_files, load_tools, tool_files, tool_folders
from agent_app.toolbox.running import Toolbox

__all__ = ["Toolbox", "load_tool_file", "load_tool_files", "load_tools", "tool_files", "tool_folders"]
