"""What is in a film, read by PyAV: its size, rate, frames, colour and sound, before a frame is decoded in earnest."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from ..errors import SourceError
from .info import Colour
from .local_files import check_size, open_container
from .rates import VARIES, dropped_at, even_rate, nominal_rate

HDR = {16: "PQ", 18: "HLG"}  # transfer characteristics, by ITU-T H.273 number


@dataclass(frozen=True)
class Film:
    """What PyAV finds in a film file: facts for `Info`, and what decoding it needs to know."""

    demuxer: str
    stream: int
    width: int
    height: int
    format: str
    depth: int
    colour: Colour
    hdr: str
    aspect: Fraction
    times: list[Fraction] = field(repr=False)  # of every frame, seconds after the file's start
    end: Fraction  # of the last frame, seconds after the file's start
    rate: Fraction
    constant: bool
    sound: tuple[str, ...]
    notices: tuple[str, ...]


def probe(path: str) -> Film:
    """Read a film's packets and its first frame.

    Raises:
        SourceError: it cannot be opened, holds no video, or no frame of it decodes.
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
            check_size(path, first.width, first.height)  # as it is, not as it was declared
        with open_container(path) as container:  # afresh: not every file can be rewound
            return _film(container, container.streams[index], first)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"{path} cannot be read as a film ({reason}): is it complete, and a video?") from error


def song_codec(path: str) -> str:
    """Return the codec of a file's first sound track.

    Raises:
        SourceError: it cannot be opened, or holds no sound.
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
        except av.error.FFmpegError:  # a damaged packet: a later one may decode
            continue
    raise SourceError(f"no frame of {path} can be decoded: is it complete?")


def _film(container: Any, stream: Any, first: Any) -> Film:
    turned = first.rotation % 180 != 0
    width, height = (first.height, first.width) if turned else (first.width, first.height)
    aspect = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
    colour = _colour(first)
    times, end, declared = _times(container, stream)
    rate, constant = _rate(stream, times)
    tracks = container.streams
    notices = []
    if declared > len(times):
        notices.append(f"the film is truncated: it declares {declared} frames and holds {len(times)}")
    if not constant:
        notices.append(VARIES.format(float(rate)))
        if lost := dropped_at(times, rate):
            notices.append(f"{lost} of its pictures come faster than that, and are dropped")
    if colour.transfer in HDR:
        notices.append(f"it is HDR ({HDR[colour.transfer]}): converted to BT.709")
    if tracks.subtitles:
        notices.append(f"its {len(tracks.subtitles)} subtitle track(s) are not carried over")
    return Film(
        demuxer=container.format.name.split(",")[0],
        stream=stream.index,
        width=width,
        height=height,
        format=first.format.name,
        depth=16 if max(c.bits for c in first.format.components) > 8 else 8,
        colour=colour,
        hdr=HDR.get(colour.transfer, ""),
        aspect=1 / aspect if turned else aspect,
        times=times,
        end=end,
        rate=rate,
        constant=constant,
        sound=tuple(_codec(track) for track in tracks.audio),
        notices=tuple(notices),
    )


def _codec(track: Any) -> str:
    """Return the name of a track's codec, not of the decoder it gets; "" where there is no decoder for it."""
    return track.codec_context.codec.canonical_name if track.codec_context else ""


def _colour(frame: Any) -> Colour:
    """Read a frame's colour tags; what is unspecified is taken as players take it: BT.709 for HD, BT.601 below."""
    if frame.format.is_rgb:
        return Colour()
    usual = 1 if frame.height > 576 or frame.width > 1024 else 6
    full = frame.format.name.startswith("yuvj") or frame.color_range == 2
    return Colour(
        matrix=_known(frame.colorspace, usual),
        primaries=_known(frame.color_primaries, usual),
        transfer=_known(frame.color_trc, usual),
        range=2 if full else 1,
    )


def _known(tag: int, usual: int) -> int:
    return usual if int(tag) in (0, 2, 3) else int(tag)


def _times(container: Any, stream: Any) -> tuple[list[Fraction], Fraction, int]:
    """Return the time of every frame and the end of the last, in seconds after the file's start, and how many frames
    the file declares.
    """
    import av

    start = Fraction(container.start_time or 0, av.time_base)
    stamps: list[int | None] = []
    hidden, duration, whole = 0, 0, Fraction(0)  # frames an edit list hides; the last frame's; end of all tracks
    try:
        for packet in container.demux():
            if packet.size == 0:
                continue
            pts = packet.pts if packet.pts is not None else packet.dts
            whole = max(whole, ((pts or 0) + (packet.duration or 0)) * packet.time_base)
            if packet.stream.index != stream.index or _is_invisible(packet, stream):
                continue
            if packet.is_discard:
                hidden += 1
                continue
            if pts is not None and pts >= max((s for s in stamps[-16:] if s is not None), default=pts):
                duration = packet.duration or 0
            stamps.append(pts)
    except av.error.FFmpegError:  # the rest is damaged: what came before still counts
        pass
    rate = stream.guessed_rate or Fraction(25)
    if any(stamp is None for stamp in stamps):  # a raw stream carries no times
        times = [k / rate for k in range(len(stamps))]
    else:
        times = sorted(stamp * stream.time_base - start for stamp in stamps if stamp is not None)
    if not times:
        return times, Fraction(0), 0
    if stamps != sorted(stamps, key=lambda stamp: stamp or 0):  # a reordered frame's duration is that of another
        last = (times[-1] - times[0]) / max(len(times) - 1, 1)
    else:
        last = duration * stream.time_base
    declared = max(stream.frames - hidden, 0)
    if not stream.frames and container.duration:
        missing = Fraction(container.duration, av.time_base) - whole
        declared = len(times) + int(missing * rate) if missing > Fraction(1, 2) else 0
    return times, times[-1] + last, declared


def _is_invisible(packet: Any, stream: Any) -> bool:
    """Tell whether a packet is one of VP8's frames that are only referred to, never shown (RFC 6386, 9.1)."""
    return stream.codec_context.codec.canonical_name == "vp8" and not bytes(packet)[0] & 0x10


def _rate(stream: Any, times: list[Fraction]) -> tuple[Fraction, bool]:
    """Return frames per second, and whether every frame stands where that rate puts it (to half a frame)."""
    if len(times) < 2 or times[-1] == times[0]:
        return Fraction(stream.guessed_rate or 25), True
    mean = nominal_rate((len(times) - 1) / (times[-1] - times[0]))
    told = stream.guessed_rate, stream.base_rate, stream.average_rate
    coarse = stream.time_base >= Fraction(1, 100)  # a GIF's times are too rough to guess an exact rate from
    for rate in filter(None, (mean, *told) if coarse else (*told, mean)):
        if all(abs(t - times[0] - k / rate) <= Fraction(1, 2) / rate for k, t in enumerate(times)):
            return Fraction(rate), True
    return even_rate(times), False
