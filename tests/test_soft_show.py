"""`agent-app soft show`: the words near to virtual tokens, a picture, and what leaving out a token does."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGUFReader, GGUFWriter
from soft_prompts import card, kept, noise
from test_soft_training import row, using, write_rows
from tiny_model import END, write_tiny

from agent_app import places
from agent_app.__main__ import main
from agent_app.errors import ModelError, TuningError
from agent_app.models.pinned import pinned_model
from agent_app.models.stored import sha256_of
from agent_app.prompt import library_folders, load_prompt
from agent_app.settings import Settings
from agent_app.soft_prompt import Base, SoftPrompt, find_soft_prompt, save_soft_prompt
from agent_app.soft_prompt.derived import table_rows
from agent_app.soft_prompt.neighbours import neighbourhood
from agent_app.soft_prompt.stored import CARD
from agent_app.soft_prompt.vocabulary import vocabulary
from agent_app.statistics import Mean
from agent_app.toolbox import Toolbox
from agent_app.tuning.ablation import Ablation, Without, ablate
from agent_app.tuning.frozen import FrozenModel, load_frozen
from agent_app.tuning.methods import instruction
from agent_app.tuning.token_map import Axes
from agent_app.tuning.traces import Trace, trace
from agent_app.tuning.words import Words

A, B = b"ab"
"""Two tokens of the tiny model: its vocabulary begins with the bytes."""


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    with using(1):
        yield


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model, whose tokens are bytes in the order of a byte-level vocabulary."""
    return write_tiny(tmp_path_factory.mktemp("base") / "tiny.gguf")


@pytest.fixture(scope="module")
def frozen(base: Path) -> FrozenModel:
    return load_frozen(str(base), Settings(), cache=base.parent / "cache")


@pytest.fixture(scope="module")
def traces(frozen: FrozenModel) -> list[Trace]:
    return [trace(row(n), frozen.tokenizer, frozen.end) for n in (222, 1, 33)]


def crew(library: Path, base: Path, vectors: np.ndarray, text: str = "") -> SoftPrompt:
    """Keep a soft prompt for the tiny model."""
    told = dataclasses.replace(
        card("crew", len(vectors)),
        dimension=vectors.shape[1],
        base=Base("tiny", sha256_of(base)),
        data={"examples": 1234, "sha256": "1" * 64},
        settings={"lr": 0.05, **({"text": text} if text else {})},
    )
    return save_soft_prompt(library / "soft" / "crew", vectors, told)


