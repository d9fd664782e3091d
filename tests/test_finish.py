"""The finished picture: blend modes, the alpha layer, saved octaves. Masks: test_mask.py."""

from __future__ import annotations

import os
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import cv2
import imageio_ffmpeg
import numpy as np
import pytest
import torch
from conftest import tensor
from media_files import read
from skimage import data

from dreamvideo import Engine, Recipe, RecipeError, SinkError, SourceError, dream_video, preview
from dreamvideo.finish import tone
from dreamvideo.finish.blend import MODES as BLENDS
from dreamvideo.finish.blend import alpha_layer, blend, luminosity, set_luminosity
from dreamvideo.finish.composite import composite
from dreamvideo.finish.palette import Palette, read_palette, recolour
from dreamvideo.recipe import PALETTES, Finish

H, W = 48, 64
SPECK = 1 / 255
MODES = ("add", *BLENDS)


def one(*values: float) -> torch.Tensor:
    """A picture of one pixel."""
    return torch.tensor(values)[:, None, None]


def save(path: Path, pixels: np.ndarray) -> Path:
    """Write RGB or grey pixels as a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if pixels.ndim == 3 else pixels)
    return path


def half_white(height: int = H, width: int = W) -> np.ndarray:
    """A mask whose left half is black."""
    mask = np.zeros((height, width), np.uint8)
    mask[:, width // 2 :] = 255
    return mask


def film(folder: Path, depth: int = 8, frames: int = 3) -> Path:
    """A pan over a photo, as lossless frames of 8 or 16 bits."""
    photo = cv2.resize(data.coffee(), (2 * W, 2 * H), interpolation=cv2.INTER_AREA)
    for k in range(frames):
        pixels = np.ascontiguousarray(photo[10 : 10 + H, 2 * k : 2 * k + W])
        pixels = pixels if depth == 8 else np.minimum(pixels.astype(np.uint16) * 257, 65000) + np.uint16(7 * k + 3)
        save(folder / "in" / f"{k + 1:05d}.png", pixels)
    return folder / "in"


def noisy(photo: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    return tensor(photo), torch.randn(3, *photo.shape[:2], generator=torch.Generator().manual_seed(0)) / 5


# --- blend modes ------------------------------------------------------------------------------------------------------


def test_the_modes_are_those_of_the_standard() -> None:
    """Every value by hand, from the formulas of Compositing and Blending Level 1."""
    below, above = one(0.2, 0.5, 0.8), one(0.6, 0.25, 0.9)
    expected = {
        "screen": (0.68, 0.625, 0.98),
        "multiply": (0.12, 0.125, 0.72),
        "overlay": (0.24, 0.25, 0.96),
        "hard-light": (0.36, 0.25, 0.96),
        "lighten": (0.6, 0.5, 0.9),
        "darken": (0.2, 0.25, 0.8),
        "difference": (0.4, 0.25, 0.1),
        # D(0.2) = ((16·0.2 − 12)·0.2 + 4)·0.2 = 0.448; D(0.8) = √0.8
        "soft-light": (0.2 + 0.2 * (0.448 - 0.2), 0.5 - 0.5 * 0.5 * 0.5, 0.8 + 0.8 * (0.8**0.5 - 0.8)),
    }
    for mode, values in expected.items():
        assert blend(mode, below, above).flatten().tolist() == pytest.approx(values, abs=1e-6), mode


def test_luminosity_and_color_modes_swap_luminosity_and_clip_towards_grey() -> None:
    below, above = one(0.2, 0.5, 0.8), one(0.6, 0.25, 0.9)
    shift = (0.3 * 0.6 + 0.59 * 0.25 + 0.11 * 0.9) - (0.3 * 0.2 + 0.59 * 0.5 + 0.11 * 0.8)
    lit = blend("luminosity", below, above).flatten().tolist()
    assert lit == pytest.approx([0.2 + shift, 0.5 + shift, 0.8 + shift], abs=1e-6)
    coloured = blend("color", below, above).flatten().tolist()
    assert coloured == pytest.approx([0.6 - shift, 0.25 - shift, 0.9 - shift], abs=1e-6)
    # pure red brought to a luminosity of 0.6 is (1.3, 0.3, 0.3): red is drawn back to 1, the others in the same measure
    red = set_luminosity(one(1.0, 0.0, 0.0), torch.tensor([[[0.6]]])).flatten().tolist()
    share = (1 - 0.6) / (1.3 - 0.6)
    assert red == pytest.approx([1.0, 0.6 - 0.3 * share, 0.6 - 0.3 * share], abs=1e-6)
    assert torch.equal(set_luminosity(one(1.0, 0.0, 0.0), torch.zeros(1, 1, 1)), torch.zeros(3, 1, 1))


def test_add_is_frame_plus_layer_and_strength_interpolates_to_every_mode(photo: np.ndarray) -> None:
    image, layer = noisy(photo)
    assert torch.equal(composite(image, layer, Finish(strength=0.7, tone="hard")), (image + 0.7 * layer).clamp(0, 1))
    for mode in BLENDS:
        none, half, whole = (
            composite(image, layer, Finish(blend=mode, strength=s, tone="hard"))  # type: ignore[arg-type]
            for s in (0, 0.5, 1)
        )
        assert torch.allclose(whole, blend(mode, image, (image + layer).clamp(0, 1)), atol=1e-6)
        assert torch.allclose(half, (image + whole) / 2, atol=1e-6)
        assert torch.equal(none, image)


@pytest.mark.parametrize("mode", MODES)
def test_keep_color_changes_luminance_only(mode: str, photo: np.ndarray) -> None:
    """Chroma stays where it fits into [0, 1]; elsewhere only hue does."""
    image, layer = noisy(photo)
    plain = composite(image, layer, Finish(blend=mode))  # type: ignore[arg-type]
    kept = composite(image, layer, Finish(blend=mode, keep_color=True))  # type: ignore[arg-type]
    assert torch.allclose(luminosity(kept), luminosity(plain), atol=1e-5)
    before, after = (x - luminosity(x) for x in (image, kept))  # chroma
    fits = (kept.amin(0) > SPECK) & (kept.amax(0) < 1 - SPECK)
    assert float(fits.float().mean()) > 0.05
    assert torch.allclose(before[:, fits], after[:, fits], atol=1e-5)
    assert float(torch.linalg.cross(before, after, dim=0).abs().max()) < 1e-5  # 0 where they point the same way
    assert bool((after.square().sum(0) <= before.square().sum(0) + 1e-5).all())
    if mode != "color":
        assert float((kept - image).abs().mean()) > 0.02


def test_a_grey_dream_would_shift_the_hue_where_it_is_clipped(photo: np.ndarray) -> None:
    """What --keep-color does better than --color 0."""
    image, layer = noisy(photo)
    grey = composite(image, layer, Finish(color=0, tone="hard"))
    chroma = image - luminosity(image), grey - luminosity(grey)
    assert float(torch.linalg.cross(*chroma, dim=0).abs().max()) > 1e-3


# --- tone -------------------------------------------------------------------------------------------------------------


def test_a_soft_dream_clips_nothing_that_its_frame_does_not(photo: np.ndarray) -> None:
    image, layer = noisy(photo)
    levels = (255 * tone.add_soft(image, 3 * layer)).round()
    clipped, was = (((x <= 2) | (x >= 253)).any(0) for x in (levels, (255 * image).round()))
    assert not bool((clipped & ~was).any())
    hard = (255 * (image + 3 * layer).clamp(0, 1)).round()
    assert float(((hard <= 2) | (hard >= 253)).any(0).float().mean()) > 0.3


def test_a_soft_dream_starts_from_the_frame_and_grows_with_the_layer(photo: np.ndarray) -> None:
    image, layer = noisy(photo)
    assert torch.equal(tone.add_soft(image, torch.zeros_like(image)), image)
    sizes = [float((tone.add_soft(image, s * layer) - image).abs().mean()) for s in (1e-5, 0.5, 1, 2)]
    assert sizes == sorted(sizes)
    assert sizes[0] < 1e-4


def test_a_soft_dream_keeps_the_hue_where_the_colour_leaves_the_gamut() -> None:
    orange = torch.tensor([0.9, 0.5, 0.2]).view(3, 1, 1)
    for change in (0.3, -0.4):
        dreamed = tone.add_soft(orange, torch.full((3, 1, 1), change))
        before, after = (x - tone.luma(x) for x in (orange, dreamed))
        assert float(torch.linalg.cross(before, after, dim=0).abs().max()) < 1e-6
        assert float((before * after).sum()) > 0
        assert float(tone.luma(dreamed) - tone.luma(orange)) * change > 0


def test_the_light_of_a_frame_stays_and_its_smooth_areas_are_spared() -> None:
    frame = torch.full((3, 200, 200), 0.5)
    frame[..., ::4] += 0.2  # stripes: texture on the right half only
    frame[..., :100] = 0.5
    shade = torch.full_like(frame, 0.2)
    assert float(tone.even_light(shade).mean()) == pytest.approx(0.2 * (1 - tone.LIGHT_KEPT), abs=1e-4)
    fine = 0.1 * torch.sin(torch.arange(200.0))[None, :, None].expand(3, 200, 200)
    assert torch.allclose(tone.even_light(fine)[:, 20:-20], fine[:, 20:-20], atol=0.02)
    assert float(tone.texture(frame)[..., :80].max()) == 0
    assert float(tone.texture(frame)[..., 120:].min()) == 1
    spared = composite(frame, fine, Finish(spare_smooth=1))
    assert torch.equal(spared[..., :80], frame[..., :80])
    assert float((spared - frame)[..., 120:].abs().mean()) > 0.03


def test_a_wide_blur_is_a_gaussian() -> None:
    plane = torch.zeros(1, 240, 240)
    plane[:, 120, 120] = 1
    for sigma in (1.5, 12.0):
        found = tone.blurred(plane, sigma)[0].numpy()
        wanted = cv2.GaussianBlur(plane[0].numpy(), (0, 0), sigma)
        assert np.abs(found - wanted).max() < 0.15 * wanted.max()
        assert found.sum() == pytest.approx(1, abs=0.02)


# --- palettes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*PALETTES, "file"])
def test_a_dream_takes_on_the_colours_of_a_palette_and_keeps_its_light(
    name: str, photo: np.ndarray, tmp_path: Path
) -> None:
    coffee = cv2.resize(data.coffee(), (90, 60), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(tmp_path / "coffee.png"), coffee[..., ::-1])
    wanted = read_palette(str(tmp_path / "coffee.png") if name == "file" else name)
    image, layer = noisy(photo)
    assert wanted is not None
    dream = image + recolour(image, layer, wanted)
    found = Palette.of(dream)
    assert torch.allclose(found.mean, wanted.mean, atol=1e-4)
    assert torch.allclose(found.covariance, wanted.covariance, atol=2e-3)
    assert torch.allclose(tone.luma(dream), tone.luma(image + layer), atol=1e-5)
    assert torch.equal(composite(image, layer, Finish(strength=0), palette=wanted), image)


def test_an_unknown_palette_is_refused_with_those_there_are() -> None:
    with pytest.raises(RecipeError, match=r"golden is no picture and no palette: .*gold"):
        Engine(Recipe().set("finish.palette=golden"))


def test_a_grey_picture_takes_on_a_palette_without_noise() -> None:
    grey, wanted = torch.linspace(0.2, 0.8, 64).expand(3, 64, 64), read_palette("ember")
    assert wanted is not None
    tinted = grey + recolour(grey, torch.zeros_like(grey), wanted)
    chroma = tinted - tone.luma(tinted)
    assert float(chroma.std(-1).max()) < 1e-3
    assert float(chroma[0].mean()) > 0.05 > float(chroma[2].mean())


# --- the alpha layer --------------------------------------------------------------------------------------------------


def rgba(path: Path) -> list[np.ndarray]:
    """Decode every frame of a film with alpha by ffmpeg, as RGBA in [0, 1]."""
    decoder = ["-c:v", "libvpx-vp9"] if path.suffix == ".webm" else []  # ffmpeg's own VP9 decoder knows no alpha
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *decoder, "-i", str(path)]
    done = subprocess.run([*command, "-f", "rawvideo", "-pix_fmt", "rgba64le", "-"], capture_output=True, check=True)
    return list(np.frombuffer(done.stdout, "<u2").reshape(-1, H, W, 4) / 65535)


def over(layer: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Lay straight RGBA over RGB, both in [0, 1]."""
    return layer[..., 3:] * layer[..., :3] + (1 - layer[..., 3:]) * below


