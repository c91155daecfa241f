"""How soft and hard prompts are measured: move by move, in whole runs, and with `agent-app soft score`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from agents import mate
from langchain_core.tools import tool
from said import Caller, Said

from agent_app import Agent, load_model
from agent_app.history import Turn
from agent_app.models import traits_of
from agent_app.models.scripted import ScriptedModel
from agent_app.parser import FormatError, ReActOutputParser
from agent_app.prompt import load_prompt
from agent_app.prompt.scratchpad import scratchpad
from agent_app.settings import Settings
from agent_app.steps import Action, Answer, Observation, Step, Unreadable, step_to_dict
from agent_app.tuning.data import TOOLS, Row, lines_of, make_rows, read_rows
from agent_app.tuning.metrics import Move, moves_of, score, without_grammar
from agent_app.tuning.runs import Asked, RecordedTools, ask
from agent_app.tuning.same import holds, same_input
from agent_app.tuning.shares import Share
from agent_app.tuning.words import BARE

SUM = Row(
    id="sum",
    kind="calculator/plain",
    template="t/1",
    split="test",
    question="What is 2,000 * 3?",
    steps=(Action("calculator", "2,000 * 3", "Sum"), Observation("6000"), Answer("Arr, 6000", "Done")),
    values=("6000",),
)
LOOK = Row(
    id="look",
    kind="web_search/then",
    template="t/2",
    split="test",
    question="What is half of the height of Ben Nevis?",
    steps=(
        Action("web_search", "height of Ben Nevis", "Look"),
        Observation("1. Ben Nevis\n   It is 1,345 m high.\n   https://peaks.example/nevis"),
        Action("calculator", "1,345 / 2", "Sum"),
        Observation("672.5"),
        Answer("Arr, 672.5 m", "Done"),
    ),
    values=("672.5",),
)
TALK = Row("talk", "none/greetings", "t/3", "test", "Hello!", (Answer("Ahoy, matey!", "Talk"),))
ROWS = (SUM, LOOK, TALK)


def replies(row: Row) -> Iterator[str]:
    """What a model that knows a row writes, reply by reply."""
    return (scratchpad([step]) for step in row.steps[::2])


class Knowing:
    """Completes the text of rows as they are written down, but for some replies."""

    def __init__(self, instead: dict[str, str] | None = None) -> None:
        self.instead = instead or {}
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    def __call__(self, text: str, stop: Sequence[str]) -> str:
        self.asked.append((text, tuple(stop)))
        for row in ROWS:
            for point in range(0, len(row.steps), 2):
                if text == f"Question: {row.question}\nThought:{scratchpad(row.steps[:point])}":
                    return self.instead.get(f"{row.id} {point}", scratchpad(row.steps[point : point + 1]))
        raise AssertionError(f"asked for something else: {text!r}")


# --- whether two things are the same ---


@pytest.mark.parametrize(
    ("tool", "given", "wanted", "same"),
    [
        ("calculator", "23*47", "23 * 47", True),
        ("calculator", "1200 * 3", "1,200 * 3", True),
        ("calculator", "47 * 23", "23 * 47", True),
        ("calculator", "240 * 15 / 100", "15% of 240", True),
        ("calculator", "half of 90", "90 / 2", True),
        ("calculator", "the sum of 3 and 4", "3 + 4", True),
        ("calculator", "half of 45", "90 / 2", False),
        ("calculator", "1,081", "23 * 47", False),
        ("calculator", "$1081", "23 * 47", False),
        ("calculator", "23 + 47", "23 * 47", False),
        ("calculator", "1081", "23 * 47", False),
        ("calculator", "(2 + 3) * 4", "2 + 3 * 4", False),
        ("calculator", "5 / 0", "5 / 0", True),
        ("calculator", "7 / 0", "5 / 0", False),
        ("calculator", "twenty", "20 + 1", False),
        ("web_search", "What is the capital of France?", "capital of France", True),
        ("web_search", "France", "capital of France", False),
        ("web_search", "capital of Spain", "capital of France", False),
        ("clock", "what time is it", "now", True),
        ("clock", "Asia/Tokyo", "tokyo", True),
        ("clock", "Paris", "Tokyo", False),
        ("clock", "now", "Tokyo", False),
        ("clock", "3 March 2024 + 5 days", "2024-03-03 + 5 days", True),
        ("clock", "how many days until 2026-02-10", "days until 10 February 2026", True),
        ("clock", "5 days ago", "today - 5 days", True),
        ("clock", "Atlantis", "atlantis", True),
        ("clock", "Atlantis", "Narnia", False),
        ("oracle", "Who  am I", "who am i", True),
    ],
)
def test_inputs_are_compared_by_what_they_mean(tool: str, given: str, wanted: str, same: bool) -> None:
    assert same_input(tool, given, wanted) is same
    assert same_input(tool, {"input": given}, wanted) is same


@pytest.mark.parametrize(
    ("answer", "value", "held"),
    [
        ("Arr, it be 6,000, matey!", "6000", True),
        ("Arr, it be 6000.", "6,000", True),
        ("Arr, 60001", "6000", False),
        ("Arr, 16000", "6000", False),
        ("Arr, 6000.5", "6000", False),
        ("Arr, -6000", "6000", False),
        ("It be 20:41:07 now", "20:41", True),
        ("It be 120:41", "20:41", False),
        ("the capital be OSLO!", "Oslo", True),
        ("the Oslofjord", "Oslo", False),
        ("it be -3 °C and snow, matey", "-3 °C and snow", True),
    ],
)
def test_an_answer_holds_a_value_whole(answer: str, value: str, held: bool) -> None:
    assert holds(answer, value) is held


def test_a_share_says_how_far_it_can_be_trusted() -> None:
    low, high = Share(8, 10).interval
    assert (round(low, 4), round(high, 4)) == (0.4902, 0.9433)
    assert str(Share(8, 10)) == "80 % (49 to 94), n = 10"
    assert str(Share(0, 0)) == "-"
    assert Share(0, 0).to_dict() == {"share": None, "low": 0.0, "high": 1.0, "hits": 0, "n": 0}


# --- move by move ---


BARE_PROMPT = load_prompt(BARE)


def told(question: str, steps: Sequence[Step], turns: Sequence[Turn]) -> str:
    """The very text that soft prompts are tuned on."""
    return "".join(BARE_PROMPT.draft(question, "", [], turns).segments(steps))


def moves_by(complete: Callable[[str, Sequence[str]], str]) -> Move:
    """What follows from going on with the very text that soft prompts are tuned on."""
    parser = ReActOutputParser(tool_names=TOOLS)

    def move(question: str, steps: Sequence[Step], turns: Sequence[Turn] = ()) -> Step:
        text = told(question, steps, turns)
        reply = complete(text, ("\nObservation:",))
        try:
            return parser.parse(reply)
        except FormatError:
            return Unreadable(reply)

    return move


def test_what_writes_the_rows_themselves_makes_every_move_rightly() -> None:
    complete = Knowing()
    scores = score(ROWS, moves_by(complete))
    assert {m: str(scores.share(m)) for m in ("parses", "tool", "voice")} == dict.fromkeys(
        ("parses", "tool", "voice"), "100 % (44 to 100), n = 3"
    )
    assert [scores.share(m) for m in ("input", "value", "later")] == [Share(2, 2), Share(2, 2), Share(1, 1)]
    assert scores.kinds == ("calculator", "web_search", "none")
    assert len(complete.asked) == 2 + 3 + 1
    assert {stop for _, stop in complete.asked} == {("\nObservation:",)}


@pytest.mark.parametrize("kind", ["calculator", "calculator/plain"])
def test_rows_of_a_kind_are_counted_however_finely_it_is_told(kind: str) -> None:
    rows = (dataclasses.replace(SUM, kind=kind), dataclasses.replace(LOOK, kind="calculators"), TALK)
    scores = score(rows, moves_by(Knowing()))
    assert scores.kinds == ("calculator", "calculators", "none")
    shares = {name: of["parses"] for name, of in scores.to_dict()["kinds"].items()}
    assert shares == dict.fromkeys(scores.kinds, Share(1, 1).to_dict())


def test_every_row_that_is_made_is_right_by_its_own_measure() -> None:
    rows = make_rows(300, seed=11)
    known = {
        told(row.question, row.steps[:n], row.turns): scratchpad([row.steps[n]])
        for row in rows
        for n in range(0, len(row.steps), 2)
    }
    scores = score(rows, moves_by(lambda text, stop: known[text]))
    for verdict in scores.verdicts:
        repeated = sum(row.question == verdict.row.question for row in rows) > 1
        assert repeated or all(verdict.marks.values()), verdict


@pytest.mark.parametrize(
    ("instead", "wrong"),
    [
        ({"sum 0": " Sum\nAction: calculator\nAction Input: 2,000 + 3"}, {"sum": {"input"}}),
        ({"sum 0": " Look\nAction: web_search\nAction Input: 2,000 * 3"}, {"sum": {"tool", "input"}}),
        ({"sum 0": " Done\nFinal Answer: Arr, 6000"}, {"sum": {"tool", "input"}}),
        ({"sum 0": " Hm"}, {"sum": {"parses", "tool", "input"}}),
        ({"sum 0": " Sum\nAction: abacus\nAction Input: 2"}, {"sum": {"parses", "tool", "input"}}),
        ({"sum 2": " Done\nFinal Answer: Arr, 600"}, {"sum": {"value"}}),
        ({"sum 2": " Done\nFinal Answer: It is 6000."}, {"sum": {"voice"}}),
        ({"sum 2": " Sum\nAction: calculator\nAction Input: 1 + 1"}, {"sum": {"value", "voice"}}),
        ({"look 2": " Sum\nAction: calculator\nAction Input: 1,345 * 2"}, {"look": {"later"}}),
        ({"look 2": " Done\nFinal Answer: Arr, 672.5"}, {"look": {"later"}}),
        ({"talk 0": " Look\nAction: web_search\nAction Input: hello"}, {"talk": {"tool", "voice"}}),
    ],
)
def test_what_is_wrong_is_marked_where_it_is_wrong(
    instead: dict[str, str], wrong: dict[str, set[str]]
) -> None:
    scores = score(ROWS, moves_by(Knowing(instead)))
    marked = {v.row.id: {m for m, right in v.marks.items() if not right} for v in scores.verdicts}
    assert {name: marks for name, marks in marked.items() if marks} == wrong


@pytest.mark.parametrize(
    ("instead", "mistakes"),
    [
        (
            {"sum 0": " Sum\nAction: calculator\nAction Input: 2,000 + 3"},
            [("sum", ("input",), SUM.steps[0], Action("calculator", "2,000 + 3", "Sum"))],
        ),
        (
            {"look 0": " Hm", "look 4": " Done\nFinal Answer: It is 672."},
            [
                ("look", ("parses", "tool", "input"), LOOK.steps[0], Unreadable(" Hm")),
                ("look", ("value", "voice"), LOOK.steps[4], Answer("It is 672.", "Done")),
            ],
        ),
        (
            {"look 2": " Sum\nAction: calculator\nAction Input: 1,345 * 2"},
            [("look", ("later",), LOOK.steps[2], Action("calculator", "1,345 * 2", "Sum"))],
        ),
        ({}, []),
    ],
)
def test_a_mistake_is_the_move_that_spoilt_a_mark_beside_what_was_recorded(
    instead: dict[str, str], mistakes: list[tuple[str, tuple[str, ...], Step, Step]]
) -> None:
    scores = score(ROWS, moves_by(Knowing(instead)))
    assert [(row.id, m.missed, m.wanted, m.made) for row, m in scores.mistakes] == mistakes


def test_another_input_that_a_row_accepts_is_right() -> None:
    row = Row(**{**{f: getattr(SUM, f) for f in Row.__slots__}, "accepts": ("6000 * 1",)})
    shown = " Sum\nAction: calculator\nAction Input: 6000 * 1"
    assert score([row], moves_by(lambda text, stop: shown)).share("input") == Share(1, 1)


def test_an_agent_makes_its_moves_with_its_own_prompt_and_runs_no_tool(tmp_path: Path) -> None:
    @tool("web_search")
    def untouchable(query: str) -> str:
        """Never to be called."""
        raise AssertionError(query)

    seen: list[Step] = []
    model = ScriptedModel(replies=[*replies(LOOK), " Hm, hm"])
    agent = Agent(model, mate(tmp_path), tools=[untouchable, "calculator"])
    scores = score([LOOK, TALK], moves_of(agent), lambda verdict: seen.extend(verdict.moves))
    assert seen == [*LOOK.steps[::2], Unreadable(" Hm, hm")]
    assert [scores.share(m) for m in ("parses", "tool", "later", "value")] == [
        Share(1, 2),
        Share(1, 2),
        Share(1, 1),
        Share(1, 1),
    ]
    model.assert_done()
    shown = [messages[0].text for messages in model.prompts]
    assert shown[1].endswith(f"Question: {LOOK.question}\nThought:{scratchpad(LOOK.steps[:2])}")


def test_a_model_can_be_measured_without_its_grammar(smollm2: Path) -> None:
    model = load_model(f"embedded:{smollm2}", settings=Settings(context=512))
    free = without_grammar(model)
    assert traits_of(model).grammar
    assert not traits_of(free).grammar
    assert traits_of(free).continues


# --- whole runs ---


def test_whole_runs_take_what_was_recorded_and_find_nothing_else(tmp_path: Path) -> None:
    tools = RecordedTools()
    model = ScriptedModel(
        replies=[
            " Look\nAction: web_search\nAction Input: height of Ben Lomond",
            *replies(LOOK),
            " Sum\nAction: calculator\nAction Input: 5 * 5",
            " Done\nFinal Answer: It is 25.",
        ]
    )
    agent = Agent(model, mate(tmp_path), tools=tools.tools)
    told: list[Asked] = []
    runs = ask([LOOK, SUM], agent, tools, told.append)
    looked, summed = (asked.result.steps for asked in told)
    assert looked[1] == Observation(
        "web_search got no results for 'height of Ben Lomond'; try other words", error=True
    )
    assert looked[3] == LOOK.steps[1]
    assert looked[-1] == LOOK.answer
    assert summed[1] == Observation("25")
    assert (runs.right, runs.voice) == (Share(1, 2), Share(1, 2))
    assert runs.seconds_of_one_call == told[1].seconds
    assert runs.to_dict()["questions"] == 2


# --- the commands ---


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Caller:
    """Call `agent-app soft` in this process, in a folder with a prompt and rows."""
    monkeypatch.chdir(tmp_path)
    mate(tmp_path)
    Path("rows.jsonl").write_text(lines_of(ROWS), encoding="utf-8")

    return Caller(monkeypatch, capsys, "soft")


def script(*texts: str) -> str:
    Path("replies.txt").write_text("\n---\n".join(texts), encoding="utf-8")
    return "scripted:replies.txt"


def test_scores_are_a_table_with_intervals(call: Caller) -> None:
    model = script(*(reply.strip() for row in ROWS for reply in replies(row)))
    said = call("score", "rows.jsonl", "-m", model, "-p", "mate.md")
    table, time = said.out.splitlines()[:-1], said.out.splitlines()[-1]
    assert said.code == 0
    assert [" ".join(line.split()) for line in table] == [
        "all calculator web_search none",
        "every reply parses 100 % (44 to 100), n = 3 1/1 1/1 1/1",
        "right first tool 100 % (44 to 100), n = 3 1/1 1/1 1/1",
        "right first input 100 % (34 to 100), n = 2 1/1 1/1 -",
        "right later calls 100 % (21 to 100), n = 1 - 1/1 -",
        "answer holds the value 100 % (34 to 100), n = 2 1/1 1/1 -",
        "pirate voice 100 % (44 to 100), n = 3 1/1 1/1 1/1",
    ]
    assert time.endswith(" s for a move (median)")
    assert said.err == "moves: 1 of 3 rows\nmoves: 2 of 3 rows\nmoves: 3 of 3 rows\n"


def test_scores_as_json_hold_moves_and_whole_runs(call: Caller) -> None:
    said_once = [reply.strip() for row in (SUM, LOOK) for reply in replies(row)]
    model = script(*said_once, *said_once)
    Path("rows.jsonl").write_text(lines_of([SUM, LOOK]), encoding="utf-8")
    said = call("score", "rows.jsonl", "-m", model, "-p", "mate.md", "--whole", "--json")
    data = json.loads(said.out)
    assert (data["model"], data["prompt"], data["rows"]) == (model, "mate.md", 2)
    assert data["all"]["input"] == Share(2, 2).to_dict()
    assert data["kinds"]["web_search"]["later"] == Share(1, 1).to_dict()
    assert data["whole"]["right"] == Share(2, 2).to_dict()


def test_mistakes_stand_before_the_table_and_cannot_reach_the_terminal(call: Caller) -> None:
    first, second = (reply.strip() for reply in replies(SUM))
    model = script(first.replace("* 3", "\x1b[2J+ 3"), second)
    Path("rows.jsonl").write_text(lines_of([SUM]), encoding="utf-8")
    said = call("score", "rows.jsonl", "-m", model, "-p", "mate.md", "--mistakes")
    assert said.out.splitlines()[:5] == [
        "sum: What is 2,000 * 3?",
        "  missed  right first input",
        "  wanted  calculator: 2,000 * 3",
        "  made    calculator: 2,000 ␛[2J+ 3",
        "",
    ]
    said = call("score", "rows.jsonl", "-m", model, "-p", "mate.md", "--mistakes", "--json")
    assert json.loads(said.out)["mistakes"] == [
        {
            "id": "sum",
            "question": "What is 2,000 * 3?",
            "missed": ["input"],
            "wanted": step_to_dict(SUM.steps[0]),
            "made": step_to_dict(Action("calculator", "2,000 \x1b[2J+ 3", "Sum")),
        }
    ]


def test_data_goes_to_a_file_that_can_be_scored(call: Caller) -> None:
    said = call("data", "-o", "new.jsonl", "--rows", "50", "--seed", "3", "-t", "calculator")
    assert said == Said(0, "", "new.jsonl: 63 rows (50 train, 5 dev, 8 test)\n")
    assert read_rows(Path("new.jsonl")) == make_rows(50, seed=3, tools=["calculator"])


@pytest.mark.parametrize(
    ("words", "err"),
    [
        (
            ("score", "rows.jsonl", "--part", "dev"),
            "agent-app: rows.jsonl: it has no row of the part 'dev'; --part takes another one\n",
        ),
        (
            ("score", "none.jsonl"),
            "agent-app: cannot read none.jsonl: No such file or directory\n",
        ),
        (
            ("data", "-o", "x.jsonl", "--rows", "3"),
            "agent-app: 3 rows are too few to tune on; make at least 20\n",
        ),
        (
            ("data", "-o", "x.jsonl", "--from", "none.jsonl"),
            "agent-app: cannot read none.jsonl: No such file or directory\n",
        ),
        (("data", "-o", "x.jsonl", "--right-only"), "--right-only goes with --from"),
        (("data", "-o", "x.jsonl", "--from", "a", "--rows", "9"), "--rows and --seed do not go with --from"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(call: Caller, words: tuple[str, ...], err: str) -> None:
    said = call(*words)
    assert said.code == 2
    assert said.err.endswith(err) or f"{err}\n" in said.err
    assert not Path("x.jsonl").exists()
