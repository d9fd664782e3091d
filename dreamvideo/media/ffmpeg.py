"""The only module that starts ffmpeg: raw frames out of it, raw frames into it, and files through it.

The ffmpeg is the one inside imageio-ffmpeg. It gets argument lists, never a shell; local files only; and a session of
its own, so that a Ctrl-C meant for us does not end it in the middle of a file.
"""

from __future__ import annotations

import collections
import functools
import re
import subprocess
import threading
from types import TracebackType
from typing import Self

QUIET = ["-hide_banner", "-nostdin", "-loglevel", "error"]
HELP = 2**18  # bytes of an encoder's own description, at most
WHERE = r"\[[^][]* @ 0x[0-9a-f]+\] "  # which part of it speaks, and its address in memory
LOCAL = ["-protocol_whitelist", "file,pipe"]


class FFmpegError(Exception):
    """ffmpeg could not be started, failed, or was killed; the message is what it said last, in one line."""


def input_args(path: str, demuxer: str = "") -> list[str]:
    """Return the arguments that open a local file as input, whatever characters its name holds.

    Args:
        path: of the file.
        demuxer: its format; unless it is told, a name like `a%d.gif` is taken for those of many files.
    """
    return [*LOCAL, *(["-f", demuxer] if demuxer else []), "-i", f"file:{path}"]


class Process:
    """A running ffmpeg whose error output is drained all along; killed on leaving if it still runs."""

    def __init__(
        self, args: list[str], stdin: int | None = subprocess.DEVNULL, stdout: int | None = subprocess.DEVNULL
    ):
        command = [_executable(), *QUIET, *args]
        try:
            self._process = subprocess.Popen(
                command, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, bufsize=0, start_new_session=True
            )
        except OSError as error:
            raise FFmpegError(f"ffmpeg cannot be started: {error}") from error
        self._said: collections.deque[str] = collections.deque(maxlen=8)
        self._drain = threading.Thread(target=self._listen, daemon=True)
        self._drain.start()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._said.append(line.decode(errors="replace").strip())

    def read(self, count: int) -> bytearray:
        """Read `count` bytes of its output; fewer only at the end."""
        assert self._process.stdout is not None
        data, filled = bytearray(count), 0
        with memoryview(data) as view:
            while filled < count and (got := self._process.stdout.readinto(view[filled:])):  # type: ignore[attr-defined]
                filled += got
        del data[filled:]
        return data

    def write(self, data: memoryview) -> None:
        """Write all of `data` to its input.

        Raises:
            FFmpegError: it has stopped reading.
        """
        assert self._process.stdin is not None
        try:
            while data:
                data = data[self._process.stdin.write(data) :]
        except OSError:
            self.wait()
            raise FFmpegError(self._last_words()) from None

    def wait(self) -> None:
        """Close its input and wait for it to end.

        Raises:
            FFmpegError: it ended with an error or was killed.
        """
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()
        code = self._process.wait()
        self._drain.join()
        if code:
            raise FFmpegError(self._last_words())

    @property
    def was_killed(self) -> bool:
        """Whether it was ended from outside, rather than by what it was given."""
        return (self._process.poll() or 0) < 0

    def _last_words(self) -> str:
        code = self._process.returncode
        if self._said:
            return re.sub(WHERE, "", self._said[-1])
        return f"ffmpeg was killed by signal {-code}" if code < 0 else f"ffmpeg ended with code {code}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._drain.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe:
                pipe.close()


def reader(args: list[str]) -> Process:
    """Start an ffmpeg whose output can be read."""
    return Process(args, stdout=subprocess.PIPE)


def writer(args: list[str]) -> Process:
    """Start an ffmpeg that reads what is written to it."""
    return Process(args, stdin=subprocess.PIPE)


def run(args: list[str]) -> None:
    """Run ffmpeg to its end.

    Raises:
        FFmpegError: it failed.
    """
    with Process(args) as process:
        process.wait()


def pixel_formats(codec: str) -> list[str]:
    """Return the pixel formats an encoder takes; none where it does not say.

    Raises:
        FFmpegError: there is no such encoder.
    """
    with reader(["-h", f"encoder={codec}"]) as process:
        told = process.read(HELP).decode(errors="replace")
    if not told.startswith("Encoder "):
        raise FFmpegError(f"ffmpeg has no encoder called {codec}")
    found = re.search(r"Supported pixel formats: (.*)", told)
    return found[1].split() if found else []


@functools.cache
def _executable() -> str:
    import imageio_ffmpeg

    try:
        return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise FFmpegError(f"no ffmpeg: {error}; reinstall imageio-ffmpeg") from error
