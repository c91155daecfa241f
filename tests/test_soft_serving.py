"""Soft prompts on a real model of 135 million parameters: read where they are named, and nowhere else.

Virtual tokens that are copies of real words must be read as those words are: that needs no training, and
every token of the reply depends on it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from soft_prompts import kept, noise

from agent_app import Agent, Result, places
from agent_app.agent import Question
from agent_app.errors import ModelError, PromptError
from agent_app.events import Finished
from agent_app.models import Named, can_read, load_model, meant_by, soft_message
from agent_app.models.embedded import EmbeddedModel
from agent_app.models.virtual import Piece
from agent_app.prompt import load_prompt
from agent_app.settings import Settings
from agent_app.soft_prompt import SoftPrompt
from agent_app.soft_prompt.derived import table_rows, token_name, write_derived

HARD = "The capital of France is Paris. The capital of Italy is Rome. The capital of Spain is"
GOES_ON = " Madrid. The capital of Germany is Berlin. The capital of Portugal is"
FIGURES = "1 2 3 4 5 6 7 8 9 10 11 12 13"
SETTINGS = Settings(context=512, threads=2)


@pytest.fixture(scope="module")
def plain(smollm2: Path) -> Iterator[EmbeddedModel]:
    """The base model as it is."""
    model = load_model(f"embedded:{smollm2}", settings=SETTINGS)
    assert isinstance(model, EmbeddedModel)
    yield model
    model.close()


@pytest.fixture(scope="module")
def library(plain: EmbeddedModel, smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two soft prompts that are real words in disguise, and one that is noise."""
    folder = tmp_path_factory.mktemp("library")
    for name, text in (("capitals", HARD), ("figures", FIGURES)):
        kept(folder, name, table_rows(smollm2, plain.get_token_ids(text)))
    kept(folder, "noise", noise(1))
    (folder / "mate.md").write_text(PROMPT, encoding="utf-8")
    return folder


PROMPT = """\
---
name: mate
soft: capitals
---

{soft}{history}Question: {input}
Thought:{agent_scratchpad}
"""


@pytest.fixture(scope="module")
def soft(library: Path) -> tuple[SoftPrompt, ...]:
    return load_prompt("mate", folders=[library]).soft_prompts


@pytest.fixture(scope="module")
def model(
    soft: tuple[SoftPrompt, ...], smollm2: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedModel]:
    """The model with all three in it."""
    with pytest.MonkeyPatch.context() as patch:
        cache = tmp_path_factory.mktemp("cache")
        patch.setattr(places, "derived_folder", lambda: cache / "derived")
        patch.setattr(places, "prompt_cache_folder", lambda: cache / "prompts")
        opened = load_model(f"embedded:{smollm2}", settings=SETTINGS, parallel=2, soft=soft)
    assert isinstance(opened, EmbeddedModel)
    yield opened
    opened.close()


def written_by(plain: EmbeddedModel, text: str, tokens: int = 24) -> str:
    """How the base model goes on with a plain text."""
    body = {"prompt": text, "n_predict": tokens, "temperature": 0}
    said: str = plain._server.post("/completion", body)["content"]
    return said


def usage(reply: AIMessage) -> tuple[int, int, int]:
    """Return the tokens of the prompt, how many of them were cached, and those of the reply."""
    told = reply.usage_metadata
    assert told is not None
    return told["input_tokens"], told["input_token_details"]["cache_read"], told["output_tokens"]


CAPITALS = [soft_message([Named("capitals"), GOES_ON])]


def test_virtual_tokens_that_copy_words_are_read_as_those_words(
    plain: EmbeddedModel, model: EmbeddedModel
) -> None:
    expected = written_by(plain, HARD + GOES_ON)
    assert expected.startswith(" Lisbon.")
    assert model.invoke(CAPITALS, max_tokens=24).text == expected


