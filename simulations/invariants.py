"""The invariants: what must hold in every run, whatever goes wrong in it.

Each is a named checker that reads the scenario, its config and the trace, and recomputes what should have happened; no
decision of the runtime's is asked again. The recomputation is in `reference`, the promises are in `checks`, by subject,
and `checks.retelling` is where they meet. What breaks is told as a `Violation`.

The fourteenth promise, that the same scenario and seed give the same trace, is about two runs: see `determinism`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

from .checks.answers import OneAnswer
from .checks.health import Incident, Isolation, Memory, Silence
from .checks.limits import Conservation, Rate
from .checks.needs import FaultOfTheRequest, NoNeedlessFailure
from .checks.order import Order
from .checks.retelling import Invariant, Violation, context, tell
from .checks.world import Deadline, Provenance, Secrecy
from .run import Run
from .trace import Trace, first_difference

__all__ = ["INVARIANTS", "Checker", "Violation", "context", "determinism", "violations"]

Checker = Callable[[Run], Iterator[Violation]]

ALL: Final[tuple[type[Invariant], ...]] = (
    Provenance,
    Isolation,
    Silence,
    Incident,
    Rate,
    Order,
    OneAnswer,
    NoNeedlessFailure,
    FaultOfTheRequest,
    Conservation,
    Memory,
    Deadline,
    Secrecy,
)


def _check(invariant: type[Invariant], run: Run) -> Iterator[Violation]:
    return tell(run, [invariant])


INVARIANTS: Final[Mapping[str, Checker]] = {invariant.name: partial(_check, invariant) for invariant in ALL}
"""Every promise that one run can break, by name."""


def violations(run: Run) -> list[Violation]:
    """Return what a run has broken, in the order in which it was noticed; nothing, if all promises hold."""
    return list(tell(run, ALL))


def determinism(one: Trace, other: Trace) -> Violation | None:
    """Compare two traces of the same scenario and seed; return the first line in which they differ."""
    difference = first_difference(one.lines(), other.lines())
    if difference is None:
        return None
    number, here, there = difference
    place = number - 1 - bool(one.header)
    at = one.records[place].at if 0 <= place < len(one.records) else 0.0
    sentence = f"line {number} is {here or 'missing'} in one trace and {there or 'missing'} in the other"
    return Violation("determinism", sentence, at, place=place)
