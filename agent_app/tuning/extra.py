"""Whether the libraries that tuning needs are there; serving a soft prompt needs none of them."""

from __future__ import annotations

from importlib.util import find_spec

from agent_app.errors import TuningError

LIBRARIES = ("torch", "transformers", "peft", "matplotlib")
"""What the extra `soft` installs."""


def need_extra(libraries: tuple[str, ...] = LIBRARIES, what: str = "tuning") -> None:
    """Make sure that the extra `soft` is installed.

    Args:
        libraries: those of it that are needed.
        what: what needs them, for the message.

    Raises:
        TuningError: a library is missing; names it, and the command that installs it.
    """
    missing = [name for name in libraries if find_spec(name) is None]
    if missing:
        raise TuningError(
            f'{what} needs {", ".join(missing)}; install it with `pip install "agent-app[soft]"`'
        )
