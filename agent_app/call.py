"""One call of the model: what it is asked, and its reply as it comes in."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.messages import BaseMessage

from agent_app.answer_form import AnswerForm, Misfit
from agent_app.events import Said
from agent_app.loop import Move, Unread
from agent_app.models import ReadyModel, is_cut
from agent_app.parser import FormatError, Piece, ReplyReader
from agent_app.steps import Answer, Usage


class Call:
    """What a model is asked, and the reply as far as it has come.

    Args:
        ready: the model.
        messages: what the model is shown; see `layout.laid_out` and `Passages.asked`.
        begun: how the thought begins; the prompt has written that for the model.
        options: what the model is called with beside the messages.
        reader: reads the reply.
        form: what the final answer has to be, if it is to be data.
    """

    def __init__(
        self,
        ready: ReadyModel,
        messages: list[BaseMessage],
        begun: str,
        options: dict[str, Any],
        reader: ReplyReader,
        form: AnswerForm | None,
    ) -> None:
        self.ready, self.messages, self.options, self.reader = ready, messages, options, reader
        self.usage = Usage(calls=1)
        self._begun = begun
        self._said_begun = not begun
        self._form = form
        self._reply: list[str] = []
        self._is_cut = False

    @property
    def prompt(self) -> str:
        """All that the model is shown."""
        return "".join(message.text for message in self.messages)

    @property
    def reply(self) -> str:
        """What the model has written so far."""
        return "".join(self._reply)

    def read(self, message: BaseMessage) -> Iterator[Said]:
        """Take the reply, or a part of it, and tell what of it is certain."""
        return self._said(self._fed(message))

    def take(self, message: BaseMessage) -> None:
        """Take the whole reply, of which nobody wants to see the parts."""
        self._fed(message, last=True)

    def move(self) -> Move:
        """End the reply and return what the model wants."""
        try:
            move = self.reader.close(cut=self._is_cut)
            if self._form is not None and isinstance(move, Answer):
                self._form.read(move.text)
        except FormatError as error:
            return self._unread(str(error.observation))
        except Misfit as error:
            return self._unread(str(error))
        if not self._begun:
            return move
        return dataclasses.replace(move, thought=f"{self._begun} {move.thought}".strip())

    def rest(self) -> Iterator[Said]:
        """Tell what became certain only at the reply's end."""
        return self._said(self.reader.pieces())

    def _unread(self, complaint: str) -> Unread:
        """Return the reply as one that is none, with the sentence that the model reads next."""
        return Unread(f"{self._begun}{self.reply}", complaint)

    def _fed(self, message: BaseMessage, *, last: bool = False) -> list[Piece]:
        text = message.text
        self._reply.append(text)
        self._is_cut = self._is_cut or is_cut(message.response_metadata)
        usage = getattr(message, "usage_metadata", None)
        if usage:
            self.usage += Usage(
                prompt_tokens=usage["input_tokens"],
                completion_tokens=usage["output_tokens"],
                cached_tokens=usage.get("input_token_details", {}).get("cache_read", 0) or 0,
            )
        return self.reader.feed(text, last=last)

    def _said(self, pieces: Sequence[Piece]) -> Iterator[Said]:
        for piece in pieces:
            text = piece.text
            if not self._said_begun:
                self._said_begun = True
                yield Said("thought", self._begun)
                text = f" {text}" if piece.kind == "thought" else text
            yield Said(piece.kind, text)
