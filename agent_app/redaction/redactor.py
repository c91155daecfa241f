"""Puts marks in the place of secrets, in whole texts and in those that arrive in pieces."""

from __future__ import annotations

import base64
import dataclasses
import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, unquote

from agent_app.history import Turn
from agent_app.redaction.forms import FORMS, HINTS, Form, compiled
from agent_app.settings import SHORTEST_SECRET, secrets
from agent_app.steps import Action, Answer, Observation, Unreadable

if TYPE_CHECKING:
    import regex


class Redactor:
    """Puts a mark in the place of each secret in a text.

    It takes linear time. A text without secrets is only looked through for a few fixed words. What is
    redacted already stays as it is.

    Args:
        values: secrets by the name that is shown instead of them. They are also found where they are
            written as in a URL, in a JSON string or in base64.

    Raises:
        ValueError: a value has fewer than 8 characters and would be found everywhere.
    """

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._names: dict[str, str] = {}
        for name, value in (values or {}).items():
            if len(value) < SHORTEST_SECRET:
                raise ValueError(
                    f"the secret {name!r} has {len(value)} characters; at least {SHORTEST_SECRET} are needed"
                )
            for written in _ways_to_write(value):
                if len(written) >= SHORTEST_SECRET:
                    self._names.setdefault(written, name)

    @classmethod
    def from_environment(cls, values: Mapping[str, str] | None = None) -> Redactor:
        """Return one that knows the secrets which the environment holds now, and some more values."""
        return cls({**secrets(), **(values or {})})

    def text(self, text: str) -> str:
        """Return a text with a mark in the place of each secret."""
        if not self._may_have_secret(text):
            return text
        return self._whole.sub(self._replacement, text)

    def data(self, value: Any) -> Any:
        """Return JSON-like data with each text in it redacted, keys too; what is not JSON-like stays.

        The steps of a run and the turns of a conversation are JSON-like.
        """
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.data(key): self.data(item) for key, item in value.items()}
        if type(value) in (list, tuple):
            return type(value)(self.data(item) for item in value)
        if isinstance(value, Turn | Action | Observation | Answer | Unreadable):
            given = {
                field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init
            }
            safe = self.data(given)
            return value if safe == given else dataclasses.replace(value, **safe)
        return value

    def error(self, error: BaseException) -> BaseException:
        """Return an error, and those that it came from or is a group of, with all that they hold redacted.

        That is the messages, the notes, and what a client library keeps beside them, such as the body of a
        reply. It is the same object, unless its message is made of more than that; then a `RuntimeError`
        that names its type stands for it. What it came from is left out from the first such message on.
        """
        links = list(_linked(error))
        for link in links:
            self._redact_held(link)
        telling = [link for link in links if self._tells(link)]
        if error in telling:
            return RuntimeError(f"{type(error).__name__}: {self.text(str(error))}")
        for link in links:
            if link.__cause__ in telling:
                link.__cause__ = None
            if link.__context__ in telling:
                link.__context__ = None
        return error

    def _redact_held(self, error: BaseException) -> None:
        error.args = tuple(self.data(item) for item in error.args)
        held = vars(error)
        for name, value in held.items():
            safe = self.data(value)
            # A mapping that is more than its items, as that of headers is, stays so where no secret is in it.
            if safe is not value and safe != value:
                held[name] = safe

    def _tells(self, error: BaseException) -> bool:
        """Say whether a secret is in an error's message, or in that of a group's member."""
        if isinstance(error, BaseExceptionGroup) and any(map(self._tells, error.exceptions)):
            return True
        return self.text(str(error)) != str(error)

    def stream(self) -> RedactingStream:
        """Return what redacts one text that arrives in pieces."""
        return RedactingStream(self)

    def _may_have_secret(self, text: str) -> bool:
        if self._names and any(value in text for value in self._names):
            return True
        for hint, form in HINTS:  # noqa: SIM110 - every reply passes here, and `any` takes twice as long
            if hint in text and form.pattern.search(text):
                return True
        return False

    @functools.cached_property
    def _whole(self) -> regex.Pattern[str]:
        """Finds whole secrets."""
        return compiled(self._pattern(run=True))

    @functools.cached_property
    def _started(self) -> regex.Pattern[str]:
        """Finds secrets up to where their run goes on."""
        return compiled(self._pattern(run=False))

    @functools.cached_property
    def _unfinished(self) -> regex.Pattern[str]:
        """Finds where, at the end of a text, a secret may be beginning; to be used with ``partial=True``.

        As it can never match as a whole, a secret that is there already does not hide one before it.
        """
        return compiled(f"(?:{self._pattern(run=False)})(?!)")

    def _pattern(self, *, run: bool) -> str:
        # Marks first, so that no name in one is taken for a secret; longer values before their beginnings.
        marks = dict.fromkeys(map(_mark, (*self._names.values(), *(form.name for form in FORMS))))
        choices = [f"(?P<mark>{_any_of(marks)})"]
        if self._names:
            choices.append(f"(?P<value>{_any_of(sorted(self._names, key=len, reverse=True))})")
        for number, form in enumerate(FORMS):
            rest = f"{form.run}*" if run and form.run else ""
            choices.append(f"(?P<form{number}>{form.start}{rest})")
        return "|".join(choices)

    def _replacement(self, found: regex.Match[str]) -> str:
        form = form_of(found)
        if form is not None:
            return (found["kept"] or "") + _mark(form.name)
        return found[0] if found["mark"] else _mark(self._names[found[0]])


