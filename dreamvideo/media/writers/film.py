"""Films out: encoded by ffmpeg as they come, joined with their sound at the end."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
from torch import Tensor

from ...errors import SinkError
from .. import ffmpeg
from ..atomic import hidden_name
from ..info import Info
from ..metadata import with_comment
from ..pixels import Pixels, quantise
from ..probe import probe
from ..readers.film import SWS
from ..write_behind import WriteBehind
from .codecs import (
    ANIMATIONS,
    CODECS,
    CONTAINERS,
    LAYERS,
    PREFERRED,
    Codec,
    EncoderOptions,
    find_hardware_encoder,
    is_rgb,
)

TAGGED = 64 * 2**20  # bytes; a comment is put into a GIF or WebP by rewriting it, which larger ones are spared


class FilmSink:
    """A film, encoded as it comes; sound, chapters and tags join it at the end.

    With `alpha` it is a film of RGBA, whose encoder is the file type's own.
    """

    def __init__(
        self,
        path: str,
        info: Info,
        options: EncoderOptions,
        comment: str,
        alpha: bool = False,
        scratch: Path | None = None,
    ):
        self.path, self.notices, self.count = path, [], 0
        self._info, self._comment = info, comment
        self._final, self._suffix = Path(path), Path(path).suffix.lower()
        self._container = CONTAINERS[self._suffix]
        asked = options if self._suffix not in ANIMATIONS else EncoderOptions()
        if asked != options:
            self.notices.append(f"--codec, --crf and --pix-fmt do not apply to {self._suffix}")
        self._codec = find_hardware_encoder() if asked.codec == "hardware" else asked.codec or self._container.codec
        self._alpha = alpha
        self._usual = LAYERS[self._suffix] if alpha else CODECS.get(self._codec, Codec("yuv420p"))
        self._pix_fmt = self._format(asked.pix_fmt)
        self.depth = 16 if alpha or any(bits in self._pix_fmt for bits in ("10", "12", "14", "16")) else 8
        self.useful_depth = 12 if self.depth == 16 and "10" in self._pix_fmt else self.depth
        self._pad = self._padding()
        self._aside = scratch
        self._raw = hidden_name(self._final, ".mkv" if self._suffix in ANIMATIONS else self._suffix, scratch)
        self._done = hidden_name(self._final, self._suffix, scratch)
        self._behind = WriteBehind(self._put)
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

    def _start(self, asked: EncoderOptions) -> ffmpeg.Process:
        """Start the encoder, once it has shown on a black frame that it can: not after hours of dreaming."""
        command = self._command(asked)
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

    def _command(self, asked: EncoderOptions) -> list[str]:
        info, (right, below) = self._info, self._pad
        size = f"{info.width + right}x{info.height + below}"
        pixels = "rgba64le" if self._alpha else "rgb48le" if self.depth == 16 else "rgb24"
        raw = ["-f", "rawvideo", "-pix_fmt", pixels, "-s", size, "-r", str(info.rate)]
        options = self._usual.options
        if asked.crf is not None and self._usual.quality:
            options = (*options, self._usual.quality, str(asked.crf))
        elif asked.crf is not None:
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
        if is_rgb(self._pix_fmt):
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
            palette = hidden_name(self._final, ".png", self._aside)
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
            self._done.write_bytes(with_comment(self._done.read_bytes(), self._comment))

    def _failed(self, error: Exception) -> str:
        return f"{self.path} could not be written ({error}): is the disk full?"
