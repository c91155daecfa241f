"""Approvals: which calls run, which do not, who is asked, and that nothing else runs than what was shown."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.tools import BaseTool, tool

from agent_app.approvals import (
    Allow,
    Allowed,
    Approvals,
    Decision,
    Do,
    Edit,
    Edited,
    Refuse,
    Refused,
    Remembered,
    Reply,
    Request,
    Rule,
    Verdict,
    read_rules,
    risks_of,
)
from agent_app.approvals.checking import MAX_EDITS
from agent_app.approvals.remembered import canonical
from agent_app.approvals.rules import WORDS
from agent_app.errors import SettingError, ToolFileError
from agent_app.places import builtin
from agent_app.steps import Action, Arguments, Observation
from agent_app.toolbox import Toolbox, load_tool_files

RM = Action("shell", {"command": "rm notes.txt"}, thought="They are old.")
LS = Action("shell", {"command": "ls"})
ELSE = "Do something else, or give the Final Answer."


class Person:
    """Says what is written down, in order, and keeps what was asked; complains of a question too many."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = iter(replies)
        self.asked: list[Request] = []

    def __call__(self, request: Request) -> Reply:
        self.asked.append(request)
        return next(self.replies)


def outcome(verdict: Verdict) -> str:
    return (
        verdict.sentence.removesuffix(f" {ELSE}") if isinstance(verdict, Refused) else type(verdict).__name__
    )


# --- rules ---


@pytest.mark.parametrize(
    ("rule", "call", "matches"),
    [
        ("ask:shell", LS, True),
        ("ask:shell", Action("shell2", ""), False),
        ("ask:Shell", LS, False),
        ("ask:web_*", Action("web_search", "x"), True),
        ("ask:web_*", Action("a_web_search", "x"), False),
        ("ask:s?ell", LS, True),
        ("ask:[sx]hell", LS, False),
        ("ask:[sx]hell", Action("[sx]hell", ""), True),
        ("never:shell(rm *)", RM, True),
        ("never:shell(rm *)", Action("shell", "rm a\nrm b"), True),
        ("never:shell(rm *)", Action("shell", "RM a"), False),
        ("never:shell(rm *)", Action("shell", "ls; rm a"), False),
        ("never:shell(rm *)", Action("shell", {"commands": ["ls", "rm a"], "timeout": 5}), True),
        ("always:shell(git *)", Action("shell", {"command": "git log"}), True),
        ("always:shell(git *)", Action("shell", {"command": "git log", "cwd": "/"}), False),
        ("always:shell(git *)", Action("shell", {"commands": ["git log", "rm a"]}), False),
        ("always:clock(*)", Action("clock", {}), True),
        ("always:wait(5)", Action("wait", {"seconds": 5}), True),
        ("always:wait(5)", Action("wait", {"seconds": 5.0}), False),
        ('never:shell({"command": "rm *"})', Action("shell", {"command": "rm a", "cwd": "/"}), True),
        ('never:shell({"command": "rm *"})', Action("shell", "rm a"), True),
        ('never:shell({"command": "rm *"})', Action("shell", {"cmd": "rm a"}), False),
        ('never:shell({"command": "*", "cwd": "/"})', Action("shell", {"command": "ls"}), False),
        ('always:shell({"command": "git *"})', Action("shell", {"command": "git log"}), True),
        ('always:shell({"command": "git *"})', Action("shell", {"command": "git log", "cwd": "/"}), False),
        ('always:shell({"command": "git *"})', Action("shell", "git log"), False),
        ('always:x({"a": "*", "b": "true"})', Action("x", {"a": None, "b": True}), True),
    ],
)
def test_a_pattern_is_held_against_the_whole_text_and_doubt_is_strict(
    rule: str, call: Action, matches: bool
) -> None:
    assert Rule.parse(rule).matches(call) is matches


def test_a_pattern_with_many_stars_takes_no_time() -> None:
    began = time.monotonic()
    assert not Rule("x", "*a" * 40 + "b").matches(Action("x", "a" * 20_000))
    assert time.monotonic() - began < 5


