"""Makes a still of coloured noise, for the source `noise:`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

import cv2
import numpy as np

from ..info import Info
from .frame import DEFAULT_RATE, Frame
from .selection import Selection, parse_size

NOISE = re.compile(r"noise:(\d*)")  # with the seed, like noise:7
DEFAULT_SIZE = (1280, 720)  # width, height, px
SCALES = (1, 4, 16, 64)  # px of a grain


class NoiseReader:
    """A still of coloured noise on grey, soft at several scales, to dream from nothing (see `Source`).

    Args:
        path: the source's name, as the user gave it.
        seed: the same seed gives the same noise.
        selection: only its size and rate are used.
    """

    notices = ()

    def __init__(self, path: str, seed: int, selection: Selection):
        width, height = parse_size(selection.size, *DEFAULT_SIZE)
        rate = selection.rate or DEFAULT_RATE
        self.info, self._seed = Info(path, "still", width, height, rate, 1), seed

    def __iter__(self) -> Iterator[Frame]:
        return self.since(0)

    def since(self, first: int) -> Iterator[Frame]:
        """See `Source`."""
        width, height = self.info.width, self.info.height
        generator = np.random.default_rng(self._seed)
        noise = np.zeros((height, width, 3), np.float32)
        for scale in SCALES:
            size = max(round(height / scale), 1), max(round(width / scale), 1)
            grains = generator.standard_normal((*size, 3)).astype(np.float32)
            noise += cv2.resize(grains, (width, height), interpolation=cv2.INTER_CUBIC)
        yield Frame(0, Fraction(0), np.clip(128 + 16 * noise, 0, 255).round().astype(np.uint8))
