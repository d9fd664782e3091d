"""Films as cameras, recorders and receivers leave them: every picture at its own time, with its own colours."""

from __future__ import annotations

import itertools
import re
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import imageio_ffmpeg
import numpy as np
import pytest
from conftest import ffmpeg
from media_files import copy, packets, read
from numbered_films import joined, make, number, numbered, tone

from dreamvideo import EncoderOptions, Recipe, RecipeError, SourceError, dream_video
from dreamvideo.media.timecode import later

MPEG = ("-c:v", "mpeg2video", "-bf", "2", "-c:a", "mp2")
COUNT = list(range(20))


def numbers(path: Path, **selected: Any) -> list[int]:
    return [number(frame.pixels) for frame in read(path, **selected)[1]]


def said(path: Path, word: str, **selected: Any) -> bool:
    return any(word in notice for notice in read(path, **selected)[0].notices)


def by_ffmpeg(path: Path, *options: Any, kind: str = "rawvideo") -> np.ndarray:
    """Return a film as ffmpeg decodes it, bytes."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", path, *options, "-fps_mode", "passthrough"]
    command += ["-f", kind, "-"]
    return np.frombuffer(subprocess.run(list(map(str, command)), check=True, capture_output=True).stdout, np.uint8)


# --- time: the clock


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.ts", MPEG), ("a.vob", (*MPEG, "-f", "vob")), ("a.mpg", (*MPEG[:-1], "ac3")), ("h.ts", ("-c:a", "ac3"))],
)
def test_joined_recordings_give_all_their_frames(name: str, options: tuple[str, ...], tmp_path: Path) -> None:
    part = make(tmp_path / f"part-{name}", *options, frames=10, sound=True)
    film = joined(tmp_path / name, part, part)
    assert numbers(film) == [*range(10), *range(10)]
    assert said(film, "clock is reset once")
    assert numbers(film, start=Fraction(3, 5)) == list(range(5, 10))


@pytest.mark.parametrize("order", [(0, 1000), (1000, 0)])
def test_a_clock_that_leaps_is_no_gap(order: tuple[int, int], tmp_path: Path) -> None:
    parts = [make(tmp_path / f"{at}.ts", *MPEG, "-output_ts_offset", at, frames=10, sound=True) for at in order]
    assert numbers(joined(tmp_path / "a.ts", *parts)) == [*range(10), *range(10)]


def flashes_and_clicks(path: Path) -> tuple[list[float], list[float]]:
    """Return when a film's pictures turn white, and when its sound sets in, seconds."""
    with av.open(str(path)) as container:
        start = container.start_time / av.time_base
        video = [(frame.time - start, frame.to_ndarray(format="gray").mean()) for frame in container.decode(video=0)]
    with av.open(str(path)) as container:
        heard = []
        for frame in container.decode(audio=0):
            wave = np.abs(frame.to_ndarray().astype(float)).mean(0)
            wave /= 32768 if "s16" in frame.format.name else 1
            heard += [(frame.time - start + k / frame.sample_rate, x) for k, x in enumerate(wave)]
    flashes = [b[0] for a, b in itertools.pairwise(video) if a[1] < 100 < b[1]]
    loud = [time for time, level in heard if level > 0.05]
    return flashes, [loud[0], *(b for a, b in itertools.pairwise(loud) if b - a > 0.5)]


@pytest.mark.parametrize("start", [0, 1])
def test_joined_recordings_stay_in_step_with_their_sound(start: int, tmp_path: Path) -> None:
    flash = ["-f", "lavfi", "-i", "color=white:s=64x48:r=25:d=2,drawbox=color=black:t=fill:enable='lt(t,0.6)'"]
    click = ["-f", "lavfi", "-i", "aevalsrc='if(gt(t,0.6),sin(6000*t)/2)':d=2:s=48000"]
    ffmpeg(*flash, *click, *MPEG, "-t", 2.016, tmp_path / "part.ts")
    film = joined(tmp_path / "a.ts", *[tmp_path / "part.ts"] * 3)
    copy(film, tmp_path / "o.mkv", start=Fraction(start))
    seen, heard = flashes_and_clicks(tmp_path / "o.mkv")
    heard = heard[start:]  # the first click's end is heard where the film begins in it
    assert len(seen) == len(heard) == 3 - start
    assert np.abs(np.array(seen) - heard).max() < 0.045  # a frame, and what the coder rounds


