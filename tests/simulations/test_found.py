"""What the search has found, each as the storm in which it was found; none of it is there any more."""

from __future__ import annotations

from typing import Any

from understudy import OnInterrupt
from understudy.simulations import Caller, Fault, FaultKind, Scenario, simulate
from understudy.simulations.expectations import asks
from understudy.simulations.scenario import Flaw, ProviderScript

STEADY: dict[str, Any] = {"model": "openai/m", "api_base": "https://openai.example/v1"}


def entry(name: str, key: str, **more: Any) -> dict[str, Any]:
    return {"model_name": name, **STEADY, "api_key": f"env:{key}", **more}


def outcomes(*entries: dict[str, Any], callers: tuple[Caller, ...], faults: tuple[Fault, ...] = ()) -> list[str]:
    scenario = Scenario("found", {"model_list": list(entries)}, callers=callers, faults=faults, wire=False)
    report = simulate(scenario)
    assert report.run.hung is None
    assert not report.violations, [str(violation) for violation in report.violations]
    return [ask.outcome for ask in asks(report.run)]


def test_a_request_does_not_bounce_between_the_router_and_a_candidate_that_is_busy_and_saturated() -> None:
    """Behind others it was told "busy" and let into the line, from which it was sent on at once as in vain."""
    tight = entry("a", "K1", rpm=1, max_parallel=1)
    told = outcomes(
        tight,
        callers=(
            Caller(10.0, "a"),
            *(Caller(20.0, "a", timeout=90.0) for _ in range(2)),
            Caller(40.0, "a", timeout=5.0),
        ),
    )
    assert told == ["served", "served", "AllCandidatesFailed", "AllCandidatesFailed"]


def test_nobody_waits_in_vain_behind_one_that_was_let_in() -> None:
    """Three wait for a probe; when it is back, one more may go, and the last would be ready too late."""
    callers = (Caller(0.0, "a"), *(Caller(35.0, "a") for _ in range(3)))
    faults = (
        Fault(FaultKind.REFUSED, until=30.0, candidate="b"),
        Fault(FaultKind.RATE_LIMITED, until=100.0, candidate="a"),
    )
    limited = entry("b", "K2", rpm=2)
    told = outcomes(entry("a", "K1", fallbacks=["b"]), limited, callers=callers, faults=faults)
    assert told == ["AllCandidatesFailed", "served", "served", "AllCandidatesFailed"]


def test_whoever_has_recovered_while_others_failed_is_asked_before_a_request_is_given_up() -> None:
    faults = (
        Fault(FaultKind.REFUSED, until=3.0, candidate="a"),
        Fault(FaultKind.SILENT, candidate="b"),
    )
    slow = entry("b", "K2", request_timeout=60)
    callers = (Caller(0.0, "a", timeout=20.0), Caller(5.0, "a", timeout=200.0))
    told = outcomes(entry("a", "K1", fallbacks=["b"]), slow, callers=callers, faults=faults)
    assert told == ["DeadlineExceeded", "served"]


def test_a_reader_is_handed_nothing_past_its_deadline() -> None:
    scenario = Scenario(
        "found",
        {"model_list": [entry("a", "K1")]},
        callers=(Caller(0.0, "a", stream=True, reads_every=5.0),),
        wire=False,
    )
    report = simulate(scenario)
    assert not report.violations
    (ask,) = asks(report.run)
    assert ask.outcome == "DeadlineExceeded"
    assert 30.0 <= ask.took < 35.0


def test_an_actor_that_crashes_for_good_over_a_reset_is_back_all_the_same() -> None:
    """The stand-in that took over told the operator that all was done, and left the candidate down."""
    config = {"model_list": [entry("a", "K1")], "restarts": {"intensity": 0, "period": 60}}
    faults = (
        Fault(FaultKind.MODEL_CRASH, at=1.0, candidate="a"),
        Fault(FaultKind.RESET_BY_HAND, at=2.0, candidate="a"),
    )
    scenario = Scenario("found", config, callers=(Caller(5.0, "a"),), faults=faults, wire=False)
    report = simulate(scenario)
    assert not report.violations, [str(violation) for violation in report.violations]
    assert [ask.outcome for ask in asks(report.run)] == ["served"]


