"""Pictures as phones, scanners and painters leave them: whole, upright, with their colours, alpha and numbers."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pillow_heif
import pytest
from conftest import SAMPLES, ffmpeg
from media_files import read
from PIL import Image, ImageCms

from dreamvideo import Recipe, SinkError, dream_video
from dreamvideo.media.paths import frame_numbers
from dreamvideo.media.readers import profiles
from dreamvideo.media.readers.picture_file import read_picture

NOTHING = Recipe().merge({"finish": {"strength": 0}, "dream": {"iterations": 0, "octaves": 1}})


@pytest.fixture(scope="module")
def coffee() -> np.ndarray:
    """A photo, RGB uint8, (96, 128, 3)."""
    return np.asarray(Image.open(SAMPLES / "astronaut.jpg").convert("RGB").resize((128, 96)))


def pixels_of(path: Path, **selected: Any) -> np.ndarray:
    return read(path, **selected)[1][0].pixels


# --- HEIC and AVIF


def grid(path: Path, pixels: np.ndarray) -> None:
    """Write an AVIF or HEIC of 2 by 2 tiles, as phones do, from four pictures (ISO/IEC 23008-12)."""
    height, width = (side // 2 for side in pixels.shape[:2])
    tiles = [pixels[y : y + height, x : x + width] for y in (0, height) for x in (0, width)]
    avif = path.suffix == ".avif"
    coding, brand, setting = (b"av01", b"avif", b"av1C") if avif else (b"hvc1", b"heic", b"hvcC")
    coded, config, single = [], b"", path.with_name(f"tile{path.suffix}")
    for tile in tiles:
        if avif:
            Image.fromarray(tile).save(single, quality=95)
        else:
            pillow_heif.from_pillow(Image.fromarray(tile)).save(single, quality=95)
        data = single.read_bytes()
        at = data.index(setting) - 4
        config = data[at : at + struct.unpack(">I", data[at : at + 4])[0]]
        at = data.index(b"mdat") + 4
        coded.append(data[at : at - 8 + struct.unpack(">I", data[at - 8 : at - 4])[0]])

    def box(kind: bytes, *parts: bytes, version: int | None = None, flags: int = 0) -> bytes:
        body = b"".join(parts)
        if version is not None:
            body = struct.pack(">B", version) + flags.to_bytes(3, "big") + body
        return struct.pack(">I", len(body) + 8) + kind + body

    layout = struct.pack(">BBBBHH", 0, 0, 1, 1, width * 2, height * 2)
    entries = [box(b"infe", struct.pack(">HH4s", 1, 0, b"grid"), b"\0", version=2)]
    entries += [box(b"infe", struct.pack(">HH4s", k, 0, coding), b"\0", version=2, flags=1) for k in range(2, 6)]
    sizes = [box(b"ispe", struct.pack(">II", *size), version=0) for size in ((width * 2, height * 2), (width, height))]
    bits = box(b"pixi", b"\3\10\10\10", version=0)
    nclx = box(b"colr", b"nclx", struct.pack(">HHHB", 1, 13, 6, 0x80))  # sRGB, full range
    properties = box(b"ipco", sizes[0], sizes[1], config, bits, nclx)
    links = struct.pack(">I", 5) + struct.pack(">HBBBB", 1, 3, 1, 4, 5)
    links += b"".join(struct.pack(">HBBBBB", k, 4, 2, 0x83, 4, 5) for k in range(2, 6))
    shared = [
        box(b"hdlr", bytes(4), b"pict", bytes(13), version=0),
        box(b"pitm", struct.pack(">H", 1), version=0),
        box(b"iinf", struct.pack(">H", 5), *entries, version=0),
        box(b"iprp", properties, box(b"ipma", links, version=0)),
        box(b"iref", box(b"dimg", struct.pack(">HH4H", 1, 4, 2, 3, 4, 5)), version=0),
    ]
    kinds = box(b"ftyp", brand, bytes(4), b"mif1miaf" + brand)
    items = [layout, *coded]
    places, at = [], 0
    for item in items:
        places.append((at, len(item)))
        at += len(item)

    def iloc(base: int) -> bytes:
        rows = [struct.pack(">HHHII", k, 0, 1, base + at, size) for k, (at, size) in enumerate(places, 1)]
        return box(b"iloc", b"\x44\0", struct.pack(">H", 5), *rows, version=0)

    head = len(kinds) + len(box(b"meta", *shared, iloc(0), version=0)) + 8
    path.write_bytes(kinds + box(b"meta", *shared, iloc(head), version=0) + box(b"mdat", *items))


@pytest.mark.parametrize("suffix", ["avif", "heic"])
def test_a_tiled_picture_is_read_whole(suffix: str, coffee: np.ndarray, tmp_path: Path) -> None:
    large = np.kron(coffee, np.ones((2, 2, 1), np.uint8))
    grid(tmp_path / f"a.{suffix}", large)
    info, frames = read(tmp_path / f"a.{suffix}")
    assert (info.kind, info.width, info.height) == ("still", 256, 192)
    assert np.abs(frames[0].pixels.astype(int) - large).mean() < 4


def test_a_phone_heic_is_upright_and_its_depth_map_left_alone(coffee: np.ndarray, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6  # turned by a quarter
    heic = pillow_heif.from_pillow(Image.fromarray(coffee))
    heic.add_from_pillow(Image.new("L", (64, 48), 200))
    heic.save(tmp_path / "a.heic", quality=95, primary_index=0, exif=exif.tobytes())
    with Image.open(tmp_path / "a.heic") as image:
        assert image.n_frames == 2
    pixels = pixels_of(tmp_path / "a.heic")
    with_turn = np.rot90(coffee, -1)
    assert min(np.abs(pixels.astype(int) - wanted).mean() for wanted in [with_turn] if wanted.shape == pixels.shape) < 6


@pytest.mark.parametrize("suffix", ["heic", "avif"])
def test_ten_bits_are_kept(suffix: str, tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(2000, 60000, 512).astype(np.uint16), (64, 1))
    cv2.imwrite(str(tmp_path / "a.png"), np.dstack([ramp] * 3))
    if suffix == "avif":
        ffmpeg(
            "-i",
            tmp_path / "a.png",
            "-c:v",
            "libaom-av1",
            "-crf",
            2,
            "-pix_fmt",
            "yuv444p10le",
            "-still-picture",
            1,
            tmp_path / "a.avif",
        )
    else:
        pillow_heif.encode("RGB;16", (512, 64), np.dstack([ramp] * 3).tobytes(), tmp_path / "a.heic", quality=-1)
    pixels = pixels_of(tmp_path / f"a.{suffix}")
    assert pixels.dtype == np.uint16
    assert len(np.unique(pixels[32, :, 1])) > 300
    assert np.abs(pixels[32, :, 1].astype(int) - ramp[32]).max() < 500


def test_heic_and_avif_are_stills_by_name(coffee: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(coffee).save(tmp_path / "a.avif", quality=95)
    dream_video(tmp_path / "a.avif", tmp_path / "o.png", NOTHING)
    assert np.abs(cv2.imread(str(tmp_path / "o.png"))[..., ::-1].astype(int) - coffee).mean() < 3


def test_a_damaged_heic_is_refused_in_one_line(tmp_path: Path, coffee: np.ndarray) -> None:
    pillow_heif.from_pillow(Image.fromarray(coffee)).save(tmp_path / "a.heic")
    whole = (tmp_path / "a.heic").read_bytes()
    for keep in (12, len(whole) // 2):
        (tmp_path / "b.heic").write_bytes(whole[:keep])
        with pytest.raises(Exception, match=r"b\.heic is no picture that can be read"):
            read(tmp_path / "b.heic")


# --- profiles


def profile(red: tuple[float, float], green: tuple[float, float], blue: tuple[float, float], gamma: float) -> bytes:
    """Return an ICC profile of primaries given as x, y, with the white of D65 adapted to D50, and a gamma."""

    def xyz(x: float, y: float) -> np.ndarray:
        return np.array([x / y, 1, (1 - x - y) / y])

    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    d65, d50 = xyz(0.3127, 0.3290), np.array([0.9642, 1.0, 0.8249])
    primaries = np.stack([xyz(*red), xyz(*green), xyz(*blue)], 1)
    matrix = primaries * np.linalg.solve(primaries, d65)
    adapt = np.linalg.inv(bradford) @ np.diag((bradford @ d50) / (bradford @ d65)) @ bradford
    columns = adapt @ matrix

    def fixed(*values: float) -> bytes:
        return struct.pack(f">{len(values)}i", *(round(v * 65536) for v in values))

    curve = b"para" + bytes(4) + struct.pack(">HH", 0, 0) + fixed(gamma)
    tags = {b"wtpt": b"XYZ " + bytes(4) + fixed(*d50)}
    for name, column in zip((b"r", b"g", b"b"), columns.T, strict=True):
        tags[name + b"XYZ"] = b"XYZ " + bytes(4) + fixed(*column)
        tags[name + b"TRC"] = curve
    text = b"desc" + bytes(4) + struct.pack(">I", 2) + b"p\0" + bytes(79)
    tags[b"desc"], tags[b"cprt"] = text + bytes(-len(text) % 4), b"text" + bytes(4) + b"cc0\0"
    at, table, body = 128 + 4 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        table += struct.pack(">4sII", name, at + len(body), len(value))
        body += value
    head = struct.pack(">I4sI4s4s4s", at + len(body), bytes(4), 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H4s", 2020, 1, 1, 0, 0, 0, b"acsp") + bytes(24) + bytes(4) + fixed(*d50)
    return head.ljust(128, b"\0") + table + body


P3 = profile((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), 2.2)


def p3_to_srgb(levels: tuple[int, int, int]) -> np.ndarray:
    """Return sRGB, 0 to 1, for 8-bit values of P3 primaries with gamma 2.2, by the matrix between the two spaces."""
    matrix = np.array([[1.2249, -0.2247, 0], [-0.0420, 1.0419, 0], [-0.0197, -0.0786, 1.0979]])  # CSS Color 4
    linear = np.clip(matrix @ (np.array(levels) / 255) ** 2.2, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


COLOURS = [(200, 90, 60), (40, 160, 90), (128, 128, 128), (90, 70, 200)]


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "avif", "heic"])
def test_colours_are_converted_by_their_profile(suffix: str, tmp_path: Path) -> None:
    for colour in COLOURS:
        image, file = Image.new("RGB", (64, 64), colour), tmp_path / f"a.{suffix}"
        lossless = {"webp": {"lossless": True}, "jpg": {"quality": 100, "subsampling": 0}}.get(suffix, {"quality": 100})
        if suffix == "heic":
            pillow_heif.from_pillow(image).save(file, quality=100, icc_profile=P3, chroma=444)
        else:
            image.save(file, icc_profile=P3, **({} if suffix in ("png", "tif") else lossless))
        got = pixels_of(file)[32, 32] / 255
        assert np.abs(got - p3_to_srgb(colour)).max() < 0.016, colour


def test_sixteen_bits_are_converted_by_their_profile(tmp_path: Path) -> None:
    for colour in COLOURS:
        cv2.imwrite(str(tmp_path / "a.png"), np.full((8, 8, 3), np.array(colour[::-1]) * 257, np.uint16))
        data = (tmp_path / "a.png").read_bytes()
        out = io.BytesIO()
        Image.new("RGB", (8, 8)).save(out, "png", icc_profile=P3)
        chunk = out.getvalue()
        at = chunk.index(b"iCCP") - 4
        chunk = chunk[at : at + 12 + struct.unpack(">I", chunk[at : at + 4])[0]]
        (tmp_path / "a.png").write_bytes(data[:33] + chunk + data[33:])
        pixels = pixels_of(tmp_path / "a.png")
        assert pixels.dtype == np.uint16
        assert np.abs(pixels[4, 4] / 65535 - p3_to_srgb(colour)).max() < 0.003, colour


def test_pictures_in_srgb_stay_as_they_are(coffee: np.ndarray, tmp_path: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(coffee).save(tmp_path / "a.png", icc_profile=srgb)
    assert np.array_equal(pixels_of(tmp_path / "a.png"), coffee)


def test_a_profile_that_cannot_be_read_is_told(coffee: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(coffee).save(tmp_path / "a.png", icc_profile=P3[:200])
    info, frames = read(tmp_path / "a.png")
    assert np.array_equal(frames[0].pixels, coffee)
    assert any("profile cannot be read" in notice for notice in info.notices)


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 4])
def test_every_kind_of_parametric_curve_is_read(kind: int) -> None:
    g, a, b, c, d, e, f = 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045, 0.01, 0.02
    numbers = {0: (g,), 1: (g, a, b), 2: (g, a, b, c), 3: (g, a, b, c, d), 4: (g, a, b, c, d, e, f)}[kind]
    tag = (
        b"para"
        + bytes(4)
        + struct.pack(">HH", kind, 0)
        + struct.pack(f">{len(numbers)}i", *(round(v * 65536) for v in numbers))
    )
    at = 0.5
    wanted = {0: at**g, 1: (a * at + b) ** g, 2: (a * at + b) ** g + c, 3: (a * at + b) ** g, 4: (a * at + b) ** g + e}
    curve = profiles._curve(tag)
    assert curve(np.array([at]))[0] == pytest.approx(wanted[kind], abs=1e-3)  # ICC.1:2022, table 68
    if kind in (3, 4):
        assert curve(np.array([0.02]))[0] == pytest.approx(c * 0.02 + (f if kind == 4 else 0), abs=1e-3)


def test_lab_tiffs_become_rgb(tmp_path: Path) -> None:
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    orange = Image.new("RGB", (8, 8), (230, 130, 40))
    ImageCms.profileToProfile(orange, srgb, lab, outputMode="LAB").save(tmp_path / "a.tif")
    assert np.abs(pixels_of(tmp_path / "a.tif").astype(int) - (230, 130, 40)).max() <= 3


# --- alpha


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp", "deep.png", "deep.tif"])
def test_alpha_is_kept_bit_for_bit_and_colours_are_not_darkened(name: str, tmp_path: Path) -> None:
    deep = name.startswith("deep")
    kind, top = (np.uint16, 65535) if deep else (np.uint8, 255)
    alpha = np.tile(np.linspace(0, top, 64).astype(kind), (48, 1))
    pixels = np.dstack([np.full_like(alpha, v) for v in (top // 5, top // 2, top)] + [alpha])  # BGRA
    if name == "a.tif":
        Image.fromarray(pixels[..., [2, 1, 0, 3]]).save(tmp_path / name)
    else:
        cv2.imwrite(str(tmp_path / name), pixels, [cv2.IMWRITE_WEBP_QUALITY, 101])
    picture = read_picture(tmp_path / name)
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha, alpha)
    assert np.array_equal(picture.pixels[:, 20:], pixels[:, 20:, 2::-1])
    for output in ("o.png", "o.tif"):
        dream_video(
            tmp_path / name,
            tmp_path / output,
            Recipe().merge({"dream": {"iterations": 2, "octaves": 1}}),
            overwrite=True,
        )
        kept = read_picture(tmp_path / output)
        assert kept.alpha is not None
        assert np.array_equal(kept.alpha, alpha), output
        assert not np.array_equal(kept.pixels, picture.pixels)  # dreamed, under it


def test_alpha_is_laid_over_the_background_in_a_jpeg(tmp_path: Path) -> None:
    Image.new("RGBA", (32, 32), (200, 100, 0, 128)).save(tmp_path / "a.png")
    told = list[str]()
    white = NOTHING.set("clip.background=white")
    dream_video(tmp_path / "a.png", tmp_path / "o.jpg", white, on_event=lambda event: told.append(event.notice))
    wanted = np.array((200, 100, 0)) * 128 / 255 + 255 * 127 / 255
    assert np.abs(np.asarray(Image.open(tmp_path / "o.jpg"))[16, 16] - wanted).max() < 4
    assert any("laid over #ffffff" in notice for notice in told)


def test_a_transparent_still_keeps_its_alpha_in_a_film(tmp_path: Path) -> None:
    Image.new("RGBA", (32, 32), (200, 100, 0, 128)).save(tmp_path / "a.png")
    dream_video(tmp_path / "a.png", tmp_path / "o.mkv", NOTHING.set("clip.seconds=0.2"))
    info, frames = read(tmp_path / "o.mkv", background=None)
    assert info.alpha
    assert all((frame.alpha == 128).all() for frame in frames if frame.alpha is not None)


# --- numbers


@pytest.mark.parametrize(
    ("path", "names", "numbers"),
    [
        ("in", ["scene_1080p_01.png", "scene_1080p_02.png"], (1, 2)),
        ("in", ["f1.png", "f2.png", "f5.png"], (1, 2, 5)),
        ("in", ["12_take3.png", "13_take3.png"], (12, 13)),
        ("in", ["scene_1080p_07.png"], (7,)),
        ("in/%d_v2.png", ["8_v2.png", "9_v2.png"], (8, 9)),
        ("in", ["a.png", "b.png"], (1,)),
        ("in", ["cam1_1.png", "cam2_1.png"], (1, 2)),
    ],
)
def test_numbers_are_those_that_differ(path: str, names: list[str], numbers: tuple[int, ...]) -> None:
    assert frame_numbers(path, [Path("in") / name for name in names]) == numbers


def test_gaps_in_numbers_are_kept_and_told(coffee: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in (1, 2, 5):
        cv2.imwrite(str(tmp_path / "in" / f"scene_1080p_{number:02d}.png"), coffee)
    told = list[str]()
    dream_video(tmp_path / "in", tmp_path / "out", NOTHING, on_event=lambda event: told.append(event.notice))
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["00001.png", "00002.png", "00005.png"]
    assert any("2 numbers are missing between 1 and 5" in notice for notice in told)
    with pytest.raises(SinkError, match=r"0000[125]\.png exists"):
        dream_video(tmp_path / "in", tmp_path / "out", NOTHING)


def test_a_part_of_a_sequence_keeps_its_numbers(coffee: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in (10, 11, 12, 14):
        cv2.imwrite(str(tmp_path / "in" / f"{number}.png"), coffee)
    info, _ = read(tmp_path / "in", start=1, rate=1)
    assert [info.frame_number(k) for k in range(3)] == [11, 12, 14]
