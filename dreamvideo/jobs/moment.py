"""A moment of a film that is shown by itself: which frames are dreamed before it, so that it looks as in the film."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass

from ..media.readers.frame import Frame
from ..recipe import Recipe
from ..video import camera
from ..video.shots import Rule
from .setup import Setup

PREROLL = 12  # frames that a dream runs up over to the one that is shown, so that it looks as it will in the film
STRIDE = 3  # frames from one to the next of them that is dreamed, where nothing depends on how many there are


@dataclass(frozen=True)
class Moment:
    """The frames that are read and dreamed to show one.

    Attributes:
        index: the frame that is shown.
        first: the frame that dreaming begins with.
        stride: frames from one to the next that is dreamed.
    """

    index: int
    first: int
    stride: int

    @classmethod
    def of(cls, index: int, setup: Setup) -> Moment:
        """Return what has to be dreamed to show a frame of a film; of feedback frames all."""
        first = max(min(index, setup.source_frames - 1) - PREROLL, 0)
        return cls(index, first, STRIDE if setup.source_frames == setup.info.count and _may_skip(setup.recipe) else 1)

    @property
    def count(self) -> int:
        """How many frames are read."""
        return self.index - self.first + 1

    @property
    def dreamed(self) -> int:
        """How many frames are dreamed."""
        return -(-self.count // self.stride)

    def dreams(self, index: int) -> bool:
        """Tell whether a frame is dreamed."""
        return (self.index - index) % self.stride == 0

    def thinned(self, shots: Rule) -> Rule:
        """Return a rule that marks where shots begin, and passes on only the frames that are dreamed."""

        def rule(frames: Iterable[Frame]) -> Generator[tuple[Frame, bool]]:
            begun = False  # with one of the frames that were left out
            for frame, begins in shots(frames):
                begun = begun or begins
                if self.dreams(frame.index):
                    yield frame, begun
                    begun = False

        return rule


def _may_skip(recipe: Recipe) -> bool:
    """Tell whether a dream looks the same if it is carried over several frames at once."""
    steady = recipe.temporal.morph == 0 and recipe.temporal.passes == 1 and recipe.finish.mask_from != "motion"
    return steady and camera.is_still(recipe)
