"""What can be written after a slash: each command, what it takes, and what it does.

A command is a function of the conversation and of what stands after its name. It changes the conversation
and yields what is to be shown or done; it knows no terminal.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from agent_app.approvals import Decision
from agent_app.chat import switching
from agent_app.chat.conversation import Conversation
from agent_app.chat.effects import (
    Ask,
    ClearScreen,
    Copy,
    Effect,
    Explain,
    Leave,
    Rewrite,
    Rows,
    Tell,
    Turns,
    Write,
)
from agent_app.chat.permissions import Permissions
from agent_app.chat.why import spent, whole_call, why
from agent_app.errors import UnknownName, UserError, suggest
from agent_app.paths import path_of
from agent_app.redaction import Redactor
from agent_app.sessions import as_dict, as_markdown
from agent_app.steps import Usage
from agent_app.terminal import clean_line

_Do: TypeAlias = Callable[[Conversation, str], Iterable[Effect]]

_RESUMED_TURNS = 3
_LISTED_SESSIONS = 20


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the chat."""

    name: str
    takes: str
    """What stands after it, as `/help` shows it."""
    about: str
    do: _Do
    choices: Callable[[Conversation], Iterable[str]] = lambda _: ()
    """What could stand after it, as far as that is known without waiting."""


def effects_of(chat: Conversation, line: str) -> Generator[Effect, None, None]:
    """Do what was typed, and yield what is to be shown: a command's effects, or a question to ask.

    Raises:
        UnknownName: it begins with a slash and is no command; the nearest ones are named.
        UserError: the command cannot do that; says why.
    """
    if not line.startswith("/"):
        if line.strip():
            yield Ask(line.strip())
        return
    name, _, argument = line[1:].partition(" ")
    command = COMMANDS.get(name.strip())
    if command is None:
        raise UnknownCommand(name)
    if argument.strip() and not command.takes:
        raise UserError(f"write /{command.name} alone; nothing stands after it")
    yield from command.do(chat, argument.strip())


class UnknownCommand(UserError):  # noqa: N818 - as `UnknownName`
    """There is no such command; the nearest ones are named."""

    def __init__(self, name: str) -> None:
        near = suggest(f"/{name}", [f"/{known}" for known in COMMANDS])
        super().__init__(f"unknown command '/{name}'; {near} (a question may begin with a space)")


@dataclass(frozen=True, slots=True)
class Choice:
    """What could be typed on."""

    text: str
    replaces: int
    """How many characters before the cursor it takes the place of."""
    about: str = ""


def completions(chat: Conversation, typed: str) -> Iterator[Choice]:
    """Yield what a command that has been begun could become.

    Args:
        chat: what is going on.
        typed: what stands before the cursor.
    """
    if not typed.startswith("/") or "\n" in typed:
        return
    name, space, argument = typed[1:].partition(" ")
    if not space:
        for command in COMMANDS.values():
            if command.name.startswith(name):
                yield Choice(command.name, len(name), command.about)
    elif name in COMMANDS:
        try:
            choices = tuple(COMMANDS[name].choices(chat))
        except UserError:  # what is wrong with a folder or a file is told when the command is called
            return
        for choice in choices:
            if choice.startswith(argument) and clean_line(choice) == choice:
                yield Choice(choice, len(argument))


# -- what was said ----------------------------------------------------------------------------------


def _why(chat: Conversation, argument: str) -> Iterator[Effect]:
    if argument:
        yield Explain(tuple(whole_call(chat.calls, _number(argument))))
    else:
        yield Explain(tuple(why(chat.last, chat.calls)))


def _usage(chat: Conversation, _: str) -> Iterator[Effect]:
    results = chat.results
    if not results:
        yield Tell("Nothing has been asked yet.")
        return
    rows = [("last answer", spent(results[-1].usage))]
    if len(results) > 1:
        total = sum((result.usage for result in results), Usage())
        rows.append((f"all {len(results)}", spent(total)))
    yield Rows(rows)


def _undo(chat: Conversation, _: str) -> Iterator[Effect]:
    undone = chat.undo()
    yield Tell("There is nothing to take back." if undone is None else f"Taken back: {undone.question}")


def _redo(chat: Conversation, _: str) -> Iterator[Effect]:
    restored = chat.redo()
    yield Tell("There is nothing to restore.") if restored is None else Turns([restored])


def _retry(chat: Conversation, _: str) -> Iterator[Effect]:
    yield Ask(chat.last.question, instead=True)


def _edit(chat: Conversation, argument: str) -> Iterator[Effect]:
    question = chat.last.question
    yield Ask(argument, instead=True) if argument else Rewrite(question)


def _copy(chat: Conversation, _: str) -> Iterator[Effect]:
    if not chat.last.text:
        raise UserError("the last question has no answer to copy")
    yield Copy(chat.last.text)


def _save(chat: Conversation, argument: str) -> Iterator[Effect]:
    if not argument:
        raise UserError("write /save and a file, such as /save chat.md or /save chat.json")
    path = path_of(argument)
    text = _exported(chat, path.suffix.removeprefix(".") or "md")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UserError(f"{path} is there already; name another file") from None
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error
    yield Tell(f"Saved in {path}.")


def _export(chat: Conversation, argument: str) -> Iterator[Effect]:
    yield Write(_exported(chat, argument or "markdown"))


def _exported(chat: Conversation, form: str) -> str:
    if form in ("md", "markdown"):
        return as_markdown(chat.session)
    if form == "json":
        return json.dumps(as_dict(chat.session), ensure_ascii=False, indent=2) + "\n"
    raise UnknownName("form", form, ("markdown", "json"))


# -- sessions ---------------------------------------------------------------------------------------


