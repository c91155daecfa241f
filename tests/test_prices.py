"""What a call costs: given, free, from the installed list, or unknown; never guessed, never looked up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from agent_app.errors import SettingError
from agent_app.models import load_model, name_of
from agent_app.prices import Price, estimate, price_of, read_prices, served_at
from agent_app.steps import Usage

CALL = Usage(calls=1, prompt_tokens=1_000_000, completion_tokens=100_000, cached_tokens=400_000)
OPENROUTER = "https://openrouter.ai/api/v1"
LOCAL = "http://127.0.0.1:11434/v1"


# --- given -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "cost"),
    [(Price(2, 8), 2.8), (Price(2, 8, cached=0.5), 0.6 * 2 + 0.4 * 0.5 + 0.8), (Price(0, 0), 0.0)],
)
def test_a_given_price_counts_input_output_and_what_was_cached(price: Price, cost: float) -> None:
    assert price_of("openai:mine", CALL, price) == pytest.approx(cost)


def test_a_given_price_goes_before_the_list_and_before_a_free_model() -> None:
    for name in ("openai:gpt-4o-mini", "embedded:smollm2-135m", "scripted:x", "nowhere:x"):
        assert price_of(name, CALL, Price(10, 0)) == 10
        assert price_of(name, CALL, {name: Price(10, 0)}) == 10


def test_a_price_given_for_another_model_changes_nothing() -> None:
    given = {"openai:gpt-4o": Price(10, 10)}
    assert price_of("openai:gpt-4o-mini", CALL, given) == price_of("openai:gpt-4o-mini", CALL)
    assert price_of("nowhere:gpt-4o", CALL, given) is None


@pytest.mark.parametrize(
    ("price", "message"),
    [
        ((-1, 2, None), "the price for input is -1; it takes dollars per million tokens"),
        ((1, float("nan"), None), "the price for output is nan; it takes dollars per million tokens"),
        ((1e300, 2, None), "the price for input is 1e+300; it takes dollars per million tokens"),
        ((1, 2, float("inf")), "the price for cached is inf; it takes dollars per million tokens"),
        ((1, 2, 1.5), "the price for cached, 1.5, is above that for input, 1"),
    ],
)
def test_a_wrong_price_is_named(price: tuple[float, float, float | None], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        Price(*price)
    most = ", 1,000,000,000 at most" if message.endswith("million tokens") else ""
    assert str(caught.value) == message + most


def test_prices_are_read_from_a_line() -> None:
    assert read_prices(" openai:our-own=0.5,1.5  ollama:a=b:7b=2,8,0.2") == {
        "openai:our-own": Price(0.5, 1.5),
        "ollama:a=b:7b": Price(2, 8, 0.2),
    }


@pytest.mark.parametrize("part", ["0.5,1.5", "=1,2", "openai:x", "openai:x=1", "x=1,2,1,1", "x=1,two", "x="])
def test_what_is_no_price_is_named(part: str) -> None:
    with pytest.raises(SettingError) as caught:
        read_prices(f"openai:our-own=0.5,1.5 {part}")
    assert str(caught.value) == (
        f"the price {part!r} is none; it takes a model's name and US dollars per million tokens "
        "read and written, such as openai:our-own=0.5,1.5"
    )


# --- free, listed, unknown -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["embedded:qwen2.5-coder-1.5b", "embedded:my.gguf", "scripted:replies.txt", "scripted"]
)
def test_a_model_in_this_process_costs_nothing(name: str) -> None:
    assert price_of(name, CALL) == 0.0
    assert price_of(name, Usage(calls=1), url="http://127.0.0.1:5/v1") == 0.0


def test_the_list_prices_cached_tokens_right() -> None:
    # Dollars per million tokens: 0.15 for input, 0.075 for what was cached, 0.6 for output.
    assert price_of("openai:gpt-4o-mini", CALL) == pytest.approx(0.6 * 0.15 + 0.4 * 0.075 + 0.1 * 0.6)


def test_more_cached_than_read_counts_as_all_cached() -> None:
    odd = Usage(calls=1, prompt_tokens=1_000_000, cached_tokens=1_000_001)
    assert price_of("openai:gpt-4o-mini", odd) == pytest.approx(0.075)
    assert price_of("openai:gpt-4o-mini", odd, Price(2, 8, cached=1)) == pytest.approx(1)


@pytest.mark.parametrize(
    "name",
    [
        "anthropic:claude-sonnet-4-5",
        "azure:gpt-4o-mini",
        "bedrock:anthropic.claude-3-5-sonnet-20240620-v1:0",
        "deepseek:deepseek-chat",
        "google_genai:gemini-2.5-flash",
        "google_vertexai:gemini-2.5-flash",
        "groq:llama-3.3-70b-versatile",
        "mistralai:mistral-large-latest",
        "openrouter:openai/gpt-4o-mini",
        "xai:grok-4",
    ],
)
def test_langchains_names_of_providers_are_found_in_the_list(name: str) -> None:
    cost = price_of(name, CALL)
    assert cost is not None
    assert 0.01 < cost < 100


def test_a_call_with_a_long_prompt_is_priced_by_its_own_length() -> None:
    # The list knows that this model costs more from 200,000 tokens on.
    short, long = (Usage(prompt_tokens=n) for n in (100_000, 400_000))
    one, four = (price_of("google_genai:gemini-2.5-pro", usage) for usage in (short, long))
    assert one is not None
    assert four is not None
    assert four > 4.5 * one


@pytest.mark.parametrize(
    "name",
    [
        "openai:gpt-99",
        "openai:",
        "openai:whisper-1",  # listed, but not by the token
        "openai:ft:gpt-4o-mini:mine",
        "my-openai-proxy:gpt-4o-mini",  # a provider's name that merely contains a known one
        "nowhere:gpt-4o-mini",
        "ollama:llama3",
        "GenericFakeChatModel",
    ],
)
def test_what_is_not_in_the_list_is_not_known(name: str) -> None:
    assert price_of(name, CALL) is None


def test_a_call_of_unknown_length_has_an_unknown_price() -> None:
    assert price_of("openai:gpt-4o-mini", Usage(calls=1)) is None
    assert price_of("openai:gpt-4o-mini", Usage(calls=1), Price(1, 1)) is None


# --- who serves it ---------------------------------------------------------------------------------


def chat(url: str | None) -> BaseChatModel:
    return ChatOpenAI(model="openai/gpt-4o-mini", base_url=url, api_key=SecretStr("none"))


def test_openais_prices_hold_at_openai_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert price_of("openai:gpt-4o-mini", CALL, url=LOCAL) is None
    assert price_of("openai:gpt-4o-mini", CALL, url="https://api.openai.com/v1/") == pytest.approx(0.18)
    monkeypatch.setenv("OPENAI_BASE_URL", LOCAL)
    assert price_of("openai:gpt-4o-mini", CALL) is None
    assert price_of("openai:gpt-4o-mini", CALL, Price(1, 1)) == pytest.approx(1.1)


def test_another_seller_is_found_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    direct = price_of("openrouter:openai/gpt-4o-mini", CALL)
    assert direct is not None
    assert price_of("openai:openai/gpt-4o-mini", CALL, url=OPENROUTER) == direct
    monkeypatch.setenv("OPENAI_BASE_URL", OPENROUTER)
    assert price_of("openai:openai/gpt-4o-mini", CALL) == direct


def test_a_model_says_itself_where_it_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    assert served_at(chat(None)) == "https://api.openai.com/v1/"
    assert served_at(chat(OPENROUTER)) == OPENROUTER + "/"
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    ours = load_model("openai:gpt-4o-mini")
    assert price_of(name_of(ours), CALL, url=served_at(ours)) == pytest.approx(0.18)
    monkeypatch.setenv("OPENAI_BASE_URL", LOCAL)
    local = load_model("openai:gpt-4o-mini")
    monkeypatch.delenv("OPENAI_BASE_URL")  # the model was opened before, and remembers
    assert price_of(name_of(local), CALL, url=served_at(local)) is None


def test_a_model_that_calls_no_server_says_so(tmp_path: Path) -> None:
    replies = tmp_path / "replies.txt"
    replies.write_text("Final Answer: 4\n", encoding="utf-8")
    assert served_at(load_model(f"scripted:{replies}")) is None


# --- before a call ---------------------------------------------------------------------------------


def test_the_estimate_is_the_price_with_nothing_cached() -> None:
    fresh = Usage(calls=1, prompt_tokens=1_000_000, completion_tokens=100_000)
    for given in (None, Price(2, 8, cached=1)):
        most = estimate("openai:gpt-4o-mini", 1_000_000, 100_000, given)
        cost = price_of("openai:gpt-4o-mini", CALL, given)
        assert most == price_of("openai:gpt-4o-mini", fresh, given)
        assert most is not None
        assert cost is not None
        assert most > cost


def test_the_estimate_of_an_unknown_price_is_unknown_and_of_a_free_one_nothing() -> None:
    assert estimate("openai:gpt-4o-mini", 10, 10, url=LOCAL) is None
    assert estimate("embedded:smollm2-135m", 10, 10) == 0.0


# --- no network ------------------------------------------------------------------------------------

_WATCHED = """
import sys, threading
sys.addaudithook(lambda event, _: event.startswith("socket.") and touched.append(event))
touched = []
from agent_app.prices import price_of
from agent_app.steps import Usage
assert "genai_prices" not in sys.modules
cost = price_of("anthropic:claude-sonnet-4-5", Usage(prompt_tokens=9))
print(cost is not None, "genai_prices" in sys.modules)
print(touched, threading.active_count())
"""


def test_a_price_is_looked_up_without_network_or_thread_and_the_list_is_loaded_late() -> None:
    done = subprocess.run(  # a fresh process, as the list may be loaded already in this one
        [sys.executable, "-c", _WATCHED], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines() == ["True True", "[] 1"]
