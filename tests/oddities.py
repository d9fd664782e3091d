"""Files that are damaged, lie, or have odd names, and the command lines that are given them (see `scripts/hostile`)."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import re
import socket
import struct
import subprocess
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np

SIZE, RATE, FRAMES = "64x48", 10, 6
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
Fill = Callable[[Path], None]


@dataclass(frozen=True)
class Case:
    """A command line and the files it is about.

    Attributes:
        kind, name: what is odd, in general and here.
        files: by name, what stands in the folder it is run in.
        words: the command line before the output and the flags that make it quick.
        output: its name in the folder `out`; empty where the words are all.
        wants: "render" or "refuse", where only one of them is right.
        fill: puts into the folder what is no plain file.
    """

    kind: str
    name: str
    files: dict[str, bytes]
    words: list[str]
    output: str = "out.mp4"
    wants: str = ""
    fill: Fill | None = None


# --- what is mutated --------------------------------------------------------------------------------------------------

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


# --- the cases --------------------------------------------------------------------------------------------------------


def output(name: str) -> str:
    """Return an output that suits an input."""
    return "out.png" if name in STILLS else "out.mp4"


def truncated(made: dict[str, bytes]) -> Iterator[Case]:
    """Cut files off where their parts begin, and in the middle of these."""
    for name, data in made.items():
        if name in ("late.mp4", "a.wav"):
            continue
        ends = sorted({*chunks(name, data), len(data)})
        places = {p for a, b in itertools.pairwise(ends) for p in (a, (a + b) // 2)} | {len(data) - 1, 4}
        if name == "sound.mp4":  # its picture's boxes are those of a.mp4
            places = set(sorted(places)[::6])
        for place in sorted(places):
            yield Case("truncated", f"{name} after {place} of {len(data)}", {name: data[:place]}, [name], output(name))


def flipped(made: dict[str, bytes]) -> Iterator[Case]:
    """Flip bits, a few or many, anywhere or in the head."""
    for name, data in made.items():
        for seed in range(6):
            chance = random.Random(f"{name} {seed}")
            broken, reach = bytearray(data), len(data) if seed % 2 else min(len(data), 600)
            for _ in range((1, 4, 16)[seed // 2]):
                broken[chance.randrange(reach)] ^= 1 << chance.randrange(8)
            words = ["a.png", "--seconds", "0.3", "--music", name] if name == "a.wav" else [name]
            files = {name: bytes(broken), "a.png": made["a.png"]} if name == "a.wav" else {name: bytes(broken)}
            yield Case("bits flipped", f"{name}, seed {seed}", files, words, output(name))


def zeroed(made: dict[str, bytes]) -> Iterator[Case]:
    """Overwrite stretches with nothing."""
    for name, data in made.items():
        for part in (0.1, 0.5, 0.9) if name != "a.wav" else ():
            at, size = int(len(data) * part), len(data) // 10
            broken = data[:at] + bytes(size) + data[at + size :]
            yield Case("zeroed", f"{name} from {part:.0%}", {name: broken}, [name], output(name))


def misnamed(made: dict[str, bytes], folder: Path) -> Iterator[Case]:
    """Call one thing another; or give nothing, or next to it."""
    html = b"<!doctype html><html><body><h1>404 Not Found</h1></body></html>"
    packed = folder / "a.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.mp4", made["a.mp4"])
    what = {"text": b"hello\n" * 200, "html": html, "zip": packed.read_bytes(), "nothing": b"", "a byte": b"\0"}
    for called in ("x.mp4", "x.mkv", "x.gif", "x.png", "x.jpg", "x.webp", "x.tif", "x"):
        for told, data in what.items():
            yield Case("misnamed", f"{told} as {called}", {called: data}, [called], output(f"a.{called[2:]}"), "refuse")
    chance = random.Random(1).randbytes(5000)
    for called in ("x.mp4", "x.png", "x.avi"):
        yield Case("misnamed", f"noise as {called}", {called: chance}, [called], output(f"a.{called[2:]}"), "refuse")
    for really, called in (
        ("a.png", "x.mp4"), ("a.mp4", "x.png"), ("a.jpg", "x.png"), ("a.png", "x.jpg"), ("a.gif", "x.png"),
        ("a.gif", "x.mp4"), ("a.mkv", "x.mp4"), ("a.mp4", "x.gif"), ("a.mp4", "x.webp"), ("a.webp", "x.mp4"),
        ("moving.webp", "x.gif"), ("a.wav", "x.mp4"), ("a.wav", "x.png"), ("a.mp4", "x"), ("a.png", "x"),
        ("a.tif", "x.jpg"), ("a.mp4", "x.txt"), ("a.mp4", "x.MP4"), ("a.png", "x.PNG"),
    ):  # fmt: skip
        for out in {output(f"a.{called[2:].lower()}"), "out.mp4"}:
            yield Case("misnamed", f"{really} as {called} to {out}", {called: made[really]}, [called], out)


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


def lying(made: dict[str, bytes]) -> Iterator[Case]:
    """Declare sizes, lengths and counts that are not so."""
    for width, height in ((60000, 60000), (60000, 1), (20000, 20000), (16000, 16000), (2**31 - 1, 2**31 - 1), (0, 0)):
        yield Case("lying", f"png of {width}x{height}", {"a.png": png(width, height)}, ["a.png"], "out.png", "refuse")
    yield Case("lying", "png, 16 bits", {"a.png": png(60000, 60000, 16, 6)}, ["a.png"], "out.png", "refuse")
    largest, mp4, word = b"\xff\xff\xff\xff", made["a.mp4"], struct.pack(">HH", 60000, 60000)
    sizes = {
        "a.gif": patched(made["a.gif"], b"GIF89a", 6, b"\xff\xff\xff\xff"),
        "moving.webp": patched(made["moving.webp"], b"VP8X", 12, b"\xff\x3f\0\xff\x3f\0"),
        "a.webp": patched(made["a.webp"], b"\x9d\x01\x2a", 3, b"\xff\x3f\xff\x3f"),
        "a.bmp": patched(made["a.bmp"], b"BM", 18, struct.pack("<ii", 60000, 60000)),
        "a.jpg": patched(made["a.jpg"], b"\xff\xc0", 5, word),
        "a.mov": patched(made["a.mov"], b"icpf", 12, word),
        "a.avi": patched(made["a.avi"], b"strf", 12, struct.pack("<ii", 60000, 60000)),
        "a.tif": tiff(made["a.tif"], {256: 60000, 257: 60000}),
    }
    for name, data in sizes.items():
        yield Case("lying", f"{name}, its size", {name: data}, [name], output(name))
    yield Case("lying", "tif, its rows a strip", {"a.tif": tiff(made["a.tif"], {278: 2**31 - 1})}, ["a.tif"], "out.png")
    for marker, after in (
        (b"tkhd", 80), (b"tkhd", 84), (b"avc1", 28), (b"mvhd", 16), (b"mvhd", 20), (b"mdhd", 16), (b"mdhd", 20),
        (b"stsz", 12), (b"stsz", 8), (b"stts", 8), (b"stts", 12), (b"stsc", 8), (b"stco", 8), (b"stco", 12),
        (b"ctts", 8), (b"elst", 8), (b"elst", 12), (b"elst", 16), (b"mdat", -4), (b"moov", -4), (b"trak", -4),
        (b"avcC", -4), (b"stsd", 8), (b"hdlr", 12),
    ):  # fmt: skip
        if marker not in mp4:
            continue
        for told, value in (("the most", largest), ("nothing", bytes(4))):
            data = patched(mp4, marker, after, value)
            yield Case("lying", f"mp4, {marker.decode()} {after:+} is {told}", {"a.mp4": data}, ["a.mp4"])


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


def odd_films(made: dict[str, bytes], folder: Path) -> Iterator[Case]:
    """Films that are whole, and rare."""

    def film(name: str, *args: object, sound: bool = False, words: tuple[str, ...] = (), wants: str = "render") -> Case:
        return Case("odd films", name, {name: make(folder, name, *args, sound=sound)}, [name, *words], wants=wants)

    x264 = ["-c:v", "libx264"]
    for name, args in {
        "grey.mkv": ["-c:v", "ffv1", "-pix_fmt", "gray"],
        "grey16.mkv": ["-c:v", "ffv1", "-pix_fmt", "gray16le"],
        "alpha.mov": ["-c:v", "prores_ks", "-pix_fmt", "yuva444p10le"],
        "alpha.webm": ["-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p"],
        "qtrle.mov": ["-c:v", "qtrle", "-pix_fmt", "argb"],
        "ten.mp4": ["-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params", "log-level=none"],
        "palette.avi": ["-c:v", "rawvideo", "-pix_fmt", "pal8"],
        "mono.mkv": ["-c:v", "ffv1", "-pix_fmt", "gray10le"],
        "bayer.nut": ["-c:v", "rawvideo", "-pix_fmt", "rgb555le"],
        "one.mp4": ["-frames:v", "1"],
        "tiny.mkv": ["-c:v", "ffv1", "-vf", "scale=1:1"],
        "thin.mkv": ["-c:v", "ffv1", "-vf", "scale=3:2000"],
        "wide.mkv": ["-c:v", "ffv1", "-vf", "scale=2000:3"],
        "odd.mp4": [*x264, "-vf", "scale=63:47", "-pix_fmt", "yuv444p"],
        "anamorphic.mp4": [*x264, "-vf", "setsar=64/45"],
        "varying.mkv": [*x264, "-vf", "select='not(mod(n,3))+eq(n,1)'", "-fps_mode", "vfr", "-frames:v", "3"],
        "early.mkv": [*x264, "-vf", "setpts=PTS-0.3/TB", "-fps_mode", "passthrough", "-avoid_negative_ts", "disabled"],
        "fast.mkv": [*x264, "-vf", "setpts=PTS/500", "-r", "5000"],
        "slow.mkv": [*x264, "-vf", "setpts=PTS*50", "-r", "0.2"],
        "fragments.mp4": [*x264, "-movflags", "frag_keyframe+empty_moov"],
        "live.webm": ["-c:v", "libvpx-vp9", "-live", "1"],
        "raw.h264": [*x264],
        "raw.m2v": ["-c:v", "mpeg2video", "-r", "25"],
        "motion.mjpeg": ["-c:v", "mjpeg"],
        "raw.y4m": ["-pix_fmt", "yuv420p"],
        "interlaced.mkv": [*x264, "-flags", "+ildct+ilme"],
        "a.flv": ["-c:v", "flv"],
        "a.wmv": ["-c:v", "wmv2"],
        "a.apng": ["-f", "apng", "-plays", "0"],
        "a.avif": ["-c:v", "libaom-av1", "-cpu-used", "8"],
    }.items():
        with contextlib.suppress(subprocess.CalledProcessError):  # an encoder that this ffmpeg has not
            yield film(name, *args)
    yield film("eight.mp4", *x264, "-c:a", "aac", "-ac", "8", sound=True)
    yield film("many.mkv", *x264, "-c:a", "pcm_f64le", "-ac", "8", sound=True)
    yield film("none.mkv", "-vn", "-c:a", "aac", sound=True, wants="refuse")
    yield film("sound.mp3", "-vn", sound=True, wants="refuse")
    yield film("start.mp4", *x264, words=("--start", "99"), wants="refuse")
    mp4, cover = folder / "a.mp4", folder / "a.png"
    (folder / "a.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nhello\n")
    joined = {
        "turned.mp4": ["-display_rotation", "90", "-i", mp4, "-c", "copy"],
        "askew.mp4": ["-display_rotation", "33", "-i", mp4, "-c", "copy"],
        "mirrored.mp4": ["-display_hflip", "-i", mp4, "-c", "copy"],
        "cover.mp4": ["-i", mp4, "-i", cover, *BOTH, "-disposition:v:1", "attached_pic"],
        "first.mp4": ["-i", cover, "-i", mp4, *BOTH, "-disposition:v:0", "attached_pic"],
        "two.mkv": ["-i", mp4, "-i", mp4, *BOTH],
        "words.mkv": ["-i", mp4, "-i", folder / "a.srt", *BOTH],
        "data.mkv": ["-i", mp4, "-c", "copy", "-attach", cover, "-metadata:s:t", "mimetype=image/png"],
        "late.mkv": ["-itsoffset", "5", "-i", mp4, "-c", "copy"],
        "minus.mkv": ["-itsoffset", "-5", "-i", mp4, "-c", "copy", "-avoid_negative_ts", "disabled"],
    }  # fmt: skip
    for name, args in joined.items():
        ffmpeg(*args, folder / name)
        yield Case("odd films", name, {name: (folder / name).read_bytes()}, [name], wants="render")
    ffmpeg("-i", folder / "sound.mp3", "-i", cover, *BOTH, folder / "art.mp3")
    yield Case("odd films", "art.mp3", {"art.mp3": (folder / "art.mp3").read_bytes()}, ["art.mp3"], wants="refuse")
    twice = made["a.ts"] + made["a.ts"]
    yield Case("odd films", "times that begin again", {"a.ts": twice}, ["a.ts"], wants="render")
    grown = made["a.webm"] + bytes(5000)
    yield Case("odd films", "rubbish at the end", {"a.webm": grown}, ["a.webm"], wants="render")


def odd_pictures(made: dict[str, bytes]) -> Iterator[Case]:
    """Pictures that are whole, and rare; and sequences of them."""
    chance = np.random.default_rng(0)
    for told, shape, kind, suffix in (
        ("grey", (48, 64), np.uint8, ".png"), ("alpha", (48, 64, 4), np.uint8, ".png"),
        ("grey, 16 bits", (48, 64), np.uint16, ".png"), ("16 bits", (48, 64, 3), np.uint16, ".tif"),
        ("alpha, 16 bits", (48, 64, 4), np.uint16, ".png"), ("floats", (48, 64, 3), np.float32, ".tif"),
        ("doubles", (48, 64), np.float64, ".tif"), ("signed", (48, 64), np.int16, ".tif"),
        ("1x1", (1, 1, 3), np.uint8, ".png"), ("1x1", (1, 1, 3), np.uint8, ".jpg"),
        ("3x4000", (4000, 3, 3), np.uint8, ".png"), ("4000x1", (1, 4000, 3), np.uint8, ".png"),
        ("alpha", (48, 64, 4), np.uint8, ".webp"), ("grey", (48, 64), np.uint8, ".jpg"),
    ):  # fmt: skip
        pixels = (chance.random(shape) * (255 if kind == np.uint8 else 30000)).astype(kind)
        if kind in (np.float32, np.float64):
            pixels.flat[:3] = np.nan, np.inf, -1
        data = cv2.imencode(suffix, pixels)[1].tobytes()
        wants = "render" if kind not in (np.float64, np.int16) else ""
        yield Case("odd pictures", f"{told} {suffix}", {f"a{suffix}": data}, [f"a{suffix}"], "out.png", wants)
    yield Case("odd pictures", "bmp", {"a.bmp": made["a.bmp"]}, ["a.bmp"], "out.png")
    for suffix in (".exr", ".hdr", ".ppm", ".jp2", ".pfm", ".ras", ".sr"):
        with contextlib.suppress(cv2.error):
            pixels = chance.random((48, 64, 3)).astype(np.float32 if suffix in (".exr", ".hdr", ".pfm") else np.uint8)
            done, data = cv2.imencode(suffix, pixels)
            data = data.tobytes() if done else b"nothing"
            yield Case("odd pictures", suffix, {f"a{suffix}": data}, [f"a{suffix}"], "out.png")
    still, small = made["a.png"], cv2.imencode(".png", np.zeros((10, 10, 3), np.uint8))[1].tobytes()
    deep = cv2.imencode(".png", np.zeros((48, 64, 3), np.uint16))[1].tobytes()
    sequences = {
        "whole": ([still] * 3, "render"), "broken in the middle": ([still, still[:60], still], ""),
        "broken first": ([still[:60], still], "refuse"), "empty last": ([still, still, b""], ""),
        "of two sizes": ([still, small], ""), "of two depths": ([still, deep], ""), "of one": ([still], "render"),
        "of text": ([b"text"] * 2, "refuse"), "lying last": ([still, png(60000, 60000)], ""),
    }  # fmt: skip
    for told, (pictures, wants) in sequences.items():
        files = {f"s/{k:03d}.png": data for k, data in enumerate(pictures)}
        yield Case("sequences", f"folder {told}", files, ["s"], "out.mp4", wants)
        yield Case("sequences", f"pattern {told}", files, ["s/%03d.png"], "f/%03d.png", wants)
    files = {f"s/{name}": still for name in (f"1{'0' * 400}.png", "٣.png", "²³.png", "x.png", "1.png")}
    files = {name: data for name, data in files.items() if len(name) < 255}
    yield Case("sequences", "numbers of all kinds", files, ["s"], "out.mp4", "render")
    yield Case("sequences", "numbers of all kinds, as frames", files, ["s"], "f/", "render")
    yield Case("sequences", "a number of 200 digits", {f"s/{'9' * 200}.png": still}, ["s"], "f/", "")
    yield Case(
        "sequences", "among others", {"s/1.png": still, "s/.2.png": b"", "s/note.txt": b""}, ["s"], wants="render"
    )
    yield Case("sequences", "none", {"s/note.txt": b""}, ["s"], wants="refuse")
    yield Case("sequences", "glob of nothing", {}, ["s/*.png"], wants="refuse")
    yield Case("sequences", "glob of films", {"s/a.mp4": made["a.mp4"]}, ["s/*.mp4"], wants="refuse")


NAMES = {
    "a b": "render", "'a'": "render", '"a"': "render", "a\nb": "render", "a\tb": "render", "a%d": "render",
    "100%": "render", "%s%n": "render", "a*b": "render", "a?b": "render", "[a]": "render", "[1-3]": "render",
    "a{1,2}": "render", "é": "render", "e\u0301": "render", "夢": "render", "🦊": "render", "a:b": "render",
    "http:": "render", "c:\\a": "render", "file:a": "render", "pipe:1": "render", "concat:a|b": "render",
    "data:,a": "render", "a;b": "render", "$HOME": "render", "`a`": "render", "a&b": "render", "#a": "render",
    "~": "render", "a=b": "render", "a,b": "render", "a..b": "render", ".hidden": "render", "x" * 200: "render",
    "x" * 300: "refuse", "夢" * 80: "render", "\u202ea": "render", "a\\": "render", "noise:": "render",
    "-a": "", "--size": "", "\udcff": "", "show": "render", "a ": "render", " a": "render",
}  # fmt: skip


def names(made: dict[str, bytes]) -> Iterator[Case]:
    """Give inputs and outputs names that mean something to somebody."""
    for name, wants in NAMES.items():
        for suffix, out in ((".mp4", "out.mp4"), (".png", "out.png"), (".gif", "out.gif")):
            if suffix != ".mp4" and not set(name) & set("%*?[{:\n\udcff"):
                continue
            called = f"{name}{suffix}"
            there = {} if len(os.fsencode(called)) > 255 else {called: made[f"a{suffix}"]}
            yield Case("names in", repr(called)[:60], there, [called], out, wants)
        yield Case("names out", repr(name)[:60], {"a.mp4": made["a.mp4"]}, ["a.mp4"], f"{name}.mp4", wants)
        if set(name) & set("%*?[{:\n\udcff"):
            yield Case("names out", f"{name!r} still", {"a.png": made["a.png"]}, ["a.png"], f"{name}.png")
    for folder in ("g%d [b]", "a*", "[1]", "{a}", "a:b", "-f", "夢 🦊", "a\nb"):
        files = {f"{folder}/{k}.png": made["a.png"] for k in (1, 2)}
        plain = f"./{folder}"  # or a dash is a flag
        wants = "render"
        yield Case("names in", f"folder {folder!r}", files, [plain], "out.mp4", wants)
        yield Case("names in", f"folder {folder!r}/", files, [f"{plain}/"], "out.mp4", wants)
        yield Case("names in", f"pattern in {folder!r}", files, [f"{plain}/%d.png"], "out.mp4", wants)
        yield Case("names in", f"still in {folder!r}", files, [f"{plain}/1.png"], "out.png", wants)
        yield Case("names in", f"glob in {folder!r}", files, [f"{plain}/*.png"], "out.mp4")


def lists(made: dict[str, bytes], port: int) -> Iterator[Case]:
    """Lists that name other files, here or elsewhere: nothing but the file given is ever opened."""
    there = f"http://127.0.0.1:{port}/a.ts"
    for told, other in (("here", "a.ts"), ("elsewhere", there), ("the system's", "/etc/passwd")):
        path = other if "://" in other else f"file:{other}"
        scripts = {
            "a.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.6,\n{other}\n#EXT-X-ENDLIST\n",
            "master.m3u8": f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{other}\n",
            "key.m3u8": f'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{other}"\n#EXTINF:1,\na.ts\n',
            "a.ffconcat": f"ffconcat version 1.0\nfile '{other}'\n",
            "a.txt": f"file '{other}'\n",
            "a.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=a\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
            "a=rtpmap:96 H264/90000\n",
            "a.mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
            'mediaPresentationDuration="PT1S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period>'
            f'<AdaptationSet><Representation id="0" mimeType="video/mp4" bandwidth="1"><BaseURL>{other}</BaseURL>'
            '<SegmentList duration="1"><SegmentURL media=""/></SegmentList></Representation></AdaptationSet>'
            "</Period></MPD>",
            "a.pls": f"[playlist]\nFile1={other}\nNumberOfEntries=1\n",
            "a.asx": f'<asx version="3.0"><entry><ref href="{other}"/></entry></asx>',
            "a.svg": f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{path}"/></svg>',
        }
        for name, text in scripts.items():
            files = {name: text.encode(), "a.ts": made["a.ts"]}
            yield Case("lists", f"{name} of what is {told}", files, [name], wants="refuse")
        disguised = {"a.mp4": scripts["a.m3u8"].encode(), "a.ts": made["a.ts"], "a.png": made["a.png"]}
        yield Case("lists", f"m3u8 as mp4 of what is {told}", disguised, ["a.mp4"], wants="refuse")
        for flag in ("--mask", "--guide", "--music"):
            words = ["a.png", "--seconds", "0.3", flag, "a.mp4"]
            yield Case("lists", f"m3u8 as {flag} of what is {told}", disguised, words, wants="refuse")
    for address in (
        there,
        f"tcp://127.0.0.1:{port}",
        "concat:a.ts|a.ts",
        "file:a.ts",
        "pipe:0",
        "-",
        "",
        "subfile:a.ts",
    ):
        yield Case("lists", f"the input {address!r}", {"a.ts": made["a.ts"]}, [address])
        words = ["a.png", "--seconds", "0.3", "--music", address]
        yield Case("lists", f"the song {address!r}", {"a.png": made["a.png"]}, words)


def no_files(made: dict[str, bytes]) -> Iterator[Case]:
    """Give what is there and is no file, or cannot be read."""

    def pipe(name: str) -> Fill:
        return lambda folder: os.mkfifo(folder / name)

    def listening(folder: Path) -> None:
        with socket.socket(socket.AF_UNIX) as taken:
            taken.bind(os.path.relpath(folder / "a.mp4"))

    def secret(folder: Path) -> None:
        (folder / "a.mp4").chmod(0)

    def linked(to: str) -> Fill:
        return lambda folder: (folder / "a.mp4").symlink_to(to)

    still = {"a.png": made["a.png"]}
    for suffix, out in ((".mp4", "out.mp4"), (".png", "out.png"), (".webp", "out.png")):
        yield Case("no files", f"a pipe called a{suffix}", {}, [f"a{suffix}"], out, "refuse", pipe(f"a{suffix}"))
        yield Case("no files", f"a folder called a{suffix}", {f"a{suffix}/x": b""}, [f"a{suffix}"], out, "refuse")
    for flag in ("--mask", "--guide", "--music", "--cuts", "--recipe", "--weights"):
        for what, fill in (("a pipe", pipe("a.mp4")), ("/dev/zero", linked("/dev/zero")), ("a socket", listening)):
            if what == "a pipe" and flag in ("--cuts", "--recipe"):  # a shell's <(…) is one
                continue
            words = ["a.png", "--seconds", "0.3", flag, "a.mp4"]
            yield Case("no files", f"{what} as {flag}", still, words, wants="refuse", fill=fill)
        yield Case("no files", f"a folder as {flag}", {**still, "d/x": b""}, ["a.png", flag, "d"], "out.png", "refuse")
        yield Case("no files", f"nothing as {flag}", still, ["a.png", flag, "gone"], "out.png", "refuse")
    for device in ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/tty", "/dev/stdin"):
        yield Case("no files", device, {}, [device], wants="refuse")
        yield Case("no files", f"a.mp4 to {device}", {}, ["a.mp4"], wants="refuse", fill=linked(device))
    yield Case("no files", "a socket", {}, ["a.mp4"], wants="refuse", fill=listening)
    yield Case("no files", "a link to nowhere", {}, ["a.mp4"], wants="refuse", fill=linked("gone"))
    yield Case("no files", "a link to itself", {}, ["a.mp4"], wants="refuse", fill=linked("a.mp4"))
    yield Case("no files", "nothing", {}, ["gone.mp4"], wants="refuse")
    yield Case("no files", "/proc/self/mem", {}, ["/proc/self/mem"], wants="refuse")
    yield Case("no files", "not to be read", {"a.mp4": made["a.mp4"]}, ["a.mp4"], fill=secret)
    for word in (".", "..", "/"):
        yield Case("no files", f"the folder {word}", {}, [word], wants="refuse")
    yield Case("no files", "a path through a file", {"a.mp4": made["a.mp4"]}, ["a.mp4/b.mp4"], wants="refuse")
    yield Case("no files", "a path beyond all lengths", {}, ["a/" * 3000 + "a.mp4"], wants="refuse")


def beside(made: dict[str, bytes]) -> Iterator[Case]:
    """Break what a render takes beside its input."""
    short = {name: data[: len(data) // 2] for name, data in made.items()}
    odd = {"empty.mp4": b"", "text.png": b"text", "lying.png": png(60000, 60000), "zeros.wav": bytes(9000)}
    films = {"a.mp4": made["a.mp4"]}
    for flag in ("--mask", "--guide"):
        for name, data in (*short.items(), *odd.items()):
            given = {f"m-{name}": data}
            yield Case("beside", f"{flag} {name}, cut short", {**films, **given}, ["a.mp4", flag, f"m-{name}"])
        one = {"m.png": cv2.imencode(".png", np.zeros((1, 1), np.uint16))[1].tobytes()}
        yield Case("beside", f"{flag} of one pixel", {**films, **one}, ["a.mp4", flag, "m.png"], wants="render")
        frames = {"m/1.png": made["a.png"], "m/2.png": made["a.png"][:80]}
        yield Case("beside", f"{flag} frames, one broken", {**films, **frames}, ["a.mp4", flag, "m"])
    songs = {**{n: short[n] for n in ("sound.mp4", "a.wav", "a.avi", "a.ts")}, **odd, "a.png": made["a.png"]}
    for name, data in songs.items():
        words = ["a.mp4", "--music", f"m-{name}", "--strength", "1 + bass"]
        yield Case("beside", f"--music {name}, cut short", {**films, f"m-{name}": data}, words)
    silent = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36, b"WAVE", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16, b"data", 0)
    yield Case(
        "beside", "--music without a sample", {**films, "m.wav": silent}, ["a.mp4", "--music", "m.wav"], wants="refuse"
    )
    times = {
        "empty": b"", "binary": bytes(range(256)), "utf-16": "1.5\n".encode("utf-16"), "bom": b"\xef\xbb\xbf0.2\n",
        "words": b"here\nand there\n", "negative": b"-3\n", "nan": b"nan\ninf\n1\n", "huge": b"1e999999999\n",
        "long": b"9" * 100_000, "quotes": b'"0.2\n0.3\n', "many": b"0.1\n" * 200_000, "zero": b"0/0\n1/0\n",
        "columns": b"Start Time (seconds),x\n0.2,1\n\n,,,\n", "nuls": b"0.1\0\n0.2\n", "macs": b"0.1\r0.2\r",
        "points": b"1:2:3:4:5\n", "digits": "٣\n".encode(),
    }  # fmt: skip
    for told, data in times.items():
        yield Case("beside", f"--cuts {told}", {**films, "c.csv": data}, ["a.mp4", "--cuts", "c.csv"])
    recipes = {
        "empty": b"", "bom": b"\xef\xbb\xbf[dream]\nstep = 0.02\n", "utf-16": "[dream]\n".encode("utf-16"),
        "binary": bytes(range(256)), "deep": b"a = " + b"[" * 5000, "nan": b"[finish]\nstrength = nan\n",
        "inf": b"[dream]\nstep = inf\n", "huge": b"[dream]\niterations = " + b"9" * 5000, "list": b"[[dream]]\n",
        "type": b"[dream]\nstep = 2020-01-01\n", "dotted": b"dream.step = 0.02\n",
        "crlf": b"[dream]\r\nstep = 0.02\r\n",
        "nested": b"[dream.step.x]\ny = 1\n", "curve": b"[curves]\na = 'a + 1'\n[finish]\nstrength = 'a'\n",
        "code": b"[finish]\nstrength = \"__import__('os').system('x')\"\n",
        "power": b"[finish]\nstrength = '9**9**9**9'\n",
        "parentheses": b"[finish]\nstrength = '" + b"(" * 5000 + b"1" + b")" * 5000 + b"'\n",
    }  # fmt: skip
    for told, data in recipes.items():
        wants = "render" if told in ("empty", "bom", "dotted", "crlf") else "refuse"
        yield Case(
            "beside", f"--recipe {told}", {**films, "r.toml": data}, ["a.mp4", "--recipe", "r.toml"], wants=wants
        )
    for told, data in {"empty": b"", "text": b"text", "zip": b"PK\3\4" + bytes(100), "pickle": b"\x80\x02."}.items():
        for name in ("w.pth", "w.safetensors"):
            yield Case(
                "beside",
                f"--weights {told} {name}",
                {**films, name: data},
                ["a.mp4", "--weights", name],
                wants="refuse",
            )
    for flag, value in (
        ("--size", "720P"), ("--size", "0x0"), ("--size", "99999x99999"), ("--size", "-1x5"), ("--size", "1e9p"),
        ("--size", f"{'9' * 5000}p"), ("--size", "0.000001%"), ("--size", "٣p"), ("--strength", "nan"),
        ("--start", "nan"),
        ("--start", "1e400"), ("--end", "-1"), ("--end", ":"), ("--start", "9" * 5000),
        ("--fps", "1e-9"), ("--fps", "0/0"),
        ("--seconds", "inf"), ("--memory", "1e9GB"), ("--memory", "1KB"), ("--layers", "=" * 99), ("--preset", "../x"),
        ("--pix-fmt", "x;y"), ("--codec", "-y"), ("--crf", "63"), ("--step", "1e-300"), ("--strength", "1/0"),
    ):  # fmt: skip
        yield Case("beside", f"{flag} {value[:20]}", films, ["a.mp4", f"{flag}={value}"])


def shown(made: dict[str, bytes]) -> Iterator[Case]:
    """Look for a recipe in files that are broken, or measure them."""
    from dreamvideo import Recipe
    from dreamvideo.media.metadata import with_comment

    text = Recipe().to_toml()
    for name in ("a.png", "a.jpg", "a.gif", "a.tif", "a.webp", "moving.webp"):
        whole = with_comment(made[name], text)
        at = max(whole.find(b"[network]"), 20)
        for told, data in {
            "whole": whole, "cut inside": whole[: at + 50], "cut before": whole[: at - 2], "untagged": made[name],
            "cut at its end": whole[:-1], "noise": whole[:at] + random.Random(name).randbytes(400) + whole[at + 400 :],
        }.items():  # fmt: skip
            yield Case("shown", f"{name} {told}", {name: data}, ["show", name], "")
    for name in ("a.mp4", "a.wav", "a.mkv"):
        yield Case("shown", name, {name: made[name]}, ["show", name], "", "refuse")
        yield Case("shown", f"{name} cut", {name: made[name][:300]}, ["show", name], "", "refuse")
    listed = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.ts\n"
    yield Case("shown", "a list", {"a.m3u8": listed, "a.ts": made["a.ts"]}, ["show", "a.m3u8"], "", "refuse")
    pair = {"a.mp4": made["a.mp4"], "b.mp4": made["a.mp4"][: len(made["a.mp4"]) * 2 // 3], "c.mp4": b""}
    yield Case("shown", "measured against its half", pair, ["measure", "a.mp4", "b.mp4", "--alone", "0"], "")
    yield Case("shown", "measured against nothing", pair, ["measure", "a.mp4", "c.mp4"], "", "refuse")


def cases(folder: Path, port: int) -> Iterator[Case]:
    """Yield every case."""
    made = clips(folder)
    for kind in (truncated, flipped, zeroed, lying, names, no_files, beside, shown, odd_pictures):
        yield from kind(made)
    yield from misnamed(made, folder)
    yield from odd_films(made, folder)
    yield from lists(made, port)
