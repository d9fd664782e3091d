"""Pictures in and out: whatever goes in comes out with the same rate, count, size, colour and sound."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch
from conftest import SAMPLES, ffmpeg
from PIL import Image

from dreamvideo import (
    EncoderOptions,
    Frame,
    Recipe,
    RecipeError,
    Selection,
    SinkError,
    SourceError,
    open_sink,
    open_source,
)
from dreamvideo.media.info import Info
from dreamvideo.media.metadata import read_recipe
from dreamvideo.media.paths import sequence_files
from dreamvideo.media.pixels import luma_8bit
from dreamvideo.media.writers import codecs
from dreamvideo.video import flow

MakeClip = Callable[..., Path]

RGB = {"red": (200, 30, 40), "green": (40, 160, 60), "blue": (30, 60, 190), "grey": (128, 128, 128)}


def read(path: object, **selected: Any) -> tuple[Info, list[Frame]]:
    with open_source(str(path), Selection(**selected)) as source:
        return source.info, list(source)


def copy(source: object, output: object, options: EncoderOptions | None = None, **selected: Any) -> list[str]:
    """Send a source through a sink undreamed; return the notices."""
    with open_source(str(source), Selection(**selected)) as opened:
        comment = Recipe().to_toml()
        with open_sink(str(output), opened.info, options, comment, overwrite=True) as sink:
            for frame in opened:
                top = 255 if frame.pixels.dtype == np.uint8 else 65535
                sink.write(torch.from_numpy(frame.pixels.astype(np.float32) / top).permute(2, 0, 1))
            sink.commit(whole=True)
            return [*opened.info.notices, *sink.notices]


def packets(path: object, kind: str = "audio") -> list[str]:
    """A digest of every track's packets."""
    with av.open(str(path)) as container:
        tracks: dict[int, hashlib._Hash] = {s.index: hashlib.sha1() for s in container.streams if s.type == kind}
        for packet in container.demux():
            if packet.stream.index in tracks:
                tracks[packet.stream.index].update(bytes(packet))
        return [digest.hexdigest() for digest in tracks.values()]


# --- sources ----------------------------------------------------------------------------------------------------------

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


def test_a_rotated_film_stands_upright(clip: MakeClip, tmp_path: Path) -> None:
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
def test_tiny_films_move_too(size: str, clip: MakeClip) -> None:
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


def test_hdr_is_said_and_brought_to_bt709(tmp_path: Path) -> None:
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
    with pytest.raises(RecipeError, match="size"):
        read(clip("a.mp4", frames=2), size=size)


def numbered(folder: Path, suffix: str, dtype: type = np.uint8, count: int = 12) -> list[np.ndarray]:
    folder.mkdir(exist_ok=True)
    top = np.iinfo(dtype).max
    pictures = []
    for k in range(1, count + 1):
        pixels = np.zeros((24, 32, 3), dtype)
        pixels[:, :, 0] = top * k // 20
        pixels[:12, :, 1] = top // 3
        cv2.imwrite(str(folder / f"f{k}{suffix}"), pixels[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 101])
        pictures.append(pixels)
    return pictures


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


def test_a_sequence_runs_at_24_unless_told(tmp_path: Path) -> None:
    numbered(tmp_path / "in", ".png")
    assert read(tmp_path / "in")[0].rate == 24


def test_grey_and_transparent_pictures_become_rgb(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((8, 8), 77, np.uint8))
    cv2.imwrite(str(tmp_path / "clear.png"), np.full((8, 8, 4), 77, np.uint8))
    for name in ("grey.png", "clear.png"):
        assert np.array_equal(read(tmp_path / name)[1][0].pixels, np.full((8, 8, 3), 77))


# --- sinks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "slack"),
    [
        ("o.mp4", "h264", "yuv420p", 4),
        ("o.mov", "prores", "yuv422p10le", 3),
        ("o.mkv", "ffv1", "bgr0", 0),
        ("o.webm", "vp9", "yuv420p", 6),
        ("o.gif", "gif", None, 12),
        ("o.webp", None, None, 8),
    ],
)
def test_every_film_sink_keeps_rate_count_size_colour_and_recipe(
    name: str, codec: str | None, pix_fmt: str | None, slack: int, tmp_path: Path
) -> None:
    source = tmp_path / "in.mkv"
    moving = "testsrc2=s=128x96:r=30000/1001,format=bgr0"
    ffmpeg("-f", "lavfi", "-i", moving, "-frames:v", 12, "-c:v", "ffv1", source)
    copy(source, tmp_path / name)
    info, frames = read(tmp_path / name)
    original = read(source)[1]
    assert (info.width, info.height, info.count, len(frames)) == (128, 96, 12, 12)
    assert float(info.rate) == pytest.approx(30000 / 1001, rel=0.02 if codec in ("gif", None) else 1e-6)
    difference = np.abs(frames[6].pixels / (257 if info.depth == 16 else 1) - original[6].pixels.astype(float))
    assert np.median(difference) <= slack
    assert difference.mean() <= 14  # sharp edges of halved chroma; none for the lossless one
    if codec and pix_fmt:
        with av.open(str(tmp_path / name)) as container:
            context = container.streams.video[0].codec_context
            assert (context.name.split("lib")[-1].removeprefix("dav1d"), context.pix_fmt) == (codec, pix_fmt)
    assert read_recipe(str(tmp_path / name)) == Recipe().to_toml()
    assert not [f for f in os.listdir(tmp_path) if f.startswith(".")]


