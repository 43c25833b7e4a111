"""When things that are due can happen at the earliest: a machine that sleeps through a time acts when it wakes."""

from __future__ import annotations

from collections.abc import Sequence

from ..faults import FaultKind
from ..scenario import Scenario


def jumps_of(scenario: Scenario) -> list[tuple[float, float]]:
    """Return from when until when the clock of a scenario leaps."""
    faults = [fault for fault in scenario.faults if fault.kind is FaultKind.CLOCK_JUMP]
    return sorted((fault.at, fault.at + fault.seconds) for fault in faults)


def awake_at(jumps: Sequence[tuple[float, float]], due: float) -> float:
    """Return when what is due at a time can happen.

    >>> awake_at([(10.0, 70.0)], 30.0)
    70.0
    """
    for start, landing in jumps:
        if start <= due <= landing:
            due = landing
    return due
