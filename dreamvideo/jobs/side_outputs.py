"""Writes what a user may want besides the dreamed picture: the dream alone as a layer with alpha, and its octaves."""

from __future__ import annotations

import functools
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch
from torch import Tensor

from ..errors import SinkError
from ..finish.blend import alpha_layer
from ..media.info import Info
from ..media.paths import PATTERN, frame_pattern, holds_frames, sequence_files, takes_frames
from ..media.pixels import Pixels
from ..media.readers.frame import Frame
from ..media.tensors import quantise, to_tensor
from ..media.writers.pictures import save_picture
from ..media.writers.sink import Sink, open_sink
from ..recipe import Recipe, input_files
from ..video import camera
from .setup import Setup, encoder_options

OCTAVE = re.compile(r"\d{5,}-\d+x\d+\.png")
Watch = Callable[[Iterable[Frame]], Iterable[Frame]]


@contextmanager
def open_outputs(
    output: str, layer: str, setup: Setup, overwrite: bool, scratch: Path | None = None, comment: str = ""
) -> Iterator[tuple[Sink, Watch]]:
    """Open an output, and one for the dream's layer if that is wanted.

    Args:
        output: where the dreamed pictures go.
        layer: where the layer goes; empty for none.
        setup: what is rendered.
        overwrite: whether existing files may be replaced.
        scratch: a folder for incomplete files (see `open_sink`).
        comment: the recipe to be written into both; that of the setup if empty.

    Yields:
        A sink for the dreamed pictures, and a function through which the source's frames have to pass before they are
        dreamed, so that the layer can be made from them, and the alpha channel be kept.

    Raises:
        SinkError: see `open_sink`; or the source has no frames that the layer could lie over.
    """
    info, recipe = setup.info, setup.recipe
    comment = comment or recipe.to_toml()
    if layer:
        _check_layer(output, layer, setup)
    latest = info.kind == "still"
    with ExitStack() as stack:
        sink: Sink = stack.enter_context(
            open_sink(output, info, encoder_options(recipe.encoding), comment, overwrite, scratch=scratch)
        )
        watches = list[Watch]()
        if info.alpha:
            sink = with_alpha = AlphaSink(sink, latest)
            watches.append(with_alpha.watch)
        if layer:
            beside = stack.enter_context(open_sink(layer, info, None, comment, overwrite, layer=True, scratch=scratch))
            sink = layered = LayeredSink(sink, beside, latest)
            watches.append(layered.watch)
        yield sink, lambda frames: functools.reduce(lambda watched, watch: watch(watched), watches, frames)


