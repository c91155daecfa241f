"""Finds tool files, checks arguments, runs an `Action` and returns an `Observation`.

A tool file is a Python file with LangChain tools in it; the built-in tools and a user's own come in by
the same door. What tool files share, or what one of them has grown too long for, stands beside them in
files or packages whose names begin with ``_``, and is imported with a dot: ``from ._rates import
RATES``. What the *model* can mend (an unknown tool, wrong arguments, a complaint that the tool
announces with `ToolException`) becomes an observation. Anything else that a tool raises is a bug in it
and reaches the caller as `ToolCrash`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_app import parameters, places
from agent_app.errors import SettingError, ToolCrash, ToolFileError, UnknownName, kind_of, suggest
from agent_app.history import text_of
from agent_app.jsonish import encodable
from agent_app.patience import OutOfTime, awithin, in_time, within
from agent_app.python_file import run_python_file
from agent_app.redaction import Redactor, redacting_tool
from agent_app.steps import Action, Arguments, Observation

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langchain_core.tools import BaseTool

    from agent_app.settings import Settings

_SHOWN = 60
"""Characters of a wrong value that a complaint about it repeats."""


# --- tool files ---


def load_tool_files(folder: Path) -> list[BaseTool]:
    """Return every tool in the Python files of a folder, in the order of the files' names.

    Files whose names begin with ``_`` are left out, and so are such names in a file. Loading a file
    runs it.

    Raises:
        ToolFileError: there is no such folder; a file cannot be run, or has no tool in it; or two
            tools have one name.
    """
    return [tool for tool, _ in _collect(tool_files(folder)).values()]


def load_tools(names: Sequence[str] | None = None, folders: Sequence[Path] = ()) -> list[BaseTool]:
    """Return the named tools from some folders of tool files, in the order of the names.

    Args:
        names: the tools that are wanted; None: all there are, in the order of the folders.
        folders: where to look; none means the built-in folder.

    Raises:
        UnknownName: no tool in these folders has that name.
        ToolFileError: as for `load_tool_files`, and two tools of one name in different folders.
    """
    found = _collect(file for folder in folders or (places.builtin("tools"),) for file in tool_files(folder))
    wanted = dict.fromkeys(found if names is None else names)
    for name in wanted:
        if name not in found:
            raise UnknownName("tool", name, found)
    return [found[name][0] for name in wanted]


def tool_folders(settings: Settings) -> tuple[Path, ...]:
    """Return where tools are found: the built-in folder, the user's own if any, that of the settings."""
    user = places.user_folder("tools")
    own = [settings.tools_dir] if settings.tools_dir else []
    return (places.builtin("tools"), *([user] if user.is_dir() else []), *own)


def tool_files(folder: Path) -> list[Path]:
    """Return the tool files of a folder by name; those whose names begin with ``_`` or ``.`` are left out.

    Hidden ones are left beside a file by editors (``.#x.py``) and by macOS (``._x.py``).

    Raises:
        ToolFileError: there is no such folder.
    """
    if not folder.is_dir():
        raise ToolFileError(f"there is no folder of tools at {folder}")
    return sorted(file.resolve() for file in folder.glob("*.py") if not file.name.startswith(("_", ".")))


def _collect(files: Iterable[Path]) -> dict[str, tuple[BaseTool, Path]]:
    """Load the tools of some files, by name; a file that is listed twice is loaded once."""
    found: dict[str, tuple[BaseTool, Path]] = {}
    for file in dict.fromkeys(files):
        for tool in load_tool_file(file):
            if tool.name in found:
                raise ToolFileError(
                    f"two tools are called {tool.name!r}: in {found[tool.name][1]} and in {file}"
                )
            found[tool.name] = (tool, file)
    return found


def load_tool_file(file: Path) -> list[BaseTool]:
    """Run a tool file and return its tools, in the order in which they stand there.

    Raises:
        ToolFileError: it cannot be run, or there is no tool in it; says where.
    """
    from langchain_core.tools import BaseTool

    try:
        module = run_python_file(file)
    except (Exception, SystemExit) as error:
        raise ToolFileError(f"{_place_of(error, file)}: {type(error).__name__}: {_reason(error)}") from error
    public = (value for key, value in vars(module).items() if not key.startswith("_"))
    # By identity, as a tool may have two names in the file, and tools are not hashable.
    tools = {id(value): value for value in public if isinstance(value, BaseTool)}
    if not tools:
        raise ToolFileError(f"{file}: there is no tool in it; write a function with @tool above it")
    return list(tools.values())


