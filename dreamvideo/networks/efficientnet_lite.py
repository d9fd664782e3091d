"""EfficientNet-Lite, the architecture of the embedded networks (see `embedded`): it dreams well on a CPU."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from torch import Tensor, nn

from .inverted_residual import InvertedResidual, SameConv
from .layer_names import LOGITS

Stage = tuple[int, int, int, int, int]  # expansion, kernel, stride, output channels, repeats


def step_names(stages: Sequence[Stage]) -> tuple[str, ...]:
    """Return the names of a network's steps, but for the logits: stem, blocks.0 …, head."""
    return ("stem", *(f"blocks.{i}" for i in range(sum(stage[-1] for stage in stages))), "head")


class Lite(nn.Module):
    """An EfficientNet-Lite as a chain of named steps: stem, blocks.0 …, head, logits."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        super().__init__()
        self.stem = SameConv(3, 32, 3, stride=2)
        blocks, channels = [], 32
        for expansion, kernel, stride, out, repeats in stages:
            for i in range(repeats):
                blocks.append(InvertedResidual(channels, out, expansion, kernel, stride if i == 0 else 1))
                channels = out
        self.blocks = nn.ModuleList(blocks)
        self.head = SameConv(channels, 1280, 1)
        self.fc = nn.Linear(1280, 1000)
        self._steps = step_names(stages)
        self._wanted: set[str] = {LOGITS}
        self._opened: set[str] = set()  # steps with a wanted layer inside

    def names(self) -> list[str]:
        """Return every layer, shallowest first."""
        found = []
        for step in self._steps:
            for name, part in self.get_submodule(step).named_modules(prefix=step):
                if isinstance(part, SameConv):
                    found += [f"{name}.pre", name] if part.relu else [name]
            found += [step] if step not in found else []
        return [*found, LOGITS]

    def truncate(self, layers: Iterable[str]) -> None:
        """Compute from now on the activations of these layers, of `names`, and nothing deeper.

        A step with a wanted layer inside is computed part by part, every other at once.
        """
        self._wanted = set(layers)
        self._opened = {step for step in self._steps if any(name.startswith(f"{step}.") for name in self._wanted)}
        for name, part in self.named_modules():
            if isinstance(part, SameConv):
                part.before_relu = f"{name}.pre" in self._wanted
                part.owns_gradient &= name not in self._wanted

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        activations = {}
        for name, activation in self._layers(x):
            if name in self._wanted:
                activations[name] = activation
                if len(activations) == len(self._wanted):
                    break
        return activations

    def _layers(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield layer after layer with its activation, computing each only when the next one is asked for."""
        for name in self._steps:
            step: Any = self.get_submodule(name)
            if name in self._opened:
                for part, y in step.activations(x):
                    yield f"{name}{part}", y
                x = y
            else:
                x = step(x)
                yield name, x
        yield LOGITS, self._classify(x)

    def _classify(self, x: Tensor) -> Tensor:
        return self.fc(x.mean((2, 3)))[..., None, None]  # (1, 1000, 1, 1), a map like every other layer
