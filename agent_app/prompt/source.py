"""A prompt file or a part as it stands on disk: front matter, body, and where each begins."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agent_app.prompt import schema
from agent_app.prompt.problems import Problem, Unusable
from agent_app.prompt.yaml_marks import Marked, read_yaml

LARGEST = 1 << 20
"""How many bytes a prompt file or a part may have, and characters a prompt with its parts put in."""

_FENCE = "---"


@dataclass(frozen=True, slots=True)
class Source:
    """One file, its front matter checked by the schema, its body not yet cut into slots."""

    path: Path
    front: Marked
    body: str
    body_line: int
    """The line of the file that the body begins on."""
    problems: tuple[Problem, ...]

    def get(self, key: str) -> Marked | None:
        """Return the value of a key of the front matter, or None."""
        assert isinstance(self.front.value, dict)
        return self.front.value.get(key)

    def mapping(self, key: str) -> dict[str, Marked]:
        """Return the mapping under a key of the front matter; empty when there is none."""
        found = self.get(key)
        return found.value if found is not None and isinstance(found.value, dict) else {}


def read_source(path: Path, kind: Literal["prompt", "part"]) -> Source:
    """Read a file and check its front matter.

    Raises:
        Unusable: it is not a file of UTF-8 text, is too large, or its front matter is not YAML.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise _unreadable(
            path, f"cannot read the file: {error.strerror}", "give the path of a file"
        ) from error
    if len(data) > LARGEST:
        raise _unreadable(path, f"the file has more than {LARGEST:,} bytes", "make it smaller")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _unreadable(path, "the file is not UTF-8", "save it as UTF-8", line) from error
    return parse_source(text, path, kind)


def parse_source(text: str, path: Path, kind: Literal["prompt", "part"]) -> Source:
    """Divide a file's text into front matter and body, and check the front matter.

    The blank line after the front matter and the line end of the last line are not part of the body.

    Raises:
        Unusable: the front matter is not closed, not YAML, or not a mapping.
    """
    lines = with_plain_ends(text).split("\n")
    front, start = Marked({}, 1, 1), 0
    if lines[0].rstrip() == _FENCE:
        close = next((n for n, line in enumerate(lines) if n and line.rstrip() == _FENCE), None)
        if close is None:
            raise _unreadable(path, "the front matter has no end", f"close it with a line {_FENCE!r}")
        front = read_yaml("\n".join(lines[1:close]), path, first_line=2)
        start = close + 1
        if lines[start : start + 1] == [""] and start + 1 < len(lines):
            start += 1
    problems: list[Problem] = []
    schema.check(front, kind, path, problems)
    if not isinstance(front.value, dict):
        raise Unusable(problems[0])
    body = "\n".join(lines[start:]).removesuffix("\n")
    return Source(path, front, body, start + 1, tuple(problems))


def with_plain_ends(text: str) -> str:
    """Return a text whose lines end as on Unix, however they did."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def compose_source(front: str, body: str) -> str:
    """Put front matter and body together as `parse_source` takes them apart."""
    return f"{_FENCE}\n{front}{_FENCE}\n\n{body}\n"


def _unreadable(path: Path, message: str, fix: str, line: int = 1) -> Unusable:
    return Unusable(Problem("P001", path, line, 1, message, fix))
