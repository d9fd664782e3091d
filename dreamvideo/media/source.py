"""Frames in: films through ffmpeg, frame sequences and stills through Pillow and OpenCV."""

from __future__ import annotations

import bisect
import itertools
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from .. import ffmpeg
from ..errors import RecipeError, SourceError
from ..recipe import Clip, parse_rate, parse_time
from .names import first_number, holds_frames, is_still, sequence_files
from .pictures import Pixels
from .probe import VARIES, Film, Info, even_rate, nominal_rate, probe
from .stills import is_animation, open_picture, read_picture, told

NOISE, NOISE_SIZE = re.compile(r"noise:(\d*)"), (1280, 720)  # noise:7 is drawn by seed 7
DEFAULT_RATE = Fraction(24)  # of frame sequences, which carry none
SWS = "lanczos+accurate_rnd+full_chroma_int+full_chroma_inp"

# PQ or HLG light → linear → BT.709 primaries → tone curve → BT.709 signal; 203 nits is reference white (ITU-R BT.2408)
TONEMAP = (
    "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,tonemap=mobius:desat=0,"
    "zscale=t=bt709:m=bt709:r=pc,format=gbrp16le,"
)


@dataclass(frozen=True)
class Frame:
    """One picture of a source.

    Attributes:
        index: 0 for the first frame that is taken.
        time: seconds after that frame, exact.
        pixels: RGB, (H, W, 3), uint8 or uint16 over their full range.
        held: whether it is the picture before once more, and the dream is to live on its own last picture.
    """

    index: int
    time: Fraction
    pixels: Pixels
    held: bool = False


class Source(Protocol):
    """Frames in order, and what is known about them."""

    info: Info

    def __iter__(self) -> Iterator[Frame]: ...

    def since(self, first: int) -> Iterator[Frame]:
        """Yield the frames from one on. Of some films, whose index is wrong, others come: a reader has to look."""


@contextmanager
def open_source(path: str, clip: Clip | None = None) -> Iterator[Source]:
    """Open a film, a frame sequence (folder, glob, printf pattern), a still, or `noise:`.

    Args:
        path: local, whatever it may contain.
        clip: which part, at which size, and the rate of a sequence.

    Raises:
        SourceError: there is nothing there that can be read, or nothing between start and end.
        RecipeError: a size that cannot be read.
    """
    clip = clip or Clip()
    if noise := NOISE.fullmatch(path):
        yield Noise(path, int(noise[1] or 0), clip)
    elif holds_frames(path):
        yield Pictures(path, sequence_files(path), "sequence", clip)
    elif not Path(path).exists():
        raise SourceError(f"{path} does not exist: check the name")
    elif is_still(path) and Path(path).suffix.lower() == ".webp" and is_animation(Path(path)):
        yield AnimatedWebP(path, clip)
    elif is_still(path):
        yield Pictures(path, [Path(path)], "still", clip)
    else:
        yield FilmSource(path, probe(path), clip)


