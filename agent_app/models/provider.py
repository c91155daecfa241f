"""`PROVIDER:NAME`: any chat model that LangChain can find by its provider's name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from agent_app.errors import ModelError, UnknownName
from agent_app.models.access import check_key
from agent_app.settings import key_for

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

# The variables that a provider's package reads its key from; any one of them will do. Some packages
# accept a missing key and fail only at the first call, so it is looked for here. A provider that is
# not in this table (a cloud's own login, a local server) says itself what it lacks.
_KEYS = {
    "anthropic": ("ANTHROPIC_API_KEY",),
    "cohere": ("COHERE_API_KEY", "CO_API_KEY"),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "fireworks": ("FIREWORKS_API_KEY",),
    "google_genai": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "groq": ("GROQ_API_KEY",),
    "mistralai": ("MISTRAL_API_KEY",),
    "openrouter": ("OPENROUTER_API_KEY",),
    "perplexity": ("PPLX_API_KEY", "PERPLEXITY_API_KEY"),
    "together": ("TOGETHER_API_KEY",),
    "upstage": ("UPSTAGE_API_KEY",),
    "xai": ("XAI_API_KEY",),
}


def open_provider(provider: str, name: str, own: Iterable[str]) -> BaseChatModel:
    """Return the chat model of that name from a provider's LangChain package; makes no call yet.

    Args:
        provider: LangChain's word for the provider, such as ``anthropic``.
        name: the model's name as the provider knows it.
        own: the words before a colon that we know ourselves, for the message about an unknown one.

    Raises:
        UnknownName: LangChain knows no such provider.
        ModelError: there is no name, or the provider's package or key is missing.
        SettingError: a key has a character that no key has.
    """
    from langchain.chat_models import init_chat_model
    from pydantic import ValidationError

    spec = f"{provider}:{name}"
    if not name:
        raise ModelError(f"`{spec}` lacks the model's name; write {provider}:NAME")
    provider = provider.replace("-", "_").lower()
    variables = key_variables(provider)
    keys = {variable: key for variable in variables if (key := key_for(variable))}
    if variables and not keys:
        raise ModelError(f"{spec} takes a key: set {variables[0]} in the environment or in a file `.env`")
    for variable, key in keys.items():
        check_key(key, variable)
    try:
        return init_chat_model(name, model_provider=provider)
    except (ImportError, AttributeError) as error:
        raise ModelError(f"cannot use {spec}: {_first_line(error)}") from error
    except ValidationError as error:
        # Only the reason: the whole text of such an error shows what was passed, a key among it.
        raise ModelError(f"cannot use {spec}: {error.errors()[0]['msg']}") from None
    except ValueError as error:
        text = str(error)
        if not text.startswith("Unsupported"):
            raise ModelError(f"cannot use {spec}: {_first_line(error)}") from error
        known = text.rpartition(": ")[2].split(", ")
        raise UnknownName("model provider", provider, {*known, *own}) from None
    except Exception as error:
        raise ModelError(f"cannot use {spec}: {_first_line(error)}") from error


def key_variables(provider: str) -> tuple[str, ...]:
    """Return the variables that a provider's key is read from, any one of which will do; maybe none."""
    return _KEYS.get(provider.replace("-", "_").lower(), ())


def known_key_variables() -> Iterator[str]:
    """Yield every variable that a provider of the table above reads a key from."""
    for variables in _KEYS.values():
        yield from variables


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
