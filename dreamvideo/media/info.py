"""What a source is: size, rate, frames, colour, sound."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction


@dataclass(frozen=True)
class Colour:
    """Colour tags, by their numbers in ITU-T H.273; range 1 is limited (TV), 2 full (PC)."""

    matrix: int = 1
    primaries: int = 1
    transfer: int = 1
    range: int = 1


@dataclass(frozen=True)
class Info:
    """What a source is.

    Attributes:
        path: as the user gave it.
        kind: "film", "sequence" or "still".
        width, height: of the frames it yields, px.
        rate: frames per second, exact.
        count: how many frames it should yield.
        depth: bits per channel of the frames it yields, 8 or 16.
        colour: the tags of the film, unspecified ones filled in as players do; sRGB-like for pictures.
        aspect: sample aspect ratio, 1 for square pixels.
        sound: the codec of every audio track.
        start: seconds into the file at which the first frame stands.
        delay: seconds by which the picture starts later than the file does.
        cut: whether only a part of the film is taken.
        number: number of the first frame of a sequence.
        demuxer: FFmpeg's name of the film's format, so that it is not guessed again, by the file's name.
        song: a file whose first sound track takes the place of the film's own; "" for none.
        notices: what the user should be told, a sentence each.
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
    start: Fraction = Fraction(0)
    delay: Fraction = Fraction(0)
    cut: bool = False
    number: int = 1
    demuxer: str = ""
    song: str = ""
    notices: tuple[str, ...] = ()


def as_still(info: Info) -> Info:
    """Return what a source is when only one of its frames is taken."""
    return replace(info, kind="still", count=1, sound=())