class FilmSource:
    """The frames of a film, at a constant rate, upright, full-range RGB."""

    def __init__(self, path: str, film: Film, clip: Clip):
        times, start, end = film.times, *_span(clip)
        if not film.constant:  # the moments at which ffmpeg's fps filter gives a frame
            times = [k / film.rate for k in range(round(times[0] * film.rate), max(round(film.end * film.rate), 1))]
        taken = _within(times, path, clip)
        if start > times[0]:  # between two frames, picture and sound begin with the later one
            start = taken[0]
        width, height = _sized(clip.size, film.width, film.height)
        fixed = bool(clip.size) and "x" in clip.size.lower()
        notices = film.notices
        if clip.fps and parse_rate(clip.fps) != film.rate:
            notices += (f"--fps sets the rate of frame sequences: this film keeps its {_per_second(film.rate)}",)
        self.film = film
        self.info = Info(
            path,
            "film",
            width,
            height,
            film.rate,
            len(taken),
            16 if film.hdr else film.depth,
            replace(film.colour, matrix=1, primaries=1, transfer=1, range=1) if film.hdr else film.colour,
            Fraction(1) if fixed else film.aspect,
            film.sound,
            start=start,
            delay=max(taken[0] - start, Fraction(0)),
            cut=start > 0 or end is not None,
            demuxer=film.demuxer,
            notices=notices,
        )
        self._times = taken

    def __iter__(self) -> Iterator[Frame]:
        return self.since(0)

    def since(self, first: int) -> Iterator[Frame]:
        """See `Source`."""
        info, channel = self.info, self.info.depth // 8
        size, last = info.width * info.height * 3 * channel, bytearray()
        with ffmpeg.reader(self._command(first)) as process:
            for index in range(first, info.count):
                data = process.read(size)
                if len(data) < size and index == info.count - 1 > 0 and not self.film.constant:
                    data = last  # a varying rate may round its last frame away
                if len(data) < size:
                    break
                pixels = np.frombuffer(data, np.uint8 if channel == 1 else "<u2").reshape(info.height, info.width, 3)
                yield Frame(index, index / info.rate, pixels)
                last = data
            else:
                return
            try:
                process.wait()
            except ffmpeg.FFmpegError as error:
                if process.was_killed:
                    raise SourceError(f"reading {info.path} was cut off ({error}): try again") from error
                if index == first:
                    raise SourceError(f"no frame of {info.path} can be decoded ({error}): is it complete?") from error

    def _command(self, first: int) -> list[str]:
        info, film = self.info, self.film
        given = ffmpeg.input_args(info.path, film.demuxer)
        start = self._times[first] if first else info.start
        seek, chain = ["-ss", _microseconds(start)] if start else [], ""
        if not film.constant:  # seeking would lose the frame that is being held: count from the beginning
            seek, chain = [], f"fps={film.rate},trim=start={_microseconds(start)},setpts=PTS-STARTPTS,"
        if film.hdr:
            chain += TONEMAP
        matrix = f":in_color_matrix={film.colour.matrix}:in_range={film.colour.range}" if self._is_yuv() else ""
        chain += f"scale={info.width}:{info.height}:out_range=2:flags={SWS}{matrix}"
        pixels = ["-f", "rawvideo", "-pix_fmt", "rgb24" if info.depth == 8 else "rgb48le"]
        return [
            *seek, *given, "-map", f"0:{film.stream}", "-frames:v", str(info.count - first),
            "-vf", chain, "-fps_mode", "passthrough", *pixels, "pipe:1",
        ]  # fmt: skip

    def _is_yuv(self) -> bool:
        return not self.film.hdr and self.film.format.startswith(
            ("yuv", "yuvj", "nv", "p0", "p2", "uyvy", "yuyv", "y2")
        )


class Pictures:
    """Picture files as frames: a sequence, or a still as a sequence of one."""

    def __init__(self, path: str, files: list[Path], kind: str, clip: Clip):
        self.rate = parse_rate(clip.fps) or DEFAULT_RATE
        times = _within([k / self.rate for k in range(len(files))], path, clip)
        self.files = [files[int(time * self.rate)] for time in times]
        first = read_picture(self.files[0])
        self.original = first.shape
        width, height = _sized(clip.size, first.shape[1], first.shape[0])
        depth = 8 * first.dtype.itemsize
        number = first_number(self.files) if kind == "sequence" else 1
        self.info = Info(path, kind, width, height, self.rate, len(times), depth, start=times[0], number=number)

    def __iter__(self) -> Iterator[Frame]:
        return self.since(0)

    def since(self, first: int) -> Iterator[Frame]:
        """See `Source`."""
        for index, file in enumerate(self.files[first:], first):
            pixels = read_picture(file)
            if pixels.shape != self.original or 8 * pixels.dtype.itemsize != self.info.depth:
                raise SourceError(
                    f"{file} differs from the first frame in size or depth: make all frames of the sequence alike"
                )
            yield Frame(index, index / self.rate, _resized(pixels, self.info))


class Noise:
    """A still of coloured noise on grey, for a dream out of nothing: soft at several scales, the same for each seed."""

    def __init__(self, path: str, seed: int, clip: Clip):
        width, height = _sized(clip.size, *NOISE_SIZE)
        rate = parse_rate(clip.fps) or DEFAULT_RATE
        self.info, self._seed = Info(path, "still", width, height, rate, 1), seed

    def __iter__(self) -> Iterator[Frame]:
        return self.since(0)

    def since(self, first: int) -> Iterator[Frame]:
        """See `Source`."""
        width, height = self.info.width, self.info.height
        generator = np.random.default_rng(self._seed)
        noise = np.zeros((height, width, 3), np.float32)
        for scale in (1, 4, 16, 64):
            size = max(round(height / scale), 1), max(round(width / scale), 1)
            drawn = generator.standard_normal((*size, 3)).astype(np.float32)
            noise += cv2.resize(drawn, (width, height), interpolation=cv2.INTER_CUBIC)
        yield Frame(0, Fraction(0), np.clip(128 + 16 * noise, 0, 255).round().astype(np.uint8))


