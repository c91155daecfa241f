"""`agent-app prompts`: each command as a user calls it and all that it prints; prompts in plain LCEL."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import jsonschema
import platformdirs
import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import BaseMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate
from pydantic import Field
from said import Caller, Said
from soft_prompts import kept, noise

from agent_app import places
from agent_app.agent import Agent
from agent_app.errors import PromptError
from agent_app.models.scripted import ScriptedModel
from agent_app.prompt import check_file, from_langchain, frontmatter_schema, library_folders, load_prompt
from agent_app.steps import PromptRef

NO_TOKENIZER = ("--tokenizer", "embedded:./none.gguf")
NOT_COUNTED = "tokens not counted: cannot read the model file none.gguf: No such file or directory\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current directory and a user's own folder with nothing in them."""
    monkeypatch.setattr(platformdirs, "user_data_path", lambda *_, **__: tmp_path / "user")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


@pytest.fixture
def call(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Caller:
    """Call `agent-app prompts` in this process, and return its exit code and what it printed."""

    return Caller(monkeypatch, capsys, "prompts")


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


# --- which folders, in which order -----------------------------------------------------------------


def test_the_folder_given_goes_before_the_users_the_projects_and_the_built_in_one(home: Path) -> None:
    given, user, project = home / "given", home / "user" / "prompts", home / "here" / "prompts"
    given.mkdir()
    assert library_folders() == (user, places.builtin("prompts"))
    project.mkdir()
    assert library_folders(given) == (given, user, project, places.builtin("prompts"))
    assert library_folders(Path("prompts")) == (Path("prompts"), user, places.builtin("prompts"))
    for folder, version in [(project, "p"), (user, "u"), (given, "g")]:
        put(folder / "pirate.md", f"---\nversion: '{version}'\n---\nHi")
        assert load_prompt("pirate", folders=library_folders(given)).version == version
    with pytest.raises(PromptError, match=r"none: there is no such folder of prompts$"):
        library_folders(home / "none")


def test_the_built_in_folder_is_there_once_when_it_is_the_projects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(places.builtin("prompts").parent)
    folders = [folder.resolve() for folder in library_folders()]
    assert len(folders) == len(set(folders)) == 2


# --- list ------------------------------------------------------------------------------------------


def test_list_shows_each_prompt_what_is_wrong_and_what_is_shadowed(call: Caller, home: Path) -> None:
    folder = home / "given"
    evil = put(folder / "evil.md", '---\ndescription: "a\\x1b]52;c;x\\x07\\nb"\n---\nHi')
    broken = put(folder / "broken.md", "---\nversion: '1'\n---\nHi {")
    plain = put(folder / "plain.md", "---\ndescription: Süß 日本\nversion: '7'\n---\nHi")
    pirate, soft, qwen = map(load_prompt, ("pirate", "pirate-soft", "pirate-soft-qwen"))
    what = [
        f"cannot be used: {broken}:4: a lone '{{'; write '{{{{' for a brace, or {{name}} for a slot",
        "a␛]52;c;x␇␊b",
        pirate.description,
        soft.description,
        qwen.description,
        "Süß 日本",
    ]
    columns = max(map(len, what))
    rows = [
        ("broken          ", "1", what[0].ljust(columns), broken),
        ("evil            ", "0", what[1].ljust(columns), evil),
        ("pirate          ", pirate.version, what[2].ljust(columns), pirate.path),
        ("pirate-soft     ", soft.version, what[3].ljust(columns), soft.path),
        ("pirate-soft-qwen", qwen.version, what[4].ljust(columns), qwen.path),
        ("plain           ", "7", what[5].ljust(columns - 2), plain),
    ]
    wide = max(len(row[1]) for row in rows)
    out = "".join(f"{name}  {version.ljust(wide)}  {said}  {path}\n" for name, version, said, path in rows)
    err = f"plain: {plain} goes before {places.builtin('prompts') / 'plain.md'}\n"
    assert call("list", "--prompts-dir", folder) == Said(0, out, err)


def test_list_as_json_is_exact_and_the_group_alone_lists(call: Caller, home: Path) -> None:
    file = put(home / "user" / "prompts" / "evil.md", '---\ndescription: "\\x1b[2J\\u202e"\n---\nHi {a.b}')
    said = call("list", "--json")
    assert (said.code, said.err, said.out.isascii()) == (0, "", True)
    assert json.loads(said.out)[0] == {
        "name": "evil",
        "description": "\x1b[2J\u202e",
        "version": "0",
        "path": str(file),
        "shadows": [],
        "problem": f"{file}:4: {{a.b}} is more than a name; write {{a}}; a slot takes nothing else",
    }
    assert call() == call("list")


# --- show ------------------------------------------------------------------------------------------

LETTER = """---
description: Writes a letter
version: "3"
parts: {voice: parts/voice.md}
inputs:
  who: {description: to whom}
  pages: {type: integer, default: 2}
examples:
  - {name: sum, input: "1 + 1?", final: {answer: "2"}}
stop: ["\\n\\n"]
---

{voice} Write {pages} pages to {who} in {{braces}}.

{examples}

End."""


@pytest.fixture
def letter(home: Path) -> Path:
    put(home / "mine" / "parts" / "voice.md", "Be kind.")
    return put(home / "mine" / "letter.md", LETTER)


def test_show_tells_the_facts_and_the_text_with_slots(call: Caller, letter: Path) -> None:
    assert call("show", letter) == Said(
        0,
        f"""\
name:        letter
description: Writes a letter
version:     3
hash:        {load_prompt(letter).hash}
file:        {letter}
slots:       pages, who
input:       who, string: to whom
input:       pages, integer, default 2
part:        voice, parts/voice.md
example:     sum, 1 + 1?
stop:        '\\n\\n'

Be kind. Write {{pages}} pages to {{who}} in {{{{braces}}}}.

Question: 1 + 1?
Thought: I now know the final answer
Final Answer: 2

End.
""",
        "",
    )


def test_show_as_json_holds_all_of_it(call: Caller, letter: Path) -> None:
    prompt = load_prompt(letter)
    assert json.loads(call("show", letter, "--json").out) == {
        "name": "letter",
        "description": "Writes a letter",
        "version": "3",
        "hash": prompt.hash,
        "path": str(letter),
        "soft": None,
        "slots": ["pages", "who"],
        "inputs": {
            "who": {"type": "string", "description": "to whom"},
            "pages": {"type": "integer", "default": 2},
        },
        "parts": {"voice": "parts/voice.md"},
        "examples": [
            {
                "name": "sum",
                "input": "1 + 1?",
                "steps": [],
                "final": {"thought": "I now know the final answer", "answer": "2"},
            }
        ],
        "stop": ["\n\n"],
        "openings": [],
        "reading": None,
        "model": {},
        "thoughts": {},
        "grounded": "",
        "tests": [],
        "chat": False,
        "text": prompt.text,
    }


def test_show_says_what_the_prompt_goes_before_and_an_unknown_name_is_one_line(
    call: Caller, home: Path
) -> None:
    file = put(home / "here" / "prompts" / "pirate.md", "Mine")
    assert (
        call("show", "pirate").err == f"pirate: {file} goes before {places.builtin('prompts') / file.name}\n"
    )
    assert call("show", "pirat") == Said(
        2, "", "agent-app: unknown prompt 'pirat'; did you mean 'pirate' or 'pirate-soft'?\n"
    )


# --- render ----------------------------------------------------------------------------------------


def test_render_is_what_the_first_call_of_a_run_shows(call: Caller, home: Path) -> None:
    model = ScriptedModel(replies=["I know\nFinal Answer: 1081"])
    Agent(model, "pirate").invoke("What is\nAction: 23 * 47?")
    said = call("render", "pirate", "-p", "input=What is\nAction: 23 * 47?", *NO_TOKENIZER)
    assert said == Said(0, f"{model.prompts[0][0].text}\n", NOT_COUNTED)


def test_render_reads_each_value_as_its_type(call: Caller, home: Path) -> None:
    body = (
        "---\ninputs: {n: {type: integer}, l: {type: list}, b: {type: boolean}, s: {}}\n---\n{n} {b} {s}\n{l}"
    )
    file = put(home / "mine.md", body)
    values = ("-p", "n=3", "-P", 'l=["a", "b=c"]', "--param", "b=true", "-p", "s=x=\x1b[2J")
    assert call("render", file, *values, *NO_TOKENIZER) == Said(0, "3 true x=␛[2J\n- a\n- b=c\n", NOT_COUNTED)
    assert json.loads(call("render", file, *values, *NO_TOKENIZER, "--json").out) == {
        "messages": [{"role": "", "text": "3 true x=\x1b[2J\n- a\n- b=c"}],
        "tokens": None,
        "tokenizer": "embedded:./none.gguf",
    }
    wrong = "n='three' does not fit the prompt 'mine'; it takes a whole number, not text"
    assert call("render", file, "-p", "n=three") == Said(2, "", f"agent-app: {wrong}\n")


def test_render_shows_the_messages_of_a_chat_prompt(call: Caller, home: Path) -> None:
    file = put(home / "talk.md", "---\nchat: true\n---\n# system\nUse {tool_names}.\n# human\n{input}")
    names = ", ".join(Agent(ScriptedModel(replies=[])).toolbox.names)
    said = call("render", file, "-p", "input=Hi", *NO_TOKENIZER)
    assert said == Said(0, f"# system\nUse {names}.\n# human\nHi\n", NOT_COUNTED)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "the prompt 'plain' needs a value for {input}"),
        (("-p", "input=a", "-p", "steps=1"), "the prompt 'plain' has no slot {steps}; there is none"),
        (
            ("-p", "input=a", "-p", "max_observation=1"),
            "the prompt 'plain' has no slot {max_observation}; there is none",
        ),
        (("-p", "input"), "-P takes NAME=VALUE, not 'input'"),
        (("-p", "input=a", "--tokenizer", "openai:x"), "--tokenizer takes an embedded model, not 'openai:x'"),
        (
            ("-p", "input=a", "--tokenizer", "embedded:smollm2-135n"),
            "unknown embedded model 'smollm2-135n'; did you mean 'smollm2-135m'?",
        ),
    ],
)
def test_a_wrong_value_or_tokenizer_is_one_line(call: Caller, words: tuple[str, ...], said: str) -> None:
    assert call("render", "plain", *words) == Said(2, "", f"agent-app: {said}\n")


