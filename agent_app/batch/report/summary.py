"""What all rows come to, as HTML: what is still missing, the totals, and the plots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from urllib.parse import urlencode

from agent_app.batch.report import scales
from agent_app.batch.report.bars import Bar, bars
from agent_app.batch.report.histogram import WORDS, histogram
from agent_app.batch.report.reading import Answers
from agent_app.batch.report.totals import OUTCOMES, Outcome, Totals, Trouble
from agent_app.statistics import wilson

_FILTERS: dict[Outcome, dict[str, str]] = {
    "right": {"right": "right"},
    "answered": {"status": "answered", "right": "none"},
    "wrong": {"status": "answered", "right": "wrong"},
    "failed": {"status": "failed"},
    "missing": {"status": "missing"},
}
"""What the table's filters have to be set to for the rows of each outcome."""


def warnings(answers: Answers, totals: Totals, missing: int) -> Iterator[str]:
    """Yield in sentences why the file is only a part of what there will be.

    Args:
        answers: the file, after all its rows were gone through.
        totals: what they come to.
        missing: how many questions the batch has not seen to.
    """
    if answers.is_part:
        yield "The file is a part: its run goes on, or was broken off."
    if answers.is_torn:
        yield "Its last line was torn and is left out."
    reached = totals.statuses["missing"]
    if reached:
        yield f"{reached:,} of {totals.rows:,} rows have not been seen to."
    elif missing:
        yield f"The batch has {missing:,} more question{'s' * (missing != 1)} that it has not seen to."


def facts(answers: Answers, totals: Totals) -> Iterator[str]:
    """Yield which file it is, and which models and prompts gave the answers."""
    yield answers.path.name
    yield from _named("model", totals.models.most_common())
    yield from _named("prompt", totals.prompts.most_common())


def _named(what: str, counted: list[tuple[str, int]]) -> Iterator[str]:
    if len(counted) == 1:
        yield f"{what} {counted[0][0]}"
    elif counted:
        first = ", ".join(f"{name} ({count:,})" for name, count in counted[:3])
        more = f" and {len(counted) - 3:,} more" if len(counted) > 3 else ""
        yield f"{what}s {first}{more}"


def tiles(totals: Totals) -> str:
    """Return the totals: a number each, what it is, and what else is to be said of it."""
    cells = (
        f"<div><dt>{escape(name)}</dt><dd><strong>{escape(value)}</strong><small>{escape(note)}</small></dd></div>"
        for name, value, note in _figures(totals)
    )
    return f'<dl class="tiles">{"".join(cells)}</dl>'


def _figures(totals: Totals) -> Iterator[tuple[str, str, str]]:
    usage = totals.usage
    came = (
        f"{totals.statuses[name]:,} {words}" for name, words in _STATUSES.items() if totals.statuses[name]
    )
    yield "rows", f"{totals.rows:,}", ", ".join(came)
    if totals.judged:
        low, high = wilson(totals.right, totals.judged)
        note = (
            f"{totals.right:,} of {totals.judged:,} judged; 95 % interval {_percent(low)} to {_percent(high)}"
        )
        yield "right", _percent(totals.right / totals.judged), note
    seconds = scales.together(totals.seconds.values())
    if seconds:
        nearly = scales.time(scales.quantile(seconds, 0.95))
        yield "median time", scales.time(scales.quantile(seconds, 0.5)), f"95 % of rows within {nearly}"
    cached = f", {scales.short(usage.cached_tokens)} of them from the cache" if usage.cached_tokens else ""
    tokens = (
        f"{scales.short(usage.prompt_tokens)} read{cached}; {scales.short(usage.completion_tokens)} written"
    )
    yield "tokens", scales.short(usage.prompt_tokens + usage.completion_tokens), tokens
    if usage.cost or totals.unpriced:
        all_known = "the price of every question is known"
        unpriced = f"{totals.unpriced:,} different questions without a known price"
        note = unpriced if totals.unpriced else all_known
        yield "cost", scales.money(usage.cost) if usage.cost else "unknown", note
    tools = sum(totals.tools.values())
    note = f"and {tools:,} of tools, for {totals.asked:,} different questions"
    yield "model calls", f"{usage.calls:,}", note