def test_the_short_form_is_forgiving_where_nothing_else_can_be_meant() -> None:
    assert Rule.parse(" ask-once :  web_search ") == Rule("web_search", do="ask once")
    assert Rule.parse("ask_once_per_session:shell (a (b) c)") == Rule(
        "shell", "a (b) c", "ask once per session"
    )
    assert Rule.parse('never:x({"a": "b)"})') == Rule("x", {"a": "b)"}, "never")
    assert Rule.parse("never:x({*})") == Rule("x", "{*}", "never")


words = st.sampled_from(WORDS)
names = st.text(min_size=1).filter(lambda t: t == t.strip() and "(" not in t)
patterns = st.text(min_size=1).filter(lambda t: not t.strip().startswith("{"))
rules = st.builds(Rule, names, st.none() | patterns | st.dictionaries(st.text(), patterns, min_size=1), words)


@given(rules)
def test_a_rule_comes_back_from_text_and_from_data(rule: Rule) -> None:
    assert Rule.parse(str(rule)) == rule
    assert Rule.from_dict(json.loads(json.dumps(rule.to_dict()))) == rule


def test_rules_come_as_lines_or_as_a_list_of_anything() -> None:
    expected = (
        Rule("calculator", do="always"),
        Rule("shell", "rm *", "never"),
        Rule("w_*", {"q": "*"}, "ask once"),
    )
    assert read_rules('always:calculator\n\n  never:shell(rm *)\nask once:w_*({"q": "*"})\n') == expected
    assert read_rules([expected[0], "never:shell(rm *)", expected[2].to_dict()]) == expected


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ("shell", "not a rule: 'shell'; write it like ask:web_search or never:shell(rm *)"),
        (
            "never:shell(rm *",
            "not a rule: 'never:shell(rm *'; write it like ask:web_search or never:shell(rm *)",
        ),
        ("newer:shell", "a rule cannot say 'newer'; did you mean 'never'?"),
        (
            "maybe:shell",
            "a rule cannot say 'maybe'; known: always, ask once per session, ask once, ask, never",
        ),
        ("ask:", "a rule names the tool ''; it takes a name, or * for every tool"),
        ("ask:shell()", "a rule for shell has an empty pattern; write * for any text"),
        (
            "ask:shell({})",
            (
                "a rule for shell has the arguments {}; they take a text, or a text for each name, "
                'such as {"query": "*"}'
            ),
        ),
        (
            'ask:shell({"a": 1})',
            "a rule for shell has 1 for the argument 'a'; it takes a text, * for any",
        ),
        ({"tool": "x"}, "the rule {'tool': 'x'} is not whole; it needs tool and do"),
        ({"tool": "x", "do": "ask", "args": "*"}, "a rule has no 'args'; it has tool, arguments and do"),
        ({"tool": 1, "do": "ask"}, "a rule names the tool 1; it takes a name, or * for every tool"),
        (
            {"tool": "x(y)", "do": "ask"},
            "a rule names the tool 'x(y)'; patterns of arguments are given apart",
        ),
        (
            {"tool": "x", "do": "ask", "arguments": '{"a": "b"}'},
            "a rule for x has a JSON object as a text; give it as a mapping",
        ),
        (7, "not a rule: 7; write it like ask:web_search or never:shell(rm *)"),
    ],
)
def test_a_wrong_rule_is_said_in_a_line(wrong: Any, problem: str) -> None:
    with pytest.raises(SettingError) as caught:
        Approvals([wrong])
    assert str(caught.value) == problem


def test_the_first_rule_that_matches_counts() -> None:
    approvals = Approvals("always:shell(ls)\nnever:shell\nalways:*")
    assert [outcome(approvals.check(a)) for a in (LS, RM, Action("clock", ""))] == [
        "Allowed",
        "The user does not allow shell.",
        "Allowed",
    ]


# --- risks ---


def declaring(risk: object) -> BaseTool:
    @tool
    def thing(text: str) -> str:
        """Do a thing."""
        return text

    thing.metadata = {"risk": risk}
    return thing