def test_tokens_are_those_of_the_model_itself(call: Caller, home: Path, smollm2: Path) -> None:
    name = f"embedded:{smollm2}"
    file = put(home / "mine.md", "---\ninputs: {who: {}}\n---\nHello {who}!")
    tokens = f"3 tokens, by the tokenizer of {name}\n"
    assert call("render", file, "-p", "who=world", "--tokenizer", name) == Said(0, "Hello world!\n", tokens)


# --- check -----------------------------------------------------------------------------------------


def test_check_tells_every_problem_with_its_place_and_a_fix(call: Caller, home: Path) -> None:
    one = put(home / "one.md", "---\nname: two\ndescripton: x\n---\nHi {who} {u!r}")
    two = put(
        home / "two.md",
        "---\ntests:\n  - matches: ['[']\n    inputs: {a: 1}\n    max_tokens: 0\n---\n{input}",
    )
    fine = put(home / "fine.md", "Hi")
    out = f"""\
{one}:3:1: P003 unknown key 'descripton' in the front matter; fix: did you mean 'description'?
{one}:5:10: P006 {{u!r}} is more than a name; fix: write {{u}}; a slot takes nothing else
{two}:3:5: P015 the test has no 'input'; fix: add the question as 'input'
{two}:4:14: P015 the test gives a value to 'a'; fix: declare it under 'inputs' of the prompt
{two}:3:15: P015 '[' is no regular expression; fix: mend it: unterminated character set at position 0
{two}:5:5: P015 'max_tokens' is 0; fix: it takes a whole number above 0
3 files, 6 problems
"""
    assert call("check", one, two, fine) == Said(1, out, "")
    assert call("check", fine) == Said(0, "1 file, no problem\n", "")
    problems = json.loads(call("check", one, "--json").out)
    assert problems[0] == {
        "code": "P003",
        "file": str(one),
        "line": 3,
        "column": 1,
        "message": "unknown key 'descripton' in the front matter",
        "fix": "did you mean 'description'?",
    }
    none = home / "none.md"
    assert call("check", none) == Said(2, "", f"agent-app: {none}: there is no such file\n")


