"""`dreamvideo INPUT OUTPUT`: render a film, a still, a preview of one frame, or print an estimate."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Annotated

from ..errors import DreamError, SinkError
from ..recipe import Recipe
from . import flags, running
from .command import Command, Flag, RecipeArguments
from .terminal import Progress


@dataclasses.dataclass(frozen=True)
class RenderArguments(RecipeArguments, running.RunArguments):
    """What to render, and which files to write."""

    input: Annotated[str, Flag("a film, a picture, a folder or pattern of frames, or noise:", "INPUT", positional=True)]
    output: Annotated[str, Flag("the file or frames to write; the name decides the format", "OUTPUT", positional=True)]
    overwrite: Annotated[bool, Flag("replace an existing output")] = False
    preview: Annotated[str, Flag("render only the frame at this time, as a still", "TIME")] = ""
    plan: Annotated[bool, Flag("print the time, memory and disk space it will take, and stop")] = False
    layer_out: Annotated[str, Flag("also write the dream layer, as frames or film with alpha", "FILE")] = ""
    save_octaves: Annotated[str, Flag("also write every frame's dream at every octave's size", "FOLDER")] = ""
    save_recipe: Annotated[str, Flag("also write the complete recipe, as .toml", "FILE")] = ""
    work: Annotated[str, Flag("folder for the run folder OUTPUT.dream (empty: next to the output)", "FOLDER")] = ""
    restart: Annotated[bool, Flag("delete an unfinished render of the same output, and start over")] = False
    since: Annotated[str, Flag("keep earlier frames; render the rest with this recipe", "TIME", name="from")] = ""


COMMAND = Command(
    "dreamvideo",
    RenderArguments,
    ("dreamvideo INPUT OUTPUT [FLAGS]", "dreamvideo SUBCOMMAND ..."),
    """Turn a film, a frame sequence or a picture into a deep dream.

  dreamvideo in.mp4 out.mp4                               a film (.mp4 .mov .mkv .webm .gif .webp)
  dreamvideo 'in/*.png' out/%05d.png                      frames, or folders of them
  dreamvideo photo.jpg dream.png                          a picture
  dreamvideo photo.jpg out.mp4 --seconds 20 --zoom 1.5    a zoom into a picture (or into noise:)
  dreamvideo photo.jpg out.mp4 --music song.mp3 --preset pulse
""",
    short=(
        "preset", "network.layers", "finish.strength", "dream.colors", "clip.size", "clip.seconds",
        "music.music", "finish.mask", "network.guide", "preview", "plan", "overwrite",
    ),
)  # fmt: skip


def parse(argv: list[str]) -> tuple[RenderArguments, Recipe]:
    """Read a command line that renders; return its own arguments, and the recipe."""
    return flags.parse_with_recipe(COMMAND, argv)


def dream(job: RenderArguments, recipe: Recipe) -> int:
    """Render what a command line asks for; return the exit code."""
    from ..jobs import api
    from ..jobs.preview import preview
    from ..jobs.run_folder import run_folder

    _check_recipe_path(job, recipe)
    if job.plan and job.preview:
        raise DreamError("--plan estimates the whole render: leave out --preview")
    if job.plan:
        from ..jobs.estimate import estimate

        print(estimate(job.input, job.output, recipe, job.overwrite).text())
        return 0
    if job.preview:
        with Progress() as progress:
            preview(
                job.input, job.output, job.preview, recipe, overwrite=job.overwrite,
                layer_out=job.layer_out, save_octaves=job.save_octaves, audio_cache=_audio_cache(job),
                on_event=progress,
            )  # fmt: skip
        _save_recipe(job.save_recipe, recipe)
        return 0
    where = run_folder(job.output, job.work or None)
    with running.working(where) as (progress, stop):
        result = api.dream_video(
            job.input, job.output, recipe, overwrite=job.overwrite, layer_out=job.layer_out,
            save_octaves=job.save_octaves, audio_cache=_audio_cache(job), work=job.work or None,
            keep_work=job.keep_work, checkpoint=job.checkpoint, restart=job.restart, since=job.since,
            executor=running.executor(job.workers, job.cluster), on_event=progress, stop=stop,
        )  # fmt: skip
    _save_recipe(job.save_recipe, recipe)
    return running.report_result(result)


def _audio_cache(job: RenderArguments) -> Path | None:
    """Return the folder to keep analysed music in: the recipe file's; None without a recipe file."""
    recipe = job.recipe or job.save_recipe
    return Path(recipe).absolute().parent if recipe else None


def _check_recipe_path(job: RenderArguments, recipe: Recipe) -> None:
    """Refuse a --save-recipe that would overwrite something, before any work is done.

    Raises:
        SinkError: it does not end in .toml, exists with other content, or its folder cannot be written into.
    """
    from ..media.atomic import check_new_file

    path = job.save_recipe
    is_same = path.lower().endswith(".toml") and os.path.isfile(path) and Path(path).read_bytes() == _toml(recipe)
    if not path or is_same:  # the same: the command is repeated
        return
    if os.path.isdir(path):
        raise SinkError(f"{path} is a folder: give --save-recipe another name")
    check_new_file(path, job.overwrite, (".toml",))


def _save_recipe(path: str, recipe: Recipe) -> None:
    from ..media.atomic import write_file

    if path:
        write_file(path, _toml(recipe))


def _toml(recipe: Recipe) -> bytes:
    return recipe.to_toml().encode()
