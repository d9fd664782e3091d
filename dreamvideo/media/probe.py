"""Reads what a film file contains, with PyAV: size, frame rate, time of every frame, colour and sound tracks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from ..errors import SourceError
from . import colour_tags
from .colour_tags import HDR, Kind
from .frame_rates import VARYING_RATE, dropped_at, even_rate, nominal_rate
from .frame_times import RESETS_CLOCK, USUAL_RATE, FrameTimes, Packets, frame_times, read_packets
from .info import Colour
from .local_files import check_size, open_container

TAGS = ("title", "language", "timecode")  # of the picture's track, that are carried over
GAPS = 10  # percent of frames that may be missing in a film of constant rate
OPAQUE_FORMATS = ("gif", "apng")  # files that are decoded with alpha whether anything is transparent or not


@dataclass(frozen=True)
class ProbedFilm:
    """What a film file contains, as far as `Info` and decoding need to know.

    Attributes:
        demuxer: FFmpeg's name of the file format.
        stream: index of the video stream.
        codec: FFmpeg's name of its codec.
        decoder: FFmpeg's name of the decoder to use; empty for its own choice.
        width, height: of an upright frame, px.
        kind: how pixels are stored.
        limited: whether their values keep to the limited range.
        depth: bits per channel that frames need, 8 or 16.
        alpha: whether frames have an alpha channel that is of use.
        colour: colour tags.
        hdr: "PQ", "HLG", or empty.
        aspect: sample aspect ratio.
        interlaced: whether the first frame says that it is.
        stamps, times, end, resets: of all frames that can be decoded (see `FrameTimes`).
        by_stamp: whether a decoded frame is told by its time stamp; else by its place.
        rate: frames per second.
        constant: whether every frame comes at a multiple of the rate, though some multiples may have none.
        sound: codec of every audio track; empty for one that is unknown.
        sound_titles: title of every audio track; empty for none.
        sound_begins: see `Info`.
        tags: of the picture's track.
        notices: facts that the user should know, one sentence each.
    """

    demuxer: str
    stream: int
    codec: str
    decoder: str
    width: int
    height: int
    kind: Kind
    limited: bool
    depth: int
    alpha: bool
    colour: Colour
    hdr: str
    aspect: Fraction
    interlaced: bool
    stamps: list[int | None] = field(repr=False)
    times: list[Fraction] = field(repr=False)
    end: Fraction
    resets: int
    by_stamp: bool
    rate: Fraction
    constant: bool
    sound: tuple[str, ...]
    sound_titles: tuple[str, ...]
    sound_begins: Fraction
    tags: tuple[tuple[str, str], ...]
    notices: tuple[str, ...]


def probe(path: str, number: int = 0, demuxer: str = "") -> ProbedFilm:
    """Read all packets of a film and decode its first frame.

    Args:
        path: of the film.
        number: of the video track to read, from 1; 0 for the film's main one.
        demuxer: FFmpeg's name of the file format; empty to find out.

    Raises:
        SourceError: it cannot be opened, has no such video, or no frame of it can be decoded.
    """
    with _opened(path, demuxer) as container:
        packets = read_packets(container)
        index, notices = _choose(path, container, packets, number)
    with _opened(path, demuxer) as container:  # opened again: not every file can be rewound
        stream = container.streams[index]
        check_size(path, stream.width, stream.height)
        first = _first_frame(path, container, stream)
        check_size(path, first.width, first.height)  # the real size, which may differ from the declared one
        film = _film(container, stream, packets, first, notices)
    if film.alpha and film.demuxer in OPAQUE_FORMATS:
        with _opened(path, demuxer) as container:
            film = _without_useless_alpha(container, film)
    return film


def song_codec(path: str) -> str:
    """Return the codec of a file's first sound track.

    Raises:
        SourceError: it cannot be opened, or has no sound.
    """
    import av

    try:
        with open_container(path) as container:
            if not container.streams.audio:
                raise SourceError(f"{path} holds no sound: give a song, like .mp3 or .wav")
            return _codec(container.streams.audio[0])
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"{path} cannot be read as a song ({reason}): give an audio file") from error


@contextmanager
def _opened(path: str, demuxer: str) -> Iterator[Any]:
    import av

    try:
        with open_container(path, demuxer) as container:
            yield container
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"{path} cannot be read as a film ({reason}): is it complete, and a video?") from error


def _choose(path: str, container: Any, packets: Packets, number: int) -> tuple[int, list[str]]:
    """Return the index of the video stream to read, and a notice about what is left out.

    Without a number it is the one marked as default among those that move, or else the largest, or else the longest.
    """
    import av

    marks = av.stream.Disposition
    streams = [s for s in container.streams.video if not s.disposition & marks.attached_pic]
    if not streams:
        raise SourceError(f"{path} holds no video: give a film, a folder of frames, or a picture")
    if number > len(streams):
        raise SourceError(f"{path} has {len(streams)} video track(s): give --stream 1 to {len(streams)}")
    known = [s for s in streams if s.codec_context]
    if not known or (number and not streams[number - 1].codec_context):
        raise SourceError(f"{path} holds video of a kind that cannot be decoded: is it complete?")

    def worth(stream: Any) -> tuple[bool, bool, int, int]:
        frames = len(packets.video[stream.index].stamps)
        return frames > 1, bool(stream.disposition & marks.default), stream.width * stream.height, frames

    chosen = streams[number - 1] if number else max(known, key=worth)
    if len(streams) == 1:
        return chosen.index, []
    listed = ", ".join(
        f"{place}: {s.width}x{s.height}, {len(packets.video[s.index].stamps)} frames"
        for place, s in enumerate(streams, 1)
        if s is not chosen and s.codec_context
    )
    place = streams.index(chosen) + 1
    return chosen.index, [f"video track {place} is dreamed, and others are left out ({listed}): --stream chooses"]


def _first_frame(path: str, container: Any, stream: Any) -> Any:
    import av

    for packet in container.demux(stream):
        try:
            for frame in packet.decode():
                return frame
        except av.error.FFmpegError:  # a damaged packet: a later one may be whole
            continue
    raise SourceError(f"no frame of {path} can be decoded: is it complete?")


def _film(container: Any, stream: Any, packets: Packets, first: Any, notices: list[str]) -> ProbedFilm:
    sideways = first.rotation % 180 != 0
    width, height = (first.height, first.width) if sideways else (first.width, first.height)
    aspect = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
    colour, codec = colour_tags.colour_of(first), _codec(stream)
    shown, undecodable = _from_first_decoded(frame_times(container, stream, packets), first)
    rate, constant = _rate(stream, shown.times)
    hdr, tracks = HDR.get(colour.transfer, ""), container.streams
    layered = codec in ("vp8", "vp9") and stream.metadata.get("alpha_mode", stream.metadata.get("ALPHA_MODE")) == "1"
    if undecodable:
        notices.append(f"it begins in the midst of a recording: its first {undecodable} pictures cannot be decoded")
    notices += _count_notices(shown, rate, constant)
    if hdr:
        notices.append(f"it is HDR ({hdr}): converted to BT.709")
    if tracks.subtitles:
        notices.append(f"its {len(tracks.subtitles)} subtitle track(s) are not carried over")
    return ProbedFilm(
        demuxer=container.format.name.split(",")[0],
        stream=stream.index,
        codec=codec,
        decoder={"vp8": "libvpx", "vp9": "libvpx-vp9"}[codec] if layered else "",
        width=width,
        height=height,
        kind=colour_tags.kind_of(first),
        limited=colour_tags.is_limited(first),
        depth=16 if max(c.bits for c in first.format.components) > 8 else 8,
        alpha=layered or colour_tags.has_alpha(first),
        colour=colour,
        hdr=hdr,
        aspect=1 / aspect if sideways else aspect,
        interlaced=bool(first.interlaced_frame),
        stamps=shown.stamps,
        times=shown.times,
        end=shown.end,
        resets=shown.resets,
        by_stamp=None not in shown.stamps and _tells_stamps(container, stream),
        rate=rate,
        constant=constant,
        sound=tuple(_codec(track) for track in tracks.audio),
        sound_titles=tuple(_named(track).get("title", "") for track in tracks.audio),
        sound_begins=_sound_begins(container),
        tags=_tags(container, stream),
        notices=tuple(notices),
    )


def _tells_stamps(container: Any, stream: Any) -> bool:
    """Tell whether decoded frames carry their packets' time stamps: AVI knows only the order of storing."""
    return container.format.name != "avi" or not stream.codec_context.has_b_frames


