"""`agent-app report`: all rows are on the page, and nothing that a model wrote is more than text there."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import shutil
import subprocess
import tracemalloc
from collections.abc import Sequence
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from agents import MULTIPLY, agent_of
from click.testing import CliRunner, Result
from hypothesis import example, given
from hypothesis import strategies as st
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from agent_app import Agent, run_batch
from agent_app.batch.output import AnswerRow, json_line
from agent_app.batch.report import Answers, Totals, scales, table, write_report
from agent_app.batch.report.bars import Bar, bars
from agent_app.batch.report.histogram import histogram
from agent_app.batch.report.reading import Answered
from agent_app.cli import app
from agent_app.errors import BatchError
from agent_app.models.replies import Say
from agent_app.terminal import clean
from agent_app.testing import FaultyServer, Status

HOSTILE = [
    "</script><img src=x onerror=\"document.title='ran'\">",
    "<!-- <script> -->",
    "<script>document.title='ran'</script>",
    "\u2028document.title='ran'\u2029",
    "\x1b]0;ran\x07\x1b[2J",
    "\u202egnp.exe\u2066",
    "\ud83d half of a pair",
    "`${document.title='ran'}` $title ${title} %s {title}",
    "]]>&lt;b&gt;&amp;<![CDATA[",
    "javascript:document.title='ran'",
]
STEPS = [
    {
        "kind": "action",
        "tool": "calculator",
        "input": "2+2",
        "thought": "Sum",
        "repairs": ["decorated label"],
    },
    {"kind": "observation", "text": "no", "error": True},
    {"kind": "answer", "text": "Arg, 4", "thought": "So", "repairs": []},
]
USAGE = {
    "calls": 2,
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "cached_tokens": 0,
    "seconds": 1.5,
    "cost": 0.01,
}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
IN_CHROMIUM = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


def row(number: int = 1, **fields: Any) -> dict[str, Any]:
    """A row of answers, as a batch writes it."""
    given = {
        "question": f"What is {number}?",
        "status": "answered",
        "answer": "Arg, 4",
        "steps": STEPS,
        "usage": {**USAGE, "seconds": float(number)},
        "seconds": float(number),
        "attempts": 1,
        "model": "openai:parrot",
        "prompt": {"name": "mate", "version": "7", "hash": "0" * 64},
    }
    known = AnswerRow(f"q{number}", "", "answered").to_dict()
    return known | given | fields


def failed(number: int, kind: str = "EndpointDown", **fields: Any) -> dict[str, Any]:
    none: dict[str, Any] = {
        "status": "failed",
        "answer": None,
        "steps": [],
        "error": "it is dead",
        "error_kind": kind,
    }
    return row(number, **{**none, "stopped_by": "error", **fields})


def missing(number: int) -> dict[str, Any]:
    none: dict[str, Any] = {
        "answer": None,
        "steps": [],
        "seconds": 0.0,
        "attempts": 0,
        "usage": {},
        "model": None,
    }
    return row(number, status="missing", error="it was not asked yet", **none)


def written(folder: Path, rows: Sequence[dict[str, Any]], name: str = "a.jsonl") -> Path:
    path = folder / name
    path.write_bytes(b"".join(json_line(one) for one in rows))
    return path


def page_of(path: Path, **how: Any) -> str:
    out = io.BytesIO()
    write_report(Answers(path), out, **how)
    return out.getvalue().decode()


def totals_of(rows: Sequence[dict[str, Any]]) -> Totals:
    totals = Totals()
    for one in rows:
        totals.add(Answered.model_validate(one))
    return totals


def blocks(page: str, name: str) -> list[dict[str, Any]]:
    """The data of all blocks of a name."""
    found = re.findall(rf'<script type="application/json" class="{name}">(.*?)</script>', page, re.DOTALL)
    return [one for block in found for one in json.loads(block)]


def texts(page: str) -> str:
    """What a reader sees of the page before a script runs."""
    seen = re.sub(r"<(script|style|noscript)\b.*?</\1>|<title>.*?</title>", "", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", seen)).replace("\xa0", " ").split())


def report(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


# --- the page ---


def test_a_batch_that_was_run_becomes_a_page(tmp_path: Path) -> None:
    agent = agent_of(tmp_path, MULTIPLY, " I know\n**Final Answer:** Arg, 1081!")
    rows = list(run_batch(agent, [{"id": "sum", "question": "What is 23 * 47?", "topic": "sums"}]))
    page = page_of(written(tmp_path, [one.to_dict() for one in rows]))
    (shown,), (opened,) = blocks(page, "rows"), blocks(page, "details")
    tokens, seconds = shown.pop("tokens"), shown.pop("seconds")
    assert (tokens, seconds) == (
        rows[0].usage["prompt_tokens"] + rows[0].usage["completion_tokens"],
        rows[0].seconds,
    )
    assert shown == {
        "n": 1,
        "id": "sum",
        "question": "What is 23 * 47?",
        "status": "answered",
        "outcome": "answered",
        "answer": "Arg, 1081!",
        "error": None,
        "expected": None,
        "right": None,
        "troubles": ["repair: decorated label"],
        "tools": ["calculator"],
        "steps": 1,
    }
    assert opened["steps"] == [
        {"kind": "action", "thought": "I need to multiply", "tool": "calculator", "input": "23 * 47"},
        {"kind": "observation", "text": "1081"},
        {"kind": "answer", "thought": "I know", "repairs": ["decorated label"]},
    ]
    facts = dict(opened["facts"])
    assert (facts["id"], facts["topic"], facts["model calls"], facts["prompt"]) == (
        "sum",
        "sums",
        "2",
        "mate 7",
    )


def test_totals_are_told_in_words(tmp_path: Path) -> None:
    rows = [row(1), row(2, right=True, expected=4), row(3, right=False, expected=5), failed(4), missing(5)]
    seen = texts(page_of(written(tmp_path, rows), title="My <b>run</b>"))
    assert seen.startswith("My <b>run</b> a.jsonl model openai:parrot prompt mate 7 (000000000000) ")
    assert (
        " rows 5 3 answered, 1 failed, 1 not reached right 50 % 1 of 2 judged; 95 % interval 9 % to 91 % "
        in seen
    )
    assert (
        " median time 2.5 s 95 % of rows within 3.85 s tokens 480 400 read; 80 written cost $0.0400 " in seen
    )
    assert (
        " model calls 8 and 3 of tools, for 4 different questions 1 right 1 answered, not judged 1 wrong "
        in seen
    )
    assert " Partial. 1 of 5 rows have not been seen to. " in seen


def test_rows_that_nobody_judged_have_no_share_of_right_ones(tmp_path: Path) -> None:
    seen = texts(page_of(written(tmp_path, [row(1, expected="4"), failed(2)])))
    assert "right" not in seen
    assert "judged" not in seen.partition("Rows Search")[0]


def test_what_equal_rows_took_counts_once() -> None:
    twice = totals_of([row(1), row(1, id="again"), row(2)])
    assert (twice.rows, twice.asked, twice.usage.calls, twice.tools["calculator"]) == (3, 2, 4, 2)


def test_an_unknown_price_is_said_to_be_unknown(tmp_path: Path) -> None:
    seen = texts(page_of(written(tmp_path, [row(1, usage={**USAGE, "cost": None})])))
    assert " cost unknown 1 different questions without a known price " in seen


def test_a_table_with_too_little_room_has_what_went_wrong(tmp_path: Path) -> None:
    rows = [row(n) for n in range(1, 9)] + [failed(9), row(10, right=False)]
    page = page_of(written(tmp_path, rows), rows=4)
    assert [one["n"] for one in blocks(page, "rows")] == [1, 2, 9, 10]
    assert [dict(one["facts"])["id"] for one in blocks(page, "details")] == ["q1", "q2", "q9", "q10"]
    assert (
        " plots are of all 10 rows. The table has 4 of them: those that failed or were judged wrong"
        in texts(page)
    )
    assert [one["n"] for one in blocks(page_of(written(tmp_path, rows), rows=1), "rows")] == [9]


def test_memory_holds_neither_the_rows_nor_the_page(tmp_path: Path) -> None:
    long = [{"kind": "unreadable", "text": "x" * 15_000}]
    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        for number in range(1500):
            file.write(json_line(row(number, steps=long)))
    write_report(Answers(path), tmp_path / "warm.html", rows=1)
    tracemalloc.start()
    write_report(Answers(path), tmp_path / "a.html")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "a.html").stat().st_size > 22e6
    assert peak < 10e6


# --- what models wrote is text ---


class Structure(HTMLParser):
    """The tags of a page with their attributes, without the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[Any] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, [name for name, _ in attrs]))

    def handle_endtag(self, tag: str) -> None:
        self.tags.append(tag)

    def handle_comment(self, data: str) -> None:
        self.tags.append(("comment", data))


