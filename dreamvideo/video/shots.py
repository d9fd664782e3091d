"""Decides which frames begin a shot: by detecting cuts in the frames, from a list of times, or not at all."""

from __future__ import annotations

import csv
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable
from fractions import Fraction
from typing import Any

import cv2

from ..errors import RecipeError
from ..media.pixels import Pixels, to_8bit
from ..media.readers.frame import Frame
from ..recipe import parse_time, read_text

DELAY = 2  # frames after a frame that the detector needs to see before it can judge it
WIDTH = 256  # px; wider frames are shrunk for the detectors
SHORTEST = 4  # frames; a music video may cut every sixth of a second
BLACK = 8  # 8-bit levels; frames darker than this on average, for SHORTEST frames, are black
RATE = 25.0  # the detectors count frames, so that any rate will do
WANTED = "auto, none, or a CSV file of times"
COLUMN = "Start Time (seconds)"  # in PySceneDetect's own scene lists
Rule = Callable[[Iterable[Frame]], Generator[tuple[Frame, bool]]]  # yields every frame and whether it begins a shot


def shot_rule(cuts: str, start: Fraction = Fraction(0)) -> Rule:
    """Return the rule by which shots begin, from the recipe's `cuts`: `auto`, `none`, or the name of a CSV file.

    Args:
        cuts: as in the recipe.
        start: where in the film the first frame is taken, s; the times in a file count from the film's beginning.

    Raises:
        RecipeError: the file cannot be read as a list of times.
    """
    if cuts == "none":
        return lambda frames: ((frame, False) for frame in frames)
    if cuts == "auto":
        return detect_shots
    times = read_cuts(cuts)
    return lambda frames: shots_from_times(frames, [time - start for time in times])


def shots_at(begins: Collection[int]) -> Rule:
    """Return the rule that shots begin with the frames of these numbers."""
    return lambda frames: ((frame, frame.index in begins) for frame in frames)


def detect_shots(frames: Iterable[Frame]) -> Generator[tuple[Frame, bool]]:
    """Yield every frame and whether it begins a shot, `DELAY` frames late; the first frame is not marked.

    Hard cuts are found where the change between two frames stands out among its neighbours, shots that come out of
    black by their brightness: both by PySceneDetect's detectors (Castellano 2014–).
    """
    from scenedetect import FrameTimecode

    waiting: deque[Frame] = deque()
    begins: set[int] = set()
    last, size = 0, None
    for number, frame in enumerate(frames):
        small = _small_bgr(frame)
        if small.shape != size:
            size, detectors = small.shape, _detectors()
        waiting.append(frame)
        for detector in detectors:
            begins |= {cut.frame_num for cut in detector.process_frame(FrameTimecode(number, RATE), small)}
        if len(waiting) > DELAY:
            candidate = number - DELAY
            cut = candidate in begins and candidate >= last + SHORTEST  # both detectors may find the same shot
            last = candidate if cut else last
            yield waiting.popleft(), cut
    for frame in waiting:  # too close to the end to be judged
        yield frame, False


def _detectors() -> list[Any]:
    from scenedetect.detectors import AdaptiveDetector, ThresholdDetector

    out_of_black = ThresholdDetector(BLACK, SHORTEST, fade_bias=1.0, min_out_length=SHORTEST)  # at its first lit frame
    return [AdaptiveDetector(min_scene_len=SHORTEST, window_width=DELAY), out_of_black]


def _small_bgr(frame: Frame) -> Pixels:
    """Return a frame as the detectors take it: 8-bit BGR, no wider than `WIDTH`."""
    pixels = to_8bit(frame.pixels)
    h, w = pixels.shape[:2]
    if w > WIDTH:
        pixels = cv2.resize(pixels, (WIDTH, max(round(h * WIDTH / w), 1)), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)


def shots_from_times(frames: Iterable[Frame], times: list[Fraction]) -> Generator[tuple[Frame, bool]]:
    """Yield every frame and whether one of the times lies between its own time and the next frame's, a frame late."""
    rounded = sorted(time + Fraction(1, 2000) for time in times)  # lists are rounded to milliseconds
    waiting: Frame | None = None
    for frame in frames:
        if waiting is not None:
            yield waiting, bisect_left(rounded, waiting.time) < bisect_left(rounded, frame.time)
        waiting = frame
    if waiting is not None:
        yield waiting, bisect_left(rounded, waiting.time) < len(rounded)


def read_cuts(path: str) -> list[Fraction]:
    """Return the times at which shots begin, in order, s, from a CSV file: one a line, in seconds or as mm:ss.s.

    They are read from the first column; in a scene list of PySceneDetect's, from its column of start times. Lines
    without a digit there are headings.

    Raises:
        RecipeError: the file is missing or not text, or a line holds no time.
    """
    try:
        lines = list(csv.reader(read_text(path, WANTED).splitlines()))
    except csv.Error as error:
        raise RecipeError(f"cannot read the cuts in {path} ({error}): give {WANTED}") from error
    times: list[Fraction] = []
    column = 0
    for number, line in enumerate(lines, 1):
        cells = [cell.strip() for cell in line]
        if COLUMN in cells:
            column = cells.index(COLUMN)
            times.clear()
        elif len(cells) > column and any(c.isdigit() for c in cells[column]):
            times.append(_time(cells[column], f"{path}, line {number}"))
    return sorted(times)


def _time(text: str, where: str) -> Fraction:
    try:
        return parse_time(text) or Fraction(0)
    except RecipeError as error:
        raise RecipeError(f"{where}: {error}") from error
