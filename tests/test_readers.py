"""Readers: films, frame sequences and stills give all their frames, with the right rate, size and colours."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from conftest import ffmpeg
from media_files import MakeClip, copy, numbered, read

from dreamvideo import Frame, RecipeError, SourceError
from dreamvideo.media.paths import sequence_files
from dreamvideo.media.pixels import luma_8bit
from dreamvideo.video import flow

RGB = {"red": (200, 30, 40), "green": (40, 160, 60), "blue": (30, 60, 190), "grey": (128, 128, 128)}
FILMS = {
    "a.mp4": (),
    "a.mov": ("-c:v", "prores_ks", "-pix_fmt", "yuv422p10le"),
    "a.mkv": ("-c:v", "ffv1"),
    "a.webm": ("-c:v", "libvpx-vp9"),
    "a.avi": ("-c:v", "mpeg4"),
    "a.gif": (),
    "a.webp": ("-c:v", "libwebp_anim", "-lossless", "1"),
    "a.mpg": ("-c:v", "mpeg2video", "-r", "25"),
    "a.h264": ("-c:v", "libx264"),
    "b-frames.mp4": ("-c:v", "libx264", "-bf", "3"),
}


@pytest.mark.parametrize("name", FILMS)
def test_every_film_gives_its_frames(name: str, clip: MakeClip) -> None:
    rate = "25" if name.endswith((".mpg", ".h264")) else "10"
    info, frames = read(clip(name, rate=rate, tail=FILMS[name]))
    assert (info.kind, info.width, info.height, info.rate, info.count) == ("film", 64, 48, int(rate), 10)
    assert [f.index for f in frames] == list(range(10))
    assert [f.time for f in frames] == [Fraction(k, int(rate)) for k in range(10)]
    assert all(f.pixels.shape == (48, 64, 3) for f in frames)
    assert np.abs(frames[0].pixels.astype(int) - frames[-1].pixels.astype(int)).mean() > 1  # they differ


@pytest.mark.parametrize(("name", "depth"), [("a.mp4", 8), ("a.mov", 16), ("a.mkv", 16)])
def test_deep_films_are_read_at_sixteen_bits(name: str, depth: int, clip: MakeClip) -> None:
    tail = {"a.mkv": ("-c:v", "ffv1", "-pix_fmt", "yuv420p10le")}.get(name, FILMS[name])
    info, frames = read(clip(name, tail=tail))
    assert info.depth == depth
    assert frames[0].pixels.dtype == (np.uint8 if depth == 8 else np.uint16)


@pytest.mark.parametrize("rate", ["30000/1001", "24000/1001", "24", "60", "12.5"])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_rates_are_exact(rate: str, name: str, clip: MakeClip) -> None:
    frames = 60
    info, got = read(clip(name, rate=str(Fraction(rate)), frames=frames))
    assert info.rate == Fraction(rate)
    assert len(got) == info.count == frames


def test_a_rotated_film_is_read_upright(clip: MakeClip, tmp_path: Path) -> None:
    ffmpeg("-display_rotation", "90", "-i", clip("a.mp4"), "-c", "copy", tmp_path / "turned.mp4")
    info, frames = read(tmp_path / "turned.mp4")
    upright = read(tmp_path / "a.mp4")[1][0].pixels
    assert (info.width, info.height) == (48, 64)
    assert np.abs(frames[0].pixels.astype(int) - np.rot90(upright).astype(int)).mean() < 2


def test_a_variable_rate_becomes_constant_without_drift(tmp_path: Path) -> None:
    # 25 fps for a second, then every third frame only, for two
    pick = "select='lt(n,25)+not(mod(n,3))'"
    source = ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=25", "-f", "lavfi", "-i", "sine=d=3", "-t", "3"]
    ffmpeg(*source, "-vf", pick, "-fps_mode", "vfr", "-c:a", "aac", tmp_path / "v.mp4")
    info, frames = read(tmp_path / "v.mp4")
    assert any("varies" in notice for notice in info.notices)
    assert len(frames) == info.count
    assert abs(info.count / info.rate - 3) <= 3 / info.rate
    assert copy(tmp_path / "v.mp4", tmp_path / "c.mp4")
    with av.open(str(tmp_path / "c.mp4")) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert abs(video.duration * video.time_base - audio.duration * audio.time_base) < 3 / info.rate


def distinct(frames: list[Frame]) -> int:
    return 1 + sum(not np.array_equal(a.pixels, b.pixels) for a, b in itertools.pairwise(frames))


@pytest.mark.parametrize("name", ["v.mkv", "v.gif", "v.webp"])
def test_a_varying_rate_keeps_every_picture(name: str, tmp_path: Path) -> None:
    fast_then_slow = "select='lt(n,10)+not(mod(n-10,5))'"  # ten frames at 25 fps, then five a second
    source = ["-f", "lavfi", "-i", "testsrc2=s=160x120:r=25", "-t", "2"]
    ffmpeg(*source, "-vf", fast_then_slow, "-fps_mode", "vfr", tmp_path / name)
    info, frames = read(tmp_path / name)
    assert distinct(frames) == 18
    assert info.rate == 25
    assert info.count / info.rate == pytest.approx(2, abs=0.2)
    assert any("varies" in notice for notice in info.notices)


def test_a_varying_rate_with_reordered_frames_gives_every_frame(tmp_path: Path) -> None:
    source = ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=10", "-t", "6"]
    gap = "select='lt(t,1)+gte(t,4)'"  # a frame is held for three seconds
    ffmpeg(*source, "-vf", gap, "-fps_mode", "vfr", "-bf", "3", tmp_path / "v.mp4")
    info, frames = read(tmp_path / "v.mp4")
    assert len(frames) == info.count
    assert float(info.count / info.rate) == pytest.approx(6, abs=0.2)
    late, part = read(tmp_path / "v.mp4", start=Fraction(2))
    assert len(part) == late.count
    assert float(late.count / late.rate) == pytest.approx(4, abs=0.2)
    held = [k for k, frame in enumerate(part) if np.array_equal(frame.pixels, part[0].pixels)]
    assert len(held) / late.rate == pytest.approx(2, abs=0.2)  # until the next picture, four seconds in


def test_a_trimmed_film_is_not_called_truncated(clip: MakeClip, tmp_path: Path) -> None:
    path = clip("a.mp4", rate="25", frames=100)
    ffmpeg("-ss", 1.5, "-i", path, "-c", "copy", tmp_path / "trimmed.mp4")  # an edit list hides what lies before
    info, frames = read(tmp_path / "trimmed.mp4")
    assert not info.notices
    assert len(frames) == info.count


def test_hidden_frames_of_vp8_are_not_counted(clip: MakeClip, tmp_path: Path) -> None:
    tail = ("-c:v", "libvpx", "-auto-alt-ref", "1", "-lag-in-frames", "16", "-b:v", "200k")
    info, frames = read(clip("a.webm", rate="25", frames=50, tail=tail))
    assert (info.rate, info.count, len(frames)) == (25, 50, 50)


@pytest.mark.parametrize("size", ["2x2", "8x8", "64x2"])
def test_flow_is_estimated_on_tiny_films(size: str, clip: MakeClip) -> None:
    w, h = size.split("x")
    tail = ("-vf", f"scale={w}:{h}", "-c:v", "ffv1", "-pix_fmt", "bgr0")
    frames = read(clip("a.mkv", frames=2, tail=tail))[1]
    motion = flow.estimate_motion(luma_8bit(frames[1].pixels), luma_8bit(frames[0].pixels))
    assert motion.flow.shape == (2, int(h), int(w))


@pytest.mark.parametrize(
    ("tags", "filters"),
    [
        (
            {"matrix": 1, "range": 1},
            "scale=out_color_matrix=bt709:out_range=tv,format=yuv444p,setparams=colorspace=bt709",
        ),
        (
            {"matrix": 6, "range": 2},
            "scale=out_color_matrix=smpte170m:out_range=pc,format=yuv444p,setparams=colorspace=smpte170m:range=pc",
        ),
    ],
)
@pytest.mark.parametrize("colour", RGB)
def test_colours_survive_reading_and_writing(tags: dict[str, int], filters: str, colour: str, tmp_path: Path) -> None:
    (r, g, b), film = RGB[colour], tmp_path / "a.mp4"
    plain = f"color=0x{r:02x}{g:02x}{b:02x}:s=64x48:r=5,format=gbrp"
    ffmpeg("-f", "lavfi", "-i", plain, "-frames:v", 2, "-vf", filters, "-c:v", "libx264", "-crf", 1, film)
    info, frames = read(film)
    assert {key: getattr(info.colour, key) for key in tags} == tags
    assert np.abs(frames[0].pixels.mean((0, 1)) - (r, g, b)).max() <= 2
    copy(tmp_path / "a.mp4", tmp_path / "b.mp4")
    again, written = read(tmp_path / "b.mp4")
    assert {key: getattr(again.colour, key) for key in tags} == tags
    assert np.abs(written[0].pixels.mean((0, 1)) - (r, g, b)).max() <= 3


def test_hdr_is_converted_to_bt709_with_a_notice(tmp_path: Path) -> None:
    # diffuse white of HDR (203 nits) is 58 % of the PQ signal
    level = round(0.58 * 255)
    ffmpeg("-f", "lavfi", "-i", f"color=0x{level:02x}{level:02x}{level:02x}:s=64x48:r=5,format=gbrp", "-frames:v", 2,
           "-vf", "scale=out_color_matrix=bt2020nc:out_range=tv,format=yuv420p10le,"
           "setparams=colorspace=bt2020nc:color_primaries=bt2020:color_trc=smpte2084:range=tv",
           "-c:v", "libx265", "-x265-params", "log-level=none", "-crf", 5, tmp_path / "hdr.mp4")  # fmt: skip
    info, frames = read(tmp_path / "hdr.mp4")
    assert any("HDR" in notice for notice in info.notices)
    assert (info.depth, info.colour.transfer, info.colour.primaries, info.colour.matrix) == (16, 1, 1, 1)
    pixels = frames[0].pixels.mean((0, 1)) / 65535
    assert np.ptp(pixels) < 0.01  # grey stays grey
    assert (
        0.55 < pixels[0] <= 1
    )  # near white, not the dull 0.58 of an unconverted signal: tone-mapped, not clipped to black


def test_start_and_end_exclude_the_end_and_are_exact(clip: MakeClip) -> None:
    path = clip("a.mp4", rate="25", frames=50)
    whole = read(path)[1]
    info, part = read(path, start=Fraction("0.4"), end=Fraction("1.2"))
    assert info.count == len(part) == 20
    assert np.array_equal(part[0].pixels, whole[10].pixels)
    assert np.array_equal(part[-1].pixels, whole[29].pixels)


@pytest.mark.parametrize(
    ("size", "expected"),
    [("32x30", (32, 30)), ("24p", (32, 24)), ("50%", (32, 24)), ("200%", (128, 96)), ("", (64, 48))],
)
def test_sizes(size: str, expected: tuple[int, int], clip: MakeClip) -> None:
    info, frames = read(clip("a.mp4", frames=2), size=size)
    assert (info.width, info.height) == expected
    assert frames[0].pixels.shape == (*expected[::-1], 3)


@pytest.mark.parametrize("size", ["big", "0x10", "0%", "99999x10", "-5%"])
def test_bad_sizes(size: str, clip: MakeClip) -> None:
    with pytest.raises(RecipeError, match="cannot read the size"):
        read(clip("a.mp4", frames=2), size=size)


@pytest.mark.parametrize(
    ("suffix", "dtype", "slack"),
    [
        (".png", np.uint8, 0),
        (".png", np.uint16, 0),
        (".tif", np.uint8, 0),
        (".tif", np.uint16, 0),
        (".jpg", np.uint8, 16),
        (".webp", np.uint8, 0),
    ],
)
@pytest.mark.parametrize("form", ["", "*{}", "f%d{}"])
def test_frame_sequences(suffix: str, dtype: type, slack: int, form: str, tmp_path: Path) -> None:
    pictures = numbered(tmp_path / "in", suffix, dtype)
    info, frames = read(tmp_path / "in" / form.format(suffix), rate=Fraction(30000, 1001))
    assert (info.kind, info.count, info.rate, info.depth) == (
        "sequence",
        12,
        Fraction(30000, 1001),
        8 * dtype().itemsize,
    )
    for frame, picture in zip(frames, pictures, strict=True):  # natural order: f2 before f10
        assert np.abs(frame.pixels.astype(int) - picture.astype(int)).max() <= slack


def test_natural_order(tmp_path: Path) -> None:
    expected = ["1.png", "f1.png", "f1b.png", "f02.png", "f2.png", "f10 (2).png", "f10.png", "f.png"]
    for name in reversed(expected):
        (tmp_path / name).touch()
    assert [file.name for file in sequence_files(str(tmp_path))] == expected


def test_a_sequence_has_24_frames_per_second_by_default(tmp_path: Path) -> None:
    numbered(tmp_path / "in", ".png")
    assert read(tmp_path / "in")[0].rate == 24


def test_grey_pictures_become_rgb(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((8, 8), 77, np.uint8))
    assert np.array_equal(read(tmp_path / "grey.png")[1][0].pixels, np.full((8, 8, 3), 77))


@pytest.mark.parametrize("keep", [0, 10, 200])
def test_files_without_a_film_are_refused(keep: int, clip: MakeClip, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(clip("a.mp4").read_bytes()[:keep])
    with pytest.raises(SourceError, match=r"bad\.mp4"):
        read(tmp_path / "bad.mp4")


def test_a_truncated_film_gives_what_can_be_decoded_with_a_notice(clip: MakeClip, tmp_path: Path) -> None:
    path = clip("a.mp4", frames=40, size="320x240", tail=("-movflags", "+faststart", "-g", "5"))
    data = path.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])
    info, frames = read(tmp_path / "cut.mp4")
    assert 5 < len(frames) < 40
    assert any("truncated" in notice and "40" in notice for notice in info.notices)


def test_a_sequence_with_a_bad_frame_names_it(tmp_path: Path) -> None:
    numbered(tmp_path / "in", ".png")
    (tmp_path / "in" / "f7.png").write_bytes(b"\x89PNG nothing")
    with pytest.raises(SourceError, match=r"f7\.png"):
        read(tmp_path / "in")
    cv2.imwrite(str(tmp_path / "in" / "f7.png"), np.zeros((5, 5, 3), np.uint8))
    with pytest.raises(SourceError, match=r"f7\.png.*differs"):
        read(tmp_path / "in")