def test_the_clock_of_a_long_recording_wraps_around(tmp_path: Path) -> None:
    wraps = Fraction(2**33, 90000) - Fraction(2, 5)  # MPEG's clock has 33 bits
    film = make(tmp_path / "a.ts", *MPEG, "-output_ts_offset", float(wraps), sound=True)
    assert numbers(film) == COUNT


def test_a_gap_is_held(tmp_path: Path) -> None:
    source = [*numbered(), "-vf", "select='not(between(n,8,11))'", "-fps_mode", "passthrough", "-frames:v", 46]
    ffmpeg(*source, *MPEG[:4], tmp_path / "a.ts")
    assert numbers(tmp_path / "a.ts") == [*range(8), 7, 7, 7, 7, *range(12, 50)]
    assert said(tmp_path / "a.ts", "4 of its frames have no picture")


# --- time: what cannot be decoded


@pytest.mark.parametrize(
    "codec", [("-c:v", "mpeg2video", "-sc_threshold", "1000000000"), ("-x264-params", "scenecut=0")]
)
def test_a_recording_that_begins_in_mid_gop_stays_in_step(codec: tuple[str, ...], tmp_path: Path) -> None:
    film = make(
        tmp_path / "a.ts", *codec, "-g", 30, "-bf", "0", "-c:a", "mp2", "-pat_period", "0.1", frames=40, sound=True
    )
    with av.open(str(film)) as container:
        stored = [packet for packet in container.demux(video=0) if packet.size]
    key = next(k for k in range(20, 40) if stored[k].is_keyframe)
    (tmp_path / "b.ts").write_bytes(film.read_bytes()[stored[20].pos // 188 * 188 :])
    info, frames = read(tmp_path / "b.ts")
    assert [number(frame.pixels) for frame in frames] == list(range(key, 40))
    with av.open(str(tmp_path / "b.ts")) as container, av.open(str(film)) as whole:
        lost = Fraction(container.start_time - whole.start_time, av.time_base)
    assert abs(info.delay - (read(film)[0].delay + Fraction(key, 25) - lost)) < Fraction(1, 1000)
    assert any("midst of a recording" in notice for notice in info.notices)


def zeroed(path: Path, *lost: int) -> None:
    """Overwrite the contents of some of a film's video packets."""
    with av.open(str(path)) as container:
        found = [packet for packet in container.demux(video=0) if packet.size]
        places = [(found[k].pos, found[k].size) for k in lost]
    data = bytearray(path.read_bytes())
    for place, size in places:
        at = data.index(b"\xff\xd8", place)  # where the JPEG begins
        data[at : at + size - 32] = bytes(size - 32)
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["a.avi", "a.mov"])
def test_pictures_that_do_not_decode_are_held_and_told(name: str, tmp_path: Path, quick: Recipe) -> None:
    film = make(tmp_path / name, "-c:v", "mjpeg", "-q:v", "3", size="256x64")
    zeroed(film, 5, 6, 12)
    assert numbers(film) == [0, 1, 2, 3, 4, 4, 4, 7, 8, 9, 10, 11, 11, *range(13, 20)]
    told = []
    tiny = quick.set("finish.strength=0").set("dream.octaves=1").set("dream.iterations=0").set("clip.size=96x32")
    dream_video(film, tmp_path / "o.mkv", tiny, on_event=lambda event: told.append(event.notice))
    assert any("3 of its pictures cannot be decoded" in notice for notice in told)
    assert len(read(tmp_path / "o.mkv")[1]) == 20


def test_a_part_of_a_truncated_film_ends_where_it_ends(tmp_path: Path) -> None:
    film = make(tmp_path / "a.avi", "-c:v", "mjpeg", "-q:v", "3", size="256x64", frames=40)
    zeroed(film, *range(30, 40))
    assert numbers(film, start=Fraction(20, 25)) == list(range(20, 30))


def test_an_empty_chunk_of_an_avi_repeats_the_picture_before(tmp_path: Path) -> None:
    film = make(tmp_path / "a.avi", "-c:v", "mjpeg", "-vf", "select='not(eq(n,6))'", "-fps_mode", "passthrough")
    assert b"00dc\0\0\0\0" in film.read_bytes()  # so does ffmpeg write it
    info, frames = read(film)
    assert [number(frame.pixels) for frame in frames][:9] == [0, 1, 2, 3, 4, 5, 5, 7, 8]
    assert not any("truncated" in notice for notice in info.notices)


@pytest.mark.parametrize("name", ["a.avi", "a.mkv", "a.ts", "a.mp4", "a.mxf", "a.flv", "a.wmv", "a.nut", "a.m2ts"])
def test_every_container_gives_its_frames_from_any_moment(name: str, tmp_path: Path) -> None:
    codec = {"a.avi": "mpeg4", "a.mxf": "mpeg2video", "a.flv": "flv1", "a.wmv": "wmv2"}.get(name, "libx264")
    film = make(
        tmp_path / name, "-c:v", codec, *(() if codec in ("flv1", "wmv2") else ("-bf", "2")), "-g", "7", frames=40
    )
    assert numbers(film) == list(range(40))
    begins = read(film)[0].delay
    assert numbers(film, start=begins + Fraction(21, 25)) == list(range(21, 40))


# --- interlaced, and of changing size


def interlaced(path: Path, *options: Any, size: str = "720x576") -> Path:
    """Write a film of a box that moves fast, two fields a frame; return its path."""
    box = f"color=gray:s={size}:r=50,geq=lum='if(between(X,16*N,16*N+150),235,40)':cb=128:cr=128"
    ffmpeg("-f", "lavfi", "-i", box, "-vf", "interlace=lowpass=off", "-frames:v", 20, *options, path)
    return path


def combs(pixels: np.ndarray) -> float:
    """Return how much neighbouring rows differ more than those two apart."""
    luma = pixels.astype(float).mean(2)
    return float(np.abs(luma[1:-1] - (luma[:-2] + luma[2:]) / 2).mean())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("flagged.mpg", ("-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-b:v", "9M")),
        (
            "unflagged.mkv",
            ("-c:v", "ffv1", "-field_order", "progressive", "-vf", "interlace=lowpass=off,setfield=prog"),
        ),
        ("tape.dv", ("-c:v", "dvvideo", "-pix_fmt", "yuv420p")),
    ],
)
def test_interlaced_films_are_made_progressive(name: str, options: tuple[str, ...], tmp_path: Path) -> None:
    film = interlaced(tmp_path / name, *options)
    info, frames = read(film)
    left = read(film, deinterlace=False)[1]
    assert len(frames) == len(left) == 20
    assert combs(left[8].pixels) > 4 * combs(frames[8].pixels)
    assert any("interlaced" in notice for notice in info.notices)
    assert said(film, "--deinterlace off", deinterlace=False)
    part = read(film, start=info.delay + Fraction(10, 25))[1]
    assert np.array_equal(part[2].pixels, frames[12].pixels)  # which needs the frames around it


