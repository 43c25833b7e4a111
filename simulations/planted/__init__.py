"""Planted bugs: proof that the fuzzer can fail.

Each is a small patch that is applied at run time to the real code: bugs that somebody has shipped, or could. `prove`
searches for each with `fuzz`, and tells which invariant caught it, how many examples it took, and how small the story
became.
"""

from __future__ import annotations

from . import health, house, identity, journeys, lean, limits, translation, turns
from .bug import BUDGET, BUGS, PlantedBug
from .proof import Proof, prove, table

__all__ = [
    "BUDGET",
    "BUGS",
    "PlantedBug",
    "Proof",
    "health",
    "house",
    "identity",
    "journeys",
    "lean",
    "limits",
    "prove",
    "table",
    "translation",
    "turns",
]
