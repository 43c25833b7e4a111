"""The invariants: silent where all is well, and each loud where its own promise is broken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from attrs import evolve

from understudy.actors.cooldown import Cooldown, Stamp
from understudy.actors.identity import ModelKey
from understudy.actors.trace import Fact, Kind
from understudy.simulations.faults import Fault, FaultKind
from understudy.simulations.invariants import INVARIANTS, Violation, context, determinism, violations
from understudy.simulations.rehearsal import rehearse
from understudy.simulations.run import Run
from understudy.simulations.scenario import Caller, Flaw, Scenario
from understudy.simulations.stage import Schedule
from understudy.simulations.trace import Record, Scene, Sight, Trace

from .trials import CONFIG, crowd, crowded, healed, storm, stormy, wired, with_records

Details = dict[str, str | int | float | None]

Edit = Callable[[list[Record]], None]
"""Changes a trace so that it tells of something that must not be."""


# Nothing is said of what is right


@pytest.mark.parametrize("play", [storm, crowd, healed, wired], ids=lambda play: play.__name__)
@pytest.mark.parametrize("seed", [2, 3])
def test_a_run_in_which_much_goes_wrong_breaks_no_promise(play: Callable[[int], Scenario], seed: int) -> None:
    run = rehearse(play(seed))
    assert len(run.trace.records) > 1000
    assert violations(run) == []


def test_any_order_of_tasks_breaks_no_promise() -> None:
    for schedule in (Schedule(None), Schedule(None, (3, 1, 4, 1, 5, 9, 2, 6) * 50), Schedule(99)):
        assert violations(rehearse(storm(4), schedule)) == []


def test_a_router_that_crashes_for_good_takes_its_requests_along_and_breaks_no_promise() -> None:
    crashes = Fault(FaultKind.ROUTER_CRASH, 20.0, times=20)
    run = rehearse(evolve(storm(1), faults=(crashes,)))
    told = {str(sight.details["outcome"]) for sight in run.trace.sights(Scene.TOLD)}
    assert "RouterCrashed" in told
    assert violations(run) == []
    kept = [record for record in run.trace.records if record.kind is not Kind.CRASHED]
    assert list(INVARIANTS["one-answer"](with_records(run, kept)))


def test_each_promise_is_there_by_its_name() -> None:
    assert set(INVARIANTS) == {
        "provenance",
        "isolation",
        "silence",
        "incident",
        "rate",
        "order",
        "one-answer",
        "no-needless-failure",
        "fault-of-the-request",
        "conservation",
        "memory",
        "deadline",
        "secrecy",
    }
    assert [name for name, check in INVARIANTS.items() if list(check(stormy()))] == []


# Finding one's way in a trace


def find(records: Sequence[Record], kind: Kind | Scene, nth: int = 0, /, **details: object) -> int:
    """The place of the n-th record of a kind that has these details; `key` and `caller` count as such."""
    for place, record in enumerate(records):
        if record.kind is kind and all(_detail(record, name) == value for name, value in details.items()):
            nth -= 1
            if nth < 0:
                return place
    raise AssertionError(f"the trace has no such {kind} with {details}")


def _detail(record: Record, name: str) -> object:
    if name == "key":
        return None if record.key is None else record.key.name
    if name in ("caller", "request", "attempt") and hasattr(record, name):
        return getattr(record, name)
    return record.details.get(name)


def alter(records: list[Record], place: int, **details: Any) -> None:
    """Let a record tell something else."""
    record = records[place]
    records[place] = evolve(record, details={**record.details, **details})


def key_of(records: Sequence[Record], name: str) -> ModelKey:
    return next(record.key for record in records if record.key is not None and record.key.name == name)


def follow(records: Sequence[Record], place: int, kind: Kind | Scene, /, **details: object) -> int:
    """The place of the first record of a kind after another one."""
    return place + 1 + find(records[place + 1 :], kind, **details)


def admit_instead(records: list[Record], place: int) -> None:
    """Let a candidate admit what it refused."""
    fact = records[place]
    assert isinstance(fact, Fact)
    records[place] = Fact(
        fact.at,
        Kind.ADMITTED,
        fact.request,
        fact.attempt,
        fact.key,
        {"generation": 0, "probe": 0, "tokens": 0},
    )


# Every promise is broken, in every way that it speaks of


def went_to_another_host(records: list[Record]) -> None:
    alter(records, find(records, Scene.RECEIVED), host="elsewhere.example/v1")


def went_with_another_credential(records: list[Record]) -> None:
    alter(records, find(records, Scene.RECEIVED, 3), seen_credential="env:THIRD")


def asked_for_another_model(records: list[Record]) -> None:
    alter(records, find(records, Scene.RECEIVED, 5), seen_model="another")


def was_unreached_elsewhere(records: list[Record]) -> None:
    alter(records, find(records, Scene.UNREACHED), host="elsewhere.example/v1")


def answered_under_another_stamp(records: list[Record]) -> None:
    alter(records, find(records, Scene.TOLD, outcome="served"), stamp="three.example/v1|env:THIRD|large")


def named_another_candidate(records: list[Record]) -> None:
    place = find(records, Scene.TOLD, 2, outcome="served")
    told = records[place]
    other = next(record.key for record in records if record.key is not None and record.key != told.key)
    records[place] = evolve(told, key=other)


def told_another_text(records: list[Record]) -> None:
    alter(records, find(records, Scene.TOLD, 4, outcome="served"), whole=0)


def counted_other_tokens(records: list[Record]) -> None:
    alter(records, find(records, Kind.SERVED), tokens=1.0)


def served_what_was_cut(records: list[Record]) -> None:
    alter(records, find(records, Scene.ANSWERED, how="whole"), how="broken")


def streamed_from_another(records: list[Record]) -> None:
    place = find(records, Scene.BEGAN)
    other = next(record.key for record in records if record.key is not None and record.key != records[place].key)
    records[place] = evolve(records[place], key=other)


def status(name: str, value: object) -> Edit:
    def edit(records: list[Record]) -> None:
        alter(records, find(records, Scene.STATUS, 40), **{name: value})

    edit.__name__ = f"status_{name}_{value}"
    return edit


def cooled_for_a_stranger(records: list[Record]) -> None:
    place = find(records, Kind.COOLING, key="small")
    details: Details = {"until": records[place].at + 6, "incidents": 1, "reason": "server_error", "by": "small"}
    records.insert(place + 1, Fact(records[place].at, Kind.COOLING, key=key_of(records, "large"), details=details))


def admitted_while_cooling(records: list[Record]) -> None:
    admit_instead(records, find(records, Kind.REFUSED, reason="cooling"))


def admitted_beside_a_probe(records: list[Record]) -> None:
    admit_instead(records, find(records, Kind.REFUSED, reason="probing"))


def was_no_probe(records: list[Record]) -> None:
    alter(records, next(i for i, r in enumerate(records) if r.kind is Kind.ADMITTED and r.details["probe"]), probe=0)


def probed_the_healthy(records: list[Record]) -> None:
    alter(records, find(records, Kind.ADMITTED, probe=0), probe=1)


def a_lease_outlived_its_attempt(records: list[Record]) -> None:
    alter(records, find(records, Kind.REFUSED, reason="saturated"), reason="probing", ready_at=None)


def no_cooldown(records: list[Record]) -> None:
    del records[find(records, Kind.COOLING, by=None)]


def no_strike(records: list[Record]) -> None:
    del records[find(records, Kind.COOLING, by="small")]


def two_cooldowns(records: list[Record]) -> None:
    place = find(records, Kind.COOLING, 1)
    records.insert(place, records[place])


def a_longer_cooldown(records: list[Record]) -> None:
    place = find(records, Kind.COOLING)
    alter(records, place, until=float(str(records[place].details["until"])) + 1)


def another_count(records: list[Record]) -> None:
    alter(records, find(records, Kind.COOLING, incidents=2), incidents=3)


def no_recovery(records: list[Record]) -> None:
    del records[find(records, Kind.RECOVERED)]


def a_recovery_by_nobody(records: list[Record]) -> None:
    place = find(records, Kind.COOLING)
    records.insert(place + 1, Fact(records[place].at, Kind.RECOVERED, key=records[place].key))


def a_leaving_that_cools(records: list[Record]) -> None:
    place = find(records, Kind.ABANDONED, sent=1)
    details: Details = {"until": records[place].at + 5, "incidents": 1, "reason": "timeout"}
    records.insert(place + 1, Fact(records[place].at, Kind.COOLING, key=records[place].key, details=details))


def a_leaving_called_a_timeout(records: list[Record]) -> None:
    place = find(records, Kind.ABANDONED, sent=1)
    left = records[place]
    assert isinstance(left, Fact)
    details: Details = {"reason": "timeout", "scope": "model", "executed": 1, "generation": 0}
    records[place] = evolve(left, kind=Kind.FAILED, details=details)


def admitted_beyond_a_limit(records: list[Record]) -> None:
    admit_instead(records, find(records, Kind.REFUSED, reason="saturated"))


def admitted_beside_too_many(records: list[Record]) -> None:
    admit_instead(records, find(records, Kind.REFUSED, reason="busy"))


def admitted_in_spite_of_the_providers_word(records: list[Record]) -> None:
    place = next(i for i, r in enumerate(records) if r.kind is Kind.STATED and r.details["what"] == "requests")
    alter(records, place, left=0.0)


def received_more_than_rpm(records: list[Record]) -> None:
    # All that the limits spread over two minutes comes within one.
    for place, record in enumerate(records):
        if record.kind in (Scene.RECEIVED, Scene.ANSWERED):
            records[place] = evolve(record, at=0.0)


def asked_out_of_order(records: list[Record]) -> None:
    place = find(records, Kind.DISPATCHED, key="kin", wait=0)
    records[place] = evolve(records[place], key=key_of(records, "large"))


def waited_at_the_wrong_one(records: list[Record]) -> None:
    place = find(records, Kind.DISPATCHED, wait=1, key="small")
    records[place] = evolve(records[place], key=key_of(records, "kin"))


def waited_unasked(records: list[Record]) -> None:
    alter(records, find(records, Kind.DISPATCHED), wait=1)


def declined_for_another_reason(records: list[Record]) -> None:
    alter(records, find(records, Kind.REFUSED, reason="saturated"), reason="cooling")


def declined_until_another_time(records: list[Record]) -> None:
    place = find(records, Kind.REFUSED, reason="cooling")
    alter(records, place, ready_at=float(str(records[place].details["ready_at"])) - 1)


def declined_without_need(records: list[Record]) -> None:
    place = find(records, Kind.ADMITTED)
    fact = records[place]
    assert isinstance(fact, Fact)
    details: Details = {"reason": "busy", "queued": 0, "full": 0}
    records[place] = Fact(fact.at, Kind.REFUSED, fact.request, fact.attempt, fact.key, details)


def told_of_another_line(records: list[Record]) -> None:
    place = next(i for i, r in enumerate(records) if r.kind is Kind.REFUSED and r.details["queued"])
    alter(records, place, queued=17)


def told_that_the_line_is_full(records: list[Record]) -> None:
    alter(records, find(records, Kind.REFUSED, full=0, queued=0), full=1)


def overtaken_in_line(records: list[Record]) -> None:
    first = find(records, Kind.QUEUED, key="small")
    second = follow(records, first, Kind.QUEUED, key="small")
    records[first], records[second] = (
        evolve(records[second], at=records[first].at),
        evolve(records[first], at=records[second].at),
    )


def waited_longer_than_it_had_to(records: list[Record]) -> None:
    # Whoever is admitted from a line, is so a second later.
    queued = find(records, Kind.QUEUED, key="small")
    waiting = records[queued]
    assert isinstance(waiting, Fact)
    place = find(records, Kind.ADMITTED, attempt=waiting.attempt)
    late = next(i for i, r in enumerate(records) if r.at > records[place].at + 1)
    records.insert(late, evolve(records[place], at=records[late].at))
    del records[place]


def skipped_who_could(records: list[Record]) -> None:
    place = find(records, Kind.DISPATCHED)
    fact = records[place]
    assert isinstance(fact, Fact)
    records.insert(place, Fact(fact.at, Kind.SKIPPED, fact.request, None, fact.key, {"detail": "for no reason"}))


def did_not_skip(records: list[Record]) -> None:
    del records[find(records, Kind.SKIPPED)]


def never_told(records: list[Record]) -> None:
    del records[find(records, Scene.TOLD, 7)]


def told_twice(records: list[Record]) -> None:
    place = find(records, Scene.TOLD)
    records.insert(place, records[place])


def told_another_end(records: list[Record]) -> None:
    alter(records, find(records, Scene.TOLD, outcome="served"), outcome="AllCandidatesFailed")


def told_too_late(records: list[Record]) -> None:
    place = find(records, Scene.TOLD, outcome="AllCandidatesFailed")
    late = next(i for i, r in enumerate(records) if r.at > records[place].at + 1)
    records.insert(late, evolve(records[place], at=records[late].at, details={"outcome": "left"}))
    del records[place]


def ended_twice(records: list[Record]) -> None:
    place = find(records, Kind.DELIVERED)
    records.insert(place, records[place])


def never_ended(records: list[Record]) -> None:
    for kind in (Kind.DELIVERED, Kind.LEFT):
        del records[find(records, kind, 3)]


def an_attempt_ended_twice(records: list[Record]) -> None:
    place = find(records, Kind.SERVED)
    records.insert(place, records[place])


def went_on_without_an_answer(records: list[Record]) -> None:
    place = next(
        place
        for place, fact in enumerate(records)
        if isinstance(fact, Fact) and fact.kind is Kind.FAILED and goes_on(records[place:], fact)
    )
    del records[place]


def goes_on(later: Sequence[Record], fact: Fact) -> bool:
    return any(record.kind is Kind.DISPATCHED and _detail(record, "request") == fact.request for record in later)


def asked_twice_in_a_pass(records: list[Record]) -> None:
    place = find(records, Kind.REFUSED, reason="cooling")
    fact = records[place]
    assert isinstance(fact, Fact)
    again = Fact(fact.at, Kind.DISPATCHED, fact.request, 999_999, fact.key, {"wait": 0, "again": 0})
    records.insert(place + 1, again)


def sent_for_one_who_had_left(records: list[Record]) -> None:
    place = find(records, Scene.RECEIVED)
    received = records[place]
    assert isinstance(received, Sight)
    told = find(records, Scene.TOLD, caller=received.caller)
    records.insert(place, evolve(records[told], at=received.at))


def stayed_in_line_when_its_caller_had_left(records: list[Record]) -> None:
    del records[find(records, Kind.UNQUEUED, reason="left")]


def router_said_to_crash(records: list[Record]) -> None:
    alter(records, find(records, Scene.TOLD, outcome="served"), outcome="RouterCrashed")


def met_a_bug(records: list[Record]) -> None:
    alter(records, find(records, Scene.TOLD, outcome="served"), outcome="KeyError")


def gave_up_with_somebody_left(records: list[Record]) -> None:
    place = find(records, Kind.REFUSED, key="small", reason="cooling")
    fact = records[place]
    assert isinstance(fact, Fact)
    records.insert(place + 1, Fact(fact.at, Kind.GAVE_UP, fact.request, details={"reason": "exhausted", "attempts": 1}))


def turned_away_from_an_empty_house(records: list[Record]) -> None:
    alter(records, find(records, Scene.TOLD, outcome="served"), outcome="RouterOverloaded")


def took_other_tokens(records: list[Record]) -> None:
    alter(records, find(records, Kind.ADMITTED), tokens=1)


def nobody_saw_it(records: list[Record]) -> None:
    del records[find(records, Scene.RECEIVED)]


def somebody_saw_it(records: list[Record]) -> None:
    alter(records, find(records, Kind.ABANDONED, sent=1), sent=0)


def was_sent_twice(records: list[Record]) -> None:
    place = find(records, Scene.RECEIVED)
    records.insert(place, evolve(records[place], details={**records[place].details, "number": 999_999}))


def goes_on_after_the_end(records: list[Record]) -> None:
    """Of an attempt whose caller has left the provider is told only later."""
    left = find(records, Scene.ANSWERED, how="left")
    later = records.pop(left)
    over = next(i for i, record in enumerate(records[left:], left) if record.kind in (Kind.ABANDONED, Kind.FAILED))
    records.insert(over + 1, later)


def left_in_flight(records: list[Record]) -> None:
    last = max(i for i, record in enumerate(records) if record.kind is Scene.STATUS)
    alter(records, last, in_flight=1)


def left_in_line(records: list[Record]) -> None:
    last = max(i for i, record in enumerate(records) if record.kind is Scene.STATUS)
    alter(records, last, queued=1)


def after_restart(records: Sequence[Record]) -> int:
    started = find(records, Kind.STARTED, actor="small/small")
    return follow(records, started, Scene.STATUS, key="small")


def forgot_a_limit(records: list[Record]) -> None:
    alter(records, after_restart(records), left=30.0)


def forgot_a_cooldown(records: list[Record]) -> None:
    place = next(
        i
        for started, record in enumerate(records)
        if record.kind is Kind.STARTED
        for i in range(started, len(records))
        if cools(records[i]) and str(_detail(record, "actor")).endswith(f"/{_detail(records[i], 'key')}")
    )
    alter(records, place, cooling=0.0, state="healthy")


def cools(record: Record) -> bool:
    return record.kind is Scene.STATUS and float(str(record.details["cooling"])) > 0


def admitted_again_after_a_restart(records: list[Record]) -> None:
    started = find(records, Kind.STARTED, actor="small/small")
    admit_instead(records, follow(records, started, Kind.REFUSED, key="small"))


def trusted_the_lost(records: list[Record]) -> None:
    place = find(records, Kind.STARTED, actor="small/small")
    details = {"until": records[place].at}
    fact = Fact(records[place].at, Kind.DISTRUSTED, key=key_of(records, "small"), details=details)
    records.insert(place, fact)


def told_after_its_deadline(records: list[Record]) -> None:
    place = find(records, Scene.ASKED, 4)
    alter(records, place, deadline=records[place].at)


def told_before_its_deadline(records: list[Record]) -> None:
    place = find(records, Scene.TOLD, outcome="DeadlineExceeded")
    asked = max(
        i
        for i in range(place)
        if _detail(records[i], "caller") == _detail(records[place], "caller") and records[i].kind is Scene.ASKED
    )
    alter(records, asked, deadline=records[place].at + 1)


def secret_of(name: str) -> str:
    run = stormy()
    entry = next(entry for key, entry in run.config.entries.items() if key.name == name)
    assert entry.endpoint.secret is not None
    return entry.endpoint.secret.reveal()


def wrote_a_secret_into_an_error(records: list[Record]) -> None:
    alter(records, find(records, Scene.TOLD, outcome="AllCandidatesFailed"), message=f"no: {secret_of('small')}")


def logged_a_secret(records: list[Record]) -> None:
    records.insert(9, Sight(records[9].at, Scene.LOGGED, details={"level": "ERROR", "text": secret_of("large")}))


STORMY: dict[str, list[Edit]] = {
    "provenance": [
        went_to_another_host,
        went_with_another_credential,
        asked_for_another_model,
        was_unreached_elsewhere,
        answered_under_another_stamp,
        named_another_candidate,
        told_another_text,
        counted_other_tokens,
        served_what_was_cut,
        streamed_from_another,
    ],
    "isolation": [
        *(status(name, 77) for name in ("served", "failed", "in_flight", "queued", "left", "cooling")),
        status("state", "down"),
        cooled_for_a_stranger,
    ],
    "silence": [
        admitted_while_cooling,
        admitted_beside_a_probe,
        was_no_probe,
        probed_the_healthy,
        a_lease_outlived_its_attempt,
    ],
    "incident": [
        no_cooldown,
        no_strike,
        two_cooldowns,
        a_longer_cooldown,
        another_count,
        no_recovery,
        a_recovery_by_nobody,
        a_leaving_that_cools,
        a_leaving_called_a_timeout,
    ],
    "rate": [
        admitted_beyond_a_limit,
        admitted_in_spite_of_the_providers_word,
        received_more_than_rpm,
    ],
    "order": [
        asked_out_of_order,
        waited_unasked,
        declined_for_another_reason,
        declined_until_another_time,
        declined_without_need,
        told_that_the_line_is_full,
        skipped_who_could,
        did_not_skip,
    ],
    "one-answer": [
        never_told,
        told_twice,
        told_another_end,
        told_too_late,
        ended_twice,
        never_ended,
        an_attempt_ended_twice,
        went_on_without_an_answer,
        asked_twice_in_a_pass,
        sent_for_one_who_had_left,
        stayed_in_line_when_its_caller_had_left,
        router_said_to_crash,
        met_a_bug,
    ],
    "no-needless-failure": [gave_up_with_somebody_left, turned_away_from_an_empty_house],
    "conservation": [
        took_other_tokens,
        nobody_saw_it,
        somebody_saw_it,
        was_sent_twice,
        goes_on_after_the_end,
        left_in_flight,
        left_in_line,
    ],
    "memory": [forgot_a_limit, forgot_a_cooldown, admitted_again_after_a_restart, trusted_the_lost],
    "deadline": [told_after_its_deadline, told_before_its_deadline],
    "secrecy": [wrote_a_secret_into_an_error, logged_a_secret],
}

CROWDED: dict[str, list[Edit]] = {
    "rate": [admitted_beyond_a_limit, admitted_beside_too_many],
    "order": [
        waited_at_the_wrong_one,
        told_of_another_line,
        overtaken_in_line,
        waited_longer_than_it_had_to,
    ],
}


def cases(edits: dict[str, list[Edit]]) -> list[Any]:
    return [pytest.param(name, edit, id=f"{name}-{edit.__name__}") for name, each in edits.items() for edit in each]


def complaints(run: Run, name: str, edit: Edit) -> list[Violation]:
    records = list(run.trace.records)
    edit(records)
    return list(INVARIANTS[name](with_records(run, records)))


@pytest.mark.parametrize(("name", "edit"), cases(STORMY))
def test_a_storm_that_breaks_a_promise_is_told_so(name: str, edit: Edit) -> None:
    found = complaints(stormy(), name, edit)
    assert found
    assert all(violation.invariant == name for violation in found)


@pytest.mark.parametrize(("name", "edit"), cases(CROWDED))
def test_a_crowd_that_breaks_a_promise_is_told_so(name: str, edit: Edit) -> None:
    assert complaints(crowded(), name, edit)


# What needs a run of its own


def flawed(flaw: Flaw = Flaw.FORMAT) -> Run:
    """One request that is itself at fault, asked of a candidate that has fallbacks."""
    return rehearse(Scenario("flawed", CONFIG, callers=(Caller(0.0, "small", flaw=flaw),), wire=False))


def called_the_providers_fault(records: list[Record]) -> None:
    alter(records, find(records, Kind.FAILED), reason="server_error", scope="model")


def cooled_for_it(records: list[Record]) -> None:
    place = find(records, Kind.FAILED)
    details: Details = {"until": records[place].at + 6, "incidents": 1, "reason": "format"}
    records.insert(place + 1, Fact(records[place].at, Kind.COOLING, key=records[place].key, details=details))


def asked_somebody_else(records: list[Record]) -> None:
    place = find(records, Kind.FAILED)
    other = next(record.key for record in rehearse(storm(1)).trace.records if record.key is not None)
    details = {"wait": 0, "again": 0}
    records.insert(place + 1, Fact(records[place].at, Kind.DISPATCHED, 1, 2, other, details))


def told_something_else(records: list[Record]) -> None:
    alter(records, find(records, Scene.TOLD), outcome="AllCandidatesFailed")


def gave_up_instead(records: list[Record]) -> None:
    alter(records, find(records, Kind.GAVE_UP), reason="exhausted")


@pytest.mark.parametrize(
    "edit",
    [called_the_providers_fault, cooled_for_it, asked_somebody_else, told_something_else, gave_up_instead],
    ids=lambda edit: edit.__name__,
)
def test_a_fault_of_the_request_that_troubles_others_is_told(edit: Edit) -> None:
    assert violations(flawed()) == []
    assert complaints(flawed(), "fault-of-the-request", edit)


def test_an_overflow_may_go_on_to_a_larger_window_and_to_no_other() -> None:
    run = flawed(Flaw.TOO_LONG)
    asked = [fact.key.name for fact in run.trace.facts() if fact.kind is Kind.DISPATCHED and fact.key is not None]
    assert asked == ["small", "large"]
    assert violations(run) == []
    records = list(run.trace.records)
    place = find(records, Kind.DISPATCHED, key="large")
    records[place] = evolve(records[place], key=next(key for key in run.config.entries if key.name == "kin"))
    assert list(INVARIANTS["fault-of-the-request"](with_records(run, records)))


def test_whoever_is_not_served_once_all_is_well_is_told_of() -> None:
    run = rehearse(healed(1))
    records = list(run.trace.records)
    late = len(run.callers) - 1
    alter(records, find(records, Scene.TOLD, caller=late), outcome="DeadlineExceeded")
    # It is served by the one that is well, so that nobody has declined.
    assert any("had been well" in str(found) for found in INVARIANTS["no-needless-failure"](with_records(run, records)))


def test_tasks_that_are_left_behind_are_told_of() -> None:
    assert list(INVARIANTS["conservation"](evolve(stormy(), tasks_left=1)))


def test_a_run_without_an_end_is_told_of() -> None:
    assert list(INVARIANTS["one-answer"](evolve(stormy(), hung="everybody waits")))


def test_a_secret_in_the_header_is_told_of() -> None:
    run = stormy()
    header = {**run.trace.header, "scenario": secret_of("small")}
    assert list(INVARIANTS["secrecy"](evolve(run, trace=Trace(header, run.trace.records))))


def test_a_reset_by_hand_that_ends_nothing_is_told_of() -> None:
    callers = tuple(Caller(float(at), "small") for at in range(12))
    faults = (
        Fault(FaultKind.SERVER_ERROR, 0, 4, candidate="small"),
        Fault(FaultKind.RESET_BY_HAND, 5.0, candidate="small"),
    )
    run = rehearse(Scenario("reset", CONFIG, callers=callers, faults=faults, wire=False))
    assert violations(run) == []
    records = [record for record in run.trace.records if record.kind is not Kind.RETURNED]
    assert any("reset by hand" in str(found) for found in INVARIANTS["incident"](with_records(run, records)))


def test_an_old_probe_that_gives_back_a_newer_ones_lease_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [
        {
            "model_name": name,
            "model": f"openai/{name}",
            "api_base": f"https://{name}.example/v1",
            "api_key": "env:SHARED",
        }
        for name in ("own", "kin")
    ]
    config = {"model_list": entries, "policy": {"server_error": {"base": 5}, "auth": {"base": 5}}}
    callers = (
        Caller(0, "own"),
        Caller(7, "own", leaves_after=20.0),  # the first probe, which nobody answers
        Caller(9, "kin"),  # what it meets strikes the other one as well
        Caller(20, "own", timeout=100),  # the second probe, under way when the caller of the first one leaves
        Caller(28, "own"),
    )
    faults = (
        Fault(FaultKind.SERVER_ERROR, 0, 2, candidate="own"),
        Fault(FaultKind.SILENT, 6, 60, candidate="own"),
        Fault(FaultKind.REVOKED, 8, 10, candidate="kin"),
    )
    scenario = Scenario("an old probe", config, callers=callers, faults=faults, wire=False)
    assert violations(rehearse(scenario)) == []

    def holds_any_lease(self: Cooldown, stamp: Stamp) -> bool:
        return stamp.lease is not None and self._lease is not None

    monkeypatch.setattr(Cooldown, "_holds_lease", holds_any_lease)
    assert {found.invariant for found in violations(rehearse(scenario))} >= {"incident", "silence"}


def test_the_same_trace_twice_is_deterministic_and_another_is_not() -> None:
    one, same, other = rehearse(storm(1)).trace, rehearse(storm(1)).trace, rehearse(storm(1), Schedule(99)).trace
    assert determinism(one, same) is None
    found = determinism(one, other)
    assert found is not None
    assert found.invariant == "determinism"
    assert f"line {found.place + 2} is" in found.sentence
    shorter = Trace(one.header, one.records[:-1])
    found = determinism(one, shorter)
    assert found is not None
    assert found.place == len(one.records) - 1


def test_what_is_around_a_violation_is_about_whom_it_concerns() -> None:
    (found, *_) = complaints(stormy(), "provenance", told_another_text)
    assert found.caller is not None
    lines = context(stormy(), found)
    assert 1 < len(lines) <= 24
    assert any('"sight":"told"' in line for line in lines)
    assert all(
        f'"caller":{found.caller}' in line or f'"request":{found.request}' in line or '"key"' in line for line in lines
    )


def test_a_violation_says_what_broke_when() -> None:
    (found, *_) = complaints(stormy(), "rate", admitted_beyond_a_limit)
    assert str(found).startswith(f"rate: at {found.at:.3f} s ")
    assert found.key is not None
    assert found.key.name in found.sentence