def test_the_built_in_tools_declare_what_they_do() -> None:
    assert {t.name: set(risks_of(t)) for t in load_tool_files(builtin("tools"))} == {
        "calculator": set(),
        "clock": set(),
        "web_search": {"network"},
    }


@pytest.mark.parametrize("risk", ["network", 3, None, [""], ["network", 1], {"network": True}])
def test_a_malformed_declaration_is_said_in_a_line(risk: object) -> None:
    with pytest.raises(ToolFileError) as caught:
        risks_of(declaring(risk))
    assert str(caught.value) == (
        f"the tool 'thing' declares the risk {risk!r}; it takes a list of words, such as [\"network\"]"
    )


@pytest.mark.parametrize(
    ("risks", "do"),
    [
        ([], None),
        (["network"], None),
        (["files"], "ask once per session"),
        (["cost"], "ask"),
        (["explosions"], "ask"),
        (["cost", "network", "files"], "ask"),
        (["network", "files"], "ask once per session"),
    ],
)
def test_without_a_rule_the_strictest_risk_decides(risks: list[str], do: Do | None) -> None:
    person = Person(True)
    assert Approvals(ask=person).check(LS, risks_of(declaring(risks)), "shell: Run.") == Allowed(LS)
    assert person.asked == ([Request(LS, do, None, frozenset(risks), "shell: Run.")] if do else [])


def test_defaults_can_be_replaced_and_added() -> None:
    approvals = Approvals(defaults={"network": "never", "none": "ask", "mail": "always"})
    assert [
        outcome(approvals.check(LS, risks)) for risks in ([], ["network"], ["mail"], ["mail", "network"])
    ] == [
        "This call of shell needs the user's permission, and nobody is there to ask.",
        "The user does not allow shell.",
        "Allowed",
        "The user does not allow shell.",
    ]
    with pytest.raises(
        SettingError, match=r"^the default for the risk 'files' is 'asks'; did you mean 'ask'"
    ):
        Approvals(defaults={"files": "asks"})  # type: ignore[dict-item]


# --- asking ---


def test_a_refusal_is_an_observation_with_the_reason() -> None:
    approvals = Approvals("ask:shell", Person(Refuse("not my\nnotes."), False))
    assert [approvals.check(RM), approvals.check(RM)] == [
        Refused(RM, f"The user does not allow this call of shell: not my notes. {ELSE}"),
        Refused(RM, f"The user does not allow this call of shell. {ELSE}"),
    ]
    never = Approvals("never:shell(rm *)").check(RM)
    assert isinstance(never, Refused)
    assert never.observation == Observation(f"The user does not allow this call of shell. {ELSE}", error=True)


def test_with_nobody_there_what_would_be_asked_is_refused() -> None:
    approvals = Approvals("ask:shell")
    assert approvals.check(LS) == Refused(
        LS, f"This call of shell needs the user's permission, and nobody is there to ask. {ELSE}"
    )
    assert approvals.check(Action("web_search", "x"), ["network"]) == Allowed(Action("web_search", "x"))


@pytest.mark.parametrize(
    ("do", "replies", "outcomes"),
    [
        ("ask", [True, True, True], ["Allowed", "Allowed", "Allowed"]),
        ("ask once", [True, True], ["Allowed", "Allowed", "Allowed"]),
        ("ask once", [False, True], ["no", "no", "Allowed"]),
        ("ask once per session", [True], ["Allowed", "Allowed", "Allowed"]),
        ("ask once per session", [False, False, True], ["no", "no", "Allowed"]),
        ("ask", [Allow("these arguments"), True], ["Allowed", "Allowed", "Allowed"]),
        ("ask", [Allow("session")], ["Allowed", "Allowed", "Allowed"]),
        ("ask once per session", [Allow("no"), True], ["Allowed", "Allowed", "Allowed"]),
    ],
)
@pytest.mark.parametrize("by", ["rule", "default"])
def test_a_decision_holds_as_long_as_its_word_says(
    do: Do, replies: list[Reply], outcomes: list[str], by: str
) -> None:
    person = Person(*replies)
    approvals = Approvals(
        [Rule("*", do=do)] if by == "rule" else [], person, defaults={} if by == "rule" else {"none": do}
    )
    expected = ["The user does not allow this call of shell." if o == "no" else o for o in outcomes]
    assert [outcome(approvals.check(call)) for call in (RM, replace(RM, thought="Again."), LS)] == expected
    assert len(person.asked) == len(replies)


