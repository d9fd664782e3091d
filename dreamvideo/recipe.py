"""Every parameter of a render: default, unit, range and help, once and nowhere else.

The command line, the recipe file and the documentation are derived from these dataclasses. A recipe is frozen: change
one with `dataclasses.replace` or `Recipe.set`. Where a parameter's `Param` says so, a curve (see `schedule`) may stand
in its number's place, until `Score.at` turns it into the number of a frame.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import tomli_w

from . import schedule
from .errors import RecipeError, shown

LONGEST = 4096  # characters of a text; of a file's name the system takes no more
TABLES = {"network.layers": 20_000, "network.guide": 20_000}  # the same, of those that hold many curves
KINDS = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}
SLOWEST = Fraction(1, 100)  # frames per second: curves are known at 240 points a second, whatever the rate
TIME = re.compile(r"\d{1,12}(\.\d{0,30})?|\.\d{1,30}", re.ASCII)
RATE = re.compile(r"(\d{1,12}(/\d{1,12}|\.\d{0,30})?|\.\d{1,30})", re.ASCII)


@dataclass(frozen=True)
class Param:
    """What a number or word means: its help line (with the unit), the range it must lie in, and whether a curve may
    stand for it.
    """

    help: str
    low: float = -math.inf
    high: float = math.inf
    curve: bool = False


@dataclass(frozen=True)
class Network:
    """What dreams, and on what."""

    model: Annotated[str, Param("network: the embedded efficientnet-lite0, any of torchvision's, or timm:NAME")] = (
        "efficientnet-lite0"
    )
    weights: Annotated[str, Param("file (.pth, .safetensors), or IMAGENET1K_V1 and the like (empty: the latest)")] = ""
    layers: Annotated[str, Param("what to dream of: blocks.9=1,blocks.10=1 (empty: the network's best)")] = ""
    guide: Annotated[
        str, Param("picture or film whose shapes and textures the dream takes on; several: a.jpg=1,b.mp4=0.5")
    ] = ""
    guide_weight: Annotated[float, Param("how much it leads: 0 not at all, 1 alone", 0, 1, True)] = 1.0
    guide_form: Annotated[
        Literal["match", "statistics"],
        Param("how: every place becomes like the guide's nearest, or all together like the guide as a whole"),
    ] = "match"
    device: Annotated[str, Param("auto, cpu, cuda, cuda:1, mps")] = "auto"
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16"],
        Param("what the network computes in (auto: fp16 on a GPU; bf16 on a CPU where that is faster; else fp32)"),
    ] = "auto"
    threads: Annotated[int, Param("CPU threads; 0: all cores", 0, 1024)] = 0
    memory: Annotated[str, Param("most it may take, like 4GB (auto: most there is); larger frames are tiled")] = "auto"


@dataclass(frozen=True)
class Dream:
    """One frame's dream."""

    octaves: Annotated[
        Union[int, Literal["auto"]], Param("picture sizes dreamed in, small to large (auto: from 130 px up)", 1, 32)
    ] = "auto"
    octave_scale: Annotated[float, Param("size ratio from octave to octave", 1.01, 4, curve=True)] = 1.4
    iterations: Annotated[int, Param("ascent steps per octave of a fresh dream", 0, 10_000, curve=True)] = 20
    step: Annotated[float, Param("mean change of a pixel per ascent step, white = 1", 0, 1, curve=True)] = 0.01
    jitter: Annotated[
        int, Param("largest random shift of an ascent step, px; below 32 edges stay plain", 0, 8192, curve=True)
    ] = 512
    jitter_rotate: Annotated[float, Param("largest random turn of an ascent step, degrees", 0, 180, curve=True)] = 0.0
    jitter_scale: Annotated[float, Param("largest random size of it: 1.1 is a tenth up or down", 1, 2, curve=True)] = (
        1.0
    )
    shaping: Annotated[
        Literal["laplacian", "gaussian", "mean"],
        Param("gradient: every scale made equally strong, smoothed, or left as it is"),
    ] = "laplacian"
    colors: Annotated[
        Literal["rgb", "natural"], Param("natural: colours that go together in photos are dreamed together")
    ] = "rgb"
    tv: Annotated[float, Param("how much it is kept smooth (total variation)", 0, 100, curve=True)] = 0.0
    pull: Annotated[float, Param("how much it is drawn back to the frame (L2)", 0, 100, curve=True)] = 0.0
    lost_detail: Annotated[
        Literal["before", "after"], Param("give the frame its detail back before or after each octave's ascent")
    ] = "before"
    max_loss: Annotated[float, Param("stop an octave once the objective passes this", 0, curve=True)] = math.inf
    seed: Annotated[int, Param("seed of the jitter", 0, 2**31)] = 0


