"""What a call of a model costs, in US dollars.

A price that was given goes before all else. A model in this process costs nothing. Any other price
comes from `genai-prices`, a maintained list that is installed with this program: nothing is looked up
on the network. What is not in it is not known, and never guessed.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from agent_app.errors import SettingError
from agent_app.settings import endpoint
from agent_app.steps import Usage

if TYPE_CHECKING:
    from genai_prices.types import PriceCalculation
    from langchain_core.language_models import BaseChatModel

_FREE = ("embedded", "scripted")
"""The providers that run in this process."""

_MOST = 10**9
"""How many dollars a million tokens may cost, so that what many of them cost can still be counted."""

# LangChain's word for a provider, where the price list has another one.
_LISTED_AS = {
    "amazon_bedrock": "aws",
    "azure_openai": "azure",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "google_genai": "google",
    "google_vertexai": "google",
    "mistralai": "mistral",
    "xai": "x-ai",
}


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs, in US dollars per million tokens.

    Args:
        input: for what the model reads.
        output: for what it writes, its hidden reasoning included.
        cached: for what it has read before and finds in its server's cache; None: as other input.

    Raises:
        SettingError: a price is below zero, too high, or not a number, or `cached` is above `input`.
    """

    input: float
    output: float
    cached: float | None = None

    def __post_init__(self) -> None:
        for name in ("input", "output", "cached"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= _MOST:
                what = f"it takes dollars per million tokens, {_MOST:,} at most"
                raise SettingError(f"the price for {name} is {value}; {what}")
        if self.cached is not None and self.cached > self.input:
            raise SettingError(f"the price for cached, {self.cached}, is above that for input, {self.input}")

    def of(self, usage: Usage) -> float:
        """Return what so many tokens cost, in US dollars."""
        cached = min(usage.cached_tokens, usage.prompt_tokens)
        fresh = usage.prompt_tokens - cached
        read = self.input * fresh + (self.input if self.cached is None else self.cached) * cached
        return (read + self.output * usage.completion_tokens) / 1_000_000


Prices: TypeAlias = Price | Mapping[str, Price]
"""One price for every model, or a price for each model's name, such as ``openai:gpt-4o-mini``."""


def read_prices(text: str) -> dict[str, Price]:
    """Read prices as a setting has them, such as ``openai:our-own=0.5,1.5 openai:another=2,8,0.2``.

    Args:
        text: for each model its name, ``=``, and the numbers of its `Price` with commas between them;
            spaces stand between models.

    Raises:
        SettingError: one of them is none.
    """
    prices = {}
    for part in text.split():
        name, _, numbers = part.rpartition("=")
        try:
            values = [float(number) for number in numbers.split(",")]
        except ValueError:
            values = []
        if not name or len(values) not in (2, 3):
            raise SettingError(
                f"the price {part!r} is none; it takes a model's name and US dollars per million tokens "
                "read and written, such as openai:our-own=0.5,1.5"
            )
        prices[name] = Price(*values)
    return prices


def price_of(
    model_name: str, usage: Usage, given: Prices | None = None, *, url: str | None = None
) -> float | None:
    """Return what one call of a model cost, in US dollars, or None when nobody knows.

    Prices of some models depend on the length of the prompt or on the time of day: price each call when
    it is over, and add up what comes out, rather than price their sum.

    Args:
        model_name: as `agent_app.models.name_of` gives it.
        usage: the tokens of that call. A server that does not tell them leaves the cost unknown.
        given: prices that go before those of the list.
        url: where the model is served, as `served_at` gives it. A server that speaks OpenAI's protocol
            is another seller, or none: its price is looked up by its address. None: the address that
            the settings name, for such a model.
    """
    provider, _, name = model_name.partition(":")
    own = given if given is None or isinstance(given, Price) else given.get(model_name)
    if own is None and provider in _FREE:
        return 0.0
    if not usage.prompt_tokens:
        return None
    if own is not None:
        return own.of(usage)
    if url is None and provider == "openai":
        url = endpoint()
    return _listed(_LISTED_AS.get(provider, provider), name, url, usage)


def estimate(
    model_name: str,
    prompt_tokens: int,
    reply_tokens: int,
    given: Prices | None = None,
    *,
    url: str | None = None,
) -> float | None:
    """Return the most that a call of so many tokens can cost, in US dollars, or None when nobody knows.

    It is the price with nothing in the server's cache.

    Args:
        model_name: as `agent_app.models.name_of` gives it.
        prompt_tokens: as many as the prompt may have, at least 1.
        reply_tokens: as many as the reply may have, hidden reasoning included.
        given: prices that go before those of the list.
        url: where the model is served, as for `price_of`.
    """
    usage = Usage(calls=1, prompt_tokens=max(1, prompt_tokens), completion_tokens=reply_tokens)
    return price_of(model_name, usage, given, url=url)


def served_at(model: BaseChatModel) -> str | None:
    """Return the address that a model calls, if it is one that speaks OpenAI's protocol, else None."""
    client = getattr(model, "root_client", None)
    address = getattr(client, "base_url", None)
    return None if address is None else str(address)


def _listed(provider: str, name: str, url: str | None, usage: Usage) -> float | None:
    from genai_prices import Usage as Tokens

    if not _is_listed(provider, name, url):
        return None
    # A server may say that more was cached than read; the list would take that for an error.
    tokens = Tokens(
        input_tokens=usage.prompt_tokens,
        cache_read_tokens=min(usage.cached_tokens, usage.prompt_tokens),
        output_tokens=usage.completion_tokens,
    )
    return float(_found(provider, name, url, tokens).total_price)


@functools.lru_cache(maxsize=256)
def _is_listed(provider: str, name: str, url: str | None) -> bool:
    """Say whether the list has a price for a model's text; looked up once, as that takes its time."""
    from genai_prices import Usage as Tokens

    try:
        found = _found(provider, name, url, Tokens(input_tokens=1, output_tokens=1))
    except LookupError:
        return False
    # The list takes a word that merely contains a provider's name for that provider; and it has models
    # without a price for text, whose calls would come out as free.
    if url is None and found.provider.id != provider:
        return False
    return found.model_price.input_mtok is not None and found.model_price.output_mtok is not None


def _found(provider: str, name: str, url: str | None, tokens: Any) -> PriceCalculation:
    from genai_prices import calc_price

    if url is not None:
        return calc_price(tokens, name, provider_api_url=url)
    return calc_price(tokens, name, provider_id=provider)
