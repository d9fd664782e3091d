"""Tells from a decoded frame how its pixels are to be read: as RGB, YUV or grey, and with which colour tags.

Tags are numbers of ITU-T H.273. Unspecified ones are filled in as players do.
"""

from __future__ import annotations

from typing import Any, Literal

from .info import Colour

Kind = Literal["rgb", "yuv", "grey"]

UNSPECIFIED = (0, 2, 3)  # reserved, unspecified, reserved
HDR = {16: "PQ", 18: "HLG"}  # transfer characteristics
BT2020 = 9  # both as matrix and as primaries: what HDR is made in
LIMITED, FULL = 1, 2  # ranges


def kind_of(frame: Any) -> Kind:
    """Return how a PyAV frame's pixels are stored, by FFmpeg's description of their format; a palette is RGB."""
    if frame.format.is_rgb or frame.format.has_palette:
        return "rgb"
    coloured = [component for component in frame.format.components if not component.is_alpha]
    return "yuv" if len(coloured) > 1 else "grey"


def has_alpha(frame: Any) -> bool:
    """Tell whether a PyAV frame has an alpha channel."""
    return any(component.is_alpha for component in frame.format.components)


def colour_of(frame: Any) -> Colour:
    """Return a PyAV frame's colour tags; for RGB and grey, those of the YUV that is made of it.

    Unspecified primaries and matrices are BT.2020 for HDR, else BT.709 for HD and RGB, and BT.601 below; an unspecified
    range is limited.
    """
    kind, transfer = kind_of(frame), int(frame.color_trc)
    hd = kind == "rgb" or frame.height > 576 or frame.width > 1024
    usual = BT2020 if transfer in HDR else 1 if hd else 6
    return Colour(
        matrix=usual if kind == "rgb" else _specified(int(frame.colorspace), usual),
        primaries=_specified(int(frame.color_primaries), usual),
        transfer=_specified(transfer, usual),
        range=FULL if kind != "rgb" and _says_full(frame) else LIMITED,
    )


def is_limited(frame: Any) -> bool:
    """Tell whether a PyAV frame's values keep to the limited range; RGB and grey do so only if they say so."""
    if kind_of(frame) == "yuv":
        return not _says_full(frame)
    return bool(frame.color_range == LIMITED)


def _says_full(frame: Any) -> bool:
    return frame.color_range == FULL or frame.format.name.startswith("yuvj")


def _specified(tag: int, usual: int) -> int:
    return usual if tag in UNSPECIFIED else tag