def test_the_alpha_layer_has_the_least_alpha_that_makes_the_picture() -> None:
    generator = torch.Generator().manual_seed(0)
    below, picture = (torch.rand(3, 40, 40, generator=generator) for _ in range(2))
    below[:, :4], below[:, 8:12], picture[:, 4:8] = 0.0, 1.0, 1.0
    picture[:, :, :10] = below[:, :, :10]
    layer = alpha_layer(picture, below)
    assert layer.min() >= 0
    assert layer.max() <= 1
    assert torch.allclose(layer[3] * layer[:3] + (1 - layer[3]) * below, picture, atol=1e-6)
    assert torch.equal(layer[:, :, :10], torch.zeros(4, 40, 10))
    less = (layer[3] - 2 / 65535).clamp_min(1e-9)  # with any less, its colour would leave [0, 1]
    colour = below + (picture - below) / less
    assert bool(((colour < 0) | (colour > 1)).any(0)[:, 10:].all())


@pytest.mark.parametrize("depth", [8, 16])
def test_a_layer_of_frames_laid_over_the_source_is_the_picture(depth: int, quick: Recipe, tmp_path: Path) -> None:
    source, mask = film(tmp_path, depth), save(tmp_path / "m.png", half_white())
    settings = {"mask": str(mask), "feather": 2.0, "blend": "soft-light", "strength": 1.5}
    dream_video(source, tmp_path / "out", quick.merge({"finish": settings}), layer_out=tmp_path / "layer")
    top = 2**depth - 1
    slack = 2 / 65535 + (0.5 / 255 if depth == 8 else 0)  # what the picture's own 8 bits round away
    for k, (found, given) in enumerate(zip(read(tmp_path / "out")[1], read(source)[1], strict=True), 1):
        stored = cv2.imread(str(tmp_path / "layer" / f"{k:05d}.png"), cv2.IMREAD_UNCHANGED)
        assert (stored.dtype, stored.shape) == (np.uint16, (H, W, 4))
        layer = cv2.cvtColor(stored, cv2.COLOR_BGRA2RGBA) / 65535
        assert np.abs(over(layer, given.pixels / top) - found.pixels / top).max() <= slack
        assert layer[:, : W // 4].max() == 0  # beyond the mask's soft edge
        assert layer[..., 3].max() > 0.1


@pytest.mark.parametrize(
    ("name", "pix_fmt", "mean", "most"),
    [
        # ten bits of limited-range Y'CbCr step by 1/876 in luma, by up to 1/505 in blue; DCT adds a few such steps
        ("layer.mov", "yuva444p", 0.001, 0.01),
        ("layer.mkv", "gbrap16le", 2 / 65535, 2 / 65535),
        ("layer.webm", "yuv420p", 0.02, 1),  # for the web: eight bits, half the chroma, coded with loss
    ],
)
def test_a_layer_as_a_film(name: str, pix_fmt: str, mean: float, most: float, quick: Recipe, tmp_path: Path) -> None:
    source = film(tmp_path, 16)
    dream_video(source, tmp_path / "out", quick.set("clip.fps=30000/1001"), layer_out=tmp_path / name)
    info, given, found = read(tmp_path / name)[0], read(source)[1], read(tmp_path / "out")[1]
    assert (info.rate, info.count, info.width, info.height) == (Fraction(30000, 1001), 3, W, H)
    with av.open(str(tmp_path / name)) as container:
        assert container.streams.video[0].codec_context.pix_fmt.startswith(pix_fmt)
    for layer, below, picture in zip(rgba(tmp_path / name), given, found, strict=True):
        error = np.abs(over(layer, below.pixels / 65535) - picture.pixels / 65535)
        assert error.mean() <= mean
        assert error.max() <= most
        assert layer[..., 3].mean() > 0.02
        if name != "layer.webm":
            assert error.mean() < 0.2 * np.abs(picture.pixels / 65535 - below.pixels / 65535).mean()
    assert not [f for f in os.listdir(tmp_path) if f.startswith(".")]


def test_a_still_and_a_preview_have_layers_too(quick: Recipe, tmp_path: Path) -> None:
    source, quick = film(tmp_path, frames=5), quick.set("finish.strength=0.8")
    dream_video(source / "00001.png", tmp_path / "a.png", quick, layer_out=tmp_path / "l.png")
    preview(source, tmp_path / "b.png", "0.13", quick, layer_out=tmp_path / "m.png", save_octaves=tmp_path / "o")
    for picture, layer, frame in (("a.png", "l.png", "00001.png"), ("b.png", "m.png", "00004.png")):
        stored = cv2.imread(str(tmp_path / layer), cv2.IMREAD_UNCHANGED) / 65535
        given, found = (cv2.imread(str(f)) / 255 for f in (source / frame, tmp_path / picture))
        assert np.abs(over(stored, given) - found).max() <= 0.5 / 255 + 2 / 65535
    assert {f.split("-")[0] for f in os.listdir(tmp_path / "o")} == {"00004"}


def test_layers_are_refused_where_they_cannot_be(quick: Recipe, tmp_path: Path) -> None:
    source = film(tmp_path)
    there = save(tmp_path / "there.png", half_white())
    still, end, layer = source / "00001.png", tmp_path / "out.mkv", tmp_path / "l.mkv"
    refused = [
        (source, end, tmp_path / "l.mp4", {}, "alpha"),
        (source, end, tmp_path / "l.jpg", {}, "alpha"),
        (source, end, tmp_path / "l.png", {}, "is many"),
        (source, end, end, {}, "output itself"),
        (source, tmp_path / "o", f"{tmp_path / 'o'}/%05d.png", {}, "output itself"),
        (source, end, source, {}, "own frames"),
        (source, end, there, {"finish": {"mask": str(there)}}, "input itself"),
        (source, end, layer, {"camera": {"loop": True}}, "source's own frames|too short"),
        (source, end, layer, {"camera": {"rotate": 5.0}}, "source's own frames"),
        (source, end, layer, {"camera": {"then_zoom": 1.0}}, "source's own frames"),
        (still, end, layer, {"clip": {"seconds": 1.0}}, "source's own frames"),
        (still, tmp_path / "o.png", there, {}, "--overwrite"),
    ]
    for given, output, beside, settings, says in refused:
        with pytest.raises((SinkError, SourceError), match=says):
            dream_video(given, output, quick.merge(settings), layer_out=beside)
    assert not [f for f in os.listdir(tmp_path) if f.startswith(".") or f.endswith((".mkv", ".mp4"))]


def test_both_are_written_when_a_render_that_was_stopped_has_gone_on(quick: Recipe, tmp_path: Path) -> None:
    source, done = film(tmp_path, frames=5), list[int]()
    for out, stops in (("a", 2), ("a", 9), ("b", 9)):
        dream_video(
            source, tmp_path / f"{out}.mkv", quick, layer_out=tmp_path / f"l{out}.mkv",
            on_event=lambda event: done.append(0 if event.phase else event.done),
            stop=lambda: bool(done) and done[-1] >= stops,  # noqa: B023 - called at once
        )  # fmt: skip
    for name in ("", "l"):
        cut, whole = (read(tmp_path / f"{name}{out}.mkv")[1] for out in "ab")
        assert len(cut) == 5
        assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(cut, whole, strict=True))


