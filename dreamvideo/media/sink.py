"""Frames out: films through ffmpeg, frame sequences and stills through OpenCV.

Nothing stands under its final name before it is whole: every sink writes to a hidden name in the same folder and
renames at the end. Leaving a sink through an exception throws away what was written.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from .. import ffmpeg
from ..errors import SinkError
from ..recipe import Encoding
from .names import FILMS, PATTERN, STILLS, frame_pattern, is_sequence, sequence_files
from .probe import Info, probe
from .source import SWS
from .tags import tagged

QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_WEBP_QUALITY, 95]
TAGGED = 64 * 2**20  # bytes; a comment is put into a GIF or WebP by rewriting it, which larger ones are spared


@dataclass(frozen=True)
class Container:
    """What a file type is encoded with, and the sound it can hold as it is."""

    codec: str
    pix_fmt: str
    options: tuple[str, ...]
    sound: tuple[str, ...]  # codecs copied bit for bit; () for none at all, ("*",) for any
    fallback: str = "aac"  # what other sound is re-encoded to
    wanted: tuple[str, ...] = ()  # muxer options


MP4 = Container(
    "libx264",
    "yuv420p",
    ("-crf", "16", "-preset", "medium"),
    ("aac", "mp3", "ac3", "eac3", "alac", "opus"),
    wanted=("-movflags", "+faststart"),
)
PCM = tuple(f"pcm_{kind}" for kind in ("s16le", "s16be", "s24le", "s24be", "s32le", "s32be", "f32le", "f32be"))
CONTAINERS = {
    ".mp4": MP4,
    ".m4v": MP4,
    ".mov": Container(
        "prores_ks",
        "yuv422p10le",
        ("-profile:v", "3", "-vendor", "apl0"),
        ("aac", "mp3", "ac3", "eac3", "alac", *PCM),
        wanted=("-movflags", "+faststart"),
    ),
    ".mkv": Container("ffv1", "", ("-level", "3", "-g", "1", "-slicecrc", "1", "-slices", "4"), ("*",)),
    ".webm": Container(
        "libvpx-vp9",
        "yuv420p",
        ("-crf", "18", "-b:v", "0", "-row-mt", "1", "-cpu-used", "3"),
        ("opus", "vorbis"),
        fallback="libopus",
    ),
    ".gif": Container("ffv1", "", (), ()),
    ".webp": Container("ffv1", "", (), ()),
}
CODEC_OPTIONS = {"libx264": MP4.options, "libx265": ("-crf", "18", "-tag:v", "hvc1")}


class Sink(Protocol):
    """Takes pictures in order."""

    path: str
    notices: list[str]

    def write(self, image: Tensor) -> None:
        """Take the next picture, float RGB in [0, 1], (3, H, W); clamped and quantised here, once."""

    def commit(self, whole: bool) -> None:
        """Bring what was written to its final name; not `whole` when frames are missing at the end."""

    def discard(self) -> None:
        """Remove what was written."""


@contextmanager
def open_sink(path: str, info: Info, encoding: Encoding, comment: str = "", overwrite: bool = False) -> Iterator[Sink]:
    """Open an output for the frames of a source; on leaving without `commit`, nothing of it remains.

    Args:
        path: a film, a still, a folder or a printf pattern, by its name.
        info: the source, whose size, rate, colour and sound it keeps.
        encoding: codec, quality and pixel format, where they are not the usual.
        comment: the recipe, written into the file's metadata.
        overwrite: whether what stands there may be replaced.

    Raises:
        SinkError: it exists already, is the input, cannot be written, or its kind does not suit the source.
    """
    check_output(path, info, overwrite)
    sink: Sink
    if is_sequence(path):
        sink = FrameSink(path, info, comment)
    elif is_still(path, info):
        sink = StillSink(path, info, comment)
    else:
        sink = FilmSink(path, info, encoding, comment)
    try:
        yield sink
    finally:
        sink.discard()


def is_still(path: str, info: Info) -> bool:
    """Tell whether an output path stands for one picture; `.webp` does for a still only."""
    suffix = Path(path).suffix.lower()
    return suffix in STILLS and (suffix != ".webp" or info.kind == "still")


def check_output(path: str, info: Info, overwrite: bool) -> None:
    """Refuse an output that would lose something or cannot hold the source (see `open_sink`)."""
    where, suffix = Path(path), Path(path).suffix.lower()
    if is_sequence(path):
        pattern = Path(frame_pattern(path))
        _check_frames(pattern, info, overwrite)
        where = pattern
    elif is_still(path, info):
        if info.kind != "still":
            raise SinkError(
                f"{path} is one picture, {info.path} is many: name the output out.mp4 or out/%05d.png, "
                "or take one frame with --preview SECONDS"
            )
    elif suffix not in FILMS:
        raise SinkError(f"{path}: write films as {', '.join(FILMS)}, stills as .png, .jpg, .tif, frames as out/%05d.png")
    elif info.kind == "still":
        raise SinkError(f"{info.path} is a still: name the output {where.stem}.png, .jpg, .webp or .tif")
    if where.exists() and Path(info.path).exists() and os.path.samefile(where, info.path):
        raise SinkError(f"{path} is the input itself: give the output another name")
    if where.exists() and not overwrite and not is_sequence(path):
        raise SinkError(f"{path} exists already: give another name, or --overwrite")
    folder = where.parent
    if folder.exists() and not folder.is_dir():
        raise SinkError(f"{folder} is no folder: give another output")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise SinkError(f"cannot write into {folder} ({error.strerror}): choose another folder") from error


def _check_frames(pattern: Path, info: Info, overwrite: bool) -> None:
    if pattern.suffix.lower() not in STILLS:
        raise SinkError(f"{pattern}: write frames as .png, .jpg, .tif or .webp, like out/%05d.png")
    if PATTERN.search(str(pattern.parent)) or len(PATTERN.findall(pattern.name)) > 1:
        raise SinkError(f"{pattern}: number frames once, in their name, like out/%05d.png")
    first = Path(str(pattern.parent)) / _numbered(pattern, info.number)
    if first.exists() and is_sequence(info.path) and first.resolve() in {f.resolve() for f in sequence_files(info.path)}:
        raise SinkError(f"{pattern} are the input's own frames: give another folder or pattern")
    for number in range(info.number, info.number + info.count):
        there = pattern.parent / _numbered(pattern, number)
        if there.exists() and not overwrite:
            raise SinkError(f"{there} exists already: give another folder, or --overwrite")


class FilmSink:
    """A film, encoded as it comes; sound, chapters and tags join it at the end."""

    def __init__(self, path: str, info: Info, encoding: Encoding, comment: str):
        self.path, self.notices, self.count = path, [], 0
        self._info, self._comment = info, comment
        self._final, self._suffix = Path(path), Path(path).suffix.lower()
        self._container = CONTAINERS[self._suffix]
        self._codec = encoding.codec if encoding.codec and self._container.sound else self._container.codec
        self._pix_fmt = encoding.pix_fmt or self._default_pix_fmt(encoding)
        self._deep = "gbrp16" in self._pix_fmt or any(d in self._pix_fmt for d in ("10", "12", "14", "16"))
        self._pad = self._padding()
        animation = self._suffix in (".gif", ".webp")
        self._raw = _hidden(self._final, ".mkv" if animation else self._suffix)
        self._done = _hidden(self._final, self._suffix)
        try:
            self._process = ffmpeg.writer(self._command(encoding))
        except ffmpeg.FFmpegError as error:
            raise SinkError(f"{path} cannot be written: {error}") from error
        if info.sound and not self._container.sound:
            self.notices.append(f"{self._suffix} holds no sound: the film's sound is left out")

    def write(self, image: Tensor) -> None:
        pixels = _quantise(image, 16 if self._deep else 8)
        if any(self._pad):
            pixels = np.pad(pixels, ((0, self._pad[1]), (0, self._pad[0]), (0, 0)), mode="edge")  # type: ignore
        try:
            self._process.write(memoryview(np.ascontiguousarray(pixels)).cast("B"))
        except ffmpeg.FFmpegError as error:
            raise SinkError(self._failed(error)) from error
        self.count += 1

    def commit(self, whole: bool) -> None:
        try:
            self._process.wait()
            if (found := len(probe(str(self._raw)).times)) != self.count:
                raise ffmpeg.FFmpegError(f"the encoder kept {found} of {self.count} frames")
            if self._suffix in (".gif", ".webp"):
                self._animate()
            else:
                self._mux(whole)
            os.replace(self._done, self._final)
        except (ffmpeg.FFmpegError, OSError) as error:
            raise SinkError(self._failed(error)) from error

    def discard(self) -> None:
        self._process.__exit__(None, None, None)
        for left in (self._raw, self._done):
            left.unlink(missing_ok=True)

    def _command(self, encoding: Encoding) -> list[str]:
        info, (right, below) = self._info, self._pad
        size = f"{info.width + right}x{info.height + below}"
        raw = ["-f", "rawvideo", "-pix_fmt", "rgb48le" if self._deep else "rgb24", "-s", size, "-r", str(info.rate)]
        options = CODEC_OPTIONS.get(self._codec, ()) if encoding.codec else self._container.options
        if encoding.crf is not None:
            options = (*options, "-crf", str(encoding.crf))
        tags = ["-metadata", f"comment={self._comment}"] if self._comment else []
        return [
            *raw, "-i", "pipe:0", "-vf", self._colour(), "-c:v", self._codec, *options, "-fps_mode", "passthrough",
            *tags, "-y", f"file:{self._raw}",
        ]  # fmt: skip

    def _colour(self) -> str:
        """Return the filters that turn full-range RGB into the pixel format, marked as the source was."""
        colour = self._info.colour
        aspect = f"setsar={self._info.aspect}"
        light = f"color_primaries={colour.primaries}:color_trc={colour.transfer}"
        if _is_rgb(self._pix_fmt):
            return f"format={self._pix_fmt},setparams=range=2:{light},{aspect}"
        return (
            f"scale=out_color_matrix={colour.matrix}:out_range={colour.range}:flags={SWS},format={self._pix_fmt},"
            f"setparams=range={colour.range}:colorspace={colour.matrix}:{light},{aspect}"
        )

    def _default_pix_fmt(self, encoding: Encoding) -> str:
        if self._codec == "ffv1":
            return "gbrp16le" if self._info.depth == 16 and self._suffix == ".mkv" else "bgr0"
        return self._container.pix_fmt if not encoding.codec or self._codec != "ffv1" else "bgr0"

    def _padding(self) -> tuple[int, int]:
        """Return columns and rows to repeat at the right and below, where chroma is halved and the codec insists."""
        halved = {"yuv420p": (2, 2), "yuv422p": (2, 1), "yuvj420p": (2, 2), "nv12": (2, 2), "p010": (2, 2)}
        across, down = next((v for k, v in halved.items() if self._pix_fmt.startswith(k)), (1, 1))
        if self._codec in ("libvpx-vp9", "libaom-av1", "libsvtav1", "ffv1"):  # these keep odd sizes
            return 0, 0
        pad = -self._info.width % across, -self._info.height % down
        if any(pad):
            size = f"{self._info.width + pad[0]}x{self._info.height + pad[1]}"
            self.notices.append(
                f"{self._codec} in {self._pix_fmt} wants even sizes: padded to {size} "
                "(--pix-fmt yuv444p or an .mkv keeps the size)"
            )
        return pad

    def _mux(self, whole: bool) -> None:
        """Join the encoded picture with the source's sound, chapters and tags, all copied."""
        info = self._info
        if info.kind != "film" or not Path(info.path).is_file():
            os.replace(self._raw, self._done)
            return
        delay = ["-itsoffset", f"{float(info.delay):.6f}"] if info.delay * info.rate >= Fraction(1, 2) else []
        part: list[str] = ["-ss", f"{float(info.start):.6f}"] if info.start else []
        if info.cut or not whole:
            part += ["-t", f"{float(info.delay + self.count / info.rate):.6f}"]
        sound = ["-map", "1:a?", *self._sound()] if info.sound and self._container.sound else []
        chapters = ["-map_chapters", "-1" if info.cut or not whole else "1"]
        ffmpeg.run([
            *delay, *ffmpeg.input_args(str(self._raw)), *part, *ffmpeg.input_args(info.path),
            "-map", "0:v", "-c:v", "copy", *sound, "-map_metadata", "1", *chapters,
            "-metadata", f"comment={self._comment}", *self._container.wanted, "-y", f"file:{self._done}",
        ])  # fmt: skip

    def _sound(self) -> list[str]:
        """Return, track by track, whether sound is copied or re-encoded; the latter is said."""
        args = []
        for track, codec in enumerate(self._info.sound):
            if codec in self._container.sound or "*" in self._container.sound:
                args += [f"-c:a:{track}", "copy"]
            else:
                args += [f"-c:a:{track}", self._container.fallback, f"-b:a:{track}", "256k"]
                kind = self._container.fallback.removeprefix("lib")
                self.notices.append(f"{self._suffix} does not hold {codec} sound: re-encoded to {kind}")
        return args

    def _animate(self) -> None:
        """Turn the lossless film into a GIF with one palette made for it, or an animated WebP."""
        raw, rate = ffmpeg.input_args(str(self._raw)), self._info.rate
        if self._suffix == ".webp":
            encode = ["-c:v", "libwebp_anim", "-pix_fmt", "yuv420p", "-quality", "85", "-loop", "0"]
            ffmpeg.run([*raw, *encode, "-y", f"file:{self._done}"])
        else:
            if rate > 50:
                self.notices.append(f"most players show a GIF of {float(rate):g} frames per second slower: try .webp")
            palette = _hidden(self._final, ".png")
            try:
                ffmpeg.run([*raw, "-vf", "palettegen=stats_mode=full", "-y", f"file:{palette}"])
                dither = "[0:v][1:v]paletteuse=dither=sierra2_4a:diff_mode=rectangle"
                show = ["-filter_complex", dither, "-loop", "0"]
                ffmpeg.run([*raw, *ffmpeg.input_args(str(palette)), *show, "-y", f"file:{self._done}"])
            finally:
                palette.unlink(missing_ok=True)
        if self._done.stat().st_size <= TAGGED:
            self._done.write_bytes(tagged(self._done.read_bytes(), self._comment))

    def _failed(self, error: Exception) -> str:
        return f"{self.path} could not be written ({error}): is the disk full, or the codec wrong for this file type?"


