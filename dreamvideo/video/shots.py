"""Shots: where one ends and the next begins, found in the frames or told by the user."""

from __future__ import annotations

import csv
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable
from fractions import Fraction

import cv2
import numpy as np

from ..errors import RecipeError
from ..media.pixels import to_8bit
from ..media.readers.frame import Frame
from ..recipe import parse_time, read_text

DELAY = 2  # frames that must follow a frame before it can be told whether a shot begins with it
WIDTH = 256  # px; what the detectors are shown is no wider
SHORTEST = 4  # frames; a music video may cut every sixth of a second
BLACK = 8  # 8-bit levels; a picture darker on average, for so many frames, is black
RATE = 25.0  # the detectors count in frames; any will do
WANTED = "auto, none, or a CSV file of times"
COLUMN = "Start Time (seconds)"  # of PySceneDetect's own lists
Rule = Callable[[Iterable[Frame]], Generator[tuple[Frame, bool]]]


def shot_rule(cuts: str, start: Fraction = Fraction(0)) -> Rule:
    """Return what marks the frames with which shots begin: `auto`, `none`, or a CSV file's name.

    A file's times count from the film's beginning, of which `start` seconds are left out.

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
    """Return what marks the frames of these numbers as those with which shots begin."""
    return lambda frames: ((frame, frame.index in begins) for frame in frames)


def detect_shots(frames: Iterable[Frame]) -> Generator[tuple[Frame, bool]]:
    """Yield every frame with whether a shot begins with it, two frames late; the first is not marked.

    Hard cuts are found by how far the change from one frame to the next stands out among its neighbours, shots that
    come out of black by their brightness: both by PySceneDetect's detectors (Castellano 2014–).
    """
    from scenedetect import FrameTimecode
    from scenedetect.detectors import AdaptiveDetector, ThresholdDetector

    waiting: deque[Frame] = deque()
    begins: set[int] = set()
    last, size = 0, None
    for number, frame in enumerate(frames):
        shown = _small(frame)
        if shown.shape != size:
            size = shown.shape
            detectors = [
                AdaptiveDetector(min_scene_len=SHORTEST, window_width=DELAY),
                ThresholdDetector(BLACK, SHORTEST, fade_bias=1.0, min_out_length=SHORTEST),  # begins where it is seen
            ]
        waiting.append(frame)
        for detector in detectors:
            begins |= {cut.frame_num for cut in detector.process_frame(FrameTimecode(number, RATE), shown)}
        if len(waiting) > DELAY:
            cut = number - DELAY in begins and number - DELAY >= last + SHORTEST  # both may find the same one
            last = number - DELAY if cut else last
            yield waiting.popleft(), cut
    for frame in waiting:  # too near the end for the detector to judge
        yield frame, False


def _small(frame: Frame) -> np.ndarray:
    pixels = to_8bit(frame.pixels)
    h, w = pixels.shape[:2]
    if w > WIDTH:
        pixels = cv2.resize(pixels, (WIDTH, max(round(h * WIDTH / w), 1)), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)


def shots_from_times(frames: Iterable[Frame], times: list[Fraction]) -> Generator[tuple[Frame, bool]]:
    """Yield every frame with whether one of the times lies in it, from its own on to that of the next, a frame late."""
    rounded = sorted(time + Fraction(1, 2000) for time in times)  # they are written to the millisecond
    waiting: Frame | None = None
    for frame in frames:
        if waiting is not None:
            yield waiting, bisect_left(rounded, waiting.time) < bisect_left(rounded, frame.time)
        waiting = frame
    if waiting is not None:
        yield waiting, bisect_left(rounded, waiting.time) < len(rounded)


def read_cuts(path: str) -> list[Fraction]:
    """Read the moments at which shots begin, in order: seconds or mm:ss.s, one a line.

    A line's first column counts, or that of PySceneDetect's own scene lists; a line without a number is a heading.

    Raises:
        RecipeError: the file is missing, no text, or a line holds no time.
    """
    try:
        lines = list(csv.reader(read_text(path, WANTED).splitlines()))
    except csv.Error as error:
        raise RecipeError(f"cannot read the cuts in {path} ({error}): give {WANTED}") from error
    times: list[Fraction | None] = []
    column = 0
    for number, line in enumerate(lines, 1):
        cells = [cell.strip() for cell in line]
        if COLUMN in cells:
            column = cells.index(COLUMN)
            times.clear()
        elif len(cells) > column and any(c.isdigit() for c in cells[column]):
            try:
                times.append(parse_time(cells[column]))
            except RecipeError as error:
                raise RecipeError(f"{path}, line {number}: {error}") from error
    return sorted(time for time in times if time is not None)
