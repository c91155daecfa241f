"""The web search: asks DuckDuckGo, and nobody else, through LangChain's wrapper of `ddgs`.

Needs a network but no key. A search ends after the wrapper's own time-out of five seconds.
"""

from __future__ import annotations

import threading
import warnings
from typing import TYPE_CHECKING, Any

from langchain_core.tools import ToolException, tool

if TYPE_CHECKING:
    from langchain_community.utilities.duckduckgo_search import DuckDuckGoSearchAPIWrapper

MAX_RESULTS = 5
MAX_QUERY = 400
"""Characters in a query."""
MAX_FIELD = 300
"""Characters of a title, a snippet or an address that are passed on."""

_BACKEND = "duckduckgo"
_OTHERWISE = "answer from what you know, or say that you could not look it up"
_importing = threading.Lock()


@tool
def web_search(query: str) -> str:
    """Search the web for recent or unknown facts.

    Input: a few search words, for example longest wooden ship.
    """
    words = " ".join(query.split())
    if not words:
        raise ToolException("the query is empty; write a few search words, for example longest wooden ship")
    if len(words) > MAX_QUERY:
        raise ToolException(
            f"the query has {len(words)} characters; write at most {MAX_QUERY}, a few words do"
        )
    blocks = [block for result in _search(words)[:MAX_RESULTS] if (block := _block(result))]
    if not blocks:
        raise _nothing_found(words)
    return "\n".join(f"{number}. {block}" for number, block in enumerate(blocks, 1))


web_search.metadata = {"risk": ["network"]}


def _search(words: str) -> list[dict[str, Any]]:
    """Ask DuckDuckGo; each result has a ``title``, a ``snippet`` and a ``link``."""
    from ddgs.exceptions import DDGSException, TimeoutException

    try:
        return _wrapper().results(words, MAX_RESULTS)
    except TimeoutException as error:
        raise ToolException(f"web_search had no reply from DuckDuckGo in time; {_OTHERWISE}") from error
    except (KeyError, TypeError) as error:  # the wrapper's, where a result lacks what each one has
        raise ToolException(f"web_search could not read what DuckDuckGo sent; {_OTHERWISE}") from error
    except DDGSException as error:
        # The service's refusals (it answers 202 to too many questions) reach us as "No results found."
        if "No results" in str(error):
            raise _nothing_found(words) from error
        # What ddgs says is a chain of causes, the last of which is the one worth reading.
        reason = str(error).rsplit(" > ", 1)[-1].removesuffix("')")[:MAX_FIELD]
        raise ToolException(f"web_search could not reach DuckDuckGo: {reason}; {_OTHERWISE}") from error


def _wrapper() -> DuckDuckGoSearchAPIWrapper:
    """Return LangChain's wrapper, set to ask DuckDuckGo alone, for pages of any age."""
    from ddgs.engines import ENGINES

    # Without its backend ddgs would quietly ask every other search service instead.
    if _BACKEND not in ENGINES["text"]:
        raise ToolException(f"web_search is not available: this ddgs cannot ask DuckDuckGo; {_OTHERWISE}")
    # The package announces on import that nobody tends it any more: news for us, not for our users.
    with _importing, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from langchain_community.utilities.duckduckgo_search import DuckDuckGoSearchAPIWrapper
    return DuckDuckGoSearchAPIWrapper(backend=_BACKEND, time=None, max_results=MAX_RESULTS)


def _block(result: dict[str, Any]) -> str:
    """Return one result as its title, snippet and address, a line each; empty without an address."""
    title, snippet, link = (_line(str(result.get(key) or "")) for key in ("title", "snippet", "link"))
    return "\n   ".join(line for line in (title, snippet, link) if line) if link else ""


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_FIELD else line[: MAX_FIELD - 1].rstrip() + "…"


def _nothing_found(words: str) -> ToolException:
    return ToolException(
        f"web_search got no results for {words!r} (DuckDuckGo may also be refusing for now); "
        f"try other words, or {_OTHERWISE}"
    )
