"""`dreamvideo INPUT OUTPUT`."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Annotated

import tyro

from ..errors import DreamError
from ..recipe import Recipe
from . import flags, running
from .terminal import Progress

DESCRIPTION = """Turn a film, a frame sequence or a picture into a deep dream.

  dreamvideo in.mp4 out.mp4                film in, film out (.mp4 .mov .mkv .webm .gif .webp)
  dreamvideo 'in/*.png' out/%05d.png       frames in, frames out (a folder works too)
  dreamvideo photo.jpg dream.png           a picture
  dreamvideo photo.jpg out.mp4 --seconds 20 --zoom 1.5    a journey into a picture (or into noise:)
  dreamvideo photo.jpg out.mp4 --music song.mp3 --preset pulse
  dreamvideo in.mp4 look.png --preview 12  the frame at 12 s, as it will look in the film
  dreamvideo resume out.mp4.dream          go on with a render that was cut off; the same command again does, too
  dreamvideo --batch jobs.toml             many of them, one after the other
  dreamvideo show out.mp4                  print the recipe a file was made with
  dreamvideo measure in.mp4 out.mp4        how steady and strong a dream is; more with measure --help
  dreamvideo curves look.toml --out curves.png   what changes over time, as a picture
  dreamvideo layers photo.jpg atlas.png    the picture dreamed with every layer, each with its flag
  dreamvideo sweep photo.jpg sheet.png --step 0.005,0.01,0.02    the picture by several values, side by side
  dreamvideo presets photo.jpg looks.png   the picture by every look that comes with it; alone, their names
"""


@dataclasses.dataclass(frozen=True)
class Job(flags.Start, running.Running):
    """What to do, beside the recipe."""

    input: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="INPUT", help="film, picture, or frames")]]
    output: tyro.conf.Positional[
        Annotated[str, tyro.conf.arg(metavar="OUTPUT", help="what to write; its name decides")]
    ]
    overwrite: Annotated[tyro.conf.FlagCreatePairsOff[bool], tyro.conf.arg(help="replace an existing output")] = False
    preview: Annotated[str, tyro.conf.arg(metavar="TIME", help="dream only the frame at this moment, as a still")] = ""
    plan: Annotated[
        tyro.conf.FlagCreatePairsOff[bool], tyro.conf.arg(help="say what it will take (time, memory, disk), and stop")
    ] = False
    layer_out: Annotated[
        str, tyro.conf.arg(metavar="FILE", help="write the dream alone here, too, with alpha, to lay over the source")
    ] = ""
    save_octaves: Annotated[
        str, tyro.conf.arg(metavar="DIR", help="write every frame's dream at every octave's size here, too")
    ] = ""
    save_recipe: Annotated[str, tyro.conf.arg(metavar="FILE", help="write the complete recipe here, too")] = ""
    work: Annotated[
        str, tyro.conf.arg(metavar="DIR", help="keep what is done in here, in OUTPUT.dream (empty: beside the output)")
    ] = ""
    restart: Annotated[
        tyro.conf.FlagCreatePairsOff[bool], tyro.conf.arg(help="throw away what an unfinished render left")
    ] = False
    since: Annotated[
        str, tyro.conf.arg(name="from", metavar="TIME", help="keep what lies before, and dream the rest anew, by this")
    ] = ""


def parse(argv: list[str]) -> tuple[Job, Recipe]:
    return flags.parse(Job, "dreamvideo", DESCRIPTION, argv)


def dream(job: Job, recipe: Recipe) -> int:
    from ..jobs import api
    from ..jobs.preview import preview
    from ..jobs.run_folder import run_folder

    _check_recipe_path(job, recipe)
    if job.plan and job.preview:
        raise DreamError("--plan is of the whole render: leave --preview out")
    if job.plan:
        from ..jobs.estimate import estimate

        print(estimate(job.input, job.output, recipe, job.overwrite).text())
        return 0
    if job.preview:
        with Progress() as progress:
            preview(
                job.input, job.output, job.preview, recipe, overwrite=job.overwrite,
                layer_out=job.layer_out, save_octaves=job.save_octaves, audio_cache=_beside(job), on_event=progress,
            )  # fmt: skip
        _save_recipe(job.save_recipe, recipe)
        return 0
    where = run_folder(job.output, job.work or None)
    with running.working(where) as (progress, stop):
        result = api.dream_video(
            job.input, job.output, recipe, overwrite=job.overwrite, layer_out=job.layer_out,
            save_octaves=job.save_octaves, audio_cache=_beside(job), work=job.work or None, keep_work=job.keep_work,
            checkpoint=job.checkpoint, restart=job.restart, since=job.since,
            executor=running.executor(job.workers, job.cluster), on_event=progress, stop=stop,
        )  # fmt: skip
    _save_recipe(job.save_recipe, recipe)
    return running.tell(result)


def _beside(job: Job) -> Path | None:
    """Return the recipe's folder, where the analysis of music is kept; none without a recipe file."""
    recipe = job.recipe or job.save_recipe
    return Path(recipe).absolute().parent if recipe else None


def _check_recipe_path(job: Job, recipe: Recipe) -> None:
    """Refuse a --save-recipe that would lose something, before any work is done."""
    path = job.save_recipe
    if not path:
        return
    if not path.lower().endswith(".toml"):  # so it can never stand in the place of a film or a frame
        raise DreamError(f"{path} is no recipe name: end --save-recipe in .toml")
    if os.path.isfile(path) and Path(path).read_bytes() == recipe.to_toml().encode():
        return  # the same command once more
    if os.path.exists(path) and (os.path.isdir(path) or not job.overwrite):
        raise DreamError(f"{path} exists already: give --save-recipe another name, or --overwrite")
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        raise DreamError(f"cannot write into {folder}: give --save-recipe another folder")


def _save_recipe(path: str, recipe: Recipe) -> None:
    if path:
        with open(path + ".part", "w", encoding="utf-8") as file:
            file.write(recipe.to_toml())
        os.replace(path + ".part", path)