def test_whoever_waits_in_vain_is_sent_on_although_the_actor_crashed_over_the_news() -> None:
    """The crash came after the failure was noted and before the line was looked at; the next incarnation did not."""
    faults = (
        Fault(FaultKind.ERROR_IN_200, until=30.0, candidate="a"),
        Fault(FaultKind.MODEL_CRASH, at=0.25, candidate="a"),
    )
    callers = (Caller(0.0, "a"), Caller(0.0, "a", timeout=90.0))
    for seed in range(6):  # whether a crash comes before or after the work is drawn
        config = {"model_list": [entry("a", "K1", rpm=1)]}
        report = simulate(Scenario("found", config, callers=callers, faults=faults, wire=False, seed=seed))
        assert not report.violations, [str(violation) for violation in report.violations]


def test_a_reader_whose_stream_broke_is_told_of_that_although_the_next_candidate_found_the_request_too_long() -> None:
    """The checker wanted it to be rejected, which would have hidden what became of the text so far."""
    config = {
        "model_list": [entry("b", "K2", fallbacks=["a"], context_window=1_000_000), entry("a", "K1")],
        "policy": "classic",
    }
    scenario = Scenario(
        "found",
        config,
        callers=(Caller(0.0, "b", stream=True, on_interrupt=OnInterrupt.RESTART, flaw=Flaw.TOO_LONG),),
        faults=(Fault(FaultKind.STREAM_CUT, until=30.0, candidate="b"),),
        wire=False,
    )
    report = simulate(scenario)
    assert not report.violations, [str(violation) for violation in report.violations]
    assert [ask.outcome for ask in asks(report.run)] == ["StreamInterrupted"]


def test_a_candidate_that_is_down_does_not_say_that_it_cools() -> None:
    """It went down while it cooled, and the notice of that still hung at its door."""
    shared = {"model_list": [entry("a", "K1", api_keys=["env:K1", "env:K2"], fallbacks=["b"]), entry("b", "K2")]}
    del shared["model_list"][0]["api_key"]
    for seed in range(8):
        scenario = Scenario(
            "found",
            shared,
            callers=(*[Caller(0.0, "a")] * 3, Caller(5.0, "a")),
            providers=(ProviderScript(latency=((0.0, 0.5), (1.0, 0.5))),),
            faults=(
                Fault(FaultKind.REVOKED, until=30.0),
                Fault(FaultKind.MODEL_CRASH, at=0.25, candidate="a__key_1", times=6),
            ),
            wire=False,
            seed=seed,
        )
        report = simulate(scenario)
        assert not report.violations, [str(violation) for violation in report.violations]


def test_a_crash_may_swallow_the_news_of_a_failure_that_would_have_been_remembered() -> None:
    """The checker counted what others had failed with as heard, although an actor had crashed over the news of it."""
    config = {
        "model_list": [entry("a", "K1"), entry("b", "K1")],
        "policy": {"forget_after": 60, "auth": {"base": 20, "cap": 80}},
    }
    scenario = Scenario(
        "found",
        config,
        callers=(Caller(0.0, "a"), Caller(50.0, "a"), Caller(50.0, "b"), Caller(60.0, "a")),
        providers=(ProviderScript(latency=((0.0, 0.5), (1.0, 0.5))),),
        faults=(
            *[Fault(FaultKind.MODEL_CRASH, at=0.25, candidate="a")] * 4,
            Fault(FaultKind.REVOKED, until=100.0, candidate="a"),
        ),
        wire=False,
    )
    report = simulate(scenario)
    assert not report.violations, [str(violation) for violation in report.violations]
    assert [ask.outcome for ask in asks(report.run)] == ["AllCandidatesFailed"] * 4
