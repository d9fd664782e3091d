"""The command line: flags from the recipe, a progress bar, one line per error, exit codes.

Exit codes: 0 done, 1 an error with a remedy, 2 bad usage, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import math
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from . import schedule
from .errors import DreamError
from .recipe import Recipe, parameters, preset_tables, read_tables

if TYPE_CHECKING:
    from .job import Event

DESCRIPTION = """Turn a film, a frame sequence or a picture into a deep dream.

  dreamvideo in.mp4 out.mp4                film in, film out (.mp4 .mov .mkv .webm .gif .webp)
  dreamvideo 'in/*.png' out/%05d.png       frames in, frames out (a folder works too)
  dreamvideo photo.jpg dream.png           a picture
  dreamvideo photo.jpg out.mp4 --seconds 20 --zoom 1.5    a journey into a picture (or into noise:)
  dreamvideo photo.jpg out.mp4 --music song.mp3 --preset pulse
  dreamvideo in.mp4 look.png --preview 12  the frame at 12 s, as it will look in the film
  dreamvideo show out.mp4                  print the recipe a file was made with
  dreamvideo measure in.mp4 out.mp4        how steady and strong a dream is; more with measure --help
  dreamvideo curves look.toml --out curves.png   what changes over time, as a picture
"""

MEASURING = """Measure how steady and how strong a dream is, against the source it was made from.

  dreamvideo measure in.mp4 out.mp4 --report report.html

The flicker index is the temporal error that dreaming added, along the motion of the source, as a share of the dream's
strength: 0 is rock-steady. Read it beside the objective: no dream has no flicker.
"""


@dataclasses.dataclass(frozen=True)
class Job:
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
    preset: Annotated[str, tyro.conf.arg(metavar="NAME", help="start from a recipe that comes with dreamvideo")] = ""
    recipe: Annotated[str, tyro.conf.arg(metavar="FILE", help="start from a recipe file; flags win over it")] = ""
    set: Annotated[
        tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="KEY=VALUE", help="like dream.step=0.02")
    ] = ()
    layer_out: Annotated[
        str, tyro.conf.arg(metavar="FILE", help="write the dream alone here, too, with alpha, to lay over the source")
    ] = ""
    save_octaves: Annotated[
        str, tyro.conf.arg(metavar="DIR", help="write every frame's dream at every octave's size here, too")
    ] = ""
    save_recipe: Annotated[str, tyro.conf.arg(metavar="FILE", help="write the complete recipe here, too")] = ""


@dataclasses.dataclass(frozen=True)
class Measuring:
    """What to measure, and where to write it."""

    source: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="SOURCE", help="what was dreamed")]]
    dream: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="DREAM", help="what came of it")]]
    json: Annotated[str, tyro.conf.arg(metavar="FILE", help="write every number here, per frame and in all")] = ""
    report: Annotated[str, tyro.conf.arg(metavar="FILE", help="plots and worst frames: a .html or .png name")] = ""
    recipe: Annotated[
        str, tyro.conf.arg(metavar="FILE", help="what it was dreamed with (empty: the recipe inside the dream)")
    ] = ""
    alone: Annotated[
        int, tyro.conf.arg(metavar="FRAMES", help="dream so many frames alone, to compare the objective with")
    ] = 4
    flow_truth: Annotated[
        str,
        tyro.conf.arg(
            metavar="FOLDER", help="exact flow to the frame before: 00001.flo, and 00001.png: where it holds"
        ),
    ] = ""
    loop: Annotated[tyro.conf.FlagCreatePairsOff[bool], tyro.conf.arg(help="measure the seam of a loop, too")] = False
    overwrite: Annotated[tyro.conf.FlagCreatePairsOff[bool], tyro.conf.arg(help="replace existing reports")] = False


CURVES = """Draw the curves of a recipe over time, with its music's waveform, bars, beats and onsets beneath.

  dreamvideo curves look.toml --out curves.png --music song.mp3