def _place_of(error: BaseException, file: Path) -> str:
    """Return the line at which a file failed to run, in it or in what it imports from its folder."""

    def is_near(name: str | None) -> bool:
        return name is not None and Path(name).parent == file.parent

    if isinstance(error, SyntaxError) and is_near(error.filename):
        return f"{error.filename}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_near(frame.filename)]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else str(file)


def _reason(error: BaseException) -> str:
    return _one_line(error.msg if isinstance(error, SyntaxError) else str(error))


# --- running them ---


class Toolbox:
    """The tools of an agent: what the model is told of them, and how an `Action` is run.

    Args:
        tools: LangChain tools; a plain function with a docstring and annotations becomes one.
        redactor: keeps secrets out of what the tools give; None: nothing does.

    Raises:
        SettingError: one of them is no tool and cannot become one, or takes what JSON cannot hold.
        ToolFileError: two tools have one name.
    """

    def __init__(
        self, tools: Sequence[BaseTool | Callable[..., Any]], redactor: Redactor | None = None
    ) -> None:
        self.tools = tuple(map(_tool_of, tools))
        self.names = tuple(tool.name for tool in self.tools)
        self._forms = {
            tool.name: _form_of(redacting_tool(tool, redactor) if redactor else tool) for tool in self.tools
        }
        if len(self._forms) < len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise ToolFileError(f"two tools are called {twice!r}")

    def check_complete(self) -> None:
        """Make sure that the model alone can say what each tool is called with.

        Raises:
            SettingError: a tool needs a parameter that no model is shown, and that only LangGraph fills in.
        """
        for tool in self.tools:
            hidden = _injected(tool)
            if hidden:
                raise SettingError(
                    f"the tool {tool.name} needs {hidden[0]!r}, which no model is shown; give it a default, "
                    "or use the tool with create_agent and ReActMiddleware, where LangGraph may fill it in"
                )

    def describe(self) -> str:
        """Return what the model reads of the tools: one line each."""
        return "\n".join(form.description for form in self._forms.values())

    def describe_one(self, name: str) -> str:
        """Return what the model reads of one tool."""
        return self._forms[name].description

    def schemas(self) -> dict[str, dict[str, Any]]:
        """Return the JSON schema of each tool's arguments, an object with ``properties``."""
        return {name: form.schema for name, form in self._forms.items()}

    def inputs(self) -> dict[str, dict[str, Any] | None]:
        """Return how each tool's input is written: by which JSON schema, or None for plain text."""
        return {name: None if form.plain else form.schema for name, form in self._forms.items()}

    def is_direct(self, name: str) -> bool:
        """Say whether what a tool gives is the answer of the run, as LangChain's ``return_direct`` has it."""
        form = self._forms.get(name)
        return form is not None and form.tool.return_direct

    def object_tools(self) -> frozenset[str]:
        """Return the tools with several parameters, whose input has to be a JSON object."""
        return frozenset(name for name, form in self._forms.items() if len(form.properties) > 1)

    def arguments(self, action: Action) -> dict[str, Any] | Observation:
        """Return what an action gives to its tool, by parameter, or what is wrong with the action."""
        call = self._prepare(action)
        return call if isinstance(call, Observation) else call[1]

    def run(
        self, action: Action, config: RunnableConfig | None = None, seconds: float | None = None
    ) -> Observation:
        """Run the tool that an action names and return what came back.

        A tool that is only there as a coroutine is run in an event loop of its own.

        Args:
            action: which tool, and its input.
            config: goes to the tool, with the callbacks.
            seconds: after that time the tool is abandoned; it runs in another thread then. None: it may
                take as long as it takes.

        Raises:
            ToolCrash: the tool raised something that it never announced.
        """
        call = self._prepare(action)
        if isinstance(call, Observation):
            return call
        form, arguments = call
        try:
            if form.is_async:
                return _observed(_run_alone(form.tool, arguments, config, seconds))
            return _observed(within(seconds, form.tool.invoke, arguments, config))
        except Exception as error:  # noqa: BLE001 - a stranger's code can raise anything; nothing is swallowed
            return _explained(form, arguments, error)

    async def arun(
        self, action: Action, config: RunnableConfig | None = None, seconds: float | None = None
    ) -> Observation:
        """Do what `run` does without holding up the event loop: a tool without a coroutine gets a thread."""
        call = self._prepare(action)
        if isinstance(call, Observation):
            return call
        form, arguments = call
        try:
            if form.is_sync:
                # LangChain would take a thread of the event loop, which at its end waits for them all.
                return _observed(await awithin(seconds, form.tool.invoke, arguments, config))
            async with in_time(seconds):
                return _observed(await form.tool.ainvoke(arguments, config))
        except Exception as error:  # noqa: BLE001 - as in `run`
            return _explained(form, arguments, error)

    def _prepare(self, action: Action) -> tuple[_Form, dict[str, Any]] | Observation:
        """Return the tool's form and its arguments, or what is wrong with the action."""
        form = self._forms.get(action.tool)
        if form is None:
            return _complaint(f"there is no tool {action.tool!r}; {suggest(action.tool, self.names)}")
        arguments = form.read(action.input)
        if arguments is None:
            return _complaint(f"{form.tool.name} takes {form.expected}")
        wrong = form.misfit(arguments)
        return _complaint(wrong) if wrong else (form, arguments)


