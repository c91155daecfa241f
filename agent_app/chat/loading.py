"""Makes the agent that a conversation asks, and keeps what takes long to load."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agent_app.approvals import Approvals
from agent_app.errors import UnknownName
from agent_app.prompt import Prompt, library_folders, load_prompt
from agent_app.prompt.inputs import Value
from agent_app.settings import Settings

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.tools import BaseTool

    from agent_app.agent import Agent


@dataclass(frozen=True, slots=True)
class Setup:
    """With what questions are answered."""

    model: str
    prompt: str
    persona: str | None = None
    tools: tuple[str, ...] | None = None
    """None: every tool there is."""
    values: Mapping[str, Value] = field(default_factory=dict)
    """For inputs of the prompt; those that it does not have are left out."""


class Loader:
    """Makes agents; the tools and the last model are loaded once for all of them.

    Args:
        settings: limits, and where things are.
        approvals: decides about the calls of tools.
        load: gives every tool there is; None: the built-in ones and the user's own.
        fallbacks: models that take over when the chosen one has failed for good.
    """

    def __init__(
        self,
        settings: Settings,
        approvals: Approvals,
        load: Callable[[], Sequence[BaseTool]] | None = None,
        fallbacks: Sequence[str] = (),
    ) -> None:
        self.settings = settings
        self._approvals = approvals
        self._load = load or self._own_tools
        self._fallbacks = tuple(fallbacks)
        self._tools: dict[str, BaseTool] = {}
        self._model: tuple[str, BaseChatModel] | None = None

    @property
    def tools(self) -> dict[str, str]:
        """The tools that there are, by name, each with what it does; empty until an agent was loaded."""
        return {name: " ".join(tool.description.split()) for name, tool in self._tools.items()}

    def prompt(self, setup: Setup) -> Prompt:
        """Return the prompt that is meant; needs none of what takes long to load.

        Raises:
            UserError: it cannot be had.
        """
        folders = library_folders(self.settings.prompts_dir)
        return load_prompt(setup.prompt, folders=folders, persona=setup.persona)

    def load(self, setup: Setup) -> Agent:
        """Return an agent that is ready to answer; what was loaded before stays so if this fails.

        Raises:
            UserError: something cannot be had; says which and what would be right.
        """
        from agent_app.agent import Agent
        from agent_app.models import meant_by

        prompt = self.prompt(setup)
        offered = self._offered(setup.tools)
        name = meant_by(setup.model, prompt.soft)
        before, model = self._model, self._loaded(name, prompt)
        agent = Agent.from_settings(
            self.settings,
            model=model,
            prompt=prompt,
            tools=offered,
            fallbacks=self._fallbacks,
            approvals=self._approvals,
        )
        agent.open()
        self._model = name, model
        if before is not None and before[1] is not model:
            _close(before[1])
        return agent

    def _offered(self, names: tuple[str, ...] | None) -> list[BaseTool]:
        if not self._tools:
            tools = {tool.name: tool for tool in self._load()}
            self._approvals.check_tools(tools)
            self._tools = tools
        for name in names or ():
            if name not in self._tools:
                raise UnknownName("tool", name, self._tools)
        return [tool for name, tool in self._tools.items() if names is None or name in names]

    def _own_tools(self) -> Sequence[BaseTool]:
        from agent_app.toolbox import load_tools, tool_folders

        return load_tools(None, tool_folders(self.settings))

    def _loaded(self, name: str, prompt: Prompt) -> BaseChatModel:
        from agent_app.models import can_read, load_model

        if self._model is not None and self._model[0] == name:
            model = self._model[1]
            if prompt.soft is None or can_read(model, prompt.soft):
                return model
        return load_model(name, settings=self.settings, soft=prompt.soft_prompts)


def _close(model: Any) -> None:
    """Free the memory of an embedded model that nobody asks any more."""
    if hasattr(model, "close"):
        model.close()
