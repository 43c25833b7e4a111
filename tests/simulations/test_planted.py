"""Proof that the search can fail: every planted bug is found, within the budget, by an invariant that is to find it."""

from __future__ import annotations

import pytest

from understudy.simulations.faults import FaultKind
from understudy.simulations.fuzz import fuzz
from understudy.simulations.invariants import INVARIANTS
from understudy.simulations.planted import BUDGET, BUGS, PlantedBug, prove, table


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name.replace(" ", "-"))
def test_a_planted_bug_is_found(bug: PlantedBug) -> None:
    proof = prove(bug, examples=BUDGET, shrink=False)
    assert proof.found, f"{proof.invariants} after {proof.examples}"


def test_there_are_enough_of_them_and_every_invariant_catches_some() -> None:
    assert len(BUGS) >= 30
    assert len({bug.name for bug in BUGS}) == len(BUGS)
    catching = {invariant for bug in BUGS for invariant in bug.caught_by}
    assert catching == {*INVARIANTS, "determinism"}


def test_a_bug_is_gone_when_it_is_no_longer_planted() -> None:
    for bug in BUGS:
        with bug.plant():
            pass
    assert fuzz(examples=30, measure=False).found is None


def test_the_table_has_a_row_for_each() -> None:
    proofs = [prove(bug, examples=5, shrink=False) for bug in BUGS[:3]]
    lines = table(proofs).splitlines()
    assert len(lines) == 5
    assert all(bug.name in line for bug, line in zip(BUGS, lines[2:], strict=False))


def test_every_kind_of_fault_is_one_that_something_depends_on() -> None:
    """A kind that no scenario reaches would be a promise that nobody keeps."""
    from understudy.simulations import coverage

    assert {f"fault: {kind.value}" for kind in FaultKind} <= set(coverage.POINTS)
