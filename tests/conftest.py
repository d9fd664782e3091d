"""Small clips whose facts are known, made by ffmpeg on the spot, and pictures with real things in them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
import pytest
import torch
import torchvision
from skimage import data

from dreamvideo import Engine, Recipe

Published = Callable[[torch.nn.Module], list[str]]
SAMPLES = Path(__file__).parent.parent / "samples"


def ffmpeg(*args: object) -> None:
    """Run ffmpeg; its complaint is the test's failure."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y", *map(str, args)]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def clip(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that makes a film of ffmpeg's test picture, with as many sound tracks as asked."""

    def make(
        name: str,
        size: str = "64x48",
        rate: str = "10",
        frames: int = 10,
        sound: int = 0,
        tail: tuple[object, ...] = (),
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        args: list[object] = ["-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}"]
        for track in range(sound):
            args += ["-f", "lavfi", "-i", f"sine=f={440 * (track + 1)}:d=60:r=48000"]
        maps = ["-map", "0:v", *(x for track in range(sound) for x in ("-map", f"{track + 1}:a"))]
        number, _, below = rate.partition("/")
        length = frames * int(below or 1) / int(number)
        ffmpeg(*args, *maps, "-t", f"{length:.6f}", "-frames:v", frames, *tail, f"file:{path}")
        return path

    return make


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """NASA's astronaut, RGB uint8, (96, 96, 3): small enough to dream in a blink."""
    return cv2.resize(data.astronaut(), (96, 96), interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="session")
def quick() -> Recipe:
    """A recipe that does everything the default does, less often."""
    return Recipe().set("dream.octaves=2").set("dream.iterations=3").set("temporal.refine=1")


@pytest.fixture(scope="session")
def engine(quick: Recipe) -> Engine:
    """The embedded network with the quick recipe."""
    return Engine(quick)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Published:
    """Return a function that serves a network's weights in torchvision's stead, and returns what is asked for."""

    def publish(model: torch.nn.Module) -> list[str]:
        asked = []

        def download(url: str, *args: object, check_hash: bool = False, **kwargs: object) -> dict[str, torch.Tensor]:
            assert check_hash
            asked.append(url)
            state = model.state_dict()
            for key, value in state.items():
                state[key] = value.float()
            return state

        monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", download)
        return asked

    return publish


def tensor(pixels: np.ndarray) -> torch.Tensor:
    """Return RGB pixels uint8 (H, W, 3) as float (3, H, W) in [0, 1]."""
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
