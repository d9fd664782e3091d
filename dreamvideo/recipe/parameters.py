"""Every parameter with its default, unit, range and help text; flags, recipe files and docs are made from these."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal, Union

SOURCE_MUSIC = "source"  # the music of a film that is its own sound


@dataclass(frozen=True)
class Param:
    """What a parameter means.

    Attributes:
        help: its help line, with the unit.
        low, high: the range that a number must lie in.
        curve: whether a curve may stand in the number's place.
        file: whether it names a file that a render reads.
        words: what may stand there without naming a file.
    """

    help: str
    low: float = -math.inf
    high: float = math.inf
    curve: bool = False
    file: bool = False
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Network:
    """What dreams, and on what."""

    model: Annotated[str, Param("network: the embedded efficientnet-lite0, any of torchvision's, or timm:NAME")] = (
        "efficientnet-lite0"
    )
    weights: Annotated[
        str, Param("file (.pth, .safetensors), or IMAGENET1K_V1 and the like (empty: the latest)", file=True)
    ] = ""
    layers: Annotated[str, Param("what to dream of: blocks.9=1,blocks.10=1 (empty: the network's best)")] = ""
    guide: Annotated[
        str,
        Param("picture or film whose shapes and textures the dream takes on; several: a.jpg=1,b.mp4=0.5", file=True),
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
    cuts: Annotated[
        str,
        Param(
            "where shots begin: auto, none, or a CSV file of times; each dreams afresh",
            file=True,
            words=("auto", "none"),
        ),
    ] = "auto"
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

    music: Annotated[
        str,
        Param(
            "song to cut to and to play: an audio file, or source for the film's own", file=True, words=(SOURCE_MUSIC,)
        ),
    ] = ""
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
    mask: Annotated[str, Param("where it dreams: a still, film or frames; white dreams, black does not", file=True)] = (
        ""
    )
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
