"""Chooses how a film is encoded (encoder, pixel format, padding), and builds the ffmpeg command for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ...errors import SinkError
from .. import ffmpeg
from ..info import Info
from .codecs import (
    ALPHA_CODECS,
    ANIMATIONS,
    CODECS,
    CONTAINERS,
    PREFERRED_FORMATS,
    Codec,
    EncoderOptions,
    find_hardware_encoder,
    is_rgb,
)

CHROMA_BLOCKS = {  # by how pixel formats begin: columns and rows that share a chroma value
    "yuv420p": (2, 2), "yuv422p": (2, 1), "yuvj420p": (2, 2), "nv12": (2, 2), "p010": (2, 2),
}  # fmt: skip
BLOCKS = {"hap": (4, 4)}  # px that an encoder compresses together, whatever the pixel format
ODD_SIZES = ("libvpx-vp9", "libaom-av1", "libsvtav1")  # encoders that take odd sizes in any pixel format


@dataclass(frozen=True)
class Encoder:
    """The encoder of a film, run in one way.

    Attributes:
        name: FFmpeg's name of it, like `libx264`.
        options: its command-line options.
        pix_fmt: FFmpeg's name of the pixel format that it stores.
        padding: columns to repeat at the right, and rows to repeat below.
        alpha: whether it is given RGBA.
        notices: facts that the user should know, one sentence each.
    """

    name: str
    options: tuple[str, ...]
    pix_fmt: str
    padding: tuple[int, int]
    alpha: bool
    notices: tuple[str, ...]

    @property
    def depth(self) -> int:
        """Bits per channel of the pixels that it is given: 8 or 16."""
        if self.pix_fmt == "bgra":
            return 8
        return 16 if self.alpha or any(bits in self.pix_fmt for bits in ("10", "12", "14", "16")) else 8

    @property
    def useful_depth(self) -> int:
        """Bits per channel that make a difference to its output: 8, 12 or 16."""
        return 12 if self.depth == 16 and "10" in self.pix_fmt else self.depth

    @property
    def raw_format(self) -> str:
        """FFmpeg's name of the pixel format that it is given."""
        if self.alpha:
            return "rgba" if self.depth == 8 else "rgba64le"
        return "rgb48le" if self.depth == 16 else "rgb24"

    def padded_size(self, info: Info) -> tuple[int, int]:
        """Return the (width, height) of a source's frames with the padding."""
        return info.width + self.padding[0], info.height + self.padding[1]


def choose_encoder(info: Info, suffix: str, options: EncoderOptions, alpha: bool) -> Encoder:
    """Return how a film is encoded.

    Args:
        info: its source.
        suffix: file type, like `.mp4`.
        options: what is asked of the encoder; for GIF and WebP nothing applies.
        alpha: whether it is a film of RGBA, whose encoder is the file type's own.

    Raises:
        SinkError: there is no such encoder, or it does not take the pixel format.
    """
    notices, asked = [], options
    if suffix in ANIMATIONS and options != EncoderOptions():
        notices.append(f"--codec, --crf and --pix-fmt do not apply to {suffix}")
        asked = EncoderOptions()
    name = find_hardware_encoder() if asked.codec == "hardware" else asked.codec or CONTAINERS[suffix].codec
    default = _default(name, suffix, info, alpha)
    pix_fmt = _pixel_format(name, asked.pix_fmt, default, alpha)
    padding = _padding(name, pix_fmt, info)
    if any(padding):
        size = f"{info.width + padding[0]}x{info.height + padding[1]}"
        if name in BLOCKS:
            notices.append(f"{name} wants sizes that are multiples of 4: padded to {size}")
        else:
            notices.append(
                f"{name} in {pix_fmt} wants even sizes: padded to {size} (--pix-fmt yuv444p or an .mkv keeps the size)"
            )
    arguments = default.options
    if asked.crf is not None and default.quality:
        arguments = (*arguments, default.quality, str(asked.crf))
    elif asked.crf is not None:
        notices.append(f"--crf does not apply to {name}")
    return Encoder(name, arguments, pix_fmt, padding, alpha, tuple(notices))


def encode_command(encoder: Encoder, info: Info, tags: list[str], output: Path) -> list[str]:
    """Return the arguments with which ffmpeg encodes raw frames from its standard input.

    Args:
        encoder: see `choose_encoder`.
        info: the source, whose rate, colour and aspect are kept.
        tags: arguments for the container and its metadata.
        output: the file to write; an existing one is replaced.
    """
    width, height = encoder.padded_size(info)
    return [
        "-f", "rawvideo", "-pix_fmt", encoder.raw_format, "-s", f"{width}x{height}", "-r", str(info.rate),
        "-i", "pipe:0", "-vf", _filters(encoder.pix_fmt, info), "-c:v", encoder.name, *encoder.options,
        "-fps_mode", "passthrough", *tags, "-y", f"file:{output}",
    ]  # fmt: skip


def _default(name: str, suffix: str, info: Info, alpha: bool) -> Codec:
    """Return how an encoder is run by default for a file type and source."""
    if alpha and suffix == ".mkv" and info.depth == 8:
        return replace(ALPHA_CODECS[suffix], pix_fmt="bgra")
    if alpha:
        return ALPHA_CODECS[suffix]
    default = CODECS.get(name, Codec("yuv420p"))
    if name == "ffv1" and suffix == ".mkv" and info.depth == 16:
        return replace(default, pix_fmt="gbrp16le")
    return default


def _pixel_format(name: str, asked: str, default: Codec, alpha: bool) -> str:
    """Return the pixel format that is asked for, or the default.

    Raises:
        SinkError: there is no such encoder, or it does not take the pixel format.
    """
    try:
        known = ffmpeg.pixel_formats(name)
    except ffmpeg.FFmpegError as error:
        raise SinkError(f"{error}: give --codec another, like libx264, or leave it out") from error
    if asked and known and asked not in known:
        raise SinkError(f"{name} does not take --pix-fmt {asked}: give it one of {', '.join(known)}")
    if asked or alpha or name in CODECS:
        return asked or default.pix_fmt
    return next((one for one in PREFERRED_FORMATS if one in known), known[0] if known else PREFERRED_FORMATS[0])


def _padding(name: str, pix_fmt: str, info: Info) -> tuple[int, int]:
    """Return columns and rows to add where the encoder insists on whole blocks of pixels, or of chroma."""
    if name in ODD_SIZES:
        return 0, 0
    columns, rows = BLOCKS.get(name) or next(
        (block for start, block in CHROMA_BLOCKS.items() if pix_fmt.startswith(start)), (1, 1)
    )
    return -info.width % columns, -info.height % rows


def _filters(pix_fmt: str, info: Info) -> str:
    """Return the filters that turn full-range RGB into a pixel format, with the colour tags of the source."""
    colour = info.colour
    aspect = f"setsar={info.aspect}"
    light = f"color_primaries={colour.primaries}:color_trc={colour.transfer}"
    if is_rgb(pix_fmt):
        return f"format={pix_fmt},setparams=range=2:{light},{aspect}"
    return (
        f"scale=out_color_matrix={colour.matrix}:out_range={colour.range}:flags={ffmpeg.SCALER_FLAGS},"
        f"format={pix_fmt},setparams=range={colour.range}:colorspace={colour.matrix}:{light},{aspect}"
    )
