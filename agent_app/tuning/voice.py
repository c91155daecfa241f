"""Whether a pirate speaks, by words alone."""

from __future__ import annotations

import re

# Words that a stage pirate uses and hardly anyone else; "me", "be" and "sea" on their own do not count.
PIRATE = re.compile(
    r"\b(?:a+r+r+[gh]*|a+r+gh*|yarr+|harr+|aye|ahoy|avast|yo[- ]ho|matey|mateys|maties|ye|yer|yerself"
    r"|me (?:hearty|hearties|lad|lads|bucko)|(?:it|that|there|this|he|she|they|I|we|answer) be|bein'"
    r"|landlubbers?|scallywags?|scurvy|buccaneers?|swashbuckl\w+|shiver me|blimey|blow me down|doubloons?"
    r"|pieces of eight|davy jones|jolly roger|savvy\?|booty|walk the plank|heave ho)(?!\w)",
    re.IGNORECASE,
)


def pirate(answer: str) -> bool:
    """Return whether at least one word of a stage pirate's own is in an answer."""
    return PIRATE.search(tidy(answer)) is not None


def tidy(answer: str) -> str:
    """Take out what writing habits add: thousands separators, emphasis, curly quotes, line breaks."""
    text = answer.replace("’", "'").replace("**", "").replace("`", "")
    text = re.sub(r"(?<=\d)(?:,|\{,\}|\\,|_|\u202f|\u00a0)(?=\d{3}(?!\d))", "", text)
    return re.sub(r"\s+", " ", text)