def _from_first_decoded(shown: FrameTimes, first: Any) -> tuple[FrameTimes, int]:
    """Return the times from the first frame on that can be decoded, and how many come before it."""
    before = shown.stamps.index(first.pts) if first.pts in shown.stamps else 0
    return replace(shown, stamps=shown.stamps[before:], times=shown.times[before:]), before


def _count_notices(shown: FrameTimes, rate: Fraction, constant: bool) -> list[str]:
    notices, times = list[str](), shown.times
    held = round((times[-1] - times[0]) * rate) + 1 - len(times) if constant and len(times) > 1 else 0
    if shown.declared > len(times) + held:
        notices.append(f"the film is truncated: it declares {shown.declared} frames and holds {len(times)}")
    if shown.resets:
        often = "once" if shown.resets == 1 else f"{shown.resets} times"
        notices.append(f"its clock is reset {often}, as where recordings are joined: its parts follow each other")
    if held:
        notices.append(f"{held} of its frames have no picture of their own: the one before each is held")
    if not constant:
        notices.append(VARYING_RATE.format(float(rate)))
        if dropped := dropped_at(times, rate):
            notices.append(f"{dropped} of its pictures come faster than that, and are dropped")
    return notices


def _codec(track: Any) -> str:
    """Return the name of a track's codec, not of its decoder; empty if there is no decoder for it."""
    return track.codec_context.codec.canonical_name if track.codec_context else ""


