"""The tuning of soft prompts on a tiny random model: rows, losses, checkpoints, and what is kept."""

from __future__ import annotations

import contextlib
import copy
import json
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, TaskType, get_peft_model
from safetensors.torch import save
from tiny_model import write_tiny

from agent_app.errors import ModelError, TuningError, UnknownName
from agent_app.history import Turn
from agent_app.prompt import load_prompt
from agent_app.settings import Settings
from agent_app.soft_prompt import Base, Card, load_soft_prompt, save_soft_prompt
from agent_app.steps import Action, Answer, Observation, step_to_dict
from agent_app.toolbox import Toolbox
from agent_app.tuning.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from agent_app.tuning.data import Row
from agent_app.tuning.extra import need_extra
from agent_app.tuning.frozen import FrozenModel, load_frozen
from agent_app.tuning.keeping import keep
from agent_app.tuning.methods import Start, instruction, virtual_tokens, wrapped
from agent_app.tuning.order import Order
from agent_app.tuning.reader import Reader
from agent_app.tuning.recipe import Recipe
from agent_app.tuning.traces import Data, Trace, read_parts, trace, traces
from agent_app.tuning.trainer import Progress, Tuned, measure, tune
from agent_app.tuning.words import Words, bare
from benchmarks import soft_training
from benchmarks.soft_training import padded

BASE = Base("none", "0" * 64)
SMALL: dict[str, Any] = {"tokens": 6, "batch": 4, "hidden": 16, "dev_every": 3, "warmup": 2}
METHODS = {
    "prompt tuning": Recipe(**SMALL),
    "p-tuning, mlp": Recipe(method="p-tuning", **SMALL),
    "p-tuning, lstm": Recipe(method="p-tuning", encoder="lstm", **SMALL),
}
methods = pytest.mark.parametrize("recipe", METHODS.values(), ids=METHODS)


def row(number: int, split: Any = "train") -> Row:
    """A question of its own length, with the run that answers it."""
    total = 7 * number
    steps = (
        Action("calculator", f"7 * {number}", "I must calculate"),
        Observation(str(total)),
        Answer(f"Arrr, {total}!", "I know"),
    )
    question = f"What is 7 times {number}{' please' * (number % 3)}?"
    return Row(f"{split}-{number}", "calculator/plain", f"7x/{split}", split, question, steps)


def write_rows(file: Path, train: int = 20, dev: int = 5) -> Path:
    rows = [row(n) for n in range(train)] + [row(100 + n, "dev") for n in range(dev)]
    file.write_text("".join(json.dumps(one.to_dict()) + "\n" for one in rows), encoding="utf-8")
    return file