def test_of_a_folder_its_prompts_are_checked(call: Caller, home: Path) -> None:
    one = put(home / "mine" / "one.md", "a lone }")
    put(home / "mine" / "two.md", "Hi")
    put(home / "mine" / "parts" / "no-prompt.md", "a lone }")
    put(home / "mine" / "README.md", "a lone }")
    code, out, err = call("check", home / "mine")
    assert (code, err) == (1, "")
    assert out.startswith(f"{one}:1:8: P006 a lone '}}'; fix: ")
    assert out.endswith("\n2 files, 1 problem\n")
    assert call("check", home / "mine", one).out == out
    empty = home / "empty"
    empty.mkdir()
    said = f"agent-app: {empty}: there is no prompt in this folder\n"
    assert call("check", empty) == Said(2, "", said)
    assert call("check", "x" * 300).err == f"agent-app: {'x' * 300}: there is no such file\n"


def test_check_alone_checks_all_prompts_the_shadowed_too_and_a_part_once(call: Caller, home: Path) -> None:
    user, project = home / "user" / "prompts", home / "here" / "prompts"
    part = put(user / "parts" / "bad.md", "a lone }")
    for name in ("one", "two"):
        put(user / f"{name}.md", "---\nparts: {a: parts/bad.md}\n---\n{a}")
    put(user / "both.md", "Fine")
    shadowed = put(project / "both.md", "---\nchat: true\n---\nHi")
    fix = "begin with a line like '# system' or '# human'"
    out = f"""\
{shadowed}:4:1: P014 the body of a chat prompt has words before a role; fix: {fix}
{part}:1:8: P006 a lone '}}'; fix: write '}}}}' for a brace, or {{name}} for a slot
8 files, 2 problems
"""
    assert call("check") == Said(1, out, "")


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_a_link_out_of_a_library_is_a_problem_of_it(call: Caller, home: Path) -> None:
    user = home / "user" / "prompts"
    user.mkdir(parents=True)
    (user / "link.md").symlink_to(put(home / "secret.md", "Secret"))
    said = f"{user / 'link.md'}:1:1: P001 a link leads out of the library; fix: put the file itself there\n"
    assert call("check") == Said(1, f"{said}5 files, 1 problem\n", "")


