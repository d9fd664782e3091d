"""Hostile input (damaged, lying, oddly named, naming other files) is read as what it is, or refused in one clear line.

`scripts/hostile` runs a thousand such cases through the whole command line; these are the most telling ones.
"""

from __future__ import annotations

import os
import re
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hostile_cases import png
from PIL import Image

from dreamvideo import Recipe, RecipeError, Selection, SourceError, open_source
from dreamvideo.cli.main import main
from dreamvideo.curves import audio
from dreamvideo.media.ffmpeg import FFmpegError, run
from dreamvideo.media.metadata import read_recipe, with_comment
from dreamvideo.media.paths import frame_pattern, sequence_files
from dreamvideo.media.probe import song_codec
from dreamvideo.recipe import parse_rate, parse_time, read_tables
from dreamvideo.video import shots

MakeClip = Callable[..., Path]


def count(path: object) -> int:
    with open_source(str(path)) as source:
        return sum(1 for _ in source)


def picture(suffix: str, depth: type = np.uint8, size: tuple[int, int] = (48, 64)) -> bytes:
    pixels = np.random.default_rng(0).integers(0, np.iinfo(depth).max, (*size, 3), dtype=depth)
    return cv2.imencode(suffix, pixels)[1].tobytes()


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a:b.mp4", "http:.mp4", "concat:a|b.mp4", "a\nb.mp4", "-a.mp4", "a%d.gif", "a*.gif"])
def test_a_name_of_special_characters_is_only_a_name(
    name: str, clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip("plain" + name[-4:], frames=3).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)  # a name without a folder before it
    assert count(name) == 3


@pytest.mark.parametrize("folder", ["g%d [b]", "a*", "[1]"])
@pytest.mark.parametrize("tail", ["", "/", "/%d.png", "/*.png"])
def test_special_characters_in_a_folders_name_are_no_pattern(folder: str, tail: str, tmp_path: Path) -> None:
    (tmp_path / folder).mkdir()
    for number in (1, 2):
        (tmp_path / folder / f"{number}.png").write_bytes(picture(".png"))
    assert len(sequence_files(f"{tmp_path / folder}{tail}")) == 2
    assert Path(frame_pattern(f"{tmp_path / folder}/")) == tmp_path / folder / "%05d.png"


def test_a_bmp_is_a_picture(tmp_path: Path) -> None:
    (tmp_path / "a.bmp").write_bytes(picture(".bmp"))
    with open_source(str(tmp_path / "a.bmp")) as source:
        assert source.info.kind == "still"
    assert count(tmp_path) == 1


# --- playlists --------------------------------------------------------------------------------------------------------


@pytest.fixture
def listener() -> socket.socket:
    """A server to which nothing should connect."""
    server = socket.create_server(("127.0.0.1", 0))
    server.setblocking(False)
    return server


