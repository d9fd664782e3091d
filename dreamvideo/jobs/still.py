"""Single pictures: a still, one moment of a film as a still, and an image in memory."""

from __future__ import annotations

from contextlib import closing
from fractions import Fraction
from typing import TYPE_CHECKING

from ..errors import SourceError
from ..finish import mask
from ..media.readers.frame import Frame, Source
from ..recipe import Recipe
from ..video.engine import Engine
from ..video.process import configure_process
from ..video.render import render
from . import side_outputs
from .events import Event, Listener, Result, Stop
from .setup import set_up

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def still(
    opened: Source, output: str, recipe: Recipe, overwrite: bool, layer_out: str, save_octaves: str,
    on_event: Listener, stop: Stop,
) -> Result:  # fmt: skip
    """Dream one picture into a file (see `dream_video`)."""
    setup = set_up(opened.info, recipe, output)
    octaves = side_outputs.octave_saver(save_octaves, setup.info.number, overwrite) if save_octaves else None
    with side_outputs.open_outputs(output, layer_out, setup, overwrite) as (sink, frames):
        for notice in (*opened.info.notices, *setup.notices, *sink.notices):
            on_event(Event(0, 1, notice))
        configure_process(setup.recipe.network)
        engine = Engine(setup.recipe, setup.timeline)
        if stop():
            return Result(output, 0, 1, True)
        with closing(render(setup.frames(frames(opened)), engine, on_octave=octaves)) as pictures:
            dreamed = next(pictures, None)
        if dreamed is None:
            raise SourceError(f"{opened.info.path} cannot be decoded: is it complete?")
        tell(engine, on_event, 0, 1)
        sink.write(dreamed[0])
        sink.commit(whole=True)
    on_event(Event(1, 1))
    return Result(output, 1, 1, False)


def tell(engine: Engine, on_event: Listener, done: int, total: int) -> None:
    """Pass on what the dreamer has to tell."""
    while engine.dreamer.notices:
        on_event(Event(done, total, engine.dreamer.notices.pop(0)))


def dream_image(image: NDArray[np.uint8] | NDArray[np.uint16], recipe: Recipe | None = None) -> NDArray[np.float32]:
    """Dream one picture.

    Args:
        image: RGB, (H, W, 3), uint8 or uint16 over their full range.
        recipe: all parameters; the defaults if None.

    Returns:
        The dream, RGB float32 in [0, 1], (H, W, 3).

    Raises:
        DreamError: the recipe names what cannot be had.
        ValueError: the image is of another shape or type.
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
