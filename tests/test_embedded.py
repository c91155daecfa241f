"""The embedded model, on a real one of 135 million parameters served by llama.cpp."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from agent_app.errors import EndpointError, ModelError
from agent_app.models import Traits, context_of, explain, load_model, name_of, traits_of
from agent_app.models.embedded import EmbeddedModel, open_embedded, physical_cores
from agent_app.settings import Settings

STORY = [HumanMessage("Write a very long story about the seven seas.")]
ENDLESS = 'root ::= ("yo" " " "ho" " ")+'


@pytest.fixture(scope="module")
def model(smollm2: Path) -> Iterator[EmbeddedModel]:
    opened = open_embedded(smollm2, context=2048, name="embedded:smollm2-135m")
    yield opened
    opened.close()


def cached(reply: AIMessage) -> tuple[int, int]:
    """Return how many tokens of the prompt were cached, and how many it had."""
    usage = reply.usage_metadata
    assert usage is not None
    return usage["input_token_details"]["cache_read"], usage["input_tokens"]


def seconds_for_one_word(model: EmbeddedModel) -> float:
    begun = time.monotonic()
    model.invoke([HumanMessage("hi")], max_tokens=1)
    return time.monotonic() - begun


def seconds_for_a_long_reply(model: EmbeddedModel) -> float:
    begun = time.monotonic()
    reply = model.invoke(STORY, grammar=ENDLESS, max_tokens=300)
    assert reply.usage_metadata is not None
    assert reply.usage_metadata["output_tokens"] == 300
    return time.monotonic() - begun


def test_it_says_what_it_can_and_what_it_is_called(model: EmbeddedModel) -> None:
    assert traits_of(model) == Traits(
        continues=True, grammar=True, stop=True, bounds=True, streams=True, counts=True
    )
    assert name_of(model) == "embedded:smollm2-135m"


def test_a_grammar_binds_every_way_of_calling(model: EmbeddedModel) -> None:
    grammar = 'root ::= "Action: " ("clock" | "calculator") "\\n"'
    question = [HumanMessage("What time is it?")]

    async def ask() -> list[str]:
        streamed = [chunk.text async for chunk in model.astream(question, grammar=grammar)]
        return [(await model.ainvoke(question, grammar=grammar)).text, "".join(streamed)]

    replies = [
        model.invoke(question, grammar=grammar).text,
        "".join(chunk.text for chunk in model.stream(question, grammar=grammar)),
        *asyncio.run(ask()),
        *asyncio.run(ask()),  # a second event loop: nothing of the first one may be left over
    ]
    assert len(set(replies)) == 1
    assert replies[0] in ("Action: clock\n", "Action: calculator\n")


def test_it_goes_on_with_the_assistants_message_and_does_not_repeat_it(model: EmbeddedModel) -> None:
    begun = [HumanMessage("Count to five."), AIMessage("Sure! 1, 2, 3,")]
    reply = model.invoke(begun, max_tokens=4).text
    streamed = "".join(chunk.text for chunk in model.stream(begun, max_tokens=4))
    assert reply == streamed
    assert reply.startswith(" 4")


def test_stop_words_and_the_limit_of_tokens_end_a_reply(model: EmbeddedModel) -> None:
    stopped = model.invoke(STORY, grammar=ENDLESS, stop=["ho yo ho"])
    assert (stopped.text, stopped.response_metadata["finish_reason"]) == ("yo ", "stop")
    cut = model.invoke(STORY, grammar=ENDLESS, max_tokens=7)
    assert cut.usage_metadata is not None
    assert (cut.usage_metadata["output_tokens"], cut.response_metadata["finish_reason"]) == (7, "length")


def test_a_prompt_that_grew_is_read_only_where_it_is_new(model: EmbeddedModel) -> None:
    question = HumanMessage("Ye be a pirate on the seven seas. " * 40 + "Where is the gold?")
    first = model.invoke([question, AIMessage("Thought:")], max_tokens=40)
    said = f"Thought:{first.text}\nObservation: 42\nThought:"
    read, length = cached(model.invoke([question, AIMessage(said)], max_tokens=4))
    assert length > 400
    assert read / length >= 0.9


def test_tokens_are_counted_by_the_model_itself(model: EmbeddedModel) -> None:
    assert model.get_num_tokens("") == 0
    assert len(model.get_token_ids("Ahoy there")) == model.get_num_tokens("Ahoy there") > 1
    messages: list[BaseMessage] = [HumanMessage("Where is the gold?")]
    assert model.get_num_tokens_from_messages(messages) == cached(model.invoke(messages, max_tokens=1))[1]


def test_its_context_window_is_the_one_that_the_server_has(model: EmbeddedModel, smollm2: Path) -> None:
    assert (model.context, context_of(model)) == (2048, 2048)
    assert [served(smollm2, asked) for asked in (1000, 100_000)] == [1024, 8192]


def served(path: Path, asked: int) -> int | None:
    opened = open_embedded(path, context=asked)
    opened.close()
    return context_of(opened)


@pytest.mark.parametrize("texts", [("Where is the gold?", "Thought:"), ("a" * 50, " b\n\nc"), ("é", "1")])
def test_a_text_and_the_template_are_no_less_than_the_whole_prompt(
    model: EmbeddedModel, texts: tuple[str, str]
) -> None:
    head, tail = texts
    whole = model.get_num_tokens_from_messages([HumanMessage(head), AIMessage(tail)])
    bound = model.get_num_tokens(head + tail) + model.template_tokens
    assert whole <= bound <= whole + 10


def test_closing_a_stream_stops_the_server_at_once(model: EmbeddedModel) -> None:
    whole = seconds_for_a_long_reply(model)
    stream = model.stream(STORY, grammar=ENDLESS)
    next(stream)
    assert isinstance(stream, Generator)
    stream.close()
    assert seconds_for_one_word(model) < whole


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no way to send Ctrl-C to oneself alone")
def test_ctrl_c_stops_a_call_and_the_server_at_once(model: EmbeddedModel) -> None:
    whole = seconds_for_a_long_reply(model)
    timer = threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        model.invoke(STORY, grammar=ENDLESS, max_tokens=1900)
    timer.join()
    assert seconds_for_one_word(model) < whole


def test_a_prompt_beyond_the_context_window_is_called_so(model: EmbeddedModel) -> None:
    with pytest.raises(Exception, match="context") as caught:
        model.invoke([HumanMessage("gold " * 3000)])
    assert isinstance(caught.value, Exception)
    error = explain(caught.value)
    assert isinstance(error, EndpointError)
    assert str(error).startswith("http://127.0.0.1:")
    assert str(error).endswith(" tokens, and its context window holds 2048")


def test_calls_do_not_go_through_a_proxy(smollm2: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:1")
    opened = open_embedded(smollm2, context=512)
    assert opened.get_num_tokens("Ahoy") > 0
    assert opened.invoke("hi", max_tokens=2).text
    assert asyncio.run(opened.ainvoke("hi", max_tokens=2)).text
    opened.close()


def test_a_stranger_without_the_key_is_refused(model: EmbeddedModel) -> None:
    import httpx

    url = f"{model.openai_api_base}/chat/completions"
    assert url.startswith("http://127.0.0.1:")
    assert httpx.post(url, json={"messages": []}, trust_env=False).status_code == 401


def test_two_models_live_side_by_side_and_close_when_forgotten(model: EmbeddedModel, smollm2: Path) -> None:
    second = load_model(f"embedded:{smollm2}", settings=Settings(context=512, threads=1))
    assert name_of(second) == f"embedded:{smollm2}"
    assert second.invoke("hi", max_tokens=2).text == model.invoke("hi", max_tokens=2).text
    gone = weakref.ref(second)
    before = threads_of_this_process()
    del second
    gc.collect()
    assert gone() is None
    assert threads_of_this_process() < before


def threads_of_this_process() -> int:
    tasks = Path("/proc/self/task")
    if not tasks.is_dir():
        pytest.skip("threads outside Python are counted on Linux only")
    return len(list(tasks.iterdir()))


def test_a_model_that_is_closed_at_once_or_twice_does_not_hang(smollm2: Path) -> None:
    for _ in range(3):
        opened = open_embedded(smollm2, context=256)
        opened.close()
        opened.close()


LEAVE = """
import sys
from pathlib import Path
from agent_app.models.embedded import open_embedded