def test_codec_crf_and_pixel_format_can_be_chosen(clip: MakeClip, tmp_path: Path) -> None:
    copy(clip("a.mp4"), tmp_path / "x.mkv", EncoderOptions(codec="libx264"))
    with av.open(str(tmp_path / "x.mkv")) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"  # what players can show
    copy(tmp_path / "a.mp4", tmp_path / "o.mkv", EncoderOptions(codec="libx265", crf=30, pix_fmt="yuv444p10le"))
    with av.open(str(tmp_path / "o.mkv")) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv444p10le"
        assert container.streams.video[0].codec_context.name == "hevc"
    sizes = []
    for crf in (10, 40):
        copy(tmp_path / "a.mp4", tmp_path / "c.mp4", EncoderOptions(crf=crf))
        sizes.append((tmp_path / "c.mp4").stat().st_size)
    assert sizes[0] > 1.5 * sizes[1]


@pytest.mark.parametrize(("codec", "pix_fmt"), [("qtrle", "rgb24"), ("png", "rgb24"), ("libx264rgb", "bgr24")])
def test_other_encoders_get_a_pixel_format_they_take(codec: str, pix_fmt: str, clip: MakeClip, tmp_path: Path) -> None:
    copy(clip("a.mp4"), tmp_path / "o.mov", EncoderOptions(codec=codec))
    (frames, made), (_, asked) = read(tmp_path / "o.mov"), read(tmp_path / "a.mp4")
    assert frames.count == len(made) == len(asked)
    assert np.abs(made[0].pixels.astype(int) - asked[0].pixels).max() <= 40  # of x264rgb's loss; the others have none
    with av.open(str(tmp_path / "o.mov")) as container:
        assert container.streams.video[0].codec_context.pix_fmt in (pix_fmt, "gbrp")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (EncoderOptions(codec="nosuch"), "no encoder called nosuch.*--codec"),
        (EncoderOptions(pix_fmt="gbrp12le"), "libx264 does not take --pix-fmt gbrp12le: give it one of yuv420p"),
    ],
)
def test_an_encoder_names_what_it_does_not_take(
    options: EncoderOptions, says: str, clip: MakeClip, tmp_path: Path
) -> None:
    with pytest.raises(SinkError, match=says):
        copy(clip("a.mp4"), tmp_path / "o.mp4", options)
    assert os.listdir(tmp_path) == ["a.mp4"]


def test_a_hardware_encoder_is_found_or_missed_by_name(clip: MakeClip, tmp_path: Path) -> None:
    source, options = clip("a.mp4", size="320x240"), EncoderOptions(codec="hardware")
    try:
        codec = codecs.find_hardware_encoder()
    except SinkError as error:
        assert "h264_nvenc" in str(error)
        with pytest.raises(SinkError, match="leave --codec hardware out"):
            copy(source, tmp_path / "o.mp4", options)
        assert os.listdir(tmp_path) == ["a.mp4"]
        return
    assert codec in codecs.HARDWARE
    copy(source, tmp_path / "o.mp4", options)
    with av.open(str(tmp_path / "o.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "h264"


@pytest.mark.parametrize("name", ["o.mp4", "o.mov", "o.mkv", "o.webm", "o.gif"])
def test_odd_sizes_lose_no_row(name: str, clip: MakeClip, tmp_path: Path) -> None:
    source = clip("odd.mkv", tail=("-vf", "scale=63:47", "-c:v", "ffv1", "-pix_fmt", "bgr0"))
    notices = copy(source, tmp_path / name)
    info, frames = read(tmp_path / name)
    padded = {"o.mp4": (64, 48), "o.mov": (64, 47)}.get(name, (63, 47))
    assert (info.width, info.height) == padded
    assert any("padded" in notice for notice in notices) == (padded != (63, 47))
    original, kept = read(source)[1][3].pixels.astype(float), frames[3].pixels
    kept = kept[:47, :63] / (257 if info.depth == 16 else 1)
    assert np.abs(kept - original).mean() < 14


def test_a_deep_film_stays_deep(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 65535, 256, dtype=np.uint16)[None, :, None], (16, 1, 3))
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "1.png"), ramp)
    copy(tmp_path / "in", tmp_path / "o.mkv")
    copy(tmp_path / "in", tmp_path / "o.mov")
    copy(tmp_path / "in", tmp_path / "out" / "%03d.tif")
    assert np.array_equal(read(tmp_path / "o.mkv")[1][0].pixels, ramp)
    assert np.array_equal(read(tmp_path / "out")[1][0].pixels, ramp)
    ten = read(tmp_path / "o.mov")[1][0].pixels.astype(int)
    assert np.abs(ten - ramp).mean() < 200  # of 65535: ten bits, not eight


