"""Reads one picture file: with Pillow, or with OpenCV if it may have more than 8 bits per channel."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ...errors import SourceError
from ..local_files import check_file, check_size
from ..pixels import Pixels, quiet_opencv

TIFF = (b"II*\0", b"MM\0*")  # how a TIFF begins; OpenCV reads kinds of it that Pillow does not
PNG_DEPTH = 24  # offset of a PNG's bits per channel


def read_picture(file: Path) -> Pixels:
    """Read a picture as RGB (H, W, 3), 8 or 16 bits, upright; grey becomes RGB, transparency is dropped.

    Raises:
        SourceError: it cannot be read as a picture, or is too large.
    """
    from PIL import ImageOps, UnidentifiedImageError

    with warnings.catch_warnings(action="ignore"), as_source_error(file):
        try:
            with open_picture(file) as image:
                if not _may_be_deep(image, file):
                    return np.array(ImageOps.exif_transpose(image).convert("RGB"))
                if image.format == "PNG":
                    image.verify()  # of a damaged file, libpng would log to the terminal
        except UnidentifiedImageError:
            with open(file, "rb") as opened:
                if opened.read(4) not in TIFF:
                    raise
        return _read_deep(file)


@contextmanager
def open_picture(file: Path) -> Iterator[Any]:
    """Open a picture or animation with Pillow and check its size; no pixel is decoded yet.

    Raises:
        SourceError: it is no plain file, or too large.
        OSError: it is no picture that Pillow can read.
    """
    with open_header(file) as image:
        check_size(file, *image.size)
        yield image


@contextmanager
def open_header(file: Path) -> Iterator[Any]:
    """Open a picture or animation of any size with Pillow, for what its header tells; no pixel is decoded yet.

    Raises:
        SourceError: it is no plain file.
        OSError: it is no picture that Pillow can read.
    """
    from PIL import Image

    check_file(file)
    usual, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # some cameras have more
    try:
        image = Image.open(file)
    finally:
        Image.MAX_IMAGE_PIXELS = usual
    with image:
        yield image


def is_animation(file: Path) -> bool:
    """Tell whether a picture file contains several pictures.

    Raises:
        SourceError: it cannot be read.
    """
    with as_source_error(file), open_picture(file) as image:
        return getattr(image, "n_frames", 1) > 1


@contextmanager
def as_source_error(file: Path) -> Iterator[None]:
    """Turn the exceptions of a picture decoder, which are of many kinds, into `SourceError`.

    Raises:
        SourceError: any of them was raised inside.
    """
    try:
        yield
    except (SourceError, MemoryError):
        raise
    except PermissionError as error:
        raise SourceError(f"{file} cannot be read ({error.strerror}): check its permissions") from error
    except Exception as error:
        raise SourceError(f"{file} is no picture that can be read: is it complete?") from error


def _may_be_deep(image: Any, file: Path) -> bool:
    """Tell whether a picture may have more than 8 bits per channel, which Pillow would cut off."""
    if image.format == "PNG":
        with open(file, "rb") as opened:
            return opened.read(PNG_DEPTH + 1)[-1] > 8
    return image.format == "TIFF"


def _read_deep(file: Path) -> Pixels:
    with quiet_opencv():
        pixels = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)  # OpenCV's own RGB flag garbles 16-bit TIFF
    if pixels.dtype in (np.uint8, np.uint16):
        return pixels
    return (np.clip(np.nan_to_num(pixels), 0, 1) * 65535).round().astype(np.uint16)  # a TIFF of floats