def test_progressive_films_are_left_alone(tmp_path: Path) -> None:
    film = make(tmp_path / "a.mkv", "-c:v", "ffv1", size="720x576")
    assert not said(film, "interlaced")


def test_pictures_that_change_size_get_bars(tmp_path: Path) -> None:
    # without delay, since decoders drop what they have not shown yet when the size changes
    first, second = (make(tmp_path / f"{h}.ts", "-tune", "zerolatency", frames=10, size=f"128x{h}") for h in (96, 48))
    film = joined(tmp_path / "a.ts", first, second)
    with_notice = []
    info, frames = read(film)
    assert (info.width, info.height) == (128, 96)
    shown = [number(frame.pixels) for frame in frames]
    assert shown == [*range(9), 8, *range(10)]  # ffmpeg's decoder drops the last picture before a change of size
    late = frames[19].pixels
    assert late[:20].max() < 24  # a bar
    assert late[-20:].max() < 24
    dream_video(
        film, tmp_path / "o.mkv", Recipe().merge({"finish": {"strength": 0}, "dream": {"iterations": 0, "octaves": 1}}),
        on_event=lambda event: with_notice.append(event.notice),
    )  # fmt: skip
    assert any("128x48, 128x96" in notice for notice in with_notice)


# --- which picture


def test_the_film_is_chosen_among_several_pictures(tmp_path: Path) -> None:
    cover = ["-t", 0.04, "-f", "lavfi", "-i", "color=red:s=256x192:r=25"]
    large, small = ["-t", 0.8, "-f", "lavfi", "-i", "color=gray:s=128x96:r=25"], ["-t", 0.8, *numbered()]
    picks = ["-map", "0:v", "-map", "1:v", "-map", "2:v", "-disposition:v", "0"]
    ffmpeg(*cover, *large, *small, *picks, "-c:v", "ffv1", tmp_path / "a.mkv")
    info, frames = read(tmp_path / "a.mkv")
    assert (info.width, len(frames)) == (128, 20)
    assert any("1: 256x192, 1 frames" in n and "3: 64x48, 20 frames" in n and "--stream" in n for n in info.notices)
    assert numbers(tmp_path / "a.mkv", stream=3) == COUNT
    assert len(read(tmp_path / "a.mkv", stream=1)[1]) == 1
    with pytest.raises(SourceError, match="3 video track"):
        read(tmp_path / "a.mkv", stream=4)
    ffmpeg("-i", tmp_path / "a.mkv", "-map", "0", "-c", "copy", "-disposition:v:2", "default", tmp_path / "b.mkv")
    assert numbers(tmp_path / "b.mkv") == COUNT  # marked as the one to play