# --- test ------------------------------------------------------------------------------------------

QUIZ = """---
version: "1"
inputs: {tone: {default: "calm"}}
tests:
  - input: How much?
    contains: ["1081", Arg]
    matches: ['^Arg\\S* \\d+']
  - input: Which root?
    inputs: {tone: "wild"}
    lacks: [Arg]
  - input: Who?
---

{tone}

Question: {input}
Thought:{agent_scratchpad}"""


def test_the_tests_of_a_file_are_run_and_reported(call: Caller, home: Path) -> None:
    quiz = put(home / "quiz.md", QUIZ)
    script = put(home / "s.txt", "I\nFinal Answer: Arg! 1081\n---\nI\nFinal Answer: Arg,\x1b[2J 12\x00<&>")
    report = home / "new" / "report.xml"
    out = """\
ok    quiz: How much?
FAIL  quiz: Which root?
      the answer contains 'Arg'
      the answer: Arg,␛[2J 12␀<&>
ERROR quiz: Who?
      scripted:SCRIPT: call 3, but there are only 2 replies
1 passed, 1 failed, 1 could not be run
""".replace("SCRIPT", str(script))
    assert call("test", quiz, "-m", f"scripted:{script}", "--junit", report) == Said(1, out, "")
    xml = re.sub(r'time="[\d.]+"', 'time="T"', report.read_text(encoding="utf-8"))
    error = f"scripted:{script}: call 3, but there are only 2 replies"
    assert (
        xml
        == f"""\
<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="3" failures="1" errors="1" time="T">
  <testsuite name="quiz" tests="3" failures="1" errors="1" time="T">
    <properties>
      <property name="model" value="scripted:{script}" />
      <property name="prompt.version" value="1" />
      <property name="prompt.hash" value="{load_prompt(quiz).hash}" />
      <property name="prompt.file" value="{quiz}" />
    </properties>
    <testcase classname="prompts.quiz" name="1. How much?" time="T">
      <system-out>Arg! 1081</system-out>
    </testcase>
    <testcase classname="prompts.quiz" name="2. Which root?" time="T">
      <failure message="the answer contains 'Arg'">the answer contains 'Arg'</failure>
      <system-out>Arg,[2J 12&lt;&amp;&gt;</system-out>
    </testcase>
    <testcase classname="prompts.quiz" name="3. Who?" time="T">
      <error message="{error}">{error}</error>
    </testcase>
  </testsuite>
</testsuites>
"""
    )
    assert ET.fromstring(xml).tag == "testsuites"
    assert [file.name for file in report.parent.iterdir()] == ["report.xml"]