@pytest.mark.parametrize("name", ["a.m3u8", "a.mp4", "a.ffconcat", "a.mpd", "a.sdp"])
@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_a_playlist_is_refused_and_nothing_it_names_is_opened(
    name: str, where: str, clip: MakeClip, listener: socket.socket
) -> None:
    film = clip("a.ts", sound=1)
    other = film.name if where == "here" else f"http://127.0.0.1:{listener.getsockname()[1]}/a.ts"
    hls = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{other}\n#EXT-X-ENDLIST\n"
    text = {
        "a.ffconcat": f"ffconcat version 1.0\nfile '{other}'\n",
        "a.mpd": f'<?xml version="1.0"?>\n<MPD type="static"><BaseURL>{other}</BaseURL></MPD>',
        "a.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    }.get(name, hls)
    path = film.with_name(name)
    path.write_text(text)
    for opens in (count, song_codec, audio.decode, read_recipe):
        with pytest.raises(SourceError, match="list of other files"):
            opens(str(path))
    with pytest.raises(BlockingIOError):
        listener.accept()
    listener.close()


def test_a_playlist_that_is_not_recognised_opens_no_other_file(clip: MakeClip, monkeypatch: pytest.MonkeyPatch) -> None:
    film = clip("a.ts")
    film.with_name("a.mp4").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{film.name}\n#EXT-X-ENDLIST\n")
    monkeypatch.setattr("dreamvideo.media.local_files.PLAYLISTS", (b"?",))
    with pytest.raises(SourceError, match="cannot be read as a film"):
        count(film.with_name("a.mp4"))


# --- pipes and devices ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.mp4", "a.png", "a.webp"])
def test_a_pipe_is_refused_without_opening_it(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    opened = threading.Event()

    def write() -> None:
        with open(tmp_path / name, "wb"):  # waits until somebody opens the pipe for reading, who would wait otherwise
            opened.set()

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    for opens in (count, song_codec, read_recipe):
        with pytest.raises(SourceError, match="is a pipe or a device"):
            opens(str(tmp_path / name))
    assert not opened.wait(0.1)
    os.close(os.open(tmp_path / name, os.O_RDONLY | os.O_NONBLOCK))  # let the thread end
    assert opened.wait(10)


@pytest.mark.parametrize("opens", [count, song_codec, audio.decode, read_recipe])
def test_a_device_is_refused(opens: Callable[[str], object]) -> None:
    with pytest.raises(SourceError, match="is a pipe or a device"):
        opens("/dev/zero")


@pytest.mark.parametrize("reads", [read_tables, shots.read_cuts])
def test_texts_without_end_or_encoding_are_refused(reads: Callable[[str], object], tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="has more than"):
        reads("/dev/zero")
    (tmp_path / "a").write_bytes(bytes(range(128, 256)))
    for name in ("a", "gone", "", "nul\0"):
        with pytest.raises(RecipeError, match=r"^cannot read [^[]*: give [^[]*$"):
            reads(str(tmp_path / name))


# --- damaged and lying files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "depth"),
    [
        (".png", np.uint8),
        (".png", np.uint16),
        (".jpg", np.uint8),
        (".webp", np.uint8),
        (".tif", np.uint8),
        (".tif", np.uint16),
    ],
)
@pytest.mark.parametrize("part", [0.01, 0.3, 0.5, 0.6, 0.97])
def test_a_truncated_picture_is_refused_and_its_decoder_logs_nothing(
    suffix: str, depth: type, part: float, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole, file = picture(suffix, depth), tmp_path / f"a{suffix}"
    file.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(SourceError) as caught:
        count(file)
    assert str(caught.value) == f"{file} is no picture that can be read: is it complete?"
    assert capfd.readouterr() == ("", "")


# zeros within coded pixels may decode to other pixels; a checksum (PNG) and a damaged header can not
@pytest.mark.parametrize(
    ("suffix", "depth", "part", "refused"),
    [
        (".png", np.uint8, 0.3, True),
        (".png", np.uint16, 0.97, True),
        (".jpg", np.uint8, 0.6, False),
        (".webp", np.uint8, 0.01, True),
        (".webp", np.uint8, 0.6, False),
        (".tif", np.uint8, 0.6, False),
        (".tif", np.uint16, 0.97, True),
    ],
)
def test_a_picture_overwritten_with_zeros_is_read_or_refused_and_its_decoder_logs_nothing(
    suffix: str, depth: type, part: float, refused: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole, file = picture(suffix, depth), tmp_path / f"a{suffix}"
    at = int(len(whole) * part)
    file.write_bytes(whole[:at] + bytes(40) + whole[at + 40 :])
    if refused:
        with pytest.raises(SourceError, match="is no picture that can be read: is it complete"):
            count(file)
    else:
        assert count(file) == 1
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("mode", ["L", "P", "LA", "RGBA", "1", "CMYK"])
def test_pictures_of_any_colour_mode_become_rgb(mode: str, tmp_path: Path) -> None:
    whole = Image.fromarray(np.arange(64 * 48, dtype=np.uint8).reshape(48, 64)).convert("RGB")
    name = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    whole.convert(mode).save(name)
    with open_source(str(name)) as source:
        (frame,) = source
    assert frame.pixels.shape == (48, 64, 3)
    assert frame.pixels.dtype == np.uint8
    if mode in ("L", "LA", "RGBA"):
        assert np.array_equal(frame.pixels, np.asarray(whole))


@pytest.mark.parametrize("size", [(60000, 60000), (20000, 20000), (2**31 - 1, 1)])
def test_a_picture_that_declares_an_enormous_size_is_refused(size: tuple[int, int], tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(*size))
    (tmp_path / "deep.png").write_bytes(png(*size, depth=16))
    for name in ("a.png", "deep.png"):
        with pytest.raises(
            SourceError, match=f"is {size[0]}x{size[1]}, and pictures up to 200,000,000 pixels are read"
        ):
            count(tmp_path / name)


def test_pillows_own_size_limit_does_not_apply(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)  # Pillow refuses twice as many
    (tmp_path / "a.png").write_bytes(picture(".png"))
    assert count(tmp_path / "a.png") == 1
    assert Image.MAX_IMAGE_PIXELS == 10


def test_a_film_of_an_unknown_codec_is_refused(clip: MakeClip) -> None:
    film = clip("a.mp4")
    film.write_bytes(film.read_bytes().replace(b"avc1", b"zzz1"))
    with pytest.raises(SourceError, match="of a kind that cannot be decoded"):
        count(film)


def test_a_truncated_recipe_in_a_picture_is_no_recipe(tmp_path: Path) -> None:
    for suffix in (".png", ".jpg", ".tif", ".webp"):
        whole = with_comment(picture(suffix), Recipe().to_toml())
        file = tmp_path / f"a{suffix}"
        file.write_bytes(whole[: whole.index(b"[network]") + 30])
        with pytest.raises(SourceError, match="carries no recipe"):
            read_recipe(str(file))
    gif = tmp_path / "a.gif"
    gif.write_bytes(b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0, 0, 0) + b"\x21\xfe\xff[network]" + b"x" * 100)
    with pytest.raises(SourceError, match="carries no recipe"):
        read_recipe(str(gif))


def test_an_ffmpeg_error_contains_no_memory_address(tmp_path: Path) -> None:
    raw_in_mp4 = ["-f", "lavfi", "-i", "testsrc2=s=64x48", "-frames:v", "1", "-c:v", "rawvideo"]
    with pytest.raises(FFmpegError, match=r"^Nothing was written"):
        run([*raw_in_mp4, f"file:{tmp_path / 'a.mp4'}"])


# --- numbers and texts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["1e999999999", "9" * 5000, "nan", "1_0", "0/0", "1/2", "-1"])
def test_times_are_plain_numbers(text: str) -> None:
    with pytest.raises(RecipeError, match="cannot read the time"):
        parse_time(text)


@pytest.mark.parametrize("text", ["1e999999999", "9" * 5000, "nan", "1/0", "1e-3"])
def test_rates_are_plain_numbers(text: str) -> None:
    with pytest.raises(RecipeError, match="cannot read the frame rate"):
        parse_rate(text)


@pytest.mark.parametrize("text", ["9" * 5000 + "p", "9" * 5000 + "x1", "9" * 5000 + "%"])
def test_sizes_are_read_in_either_case_and_are_bounded(text: str, clip: MakeClip) -> None:
    film = clip("a.mp4", frames=1)
    for size in ("24P", "32X24"):
        with open_source(str(film), Selection(size=size)) as source:
            assert (source.info.width, source.info.height) == (32, 24)
    with pytest.raises(RecipeError, match="cannot read the size"), open_source(str(film), Selection(size=text)):
        pass


def test_recipes_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbf[dream]\nstep = 0.02\n")
    assert Recipe.load(tmp_path / "a.toml").dream.step == 0.02


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "[dream]\niterations = " + "9" * 5000, "[[dream]]"])
def test_recipes_of_enormous_values_are_refused(text: str) -> None:
    with pytest.raises(RecipeError, match=r"TOML|not in a section"):
        Recipe.from_toml(text)