@pytest.fixture
def soft(tmp_path: Path, base: Path) -> SoftPrompt:
    """The words b, a and b, each twice as long; they began as a, b and a."""
    return crew(tmp_path, base, 2 * table_rows(base, [B, A, B]), "ab")


Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """Calls `agent-app soft show` where nothing of the developer's own can be seen."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(places, "user_folder", lambda kind: tmp_path / "user" / kind)
    monkeypatch.setattr("agent_app.tuning.frozen.frozen_folder", lambda: base.parent / "cache")
    monkeypatch.setenv("AGENT_APP_MODEL_DIR", str(tmp_path / "models"))
    monkeypatch.setattr("agent_app.models.stored.model_folder", lambda: tmp_path / "models")

    def run(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
        given = ["agent-app", "soft", "show", *map(str, words), "--prompts-dir", str(tmp_path)]
        monkeypatch.setattr(sys, "argv", given)
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), *capsys.readouterr()

    return run


# --- words ---------------------------------------------------------------------------------------


def test_a_byte_level_vocabulary_is_read_as_text(base: Path) -> None:
    words = vocabulary(base)
    assert len(words) == 260
    assert (words[A], words[B]) == ("a", "b")
    assert words[256:] == ["ou", "gh", "ght", END]
    assert {" ", "\n", "\\xe2"} < set(words)
    assert len(set(words)) == 260


def test_a_vocabulary_of_pieces_is_read_as_text(tmp_path: Path) -> None:
    writer = GGUFWriter(tmp_path / "pieces.gguf", "llama")
    writer.add_tokenizer_model("llama")
    writer.add_token_list(["\u2581the", "<0x0A>", "<0xE2>", "\u00e9"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    assert vocabulary(tmp_path / "pieces.gguf") == [" the", "\n", "\\xe2", "\u00e9"]


def test_a_file_without_a_vocabulary_is_said(tmp_path: Path) -> None:
    file = tmp_path / "broken.gguf"
    file.write_bytes(b"GGUF" + b"\xff" * 100)
    with pytest.raises(
        ModelError, match=r"^cannot read the vocabulary of .*broken\.gguf: it is not a GGUF file"
    ):
        vocabulary(file)


def test_the_nearest_words_are_those_of_the_whole_table(tmp_path: Path, base: Path) -> None:
    chance = np.random.default_rng(3)
    soft = crew(tmp_path, base, chance.normal(0, 0.3, (5, 32)).astype(np.float32))
    (table,) = (t.data for t in GGUFReader(base).tensors if t.name == "token_embd.weight")
    around = neighbourhood(soft, base, top=4)
    for one, vector in zip(around.tokens, soft.vectors, strict=True):
        cosines = table @ vector / np.linalg.norm(table, axis=1) / np.linalg.norm(vector)
        expected = np.argsort(-cosines)[:4]
        assert [near.token for near in one.nearest] == expected.tolist()
        assert [near.cosine for near in one.nearest] == pytest.approx(cosines[expected].tolist(), rel=1e-5)
        distances = np.linalg.norm(table[expected] - vector, axis=1)
        assert [near.distance for near in one.nearest] == pytest.approx(distances.tolist(), rel=1e-5)
        assert one.norm == pytest.approx(float(np.linalg.norm(vector)))
        assert one.began_as is None
    quartiles = np.percentile(np.linalg.norm(table, axis=1), [25, 50, 75])
    assert around.norms == pytest.approx(tuple(quartiles))


def test_more_words_than_there_are_is_all_of_them(base: Path, soft: SoftPrompt) -> None:
    first, *_ = neighbourhood(soft, base, top=1000).tokens
    assert len(first.nearest) == 260


def test_a_vector_of_zeros_is_near_to_nothing(tmp_path: Path, base: Path) -> None:
    soft = crew(tmp_path, base, np.zeros((1, 32), np.float32))
    (one,) = neighbourhood(soft, base, top=2).tokens
    assert (one.norm, [near.cosine for near in one.nearest]) == (0, [0, 0])


def test_a_text_that_virtual_tokens_began_as_stands_beside_them(
    call: Call, smollm2: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "soft" / "pirate-react"
    shutil.copytree(find_soft_prompt("pirate-react", library_folders(None)), folder)
    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    card["settings"] |= {"init": "text", "text": instruction()}
    (folder / CARD).write_text(json.dumps(card), encoding="utf-8")
    code, out, err = call("pirate-react", "--json", "-m", smollm2, "--prompts-dir", tmp_path)
    assert (code, err) == (0, "")
    told = json.loads(out)
    words = [one["began_as"]["word"] for one in told["tokens"]]
    assert "".join(words) == (instruction() * 9)[: len("".join(words))]
    assert len(words) == told["card"]["tokens"]


# --- what is left out -----------------------------------------------------------------------------


def plain_losses(frozen: FrozenModel, vectors: np.ndarray, traces: list[Trace]) -> list[list[float]]:
    """The loss of each token that is learnt, row by row, by a plain forward over vectors and words."""
    found = []
    for one in traces:
        ids = torch.tensor([one.ids])
        with torch.no_grad():
            words = frozen.model.get_input_embeddings()(ids)
            logits = frozen.model(inputs_embeds=torch.cat([torch.tensor(vectors)[None], words], 1)).logits
        likely = torch.log_softmax(logits[0], -1)
        at = [n for n, own in enumerate(one.learnt) if own]
        found.append([-likely[len(vectors) + n - 1, one.ids[n]].item() for n in at])
    return found


def mean(rows: list[list[float]]) -> float:
    return sum(map(sum, rows)) / sum(map(len, rows))


def test_a_token_that_is_left_out_is_really_gone(
    frozen: FrozenModel, base: Path, traces: list[Trace], tmp_path: Path
) -> None:
    soft = crew(tmp_path, base, np.random.default_rng(1).normal(0, 1, (4, 32)).astype(np.float32))
    seen: list[Without] = []
    found = ablate(frozen, soft, traces, seen.append)
    whole = plain_losses(frozen, soft.vectors, traces)
    assert (found.rows, found.tokens) == (3, sum(map(len, whole)))
    assert found.loss == pytest.approx(mean(whole), rel=1e-5)
    assert tuple(seen) == found.without
    for number, one in enumerate(found.without):
        less = plain_losses(frozen, np.delete(soft.vectors, number, 0), traces)
        assert one.number == number
        assert one.loss == pytest.approx(mean(less) - mean(whole), abs=1e-5)
        rises = Mean()
        for with_all, without in zip(whole, less, strict=True):
            rises.add((sum(without) - sum(with_all)) * 3 / found.tokens)
        assert one.interval == pytest.approx(rises.interval(), abs=1e-5)
    losses = [one.loss for one in found.ranked]
    assert losses == sorted(losses, reverse=True)
    assert len(set(losses)) == 4


def test_the_last_token_can_be_left_out_too_and_one_row_has_no_interval(
    frozen: FrozenModel, base: Path, traces: list[Trace], tmp_path: Path
) -> None:
    soft = crew(tmp_path, base, np.ones((1, 32), np.float32))
    (one,) = ablate(frozen, soft, traces[:1]).without
    less, whole = (plain_losses(frozen, vectors, traces[:1]) for vectors in (soft.vectors[1:], soft.vectors))
    assert one.loss == pytest.approx(mean(less) - mean(whole), abs=1e-5)
    assert one.interval is None


def test_tokens_right_are_counted_with_and_without(
    frozen: FrozenModel, base: Path, traces: list[Trace], tmp_path: Path
) -> None:
    soft = crew(tmp_path, base, np.random.default_rng(2).normal(0, 2, (2, 32)).astype(np.float32))
    found = ablate(frozen, soft, traces)
    for one in found.without:
        rest = crew(tmp_path / "rest", base, np.delete(soft.vectors, one.number, 0))
        alone = ablate(frozen, rest, traces)
        assert found.tokens_right + one.tokens_right == pytest.approx(alone.tokens_right)


def test_vectors_of_another_length_are_refused(
    frozen: FrozenModel, traces: list[Trace], tmp_path: Path
) -> None:
    soft = kept(tmp_path, "crew", noise(1))
    with pytest.raises(TuningError) as caught:
        ablate(frozen, soft, traces)
    assert str(caught.value) == (f"{soft.folder}: its vectors have 576 numbers, and those of tiny 32")


# --- the command ----------------------------------------------------------------------------------


def test_the_card_and_the_tokens_are_shown_as_tables(call: Call, base: Path, soft: SoftPrompt) -> None:
    a, b = table_rows(base, [A, B])
    la, lb = np.linalg.norm(a), np.linalg.norm(b)
    low, middle, high = np.percentile(np.linalg.norm(table_rows(base, range(260)), axis=1), [25, 50, 75])
    cosine = a @ b / la / lb
    began = (
        f'"a" {cosine:.2f}, {np.linalg.norm(2 * b - a):.2f}',
        f'"b" {cosine:.2f}, {np.linalg.norm(2 * a - b):.2f}',
    )
    wide = max(map(len, began))
    assert call("crew", "-m", base, "--top", "1") == (
        0,
        f"""\
