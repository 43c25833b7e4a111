"""Proof that the search can fail: every planted bug is found, within the budget, by an invariant that is to find it."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from understudy.simulations.faults import MOMENTS, STREAM_FAULTS, Fault, FaultKind
from understudy.simulations.fuzz import fuzz
from understudy.simulations.invariants import INVARIANTS, violations
from understudy.simulations.planted import BUDGET, BUGS, PlantedBug, prove, table
from understudy.simulations.rehearsal import rehearse
from understudy.simulations.scenario import Caller, Scenario

from .storm import CONFIG

RARE = {
    "in vain behind one that was let in": 4,
    "incidents never forgotten": 5,
    "kept connection that was closed": 1,
    "secret in an error": 1,
    "sent again after the answer began": 10,
    "sent again over another connection": 3,
    "sent before there is a connection": 9,
    "text kept over a restart": 1,
    "work outlives its actor": 11,
}
"""The seed from which a bug is found soon that takes hundreds of scenarios from seed 0."""


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name.replace(" ", "-"))
def test_a_planted_bug_is_found(bug: PlantedBug) -> None:
    proof = prove(bug, examples=BUDGET, seed=RARE.get(bug.name, 0), shrink=False)
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


DEPENDS: dict[FaultKind, tuple[str, dict[str, Any]]] = {
    FaultKind.SLOW: ("failures cool nobody", {"seconds": 50.0}),
    FaultKind.SLOW_START: ("failures cool nobody", {"seconds": 50.0}),
    FaultKind.MISSTATED: ("statement ignored", {"wait": 30.0}),
    FaultKind.CLOCK_JUMP: ("callers deadline cools the provider", {"at": 0.5, "seconds": 900.0}),
    FaultKind.MODEL_CRASH: ("limits reset by a restart", {"at": 0.5, "candidate": "first"}),
    FaultKind.ROUTER_CRASH: ("journeys lost in a crash", {"at": 0.5}),
    FaultKind.CALLERS_LEAVE: ("cancelled caller cools the provider", {"at": 0.5}),
    FaultKind.RESET_BY_HAND: ("reset forgets the probe", {"at": 2.5, "candidate": "first"}),
}
"""The bug that is seen by a fault of this kind and not without; of all others that is the same one."""


@pytest.mark.parametrize("kind", FaultKind)
def test_some_bug_is_seen_only_with_the_help_of_each_kind_of_fault(kind: FaultKind) -> None:
    name, more = DEPENDS.get(kind, ("failures cool nobody", {}))
    aimed: dict[str, Any] = {} if kind in MOMENTS else {"candidate": "first", "until": 20.0}
    fault = Fault(kind, **{**aimed, **more})
    before = (Fault(FaultKind.SERVER_ERROR, until=1.0, candidate="first"),) if kind is FaultKind.RESET_BY_HAND else ()
    streams = kind in STREAM_FAULTS or kind is FaultKind.SLOW_START
    config = {"model_list": [{**entry, "rpm": 2} for entry in CONFIG["model_list"]]}
    gap = 0.1 if kind is FaultKind.ROUTER_CRASH else 2.0
    callers = tuple(Caller(gap * i, "first", timeout=60.0, stream=streams) for i in range(4))
    storm = Scenario("one kind of fault", config, callers=callers, faults=(*before, fault), wire=False)
    with next(bug for bug in BUGS if bug.name == name).plant():
        assert violations(rehearse(storm)), "with the fault the bug is seen"
        assert not violations(rehearse(evolve(storm, faults=before))), "without it, it is not"
    assert not violations(rehearse(storm)), "without the bug all is well"
