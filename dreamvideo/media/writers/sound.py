"""Joins a film's encoded picture with the sound, chapters and tags of its source, or with a song."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from .. import ffmpeg
from ..info import Info
from .codecs import CONTAINERS


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


def has_sound_or_tags(info: Info) -> bool:
    """Tell whether a source has sound, chapters or tags that join the picture."""
    return info.kind == "film" or bool(info.song)


def join_sound(picture: Picture, info: Info, comment: str, output: Path) -> list[str]:
    """Join a picture with the sound, chapters and tags of its source; if that fails, the picture becomes the output.

    Args:
        picture: its file is moved if joining fails.
        info: the source.
        comment: the output's comment tag.
        output: the file to write; an existing one is replaced.

    Returns:
        Notices for the user: what is re-encoded, left out, or has failed.
    """
    sound, notices = _sound_args(info, output.suffix.lower())
    try:
        ffmpeg.run(_command(picture, info, sound, comment, output))
    except ffmpeg.FFmpegError as error:
        os.replace(picture.file, output)
        lost = "sound" if info.sound else "chapters and tags"
        notices.append(f"the {lost} of {info.song or info.path} could not be joined ({error}): the picture is whole")
    return notices


def _command(picture: Picture, info: Info, sound: list[str], comment: str, output: Path) -> list[str]:
    joins = _song_inputs(picture, info) if info.song else _source_inputs(picture, info)
    keeps_chapters = picture.whole and not info.cut and not info.song
    return [
        *joins, "-map", "0:v", "-c:v", "copy", *sound,
        "-map_metadata", "1", "-map_chapters", "1" if keeps_chapters else "-1", "-metadata", f"comment={comment}",
        *CONTAINERS[output.suffix.lower()].options, "-y", f"file:{output}",
    ]  # fmt: skip


def _song_inputs(picture: Picture, info: Info) -> list[str]:
    """Return the inputs of ffmpeg: the picture, and the song from its beginning to the picture's end."""
    length = f"{float(picture.count / info.rate):.6f}"
    return [*ffmpeg.input_args(str(picture.file)), "-t", length, *ffmpeg.input_args(info.song)]


def _source_inputs(picture: Picture, info: Info) -> list[str]:
    """Return the inputs of ffmpeg: the picture, as late as in the source, and the selected part of the source."""
    delay = ["-itsoffset", f"{float(info.delay):.6f}"] if info.delay * info.rate >= Fraction(1, 2) else []
    part = ["-ss", f"{float(info.start):.6f}"] if info.start else []
    if info.cut or not picture.whole:
        part += ["-t", f"{float(info.delay + picture.count / info.rate):.6f}"]
    return [*delay, *ffmpeg.input_args(str(picture.file)), *part, *ffmpeg.input_args(info.path, info.demuxer)]


def _sound_args(info: Info, suffix: str) -> tuple[list[str], list[str]]:
    """Return the arguments that copy or re-encode each sound track, and notices about what is not copied."""
    args: list[str] = []
    notices: list[str] = []
    container, kept = CONTAINERS[suffix], 0
    for track, codec in enumerate(info.sound if container.sound else ()):
        if not codec:
            notices.append(f"sound track {track + 1} is in a format that is not known, and left out")
            continue
        args += ["-map", f"1:a:{track}"]
        if codec in container.sound or "*" in container.sound:
            args += [f"-c:a:{kept}", "copy"]
            if info.start and not info.song:  # copy from the start time, not from the key frame before it
                args += [f"-copypriorss:a:{kept}", "0"]
        else:
            args += [f"-c:a:{kept}", container.fallback, f"-b:a:{kept}", "256k"]
            kind = container.fallback.removeprefix("lib")
            notices.append(f"{suffix} does not hold {codec} sound: re-encoded to {kind}")
        kept += 1
    return args, notices
