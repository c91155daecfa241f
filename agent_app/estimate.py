"""How many tokens a prompt may have at most, for models that cannot count themselves.

A tokenizer would have to be fetched from somewhere, and another one for each model. What is needed
before a call is only an upper bound, and what all tokenizers of today have in common gives one:

* they cut a text into runs of letters, digits and other signs before they look into their vocabulary;
* a common word of up to four letters is one token, a longer one has two letters or more in each;
* other letters (capitals, mixed as in base64, after digits, beside an accent, in a run of more than 14)
  break into smaller parts: four in three tokens;
* a digit, a sign of ASCII and a line's end are a token at most, a stretch of spaces hardly more than one;
* anything else has at most as many tokens as bytes in UTF-8, since no token is shorter than a byte.

For English and code this is about twice the truth, for numbers nearly the truth. It is not a bound for
words of random small letters, which have up to a third more. From a run's second call on the excess hardly
matters: the server has counted the earlier prompt, and only what is new needs to be estimated.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

WRAPPING = 100
"""Tokens that a server may put around a prompt: its chat template, with a system message of its own."""

_LONGEST_WORD = 14
_RUNS = re.compile(
    r"(?P<word>(?: |(?<![A-Za-z0-9\x80-\U0010ffff]))[A-Z]?[a-z]++(?![\x80-\U0010ffff]))"
    r"|(?P<letters> ?[A-Za-z]+)"
    r"|(?P<spaces> +)"
    r"|(?P<other>[^\x00-\x7f]+)"
    r"|[\x00-\x7f]"
)


@dataclass(frozen=True, slots=True)
class Counted:
    """A prompt and its number of tokens, as the model's server counted them."""

    text: str
    tokens: int


def most_tokens(text: str, counted: Counted | None = None) -> int:
    """Return an upper bound for the tokens of a prompt.

    Args:
        text: the whole prompt, the text of all its messages joined.
        counted: an earlier prompt of the same run on the same model. If the new one begins with at least
            half of it, only the rest is estimated.
    """
    if counted is not None and counted.tokens:
        shared = _common(text, counted.text)
        # The end of the earlier prompt was counted, too: when much of that is gone, the count is too high.
        if 2 * shared >= len(counted.text):
            return counted.tokens + _most(text[shared:]) + 1  # one token may be cut where the two part
    return WRAPPING + _most(text)


def _most(text: str) -> int:
    return sum(map(_most_in_run, _RUNS.finditer(text)))


def _most_in_run(run: re.Match[str]) -> int:
    found, kind = run[0], run.lastgroup
    if kind == "other":
        return len(found.encode(errors="surrogatepass"))  # a tool may give half a character
    if kind == "spaces":
        return -(-len(found) // 16)
    length = len(found.lstrip(" "))
    if kind == "word" and length <= _LONGEST_WORD:
        return 1 if length <= 4 else -(-length // 2)
    return -(-length * 3 // 4)


def _common(one: str, other: str) -> int:
    """Return how many characters two texts begin with in common, by halving."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one.startswith(other[low:middle], low):
            low = middle
        else:
            high = middle - 1
    return low
