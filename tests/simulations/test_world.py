"""The world: every fault does what it is said to do, by either way into it, and providers know who called them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from understudy import Fact, Kind
from understudy.simulations.faults import MOMENTS, STREAM_FAULTS, Fault, FaultKind, Wait
from understudy.simulations.rehearsal import rehearse
from understudy.simulations.run import Run
from understudy.simulations.scenario import Caller, Flaw, LimitKind, ProviderScript, Scenario
from understudy.simulations.stage import Schedule
from understudy.simulations.trace import Scene, Sight

from .storm import CONFIG

STEADY = ProviderScript(latency=((0.0, 1.0), (1.0, 1.0)), per_token=0.1)

FAILS_AS = {
    FaultKind.RATE_LIMITED: "rate_limit",
    FaultKind.OVERLOADED: "overloaded",
    FaultKind.SERVER_ERROR: "server_error",
    FaultKind.ERROR_IN_200: "server_error",
    FaultKind.NOT_JSON: "server_error",
    FaultKind.REVOKED: "auth",
    FaultKind.OUT_OF_CREDIT: "billing",
    FaultKind.OUT_OF_QUOTA: "quota",
    FaultKind.WITHDRAWN: "model_not_found",
    FaultKind.SILENT: "timeout",
    FaultKind.RESET: "network",
    FaultKind.REFUSED: "network",
    FaultKind.NO_SUCH_NAME: "network",
    FaultKind.STREAM_CUT: "network",
    FaultKind.STREAM_STALLED: "timeout",
    FaultKind.STREAM_MALFORMED: "server_error",
    FaultKind.STREAM_ERROR: "overloaded",
    FaultKind.STREAM_UNFINISHED: "network",
}
"""The kinds that are a failure, and what it is taken for."""


def play(*faults: Fault, callers: tuple[Caller, ...], wire: bool = True, script: ProviderScript = STEADY) -> Run:
    return rehearse(
        Scenario("a test", CONFIG, callers=callers, providers=(script,), faults=faults, wire=wire),
        Schedule(None),
    )


def facts(run: Run, kind: Kind, name: str | None = None) -> list[Fact]:
    return [f for f in run.trace.facts() if f.kind is kind and (name is None or (f.key and f.key.name == name))]


def sights(run: Run, kind: Scene) -> list[Sight]:
    return list(run.trace.sights(kind))


def ask(at: float = 0.0, **more: Any) -> Caller:
    return Caller(at, "first", timeout=200.0, **more)


@pytest.mark.parametrize("wire", [True, False])
@pytest.mark.parametrize("kind", FAILS_AS)
def test_a_fault_of_the_first_candidate_is_understood_and_the_second_serves(kind: FaultKind, wire: bool) -> None:
    fault = Fault(kind, candidate="first", after=0)
    run = play(fault, callers=(ask(stream=kind in STREAM_FAULTS),), wire=wire)
    assert [f.details["reason"] for f in facts(run, Kind.FAILED, "first")] == [FAILS_AS[kind]]
    (told,) = sights(run, Scene.TOLD)
    assert told.details["outcome"] == "served"
    assert told.details["whole"] == 1
    assert told.key is not None
    assert told.key.name == "second"


def test_every_kind_is_a_failure_a_delay_a_lie_or_a_moment() -> None:
    others = {FaultKind.SLOW, FaultKind.SLOW_START, FaultKind.MISSTATED}
    assert set(FaultKind) == {*FAILS_AS, *others, *MOMENTS}


@pytest.mark.parametrize("kind", STREAM_FAULTS)
def test_a_stream_that_breaks_after_its_first_content_is_an_interruption(kind: FaultKind) -> None:
    run = play(Fault(kind, candidate="first", after=2), callers=(ask(stream=True),))
    (told,) = sights(run, Scene.TOLD)
    assert told.details["outcome"] == "StreamInterrupted"
    restarted = play(Fault(kind, candidate="first", after=2), callers=(ask(stream=True, on_interrupt="restart"),))
    (told,) = sights(restarted, Scene.TOLD)
    assert (told.details["outcome"], told.details["whole"]) == ("served", 1)


def test_both_ways_into_the_world_tell_the_same_story() -> None:
    faults = [Fault(kind, at=10.0 * i, until=10.0 * i + 9, candidate="first") for i, kind in enumerate(FAILS_AS)]
    callers = tuple(ask(at=5.0 * i, stream=i % 2 == 0) for i in range(2 * len(faults)))
    stories = []
    for wire in (True, False):
        run = play(*faults, callers=callers, wire=wire)
        stories.append([(t.caller, t.details["outcome"], t.key and t.key.name) for t in sights(run, Scene.TOLD)])
    assert stories[0] == stories[1]


def test_a_slow_provider_is_late_and_a_slow_start_sends_pings_meanwhile() -> None:
    slow = play(Fault(FaultKind.SLOW, candidate="first", seconds=3.0, factor=2.0), callers=(ask(answer_tokens=5),))
    assert sights(slow, Scene.TOLD)[0].at == pytest.approx(1.0 * 2 + 3 + 0.5)
    late = play(Fault(FaultKind.SLOW_START, candidate="first", seconds=7.0), callers=(ask(stream=True),))
    assert sights(late, Scene.BEGAN)[0].at == pytest.approx(1.0 + 7 + 0.1)
    too_late = play(Fault(FaultKind.SLOW_START, candidate="first", seconds=12.0), callers=(ask(stream=True),))
    assert [f.details["reason"] for f in facts(too_late, Kind.FAILED)] == ["timeout"]


@pytest.mark.parametrize(
    ("wait", "stated"),
    [(Wait.RIGHT, 49.0), (Wait.SHORT, 1.0), (Wait.HUGE, 18 * 86400.0), (Wait.MISSING, None), (7.5, 7.5)],
)
def test_a_wait_is_stated_as_the_scenario_says(wait: Wait | float, stated: float | None) -> None:
    run = play(Fault(FaultKind.RATE_LIMITED, until=50.0, candidate="first", wait=wait), callers=(ask(at=1.0),))
    (failed,) = facts(run, Kind.FAILED)
    assert failed.details["stated"] == (None if stated is None else pytest.approx(stated))


def test_a_fault_that_flaps_is_on_and_off() -> None:
    flapping = Fault(FaultKind.SERVER_ERROR, at=10.0, flap=(5.0, 10.0))
    assert [t for t in range(0, 50, 5) if flapping.is_on(t)] == [10, 25, 40]
    assert flapping.on_until(26.0) == 30.0


def test_a_partial_outage_hits_its_share() -> None:
    callers = tuple(ask(at=0.5 * i) for i in range(400))
    run = play(Fault(FaultKind.SERVER_ERROR, candidate="second", probability=0.25), callers=callers, wire=False)
    assert not facts(run, Kind.FAILED)
    config = {**CONFIG, "policy": {"server_error": {"base": 0}}}
    scenario = Scenario("half", config, callers=callers, faults=(Fault(FaultKind.SERVER_ERROR, probability=0.25),))
    hit = len(facts(rehearse(scenario), Kind.FAILED, "first"))
    assert 70 < hit < 130


@pytest.mark.parametrize("limit", LimitKind)
def test_a_provider_keeps_its_own_count_and_says_so(limit: LimitKind) -> None:
    callers = tuple(ask(at=float(i)) for i in range(4))
    silent = play(callers=callers, script=ProviderScript(latency=STEADY.latency, limit=limit, rpm=2))
    assert Counter(s.details["fault"] for s in sights(silent, Scene.ANSWERED))["limit"] >= 1
    stating = ProviderScript(latency=STEADY.latency, limit=limit, rpm=2, states_limits=True)
    told = play(callers=callers, script=stating)
    stated = [f.details["left"] for f in facts(told, Kind.STATED, "first")]
    assert stated
    assert set(stated) <= {0.0, 1.0}
    assert Counter(s.details["fault"] for s in sights(told, Scene.ANSWERED))["limit"] == 0


def test_what_a_provider_misstates_is_believed_for_as_long_as_it_says() -> None:
    lie = Fault(FaultKind.MISSTATED, until=2.0, candidate="first", left=0, wait=20.0)
    run = play(lie, callers=(ask(at=0.0), ask(at=5.0), ask(at=30.0)))
    assert [t.key and t.key.name for t in sights(run, Scene.TOLD)] == ["first", "second", "first"]


def test_a_provider_that_has_enough_to_do_is_overloaded_and_slower_for_every_other() -> None:
    script = ProviderScript(latency=STEADY.latency, capacity=2, slowdown=1.0)
    run = play(callers=tuple(ask() for _ in range(3)), script=script, wire=False)
    assert Counter(s.details["fault"] for s in sights(run, Scene.ANSWERED))["capacity"] == 1
    assert max(s.at for s in sights(run, Scene.ANSWERED) if s.details["fault"] is None) >= 2.0


@pytest.mark.parametrize("flaw", Flaw)
def test_a_request_at_fault_is_told_so_by_the_one_that_it_touches(flaw: Flaw) -> None:
    run = play(callers=(ask(flaw=flaw),))
    (told,) = sights(run, Scene.TOLD)
    assert told.details["outcome"] == "RequestRejected"
    assert len(sights(run, Scene.RECEIVED)) == 1
    assert not facts(run, Kind.COOLING)


def test_callers_leave_when_they_are_to() -> None:
    run = play(
        Fault(FaultKind.CALLERS_LEAVE, at=0.5), callers=(ask(), ask(leaves_after=0.25), ask(at=1.0, stream=True))
    )
    told = sorted((t.caller, t.details["outcome"], t.at) for t in sights(run, Scene.TOLD))
    assert told[:2] == [(0, "left", 0.5), (1, "left", 0.25)]
    assert told[2][1] == "served"
    assert Counter(s.details["how"] for s in sights(run, Scene.ANSWERED)) == {"left": 2, "whole": 1}


def test_an_actor_that_crashes_comes_back_and_everybody_is_answered() -> None:
    crash = Fault(FaultKind.MODEL_CRASH, at=0.5, candidate="first", times=2)
    run = play(crash, Fault(FaultKind.ROUTER_CRASH, at=8.0), callers=tuple(ask(at=2.0 * i) for i in range(8)))
    assert len(facts(run, Kind.CRASHED)) == 3
    assert len(sights(run, Scene.TOLD)) == 8
    assert run.tasks_left == 0


def test_an_operator_resets_a_candidate_by_hand() -> None:
    run = play(
        Fault(FaultKind.REVOKED, until=1.5, candidate="first"),
        Fault(FaultKind.RESET_BY_HAND, at=10.0, candidate="first"),
        callers=(ask(), ask(at=5.0), ask(at=20.0)),
    )
    assert [t.key and t.key.name for t in sights(run, Scene.TOLD)] == ["second", "second", "first"]


def test_after_the_machine_slept_deadlines_have_passed() -> None:
    callers = (Caller(0.0, "first", timeout=5.0),)
    run = play(Fault(FaultKind.CLOCK_JUMP, at=0.5, seconds=60.0), callers=callers)
    (told,) = sights(run, Scene.TOLD)
    assert (told.details["outcome"], told.at) == ("DeadlineExceeded", 60.5)


def test_a_stranger_with_a_foreign_key_is_told_so_and_seen() -> None:
    from understudy.simulations.world import World

    run = Run(Scenario("empty", CONFIG), Scenario("empty", CONFIG).load(), Schedule())
    world = World(run, 0, run.trace.records.append)
    secrets = {entry.key.name: entry.endpoint.secret for entry in run.config.entries.values()}
    assert secrets["second"] is not None
    headers = {"authorization": f"Bearer {secrets['second'].reveal()}"}
    exchange = world.exchange("https://first.example/v1/chat/completions", headers, {"model": "large"})
    assert (exchange.host, exchange.credential) == ("first.example/v1", "foreign")
