"""Looks through a film and listens to its music for the timeline: cuts, waveform, beats; in a process of its own."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import threading
from collections.abc import Callable
from fractions import Fraction
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from ..curves import audio
from ..curves.timeline import Sound
from ..media.readers.selection import Selection
from ..media.readers.source import open_source
from ..recipe import SOURCE_MUSIC
from ..video.shots import detect_shots
from .problems import problem_text

WAVE_POINTS = 3000
HEARD = ("rms", "bass", "mid", "treble")  # levels that the timeline can draw
LOOK_SIZE = "144p"  # at which cuts are looked for
Listener = Callable[[dict[str, Any]], None]


class Analysis:
    """The process that looks through one film.

    Args:
        source: path of the film, frames or picture.
        music: as in the recipe: a song, "source", or nothing.
        audio_cache: a folder in which the analysis of music is kept.
        listener: called in the event loop with what is found.
    """

    def __init__(self, source: str, music: str, audio_cache: Path, listener: Listener):
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        arguments = (theirs, source, music, str(audio_cache))
        self._process = context.Process(target=_run, args=arguments, daemon=True, name="dreamvideo analysis")
        self._process.start()
        theirs.close()
        self._loop, self._listener = asyncio.get_running_loop(), listener
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        try:
            while True:
                found = self._connection.recv()
                self._loop.call_soon_threadsafe(self._listener, found)
        except (EOFError, OSError, RuntimeError):
            return

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()


def _run(connection: Connection, source: str, music: str, audio_cache: str) -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(10)  # previews come first
    for find in (_hear, _look):
        try:
            find(connection, source, music, Path(audio_cache))
        except Exception as error:  # the page is told, and goes on without
            connection.send({"notice": problem_text(error)})


def _end_with(connection: Connection) -> None:
    """End the process where the studio is gone."""
    try:
        connection.recv()
    except (EOFError, OSError):
        os._exit(0)


def _hear(connection: Connection, source: str, music: str, audio_cache: Path) -> None:
    """Send the waveform, then what music analysis finds in it."""
    song, start, length = music, Fraction(0), None
    if music in ("", SOURCE_MUSIC):
        with open_source(source, Selection(square=True)) as opened:
            info = opened.info
        if not info.sound:
            return
        song, start, length = source, info.start + info.delay, info.count / info.rate
    samples = audio.decode(song, start, length)
    connection.send({"wave": wave(samples), "seconds": len(samples) / audio.RATE})
    if music:
        connection.send(heard(audio.analyse(song, start, length, audio_cache)))


def _look(connection: Connection, source: str, music: str, audio_cache: Path) -> None:
    """Send the cuts, as they are found."""
    with open_source(source, Selection(square=True, size=LOOK_SIZE)) as opened:
        if opened.info.kind == "still":
            return
        cuts: list[int] = []
        for frame, begins in detect_shots(opened):
            if begins:
                cuts.append(frame.index)
                connection.send({"cuts": cuts})
    connection.send({"cuts": cuts})


def wave(samples: Any) -> list[float]:
    """Return the largest absolute sample of each of `WAVE_POINTS` parts of equal length, in [0, 1]."""
    if not len(samples):
        return []
    return _thinned(np.abs(samples))


def heard(sound: Sound) -> dict[str, Any]:
    """Return what was heard as plain data: times in s, and levels in [0, 1] at equal distances."""
    levels = {name: _thinned(sound.levels[name]) for name in HEARD if name in sound.levels}
    return {
        "beats": [round(float(t), 3) for t in sound.beats], "bars": [round(float(t), 3) for t in sound.bars],
        "onsets": [round(float(t), 3) for t in sound.onsets], "tempo": round(float(sound.tempo), 1), "levels": levels,
    }  # fmt: skip


def _thinned(values: Any) -> list[float]:
    parts = np.array_split(values, min(WAVE_POINTS, len(values)))
    return [round(float(part.max()), 3) for part in parts]
