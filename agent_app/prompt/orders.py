"""Lines of foreign text that give orders to whatever model reads them, or an answer in its place.

What a small model reads it obeys. So the commonest forms of such orders, in English, are told apart from what
a text says. The rules are narrow, because a line that is taken for an order is not read for its facts. Nobody
should rely on this alone: what a tool may do is for `approvals` to say.
"""

from __future__ import annotations

import re

_AI = r"(?:a\.?i\.?|llm|language[ ]model)s?"
_FORGET = r"""
    \b (?:ignore|disregard|forget|override) \s (?:\w+\s){0,4}?
    (?:previous|prior|above|earlier|preceding) \s (?:\w+\s)?
    (?:instruction|order|prompt|direction|rule|command)s? \b
"""
_FORGET_ASKED = r"""
    (?: ^ | [.!?:;,] \s ) \W{0,4} (?:(?:please|now|and)\s){0,2}
    (?:ignore|disregard|forget|override) \s (?:\w+\s){0,2}?
    (?:what \s (?:\w+\s){1,3}? (?:asked|said|told|wanted)|questions?|requests?|the \s (?:user|human)) \b
"""
_NOTE = rf"""
    \b (?:note|notice|message|memo|instructions?|attention|hint) \s (?:to|for) \s
    (?:the\s|any\s|all\s|every\s)? {_AI} \b
"""
_REPLY = rf"""
    \b (?:{_AI}|(?:{_AI}\s)?(?:assistant|agent|chatbot)s?) \s (?:must|should|shall|has\sto|is\sto) \s
    (?:now\s|only\s|always\s)? (?:reply|answer|respond|say|state|output|repeat|write|claim) \s
    (?:that|with|only) \b
"""
_SYSTEM = r"""
    ^ \W{0,4} (?:system|developer|admin(?:istrator)?|root) (?:\s(?:prompt|message|notice|override))?
    \s? [:\]] \s?
    (?:you\b|ignore|disregard|from\snow\son|do\snot\s(?:tell|reveal|say|answer))
"""
_TURN = r"""
    ^ \W{0,4} (?:system|developer|user|human|assistant|a\.?i\.?) \s? [:\]] \s? .*
    \b (?:you|now|instead|forget|ignore|answer|reply|say|write|tell|mention(?:ed)?) \b
"""
"""Somebody's turn in a chat, in which something is ordered; ``User: guest`` is none."""
_EXACTLY = r"""
    \b (?:write|say|answer|reply|respond|output|state|print|repeat) \s (?:with\s)?
    (?:exactly|only|just|nothing\sbut) \s (?: (?:that|this|the\sfollowing) \b | ["'“‘] )
"""
_ANSWER = (
    r"""(?<!['"]) \b final\s?answer [*_`]{0,3} \s? [:：]"""  # in mid-line; at its beginning it is a label
)
_ORDER = re.compile(
    "|".join((_FORGET, _FORGET_ASKED, _NOTE, _REPLY, _SYSTEM, _TURN, _EXACTLY, _ANSWER)),
    re.VERBOSE | re.IGNORECASE,
)


def gives_order(line: str) -> bool:
    """Say whether a line tells a model what to do rather than a reader what is so."""
    return _ORDER.search(line) is not None