def test_a_yes_for_the_session_holds_for_what_its_rule_matches_and_no_more() -> None:
    approvals = Approvals("ask once per session:shell(rm *)\nask:*", Person(True, False, False))
    calls = [RM, Action("shell", {"command": "rm -r ~"}), LS, Action("clock", "")]
    assert [outcome(approvals.check(call)) for call in calls] == [
        "Allowed",
        "Allowed",
        "The user does not allow this call of shell.",
        "The user does not allow this call of clock.",
    ]
    by_default = Approvals(ask=Person(True, False))
    assert [outcome(by_default.check(call, ["files"])) for call in (RM, LS, Action("*", ""))] == [
        "Allowed",
        "Allowed",
        "The user does not allow this call of *.",
    ]


def test_a_decision_under_one_rule_is_none_under_a_stricter_one() -> None:
    remembered = Remembered()
    assert outcome(Approvals("ask once:shell", Person(True), remembered=remembered).check(LS)) == "Allowed"
    assert outcome(Approvals("ask once:shell", remembered=remembered).check(LS)) == "Allowed"
    assert outcome(Approvals("ask:shell", Person(False), remembered=remembered).check(LS)) == (
        "The user does not allow this call of shell."
    )


def test_a_rule_is_about_a_tool_that_is_there_or_about_a_pattern() -> None:
    Approvals(["never:shell", "ask:sh*", "ask:?hell(rm *)"]).check_tools(["shell"])
    with pytest.raises(
        SettingError, match=r"^there is no tool for the rule never:shel; did you mean 'shell'\?$"
    ):
        Approvals(["ask:clock", "never:shel"]).check_tools(["shell", "clock"])


def test_an_edited_call_is_checked_like_any_other() -> None:
    approvals = Approvals(
        "never:shell(rm *)\nask:shell", Person(Edit({"command": "rm x"}), Edit("ls -l"), True)
    )
    first = approvals.check(LS)
    assert first == Edited(Action("shell", {"command": "rm x"}))
    assert outcome(approvals.check(first.action, edits=1)) == "The user does not allow this call of shell."
    again = approvals.check(LS)
    assert again == Edited(Action("shell", "ls -l"))
    assert approvals.check(again.action, edits=1) == Allowed(Action("shell", "ls -l"))


def test_whoever_edits_for_ever_is_stopped() -> None:
    approvals = Approvals("ask:shell", lambda request: Edit({"command": "echo again"}))
    verdict, edits = approvals.check(LS), 0
    while isinstance(verdict, Edited):
        edits += 1
        verdict = approvals.check(verdict.action, edits=edits)
    assert edits == MAX_EDITS
    assert outcome(verdict) == "This call of shell was edited 5 times, and never run."


@pytest.mark.parametrize("reply", [None, "yes", 1, Allow, {"allow": True}])
def test_what_is_no_reply_lets_nothing_run(reply: Any) -> None:
    with pytest.raises(
        TypeError, match=r"^the approver said .*; it may say True, False, Allow, Refuse or Edit$"
    ):
        Approvals("ask:shell", lambda request: reply).check(LS)


def test_a_yes_holds_for_what_there_is_a_word_for() -> None:
    with pytest.raises(SettingError) as caught:
        Allow("forever")  # type: ignore[arg-type]
    assert str(caught.value) == "a yes holds for 'no', 'these arguments' or 'session', not 'forever'"


def test_a_request_says_why_it_is_asked_and_what_a_yes_for_the_session_holds_for() -> None:
    by_rule = Request(LS, "ask", Rule("shell", "ls*"))
    by_risk = Request(LS, "ask", risks=frozenset({"network", "cost"}))
    assert [(r.because, r.session) for r in (by_rule, by_risk, Request(LS, "ask"))] == [
        ("the rule ask:shell(ls*)", "every call that the rule ask:shell(ls*) matches"),
        ("the tool declares: cost, network", "every call of shell"),
        ("the tool declares: no risk", "every call of shell"),
    ]


