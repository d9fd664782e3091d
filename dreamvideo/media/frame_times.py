"""Reads when each frame of a film is shown, from its packets alone: no frame is decoded."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

USUAL_RATE = Fraction(25)  # frames per second of a stream that tells none
REORDERING = 16  # packets within which frames may be stored in another order than they are shown
RESETS_CLOCK = 0x0200  # AVFMT_TS_DISCONT: the clock of such a file format may be reset, as between joined recordings
LEAP = Fraction(
    10
)  # seconds by which a clock has leapt, rather than nothing been recorded (ffmpeg's -dts_delta_threshold)
BACK = Fraction(1, 10)  # seconds by which a clock has gone back, rather than packets been mixed up


@dataclass(frozen=True)
class FrameTimes:
    """When the frames of a film are shown.

    Attributes:
        stamps: presentation time of every frame in the order of showing, in the stream's time base, as it is written in
            the file; None where the file tells none.
        times: of every frame, seconds after the start of the file, with the clock's resets corrected.
        end: of the last frame, seconds after the start of the file.
        declared: number of frames that the file claims to have; 0 if it claims none.
        resets: how often the clock is reset.
    """

    stamps: list[int | None]
    times: list[Fraction]
    end: Fraction
    declared: int
    resets: int


@dataclass
class VideoPackets:
    """What the packets of a file tell about one of its video streams.

    Attributes:
        stamps: number of the clock's reset, and presentation time, of every frame as it is stored.
        clock: of the stream.
        hidden: number of frames that an edit list hides.
        duration: of the frame shown last, in the stream's time base.
        reordered: whether frames are stored in another order than they are shown.
    """

    clock: Clock
    stamps: list[tuple[int, int | None]] = field(default_factory=list)
    hidden: int = 0
    duration: int = 0
    reordered: bool = False


@dataclass
class Packets:
    """What the packets of a file tell.

    Attributes:
        video: of every video stream, by its index.
        sound: the clock of all sound tracks together.
        end: of all tracks, seconds.
    """

    video: dict[int, VideoPackets]
    sound: Clock
    end: Fraction = Fraction(0)


class Clock:
    """Follows the clock of a file through its resets, as ffmpeg does when it reads one (`ts_discontinuity_detect`).

    Two recordings that were joined, or a receiver that lost its signal, leave a clock that begins anew or leaps. What
    follows is taken to begin when what came before has ended.

    Args:
        leaps: whether the file format is one in which clocks may leap ahead; going back is a reset in all of them.

    Attributes:
        offsets: seconds to add to a time after every reset; the first is 0.
    """

    def __init__(self, leaps: bool):
        self.offsets = [Fraction(0)]
        self._leaps = leaps
        self._last: dict[int, Fraction] = {}
        self._expected: dict[int, Fraction] = {}
        self._latest: Fraction | None = None  # of any stream

    def follow(self, stream: int, stored: Fraction | None, duration: Fraction) -> int:
        """Return the number of resets up to a packet.

        Args:
            stream: that it belongs to.
            stored: its decoding time, seconds; None for unknown.
            duration: seconds.
        """
        if stored is None:
            if stream in self._expected:
                self._expected[stream] += duration
            return len(self.offsets) - 1
        time = stored + self.offsets[-1]
        expected = self._expected.get(stream, self._latest)
        went_back = stream in self._last and time + BACK < self._last[stream]
        if expected is not None and (went_back or (self._leaps and abs(time - expected) > LEAP)):
            self.offsets.append(self.offsets[-1] - (time - expected))
            time = expected
        self._last[stream] = self._latest = time
        self._expected[stream] = time + duration
        return len(self.offsets) - 1


def read_packets(container: Any) -> Packets:
    """Read all packets of a PyAV container; of a damaged file, as far as they can be read."""
    import av

    leaps = bool(container.format.flags & RESETS_CLOCK)
    found = Packets({s.index: VideoPackets(Clock(leaps)) for s in container.streams.video}, Clock(leaps))
    try:
        for packet in container.demux():
            if packet.size:
                _add(found, packet)
    except av.error.FFmpegError:  # the rest is damaged: what came before still counts
        pass
    return found


def _add(found: Packets, packet: Any) -> None:
    stream, base = packet.stream, packet.time_base
    stamp = packet.pts if packet.pts is not None else packet.dts
    duration = packet.duration or 0
    stored = None if packet.dts is None else packet.dts * base
    if stream.type == "audio":
        resets = found.sound.follow(stream.index, stored, duration * base)
        offset = found.sound.offsets[resets]
    elif stream.index in found.video:
        resets = found.video[stream.index].clock.follow(stream.index, stored, duration * base)
        offset = found.video[stream.index].clock.offsets[resets]
    else:
        return
    found.end = max(found.end, ((stamp or 0) + duration) * base + offset)
    if stream.type == "audio" or _is_never_shown(packet, stream):
        return
    video = found.video[stream.index]
    if packet.is_discard:
        video.hidden += 1
        return
    known = [s for of, s in video.stamps[-REORDERING:] if s is not None and of == resets]
    if stamp is not None and stamp >= max(known, default=stamp):
        video.duration = duration
    elif stamp is not None:
        video.reordered = True
    video.stamps.append((resets, stamp))


def _is_never_shown(packet: Any, stream: Any) -> bool:
    """Tell whether a packet is a VP8 frame that only serves as a reference for others (RFC 6386, 9.1)."""
    if not stream.codec_context or stream.codec_context.codec.canonical_name != "vp8":
        return False
    return not bytes(packet)[0] & 0x10


def frame_times(container: Any, stream: Any, packets: Packets) -> FrameTimes:
    """Return when the frames of a PyAV video stream are shown."""
    import av

    video = packets.video[stream.index]
    rate = Fraction(stream.guessed_rate or USUAL_RATE)
    start = Fraction(container.start_time or 0, av.time_base)
    if not video.stamps:
        return FrameTimes([], [], Fraction(0), 0, 0)
    if any(stamp is None for _, stamp in video.stamps):  # a raw stream has no times
        shown = list[tuple[int, int | None]]((0, None) for _ in video.stamps)
        times = [k / rate for k in range(len(shown))]
    else:
        shown = sorted(video.stamps, key=lambda one: (one[0], one[1] or 0))
        times = _corrected(shown, stream.time_base, _offsets(video.clock, packets.sound), start, rate)
    last = video.duration * stream.time_base
    if video.reordered:  # durations are mixed up
        last = (times[-1] - times[0]) / max(len(times) - 1, 1)
    declared = max(stream.frames - video.hidden, 0)
    if not stream.frames and container.duration and len(video.clock.offsets) == 1:
        missing = Fraction(container.duration, av.time_base) - packets.end
        declared = len(times) + int(missing * rate) if missing > Fraction(1, 2) else 0
    return FrameTimes([stamp for _, stamp in shown], times, times[-1] + last, declared, len(video.clock.offsets) - 1)


def _offsets(video: Clock, sound: Clock) -> list[Fraction]:
    """Return the offsets of a video's times: those of the sound, if that is reset as often, so that they fit it."""
    return sound.offsets if len(sound.offsets) == len(video.offsets) else video.offsets


def _corrected(
    shown: list[tuple[int, int | None]], base: Fraction, offsets: list[Fraction], start: Fraction, rate: Fraction
) -> list[Fraction]:
    """Return the times of frames, seconds; after each reset they go on at a multiple of the frame rate."""
    times = list[Fraction]()
    part, shift = 0, -start
    for resets, stamp in shown:
        time = (stamp or 0) * base
        if resets != part:
            part = resets
            frames = max(
                round((time + offsets[part] - start - times[0]) * rate), round((times[-1] - times[0]) * rate) + 1
            )
            shift = times[0] + frames / rate - time
        times.append(time + shift)
    return times
