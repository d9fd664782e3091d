"""Exact flow from .flo files, where it is known."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import SourceError
from ..video.flow import Motion
from .metrics import exact_motion

UNKNOWN = 1e9  # px; what .flo files hold where the flow is not known
FLO, FLO_TAG = struct.Struct("<fii"), 202021.25  # what a .flo file begins with: tag, width, height


def flow_files(folder: Path) -> dict[int, Path]:
    """Return the flow files of a folder by the number their names end in."""
    numbered = {int(m[1]): file for file in folder.glob("*.flo") if (m := re.search(r"(\d+)$", file.stem))}
    if not numbered:
        raise SourceError(f"{folder} holds no flow: give a folder of .flo files, numbered by frame")
    return numbered


def known_motion(files: dict[int, Path], index: int, size: torch.Size) -> Motion | None:
    if index not in files:
        return None
    field = _field(files[index], size[0], size[1])
    mask = files[index].with_suffix(".png")
    held = np.asarray((np.abs(field) < UNKNOWN).all(-1))
    field[~held] = 0
    if mask.exists():
        read = _gray(mask)
        if read is None or read.shape != held.shape:
            raise SourceError(f"{mask} is no picture of {size[1]}×{size[0]} pixels")
        held &= read > 127
    return exact_motion(field, held)


def _field(file: Path, height: int, width: int) -> NDArray[np.float32]:
    """Read the flow in a .flo file (Baker et al. 2011), (H, W, 2): of the size it has to be, whatever it says."""
    try:
        with open(file, "rb") as opened:
            data = opened.read(FLO.size + 8 * height * width + 1)
    except OSError as error:
        raise SourceError(f"{file} cannot be read ({error.strerror})") from error
    if len(data) != FLO.size + 8 * height * width or FLO.unpack_from(data) != (FLO_TAG, width, height):
        raise SourceError(f"{file} is no flow of {width}×{height} pixels, as the dream has")
    return np.frombuffer(data, "<f4", offset=FLO.size).reshape(height, width, 2).astype(np.float32)


def _gray(file: Path) -> NDArray[np.uint8] | None:
    try:
        return cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
    except cv2.error:  # a picture larger than OpenCV reads
        return None


def save_truth(folder: Path, index: int, field: NDArray[np.float32], held: NDArray[np.bool_]) -> None:
    """Write a frame's exact flow (H, W, 2) and where it holds (H, W), as `measure` reads them."""
    cv2.writeOpticalFlow(str(folder / f"{index:05d}.flo"), np.ascontiguousarray(field))
    cv2.imwrite(str(folder / f"{index:05d}.png"), held.astype(np.uint8) * 255)