def _tool_of(given: BaseTool | Callable[..., Any]) -> BaseTool:
    """Return a tool, made of a function if need be.

    Raises:
        SettingError: it is no function either, or lacks a docstring.
    """
    from langchain_core.tools import BaseTool, tool
    from pydantic import PydanticUserError

    if isinstance(given, BaseTool):
        return given
    if isinstance(given, type) or not callable(given):
        raise SettingError(f"a tool is a name, a LangChain tool or a function, and no {kind_of(given)}")
    try:
        return tool(given)
    except (ValueError, PydanticUserError) as error:
        name = getattr(given, "__name__", kind_of(given))
        raise SettingError(f"{name} cannot become a tool: {_first_line(error)}") from error


def _injected(tool: BaseTool) -> list[str]:
    """Return the parameters that a tool needs and that are kept from the model."""
    if isinstance(tool.args_schema, dict):
        return []
    needed = getattr(tool.get_input_schema(), "model_fields", {})  # Pydantic's first version has none
    shown = getattr(tool.tool_call_schema, "model_fields", {})
    return [name for name, field in needed.items() if name not in shown and field.is_required()]


@dataclass(frozen=True, slots=True)
class _Form:
    """What a tool wants to be given, worked out once so that a call costs little."""

    tool: BaseTool
    schema: dict[str, Any]
    properties: Mapping[str, Any]
    required: tuple[str, ...]
    open: bool
    """Whether other arguments than `properties` are welcome."""
    only: str | None
    """The parameter, where there is just one."""
    plain: bool
    """Whether that takes text, and nothing else."""
    takes_object: bool
    """Whether it takes a JSON object."""
    is_async: bool
    """Whether the tool can only be awaited."""
    is_sync: bool
    """Whether the tool cannot be awaited but in a thread."""
    description: str
    expected: str

    def read(self, given: Arguments) -> dict[str, Any] | None:
        """Return the arguments that an input stands for; None if it stands for none."""
        if not self.properties and not self.open:
            return {}
        if isinstance(given, str):
            if not given.strip() and not self.required:
                return {}
            parsed = _json(given)
            if self.only is None:
                return parsed if isinstance(parsed, dict) else None
            if isinstance(parsed, dict) and parsed.keys() == {self.only}:
                given = parsed
            else:
                return {self.only: given if self.plain or parsed is None else parsed}
        if self.only is None or (self.only in given and not self.plain):
            return dict(given)
        # Where a text is wanted, other JSON is that text.
        if self.only in given:
            return {**given, self.only: _as_text(given[self.only])}
        if self.plain:
            return {self.only: _as_text(given)}
        is_value = self.takes_object and (given or self.required)
        return {self.only: dict(given)} if is_value else dict(given)

    def misfit(self, arguments: dict[str, Any]) -> str:
        """Say which arguments are missing or unknown; empty if none is."""
        missing = [name for name in self.required if name not in arguments]
        unknown = [] if self.open else [name for name in arguments if name not in self.properties]
        if not missing and not unknown:
            return ""
        problems = [f"{name!r} is missing" for name in missing] + [f"{name!r} is unknown" for name in unknown]
        return f"{self.tool.name}: {', '.join(problems)}; it takes {self.expected}"