@dataclass(frozen=True)
class Temporal:
    """How the dream travels from frame to frame."""

    flow: Annotated[
        Literal["dis", "variational", "none"],
        Param("optical flow that carries it; variational: slower, better on grain; none: every frame dreamed alone"),
    ] = "dis"
    cuts: Annotated[str, Param("where shots begin: auto, none, or a CSV file of times; each dreams afresh")] = "auto"
    morph: Annotated[
        float, Param("how fast it changes where nothing moves: 0 frozen to the surface, 1 alive", 0, 1, curve=True)
    ] = 0.0
    passes: Annotated[int, Param("2: dream every shot backwards first, and fill uncovered ground from there", 1, 2)] = 1
    persistence: Annotated[float, Param("share of the last dream that a frame starts from", 0, 1, curve=True)] = 1.0
    refine: Annotated[
        int,
        Param(
            "ascent steps per octave on a frame that carries a dream; half to twice as many by need",
            0,
            10_000,
            curve=True,
        ),
    ] = 4
    refine_step: Annotated[float, Param("their step as a share of the full one", 0, 1, curve=True)] = 0.2


@dataclass(frozen=True)
class Camera:
    """How the view moves, per second: the same at every frame rate. A still then dreams on of itself."""

    zoom: Annotated[float, Param("in so many times a second: 1.5 in, 0.7 out, 1 not at all", 0.01, 100, True)] = 1.0
    rotate: Annotated[float, Param("degrees a second the picture turns, clockwise", -3600, 3600, True)] = 0.0
    pan_x: Annotated[float, Param("picture widths a second the view moves right", -20, 20, True)] = 0.0
    pan_y: Annotated[float, Param("picture heights a second the view moves down", -20, 20, True)] = 0.0
    tilt_x: Annotated[float, Param("perspective a second: the right side comes nearer", -10, 10, True)] = 0.0
    tilt_y: Annotated[float, Param("perspective a second: the lower side comes nearer", -10, 10, True)] = 0.0
    center_x: Annotated[float, Param("what it zooms into and turns about: 0 left, 1 right", -10, 11, True)] = 0.5
    center_y: Annotated[float, Param("the same: 0 top, 1 bottom", -10, 11, True)] = 0.5
    loop: Annotated[bool, Param("close the film: its last frame leads to its first")] = False
    then_zoom: Annotated[
        float, Param("seconds that a film's last frame goes on zooming; the camera rests until then", 0, 86_400)
    ] = 0.0


@dataclass(frozen=True)
class Music:
    """What is heard, and what curves hear."""

    music: Annotated[str, Param("song to cut to and to play: an audio file, or source for the film's own")] = ""
    bpm: Annotated[float, Param("beats per minute, where they are known better than heard; 0: listen", 0, 1000)] = 0.0


@dataclass(frozen=True)
class Finish:
    """How the dream is laid over the frame."""

    strength: Annotated[float, Param("how much of the dream is added to the frame", 0, 10, curve=True)] = 1.0
    color: Annotated[float, Param("saturation of the dream: 0 grey, 1 as it is dreamed", 0, 10, curve=True)] = 1.0
    blend: Annotated[
        Literal[
            "add", "screen", "multiply", "overlay", "soft-light", "hard-light", "lighten", "darken", "difference",
            "luminosity", "color",
        ],
        Param("how the dream lies over the frame: added to it, or the dreamed picture blended over it"),
    ] = "add"  # fmt: skip
    keep_color: Annotated[
        bool, Param("change luminance only: hue and chroma stay the frame's, but where white or black leave no room")
    ] = False
    mask: Annotated[str, Param("where it dreams: a still, film or frames; white dreams, black does not")] = ""
    mask_from: Annotated[
        Literal["none", "luma", "motion", "edges"],
        Param("where it dreams, by the frame itself: what is bright, what moves, what is near edges"),
    ] = "none"
    invert_mask: Annotated[bool, Param("dream where the mask does not, of either kind")] = False
    feather: Annotated[
        float, Param("softness of the mask: sigma of a Gaussian, % of the short side", 0, 50, curve=True)
    ] = 0.0
    flash_limit: Annotated[
        Literal["auto", "on", "off"],
        Param("hold back flashes of the whole picture beyond three a second (auto: where curves follow sound)"),
    ] = "auto"