class RedactingStream:
    """Redacts one text that arrives in pieces; joined, it gives what `Redactor.text` gives for the whole.

    It holds back only what may still turn out to be a secret, at most the length of the longest.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._before = ""
        """The last character that was dealt with, as a key does not begin within a word."""
        self._held = ""
        self._run: str = ""
        """The characters that go on the secret which is arriving; empty when none is."""

    def feed(self, piece: str) -> str:
        """Take a piece and return the text that is now safe to show; it may be empty."""
        return "".join(self._safe(self._held + piece, partial=True))

    def close(self) -> str:
        """Say that the text is over and return the rest of it."""
        return "".join(self._safe(self._held, partial=False))

    def _safe(self, new: str, *, partial: bool) -> Iterator[str]:
        """Yield what is certain of the text that has not been dealt with, and hold back the rest."""
        text, at = self._before + new, len(self._before)
        at = self._after_run(text, at)
        redactor = self._redactor
        end = len(text)
        if partial and (unfinished := redactor._unfinished.search(text, at, partial=True)):
            end = unfinished.start()
        while (found := redactor._started.search(text, at)) and found.start() < end:
            yield text[at : found.start()]
            yield redactor._replacement(found)
            at = found.end()
            if form := form_of(found):
                self._run = form.run
                at = self._after_run(text, at)
        if at < end:
            yield text[at:end]
            at = end
        self._before, self._held = text[max(at - 1, 0) : at], text[at:]

    def _after_run(self, text: str, at: int) -> int:
        """Return where the run of a secret ends that goes on here, if one does."""
        import regex

        if self._run:
            at = regex.compile(f"{self._run}*").match(text, at).end()  # type: ignore[union-attr]
            if at < len(text):
                self._run = ""
        return at


def _linked(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, and all that it came from or is a group of, each once."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        link = waiting.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        waiting += (link.__cause__, link.__context__)
        waiting += link.exceptions if isinstance(link, BaseExceptionGroup) else ()


def _mark(name: str) -> str:
    return f"[secret: {name}]"


def _any_of(texts: Iterable[str]) -> str:
    import regex

    return "|".join(regex.escape(text) for text in texts)


def form_of(found: regex.Match[str]) -> Form | None:
    """Return the form that a secret was found by; None for a mark or a value that is known."""
    return next((form for number, form in enumerate(FORMS) if found[f"form{number}"] is not None), None)


def _ways_to_write(value: str) -> Iterator[str]:
    """Yield a secret as it is, and as it looks in a URL, in a JSON string and in base64."""
    escaped = quote(value, safe="")
    lower = "%".join(
        part if not at else part[:2].lower() + part[2:] for at, part in enumerate(escaped.split("%"))
    )
    yield from (value, escaped, lower, quote_plus(value), unquote(value))
    yield from (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
    raw = value.encode("utf-8", "surrogatepass")
    for offset in range(3):
        # Base64 writes three bytes as four characters: a value looks different at each place among three,
        # and the characters at its edges depend on its neighbours.
        inner = slice(-(-offset * 8 // 6), (offset + len(raw)) * 8 // 6)
        encoded = base64.b64encode(bytes(offset) + raw).decode()[inner]
        yield from (encoded, encoded.replace("+", "-").replace("/", "_"))
