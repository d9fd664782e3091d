"""A network as the rest sees it, and what every kind of it needs: weights that fit, layers that exist."""

from __future__ import annotations

import difflib
import functools
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import ModelError

EMBEDDED = "efficientnet-lite0"
PAYS = 1.5  # times as fast as in float32 that a CPU has to be in bfloat16
SIDE = 768  # of the matrices that are multiplied to find out


class Network(nn.Module):
    """A frozen feature extractor over images.

    Calling it with an image, float RGB in [0, 1], shape (1, 3, H, W), returns {layer name: activation (1, C, h, w)}
    in the network's own precision.
    """

    def __init__(self, name: str, body: nn.Module, mean: Sequence[float], std: Sequence[float]):
        super().__init__()
        self.name = name
        self.body = body.eval().requires_grad_(False)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        x = (image - self.mean) / self.std
        dtype = next(self.body.parameters()).dtype
        features: dict[str, Tensor] = self.body(x.to(dtype, memory_format=torch.channels_last))
        return features


def read_weights(path: str) -> dict[str, Tensor]:
    """Read a state dict without unpickling anything but tensors.

    Raises:
        ModelError: the file is missing or is no state dict.
    """
    if not Path(path).is_file():
        raise ModelError(f"the weights file {path} does not exist")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises anything from pickle errors to RuntimeError here
        raise ModelError(
            f"{path} is not a PyTorch weights file: save one with torch.save(model.state_dict())"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ModelError(f"{path} holds no state dict: save one with torch.save(model.state_dict())")
    return state


def fit(model: nn.Module, state: dict[str, Tensor], path: str) -> None:
    """Load a state dict into a module.

    Raises:
        ModelError: keys are missing, unknown, or of another shape; the message names some.
    """
    own = model.state_dict()
    wrong = [k for k in own.keys() | state.keys() if k not in own or k not in state or own[k].shape != state[k].shape]
    wrong = sorted(k for k in wrong if not k.endswith("num_batches_tracked"))
    if wrong:
        some = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
        raise ModelError(f"the weights in {path} do not fit this network: {some} missing, unknown or of another shape")
    model.load_state_dict(state, strict=False)


def check_layers(network: str, layers: list[str], known: list[str]) -> None:
    """Raise a ModelError that names the nearest layers if one of `layers` is not `known`."""
    for layer in layers:
        if layer not in known:
            raise ModelError(f"{network} has no layer {layer!r}{nearest(layer, known)}")


def nearest(name: str, known: list[str]) -> str:
    """Return a hint: the known names nearest to one that is not."""
    close = difflib.get_close_matches(name, known, n=4, cutoff=0.4)
    return ": did you mean " + ", ".join(close) + "?" if close else ": there is " + ", ".join(known[:20])


@functools.cache
def half_pays() -> bool:
    """Tell whether this machine's CPU is faster in bfloat16, and by enough to give up precision for it.

    That it has the instructions says nothing: of two with AVX-512's, one was 2.7 times as fast, one half as fast.
    """
    taken = []
    for dtype in (torch.float32, torch.bfloat16):
        matrix = torch.ones(SIDE, SIDE, dtype=dtype)
        turns = []
        for _ in range(4):
            start = time.perf_counter()
            torch.mm(matrix, matrix)
            turns.append(time.perf_counter() - start)
        taken.append(min(turns))
    return taken[0] > PAYS * taken[1]