def _form_of(tool: BaseTool) -> _Form:
    """Work out what a tool takes; parameters that are injected at run time are not the model's concern.

    Raises:
        SettingError: it takes something that cannot be written as JSON.
    """
    from langchain_core.tools import BaseTool
    from langchain_core.utils.function_calling import convert_to_openai_tool
    from pydantic import PydanticUserError

    has_function = getattr(tool, "func", None) is not None
    awaited = getattr(tool, "coroutine", None) is not None
    try:
        schema: dict[str, Any] = convert_to_openai_tool(tool)["function"].get("parameters", {})
    except PydanticUserError as error:
        raise SettingError(f"the tool {tool.name} cannot be used: {_first_line(error)}") from error
    # A schema may be just `true`, which is anything.
    properties = {
        name: {} if is_any is True else is_any for name, is_any in schema.get("properties", {}).items()
    }
    schema["properties"] = properties
    required = tuple(schema.get("required", ()))
    only = next(iter(properties)) if len(properties) == 1 else None
    plain = only is not None and parameters.types(properties[only]) == {"string"}
    return _Form(
        tool=tool,
        schema=schema,
        properties=properties,
        required=required,
        open=bool(schema.get("additionalProperties")),
        only=only,
        plain=plain,
        takes_object=only is not None and parameters.takes_object(properties[only]),
        is_async=awaited and not has_function,
        is_sync=not awaited and (has_function or type(tool)._arun is BaseTool._arun),
        description=_described(tool, schema, properties[only] if only is not None and plain else None),
        expected=_expected(schema, only),
    )


def _described(tool: BaseTool, schema: Mapping[str, Any], text: Mapping[str, Any] | None) -> str:
    """Return the line that a model reads of a tool, which may say itself what its one parameter takes.

    Args:
        tool: the tool.
        schema: that of its arguments.
        text: that of its one parameter, where that takes text.
    """
    about, properties = " ".join(tool.description.split()), schema["properties"]
    if len(properties) == 1 and "Input:" in about:
        taken = ""
    elif text is not None:
        choices = parameters.kind(text) if "enum" in text else ""
        taken = "; ".join(filter(None, (choices, parameters.about(text))))
    else:
        taken = f"JSON object {parameters.signature(schema, explained=True)}" if properties else "nothing."
    return f"{tool.name}: {about}" + (f" Input: {taken}" if taken else "")


def _expected(schema: Mapping[str, Any], only: str | None) -> str:
    """Say what a tool takes, with an example that has no more in it than must be."""
    if only is None:
        shown = json.dumps(parameters.example(schema), ensure_ascii=False)
        return f"a JSON object {parameters.signature(schema)}, for example {shown}"
    lone = schema["properties"][only]
    shown = json.dumps(parameters.example(lone), ensure_ascii=False)
    return f"{only} ({parameters.kind(lone)}), for example {shown}"


def _json(text: str) -> Any:
    """Read a text as JSON; None if it is not."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _run_alone(
    tool: BaseTool, arguments: dict[str, Any], config: RunnableConfig | None, seconds: float | None
) -> Any:
    """Run a tool that can only be awaited, from code that cannot await."""

    async def run() -> Any:
        async with in_time(seconds):
            return await tool.ainvoke(arguments, config)

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(run())
    # A thread has no loop yet, and can have one of its own while this one's stands still.
    return within(float("inf"), lambda: asyncio.run(run()))


# --- what came back ---


def _observed(result: Any) -> Observation:
    if isinstance(result, str):
        return Observation(encodable(result))
    from langchain_core.messages import BaseMessage

    if isinstance(result, BaseMessage):
        failed = getattr(result, "status", None) == "error"
        return Observation(encodable(text_of(result.content)), error=failed)
    if _is_content(result):
        return Observation(encodable(text_of(result)))
    return Observation(_as_text(result if isinstance(result, _JSON) else _plain(result)))


_JSON = (dict, list, tuple, int, float, type(None))
_PAYLOADS = {"text", "image_url", "base64", "url", "file_id"}


def _is_content(result: Any) -> bool:
    """Say whether it is a list of the blocks that LangChain's messages are made of, and no data like them."""
    from langchain_core.tools.base import TOOL_MESSAGE_BLOCK_TYPES

    return (
        isinstance(result, list)
        and bool(result)
        and all(
            isinstance(block, dict)
            and block.get("type") in TOOL_MESSAGE_BLOCK_TYPES
            and not _PAYLOADS.isdisjoint(block)
            for block in result
        )
    )


