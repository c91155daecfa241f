"""Soft prompts on disk: PEFT's own form, a card beside it, and nothing damaged or foreign ever loaded."""

from __future__ import annotations

import dataclasses
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from soft_prompts import card, kept, noise

from agent_app.errors import PromptError, UnknownName
from agent_app.soft_prompt import (
    Base,
    Card,
    Method,
    Point,
    find_soft_prompt,
    load_soft_prompt,
    save_soft_prompt,
    soft_folders,
    with_others,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A soft prompt's folder, whole."""
    return kept(tmp_path, "crew", noise(1)).folder


def complaint(folder: Path) -> str:
    with pytest.raises(PromptError) as caught:
        load_soft_prompt(folder)
    text = str(caught.value)
    assert text.startswith(f"{folder}")
    assert "\n" not in text
    return text.removeprefix(f"{folder}").lstrip("/\\")


def test_what_is_saved_is_loaded_again_bit_by_bit(tmp_path: Path) -> None:
    told = dataclasses.replace(
        card("crew", 8),
        data={"sha256": "1" * 64, "examples": 40},
        settings={"lr": 0.05, "seed": 7},
        curve=(Point(1, 0.5, 2.25), Point(2, 1.0, 1.5, 1.75)),
        metrics={"right tool": 0.98},
        versions={"peft": "0.21.2"},
    )
    saved = save_soft_prompt(tmp_path / "crew", noise(1), told)
    loaded = load_soft_prompt(tmp_path / "crew")
    assert loaded == saved
    assert loaded.vectors.dtype == np.float32
    assert np.array_equal(loaded.vectors, noise(1))
    assert dataclasses.replace(loaded.card, files={}) == told
    assert sorted(path.name for path in loaded.folder.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "card.json",
    ]
    with pytest.raises(ValueError, match="read-only"):
        loaded.vectors[0, 0] = 1


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")  # PEFT's own affair
@pytest.mark.parametrize("method", ["prompt-tuning", "p-tuning"])
def test_peft_itself_loads_the_folder(tmp_path: Path, method: Method) -> None:
    peft = pytest.importorskip("peft")
    transformers = pytest.importorskip("transformers")
    small = transformers.LlamaConfig(
        vocab_size=16, hidden_size=32, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2
    )
    vectors = np.arange(96, dtype=np.float32).reshape(3, 32) / 100
    told = dataclasses.replace(card("crew", 3, method=method), dimension=32)
    save_soft_prompt(tmp_path / "crew", vectors, told)
    model = peft.PeftModel.from_pretrained(transformers.LlamaForCausalLM(small), str(tmp_path / "crew"))
    assert np.array_equal(model.get_prompt(1).detach().numpy()[0], vectors)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize("damage", [flip, cut])
@pytest.mark.parametrize("name", ["adapter_model.safetensors", "adapter_config.json"])
def test_a_file_that_was_changed_is_refused(folder: Path, name: str, damage: Callable[[Path], None]) -> None:
    damage(folder / name)
    assert (
        complaint(folder)
        == f"{name}: not the file that its card tells of: the SHA-256 differs; get both anew"
    )


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "adapter_config.json", "card.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert complaint(folder) == f"{name}: a soft prompt needs this file"


def test_a_pickled_file_is_never_opened(folder: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
            return pytest.fail, ("it was unpickled",)

    (folder / "adapter_model.safetensors").unlink()
    (folder / "adapter_model.bin").write_bytes(pickle.dumps(Bomb()))
    hint = "a pickled file is never opened, save it as safetensors"
    assert complaint(folder) == f"adapter_model.safetensors: a soft prompt needs this file; {hint}"


def forged(folder: Path, **tensors: np.ndarray) -> None:
    """Put other tensors into a folder, and make the card agree with that."""
    save_file(tensors, folder / "adapter_model.safetensors")
    vouched(folder / "adapter_model.safetensors")


def vouched(file: Path) -> None:
    """Make the card agree with a file beside it."""
    import hashlib

    told = json.loads((file.parent / "card.json").read_text(encoding="utf-8"))
    told["files"][file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
    (file.parent / "card.json").write_text(json.dumps(told), encoding="utf-8")


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"prompt_embeddings": noise(1, 7)}, "has the shape [7, 576]; by the card it is [8, 576]"),
        ({"prompt_embeddings": noise(1).astype(np.float16)}, "is of type F16; it takes F32"),
        ({"prompt_embeddings": noise(1) * np.nan}, "holds numbers that are not finite, or absurdly large"),
        ({"prompt_embeddings": noise(1) * 1e9}, "holds numbers that are not finite, or absurdly large"),
    ],
)
def test_tensors_that_are_not_what_the_card_tells_are_refused(
    folder: Path, tensors: dict[str, np.ndarray], said: str
) -> None:
    forged(folder, **tensors)
    assert complaint(folder) == f"adapter_model.safetensors: prompt_embeddings {said}"