crew: for a test
base      tiny, SHA-256 {sha256_of(base)[:12]}...
tokens    3 virtual tokens of 32 numbers, by prompt-tuning
data      examples 1,234, sha256 111111111111...
settings  lr 0.05, text ab
licence   Apache-2.0

260 words: median length {middle:.2f}, half of them between {low:.2f} and {high:.2f}; \
tokens from 0, as in <|soft:crew:0|>
a word's figures: cosine, distance
token  length  {"began as":<{wide}}  nearest
0      {2 * lb:.2f}    {began[0]:<{wide}}  "b" 1.00, {lb:.2f}
1      {2 * la:.2f}    {began[1]:<{wide}}  "a" 1.00, {la:.2f}
2      {2 * lb:.2f}    {began[0]:<{wide}}  "b" 1.00, {lb:.2f}
""",
        "",
    )


def test_what_began_as_no_text_is_shown_without_first_words(call: Call, base: Path, tmp_path: Path) -> None:
    crew(tmp_path, base, table_rows(base, [A]))
    code, out, _ = call("crew", "-m", base, "--top", "1")
    length = np.linalg.norm(table_rows(base, [A]))
    assert (code, out.splitlines()[-2:]) == (
        0,
        ["token  length  nearest", f'0      {length:.2f}    "a" 1.00, 0.00'],
    )


def test_json_has_the_whole_card_and_every_figure(call: Call, base: Path, soft: SoftPrompt) -> None:
    code, out, _ = call("crew", "-m", base, "--json")
    told = json.loads(out)
    around = neighbourhood(soft, base, top=3, began_as=[A, B])
    assert code == 0
    assert told["card"] == json.loads((soft.folder / "card.json").read_text(encoding="utf-8"))
    assert told["tokens"] == json.loads(json.dumps([dataclasses.asdict(one) for one in around.tokens]))
    assert told["words"] == {
        "count": 260,
        "norms": dict(zip(("low", "median", "high"), around.norms, strict=True)),
    }
    assert set(told) == {"card", "words", "tokens"}


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Rows of which five are in the part dev, and none in the part test."""
    return write_rows(tmp_path / "rows.jsonl")


