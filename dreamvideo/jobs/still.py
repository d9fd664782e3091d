"""Dreams single pictures: a still from file to file, and an image in memory."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from fractions import Fraction
from typing import TYPE_CHECKING

from torch import Tensor

from ..errors import SourceError
from ..finish import mask
from ..media.readers.frame import Frame, Source
from ..recipe import Recipe
from ..video.engine import Engine
from ..video.process_settings import configure_process
from ..video.render import render
from ..video.state import State
from . import side_outputs
from .events import Control, Event, Result, report
from .plan import Request
from .setup import set_up

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def render_still(opened: Source, wanted: Request, control: Control) -> Result:
    """Dream one picture into a file (see `dream_video`)."""
    setup = set_up(opened.info, wanted.recipe, wanted.output)
    octaves = None
    if wanted.save_octaves:
        octaves = side_outputs.octave_saver(wanted.save_octaves, setup.info, wanted.overwrite)
    with side_outputs.open_outputs(wanted.output, wanted.layer_out, setup, wanted.overwrite) as (sink, watch):
        for notice in (*opened.info.notices, *setup.notices, *sink.notices):
            control.on_event(Event(0, 1, notice))
        configure_process(setup.recipe.network)
        engine = Engine(setup.recipe, setup.timeline)
        if control.stop():
            return Result(wanted.output, 0, 1, True)
        picture = _first_picture(render(setup.frames(watch(opened)), engine, on_octave=octaves))
        if picture is None:
            raise SourceError(f"{opened.info.path} cannot be decoded: is it complete?")
        report(engine.dreamer.notices, control.on_event, 0, 1)
        for notice in opened.notices:
            control.on_event(Event(0, 1, notice))
        sink.write(picture)
        sink.commit(whole=True)
    control.on_event(Event(1, 1))
    return Result(wanted.output, 1, 1, False)


def _first_picture(dreamed: Generator[tuple[Tensor, State]]) -> Tensor | None:
    with closing(dreamed):
        return next((picture for picture, _ in dreamed), None)


def dream_image(image: NDArray[np.uint8] | NDArray[np.uint16], recipe: Recipe | None = None) -> NDArray[np.float32]:
    """Dream one picture.

    Args:
        image: RGB, (H, W, 3), uint8 or uint16 over their full range.
        recipe: all parameters; the defaults if None.

    Returns:
        The dream, RGB float32 in [0, 1], (H, W, 3).

    Raises:
        DreamError: the recipe names a network, layer, file or device that cannot be had.
        ValueError: the image has another shape or type.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype not in ("uint8", "uint16"):
        raise ValueError(f"expected RGB (H, W, 3) of uint8 or uint16, got {image.shape} of {image.dtype}")
    recipe = recipe or Recipe()
    mask.check_mask(recipe.finish, moves=False, has_flow=False)
    frame = Frame(0, Fraction(0), image)
    configure_process(recipe.network)
    with closing(render([frame], Engine(recipe))) as pictures:
        picture, _ = next(pictures)
    return picture.permute(1, 2, 0).cpu().numpy()