@dataclass(frozen=True)
class Clip:
    """What is taken from the input."""

    start: Annotated[str, Param("first moment, seconds or mm:ss.s")] = ""
    end: Annotated[str, Param("moment to stop before, seconds or mm:ss.s")] = ""
    seconds: Annotated[
        float, Param("length of the film made of a still, or to cut a film to; 0: the music's, the film's", 0, 86_400)
    ] = 0.0
    fps: Annotated[str, Param("frame rate of frame sequences and stills, like 24 or 30000/1001 (empty: 24)")] = ""
    size: Annotated[str, Param("output size: 1280x720, 720p or 50% (empty: the input's)")] = ""


@dataclass(frozen=True)
class Encoding:
    """What the output file is made of."""

    codec: Annotated[str, Param("video encoder, like libx265; hardware: a GPU's (empty: the file type's best)")] = ""
    crf: Annotated[Union[int, None], Param("quality of x264, x265, VP9, AV1: lower is better, larger", 0, 63)] = None
    pix_fmt: Annotated[str, Param("pixel format, like yuv444p10le (empty: the encoder's usual)")] = ""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a render looks like, in sections.

    Raises:
        RecipeError: a value of the wrong type or outside its range.
    """

    network: Network = field(default_factory=Network)
    dream: Dream = field(default_factory=Dream)
    temporal: Temporal = field(default_factory=Temporal)
    camera: Camera = field(default_factory=Camera)
    music: Music = field(default_factory=Music)
    finish: Finish = field(default_factory=Finish)
    clip: Clip = field(default_factory=Clip)
    encoding: Encoding = field(default_factory=Encoding)
    curves: dict[str, schedule.Curve] = field(default_factory=dict)  # of the user's own, to be named in others

    def __post_init__(self) -> None:
        schedule.check_names(self.curves)
        for name, curve in self.curves.items():
            _check_curve(f"curves.{name}", curve, self.curves)
        for section, key, kind, param in parameters():
            value = getattr(getattr(self, section), key)
            if param.curve and isinstance(value, (str, dict)):
                _check_curve(f"{section}.{key}", value, self.curves, param)
            else:
                _check(f"{section}.{key}", value, kind, param)
        for key, written in (("layers", schedule.terms(self.network.layers)), ("guide", guides(self.network.guide))):
            for name, weight in written:
                _check_curve(f"network.{key}, {name}", schedule.read(weight or "1"), self.curves)
        start, end = parse_time(self.clip.start), parse_time(self.clip.end)
        if start is not None and end is not None and end <= start:
            raise RecipeError(f"clip.end ({self.clip.end}) is not after clip.start ({self.clip.start})")
        parse_rate(self.clip.fps)

    @classmethod
    def from_toml(cls, text: str) -> Recipe:
        """Read a recipe; what it leaves out keeps its default.

        Raises:
            RecipeError: no TOML, an unknown section or key, or a bad value.
        """
        return cls().merge(_tables(text))

    @classmethod
    def load(cls, path: str | Path) -> Recipe:
        """Read a recipe file (see `from_toml`)."""
        return cls().merge(read_tables(path))

    def merge(self, tables: Mapping[str, Mapping[str, Any]]) -> Recipe:
        """Return this recipe with the given {section: {key: value}} in place of its own.

        Raises:
            RecipeError: an unknown section or key, or a bad value.
        """
        sections: dict[str, Any] = {}
        for name, table in _table("the recipe", tables).items():
            own = _field(self, name, "section")
            _table(f"[{name}]", table)
            if name == "curves":
                sections[name] = {**own, **{key: _settled(0.0, value) for key, value in table.items()}}
                continue
            for key in table:
                _field(own, key, f"parameter of [{name}]")
            settled = {key: _settled(getattr(type(own)(), key), value) for key, value in table.items()}
            sections[name] = dataclasses.replace(own, **settled)
        return dataclasses.replace(self, **sections)

    def differences(self) -> dict[str, dict[str, Any]]:
        """Return what of this recipe is no default, as {section: {key: value}}: to lay it over another."""
        usual = dataclasses.asdict(Recipe())
        tables = {
            section: {
                key: value for key, value in table.items() if key not in usual[section] or value != usual[section][key]
            }
            for section, table in dataclasses.asdict(self).items()
        }
        return {section: table for section, table in tables.items() if table}

    def set(self, assignment: str) -> Recipe:
        """Return this recipe with one `section.key=value` changed, the value read as TOML or else as text."""
        path, equals, value = assignment.partition("=")
        section, dot, key = path.strip().partition(".")
        if not (equals and dot):
            raise RecipeError(f"cannot read {shown(assignment)}: write section.key=value, like dream.step=0.02")
        try:
            read = schedule.toml(f"v = {value}")["v"]
        except ValueError:
            read = value.strip()
        wants_text = any((section, key) == (s, k) and kind is str for s, k, kind, _ in parameters())
        if wants_text and not isinstance(read, str):  # 12 and 00:01:30 are numbers and times to TOML
            read = value.strip()
        return self.merge({section.strip(): {key.strip(): read}})

    def to_toml(self) -> str:
        """Return the complete recipe as TOML; `from_toml` gives the same recipe back."""
        tables = {
            section: {k: v for k, v in values.items() if v is not None}
            for section, values in dataclasses.asdict(self).items()
        }
        return tomli_w.dumps({section: table for section, table in tables.items() if table})


def guides(text: str) -> list[tuple[str, str]]:
    """Split `a.jpg=1,b.mp4=pulse(beat, decay=0.2)` into paths and weights, which may be left out.

    A path may hold equals signs, but no commas. What stands behind one is a weight if it can be read as a curve.
    """
    found = []
    for part in map(str.strip, schedule.split(text)):
        signs = [i for i, c in enumerate(part) if c == "=" and part[i - 1] not in "<>!=" and part[i + 1 : i + 2] != "="]
        sign = next((i for i in signs if schedule.is_curve(part[i + 1 :])), len(part))
        found.append((part[:sign].strip(), part[sign + 1 :].strip()))
    return [(path, weight) for path, weight in found if path]


def parameters() -> Iterator[tuple[str, str, Any, Param]]:
    """Yield (section, key, type, Param) of every parameter, in the order they are written."""
    for section, kind in get_type_hints(Recipe).items():
        if section == "curves":
            continue
        for key, hint in get_type_hints(kind, include_extras=True).items():
            base, param = get_args(hint)
            yield section, key, base, param


def read_tables(path: str | Path) -> dict[str, dict[str, Any]]:
    """Read a recipe file as {section: {key: value}}.

    Raises:
        RecipeError: the file is missing, or is no TOML, or far too much of it.
    """
    return _tables(read_text(path, "a recipe in TOML"), str(path))


def read_text(path: str | Path, wanted: str) -> str:
    """Read a text file, in UTF-8 with or without a mark of it; `wanted` is what an error asks for instead.

    Raises:
        RecipeError: it cannot be read, is no text, or is longer than any that is meant for us.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(schedule.MOST_TOML + 1)  # some files have no end
        text = data.decode("utf-8-sig")
    except (OSError, ValueError) as error:  # a name may hold what no file's does
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise RecipeError(f"cannot read {path} ({reason}): give {wanted}") from error
    if len(data) > schedule.MOST_TOML:
        raise RecipeError(f"cannot read {path} (it has more than {schedule.MOST_TOML} bytes): give {wanted}")
    return text


