"""What the dream climbs towards: small callables from activations to a scalar, that add up and print as written."""

from __future__ import annotations

from .goal import Objective, difference, guided
from .terms import FORMS, Channels, Guided, Layer, Logit, Statistics, Strongest, Term, View, energy
from .written import parse

__all__ = [
    "FORMS", "Channels", "Guided", "Layer", "Logit", "Objective", "Statistics", "Strongest", "Term", "View",
    "difference", "energy", "guided", "parse",
]  # fmt: skip