def test_errors_about_values_say_what_is_wanted() -> None:
    with pytest.raises(RecipeError, match=r"finish\.strength = nan must be a number"):
        Recipe().merge({"finish": {"strength": float("nan")}})
    with pytest.raises(RecipeError, match=r"is not valid UTF-8: rename the file"):
        Recipe().merge({"finish": {"mask": "\udcff.png"}})


# --- the command line -------------------------------------------------------------------------------------------------

REFUSED = {
    "text.png": b"hello\n" * 99, "empty.mp4": b"", "byte.jpg": b"\0", "huge.png": png(60000, 60000),
    "list.mp4": b"#EXTM3U\n#EXTINF:1,\na.ts\n", "page.gif": b"<!doctype html><html></html>",
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_the_command_line_prints_one_line(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / name).write_bytes(REFUSED[name])
    output = tmp_path / "out" / "out.mp4"
    assert main([str(tmp_path / name), str(output), "--seconds", "0.2"]) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"dreamvideo: {tmp_path / name} ")
    assert not any(word in line for word in ("internal error", "OpenCV", "Errno"))
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.parametrize("flag", ["--mask", "--guide", "--music", "--cuts", "--recipe"])
def test_devices_are_refused_as_side_inputs_too(flag: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.png").write_bytes(picture(".png"))
    assert main([str(tmp_path / "a.png"), str(tmp_path / "out.mp4"), "--seconds", "0.2", flag, "/dev/zero"]) == 1
    last = capfd.readouterr().err.splitlines()[-1]
    assert re.match("dreamvideo: (cannot read )?/dev/zero .*(is a pipe or a device|has more than)", last)
    assert {file.name for file in tmp_path.iterdir()} == {"a.png"}


def test_a_film_with_flipped_bits_is_read_or_refused_by_name(clip: MakeClip, tmp_path: Path) -> None:
    random, outcomes = np.random.default_rng(3), {"read": 0, "refused": 0}
    for name in ("a.mp4", "a.mkv", "a.avi", "a.gif"):
        whole, file = clip(name, frames=4).read_bytes(), tmp_path / f"broken-{name}"
        for _ in range(12):
            broken = bytearray(whole)
            for at in random.integers(0, min(len(whole), 700), 6):
                broken[at] ^= 1 << int(random.integers(8))
            file.write_bytes(broken)
            try:
                count(file)
                outcomes["read"] += 1
            except SourceError as error:  # no other kind
                assert str(file) in str(error)
                outcomes["refused"] += 1
    assert min(outcomes.values()) > 5, outcomes
