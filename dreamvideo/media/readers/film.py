"""Films, decoded by ffmpeg at a constant frame rate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np

from ...errors import SourceError
from .. import ffmpeg
from ..info import Info
from ..probe import Film
from .frame import Frame
from .selection import Selection, sized, within

SWS = "lanczos+accurate_rnd+full_chroma_int+full_chroma_inp"
# PQ or HLG light → linear → BT.709 primaries → tone curve → BT.709 signal; 203 nits is reference white (ITU-R BT.2408)
TONEMAP = (
    "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,tonemap=mobius:desat=0,"
    "zscale=t=bt709:m=bt709:r=pc,format=gbrp16le,"
)


class FilmReader:
    """The frames of a film, at a constant rate, upright, full-range RGB."""

    def __init__(self, path: str, film: Film, selection: Selection):
        times, start = film.times, selection.start
        if not film.constant:  # the moments at which ffmpeg's fps filter gives a frame
            times = [k / film.rate for k in range(round(times[0] * film.rate), max(round(film.end * film.rate), 1))]
        taken = within(times, path, selection)
        if start > times[0]:  # between two frames, picture and sound begin with the later one
            start = taken[0]
        width, height = sized(selection.size, film.width, film.height)
        fixed = "x" in selection.size.lower()
        notices = film.notices
        if selection.rate not in (None, film.rate):
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
            cut=start > 0 or selection.end is not None,
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


def _per_second(rate: Fraction) -> str:
    return f"{rate} frames per second"


def _microseconds(time: Fraction) -> str:
    return f"{math.floor(time * 1_000_000)}us"