def presets() -> list[str]:
    """Return the names of the recipes that come with dreamvideo."""
    folder = resources.files(__package__).joinpath("presets")
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def preset_text(name: str) -> str:
    """Return one of the recipes that come with dreamvideo as it is written.

    Raises:
        RecipeError: there is none of that name.
    """
    if name not in presets():
        raise RecipeError(f"no preset is called {name!r}: there is {', '.join(presets())}")
    return resources.files(__package__).joinpath("presets", f"{name}.toml").read_text(encoding="utf-8")


def preset_tables(name: str) -> dict[str, dict[str, Any]]:
    """Read one of the recipes that come with dreamvideo (see `preset_text`)."""
    return _tables(preset_text(name))


def parse_time(text: str) -> Fraction | None:
    """Return seconds from `12.5`, `mm:ss.s` or `hh:mm:ss.s`; None for an empty text.

    Raises:
        RecipeError: anything else, or a negative time.
    """
    if not text:
        return None
    parts = [part.strip() for part in text.split(":")]
    if len(parts) > 3 or not all(map(TIME.fullmatch, parts)):
        raise RecipeError(f"cannot read the time {shown(text)}: write seconds or mm:ss.s, like 83.5 or 1:23.5")
    return functools.reduce(lambda whole, part: whole * 60 + Fraction(part), parts, Fraction(0))