model = open_embedded(Path(sys.argv[1]), context=512)
stream = model.stream("Tell me a long story.")
next(stream)
{end}
"""


@pytest.mark.parametrize("end", ["", "sys.exit()", "del stream", "model.close()"])
def test_the_program_ends_cleanly_in_the_middle_of_a_reply(smollm2: Path, end: str) -> None:
    command = [sys.executable, "-c", LEAVE.format(end=end), str(smollm2)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has another exit code for Ctrl-C")
def test_the_program_ends_cleanly_on_ctrl_c(smollm2: Path) -> None:
    end = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nlist(stream)"
    command = [sys.executable, "-c", LEAVE.format(end=end), str(smollm2)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGINT, "")
    assert done.stderr.rstrip().endswith("KeyboardInterrupt")


def test_a_file_that_is_no_model_is_refused_without_noise(
    smollm2: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    files = {name: tmp_path / f"{name}.gguf" for name in ("missing", "text", "junk", "cut")}
    files["text"].write_text("Ahoy", encoding="utf-8")
    files["junk"].write_bytes(b"GGUF" + bytes(range(256)) * 20)
    with smollm2.open("rb") as whole:
        files["cut"].write_bytes(whole.read(20_000_000))
    said = {}
    for name, file in files.items():
        with pytest.raises(ModelError) as caught:
            load_model(f"embedded:{file}")
        said[name] = str(caught.value)
    unloadable = "the file is incomplete, or a kind of model that it does not know"
    assert said == {
        "missing": f"cannot read the model file {files['missing']}: No such file or directory",
        "text": f"{files['text']} is not a GGUF file; its first four bytes would be 'GGUF'",
        "junk": f"llama.cpp cannot load {files['junk']}: {unloadable}",
        "cut": f"llama.cpp cannot load {files['cut']}: {unloadable}",
    }
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere llama.cpp counts the cores itself")
def test_threads_are_counted_within_what_this_process_may_use() -> None:
    allowed = os.sched_getaffinity(0)
    assert 1 <= physical_cores() <= len(allowed)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert physical_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