def test_leaving_out_tokens_sorts_the_table_by_what_is_missed(
    call: Call, base: Path, frozen: FrozenModel, tmp_path: Path, rows: Path
) -> None:
    soft = crew(tmp_path, base, np.random.default_rng(1).normal(0, 1, (4, 32)).astype(np.float32))
    ablated = ("crew", "-m", base, "--top", "1", "--ablate", rows, "--part", "dev", "--limit", "2")
    code, out, err = call(*ablated)
    spread = [trace(row(n, "dev"), frozen.tokenizer, frozen.end) for n in (100, 102)]
    expected: Ablation = ablate(frozen, soft, spread)
    assert code == 0
    assert err == "".join(f"left out: {n} of 4 tokens\n" for n in (1, 2, 3, 4))
    head, *_ = (line for line in out.splitlines() if "rows: loss" in line)
    assert head == (
        f"2 rows: loss {expected.loss:.4f}, {expected.tokens_right:.1%} of {expected.tokens} tokens right; "
        "the loss rises by this where a token is left out:"
    )
    shown = [line.split()[:2] for line in out.splitlines()[-4:]]
    assert shown == [[str(one.number), f"{one.loss:+.4f}"] for one in expected.ranked]
    told = json.loads(call(*ablated, "--json")[1])["ablation"]
    assert [one["number"] for one in told["without"]] == [one.number for one in expected.ranked]
    assert told["without"][0] == {
        "number": expected.ranked[0].number,
        "loss": pytest.approx(expected.ranked[0].loss, abs=1e-6),
        "low": pytest.approx(expected.ranked[0].interval.low, abs=1e-4),  # type: ignore[union-attr]
        "high": pytest.approx(expected.ranked[0].interval.high, abs=1e-4),  # type: ignore[union-attr]
        "tokens_right": expected.ranked[0].tokens_right,
    }


def test_rows_are_told_in_the_words_of_the_prompt_that_it_stands_in(
    call: Call, base: Path, frozen: FrozenModel, tmp_path: Path, rows: Path
) -> None:
    soft = crew(tmp_path, base, np.random.default_rng(1).normal(0, 1, (4, 32)).astype(np.float32))
    mate = tmp_path / "mate.md"
    mate.write_text(
        "---\nname: mate\ndescription: Has words of its own.\nversion: '1.0'\nsoft: crew\n"
        "stop: ['\\nObservation:']\n---\n{soft}Ahoy. Question: {input}\nThought:{agent_scratchpad}\n",
        encoding="utf-8",
    )
    ablated = ("crew", "-m", base, "--ablate", rows, "--part", "dev", "--limit", "1", "--json")
    told = json.loads(call(*ablated, "--prompt", mate)[1])["ablation"]
    words = Words(load_prompt(mate, folders=[tmp_path]), Toolbox([]))
    (one,) = [trace(row(n, "dev"), frozen.tokenizer, frozen.end, words) for n in (100,)]
    assert told["loss"] == pytest.approx(ablate(frozen, soft, [one]).loss)
    assert told["loss"] != json.loads(call(*ablated)[1])["ablation"]["loss"]


# --- the picture ----------------------------------------------------------------------------------