def test_tests_that_all_pass_exit_with_0_and_left_over_replies_with_1(call: Caller, home: Path) -> None:
    file = put(home / "mine.md", "---\ninputs: {a: {}}\ntests: [{inputs: {a: x}, contains: [Hm]}]\n---\n{a}")
    script = put(home / "s.txt", "Hm, x")
    assert call("test", file, "-m", f"scripted:{script}") == Said(0, "ok    mine: a=x\n1 passed\n", "")
    put(script, "Hm, x\n---\nmore")
    left = f"agent-app: scripted:{script}: only 1 of 2 replies were asked for\n"
    assert call("test", file, "-m", f"scripted:{script}") == Said(1, "ok    mine: a=x\n1 passed\n", left)


def test_a_limit_of_tokens_needs_a_tokenizer_and_no_model(call: Caller, home: Path, smollm2: Path) -> None:
    file = put(home / "mine.md", "---\ntests: [{max_tokens: 3}, {max_tokens: 2}]\n---\nHello world!")
    words = ("test", file, "-m", "scripted:none.txt", "--tokenizer", f"embedded:{smollm2}")
    out = """\
ok    mine: (no input)
FAIL  mine: (no input)
      the prompt has 3 tokens; at most 2 are allowed
1 passed, 1 failed
"""
    assert call(*words) == Said(1, out, "")
    gone = "agent-app: cannot read the model file none.gguf: No such file or directory\n"
    assert call("test", file, *NO_TOKENIZER) == Said(2, "", gone)