"""


@dataclasses.dataclass(frozen=True)
class Drawing:
    """What to draw, and where."""

    recipe: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="RECIPE", help="a recipe file, or preset")]]
    out: Annotated[str, tyro.conf.arg(metavar="FILE", help="a .png, .svg or .pdf name")]
    source: Annotated[str, tyro.conf.arg(metavar="FILM", help="what is to be dreamed: tells length and rate")] = ""
    music: Annotated[str, tyro.conf.arg(metavar="FILE", help="song, instead of the recipe's")] = ""
    bpm: Annotated[float, tyro.conf.arg(help="beats per minute, instead of the recipe's")] = 0.0
    seconds: Annotated[float, tyro.conf.arg(help="length, where nothing else tells it")] = 0.0
    set: Annotated[
        tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="KEY=VALUE", help="like dream.step=0.02*t")
    ] = ()
    overwrite: Annotated[tyro.conf.FlagCreatePairsOff[bool], tyro.conf.arg(help="replace an existing picture")] = False


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(argv)
    except KeyboardInterrupt:
        print("dreamvideo: stopped; nothing was written", file=sys.stderr)
        return 130
    except Exception as error:
        if os.environ.get("DREAMVIDEO_DEBUG"):
            raise
        print("dreamvideo: " + " ".join(_told(error).split()), file=sys.stderr)
        return 1


def _run(argv: list[str]) -> int:
    if argv == ["--version"]:
        from . import __version__

        print(f"dreamvideo {__version__}")
        return 0
    if argv[:1] == ["show"] and len(argv) == 2:
        from .media import read_recipe

        print(read_recipe(argv[1]), end="")
        return 0
    if argv[:1] == ["measure"]:
        return _measure(_cli(Measuring, "dreamvideo measure", MEASURING, argv[1:]))
    if argv[:1] == ["curves"]:
        return _curves(_cli(Drawing, "dreamvideo curves", CURVES, argv[1:]))
    return _dream(*_parse(argv))


def _told(error: Exception) -> str:
    if isinstance(error, DreamError):
        return str(error)
    if isinstance(error, MemoryError) or "out of memory" in str(error) or "can't allocate memory" in str(error):
        return "out of memory: take a smaller --size"
    if isinstance(error, OSError):
        return f"{error.filename or 'the system'}: {error.strerror or error}"
    return f"internal error ({type(error).__name__}: {error}); DREAMVIDEO_DEBUG=1 shows where"


def _parse(argv: list[str]) -> tuple[Job, Recipe]:
    """Read the command line; flags win over --set, that over --recipe, that over --preset."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--preset", default="")
    first.add_argument("--recipe", default="")
    first.add_argument("--set", action="append", default=[])
    given = first.parse_known_args(argv)[0] if not {"-h", "--help"} & set(argv) else first.parse_args([])
    base = Recipe()
    if given.preset:
        base = base.merge(preset_tables(given.preset))
    if given.recipe:
        base = base.merge(read_tables(given.recipe))
    for assignment in given.set:
        base = base.set(assignment)
    sections = {name: _section(name, getattr(base, name)) for name in vars(base) if name != "curves"}
    fields = [(name, type(section), dataclasses.field(default=section)) for name, section in sections.items()]
    arguments: Any = dataclasses.make_dataclass("Arguments", [("job", Job), *fields])
    parsed = _cli(arguments, "dreamvideo", DESCRIPTION, argv)
    given_tables = {name: _read_curves(name, getattr(parsed, name), getattr(base, name)) for name in sections}
    return parsed.job, Recipe(curves=base.curves).merge(given_tables)


def _read_curves(name: str, parsed: Any, base: Any) -> dict[str, Any]:
    """Return a section as it was given in flags: curves are texts there, and stay what they were if untouched."""
    values = dataclasses.asdict(parsed)
    for of, key, _, param in parameters():
        if of != name or not param.curve:
            continue
        before, text = getattr(base, key), values[key]
        if text == schedule.written(before):
            values[key] = before
            continue
        values[key] = schedule.read(text)
    return values


def _cli(kind: Any, prog: str, description: str, argv: list[str]) -> Any:
    """Read flags into a dataclass; bad usage is told in one line."""
    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told):
            return tyro.cli(
                kind,
                prog=prog,
                description=description,
                args=argv,
                config=(tyro.conf.OmitArgPrefixes, tyro.conf.HelptextFromCommentsOff),
            )
    except SystemExit as usage:
        if usage.code:
            words = " ".join(told.getvalue().translate(str.maketrans("", "", "╭╮╰╯─│")).split())
            print(f"dreamvideo: {words.removeprefix('Parsing error ')}", file=sys.stderr)
        raise


def _section(name: str, section: Any) -> Any:
    """Return a section of the recipe as tyro wants it: the help of every parameter beside its type."""
    fields: list[Any] = []
    for of, key, kind, param in parameters():
        if of != name:
            continue
        default = getattr(section, key)
        told: Any = Annotated[kind, tyro.conf.arg(help=param.help)]
        if param.curve:
            what = "INT" if kind is int else "NUMBER"
            told = Annotated[str, tyro.conf.arg(help=param.help, metavar=f"{what}|CURVE")]
            default = schedule.written(default)
        elif kind is bool:
            told = Annotated[told, tyro.conf.FlagCreatePairsOff]
        fields.append((key, told, dataclasses.field(default=default)))
    doc = {"__doc__": type(section).__doc__}
    return dataclasses.make_dataclass(type(section).__name__, fields, frozen=True, namespace=doc)()