def test_a_render_that_fails_leaves_neither(quick: Recipe, tmp_path: Path) -> None:
    def fail(event: object) -> None:
        if event.done == 2:  # type: ignore[attr-defined]
            raise RuntimeError("pulled the plug")

    source = film(tmp_path)
    with pytest.raises(RuntimeError, match="plug"):
        dream_video(source, tmp_path / "out.mkv", quick, layer_out=tmp_path / "l.mov", on_event=fail)
    assert sorted(os.listdir(tmp_path)) == ["in"]


# --- octaves ----------------------------------------------------------------------------------------------------------


def test_octaves_are_saved_by_frame_and_size(quick: Recipe, tmp_path: Path) -> None:
    source, where = film(tmp_path, frames=2), tmp_path / "octaves"
    quick = quick.set("finish.tone=hard")  # octaves are saved as they are dreamed, before they are finished
    dream_video(source, tmp_path / "out", quick, save_octaves=where)
    assert sorted(os.listdir(where)) == [f"{n:05d}-{size}.png" for n in (1, 2) for size in ("46x34", "64x48")]
    for n in (1, 2):
        finest, written = cv2.imread(str(where / f"{n:05d}-64x48.png")), cv2.imread(str(tmp_path / f"out/{n:05d}.png"))
        assert np.abs(finest.astype(int) - written).max() <= 1
    small, given = cv2.imread(str(where / "00001-46x34.png")), cv2.imread(str(source / "00001.png"))
    change = np.abs(small.astype(int) - cv2.resize(given, (46, 34), interpolation=cv2.INTER_AREA)).mean()
    assert 1 < change < 40  # the frame, dreamed
    with pytest.raises(SinkError, match="--overwrite"):
        dream_video(source, tmp_path / "again", quick, save_octaves=where)
    dream_video(source, tmp_path / "again", quick, save_octaves=where, overwrite=True)
    assert len(os.listdir(where)) == 4