_STATUSES = {"answered": "answered", "failed": "failed", "missing": "not reached"}


def outcomes(totals: Totals) -> str:
    """Return a bar of what has come of all rows, and a legend with the colours that all plots share."""
    came = [(name, totals.outcomes[name]) for name in OUTCOMES if totals.outcomes[name]]
    x, drawn, legend = 0.0, [], []
    for name, count in came:
        wide = count / totals.rows * 1000
        drawn.append(f'<rect class="{name}" x="{x:.2f}" y="0" width="{wide:.2f}" height="12"/>')
        words = f"{count:,} {WORDS[name]}{', not judged' if name == 'answered' and totals.judged else ''}"
        link = escape(urlencode(_FILTERS[name]))
        legend.append(f'<li><a href="#{link}"><i class="{name}"></i>{words}</a></li>')
        x += wide
    bar = f'<svg viewBox="0 0 1000 12" preserveAspectRatio="none" aria-hidden="true">{"".join(drawn)}</svg>'
    return f'<div class="outcomes">{bar}<ul>{"".join(legend)}</ul></div>'


def plots(totals: Totals) -> str:
    """Return the plots, each as a figure with its caption."""
    seconds = scales.together(totals.seconds.values())
    unit = scales.unit_of_time(scales.quantile(seconds, 0.95) if seconds else 1)
    errors = _trouble_bars(totals, {"error": "failed", "limit": "limit"})
    repairs = _trouble_bars(totals, {"repair": "missing"})
    drawn = (
        ("Time", "how long a row took", histogram(totals.seconds, unit)),
        ("Steps", "how often a row used a tool", histogram(totals.steps, _CALLS)),
        ("Tokens", "read and written for a row", histogram(totals.tokens, _TOKENS)),
        ("Tools", "calls of each; red: it gave an error", bars(_tool_bars(totals), "no tool was called")),
        ("Errors", "rows that failed or met a limit", bars(errors, "there was none")),
        ("Repairs", "rows with a reply that was forgiven something", bars(repairs, "there was none")),
    )
    return "".join(
        f"<figure><figcaption><h3>{name}</h3><p>{note}</p></figcaption>{plot}</figure>"
        for name, note, plot in drawn
    )


_CALLS, _TOKENS = scales.Unit("tool calls", is_whole=True), scales.Unit("tokens", is_whole=True)


def _tool_bars(totals: Totals) -> list[Bar]:
    made = []
    for tool, count in totals.tools.most_common():
        failed = totals.tool_errors[tool]
        words = f"{count:,}, {failed:,} failed" if failed else f"{count:,}"
        made.append(Bar(tool, count, words, "answered", failed, urlencode({"tool": tool})))
    return made


def _trouble_bars(totals: Totals, kinds: Mapping[Trouble, str]) -> list[Bar]:
    """Return a bar for each trouble of some kinds, which give the bars their colours."""
    return [
        Bar(
            name if len(kinds) == 1 else f"{kind}: {name}",
            count,
            f"{count:,}",
            kinds[kind],
            link=urlencode({"trouble": f"{kind}: {name}"}),
        )
        for (kind, name), count in totals.troubles.most_common()
        if kind in kinds
    ]


def _percent(share: float) -> str:
    """Return a share in per cent; one that is not all is never rounded to 100, nor one that is some to 0."""
    percent = share * 100
    if 0 < percent < 1 or 99 < percent < 100:
        return f"{min(99.9, max(0.1, percent)):.1f}\N{NO-BREAK SPACE}%"
    return f"{percent:.0f}\N{NO-BREAK SPACE}%"