def everywhere(text: str) -> dict[str, Any]:
    """A row that has a text in each of its fields."""
    steps = [
        {"kind": "action", "tool": text, "input": {text: [text]}, "thought": text, "repairs": [text]},
        {"kind": "observation", "text": text, "error": True},
        {"kind": "unreadable", "text": text},
        {"kind": "action", "tool": "t", "input": text, "thought": "", "repairs": []},
        {"kind": "answer", "text": text, "thought": text, "repairs": []},
    ]
    named = dict.fromkeys(
        ("id", "question", "answer", "model", "stopped_by", "expected", "judge", "judge_error"), text
    )
    prompt = {"name": text, "version": text, "hash": text}
    return row(
        1, **named, steps=steps, data={text: text}, fields={f"field {text}": text}, prompt=prompt, vote=[text]
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_changes_nothing_but_text(text: str, tmp_path: Path) -> None:
    plain, hostile = written(tmp_path, [everywhere("x")], "x.jsonl"), written(tmp_path, [everywhere(text)])
    page = page_of(hostile, title=text)
    assert Structure(page).tags == Structure(page_of(plain, title="x")).tags
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029\u2066-\u2069]", page)
    (shown,), (opened,) = blocks(page, "rows"), blocks(page, "details")
    assert (shown["question"], shown["answer"], shown["expected"]) == (clean(text),) * 3
    assert opened["steps"][1]["text"] == clean(text)


