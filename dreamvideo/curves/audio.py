"""Decodes and analyses sound: its loudness, its frequency bands, and the times of its onsets, beats and bars."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DreamError, SourceError
from ..media import ffmpeg
from ..media.probe import song_codec
from .audio_cache import being_analysed, cache_file, read_cache, write_cache
from .timeline import BEATS_PER_BAR, Sound

RATE, HOP, WINDOW = 22_050, 128, 2048  # samples: per second, between two points, and in the window around each
BLOCK = 20 * RATE // HOP  # points analysed at a time, so that long sound does not need more memory
LEAD = RATE // 2  # samples of silence put before the sound, so that a beat at its very beginning is found
BANDS = {"bass": (20, 160), "mid": (160, 4000), "treble": (4000, RATE // 2)}  # Hz
LOUD = 98.0  # percentile of a level that becomes 1
QUIET = 1e-4  # loudness, full scale = 1, below which sound counts as silence
SNAP = 0.04  # s; beats this near to an onset are moved onto it
STRIKE = 0.08  # s after a beat in which its bass is measured
Samples = NDArray[np.float32]


def analyse(
    path: str, start: Fraction = Fraction(0), length: Fraction | None = None, audio_cache: Path | None = None
) -> Sound:
    """Analyse the first sound track of a file.

    Args:
        path: a song or a film.
        start, length: the part to analyse, s; by default all of it.
        audio_cache: folder in which the analysis is kept, and found again as long as the file does not change.

    Raises:
        SourceError: the file has no sound that can be decoded.
        DreamError: librosa is not installed.
    """
    if audio_cache is None:
        return analyse_samples(decode(path, start, length))
    file = cache_file(audio_cache, path, start, length)
    if sound := read_cache(file):
        return sound
    with being_analysed(file):
        sound = read_cache(file)
        if sound is None:
            sound = analyse_samples(decode(path, start, length))
            write_cache(file, sound)
    return sound


def decode(path: str, start: Fraction = Fraction(0), length: Fraction | None = None) -> Samples:
    """Return the first sound track of a file, or a part of it, as mono samples in [−1, 1] at 22,050 Hz.

    Raises:
        SourceError: the file has no sound that can be decoded.
    """
    skip = ["-ss", f"{float(start):.6f}"] if start else []
    limit = ["-t", f"{float(length):.6f}"] if length is not None else []
    form = ["-map", "0:a:0", "-ac", "1", "-ar", str(RATE), "-f", "f32le", "pipe:1"]
    song_codec(path)
    try:
        with ffmpeg.reader([*skip, *ffmpeg.input_args(path), *limit, *form]) as process:
            data = bytearray()
            while block := process.read(1 << 22):
                data += block
            process.wait()
    except ffmpeg.FFmpegError as error:
        raise SourceError(
            f"{path} has no sound that can be decoded ({error}): give a song, like .mp3 or .wav"
        ) from error
    samples = np.frombuffer(data, np.float32)
    if not len(samples):
        raise SourceError(f"{path} has no sound: give a song, like .mp3 or .wav")
    return np.nan_to_num(samples)


def analyse_samples(samples: Samples) -> Sound:
    """Analyse mono samples at 22,050 Hz.

    Levels are amplitudes divided by their own 98th percentile. Onsets are peaks of the spectral flux, and beats are
    found by dynamic programming over it (Ellis 2007), both with librosa (McFee et al. 2015). A bar has four beats and
    begins on the one of four that has the most bass.

    Raises:
        DreamError: librosa is not installed.
    """
    try:
        import librosa
    except ImportError as error:
        raise DreamError("music analysis needs librosa: pip install 'dreamvideo[music]'") from error
    spectra = [_spectra(block, librosa) for block in _blocks(samples)]
    loud, bands, mel = (np.concatenate(part, axis=-1) for part in zip(*spectra, strict=True))
    flux = librosa.onset.onset_strength(
        S=librosa.power_to_db(mel, ref=max(float(mel.max()), 1e-10)), sr=RATE, hop_length=HOP
    )
    silent = loud.max() < QUIET
    tempo, beats, onsets = (0.0, np.zeros(0), np.zeros(0)) if silent else _beats(flux, len(samples) / RATE, librosa)
    skip = LEAD // HOP
    levels = {"rms": loud, "flux": flux, **dict(zip(BANDS, bands, strict=True))}
    levels = {name: _normalised(level[skip:]) for name, level in levels.items()}
    edges = np.minimum(np.arange(0, len(samples) + HOP, HOP), len(samples) - 1)
    wave = np.maximum.reduceat(np.abs(samples), edges[:-1])
    return Sound(RATE / HOP, levels, beats, _bars(beats, bands[0, skip:]), onsets, tempo, wave.astype(float))


def _blocks(samples: Samples) -> Iterator[Samples]:
    """Yield the sound in blocks that overlap by a window, with silence before and after it."""
    padded = np.pad(samples, (LEAD + WINDOW // 2, WINDOW))
    for first in range(0, (len(padded) - WINDOW) // HOP + 1, BLOCK):
        yield padded[first * HOP : (first + BLOCK - 1) * HOP + WINDOW]


def _spectra(samples: Samples, librosa: Any) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the loudness (points,), bands (3, points) and mel spectrum (mels, points) of a block."""
    power = np.abs(librosa.stft(samples, n_fft=WINDOW, hop_length=HOP, center=False)) ** 2
    hertz = librosa.fft_frequencies(sr=RATE, n_fft=WINDOW)
    bands = [power[(hertz >= low) & (hertz < high)].sum(0) for low, high in BANDS.values()]
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    middle = windows[:, WINDOW // 4 : -WINDOW // 4]
    loud = np.sqrt(np.square(middle).mean(1))
    return loud, np.sqrt(np.stack(bands)), librosa.feature.melspectrogram(S=power, sr=RATE, n_fft=WINDOW)


def _beats(flux: NDArray[Any], seconds: float, librosa: Any) -> tuple[float, NDArray[Any], NDArray[Any]]:
    """Return the tempo, the times of beats and those of onsets, s, of sound of so many seconds."""
    options: dict[str, Any] = {"onset_envelope": flux, "sr": RATE, "hop_length": HOP, "units": "time"}
    lead = LEAD / RATE
    tempo, beats = librosa.beat.beat_track(**options, trim=False)
    onsets = librosa.onset.onset_detect(**options) - lead
    beats = _snap_to_onsets(beats - lead, onsets)
    beats, onsets = (np.maximum(times[(times > -SNAP) & (times < seconds)], 0) for times in (beats, onsets))
    return float(np.atleast_1d(tempo)[0]), beats, onsets


def _normalised(level: NDArray[Any]) -> NDArray[np.float64]:
    top = float(np.percentile(level, LOUD))
    top = max(top, 0.1 * float(level.max()), 1e-9)
    return np.clip(level / top, 0, 1).astype(np.float64)


def _snap_to_onsets(beats: NDArray[Any], onsets: NDArray[Any]) -> NDArray[np.float64]:
    """Move each beat onto the nearest onset, if it is within `SNAP`."""
    if not len(onsets):
        return beats
    nearest = onsets[np.abs(beats[:, None] - onsets[None]).argmin(1)] if len(beats) else beats
    return np.unique(np.where(np.abs(nearest - beats) < SNAP, nearest, beats))


def _bars(beats: NDArray[np.float64], bass: NDArray[Any]) -> NDArray[np.float64]:
    """Return every fourth beat, starting with that of the first four that has the most bass."""
    if len(beats) < BEATS_PER_BAR:
        return beats[:1]
    near = np.minimum((beats[:, None] + np.linspace(0, STRIKE, 9)) * RATE / HOP, len(bass) - 1).astype(int)
    strikes = bass[near].max(1)
    first = max(range(BEATS_PER_BAR), key=lambda k: float(strikes[k::BEATS_PER_BAR].mean()))
    return beats[first::BEATS_PER_BAR]
