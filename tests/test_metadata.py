"""Recipes in output files: written by dreamvideo, read back by it and by others."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import ffmpeg
from PIL import Image

from dreamvideo import Recipe, SourceError
from dreamvideo.media.metadata import read_recipe, with_comment

RECIPE = Recipe().merge({"finish": {"mask": '夢 & <b>é</b> "x".png'}}).to_toml()
LONG = RECIPE + "".join(f"# {number}\n" for number in range(20_000))  # more than a JPEG's comment segment holds


def picture(suffix: str, kind: type, channels: int = 3) -> bytes:
    pixels = np.random.default_rng(0).integers(0, np.iinfo(kind).max, (48, 64, channels), dtype=kind)
    return cv2.imencode(suffix, pixels)[1].tobytes()


def animation(suffix: str) -> bytes:
    frames = [Image.fromarray(np.full((48, 64, 3), 40 * k, np.uint8)) for k in range(3)]
    file = io.BytesIO()
    frames[0].save(file, suffix[1:].upper(), save_all=True, append_images=frames[1:])
    return file.getvalue()


FILES = {
    "8.png": picture(".png", np.uint8),
    "16.png": picture(".png", np.uint16),
    "alpha.png": picture(".png", np.uint16, 4),
    "8.jpg": picture(".jpg", np.uint8),
    "8.tif": picture(".tif", np.uint8),
    "16.tif": picture(".tif", np.uint16),
    "8.webp": picture(".webp", np.uint8),
    "moving.webp": animation(".webp"),
    "moving.gif": animation(".gif"),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("comment", [RECIPE, LONG], ids=["short", "long"])
def test_a_recipe_of_any_length_and_script_comes_back_and_the_pixels_stay(
    name: str, comment: str, tmp_path: Path
) -> None:
    file = tmp_path / name
    file.write_bytes(with_comment(FILES[name], comment))
    assert read_recipe(str(file)) == comment
    with Image.open(io.BytesIO(FILES[name])) as plain, Image.open(file) as commented:
        assert getattr(plain, "n_frames", 1) == getattr(commented, "n_frames", 1)
        assert np.array_equal(np.asarray(plain), np.asarray(commented))


def test_a_file_of_another_format_stays_as_it_is() -> None:
    assert with_comment(b"BM something", RECIPE) == b"BM something"


@pytest.mark.parametrize("name", FILES)
def test_a_picture_without_a_recipe_or_a_damaged_one_has_none(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole, file = FILES[name], tmp_path / name
    for data in (whole, with_comment(whole, "not a recipe"), whole[:30], whole[: len(whole) // 2]):
        file.write_bytes(data)
        with pytest.raises(SourceError, match="carries no recipe: only files made by dreamvideo do"):
            read_recipe(str(file))
    assert capfd.readouterr() == ("", "")


def test_a_recipe_in_a_film_comes_back(tmp_path: Path) -> None:
    film = tmp_path / "a.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x48:r=10:d=0.2", "-metadata", f"comment={RECIPE}", film)
    assert read_recipe(str(film)) == RECIPE


def test_the_recipe_of_frames_is_that_of_the_first(tmp_path: Path) -> None:
    (tmp_path / "9.png").write_bytes(with_comment(FILES["8.png"], RECIPE))
    (tmp_path / "10.png").write_bytes(FILES["8.png"])
    assert read_recipe(str(tmp_path)) == RECIPE