def _dream(job: Job, recipe: Recipe) -> int:
    from . import job as jobs

    _check_recipe_path(job)
    if job.plan:
        from .forecast import forecast

        print(forecast(job.input, job.output, recipe, job.overwrite).text())
        return 0
    if job.preview:
        with _Progress() as progress:
            jobs.preview(
                job.input, job.output, job.preview, recipe, overwrite=job.overwrite,
                layer_out=job.layer_out, save_octaves=job.save_octaves, keep=_beside(job), on_event=progress,
            )  # fmt: skip
        _save_recipe(job.save_recipe, recipe)
        return 0
    asked = False

    def ask(number: int, frame: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        print("\nstopping after this frame; Ctrl-C again to stop at once", file=sys.stderr)

    usual = signal.signal(signal.SIGINT, ask)
    try:
        with _Progress() as progress:
            result = jobs.dream_video(
                job.input, job.output, recipe, overwrite=job.overwrite, layer_out=job.layer_out,
                save_octaves=job.save_octaves, keep=_beside(job), on_event=progress, stop=lambda: asked,
            )  # fmt: skip
    finally:
        signal.signal(signal.SIGINT, usual)
    _save_recipe(job.save_recipe, recipe)
    if not math.isnan(result.seam):
        print(f"dreamvideo: seam error {result.seam:.3f} (1: as from any frame to the next)", file=sys.stderr)
    if result.stopped:
        kept = f"{result.path} holds the {result.done} frames that are done" if result.done else "nothing was written"
        print(f"dreamvideo: stopped after {result.done} of {result.total} frames; {kept}", file=sys.stderr)
        return 130
    return 0


def _beside(job: Job) -> Path | None:
    """Return the recipe's folder, where the analysis of music is kept; none without a recipe file."""
    recipe = job.recipe or job.save_recipe
    return Path(recipe).absolute().parent if recipe else None


def _curves(asked: Drawing) -> int:
    from . import drawing

    is_file = asked.recipe.endswith(".toml")
    recipe = Recipe().merge(read_tables(asked.recipe) if is_file else preset_tables(asked.recipe))
    music = {key: value for key, value in (("music", asked.music), ("bpm", asked.bpm)) if value}
    recipe = recipe.merge({"music": music, "clip": {"seconds": asked.seconds} if asked.seconds else {}})
    for assignment in asked.set:
        recipe = recipe.set(assignment)
    keep = Path(asked.recipe).absolute().parent if is_file else None
    drawing.curves(recipe, asked.out, asked.source, asked.overwrite, keep)
    return 0


def _measure(asked: Measuring) -> int:
    from . import report

    for path, kinds in ((asked.json, (".json",)), (asked.report, (".html", ".png"))):
        if path:
            report.check_report(path, asked.overwrite, kinds)
    recipe = Recipe.load(asked.recipe) if asked.recipe else None
    with _Progress() as progress:
        measured = report.measure(
            asked.source, asked.dream, recipe,
            truth=asked.flow_truth or None, alone=asked.alone, loop=asked.loop, on_event=progress,
        )  # fmt: skip
    for notice in measured.notices:
        print(f"dreamvideo: {notice}", file=sys.stderr)
    print(measured.text())
    for path in filter(None, (asked.json, asked.report)):
        measured.save(path, asked.overwrite)
    return 0


class _Progress:
    """A terminal bar: frames, seconds per frame, time left; notices stand above it."""

    def __enter__(self) -> _Progress:
        self._bar: Any = None
        return self

    def __call__(self, event: Event) -> None:
        from tqdm import tqdm

        if event.notice:
            tqdm.write(f"dreamvideo: {event.notice}", file=sys.stderr)
            return
        if self._bar is None:
            shape = "{l_bar}{bar}| {n_fmt}/{total_fmt} frames, {rate_inv_fmt}, {remaining} left"
            self._bar = tqdm(total=event.total, unit="frame", bar_format=shape, smoothing=0.1)
        self._bar.update(event.done - self._bar.n)
        if event.done == event.total:  # what follows is no dreaming, and must not count as seconds per frame
            self._bar.close()

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()


def _check_recipe_path(job: Job) -> None:
    """Refuse a --save-recipe that would lose something, before any work is done."""
    path = job.save_recipe
    if not path:
        return
    if not path.lower().endswith(".toml"):  # so it can never stand in the place of a film or a frame
        raise DreamError(f"{path} is no recipe name: end --save-recipe in .toml")
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