class AlphaSink:
    """A sink for dreamed pictures that gives them the alpha channels of the source's frames (see `Sink`).

    Args:
        sink: takes the pictures with alpha.
        latest: whether a single picture is written, that of the latest frame; else one for every frame.
    """

    def __init__(self, sink: Sink, latest: bool):
        self.path, self.notices, self.useful_depth, self.count = sink.path, sink.notices, sink.useful_depth, 0
        self._sink = sink
        self._alphas: deque[Pixels | None] = deque(maxlen=1 if latest else None)
        self._last: Pixels | None = None

    def watch(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Yield frames, and keep the alpha of each until its picture is written."""
        for frame in frames:
            self._alphas.append(frame.alpha)
            yield frame

    def write(self, image: Tensor) -> None:
        """Take the next picture; after the source's last frame, that one's alpha stays."""
        self._last = self._alphas.popleft() if self._alphas else self._last
        assert self._last is not None
        self._sink.write(torch.cat([image, to_tensor(self._last[..., None], image.device)]))
        self.count += 1

    def commit(self, whole: bool) -> None:
        """Complete the output."""
        self._sink.commit(whole)

    def discard(self) -> None:
        """Do nothing: whoever opened the sink discards it."""


class LayeredSink:
    """A sink for dreamed pictures that also writes their layers (see `Sink`).

    Args:
        sink, layer: take the pictures and the layers.
        latest: whether a single picture is written, that of the latest frame; else one for every frame.
    """

    def __init__(self, sink: Sink, layer: Sink, latest: bool):
        self.path, self.notices, self.count = sink.path, sink.notices, 0
        self.useful_depth = max(sink.useful_depth, layer.useful_depth)
        self._sink, self._layer = sink, layer
        self._frames: deque[Pixels] = deque(maxlen=1 if latest else None)

    def watch(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Yield frames, and keep each until its picture is written."""
        for frame in frames:
            self._frames.append(frame.pixels)
            yield frame

    def write(self, image: Tensor) -> None:
        """Take the next picture."""
        self._sink.write(image)
        self.count += 1
        self._layer.write(alpha_layer(image, to_tensor(self._frames.popleft(), image.device)))

    def commit(self, whole: bool) -> None:
        """Give both their names, the picture first, so that it is never lost because of the layer."""
        self._sink.commit(whole)
        self._layer.commit(whole)

    def discard(self) -> None:
        """Do nothing: whoever opened the two sinks discards them."""


def _check_layer(output: str, layer: str, setup: Setup) -> None:
    recipe = setup.recipe
    if setup.source_frames < setup.timeline.count or recipe.camera.loop or not camera.is_still(recipe):
        raise SinkError(
            "a layer lies over the source's own frames, which a journey, a loop or a moving camera does not show: "
            "leave out --layer-out"
        )
    many = [Path(frame_pattern(path)) for path in (output, layer) if takes_frames(path)]
    one = [path for path in (output, layer) if not takes_frames(path)]
    same = len({path.resolve() for path in (*many, *map(Path, one))}) == 1
    if same or (len(one) == 1 and _would_replace(one[0], many[0])):
        raise SinkError(f"{layer} is the output itself: give --layer-out another name")
    check_not_input(layer, recipe)


def check_not_input(output: str, recipe: Recipe) -> None:
    """Refuse an output that is one of the recipe's input files.

    Raises:
        SinkError: it is.
    """
    for path in input_files(recipe):
        if not os.path.exists(path) and not holds_frames(path):
            continue
        if os.path.exists(output) and os.path.exists(path) and os.path.samefile(path, output):
            raise SinkError(f"{output} is an input itself: give the output another name")
        if takes_frames(output) and _would_replace(path, Path(frame_pattern(output))):
            raise SinkError(f"{output} would replace pictures of {path}: give another folder or pattern")


def _would_replace(path: str, pattern: Path) -> bool:
    """Tell whether frames written by a printf pattern could replace a picture, or one of a sequence of pictures."""
    files = sequence_files(path) if holds_frames(path) else [Path(path)]
    before, after = PATTERN.split(pattern.name)[0], PATTERN.split(pattern.name)[-1]
    written = re.compile(rf"{re.escape(before)}\d+{re.escape(after)}")
    return any(f.parent.resolve() == pattern.parent.resolve() and written.fullmatch(f.name) for f in files)


def octave_saver(folder: str, info: Info, overwrite: bool) -> Callable[[int, Tensor], None]:
    """Return a function that saves the dream of an octave as a picture, named by frame and size: 00001-384x216.png.

    Args:
        folder: created if it does not exist.
        info: of the source, whose frames have numbers.
        overwrite: whether octaves that are there already may be replaced.

    Raises:
        SinkError: there are octaves already, or the folder cannot be written into.
    """
    where = Path(folder)
    try:
        where.mkdir(parents=True, exist_ok=True)
        there = next((f for f in where.iterdir() if OCTAVE.fullmatch(f.name)), None)
    except OSError as error:
        raise SinkError(f"cannot write into {folder} ({error.strerror}): give --save-octaves another folder") from error
    if there is not None and not overwrite:
        raise SinkError(f"{there} exists already: give --save-octaves another folder, or --overwrite")

    def save(index: int, dream: Tensor) -> None:
        height, width = dream.shape[-2:]
        save_picture(where / f"{info.frame_number(index):05d}-{width}x{height}.png", quantise(dream, 8))

    return save
