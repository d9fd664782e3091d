"""Reads and writes exact optical flow as Middlebury .flo files."""

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
from .motion import exact_motion

UNKNOWN = 1e9  # px; .flo files hold this or more where the flow is unknown
FLO, FLO_TAG = struct.Struct("<fii"), 202021.25  # header of a .flo file: tag, width, height


def flow_files(folder: Path) -> dict[int, Path]:
    """Return the .flo files of a folder by the number at the end of their names.

    Raises:
        SourceError: it has none.
    """
    numbered = {int(m[1]): file for file in folder.glob("*.flo") if (m := re.search(r"(\d+)$", file.stem))}
    if not numbered:
        raise SourceError(f"{folder} holds no flow: give a folder of .flo files, numbered by frame")
    return numbered


def known_motion(files: dict[int, Path], index: int, size: torch.Size) -> Motion | None:
    """Return the exact motion to a frame from the previous one; None if the frame has no file.

    Args:
        files: as `flow_files` gives them; next to each may lie a .png of the same name, white where the flow is valid.
        index: of the frame.
        size: (H, W) that the flow must have.

    Raises:
        SourceError: a file cannot be read, or has another size.
    """
    if index not in files:
        return None
    field = _field(files[index], size[0], size[1])
    mask = files[index].with_suffix(".png")
    valid = np.asarray((np.abs(field) < UNKNOWN).all(-1))
    field[~valid] = 0
    if mask.exists():
        pixels = _gray(mask)
        if pixels is None or pixels.shape != valid.shape:
            raise SourceError(f"{mask} is no picture of {size[1]}×{size[0]} pixels")
        valid &= pixels > 127
    return exact_motion(field, valid)


def save_truth(folder: Path, index: int, field: NDArray[np.float32], valid: NDArray[np.bool_]) -> None:
    """Write a frame's exact flow (H, W, 2) and where it is valid (H, W), as `known_motion` reads them."""
    cv2.writeOpticalFlow(str(folder / f"{index:05d}.flo"), np.ascontiguousarray(field))
    cv2.imwrite(str(folder / f"{index:05d}.png"), valid.astype(np.uint8) * 255)


def _field(file: Path, height: int, width: int) -> NDArray[np.float32]:
    """Return the flow in a .flo file (Baker et al. 2011), (H, W, 2); reads no more than that size takes."""
    try:
        with open(file, "rb") as opened:
            data = opened.read(FLO.size + 8 * height * width + 1)
    except OSError as error:
        raise SourceError(f"{file} cannot be read ({error.strerror})") from error
    if len(data) != FLO.size + 8 * height * width or FLO.unpack_from(data) != (FLO_TAG, width, height):
        raise SourceError(f"{file} is no flow of {width}×{height} pixels, the size of the dream")
    return np.frombuffer(data, "<f4", offset=FLO.size).reshape(height, width, 2).astype(np.float32)


def _gray(file: Path) -> NDArray[np.uint8] | None:
    try:
        return cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
    except cv2.error:  # a picture larger than OpenCV reads
        return None