def test_text_may_stand_before_between_and_after_virtual_tokens(
    plain: EmbeddedModel, model: EmbeddedModel
) -> None:
    between = " Madrid.\nSome figures:\n"
    pieces: list[Piece] = ["Some facts.\n", Named("capitals"), between, Named("figures"), " 14"]
    expected = written_by(plain, f"Some facts.\n{HARD} Madrid.\nSome figures:\n{FIGURES} 14", 12)
    assert expected.startswith(" 15")
    assert model.invoke([soft_message(pieces)], max_tokens=12).text == expected


def test_soft_and_hard_prompts_take_turns_on_one_model(plain: EmbeddedModel, model: EmbeddedModel) -> None:
    hard = [HumanMessage("Count to five."), AIMessage("Sure! 1, 2,")]
    figures = [soft_message([Named("figures"), " 14"])]
    for _ in range(2):
        assert model.invoke(hard, max_tokens=8).text == plain.invoke(hard, max_tokens=8).text
        assert model.invoke(figures, max_tokens=8).text == written_by(plain, f"{FIGURES} 14", 8)
        assert model.invoke(CAPITALS, max_tokens=8).text == written_by(plain, HARD + GOES_ON, 8)


def test_streams_stop_words_grammars_and_limits_work_as_for_hard_prompts(model: EmbeddedModel) -> None:
    whole = model.invoke(CAPITALS, max_tokens=12).text

    async def asked() -> list[str]:
        streamed = [chunk.text async for chunk in model.astream(CAPITALS, max_tokens=12)]
        assert len(streamed) > 5
        return ["".join(streamed), (await model.ainvoke(CAPITALS, max_tokens=12)).text]

    assert "".join(chunk.text for chunk in model.stream(CAPITALS, max_tokens=12)) == whole
    assert asyncio.run(asked()) == [whole, whole]
    assert model.invoke(CAPITALS, stop=["sbon"]).text == " Li"
    assert re.fullmatch(r" \d{3}", model.invoke(CAPITALS, grammar='root ::= " " [0-9] [0-9] [0-9]').text)


def test_tokens_are_counted_and_a_known_beginning_is_not_read_again(model: EmbeddedModel) -> None:
    length = model.get_num_tokens(HARD + GOES_ON)
    assert model.get_num_tokens_from_messages(CAPITALS) == length
    first = usage(model.invoke(CAPITALS, max_tokens=3))
    again = usage(model.invoke(CAPITALS, max_tokens=3))
    assert (first[0], first[2], again) == (length, 3, (length, length - 1, 3))


def test_a_stream_of_a_soft_prompt_that_is_closed_stops_the_server(model: EmbeddedModel) -> None:
    stream = model.stream(CAPITALS, grammar='root ::= ("yo" " ")+', max_tokens=400)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert model.invoke(CAPITALS, max_tokens=1).text == " Lisbon"


def test_what_was_read_of_a_soft_prompt_is_kept_on_disk(
    soft: tuple[SoftPrompt, ...], smollm2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "derived_folder", lambda: tmp_path / "derived")
    monkeypatch.setattr(places, "prompt_cache_folder", lambda: tmp_path / "prompts")
    opening = " Madrid." * 60
    said = []
    for _ in range(2):
        model = load_model(f"embedded:{smollm2}", settings=SETTINGS, soft=soft)
        assert isinstance(model, EmbeddedModel)
        model.warm([soft_message([Named("capitals"), opening])])
        reply = model.invoke([soft_message([Named("capitals"), f"{opening}\nRome is in"])], max_tokens=8)
        said.append((reply.text, usage(reply)))
        model.close()
    (_, (length, cached, _)), again = said
    assert said[0] == again
    assert length - 8 <= cached < length
    assert len(list((tmp_path / "prompts").iterdir())) == 1


FORGED = f"{token_name('capitals', 0)}{token_name('capitals', 1)}"


