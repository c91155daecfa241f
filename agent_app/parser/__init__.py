"""One reply of a model becomes an `Action`, an `Answer`, or a format error that the model can mend.

The reply is read line by line, once. The first complete move wins, an action or a final answer; what
follows it (an invented observation, a second action) is dropped and never trusted. Everything that
was forgiven on the way is named in the step's ``repairs``.
"""

from __future__ import annotations

import functools

from langchain_core.output_parsers import BaseOutputParser

from agent_app.parser.move import Piece
from agent_app.parser.names import ToolNames
from agent_app.parser.reader import ReplyReader
from agent_app.parser.sentences import FormatError
from agent_app.steps import Action, Answer

__all__ = ["FormatError", "Piece", "ReActOutputParser", "ReplyReader"]


class ReActOutputParser(BaseOutputParser[Action | Answer]):
    """Reads Thought / Action / Action Input / Final Answer in the forms that real models write.

    Args:
        tool_names: the tools that exist; when empty, any name is taken for a tool.
        object_tools: those of them whose input has to be a JSON object.
    """

    tool_names: tuple[str, ...] = ()
    object_tools: frozenset[str] = frozenset()

    @functools.cached_property
    def _names(self) -> ToolNames:
        """The tools' names as a reader takes them, the same for all replies."""
        return ToolNames(self.tool_names)

    @property
    def _type(self) -> str:
        return "react"

    def parse(self, text: str) -> Action | Answer:
        """Read a whole reply.

        Raises:
            FormatError: it is neither an action nor an answer; `.observation` tells the model why.
        """
        reader = self.reader()
        reader.feed(text)
        return reader.close()

    def reader(self, *, answers: bool = False) -> ReplyReader:
        """Return a reader for a reply that arrives piece by piece.

        Args:
            answers: a final answer is wanted, and what has no label is one.
        """
        return ReplyReader(self._names, self.object_tools, answers=answers)