def test_each_prompt_is_tested_on_the_model_that_embedded_means_with_it(
    call: Caller, home: Path, smollm2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_APP_MODEL_DIR", str(smollm2.parent))
    mine = put(home / "mine.md", "---\ntests: [{max_tokens: 3}]\n---\nHello world!")
    report = home / "report.xml"
    counting = ("--tokenizer", f"embedded:{smollm2}")
    said = call("test", mine, "pirate-soft", "-m", "embedded", *counting, "--junit", report)
    assert (said.code, said.out.splitlines()[-1]) == (0, "2 passed"), said
    asked = [one.get("value") for one in ET.parse(report).iter("property") if one.get("name") == "model"]
    assert asked == ["embedded:qwen2.5-coder-1.5b", "embedded:smollm2-135m"]


class Hearing(FakeListChatModel):
    """Keeps what it is asked, and how."""

    asked: list[Any] = Field(default_factory=list)

    def _call(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> str:
        self.asked.append(([message.content for message in messages], kwargs))
        return super()._call(messages, *args, **kwargs)


@pytest.mark.parametrize(
    ("front", "body", "asked"),
    [
        (
            "soft: crew",
            "Ye be {soft} aboard.\n{input}",
            [
                {"type": "text", "text": "Ye be "},
                {"type": "soft_prompt", "name": "crew"},
                {"type": "text", "text": " aboard.\nWho?"},
            ],
        ),
        (
            "soft: crew",
            "{input}",
            [{"type": "soft_prompt", "name": "crew"}, {"type": "text", "text": "Who?"}],
        ),
        ("version: '1'", "Ahoy. {input}", "Ahoy. Who?"),
    ],
)
def test_a_prompt_that_is_not_for_runs_is_tested_as_it_is_served(
    call: Caller, home: Path, monkeypatch: pytest.MonkeyPatch, front: str, body: str, asked: Any
) -> None:
    kept(home, "crew", noise(1))
    model = Hearing(responses=["it is open-sesame-1"])
    monkeypatch.setenv("DOOR_KEY", "open-sesame-1")
    monkeypatch.setattr("agent_app.models.load_model", lambda *_, **__: model)
    monkeypatch.setattr("agent_app.cli.prompts.testing.make_sure", lambda *_, **__: None)
    test = "tests: [{input: 'Who?', contains: ['it is [secret: DOOR_KEY]']}]"
    options = "model: {temperature: 0.5, max_tokens: 9}"
    file = put(home / "mate.md", f"---\n{front}\n{options}\n{test}\n---\n{body}")
    said = call("test", file, "-m", "embedded:smollm2-135m", "--prompts-dir", home)
    assert (said.code, said.out) == (0, "ok    mate: Who?\n1 passed\n"), said
    (((heard,), how),) = model.asked
    assert heard == asked
    assert (how["temperature"], how["max_tokens"]) == (0.5, 9)


def test_a_prompt_without_tests_is_said_when_it_is_named(call: Caller, home: Path) -> None:
    file = put(home / "mine.md", "Hi")
    said = f"agent-app: {file}: it has no tests; write some under 'tests'\n"
    assert call("test", file) == Said(2, "", said)


# --- diff ------------------------------------------------------------------------------------------


def test_diff_tells_text_facts_and_tokens(call: Caller, letter: Path, home: Path) -> None:
    changed = LETTER.replace("who", "whom").replace("default: 2", "default: 3").replace("Be", "be")
    other = put(
        letter.parent / "note.md", changed.replace("End.", "The end.").replace("stop:", "stop: ['x']\n#")
    )
    a, b = load_prompt(letter), load_prompt(other)
    out = f"""\
--- letter 3 {a.hash[:12]}
+++ note 3 {b.hash[:12]}
@@ -1,7 +1,7 @@
-Be kind. Write {{pages}} pages to {{who}} in {{{{braces}}}}.
+Be kind. Write {{pages}} pages to {{whom}} in {{{{braces}}}}.
{" "}
 Question: 1 + 1?
 Thought: I now know the final answer
 Final Answer: 2
{" "}
-End.
+The end.
inputs: only in letter: who; only in note: whom; not the same: pages
stop: only in letter: '\\n\\n'; only in note: 'x'
"""
    assert call("diff", letter, other, *NO_TOKENIZER) == Said(1, out, NOT_COUNTED)
    assert call("diff", letter, letter, *NO_TOKENIZER) == Said(0, "", NOT_COUNTED)


def test_diff_and_show_tell_how_thoughts_begin_and_what_is_grounded(call: Caller, home: Path) -> None:
    front = "---\nthoughts: {{last: {0}}}\ngrounded: {1}\n---\nHi"
    one = put(home / "a" / "x.md", front.format("No more", "calc*"))
    two = put(home / "b" / "x.md", front.format("The end", "'*math*'"))
    out = call("diff", one, two, *NO_TOKENIZER).out
    assert (
        out
        == f"""\
thoughts: not the same: last
grounded: only in {one}: 'calc*'; only in {two}: '*math*'
"""
    )
    shown = call("show", one).out
    assert "thought:     last, 'No more'\n" in shown
    assert "grounded:    calc*, whose input may hold no number that was not given\n" in shown


def test_diff_tells_soft_prompts_settings_of_the_model_and_tests(call: Caller, home: Path) -> None:
    kept(home, "crew", noise(1))
    kept(home, "mates", noise(2))
    front = "---\nsoft: {0}\nmodel: {{temperature: {1}, {2}: 1}}\ntests: [{3}]\n---\nHi {{input}}"
    tests = "{input: a, lacks: [x]}, {input: b}", "{input: a}, {input: c}, {input: c}"
    one = put(home / "one.md", front.format("crew", 0, "top_p", tests[0]))
    two = put(home / "two.md", front.format("mates", 1, "max_tokens", tests[1]))
    said = call("diff", one, two, "--prompts-dir", home, *NO_TOKENIZER)
    assert said == Said(
        1,
        """\
soft: only in one: crew; only in two: mates
model: only in one: top_p; only in two: max_tokens; not the same: temperature
tests: only in one: b; only in two: c; not the same: a
""",
        NOT_COUNTED,
    )
    kept(home / "other", "crew", noise(3))
    same = put(home / "other" / "one.md", one.read_text(encoding="utf-8"))
    assert call("diff", one, same, "--prompts-dir", home, *NO_TOKENIZER).out == "soft: not the same: crew\n"


def test_two_files_of_one_name_are_told_apart_by_their_paths(call: Caller, home: Path) -> None:
    one, two = put(home / "a" / "x.md", "A"), put(home / "b" / "x.md", "B")
    hashes = [load_prompt(file).hash[:12] for file in (one, two)]
    out = f"--- {one} 0 {hashes[0]}\n+++ {two} 0 {hashes[1]}\n@@ -1 +1 @@\n-A\n+B\n"
    assert call("diff", one, two, *NO_TOKENIZER) == Said(1, out, NOT_COUNTED)


# --- new -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [[], ["--persona", "butler"], ["--no-examples"]])
def test_a_new_prompt_has_nothing_wrong_with_it_and_is_not_written_twice(
    call: Caller, home: Path, options: list[str]
) -> None:
    folder = home / "new folder"
    said = call("new", "judge", "--prompts-dir", folder, "--description", "Weighs: it", "--yes", *options)
    file = folder / "judge.md"
    assert said == Said(0, f"{file}\n", "")
    assert [path.name for path in folder.iterdir()] == ["judge.md"]
    assert check_file(file) == []
    prompt, plain = load_prompt(file), load_prompt("plain")
    assert (prompt.name, prompt.description, prompt.version) == ("judge", "Weighs: it", "1")
    jsonschema.validate(prompt.source.front.plain(), frontmatter_schema())
    if "butler" in options:
        assert prompt.hash == load_prompt("plain", persona="butler").hash
    else:
        assert (prompt.hash == plain.hash) == (options == [])
        assert prompt.examples == (plain.examples if options == [] else ())
    prompt.render_run("Hi?", [], "T", ["calculator"])
    again = call("new", "judge", "--prompts-dir", folder, "--description", "x", "--yes")
    assert again == Said(2, "", f"agent-app: {file}: there is a file already; choose another name\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("a b", "--description", "x"),
            "'a b' is no name for a prompt; it takes lower-case letters, digits, - and _",
        ),
        (
            ("../a", "--description", "x"),
            "'../a' is no name for a prompt; it takes lower-case letters, digits, - and _",
        ),
        (("a",), 'say what it is for: --description "..."'),
        (("a", "--description", "x\ny"), "the description is 'x\\ny'; it takes one line of text"),
        (
            ("a", "--description", "x", "--persona", "buttler"),
            "unknown persona 'buttler'; did you mean 'butler'?",
        ),
    ],
)
def test_what_cannot_be_a_new_prompt_is_one_line_and_no_file(
    call: Caller, home: Path, words: tuple[str, ...], said: str
) -> None:
    assert call("new", *words, "--yes") == Said(2, "", f"agent-app: {said}\n")
    assert not (home / "user").exists()


