"""RAFT as the optical flow: what torchvision's network gives, at any size, with published weights or one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from skimage import data
from torchvision.models import optical_flow

from dreamvideo import ModelError, Recipe, dream_video
from dreamvideo.media.pixels import luma_8bit
from dreamvideo.video import flow, raft

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of raft_small."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("raft") / "small.pth"
    torch.save(optical_flow.raft_small().state_dict(), path)
    return path


def two_frames(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the luma of two frames of a pan."""
    photo = luma_8bit(cv2.resize(data.coffee(), (width + 6, height), interpolation=cv2.INTER_AREA))
    return np.ascontiguousarray(photo[:, 6:]), np.ascontiguousarray(photo[:, :-6])


def reference(weights: Path, current: np.ndarray, previous: np.ndarray) -> np.ndarray:
    """Return torchvision's own flow, by its own preparation of two pictures of a size that RAFT takes."""
    network = optical_flow.raft_small().eval()
    network.load_state_dict(torch.load(weights))
    pictures = [torch.from_numpy(p).expand(1, 3, -1, -1) for p in (current, previous)]
    prepared = optical_flow.Raft_Small_Weights.DEFAULT.transforms()(*pictures)
    with torch.no_grad():
        found: torch.Tensor = network(*prepared)[-1][0]
    return found.permute(1, 2, 0).numpy()


def test_the_flow_is_torchvisions_from_the_current_frame_to_the_previous(weights: Path) -> None:
    current, previous = two_frames(160, 128)
    found = raft.load_raft("raft-small", str(weights), CPU)(current, previous)
    expected = reference(weights, current, previous)
    assert np.abs(expected).mean() > 0.05
    assert np.allclose(found, expected, atol=1e-3)
    assert not np.allclose(found, reference(weights, previous, current), atol=1e-3)


def test_frames_of_other_sizes_are_padded_as_their_edges_go_on(weights: Path) -> None:
    current, previous = two_frames(150, 90)
    padding = (19, 19, 1, 1)  # rows, columns: to 152 by 128
    padded = (cv2.copyMakeBorder(p, *padding, cv2.BORDER_REPLICATE) for p in (current, previous))
    found = raft.load_raft("raft-small", str(weights), CPU)(current, previous)
    assert np.allclose(found, reference(weights, *padded)[19:-19, 1:-1], atol=1e-3)


def test_large_frames_are_shrunk_and_their_flow_is_in_their_own_pixels(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    current, previous = two_frames(320, 256)
    monkeypatch.setattr(raft, "MOST_PIXELS", 160 * 128)
    found = raft.load_raft("raft-small", str(weights), CPU)(current, previous)
    small = (cv2.resize(p, (160, 128), interpolation=cv2.INTER_AREA) for p in (current, previous))
    assert found.shape == (256, 320, 2)
    assert np.allclose(found, 2 * cv2.resize(reference(weights, *small), (320, 256)), atol=1e-2)


def test_published_weights_are_downloaded_for_each_network(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def published(self: Any, **_: Any) -> dict[str, torch.Tensor]:
        asked.append(str(self))
        name = type(self).__name__.removesuffix("_Weights").lower()
        state: dict[str, torch.Tensor] = getattr(optical_flow, name)().state_dict()
        return state

    monkeypatch.setattr("torchvision.models._api.WeightsEnum.get_state_dict", published)
    raft.load_raft("raft", "C_T_V1", CPU)
    raft.load_raft("raft-small", "", CPU)
    assert asked == ["Raft_Large_Weights.C_T_V1", f"Raft_Small_Weights.{optical_flow.Raft_Small_Weights.DEFAULT.name}"]


def test_a_film_is_carried_by_raft(
    weights: Path, tmp_path: Path, quick: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    for k, picture in enumerate(two_frames(96, 64)[::-1]):
        cv2.imwrite(str(tmp_path / "in" / f"{k}.png"), picture)
    calls, of_network = [], raft.Raft.__call__
    monkeypatch.setattr(raft.Raft, "__call__", lambda *given: calls.append(1) or of_network(*given))
    for setting in ("flow=raft-small", f"flow_weights={weights}", "passes=2", "cuts=none"):
        quick = quick.set(f"temporal.{setting}")
    dream_video(tmp_path / "in", tmp_path / "out", quick)
    assert len(list((tmp_path / "out").glob("*.png"))) == 2
    assert len(calls) == 4  # there and back, in each pass


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("raft", "C_T_V9", "raft has no weights 'C_T_V9': take one of C_T_V1"),
        ("raft", "FILE", "do not fit this network"),  # of the small one
        ("dis", "FILE", ""),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights: Path, name: str, given: str, message: str) -> None:
    temporal = Recipe().set(f"temporal.flow={name}").set(f"temporal.flow_weights={given.replace('FILE', str(weights))}")
    if not message:
        assert raft.pick_methods(temporal.temporal, CPU) == flow.METHODS["dis"]
        return
    with pytest.raises(ModelError, match=message):
        raft.pick_methods(temporal.temporal, CPU)
