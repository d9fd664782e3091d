"""Damaged files: truncated, with flipped bits or zeros, of the wrong type, or declaring what is not so."""

from __future__ import annotations

import itertools
import random
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

from .case import Case
from .files import chunks, output, patched, png, tiff


def truncated(made: dict[str, bytes]) -> Iterator[Case]:
    """Truncate files where their parts begin, and in the middle of each."""
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
    """Flip few or many bits, anywhere or near the beginning."""
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
    """Overwrite parts with zeros."""
    for name, data in made.items():
        for part in (0.1, 0.5, 0.9) if name != "a.wav" else ():
            at, size = int(len(data) * part), len(data) // 10
            broken = data[:at] + bytes(size) + data[at + size :]
            yield Case("zeroed", f"{name} from {part:.0%}", {name: broken}, [name], output(name))


def misnamed(made: dict[str, bytes], folder: Path) -> Iterator[Case]:
    """Give files the suffix of another type; or files that are empty, or almost."""
    html = b"<!doctype html><html><body><h1>404 Not Found</h1></body></html>"
    packed = folder / "a.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.mp4", made["a.mp4"])
    what = {"text": b"hello\n" * 200, "html": html, "zip": packed.read_bytes(), "nothing": b"", "a byte": b"\0"}
    for called in ("x.mp4", "x.mkv", "x.gif", "x.png", "x.jpg", "x.webp", "x.tif", "x"):
        for label, data in what.items():
            yield Case(
                "misnamed", f"{label} as {called}", {called: data}, [called], output(f"a.{called[2:]}"), "refuse"
            )
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


def lying(made: dict[str, bytes]) -> Iterator[Case]:
    """Declare wrong sizes, lengths and counts."""
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
        for label, value in (("the most", largest), ("nothing", bytes(4))):
            data = patched(mp4, marker, after, value)
            yield Case("lying", f"mp4, {marker.decode()} {after:+} is {label}", {"a.mp4": data}, ["a.mp4"])
