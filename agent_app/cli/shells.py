"""Shells and click agree on where a word begins; registered by being imported.

Click offers whole values, such as ``embedded:smollm2-135m`` for ``--model=embedded:s``. Bash wants only what
stands behind the last ``:`` or ``=``, at which it cuts words; zsh and fish want the option's name as well.
"""

from __future__ import annotations

from collections.abc import Callable

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ZshComplete,
    add_completion_class,
)


class _Bash(BashComplete):
    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        *before, word = _glued([*args, incomplete])
        cut = word.rfind(":") + 1
        return _changed(super().get_completions(before, word), lambda value: value[cut:])


class _Zsh(ZshComplete):
    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        option = _option_of(incomplete)
        return _changed(super().get_completions(args, incomplete), lambda value: option + value)


class _Fish(FishComplete):
    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        option = _option_of(incomplete)
        return _changed(super().get_completions(args, incomplete), lambda value: option + value)


def _glued(words: list[str]) -> list[str]:
    """Put words together again that were cut at colons, and leave out the ``=`` after an option."""
    whole: list[str] = []
    for word in words:
        if whole and (word.startswith(":") or whole[-1].endswith(":")):
            whole[-1] += word
        elif word != "=" or not whole or not whole[-1].startswith("--"):
            whole.append(word)
    return whole if words[-1] != "=" else [*whole, ""]


def _option_of(word: str) -> str:
    """Return ``--option=`` when a word begins like that, else nothing."""
    option, equals, _ = word.partition("=")
    return option + equals if equals and option.startswith("--") else ""


def _changed(items: list[CompletionItem[str]], change: Callable[[str], str]) -> list[CompletionItem[str]]:
    """Change the values that are offered; where the shell is to look for files, there are none."""
    return [
        CompletionItem(change(item.value), item.type, item.help) if item.type == "plain" else item
        for item in items
    ]


for _one in (_Bash, _Zsh, _Fish):
    add_completion_class(_one)
