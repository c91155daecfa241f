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


FORMS = (
    Form(
        "private key",
        "KEY-----",
        r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY-----"
        r"(?:[\s\\nr]{1,8}[A-Za-z-]{1,20}: [^\n\\]{1,100}){0,4}[\s\\nr]{0,8}[A-Za-z0-9+/=]{16}",
        r"[A-Za-z0-9+/=\s\\]",
    ),
    Form(
        "credentials",
        "uthorization UTHORIZATION",
        r"""(?P<kept>(?:[Aa]uthorization|AUTHORIZATION)\\?["']?\s{0,4}[:=]\s{0,4}\\?["']?(?i:bearer|basic|token)\s{1,4})"""
        r"[A-Za-z0-9._~+/=-]{8}",
        "[A-Za-z0-9._~+/=-]",
    ),
    Form("user and password", "://", r"""(?P<kept>://)[^\s/@:"'<>]{0,256}:[^\s/"'<>]{1,256}(?=@)"""),
    Form(
        "key in an address",
        "ey= oken= ecret= assword=",
        r"(?P<kept>[?&](?:api_?[Kk]ey|access_?[Tt]oken|auth_?[Tt]oken|client_?[Ss]ecret|password)=)[^\s&#\"'<>\[\]]{8}",
        r"""[^\s&#"'<>\[\]]""",
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
