"""Joins a film's encoded picture with the sound, chapters and tags of its source, or with a song."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from .. import ffmpeg
from ..info import Info
from ..timecode import later
from .codecs import CONTAINERS

# that libopus takes (RFC 7845, 5.1.1); others are remapped to the nearest
LAYOUTS = {"libopus": "aformat=channel_layouts=mono|stereo|3.0|quad|5.0|5.1|6.1|7.1"}


@dataclass(frozen=True)
class Picture:
    """The encoded picture of a film, without sound.

    Attributes:
        file: where it is.
        count: number of its frames.
        whole: whether no frame is missing at its end.
    """

    file: Path
    count: int
    whole: bool


@dataclass(frozen=True)
class _Track:
    """A sound track of the source, and how it comes into the output.

    Attributes:
        number: of the track in the source, from 0.
        encoder: FFmpeg's name of the encoder; `copy` to keep it bit for bit.
        title: of the track; empty for none.
    """

    number: int
    encoder: str
    title: str

    def args(self, place: int, exact_start: bool) -> list[str]:
        """Return ffmpeg's arguments for it, as the output's sound track number `place`, from 0."""
        args = ["-map", f"1:a:{self.number}", f"-c:a:{place}", self.encoder]
        if self.title:
            args += [f"-metadata:s:a:{place}", f"title={self.title}"]
        if self.encoder != "copy":
            layouts = LAYOUTS.get(self.encoder)
            return [*args, f"-b:a:{place}", "256k", *([f"-filter:a:{place}", layouts] if layouts else [])]
        if exact_start:  # copy from the start time, not from the key frame before it
            args += [f"-copypriorss:a:{place}", "0"]
        return args


def has_sound_or_tags(info: Info) -> bool:
    """Tell whether a source has sound, chapters or tags that join the picture."""
    return info.kind == "film" or bool(info.song)


def join_sound(picture: Picture, info: Info, comment: str, output: Path) -> list[str]:
    """Join a picture with the sound, chapters and tags of its source; if that fails, the picture becomes the output.

    A sound track that cannot be joined is left out, and the others are kept.

    Args:
        picture: its file is moved if joining fails.
        info: the source.
        comment: the output's comment tag.
        output: the file to write; an existing one is replaced.

    Returns:
        Notices for the user: what is re-encoded, left out, or has failed.
    """
    tracks, notices = _tracks(info, output.suffix.lower())
    try:
        with _steady_clock(info, tracks, output) as source:
            try:
                ffmpeg.run(_command(picture, source, tracks, comment, output))
            except ffmpeg.FFmpegError as error:
                good = [track for track in tracks if _can_be_joined(picture, source, track, comment, output)]
                if len(good) == len(tracks):
                    raise
                notices += [
                    f"sound track {track.number + 1} could not be joined ({error}): it is left out"
                    for track in tracks
                    if track not in good
                ]
                ffmpeg.run(_command(picture, source, good, comment, output))
    except ffmpeg.FFmpegError as error:
        os.replace(picture.file, output)
        lost = "sound" if info.sound else "chapters and tags"
        notices.append(f"the {lost} of {info.song or info.path} could not be joined ({error}): the picture is whole")
    return notices


@contextmanager
def _steady_clock(info: Info, tracks: list[_Track], output: Path) -> Iterator[Info]:
    """Yield a source whose clock is never reset, so that a part of it can be found by time."""
    if not (info.resets and info.start and tracks and not info.song):
        yield info
        return
    steady = output.with_suffix(".sound.mkv")
    maps = [argument for track in tracks for argument in ("-map", f"0:a:{track.number}")]
    try:
        opened = [*_later(info.sound_begins), *ffmpeg.input_args(info.path, info.demuxer)]
        ffmpeg.run([*opened, *maps, "-c", "copy", "-y", f"file:{steady}"])
        yield replace(info, path=str(steady), demuxer="matroska", sound_begins=Fraction(0))
    finally:
        steady.unlink(missing_ok=True)


def _can_be_joined(picture: Picture, info: Info, track: _Track, comment: str, output: Path) -> bool:
    try:
        ffmpeg.run(_command(picture, info, [track], comment, output))
    except ffmpeg.FFmpegError:
        return False
    return True


def _command(picture: Picture, info: Info, tracks: list[_Track], comment: str, output: Path) -> list[str]:
    joins = _song_inputs(picture, info) if info.song else _source_inputs(picture, info)
    keeps_chapters = picture.whole and not info.cut and not info.song
    exact_start = bool(info.start) and not info.song
    sound = [argument for place, track in enumerate(tracks) for argument in track.args(place, exact_start)]
    return [
        *joins, "-map", "0:v", "-c:v", "copy", *sound, *_picture_tags(info),
        "-map_metadata", "1", "-map_chapters", "1" if keeps_chapters else "-1", "-metadata", f"comment={comment}",
        *CONTAINERS[output.suffix.lower()].options, "-y", f"file:{output}",
    ]  # fmt: skip


def _picture_tags(info: Info) -> list[str]:
    """Return the arguments that carry the tags of the source's picture; its time code is that of the first frame."""
    args = []
    for name, value in info.tags:
        kept = later(value, round(info.start * info.rate), info.rate) if name == "timecode" else value
        args += ["-metadata:s:v:0", f"{name}={kept}"]
    return args


def _song_inputs(picture: Picture, info: Info) -> list[str]:
    """Return the inputs of ffmpeg: the picture, and the song from its beginning to the picture's end."""
    length = f"{float(picture.count / info.rate):.6f}"
    return [*ffmpeg.input_args(str(picture.file)), "-t", length, *ffmpeg.input_args(info.song)]


def _source_inputs(picture: Picture, info: Info) -> list[str]:
    """Return the inputs of ffmpeg: the picture, as late as in the source, and the selected part of the source."""
    delay = _later(info.delay) if info.delay * info.rate >= Fraction(1, 2) else []
    part = _later(info.sound_begins - info.start)
    part += ["-ss", f"{float(info.start):.6f}"] if info.start else []
    if info.cut or not picture.whole:
        part += ["-t", f"{float(info.delay + picture.count / info.rate):.6f}"]
    return [*delay, *ffmpeg.input_args(str(picture.file)), *part, *ffmpeg.input_args(info.path, info.demuxer)]


def _later(seconds: Fraction) -> list[str]:
    """Return the argument with which an input of ffmpeg begins later."""
    return ["-itsoffset", f"{float(seconds):.6f}"] if seconds > 0 else []


def _tracks(info: Info, suffix: str) -> tuple[list[_Track], list[str]]:
    """Return the sound tracks that come into the output, and notices about what is not copied."""
    tracks, notices = list[_Track](), list[str]()
    container = CONTAINERS[suffix]
    titles = ("",) * len(info.sound) if info.song else info.sound_titles
    for number, codec in enumerate(info.sound if container.sound else ()):
        if not codec:
            notices.append(f"sound track {number + 1} is in a format that is not known, and left out")
        elif codec in container.sound or "*" in container.sound:
            tracks.append(_Track(number, "copy", titles[number]))
        else:
            tracks.append(_Track(number, container.fallback, titles[number]))
            kind = container.fallback.removeprefix("lib")
            notices.append(f"{suffix} does not hold {codec} sound: re-encoded to {kind}")
    return tracks, notices