@pytest.mark.parametrize(
    ("source", "sound", "target", "copied"),
    [
        ("a.mp4", ("-c:a", "aac"), "o.mp4", True),
        ("a.mp4", ("-c:a", "aac"), "o.mov", True),
        ("a.mp4", ("-c:a", "libmp3lame"), "o.mp4", True),
        ("a.mkv", ("-c:v", "ffv1", "-c:a", "flac"), "o.mkv", True),
        ("a.mkv", ("-c:v", "ffv1", "-c:a", "flac"), "o.mp4", True),
        ("a.mov", ("-c:a", "pcm_s16le"), "o.mov", True),
        ("a.webm", ("-c:v", "libvpx-vp9", "-c:a", "libopus"), "o.webm", True),
        ("a.mov", ("-c:a", "pcm_s16le"), "o.mp4", False),
        ("a.mp4", ("-c:a", "aac"), "o.webm", False),
    ],
)
def test_every_sound_track_is_kept(
    source: str, sound: tuple[str, ...], target: str, copied: bool, clip: MakeClip, tmp_path: Path
) -> None:
    path = clip(source, frames=15, sound=2, tail=sound)
    notices = copy(path, tmp_path / target)
    assert len(packets(tmp_path / target)) == 2
    assert (packets(tmp_path / target) == packets(path)) == copied
    assert any("re-encoded" in notice for notice in notices) != copied


@pytest.mark.parametrize("name", ["o.mp4", "o.mkv", "o.mov"])
def test_sound_is_cut_with_the_picture(name: str, clip: MakeClip, tmp_path: Path) -> None:
    path = clip("a.mp4", rate="25", frames=100, sound=1)  # one key frame, at the beginning
    copy(path, tmp_path / name, start=Fraction(1), end=Fraction(3))
    assert read(tmp_path / name)[0].count == 50
    with av.open(str(tmp_path / name)) as container:
        times = [(p.stream.type, p.pts * p.time_base, p.duration * p.time_base) for p in container.demux() if p.size]
    sound = [(at, at + length) for kind, at, length in times if kind == "audio"]
    assert abs(min(at for kind, at, _ in times if kind == "video")) < 0.05
    assert -0.03 < float(sound[0][0]) < 0.05
    assert abs(float(sound[-1][1]) - 2) < 0.08


def test_sound_and_a_late_picture_stay_in_step(clip: MakeClip, tmp_path: Path) -> None:
    path = clip("a.mp4", frames=20, sound=1)
    ffmpeg("-itsoffset", 0.7, "-i", path, "-i", path, "-map", "0:v", "-map", "1:a", "-c", "copy", tmp_path / "late.mp4")
    copy(tmp_path / "late.mp4", tmp_path / "o.mp4")
    with av.open(str(tmp_path / "o.mp4")) as container:
        starts = {s.type: float(s.start_time * s.time_base) for s in container.streams}
    assert starts["video"] - starts["audio"] == pytest.approx(0.7, abs=0.05)


def test_a_film_is_kept_when_its_sound_cannot_be_joined(clip: MakeClip, tmp_path: Path) -> None:
    path = clip("a.mp4", sound=1)
    with open_source(str(path)) as source, open_sink(str(tmp_path / "o.mp4"), source.info) as sink:
        for _ in source:
            sink.write(torch.zeros(3, 48, 64))
        path.unlink()  # gone before the end
        sink.commit(whole=True)
    assert any("could not be joined" in notice for notice in sink.notices)
    assert read(tmp_path / "o.mp4")[0].count == 10


def test_sound_that_cannot_be_kept_is_said(clip: MakeClip, tmp_path: Path) -> None:
    path = clip("a.mp4", sound=1)
    assert any("no sound" in notice for notice in copy(path, tmp_path / "o.gif"))
    assert any("no sound" in notice for notice in copy(path, tmp_path / "out"))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
