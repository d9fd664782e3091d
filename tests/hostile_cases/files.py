"""Small whole films and pictures of every kind, and the parts that their formats are made of."""

from __future__ import annotations

import re
import struct
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg

SIZE, RATE, FRAMES = "64x48", 10, 6
LAVFI = ["-f", "lavfi", "-i", f"testsrc2=s={SIZE}:r={RATE}"]
SINE = ["-f", "lavfi", "-i", "sine=f=440:r=48000"]
LENGTH = ["-t", str(FRAMES / RATE), "-frames:v", str(FRAMES)]
BOTH = ["-map", "0", "-map", "1", "-c", "copy"]
FAST = ["-movflags", "+faststart"]
FILMS = {
    "a.mp4": FAST,
    "sound.mp4": [*FAST, "-c:a", "aac"],
    "late.mp4": ["-c:a", "aac"],  # its index stands at the end
    "a.mkv": ["-c:v", "libx264", "-c:a", "aac"],
    "a.mov": ["-c:v", "prores_ks", "-pix_fmt", "yuv422p10le"],
    "a.webm": ["-c:v", "libvpx-vp9"],
    "a.gif": [],
    "moving.webp": ["-c:v", "libwebp_anim"],
    "a.avi": ["-c:v", "mpeg4", "-c:a", "mp3"],
    "a.ts": ["-c:v", "libx264", "-c:a", "aac"],
}
STILLS = {"a.png": [], "a.jpg": [], "a.webp": ["-c:v", "libwebp"], "a.tif": [], "a.bmp": []}
NESTED = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"udta", b"dinf")  # boxes of boxes (ISO 14496-12)
RIFF = b"RIFF|VP8X|VP8 |VP8L|ANIM|ANMF|LIST|avih|strh|strf|idx1|00dc"
EBML = b"\x18\x53\x80\x67|\x11\x4d\x9b\x74|\x15\x49\xa9\x66|\x16\x54\xae\x6b|\x1f\x43\xb6\x75|\x1c\x53\xbb\x6b"
MARKS = {  # what the parts of a file begin with; of Matroska: Segment, SeekHead, Info, Tracks, Cluster, Cues
    ".png": b"....(IHDR|pHYs|IDAT|IEND)",
    ".jpg": rb"\xff[\xc0-\xfe]",
    ".webp": RIFF,
    ".avi": RIFF,
    ".gif": rb"\x21\xf9\x04|\x21\xff\x0b|\x2c\0\0\0\0|\x3b\Z",
    ".mkv": EBML,
    ".webm": EBML,
}


def ffmpeg(*args: object) -> None:
    """Run ffmpeg."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y", *map(str, args)]
    subprocess.run(command, check=True, capture_output=True)


def make(folder: Path, name: str, *args: object, sound: bool = False) -> bytes:
    """Return a small film or picture of ffmpeg's test picture."""
    file = folder / name
    ffmpeg(*LAVFI, *(SINE if sound else []), *LENGTH, *args, f"file:{file}")
    return file.read_bytes()


def clips(folder: Path) -> dict[str, bytes]:
    """Return a film or picture of every kind, by name."""
    made = {name: make(folder, name, *tail, sound="-c:a" in tail) for name, tail in FILMS.items()}
    for name, tail in STILLS.items():
        ffmpeg(*LAVFI, "-frames:v", "1", *tail, folder / name)
        made[name] = (folder / name).read_bytes()
    ffmpeg(*SINE, "-t", "1", folder / "a.wav")
    return {**made, "a.wav": (folder / "a.wav").read_bytes()}


def output(name: str) -> str:
    """Return an output that suits an input."""
    return "out.png" if name in STILLS else "out.mp4"


def boxes(data: bytes, at: int = 0, end: int | None = None) -> Iterator[tuple[int, int, bytes]]:
    """Yield where every box of an mp4 begins, how long it is, and its type."""
    end = len(data) if end is None else end
    while at + 8 <= end:
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        yield at, size, kind
        if kind in NESTED:
            yield from boxes(data, at + 8, at + size)
        at += max(size, 8)


def chunks(name: str, data: bytes) -> list[int]:
    """Return where the parts of a file begin: boxes, chunks, markers, blocks, as its format has them."""
    suffix = Path(name).suffix
    if suffix in (".mp4", ".mov"):
        return [at for at, _, _ in boxes(data)]
    if suffix in MARKS:
        return [found.start() for found in re.finditer(MARKS[suffix], data)]
    return [len(data) * k // 6 for k in range(1, 6)]


def png(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    """Return a PNG that declares a size, with a few bytes of picture."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def patched(data: bytes, marker: bytes, after: int, value: bytes) -> bytes:
    """Return a file with a value so many bytes behind a marker."""
    at = data.index(marker) + after
    return data[:at] + value + data[at + len(value) :]


def tiff(data: bytes, values: dict[int, int]) -> bytes:
    """Return a TIFF whose first directory says something else."""
    (at,) = struct.unpack("<I", data[4:8])
    (count,) = struct.unpack("<H", data[at : at + 2])
    changed = bytearray(data)
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag = struct.unpack("<H", data[entry : entry + 2])[0]
        if tag in values:
            changed[entry + 2 : entry + 12] = struct.pack("<HII", 4, 1, values[tag])
    return bytes(changed)
