"""Reads a film with ffmpeg: frames at a constant rate, upright, as full-range RGB."""

from __future__ import annotations

import bisect
import math
import queue
import re
from collections import defaultdict
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from ...errors import SourceError
from .. import ffmpeg
from ..info import Info
from ..interlace import fields_of
from ..pixels import Pixels
from ..probe import ProbedFilm
from .film_filters import filters
from .frame import Frame
from .selection import Selection, keeps_shape, parse_size, select_times
from .transparency import kept_or_over, laid_over

MARGIN = 8  # pictures decoded before the first one wanted: deinterlacing looks back, and a lost one is held
SHOWN = re.compile(r"\[Parsed_showinfo_\d+ @ [^]]+\] \[info\] n: *\d+ pts: *(-?\d+|NOPTS) .* s:(\d+)x(\d+) i:")
LOG_SECONDS = 60  # to wait for ffmpeg to log a frame that it has written already


class _Decoded(NamedTuple):
    """A picture, and its number in the order of showing."""

    number: int
    pixels: Pixels


class FilmReader:
    """The frames of a film, decoded by ffmpeg (see `Source`).

    A frame shows the picture whose time stamp is due. A picture that cannot be decoded is replaced by the one before.

    Args:
        path: of the film.
        film: what the file contains.
        selection: which part of it to read.

    Raises:
        SourceError: the selection takes no frame.
        RecipeError: its size cannot be read.
    """

    def __init__(self, path: str, film: ProbedFilm, selection: Selection):
        self._film, self._background = film, selection.background
        shown = _timetable(film)
        times = select_times([time for time, _ in shown], path, selection)
        chosen = set(times)
        self._numbers = [number for time, number in shown if time in chosen]
        # where the start lies between two frames, picture and sound begin with the later one
        start = times[0] if selection.start > shown[0][0] else selection.start
        fields = fields_of(path, film.demuxer, film.stream, film.interlaced, film.codec, film.height)
        self._fields = fields if selection.deinterlace else ""
        self.info = _info(path, film, selection, times, start)
        if fields:
            done = "made progressive (--deinterlace off leaves it)" if self._fields else "left so, by --deinterlace off"
            self.info = replace(self.info, notices=(*self.info.notices, f"it is interlaced: {done}"))
        self._lost: set[int] = set()
        self._sizes: set[tuple[int, int]] = set()

    @property
    def notices(self) -> tuple[str, ...]:
        """What was found while frames were decoded."""
        found = []
        if self._lost:
            found.append(f"{len(self._lost)} of its pictures cannot be decoded: the one before each is held")
        if len(self._sizes) > 1:
            sizes = ", ".join(f"{width}x{height}" for width, height in sorted(self._sizes))
            found.append(f"its pictures change size ({sizes}): each is fitted into the first one's, with bars")
        return tuple(found)

    def __iter__(self) -> Iterator[Frame]:
        return self.since(0)

    def since(self, first: int) -> Iterator[Frame]:
        """See `Source`."""
        info, held, next_one = self.info, None, None
        with closing(self._pictures(self._numbers[first])) as pictures:
            for index, number in enumerate(self._numbers[first:], first):
                while held is None or held.number < number:
                    next_one = next_one or next(pictures, None)
                    if next_one is None or (held is not None and next_one.number > number):
                        break
                    held, next_one = next_one, None
                if held is None or (held.number < number and next_one is None):
                    return  # a truncated film may end early
                if held.number != number:
                    self._lost.add(number)
                yield self._frame(index, index / info.rate, held.pixels)

    def _frame(self, index: int, time: Fraction, pixels: Pixels) -> Frame:
        if not self._film.alpha:
            return Frame(index, time, pixels)
        colours: Any = np.ascontiguousarray(pixels[..., :3])
        alpha: Any = np.ascontiguousarray(pixels[..., 3])
        shown, kept = kept_or_over(colours, alpha, self._background)
        return Frame(index, time, shown, alpha=kept)

    def _pictures(self, wanted: int) -> Generator[_Decoded]:
        """Yield decoded pictures in order, from some before a wanted one; from the beginning if seeking misses it."""
        begin = 0 if self._film.resets else max(wanted - MARGIN, 0)
        for start in dict.fromkeys((begin, 0)):
            with closing(self._decoded(start)) as pictures:
                first = next(pictures, None)
                if start and (first is None or first.number > wanted):
                    continue
                if first is not None:
                    yield first
                    yield from pictures
                return

    def _decoded(self, begin: int) -> Generator[_Decoded]:
        """Yield decoded pictures from number `begin` on."""
        info, bytes_per_channel = self.info, self.info.depth // 8
        kind, channels = np.uint8 if bytes_per_channel == 1 else "<u2", 4 if self._film.alpha else 3
        size = info.width * info.height * channels * bytes_per_channel
        log: queue.SimpleQueue[re.Match[str]] = queue.SimpleQueue()

        def listen(line: str) -> None:
            if found := SHOWN.match(line):
                log.put(found)

        numbering = _Numbering(self._film)
        number = numbering.before(begin)
        with ffmpeg.reader(self._command(begin), listen) as process:
            while len(data := process.read(size)) == size:
                logged = log.get(timeout=LOG_SECONDS)
                self._sizes.add((int(logged[2]), int(logged[3])))
                number = numbering.after(number, logged[1])
                if number >= 0:
                    yield _Decoded(number, np.frombuffer(data, kind).reshape(info.height, info.width, channels))
            self._check_end(process, anything=number > numbering.before(begin))

    def _check_end(self, process: ffmpeg.Process, anything: bool) -> None:
        """Refuse an early end where nothing was decoded or ffmpeg was killed; a truncated film may end early."""
        try:
            process.wait()
        except ffmpeg.FFmpegError as error:
            if process.was_killed:
                raise SourceError(f"reading {self.info.path} was cut off ({error}): try again") from error
            if not anything:
                raise SourceError(f"no frame of {self.info.path} can be decoded ({error}): is it complete?") from error

    def _command(self, begin: int) -> list[str]:
        info, film = self.info, self._film
        seek = ["-ss", f"{math.floor(film.times[begin] * 1_000_000)}us"] if begin else []
        decoder = ["-c:v", film.decoder] if film.decoder else []
        channels = "rgba" if film.alpha else "rgb"
        pixel_format = {("rgb", 8): "rgb24", ("rgb", 16): "rgb48le", ("rgba", 8): "rgba", ("rgba", 16): "rgba64le"}
        given = pixel_format[channels, info.depth]
        # -copyts: pictures are told by the time stamps that the file gives them
        return [
            "-copyts", *seek, *decoder, *ffmpeg.input_args(info.path, film.demuxer), "-map", f"0:{film.stream}",
            "-vf", filters(film, info, self._fields, given), "-fps_mode", "passthrough",
            "-f", "rawvideo", "-pix_fmt", given, "pipe:1",
        ]  # fmt: skip


