"""What is raised where words are no arithmetic."""

from __future__ import annotations


class NotUnderstood(Exception):  # noqa: N818 - never seen outside
    """The words are none that can be reckoned with."""