def test_what_an_approver_raises_reaches_the_caller_and_the_next_question_is_asked() -> None:
    class UnwellError(Exception):
        pass

    replies: list[Any] = [UnwellError("ill"), True]

    def person(request: Request) -> bool:
        reply = replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return bool(reply)

    approvals = Approvals("ask:shell", person)
    with pytest.raises(UnwellError):
        approvals.check(LS)
    assert approvals.check(LS) == Allowed(LS)


# --- exactly what was shown ---


def test_nothing_can_change_a_call_between_the_question_and_the_run() -> None:
    given_in = {"paths": ["a.txt"]}
    action = Action("delete", given_in)

    def meddler(request: Request) -> bool:
        assert isinstance(request.action.input, dict)
        request.action.input["paths"].append("/etc/passwd")
        given_in["paths"].append("/home")
        return True

    verdict = Approvals("ask:delete", meddler).check(action)
    assert verdict == Allowed(Action("delete", {"paths": ["a.txt"]}))
    edit = {"paths": ["b.txt"]}
    edited = Approvals("ask:delete", lambda request: Edit(edit)).check(action)
    edit["paths"].append("/")
    assert edited == Edited(Action("delete", {"paths": ["b.txt"]}))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
arguments = st.text() | st.dictionaries(st.text(), json_values, max_size=4)


def typed(value: Any) -> Any:
    """Return a value in which unlike types compare as unlike: True and 1, 1 and 1.0, 0.0 and -0.0."""
    if isinstance(value, dict):
        return {name: typed(v) for name, v in value.items()}
    return [typed(v) for v in value] if isinstance(value, list) else (type(value), repr(value))


@given(arguments, arguments)
def test_the_key_is_the_same_for_the_same_value_alone(one: Arguments, other: Arguments) -> None:
    assert (canonical(one) == canonical(other)) is (typed(one) == typed(other))
    assert typed(json.loads(canonical(one))) == typed(one)


@given(st.dictionaries(st.text(), json_values, max_size=4), st.randoms())
def test_the_order_of_names_does_not_matter(value: dict[str, Any], random: Any) -> None:
    items = list(value.items())
    random.shuffle(items)
    assert canonical(dict(items)) == canonical(value)


def test_unlike_types_have_unlike_keys() -> None:
    assert (
        len({canonical({"n": n}) for n in (1, "1", 1.0, True, "true", None, "null", [1], {"1": 1}, "")}) == 10
    )
    assert len({canonical(given) for given in ('{"a": 1}', {"a": 1})}) == 2


DEEP: list[Any] = []
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "odd",
    [{"x": float("nan")}, {1: "x"}, {"x": (1, 2)}, {"x": {1, 2}}, {"x": DEEP}, "\ud83d\ude00"],
    ids=["nan", "a number as a name", "a tuple", "a set", "deeply nested", "halves of a character"],
)
def test_what_json_cannot_carry_is_refused_and_nobody_is_asked(odd: Any) -> None:
    assert outcome(Approvals("always:*").check(Action("x", odd))) == (
        "The arguments of x cannot be written as JSON."
    )
    assert outcome(Approvals("ask:*", Person(Edit(odd))).check(Action("x", "y"))) == (
        "The edited arguments of x cannot be written as JSON."
    )


def test_a_call_is_asked_about_once_however_it_is_written() -> None:
    @tool
    def shell(command: str) -> str:
        """Run a command."""
        return f"ran {command}"

    box, person = Toolbox([shell]), Person(True)
    approvals = Approvals("ask once:shell", person)
    forms: list[Arguments] = ["rm a", {"command": "rm a"}, '{"command": "rm a"}']
    for form in forms:
        arguments = box.arguments(Action("shell", form))
        assert isinstance(arguments, dict)
        verdict = approvals.check(Action("shell", arguments))
        assert verdict == Allowed(Action("shell", {"command": "rm a"}))
        assert box.run(verdict.action) == Observation("ran rm a")
    assert len(person.asked) == 1


