"""Reads one picture file: with Pillow; with OpenCV, libheif or ffmpeg if it has more than 8 bits per channel."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ...errors import SourceError
from .. import ffmpeg
from ..local_files import check_file, check_size
from ..pixels import Pixels, quiet_opencv
from . import profiles

TIFF = (b"II*\0", b"MM\0*")  # how a TIFF begins; OpenCV reads kinds of it that Pillow does not
HEIF_SUFFIXES = (".heic", ".heif")
PNG_DEPTH = 24  # offset of a PNG's bits per channel
AVIF_DEPTH = re.compile(rb"av1C.(.)(.)", re.DOTALL)  # AV1 Codec Configuration Record, whose third byte has the depth
AVIF_DEEP = 0x40  # its flag high_bitdepth
WITH_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")  # Pillow's modes
ORIENTATION = 274  # Exif tag


@dataclass(frozen=True)
class Picture:
    """A picture as it was read.

    Attributes:
        pixels: RGB (H, W, 3), 8 or 16 bits, sRGB.
        alpha: (H, W), of the same type; None without an alpha channel.
        notices: facts that the user should know, one sentence each.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    notices: tuple[str, ...] = ()


def read_picture(file: Path) -> Picture:
    """Read a picture, upright, its colours converted to sRGB by its profile; grey becomes RGB.

    Raises:
        SourceError: it cannot be read as a picture, or is too large.
    """
    from PIL import UnidentifiedImageError

    with warnings.catch_warnings(action="ignore"), as_source_error(file):
        try:
            with open_picture(file) as image:
                return _read(image, file)
        except UnidentifiedImageError:
            with open(file, "rb") as opened:
                if opened.read(4) not in TIFF:
                    raise
            return Picture(_read_by_opencv(file, clear=True)[0])


def _read(image: Any, file: Path) -> Picture:
    """Return an opened picture, by the library that keeps all of its bits."""
    from PIL import ImageOps

    profile = image.info.get("icc_profile", b"")
    animated = getattr(image, "n_frames", 1) > 1 and image.format in ("PNG", "AVIF", "WEBP", "GIF")
    notices = (f"it is an animation: this is the first of its {image.n_frames} pictures",) if animated else ()
    clear = image.mode in WITH_ALPHA or "transparency" in image.info
    if image.format == "PNG" and _depth_of_png(file) > 8:
        image.verify()  # of a damaged file, libpng would log to the terminal
        return _deep(*_read_by_opencv(file, clear), profile, notices)
    rgb_tiff = image.format == "TIFF" and image.mode not in ("LAB", "CMYK")
    if rgb_tiff and (_is_deep_tiff(image) or not (clear or profile)):  # with alpha, OpenCV would darken one of 8 bits
        return _deep(*_read_by_opencv(file, clear), profile, notices)
    if image.format == "HEIF":
        image.close()
        return _read_heif(file)
    if image.format == "AVIF" and not animated and _is_deep_avif(file):
        return _deep(*_read_by_ffmpeg(file, image), profile, notices)
    upright = ImageOps.exif_transpose(image)
    alpha = None
    if clear:
        upright = upright.convert("RGBA")
        alpha = np.array(upright.getchannel("A"))
    converted, said = profiles.to_srgb(upright, profile)
    return Picture(np.array(converted), alpha, (*notices, *said))


def _deep(pixels: Pixels, alpha: Pixels | None, profile: bytes, notices: tuple[str, ...]) -> Picture:
    converted, said = profiles.pixels_to_srgb(pixels, profile)
    return Picture(converted, alpha, (*notices, *said))


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
    if file.suffix.lower() in HEIF_SUFFIXES:
        import pillow_heif

        pillow_heif.register_heif_opener(thumbnails=False)
    usual, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # some cameras have more
    try:
        image = Image.open(file)
    finally:
        Image.MAX_IMAGE_PIXELS = usual
    with image:
        yield image


def is_animation(file: Path) -> bool:
    """Tell whether a picture file contains several pictures that are shown one after the other.

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


def _depth_of_png(file: Path) -> int:
    with open(file, "rb") as opened:
        return opened.read(PNG_DEPTH + 1)[-1]


def _is_deep_tiff(image: Any) -> bool:
    bits = image.tag_v2.get(258, (8,))  # tag BitsPerSample
    return max(bits if isinstance(bits, tuple) else (bits,)) > 8


def _is_deep_avif(file: Path) -> bool:
    with open(file, "rb") as opened:
        found = AVIF_DEPTH.search(opened.read(2**16))
    return bool(found and found[2][0] & AVIF_DEEP)


def _read_by_opencv(file: Path, clear: bool) -> tuple[Pixels, Pixels | None]:
    """Return RGB pixels, and alpha if there is one, upright; alpha is looked for if the picture may be `clear`."""
    with quiet_opencv():
        data = np.fromfile(file, np.uint8)
        raw = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if clear else None
        if raw is not None and raw.ndim == 3 and raw.shape[2] == 4:
            upright: Any = _turned(raw, file)
            return _as_integers(upright[..., 2::-1]), _as_integers(upright[..., 3])
        pixels = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    # OpenCV's own RGB flag garbles 16-bit TIFF
    return _as_integers(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)), None


def _as_integers(pixels: Any) -> Pixels:
    if pixels.dtype in (np.uint8, np.uint16):
        return np.ascontiguousarray(pixels)
    return (np.clip(np.nan_to_num(pixels), 0, 1) * 65535).round().astype(np.uint16)  # a TIFF of floats


def _turned(pixels: Pixels, file: Path) -> Pixels:
    """Return pixels upright, which OpenCV leaves as they are stored if they have alpha."""
    from PIL import Image

    with Image.open(file) as image:
        turn = image.getexif().get(ORIENTATION, 1)
    flips = {2: "h", 3: "hv", 4: "v", 5: "t", 6: "th", 7: "thv", 8: "tv"}.get(turn, "")
    for flip in flips:
        pixels = {"h": lambda p: p[:, ::-1], "v": lambda p: p[::-1], "t": lambda p: p.swapaxes(0, 1)}[flip](pixels)
    return pixels


def _read_heif(file: Path) -> Picture:
    """Return the main picture of a HEIF file, all its tiles, upright; thumbnails and depth maps are left alone."""
    import pillow_heif

    image = pillow_heif.open_heif(file, convert_hdr_to_8bit=False, bgr_mode=False)
    array = np.asarray(image)
    if array.ndim == 2:
        array = np.repeat(array[..., None], 3, axis=2)
    if array.dtype != np.uint8:
        array = array.astype(np.uint16)
    alpha = np.ascontiguousarray(array[..., 3]) if array.shape[2] == 4 else None
    pixels, said = profiles.pixels_to_srgb(np.ascontiguousarray(array[..., :3]), image.info.get("icc_profile") or b"")
    return Picture(pixels, alpha, said)


def _read_by_ffmpeg(file: Path, image: Any) -> tuple[Pixels, None]:
    """Return the pixels of a picture at 16 bits, which Pillow would cut off to 8; upright by its own tags."""
    given = ["-f", "image2pipe", "-c:v", "png", "-pix_fmt", "rgb48be", "-frames:v", "1", "pipe:1"]
    size = image.width * image.height * 6 + 2**20
    with ffmpeg.reader([*ffmpeg.input_args(str(file)), *given]) as process:
        data = process.read(size)
        process.wait()
    return _as_integers(cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), -1), cv2.COLOR_BGR2RGB)), None