def test_the_axes_are_those_along_which_vectors_differ_most() -> None:
    chance = np.random.default_rng(0)
    wide = chance.normal(0, 1, (500, 6)) * [0.1, 5, 0.1, 2, 0.1, 0.1] + 7
    found = Axes.of(wide)
    assert np.abs(found.directions).argmax(axis=1).tolist() == [1, 3]
    assert (found.directions.max(axis=1) > 0.9).all()
    covariance = np.linalg.eigvalsh(np.cov(wide.T, bias=True))[::-1]
    assert found.shares(wide) == pytest.approx((covariance[:2] / covariance.sum()).tolist())
    assert found.places(wide).mean(axis=0) == pytest.approx([0, 0], abs=1e-9)


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_the_same_soft_prompt_gives_the_same_picture(
    ending: str, call: Call, base: Path, soft: SoftPrompt, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        code, out, err = call("crew", "-m", base, "--picture", f"{name}.{ending}")
        assert (code, err) == (0, "")
        assert out.startswith("crew: for a test\n")
    one, two = ((tmp_path / f"{name}.{ending}").read_bytes() for name in ("one", "two"))
    assert one == two
    assert one.startswith({"svg": b"<?xml", "png": b"\x89PNG"}[ending])


def test_the_picture_shows_what_is_missed_and_names_words_that_are_no_formula(
    call: Call, base: Path, tmp_path: Path, rows: Path
) -> None:
    dollar, quote = b"$\\"
    crew(tmp_path, base, 3 * table_rows(base, [dollar, quote, A]))
    code, _, _ = call(
        "crew", "-m", base, "--picture", "one.svg", "--ablate", rows, "--part", "dev", "--limit", "1"
    )
    assert code == 0
    told = re.findall(r"<!-- (.*?) -->", (tmp_path / "one.svg").read_text(encoding="utf-8"))
    assert "rise of the loss without it (nats)" in told
    assert "crew: 3 virtual tokens among the words of tiny" in told
    assert {'"$"', "a"} < set(told)


# --- what is wrong --------------------------------------------------------------------------------


def test_an_unknown_name_is_met_with_the_nearest(call: Call, soft: SoftPrompt) -> None:
    assert call("crow") == (2, "", "agent-app: unknown soft prompt 'crow'; did you mean 'crew'?\n")


def test_a_model_that_is_not_here_is_said_with_how_to_get_it(call: Call, tmp_path: Path) -> None:
    kept(tmp_path, "mates", noise(1))
    pinned = pinned_model("smollm2-135m")
    code, out, err = call("mates")
    assert (code, out) == (2, "")
    assert err == (
        "agent-app: the model smollm2-135m is not on this machine; get it with `agent-app models fetch "
        f"smollm2-135m` ({pinned.size}, licence {pinned.licence})\n"
    )


def test_a_model_of_ones_own_has_to_be_named(call: Call, soft: SoftPrompt) -> None:
    code, out, err = call("crew")
    assert (code, out) == (2, "")
    assert err == (
        "agent-app: the soft prompt 'crew' was tuned for tiny, which is not one of `agent-app models`; "
        "name its GGUF file with --model\n"
    )


def test_another_model_is_refused_by_its_hash(
    call: Call, base: Path, soft: SoftPrompt, tmp_path: Path
) -> None:
    other = write_tiny(tmp_path / "other.gguf", seed=1)
    code, out, err = call("crew", "-m", other)
    assert (code, out) == (2, "")
    assert err == (
        f"agent-app: {soft.folder}: the soft prompt 'crew' was tuned for tiny "
        f"(SHA-256 {sha256_of(base)[:12]}...), and {other} is another model ({sha256_of(other)[:12]}...); "
        "use embedded:tiny, or tune one for this model\n"
    )


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--picture", "one.svg"), "--picture needs matplotlib"),
        (("--ablate", "rows.jsonl"), "--ablate needs torch, transformers"),
    ],
)
def test_a_missing_extra_is_said_in_one_line(
    more: tuple[str, ...], says: str, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent_app.tuning.extra.find_spec", lambda name: None)
    assert call("crew", *more) == (
        2,
        "",
        f'agent-app: {says}; install it with `pip install "agent-app[soft]"`\n',
    )


def test_nothing_but_the_base_model_is_needed_to_look(
    call: Call, base: Path, soft: SoftPrompt, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("torch", "transformers", "peft", "matplotlib"):
        monkeypatch.setitem(sys.modules, name, None)
    assert call("crew", "-m", base)[0] == 0


def test_rows_of_no_such_part_are_said(call: Call, base: Path, soft: SoftPrompt, rows: Path) -> None:
    assert call("crew", "-m", base, "--ablate", rows) == (
        2,
        "",
        f"agent-app: {rows}: it has no row of the part 'test'; --part takes another one\n",
    )


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("one.txt", "--picture takes a file ending in .svg or .png, not one.txt"),
        ("none/one.svg", "none/one.svg: the picture cannot be written: No such file or directory"),
    ],
)
def test_a_picture_that_cannot_be_written_is_said(
    file: str, says: str, call: Call, base: Path, soft: SoftPrompt
) -> None:
    code, out, err = call("crew", "-m", base, "--picture", Path(file))
    assert (code, out) == (2, "")
    assert says in err.replace("\\", "/")
