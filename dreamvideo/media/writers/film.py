"""Writes a film: frames are encoded by ffmpeg as they come, and joined with their sound at the end."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from torch import Tensor

from ...errors import SinkError
from .. import ffmpeg
from ..atomic import create_hidden_file
from ..background_writer import BackgroundWriter
from ..info import Info
from ..pixels import Pixels
from ..probe import probe
from ..tensors import quantise
from .animation import SMOOTHEST_GIF, add_comment, encode_animation
from .codecs import ANIMATIONS, CONTAINERS, EncoderOptions
from .encoder import choose_encoder, encode_command
from .sound import Picture, has_sound_or_tags, join_sound


class FilmWriter:
    """A film that is encoded as its frames come; sound, chapters and tags join it at the end (see `Sink`).

    Args:
        path: the output.
        info: the source.
        options: what is asked of the encoder.
        comment: the output's comment tag.
        alpha: whether the frames are RGBA; the encoder is then the file type's own.
        scratch: a folder for unfinished files, if it is on the same disk as the output.

    Raises:
        SinkError: it cannot be encoded so, or not be written.
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
        self.path, self.count = path, 0
        self._info, self._comment = info, comment
        self._final, self._suffix = Path(path), Path(path).suffix.lower()
        self._encoder = choose_encoder(info, self._suffix, options, alpha)
        self.notices = list(self._encoder.notices)
        self.useful_depth = self._encoder.useful_depth
        self._encoded = create_hidden_file(self._final, ".mkv" if self._is_animation else self._suffix, scratch)
        self._complete = create_hidden_file(self._final, self._suffix, scratch)
        self._background = BackgroundWriter(self._encode)
        self._process = self._start()
        if info.sound and not CONTAINERS[self._suffix].sound:
            self.notices.append(f"{self._suffix} holds no sound: the film's sound is left out")

    def write(self, image: Tensor) -> None:
        """See `Sink`."""
        self._background(quantise(image, self._encoder.depth))
        self.count += 1

    def commit(self, whole: bool) -> None:
        """See `Sink`."""
        self._background.finish()
        try:
            self._process.wait()
            if (found := len(probe(str(self._encoded)).times)) != self.count:
                raise ffmpeg.FFmpegError(f"the encoder kept {found} of {self.count} frames")
            if self._is_animation:
                self._convert()
            elif has_sound_or_tags(self._info):
                picture = Picture(self._encoded, self.count, whole)
                self.notices += join_sound(picture, self._info, self._comment, self._complete)
            else:
                os.replace(self._encoded, self._complete)
            os.replace(self._complete, self._final)
        except (ffmpeg.FFmpegError, OSError) as error:
            raise self._write_error(error) from error

    def discard(self) -> None:
        """See `Sink`."""
        self._process.__exit__(None, None, None)
        self._background.stop()
        self._remove_unfinished()

    @property
    def _is_animation(self) -> bool:
        return self._suffix in ANIMATIONS

    def _start(self) -> ffmpeg.Process:
        """Start the encoder, after a trial with a black frame: it must not fail after hours of dreaming."""
        command = encode_command(self._encoder, self._info, self._tags(), self._encoded)
        width, height = self._encoder.padded_size(self._info)
        size = width * height * (4 if self._encoder.alpha else 3) * self._encoder.depth // 8
        try:
            with ffmpeg.writer(command) as trial:
                trial.write(memoryview(bytes(size)))
                trial.wait()
            return ffmpeg.writer(command)
        except ffmpeg.FFmpegError as error:
            self._remove_unfinished()
            raise SinkError(
                f"{self.path} cannot be encoded ({error}): do --codec, --crf and --pix-fmt suit each other and the "
                "file type, and is there room on the disk?"
            ) from error

    def _tags(self) -> list[str]:
        """Return the arguments for the container and its comment, as far as they are not given when joining."""
        tags = ["-metadata", f"comment={self._comment}"] if self._comment else []
        if has_sound_or_tags(self._info) or self._is_animation:
            return tags
        return [*tags, *CONTAINERS[self._suffix].options]

    def _encode(self, pixels: Pixels) -> None:
        """Pass a frame to the encoder; runs on the background thread."""
        right, below = self._encoder.padding
        padded = np.pad(pixels, ((0, below), (0, right), (0, 0)), mode="edge")
        try:
            self._process.write(memoryview(padded.tobytes()))
        except ffmpeg.FFmpegError as error:
            raise self._write_error(error) from error

    def _convert(self) -> None:
        """Convert the lossless film into a GIF or WebP that carries the comment."""
        if self._suffix == ".gif" and self._info.rate > SMOOTHEST_GIF:
            rate = f"{float(self._info.rate):g}"
            self.notices.append(f"most players show a GIF of {rate} frames per second slower: try .webp")
        encode_animation(self._encoded, self._complete, self._encoder.alpha)
        if not add_comment(self._complete, self._comment):
            self.notices.append(f"{self.path} is too large to carry its recipe: keep one with --save-recipe")

    def _remove_unfinished(self) -> None:
        for file in (self._encoded, self._complete):
            file.unlink(missing_ok=True)

    def _write_error(self, error: Exception) -> SinkError:
        return SinkError(f"{self.path} could not be written ({error}): is the disk full?")
