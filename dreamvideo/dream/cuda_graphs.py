"""On a GPU, an ascent step is some two hundred small kernels: recorded once, they are started with one call."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor

Step = Callable[..., Tensor]


class GraphCache:
    """Steps that are recorded as CUDA graphs, one for every size of picture, for as long as their aim stays the same.

    A step is recorded when it is asked for the second time: a single picture never pays for it, nor does a film whose
    aim is another on every frame.
    """

    def __init__(self) -> None:
        self._aim: Hashable = None
        self._asked: set[Hashable] = set()
        self._recorded: dict[Hashable, Step] = {}
        self._pool: Any = None

    def of(self, step: Step, aim: Hashable, kind: Hashable, *examples: Tensor) -> Step:
        """Return a step, recorded where that pays.

        Args:
            step: from tensors to a tensor; it never waits for the GPU, and depends on nothing else that changes.
            aim: what it depends on beside: once that is another, all that is recorded is forgotten.
            kind: which of the steps of one aim it is.
            examples: tensors of the shapes that it takes.
        """
        if aim != self._aim:
            self._aim, self._asked, self._recorded, self._pool = aim, set(), {}, None  # a pool goes with its graphs
        key = (kind, *(example.shape for example in examples))
        if key in self._asked and key not in self._recorded:
            self._pool = self._pool or torch.cuda.graph_pool_handle()
            try:
                self._recorded[key] = record(step, self._pool, *examples)
            except torch.OutOfMemoryError:  # a recording keeps its memory: without one there may be enough
                self._recorded[key] = step
        self._asked.add(key)
        return self._recorded.get(key, step)


def record(step: Step, pool: Any, *examples: Tensor) -> Step:
    """Return a step that replays what a step does, for tensors of the shapes of `examples`.

    Recordings of one memory `pool` share their room: what one returns is copied out before another is replayed.

    Source: CUDA graphs, as PyTorch's notes on them describe their capture.
    """
    taken = [example.clone() for example in examples]
    with torch.cuda.device(examples[0].device):  # which need not be the first
        scratch = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        scratch.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(scratch):  # what libraries set up at their first call cannot be recorded
            step(*taken)
        torch.cuda.current_stream().wait_stream(scratch)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool):
            put = step(*taken)

    def replay(*given: Tensor) -> Tensor:
        for place, value in zip(taken, given, strict=True):
            place.copy_(value)
        with torch.cuda.device(put.device):
            graph.replay()
            return put.clone()

    return replay
