"""A model's file with soft prompts in it: what is added, what stays as it was, how such files are kept."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter, quants
from soft_prompts import BASE, DIMENSION, kept, noise

from agent_app.errors import ModelError, PromptError
from agent_app.models.pinned import pinned_model
from agent_app.soft_prompt import SoftPrompt
from agent_app.soft_prompt import derived as deriving
from agent_app.soft_prompt.derived import Rows, check_base, derived_file, token_name, write_derived
from agent_app.soft_prompt.gguf_header import BrokenHeader, read_header

SHA256 = pinned_model(BASE).sha256
WORDS = 16
"""How many tokens the small models of these tests have."""


@pytest.fixture
def pair(tmp_path: Path) -> list[SoftPrompt]:
    return [kept(tmp_path, "mates", noise(2, 5)), kept(tmp_path, "crew", noise(1))]


def small(path: Path, kind: GGMLQuantizationType, *, tied: bool = True, alignment: int = 32) -> Path:
    """Write a GGUF file that has a vocabulary and little else."""
    writer = GGUFWriter(path, "llama")
    writer.add_custom_alignment(alignment)
    writer.add_vocab_size(WORDS)
    writer.add_token_list([f"word{n}" for n in range(WORDS)])
    writer.add_token_scores([0.5] * WORDS)
    writer.add_token_types([1] * WORDS)
    for name in ("token_embd.weight", "blk.0.attn_q.weight", *(() if tied else ("output.weight",))):
        writer.add_tensor(name, quants.quantize(noise(len(name), WORDS), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def numbers(path: Path, name: str) -> np.ndarray:
    tensor = next(tensor for tensor in GGUFReader(path).tensors if tensor.name == name)
    found: np.ndarray = quants.dequantize(np.array(tensor.data), tensor.tensor_type)
    return found


def written(base: Path, soft: list[SoftPrompt], *, by_name: bool = False) -> Path:
    target = base.with_name("derived.gguf")
    with target.open("wb") as file:
        write_derived(base, soft, file, by_name=by_name)
    return target


def test_a_real_models_file_gets_rows_and_keeps_the_rest(
    smollm2: Path, tmp_path: Path, pair: list[SoftPrompt]
) -> None:
    derived = derived_file(smollm2, SHA256, pair, tmp_path / "derived")
    mates, crew = pair
    assert derived.rows == {"crew": Rows(49152, 8, crew.digest), "mates": Rows(49160, 5, mates.digest)}
    before, after = read_header(smollm2), read_header(derived.path)
    for one, other in zip(before.tensors, after.tensors, strict=True):
        old = np.memmap(smollm2, np.uint8, "r", one.start, one.bytes)
        new = np.memmap(derived.path, np.uint8, "r", other.start, one.bytes)
        assert np.array_equal(old, new), one.name
    added = numbers(derived.path, "token_embd.weight")[49152:]
    assert np.abs(added - np.concatenate([crew.vectors, mates.vectors])).max() < 0.003
    changed = {e.key: e for e in before.entries if e != after.entry(e.key)}
    assert sorted(changed) == ["llama.vocab_size", "tokenizer.ggml.token_type", "tokenizer.ggml.tokens"]


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16", "Q8_0", "Q5_0", "Q4_1"])
@pytest.mark.parametrize("tied", [True, False])
def test_every_type_of_table_takes_virtual_tokens(
    tmp_path: Path, kind: str, pair: list[SoftPrompt], *, tied: bool
) -> None:
    base = small(tmp_path / "base.gguf", GGMLQuantizationType[kind], tied=tied)
    derived = written(base, pair)
    table, new = numbers(base, "token_embd.weight"), numbers(derived, "token_embd.weight")
    assert np.allclose(new[:WORDS], table, rtol=1 / 2048, atol=1e-7)
    assert np.abs(new[WORDS:] - np.concatenate([soft.vectors for soft in pair])).max() < 0.003
    assert np.array_equal(numbers(derived, "blk.0.attn_q.weight"), numbers(base, "blk.0.attn_q.weight"))
    if not tied or kind in ("Q5_0", "Q4_1"):
        output = numbers(derived, "output.weight")
        assert np.array_equal(output[:WORDS], numbers(base, "token_embd.weight" if tied else "output.weight"))
        assert not output[WORDS:].any()
    else:
        assert read_header(derived).tensor("output.weight") is None


def test_other_programs_get_names_and_an_output_that_has_no_virtual_tokens(
    tmp_path: Path, pair: list[SoftPrompt]
) -> None:
    base = small(tmp_path / "base.gguf", GGMLQuantizationType.Q8_0, alignment=64)
    fields = {}
    for by_name in (False, True):
        reader = GGUFReader(written(base, pair, by_name=by_name))
        fields[by_name] = {name: field.contents() for name, field in reader.fields.items()}
        assert reader.alignment == 64
    names = [token_name("mates", n) for n in range(5)] + [token_name("crew", n) for n in range(8)]
    for by_name, kind in ((False, 5), (True, 3)):
        found = fields[by_name]
        assert found["tokenizer.ggml.tokens"] == [*(f"word{n}" for n in range(WORDS)), *names]
        assert found["tokenizer.ggml.token_type"] == [1] * WORDS + [kind] * 13
        assert found["tokenizer.ggml.scores"] == [0.5] * WORDS + [0.0] * 13
        assert found["llama.vocab_size"] == WORDS + 13
        assert json.loads(found["agent_app.soft_prompts"])["mates"] == {"tokens": 5, "sha256": pair[0].digest}
    output = numbers(base.with_name("derived.gguf"), "output.weight")
    assert np.array_equal(output[:WORDS], numbers(base, "token_embd.weight"))
    assert not output[WORDS:].any()


def test_a_file_is_made_once_for_the_same_soft_prompts(tmp_path: Path, pair: list[SoftPrompt]) -> None:
    base = small(tmp_path / "base.gguf", GGMLQuantizationType.Q8_0)
    folder = tmp_path / "derived"
    first = derived_file(base, SHA256, pair, folder)
    made = first.path.stat().st_mtime_ns
    assert derived_file(base, SHA256, pair[::-1], folder) == first
    assert first.path.stat().st_mtime_ns == made
    others = [derived_file(base, SHA256, pair[:1], folder), derived_file(base, "0" * 64, pair, folder)]
    assert len({first.path, *(other.path for other in others)}) == 3


@pytest.mark.parametrize("damage", ["cut", "gone", "note"])
def test_a_kept_file_that_was_changed_is_made_anew(
    tmp_path: Path, pair: list[SoftPrompt], damage: str
) -> None:
    base = small(tmp_path / "base.gguf", GGMLQuantizationType.Q8_0)
    path = derived_file(base, SHA256, pair, tmp_path / "derived").path
    whole = path.read_bytes()
    if damage == "cut":
        path.write_bytes(whole[:1000])
    elif damage == "gone":
        path.unlink()
    else:
        path.with_suffix(".json").write_text('{"facts": 1}', encoding="utf-8")
    assert derived_file(base, SHA256, pair, tmp_path / "derived").path.read_bytes() == whole


def test_files_used_longest_ago_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deriving, "_MOST_FILES", 2)
    base = small(tmp_path / "base.gguf", GGMLQuantizationType.Q8_0)
    soft = [kept(tmp_path, f"crew{n}", noise(n)) for n in range(3)]
    folder = tmp_path / "derived"
    made = [derived_file(base, SHA256, [one], folder).path for one in soft[:2]]
    derived_file(base, SHA256, soft[:1], folder)
    made.append(derived_file(base, SHA256, soft[2:], folder).path)
    assert [path.exists() for path in made] == [True, False, True]
    assert len(list(folder.iterdir())) == 4


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path, pair: list[SoftPrompt]) -> None:
    base = small(tmp_path / "base.gguf", GGMLQuantizationType.Q8_0)
    whole = base.read_bytes()
    base.write_bytes(whole[:-4000])
    with pytest.raises(ModelError, match="ends before its last weights do"):
        derived_file(base, SHA256, pair, tmp_path / "derived")
    assert list((tmp_path / "derived").iterdir()) == []
    base.write_bytes(whole)
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    with pytest.raises(ModelError, match="cannot write the model with soft prompts in it to"):
        derived_file(base, SHA256, pair, tmp_path / "taken")


def test_another_model_is_refused_by_its_hash(pair: list[SoftPrompt]) -> None:
    check_base(pair[0], SHA256, "embedded:smollm2-135m")
    with pytest.raises(PromptError) as caught:
        check_base(pair[0], "a" * 64, "embedded:other")
    assert str(caught.value) == (
        f"{pair[0].folder}: the soft prompt 'mates' was tuned for smollm2-135m (SHA-256 b179c9523d0e...), "
        "and embedded:other is another model (aaaaaaaaaaaa...); "
        "use embedded:smollm2-135m, or tune one for this model"
    )


def test_vectors_of_another_length_are_refused(tmp_path: Path, pair: list[SoftPrompt]) -> None:
    base = tmp_path / "base.gguf"
    writer = GGUFWriter(base, "llama")
    writer.add_token_list(["a", "b"])
    writer.add_tensor("token_embd.weight", np.zeros((2, 64), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(PromptError, match=f"its vectors have {DIMENSION} numbers, and those of .* 64"):
        write_derived(base, pair, io.BytesIO())


@pytest.mark.parametrize(
    "data",
    [
        b"Ahoy, this is no model",
        b"GGUF" + struct.pack("<IQQ", 2, 0, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 60),
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1 << 62) + b"key",
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<IIQ", 9, 8, 1 << 60),
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<I", 99),
    ],
)
def test_a_broken_header_is_told_at_once(tmp_path: Path, pair: list[SoftPrompt], data: bytes) -> None:
    base = tmp_path / "base.gguf"
    base.write_bytes(data)
    with pytest.raises(BrokenHeader):
        read_header(base)
    with pytest.raises(ModelError, match="cannot put soft prompts into"):
        derived_file(base, SHA256, pair, tmp_path / "derived")
