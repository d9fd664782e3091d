"""Estimates what a render will take before it begins: tiles, memory, time and disk space."""

from __future__ import annotations

import math
import shutil
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import torch

from ..dream import phase
from ..dream.octaves import octave_sizes, resize
from ..errors import SourceError
from ..media.info import Info, as_still
from ..media.paths import takes_frames
from ..media.readers.frame import Frame
from ..media.readers.source import open_source
from ..media.writers.codecs import ANIMATIONS, CODECS, CONTAINERS
from ..media.writers.output_checks import check_output
from ..recipe import Recipe
from ..video import carry
from ..video.engine import Engine
from ..video.process_settings import configure_process
from . import side_outputs
from .setup import Setup, selection_for, set_up

PROBE = 1_000_000  # px at most of the frame on which a gradient is timed
REPEATS = 3  # times that it is timed; the fastest counts
FRAME_OVERHEAD = 0.25e-6  # s per pixel besides gradient ascent: reading, flow, warping, writing
FORWARD = 0.4  # share of a gradient's time that the forward pass takes
# Bits per pixel of outputs, measured on a dreamed film of 1280x720; another film may take half or twice as many.
BITS = {
    "libx264": 0.6, "libx265": 0.5, "prores_ks": 3.5, "ffv1": 11.0, "libvpx-vp9": 0.7, "h264_nvenc": 0.8,
    ".gif": 5.6, ".webp": 2.0, ".png": 15.0, ".tif": 20.0, ".tiff": 20.0, ".jpg": 4.0, ".jpeg": 4.0,
}  # fmt: skip
OTHER_BITS = 1.0  # of outputs that are not listed
SEGMENT_BITS = {8: BITS["ffv1"], 12: 23.0, 16: 37.0}  # bits per pixel of segments, by their bits per channel


@dataclass(frozen=True)
class Estimate:
    """What a render will take.

    Attributes:
        width, height, count: size and number of the output's frames.
        kind: "still", "sequence" or "film".
        octaves: how many sizes it dreams in.
        network: its name, precision and device.
        tiles: how many tiles the finest octave is dreamed in.
        memory, allowed: bytes that will be used at most, and that may be used.
        first: s for the first frame of a shot.
        each: s for another frame if little moves, and if much does.
        disk, scratch, free: bytes of the output, of temporary files until it is complete, and free on the disk.
    """

    width: int
    height: int
    count: int
    kind: str
    octaves: int
    network: str
    tiles: int
    memory: float
    allowed: float
    first: float
    each: tuple[float, float]
    disk: float
    scratch: float
    free: float

    @property
    def seconds(self) -> tuple[float, float]:
        """The time of the whole render if it is a single shot, s: at least and at most."""
        later = self.count - 1
        return self.first + later * self.each[0], self.first + later * self.each[1]

    def text(self) -> str:
        """Return it as lines for the user."""
        frames = "1 frame" if self.count == 1 else f"{self.count} frames"
        tiled = "in one piece" if self.tiles == 1 else f"in {self.tiles} tiles"
        time = _clock(self.first)
        if self.count > 1:
            least, most = map(_clock, self.seconds)
            time = (
                f"{least} to {most}: {time} for the first frame of a shot, "
                f"then {self.each[0]:.2g} to {self.each[1]:.2g} s each, by how much moves"
            )
        lines = [
            f"picture  {frames} of {self.width}x{self.height}, {self.octaves} octaves, dreamed {tiled}",
            f"network  {self.network}",
            f"memory   up to {_bytes(self.memory)} of {_bytes(self.allowed)}",
            f"time     {time}",
            f"disk     about {_bytes(self.disk)}"
            + (f", and {_bytes(self.scratch)} of temporary files until it is complete" if self.scratch else "")
            + f"; {_bytes(self.free)} are free",
        ]
        return "\n".join(lines)


def estimate(source: str, output: str, recipe: Recipe, overwrite: bool = False) -> Estimate:
    """Estimate what a render will take, without rendering: a gradient is timed on the first frame, the rest computed.

    Args:
        source, output, recipe, overwrite: as for `dream_video`.

    Raises:
        DreamError: as `dream_video` would.
    """
    side_outputs.check_not_input(output, recipe)
    with open_source(source, selection_for(recipe, output)) as opened:
        setup = set_up(opened.info, recipe, output)
        info = setup.info
        suffix = Path(output).suffix.lower()
        still = info.count == 1 and not takes_frames(output) and suffix not in CONTAINERS
        check_output(output, as_still(info) if still else info, overwrite)
        frame = next(iter(opened), None)
    if frame is None:
        raise SourceError(f"no frame of {source} can be decoded: is it complete?")
    configure_process(setup.recipe.network)
    with closing(Engine(setup.recipe, setup.timeline)) as engine:
        return _estimate(engine, frame, setup, output, "still" if still else info.kind)


