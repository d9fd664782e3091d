"""Reads when each frame of a film is shown, from its packets alone: no frame is decoded."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

USUAL_RATE = Fraction(25)  # frames per second of a stream that tells none
REORDERING = 16  # packets within which frames may be stored in another order than they are shown


@dataclass(frozen=True)
class FrameTimes:
    """When the frames of a film are shown.

    Attributes:
        times: of every frame in the order of showing, seconds after the start of the file.
        end: of the last frame, seconds after the start of the file.
        declared: number of frames that the file claims to have; 0 if it claims none.
    """

    times: list[Fraction]
    end: Fraction
    declared: int


@dataclass
class _Packets:
    """What the packets of a file tell about a video stream.

    Attributes:
        stamps: presentation time of every frame as it is stored, in the stream's time base; None for unknown.
        hidden: number of frames that an edit list hides.
        duration: of the frame shown last, in the stream's time base.
        end: of all tracks of the file, seconds.
    """

    stamps: list[int | None] = field(default_factory=list)
    hidden: int = 0
    duration: int = 0
    end: Fraction = Fraction(0)


def read_frame_times(container: Any, stream: Any) -> FrameTimes:
    """Return when the frames of a PyAV video stream are shown; of a damaged file, as far as its packets can be read."""
    import av

    packets = _read_packets(container, stream)
    rate = stream.guessed_rate or USUAL_RATE
    start = Fraction(container.start_time or 0, av.time_base)
    if any(stamp is None for stamp in packets.stamps):  # a raw stream has no times
        times = [k / rate for k in range(len(packets.stamps))]
    else:
        times = sorted(stamp * stream.time_base - start for stamp in packets.stamps if stamp is not None)
    if not times:
        return FrameTimes(times, Fraction(0), 0)
    if packets.stamps != sorted(packets.stamps, key=lambda stamp: stamp or 0):  # reordered: durations are mixed up
        last = (times[-1] - times[0]) / max(len(times) - 1, 1)
    else:
        last = packets.duration * stream.time_base
    declared = max(stream.frames - packets.hidden, 0)
    if not stream.frames and container.duration:
        missing = Fraction(container.duration, av.time_base) - packets.end
        declared = len(times) + int(missing * rate) if missing > Fraction(1, 2) else 0
    return FrameTimes(times, times[-1] + last, declared)


def _read_packets(container: Any, stream: Any) -> _Packets:
    import av

    found = _Packets()
    try:
        for packet in container.demux():
            if packet.size == 0:
                continue
            stamp = packet.pts if packet.pts is not None else packet.dts
            found.end = max(found.end, ((stamp or 0) + (packet.duration or 0)) * packet.time_base)
            if packet.stream.index != stream.index or _is_never_shown(packet, stream):
                continue
            if packet.is_discard:
                found.hidden += 1
                continue
            latest = max((s for s in found.stamps[-REORDERING:] if s is not None), default=stamp)
            if stamp is not None and stamp >= latest:
                found.duration = packet.duration or 0
            found.stamps.append(stamp)
    except av.error.FFmpegError:  # the rest is damaged: what came before still counts
        pass
    return found


def _is_never_shown(packet: Any, stream: Any) -> bool:
    """Tell whether a packet is a VP8 frame that only serves as a reference for others (RFC 6386, 9.1)."""
    return stream.codec_context.codec.canonical_name == "vp8" and not bytes(packet)[0] & 0x10