@given(st.text(max_size=40))
def test_no_text_at_all_can_leave_its_place(text: str) -> None:
    shown = Answered.model_validate(everywhere(text or "x"))
    html = "".join(table.blocks([(1, shown)])) + bars([Bar(text, 1, text, "failed", link=text)], "none")
    harmless = Answered.model_validate(everywhere("x"))
    same = "".join(table.blocks([(1, harmless)])) + bars([Bar("x", 1, "x", "failed", link="x")], "none")
    assert Structure(html).tags == Structure(same).tags
    assert blocks(html, "rows")[0]["question"] == clean(text or "x")


def test_the_policy_takes_just_this_style_and_script_and_nothing_is_fetched(tmp_path: Path) -> None:
    page = page_of(written(tmp_path, [row(1)]))
    policy = unescape(re.findall('http-equiv="Content-Security-Policy" content="(.*?)"', page)[0])
    (style,), script = re.findall("<style>(.*?)</style>", page, re.DOTALL), page.rpartition("<script>")[2]
    script = script.partition("</script>")[0]
    hashes = [
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for text in (style, script)
    ]
    assert policy.split("; ") == [
        "default-src 'none'",
        f"style-src {hashes[0]}",
        f"script-src {hashes[1]}",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
    assert not re.search(r"https?:|@import|url\(|innerHTML|\bsrc=|\bstyle=", page)
    assert {link[:1] for link in re.findall(r'href="(.*?)"', page)} == {"#", "d"}
    assert re.findall(r'href="(d.*?)"', page) == ["data:,"]


# --- in part, and from a journal ---


def test_a_complete_file_is_not_called_partial(tmp_path: Path) -> None:
    assert "Partial" not in texts(page_of(written(tmp_path, [row(1), failed(2)])))


def test_a_part_with_a_torn_line_says_so(tmp_path: Path) -> None:
    path = written(tmp_path, [row(1), row(2)], "a.jsonl.part")
    path.write_bytes(path.read_bytes()[:-40])
    page = page_of(path)
    assert len(blocks(page, "rows")) == 1
    part = "The file is a part: its run goes on, or was broken off."
    assert f" Partial. {part} Its last line was torn and is left out. " in texts(page)


def test_a_last_line_without_its_end_is_still_a_row(tmp_path: Path) -> None:
    path = written(tmp_path, [row(1), row(2)])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().rstrip())
    page = page_of(path)
    assert len(blocks(page, "rows")) == 2
    assert "Partial" not in texts(page)


