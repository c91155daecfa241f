"""Soft prompts for tests; where their vectors are those of a real model's words, what they do is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from agent_app.models.pinned import pinned_model
from agent_app.soft_prompt import Base, Card, Method, SoftPrompt, save_soft_prompt

BASE = "smollm2-135m"
DIMENSION = 576


def card(name: str, tokens: int, *, method: Method = "prompt-tuning", base: str = BASE) -> Card:
    """A card with no more than it must have."""
    return Card(
        name=name,
        description="for a test",
        method=method,
        tokens=tokens,
        dimension=DIMENSION,
        base=Base(base, pinned_model(base).sha256),
        tokenizer_sha256="0" * 64,
        licence="Apache-2.0",
    )


def kept(library: Path, name: str, vectors: np.ndarray, *, base: str = BASE) -> SoftPrompt:
    """Keep a soft prompt in a library."""
    return save_soft_prompt(library / "soft" / name, vectors, card(name, len(vectors), base=base))


def noise(seed: int, tokens: int = 8) -> np.ndarray:
    """Vectors that stand for nothing, about as long as those of words."""
    return np.random.default_rng(seed).normal(0, 0.1, (tokens, DIMENSION)).astype(np.float32)
