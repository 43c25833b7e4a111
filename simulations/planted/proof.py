"""The proof that planted bugs are found: a search for each, and the table of what it took."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from ..fuzz import Found, fuzz
from ..story import events, tell
from .bug import BUDGET, SEARCHES, PlantedBug


@frozen
class Proof:
    """What it took to find a planted bug.

    `invariants` are those that broke in the story, the one that noticed first at the head; none, if the bug was not
    found. `examples` counts scenarios until the first that broke something; `size` the callers and faults of the
    smallest story, which `story` tells.
    """

    bug: PlantedBug
    invariants: tuple[str, ...]
    examples: int
    size: int
    story: str = ""

    @property
    def found(self) -> bool:
        """Whether it was found, by an invariant that was to find it."""
        return any(invariant in self.bug.caught_by for invariant in self.invariants)


def prove(bug: PlantedBug, *, examples: int = BUDGET, seed: int = 0, shrink: bool = True) -> Proof:
    """Plant a bug and search for it, then from the next seeds as long as that finds nothing; all examples count."""
    tried = 0
    with bug.plant():
        for number in range(SEARCHES):
            search = fuzz(examples=examples, seed=seed + number, shrink=shrink, measure=False)
            tried += search.examples
            if search.found is not None:
                return _proof_of(bug, search.found, tried)
    return Proof(bug, (), tried, 0)


def _proof_of(bug: PlantedBug, found: Found, tried: int) -> Proof:
    broken = tuple(dict.fromkeys(violation.invariant for violation in found.violations))
    return Proof(bug, broken, tried, events(found.scenario), tell(found.run, found.violations))


def table(proofs: Sequence[Proof]) -> str:
    """Return the proofs as a table in Markdown."""
    lines = ["| bug | what it does | caught by | examples | size of the story |", "|---|---|---|---:|---:|"]
    for proof in proofs:
        caught = ", ".join(proof.invariants) or "nobody"
        lines.append(f"| {proof.bug.name} | {proof.bug.what} | {caught} | {proof.examples} | {proof.size} |")
    return "\n".join(lines)