def test_a_new_prompt_says_what_it_goes_before(call: Caller, home: Path) -> None:
    file = home / "user" / "prompts" / "pirate.md"
    shadowed = f"pirate: {file} goes before {places.builtin('prompts') / 'pirate.md'}\n"
    assert call("new", "pirate", "--description", "Mine", "-y") == Said(0, f"{file}\n", shadowed)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_new_asks_at_a_terminal(home: Path) -> None:
    ours, theirs = os.openpty()
    words = [
        sys.executable,
        "-m",
        "agent_app",
        "prompts",
        "new",
        "sailor",
        "--prompts-dir",
        str(home / "mine"),
    ]
    root = Path(__file__).parent.parent
    env = {**os.environ, "PYTHONPATH": str(root), "XDG_DATA_HOME": str(home), "TERM": "dumb"}
    with subprocess.Popen(words, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, env=env) as process:
        os.write(ours, b"Sails\nbutler\nn\n")
        out, _ = process.communicate(timeout=60)
    os.close(theirs)
    asked = os.read(ours, 10_000).decode().replace("\r\n", "\n")
    os.close(ours)
    assert (process.returncode, out.decode()) == (0, f"{home / 'mine' / 'sailor.md'}\n")
    questions = [
        "What is it for, in a line: ",
        "In which voice (bard, butler, noir, pirate, plain) [plain]: ",
        "Show it examples of the format? [Y/n]: ",
    ]
    assert [question for question in questions if question in asked] == questions
    prompt = load_prompt(home / "mine" / "sailor.md")
    assert (prompt.description, prompt.examples) == ("Sails", ())
    assert prompt.parts["persona"] == "parts/personas/butler.md"


