"""Expectations: what counts as served, and when a candidate has come back."""

from __future__ import annotations

import math

import pytest

from understudy.actors.identity import ModelKey
from understudy.actors.trace import Fact, Kind
from understudy.simulations.expectations import Verdict, verdicts
from understudy.simulations.faults import Fault, FaultKind
from understudy.simulations.run import Run
from understudy.simulations.scenario import Caller, Expectation, Scenario
from understudy.simulations.stage import Schedule
from understudy.simulations.trace import Record, Scene, Sight, Trace

CONFIG = {"model_list": [{"model_name": "m", "model": "ollama/m", "api_base": "http://ollama.example/v1"}]}
KEY = ModelKey("m", "ollama", "m", None)

ENDED = 100.0
WITHIN = 60.0
OUTAGE = Fault(FaultKind.OVERLOADED, 10.0, ENDED)
FAILURE = Fact(20.0, Kind.FAILED, key=KEY, details={"reason": "overloaded", "scope": "model"})


def judged(expected: Expectation, *records: Record, faults: tuple[Fault, ...] = (OUTAGE,)) -> list[Verdict]:
    scenario = Scenario("play", CONFIG, callers=(Caller(0.0, "m"),), faults=faults, expectations=(expected,))
    return verdicts(Run(scenario, scenario.load(), Schedule(0), trace=Trace(records=list(records))))


def recovery(*records: Record, faults: tuple[Fault, ...] = (OUTAGE,)) -> Verdict | None:
    found = judged(Expectation(recovery=WITHIN), FAILURE, *records, faults=faults)
    return found[0] if found else None


def asked(at: float, attempt: int = 1) -> Fact:
    return Fact(at, Kind.DISPATCHED, attempt=attempt, key=KEY)


def refused(at: float, reason: str, attempt: int = 1) -> Fact:
    return Fact(at, Kind.REFUSED, attempt=attempt, key=KEY, details={"reason": reason})


def served(at: float, attempt: int = 1) -> Fact:
    return Fact(at, Kind.SERVED, attempt=attempt, key=KEY, details={"tokens": 1.0})


# Recovery


@pytest.mark.parametrize(("at", "met"), [(ENDED, True), (ENDED + WITHIN, True), (ENDED + WITHIN + 0.5, False)])
def test_a_candidate_that_is_asked_all_the_time_is_back_when_it_serves(at: float, met: bool) -> None:
    refusals = [fact for t in range(100, 161, 10) if t < at for fact in (asked(t), refused(t, "cooling"))]
    verdict = recovery(*refusals, asked(at, 2), served(at, 2))
    assert verdict is not None
    assert verdict.met is met
    assert verdict.measured == f"after {at - ENDED:.1f} s"


def test_a_candidate_that_nobody_asks_is_not_late() -> None:
    late = ENDED + 5 * WITHIN
    verdict = recovery(asked(110.0), refused(110.0, "cooling"), asked(late, 2), served(late + 1.0, 2))
    assert verdict == Verdict(
        "m serves again within 60 s after fault 1 (overloaded) ends",
        "after 301.0 s, when it was asked again",
        met=True,
    )


def test_of_a_candidate_that_is_never_asked_again_nothing_is_said() -> None:
    assert recovery() is None
    assert recovery(asked(110.0), refused(110.0, "cooling")) is None


def test_a_candidate_that_is_asked_again_and_never_serves_is_not_back() -> None:
    verdict = recovery(asked(200.0), refused(200.0, "probing"))
    assert verdict is not None
    assert (verdict.measured, verdict.met) == ("never", False)


def test_who_is_told_that_a_candidate_is_being_probed_proves_nothing_if_the_probe_serves() -> None:
    late = ENDED + WITHIN + 1.0
    verdict = recovery(asked(late), asked(late + 0.1, 2), refused(late + 0.1, "probing", 2), served(late + 2.0))
    assert verdict is not None
    assert verdict.met


def test_a_failure_by_the_request_itself_does_not_make_a_candidate_late() -> None:
    late = ENDED + WITHIN + 1.0
    rejected = Fact(late, Kind.FAILED, attempt=1, key=KEY, details={"reason": "format", "scope": "request"})
    verdict = recovery(asked(late), rejected, asked(late + 1.0, 2), served(late + 2.0, 2))
    assert verdict is not None
    assert verdict.met


def test_nothing_is_said_of_the_time_in_which_another_fault_touches_the_candidate() -> None:
    records = (asked(130.0), refused(130.0, "cooling"), asked(200.0, 2), refused(200.0, "cooling", 2))
    other = Fault(FaultKind.REFUSED, 140.0)
    assert recovery(*records, faults=(OUTAGE, other)) is None
    elsewhere = Fault(FaultKind.REFUSED, 140.0, candidate="somebody else")
    verdict = recovery(*records, faults=(OUTAGE, elsewhere))
    assert verdict is not None
    assert not verdict.met


def test_of_a_fault_without_an_end_and_of_a_moment_no_recovery_is_expected() -> None:
    endless = Fault(FaultKind.OVERLOADED, 10.0, math.inf)
    moment = Fault(FaultKind.CLOCK_JUMP, 15.0, ENDED, seconds=5.0)
    records = (asked(200.0), refused(200.0, "cooling"))
    assert recovery(*records, faults=(endless,)) is None
    assert recovery(*records, faults=(moment,)) is None


# What counts as served


@pytest.mark.parametrize(("whole", "met"), [(1, True), (0, False), (None, True)])
def test_only_the_very_text_that_was_written_counts_as_an_answer(whole: int | None, met: bool) -> None:
    verdict, *shares = judged(
        Expectation(availability=1.0, share={"m": (1.0, 1.0)}),
        Sight(1.0, Scene.ASKED, 0, details={"group": "callers"}),
        Sight(2.0, Scene.TOLD, 0, KEY, details={"outcome": "served", "whole": whole}),
    )
    assert verdict.met is met
    assert [share.met for share in shares] == [met]


def test_what_is_spent_is_told_with_its_time() -> None:
    admitted = [Fact(at, Kind.ADMITTED, attempt=int(at), key=KEY) for at in (5.0, 15.0, 25.0)]
    (verdict,) = judged(Expectation(start=10.0, end=20.0, spent={"*": (0.0, math.inf)}), *admitted)
    assert verdict == Verdict("at most 0 attempts at * from 10 s to 20 s", "1", met=False)
