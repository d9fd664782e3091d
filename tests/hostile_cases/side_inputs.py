"""Damaged files and odd values beside the input: masks, guides, songs, cut lists, recipes, weights, flags."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import cv2
import numpy as np

from .case import Case
from .files import png


def side_inputs(made: dict[str, bytes]) -> Iterator[Case]:
    """Damage the files that a render takes beside its input, and give odd values to its flags."""
    short = {name: data[: len(data) // 2] for name, data in made.items()}
    odd = {"empty.mp4": b"", "text.png": b"text", "lying.png": png(60000, 60000), "zeros.wav": bytes(9000)}
    films = {"a.mp4": made["a.mp4"]}
    for flag in ("--mask", "--guide"):
        for name, data in (*short.items(), *odd.items()):
            given = {f"m-{name}": data}
            yield Case("side inputs", f"{flag} {name}, cut short", {**films, **given}, ["a.mp4", flag, f"m-{name}"])
        one = {"m.png": cv2.imencode(".png", np.zeros((1, 1), np.uint16))[1].tobytes()}
        yield Case("side inputs", f"{flag} of one pixel", {**films, **one}, ["a.mp4", flag, "m.png"], wants="render")
        frames = {"m/1.png": made["a.png"], "m/2.png": made["a.png"][:80]}
        yield Case("side inputs", f"{flag} frames, one broken", {**films, **frames}, ["a.mp4", flag, "m"])
    songs = {**{n: short[n] for n in ("sound.mp4", "a.wav", "a.avi", "a.ts")}, **odd, "a.png": made["a.png"]}
    for name, data in songs.items():
        words = ["a.mp4", "--music", f"m-{name}", "--strength", "1 + bass"]
        yield Case("side inputs", f"--music {name}, cut short", {**films, f"m-{name}": data}, words)
    silent = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36, b"WAVE", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16, b"data", 0)
    yield Case(
        "side inputs",
        "--music without a sample",
        {**films, "m.wav": silent},
        ["a.mp4", "--music", "m.wav"],
        wants="refuse",
    )
    times = {
        "empty": b"", "binary": bytes(range(256)), "utf-16": "1.5\n".encode("utf-16"), "bom": b"\xef\xbb\xbf0.2\n",
        "words": b"here\nand there\n", "negative": b"-3\n", "nan": b"nan\ninf\n1\n", "huge": b"1e999999999\n",
        "long": b"9" * 100_000, "quotes": b'"0.2\n0.3\n', "many": b"0.1\n" * 200_000, "zero": b"0/0\n1/0\n",
        "columns": b"Start Time (seconds),x\n0.2,1\n\n,,,\n", "nuls": b"0.1\0\n0.2\n", "macs": b"0.1\r0.2\r",
        "points": b"1:2:3:4:5\n", "digits": "٣\n".encode(),
    }  # fmt: skip
    for label, data in times.items():
        yield Case("side inputs", f"--cuts {label}", {**films, "c.csv": data}, ["a.mp4", "--cuts", "c.csv"])
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
    for label, data in recipes.items():
        wants = "render" if label in ("empty", "bom", "dotted", "crlf") else "refuse"
        yield Case(
            "side inputs", f"--recipe {label}", {**films, "r.toml": data}, ["a.mp4", "--recipe", "r.toml"], wants=wants
        )
    for label, data in {"empty": b"", "text": b"text", "zip": b"PK\3\4" + bytes(100), "pickle": b"\x80\x02."}.items():
        for name in ("w.pth", "w.safetensors"):
            yield Case(
                "side inputs",
                f"--weights {label} {name}",
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
        yield Case("side inputs", f"{flag} {value[:20]}", films, ["a.mp4", f"{flag}={value}"])
