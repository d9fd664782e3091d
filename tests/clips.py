"""Clips whose motion is known exactly: photos on planes that move in front of a camera.

Every pixel of a frame shows one plane, whose position in the previous frame is known. So the flow is exact, and so is
the area where it does not hold: what was disoccluded, or has come into the frame.

    python tests/clips.py KIND FOLDER [--frames 24] [--size 384x216]

writes a clip as FOLDER/00000.png … and its flow as FOLDER/flow/00001.flo … for `dreamvideo measure --flow-truth`.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

from dreamvideo import Frame
from dreamvideo.analysis.flow_truth import save_truth
from dreamvideo.media.pixels import Field

Pixels = NDArray[np.uint8]
Matrix = NDArray[np.float64]  # (3, 3), from the photo's pixels to the frame's
RATE = Fraction(25)


@dataclass(frozen=True)
class Plane:
    """A photo in front of the camera.

    Attributes:
        photo: RGB (h, w, 3).
        position: frame number → matrix from the photo's pixels to the frame's.
        alpha: (h, w), 0 … 255, the shape cut out of the photo; None for all of it, mirrored beyond its edges.
    """

    photo: Pixels
    position: Callable[[int], Matrix]
    alpha: Pixels | None = None


@dataclass(frozen=True)
class Exact:
    """A frame with its exact motion.

    Attributes:
        frame: the picture.
        flow: (H, W, 2), px, from this frame's pixels to where they were in the previous one; None on a shot's first.
        held: (H, W), whether the flow holds: what a pixel shows was visible in the previous frame; None on a shot's
            first.
    """

    frame: Frame
    flow: Field | None
    held: NDArray[np.bool_] | None


def scene(planes: list[Plane], width: int, height: int, frames: int, grain: float = 0.0) -> Iterator[Exact]:
    """Film planes, the furthest first, with Gaussian noise of a standard deviation of `grain` 8-bit levels."""
    noise = np.random.default_rng(0)
    before: NDArray[np.intp] | None = None
    for n in range(frames):
        pixels, shown = _shoot(planes, width, height, n)
        if grain:
            pixels = np.clip(pixels + noise.normal(0, grain, pixels.shape), 0, 255).round()
        flow = held = None
        if before is not None:
            flow = _flow(planes, shown, n)
            held = _held(flow, shown, before)
        yield Exact(Frame(n, n / RATE, pixels.astype(np.uint8)), flow, held)
        before = shown


def _shoot(planes: list[Plane], width: int, height: int, n: int) -> tuple[Pixels, NDArray[np.intp]]:
    """Return the picture of frame n, and the number of the plane that each pixel shows."""
    picture = np.zeros((height, width, 3), np.uint8)
    shown = np.zeros((height, width), np.intp)
    for number, plane in enumerate(planes):
        matrix = plane.position(n)
        photo = cv2.warpPerspective(
            plane.photo, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
        )
        if plane.alpha is None:
            picture = photo
            continue
        alpha = cv2.warpPerspective(plane.alpha, matrix, (width, height), flags=cv2.INTER_LINEAR)[..., None] / 255.0
        picture = np.round(photo * alpha + picture * (1 - alpha)).astype(np.uint8)
        shown[alpha[..., 0] > 0.5] = number
    return picture, shown


def _flow(planes: list[Plane], shown: NDArray[np.intp], n: int) -> Field:
    """Return the exact flow of frame n, (H, W, 2), from the positions of the planes."""
    h, w = shown.shape
    at = np.stack(np.meshgrid(np.arange(w), np.arange(h)), -1).astype(np.float64)
    flow = np.zeros((h, w, 2))
    for number, plane in enumerate(planes):
        back = plane.position(n - 1) @ np.linalg.inv(plane.position(n))
        was = cv2.perspectiveTransform(at.reshape(-1, 1, 2), back).reshape(h, w, 2)
        here = shown == number
        flow[here] = (was - at)[here]
    return flow.astype(np.float32)


def _held(flow: Field, shown: NDArray[np.intp], before: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Tell where a pixel's plane was visible in the previous frame, without a pixel at its edges, where planes mix."""
    h, w = shown.shape
    x, y = flow[..., 0] + np.arange(w, dtype=np.float32), flow[..., 1] + np.arange(h, dtype=np.float32)[:, None]
    inside = (x >= 0) & (x <= w - 1) & (y >= 0) & (y <= h - 1)
    same = np.ones((h, w), bool)
    for number in np.unique(shown):
        cross = np.ones((3, 3), np.uint8)
        whole = cv2.erode((before == number).astype(np.uint8), cross)
        there = cv2.remap(whole, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
        here = cv2.erode((shown == number).astype(np.uint8), cross)
        same &= (shown != number) | ((there > 0) & (here > 0))
    return inside & same


@cache
def _photo(name: str, short: int) -> Pixels:
    """Return a photo of scikit-image's (public domain or CC0), scaled to a short side in px."""
    pixels = getattr(data, name)()
    scale = short / min(pixels.shape[:2])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=how)