def test_a_journal_gives_a_report_while_its_batch_is_not_done(tmp_path: Path) -> None:
    def reply(request: Any) -> Say | Status:
        return Status(400) if "Three" in request.texts[0] else Say(" So\nFinal Answer: Arg!")

    journal = tmp_path / "a.jsonl.journal"
    asked = ["One?", "Two?", "Three?", "Four?", "Five?"]
    with FaultyServer(repeat=reply) as server:
        model = ChatOpenAI(model="parrot", base_url=server.url, api_key=SecretStr("none"), max_retries=0)
        agent = Agent(model, agent_of(tmp_path).prompt, tools=[])
        rows = list(run_batch(agent, asked, journal=journal, concurrency=1, max_errors=1))
    answers = written(tmp_path, [one.to_dict() for one in rows if one.status != "missing"])
    assert [one.status for one in rows] == ["answered", "answered", "failed", "missing", "missing"]
    page = page_of(journal)
    assert [(one["question"], one["answer"], one["status"]) for one in blocks(page, "rows")] == [
        ("One?", "Arg!", "answered"),
        ("Two?", "Arg!", "answered"),
        ("Three?", None, "failed"),
    ]
    for name in (page, page_of(answers)):
        assert " Partial. The batch has 2 more questions that it has not seen to. " in texts(name)


def test_a_damaged_record_is_left_out_and_counted(tmp_path: Path) -> None:
    journal = tmp_path / "a.jsonl.journal"
    agent = agent_of(tmp_path, *[" So\nFinal Answer: Arg!"] * 2)
    list(run_batch(agent, ["One?", "Two?"], journal=journal, concurrency=1))
    journal.write_bytes(journal.read_bytes().replace(b'"attempts":1', b'"attempts":\0', 1))
    page = page_of(journal)
    assert [one["question"] for one in blocks(page, "rows")] == ["Two?"]
    assert " Partial. The batch has 1 more question that it has not seen to. " in texts(page)


# --- plots ---


def bars_of(drawn: str) -> list[str]:
    return [unescape(title) for title in re.findall("<title>(.*?)</title>", drawn)]


def test_a_histogram_counts_each_row_once_and_says_what_came_of_it() -> None:
    steps = scales.Unit("tool calls", is_whole=True)
    drawn = histogram({"answered": [0, 1, 1, 3], "failed": [0]}, steps)
    assert bars_of(drawn) == [
        "0 tool calls: 2 rows (1 answered, 1 failed)",
        "1 tool call: 2 rows (2 answered)",
        "2 tool calls: 0 rows",
        "3 tool calls: 1 row (1 answered)",
    ]
    assert ">median 1 tool call</text>" in drawn
    assert ">tool calls a row</text>" in drawn


def test_what_lies_far_beyond_is_counted_in_one_last_bar() -> None:
    times = scales.Unit("seconds")
    titles = bars_of(histogram({"answered": [*([0.5] * 99), *([1.5] * 100), 900.0]}, times))
    assert [title for title in titles if ": 0 rows" not in title] == [
        "0.5 to 0.6 seconds: 99 rows (99 answered)",
        "1.5 to 1.6 seconds: 100 rows (100 answered)",
        "1.6 seconds and more: 1 row (1 answered)",
    ]


@given(st.lists(st.floats(0, 1e7), min_size=1, max_size=60), st.booleans())
@example([5e-324], False)
@example([0.0], True)
def test_no_row_is_lost_from_a_histogram(values: list[float], whole: bool) -> None:
    if whole:
        values = [float(int(value)) for value in values]
    drawn = histogram({"answered": values}, scales.Unit("things", is_whole=whole))
    counts = [int(title.rpartition(": ")[2].split()[0].replace(",", "")) for title in bars_of(drawn)]
    assert sum(counts) == len(values)
    assert len(counts) <= 27
    assert not re.search("nan|inf", drawn)


