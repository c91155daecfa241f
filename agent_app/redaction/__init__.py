"""Keeps secrets out of what is shown, stored and traced.

A secret is a value that the environment holds under a telling name, a value that the caller names, or
a text of a form that only secrets have, such as ``ghp_...`` or a private key. Each becomes a mark that
says what it was: ``[secret: OPENAI_API_KEY]``.

It is a net under careful work and no proof: a secret that a tool spells backwards or cuts into
pieces of its own gets through.
"""

from agent_app.redaction.redactor import RedactingStream, Redactor
from agent_app.redaction.wrapping import redacting_model, redacting_tool

__all__ = ["RedactingStream", "Redactor", "redacting_model", "redacting_tool"]