@contextlib.contextmanager
def using(threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """So small a model is only slowed down by threads that wait for each other."""
    with using(1):
        yield


@pytest.fixture(scope="module", params=["llama", "qwen2"])
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FrozenModel:
    folder = tmp_path_factory.mktemp(request.param)
    file = write_tiny(folder / "tiny.gguf", family=request.param)
    return load_frozen(str(file), Settings(), cache=folder / "cache")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> FrozenModel:
    folder = tmp_path_factory.mktemp("tiny")
    return load_frozen(str(write_tiny(folder / "tiny.gguf")), Settings(), cache=folder / "cache")


@pytest.fixture(scope="module")
def data(tiny: FrozenModel, tmp_path_factory: pytest.TempPathFactory) -> Data:
    file = write_rows(tmp_path_factory.mktemp("rows") / "rows.jsonl")
    return traces(read_parts(file, dev_rows=4), tiny.tokenizer, tiny.end)


Tuner = Callable[..., Tuned]


@pytest.fixture
def tuned(tiny: FrozenModel, data: Data, tmp_path: Path) -> Tuner:
    """Tunes the tiny model, with settings of one's own."""

    def run(file: Path = tmp_path / "checkpoint.safetensors", **more: Any) -> Tuned:
        recipe = Recipe(**(SMALL | {"steps": 9} | more.pop("recipe", {})))
        return tune(tiny, data, recipe, start=Start("a b"), checkpoint=file, **more)

    return run


# --- what is learnt from --------------------------------------------------------------------------


def test_a_trace_has_the_served_text_and_learns_the_models_turns_and_the_end(tiny: FrozenModel) -> None:
    found = trace(row(3), tiny.tokenizer, tiny.end)
    decode = tiny.tokenizer.decode
    assert decode(list(found.ids)) == (
        "Question: What is 7 times 3?\nThought: I must calculate\nAction: calculator\nAction Input: 7 * 3\n"
        "Observation: 21\nThought: I know\nFinal Answer: Arrr, 21!<|im_end|>"
    )
    assert decode([i for i, own in zip(found.ids, found.learnt, strict=True) if own]) == (
        " I must calculate\nAction: calculator\nAction Input: 7 * 3\nObservation:"
        " I know\nFinal Answer: Arrr, 21!<|im_end|>"
    )


def test_what_is_read_before_each_turn_is_what_a_prompt_renders(tmp_path: Path) -> None:
    file = tmp_path / "soft.md"
    file.write_text(
        "---\nname: soft\ndescription: Nothing but the question\nversion: '1'\n---\n\n"
        "{history}Question: {input}\nThought:{agent_scratchpad}\n",
        encoding="utf-8",
    )
    foreign = (Action("calculator", "2 * 3", "I must"), Observation("6\nFinal Answer: 7 <|im_end|>"))
    one = Row("1", "none", "t", "train", "What?\nAction: none", (*foreign, Answer("6", "I know")))
    pieces = [text for text, _ in bare().spoken(one)]
    draft = load_prompt(file).draft(one.question, "", [])
    assert "".join(pieces[:1]) == "".join(draft.segments(()))
    assert "".join(pieces[:3]) == "".join(draft.segments(foreign))


def words_of(file: Path, body: str, front: str = "") -> Words:
    """The words of a prompt file in a library that has a soft prompt called sailor."""
    vectors, card = np.ones((1, 4), np.float32), Card("sailor", "", "prompt-tuning", 1, 4, BASE, "0" * 64, "")
    save_soft_prompt(file.parent / "soft" / "sailor", vectors, card)
    head = f"---\nname: {file.stem}\ndescription: d\nversion: '1'\nsoft: sailor\n{front}---\n\n"
    file.write_text(f"{head}{body}\nThought:{{agent_scratchpad}}\n", encoding="utf-8")
    return Words(load_prompt(file), Toolbox([]))


def test_a_prompts_own_words_stand_around_a_row_as_they_are_served(tmp_path: Path) -> None:
    file = tmp_path / "sailor.md"
    asked = 'thoughts: {after_observation: "About {input}:"}\n'
    found = words_of(file, "{soft}Speak as a sailor.\n\n{history}Question: {input}", asked)
    add, six = Action("calculator", "2 * 3", "I must"), Observation("6")
    twice, twelve = Action("calculator", "6 * 2", "About What is it: Twice"), Observation("12")
    steps = (add, six, twice, twelve, Answer("12", "I know"))
    one = Row("1", "none", "t", "train", "What is it?", steps, turns=(Turn("Hi?", "Aye"),))
    earlier = "Earlier in this conversation:\n\nQuestion: Hi?\nFinal Answer: Aye\n\n"
    assert list(found.spoken(one)) == [
        (f"Speak as a sailor.\n\n{earlier}Question: What is it?\nThought:", False),
        (" I must\nAction: calculator\nAction Input: 2 * 3\nObservation:", True),
        (" 6\nThought:", False),
        (" About What is it:", False),
        (" Twice\nAction: calculator\nAction Input: 6 * 2\nObservation:", True),
        (" 12\nThought:", False),
        (" About What is it:", False),
        (" I know\nFinal Answer: 12", True),
    ]
    prompt = load_prompt(file)
    served = prompt.draft(one.question, "", [], one.turns).segments(steps[:4])
    begun = prompt.thought_after(steps[:4], one.question)
    read = "".join(text for text, _ in list(found.spoken(one))[:-1])
    assert f"{''.join(served)} {begun}" == read


def test_words_before_the_virtual_tokens_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "late.md"
    with pytest.raises(TuningError) as caught:
        words_of(file, "Speak. {soft}Question: {input}")
    assert str(caught.value) == f"{file}: words stand before {{soft}}; what is tuned has to come first"


def test_only_the_train_and_dev_parts_are_read_and_the_dev_rows_are_spread(
    tiny: FrozenModel, tmp_path: Path
) -> None:
    file = write_rows(tmp_path / "rows.jsonl", dev=8)
    with file.open("a") as more:
        more.write(json.dumps(row(7, "test").to_dict()) + "\n")
    found = traces(read_parts(file, dev_rows=4), tiny.tokenizer, tiny.end)
    assert len(found.train) == 20
    assert found.dev == tuple(trace(row(n, "dev"), tiny.tokenizer, tiny.end) for n in (100, 102, 104, 106))


@pytest.mark.parametrize(
    ("train", "dev", "says"),
    [
        (15, 5, "it has 15 rows of the split 'train'; tuning takes 16 or more"),
        (20, 3, "it has 3 rows of the split 'dev'; tuning takes 4 or more"),
    ],
)
def test_too_few_rows_are_refused(train: int, dev: int, says: str, tmp_path: Path) -> None:
    file = write_rows(tmp_path / "rows.jsonl", train, dev)
    with pytest.raises(TuningError) as caught:
        read_parts(file, dev_rows=4)
    assert str(caught.value) == f"{file}: {says}"


def test_a_row_that_no_small_machine_can_hold_is_refused_by_its_id(tiny: FrozenModel) -> None:
    long = Row("x", "none", "t", "train", "why? " * 600, (Answer("no", "I know"),))
    with pytest.raises(TuningError, match=r"^the row 'x' has \d+ tokens; tuning takes up to 2048$"):
        trace(long, tiny.tokenizer, tiny.end)


def test_an_epoch_reads_each_row_once_and_no_two_epochs_are_alike() -> None:
    order = Order(64, 8, seed=1)
    epochs = [[order.rows(8 * epoch + step) for step in range(8)] for epoch in range(2)]
    for epoch in epochs:
        assert Counter(n for batch in epoch for n in batch) == Counter(range(64))
    assert epochs[0] != epochs[1]


def test_the_order_follows_from_seed_and_step_alone() -> None:
    order = Order(20, 4, seed=3)
    forth = [order.rows(step) for step in range(17)]
    assert [Order(20, 4, seed=3).rows(step) for step in range(17)] == forth
    assert [Order(20, 4, seed=4).rows(step) for step in range(17)] != forth


# --- one step ------------------------------------------------------------------------------------


@methods
@pytest.mark.parametrize("threads", [1, 2])
def test_loss_and_gradients_are_those_of_pefts_own_forward(
    family: FrozenModel, recipe: Recipe, threads: int
) -> None:
    rows = [trace(row(n), family.tokenizer, family.end) for n in (1, 222, 33, 4, 70, 12, 8, 5)]
    ids, learnt = padded(rows)
    mask = torch.tensor([[n < len(one.ids) for n in range(ids.shape[1])] for one in rows])
    with wrapped(family, recipe, Start()) as model, using(threads):
        parameters = [p for p in model.parameters() if p.requires_grad]
        labels = ids.masked_fill(~learnt, -100)
        theirs = model(input_ids=ids, attention_mask=mask.long(), labels=labels).loss
        expected = torch.autograd.grad(theirs, parameters)
        reader = Reader(model.get_base_model())
        ours = reader.read(virtual_tokens(model), rows)
        found = torch.autograd.grad(ours.loss, parameters)
        in_parts = reader.learn(virtual_tokens(model), rows)
        assert torch.get_num_threads() == threads
    assert ours.loss.item() == pytest.approx(theirs.item(), rel=1e-5)
    assert in_parts == pytest.approx(theirs.item(), rel=1e-5)
    for ours_of_one, parameter, theirs_of_one in zip(found, parameters, expected, strict=True):
        torch.testing.assert_close(ours_of_one, theirs_of_one, rtol=1e-3, atol=1e-6)
        torch.testing.assert_close(parameter.grad, theirs_of_one, rtol=1e-3, atol=1e-6)
    assert len(ours.right) == learnt.sum()


@pytest.mark.parametrize("threads", [1, 2])
def test_words_before_virtual_tokens_are_read_as_the_model_reads_them(
    family: FrozenModel, threads: int
) -> None:
    rows = [trace(row(n), family.tokenizer, family.end) for n in (1, 222, 33, 4)]
    words = family.tokenizer("Answer!")["input_ids"]
    embed: Any = family.model.get_input_embeddings()
    with wrapped(family, METHODS["prompt tuning"], Start()) as model, using(threads):
        (parameter,) = [p for p in model.parameters() if p.requires_grad]
        begun = torch.cat([embed(torch.tensor(words)), virtual_tokens(model)])
        losses = []
        for one in rows:
            hidden = torch.cat([begun, embed(torch.tensor(one.ids))])[None]
            logits = family.model(inputs_embeds=hidden).logits[0, len(begun) : -1]
            wanted = torch.tensor(one.learnt[1:])
            losses.append(
                torch.nn.functional.cross_entropy(
                    logits[wanted], torch.tensor(one.ids[1:])[wanted], reduction="none"
                )
            )
        theirs = torch.cat(losses).mean()
        (expected,) = torch.autograd.grad(theirs, [parameter])
        ours = Reader(model.get_base_model(), words).learn(virtual_tokens(model), rows)
    assert ours == pytest.approx(theirs.item(), rel=1e-5)
    torch.testing.assert_close(parameter.grad, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("words", ["", "Answer!"], ids=["bare", "behind words"])
@pytest.mark.filterwarnings("ignore::FutureWarning")  # of what PEFT calls in transformers
@pytest.mark.parametrize("targets", [["q_proj", "v_proj"], ["k_proj"]], ids=" and ".join)
def test_lora_is_read_as_pefts_own_forward_reads_it(
    family: FrozenModel, targets: list[str], words: str, threads: int
) -> None:
    config = LoraConfig(task_type=TaskType.CAUSAL_LM, r=3, target_modules=targets, init_lora_weights=False)
    rows = [trace(row(n), family.tokenizer, family.end) for n in (1, 222, 33, 4, 70)]
    before = family.tokenizer(words)["input_ids"]
    unseen = (False,) * len(before)
    ids, learnt = padded([Trace((*before, *one.ids), (*unseen, *one.learnt)) for one in rows])
    with using(threads):
        torch.manual_seed(0)
        model: Any = get_peft_model(copy.deepcopy(family.model), config)
        named = {name: p for name, p in model.named_parameters() if p.requires_grad}
        theirs = model(input_ids=ids, labels=ids.masked_fill(~learnt, -100)).loss
        expected = torch.autograd.grad(theirs, [*named.values()])
        reader = Reader(model.get_base_model(), before)
        ours = reader.learn(torch.empty(0, family.dimension), rows)
    assert ours == pytest.approx(theirs.item(), rel=1e-5)
    assert len(named) == 2 * 2 * len(targets)
    for p, wanted in zip(named.values(), expected, strict=True):
        torch.testing.assert_close(p.grad, wanted, rtol=1e-3, atol=1e-6)


def test_each_learnt_token_is_known_by_its_row(tiny: FrozenModel) -> None:
    rows = [trace(row(n), tiny.tokenizer, tiny.end) for n in (5, 333, 40)]
    with wrapped(tiny, METHODS["prompt tuning"], Start("a b")) as model, torch.no_grad():
        reader, virtual = Reader(model.get_base_model()), virtual_tokens(model)
        found = reader.read(virtual, rows)
        alone = [reader.read(virtual, [one]) for one in rows]
    for number, one in enumerate(alone):
        torch.testing.assert_close(found.losses[found.rows == number], one.losses, rtol=1e-4, atol=1e-6)


def test_the_benchmark_takes_turns_and_compares_each_loss(
    tiny: FrozenModel, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = soft_training.ours
    with wrapped(tiny, METHODS["prompt tuning"], Start("a b")) as model:
        taken = soft_training.measure(model, data.train, 4, 2)
        monkeypatch.setattr(soft_training, "ours", lambda model: lambda batch: 2 * ours(model)(batch))
        with pytest.raises(RuntimeError, match="the losses differ"):
            soft_training.measure(model, data.train, 4, 1)
    assert {way: len(took) for way, took in taken.items()} == {"ours": 2, "PEFT": 2}
    lines = soft_training.table({"ours": [1.0, 2.0], "PEFT": [2.0, 5.0]}).splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["ours", "1.50", "1.00", "1.00", "to", "1.00"],
        ["PEFT", "3.50", "2.33", "2.00", "to", "2.50"],
    ]


def test_measuring_counts_tokens_and_whole_rows(tiny: FrozenModel, data: Data) -> None:
    with wrapped(tiny, METHODS["prompt tuning"], Start("a b")) as model, torch.no_grad():
        reader, virtual = Reader(model.get_base_model()), virtual_tokens(model)
        single = [reader.read(virtual, [one]) for one in data.dev]
        found = measure(reader, virtual, data.dev, batch=3)
    tokens = sum(len(one.right) for one in single)
    assert found.loss == pytest.approx(sum(one.loss.item() * len(one.right) for one in single) / tokens)
    assert found.tokens_right == pytest.approx(sum(one.right.sum().item() for one in single) / tokens)
    assert found.rows_right == sum(bool(one.right.all()) for one in single) / len(single)


def test_virtual_tokens_begin_as_the_words_of_a_text(tiny: FrozenModel) -> None:
    table: Any = tiny.model.get_input_embeddings().weight
    words = tiny.tokenizer("ab", return_tensors="pt").input_ids[0]
    with wrapped(tiny, Recipe(**SMALL), Start("ab")) as model:
        (began,) = model.get_prompt(1)
    assert torch.equal(began, table[words.repeat(3)])
    with wrapped(tiny, Recipe(init="vocabulary", **SMALL), Start()) as model:
        (drawn,) = model.get_prompt(1)
    assert all((table == one).all(dim=1).any() for one in drawn)
    with wrapped(tiny, Recipe(init="random", **SMALL), Start()) as model:
        (noise,) = model.get_prompt(1)
    assert not any((table == one).all(dim=1).any() for one in noise)


def test_an_empty_text_is_no_beginning(tiny: FrozenModel) -> None:
    with pytest.raises(TuningError, match="begin as is empty"), wrapped(tiny, Recipe(**SMALL), Start(" ")):
        pass


def test_the_instruction_gives_words_to_all_virtual_tokens_of_the_default() -> None:
    assert 60 < len(instruction().split()) <= Recipe().tokens


# --- a whole tuning ------------------------------------------------------------------------------


@methods
def test_it_learns_and_leaves_the_model_as_it_was(
    recipe: Recipe, tiny: FrozenModel, data: Data, tmp_path: Path
) -> None:
    before = {name: p.clone() for name, p in tiny.model.named_parameters()}
    seen: list[Progress] = []
    settings = Recipe(**{**recipe.to_dict(), "steps": 30, "dev_every": 10, "patience": 30})
    file = tmp_path / "checkpoint.safetensors"
    done = tune(tiny, data, settings, start=Start(), checkpoint=file, on_progress=seen.append)
    assert (done.ending, done.steps, done.vectors.shape) == ("steps", 30, (6, 32))
    assert [one.step for one in seen if one.looked] == [10, 20, 30]
    assert [one.step for one in seen] == list(range(1, 31))
    assert seen[-1].loss < seen[0].loss
    assert [point.step for point in done.curve] == [5, 10, 15, 20, 25, 30]
    assert [point.step for point in done.curve if point.dev_loss is not None] == [10, 20, 30]
    assert all(torch.equal(before[name], p) for name, p in tiny.model.named_parameters())


def test_with_fewer_bits_it_learns_nearly_the_same_and_keeps_float32(tuned: Tuner) -> None:
    exact, rough = (tuned(recipe={"steps": 30, "bfloat16": bits}) for bits in (False, True))
    assert str(rough.vectors.dtype) == "float32"
    assert 0 < abs(exact.best.loss - rough.best.loss) < 0.02 * exact.best.loss


@methods
def test_virtual_tokens_are_exact_where_the_model_is_not(recipe: Recipe, tiny: FrozenModel) -> None:
    with wrapped(tiny, recipe, Start("a b")) as model:
        reader, virtual = Reader(model.get_base_model(), bfloat16=True), virtual_tokens(model)
        rough = reader.read(virtual, [trace(row(3), tiny.tokenizer, tiny.end)])
        assert (virtual.dtype, rough.losses.dtype) == (torch.float32, torch.float32)


def test_the_best_table_on_the_dev_part_is_kept(tiny: FrozenModel, data: Data, tuned: Tuner) -> None:
    looks: list[Progress] = []
    jumpy = {"lr": 1e4, "batch": 1, "dev_every": 1, "steps": 12, "patience": 12}
    done = tuned(recipe=jumpy, on_progress=looks.append)
    losses = {one.step: one.dev.loss for one in looks if one.dev}
    best = min(losses, key=losses.__getitem__)
    assert (done.best_step, done.best.loss) == (best, losses[best])
    with wrapped(tiny, Recipe(**SMALL), Start("a b")) as model:
        (learnt,) = [p for p in model.parameters() if p.requires_grad]
        learnt.data.copy_(torch.from_numpy(done.vectors))
        reader = Reader(model.get_base_model())
        assert measure(reader, virtual_tokens(model), data.dev, batch=1).loss == done.best.loss


def test_the_same_seed_gives_the_same_table_and_another_one_another(tuned: Tuner, tmp_path: Path) -> None:
    torch.manual_seed(5)
    drawn = torch.rand(3)
    torch.manual_seed(5)
    first = tuned(recipe={"init": "vocabulary", "seed": 1})
    again = tuned(recipe={"init": "vocabulary", "seed": 1})
    other = tuned(recipe={"init": "vocabulary", "seed": 2})
    assert np.array_equal(first.vectors, again.vectors)
    assert not np.array_equal(first.vectors, other.vectors)
    assert torch.equal(torch.rand(3), drawn), "the caller's own random numbers have been changed"


@pytest.mark.parametrize("more", [{}, {"method": "p-tuning"}], ids=["prompt tuning", "p-tuning"])
@pytest.mark.parametrize("at", [4, 6])
def test_it_goes_on_as_if_it_had_never_stopped(
    more: dict[str, Any], at: int, tuned: Tuner, tmp_path: Path
) -> None:
    whole: list[Progress] = []
    parts: list[Progress] = []
    expected = tuned(recipe=more, on_progress=whole.append)
    file = tmp_path / "other.safetensors"
    stopped = tuned(file, recipe=more, on_progress=parts.append, stop=lambda: len(parts) == at)
    assert (stopped.ending, stopped.steps) == ("stopped", at)
    found = tuned(file, recipe=more, on_progress=parts.append, resume=True)
    assert [(one.step, one.loss, one.dev) for one in parts] == [
        (one.step, one.loss, one.dev) for one in whole
    ]
    assert np.array_equal(found.vectors, expected.vectors)
    assert [(p.step, p.loss, p.dev_loss) for p in found.curve] == [
        (p.step, p.loss, p.dev_loss) for p in expected.curve
    ]


def test_it_ends_when_the_dev_part_is_served_no_better(tuned: Tuner) -> None:
    done = tuned(recipe={"lr": 1e-30, "dev_every": 1, "patience": 2})
    assert (done.ending, done.steps, done.best_step) == ("patience", 2, 0)


def test_it_ends_in_time(tuned: Tuner) -> None:
    done = tuned(recipe={"steps": 10**6, "minutes": 0.02, "patience": 10**6})
    assert done.ending == "time"
    assert done.seconds < 30
    assert done.curve[-1].dev_loss is not None


def test_a_loss_that_is_no_number_ends_it_and_keeps_the_checkpoint(tuned: Tuner, tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.safetensors"
    stopped: list[Progress] = []
    tuned(on_progress=stopped.append, stop=lambda: len(stopped) == 3)
    kept = load_checkpoint(file)
    broken = {
        name: torch.full_like(tensor, float("inf")) if name.startswith("parameter.") else tensor
        for name, tensor in kept.tensors.items()
    }
    save_checkpoint(file, Checkpoint(kept.state, broken))
    before = file.read_bytes()
    with pytest.raises(TuningError) as caught:
        tuned(resume=True)
    assert str(caught.value) == (
        "the loss is no number any more at step 3, with a learning rate of 0.05: begin anew with a lower "
        f"--lr; the checkpoint of an earlier step is kept in {file}"
    )
    assert file.read_bytes() == before


def test_a_checkpoint_of_another_tuning_is_refused(tuned: Tuner, tmp_path: Path) -> None:
    tuned()
    with pytest.raises(TuningError, match=r"of a tuning with another lr \(0\.05, not 0\.01\)"):
        tuned(recipe={"lr": 0.01}, resume=True)


def test_a_missing_or_damaged_checkpoint_is_said(tuned: Tuner, tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.safetensors"
    with pytest.raises(TuningError, match="there is no checkpoint to go on from"):
        tuned(resume=True)
    file.write_bytes(b"\0" * 100)
    with pytest.raises(TuningError, match="the checkpoint is damaged"):
        tuned(resume=True)


@pytest.mark.parametrize("state", ["[]", "{}", "[" * 100_000, '{"same": 3}'])
def test_a_checkpoint_with_another_state_is_damaged(state: str, tuned: Tuner, tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.safetensors"
    tuned()
    file.write_bytes(save(dict(load_checkpoint(file).tensors), {"state": state}))
    with pytest.raises(TuningError, match="the checkpoint is damaged"):
        tuned(resume=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("step", "x"),
        ("seconds", None),
        ("since", 3),
        ("curve", [{"step": 1}]),
        ("curve", [{"step": 1, "seconds": "x", "loss": 2}]),
        ("dev", []),
        ("best", {"loss": "x", "tokens_right": 0, "rows_right": 0}),
        ("best", {}),
        ("best", None),
        ("waited", float("inf")),
    ],
)
def test_a_checkpoint_that_stands_nowhere_is_damaged(
    name: str, value: object, tuned: Tuner, tmp_path: Path
) -> None:
    file = tmp_path / "checkpoint.safetensors"
    tuned()
    kept = load_checkpoint(file)
    standing = {**kept.state["standing"], name: value}
    save_checkpoint(file, Checkpoint({**kept.state, "standing": standing}, kept.tensors))
    with pytest.raises(TuningError, match="the checkpoint is damaged"):
        tuned(resume=True)


@pytest.mark.parametrize("part", ["parameter.", "step", "exp_avg", "exp_avg_sq", "best"])
@pytest.mark.parametrize("other", [None, torch.zeros(1, 1), torch.zeros(6, 32, dtype=torch.int64)])
def test_a_checkpoint_with_other_tensors_is_damaged(
    part: str, other: torch.Tensor | None, tuned: Tuner, tmp_path: Path
) -> None:
    file = tmp_path / "checkpoint.safetensors"
    tuned()
    kept = load_checkpoint(file)
    (name,) = [name for name in kept.tensors if name.startswith(part) or name.endswith(f".{part}")]
    tensors = {n: tensor for n, tensor in kept.tensors.items() if n != name}
    save_checkpoint(file, Checkpoint(kept.state, tensors if other is None else {**tensors, name: other}))
    with pytest.raises(TuningError, match=r"damaged \(its tensors are not those of this tuning\)"):
        tuned(resume=True)


def test_a_checkpoint_that_cannot_be_written_ends_it(tuned: Tuner, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TuningError, match=r"checkpoint\.safetensors: the checkpoint cannot be written"):
        tuned(tmp_path / "file" / "checkpoint.safetensors")


# --- what is kept --------------------------------------------------------------------------------


@methods
def test_peft_loads_what_is_kept_and_gives_the_same_logits(
    recipe: Recipe, tiny: FrozenModel, data: Data, tmp_path: Path
) -> None:
    from peft import PeftModel

    settings = Recipe(**{**recipe.to_dict(), "steps": 3})
    done = tune(tiny, data, settings, start=Start("a b"), checkpoint=tmp_path / "checkpoint.safetensors")
    soft = keep(tmp_path / "sailor", done, tiny, data, settings, start=Start("a b"), description="Sails")
    assert np.array_equal(soft.vectors, done.vectors)
    ids = torch.tensor([data.dev[0].ids])
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of what PEFT calls in transformers
        embedded = tiny.model.get_input_embeddings()(ids)
        both = torch.cat([torch.from_numpy(done.vectors)[None], embedded], dim=1)
        expected = tiny.model(inputs_embeds=both).logits
        loaded = PeftModel.from_pretrained(tiny.model, str(tmp_path / "sailor"))
        found = loaded(input_ids=ids).logits
    torch.testing.assert_close(found, expected)


def test_the_card_tells_of_the_tuning(tiny: FrozenModel, data: Data, tuned: Tuner, tmp_path: Path) -> None:
    recipe = Recipe(**SMALL, steps=9)
    done = tuned()
    keep(tmp_path / "sailor", done, tiny, data, recipe, start=Start("a b"), description="")
    card = load_soft_prompt(tmp_path / "sailor").card
    assert (card.name, card.description) == ("sailor", "Tuned by prompt-tuning on rows.jsonl")
    assert (card.base.name, card.base.sha256) == ("tiny", tiny.sha256)
    assert card.settings == {**recipe.to_dict(), "text": "a b"}
    assert card.data["sha256"] == data.sha256
    assert (card.data["examples"], card.data["dev_examples"]) == (20, 4)
    assert tuple(card.curve) == done.curve
    assert card.metrics["best_step"] == done.best_step
    assert {"peft", "torch", "transformers"} <= card.versions.keys()
    picture = (tmp_path / "sailor" / "loss.svg").read_text(encoding="utf-8")
    assert picture.startswith("<?xml")
    keep(tmp_path / "sailor", done, tiny, data, recipe, start=Start("a b"), description="")
    assert (tmp_path / "sailor" / "loss.svg").read_text(encoding="utf-8") == picture


# --- settings and models -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"tokens": 0}, "tokens is 0; it takes a whole number from 1 to 1024"),
        ({"steps": 0}, "steps is 0; it takes a whole number above 0"),
        ({"lr": float("nan")}, "lr is nan; it takes a number above 0"),
        ({"minutes": -1.0}, "minutes is -1.0; it takes a number above 0"),
        ({"method": "lora"}, "method is 'lora'; it takes prompt-tuning, p-tuning"),
        ({"seed": -1}, "seed is -1; it takes a whole number from 0 to 9223372036854775807"),
        ({"seed": 2**63}, f"seed is {2**63}; it takes a whole number from 0 to {2**63 - 1}"),
    ],
)
def test_nonsense_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(TuningError) as caught:
        Recipe(**given)
    assert str(caught.value) == says


def test_good_settings_raise_no_doubts() -> None:
    assert [*Recipe().doubts(2000), *Recipe(method="p-tuning").doubts(2000)] == []


@pytest.mark.parametrize(
    ("given", "rows", "says"),
    [
        ({"lr": 1e-4}, 2000, "teaches virtual tokens next to nothing in 240 steps; 0.05 is usual"),
        ({"lr": 0.05, "method": "p-tuning"}, 2000, "may end in NaN; 0.003 is usual for p-tuning"),
        ({"init": "random"}, 2000, "random vectors lie far from all words"),
        ({"tokens": 300}, 2000, "300 virtual tokens are read before each question"),
        ({"steps": 10}, 50, "50 rows are few"),
        ({"steps": 1000}, 250, "each row will be read 32 times"),
    ],
)
def test_bad_settings_raise_a_doubt(given: dict[str, Any], rows: int, says: str) -> None:
    (doubt,) = Recipe(**given).doubts(rows)
    assert says in doubt


def test_the_learning_rate_rises_stays_and_falls_to_nothing() -> None:
    recipe = Recipe(steps=100, warmup=10, lr=1.0)
    rates = {step: recipe.rate_at(step, step / 100) for step in (0, 9, 50, 75, 99)}
    assert rates == pytest.approx({0: 0.1, 9: 1.0, 50: 1.0, 75: 0.5, 99: 0.02})


def test_a_converted_copy_is_made_once(tmp_path: Path) -> None:
    file = write_tiny(tmp_path / "tiny.gguf")
    first = load_frozen(str(file), Settings(), cache=tmp_path / "cache")
    made = {path: path.stat().st_mtime_ns for path in first.folder.iterdir()}
    again = load_frozen(str(file), Settings(), cache=tmp_path / "cache")
    assert {path: path.stat().st_mtime_ns for path in again.folder.iterdir()} == made
    assert list((tmp_path / "cache").iterdir()) == [first.folder]
    assert first.folder.name == first.sha256


def test_a_model_of_an_unknown_family_is_refused(tmp_path: Path) -> None:
    file = write_tiny(tmp_path / "tiny.gguf", family="gpt2")
    with pytest.raises(TuningError) as caught:
        load_frozen(str(file), Settings(), cache=tmp_path)
    assert str(caught.value) == (
        f"{file} is of the family 'gpt2'; soft prompts are tuned for llama and qwen2"
    )


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + b"\xff" * 100)
    with pytest.raises(UnknownName, match="unknown embedded model 'smolm2-135m'; did you mean"):
        load_frozen("smolm2-135m", Settings(), cache=tmp_path)
    with pytest.raises(ModelError, match=r"broken\.gguf is a broken GGUF file"):
        load_frozen(str(tmp_path / "broken.gguf"), Settings(), cache=tmp_path)


def test_a_missing_extra_is_said_in_one_line() -> None:
    need_extra()
    with pytest.raises(TuningError) as caught:
        need_extra(("torch", "no_such_library"))
    assert str(caught.value) == (
        'tuning needs no_such_library; install it with `pip install "agent-app[soft]"`'
    )


@pytest.mark.slow
def test_the_real_model_learns_from_a_few_steps(smollm2: Path, tmp_path: Path) -> None:
    frozen = load_frozen("smollm2-135m", Settings(model_dir=smollm2.parent), cache=tmp_path)
    file = write_rows(tmp_path / "rows.jsonl", 64, 8)
    data = traces(read_parts(file, dev_rows=8), frozen.tokenizer, frozen.end)
    recipe = Recipe(steps=20, dev_every=10)
    done = tune(frozen, data, recipe, start=Start(), checkpoint=tmp_path / "checkpoint.safetensors")
    assert done.best.tokens_right > 0.95


def test_steps_of_rows_are_stored_as_the_project_stores_steps() -> None:
    assert row(1).to_dict()["steps"] == [step_to_dict(step) for step in row(1).steps]


def test_a_trace_is_never_longer_than_its_marks(data: Data) -> None:
    assert all(len(one.ids) == len(one.learnt) for one in (*data.train, *data.dev))
    assert isinstance(data.train[0], Trace)
