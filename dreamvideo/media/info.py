"""`Info`, what is known about a source before its frames are decoded: size, rate, frame count, colour, sound."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction


@dataclass(frozen=True)
class Colour:
    """Colour tags of a film, as numbers of ITU-T H.273; range is 1 for limited (TV), 2 for full (PC)."""

    matrix: int = 1
    primaries: int = 1
    transfer: int = 1
    range: int = 1


@dataclass(frozen=True)
class Info:
    """What is known about a source.

    Attributes:
        path: as the user gave it.
        kind: "film", "sequence" or "still".
        width, height: of the frames that it yields, px.
        rate: frames per second, exact.
        count: number of frames that it should yield.
        depth: bits per channel of the frames that it yields, 8 or 16.
        colour: the film's tags, unspecified ones filled in as players do; sRGB-like for pictures.
        aspect: sample aspect ratio, 1 for square pixels.
        sound: codec of every audio track.
        sound_titles: title of every audio track; empty for none.
        sound_begins: when the first track that is kept begins, seconds after the start of the file, where ffmpeg would
            let it begin with the file.
        start: time of the first frame within the file, seconds.
        delay: seconds by which the picture starts later than the file.
        cut: whether only a part of the film is selected.
        numbers: in the file names of a sequence's frames, if they do not follow each other; else the first one.
        alpha: whether its frames carry an alpha channel.
        tags: title, language and time code of the film's picture, as far as it has them.
        resets: whether the film's clock is reset in it, as where recordings were joined.
        demuxer: FFmpeg's name of the film's format, so that FFmpeg need not guess it again from the file's name.
        song: a file whose first sound track replaces the film's own; empty to keep the film's.
        notices: facts that the user should know, one sentence each.
    """

    path: str
    kind: str
    width: int
    height: int
    rate: Fraction
    count: int
    depth: int = 8
    colour: Colour = Colour()
    aspect: Fraction = Fraction(1)
    sound: tuple[str, ...] = ()
    sound_titles: tuple[str, ...] = ()
    sound_begins: Fraction = Fraction(0)
    start: Fraction = Fraction(0)
    delay: Fraction = Fraction(0)
    cut: bool = False
    numbers: tuple[int, ...] = (1,)
    alpha: bool = False
    tags: tuple[tuple[str, str], ...] = ()
    resets: bool = False
    demuxer: str = ""
    song: str = ""
    notices: tuple[str, ...] = ()

    def frame_number(self, index: int) -> int:
        """Return the number that a frame's file is named by."""
        last = len(self.numbers) - 1
        return self.numbers[index] if index <= last else self.numbers[last] + index - last


def as_still(info: Info) -> Info:
    """Return the info of a source of which only one frame is used."""
    return replace(info, kind="still", count=1, sound=())