class _Numbering:
    """Tells the numbers of decoded pictures from their time stamps; where those tell nothing, from their order."""

    def __init__(self, film: ProbedFilm):
        self._by_stamp, self._resets = film.by_stamp, film.resets
        self._stamps = [stamp or 0 for stamp in film.stamps]
        self._numbers: dict[int | None, list[int]] = defaultdict(list)
        for number, stamp in enumerate(film.stamps):
            self._numbers[stamp].append(number)

    def before(self, begin: int) -> int:
        """Return the number to go on from, where decoding begins with number `begin`."""
        return -1 if self._by_stamp else begin - 1

    def after(self, number: int, stamp: str) -> int:
        """Return the number of the picture after another, negative for one before the film's first."""
        if not self._by_stamp or stamp == "NOPTS":
            return number + 1
        numbers = self._numbers.get(int(stamp), [])
        place = bisect.bisect_right(numbers, number)  # of a clock that is reset, stamps come again
        if place < len(numbers):
            return numbers[place]
        if self._resets:
            return number + 1
        nearest = bisect.bisect_right(self._stamps, int(stamp)) - 1  # a stamp that no packet has: -1 before the first
        return min(max(nearest, number + 1), len(self._stamps) - 1) if nearest >= 0 else -1


def _timetable(film: ProbedFilm) -> list[tuple[Fraction, int]]:
    """Return when each frame of the constant rate is shown, seconds, and the number of its picture."""
    times, rate = film.times, film.rate
    if film.constant:
        places = [round((time - times[0]) * rate) for time in times]
        if len(set(places)) < len(places) or places[-1] + 1 == len(places):
            return [(time, number) for number, time in enumerate(times)]
        shown = [times[0] + place / rate for place in range(places[-1] + 1)]
    else:
        places = [math.floor(time * rate + Fraction(1, 2)) for time in times]
        shown = [k / rate for k in range(places[0], max(round(film.end * rate), places[0] + 1))]
    first = places[0]
    return [(time, max(bisect.bisect_right(places, first + k) - 1, 0)) for k, time in enumerate(shown)]


def _info(path: str, film: ProbedFilm, selection: Selection, times: list[Fraction], start: Fraction) -> Info:
    notices, aspect = film.notices, film.aspect
    whole = film.width, film.height
    if selection.square and aspect != 1:
        whole = (round(whole[0] * aspect), whole[1]) if aspect > 1 else (whole[0], round(whole[1] / aspect))
    width, height = parse_size(selection.size, *whole)
    if not keeps_shape(selection.size) or selection.square:
        aspect = Fraction(1)
    if selection.square and film.aspect != 1:
        notices += (f"its pixels are not square, which the output cannot tell: resampled to {width}x{height}",)
    if selection.rate not in (None, film.rate):
        notices += (f"--fps sets the rate of frame sequences: this film keeps its {film.rate} frames per second",)
    if film.alpha and selection.background is not None:
        notices += (laid_over(selection.background),)
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
        aspect=aspect,
        sound=film.sound,
        sound_titles=film.sound_titles,
        sound_begins=film.sound_begins,
        start=start,
        delay=max(times[0] - start, Fraction(0)),
        cut=start > 0 or selection.end is not None,
        alpha=film.alpha and selection.background is None,
        tags=film.tags,
        resets=film.resets > 0,
        demuxer=film.demuxer,
        notices=notices,
    )
