"""Starts ffmpeg, and is the only module that does: to read raw frames from it, to write raw frames to it, to run it.

The executable is the one inside imageio-ffmpeg. It is given argument lists, never a shell; it may open local files
only; and it runs in a session of its own, so that a Ctrl-C meant for us does not end it in the middle of a file.
"""

from __future__ import annotations

import collections
import functools
import re
import subprocess
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

QUIET = ["-hide_banner", "-nostdin", "-nostats"]
MAX_HELP_BYTES = 2**18  # of an encoder's description
# before a message: the components that log it, with their memory addresses, and its level
LOG_PREFIX = r"(?:\[[^][]* @ 0x[0-9a-f]+\] )*(?:\[(\w+)\] )?"
FAILURES = ("error", "fatal", "panic")  # levels of messages that say why ffmpeg failed
LOCAL = ["-protocol_whitelist", "file,pipe"]
SCALER_FLAGS = "lanczos+accurate_rnd+full_chroma_int+full_chroma_inp"


class FFmpegError(Exception):
    """ffmpeg could not be started, failed, or was killed; the message is the last line of its log."""


def input_args(path: str, demuxer: str = "") -> list[str]:
    """Return the arguments that open a local file as input, whatever characters its name holds.

    Args:
        path: of the file.
        demuxer: FFmpeg's name of its format; without it, FFmpeg takes a name like `a%d.gif` for a sequence of files.
    """
    return [*LOCAL, *(["-f", demuxer] if demuxer else []), "-i", f"file:{path}"]


class Process:
    """A running ffmpeg; used as a context manager, it is killed on leaving if it still runs.

    Its stderr is read by a thread all the time: a full pipe would block it.

    Args:
        args: command line after the options that all have in common.
        stdin, stdout: as for `subprocess.Popen`.
        on_info: called with each of its informative messages, on another thread; None to have it log errors only.

    Raises:
        FFmpegError: it cannot be started.
    """

    def __init__(
        self,
        args: list[str],
        stdin: int | None = subprocess.DEVNULL,
        stdout: int | None = subprocess.DEVNULL,
        on_info: Callable[[str], None] | None = None,
    ):
        self._on_info = on_info
        command = [_executable(), *QUIET, "-loglevel", "level+info" if on_info else "level+error", *args]
        try:
            self._process = subprocess.Popen(
                command, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, bufsize=0, start_new_session=True
            )
        except OSError as error:
            raise FFmpegError(f"ffmpeg cannot be started: {error}") from error
        self._log: collections.deque[str] = collections.deque(maxlen=8)
        self._log_thread = threading.Thread(target=self._read_log, daemon=True)
        self._log_thread.start()

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            text = line.decode(errors="replace").strip()
            prefix = re.match(LOG_PREFIX, text)
            level = prefix[1] if prefix else None
            if level in FAILURES or level is None:
                self._log.append(text[prefix.end() :] if prefix else text)
            elif self._on_info is not None:
                self._on_info(text)

    def read(self, count: int) -> bytearray:
        """Read `count` bytes of its output, or fewer at the end."""
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
            FFmpegError: it no longer reads.
        """
        assert self._process.stdin is not None
        try:
            while data:
                data = data[self._process.stdin.write(data) :]
        except OSError:
            self.wait()
            raise FFmpegError(self._last_message()) from None

    def wait(self) -> None:
        """Close its input and wait for it to end.

        Raises:
            FFmpegError: it ended with an error or was killed.
        """
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()
        code = self._process.wait()
        self._log_thread.join()
        if code:
            raise FFmpegError(self._last_message())

    @property
    def was_killed(self) -> bool:
        """Whether a signal ended it, rather than an error in its input."""
        return (self._process.poll() or 0) < 0

    def _last_message(self) -> str:
        code = self._process.returncode
        if self._log:
            return self._log[-1]
        return f"ffmpeg was killed by signal {-code}" if code < 0 else f"ffmpeg ended with code {code}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._log_thread.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe:
                pipe.close()


def reader(args: list[str], on_info: Callable[[str], None] | None = None) -> Process:
    """Start an ffmpeg whose standard output can be read (see `Process`)."""
    return Process(args, stdout=subprocess.PIPE, on_info=on_info)


def writer(args: list[str]) -> Process:
    """Start an ffmpeg that reads raw frames from its standard input."""
    return Process(args, stdin=subprocess.PIPE)


def run(args: list[str]) -> None:
    """Run ffmpeg to its end.

    Raises:
        FFmpegError: it failed.
    """
    with Process(args) as process:
        process.wait()


def pixel_formats(codec: str) -> list[str]:
    """Return the pixel formats that an encoder takes; empty if it lists none.

    Raises:
        FFmpegError: this ffmpeg has no such encoder.
    """
    with reader(["-h", f"encoder={codec}"]) as process:
        description = process.read(MAX_HELP_BYTES).decode(errors="replace")
    if not description.startswith("Encoder "):
        raise FFmpegError(f"ffmpeg has no encoder called {codec}")
    found = re.search(r"Supported pixel formats: (.*)", description)
    return found[1].split() if found else []


@functools.cache
def _executable() -> str:
    import imageio_ffmpeg

    try:
        return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise FFmpegError(f"no ffmpeg: {error}; reinstall imageio-ffmpeg") from error
