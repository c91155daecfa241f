"""A rule: what to do about the calls of some tools with some arguments."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

from agent_app.errors import SettingError, suggest
from agent_app.steps import Action

Do = Literal["always", "ask once per session", "ask once", "ask", "never"]
"""What to do about a call: from letting it run to never running it, each word stricter than the one before.

``ask once per session``: a yes holds for every call that the rule matches, until the session ends;
``ask once``: yes or no holds for these exact arguments; ``ask``: each call is asked about.
"""

WORDS: tuple[Do, ...] = get_args(Do)


@dataclass(frozen=True, slots=True)
class Rule:
    """What to do about every call of some tools, or about those with certain arguments.

    In a pattern ``*`` stands for any text and ``?`` for any one character; all else stands for itself.
    A pattern is held against the whole of a text, and capitals count.

    In doubt the stricter reading counts. So where an argument holds several texts, `always` wants all
    of them to match and the other words take one; and `always` matches no call with an argument
    that it does not name. Even so ``never`` guards against mishaps, not against cunning:
    ``never:shell(rm *)`` does not match ``/bin/rm x``. To be sure, allow what you know and ask about
    the rest.

    Args:
        tool: a pattern for the tool's name.
        arguments: a pattern for each of some arguments by name, or one for every argument, as suits a
            tool that takes one text; None: the arguments do not matter.
        do: what to do; see `Do`.

    Raises:
        SettingError: one of them is empty, unknown or not of its kind.
    """

    tool: str
    arguments: str | Mapping[str, str] | None = None
    do: Do = "ask"

    def __post_init__(self) -> None:
        if self.do not in WORDS:
            raise SettingError(f"a rule cannot say {self.do!r}; {suggest(str(self.do), WORDS)}")
        if not isinstance(self.tool, str) or not self.tool or self.tool != self.tool.strip():
            raise SettingError(f"a rule names the tool {self.tool!r}; it takes a name, or * for every tool")
        if "(" in self.tool:
            raise SettingError(f"a rule names the tool {self.tool!r}; patterns of arguments are given apart")
        _check(self.tool, self.arguments)
        if isinstance(self.arguments, Mapping):
            object.__setattr__(self, "arguments", dict(self.arguments))

    @classmethod
    def parse(cls, text: str) -> Rule:
        """Read the short form: ``always:calculator``, ``never:shell(rm *)``, ``ask:web_*({"query": "*"})``.

        Raises:
            SettingError: it is not of that form.
        """
        word, colon, rest = text.strip().partition(":")
        tool, bracket, inner = rest.strip().partition("(")
        if not colon or (bracket and not inner.endswith(")")):
            raise SettingError(f"not a rule: {text!r}; write it like ask:web_search or never:shell(rm *)")
        do: Any = " ".join(word.replace("-", " ").replace("_", " ").split())
        if not bracket:
            return cls(tool, do=do)
        pattern = inner.removesuffix(")")
        named = _object(pattern)
        return cls(tool.rstrip(), pattern if named is None else named, do)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Rule:
        """Take back what `to_dict` gave.

        Raises:
            SettingError: a part is missing, unknown or wrong.
        """
        unknown = [str(key) for key in data if key not in ("tool", "arguments", "do")]
        if unknown:
            raise SettingError(f"a rule has no {unknown[0]!r}; it has tool, arguments and do")
        if "tool" not in data or "do" not in data:
            raise SettingError(f"the rule {dict(data)!r} is not whole; it needs tool and do")
        return cls(**data)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that `from_dict` takes back."""
        if self.arguments is None:
            return {"tool": self.tool, "do": self.do}
        given = self.arguments if isinstance(self.arguments, str) else dict(self.arguments)
        return {"tool": self.tool, "arguments": given, "do": self.do}

    def __str__(self) -> str:
        """Return the short form that `parse` takes back."""
        if self.arguments is None:
            return f"{self.do}:{self.tool}"
        if isinstance(self.arguments, str):
            return f"{self.do}:{self.tool}({self.arguments})"
        return f"{self.do}:{self.tool}({json.dumps(self.arguments, ensure_ascii=False, sort_keys=True)})"

    @property
    def is_pattern(self) -> bool:
        """Whether it may be about several tools."""
        return not {"*", "?"}.isdisjoint(self.tool)

    def matches(self, action: Action) -> bool:
        """Say whether this rule is about an action."""
        return _matches(self.tool, action.tool) and (self.arguments is None or self._fits(action.input))

    def _fits(self, given: str | dict[str, Any]) -> bool:
        strict = self.do != "always"
        enough = any if strict else all

        def holds(pattern: str, value: Any) -> bool:
            return enough(_matches(pattern, text) for text in texts_in(value))

        if isinstance(self.arguments, str):
            return holds(self.arguments, given)
        assert self.arguments is not None
        if isinstance(given, str):  # the argument's name is not known: doubt
            return strict and any(holds(pattern, given) for pattern in self.arguments.values())
        if not strict and given.keys() - self.arguments.keys():
            return False
        return all(name in given and holds(pattern, given[name]) for name, pattern in self.arguments.items())


def read_rules(source: str | Iterable[Rule | str | Mapping[str, Any]]) -> tuple[Rule, ...]:
    """Return the rules in a text, one a line, or in a list of rules, short forms and plain data.

    Raises:
        SettingError: one of them is wrong; says which and what would be right.
    """
    lines = [line for line in source.splitlines() if line.strip()] if isinstance(source, str) else source
    return tuple(_rule(item) for item in lines)


def _rule(item: Rule | str | Mapping[str, Any]) -> Rule:
    if isinstance(item, Rule):
        return item
    if isinstance(item, str):
        return Rule.parse(item)
    if isinstance(item, Mapping):
        return Rule.from_dict(item)
    raise SettingError(f"not a rule: {item!r}; write it like ask:web_search or never:shell(rm *)")


def texts_in(value: Any) -> Iterator[str]:
    """Yield every text in a value, however deep; a number or a word of JSON as JSON writes it."""
    pending = [value]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            pending.extend(reversed([*value.values()] or [""]))
        elif isinstance(value, list | tuple):
            pending.extend(reversed([*value] or [""]))
        else:
            yield json.dumps(value)


def _matches(pattern: str, text: str) -> bool:
    # fnmatch takes time linear in the text, and its brackets are switched off.
    return fnmatchcase(text, pattern.replace("[", "[[]"))


def _check(tool: str, arguments: object) -> None:
    """Refuse patterns of arguments that could not be meant."""
    if arguments is None:
        return
    if isinstance(arguments, str):
        if not arguments:
            raise SettingError(f"a rule for {tool} has an empty pattern; write * for any text")
        if _object(arguments) is not None:
            raise SettingError(f"a rule for {tool} has a JSON object as a text; give it as a mapping")
        return
    if not isinstance(arguments, Mapping) or not arguments:
        raise SettingError(
            f"a rule for {tool} has the arguments {arguments!r}; they take a text, "
            'or a text for each name, such as {"query": "*"}'
        )
    for name, pattern in arguments.items():
        if not isinstance(name, str) or not isinstance(pattern, str) or not pattern:
            raise SettingError(
                f"a rule for {tool} has {pattern!r} for the argument {name!r}; it takes a text, * for any"
            )


def _object(text: str) -> dict[str, Any] | None:
    """Read a text as a JSON object; None if it is not one."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
