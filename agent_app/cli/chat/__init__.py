"""`agent-app chat`: a conversation at the terminal, or through a pipe."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from agent_app.cli.agents import Choices, agent_options
from agent_app.cli.fetching import make_sure

if TYPE_CHECKING:
    from agent_app.chat.conversation import Conversation
    from agent_app.cli.chat.talking import View
    from agent_app.sessions import Session, Store


@click.command()
@agent_options
@click.option("-c", "--continue", "latest", is_flag=True, help="Go on with the last session.")
@click.option("--resume", metavar="ID", help="Go on with this session; /sessions lists them.")
@click.option("--no-log", is_flag=True, help="Keep nothing: no session, and nothing of what is typed.")
def chat(latest: bool, resume: str | None, no_log: bool, **given: Any) -> None:
    """Talk with the agent; follow-up questions know what was said before.

    \b
    Examples:
      agent-app chat
      agent-app chat --continue
      agent-app chat -m openai:gpt-4o-mini --persona noir
      agent-app chat --rule "ask:web_search"
      printf 'What is 23 * 47?\\nAnd half?\\n' | agent-app chat

    At a terminal, Enter sends and Alt-Enter begins a new line; Ctrl-R searches what was typed before, Ctrl-X
    Ctrl-E opens $EDITOR. Ctrl-C stops an answer; twice at the prompt, or Ctrl-D, leaves. /help lists the
    commands. Through a pipe each line is a question or a command, and the answers go to stdout.

    Exit codes: 0 done; 1 a line of a pipe came to nothing; 2 the call or a setting is wrong; 130 interrupted.

    Environment: AGENT_APP_MODEL, AGENT_APP_PROMPT and the other settings; EDITOR.

    See also: agent-app log, agent-app help ask.
    """
    if latest and resume:
        raise click.UsageError("--continue and --resume name two sessions; give one of them")
    if no_log and (latest or resume):
        raise click.UsageError("--no-log keeps nothing; it cannot go on with a session")
    from agent_app.chat import Conversation, Loader, Permissions, Setup

    choices = Choices(**given)
    settings = choices.settings()
    permissions = Permissions(choices.rules)
    every_tool = partial(choices.every_tool, settings, click.get_current_context())
    loader = Loader(settings, permissions.approvals, every_tool, choices.fallbacks)
    chosen, values = choices.loaded_prompt(settings)
    chosen.draft("", "", (), **values)  # what is wrong with the call is said before any fetching
    offered = () if choices.no_tools else choices.tools or None
    setup = Setup(settings.model, settings.prompt, choices.persona, offered, values)
    with _store(keep=not no_log) as store:
        session = _session(store, latest=latest, resume=resume)
        make_sure(settings, yes=choices.yes, prompt=chosen)
        _talk(Conversation(setup, loader, permissions, store, session), keep=not no_log)


@contextlib.contextmanager
def _store(*, keep: bool) -> Iterator[Store]:
    from agent_app.errors import StoreError
    from agent_app.sessions import Store

    try:
        opened = Store.open() if keep else Store.in_memory()
    except StoreError as error:
        raise StoreError(f"{error.problem}; --no-log talks without it", error.path) from error
    with opened as store:
        yield store


def _session(store: Store, *, latest: bool, resume: str | None) -> Session:
    if resume is not None:
        return store.session(resume)
    return (store.latest() if latest else None) or store.new_session()


def _talk(chat: Conversation, *, keep: bool) -> None:
    """Talk until the end; a person gets exit code 0, a pipe 1 where some line came to nothing."""
    from agent_app.cli.chat.reading import Keyboard, Pipe
    from agent_app.cli.chat.talking import Talk
    from agent_app.places import typed_file

    typing = sys.stdin.isatty() and (sys.stdout.isatty() or sys.stderr.isatty())
    reader = Keyboard(chat, typed_file() if keep else None) if typing else Pipe()
    talk = Talk(chat, reader, lambda: _view(chat, typing=typing))
    talk.begin()
    talk.go_on()
    if talk.failures and not typing:
        sys.exit(1)


def _view(chat: Conversation, *, typing: bool) -> View:
    """Return what shows the chat, and let it ask about tools."""
    from agent_app.cli.approving import terminal_approver
    from agent_app.cli.chat.plain import Plain
    from agent_app.terminal import colours

    approver = terminal_approver(chat.permissions.keep)
    if not (typing and colours(sys.stdout)):
        chat.permissions.ask_with(approver)
        return Plain()
    from agent_app.cli.chat.screen import Screen

    screen = Screen(chat)
    chat.permissions.ask_with(screen.asking(approver))
    return screen
