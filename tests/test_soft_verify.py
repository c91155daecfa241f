"""`agent-app soft verify` on a tiny random model: llama.cpp and transformers really read the same vectors."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from said import Caller
from soft_prompts import card
from tiny_model import DIMENSION, write_tiny

from agent_app import places
from agent_app.models import load_model
from agent_app.models.embedded import EmbeddedModel
from agent_app.models.stored import sha256_of
from agent_app.settings import Settings
from agent_app.soft_prompt import Base, SoftPrompt, save_soft_prompt
from agent_app.tuning.frozen import load_frozen
from agent_app.tuning.verifying import Compared, _written, compare

QUESTION = "What is 7 + 8?"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a model, where what is made of it is kept."""
    folder = tmp_path_factory.mktemp("verify")
    write_tiny(folder / "tiny.gguf")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("agent_app.tuning.frozen.frozen_folder", lambda: folder / "frozen")
        patch.setattr(places, "derived_folder", lambda: folder / "derived")
        patch.chdir(folder)
        yield folder


def drawn(home: Path, name: str, seed: int, size: float = 0.2) -> SoftPrompt:
    """Keep a soft prompt of vectors that are as long as those of the model's tokens, or of another size."""
    vectors = np.random.default_rng(seed).normal(0, size, (4, DIMENSION)).astype(np.float32)
    base = Base("tiny", sha256_of(home / "tiny.gguf"))
    kept = dataclasses.replace(card(name, len(vectors)), dimension=DIMENSION, base=base)
    return save_soft_prompt(home / "library" / "soft" / name, vectors, kept)


@pytest.fixture(scope="module")
def sailor(home: Path) -> SoftPrompt:
    return drawn(home, "sailor", 1)


@pytest.fixture
def verify(sailor: SoftPrompt, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Caller:
    told = ("-m", "./tiny.gguf", "--prompts-dir", "library", "--tokens", "8", "-q", QUESTION)
    return Caller(monkeypatch, capsys, "soft", "verify", sailor.name, *told)


def test_both_read_the_same_vectors_alike(verify: Caller) -> None:
    said = verify("-q", "How much is 15 % of 80?")
    assert (said.code, said.err) == (0, "")
    first, _, *_, last = said.out.splitlines()
    assert re.fullmatch(r"ok    What is 7 \+ 8\?  .*, first tokens 0\.\d{3} apart.*", first)
    assert last == "2 of 2 agree"


def test_both_read_the_words_of_the_prompt_that_it_stands_in(verify: Caller, home: Path) -> None:
    (home / "mate.md").write_text(
        "---\nname: mate\ndescription: Has words of its own.\nversion: '1.0'\nsoft: sailor\n"
        "stop: ['\\nObservation:']\n---\n{soft}Mate: Question: {input}\nThought:{agent_scratchpad}\n",
        encoding="utf-8",
    )
    bare, around = (json.loads(verify("--json", *more).out) for more in ((), ("-p", "mate.md")))
    assert max(one["gap"] for one in (*bare, *around)) < 0.1
    assert bare[0]["transformers"] != around[0]["transformers"]


def test_what_would_stand_after_the_call_of_a_tool_is_not_compared(home: Path) -> None:
    frozen = load_frozen("./tiny.gguf", Settings())
    call, rest = "Action Input: 7 + 8\nObservation:", " 15, and so on"
    tokens = frozen.tokenizer(f"{call}{rest}", add_special_tokens=False)["input_ids"]
    kept, text = _written(tokens, frozen)
    assert text == call
    assert [*kept] == tokens[: len(kept)]


def test_a_difference_beyond_what_is_tolerated_fails(verify: Caller) -> None:
    said = verify("--tolerance", "0")
    assert (said.code, said.err) == (1, "")
    assert said.out.startswith(f"FAIL  {QUESTION}  ")
    assert said.out.endswith("0 of 1 agree\n")


def test_as_json_each_question_has_both_texts_and_how_far_they_are_apart(verify: Caller) -> None:
    said = verify("--json")
    (told,) = json.loads(said.out)
    assert said.code == 0
    assert list(told) == ["question", "agrees", "parting", "gap", "margin", "served", "transformers"]
    assert (told["question"], told["agrees"]) == (QUESTION, True)
    assert 0 < told["gap"] < 0.5
    assert (told["served"] == told["transformers"]) is (told["parting"] is None)


def test_other_vectors_of_the_same_name_do_not_agree(home: Path, sailor: SoftPrompt) -> None:
    settings = Settings(context=256, threads=1)
    frozen = load_frozen("./tiny.gguf", settings)
    served = load_model("embedded:./tiny.gguf", settings=settings, soft=[sailor])
    assert isinstance(served, EmbeddedModel)
    with_others = dataclasses.replace(sailor, vectors=drawn(home, "other", 2).vectors)

    def compared(soft: SoftPrompt) -> Compared:
        return compare(QUESTION, frozen, served, soft, tokens=4)

    try:
        assert compared(sailor).agrees(0.5)
        assert not compared(with_others).agrees(0.5)
    finally:
        served.close()


def test_vectors_that_would_win_every_choice_leave_real_tokens_their_chances(home: Path) -> None:
    settings = Settings(context=256, threads=1)
    strong = drawn(home, "strong", 3, 400.0)
    served = load_model("embedded:./tiny.gguf", settings=settings, soft=[strong])
    assert isinstance(served, EmbeddedModel)
    try:
        compared = compare(QUESTION, load_frozen("./tiny.gguf", settings), served, strong, tokens=4)
    finally:
        served.close()
    assert math.isfinite(compared.gap)
    assert len(compared.served.chances[0]) > 100
    assert sum(map(math.exp, compared.served.chances[0].values())) == pytest.approx(1, abs=0.2)
