"""Tables of encoders and file types: pixel formats, options, and the sound that each file type can hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...errors import SinkError
from .. import ffmpeg
from ..paths import frame_pattern, takes_frames


@dataclass(frozen=True)
class EncoderOptions:
    """What a caller asks of a film's encoder; the defaults leave it to the file type.

    Attributes:
        codec: FFmpeg's name of the encoder, like `libx265`; `hardware` for a graphics card's; empty for the file
            type's best.
        crf: quality, lower is better and larger; None for the encoder's default in `CODECS`.
        pix_fmt: FFmpeg's name of the pixel format, like `yuv444p10le`; empty for the encoder's default.
    """

    codec: str = ""
    crf: int | None = None
    pix_fmt: str = ""


@dataclass(frozen=True)
class Codec:
    """How an encoder is run by default.

    Attributes:
        pix_fmt: FFmpeg's name of the pixel format.
        options: command-line options.
        quality: the option that takes the value of `EncoderOptions.crf`; empty if the encoder has none.
    """

    pix_fmt: str
    options: tuple[str, ...] = ()
    quality: str = "-crf"


@dataclass(frozen=True)
class Container:
    """What a file type holds.

    Attributes:
        codec: default encoder of the picture.
        sound: codecs of sound that are copied bit for bit; empty if it holds no sound, `("*",)` for all.
        fallback: encoder of all other sound.
        options: command-line options of its muxer.
    """

    codec: str
    sound: tuple[str, ...]
    fallback: str = "aac"
    options: tuple[str, ...] = ()


NVENC = ("-preset", "p6", "-tune", "hq", "-rc", "vbr", "-b:v", "0")
CODECS = {
    "libx264": Codec("yuv420p", ("-crf", "16", "-preset", "medium")),
    "libx265": Codec("yuv420p10le", ("-crf", "18", "-tag:v", "hvc1")),
    "prores_ks": Codec("yuv422p10le", ("-profile:v", "3", "-vendor", "apl0"), quality=""),
    "ffv1": Codec("bgr0", ("-level", "3", "-g", "1", "-slicecrc", "1", "-slices", "4"), quality=""),
    "hap": Codec("rgba", ("-format", "hap", "-compressor", "snappy"), quality=""),
    "libvpx-vp9": Codec("yuv420p", ("-crf", "18", "-b:v", "0", "-row-mt", "1", "-cpu-used", "3")),
    "h264_nvenc": Codec("yuv420p", (*NVENC, "-cq", "19"), quality="-cq"),
    "hevc_nvenc": Codec("p010le", (*NVENC, "-cq", "21", "-tag:v", "hvc1"), quality="-cq"),
    "av1_nvenc": Codec("p010le", (*NVENC, "-cq", "24"), quality="-cq"),
    "h264_videotoolbox": Codec("yuv420p", ("-q:v", "70"), quality=""),
}
ALPHA_CODECS = {  # by file type: how its default encoder is run for pictures with alpha
    ".mov": Codec("yuva444p10le", ("-profile:v", "4444", "-vendor", "apl0", "-alpha_bits", "16")),
    ".mkv": Codec("gbrap16le", CODECS["ffv1"].options),
    ".webm": Codec("yuva420p", (*CODECS["libvpx-vp9"].options, "-auto-alt-ref", "0")),
    ".webp": Codec("bgra", CODECS["ffv1"].options),  # converted at the end
}
ALPHA_FORMATS = ("yuva", "gbrap", "rgba", "bgra", "argb", "abgr", "ya")  # how pixel formats with alpha begin
ALPHA_PICTURES = (".png", ".tif", ".tiff", ".webp")  # still pictures that hold alpha
HARDWARE = ("h264_nvenc", "h264_videotoolbox")  # tried in turn for the codec `hardware`
PREFERRED_FORMATS = ("yuv420p", "rgb24", "bgr24", "gbrp")  # for an encoder not in `CODECS`: what players can show
FAST_START = ("-movflags", "+faststart")
COMPRESSED = ("aac", "mp3", "ac3", "eac3", "alac")
PCM = tuple(f"pcm_{kind}" for kind in ("s16le", "s16be", "s24le", "s24be", "s32le", "s32be", "f32le", "f32be"))
MP4 = Container("libx264", (*COMPRESSED, "mp2", "flac", "opus", "dts"), options=FAST_START)
CONTAINERS = {
    ".mp4": MP4,
    ".m4v": MP4,
    ".mov": Container("prores_ks", (*COMPRESSED, *PCM), options=FAST_START),
    ".mkv": Container("ffv1", ("*",)),
    ".webm": Container("libvpx-vp9", ("opus", "vorbis"), fallback="libopus"),
    ".gif": Container("ffv1", ()),
    ".webp": Container("ffv1", ()),
}
ANIMATIONS = (".gif", ".webp")  # encoded as a lossless film first, which is converted at the end


def find_hardware_encoder() -> str:
    """Return the first graphics card encoder that works on this machine.

    Raises:
        SinkError: none works.
    """
    for codec in HARDWARE:
        black = ["-f", "lavfi", "-i", "color=size=256x256", "-frames:v", "1"]
        try:
            ffmpeg.run([*black, "-c:v", codec, *CODECS[codec].options, "-f", "null", "-"])
        except ffmpeg.FFmpegError:
            continue
        return codec
    raise SinkError(f"no hardware encoder works on this machine ({', '.join(HARDWARE)}): leave --codec hardware out")


def holds_alpha(path: str, options: EncoderOptions) -> bool:
    """Tell whether an output can hold an alpha channel: a film by its file type's own encoder, frames and stills."""
    if takes_frames(path):
        return Path(frame_pattern(path)).suffix.lower() in ALPHA_PICTURES
    suffix = Path(path).suffix.lower()
    if suffix in ALPHA_PICTURES:
        return True
    usual = options.codec in ("", CONTAINERS[suffix].codec) if suffix in CONTAINERS else False
    fits = not options.pix_fmt or options.pix_fmt.startswith(ALPHA_FORMATS)
    return suffix in ALPHA_CODECS and usual and fits


def is_rgb(pix_fmt: str) -> bool:
    """Tell whether a pixel format stores RGB, rather than luma and chroma."""
    return pix_fmt.startswith(("gbr", "rgb", "bgr"))
