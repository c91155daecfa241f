"""Tool files, and how an action on a tool becomes an observation."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import BaseTool, InjectedToolCallId, StructuredTool, Tool, ToolException, tool
from langgraph.prebuilt import InjectedState, ToolRuntime
from pydantic import BaseModel, Field

from agent_app.agent import Agent
from agent_app.errors import SettingError, ToolCrash, ToolFileError, UnknownName
from agent_app.models.scripted import ScriptedModel
from agent_app.places import builtin
from agent_app.steps import Action, Arguments, Observation
from agent_app.toolbox import Toolbox, load_tool_files, load_tools

ONE = """\
from langchain_core.tools import tool

@tool
def {name}(text: str) -> str:
    "Say."
    return text
"""


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file.resolve()


# --- files ---


def test_the_built_in_tools_load() -> None:
    assert [t.name for t in load_tool_files(builtin("tools"))] == ["calculator", "clock", "web_search"]


def test_files_are_read_in_order_and_private_and_hidden_ones_are_not(tmp_path: Path) -> None:
    write(tmp_path, "b.py", ONE.format(name="second"))
    write(tmp_path, "a.py", ONE.format(name="first") + "same = first\n_hidden = first.model_copy()\n")
    write(tmp_path, "_c.py", "1 / 0")
    write(tmp_path, "._a.py", "\0")  # as macOS leaves it on a disk of another system
    assert [t.name for t in load_tool_files(tmp_path)] == ["first", "second"]


def test_a_tool_file_hides_no_other_module(tmp_path: Path) -> None:
    write(tmp_path, "json.py", ONE.format(name="json"))
    load_tool_files(tmp_path)
    import json

    assert json.loads("[1]") == [1]


def test_a_tool_file_imports_private_files_and_packages_beside_it(tmp_path: Path) -> None:
    write(tmp_path, "_words.py", "def ahoy():\n    return 'Ahoy'\n")
    write(tmp_path / "_names", "__init__.py", "from .._words import ahoy\nfrom .crew import ANNE\n")
    write(tmp_path / "_names", "crew.py", "ANNE = 'Anne'\n")
    greet = ONE.format(name="greet").replace("return text", "return f'{ahoy()}, {ANNE}{text}'")
    write(tmp_path, "a.py", f"from ._names import ANNE, ahoy\n{greet}")
    (greeting,) = load_tool_files(tmp_path)
    assert greeting.invoke("!") == "Ahoy, Anne!"


def test_each_folder_and_each_load_has_neighbours_of_its_own(tmp_path: Path) -> None:
    for folder in (tmp_path / "x", tmp_path / "y"):
        write(folder, "_said.py", f"SAID = [{folder.name!r}]")
        tool = ONE.format(name=folder.name).replace("return text", "SAID.append(text); return ''.join(SAID)")
        write(folder, "a.py", f"from ._said import SAID\n{tool}")
    x, y = load_tools(None, [tmp_path / "x", tmp_path / "y"])
    (again,) = load_tool_files(tmp_path / "x")
    assert [t.invoke(said) for t, said in ((x, "1"), (y, "2"), (again, "3"))] == ["x1", "y2", "x3"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("x = 1\ny = x / 0\n", ":2: ZeroDivisionError: division by zero"),
        ("x = 1\ny = (\n", ":2: SyntaxError: '(' was never closed"),
    ],
)
def test_a_neighbour_that_cannot_be_run_is_named_with_its_line(
    tmp_path: Path, text: str, complaint: str
) -> None:
    neighbour = write(tmp_path, "_bad.py", text)
    write(tmp_path, "_good.py", "z = 1\n")
    write(tmp_path, "a.py", f"from ._good import z\nfrom ._bad import x\n{ONE.format(name='echo')}")
    modules = set(sys.modules)
    with pytest.raises(ToolFileError) as caught:
        load_tool_files(tmp_path)
    assert str(caught.value) == f"{neighbour}{complaint}"
    assert set(sys.modules) == modules


def test_tools_come_in_the_order_of_their_names_and_once(tmp_path: Path) -> None:
    write(tmp_path, "a.py", ONE.format(name="echo"))
    folders = [builtin("tools"), tmp_path, tmp_path]
    assert [t.name for t in load_tools(["echo", "clock", "echo"], folders)] == ["echo", "clock"]
    assert [t.name for t in load_tools(None, folders)] == ["calculator", "clock", "web_search", "echo"]


def test_the_tools_of_an_earlier_load_keep_their_module(tmp_path: Path) -> None:
    write(tmp_path, "a.py", ONE.format(name="echo"))
    first, second = (load_tool_files(tmp_path)[0] for _ in range(2))
    assert isinstance(first, StructuredTool)
    assert isinstance(second, StructuredTool)
    assert first.func is not None
    assert second.func is not None
    assert vars(sys.modules[first.func.__module__])["echo"] is first
    assert vars(sys.modules[second.func.__module__])["echo"] is second


def test_an_unknown_name_comes_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"^unknown tool 'calculater'; did you mean 'calculator'\?$"):
        load_tools(["calculater"], [builtin("tools")])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("x = 1\ny = (\n", ":2: SyntaxError: '(' was never closed"),
        ("x = 1\ny = x / 0\n", ":2: ZeroDivisionError: division by zero"),
        ("import no_such_thing\n", ":1: ModuleNotFoundError: No module named 'no_such_thing'"),
        ("import sys\nsys.exit(3)\n", ":2: SystemExit: 3"),
        ("x = 1\n", ": there is no tool in it; write a function with @tool above it"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_line(tmp_path: Path, text: str, complaint: str) -> None:
    file = write(tmp_path, "bad.py", text)
    with pytest.raises(ToolFileError) as caught:
        load_tool_files(tmp_path)
    assert str(caught.value) == f"{file}{complaint}"


def test_two_tools_of_one_name_are_named_with_both_files(tmp_path: Path) -> None:
    one = write(tmp_path / "x", "a.py", ONE.format(name="echo"))
    two = write(tmp_path / "y", "b.py", ONE.format(name="echo"))
    with pytest.raises(ToolFileError) as caught:
        load_tools(None, [tmp_path / "x", tmp_path / "y"])
    assert str(caught.value) == f"two tools are called 'echo': in {one} and in {two}"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolFileError) as caught:
        load_tool_files(tmp_path / "none")
    assert str(caught.value) == f"there is no folder of tools at {tmp_path / 'none'}"


# --- what the model is told ---


@tool
def echo(text: str) -> str:
    """Say it again.

    Input: any text.
    """
    return text


@tool
def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b


@tool
def sail(to: str, speed: Literal["slow", "fast"] = "slow", stops: list[str] | None = None) -> dict[str, Any]:
    """Set sail."""
    return {"to": to, "speed": speed, "stops": stops, "day": date(2024, 2, 29)}


@tool
def double(n: int) -> int:
    """Double a number."""
    return 2 * n


@tool
def roll() -> str:
    """Roll a die."""
    return "4"


@tool
def refuse(text: str) -> str:
    """Refuse."""
    raise ToolException(f"not {text};\n write yes")


@tool
def crash(text: str) -> str:
    """Crash."""
    raise KeyError(text)


@tool(response_format="content_and_artifact")
def both(text: str) -> tuple[str, int]:
    """Give content and an artifact."""
    return text.upper(), 7


@tool
async def wait(text: str) -> str:
    """Wait a little."""
    await asyncio.sleep(0)
    return f"waited for {text}"


class _Count(BaseTool):
    name: str = "count"
    description: str = "Count the letters."

    def _run(self, word: str, letter: str = "e") -> int:
        return word.count(letter)


def shout(text: str) -> str:
    """Shout it."""
    return text.upper() + "!"


BY_SCHEMA = StructuredTool(
    name="by_schema",
    description="Take what a JSON schema says.",
    args_schema={
        "type": "object",
        "properties": {"x": {"type": "integer"}, "y": {"type": "string"}},
        "required": ["x"],
    },
    func=lambda **given: given,
)
OLD = Tool("old", lambda text: f"<{text}>", "An old tool.")
BOX = Toolbox([echo, add, sail, double, roll, refuse, crash, both, wait, _Count(), shout, BY_SCHEMA, OLD])


def run(name: str, given: Arguments) -> Observation:
    return BOX.run(Action(name, given))


def test_the_model_reads_one_line_for_each_tool() -> None:
    assert BOX.describe().splitlines() == [
        "echo: Say it again. Input: any text.",
        'add: Add two numbers. Input: JSON object {"a": number, "b": number}',
        (
            'sail: Set sail. Input: JSON object {"to": string, "speed": "slow" or "fast" (optional), '
            '"stops": array of string (optional)}'
        ),
        'double: Double a number. Input: JSON object {"n": integer}',
        "roll: Roll a die. Input: nothing.",
        "refuse: Refuse.",
        "crash: Crash.",
        "both: Give content and an artifact.",
        "wait: Wait a little.",
        'count: Count the letters. Input: JSON object {"word": string, "letter": string (optional)}',
        "shout: Shout it.",
        'by_schema: Take what a JSON schema says. Input: JSON object {"x": integer, "y": string (optional)}',
        "old: An old tool.",
    ]


def test_schemas_are_json_schemas_of_the_arguments() -> None:
    assert BOX.schemas()["add"] == {
        "type": "object",
        "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
        "required": ["a", "b"],
    }
    assert BOX.schemas()["roll"] == {"type": "object", "properties": {}}


def test_an_input_is_plain_where_it_is_one_text_and_an_object_where_there_are_several_parameters() -> None:
    inputs = BOX.inputs()
    plain = ["echo", "refuse", "crash", "both", "wait", "shout", "old"]
    assert [name for name in BOX.names if inputs[name] is None] == plain
    assert inputs["double"] == BOX.schemas()["double"]
    assert BOX.object_tools() == {"add", "sail", "count", "by_schema"}


def test_a_tool_that_takes_what_json_cannot_hold_is_refused() -> None:
    def stow(box: Toolbox) -> str:
        """Stow a box."""
        return str(box)

    with pytest.raises(SettingError, match=r"^the tool stow cannot be used: .*Cannot generate a JsonSchema"):
        Toolbox([stow])


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"type": "web_search"}, "a tool is a name, a LangChain tool or a function, and no dict"),
        (_Count, "a tool is a name, a LangChain tool or a function, and no class _Count"),
        (RunnableLambda(shout), "a tool is a name, a LangChain tool or a function, and no RunnableLambda"),
        (lambda text: text, "<lambda> cannot become a tool: Function must have a docstring"),
    ],
)
def test_what_cannot_become_a_tool_is_refused(given: Any, says: str) -> None:
    with pytest.raises(SettingError, match=f"^{re.escape(says)}"):
        Toolbox([given])


@tool
def steer(to: str, state: Annotated[dict[str, Any], InjectedState]) -> str:
    """Steer."""
    return f"{to} {state}"


@tool
def sign(text: str, call: Annotated[str, InjectedToolCallId]) -> str:
    """Sign."""
    return f"{text} {call}"


@tool
def watch(place: str, runtime: ToolRuntime) -> str:
    """Watch."""
    return f"{place} {runtime.state}"


@pytest.mark.parametrize(("given", "name"), [(steer, "state"), (sign, "call"), (watch, "runtime")])
def test_a_tool_that_needs_what_no_model_is_shown_is_refused_by_an_agent(given: Any, name: str) -> None:
    says = f"^the tool {given.name} needs {name!r}, which no model is shown; "
    with pytest.raises(SettingError, match=says):
        Agent(ScriptedModel(), "plain", [given]).open()


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(ToolFileError, match=r"^two tools are called 'echo'$"):
        Toolbox([echo, echo.model_copy()])


# --- arguments ---


@pytest.mark.parametrize(
    ("name", "given", "text"),
    [
        ("echo", "2 + 2", "2 + 2"),
        ("echo", "null", "null"),
        ("echo", {"text": "ahoy"}, "ahoy"),
        ("echo", '{"text": "ahoy"}', "ahoy"),
        ("echo", {"text": 42}, "42"),
        ("echo", {"other": "é"}, '{"other": "é"}'),
        ("echo", '{"other": 1}', '{"other": 1}'),
        ("echo", "", ""),
        ("double", "21", "42"),
        ("double", {"n": "21"}, "42"),
        ("double", '{"n": 21}', "42"),
        ("add", {"a": 1, "b": "2.5"}, "3.5"),
        ("add", '{"a": 1, "b": 2}', "3.0"),
        ("sail", {"to": "é"}, '{"to": "é", "speed": "slow", "stops": null, "day": "2024-02-29"}'),
        (
            "sail",
            {"to": "x", "stops": ["y"]},
            '{"to": "x", "speed": "slow", "stops": ["y"], "day": "2024-02-29"}',
        ),
        ("roll", "", "4"),
        ("roll", "a die", "4"),
        ("roll", {"sides": 6}, "4"),
        ("both", "ahoy", "AHOY"),
        ("count", {"word": "eel"}, "2"),
        ("shout", "ahoy", "AHOY!"),
        ("by_schema", {"x": 1}, '{"x": 1}'),
        ("old", "x", "<x>"),
        ("wait", "wind", "waited for wind"),
    ],
)
async def test_arguments_reach_the_tool_and_its_result_comes_back(
    name: str, given: Arguments, text: str
) -> None:
    assert await asyncio.to_thread(run, name, given) == Observation(text)
    assert await BOX.arun(Action(name, given)) == Observation(text)


ADD = 'a JSON object {"a": number, "b": number}, for example {"a": 1.5, "b": 1.5}'


@pytest.mark.parametrize(
    ("name", "given", "text"),
    [
        ("ehco", "x", "there is no tool 'ehco'; did you mean 'echo'?"),
        ("add", "1 and 2", f"add takes {ADD}"),
        ("add", "[1, 2]", f"add takes {ADD}"),
        ("add", {"a": 1, "c": 2}, f"add: 'b' is missing, 'c' is unknown; it takes {ADD}"),
        ("add", {"a": "one", "b": 2}, f"add: 'a' should be a valid number, got 'one'; it takes {ADD}"),
        (
            "echo",
            {"text": "x", "more": 1},
            "echo: 'more' is unknown; it takes text (string), for example \"text\"",
        ),
        (
            "double",
            "many",
            "double: 'n' should be a valid integer, got 'many'; it takes n (integer), for example 1",
        ),
        ("double", {"m": 1}, "double: 'n' is missing, 'm' is unknown; it takes n (integer), for example 1"),
        ("double", "", "double: 'n' should be a valid integer, got ''; it takes n (integer), for example 1"),
        (
            "sail",
            {"to": "x", "speed": "mad"},
            (
                "sail: 'speed' should be 'slow' or 'fast', got 'mad'; it takes a JSON object "
                '{"to": string, "speed": "slow" or "fast" (optional), "stops": array of string (optional)}, '
                'for example {"to": "text"}'
            ),
        ),
        (
            "by_schema",
            {},
            (
                "by_schema: 'x' is missing; it takes a JSON object "
                '{"x": integer, "y": string (optional)}, for example {"x": 1}'
            ),
        ),
        ("refuse", "no", "not no; write yes"),
    ],
)
async def test_what_the_model_can_mend_is_an_observation(name: str, given: Arguments, text: str) -> None:
    assert run(name, given) == Observation(text, error=True)
    assert await BOX.arun(Action(name, given)) == Observation(text, error=True)


@tool
def mangle(text: str) -> Any:
    """Give text that no UTF-8 can hold."""
    half = "a \ud800 b \ud83d\ude00"
    if text == "complain":
        raise ToolException(half)
    if text == "message":
        return ToolMessage(half, tool_call_id="1", status="error")
    return {half: [half]} if text == "object" else half


@tool
def store(data: dict[str, Any]) -> Any:
    """Give back what it is given, in a form that JSON has not."""
    return {date(2024, 2, 29): data}


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ({"a": 1}, {"a": 1}),
        ('{"a": 1}', {"a": 1}),
        ({"data": {"a": 1}}, {"a": 1}),
        ({}, {}),
    ],
)
async def test_an_object_is_the_one_parameter_that_takes_one(given: Arguments, stored: Any) -> None:
    box, action = Toolbox([store]), Action("store", given)
    assert box.run(action) == await box.arun(action) == Observation(str({date(2024, 2, 29): stored}))


MENDED = "a \ufffd b \U0001f600"


@pytest.mark.parametrize(
    ("given", "observation"),
    [
        ("text", Observation(MENDED)),
        ("object", Observation(f'{{"{MENDED}": ["{MENDED}"]}}')),
        ("message", Observation(MENDED, error=True)),
        ("complain", Observation(MENDED, error=True)),
    ],
)
async def test_half_a_character_becomes_one_that_can_be_sent(given: str, observation: Observation) -> None:
    box, action = Toolbox([mangle]), Action("mangle", given)
    assert box.run(action) == await box.arun(action) == observation
    assert observation.text.encode().decode() == observation.text


class _Ship(BaseModel):
    name: str
    masts: list[int] = Field(default_factory=list)


@dataclass
class _Crew:
    captain: str
    ship: _Ship


class _Flag:
    def __str__(self) -> str:
        return "a black flag"


PICTURE = {"type": "image", "base64": "AAAA", "mime_type": "image/png"}


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (_Ship(name="Anne", masts=[3]), '{"name": "Anne", "masts": [3]}'),
        ([_Ship(name="Anne")], '[{"name": "Anne", "masts": []}]'),
        (_Crew("Jim", _Ship(name="Anne")), '{"captain": "Jim", "ship": {"name": "Anne", "masts": []}}'),
        (Document("ahoy", id="7"), "page_content='ahoy'"),
        (_Flag(), "a black flag"),
        (date(2024, 2, 29), "2024-02-29"),
        (None, "null"),
        (AIMessage("Aye."), "Aye."),
        (AIMessage([{"type": "text", "text": "Look:"}, PICTURE]), "Look:\n[image]"),
        ([{"type": "text", "text": "1", "id": "x"}, {"type": "text", "text": "2"}], "1\n2"),
        ([{"type": "file", "path": "a.txt"}], '[{"type": "file", "path": "a.txt"}]'),
        ([], "[]"),
    ],
)
def test_a_result_of_any_type_is_written_as_a_model_reads_it(result: Any, text: str) -> None:
    box = Toolbox([Tool("look", lambda _: result, "Look.")])
    assert box.run(Action("look", "x")) == Observation(text)


def test_an_action_is_left_as_it_was() -> None:
    given = {"text": 42}
    run("echo", given)
    assert given == {"text": 42}


# --- failures that are not the model's ---


async def test_an_exception_nobody_announced_is_a_crash() -> None:
    with pytest.raises(ToolCrash, match=r"^the tool 'crash' crashed: KeyError: 'x'$") as caught:
        run("crash", "x")
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(ToolCrash, match=r"^the tool 'crash' crashed: KeyError: 'x'$"):
        await BOX.arun(Action("crash", "x"))


def test_a_validation_error_in_the_tools_own_code_is_a_crash_too() -> None:
    class Ship(BaseModel):
        masts: int

    @tool
    def build(text: str) -> str:
        """Build a ship."""
        return str(Ship.model_validate({"masts": text}))

    with pytest.raises(
        ToolCrash, match=r"^the tool 'build' crashed: ValidationError: 1 validation error for Ship"
    ):
        Toolbox([build]).run(Action("build", "many"))


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="Pydantic's first version does not run there")
def test_what_a_schema_of_pydantics_first_version_refuses_can_be_mended() -> None:
    from pydantic.v1 import BaseModel as FormerModel

    class Ship(FormerModel):
        masts: int
        name: str

    def build(masts: int, name: str) -> str:
        return f"{name} {masts}"

    box = Toolbox([StructuredTool(name="build", description="Build.", args_schema=Ship, func=build)])
    assert box.run(Action("build", {"masts": 2, "name": "Ann"})) == Observation("Ann 2")
    observation = box.run(Action("build", {"masts": "many", "name": "Ann"}))
    assert observation.error
    assert observation.text.startswith("build: 'masts' value is not a valid integer, got 'many'; it takes ")


async def test_a_cancelled_tool_is_not_waited_for_at_the_end_of_the_loop() -> None:
    release = threading.Event()

    @tool
    def hang(text: str) -> str:
        """Hang."""
        release.wait(60)
        return text

    async def cancel() -> None:
        task = asyncio.create_task(Toolbox([hang]).arun(Action("hang", "x")))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    began = time.monotonic()
    await asyncio.to_thread(asyncio.run, cancel())
    assert time.monotonic() - began < 30
    release.set()


def test_a_tool_that_handles_its_own_complaints_is_let() -> None:
    own = refuse.model_copy(update={"handle_tool_error": "ask the captain"})
    assert Toolbox([own]).run(Action("refuse", "x")) == Observation("ask the captain")


# --- async, and what tracers see ---


async def test_a_tool_that_can_only_be_awaited_runs_beside_a_loop_that_stands_still() -> None:
    assert run("wait", "wind") == Observation("waited for wind")


async def test_a_slow_tool_does_not_hold_up_the_event_loop() -> None:
    release = threading.Event()

    @tool
    def slow(text: str) -> str:
        """Wait to be released."""
        return f"{text} {release.wait(timeout=10)}"

    running = asyncio.create_task(Toolbox([slow]).arun(Action("slow", "released")))
    await asyncio.sleep(0.01)
    release.set()
    assert await running == Observation("released True")


class _Heard(BaseCallbackHandler):
    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def on_tool_start(self, serialized: dict[str, Any], input_str: str, **about: Any) -> None:
        self.calls.append((serialized["name"], about["inputs"], about["tags"]))

    def on_tool_error(self, error: BaseException, **about: Any) -> None:
        self.calls.append((type(error).__name__,))


async def test_callbacks_hear_of_each_call() -> None:
    heard = _Heard()
    BOX.run(Action("echo", "x"), {"callbacks": [heard], "tags": ["t"]})
    await BOX.arun(Action("refuse", "x"), {"callbacks": [heard]})
    assert heard.calls == [("echo", {"text": "x"}, ["t"]), ("refuse", {"text": "x"}, []), ("ToolException",)]


def test_running_an_action_costs_little_more_than_the_tool_itself() -> None:
    def best(call: Any) -> float:
        times = []
        for _ in range(200):
            started = time.perf_counter()
            call()
            times.append(time.perf_counter() - started)
        return min(times)

    action = Action("echo", "x")
    assert best(lambda: BOX.run(action)) < 1.5 * best(lambda: echo.invoke({"text": "x"}))
