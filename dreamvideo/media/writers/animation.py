"""Converts a lossless film into a GIF with a palette of its own, or into an animated WebP."""

from __future__ import annotations

from pathlib import Path

from .. import ffmpeg
from ..metadata import with_comment

MAX_COMMENTED = 64 * 2**20  # bytes; adding a comment rewrites the whole file in memory
SMOOTHEST_GIF = 50  # frames per second: most players show faster ones slower


def encode_animation(film: Path, output: Path, alpha: bool) -> None:
    """Convert a film into the animation that the output's suffix names, `.gif` or `.webp`.

    Args:
        film: of a lossless encoder.
        output: an existing file is replaced.
        alpha: whether the film has an alpha channel, which a WebP keeps.

    Raises:
        FFmpegError: it could not be converted.
    """
    if output.suffix.lower() == ".webp":
        pixel_format = "yuva420p" if alpha else "yuv420p"
        encode = ["-c:v", "libwebp_anim", "-pix_fmt", pixel_format, "-quality", "85", "-loop", "0"]
        ffmpeg.run([*ffmpeg.input_args(str(film)), *encode, "-y", f"file:{output}"])
    else:
        _encode_gif(film, output)


def add_comment(file: Path, comment: str) -> bool:
    """Write a comment into an animation; False if the file is too large for that."""
    if file.stat().st_size > MAX_COMMENTED:
        return False
    file.write_bytes(with_comment(file.read_bytes(), comment))
    return True


def _encode_gif(film: Path, output: Path) -> None:
    opened, palette = ffmpeg.input_args(str(film)), film.with_suffix(".png")
    try:
        ffmpeg.run([*opened, "-vf", "palettegen=stats_mode=full", "-y", f"file:{palette}"])
        dither = "[0:v][1:v]paletteuse=dither=sierra2_4a:diff_mode=rectangle"
        show = ["-filter_complex", dither, "-loop", "0"]
        ffmpeg.run([*opened, *ffmpeg.input_args(str(palette)), *show, "-y", f"file:{output}"])
    finally:
        palette.unlink(missing_ok=True)