# --- colour


def plane(value: int, pix_fmt: str, *tags: str, size: str = "64x64") -> tuple[list[Any], list[Any]]:
    """Return ffmpeg's arguments that write planes of one luma value: of 8 bits, whatever the format's depth."""
    colour = f"color=black:s={size}:r=25,format=gray,geq=lum={value},format={pix_fmt}"
    return ["-f", "lavfi", "-i", colour], ["-frames:v", 2, *tags]


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("value", [16, 126, 235])
def test_grey_of_limited_range_fills_the_full_one(depth: int, value: int, tmp_path: Path) -> None:
    raw = np.full((64, 64), value << (depth - 8), np.uint8 if depth == 8 else "<u2")
    (tmp_path / "raw").write_bytes(raw.tobytes() * 2)
    given = ["-f", "rawvideo", "-s", "64x64", "-pix_fmt", "gray" if depth == 8 else "gray10le", "-color_range", "tv"]
    ffmpeg(*given, "-i", tmp_path / "raw", "-vf", "setparams=range=tv", "-c:v", "ffv1", tmp_path / "a.mkv")
    with av.open(str(tmp_path / "a.mkv")) as container:
        assert next(container.decode(video=0)).color_range == 1
    pixels = read(tmp_path / "a.mkv")[1][0].pixels
    assert pixels.mean() / np.iinfo(pixels.dtype).max == pytest.approx((value - 16) / 219, abs=0.004)


