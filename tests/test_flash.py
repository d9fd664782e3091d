"""Flashes are counted as the standards define them, and limited to three in a second by no more than it takes."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from dreamvideo.finish import flash


def gray(level: float) -> torch.Tensor:
    """A picture of one relative luminance."""
    return torch.full((3, 8, 8), 12.92 * level if level <= 0.0031308 else 1.055 * level ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize(
    ("one", "other", "flashes"),
    [(0.2, 0.9, 5), (0.75, 0.86, 5), (0.0, 0.11, 5), (0.5, 0.59, 0), (0.81, 1.0, 0)],
)
def test_a_flash_is_a_tenth_of_white_from_a_level_below_eight_tenths(one: float, other: float, flashes: int) -> None:
    levels = [one, one, other, other] * 15  # at 20 frames per second, a cycle takes a fifth of a second
    assert flash.worst_second(levels, Fraction(20)) == flashes


def test_three_flashes_in_a_second_are_left_as_they_are() -> None:
    limit = flash.FlashLimiter(Fraction(30))
    for k in range(90):
        picture = gray(0.9 if k // 5 % 2 else 0.2)
        assert torch.equal(limit(picture), picture), k
    assert limit.held == 0


def test_more_flashes_are_limited_by_no_more_than_it_takes() -> None:
    limit, counter = flash.FlashLimiter(Fraction(30)), flash.FlashCounter(Fraction(30))
    for k in range(90):
        level = 0.9 if k // 2 % 2 else 0.2
        low, high = counter.steady_range()
        limited = counter.would_change(level) and not counter.may_change()
        shown = flash.luminance(limit(gray(level)))
        assert shown == pytest.approx(min(max(level, low), high) if limited else level, abs=1e-3), k
        counter.add(shown)
    assert counter.worst == flash.MOST
    assert limit.held > 20
