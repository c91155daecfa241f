"""What prompts begin with is read once, kept on disk, and taken from there by the next process."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from agent_app import Agent
from agent_app.models import prompt_cache
from agent_app.models.connection import Connection
from agent_app.models.embedded import EmbeddedModel, open_embedded
from agent_app.models.prompt_cache import PromptCache
from agent_app.models.slot import Slot
from agent_app.models.stored import sha256_of
from agent_app.prompt import list_prompts, load_prompt

OPENING = "Ye be a pirate on the seven seas, and ye answer in one line.\n" * 8 + "\n"
QUESTIONS = ("Question: Where is the gold?", "\nWho has the map?", "é")


def opened(path: Path, folder: Path | None, **more: Any) -> EmbeddedModel:
    return open_embedded(path, context=1024, digest="its digest", prompts=folder, **more)


def prompt(question: str) -> list[BaseMessage]:
    return [HumanMessage(OPENING + question), AIMessage("Thought:")]


def answers(model: EmbeddedModel) -> list[str]:
    """The replies to all questions."""
    return [model.invoke(prompt(question), max_tokens=16).text for question in QUESTIONS]


def cached(model: EmbeddedModel) -> int:
    """How many tokens of a new question's prompt need not be read."""
    usage = model.invoke(prompt("What be yer name?"), max_tokens=1).usage_metadata
    assert usage is not None
    assert usage["input_tokens"] > usage["input_token_details"]["cache_read"]
    return usage["input_token_details"]["cache_read"]


def warmed(path: Path, folder: Path | None, **more: Any) -> EmbeddedModel:
    model = opened(path, folder, **more)
    model.warm([HumanMessage(OPENING)])
    return model