@given(st.floats(1e-6, 1e12), st.integers(1, 30))
def test_ticks_are_round_and_reach_the_top(top: float, parts: int) -> None:
    marks = scales.ticks(top, parts)
    assert marks[0] == 0
    assert marks[-1] >= top * 0.999999
    assert len(marks) <= parts + 1
    assert f"{scales.step(top, parts):.0e}"[0] in "125"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 ms"),
        (0.0402, "40.2 ms"),
        (3.456, "3.46 s"),
        (100.0, "100 s"),
        (600.0, "10 min"),
        (86400.0, "24 h"),
    ],
)
def test_times_are_told_in_the_unit_they_are_read_best_in(seconds: float, words: str) -> None:
    assert scales.time(seconds).replace("\xa0", " ") == words


def test_bars_beyond_the_first_eight_are_counted() -> None:
    drawn = bars([Bar(f"tool {n}", 20 - n, str(20 - n), "answered") for n in range(11)], "none")
    assert len(bars_of(drawn)) == 8
    assert ">and 3 more kinds</text>" in drawn
    assert bars([], "no tool <was> called") == '<p class="nothing">no tool &lt;was&gt; called</p>'


# --- the command ---


def test_the_page_lies_beside_the_answers_unless_another_place_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, [row(1), row(2)])
    done = report(path)
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == f"{tmp_path / 'a.html'}: 2 rows, 0.0 MB\n"
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert page == report(path, "-o", "-").stdout
    assert report(path, "-o", tmp_path / "b.HTM", "--title", "Mine").exit_code == 0
    assert "<h1>Mine</h1>" in (tmp_path / "b.HTM").read_text(encoding="utf-8")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.html", "a.jsonl", "b.HTM"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            b"{nonsense\n",
            ":2: it is not JSON: Expecting property name enclosed in double quotes, at character 2",
        ),
        (b"\xff\n", ":2: it is not JSON: no UTF-8 text"),
        (b"[" * 100_000 + b"\n", ":2: it is not JSON: nested too deeply"),
        (b"7\n", ":2: it is no row of answers: no JSON object"),
        (b'{"id": "1"}\n', ":2: it is no row of answers: the field 'question': Field required"),
        (
            json_line(row(1, seconds=-1)),
            ":2: it is no row of answers: the field 'seconds': Input should be greater than or equal to 0",
        ),
        (
            json_line(row(1, seconds=float("nan"))),
            ":2: it is no row of answers: the field 'seconds': Input should be a finite number",
        ),
        (
            json_line(row(1, steps=[{"kind": "\x1b[2J"}])),
            (
                ":2: it is no row of answers: the field 'steps.0.kind': Input should be "
                "'action', 'unreadable', 'observation' or 'answer'"
            ),
        ),
    ],
)
def test_a_bad_row_is_named_by_its_line_and_an_old_page_stays(
    line: bytes, problem: str, tmp_path: Path
) -> None:
    path = written(tmp_path, [row(1)])
    path.write_bytes(path.read_bytes() + line + json_line(row(3)))
    (tmp_path / "a.html").write_text("old")
    done = report(path)
    assert isinstance(done.exception, BatchError)
    assert str(done.exception) == f"{path}{problem}"
    assert (tmp_path / "a.html").read_text() == "old"


def test_what_cannot_be_a_report_is_refused_in_one_line(tmp_path: Path) -> None:
    path = written(tmp_path, [row(1)])
    nothing, cells, lost = tmp_path / "none.jsonl", tmp_path / "a.csv", tmp_path / "no" / "where.html"
    nothing.touch()
    cells.touch()
    journal = "the same batch with -o NAME.jsonl --journal a.csv.journal writes that and asks nothing"
    calls: dict[tuple[str | Path, ...], str] = {
        (tmp_path / "no.jsonl",): f"cannot read {tmp_path / 'no.jsonl'}: No such file or directory",
        (Path(),): ". is a folder; name a file of answers, such as answers.jsonl",
        ("/",): "/ is a folder; name a file of answers, such as /answers.jsonl",
        (nothing,): f"{nothing}: there is no row in it",
        (cells,): f"{cells}: answers are read from JSONL; {journal}",
        (path, "-o", path): f"{path}: a page needs a name that ends in .html or .htm",
        (path, "-o", lost): f"cannot write {lost}: No such file or directory",
    }
    assert {arguments: str(report(*arguments).exception) for arguments in calls} == calls


