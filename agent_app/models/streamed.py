"""What a stream of a chat has told so far, and a whole reply in the form of a stream."""

from __future__ import annotations

from langchain_core.messages import AIMessageChunk
from langchain_core.messages.ai import UsageMetadata, subtract_usage
from langchain_core.outputs import ChatGenerationChunk, ChatResult


class Told:
    """What one stream has told so far."""

    def __init__(self) -> None:
        self.anything = False
        """Whether there was a piece at all; what is no stream of events has none."""
        self.text = False
        """Whether somebody may have read a word of it."""
        self.ended = False
        """Whether it said why it ends."""
        self._usage: UsageMetadata | None = None

    def take(self, chunk: ChatGenerationChunk) -> ChatGenerationChunk:
        """Take a piece and return it with the tokens since the one before.

        Some servers tell with every piece what it was up to there, and whoever puts the pieces together
        adds that up.
        """
        self.anything = True
        self.text = self.text or bool(chunk.text)
        self.ended = self.ended or bool((chunk.generation_info or {}).get("finish_reason"))
        message = chunk.message
        if isinstance(message, AIMessageChunk) and message.usage_metadata:
            total = message.usage_metadata
            message.usage_metadata = subtract_usage(total, self._usage)
            self._usage = total
        return chunk


def in_one_piece(result: ChatResult) -> ChatGenerationChunk:
    """Return a whole reply as the only piece of a stream."""
    (generation, *_) = result.generations
    message = AIMessageChunk(**generation.message.model_dump(exclude={"type"}))
    return ChatGenerationChunk(message=message, generation_info=generation.generation_info)