def parse_rate(text: str) -> Fraction | None:
    """Return frames per second from `24`, `23.976` or `24000/1001`; None for an empty text.

    Raises:
        RecipeError: anything else, or a rate outside 0.01 … 1000.
    """
    if not text:
        return None
    try:
        rate = Fraction(text) if RATE.fullmatch(text.strip()) else Fraction(0)
    except ZeroDivisionError:
        rate = Fraction(0)
    if not SLOWEST <= rate <= 1000:
        raise RecipeError(f"cannot read the frame rate {shown(text)}: write 24 or 30000/1001, from 0.01 to 1000")
    return rate


def _tables(text: str, name: str = "the recipe") -> dict[str, dict[str, Any]]:
    try:
        tables = schedule.toml(text)
    except ValueError as error:
        raise RecipeError(f"{name} is no valid TOML: {error}") from error
    for section, table in tables.items():
        if not isinstance(table, dict):
            raise RecipeError(f"{shown(section)} in {name} stands outside a section: write it under one, like [dream]")
    return tables


def _table(name: str, table: Any) -> Mapping[Any, Any]:
    if not isinstance(table, Mapping):
        raise RecipeError(f"{name} is {shown(table)}: it must be a table, of names and what they stand for")
    return table


def _field(owner: Any, key: Any, what: str) -> Any:
    known = [f.name for f in dataclasses.fields(owner)]
    if key not in known:
        word = key[: schedule.SHOWN] if isinstance(key, str) else ""
        near = difflib.get_close_matches(word, known, n=1, cutoff=0.5) or known
        raise RecipeError(f"the recipe has no {what} called {shown(key)}: did you mean {' or '.join(near)}?")
    return getattr(owner, key)


def _check(name: str, value: Any, kind: Any, param: Param) -> None:
    if not any(_is(value, choice) for choice in _choices(kind)):
        wanted = " or ".join(KINDS[c] if isinstance(c, type) else repr(c) for c in _choices(kind) if c)
        raise RecipeError(f"{name} = {shown(value)} must be {wanted}")
    if isinstance(value, str):
        _check_text(name, value)
    if isinstance(value, (int, float)) and not param.low <= value <= param.high:
        raise RecipeError(f"{name} = {value:g} lies outside {param.low:g} … {param.high:g}")


def _check_text(name: str, text: str) -> None:
    """Refuse a text that no recipe file could hold, or no file be called by."""
    if len(text) > (most := TABLES.get(name, LONGEST)):
        raise RecipeError(f"{name} has {len(text)} characters: {most} are let in")
    if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise RecipeError(f"{name} = {shown(text)} is no UTF-8: rename the file")


def _settled(default: Any, value: Any) -> Any:
    """Return a value as it is kept: keyframes with their moments as keys, 12.0 as 12 where whole numbers are wanted."""
    if isinstance(value, dict):
        return schedule.flattened(value)
    is_whole = isinstance(default, int) and not isinstance(default, bool)
    return int(value) if is_whole and isinstance(value, float) and value.is_integer() else value


def _check_curve(name: str, curve: Any, named: Mapping[str, Any], param: Param | None = None) -> None:
    if isinstance(curve, bool) or not isinstance(curve, (int, float, str, dict)):
        raise RecipeError(f"{name} = {shown(curve)} must be a number, an expression or keyframes")
    try:
        schedule.check(curve, list(named))
    except RecipeError as error:
        raise RecipeError(f"{name}: {error}") from None
    for number in schedule.numbers(curve) if param else []:
        if not param.low <= number <= param.high:  # type: ignore[union-attr]
            raise RecipeError(f"{name} = {number:g} lies outside {param.low:g} … {param.high:g}")  # type: ignore[union-attr]


def _choices(kind: Any) -> list[Any]:
    """Flatten a type into what a value may be: types, and the words of a Literal."""
    if get_origin(kind) is Union:
        return [choice for part in get_args(kind) for choice in _choices(part)]
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    return [None] if kind is type(None) else [kind]


def _is(value: Any, choice: Any) -> bool:
    if not isinstance(choice, type):
        return type(value) is type(choice) and bool(value == choice)
    if choice is bool:
        return isinstance(value, bool)
    if choice is float:
        return schedule.is_number(value) or (isinstance(value, float) and math.isinf(value))
    return isinstance(value, choice) and (choice is not int or schedule.is_number(value))
