"""`agent-app batch --engine ray`: its options, and the batch that they make."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent_app.batch.on_ray.cluster import check_address
from agent_app.cli import options
from agent_app.cli.batch.judging import warn_of_repeats

if TYPE_CHECKING:
    from agent_app.batch.on_ray.engine import RayBatch
    from agent_app.batch.rows import Rows
    from agent_app.batch.running import How
    from agent_app.batch.taking_over import Tries
    from agent_app.budget import Budget
    from agent_app.prompt import Prompt
    from agent_app.settings import Settings

ray_options: Callable[[Any], Any] = options.together(
    click.option(
        "--engine",
        type=click.Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="Where the rows are asked: in this process, or on a Ray cluster.",
    ),
    click.option(
        "--address", metavar="ADDRESS", help="The Ray cluster's [default: RAY_ADDRESS, or one here]."
    ),
    click.option(
        "--actors",
        type=click.IntRange(min=1),
        metavar="N",
        help="Agents on the cluster [default: one a node].",
    ),
    click.option(
        "--cpus-per-actor",
        type=click.IntRange(min=1),
        metavar="N",
        help="CPUs of each [default: 1; for the embedded model all of a node].",
    ),
    click.option(
        "--worker-env",
        multiple=True,
        metavar="NAME",
        help="A variable of the environment that the actors are given, such as a key (repeatable).",
    ),
)


def check_options(call: Any) -> None:
    """Make sure, before anything is started, that the engine takes the options that were given.

    Raises:
        click.UsageError: they are those of a cluster, but there is to be none.
        SettingError: Ray is not installed, or the address is that of a client.
    """
    if call.on_ray:
        check_address(call.address)
        return
    for name in ("address", "actors", "cpus_per_actor", "worker_env"):
        if getattr(call, name) not in (None, ()):
            raise click.UsageError(f"--{name.replace('_', '-')} needs --engine ray")


@contextlib.contextmanager
def _connection(address: str | None) -> Iterator[None]:
    """Connect to the cluster; what Ray prints goes to stderr, as stdout is for answers."""
    from agent_app.batch.on_ray.cluster import connected

    with contextlib.redirect_stdout(sys.stderr), connected(address):
        yield


@contextlib.contextmanager
def opened(
    call: Any,
    settings: Settings,
    prompt: Prompt,
    rows: Rows,
    journal: Path | None,
    budget: Budget | None,
    parallel: int,
    tries: Tries,
    how: How,
) -> Iterator[RayBatch]:
    """Connect to the cluster, and make the batch ready to run.

    Args:
        call: what the command was called with.
        settings: those of the agents.
        prompt: their prompt.
        rows: the questions.
        journal: its file; None: a temporary one.
        budget: of the whole run.
        parallel: how many rows an embedded model answers at once.
        tries: who makes the attempts when a model's server fails.
        how: see `How`.
    """
    from agent_app.batch.on_ray.cluster import crew
    from agent_app.batch.on_ray.engine import open_ray_batch
    from agent_app.batch.on_ray.recipe import Recipe, environment, packed_tools
    from agent_app.cli.waiting import waiting

    # What is wrong with these is said before a cluster is started.
    folders, variables = packed_tools(settings), environment(call.worker_env)
    with _connection(call.address):
        with waiting("loading"):
            embedded = settings.model.strip().partition(":")[0] == "embedded"
            actors = crew(call.actors, call.cpus_per_actor, embedded=embedded)
            settings = dataclasses.replace(settings, threads=settings.threads or actors.cpus)
            make = Recipe(
                settings,
                prompt,
                () if call.no_tools else call.tools or None,
                folders,
                parallel,
                call.temperature,
                variables,
                call.fallbacks,
                tries.model,
            )
            agent = make()
        warn_of_repeats(call.repeat, agent.model)
        with open_ray_batch(agent, make, rows, journal, actors, budget=budget, **how) as batch:
            yield batch