class FrameSink:
    """A frame sequence: every picture is a file of its own, whole from the moment it has its name."""

    def __init__(self, path: str, info: Info, comment: str):
        self.path, self.notices, self.count = path, [], 0
        self._pattern, self._info, self._comment = Path(frame_pattern(path)), info, comment
        if info.sound:
            self.notices.append("frames hold no sound: the film's sound is left out")

    def write(self, image: Tensor) -> None:
        file = self._pattern.parent / _numbered(self._pattern, self._info.number + self.count)
        save_picture(file, _quantise(image, _depth(file, self._info)), self._comment)
        self.count += 1

    def commit(self, whole: bool) -> None:
        """Nothing is left to do: the frames stand."""

    def discard(self) -> None:
        """Frames that are written are whole, and stay."""


class StillSink:
    """One picture."""

    def __init__(self, path: str, info: Info, comment: str):
        self.path, self.notices, self.count = path, [], 0
        self._info, self._comment = info, comment
        self._pixels: NDArray[np.uint8] | NDArray[np.uint16] | None = None

    def write(self, image: Tensor) -> None:
        self._pixels = _quantise(image, _depth(Path(self.path), self._info))
        self.count += 1

    def commit(self, whole: bool) -> None:
        if self._pixels is not None:
            save_picture(Path(self.path), self._pixels, self._comment)

    def discard(self) -> None:
        self._pixels = None