# --- what is remembered ---


def test_decisions_can_be_listed_taken_back_stored_and_read_again() -> None:
    approvals = Approvals(
        "ask once:shell\nask once per session:web_*",
        Person(True, Refuse("too old"), True, False),
        remembered=None,
    )
    for call in (LS, RM, Action("web_search", "x")):
        approvals.check(call)
    remembered = approvals.remembered
    ls = Decision("shell", '{"command": "ls"}', "ask once:shell", allowed=True)
    rm = Decision("shell", '{"command": "rm notes.txt"}', "ask once:shell", allowed=False, reason="too old")
    web = Decision("web_*", None, "ask once per session:web_*", allowed=True)
    assert list(remembered) == [ls, rm, web]

    stored = json.loads(json.dumps(remembered.to_dict()))
    again = Remembered.from_dict(stored)
    assert list(again) == [ls, rm, web]
    later = Approvals(approvals.rules, remembered=again)
    assert outcome(later.check(RM)) == "The user does not allow this call of shell: too old."
    again.end_session()
    assert (list(again), outcome(later.check(Action("web_fetch", "y")))) == (
        [ls, rm],
        "This call of web_fetch needs the user's permission, and nobody is there to ask.",
    )

    assert (remembered.revoke(ls), remembered.revoke(ls), len(remembered)) == (True, False, 2)
    assert outcome(approvals.check(LS)) == "The user does not allow this call of shell."
    remembered.clear()
    assert list(remembered) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"decisions": [{"tool": "x"}]},
        {"decisions": [{"tool": "x", "arguments": "{}", "rule": "ask", "allowed": "no"}]},
        {"decisions": [{"tool": "x", "arguments": '{"a":1}', "rule": "ask", "allowed": True}]},
        {"decisions": [{"tool": "x", "arguments": "{", "rule": "ask", "allowed": True}]},
        {"decisions": [{"tool": 1, "arguments": None, "rule": "ask", "allowed": True}]},
    ],
)
def test_stored_data_that_is_no_decision_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"^not stored decisions: "):
        Remembered.from_dict(wrong)


# --- many at once ---