class AnimatedWebP:
    """The frames of an animated WebP, which neither PyAV nor OpenCV streams; its rate is its mean rate."""

    def __init__(self, path: str, clip: Clip):
        self.path = path
        with told(Path(path)), open_picture(Path(path)) as image:
            size, lasts = image.size, []
            for k in range(image.n_frames):
                image.seek(k)
                image.load()
                lasts.append(int(image.info.get("duration", 0)) or 100)  # ms, as browsers read 0
        total = sum(lasts)
        notices: tuple[str, ...] = ()
        rate = nominal_rate(Fraction(len(lasts) * 1000, total))
        if max(lasts) > min(lasts) + 2:
            rate = even_rate(
                [Fraction(end - last, 1000) for end, last in zip(itertools.accumulate(lasts), lasts, strict=True)]
            )
            notices = (VARIES.format(float(rate)),)
        ends = list(itertools.accumulate(lasts))
        moments = _within([k / rate for k in range(max(round(total * rate / 1000), 1))], path, clip)
        middle = Fraction(1, 2) / rate
        self.taken = [min(bisect.bisect(ends, (m + middle) * 1000), len(ends) - 1) for m in moments]
        self.info = Info(path, "film", *_sized(clip.size, *size), rate, len(moments), notices=notices)

    def __iter__(self) -> Iterator[Frame]:
        return self.since(0)

    def since(self, first: int) -> Iterator[Frame]:
        """See `Source`."""
        with told(Path(self.path)), open_picture(Path(self.path)) as image:
            for index, k in enumerate(self.taken[first:], first):
                image.seek(k)
                pixels = np.array(image.convert("RGB"))
                yield Frame(index, index / self.info.rate, _resized(pixels, self.info))


def _resized(pixels: Pixels, info: Info) -> Pixels:
    if pixels.shape[:2] == (info.height, info.width):
        return pixels
    shrinks = info.width < pixels.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LANCZOS4
    return cv2.resize(pixels, (info.width, info.height), interpolation=how)


def _within(times: list[Fraction], path: str, clip: Clip) -> list[Fraction]:
    """Return the times from a clip's start on, before its end.

    Raises:
        SourceError: there is none.
    """
    start, end = _span(clip)
    taken = [time for time in times if time >= start and (end is None or time < end)]
    if not taken:
        raise SourceError(f"{path} has no frame between {clip.start or '0'} and {clip.end or 'its end'}")
    return taken


def _span(clip: Clip) -> tuple[Fraction, Fraction | None]:
    return parse_time(clip.start) or Fraction(0), parse_time(clip.end)


def _sized(text: str, width: int, height: int) -> tuple[int, int]:
    """Return (width, height) for `1280x720`, `720p` (short side, shape kept), `50%` or nothing.

    Raises:
        RecipeError: anything else, or a size beyond 1 … 32768.
    """
    if not text:
        return width, height
    if exact := re.fullmatch(r"(\d{1,9})[xX](\d{1,9})", text):
        size = int(exact[1]), int(exact[2])
    elif short := re.fullmatch(r"(\d{1,9})[pP]", text):
        scale = Fraction(int(short[1]), min(width, height))
        size = _even(width * scale), _even(height * scale)
    elif (percent := re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)%", text)) and (scale := Fraction(percent[1]) / 100):
        size = _even(width * scale), _even(height * scale)
    else:
        size = 0, 0
    if not all(1 <= side <= 32768 for side in size):
        raise RecipeError(f"cannot read the size {text!r}: write 1280x720, 720p or 50%")
    return size


def _even(side: Fraction) -> int:
    return 2 * max(round(side / 2), 1)


def _per_second(rate: Fraction) -> str:
    return f"{rate} frames per second"


def _microseconds(time: Fraction) -> str:
    return f"{math.floor(time * 1_000_000)}us"