def _move(
    x: float = 0.0, y: float = 0.0, scale: float = 1.0, turn: float = 0.0, about: tuple[float, float] = (0, 0)
) -> Matrix:
    """Return the matrix that scales and rotates (by radians) about a point, then shifts."""
    c, s = scale * math.cos(turn), scale * math.sin(turn)
    ax, ay = about
    return np.array([[c, -s, ax - c * ax + s * ay + x], [s, c, ay - s * ax - c * ay + y], [0, 0, 1]])


def _background(name: str, height: int, path: Callable[[int], Matrix]) -> Plane:
    """Return a plane larger than the frame."""
    return Plane(_photo(name, round(1.5 * height)), path)


def _pan(name: str, height: int, x: float, y: float = 0.0) -> Plane:
    """Return a background that moves by (x, y) px a frame."""
    return _background(name, height, lambda n: _move(-0.1 * height + x * n, -0.2 * height + y * n))


def _pole(height: int, thick: int, x: float, speed: float, lean: float) -> Plane:
    """Return a thin leaning pole that crosses the frame, cut from a photo."""
    photo = np.ascontiguousarray(_photo("rocket", 2 * height)[: 2 * height, :thick])
    return Plane(photo, lambda n: _move(x + speed * n, -height / 3, turn=lean), np.full(photo.shape[:2], 255, np.uint8))


def _disc(name: str, radius: int, path: Callable[[int], Matrix]) -> Plane:
    """Return a disc cut from a photo."""
    photo = _photo(name, 2 * radius)[:, : 2 * radius]
    alpha = cv2.circle(np.zeros(photo.shape[:2], np.uint8), (radius, radius), radius - 1, 255, -1, cv2.LINE_AA)
    return Plane(np.ascontiguousarray(photo), path, alpha)


def pan(width: int, height: int, frames: int) -> Iterator[Exact]:
    """A slow pan: 0.7 px a frame across, 0.2 up."""
    return scene([_pan("coffee", height, -0.7, -0.2)], width, height, frames)


def fast(width: int, height: int, frames: int) -> Iterator[Exact]:
    """Fast motion: a pan of 6 px a frame, a ball that moves against it, and thin poles that rush past in front."""
    ball = _disc("chelsea", height // 4, lambda n: _move(0.1 * width + 5 * n, 0.3 * height + 1.5 * n, turn=0.03 * n))
    poles = [_pole(height, 5, (0.35 + 0.5 * k) * width, -11.4, 0.1) for k in range(-1, 8)]
    return scene([_pan("coffee", height, -6.3), ball, *poles], width, height, frames)


def static(width: int, height: int, frames: int) -> Iterator[Exact]:
    """A locked-off shot in which nothing changes but sensor noise, of 2 levels."""
    return scene([_pan("astronaut", height, 0.0)], width, height, frames, grain=2.0)


def zoom(width: int, height: int, frames: int) -> Iterator[Exact]:
    """A zoom of 1 % a frame that slowly rotates."""
    about = (0.55 * width, 0.7 * height)

    def path(n: int) -> Matrix:
        return _move(-0.1 * height, -0.2 * height) @ _move(scale=1.01**n, turn=0.002 * n, about=about)

    return scene([_background("astronaut", height, path)], width, height, frames)


def grain(width: int, height: int, frames: int) -> Iterator[Exact]:
    """The slow pan on grainy film: Gaussian noise of 6 levels, new on every frame."""
    return scene([_pan("coffee", height, -0.7, -0.2)], width, height, frames, grain=6.0)


def cut(width: int, height: int, frames: int) -> Iterator[Exact]:
    """A slow pan, and after half of the frames a cut to a pan over another scene."""
    half = frames // 2
    yield from scene([_pan("coffee", height, -0.7, -0.2)], width, height, half)
    for n, exact in enumerate(scene([_pan("chelsea", height, 0.5)], width, height, frames - half), half):
        yield replace(exact, frame=Frame(n, n / RATE, exact.frame.pixels))


KINDS: dict[str, Callable[[int, int, int], Iterator[Exact]]] = {
    make.__name__: make for make in (pan, fast, static, zoom, grain, cut)
}


def write(kind: str, folder: Path, width: int, height: int, frames: int) -> None:
    """Write a clip's frames as PNG and its exact flow as `dreamvideo measure` reads it."""
    (folder / "flow").mkdir(parents=True, exist_ok=True)
    for exact in KINDS[kind](width, height, frames):
        index = exact.frame.index
        cv2.imwrite(str(folder / f"{index:05d}.png"), cv2.cvtColor(exact.frame.pixels, cv2.COLOR_RGB2BGR))
        if exact.flow is not None and exact.held is not None:
            save_truth(folder / "flow", index, exact.flow, exact.held)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--size", default="384x216")
    asked = parser.parse_args()
    write(asked.kind, asked.folder, *map(int, asked.size.split("x")), asked.frames)
