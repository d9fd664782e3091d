"""Finds out whether a film is interlaced: as its stream says, or as its pictures show."""

from __future__ import annotations

import functools
import os
import re
from typing import Literal

from . import ffmpeg

Fields = Literal["", "auto", "tff", "bff"]  # progressive, as flagged in every frame, top or bottom field first

JUDGED = 40  # frames in which combs are looked for
SURE = 8  # frames that must show the same order of fields, and outnumber the progressive ones by as many times
INTERLACED_HEIGHTS = (480, 486, 512, 576, 608, 1080, 1088)  # px: those of television and of its recorders
PROGRESSIVE_CODECS = ("vp8", "vp9", "av1", "gif", "apng", "webp")  # which know no fields


def fields_of(path: str, demuxer: str, stream: int, flagged: bool, codec: str, height: int) -> Fields:
    """Return the order of a film's fields; empty if it is progressive.

    Args:
        path, demuxer, stream: of the film.
        flagged: whether its first frame says that it is interlaced.
        codec: FFmpeg's name of its codec.
        height: of its frames as they are stored, px.
    """
    if flagged:
        return "auto"
    if codec in PROGRESSIVE_CODECS or height not in INTERLACED_HEIGHTS:
        return ""
    return _fields_seen(path, demuxer, stream, os.stat(path).st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _fields_seen(path: str, demuxer: str, stream: int, changed: int) -> Fields:
    """Return the order of fields that a film's pictures show, by ffmpeg's filter idet; `changed` tells files apart."""
    found = list[str]()
    judge = ["-map", f"0:{stream}", "-frames:v", str(JUDGED), "-an", "-vf", "idet", "-f", "null", "-"]
    try:
        with ffmpeg.reader([*ffmpeg.input_args(path, demuxer), *judge], found.append) as process:
            process.wait()
    except ffmpeg.FFmpegError:
        return ""
    counts = re.findall(r"Multi frame detection: TFF: *(\d+) BFF: *(\d+) Progressive: *(\d+)", "\n".join(found))
    if not counts:
        return ""
    top, bottom, progressive = map(int, counts[-1])  # the first one comes before any frame
    if max(top, bottom) < SURE * max(progressive, min(top, bottom), 1):
        return ""
    return "tff" if top > bottom else "bff"