def _plain(value: Any) -> Any:
    """Return the fields that a Pydantic model or a dataclass shows, unless it has a text of its own.

    Of anything else it is the text.
    """
    from pydantic import BaseModel

    if isinstance(value, BaseModel) and type(value).__str__ is BaseModel.__str__:
        return dict(value.__repr_args__())
    if dataclasses.is_dataclass(value) and type(value).__str__ is object.__str__:
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.repr}
    return str(value)


def _as_text(result: Any) -> str:
    """Write what a tool gave or was given; halves of surrogate pairs are mended, as no UTF-8 holds them."""
    try:
        text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False, default=_plain)
    except (TypeError, ValueError):  # a key that JSON has not, or a list that holds itself
        text = str(result)
    return encodable(text)


def _explained(form: _Form, arguments: dict[str, Any], error: Exception) -> Observation:
    """Return the observation for an error that the model can mend.

    Raises:
        ToolCrash: it is none of those.
        GraphBubbleUp: the tool stops the graph that the agent is a node of, to ask somebody; the same error.
    """
    from langchain_core.tools import ToolException
    from pydantic import ValidationError

    if isinstance(error, OutOfTime):
        return _complaint(f"{form.tool.name} gave {error}, and was abandoned")
    if isinstance(error, ToolException):
        return _complaint(str(error) or f"{form.tool.name} failed without saying why")
    if isinstance(error, ValidationError | _former("ValidationError")):
        # The tool's own code may use pydantic too: only what the arguments do wrong is the model's fault.
        wrong = _wrong_values(form, arguments)
        if wrong:
            return _complaint(f"{form.tool.name}: {wrong}; it takes {form.expected}")
    from langgraph.errors import GraphBubbleUp

    if isinstance(error, GraphBubbleUp):
        raise error
    raise ToolCrash(form.tool.name, error) from error


def _wrong_values(form: _Form, arguments: dict[str, Any]) -> str:
    """Say which arguments the tool's schema refuses and why; empty if it takes them."""
    from pydantic import BaseModel, ValidationError

    schema = form.tool.get_input_schema()
    try:
        if issubclass(schema, BaseModel):
            schema.model_validate(arguments)
        elif issubclass(schema, _former("BaseModel")):
            schema.parse_obj(arguments)
    except ValidationError as error:
        return ", ".join(_problem(e) for e in error.errors(include_url=False, include_context=False))
    except _former("ValidationError") as error:
        return ", ".join(_problem({"input": arguments.get(e["loc"][0]), **e}) for e in error.errors())
    return ""


def _former(name: str) -> type[Any]:
    """Return a class of Pydantic's first version, which a schema may be of; without that, one of nothing."""
    former = sys.modules.get("pydantic.v1")
    return getattr(former, name) if former else _Nothing


class _Nothing(Exception):  # noqa: N818 - nothing ever is one
    """Stands for a class that is not there."""


def _problem(detail: Mapping[str, Any]) -> str:
    place = ".".join(map(str, detail["loc"])) or "the input"
    shown = _as_text(detail["input"])
    shown = shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…"
    message = detail["msg"].removeprefix("Input ").partition(", unable")[0]
    return f"{place!r} {message}, got {shown!r}"


def _complaint(text: str) -> Observation:
    return Observation(encodable(_one_line(text)), error=True)


def _first_line(error: Exception) -> str:
    """Return what an error says, without the advice that Pydantic puts below it."""
    return str(error).partition("\n")[0]


def _one_line(text: str) -> str:
    return " ".join(text.split())
