"""Warnings are errors in the programs that tests start as well, but for one that is not ours to mend."""

from __future__ import annotations

# langsmith, which LangChain imports, still asks asyncio; Python 3.14 warns of it.
_NOT_OURS = "ignore:'asyncio.iscoroutinefunction' is deprecated:DeprecationWarning"

OPTIONS = ("-W", "error", "-W", _NOT_OURS)
"""For Python, and for pytest."""
VARIABLES = {"PYTHONWARNINGS": f"error::DeprecationWarning,{_NOT_OURS}"}
"""For programs that warn of other things too."""
