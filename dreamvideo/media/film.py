"""Films out: encoded by ffmpeg as they come, joined with their sound at the end."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from torch import Tensor

from .. import ffmpeg
from ..errors import SinkError
from ..recipe import Encoding
from .pictures import Behind, Pixels, hidden, quantise
from .probe import Info, probe
from .source import SWS
from .tags import tagged

TAGGED = 64 * 2**20  # bytes; a comment is put into a GIF or WebP by rewriting it, which larger ones are spared


@dataclass(frozen=True)
class Codec:
    """How an encoder is run when nobody says otherwise."""

    pix_fmt: str
    options: tuple[str, ...] = ()
    quality: str = "-crf"  # its option for what --crf gives; empty where it has none


@dataclass(frozen=True)
class Container:
    """What a file type is encoded with, and the sound it can hold as it is."""

    codec: str
    sound: tuple[str, ...]  # codecs copied bit for bit; () for none at all, ("*",) for any
    fallback: str = "aac"  # what other sound is re-encoded to
    options: tuple[str, ...] = ()


NVENC = ("-preset", "p6", "-tune", "hq", "-rc", "vbr", "-b:v", "0")
CODECS = {
    "libx264": Codec("yuv420p", ("-crf", "16", "-preset", "medium")),
    "libx265": Codec("yuv420p10le", ("-crf", "18", "-tag:v", "hvc1")),
    "prores_ks": Codec("yuv422p10le", ("-profile:v", "3", "-vendor", "apl0"), quality=""),
    "ffv1": Codec("bgr0", ("-level", "3", "-g", "1", "-slicecrc", "1", "-slices", "4"), quality=""),
    "libvpx-vp9": Codec("yuv420p", ("-crf", "18", "-b:v", "0", "-row-mt", "1", "-cpu-used", "3")),
    "h264_nvenc": Codec("yuv420p", (*NVENC, "-cq", "19"), quality="-cq"),
    "hevc_nvenc": Codec("p010le", (*NVENC, "-cq", "21", "-tag:v", "hvc1"), quality="-cq"),
    "av1_nvenc": Codec("p010le", (*NVENC, "-cq", "24"), quality="-cq"),
    "h264_videotoolbox": Codec("yuv420p", ("-q:v", "70"), quality=""),
}
LAYERS = {  # by file type: what holds a picture and its alpha
    ".mov": Codec("yuva444p10le", ("-profile:v", "4444", "-vendor", "apl0", "-alpha_bits", "16")),
    ".mkv": Codec("gbrap16le", CODECS["ffv1"].options),
    ".webm": Codec("yuva420p", (*CODECS["libvpx-vp9"].options, "-auto-alt-ref", "0")),
}
HARDWARE = ("h264_nvenc", "h264_videotoolbox")  # what `--codec hardware` looks for
PREFERRED = ("yuv420p", "rgb24", "bgr24", "gbrp")  # of an encoder that is not in the table: what players can show
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
ANIMATIONS = (".gif", ".webp")  # encoded losslessly first, then turned into what they are


def hardware() -> str:
    """Return the first encoder among those of graphics cards that works on this machine.

    Raises:
        SinkError: none does.
    """
    for codec in HARDWARE:
        black = ["-f", "lavfi", "-i", "color=size=256x256", "-frames:v", "1"]
        try:
            ffmpeg.run([*black, "-c:v", codec, *CODECS[codec].options, "-f", "null", "-"])
        except ffmpeg.FFmpegError:
            continue
        return codec
    raise SinkError(f"no hardware encoder works on this machine ({', '.join(HARDWARE)}): leave --codec hardware out")


class FilmSink:
    """A film, encoded as it comes; sound, chapters and tags join it at the end.

    With `alpha` it is a film of RGBA, whose encoder is the file type's own.
    """

    def __init__(
        self, path: str, info: Info, encoding: Encoding, comment: str, alpha: bool = False, aside: Path | None = None
    ):
        self.path, self.notices, self.count = path, [], 0
        self._info, self._comment = info, comment
        self._final, self._suffix = Path(path), Path(path).suffix.lower()
        self._container = CONTAINERS[self._suffix]
        asked = encoding if self._suffix not in ANIMATIONS else Encoding()
        if asked != encoding:
            self.notices.append(f"--codec, --crf and --pix-fmt do not apply to {self._suffix}")
        self._codec = hardware() if asked.codec == "hardware" else asked.codec or self._container.codec
        self._alpha = alpha
        self._usual = LAYERS[self._suffix] if alpha else CODECS.get(self._codec, Codec("yuv420p"))
        self._pix_fmt = self._format(asked.pix_fmt)
        self.depth = 16 if alpha or any(bits in self._pix_fmt for bits in ("10", "12", "14", "16")) else 8
        self.worth = 12 if self.depth == 16 and "10" in self._pix_fmt else self.depth
        self._pad = self._padding()
        self._aside = aside
        self._raw = hidden(self._final, ".mkv" if self._suffix in ANIMATIONS else self._suffix, aside)
        self._done = hidden(self._final, self._suffix, aside)
        self._behind = Behind(self._put)
        self._process = self._start(asked)
        if info.sound and not self._container.sound:
            self.notices.append(f"{self._suffix} holds no sound: the film's sound is left out")

    def write(self, image: Tensor) -> None:
        self._behind(quantise(image, self.depth))
        self.count += 1

    def _put(self, pixels: Pixels) -> None:
        right, below = self._pad
        padded = np.pad(pixels, ((0, below), (0, right), (0, 0)), mode="edge")
        try:
            self._process.write(memoryview(padded.tobytes()))
        except ffmpeg.FFmpegError as error:
            raise SinkError(self._failed(error)) from error

    def commit(self, whole: bool) -> None:
        self._behind.finish()
        try:
            self._process.wait()
            if (found := len(probe(str(self._raw)).times)) != self.count:
                raise ffmpeg.FFmpegError(f"the encoder kept {found} of {self.count} frames")
            self._animate() if self._suffix in ANIMATIONS else self._join(whole)
            os.replace(self._done, self._final)
        except (ffmpeg.FFmpegError, OSError) as error:
            raise SinkError(self._failed(error)) from error

    def discard(self) -> None:
        self._process.__exit__(None, None, None)
        self._behind.stop()
        for left in (self._raw, self._done):
            left.unlink(missing_ok=True)

    def _start(self, encoding: Encoding) -> ffmpeg.Process:
        """Start the encoder, once it has shown on a black frame that it can: not after hours of dreaming."""
        command = self._command(encoding)
        size = (self._info.width + self._pad[0]) * (self._info.height + self._pad[1]) * (4 if self._alpha else 3)
        try:
            with ffmpeg.writer(command) as rehearsal:
                rehearsal.write(memoryview(bytes(size * self.depth // 8)))
                rehearsal.wait()
            return ffmpeg.writer(command)
        except ffmpeg.FFmpegError as error:
            self._raw.unlink(missing_ok=True)
            self._done.unlink(missing_ok=True)
            raise SinkError(
                f"{self.path} cannot be encoded ({error}): do --codec, --crf and --pix-fmt suit each other and the "
                "file type, and is there room on the disk?"
            ) from error

    def _command(self, encoding: Encoding) -> list[str]:
        info, (right, below) = self._info, self._pad
        size = f"{info.width + right}x{info.height + below}"
        pixels = "rgba64le" if self._alpha else "rgb48le" if self.depth == 16 else "rgb24"
        raw = ["-f", "rawvideo", "-pix_fmt", pixels, "-s", size, "-r", str(info.rate)]
        options = self._usual.options
        if encoding.crf is not None and self._usual.quality:
            options = (*options, self._usual.quality, str(encoding.crf))
        elif encoding.crf is not None:
            self.notices.append(f"--crf does not apply to {self._codec}")
        tags = ["-metadata", f"comment={self._comment}"] if self._comment else []
        if not self._is_joined and self._suffix not in ANIMATIONS:
            tags += self._container.options
        return [
            *raw, "-i", "pipe:0", "-vf", self._colour(), "-c:v", self._codec, *options, "-fps_mode", "passthrough",
            *tags, "-y", f"file:{self._raw}",
        ]  # fmt: skip

    def _colour(self) -> str:
        """Return the filters that turn full-range RGB into the pixel format, marked as the source was."""
        colour = self._info.colour
        aspect = f"setsar={self._info.aspect}"
        light = f"color_primaries={colour.primaries}:color_trc={colour.transfer}"
        if _is_rgb(self._pix_fmt):
            return f"format={self._pix_fmt},setparams=range=2:{light},{aspect}"
        return (
            f"scale=out_color_matrix={colour.matrix}:out_range={colour.range}:flags={SWS},format={self._pix_fmt},"
            f"setparams=range={colour.range}:colorspace={colour.matrix}:{light},{aspect}"
        )

    def _format(self, asked: str) -> str:
        """Return the pixel format asked for, or the usual one.

        Raises:
            SinkError: there is no such encoder, or it does not take that.
        """
        try:
            known = ffmpeg.pixel_formats(self._codec)
        except ffmpeg.FFmpegError as error:
            raise SinkError(f"{error}: give --codec another, like libx264, or leave it out") from error
        if asked and known and asked not in known:
            raise SinkError(f"{self._codec} does not take --pix-fmt {asked}: give it one of {', '.join(known)}")
        if asked or self._alpha or self._codec in CODECS:
            return asked or self._usual_pix_fmt()
        return next((one for one in PREFERRED if one in known), known[0] if known else PREFERRED[0])

    def _usual_pix_fmt(self) -> str:
        if self._codec == "ffv1" and self._suffix == ".mkv" and self._info.depth == 16 and not self._alpha:
            return "gbrp16le"
        return self._usual.pix_fmt

    def _padding(self) -> tuple[int, int]:
        """Return columns and rows to repeat at the right and below, where chroma is halved and the codec insists."""
        halved = {"yuv420p": (2, 2), "yuv422p": (2, 1), "yuvj420p": (2, 2), "nv12": (2, 2), "p010": (2, 2)}
        across, down = next((v for k, v in halved.items() if self._pix_fmt.startswith(k)), (1, 1))
        if self._codec in ("libvpx-vp9", "libaom-av1", "libsvtav1"):  # these keep odd sizes
            return 0, 0
        pad = -self._info.width % across, -self._info.height % down
        if any(pad):
            size = f"{self._info.width + pad[0]}x{self._info.height + pad[1]}"
            self.notices.append(
                f"{self._codec} in {self._pix_fmt} wants even sizes: padded to {size} "
                "(--pix-fmt yuv444p or an .mkv keeps the size)"
            )
        return pad

    @property
    def _is_joined(self) -> bool:
        """Whether sound, chapters or tags join the picture at the end."""
        return self._info.kind == "film" or bool(self._info.song)

    def _join(self, whole: bool) -> None:
        """Join the picture with its sound, chapters and tags; it never fails by these."""
        if not self._is_joined:
            os.replace(self._raw, self._done)
            return
        try:
            ffmpeg.run(self._join_command(whole))
        except ffmpeg.FFmpegError as error:
            os.replace(self._raw, self._done)
            lost = "sound" if self._info.sound else "chapters and tags"
            of = self._info.song or self._info.path
            self.notices.append(f"the {lost} of {of} could not be joined ({error}): the picture is whole")

    def _join_command(self, whole: bool) -> list[str]:
        info = self._info
        if info.song:
            until = ["-t", f"{float(self.count / info.rate):.6f}"]
            return [
                *ffmpeg.input_args(str(self._raw)), *until, *ffmpeg.input_args(info.song),
                "-map", "0:v", "-c:v", "copy", *self._sound(), "-map_metadata", "1", "-map_chapters", "-1",
                "-metadata", f"comment={self._comment}", *self._container.options, "-y", f"file:{self._done}",
            ]  # fmt: skip
        delay = ["-itsoffset", f"{float(info.delay):.6f}"] if info.delay * info.rate >= Fraction(1, 2) else []
        part: list[str] = ["-ss", f"{float(info.start):.6f}"] if info.start else []
        if info.cut or not whole:
            part += ["-t", f"{float(info.delay + self.count / info.rate):.6f}"]
        chapters = ["-map_chapters", "-1" if info.cut or not whole else "1"]
        return [
            *delay, *ffmpeg.input_args(str(self._raw)), *part, *ffmpeg.input_args(info.path, info.demuxer),
            "-map", "0:v", "-c:v", "copy", *self._sound(), "-map_metadata", "1", *chapters,
            "-metadata", f"comment={self._comment}", *self._container.options, "-y", f"file:{self._done}",
        ]  # fmt: skip

    def _sound(self) -> list[str]:
        """Return, track by track, whether sound is copied or re-encoded; what is not copied is said."""
        args, kept, holds = [], 0, self._container.sound
        for track, codec in enumerate(self._info.sound if holds else ()):
            if not codec:
                self.notices.append(f"sound track {track + 1} is in a format that is not known, and left out")
                continue
            args += ["-map", f"1:a:{track}"]
            if codec in holds or "*" in holds:
                args += [f"-c:a:{kept}", "copy"]
                if (
                    self._info.start and not self._info.song
                ):  # from the moment asked for, not from the keyframe before it
                    args += [f"-copypriorss:a:{kept}", "0"]
            else:
                args += [f"-c:a:{kept}", self._container.fallback, f"-b:a:{kept}", "256k"]
                kind = self._container.fallback.removeprefix("lib")
                self.notices.append(f"{self._suffix} does not hold {codec} sound: re-encoded to {kind}")
            kept += 1
        return args

    def _animate(self) -> None:
        """Turn the lossless film into a GIF with one palette made for it, or an animated WebP."""
        raw, rate = ffmpeg.input_args(str(self._raw)), self._info.rate
        if self._suffix == ".webp":
            encode = ["-c:v", "libwebp_anim", "-pix_fmt", "yuv420p", "-quality", "85", "-loop", "0"]
            ffmpeg.run([*raw, *encode, "-y", f"file:{self._done}"])
        else:
            if rate > 50:
                self.notices.append(f"most players show a GIF of {float(rate):g} frames per second slower: try .webp")
            palette = hidden(self._final, ".png", self._aside)
            try:
                ffmpeg.run([*raw, "-vf", "palettegen=stats_mode=full", "-y", f"file:{palette}"])
                dither = "[0:v][1:v]paletteuse=dither=sierra2_4a:diff_mode=rectangle"
                show = ["-filter_complex", dither, "-loop", "0"]
                ffmpeg.run([*raw, *ffmpeg.input_args(str(palette)), *show, "-y", f"file:{self._done}"])
            finally:
                palette.unlink(missing_ok=True)
        if self._done.stat().st_size > TAGGED:
            self.notices.append(f"{self.path} is too large to carry its recipe: keep one with --save-recipe")
        else:
            self._done.write_bytes(tagged(self._done.read_bytes(), self._comment))

    def _failed(self, error: Exception) -> str:
        return f"{self.path} could not be written ({error}): is the disk full?"


def _is_rgb(pix_fmt: str) -> bool:
    return pix_fmt.startswith(("gbr", "rgb", "bgr"))
