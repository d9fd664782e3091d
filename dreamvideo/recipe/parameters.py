"""Every parameter of a recipe, with its default, unit, range and help text.

The command-line flags, the recipe files, their checks and the documentation are all generated from this file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal, Union

PALETTES = {  # named palettes: sRGB colours, dark to light
    "ember": "1a0a08 5c1408 b5300a f07818 ffd27a",
    "ocean": "04142e 0b3a66 1f7fa8 6cc7c9 e8f4ea",
    "forest": "10160c 2c3d1a 58752a a3a848 e6dfae",
    "dusk": "14102e 45276b 9a3f7d ea7a6b ffd9a0",
    "gold": "120d06 4a3312 98702a d9b45a fff0c8",
    "rose": "2a0f1c 7a2748 c75b7c f2a5a8 fde8e0",
    "ice": "0c1822 34566b 7ea6ba c4dce4 f7fbfc",
    "neon": "12002b 5b00c8 ff00a8 00e5ff f6ff5a",
    "sepia": "17110b 4d3b28 8c7355 c8b493 f4ead5",
}
SOURCE_MUSIC = "source"  # value of `music.music` that means the film's own sound


@dataclass(frozen=True)
class Param:
    """Description of one parameter.

    Attributes:
        help: the help text of its flag, with the unit.
        low, high: inclusive range of a number.
        curve: whether a curve may be given instead of a number.
        file: whether it names a file that a render reads.
        words: values that do not name a file, although `file` is set.
        usual: the part of the range that a slider covers; empty for all of it.
    """

    help: str
    low: float = -math.inf
    high: float = math.inf
    curve: bool = False
    file: bool = False
    words: tuple[str, ...] = ()
    usual: tuple[float, float] | tuple[()] = ()


@dataclass(frozen=True)
class Network:
    """Which network dreams, which of its layers, and which guides it follows."""

    model: Annotated[
        str,
        Param(
            "network that dreams: efficientnet-lite0 or -lite2 (built in), a torchvision model, vgg16-hed or timm:NAME"
        ),
    ] = "efficientnet-lite0"
    weights: Annotated[
        str,
        Param(
            "weights of the network: a .pth or .safetensors file, or a name like IMAGENET1K_V1 (empty: latest)",
            file=True,
        ),
    ] = ""
    layers: Annotated[
        str, Param("layers to dream of, with weights, like blocks.9=1,blocks.10=0.5 (empty: the network's default)")
    ] = ""
    guide: Annotated[
        str, Param("guide images or films whose shapes the dream takes on: a.jpg, or a.jpg=1,b.mp4=0.5", file=True)
    ] = ""
    guide_weight: Annotated[
        float, Param("share of the objective taken from the guides: 0 = none, 1 = all of it", 0, 1, True)
    ] = 1.0
    guide_form: Annotated[
        Literal["match", "statistics"], Param("how to follow the guides: match patches, or match feature statistics")
    ] = "match"
    device: Annotated[str, Param("device to compute on: auto, cpu, cuda, cuda:1 or mps")] = "auto"
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16"],
        Param("number format of the network (auto: fp16 on a GPU; on a CPU bf16 if faster, else fp32)"),
    ] = "auto"
    threads: Annotated[int, Param("number of CPU threads; 0 = all cores", 0, 1024, usual=(0, 16))] = 0
    memory: Annotated[
        str, Param("memory limit, like 4GB; larger frames are dreamed in tiles (auto: most of the memory)")
    ] = "auto"


@dataclass(frozen=True)
class Dream:
    """How a single image is dreamed."""

    octaves: Annotated[
        Union[int, Literal["auto"]],
        Param(
            "number of sizes the image is dreamed in (auto: from a short side of about 130 pixels up)",
            1,
            32,
            usual=(1, 12),
        ),
    ] = "auto"
    octave_scale: Annotated[
        float,
        Param("size ratio from one octave to the next: 1.4 = each is 40 % larger", 1.01, 4, curve=True, usual=(1.2, 2)),
    ] = 1.4
    ascent: Annotated[
        Literal["pixels", "phase"],
        Param(
            "what the gradient ascent moves: the pixels, or the phases of a still's Fourier spectrum, whose magnitudes "
            "it keeps"
        ),
    ] = "pixels"
    iterations: Annotated[
        int,
        Param(
            "ascent steps per octave of a new dream (a still, or the first frame of a shot)",
            0,
            10_000,
            curve=True,
            usual=(0, 60),
        ),
    ] = 16
    step: Annotated[
        float,
        Param(
            "step size: mean change of a pixel per ascent step; 1 = from black to white",
            0,
            1,
            curve=True,
            usual=(0, 0.05),
        ),
    ] = 0.011
    jitter: Annotated[
        int,
        Param(
            "maximum random shift per step, pixels; below 32 the image's borders are hardly dreamed on",
            0,
            8192,
            curve=True,
            usual=(0, 512),
        ),
    ] = 512
    jitter_rotate: Annotated[
        float, Param("maximum random rotation per step, degrees", 0, 180, curve=True, usual=(0, 45))
    ] = 0.0
    jitter_scale: Annotated[
        float,
        Param("maximum random zoom per step; 1 = none, 1.1 = up to 10 % in or out", 1, 2, curve=True, usual=(1, 1.5)),
    ] = 1.0
    shaping: Annotated[
        Literal["laplacian", "gaussian", "mean"],
        Param("gradient filter: laplacian (all scales equally strong), gaussian (smoothed) or mean (unfiltered)"),
    ] = "laplacian"
    colors: Annotated[
        Union[float, Literal["natural", "rainbow", "rgb"]],
        Param("colours of the dream: 0 or natural = as in photos, 1 or rainbow = every channel by itself (rgb)", 0, 1),
    ] = 0.1
    tv: Annotated[
        float,
        Param(
            "smoothness: weight of the total variation penalty; 0 = none, 0.5 = as if painted",
            0,
            100,
            curve=True,
            usual=(0, 2),
        ),
    ] = 0.0
    pull: Annotated[
        float,
        Param(
            "pull back to the frame: weight of the L2 penalty; 0 = none, 1 = stays within about 0.1 (white = 1)",
            0,
            100,
            curve=True,
            usual=(0, 5),
        ),
    ] = 0.0
    lost_detail: Annotated[
        Literal["before", "after"],
        Param("when an octave regains the detail that resizing lost: before or after its ascent steps"),
    ] = "before"
    max_loss: Annotated[
        float, Param("objective value above which an octave stops early; inf = never", 0, curve=True)
    ] = math.inf
    seed: Annotated[int, Param("random seed of the jitter", 0, 2**31, usual=(0, 100))] = 0


@dataclass(frozen=True)
class Temporal:
    """How the dream is carried from frame to frame."""

    flow: Annotated[
        Literal["dis", "variational", "raft", "raft-small", "none"],
        Param(
            "optical flow that moves the dream: dis, variational (slower, better on grain), raft or raft-small "
            "(networks, for a GPU) or none (frames alone)"
        ),
    ] = "dis"
    flow_weights: Annotated[
        str,
        Param("weights of raft: a .pth or .safetensors file, or a name like C_T_SKHT_K_V2 (empty: latest)", file=True),
    ] = ""
    cuts: Annotated[
        str,
        Param(
            "cuts between shots, where the dream starts anew: auto, none, or a CSV file of times",
            file=True,
            words=("auto", "none"),
        ),
    ] = "auto"
    morph: Annotated[
        float,
        Param(
            "speed at which a finished dream keeps changing: 0 = fixed to its surface, 1 = always moving",
            0,
            1,
            curve=True,
        ),
    ] = 0.0
    passes: Annotated[
        int,
        Param("render passes; 2 = dream each shot backwards first, to fill disoccluded areas (twice the time)", 1, 2),
    ] = 1
    persistence: Annotated[
        float,
        Param("share of the previous frame's dream that a frame starts from: 0 = none, 1 = all", 0, 1, curve=True),
    ] = 1.0
    refine: Annotated[
        int,
        Param(
            "ascent steps per octave on carried frames (those that continue a dream); half to double as needed",
            0,
            10_000,
            curve=True,
            usual=(0, 8),
        ),
    ] = 2
    refine_step: Annotated[
        float, Param("step of carried frames, relative to --step; 0 = none, 1 = the same step", 0, 1, curve=True)
    ] = 0.18


@dataclass(frozen=True)
class Camera:
    """How a virtual camera moves over the picture. Speeds are per second, so they do not depend on the frame rate."""

    zoom: Annotated[
        float, Param("zoom factor per second; above 1 = in, below 1 = out, 1 = none", 0.01, 100, True, usual=(0.5, 2))
    ] = 1.0
    rotate: Annotated[
        float,
        Param("rotation of the picture, degrees per second; positive = clockwise", -3600, 3600, True, usual=(-90, 90)),
    ] = 0.0
    pan_x: Annotated[
        float, Param("horizontal pan, picture widths per second; positive = to the right", -20, 20, True, usual=(-1, 1))
    ] = 0.0
    pan_y: Annotated[
        float, Param("vertical pan, picture heights per second; positive = downwards", -20, 20, True, usual=(-1, 1))
    ] = 0.0
    tilt_x: Annotated[
        float,
        Param(
            "horizontal perspective tilt per second; positive = the right side comes nearer",
            -10,
            10,
            True,
            usual=(-1, 1),
        ),
    ] = 0.0
    tilt_y: Annotated[
        float,
        Param("vertical perspective tilt per second; positive = the bottom comes nearer", -10, 10, True, usual=(-1, 1)),
    ] = 0.0
    center_x: Annotated[
        float,
        Param("horizontal centre of zoom and rotation: 0 = left edge, 1 = right edge", -10, 11, True, usual=(0, 1)),
    ] = 0.5
    center_y: Annotated[
        float, Param("vertical centre of zoom and rotation: 0 = top edge, 1 = bottom edge", -10, 11, True, usual=(0, 1))
    ] = 0.5
    loop: Annotated[bool, Param("make a seamless loop: the last frame leads back to the first")] = False
    then_zoom: Annotated[
        float,
        Param("zoom added after a film's last frame, seconds; the camera rests until then", 0, 86_400, usual=(0, 30)),
    ] = 0.0


@dataclass(frozen=True)
class Music:
    """Which music curves follow and the output plays."""

    music: Annotated[
        str,
        Param(
            "music to follow and to play; sets the length: an audio file, or source (the film's own sound)",
            file=True,
            words=(SOURCE_MUSIC,),
        ),
    ] = ""
    bpm: Annotated[float, Param("tempo override, beats per minute; 0 detects it", 0, 1000, usual=(0, 200))] = 0.0


@dataclass(frozen=True)
class Finish:
    """How the dream is combined with the source frame."""

    strength: Annotated[
        float,
        Param(
            "strength of the dream: 0 = none, 0.5 = subtle (and faster), 1 = full, 2 = overwhelming",
            0,
            10,
            curve=True,
            usual=(0, 2),
        ),
    ] = 1.0
    color: Annotated[
        float,
        Param(
            "saturation of the dream: 0 = grey, 1 = as dreamed, above 1 = more vivid", 0, 10, curve=True, usual=(0, 2)
        ),
    ] = 1.0
    blend: Annotated[
        Literal[
            "add", "screen", "multiply", "overlay", "soft-light", "hard-light", "lighten", "darken", "difference",
            "luminosity", "color",
        ],
        Param("blend mode: add the dream to the frame, or blend the dreamed picture over it"),
    ] = "add"  # fmt: skip
    palette: Annotated[
        str,
        Param(
            f"colours of the dream: source = the frame's own, a picture to take them from, or {', '.join(PALETTES)}",
            file=True,
            words=("source", *PALETTES),
        ),
    ] = "source"
    tone: Annotated[
        Literal["soft", "hard"],
        Param(
            "how the dream is added: soft (no clipping, light of the frame kept) or hard (clipped at black and white)"
        ),
    ] = "soft"
    spare_smooth: Annotated[
        float,
        Param(
            "how far smooth areas (skin, sky) are spared: 0 = dreamed like all others, 1 = not dreamed",
            0,
            1,
            curve=True,
        ),
    ] = 0.4
    keep_color: Annotated[
        bool, Param("keep the frame's hue and chroma, except where clipped: the dream changes only the luminance")
    ] = False
    mask: Annotated[
        str, Param("mask as a still, film or frames: white = dreamed, black = left as it is", file=True)
    ] = ""
    mask_from: Annotated[
        Literal["none", "luma", "motion", "edges"],
        Param("mask computed from the frame: bright areas (luma), moving areas (motion) or edges"),
    ] = "none"
    invert_mask: Annotated[bool, Param("invert the mask: dream on black instead of white (--mask and --mask-from)")] = (
        False
    )
    feather: Annotated[
        float,
        Param("softness of the mask: sigma of a Gaussian blur, % of the short side", 0, 50, curve=True, usual=(0, 10)),
    ] = 0.0
    flash_limit: Annotated[
        Literal["auto", "on", "off"],
        Param("limit flashes of the whole picture to three a second (auto: if curves follow sound)"),
    ] = "auto"


@dataclass(frozen=True)
class Clip:
    """Which part of the input is used, and the output's length, frame rate and size."""

    start: Annotated[str, Param("start in the input, seconds or mm:ss.s (empty: its beginning)")] = ""
    end: Annotated[str, Param("end in the input, seconds or mm:ss.s, not included (empty: its end)")] = ""
    seconds: Annotated[
        float,
        Param(
            "length of the output, seconds; makes a film of a still; 0 = that of the music or the film",
            0,
            86_400,
            usual=(0, 60),
        ),
    ] = 0.0
    fps: Annotated[str, Param("frame rate of frame sequences and stills, like 24 or 30000/1001 (empty: 24)")] = ""
    size: Annotated[str, Param("output size: 1280x720, 720p (the short side) or 50% (empty: the input's size)")] = ""
    stream: Annotated[
        int, Param("video track of the input that is dreamed, from 1; 0 = its main one", 0, 999, usual=(0, 9))
    ] = 0
    deinterlace: Annotated[
        Literal["auto", "off"], Param("auto = interlaced films are made progressive; off = left as they are")
    ] = "auto"
    background: Annotated[
        str, Param("colour under transparent parts where the output holds no alpha: a name like white, or #ff8800")
    ] = "black"


@dataclass(frozen=True)
class Encoding:
    """How the output file is encoded."""

    codec: Annotated[
        str, Param("video encoder, like libx265; hardware = the GPU's (empty: the file type's default)")
    ] = ""
    crf: Annotated[
        Union[int, None],
        Param(
            "quality of x264, x265, VP9 and AV1; 0 = best, larger = smaller file (None: high quality)",
            0,
            63,
            usual=(0, 40),
        ),
    ] = None
    pix_fmt: Annotated[str, Param("pixel format, like yuv444p10le (empty: the encoder's default)")] = ""