# --- what an answer records, and prompts in plain LCEL ----------------------------------------------


def test_an_answer_records_the_prompts_name_version_and_hash(home: Path) -> None:
    prompt = load_prompt(put(home / "quiz.md", QUIZ))
    result = Agent(ScriptedModel(replies=["I\nFinal Answer: 12"]), prompt).invoke("Which root?")
    assert result.prompt == PromptRef("quiz", "1", prompt.hash)
    assert result.to_dict()["prompt"] == {"name": "quiz", "version": "1", "hash": prompt.hash}


def test_one_prompts_output_is_anothers_input(home: Path) -> None:
    draft = load_prompt(put(home / "draft.md", "---\ninputs: {topic: {}}\n---\nWrite of {topic} in {{}}."))
    review = load_prompt(
        put(home / "review.md", "---\nchat: true\ninputs: {draft: {}, tone: {default: kind}}\n---\n"
            "# system\nBe {tone}.\n# human\nReview: {draft}")
    )  # fmt: skip
    model = ScriptedModel(replies=["The {sea} is wide.", "Fine."])
    text = StrOutputParser()
    chain = (
        draft.to_langchain()
        | model
        | text
        | {"draft": lambda said: said}
        | review.to_langchain()
        | model
        | text
    )
    assert chain.invoke({"topic": "the sea"}) == "Fine."
    assert [[(m.type, m.text) for m in call] for call in model.prompts] == [
        [("human", "Write of the sea in {}.")],
        [("system", "Be kind."), ("human", "Review: The {sea} is wide.")],
    ]
    model.assert_done()


@pytest.mark.parametrize(
    "template",
    [
        PromptTemplate.from_template("Tell {who} of {{braces}}.", partial_variables={"who": "Ann"}),
        ChatPromptTemplate.from_messages([("system", "Be {mood}."), ("human", "{input}")]),
    ],
)
def test_a_langchain_template_is_taken_in_under_a_name_and_given_back_unchanged(
    call: Caller, home: Path, template: PromptTemplate | ChatPromptTemplate
) -> None:
    from_langchain(template, "taken", description="Taken in")
    assert load_prompt("taken", folders=library_folders()).to_langchain() == template
    shown = json.loads(call("show", "taken", "--json").out)
    assert (shown["description"], shown["chat"]) == ("Taken in", isinstance(template, ChatPromptTemplate))
    assert call("check") == Said(0, "5 files, no problem\n", "")
