"""The commands that change what answers: another prompt, voice, model, or other tools."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from agent_app.chat.conversation import Conversation
from agent_app.chat.effects import Effect, Loading, Rows, Tell
from agent_app.errors import UnknownName, UserError
from agent_app.models.pinned import pinned_models
from agent_app.models.virtual import meant_by
from agent_app.prompt import library_folders, list_prompts
from agent_app.prompt.library import part_names

_PERSONA = "persona"


def prompt(chat: Conversation, name: str) -> Iterator[Effect]:
    """List the prompts, or go on with another one; its own persona speaks then."""
    if not name:
        listed = list_prompts(library_folders(chat.loader.settings.prompts_dir))
        yield _choices(
            chat.prompt.name, [(entry.name, entry.problem or entry.description) for entry in listed]
        )
        return
    yield Loading()
    chat.choose(prompt=name, persona=None)
    yield Tell(f"The prompt is {chat.prompt.name} now.")
    if not chat.has_memory:
        yield Tell(NO_MEMORY)


NO_MEMORY = "This prompt shows the model nothing of what was said before; each question stands alone."


def persona(chat: Conversation, name: str) -> Iterator[Effect]:
    """List the voices that the prompt can have, or go on with another one."""
    if not name:
        yield _choices(_present_persona(chat), [(known,) for known in persona_names(chat)])
        return
    yield Loading()
    chat.choose(persona=name)
    yield Tell(f"The persona is {name} now.")


def model(chat: Conversation, name: str) -> Iterator[Effect]:
    """List the models, or go on with another one."""
    if not name:
        present = meant_by(chat.setup.model, chat.prompt.soft)
        known = {f"embedded:{pinned.name}": pinned.description for pinned in pinned_models().values()}
        others = [
            ("embedded:PATH.gguf", "a file of your own"),
            ("openai:NAME", "OpenAI, or what OPENAI_BASE_URL names"),
            ("PROVIDER:NAME", "whatever LangChain knows"),
        ]
        yield _choices(present, [*({present: ""} | known).items(), *others])
        return
    yield Loading()
    chat.choose(model=name)
    yield Tell(f"The model is {name} now.")


def tools(chat: Conversation, argument: str) -> Iterator[Effect]:
    """List the tools, or offer some again or no more."""
    word, *names = argument.split() or [""]
    yield Loading()
    offered = chat.offered
    if word in ("on", "off") and names:
        for name in names:
            if name not in chat.loader.tools:
                raise UnknownName("tool", name, chat.loader.tools)
        wanted = {*offered, *names} if word == "on" else {*offered} - {*names}
        chosen = tuple(name for name in chat.loader.tools if name in wanted)
        chat.change(dataclasses.replace(chat.setup, tools=chosen))
        yield Tell(f"The tools are: {', '.join(chosen) or 'none'}.")
    elif argument:
        raise UserError("write /tools, or /tools on NAME, or /tools off NAME")
    else:
        rows = [(name, "on" if name in offered else "off", what) for name, what in chat.loader.tools.items()]
        yield Rows(rows) if rows else Tell("There is no tool.")


def prompt_names(chat: Conversation) -> list[str]:
    """Return the names of all prompts."""
    return [entry.name for entry in list_prompts(library_folders(chat.loader.settings.prompts_dir))]


def persona_names(chat: Conversation) -> list[str]:
    """Return the names of the personas that the prompt can have."""
    part = chat.prompt.parts.get(_PERSONA)
    return sorted(part_names(Path(part).parent.as_posix(), chat.prompt.libraries)) if part else []


def model_names(_: Conversation) -> list[str]:
    """Return the names of the embedded models."""
    return [f"embedded:{name}" for name in pinned_models()]


def tool_words(chat: Conversation) -> list[str]:
    """Return what can follow `/tools`, as far as it is known without waiting."""
    return [f"{word} {name}" for word in ("on", "off") for name in chat.loader.tools] or ["on", "off"]


def _present_persona(chat: Conversation) -> str:
    return Path(chat.prompt.parts.get(_PERSONA, "")).stem


def _choices(present: str, rows: list[tuple[str, ...]]) -> Rows:
    return Rows([(f"{'* ' if name == present else '  '}{name}", *rest) for name, *rest in rows])
