"""An executor with many workers: Ray dreams every shot as a task of its own, on this machine or on a cluster.

Shots do not depend on one another, so the frames are the same for any number of workers.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...dream import memory
from ...errors import DreamError
from ...networks.device import pick_device
from ...recipe import Recipe
from ...video.engine import Engine
from ...video.process_settings import configure_process
from ..events import Control
from ..fingerprint import Environment, environment
from ..plan import Plan
from ..run_folder import RunFolder
from ..setup import Setup
from ..tasks import Task
from .scheduler import TRIES, Scheduler, reason

PACKAGE = Path(__file__).parent.parent


class Cluster:
    """Dreams shots by workers that Ray runs (see `Executor`).

    Args:
        workers: how many at most; if 0, one for each GPU, or core.
        address: of a Ray cluster, `auto` or `ray://host:10001`; empty for workers on this machine.

    Attributes:
        in_place: whether workers use input files from their own paths if they see them; else files are always sent.
    """

    by_shot = True

    def __init__(self, workers: int = 0, address: str = ""):
        self.workers, self.address, self.in_place = workers, address, True

    def environment(self, recipe: Recipe) -> Environment:
        """See `Executor`; a machine of the cluster answers, since this one may have no GPU."""
        if not self.address:
            return _shared_environment(recipe)
        wanted = recipe.network.device
        with ray_session(self.address, 0) as ray:
            gpus = ray.cluster_resources().get("GPU", 0) >= 1 and wanted.startswith(("auto", "cuda"))
            if wanted.startswith("cuda") and not gpus:
                raise DreamError(f"no machine at {self.address} has a GPU: add one, or take --device auto")
            asked = ray.remote(num_gpus=int(gpus), num_cpus=int(not gpus), max_retries=TRIES)(_shared_environment)
            found: Environment = _answer(ray, asked.remote(recipe.set("network.device=cuda") if gpus else recipe))
            return found

    def make_ready(self, setup: Setup, fresh: Plan) -> float | None:
        """See `Executor`; all but the device is tried on this machine, which need not have it."""
        recipe = fresh.settled(setup.recipe).set("network.device=cpu")
        configure_process(recipe.network)
        Engine(recipe, setup.timeline, fresh.memory_budget)
        return fresh.memory_budget

    def run(self, plan: Plan, tasks: Sequence[Task], folder: RunFolder, setup: Setup, control: Control) -> int:
        """See `Executor`."""
        if not tasks:
            return plan.count
        cores = (min(self.workers, len(tasks)) or os.cpu_count() or 1) * plan.threads
        with ray_session(self.address, cores) as ray:
            scheduler = Scheduler(ray, plan, folder, control, self.workers, self.in_place)
            scheduler.add(tasks)
            try:
                return scheduler.run()
            finally:
                scheduler.dismiss_all()


def _shared_environment(recipe: Recipe) -> Environment:
    """Return what frames are dreamed with if several workers share a machine (see `Plan.made_with`)."""
    found, threads = environment(recipe), recipe.network.threads or 1
    memory_budget = memory.worker_budget(recipe.network.memory, pick_device(recipe.network.device), threads)
    return replace(found, threads=threads, memory_budget=memory_budget)


@contextmanager
def ray_session(address: str, cores: int) -> Iterator[Any]:
    """Yield the module of Ray, connected to a cluster or started on this machine; disconnect or end it afterwards.

    Args:
        address: see `Cluster`.
        cores: that workers on this machine may use.

    Raises:
        DreamError: Ray is not installed or cannot be started, or there is no cluster at the address.
    """
    try:
        import ray
    except ImportError as error:
        raise DreamError('workers need Ray: pip install "dreamvideo[cluster]"') from error
    if ray.is_initialized():  # by our caller: used as it is
        yield ray
        return
    logging.getLogger("ray").setLevel(logging.ERROR)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address:  # our own code is sent; the libraries have to be installed there
        quiet |= {"address": address, "runtime_env": {"py_modules": [str(PACKAGE)]}}
    else:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        quiet |= {"address": "local", "num_cpus": cores, "include_dashboard": False}
    try:
        ray.init(**quiet)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        where = f"there is no Ray cluster at {address}" if address else "Ray cannot be started here"
        raise DreamError(f"{where} ({reason(error)}): see docs/scaling.md") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _answer(ray: Any, ref: Any) -> Any:
    """Return the result of a Ray task, or raise the error that it raised.

    Raises:
        DreamError: the task raised it, or no machine could run the task.
    """
    try:
        return ray.get(ref)
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None)
        raise cause if isinstance(cause, DreamError) else DreamError(f"no worker answers: {reason(error)}") from error
