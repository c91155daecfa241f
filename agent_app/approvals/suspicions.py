"""What in a text may not be what it looks like: characters that nobody sees, hosts that pose as others."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import urlsplit

_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]{0,30}://[^\s\"'<>]+")
_JOINERS = "\u200c\u200d"
_LOOKS = "\ufe0e\ufe0f"  # say whether the character before is shown in colours
# Letters and signs by their category that are shown as nothing at all.
_BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
_UNSEEN_RANGES = re.compile("[\ufe00-\ufe0d\u180b-\u180f\U000e0000-\U000e0fff]")


def suspicions(text: str) -> list[str]:
    """Say what in a text may mislead whoever reads it; an empty list if nothing does.

    Looked for: characters that cannot be seen or that turn the writing direction, and in addresses
    (``https://...``) a name before the host, and hosts with letters beyond ASCII, plain or in Punycode.
    Not looked for: hosts that merely resemble another in plain letters, such as ``examp1e.com``.
    """
    found = [f"a character that cannot be seen: {name}" for name in _unseen(text)]
    for url in _URL.finditer(text):
        found += _about(url[0])
    return list(dict.fromkeys(found))


def _unseen(text: str) -> Iterator[str]:
    if text.isascii() and text.isprintable():
        return
    before = ""
    for char in text:
        if _is_unseen(char, before):
            yield f"U+{ord(char):04X} {unicodedata.name(char, '').lower()}".rstrip()
        before = char


def _is_unseen(char: str, before: str) -> bool:
    if char in "\n\t":
        return False
    if char in _JOINERS:  # scripts and emoji are made with them, but no Latin letter is
        return before.isascii() or before in _JOINERS
    if char in _LOOKS:
        return (before.isascii() and before not in tuple("0123456789#*")) or before in _JOINERS + _LOOKS
    kind = unicodedata.category(char)
    return kind in ("Cc", "Cf", "Cs", "Zl", "Zp") or char in _BLANK or bool(_UNSEEN_RANGES.match(char))


def _about(url: str) -> Iterator[str]:
    """Say what is odd about the host of an address."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError as error:
        yield f"an address that cannot be read: {url} ({error})"
        return
    if "\\" in parts.netloc:
        yield f"an address that leads to one host or another, as its backslash is read: {url}"
    elif "@" in parts.netloc:
        yield f"an address that leads to {host}, whatever stands before its @: {url}"
    if not host.isascii():
        yield f"a host in letters that can look like others: {host} ({_scripts(host)})"
    elif "xn--" in host:
        try:
            meant = _decoded(host)
        except (UnicodeError, OverflowError):
            yield f"a host that cannot be read: {host}"
            return
        yield f"a host in other letters than it is written in: {host} is {meant} ({_scripts(meant)})"


def _decoded(host: str) -> str:
    """Return a host with its Punycode read."""
    return ".".join(
        label.removeprefix("xn--").encode().decode("punycode") if label.startswith("xn--") else label
        for label in host.split(".")
    )


def _scripts(host: str) -> str:
    """Name the scripts that a host is written in, as the names of its characters begin."""
    names = (
        unicodedata.name(char, "unknown").split()[0] for char in host if char.isalpha() or not char.isascii()
    )
    return " and ".join(sorted({name.capitalize() for name in names}))