def test_grey_that_says_nothing_is_of_full_range(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(bytes([77]) * 4096)
    ffmpeg(
        "-f", "rawvideo", "-s", "64x64", "-pix_fmt", "gray", "-i", tmp_path / "raw", "-c:v", "ffv1", tmp_path / "a.mkv"
    )
    assert (read(tmp_path / "a.mkv")[1][0].pixels == 77).all()


RED = (191, 36, 44)


@pytest.mark.parametrize("pix_fmt", ["uyvy422", "yuyv422", "nv12", "vuya", "v210", "xv30le"])
def test_packed_formats_without_tags_take_the_usual_matrix(pix_fmt: str, tmp_path: Path) -> None:
    """HD without tags is BT.709: red made by that matrix comes back as red."""
    red = f"color=0x{bytes(RED).hex()}:s=1280x720:r=25,format=gbrp"
    coded = "v210" if pix_fmt == "v210" else "rawvideo"
    target = "yuv422p10le" if pix_fmt == "v210" else pix_fmt
    scale = f"scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd,format={target}"
    ffmpeg("-f", "lavfi", "-i", red, "-vf", f"{scale},setparams=colorspace=unknown:range=unknown", "-frames:v", 1,
           "-c:v", coded, tmp_path / "a.nut")  # fmt: skip
    pixels = read(tmp_path / "a.nut")[1][0].pixels
    depth = 257 if pixels.dtype == np.uint16 else 1
    assert np.abs(pixels.reshape(-1, 3).mean(0) / depth - RED).max() < 3


def tagged(path: Path) -> tuple[int, int, int]:
    """Return matrix, primaries and transfer of a film's first frame."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    return int(frame.colorspace), int(frame.color_primaries), int(frame.color_trc)


def test_the_tags_of_rgb_films_are_carried(tmp_path: Path) -> None:
    grey = [
        "-f",
        "lavfi",
        "-i",
        "color=gray:s=64x48:r=25,format=gbrp,setparams=color_primaries=smpte432:color_trc=iec61966-2-1",
    ]
    ffmpeg(*grey, "-frames:v", 3, "-c:v", "ffv1", tmp_path / "a.mkv")
    for name in ("o.mkv", "o.mp4"):
        copy(tmp_path / "a.mkv", tmp_path / name)
        assert tagged(tmp_path / name)[1:] == (12, 13), name


def hdr(path: Path, pix_fmt: str, params: str, value: int) -> np.ndarray:
    """Write a 16-bit grey of a signal value with the given colour tags; return how it is read."""
    grey = f"color=black:s=64x48:r=25,format=gbrp16le,geq=r={value}:g={value}:b={value}"
    convert = (
        f"scale=out_color_matrix=bt2020:out_range=tv,format={pix_fmt}" if "yuv" in pix_fmt else f"format={pix_fmt}"
    )
    ffmpeg("-f", "lavfi", "-i", grey, "-vf", f"{convert},setparams={params}", "-frames:v", 2, "-c:v", "ffv1", path)
    info, frames = read(path)
    assert any("converted to BT.709" in notice for notice in info.notices)
    assert (info.colour.matrix, info.colour.primaries, info.colour.transfer) == (1, 1, 1)
    return frames[0].pixels


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_hdr_with_missing_tags_is_converted_like_hdr_with_all(transfer: str, tmp_path: Path) -> None:
    value = 38000
    full = hdr(
        tmp_path / "full.mkv",
        "yuv444p10le",
        f"colorspace=bt2020nc:color_primaries=bt2020:color_trc={transfer}:range=tv",
        value,
    )
    for name, params in {
        "no matrix": f"colorspace=unknown:color_primaries=bt2020:color_trc={transfer}:range=tv",
        "no primaries": f"colorspace=bt2020nc:color_primaries=unknown:color_trc={transfer}:range=tv",
        "nothing": f"colorspace=unknown:color_primaries=unknown:color_trc={transfer}:range=unknown",
    }.items():
        pixels = hdr(tmp_path / f"{name}.mkv", "yuv444p10le", params, value)
        assert np.abs(pixels.astype(int) - full).max() <= 257, name
    rgb = hdr(tmp_path / "rgb.mkv", "gbrp10le", f"color_primaries=bt2020:color_trc={transfer}", value)
    assert np.abs(rgb.astype(int) - full).max() <= 3 * 257  # rounded otherwise
    assert not np.allclose(rgb[0, 0, 0], value, rtol=0.02)


# --- alpha


def clear(path: Path, *options: Any) -> np.ndarray:
    """Write a film of orange, yellower in each frame; its alpha, which is returned, grows to the right, (48, 64)."""
    ramp = "color=0xff8000:s=64x48:r=25,format=rgba,geq=r='r(X,Y)':g='g(X,Y)+N':b='b(X,Y)':a='4*X'"
    ffmpeg("-f", "lavfi", "-i", ramp, "-frames:v", 4, *options, path)
    return np.tile(np.minimum(4 * np.arange(64), 255).astype(np.uint8), (48, 1))


KEEPERS = {
    "a.mov": ("-c:v", "qtrle", "-pix_fmt", "argb"),
    "p.mov": ("-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le", "-alpha_bits", "16"),
    "a.mkv": ("-c:v", "ffv1", "-pix_fmt", "bgra"),
    "a.webm": ("-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p", "-lossless", "1", "-auto-alt-ref", "0"),
    "a.webp": ("-c:v", "libwebp_anim", "-lossless", "1", "-pix_fmt", "bgra"),
    "a.png": ("-f", "apng", "-plays", "0", "-pix_fmt", "rgba"),
}


@pytest.mark.parametrize("name", KEEPERS)
def test_alpha_is_kept_where_the_output_holds_it(name: str, tmp_path: Path) -> None:
    alpha = clear(tmp_path / name, *KEEPERS[name])
    recipe = Recipe().merge({"dream": {"iterations": 1, "octaves": 1}})
    told = list[str]()
    dream_video(tmp_path / name, tmp_path / "o.mkv", recipe, on_event=lambda event: told.append(event.notice))
    kept = by_ffmpeg(tmp_path / "o.mkv", "-pix_fmt", "rgba").reshape(-1, 48, 64, 4)[..., 3]
    slack = 1 if name in ("p.mov", "a.webm") else 0  # made of it by lossy or 10-bit formats
    assert np.abs(kept[2].astype(int) - alpha).max() <= slack
    assert not any("laid over" in notice for notice in told)
    dream_video(tmp_path / name, tmp_path / "f" / "%d.png", recipe)
    still = cv2.imread(str(tmp_path / "f" / "3.png"), cv2.IMREAD_UNCHANGED)
    top = 257 if still.dtype == np.uint16 else 1
    assert np.abs(still[..., 3].astype(int) / top - alpha).max() <= slack


def test_alpha_is_laid_over_a_background_where_it_cannot_be_kept(tmp_path: Path) -> None:
    alpha = clear(tmp_path / "a.mov", *KEEPERS["a.mov"]) / 255
    for background, colour, name in (((0, 0, 0), (0, 0, 0), "black"), ((0, 128, 255), (0, 128, 255), "#0080ff")):
        info, frames = read(tmp_path / "a.mov", background=background)
        wanted = alpha[..., None] * (255, 129, 0) + (1 - alpha[..., None]) * colour
        assert np.abs(frames[1].pixels - wanted).max() <= 1
        assert any(f"laid over {name}" in notice for notice in info.notices)
    with pytest.raises(RecipeError, match="white"):
        Recipe().set("clip.background=blurple")


def test_a_gif_without_transparent_pixels_has_no_alpha(tmp_path: Path) -> None:
    make(tmp_path / "a.gif")
    assert numbers(tmp_path / "a.gif", background=None) == COUNT
    assert not read(tmp_path / "a.gif", background=None)[0].alpha


@pytest.mark.parametrize("name", ["o.mov", "o.webm", "o.webp"])
def test_films_with_alpha_are_written(name: str, tmp_path: Path) -> None:
    alpha = clear(tmp_path / "a.mkv", *KEEPERS["a.mkv"])
    dream_video(tmp_path / "a.mkv", tmp_path / name, Recipe().merge({"dream": {"iterations": 1, "octaves": 1}}))
    info, frames = read(tmp_path / name, background=None)
    assert info.alpha
    kept = frames[2].alpha
    assert kept is not None
    top = 257 if kept.dtype == np.uint16 else 1
    assert np.abs(kept.astype(int) / top - alpha).max() <= (8 if name == "o.webm" else 1)  # VP9 is lossy


def test_an_animated_png_is_a_film_unless_a_picture_is_asked_for(tmp_path: Path) -> None:
    make(tmp_path / "a.png", "-f", "apng")
    info, frames = read(tmp_path / "a.png")
    assert (info.kind, info.rate, len(frames)) == ("film", 25, 20)
    assert [number(frame.pixels) for frame in frames] == COUNT
    still, pictures = read(tmp_path / "a.png", one_picture=True)
    assert (still.kind, len(pictures)) == ("still", 1)
    assert any("first of its 20 pictures" in notice for notice in still.notices)


# --- the shape of pixels


@pytest.mark.parametrize(("aspect", "size"), [("64/45", (256, 144)), ("8/9", (180, 162))])
def test_pixels_are_made_square_where_the_output_cannot_hold_others(
    aspect: str, size: tuple[int, int], tmp_path: Path, quick: Recipe
) -> None:
    film = make(tmp_path / "a.mkv", "-c:v", "ffv1", "-vf", f"setsar={aspect}", frames=2, size="180x144")
    tiny = quick.set("dream.octaves=1").set("dream.iterations=0")
    dream_video(film, tmp_path / "o" / "%d.png", tiny)
    assert cv2.imread(str(tmp_path / "o" / "1.png")).shape[1::-1] == size
    dream_video(film, tmp_path / "o.gif", tiny.set("clip.size=50%"))
    assert read(tmp_path / "o.gif")[0].width == size[0] // 2
    dream_video(film, tmp_path / "o.mkv", tiny)
    kept = read(tmp_path / "o.mkv")[0]
    assert (kept.width, kept.aspect) == (180, Fraction(aspect))
    assert said(film, "not square", square=True)


# --- sound and tags


@pytest.mark.parametrize("layout", ["5.1(side)", "4.0", "7.1(wide)", "hexagonal", "downmix"])
def test_every_layout_of_sound_comes_into_a_webm(layout: str, tmp_path: Path) -> None:
    film = tmp_path / "a.mkv"
    shaped = ["-af", f"aformat=channel_layouts={layout}", "-c:a", "pcm_s16le"]
    ffmpeg(*numbered(), *tone(), "-t", 0.8, *shaped, "-c:v", "ffv1", film)
    copy(film, tmp_path / "o.webm")
    heard = by_ffmpeg(tmp_path / "o.webm", "-map", "0:a", "-c:a", "pcm_f32le", kind="f32le").view("<f4")
    assert np.abs(heard).max() > 0.05


def test_a_track_that_fails_does_not_silence_the_others(tmp_path: Path) -> None:
    film = tmp_path / "a.mkv"
    picks = ["-map", "0", "-map", "1", "-map", "2", "-c:a:0", "pcm_s16le", "-c:a:1", "flac"]
    ffmpeg(*numbered(), *tone(), *tone(), "-t", 0.8, *picks, "-c:v", "ffv1", film)
    # a track of FLAC whose header is no header: it cannot be decoded, and so not encoded anew
    data = film.read_bytes()
    at = data.rindex(b"fLaC", 0, data.index(b"\x1f\x43\xb6\x75"))
    film.write_bytes(data[:at] + bytes(38) + data[at + 38 :])
    notices = copy(film, tmp_path / "o.webm")
    with av.open(str(tmp_path / "o.webm")) as container:
        assert len(container.streams.audio) == 1
        assert sum(frame.samples for frame in container.decode(audio=0)) > 30_000
    assert any("sound track 2" in notice and "left out" in notice for notice in notices)


def test_titles_languages_and_time_codes_are_carried(tmp_path: Path) -> None:
    tags = ["-metadata:s:v:0", "title=Camera B", "-metadata:s:v:0", "language=fra"]
    tags += ["-metadata:s:a:0", "title=Boom", "-metadata:s:a:0", "language=eng"]
    make(
        tmp_path / "a.mkv",
        "-c:v",
        "ffv1",
        "-c:a",
        "pcm_s16le",
        *tags,
        "-metadata:s:v:0",
        "timecode=10:00:00:00",
        sound=True,
    )
    for name in ("o.mkv", "o.mov", "o.mp4", "o.webm"):
        copy(tmp_path / "a.mkv", tmp_path / name, start=Fraction(2, 5))
        with av.open(str(tmp_path / name)) as container:
            video, audio = container.streams.video[0].metadata, container.streams.audio[0].metadata
            everywhere = {k.lower(): v for s in (container, *container.streams) for k, v in s.metadata.items()}
        assert (video.get("language"), audio.get("language")) == ("fra", "eng"), name
        assert everywhere.get("timecode") == "10:00:00:10", name
        titles = [tags.get("name", tags.get("title")) for tags in (video, audio)]  # QuickTime calls it a name
        assert titles == ["Camera B", "Boom"], name
        copy(tmp_path / name, tmp_path / f"again-{name}")
        with av.open(str(tmp_path / f"again-{name}")) as container:
            again = [s.metadata.get("name", s.metadata.get("title")) for s in container.streams if s.type != "data"]
        assert again == titles, name


def test_the_time_code_track_of_a_mov_is_read(tmp_path: Path) -> None:
    make(tmp_path / "a.mov", "-timecode", "01:02:03:04")
    copy(tmp_path / "a.mov", tmp_path / "o.mov")
    with av.open(str(tmp_path / "o.mov")) as container:
        assert any(stream.metadata.get("timecode") == "01:02:03:04" for stream in container.streams)


@pytest.mark.parametrize(
    ("code", "frames", "rate", "wanted"),
    [
        ("10:00:00:00", 26, Fraction(25), "10:00:01:01"),
        ("23:59:59:24", 1, Fraction(25), "00:00:00:00"),
        ("00:00:59;29", 1, Fraction(30000, 1001), "00:01:00;02"),  # SMPTE ST 12-1: the numbers 0 and 1 are dropped
        ("00:09:59;29", 1, Fraction(30000, 1001), "00:10:00;00"),  # but not in every tenth minute
        ("01:00:00;00", 107892, Fraction(30000, 1001), "02:00:00;00"),  # an hour
        ("00:00:59;59", 1, Fraction(60000, 1001), "00:01:00;04"),
        ("nonsense", 5, Fraction(25), "nonsense"),
    ],
)
def test_time_codes_are_counted_on(code: str, frames: int, rate: Fraction, wanted: str) -> None:
    assert later(code, frames, rate) == wanted


def test_sound_of_joined_recordings_is_whole(tmp_path: Path) -> None:
    part = make(tmp_path / "p.ts", *MPEG, frames=25, sound=True)
    film = joined(tmp_path / "a.ts", part, part)
    copy(film, tmp_path / "o.mkv")
    assert packets(tmp_path / "o.mkv") == packets(film)


def test_options_that_hold_no_alpha_lay_it_over(tmp_path: Path) -> None:
    clear(tmp_path / "a.mkv", *KEEPERS["a.mkv"])
    recipe = Recipe().merge({"dream": {"iterations": 0, "octaves": 1}, "encoding": {"codec": "libx264"}})
    told = list[str]()
    dream_video(tmp_path / "a.mkv", tmp_path / "o.mkv", recipe, on_event=lambda event: told.append(event.notice))
    assert any(re.search("laid over black", notice) for notice in told)
    assert not read(tmp_path / "o.mkv", background=None)[0].alpha
    assert EncoderOptions().codec == ""


@pytest.mark.parametrize("start", [0, Fraction(2, 5), 1])
@pytest.mark.parametrize("early", ["picture", "sound"])
def test_picture_and_sound_that_begin_apart_stay_in_step(early: str, start: Fraction, tmp_path: Path) -> None:
    """A receiver that finds the picture half a second before the sound, or the other way round."""
    flash = ["-f", "lavfi", "-i", "color=white:s=64x48:r=25:d=3,drawbox=color=black:t=fill:enable='lt(t,2)'"]
    click = ["-f", "lavfi", "-i", "aevalsrc='if(gt(t,2),sin(6000*t)/2)':d=3:s=48000"]
    trim = ["-af", "atrim=start=0.5"] if early == "picture" else ["-vf", "trim=start=0.5"]
    ffmpeg(*flash, *click, *trim, *MPEG, tmp_path / "a.ts")
    copy(tmp_path / "a.ts", tmp_path / "o.mkv", start=Fraction(start))
    seen, heard = flashes_and_clicks(tmp_path / "o.mkv")
    assert len(seen) == len(heard) == 1
    assert abs(seen[0] - heard[0]) < 0.045
