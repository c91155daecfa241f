"""The help of every command: complete, true, and as wide as the terminal."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner
from test_readme import calls

from agent_app.cli import app
from agent_app.cli.options import unless
from agent_app.settings import Settings


def commands(command: click.Command = app, *names: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command and sub-command, with the words that call it."""
    yield names, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from commands(below, *names, name)


EVERY = dict(commands())
IDS = [" ".join(("agent-app", *names)) for names in EVERY]
every = pytest.mark.parametrize(("names", "command"), EVERY.items(), ids=IDS)


def shown(names: tuple[str, ...], columns: int = 80) -> str:
    done = CliRunner().invoke(app, [*names, "--help"], prog_name="agent-app", env={"COLUMNS": str(columns)})
    assert done.exit_code == 0
    return done.stdout


def paragraphs(command: click.Command) -> list[str]:
    return inspect.cleandoc(command.help or "").split("\n\n")


@every
def test_it_begins_with_one_sentence(names: tuple[str, ...], command: click.Command) -> None:
    sentence = " ".join(paragraphs(command)[0].split())
    assert re.fullmatch(r"[A-Z].{15,}\.", sentence)
    assert ". " not in sentence.replace(".env ", "")


@every
def test_every_option_and_argument_is_explained(names: tuple[str, ...], command: click.Command) -> None:
    text = command.help or ""
    for param in command.params:
        if isinstance(param, click.Option):
            assert param.help, param.name
        else:
            assert param.make_metavar(click.Context(command)).strip("[].{}") or text
            assert str(param.metavar or param.name).upper() in text, param.name


@every
def test_its_examples_are_calls_that_it_takes(names: tuple[str, ...], command: click.Command) -> None:
    examples = [part for part in paragraphs(command) if part.startswith("\b\nExamples:\n")]
    assert len(examples) == 1, "there are no examples"
    lines = [line.strip() for line in examples[0].splitlines()[2:]]
    found = [words for line in lines for words in calls(re.sub(r'eval "\$\((.*)\)"', r"\1", line))]
    assert found
    assert any(tuple(words[: len(names)]) == names for words in found)
    for words in found:
        parse(words)


def parse(words: list[str]) -> None:
    """Have click read a call as the program does, without running it."""
    context = app.make_context("agent-app", list(words))
    rest = [*context._protected_args, *context.args]
    while rest and isinstance(context.command, click.Group):
        name, command, rest = context.command.resolve_command(context, rest)
        assert command is not None, name
        context = command.make_context(name, rest, parent=context)
        rest = [*context._protected_args, *context.args]


@every
def test_exit_codes_and_where_to_read_on_are_told(names: tuple[str, ...], command: click.Command) -> None:
    starts = [part.partition(":")[0] for part in paragraphs(command)]
    if names in {("models", "list"), ("tools", "list")}:  # which are what the command above is
        return
    assert "Exit codes" in starts
    known = {" ".join(("agent-app", *words)) for words in EVERY} | {"agent-app COMMAND --help"}
    for part in paragraphs(command):
        if part.startswith("See also: "):
            for named in re.findall(r"agent-app(?: [a-z]+)*", part):
                assert named in known or named.startswith("agent-app help "), named


@every
@pytest.mark.parametrize("columns", [80, 40])
def test_it_is_no_wider_than_the_terminal(
    names: tuple[str, ...], command: click.Command, columns: int
) -> None:
    assert [line for line in shown(names, columns).splitlines() if len(line) > columns] == []


def test_a_long_example_can_still_be_copied() -> None:
    words = ["-t", "calculator", "--json", "15% of 240"]
    narrow = shown(("ask",), 40)
    assert '    agent-app ask -t calculator \\\n      --json "15% of 240" | jq .text\n' in narrow
    (line,) = [
        line.strip()
        for line in narrow.replace("\\\n", " ").splitlines()
        if line.strip().startswith("agent-app ask -t calculator")
    ]
    assert next(calls(line))[1:] == words


def test_defaults_are_those_of_the_settings() -> None:
    defaults = Settings()
    assert unless("max_steps") == f"[default: {defaults.max_steps}; AGENT_APP_MAX_STEPS]"
    assert unless("max_seconds") == "[default: none; AGENT_APP_MAX_SECONDS]"
    assert f"[default: {defaults.model};" in " ".join(shown(("ask",)).split())


@every
def test_help_before_a_command_is_help_after_it(names: tuple[str, ...], command: click.Command) -> None:
    before = CliRunner().invoke(app, ["help", *names], prog_name="agent-app", env={"COLUMNS": "80"})
    assert (before.exit_code, before.stdout) == (0, shown(names))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("aks",), "unknown command 'aks'; did you mean 'ask'?"),
        (("prompts", "chek"), "unknown command 'chek'; did you mean 'check'?"),
        (("ask", "more"), "unknown command 'more'; there is none"),
    ],
)
def test_help_for_no_command_names_the_nearest(words: tuple[str, ...], says: str) -> None:
    done = CliRunner().invoke(app, ["help", *words])
    assert str(done.exception) == says
