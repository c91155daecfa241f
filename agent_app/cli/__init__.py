"""The command line: one file a command, loaded when it is called."""

from __future__ import annotations

from importlib import import_module

import click

from agent_app.cli import shells  # noqa: F401 - registers what our completion needs
from agent_app.cli.manual import lay_out

_COMMANDS = {
    "ask": "Answer one question.",
    "batch": "Answer a file of questions, and always finish.",
    "compare": "Compare two files of answers, such as those of two prompts.",
    "chat": "Talk with the agent.",
    "log": "Look into past sessions: list, show, search, export, delete.",
    "completion": "Print what completes commands in your shell.",
    "doctor": "Check that everything is there that a question needs.",
    "help": "Show the help of a command.",
    "models": "List the embedded models, or fetch one.",
    "prompts": "List, show, check and compare prompts.",
    "report": "Make a page of a batch's answers: totals, plots, and every row with its steps.",
    "soft": "Tune soft prompts, look into them and check them.",
    "tools": "List the tools, or run one without a model.",
}


class _Lazy(click.Group):
    """A group whose commands are imported only when they are called, so that `--help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        if name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"agent_app.cli.{name}"), name)
        return lay_out(command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from agent_app.errors import UnknownName

        known = not args or args[0] in _COMMANDS or args[0].startswith("-")
        if not known and not ctx.resilient_parsing:  # while a shell completes, nothing is complained of
            raise UnknownName("command", args[0], _COMMANDS)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        import agent_app

        click.echo(f"agent-app {agent_app.__version__}")
        ctx.exit()


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version."
)
def app() -> None:
    """Ask a pirate, who thinks in steps and has tools.

    \b
    Examples:
      agent-app ask "What is 23 * 47?"
      agent-app chat
      agent-app tools run calculator "2*(3+4)"
      agent-app models
      agent-app help ask

    Answers go to stdout, everything else to stderr. Settings are read from options, then the
    environment, then a file .env here or in a folder above; .env.example lists them.

    Exit codes: 0 done; 1 an answer is missing or failed; 2 the call or a setting is wrong; 3 a limit
    ended the run early; 130 interrupted.

    Environment: AGENT_APP_MODEL and the other settings; OPENAI_API_KEY and the keys of other
    providers; OPENAI_BASE_URL; NO_COLOR; COLUMNS.
    """


lay_out(app)
