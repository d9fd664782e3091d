"""What is written beside the dreamed picture: the dream alone, as a layer to lay over the source, and its octaves."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor

from ..errors import SinkError
from ..finish.blend import alpha_layer
from ..media.paths import PATTERN, frame_pattern, holds_frames, sequence_files, takes_frames
from ..media.pixels import Pixels, quantise, to_tensor
from ..media.readers.frame import Frame
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
    """Open an output, and that of the dream's layer if one is asked for.

    Args:
        output: what to write the dreamed pictures to.
        layer: what to write the layer to; empty for none.
        setup: what is rendered.
        overwrite: whether what stands there may be replaced.
        scratch: a folder for what is not whole yet (see `media.open_sink`).
        comment: the recipe to be written into both; that of the stage if empty.

    Yields:
        A sink for the dreamed pictures, and what the frames have to pass through on their way to be dreamed.

    Raises:
        SinkError: see `media.open_sink`; or there is no frame beneath for the layer to lie over.
    """
    info, recipe = setup.info, setup.recipe
    comment = comment or recipe.to_toml()
    if not layer:
        with open_sink(output, info, encoder_options(recipe.encoding), comment, overwrite, scratch=scratch) as sink:
            yield sink, lambda frames: frames
        return
    _check_layer(output, layer, setup)
    with (
        open_sink(output, info, encoder_options(recipe.encoding), comment, overwrite, scratch=scratch) as sink,
        open_sink(layer, info, None, comment, overwrite, alpha=True, scratch=scratch) as beside,
    ):
        both = LayeredSink(sink, beside, latest=info.kind == "still")
        yield both, both.watch


class LayeredSink:
    """A sink for dreamed pictures that writes their layers over the frames beneath them, too (see `media.Sink`).

    Args:
        sink, layer: what takes the pictures, and what takes the layers.
        latest: whether one picture is taken, that of the latest frame; else one of every frame.
    """

    def __init__(self, sink: Sink, layer: Sink, latest: bool):
        self.path, self.notices, self.count = sink.path, sink.notices, 0
        self.useful_depth = max(sink.useful_depth, layer.useful_depth)
        self._sink, self._layer = sink, layer
        self._frames: deque[Pixels] = deque(maxlen=1 if latest else None)

    def watch(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Yield frames, and keep each until its picture comes."""
        for frame in frames:
            self._frames.append(frame.pixels)
            yield frame

    def write(self, image: Tensor) -> None:
        """Take the next picture."""
        self._sink.write(image)
        self.count += 1
        self._layer.write(alpha_layer(image, to_tensor(self._frames.popleft(), image.device)))

    def commit(self, whole: bool) -> None:
        """Bring both to their names, the picture first: it is never lost for the layer's sake."""
        self._sink.commit(whole)
        self._layer.commit(whole)

    def discard(self) -> None:
        """Both are discarded where they were opened."""


def _check_layer(output: str, layer: str, setup: Setup) -> None:
    recipe = setup.recipe
    if setup.source_frames < setup.timeline.count or recipe.camera.loop or not camera.is_still(recipe):
        raise SinkError(
            "a layer lies over the source's own frames, and there are none beneath a journey, a loop or a moving "
            "camera: leave --layer-out out"
        )
    many = [Path(frame_pattern(path)) for path in (output, layer) if takes_frames(path)]
    one = [path for path in (output, layer) if not takes_frames(path)]
    same = len({path.resolve() for path in (*many, *map(Path, one))}) == 1
    if same or (len(one) == 1 and _holds(one[0], many[0])):
        raise SinkError(f"{layer} is the output itself: give --layer-out another name")
    check_not_input(layer, recipe)


def check_not_input(output: str, recipe: Recipe) -> None:
    """Refuse an output that is one of the files a recipe is made of.

    Raises:
        SinkError: it is.
    """
    for path in input_files(recipe):
        if not os.path.exists(path) and not holds_frames(path):
            continue
        if os.path.exists(output) and os.path.exists(path) and os.path.samefile(path, output):
            raise SinkError(f"{output} is an input itself: give the output another name")
        if takes_frames(output) and _holds(path, Path(frame_pattern(output))):
            raise SinkError(f"{output} would replace pictures of {path}: give another folder or pattern")


def _holds(path: str, pattern: Path) -> bool:
    """Tell whether frames written by a printf pattern would stand in the place of a picture, or of some of many."""
    files = sequence_files(path) if holds_frames(path) else [Path(path)]
    before, after = PATTERN.split(pattern.name)[0], PATTERN.split(pattern.name)[-1]
    written = re.compile(rf"{re.escape(before)}\d+{re.escape(after)}")
    return any(f.parent.resolve() == pattern.parent.resolve() and written.fullmatch(f.name) for f in files)


def octave_saver(folder: str, number: int, overwrite: bool) -> Callable[[int, Tensor], None]:
    """Return what saves the dream of every octave as a picture, by its frame and size: 00001-384x216.png.

    Args:
        folder: there or not yet.
        number: of the first frame.
        overwrite: whether octaves that stand there may be replaced.

    Raises:
        SinkError: octaves stand there already, or it cannot be written into.
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
        save_picture(where / f"{number + index:05d}-{width}x{height}.png", quantise(dream, 8))

    return save
