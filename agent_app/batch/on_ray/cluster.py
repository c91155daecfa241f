"""A connection to a Ray cluster, or a cluster of this machine alone."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from agent_app.errors import BatchError, SettingError
from agent_app.settings import preset

_QUIET = logging.ERROR


@dataclass(frozen=True, slots=True)
class Crew:
    """How many actors there are to be, and what each may take of a node."""

    actors: int
    cpus: int


def check_address(address: str | None) -> None:
    """Make sure, before anything is started, that this program can be a driver.

    Args:
        address: the cluster's, as for `connected`.

    Raises:
        SettingError: Ray is not installed, or the address is that of a client.
    """
    if importlib.util.find_spec("ray") is None:
        raise SettingError('the engine "ray" takes an extra; run: pip install "agent-app[ray]"')
    if address is not None and address.startswith("ray://"):
        raise SettingError(
            "the driver has to run on a node of the cluster; Ray's client (ray://) will not do"
        )


@contextlib.contextmanager
def connected(address: str | None = None) -> Iterator[None]:
    """Connect to a cluster for the length of a block; a program that is connected already stays so.

    Ray reports nothing to its makers and starts no dashboard, unless the environment or the cluster that is
    already there wants that.

    Args:
        address: as Ray takes it, such as ``"auto"`` or ``"10.0.0.1:6379"``; None: the cluster of the variable
            ``RAY_ADDRESS`` or of this machine, or a new one in this machine for as long as the block.

    Raises:
        SettingError: Ray is not installed, or the address is that of a client.
        BatchError: there is no such cluster.
    """
    check_address(address)
    preset("RAY_USAGE_STATS_ENABLED", "0")
    preset("RAY_BACKEND_LOG_LEVEL", "fatal")  # else each pool of actors is complained of on stderr
    preset("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else Ray warns of what it will do one day
    import ray

    if ray.is_initialized():
        yield
        return
    try:
        ray.init(address, include_dashboard=False, log_to_driver=False, logging_level=_QUIET)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise BatchError(f"there is no Ray cluster at {address!r}: {' '.join(str(error).split())}") from error
    try:
        yield
    finally:
        ray.shutdown()


def crew(actors: int | None, cpus: int | None, *, embedded: bool) -> Crew:
    """Return how many actors there are to be: as many as were wanted, or one for each node.

    Args:
        actors: how many are wanted.
        cpus: how many CPUs each is to have; None: all of the smallest node if its model is embedded, else 1.
        embedded: whether the actors' own CPUs are what the model runs on.

    Raises:
        SettingError: no node has so many CPUs.
    """
    import ray

    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    cpus_of = [int(node["Resources"].get("CPU", 0)) for node in nodes if node["Alive"]]
    working = [number for number in cpus_of if number > 0]
    if not working:
        raise BatchError("the Ray cluster has no node with a CPU")
    each = cpus or (min(working) if embedded else 1)
    if each > max(working):
        raise SettingError(f"no node of the Ray cluster has {each} CPUs; the largest has {max(working)}")
    return Crew(actors or sum(number >= each for number in working), each)


@contextlib.contextmanager
def quiet_data() -> Iterator[None]:
    """Let the datasets that are made in a block show and print nothing."""
    from ray.data import DataContext

    logging.getLogger("ray.data").setLevel(_QUIET)
    context = DataContext.get_current()
    before = context.enable_progress_bars, context.print_on_execution_start
    context.enable_progress_bars = context.print_on_execution_start = False
    try:
        yield
    finally:
        context.enable_progress_bars, context.print_on_execution_start = before