def _estimate(engine: Engine, frame: Frame, setup: Setup, output: str, kind: str) -> Estimate:
    info, recipe = setup.info, setup.recipe
    now, dreamer = engine.animation.at(frame.index), engine.dreamer
    engine.aim(now, frame.time)
    image = engine.image(frame)[None]
    pixel = _seconds_per_pixel(engine, image)
    sizes = octave_sizes(info.height, info.width, now.dream.octaves, now.dream.octave_scale)
    parts = dreamer.plan(image)
    finest = sum(tile.pixels for tile in parts)
    coarser = sum(height * width for height, width in sizes[:-1])
    rest = FRAME_OVERHEAD * info.width * info.height + FORWARD * pixel * finest
    first = now.dream.iterations * pixel * (finest + coarser) + rest
    if now.dream.ascent == "phase":
        first = now.dream.iterations * pixel * phase.pixels(info.height, info.width) + rest
    times = 2 if setup.recipe.temporal.passes == 2 or setup.recipe.camera.loop else 1
    later = []
    all_octaves = bool(now.temporal.morph) or setup.source_frames < info.count  # feedback frames
    for share, turns in ((carry.FEWEST, 0.0), (carry.MOST, 1 / carry.TURNS)):
        steps = max(round(now.temporal.refine * share), 1)
        last = -(-steps // 2) if share <= 1 else steps
        work = steps * coarser * (1 if all_octaves else turns) + last * finest
        later.append(times * (pixel * work + rest))
    alone = now.temporal.flow == "none"
    disk, scratch = _disk(info, output, recipe.encoding.codec)
    return Estimate(
        width=info.width,
        height=info.height,
        count=info.count,
        kind=kind,
        octaves=len(sizes),
        network=f"{recipe.network.model} in {_precision(engine)} on {engine.device}",
        tiles=len(parts),
        memory=engine.base_memory
        + dreamer.overhead * info.width * info.height
        + dreamer.memory_per_pixel.of(max(t.pixels for t in parts)),
        allowed=engine.base_memory + dreamer.memory_budget,
        first=first,
        each=(first, first) if alone else (later[0], later[1]),
        disk=disk,
        scratch=scratch,
        free=shutil.disk_usage(_folder(output)).free,
    )


def _seconds_per_pixel(engine: Engine, image: torch.Tensor) -> float:
    """Time a gradient on a frame (1, 3, H, W), reduced to `PROBE` pixels if it is larger; return s per pixel."""
    height, width = image.shape[-2:]
    shrink = min(math.sqrt(PROBE / (height * width)), 1.0)
    seen = resize(image, (round(height * shrink), round(width * shrink)))
    taken = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        value, gradient = engine.dreamer.gradient(seen)
        float(gradient.sum() + value)  # waits for a GPU
        taken.append(time.perf_counter() - start)
    return min(taken) / sum(tile.pixels for tile in engine.dreamer.plan(seen))


def _disk(info: Info, output: str, codec: str) -> tuple[float, float]:
    """Return the bytes of an output, and of what lies of temporary files until it is complete."""
    suffix = Path(output).suffix.lower()
    pixels = info.width * info.height * info.count
    if suffix not in CONTAINERS:  # frames and stills
        disk = BITS.get(suffix or ".png", OTHER_BITS) * (info.depth / 8) * pixels / 8
        return disk, 0.0 if info.count == 1 else SEGMENT_BITS[info.depth] * pixels / 8
    if suffix in ANIMATIONS:
        return BITS[suffix] * pixels / 8, 2 * SEGMENT_BITS[8] * pixels / 8
    encoder = codec or CONTAINERS[suffix].codec
    disk = BITS.get(encoder, OTHER_BITS) * pixels / 8
    if encoder == "ffv1" and info.depth == 16:
        depth = 16
    else:
        depth = 12 if "10" in CODECS.get(encoder, CODECS["libx264"]).pix_fmt else 8
    joined = disk if info.kind == "film" or info.song else 0.0  # the encoded picture, until the sound is added
    return disk, SEGMENT_BITS[depth] * pixels / 8 + joined


def _folder(output: str) -> Path:
    where = Path(output).absolute()
    while not where.is_dir():
        where = where.parent
    return where


def _precision(engine: Engine) -> str:
    kind = next(engine.network.body.parameters()).dtype
    return {torch.float16: "fp16", torch.bfloat16: "bf16"}.get(kind, "fp32")


def _clock(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.2g} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


def _bytes(count: float) -> str:
    power = min(int(math.log10(max(count, 1) * 1.0005) / 3), 4)
    return f"{count / 1000**power:.3g} {('B', 'kB', 'MB', 'GB', 'TB')[power]}"