def test_a_page_on_stdout_cannot_be_opened(tmp_path: Path) -> None:
    done = report(written(tmp_path, [row(1)]), "-o", "-", "--open")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.endswith("Error: --open needs a file; leave out -o -\n")


# --- in a browser ---


def browsed(page: Path, filters: str = "") -> str:
    """The page as Chromium has it after its script has run."""
    assert CHROMIUM is not None
    quiet = (
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
    )
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", *quiet]
    command += [f"--user-data-dir={page.parent / 'profile'}", "--virtual-time-budget=3000", "--dump-dom"]
    done = subprocess.run(
        [*command, f"{page.as_uri()}{filters}"],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=True,
    )
    return done.stdout


def rows_in(dom: str) -> list[int]:
    return [int(number) for number in re.findall('<tr class="row" id="row-([0-9]+)"', dom)]


@IN_CHROMIUM
def test_a_browser_filters_pages_and_opens_rows(tmp_path: Path) -> None:
    rows = [row(n) for n in range(1, 120)] + [failed(120), row(121, right=False, steps=[]), missing(122)]
    path, page = written(tmp_path, rows), tmp_path / "a.html"
    write_report(Answers(path), page)
    dom = browsed(page)
    assert rows_in(dom) == list(range(1, 51))
    assert '<span id="page">Page 1 of 3</span>' in dom
    assert '<p id="found" role="status">122 rows</p>' in dom
    assert rows_in(browsed(page, "#status=failed")) == [120]
    assert rows_in(browsed(page, "#right=wrong")) == [121]
    assert rows_in(browsed(page, "#tool=-")) == [120, 121, 122]
    assert rows_in(browsed(page, "#trouble=error%3A+EndpointDown")) == [120]
    assert rows_in(browsed(page, "#q=IS+11&tool=calculator")) == [11, *range(110, 120)]
    opened = browsed(page, "#row=77")
    assert rows_in(opened) == list(range(51, 101))
    (trace,) = re.findall('<ol class="trace">(.*?)</ol>', opened)
    assert " ".join(re.sub("<[^>]+>", " ", trace).split()) == (
        "Sum Action: calculator decorated label 2+2 Observation (error) no So Final answer Arg, 4"
    )


@IN_CHROMIUM
def test_in_a_browser_nothing_that_a_model_wrote_runs(tmp_path: Path) -> None:
    path, page = written(tmp_path, [everywhere(text) for text in HOSTILE]), tmp_path / "a.html"
    write_report(Answers(path), page, title="untouched")
    harmless = written(tmp_path, [everywhere("x") for _ in HOSTILE], "x.jsonl")
    write_report(Answers(harmless), tmp_path / "x.html", title="untouched")
    for number in range(1, len(HOSTILE) + 1):
        dom = browsed(page, f"#row={number}")
        assert "<title>untouched</title>" in dom
        seen = Structure(dom.partition("<main>")[2].partition("</main>")[0]).tags
        assert not {"img", "script"} & {tag[0] for tag in seen if isinstance(tag, tuple)}
        assert clean(HOSTILE[number - 1]) in unescape(dom.partition("<tbody>")[2].partition("</tbody>")[0])


@IN_CHROMIUM
def test_a_browser_runs_no_script_that_was_put_into_the_page(tmp_path: Path) -> None:
    path, page = written(tmp_path, [row(1)]), tmp_path / "a.html"
    write_report(Answers(path), page, title="untouched")
    added = "<script>document.title = 'ran'</script><img src='x:' onerror=\"document.title = 'ran'\"></main>"
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace("</main>", added), encoding="utf-8")
    assert "<title>untouched</title>" in browsed(page)
    policy = re.compile('<meta http-equiv="Content-Security-Policy"[^>]*>')
    page.write_text(policy.sub("", text).replace("</main>", added), encoding="utf-8")
    assert "<title>ran</title>" in browsed(page)  # without the policy it would
