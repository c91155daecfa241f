"""Rows that are asked several times each."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from agent_app.batch.rows import Census, Row, Rows
from agent_app.errors import SettingError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


class Repeated:
    """Rows of which each comes several times, one after the other, with a key for each time.

    The first time has the row's own key: a batch that asked each question once goes on from there.

    Args:
        rows: the rows.
        times: how often each comes.
    """

    def __init__(self, rows: Rows, times: int) -> None:
        self.name, self._rows, self._times = rows.name, rows, times
        keys = [
            None if key is None else repeat_key(key, repeat)
            for key in rows.census.keys
            for repeat in range(1, times + 1)
        ]
        self.census = Census(keys, rows.census.names, rows.census.bad)

    def __iter__(self) -> Iterator[Row]:
        return self.select(lambda _: True)

    def select(self, wanted: Callable[[bytes], bool]) -> Iterator[Row]:
        """Yield the rows whose keys are wanted, as `Rows.select` does."""
        repeats = range(1, self._times + 1)
        for row in self._rows.select(lambda key: any(wanted(repeat_key(key, repeat)) for repeat in repeats)):
            for repeat in repeats:
                key = repeat_key(row.key, repeat)
                if wanted(key):
                    number = row.number * self._times + repeat - 1
                    yield dataclasses.replace(row, number=number, key=key, repeat=repeat)


def repeat_key(key: bytes, repeat: int) -> bytes:
    """Return the key of a row that is asked for the so-manyth time, counted from 1."""
    if repeat == 1:
        return key
    return hashlib.blake2b(key + b"\0%d" % repeat, digest_size=len(key)).digest()


def always_says_the_same(model: BaseChatModel) -> bool:
    """Say whether a model is set to say its likeliest words, so that asking it again is of little use."""
    return model._get_ls_params().get("ls_temperature") == 0


def set_temperature(model: BaseChatModel, temperature: float | None) -> None:
    """Let a model take less likely words as well; None leaves it as it is.

    Raises:
        SettingError: it has no temperature.
    """
    if temperature is None:
        return
    if "temperature" not in type(model).model_fields:
        raise SettingError(f"a model of the kind {model._llm_type!r} has no temperature")
    model.temperature = temperature  # type: ignore[attr-defined]