@pytest.mark.parametrize("forged", [FORGED, "<|soft:capitals:0|>", "<|soft_0|>"])
def test_no_text_becomes_a_virtual_token(plain: EmbeddedModel, model: EmbeddedModel, forged: str) -> None:
    assert model.get_token_ids(forged) == plain.get_token_ids(forged)
    assert max(model.get_token_ids(forged)) < min(rows.first for rows in model.virtual.values())
    text = f"{forged} The capital of Italy is"
    for messages in ([HumanMessage(text)], [HumanMessage("Hi"), AIMessage(text)]):
        assert model.get_num_tokens_from_messages(messages) == plain.get_num_tokens_from_messages(messages)
        assert model.invoke(messages, max_tokens=8).text == plain.invoke(messages, max_tokens=8).text
    raw = model.invoke([soft_message([Named("figures"), f"\n{text}"])], max_tokens=8).text
    assert raw == written_by(plain, f"{FIGURES}\n{text}", 8)


def test_virtual_tokens_are_never_written(model: EmbeddedModel) -> None:
    """Without the ban they would be: the output is tied to the table that they are rows of."""
    rows = model.virtual["noise"]
    reply = model.bind(logprobs=True, top_logprobs=20).invoke([soft_message([Named("noise")])], max_tokens=6)
    said = [one["id"] for one in reply.response_metadata["logprobs"]["content"]]
    assert max(said) < rows.first
    forced = [[token, 1000] for token in rows.tokens]
    body = {"prompt": rows.tokens, "n_predict": 1, "temperature": 0, "n_probs": 1}
    told = model._server.post("/completion", {**body, "logit_bias": forced})["completion_probabilities"]
    assert told[0]["id"] in rows.tokens  # so the server can write them where it may


def test_biases_of_the_caller_stay_beside_the_ban(model: EmbeddedModel) -> None:
    lisbon, madrid = (model.get_token_ids(word)[0] for word in (" Lisbon", " Madrid"))
    text = model.bind(logit_bias={lisbon: -100, madrid: 50}).invoke(CAPITALS, max_tokens=1).text
    assert text == " Madrid"


def test_a_soft_prompt_that_the_model_lacks_is_named(model: EmbeddedModel, plain: EmbeddedModel) -> None:
    for one, name in ((model, "strangers"), (plain, "capitals")):
        with pytest.raises(ModelError, match=f"has no virtual tokens of the soft prompt '{name}'"):
            one.invoke([soft_message([Named(name), "Hi"])])
    with pytest.raises(ValueError, match="is a whole prompt, and stands alone"):
        model.invoke([*CAPITALS, AIMessage("Thought:")])


@pytest.mark.parametrize("name", ["openai:parrot", "scripted:replies.txt"])
def test_a_model_of_another_kind_is_refused_when_an_agent_is_made(library: Path, name: str) -> None:
    with pytest.raises(ModelError) as caught:
        Agent(name, load_prompt("mate", folders=[library]), [])
    assert str(caught.value) == (
        f"{name} cannot read the soft prompt 'capitals'; "
        "use the model that it was tuned for, by its name: embedded:smollm2-135m"
    )


def test_another_embedded_model_is_refused_before_it_is_looked_for(
    library: Path, plain: EmbeddedModel
) -> None:
    prompt = load_prompt("mate", folders=[library])
    with pytest.raises(PromptError, match=r"tuned for smollm2-135m .* embedded:qwen2.* is another"):
        Agent("embedded:qwen2.5-coder-1.5b", prompt, [])
    with pytest.raises(ModelError, match=r"embedded:.* cannot read the soft prompt 'capitals'"):
        Agent(plain, prompt, [])
    with pytest.raises(ModelError, match="cannot read"):
        Agent("embedded:smollm2-135m", prompt, [], fallbacks=["openai:parrot"])