@pytest.fixture(scope="module")
def kept(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which one process has kept the opening."""
    folder = tmp_path_factory.mktemp("kept") / "prompts"
    model = warmed(smollm2, folder)
    model.close()
    return folder


@pytest.fixture
def folder(kept: Path, tmp_path: Path) -> Path:
    """A copy of it, to spoil."""
    copy = tmp_path / "prompts"
    copy.mkdir()
    (copy / the_file(kept).name).write_bytes(the_file(kept).read_bytes())
    return copy


def the_file(folder: Path) -> Path:
    (file,) = folder.iterdir()
    return file


@pytest.fixture(scope="module")
def replies(smollm2: Path) -> list[str]:
    """The replies of a model that has read everything itself and keeps nothing."""
    model = warmed(smollm2, None)
    said = answers(model)
    model.close()
    return said


def test_replies_are_the_same_whether_the_opening_was_read_or_restored(
    smollm2: Path, tmp_path: Path, replies: list[str]
) -> None:
    said = []
    for _ in range(2):
        model = warmed(smollm2, tmp_path / "prompts")
        said.append(answers(model))
        model.close()
    assert said == [replies, replies]
    assert len(set(replies)) == len(QUESTIONS)


def test_a_fresh_process_reads_only_what_is_new(smollm2: Path, kept: Path) -> None:
    cold, warm = opened(smollm2, None), opened(smollm2, kept)
    requests: list[str] = []
    hooks = warm.root_client._client.event_hooks
    warm.root_client._client.event_hooks = {"request": [lambda request: requests.append(str(request.url))]}
    warm.warm([HumanMessage(OPENING)])
    warm.root_client._client.event_hooks = hooks
    assert [url for url in requests if url.endswith(("/completion", "action=save"))] == []
    length = cold.get_num_tokens_from_messages([HumanMessage(OPENING)])
    assert cached(cold) == 0
    assert length - 8 < cached(warm) <= length
    for model in (cold, warm):
        model.close()


def test_the_opening_alone_is_kept_and_only_its_owner_can_read_it(smollm2: Path, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "prompts"
    model = warmed(smollm2, folder)
    model.invoke(prompt("My secret is 4711."), max_tokens=1)
    model.warm([HumanMessage(OPENING)])
    model.close()
    file = the_file(folder)
    key, _, digest = file.stem.partition("-")
    assert (len(key), digest, file.suffix) == (32, sha256_of(file), ".state")
    if os.name == "posix":
        assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, file)] == [0o700, 0o600]


def spoilt(data: bytes) -> Mapping[str, bytes]:
    """What can become of a file."""
    middle = len(data) // 2
    flipped = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
    return {"empty": b"", "cut": data[:middle], "flipped": flipped, "longer": data + b"\0", "text": b"Ahoy"}


@pytest.mark.parametrize("how", ["empty", "cut", "flipped", "longer", "text"])
def test_a_damaged_file_is_deleted_and_the_opening_read_again(
    smollm2: Path, folder: Path, replies: list[str], how: str
) -> None:
    file = the_file(folder)
    whole = file.read_bytes()
    file.write_bytes(spoilt(whole)[how])
    model = warmed(smollm2, folder)
    assert answers(model) == replies
    model.close()
    assert the_file(folder).read_bytes() == whole


def test_a_file_that_llama_cpp_refuses_is_deleted_and_the_opening_read_again(
    smollm2: Path, folder: Path, replies: list[str]
) -> None:
    """Its digest is right, but what it holds was never written by llama.cpp."""
    file = the_file(folder)
    whole, key = file.read_bytes(), file.name.partition("-")[0]
    file.write_bytes(b"Ahoy" * 100)
    file.rename(file.with_name(f"{key}-{sha256_of(file)}.state"))
    model = warmed(smollm2, folder)
    assert answers(model) == replies
    model.close()
    assert the_file(folder).read_bytes() == whole


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_is_not_followed(smollm2: Path, folder: Path, tmp_path: Path) -> None:
    file = the_file(folder)
    elsewhere = file.rename(tmp_path / "elsewhere")
    file.symlink_to(elsewhere)
    warmed(smollm2, folder).close()
    assert not the_file(folder).is_symlink()
    assert elsewhere.exists()


def test_another_model_context_or_opening_has_a_file_of_its_own(smollm2: Path, folder: Path) -> None:
    others = [
        open_embedded(smollm2, context=1024, prompts=folder),
        open_embedded(smollm2, context=1024, digest="another digest", prompts=folder),
        open_embedded(smollm2, context=2048, digest="its digest", prompts=folder),
        opened(smollm2, folder),
    ]
    for model, text in zip(others, [OPENING] * 3 + ["Arr! " + OPENING], strict=True):
        model.warm([HumanMessage(text)])
        model.close()
    assert len({path.name.partition("-")[0] for path in folder.iterdir()}) == 1 + len(others)


def test_a_file_of_the_users_own_that_has_changed_is_another_model(smollm2: Path, tmp_path: Path) -> None:
    own, folder = tmp_path / "own.gguf", tmp_path / "prompts"
    own.write_bytes(smollm2.read_bytes())
    for moment in (1_000_000_000, 2_000_000_000, 2_000_000_000):
        os.utime(own, (moment, moment))
        model = open_embedded(own, context=1024, prompts=folder)
        model.warm([HumanMessage(OPENING)])
        model.close()
    assert len(list(folder.iterdir())) == 2


def test_nothing_is_kept_that_is_too_short_or_does_not_fit(smollm2: Path, tmp_path: Path) -> None:
    model = opened(smollm2, tmp_path / "prompts")
    for text in ("", "Ye be a pirate.", OPENING * 40):
        model.warm([HumanMessage(text)])
    model.close()
    assert not (tmp_path / "prompts").exists()


def test_where_nothing_can_be_written_the_opening_is_read(
    smollm2: Path, tmp_path: Path, replies: list[str]
) -> None:
    (tmp_path / "file").write_bytes(b"")
    model = warmed(smollm2, tmp_path / "file" / "prompts")
    assert answers(model) == replies
    model.close()


FULL_DISK = """
import resource, sys
from pathlib import Path
from langchain_core.messages import HumanMessage
from agent_app.models.embedded import open_embedded

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
model = open_embedded(Path(sys.argv[1]), context=1024, prompts=Path(sys.argv[2]))
model.warm([HumanMessage(sys.argv[3])])
print(len(model.invoke(sys.argv[3], max_tokens=3).text) > 0)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the limit on file sizes is POSIX's")
def test_a_full_disk_leaves_nothing_behind(smollm2: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(smollm2), str(tmp_path / "prompts"), OPENING]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")
    assert list((tmp_path / "prompts").iterdir()) == []


LEAVE = """
import sys, threading
from pathlib import Path
from langchain_core.messages import HumanMessage
from agent_app.models.embedded import open_embedded

model = open_embedded(Path(sys.argv[1]), context=8192, prompts=Path(sys.argv[2]))
threading.Thread(target=model.warm, args=([HumanMessage(sys.argv[3] * 40)],)).start()
"""


def test_reading_ahead_does_not_hold_up_the_end_of_the_program(smollm2: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", LEAVE, str(smollm2), str(tmp_path / "prompts"), OPENING]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (tmp_path / "prompts").exists()  # it had not come to its end


class Interrupted(Connection):
    """A server that somebody else asks something whenever it is about to save."""

    def try_to_post(self, endpoint: str, body: Mapping[str, Any]) -> Any | None:
        if endpoint.endswith("save"):
            self.post("/completion", {"prompt": "My secret is 4711.", "n_predict": 1})
        return super().try_to_post(endpoint, body)


def test_a_question_that_comes_between_is_not_kept(smollm2: Path, tmp_path: Path) -> None:
    model = opened(smollm2, tmp_path / "prompts")
    server = model._server
    between = Interrupted(server._client, server.address, model.openai_api_key.get_secret_value())  # type: ignore[union-attr]
    Slot(between, PromptCache(tmp_path / "prompts"), 128, ("a model",)).fill(model.get_token_ids(OPENING))
    model.close()
    assert list((tmp_path / "prompts").iterdir()) == []


OTHER = "Be brief and polite. " * 40


def cached_after(model: EmbeddedModel, opening: str) -> int:
    usage = model.invoke([HumanMessage(f"{opening}Who be ye?")], max_tokens=1).usage_metadata
    assert usage is not None
    return usage["input_token_details"]["cache_read"]


def test_what_was_restored_first_is_still_known_after_the_second(smollm2: Path, tmp_path: Path) -> None:
    """In the process that reads them, where one comes up late, and in one that finds both on disk."""
    model = opened(smollm2, tmp_path / "prompts")
    model.warm([HumanMessage(OTHER)], only_kept=True)  # nobody has read it yet, so it is not read now
    model.warm([HumanMessage(OPENING)])
    assert cached_after(model, OPENING) > 100
    assert cached_after(model, OTHER) < 50
    model.warm([HumanMessage(OTHER)])
    assert cached_after(model, OTHER) > 150
    assert cached_after(model, OPENING) > 100
    model.close()
    model = opened(smollm2, tmp_path / "prompts")
    model.warm([HumanMessage(OTHER)], only_kept=True)
    model.warm([HumanMessage(OPENING)])
    assert cached_after(model, OPENING) > 100
    assert cached_after(model, OTHER) > 150
    assert cached_after(model, OPENING) > 100
    model.close()


def test_a_stranger_without_the_key_can_neither_save_nor_restore(smollm2: Path, kept: Path) -> None:
    model = opened(smollm2, kept)
    server = model._server
    said = [
        httpx.post(
            f"{server.address}/slots/0?action={action}",
            json={"filename": the_file(kept).name},
            headers={"Authorization": "Bearer wrong"} if wrong else {},
            trust_env=False,
        ).status_code
        for action in ("save", "restore", "erase")
        for wrong in (False, True)
    ]
    model.close()
    assert said == [401] * 6


def test_several_processes_share_a_folder(smollm2: Path, tmp_path: Path, replies: list[str]) -> None:
    folder = tmp_path / "prompts"
    models = [opened(smollm2, folder) for _ in range(3)]
    threads = [threading.Thread(target=model.warm, args=([HumanMessage(OPENING)],)) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [cached(model) > 100 for model in models] == [True] * 3
    for model in models:
        model.close()
    assert (
        the_file(folder).name
        == f"{the_file(folder).name.partition('-')[0]}-{sha256_of(the_file(folder))}.state"
    )
    last = warmed(smollm2, folder)
    assert answers(last) == replies
    last.close()


@pytest.fixture
def small_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PromptCache:
    """A cache with room for three files, or for a hundred bytes."""
    monkeypatch.setattr(prompt_cache, "_MOST_FILES", 3)
    monkeypatch.setattr(prompt_cache, "_MOST_BYTES", 100)
    return PromptCache(tmp_path / "prompts")


def keep(cache: PromptCache, folder: Path, key: str, size: int, moment: int) -> None:
    name = cache.begin()
    assert name is not None
    (folder / name).write_bytes(key.encode() * size)
    os.utime(folder / name, (moment, moment))
    cache.keep(name, key)


def keys(folder: Path) -> str:
    return "".join(sorted(path.name[0] for path in folder.iterdir()))


def test_the_files_used_longest_ago_make_room(small_cache: PromptCache, tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    for moment, key in enumerate("abc", 1_000_000):
        keep(small_cache, folder, key, 10, moment)
    assert small_cache.find("a") is not None  # it is the newest from now on
    there = [keys(folder)]
    for moment, (key, size) in enumerate((("d", 10), ("e", 85), ("f", 101)), 4_000_000_000):
        keep(small_cache, folder, key, size, moment)
        there.append(keys(folder))
    assert there == ["abc", "acd", "de", ""]


def test_what_a_killed_process_left_unfinished_goes(small_cache: PromptCache, tmp_path: Path) -> None:
    old, fresh = small_cache.begin(), small_cache.begin()
    assert old is not None
    assert fresh is not None
    os.utime(tmp_path / "prompts" / old, (1_000_000, 1_000_000))
    keep(small_cache, tmp_path / "prompts", "a", 1, 4_000_000_000)
    assert small_cache.find("a") is not None
    assert [(tmp_path / "prompts" / name).exists() for name in (old, fresh)] == [False, True]


@pytest.mark.parametrize("name", [entry.name for entry in list_prompts()])
def test_every_run_of_a_prompt_begins_with_its_opening(name: str) -> None:
    prompt = load_prompt(name)
    opening, _ = prompt.opening("calculator: it calculates", ["calculator"])
    for question in ("What is 2 + 2?", "{tools} Wer bist du?"):
        draft = prompt.draft(question, "calculator: it calculates", ["calculator"])
        head = draft.segments(()).head
        assert head.startswith(opening)
        assert head.removeprefix(opening) == f"Question: {question}\n"


def test_an_opening_ends_before_whatever_a_question_brings_along(tmp_path: Path) -> None:
    file = tmp_path / "mate.md"
    inputs = "inputs: {port: {description: where we are, type: string, default: Tortuga}}"
    body = "Ye have {tools}.\nWe be in {port}.\n\n{history}Question: {input}\nThought:{agent_scratchpad}\n"
    file.write_text(f"---\nname: mate\nversion: '1'\n{inputs}\n---\n{body}", encoding="utf-8")
    assert load_prompt(file).opening("a compass", ["compass"]).head == "Ye have a compass.\nWe be in "


class Reading(BaseCallbackHandler):
    """Notes how many tokens of each prompt had to be read."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def on_llm_end(self, response: LLMResult, **_: Any) -> None:
        generation = response.generations[0][0]
        assert isinstance(generation, ChatGeneration)
        assert isinstance(generation.message, AIMessage)
        usage = generation.message.usage_metadata
        assert usage is not None
        self.read.append(usage["input_tokens"] - usage["input_token_details"]["cache_read"])


def test_an_open_agent_reads_no_more_than_what_is_new(smollm2: Path, tmp_path: Path) -> None:
    """In a first process, in a second one, and in a question that follows on another."""
    read = []
    for _ in range(2):
        model = open_embedded(smollm2, context=4096, prompts=tmp_path / "prompts")
        agent = Agent(model, tools=["calculator"], max_steps=1, on_limit="stop").open()
        history: list[tuple[str, str]] = []
        for question in ("What is 23 * 47?", "And twice that?"):
            reading = Reading()
            agent.invoke(question, {"callbacks": [reading]}, history=history)
            history = [("human", question), ("ai", "Arg, 1081!")]  # this small model would go on and on
            read.append(reading.read[0])
        model.close()
    assert read[:2] == read[2:]
    assert max(read) < 80
    assert the_file(tmp_path / "prompts").stat().st_size > 1_000_000
