"""Films, pictures and sequences that are whole, but unusual."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from .case import Case
from .files import BOTH, ffmpeg, make, png


def unusual_films(made: dict[str, bytes], folder: Path) -> Iterator[Case]:
    """Films that are whole, but of rare kinds."""

    def film(name: str, *args: object, sound: bool = False, words: tuple[str, ...] = (), wants: str = "render") -> Case:
        return Case("unusual films", name, {name: make(folder, name, *args, sound=sound)}, [name, *words], wants=wants)

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
        yield Case("unusual films", name, {name: (folder / name).read_bytes()}, [name], wants="render")
    ffmpeg("-i", folder / "sound.mp3", "-i", cover, *BOTH, folder / "art.mp3")
    yield Case("unusual films", "art.mp3", {"art.mp3": (folder / "art.mp3").read_bytes()}, ["art.mp3"], wants="refuse")
    twice = made["a.ts"] + made["a.ts"]
    yield Case("unusual films", "times that begin again", {"a.ts": twice}, ["a.ts"], wants="render")
    grown = made["a.webm"] + bytes(5000)
    yield Case("unusual films", "rubbish at the end", {"a.webm": grown}, ["a.webm"], wants="render")


def unusual_pictures(made: dict[str, bytes]) -> Iterator[Case]:
    """Pictures of rare kinds, and sequences of which some frames are damaged."""
    generator = np.random.default_rng(0)
    for label, shape, kind, suffix in (
        ("grey", (48, 64), np.uint8, ".png"), ("alpha", (48, 64, 4), np.uint8, ".png"),
        ("grey, 16 bits", (48, 64), np.uint16, ".png"), ("16 bits", (48, 64, 3), np.uint16, ".tif"),
        ("alpha, 16 bits", (48, 64, 4), np.uint16, ".png"), ("floats", (48, 64, 3), np.float32, ".tif"),
        ("doubles", (48, 64), np.float64, ".tif"), ("signed", (48, 64), np.int16, ".tif"),
        ("1x1", (1, 1, 3), np.uint8, ".png"), ("1x1", (1, 1, 3), np.uint8, ".jpg"),
        ("3x4000", (4000, 3, 3), np.uint8, ".png"), ("4000x1", (1, 4000, 3), np.uint8, ".png"),
        ("alpha", (48, 64, 4), np.uint8, ".webp"), ("grey", (48, 64), np.uint8, ".jpg"),
    ):  # fmt: skip
        pixels = (generator.random(shape) * (255 if kind == np.uint8 else 30000)).astype(kind)
        if kind in (np.float32, np.float64):
            pixels.flat[:3] = np.nan, np.inf, -1
        data = cv2.imencode(suffix, pixels)[1].tobytes()
        wants = "render" if kind not in (np.float64, np.int16) else ""
        yield Case("unusual pictures", f"{label} {suffix}", {f"a{suffix}": data}, [f"a{suffix}"], "out.png", wants)
    yield Case("unusual pictures", "bmp", {"a.bmp": made["a.bmp"]}, ["a.bmp"], "out.png")
    for suffix in (".exr", ".hdr", ".ppm", ".jp2", ".pfm", ".ras", ".sr"):
        with contextlib.suppress(cv2.error):
            pixels = generator.random((48, 64, 3)).astype(
                np.float32 if suffix in (".exr", ".hdr", ".pfm") else np.uint8
            )
            done, data = cv2.imencode(suffix, pixels)
            data = data.tobytes() if done else b"nothing"
            yield Case("unusual pictures", suffix, {f"a{suffix}": data}, [f"a{suffix}"], "out.png")
    still, small = made["a.png"], cv2.imencode(".png", np.zeros((10, 10, 3), np.uint8))[1].tobytes()
    deep = cv2.imencode(".png", np.zeros((48, 64, 3), np.uint16))[1].tobytes()
    sequences = {
        "whole": ([still] * 3, "render"), "broken in the middle": ([still, still[:60], still], ""),
        "broken first": ([still[:60], still], "refuse"), "empty last": ([still, still, b""], ""),
        "of two sizes": ([still, small], ""), "of two depths": ([still, deep], ""), "of one": ([still], "render"),
        "of text": ([b"text"] * 2, "refuse"), "lying last": ([still, png(60000, 60000)], ""),
    }  # fmt: skip
    for label, (pictures, wants) in sequences.items():
        files = {f"s/{k:03d}.png": data for k, data in enumerate(pictures)}
        yield Case("sequences", f"folder {label}", files, ["s"], "out.mp4", wants)
        yield Case("sequences", f"pattern {label}", files, ["s/%03d.png"], "f/%03d.png", wants)
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
