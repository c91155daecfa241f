"""YAML becomes plain values that know their line: mappings, lists, texts, numbers, truth values.

The rest of YAML (aliases, tags, dates, merge keys, keys said twice, the number ``12:30``, the truth value
``no``) is refused, so that a small file cannot grow large, and nothing in it can mean anything but what it
says.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from agent_app.prompt.problems import Problem, Unusable

if TYPE_CHECKING:
    import yaml

Scalar: TypeAlias = str | int | float | bool | None

_PREFIX = "tag:yaml.org,2002:"
_LONGEST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of value, and the one way that it may be written here; YAML 1.1 has stranger ones."""

    form: str
    """A regular expression."""
    words: str
    fix: str
    read: Callable[[str], Scalar]


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


_KINDS = {
    "str": _Kind("(?s:.*)", "text", "words", str),
    "int": _Kind(r"[-+]?(?:0|[1-9][0-9]*)", "a whole number", "plain digits", int),
    "float": _Kind(
        r"[-+]?(?:0|[1-9][0-9]*)?\.[0-9]*(?:[eE][-+]?[0-9]+)?", "a number", "plain digits", _finite
    ),
    "bool": _Kind("(?i:true|false)", "a truth value", "true or false", lambda text: text.lower() == "true"),
    "null": _Kind("|~|null|Null|NULL", "nothing", "null", lambda _: None),
}
"""By what YAML calls them."""


@dataclass(frozen=True, slots=True)
class Marked:
    """A value and where it stands; the value of a key stands where its key does."""

    value: Mapping[str, Marked] | list[Marked] | Scalar
    line: int
    column: int
    text_line: int = 0
    """The line that a text itself begins on, which may be below its key's."""
    indent: int = 0
    """How many characters stand before each line of a text."""

    def plain(self) -> Any:
        """Return the value without its places."""
        if isinstance(self.value, Mapping):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value


def read_yaml(text: str, file: Path, first_line: int) -> Marked:
    """Read YAML and keep the places; an empty text is an empty mapping.

    Args:
        text: the YAML.
        file: where it comes from, for the problem.
        first_line: the line of the file that the text begins on.

    Raises:
        Unusable: it is not YAML, or more of YAML than is taken here.
    """
    import yaml

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line, mark.column) if mark else (0, 0)
        what = f"the front matter is not YAML: {error.problem or error.context}"
        raise _refused(what, "mend it here or above", file, first_line + line, column) from error
    except yaml.reader.ReaderError as error:  # a character that YAML does not allow; its place is an offset
        what = f"the front matter is not YAML: {str(error).splitlines()[0]}"
        line = first_line + text.count("\n", 0, error.position)
        column = error.position - text.rfind("\n", 0, error.position) - 1
        raise _refused(what, "take the character out", file, line, column) from error
    except RecursionError as error:
        raise _refused(
            "the front matter is nested too deeply", "make it flat", file, first_line, 0
        ) from error
    if root is None:
        return Marked({}, first_line, 1)
    return _Reader(text, file, first_line).read(root)


class _Reader:
    """Turns the nodes of one file into marked values; each node may be met once."""

    def __init__(self, text: str, file: Path, first_line: int) -> None:
        self.lines, self.file, self.first_line = text.split("\n"), file, first_line
        self.seen: set[int] = set()

    def read(self, node: yaml.Node, place: yaml.Node | None = None) -> Marked:
        import yaml

        if id(node) in self.seen:
            raise self.refuse(node, "an alias (*name)", "write the value out again")
        self.seen.add(id(node))
        mark = (place or node).start_mark
        line, column = self.first_line + mark.line, mark.column + 1
        if isinstance(node, yaml.MappingNode) and node.tag == _PREFIX + "map":
            return Marked(self.mapping(node), line, column)
        if isinstance(node, yaml.SequenceNode) and node.tag == _PREFIX + "seq":
            return Marked([self.read(child) for child in node.value], line, column)
        if not isinstance(node, yaml.ScalarNode):
            tag = node.tag.replace(_PREFIX, "!!")
            raise self.refuse(node, f"a list or a mapping under the tag {tag}", "take the tag out")
        return Marked(self.scalar(node), line, column, *self.text_place(node))

    def mapping(self, node: yaml.MappingNode) -> dict[str, Marked]:
        import yaml

        values: dict[str, Marked] = {}
        for key, child in node.value:
            if key.tag != _PREFIX + "str" or not isinstance(key, yaml.ScalarNode):
                raise self.refuse(key, "a key that is not text", "put it in quotes")
            if key.value in values:
                raise self.refuse(key, f"the key {key.value!r} a second time", "keep one of the two")
            values[key.value] = self.read(child, key)
        return values

    def scalar(self, node: yaml.ScalarNode) -> Scalar:
        name, text = node.tag.removeprefix(_PREFIX), node.value
        if name not in _KINDS:
            raise self.refuse(node, f"a value of the kind {name!r}", "put it in quotes to make it text")
        kind = _KINDS[name]
        with contextlib.suppress(ValueError):  # it is infinite, or has more digits than Python reads
            if re.fullmatch(kind.form, text):
                return kind.read(text)
        what = f"{text[:_LONGEST_SHOWN]!r}, which YAML takes for {kind.words}"
        raise self.refuse(node, what, f"put it in quotes to make it text, or write {kind.fix}")

    def text_place(self, node: yaml.ScalarNode) -> tuple[int, int]:
        """Return the line that a text begins on, and how many characters stand before it there."""
        mark = node.start_mark
        if node.style not in ("|", ">"):
            return self.first_line + mark.line, mark.column + (1 if node.style else 0)
        below = next(filter(str.strip, self.lines[mark.line + 1 :]), "")
        return self.first_line + mark.line + 1, len(below) - len(below.lstrip(" "))

    def refuse(self, node: yaml.Node, what: str, fix: str) -> Unusable:
        mark = node.start_mark
        what = f"the front matter holds {what}"
        return _refused(what, fix, self.file, self.first_line + mark.line, mark.column)


def _refused(what: str, fix: str, file: Path, line: int, column: int) -> Unusable:
    return Unusable(Problem("P002", file, line, column + 1, what, fix))
