"""How shells and click understand each other where click alone would not do; registered by being imported."""

from __future__ import annotations

from click.shell_completion import BashComplete, CompletionItem, add_completion_class


class WholeWordsInBash(BashComplete):
    """Bash cuts words at ``:`` and ``=``, and wants only the part behind; click takes whole words."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        """Offer what goes on with a word, without what stands before its last colon."""
        *before, word = _glued([*args, incomplete])
        cut = word.rfind(":") + 1
        return [
            CompletionItem(item.value[cut:], item.type, item.help) if item.type == "plain" else item
            for item in super().get_completions(before, word)
        ]


def _glued(words: list[str]) -> list[str]:
    whole: list[str] = []
    for word in words:
        if whole and (word.startswith(":") or whole[-1].endswith(":")):
            whole[-1] += word
        elif word != "=" or not whole or not whole[-1].startswith("--"):
            whole.append(word)
    return whole if words[-1] != "=" else [*whole, ""]


add_completion_class(WholeWordsInBash)