class Slow:
    """Allows what is even, and notes when two questions overlap."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.overlaps = 0
        self._busy = threading.Lock()

    def begin(self, request: Request) -> int:
        self.overlaps += not self._busy.acquire(blocking=False)
        assert isinstance(request.action.input, dict)
        number: int = request.action.input["n"]
        self.asked.append(number)
        return number

    def __call__(self, request: Request) -> bool:
        number = self.begin(request)
        time.sleep(0.002)
        self._busy.release()
        return number % 2 == 0

    async def later(self, request: Request) -> bool:
        number = self.begin(request)
        await asyncio.sleep(0.002)
        self._busy.release()
        return number % 2 == 0


def call(number: int) -> Action:
    return Action("x", {"n": number})


def answers(verdicts: list[Verdict]) -> list[bool]:
    return [isinstance(v, Allowed) and v.action == call(n % 20) for n, v in enumerate(verdicts)]


EVEN = [n % 2 == 0 for n in range(20)] * 10


def in_threads(count: int, work: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=work, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
        assert not thread.is_alive()


def test_two_hundred_threads_get_their_own_answers_and_one_question_each() -> None:
    person = Slow()
    approvals = Approvals("ask once:x", person)
    verdicts: list[Any] = [None] * 200

    def work(n: int) -> None:
        verdicts[n] = approvals.check(call(n % 20))

    in_threads(200, work)
    assert (answers(verdicts), sorted(person.asked), person.overlaps) == (EVEN, list(range(20)), 0)


@pytest.mark.parametrize("kind", ["function", "coroutine function", "function that gives a coroutine"])
async def test_two_hundred_tasks_get_theirs_and_the_loop_goes_on(kind: str) -> None:
    person = Slow()
    asking: dict[str, Any] = {
        "function": person,
        "coroutine function": person.later,
        "function that gives a coroutine": lambda request: person.later(request),
    }
    approvals = Approvals("ask once:x", asking[kind])
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.001)
            ticks += 1

    ticking = asyncio.create_task(tick())
    async with asyncio.timeout(30):
        verdicts = await asyncio.gather(*(approvals.acheck(call(n % 20)) for n in range(200)))
    ticking.cancel()
    assert (answers(verdicts), sorted(person.asked), person.overlaps) == (EVEN, list(range(20)), 0)
    assert ticks >= 10


def test_threads_and_tasks_of_several_loops_share_one_person() -> None:
    person = Slow()
    approvals = Approvals("ask once:x", person)
    verdicts: list[Any] = [None] * 200

    async def several(first: int) -> None:
        verdicts[first : first + 20] = await asyncio.gather(*(approvals.acheck(call(n)) for n in range(20)))

    def work(n: int) -> None:
        if n < 5:
            asyncio.run(several(20 * n))
        else:
            verdicts[20 * n : 20 * n + 20] = [approvals.check(call(m)) for m in range(20)]

    in_threads(10, work)
    assert (answers(verdicts), sorted(person.asked), person.overlaps) == (EVEN, list(range(20)), 0)


async def test_who_is_cancelled_while_waiting_leaves_the_queue() -> None:
    let_go = asyncio.Event()
    asked = []

    async def person(request: Request) -> bool:
        asked.append(request.action.input)
        await let_go.wait()
        return True

    approvals = Approvals("ask:x", person)
    tasks = [asyncio.create_task(approvals.acheck(call(n))) for n in range(4)]
    await asyncio.sleep(0.05)
    tasks[1].cancel()  # waits for its turn
    tasks[0].cancel()  # is being asked about
    tasks[2].cancel()
    let_go.set()
    async with asyncio.timeout(10):
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [asyncio.CancelledError] * 3 + [Allowed]
    assert asked == [{"n": 0}, {"n": 3}]


async def test_a_turn_that_comes_to_one_who_is_cancelled_goes_to_the_next() -> None:
    approvals = Approvals("ask:x", Person(True, True))
    async with asyncio.timeout(10):
        async with approvals._turns.one_of_tasks():
            tasks = [asyncio.create_task(approvals.acheck(call(n))) for n in range(2)]
            await asyncio.sleep(0.01)
        tasks[0].cancel()  # its turn has come, but it has not gone on yet
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1] == Allowed(call(1))


async def test_a_question_whose_run_was_cancelled_holds_up_the_next_and_counts_for_nothing() -> None:
    begun, let_go = threading.Event(), threading.Event()
    asked = []

    def person(request: Request) -> bool:
        asked.append(request.action.input)
        begun.set()
        assert let_go.wait(timeout=10)
        return len(asked) == 1

    approvals = Approvals("ask once:x", person)
    first = asyncio.create_task(approvals.acheck(call(1)))
    assert await asyncio.to_thread(begun.wait, 10)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    second = asyncio.create_task(approvals.acheck(call(1)))
    await asyncio.sleep(0.05)
    assert asked == [{"n": 1}]
    let_go.set()
    async with asyncio.timeout(10):
        assert outcome(await second) == "The user does not allow this call of x."
    assert asked == [{"n": 1}, {"n": 1}]


async def test_a_coroutine_function_needs_the_async_methods_where_a_loop_runs() -> None:
    async def person(request: Request) -> bool:
        await asyncio.sleep(0)
        return True

    approvals = Approvals("ask:x", person)
    with pytest.raises(
        RuntimeError, match=r"^the approver can only be awaited, and an event loop is running"
    ):
        approvals.check(call(1))
    assert await asyncio.to_thread(approvals.check, call(1)) == Allowed(call(1))
    assert await approvals.acheck(call(1)) == Allowed(call(1))


async def test_an_approver_that_has_run_out_of_answers_says_so() -> None:
    replies: Iterator[bool] = iter(())
    with pytest.raises(RuntimeError, match=r"raised StopIteration\(\)$"):
        async with asyncio.timeout(10):
            await Approvals("ask:x", lambda request: next(replies)).acheck(call(1))
