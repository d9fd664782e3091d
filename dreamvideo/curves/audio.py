"""Sound as curves: how loud it is, in which bands, and when its onsets, beats and bars fall."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DreamError, SourceError
from ..media import ffmpeg
from ..media.local_files import check_file
from ..media.probe import song_codec
from .expressions import LEVELS
from .timeline import Sound

RATE, HOP, WINDOW = 22_050, 128, 2048  # samples a second, between points, and in the window around each
BLOCK = 20 * RATE // HOP  # points analysed at a time, so that an hour of sound needs no hour's memory
LEAD = RATE // 2  # samples of silence before the sound, so that a beat at its very beginning is heard
BANDS = {"bass": (20, 160), "mid": (160, 4000), "treble": (4000, RATE // 2)}  # Hz
LOUD = 98.0  # percentile of a level that counts as full
QUIET = 1e-4  # of full scale, below which sound is silence
SNAP = 0.04  # s within which a beat moves onto an onset
METER = 4  # beats in a bar
TIMES = ("beats", "bars", "onsets", "wave")
VERSION = 1  # of what is kept; analyses of other versions are made anew
Samples = NDArray[np.float32]


def analyse(
    path: str, start: Fraction = Fraction(0), length: Fraction | None = None, keep: Path | None = None
) -> Sound:
    """Listen to a file's first sound track.

    Args:
        path: a song, or a film.
        start, length: the part that is listened to, s.
        keep: a folder in which the analysis is kept, and found again as long as the file stays the same.

    Raises:
        SourceError: it holds no sound that can be decoded.
        DreamError: what listens is not installed.
    """
    file = keep and keep / f"{Path(path).stem}-{_fingerprint(path, start, length)}.sound.npz"
    if file and file.exists() and (sound := _read_cache(file)):
        return sound
    sound = analyse_samples(decode(path, start, length))
    if file:
        parts: dict[str, Any] = {name: getattr(sound, name) for name in TIMES}
        parts |= {**sound.levels, "rate": sound.rate, "tempo": sound.tempo, "version": VERSION}
        part = file.with_suffix(".part")
        try:
            with open(part, "wb") as opened:
                np.savez_compressed(opened, **parts)
            part.replace(file)
        except OSError:  # it is only a convenience
            part.unlink(missing_ok=True)
    return sound


def _fingerprint(path: str, start: Fraction, length: Fraction | None) -> str:
    check_file(path)
    digest = hashlib.sha256(f"{start} {length}".encode())
    try:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}): check the name") from error
    return digest.hexdigest()[:12]


def _read_cache(file: Path) -> Sound | None:
    try:
        with np.load(file) as kept:
            if kept["version"] != VERSION:
                return None
            levels = {name: kept[name] for name in LEVELS}
            times = {name: kept[name] for name in TIMES}
            return Sound(float(kept["rate"]), levels, tempo=float(kept["tempo"]), **times)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):  # damaged: listened to again
        return None


def decode(path: str, start: Fraction = Fraction(0), length: Fraction | None = None) -> Samples:
    """Return a file's first sound track, or a part of it, as mono samples in [−1, 1] at 22,050 Hz.

    Raises:
        SourceError: there is none that can be decoded.
    """
    part = ["-ss", f"{float(start):.6f}"] if start else []
    until = ["-t", f"{float(length):.6f}"] if length is not None else []
    args = [
        *part,
        *ffmpeg.input_args(path),
        *until,
        "-map",
        "0:a:0",
        "-ac",
        "1",
        "-ar",
        str(RATE),
        "-f",
        "f32le",
        "pipe:1",
    ]
    song_codec(path)
    try:
        with ffmpeg.reader(args) as process:
            data = bytearray()
            while block := process.read(1 << 22):
                data += block
            process.wait()
    except ffmpeg.FFmpegError as error:
        raise SourceError(
            f"{path} holds no sound that can be decoded ({error}): give a song, like .mp3 or .wav"
        ) from error
    samples = np.frombuffer(data, np.float32)
    if not len(samples):
        raise SourceError(f"{path} holds no sound: give a song, like .mp3 or .wav")
    return np.nan_to_num(samples)


def analyse_samples(samples: Samples) -> Sound:
    """Return what is heard in mono samples at 22,050 Hz.

    Levels are amplitudes over their own 98th percentile. Onsets are peaks of the spectral flux; beats come from dynamic
    programming over it (Ellis 2007), both as librosa (McFee et al. 2015) has them. A bar is four beats, and begins on
    the one of each four that is strongest in the bass.

    Raises:
        DreamError: librosa is not installed.
    """
    try:
        import librosa
    except ImportError as error:
        raise DreamError("listening to music needs librosa: pip install 'dreamvideo[music]'") from error
    spectra = [_spectra(block, librosa) for block in _blocks(samples)]
    loud, bands, mel = (np.concatenate(part, axis=-1) for part in zip(*spectra, strict=True))
    strength = librosa.onset.onset_strength(
        S=librosa.power_to_db(mel, ref=max(float(mel.max()), 1e-10)), sr=RATE, hop_length=HOP
    )
    how: dict[str, Any] = {"onset_envelope": strength, "sr": RATE, "hop_length": HOP, "units": "time"}
    lead = LEAD / RATE
    if loud.max() < QUIET:
        tempo, beats, onsets = 0.0, np.zeros(0), np.zeros(0)
    else:
        found, beats = librosa.beat.beat_track(**how, trim=False)
        onsets = librosa.onset.onset_detect(**how) - lead
        tempo = float(np.atleast_1d(found)[0])
        beats = _snap_to_onsets(beats - lead, onsets)
        ends = len(samples) / RATE
        beats, onsets = (np.maximum(x[(x > -SNAP) & (x < ends)], 0) for x in (beats, onsets))
    skip = LEAD // HOP
    levels = {"rms": loud, "flux": strength, **dict(zip(BANDS, bands, strict=True))}
    levels = {name: _normalised(level[skip:]) for name, level in levels.items()}
    edges = np.minimum(np.arange(0, len(samples) + HOP, HOP), len(samples) - 1)
    wave = np.maximum.reduceat(np.abs(samples), edges[:-1])
    return Sound(RATE / HOP, levels, beats, _bars(beats, bands[0, skip:]), onsets, tempo, wave.astype(float))


def _blocks(samples: Samples) -> Iterator[Samples]:
    """Yield stretches of the sound, silence before and behind, that overlap by a window."""
    padded = np.pad(samples, (LEAD + WINDOW // 2, WINDOW))
    for first in range(0, (len(padded) - WINDOW) // HOP + 1, BLOCK):
        yield padded[first * HOP : (first + BLOCK - 1) * HOP + WINDOW]


def _spectra(samples: Samples, librosa: Any) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return loudness (points,), the bands' (3, points), and the mel spectrum (mels, points) of a stretch."""
    power = np.abs(librosa.stft(samples, n_fft=WINDOW, hop_length=HOP, center=False)) ** 2
    hertz = librosa.fft_frequencies(sr=RATE, n_fft=WINDOW)
    bands = [power[(hertz >= low) & (hertz < high)].sum(0) for low, high in BANDS.values()]
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    middle = frames[:, WINDOW // 4 : -WINDOW // 4]
    loud = np.sqrt(np.square(middle).mean(1))
    return loud, np.sqrt(np.stack(bands)), librosa.feature.melspectrogram(S=power, sr=RATE, n_fft=WINDOW)


def _normalised(level: NDArray[Any]) -> NDArray[np.float64]:
    top = float(np.percentile(level, LOUD))
    top = max(top, 0.1 * float(level.max()), 1e-9)
    return np.clip(level / top, 0, 1).astype(np.float64)


def _snap_to_onsets(beats: NDArray[Any], onsets: NDArray[Any]) -> NDArray[np.float64]:
    """Move beats onto the onset nearest to them, if one is near."""
    if not len(onsets):
        return beats
    nearest = onsets[np.abs(beats[:, None] - onsets[None]).argmin(1)] if len(beats) else beats
    return np.unique(np.where(np.abs(nearest - beats) < SNAP, nearest, beats))


def _bars(beats: NDArray[np.float64], bass: NDArray[Any]) -> NDArray[np.float64]:
    """Return every fourth beat, from the one of the first four on which there is most bass."""
    if len(beats) < METER:
        return beats[:1]
    near = np.minimum((beats[:, None] + np.linspace(0, 0.08, 9)) * RATE / HOP, len(bass) - 1).astype(int)
    struck = bass[near].max(1)
    first = max(range(METER), key=lambda k: float(struck[k::METER].mean()))
    return beats[first::METER]
