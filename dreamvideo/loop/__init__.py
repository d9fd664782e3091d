"""Loops: films whose last frame leads to their first, because they were dreamed round and round.

A camera's loop looks at a picture that holds itself: where it zooms to, the same picture stands again, and in it again.
So the view after the last frame is the view of the first, exactly. A film's loop ends in the frames before its
beginning, which its last ones flow into.

The dream is closed by going round: the first time, every frame is dreamed as in any film; the second time, ground that
comes into sight takes what was dreamed there the first time. A zoom goes round in the direction in which it shrinks,
where nothing that has been dreamed is ever too coarse: what is left of the first frame then shrinks away to a point,
and the rounds become the same. What little may still differ is given back over the first frames of a third.
"""

from .circles import Circle, Film, Picture, circle, morph
from .layers import Kept, Layers
from .rounds import Errors, dream, finish, render, work

__all__ = [
    "Circle", "Errors", "Film", "Kept", "Layers", "Picture", "circle", "dream", "finish", "morph", "render", "work",
]  # fmt: skip
