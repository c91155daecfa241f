"""The mean of soft prompts, after "Model soups" (Wortsman et al., 2022).

Tables that were tuned from one beginning on different rows lie near each other. Their mean often does better
than each of them, and costs nothing when it is served.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from agent_app.errors import PromptError
from agent_app.soft_prompt.stored import SoftPrompt, save_soft_prompt


def save_mean(folder: Path, soft: Sequence[SoftPrompt], description: str = "") -> SoftPrompt:
    """Write the mean of some soft prompts as another one.

    Its card is that of the last of them, with the digests of all under ``mean_of`` in its settings; what
    was measured while that one was tuned stands under ``last_tuning`` in its metrics.

    Args:
        folder: made if it is not there; its name is the new soft prompt's.
        soft: at least two, of one model and with as many tokens.
        description: what it is for; empty: whose mean it is.

    Raises:
        PromptError: they do not belong together.
        OSError: it cannot be written.
    """
    import numpy as np

    first, *others = soft
    for other in others:
        if other.card.base.sha256 != first.card.base.sha256:
            what = f"it is for {other.card.base.name}, and {first.name} for {first.card.base.name}"
            raise PromptError(f"{what}; a mean takes soft prompts of one model", file=other.folder)
        if other.vectors.shape != first.vectors.shape:
            what = f"it has {other.card.tokens} tokens, and {first.name} has {first.card.tokens}"
            raise PromptError(f"{what}; a mean takes as many of each", file=other.folder)
    card = soft[-1].card
    mean = dataclasses.replace(
        card,
        name=folder.resolve().name,
        description=description or f"The mean of {', '.join(one.name for one in soft)}",
        settings={**card.settings, "mean_of": [one.digest for one in soft]},
        metrics={"last_tuning": dict(card.metrics)},
    )
    return save_soft_prompt(folder, np.stack([one.vectors for one in soft]).mean(axis=0), mean)