def save_picture(file: Path, pixels: NDArray[np.uint8] | NDArray[np.uint16], comment: str = "") -> None:
    """Write RGB pixels (H, W, 3) as the picture format the name asks for, whole or not at all.

    Raises:
        SinkError: it cannot be written.
    """
    hidden = _hidden(file, file.suffix)
    try:
        _, data = cv2.imencode(file.suffix.lower(), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), QUALITY)
        hidden.write_bytes(tagged(data.tobytes(), comment) if comment else data.tobytes())
        os.replace(hidden, file)
    except (OSError, cv2.error) as error:
        raise SinkError(f"{file} could not be written ({error}): is the disk full?") from error
    finally:
        hidden.unlink(missing_ok=True)


def as_still(info: Info) -> Info:
    """Return what a source is when only one of its frames is taken."""
    return replace(info, kind="still", count=1, sound=())


def _quantise(image: Tensor, depth: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
    top = 2**depth - 1
    levels = (image.clamp(0, 1) * top).round().permute(1, 2, 0).cpu().numpy()
    return levels.astype(np.uint8 if depth == 8 else np.uint16)


def _depth(file: Path, info: Info) -> int:
    return info.depth if file.suffix.lower() in (".png", ".tif", ".tiff") else 8


def _is_rgb(pix_fmt: str) -> bool:
    return pix_fmt.startswith(("gbr", "rgb", "bgr"))


def _numbered(pattern: Path, number: int) -> str:
    return PATTERN.sub(lambda match: f"{number:0{int(match[1] or 0)}d}", pattern.name)


def _hidden(final: Path, suffix: str) -> Path:
    """Return a free name beside the final one."""
    handle, name = tempfile.mkstemp(prefix=f".{final.stem[:40]}-", suffix=suffix, dir=final.parent)
    os.close(handle)
    os.chmod(name, 0o666 & ~_umask())
    return Path(name)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