def _sound_begins(container: Any) -> Fraction:
    """Return how much later than the file its sound begins, in the formats where ffmpeg lets the tracks it reads begin.

    In formats whose clock may be reset, ffmpeg takes for the start that of the tracks which are asked for, not of all.
    """
    import av

    begins = [
        t.start_time * t.time_base for t in container.streams.audio if t.codec_context and t.start_time is not None
    ]
    if not container.format.flags & RESETS_CLOCK or not begins:
        return Fraction(0)
    return max(min(begins) - Fraction(container.start_time or 0, av.time_base), Fraction(0))


def _tags(container: Any, stream: Any) -> tuple[tuple[str, str], ...]:
    """Return the title, language and time code of the picture's track; the last may stand in another track."""
    tags = _named(stream)
    for other in (container, *container.streams):
        codes = _named(other)
        if "timecode" not in tags and "timecode" in codes:
            tags["timecode"] = codes["timecode"]
    return tuple((tag, tags[tag]) for tag in TAGS if tags.get(tag) and tags[tag] != "und")


def _named(stream: Any) -> dict[str, str]:
    """Return the tags of a stream or container, with lower names; QuickTime calls the title a name."""
    tags = {key.lower(): value for key, value in stream.metadata.items()}
    return {"title": tags["name"], **tags} if "name" in tags else tags


def _rate(stream: Any, times: list[Fraction]) -> tuple[Fraction, bool]:
    """Return a film's frames per second, and whether every frame comes at a multiple of that rate, to half a frame."""
    if len(times) < 2 or times[-1] == times[0]:
        return Fraction(stream.guessed_rate or USUAL_RATE), True
    mean = nominal_rate((len(times) - 1) / (times[-1] - times[0]))
    declared = stream.guessed_rate, stream.base_rate, stream.average_rate
    coarse = stream.time_base >= Fraction(1, 100)  # the times of a GIF are too coarse to guess an exact rate from
    rates = [Fraction(rate) for rate in ((mean, *declared) if coarse else (*declared, mean)) if rate]
    for rate in rates:
        if all(abs(t - times[0] - k / rate) <= Fraction(1, 2) / rate for k, t in enumerate(times)):
            return rate, True
    for rate in rates:
        if _has_few_gaps(times, rate):
            return rate, True
    return even_rate(times), False


def _has_few_gaps(times: list[Fraction], rate: Fraction) -> bool:
    """Tell whether frames come at multiples of a rate, each at one of its own, of which only a few have none."""
    places = [(time - times[0]) * rate for time in times]
    numbers = [round(place) for place in places]
    exact = all(abs(place - number) <= Fraction(1, 4) for place, number in zip(places, numbers, strict=True))
    alone = len(set(numbers)) == len(numbers)
    return exact and alone and (numbers[-1] + 1 - len(numbers)) * 100 <= GAPS * len(numbers)


def _without_useless_alpha(container: Any, film: ProbedFilm) -> ProbedFilm:
    """Return a film's description, without alpha if no pixel of any frame is transparent."""
    import av

    try:
        with_alpha = any(
            frame.to_ndarray(format="rgba")[..., 3].min() < 255
            for frame in container.decode(container.streams[film.stream])
        )
    except av.error.FFmpegError:  # damaged: what was decoded counts
        with_alpha = False
    return film if with_alpha else replace(film, alpha=False)
