"""Reads a film with ffmpeg: frames at a constant rate, upright, as full-range RGB."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np

from ...errors import SourceError
from .. import ffmpeg
from ..info import Info
from ..probe import ProbedFilm
from .frame import Frame
from .selection import Selection, keeps_shape, parse_size, select_times

# PQ or HLG light → linear → BT.709 primaries → tone curve → BT.709 signal; 203 nits is reference white (ITU-R BT.2408)
TONEMAP = (
    "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,tonemap=mobius:desat=0,"
    "zscale=t=bt709:m=bt709:r=pc,format=gbrp16le,"
)
YUV_FORMATS = ("yuv", "yuvj", "nv", "p0", "p2", "uyvy", "yuyv", "y2")  # how their names begin


class FilmReader:
    """The frames of a film, decoded by ffmpeg (see `Source`).

    Args:
        path: of the film.
        film: what the file contains.
        selection: which part of it to read.

    Raises:
        SourceError: the selection takes no frame.
        RecipeError: its size cannot be read.
    """

    def __init__(self, path: str, film: ProbedFilm, selection: Selection):
        self._film = film
        times = _frame_times(film)
        self._times = select_times(times, path, selection)
        # where the start lies between two frames, picture and sound begin with the later one
        start = self._times[0] if selection.start > times[0] else selection.start
        self.info = _info(path, film, selection, self._times, start)

    def __iter__(self) -> Iterator[Frame]:
        return self.since(0)

    def since(self, first: int) -> Iterator[Frame]:
        """See `Source`."""
        info, bytes_per_channel = self.info, self.info.depth // 8
        kind = np.uint8 if bytes_per_channel == 1 else "<u2"
        size, last = info.width * info.height * 3 * bytes_per_channel, bytearray()
        with ffmpeg.reader(self._command(first)) as process:
            for index in range(first, info.count):
                data = process.read(size)
                if len(data) < size and index == info.count - 1 > 0 and not self._film.constant:
                    data = last  # with a varying rate, ffmpeg may drop the last frame by rounding
                if len(data) < size:
                    break
                pixels = np.frombuffer(data, kind).reshape(info.height, info.width, 3)
                yield Frame(index, index / info.rate, pixels)
                last = data
            else:
                return
            self._check_end(process, anything=index > first)

    def _check_end(self, process: ffmpeg.Process, anything: bool) -> None:
        """Refuse an early end where nothing was decoded or ffmpeg was killed; a truncated film may end early."""
        try:
            process.wait()
        except ffmpeg.FFmpegError as error:
            if process.was_killed:
                raise SourceError(f"reading {self.info.path} was cut off ({error}): try again") from error
            if not anything:
                raise SourceError(f"no frame of {self.info.path} can be decoded ({error}): is it complete?") from error

    def _command(self, first: int) -> list[str]:
        info, film = self.info, self._film
        opened = ffmpeg.input_args(info.path, film.demuxer)
        start = self._times[first] if first else info.start
        seek, filters = ["-ss", _microseconds(start)] if start else [], ""
        if not film.constant:  # a seek would lose the picture shown at that moment: filter from the beginning instead
            seek, filters = [], f"fps={film.rate},trim=start={_microseconds(start)},setpts=PTS-STARTPTS,"
        if film.hdr:
            filters += TONEMAP
        matrix = f":in_color_matrix={film.colour.matrix}:in_range={film.colour.range}" if self._is_yuv() else ""
        filters += f"scale={info.width}:{info.height}:out_range=2:flags={ffmpeg.SCALER_FLAGS}{matrix}"
        pixels = ["-f", "rawvideo", "-pix_fmt", "rgb24" if info.depth == 8 else "rgb48le"]
        return [
            *seek, *opened, "-map", f"0:{film.stream}", "-frames:v", str(info.count - first),
            "-vf", filters, "-fps_mode", "passthrough", *pixels, "pipe:1",
        ]  # fmt: skip

    def _is_yuv(self) -> bool:
        return not self._film.hdr and self._film.format.startswith(YUV_FORMATS)


def _frame_times(film: ProbedFilm) -> list[Fraction]:
    """Return the times of a film's frames; of a varying rate, those at which ffmpeg's fps filter gives one."""
    if film.constant:
        return film.times
    return [k / film.rate for k in range(round(film.times[0] * film.rate), max(round(film.end * film.rate), 1))]


def _info(path: str, film: ProbedFilm, selection: Selection, times: list[Fraction], start: Fraction) -> Info:
    width, height = parse_size(selection.size, film.width, film.height)
    notices = film.notices
    if selection.rate not in (None, film.rate):
        notices += (f"--fps sets the rate of frame sequences: this film keeps its {film.rate} frames per second",)
    colour = replace(film.colour, matrix=1, primaries=1, transfer=1, range=1) if film.hdr else film.colour
    return Info(
        path,
        "film",
        width,
        height,
        film.rate,
        len(times),
        depth=16 if film.hdr else film.depth,
        colour=colour,
        aspect=film.aspect if keeps_shape(selection.size) else Fraction(1),
        sound=film.sound,
        start=start,
        delay=max(times[0] - start, Fraction(0)),
        cut=start > 0 or selection.end is not None,
        demuxer=film.demuxer,
        notices=notices,
    )


def _microseconds(time: Fraction) -> str:
    return f"{math.floor(time * 1_000_000)}us"
