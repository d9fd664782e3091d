"""Writers: an output has the rate, frame count, size and colours of its source, and nothing is overwritten unasked."""

from __future__ import annotations

import os
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from conftest import SAMPLES, ffmpeg
from media_files import MakeClip, copy, numbered, packets, read
from PIL import Image

from dreamvideo import (
    EncoderOptions,
    Recipe,
    SinkError,
    open_sink,
)
from dreamvideo.media.metadata import read_recipe
from dreamvideo.media.writers import codecs


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
def test_every_film_format_keeps_rate_count_size_colour_and_recipe(
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


def test_hap_is_padded_to_blocks_of_four(clip: MakeClip, tmp_path: Path) -> None:
    source = clip("a.mp4", size="66x50")
    copy(source, tmp_path / "o.mov", EncoderOptions(codec="hap"))
    info, frames = read(tmp_path / "o.mov")
    assert (info.width, info.height, len(frames)) == (68, 52, 10)
    assert np.abs(frames[5].pixels[:50, :66].astype(int) - read(source)[1][5].pixels).mean() < 12


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


def test_a_hardware_encoder_is_found_or_the_error_names_those_tried(clip: MakeClip, tmp_path: Path) -> None:
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
def test_odd_sizes_are_padded_or_kept(name: str, clip: MakeClip, tmp_path: Path) -> None:
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


def test_output_frames_are_numbered_like_input_frames(tmp_path: Path) -> None:
    numbered(tmp_path / "in", ".png")
    os.remove(tmp_path / "in" / "f1.png")
    copy(tmp_path / "in", tmp_path / "out" / "g%03d.png")
    assert sorted(os.listdir(tmp_path / "out"))[0] == "g002.png"
    assert len(os.listdir(tmp_path / "out")) == 11


@pytest.mark.parametrize(
    "name",
    ["-dash.mp4", "a b'c\".mp4", "100%.mp4", "50%dark.mp4", "ünïcödé 夢.mp4", "line\nbreak.mp4", "a:b.mp4", "[x].mp4"],
)
def test_names_of_special_characters_are_only_names(name: str, clip: MakeClip, tmp_path: Path) -> None:
    path = clip(f"in/{name}", sound=1)
    copy(path, tmp_path / name)
    assert read(tmp_path / name)[0].count == 10
    assert packets(tmp_path / name) == packets(path)


def test_a_gif_of_any_name_leaves_no_other_file(clip: MakeClip, tmp_path: Path) -> None:
    copy(clip("a.mp4"), tmp_path / "out" / "a%d.gif")
    assert os.listdir(tmp_path / "out") == ["a%d.gif"]


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
            pytest.raises(SinkError, match="is the input itself"),
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
    ("name", "says"),
    [("o.xyz", "write films as"), ("o.png", "--preview"), ("out/*.png", "glob"), ("out/%05d.xyz", "write films as")],
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


def test_an_interrupted_sink_leaves_no_file(clip: MakeClip, tmp_path: Path) -> None:
    info = read(clip("a.mp4"))[0]
    (tmp_path / "out").mkdir()
    with pytest.raises(RuntimeError), open_sink(str(tmp_path / "out" / "o.mp4"), info) as sink:
        sink.write(torch.zeros(3, 48, 64))
        raise RuntimeError
    assert os.listdir(tmp_path / "out") == []
