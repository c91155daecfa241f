"""A ReAct agent on LangChain that speaks as a pirate.

    from agent_app import Agent

    print(Agent().invoke("What is 23 * 47?").text)

Names are loaded when they are first used, so that ``import agent_app`` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent_app.agent import Agent
    from agent_app.approvals import Approvals, Rule
    from agent_app.batch.running import arun_batch, run_batch
    from agent_app.budget import Budget
    from agent_app.errors import (
        AgentAppError,
        BatchError,
        DataError,
        DiskFull,
        EndpointBusy,
        EndpointDown,
        EndpointError,
        EndpointRefused,
        FetchError,
        LimitReached,
        ModelError,
        PromptError,
        QuestionError,
        ReplayDiverged,
        ScriptError,
        SettingError,
        StoreError,
        ToolCrash,
        ToolFileError,
        TuningError,
        UnknownName,
        UserError,
        partial_result,
    )
    from agent_app.mcp_tools import load_mcp_tools
    from agent_app.models import load_model
    from agent_app.prices import Price
    from agent_app.prompt import Prompt, load_prompt
    from agent_app.retrying import Retry
    from agent_app.steps import Action, Answer, LeftOut, Observation, Result, Unreadable, Usage
    from agent_app.toolbox import load_tools

__all__ = [
    "Action",
    "Agent",
    "AgentAppError",
    "Answer",
    "Approvals",
    "BatchError",
    "Budget",
    "DataError",
    "DiskFull",
    "EndpointBusy",
    "EndpointDown",
    "EndpointError",
    "EndpointRefused",
    "FetchError",
    "LeftOut",
    "LimitReached",
    "ModelError",
    "Observation",
    "Price",
    "Prompt",
    "PromptError",
    "QuestionError",
    "ReplayDiverged",
    "Result",
    "Retry",
    "Rule",
    "ScriptError",
    "SettingError",
    "StoreError",
    "ToolCrash",
    "ToolFileError",
    "TuningError",
    "UnknownName",
    "Unreadable",
    "Usage",
    "UserError",
    "arun_batch",
    "load_mcp_tools",
    "load_model",
    "load_prompt",
    "load_tools",
    "partial_result",
    "run_batch",
]

_MODULES = {
    "Agent": "agent",
    "Approvals": "approvals",
    "Budget": "budget",
    "Price": "prices",
    "Retry": "retrying",
    "Rule": "approvals",
    "load_mcp_tools": "mcp_tools",
    "Prompt": "prompt",
    "load_prompt": "prompt",
    "load_model": "models",
    "load_tools": "toolbox",
    **dict.fromkeys(("arun_batch", "run_batch"), "batch.running"),
    **dict.fromkeys(("Action", "Answer", "LeftOut", "Observation", "Result", "Unreadable", "Usage"), "steps"),
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version  # it takes longer than all else here

        try:
            return version("agent-app")
        except PackageNotFoundError:  # run from a bare checkout
            return "0+unknown"
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'errors')}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