def _sessions(chat: Conversation, argument: str) -> Iterator[Effect]:
    if argument:
        chat.resume(chat.store.session(argument))
        yield from resumed(chat)
        return
    listed = chat.store.sessions(limit=_LISTED_SESSIONS)
    if not listed:
        yield Tell("No session is kept yet.")
        return
    yield Rows([
        (
            f"{'* ' if info.id == chat.session.id else '  '}{info.id}",
            f"{info.changed.astimezone():%Y-%m-%d %H:%M}",
            str(info.runs),
            info.title,
        )
        for info in listed
    ])  # fmt: skip


def resumed(chat: Conversation) -> Iterator[Effect]:
    """Show what a session was about that is gone on with."""
    yield Tell(f"Going on with {chat.session.id}: {chat.session.title}")
    yield Turns(chat.results[-_RESUMED_TURNS:])


def _rename(chat: Conversation, argument: str) -> Iterator[Effect]:
    if not argument:
        raise UserError("write /rename and a title")
    chat.session.rename(Redactor.from_environment().text(argument))
    yield Tell(f"This session is called: {chat.session.title}")


def _fork(chat: Conversation, _: str) -> Iterator[Effect]:
    before = chat.session
    chat.resume(before.fork())
    yield Tell(f"Going on in a copy, {chat.session.id}; {before.id} stays as it is.")


def _clear(chat: Conversation, _: str) -> Iterator[Effect]:
    before = chat.session
    kept = f" /sessions {before.id} goes back to the one before." if chat.kept else ""
    chat.resume(chat.store.new_session())
    yield ClearScreen()
    yield Tell(f"A new session.{kept}")


def _ids(chat: Conversation) -> list[str]:
    return [info.id for info in chat.store.sessions(limit=_LISTED_SESSIONS)]


# -- tools that were asked about --------------------------------------------------------------------


def _rules(chat: Conversation, argument: str) -> Iterator[Effect]:
    permissions = chat.permissions
    decisions = permissions.decisions
    word, _, rest = argument.partition(" ")
    if word == "revoke":
        chosen = _number(rest)
        if not 1 <= chosen <= len(decisions):
            raise UserError(f"there is no decision {chosen}; /rules lists them")
        permissions.revoke(decisions[chosen - 1])
        chat.keep_decisions()
        yield Tell("Revoked; it will be asked about again.")
    elif argument:
        raise UserError("write /rules, or /rules revoke and a number")
    else:
        yield from _listed_rules(chat)


def _listed_rules(chat: Conversation) -> Iterator[Effect]:
    permissions = chat.permissions
    rules = [("rule", str(rule)) for rule in permissions.approvals.rules]
    decided = [(str(number), _decided(d, permissions)) for number, d in enumerate(permissions.decisions, 1)]
    if not rules + decided:
        yield Tell("No rule was given, and nothing was decided. Tools are asked about by what they declare.")
    else:
        yield Rows(rules + decided)


def _decided(decision: Decision, permissions: Permissions) -> str:
    said = "allowed" if decision.allowed else "refused"
    call = decision.tool if decision.arguments is None else f"{decision.tool} {decision.arguments}"
    held = "kept with this session" if permissions.is_kept(decision) else "until this chat ends"
    return f"{said}: {call}, {held}"


# -- the rest ---------------------------------------------------------------------------------------


def _help(_: Conversation, argument: str) -> Iterator[Effect]:
    name = argument.removeprefix("/")
    if name and name not in COMMANDS:
        raise UnknownCommand(name)
    shown = [COMMANDS[name]] if name else COMMANDS.values()
    yield Rows([(f"/{c.name} {c.takes}".rstrip(), c.about) for c in shown])


def _quit(_: Conversation, __: str) -> Iterator[Effect]:
    yield Leave()


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UserError(f"not a number: {text!r}") from None


_ALL = (
    Command("help", "[COMMAND]", "list the commands", _help, lambda _: COMMANDS),
    Command(
        "prompt", "[NAME]", "list the prompts, or go on with another one",
        switching.prompt, switching.prompt_names,
    ),
    Command(
        "persona", "[NAME]", "list the voices of the prompt, or go on with another one",
        switching.persona, switching.persona_names,
    ),
    Command(
        "model", "[NAME]", "list the models, or go on with another one",
        switching.model, switching.model_names,
    ),
    Command(
        "tools", "[on|off NAME ...]", "list the tools, or offer one again or no more",
        switching.tools, switching.tool_words,
    ),
    Command("why", "[CALL]", "show how the last answer came about; with a number, all of that call", _why),
    Command("usage", "", "show tokens, times and costs", _usage),
    Command("undo", "", "take the last question and its answer back", _undo),
    Command("redo", "", "restore what was taken back", _redo),
    Command("retry", "", "ask the last question again", _retry),
    Command("edit", "[QUESTION]", "change the last question and ask again", _edit),
    Command("copy", "", "copy the last answer to the clipboard", _copy),
    Command("save", "FILE", "write the session to a new file, .md or .json", _save),
    Command(
        "export", "[markdown|json]", "show the session as a document, or as data",
        _export, lambda _: ("markdown", "json"),
    ),
    Command("sessions", "[ID]", "list the sessions, or go on with one", _sessions, _ids),
    Command("rename", "TITLE", "give this session a title", _rename),
    Command("fork", "", "go on in a copy of this session", _fork),
    Command("clear", "", "begin a new session; this one is kept", _clear),
    Command(
        "rules", "[revoke N]", "list what tools may do, or revoke a decision",
        _rules, lambda _: ("revoke",),
    ),
    Command("quit", "", "leave", _quit),
)  # fmt: skip

COMMANDS: dict[str, Command] = {command.name: command for command in _ALL}
"""Every command by its name, in the order of `/help`."""
