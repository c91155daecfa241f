"""What can be wrong with a prompt file: one table of codes, and one value per finding."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent_app.errors import PromptError

CODES = {
    "P001": "the file cannot be read",
    "P002": "the front matter is not YAML that is taken here",
    "P003": "a key is unknown",
    "P004": "a value is not of its kind, or a key is missing",
    "P005": "the name is not the file's name",
    "P006": "a brace or a slot is written wrongly",
    "P007": "nothing fills a slot",
    "P008": "an input or a part is not used",
    "P009": "a default is not of its input's type",
    "P010": "a name is taken already",
    "P011": "a part cannot be had",
    "P012": "parts go round in a circle",
    "P013": "the prompt is too large when its parts are put in",
    "P014": "a chat prompt is not divided into roles",
    "P015": "a test cannot be run",
    "P016": "a soft prompt cannot be had, or has no place",
    "P017": "it is not said rightly how passages are read",
    "P018": "an example is no run",
    "P019": "parts stand too deep in each other",
    "P020": "a part would begin a message of a chat prompt",
}
"""Every code, and what it stands for."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a prompt file or a part of it, and what would be right."""

    code: str
    file: Path
    line: int
    """Counted from 1, as is the column."""
    column: int
    message: str
    fix: str

    def error(self) -> PromptError:
        """Return it as the error that loading the file raises."""
        return PromptError(f"{self.message}; {self.fix}", file=self.file, line=self.line)


class Unusable(Exception):  # noqa: N818 - never leaves this package: a reader gave up on a file
    """A problem after which a file cannot be read any further."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.message)
