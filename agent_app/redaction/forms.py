"""What secrets look like that are known by their form alone, as ``ghp_...`` or a private key."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import regex


@dataclass(frozen=True)
class Form:
    """What a kind of secret looks like: a beginning of bounded length, then a run of any length.

    That a run has one set of characters lets a stream drop it as it comes, without keeping any of it.
    """

    name: str
    hints: str
    """Some words, one of which is in every such secret: looked for first, as that is quick."""
    start: str
    """A regular expression; its group ``kept`` stays in the text."""
    run: str = ""
    """A set of characters, as in a regular expression; empty: the start is all of it."""

    @functools.cached_property
    def pattern(self) -> regex.Pattern[str]:
        """The start alone."""
        return compiled(self.start)


_GAP = r"(?:[\s>|#*]|\\{1,4}[nr]){0,100}+"
"""What may stand between the lines of a key: line ends, escaped ones too, and marks that quote a text."""
_QUOTE = r"""\\{0,3}["']"""
_HEADER = (
    r"(?:[Aa]uthorization|AUTHORIZATION)"
    # As in a header, in data, in a list of pairs, and in a list of objects that have a name and a value.
    rf"(?:(?:{_QUOTE})?\s{{0,4}}[:=]>?|{_QUOTE}\s{{0,4}},(?:\s{{0,4}}{_QUOTE}value{_QUOTE}\s{{0,4}}:)?)"
    rf"\s{{0,4}}\[?b?(?:{_QUOTE})?"
)
_CHARS = r"[A-Za-z0-9._~+/=-]"
_WITH_COLON = r"[A-Za-z0-9._~+/=:-]"
_NO_WORDS = rf"(?=(?>{_WITH_COLON}{{0,40}}?(?:[a-z][A-Z0-9]|[0-9][A-Za-z]|[A-Z][0-9])){{2}})"
"""Twice letters go over into capitals or digits, as in no word: "Authorization: Uses OAuth2.0 everywhere"."""

FORMS = (
    Form(
        "private key",
        "-----BEGIN",
        r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
        rf"(?:{_GAP}[A-Za-z-]{{1,20}}: [^\n\\]{{1,200}}+){{0,4}}{_GAP}[A-Za-z0-9+/=]{{16}}",
        r"[A-Za-z0-9+/=\s\\>|#*]",
    ),
    Form(
        "credentials",
        "uthorization UTHORIZATION",
        rf"(?P<kept>{_HEADER}(?i:(?:bearer|basic|token|api-?key|jwt)\s{{1,4}}(?:token=)?(?:{_QUOTE})?|key=))"
        rf"{_CHARS}{{8}}",
        _CHARS,
    ),
    Form(
        "credentials",
        "uthorization UTHORIZATION",
        # Of several fields, any of which may be the one: a signature, an answer to a challenge.
        rf"(?P<kept>{_HEADER}(?i:digest|hawk|oauth|aws4-hmac-sha256)\s{{1,4}})[A-Za-z_]{{1,40}}=",
        r"[^\r\n'{}\[\]<>]",
    ),
    Form(
        "credentials",
        "uthorization UTHORIZATION",
        rf"(?P<kept>{_HEADER}[A-Z][A-Za-z0-9-]{{0,30}}\s{{1,4}}){_NO_WORDS}{_WITH_COLON}{{12}}",
        _WITH_COLON,
    ),
    Form(
        "user and password",
        "://",
        # Not a port that a query follows, nor the version of a container image that its digest follows.
        r"""(?P<kept>://)[^\s/@:?#"'<>]{0,256}:(?![0-9]{1,5}[?#])[^\s/"'<>]{1,256}(?=@(?!sha(?:256|512):))""",
    ),
    Form(
        "key in an address",
        "ey= oken= ecret= assword= EY= OKEN= ECRET= ASSWORD=",
        r"(?P<kept>(?:[?&]|&amp;|\\u0026)(?i:"
        r"(?:(?:x-)?(?:api|access|auth|client|id|private|refresh|secret|security|session|subscription)[_-]?)?"
        r"(?:key|token|secret)|password)=)"
        r"[^\s&#\"'<>\[\]\\]{8}",
        r"""[^\s&#"'<>\[\]\\]""",
    ),
    Form(
        "web token",
        ".eyJ",
        r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{10,1000}\.eyJ[A-Za-z0-9_-]{10}",
        "[A-Za-z0-9_.-]",
    ),
    # A key begins where no word goes on: `risk-...` is none.
    *(
        Form(name, hint, f"(?<![A-Za-z0-9]){start}", run)
        for name, hint, start, run in (
            ("OpenAI key", "sk-", "sk-[A-Za-z0-9]{20}", "[A-Za-z0-9]"),
            (
                "API key",
                "sk-",
                "sk-(?:proj|svcacct|admin|ant-[a-z0-9]{1,12}|or-v1|lf)-[A-Za-z0-9_-]{20}",
                "[A-Za-z0-9_-]",
            ),
            ("Stripe key", "k_live_ k_test_", "[rs]k_(?:live|test)_[A-Za-z0-9]{16}", "[A-Za-z0-9]"),
            ("Groq key", "gsk_", "gsk_[A-Za-z0-9]{20}", "[A-Za-z0-9]"),
            ("LangSmith key", "lsv2_", "lsv2_(?:pt|sk)_[a-f0-9]{20}", "[a-f0-9_]"),
            ("GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", "gh[pousr]_[A-Za-z0-9]{30}", "[A-Za-z0-9]"),
            ("GitHub token", "github_pat_", "github_pat_[A-Za-z0-9_]{30}", "[A-Za-z0-9_]"),
            ("GitLab token", "glpat-", "glpat-[A-Za-z0-9_-]{20}", "[A-Za-z0-9_.-]"),
            ("AWS key", "AKIA ASIA", "A[KS]IA[0-9A-Z]{16}", "[0-9A-Z]"),
            ("Slack token", "xox", "xox[abeposr]-[A-Za-z0-9-]{10}", "[A-Za-z0-9-]"),
            ("Google key", "AIza", "AIza[A-Za-z0-9_-]{35}", "[A-Za-z0-9_-]"),
            ("Hugging Face token", "hf_", "hf_[A-Za-z0-9]{30}", "[A-Za-z0-9]"),
            ("PyPI token", "pypi-", "pypi-[A-Za-z0-9_-]{50}", "[A-Za-z0-9_-]"),
            ("npm token", "npm_", "npm_[A-Za-z0-9]{36}", "[A-Za-z0-9]"),
        )
    ),
)

HINTS = tuple((hint, form) for form in FORMS for hint in form.hints.split())


def compiled(pattern: str) -> regex.Pattern[str]:
    """Compile a regular expression that can also be searched for in part."""
    import regex

    return regex.compile(pattern, regex.ASCII)
