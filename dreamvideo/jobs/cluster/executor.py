"""Many workers: every shot a task of its own, dreamed by Ray on this machine or on a cluster of them.

Shots do not depend on one another, so the frames are the same however many workers there are and whoever dreams what.
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
from ...video.process import configure_process
from ..events import Listener, Stop
from ..fingerprint import Environment, environment
from ..plan import Plan
from ..run_folder import RunFolder
from ..setup import Setup
from ..tasks import Task
from .scheduler import TRIES, Scheduler, reason

PACKAGE = Path(__file__).parent.parent


class Cluster:
    """Dreams shots on workers that Ray runs (see `Executor`).

    Args:
        workers: how many at most; as many as there are GPUs, or cores, if 0.
        address: of a Ray cluster, `auto` or `ray://host:10001`; workers on this machine if empty.

    Attributes:
        in_place: whether workers use inputs where they lie, if they see them; else these always travel.
    """

    by_shot = True

    def __init__(self, workers: int = 0, address: str = ""):
        self.workers, self.address, self.in_place = workers, address, True

    def environment(self, recipe: Recipe) -> Environment:
        """See `Executor`; on a cluster one of its machines is asked, since this one may have no GPU."""
        if not self.address:
            return _shared(recipe)
        wanted = recipe.network.device
        with ray_session(self.address, 0) as ray:
            gpus = ray.cluster_resources().get("GPU", 0) >= 1 and wanted.startswith(("auto", "cuda"))
            if wanted.startswith("cuda") and not gpus:
                raise DreamError(f"no machine at {self.address} has a GPU: add one, or take --device auto")
            asked = ray.remote(num_gpus=int(gpus), num_cpus=int(not gpus), max_retries=TRIES)(_shared)
            found: Environment = _got(ray, asked.remote(recipe.set("network.device=cuda") if gpus else recipe))
            return found

    def make_ready(self, setup: Setup, fresh: Plan) -> float | None:
        """See `Executor`; this machine need not have the device to see whether the rest can be had."""
        recipe = fresh.settled(setup.recipe).set("network.device=cpu")
        configure_process(recipe.network)
        Engine(recipe, setup.timeline, fresh.memory_budget)
        return fresh.memory_budget

    def run(
        self, plan: Plan, tasks: Sequence[Task], folder: RunFolder, setup: Setup, checkpoint: int,
        on_event: Listener, stop: Stop,
    ) -> int:  # fmt: skip
        """See `Executor`."""
        if not tasks:
            return plan.count
        cores = (min(self.workers, len(tasks)) or os.cpu_count() or 1) * plan.threads
        with ray_session(self.address, cores) as ray:
            crew = Scheduler(ray, plan, folder, checkpoint, on_event, self.workers, self.in_place)
            crew.take(tasks)
            try:
                return crew.work(stop)
            finally:
                crew.dismiss()


def _shared(recipe: Recipe) -> Environment:
    """Return what frames are dreamed with where several are dreamed at once (see `plan.means`)."""
    found, threads = environment(recipe), recipe.network.threads or 1
    memory_budget = memory.worker_budget(recipe.network.memory, pick_device(recipe.network.device), threads)
    return replace(found, threads=threads, memory_budget=memory_budget)


@contextmanager
def ray_session(address: str, cores: int) -> Iterator[Any]:
    """Yield Ray, joined to a cluster, or running workers here; it is left, or ended, at the end.

    Raises:
        DreamError: it is not installed, or there is no cluster at the address.
    """
    try:
        import ray
    except ImportError as error:
        raise DreamError('workers need Ray: pip install "dreamvideo[cluster]"') from error
    if ray.is_initialized():  # by whoever calls us, who knows why
        yield ray
        return
    logging.getLogger("ray").setLevel(logging.ERROR)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address:  # the same code everywhere; what it needs has to be installed there
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


def _got(ray: Any, ref: Any) -> Any:
    """Return what a task returned; what it raised is raised as it was.

    Raises:
        DreamError: so did the task, or nobody could do it.
    """
    try:
        return ray.get(ref)
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None)
        raise cause if isinstance(cause, DreamError) else DreamError(f"no worker answers: {reason(error)}") from error
