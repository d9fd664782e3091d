"""Converts pictures to sRGB by their ICC profile: 8 bits by LittleCMS, 16 bits by the profile's matrix and curves.

Sources: ICC.1:2022 (profile format), IEC 61966-2-1 (sRGB).
"""

from __future__ import annotations

import functools
import io
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..pixels import Pixels

SPACES = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK", b"Lab ": "LAB"}  # of a profile; Pillow's modes
UNREADABLE = "its colour profile cannot be read: its colours are taken for sRGB"
ROUNDED = "its colour profile has no matrix: its 16 bits are converted as 8"
# linear sRGB from XYZ adapted to D50, as profiles have it (Bradford)
SRGB_OF_XYZ = np.array(
    [[3.1338561, -1.6168667, -0.4906146], [-0.9787684, 1.9161415, 0.0334540], [0.0719453, -0.2289914, 1.4052427]]
)
Floats = NDArray[np.float64]


def to_srgb(image: Any, profile: bytes) -> tuple[Any, tuple[str, ...]]:
    """Return a Pillow image as sRGB in mode RGB, and notices.

    Args:
        image: in any mode, without looking at its alpha.
        profile: its ICC profile; empty for none, which is sRGB, or for CMYK and Lab what Pillow takes it for.
    """
    from PIL import ImageCms

    srgb = ImageCms.createProfile("sRGB")
    if image.mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        return ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB"), ()
    mode = SPACES.get(profile[16:20], "")
    if not profile or _is_srgb(profile):
        return image.convert("RGB"), ()
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if image.mode != mode:
            if mode not in ("RGB", "L") or image.mode == "CMYK":
                return image.convert("RGB"), (UNREADABLE,)
            image = image.convert(mode)
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        return ImageCms.profileToProfile(image, opened, srgb, renderingIntent=intent, outputMode="RGB"), ()
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image.convert("RGB"), (UNREADABLE,)


def pixels_to_srgb(pixels: Pixels, profile: bytes) -> tuple[Pixels, tuple[str, ...]]:
    """Return RGB pixels (H, W, 3) of 8 or 16 bits as sRGB, and notices (see `to_srgb`)."""
    from PIL import Image

    if not profile or _is_srgb(profile) or (profile[16:20] == b"GRAY" and pixels.dtype != np.uint8):
        return pixels, ()
    if pixels.dtype == np.uint8:
        converted, said = to_srgb(Image.fromarray(pixels), profile)
        return np.array(converted), said
    try:
        matrix, curves = _matrix_and_curves(profile)
    except (KeyError, ValueError, struct.error, IndexError):
        converted, said = to_srgb(Image.fromarray((pixels >> 8).astype(np.uint8)), profile)
        return np.array(converted).astype(np.uint16) * 257, said or (ROUNDED,)
    levels = np.linspace(0, 1, 65536)
    tables = [curve(levels).astype(np.float32) for curve in curves]
    linear = np.stack([table[pixels[..., k]] for k, table in enumerate(tables)], axis=-1)
    signal = _srgb_signal(np.clip(linear @ (SRGB_OF_XYZ @ matrix).T.astype(np.float32), 0, 1))
    return (signal * 65535).round().astype(np.uint16), ()


@functools.lru_cache(maxsize=8)
def _is_srgb(profile: bytes) -> bool:
    """Tell whether a profile is sRGB's own, so that pixels need no conversion, not even rounding."""
    from PIL import Image, ImageCms

    if profile[16:20] != b"RGB ":
        return False
    levels = np.arange(0, 256, 51, dtype=np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(len(levels), -1, 3)
    try:
        image = Image.fromarray(grid)
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, opened, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return False
    return bool(np.abs(np.array(converted).astype(int) - grid).max() <= 1)


def _matrix_and_curves(profile: bytes) -> tuple[Floats, list[Any]]:
    """Return a profile's matrix from linear RGB to XYZ (D50), and its three curves from signal to linear light.

    Raises:
        KeyError, ValueError, IndexError, struct.error: it has none, or is damaged.
    """
    (count,) = struct.unpack(">I", profile[128:132])
    if count > 100:
        raise ValueError(f"{count} tags")
    tags = {}
    for k in range(count):
        name, at, size = struct.unpack(">4sII", profile[132 + 12 * k : 144 + 12 * k])
        tags[name] = profile[at : at + size]
    if b"A2B0" in tags and b"rXYZ" not in tags:
        raise KeyError("rXYZ")
    columns = [np.array(struct.unpack(">3i", tags[name][8:20])) / 65536 for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
    return np.stack(columns, axis=1), [_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC")]


def _curve(tag: bytes) -> Any:
    """Return the function of a curve tag, `curv` or `para`, from signal to linear light."""
    if tag[:4] == b"curv":
        (count,) = struct.unpack(">I", tag[8:12])
        if count == 0:
            return lambda x: x
        points = np.frombuffer(tag[12 : 12 + 2 * count], ">u2").astype(float)
        if count == 1:
            return lambda x: x ** (points[0] / 256)
        return lambda x: np.interp(x, np.linspace(0, 1, count), points / 65535)
    if tag[:4] != b"para":
        raise ValueError("unknown curve")
    (kind,) = struct.unpack(">H", tag[8:10])
    length = (1, 3, 4, 5, 7)[kind]
    values = [v / 65536 for v in struct.unpack(f">{length}i", tag[12 : 12 + 4 * length])]
    g, a, b, c, d, e, f = values + [0.0] * (7 - length)
    if kind == 0:
        return lambda x: x**g
    if kind in (1, 2):
        offset = c if kind == 2 else 0.0
        return lambda x: np.where(x >= -b / a, np.maximum(a * x + b, 0) ** g + offset, offset)
    e, f = (e, f) if kind == 4 else (0.0, 0.0)
    return lambda x: np.where(x >= d, np.maximum(a * x + b, 0) ** g + e, c * x + f)


def _srgb_signal(linear: NDArray[Any]) -> NDArray[Any]:
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055)