def test_stills_keep_their_pixels_and_carry_the_recipe(suffix: str, tmp_path: Path) -> None:
    source = tmp_path / "in.png"
    cv2.imwrite(str(source), cv2.imread(str(SAMPLES / "astronaut.jpg")))
    copy(source, tmp_path / f"o{suffix}")
    before, after = (read(p)[1][0].pixels.astype(int) for p in (source, tmp_path / f"o{suffix}"))
    assert np.abs(before - after).mean() < (4 if suffix in (".jpg", ".webp") else 1e-9)
    assert read_recipe(str(tmp_path / f"o{suffix}")) == Recipe().to_toml()
    with Image.open(tmp_path / f"o{suffix}") as image:  # another reader accepts it, comment and all
        image.load()
        assert image.size == (512, 512)


def test_frames_out_are_numbered_as_frames_in(tmp_path: Path) -> None:
    numbered(tmp_path / "in", ".png")
    os.remove(tmp_path / "in" / "f1.png")
    copy(tmp_path / "in", tmp_path / "out" / "g%03d.png")
    assert sorted(os.listdir(tmp_path / "out"))[0] == "g002.png"
    assert len(os.listdir(tmp_path / "out")) == 11


@pytest.mark.parametrize(
    "name",
    ["-dash.mp4", "a b'c\".mp4", "100%.mp4", "50%dark.mp4", "ünïcödé 夢.mp4", "line\nbreak.mp4", "a:b.mp4", "[x].mp4"],
)
def test_odd_names_are_just_names(name: str, clip: MakeClip, tmp_path: Path) -> None:
    path = clip(f"in/{name}", sound=1)
    copy(path, tmp_path / name)
    assert read(tmp_path / name)[0].count == 10
    assert packets(tmp_path / name) == packets(path)


# --- what cannot be done ----------------------------------------------------------------------------------------------


def test_an_output_is_overwritten_only_when_asked(clip: MakeClip, tmp_path: Path) -> None:
    info = read(clip("a.mp4"))[0]
    (tmp_path / "o.mp4").write_text("dear")
    with pytest.raises(SinkError, match="--overwrite"), open_sink(str(tmp_path / "o.mp4"), info):
        pass
    assert (tmp_path / "o.mp4").read_text() == "dear"


def test_the_input_is_never_the_output(clip: MakeClip, tmp_path: Path) -> None:
    path = clip("a.mp4")
    info = read(path)[0]
    os.symlink(path, tmp_path / "link.mp4")
    for name in ("a.mp4", "link.mp4"):
        with (
            pytest.raises(SinkError, match="input"),
            open_sink(str(tmp_path / name), info, overwrite=True),
        ):
            pass
    numbered(tmp_path / "in", ".png")
    frames = read(tmp_path / "in")[0]
    with (
        pytest.raises(SinkError, match="own frames"),
        open_sink(str(tmp_path / "in" / "f%d.png"), frames, EncoderOptions(), overwrite=True),
    ):
        pass


@pytest.mark.parametrize(
    ("name", "says"), [("o.xyz", ".mp4"), ("o.png", "--preview"), ("out/*.png", "glob"), ("out/%05d.xyz", ".png")]
)
def test_outputs_that_do_not_suit_a_film(name: str, says: str, clip: MakeClip, tmp_path: Path) -> None:
    info = read(clip("a.mp4"))[0]
    with pytest.raises(SinkError, match=says), open_sink(str(tmp_path / name), info):
        pass


def test_an_encoder_that_cannot_do_it_is_refused_before_the_first_frame(clip: MakeClip, tmp_path: Path) -> None:
    info = read(clip("a.mp4"))[0]
    (tmp_path / "out").mkdir()
    with (
        pytest.raises(SinkError, match=r"cannot be encoded .*--codec"),
        open_sink(str(tmp_path / "out" / "o.webm"), info, EncoderOptions(codec="libx264")),
    ):
        pytest.fail("it opened")
    assert os.listdir(tmp_path / "out") == []


def test_an_interrupted_sink_leaves_nothing_behind(clip: MakeClip, tmp_path: Path) -> None:
    info = read(clip("a.mp4"))[0]
    (tmp_path / "out").mkdir()
    with pytest.raises(RuntimeError), open_sink(str(tmp_path / "out" / "o.mp4"), info) as sink:
        sink.write(torch.zeros(3, 48, 64))
        raise RuntimeError
    assert os.listdir(tmp_path / "out") == []


@pytest.mark.parametrize("keep", [0, 10, 200])
def test_files_that_hold_no_film_are_refused(keep: int, clip: MakeClip, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(clip("a.mp4").read_bytes()[:keep])
    with pytest.raises(SourceError, match=r"bad\.mp4"):
        read(tmp_path / "bad.mp4")


def test_a_truncated_film_gives_what_decodes_and_says_so(clip: MakeClip, tmp_path: Path) -> None:
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


def test_a_file_without_a_recipe_is_told_apart(clip: MakeClip) -> None:
    with pytest.raises(SourceError, match="no recipe"):
        read_recipe(str(clip("a.mp4")))