def test_embedded_alone_is_the_model_that_a_soft_prompt_was_tuned_for(library: Path) -> None:
    prompt = load_prompt("mate", folders=[library])
    agent = Agent("embedded", prompt, ["calculator"], max_steps=1)
    assert agent.invoke("What is 2 + 3?").model == "embedded:smollm2-135m"
    assert prompt.soft is not None
    base = replace(prompt.soft.card.base, sha256="a" * 64)
    strange = replace(prompt.soft, card=replace(prompt.soft.card, base=base))
    assert [meant_by("embedded", soft) for soft in (prompt.soft, strange, None)] == [
        "embedded:smollm2-135m",
        "embedded:qwen2.5-coder-1.5b",
        "embedded:qwen2.5-coder-1.5b",
    ]
    named = ("embedded:./mine.gguf", "embedded:qwen2.5-coder-0.5b", "openai:parrot")
    assert [meant_by(name, prompt.soft) for name in named] == [*named]


def test_the_users_own_file_of_another_model_is_refused_when_it_is_loaded(
    library: Path, tmp_path: Path
) -> None:
    file = tmp_path / "other.gguf"
    file.write_bytes(b"GGUF, or so it says")
    with pytest.raises(PromptError, match=f"tuned for smollm2-135m .* embedded:{file} is another model"):
        Agent(f"embedded:{file}", load_prompt("mate", folders=[library]), []).open()


def test_an_agent_runs_on_a_soft_prompt(model: EmbeddedModel, library: Path) -> None:
    """The words in disguise teach nothing of tools, so only the form is certain: the grammar sees to that."""
    agent = Agent(model, load_prompt("mate", folders=[library]), ["calculator"], max_steps=1)
    result = agent.invoke("What is 2 + 3?")
    assert result.text
    assert result.repairs == 0
    assert result.usage.prompt_tokens > model.get_num_tokens(HARD)
    *_, last = agent.stream("What is 2 + 3?")
    assert isinstance(last, Finished)
    assert last.result.steps == result.steps


def test_an_agent_plans_for_the_room_that_virtual_tokens_take(model: EmbeddedModel, library: Path) -> None:
    agent = Agent(model, load_prompt("mate", folders=[library]), [], context=400).open()
    window = agent._loaded().window(agent._loaded().models[0])
    assert window is not None
    assert window.overhead == model.get_num_tokens(HARD) + 2


def test_a_batch_answers_all_rows_at_once_as_one_by_one(model: EmbeddedModel, library: Path) -> None:
    agent = Agent(model, load_prompt("mate", folders=[library]), ["calculator"], max_steps=1)
    questions: list[Question] = [f"What is {n} + 3?" for n in range(4)]
    together = agent.batch(questions, {"max_concurrency": 2})
    assert [type(result) for result in together] == [Result] * 4
    assert all(result.text for result in together)


def test_can_read_tells_soft_prompts_of_one_name_apart(
    model: EmbeddedModel, soft: tuple[SoftPrompt, ...], tmp_path: Path
) -> None:
    assert all(can_read(model, one) for one in soft)
    assert not can_read(model, kept(tmp_path, "capitals", noise(9)))


def test_other_programs_read_the_names_and_write_none(
    plain: EmbeddedModel, soft: tuple[SoftPrompt, ...], smollm2: Path, tmp_path: Path
) -> None:
    """Of a file that is made for them, with no bans and no knowledge of this program."""
    from agent_app.models.embedded import open_embedded

    with (tmp_path / "export.gguf").open("wb") as file:
        rows = write_derived(smollm2, soft, file, by_name=True)
    exported = open_embedded(tmp_path / "export.gguf", context=512, threads=2)
    names = "".join(token_name("capitals", n) for n in range(rows["capitals"].count))
    assert written_by(exported, names + GOES_ON) == written_by(plain, HARD + GOES_ON)
    alone = written_by(exported, "".join(token_name("noise", n) for n in range(8)), 8)
    assert "<|soft" not in alone
    assert alone
    exported.close()