def test_other_tensors_beside_the_virtual_tokens_are_refused(folder: Path) -> None:
    forged(folder, prompt_embeddings=noise(1), more=noise(2))
    held = "it holds more, prompt_embeddings; it takes prompt_embeddings alone"
    assert complaint(folder) == f"adapter_model.safetensors: {held}"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tokens": 9}, "adapter_config.json: 'num_virtual_tokens' is 8; with this card it is 9"),
        (
            {"method": "p-tuning"},
            "adapter_config.json: 'peft_type' is 'PROMPT_TUNING'; with this card it is 'P_TUNING'",
        ),
        ({"name": "mates"}, "card.json: 'name' is 'mates'; name it as its folder"),
        ({"files": {}}, "card.json: 'files' has no SHA-256 of adapter_config.json"),
        (
            {"tokens": 5000},
            "card.json: not the card of a soft prompt: 'tokens' is 5000; it takes 1 to 1024",
        ),
        (
            {"tokens": "8"},
            "card.json: not the card of a soft prompt: 'tokens' is missing or not a whole number",
        ),
        (
            {"licence": None},
            "card.json: not the card of a soft prompt: 'licence' is missing or not a text",
        ),
        (
            {"metrics": {"right": float("nan")}},
            "card.json: not the card of a soft prompt: NaN is no number",
        ),
    ],
)
def test_a_card_that_does_not_fit_is_refused(folder: Path, change: dict[str, object], said: str) -> None:
    path = folder / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **change}), encoding="utf-8")
    assert complaint(folder) == said


@pytest.mark.parametrize("text", ["", "[]", "{", '{"name": "crew"}', "\udcff", "[" * 100_000])
def test_what_is_no_card_is_refused(folder: Path, text: str) -> None:
    (folder / "card.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert complaint(folder).startswith("card.json: not the card of a soft prompt: ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("[]", "not the settings of an adapter: expected a JSON object"),
        ("[" * 100_000, "it is nested too deeply"),
    ],
)
def test_what_is_no_settings_of_an_adapter_is_refused(folder: Path, text: str, said: str) -> None:
    (folder / "adapter_config.json").write_text(text, encoding="utf-8")
    vouched(folder / "adapter_config.json")
    assert complaint(folder) == f"adapter_config.json: {said}"


def test_nothing_is_written_of_vectors_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match=r"the shape \[7, 576\]; by the card it is \[8, 576\]"):
        save_soft_prompt(tmp_path / "crew", noise(1, 7), card("crew", 8))
    with pytest.raises(PromptError, match="not finite"):
        save_soft_prompt(tmp_path / "crew", noise(1) * np.inf, card("crew", 8))
    with pytest.raises(PromptError, match="the card's name is 'crew'; it takes the folder's"):
        save_soft_prompt(tmp_path / "mates", noise(1), card("crew", 8))
    assert list(tmp_path.iterdir()) == []


def test_saving_again_leaves_other_files_alone(folder: Path) -> None:
    (folder / "loss.png").write_bytes(b"a picture")
    save_soft_prompt(folder, noise(2), card("crew", 8))
    assert np.array_equal(load_soft_prompt(folder).vectors, noise(2))
    assert (folder / "loss.png").read_bytes() == b"a picture"


def test_a_name_cannot_lead_out_of_the_library(folder: Path) -> None:
    library = folder.parent.parent
    assert find_soft_prompt("crew", [library]) == folder
    for name in ("../soft/crew", "soft/crew", "crew/", "Crew", ""):
        with pytest.raises(UnknownName):
            find_soft_prompt(name, [library])
    with pytest.raises(ValueError, match="it takes small letters"):
        card("../crew", 8)


def test_the_first_library_goes_before_the_others(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    mine, theirs = kept(one, "crew", noise(1)), kept(two, "crew", noise(2))
    mates = kept(two, "mates", noise(3))
    kept(two, "strangers", noise(4), base="qwen2.5-coder-0.5b")
    flip(kept(two, "wrecked", noise(5)).folder / "adapter_model.safetensors")
    (kept(two, "deep", noise(6)).folder / "card.json").write_text("[" * 100_000, encoding="utf-8")
    short = dataclasses.replace(card("short", 8), dimension=64)
    save_soft_prompt(two / "soft" / "short", noise(7)[:, :64], short)
    assert find_soft_prompt("crew", [one, two]) == mine.folder
    assert list(soft_folders([two])) == ["crew", "deep", "mates", "short", "strangers", "wrecked"]
    assert with_others(theirs, [two]) == (theirs, mates)


def test_a_digest_stands_for_name_and_vectors(tmp_path: Path) -> None:
    made = [kept(tmp_path / str(n), name, noise(seed)) for n, (name, seed) in enumerate(ROLL)]
    assert [made[0].digest == other.digest for other in made] == [True, True, False, False]


ROLL = (("crew", 1), ("crew", 1), ("crew", 2), ("mates", 1))


def test_a_cards_text_is_read_back_as_it_was() -> None:
    told = card("crew", 8)
    assert Card.from_json(told.to_json()) == told
    assert told.base == Base("smollm2-135m", told.base.sha256)
