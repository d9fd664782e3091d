"""Records an ascent step as a CUDA graph: its two hundred small kernels are then started by a single call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor

Step = Callable[..., Tensor]
RECORDING = threading.Lock()  # held while a graph is recorded: other threads must not use the GPU then


class GraphCache:
    """Steps recorded as CUDA graphs, one per size of picture, valid for one objective and its settings.

    A step is recorded when it is requested for the second time: so neither a single picture pays for a recording, nor
    a film whose objective changes on every frame.
    """

    def __init__(self) -> None:
        self._settings: Hashable = None
        self._requested: set[Hashable] = set()
        self._recorded: dict[Hashable, Step] = {}
        self._pool: Any = None

    def get(self, step: Step, settings: Hashable, kind: Hashable, *examples: Tensor) -> Step:
        """Return a step, recorded where that pays.

        Args:
            step: from tensors to a tensor; it never waits for the GPU, and depends on nothing else but `settings`.
            settings: what the step depends on besides its arguments: when they change, all recordings are dropped.
            kind: which of the steps with the same settings it is.
            examples: tensors of the shapes of its arguments.
        """
        if settings != self._settings:
            self._settings, self._requested, self._recorded = settings, set(), {}
            self._pool = None  # a memory pool is freed with its graphs
        key = (kind, *(example.shape for example in examples))
        if key in self._requested and key not in self._recorded:
            self._pool = self._pool or torch.cuda.graph_pool_handle()
            try:
                self._recorded[key] = record(step, self._pool, *examples)
            except torch.OutOfMemoryError:  # a graph keeps its memory: without one, the step may still fit
                self._recorded[key] = step
        self._requested.add(key)
        return self._recorded.get(key, step)


def record(step: Step, pool: Any, *examples: Tensor) -> Step:
    """Return a function that replays a step, recorded on tensors of the shapes of `examples`.

    Graphs of one memory `pool` share their memory: each result is copied before another graph is replayed.

    Source: the notes on CUDA graphs in PyTorch's documentation.
    """
    inputs = [example.clone() for example in examples]
    with torch.cuda.device(examples[0].device):  # which need not be the default one
        warm_up = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        warm_up.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(warm_up):  # what libraries set up on their first call cannot be recorded
            step(*inputs)
        torch.cuda.current_stream().wait_stream(warm_up)
        graph = torch.cuda.CUDAGraph()
        with RECORDING, torch.cuda.graph(graph, pool=pool):
            output = step(*inputs)

    def replay(*arguments: Tensor) -> Tensor:
        for recorded, argument in zip(inputs, arguments, strict=True):
            recorded.copy_(argument)
        with torch.cuda.device(output.device):
            graph.replay()
            return output.clone()

    return replay
