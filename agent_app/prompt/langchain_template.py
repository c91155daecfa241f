"""Prompts and LangChain's templates are turned into each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_app.errors import PromptError
from agent_app.prompt.assemble import HISTORY, ROLES, RUN_SLOTS, Content, with_examples
from agent_app.prompt.inputs import as_text
from agent_app.prompt.template import as_source, slot_names

if TYPE_CHECKING:
    from langchain_core.prompts import ChatPromptTemplate, PromptTemplate

_MESSAGE_ROLES = {
    "SystemMessagePromptTemplate": "system",
    "HumanMessagePromptTemplate": "human",
    "AIMessagePromptTemplate": "ai",
}


def to_template(content: Content, examples: str) -> PromptTemplate | ChatPromptTemplate:
    """Return the LangChain template of a prompt's text.

    Args:
        content: the prompt.
        examples: the text that stands where it shows its examples.

    Raises:
        PromptError: LangChain refuses the template, or the prompt holds virtual tokens.
    """
    from langchain_core.prompts import ChatPromptTemplate, PromptTemplate

    if content.soft:
        what = f"the prompt {content.name!r} holds {content.soft.mark}, which a LangChain template cannot"
        raise PromptError(what, file=content.path)
    messages = [(m.role, m.segments) for m in with_examples(content, examples)]
    names = {name for _, segments in messages for name in slot_names(segments)}
    defaults = {
        name: as_text(spec.default)
        for name, spec in content.inputs.items()
        if spec.default is not None and name in names
    }
    if HISTORY in names:
        defaults[HISTORY] = ""
    try:
        if len(messages) == 1 and not messages[0][0]:
            text = as_source(messages[0][1])
            return PromptTemplate.from_template(text, partial_variables=defaults or None)
        chat = ChatPromptTemplate.from_messages([(role, as_source(segments)) for role, segments in messages])
        return chat.partial(**defaults) if defaults else chat
    except ValueError as error:
        raise PromptError(
            f"LangChain refuses the prompt {content.name!r}: {error}", file=content.path
        ) from error


def front_and_body_of(template: object) -> tuple[dict[str, Any], str]:
    """Return the front matter and the body of a file that says what a LangChain template says.

    Raises:
        PromptError: it is not a template of plain text and ``{name}`` slots.
    """
    from langchain_core.prompts import ChatPromptTemplate, PromptTemplate

    if type(template) is PromptTemplate:
        _refuse_other_formats(template)
        return _front(template.input_variables, template.partial_variables), template.template
    if type(template) is not ChatPromptTemplate:
        kept = "a PromptTemplate or a ChatPromptTemplate of system, human and ai texts"
        raise PromptError(f"a {type(template).__name__} cannot be kept in a prompt file; it takes {kept}")
    sections = []
    for message in template.messages:
        role = _MESSAGE_ROLES.get(type(message).__name__)
        prompt = getattr(message, "prompt", None)
        if role is None or type(prompt) is not PromptTemplate:
            what = f"a {type(message).__name__} cannot be kept in a prompt file"
            raise PromptError(f"{what}; it takes texts of the roles {', '.join(ROLES)}")
        _refuse_other_formats(prompt)
        sections.append(f"# {role}\n{prompt.template}")
    front = _front(template.input_variables, template.partial_variables)
    return {**front, "chat": True}, "\n".join(sections)


def _front(names: list[str], defaults: Any) -> dict[str, Any]:
    inputs: dict[str, Any] = {name: {"type": "string"} for name in names if name not in RUN_SLOTS}
    for name, value in defaults.items():
        if name == HISTORY and value == "":
            continue
        if not isinstance(value, str):
            raise PromptError(
                f"the partial variable {name!r} is not a text, so it cannot be kept in a prompt file"
            )
        inputs[name] = {"type": "string", "default": value}
    return {"inputs": inputs} if inputs else {}


def _refuse_other_formats(template: PromptTemplate) -> None:
    if template.template_format != "f-string":
        form = template.template_format
        raise PromptError(f"a {form} template cannot be kept in a prompt file; write it with {{name}} slots")
