"""Reads what a film file contains, with PyAV: size, frame rate, time of every frame, colour and sound tracks."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from ..errors import SourceError
from .frame_rates import VARYING_RATE, dropped_at, even_rate, nominal_rate
from .frame_times import USUAL_RATE, read_frame_times
from .info import Colour
from .local_files import check_size, open_container

HDR = {16: "PQ", 18: "HLG"}  # transfer characteristics of ITU-T H.273


@dataclass(frozen=True)
class ProbedFilm:
    """What a film file contains, as far as `Info` and decoding need to know.

    Attributes:
        demuxer: FFmpeg's name of the file format.
        stream: index of the video stream.
        width, height: of an upright frame, px.
        format: FFmpeg's name of the pixel format.
        depth: bits per channel that frames need, 8 or 16.
        colour: colour tags.
        hdr: "PQ", "HLG", or empty.
        aspect: sample aspect ratio.
        times: of every frame, seconds after the start of the file.
        end: of the last frame, seconds after the start of the file.
        rate: frames per second.
        constant: whether every frame comes at a multiple of the rate.
        sound: codec of every audio track; empty for one that is unknown.
        notices: facts that the user should know, one sentence each.
    """

    demuxer: str
    stream: int
    width: int
    height: int
    format: str
    depth: int
    colour: Colour
    hdr: str
    aspect: Fraction
    times: list[Fraction] = field(repr=False)
    end: Fraction
    rate: Fraction
    constant: bool
    sound: tuple[str, ...]
    notices: tuple[str, ...]


def probe(path: str) -> ProbedFilm:
    """Read all packets of a film and decode its first frame.

    Raises:
        SourceError: it cannot be opened, has no video, or no frame of it can be decoded.
    """
    import av

    try:
        with open_container(path) as container:
            streams = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
            if not streams:
                raise SourceError(f"{path} holds no video: give a film, a folder of frames, or a picture")
            streams = [s for s in streams if s.codec_context]
            if not streams:
                raise SourceError(f"{path} holds video of a kind that cannot be decoded: is it complete?")
            index = streams[0].index
            check_size(path, streams[0].width, streams[0].height)
            first = _first_frame(path, container, streams[0])
            check_size(path, first.width, first.height)  # the real size, which may differ from the declared one
        with open_container(path) as container:  # opened again: not every file can be rewound
            return _film(container, container.streams[index], first)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"{path} cannot be read as a film ({reason}): is it complete, and a video?") from error


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


def _first_frame(path: str, container: Any, stream: Any) -> Any:
    import av

    for packet in container.demux(stream):
        try:
            for frame in packet.decode():
                return frame
        except av.error.FFmpegError:  # a damaged packet: a later one may be whole
            continue
    raise SourceError(f"no frame of {path} can be decoded: is it complete?")


def _film(container: Any, stream: Any, first: Any) -> ProbedFilm:
    sideways = first.rotation % 180 != 0
    width, height = (first.height, first.width) if sideways else (first.width, first.height)
    aspect = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
    colour = _colour(first)
    shown = read_frame_times(container, stream)
    rate, constant = _rate(stream, shown.times)
    hdr, tracks = HDR.get(colour.transfer, ""), container.streams
    notices = []
    if shown.declared > len(shown.times):
        notices.append(f"the film is truncated: it declares {shown.declared} frames and holds {len(shown.times)}")
    if not constant:
        notices += _rate_notices(shown.times, rate)
    if hdr:
        notices.append(f"it is HDR ({hdr}): converted to BT.709")
    if tracks.subtitles:
        notices.append(f"its {len(tracks.subtitles)} subtitle track(s) are not carried over")
    return ProbedFilm(
        demuxer=container.format.name.split(",")[0],
        stream=stream.index,
        width=width,
        height=height,
        format=first.format.name,
        depth=16 if max(c.bits for c in first.format.components) > 8 else 8,
        colour=colour,
        hdr=hdr,
        aspect=1 / aspect if sideways else aspect,
        times=shown.times,
        end=shown.end,
        rate=rate,
        constant=constant,
        sound=tuple(_codec(track) for track in tracks.audio),
        notices=tuple(notices),
    )


def _rate_notices(times: list[Fraction], rate: Fraction) -> list[str]:
    notices = [VARYING_RATE.format(float(rate))]
    if dropped := dropped_at(times, rate):
        notices.append(f"{dropped} of its pictures come faster than that, and are dropped")
    return notices


def _codec(track: Any) -> str:
    """Return the name of a track's codec, not of its decoder; empty if there is no decoder for it."""
    return track.codec_context.codec.canonical_name if track.codec_context else ""


def _colour(frame: Any) -> Colour:
    """Return a frame's colour tags; unspecified ones are guessed as players do: BT.709 for HD, BT.601 below."""
    if frame.format.is_rgb:
        return Colour()
    usual = 1 if frame.height > 576 or frame.width > 1024 else 6
    full = frame.format.name.startswith("yuvj") or frame.color_range == 2
    return Colour(
        matrix=_specified(frame.colorspace, usual),
        primaries=_specified(frame.color_primaries, usual),
        transfer=_specified(frame.color_trc, usual),
        range=2 if full else 1,
    )


def _specified(tag: int, usual: int) -> int:
    return usual if int(tag) in (0, 2, 3) else int(tag)  # H.273: reserved, unspecified, reserved


def _rate(stream: Any, times: list[Fraction]) -> tuple[Fraction, bool]:
    """Return a film's frames per second, and whether every frame comes when that rate says, to half a frame."""
    if len(times) < 2 or times[-1] == times[0]:
        return Fraction(stream.guessed_rate or USUAL_RATE), True
    mean = nominal_rate((len(times) - 1) / (times[-1] - times[0]))
    declared = stream.guessed_rate, stream.base_rate, stream.average_rate
    coarse = stream.time_base >= Fraction(1, 100)  # the times of a GIF are too coarse to guess an exact rate from
    for rate in filter(None, (mean, *declared) if coarse else (*declared, mean)):
        if all(abs(t - times[0] - k / rate) <= Fraction(1, 2) / rate for k, t in enumerate(times)):
            return Fraction(rate), True
    return even_rate(times), False
