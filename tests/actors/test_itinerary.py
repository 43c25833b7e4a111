"""A request's way against a reference that reads the whole story anew for each decision."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.actors.demand import Capabilities, Demand
from understudy.actors.failures import NATURAL_SCOPE, Failure, Reason, Scope
from understudy.actors.identity import ModelKey
from understudy.actors.itinerary import (
    MAX_FAILURES,
    Ask,
    Candidate,
    Decision,
    Deliver,
    GiveUp,
    Itinerary,
    Plan,
    Reject,
)
from understudy.actors.messages import AttemptRecord, Failed, Outcome, Refusal, Refused
from understudy.actors.policy import CLASSIC, DEFAULT, Next, Policy, Rule

from .naive_way import Line, Request, Told, decide, give_up
from .reached import Reached, fixed

DEADLINE = 100.0
DROPS_MAX = 6

PATIENT = DEFAULT.with_rules({Reason.SERVER_ERROR: Rule(Next.NO, base=30)})


def candidate(n: int, *, window: int | None = None, vision: bool | None = None, **more: Any) -> Candidate:
    key = ModelKey(f"c{n}", "same", "model", f"key {n}")  # told apart by the whole key only
    return Candidate(key, Capabilities(window, vision), **more)


candidates = st.builds(
    candidate,
    n=st.just(0),
    window=st.sampled_from([None, None, 5, 1000, 1000, 1000, 2000, 2000, 4000, 4000]),
    vision=st.sampled_from([None, None, True, True, False]),
    tpm=st.sampled_from([None, None, None, None, 50.0]),
    retries=st.sampled_from([0, 0, 1, 2]),
)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    drawn = draw(st.lists(candidates, max_size=5))
    return Request(
        plan=tuple(
            Candidate(ModelKey(f"c{n}", "same", "model", f"key {n}"), each.capabilities, each.tpm, each.retries)
            for n, each in enumerate(drawn)
        ),
        demand=draw(
            st.builds(
                Demand, prompt_tokens=st.sampled_from([0, 10, 10, 51]), images=st.sampled_from([False, False, True])
            )
        ),
        policy=draw(st.sampled_from([DEFAULT, DEFAULT, DEFAULT, CLASSIC, PATIENT])),
        deadline=DEADLINE,
        wait_for_cooldown=draw(st.booleans()),
    )


ready = st.sampled_from([None, 3.0, 7.0, 7.0, 20.0, 20.0, 60.0, 60.0, DEADLINE, 500.0])
KINDS = [Refusal.COOLING, *[Refusal.SATURATED] * 3, Refusal.BUSY, Refusal.PROBING, Refusal.DOWN]
refusals = st.builds(
    Refused,
    attempt=st.just(1),
    refusal=st.sampled_from(KINDS),
    ready_at=ready,
    queued=st.integers(0, 3),
    detail=st.sampled_from(["", "why"]),
)


@st.composite
def failures(draw: st.DrawFn) -> Failed:
    reason = draw(st.sampled_from([*Reason, Reason.CONTEXT_OVERFLOW, Reason.CONTEXT_OVERFLOW, Reason.CONTEXT_OVERFLOW]))
    scope = draw(st.sampled_from([NATURAL_SCOPE[reason]] * 5 + [Scope.MODEL, Scope.REQUEST]))
    return Failed(
        1,
        Failure(reason, scope, draw(st.sampled_from([None, 500])), message=draw(st.sampled_from(["", "words"]))),
        ready_at=draw(ready),
        retry_at=draw(st.sampled_from([None, None, 0.0, 2.0, DEADLINE])),
        crashed=draw(st.sampled_from([False] * 6 + [True])),
    )


def told(decision: Decision, plan: Sequence[Candidate]) -> Told:
    match decision:
        case Ask():
            at = decision.not_before if decision.again else None
            return Told("ask", plan.index(decision.candidate), decision.wait, decision.again, at)
        case Deliver():
            return Told("deliver")
        case Reject():
            places = [place for place, each in enumerate(plan) if each.key == decision.key]
            return Told("reject", places[0], failure=decision.failure)
        case GiveUp():
            return Told("give up", retry_at=decision.retry_at)


REACHED = Reached()


@fixed(examples=1000)
@given(request=requests(), data=st.data())
def walk(request: Request, data: st.DataObject) -> None:
    plan, now, story, told_so_far = request.plan, 0.0, list[Line](), list[str]()
    way = Itinerary(Plan(plan), request.demand, request.policy, DEADLINE, wait_for_cooldown=request.wait_for_cooldown)
    expected: list[AttemptRecord] = []
    for each in plan:
        why = request.demand.unfit_for(each.capabilities, each.tpm)
        if why is not None:
            REACHED.note("unfit")
            expected.append(AttemptRecord(each.key, Outcome.REFUSED, Refusal.UNFIT, why, 0.0, 0.0))
    decision, drops, crowd = way.begin(now), 0, data.draw(st.sampled_from([False, False, False, True]))
    for count in itertools.count():
        assert told(decision, plan) == decide(request, story, now), story
        if not isinstance(decision, Ask):
            break
        told_so_far.append(decision.candidate.key.name)
        # Six times are named, and each may come once.
        assert count <= (drops + 1 + 6) * 2 * len(plan) + sum(MAX_FAILURES + each.retries for each in plan)
        note_why(request, story, decision)
        asked_at, now = now, now + data.draw(st.sampled_from([0.0, 0.0, 1.0, 9.0]))
        assert way.current == decision.candidate
        answer = data.draw(answers(decision, drops, crowd=crowd))
        place = plan.index(decision.candidate)
        story.append(Line(now, place, decision.wait, decision.again, answer))
        expected.append(record_of(decision.candidate.key, answer, asked_at, now))
        if answer is None:
            decision = way.served(now)
        elif isinstance(answer, Refused):
            drops += decision.wait and not answer.full
            decision = way.refused(now, answer)
        else:
            decision = way.failed(now, answer)
        assert way.records == expected
    REACHED.note(type(decision).__name__)
    if drops >= 2:
        REACHED.note("dropped from queues more than once")
    if isinstance(decision, GiveUp):
        assert told(decision, plan) == give_up(request, story, now)
        last_words = {record.key: record.ready_at for record in way.records}
        times = [time for time in last_words.values() if time is not None]
        assert decision.retry_at == (max(now, min(times)) if times else None)
        if len(times) > 1:
            REACHED.note("gave up with several times to choose from")
    nobody_is_asked_twice_in_a_pass(story)


crowded = st.builds(Refused, st.just(1), st.just(Refusal.SATURATED), st.sampled_from([3.0, 7.0, 20.0, 60.0]))


def answers(ask: Ask, drops: int, *, crowd: bool) -> st.SearchStrategy[Refused | Failed | None]:
    if crowd and drops < DROPS_MAX:
        return st.one_of(crowded, crowded, refusals, failures()) if ask.wait else crowded
    if not ask.wait:
        return st.one_of(refusals, refusals, refusals, failures(), st.none() if ask.again else failures())
    full = st.builds(Refused, st.just(1), st.just(Refusal.SATURATED), ready, st.integers(0, 9), full=st.just(True))
    if drops >= DROPS_MAX:
        return st.one_of(full, failures(), st.none())
    return st.one_of(refusals, full, refusals, failures(), refusals, refusals, st.none())


def record_of(key: ModelKey, answer: Refused | Failed | None, asked_at: float, now: float) -> AttemptRecord:
    took = now - asked_at
    if answer is None:
        return AttemptRecord(key, Outcome.SERVED, None, "", asked_at, took)
    if isinstance(answer, Refused):
        return AttemptRecord(key, Outcome.REFUSED, answer.refusal, answer.detail, asked_at, took, answer.ready_at)
    failure = answer.failure
    words = {
        (None, ""): "",
        (None, "words"): "words",
        (500, ""): "HTTP 500",
        (500, "words"): "HTTP 500: words",
    }[failure.status, failure.message]
    return AttemptRecord(key, Outcome.FAILED, failure.reason, words, asked_at, took, answer.ready_at)


def nobody_is_asked_twice_in_a_pass(story: Sequence[Line]) -> None:
    """Nor without need: between two questions lies a drop from a queue, or a time that somebody had named."""
    asked: dict[int, int] = {}
    for i, line in enumerate(story):
        if line.wait or line.again:
            continue
        if line.place in asked:
            between = story[asked[line.place] : i]
            named = [each.answer.ready_at for each in story[:i] if each.answer is not None]
            assert any(each.wait for each in between) or any(
                time is not None and time <= story[i - 1].at for time in named
            )
            REACHED.note("another pass, because a time had come")
        asked[line.place] = i


def note_why(request: Request, story: Sequence[Line], ask: Ask) -> None:
    if ask.again:
        REACHED.note("a second try")
    elif ask.wait:
        last = [line.answer for line in story if request.plan[line.place].key == ask.candidate.key][-1]
        kind = "a failed one" if isinstance(last, Failed) else "one that refused"
        assert last is not None
        REACHED.note(f"waits for {kind}, which {'names no' if last.ready_at is None else 'names a'} time")
        if isinstance(last, Refused) and last.refusal is Refusal.COOLING:
            assert request.wait_for_cooldown
            REACHED.note("waits for a cooldown")
    elif story:
        answer = story[-1].answer
        REACHED.note("goes on after a refusal" if isinstance(answer, Refused) else "goes on after a failure")
        if isinstance(answer, Failed) and answer.failure.reason is Reason.CONTEXT_OVERFLOW and not answer.crashed:
            REACHED.note("goes on to a larger window")
        if isinstance(answer, Failed) and answer.crashed:
            REACHED.note("goes on after a crash")
        if story[-1].wait and isinstance(answer, Refused):
            REACHED.note("another pass")


def test_every_decision_is_the_one_that_the_whole_story_calls_for() -> None:
    REACHED.times.clear()
    walk()
    REACHED.insist_on(
        [
            "unfit",
            "Deliver",
            "Reject",
            "GiveUp",
            "a second try",
            "goes on after a refusal",
            "goes on after a failure",
            "goes on to a larger window",
            "goes on after a crash",
            "another pass",
            "another pass, because a time had come",
            "dropped from queues more than once",
            "waits for one that refused, which names a time",
            "waits for one that refused, which names no time",
            "waits for a failed one, which names a time",
            "waits for a cooldown",
            "gave up with several times to choose from",
        ],
        at_least=8,
    )


# The same in plain examples


def refused(refusal: str, ready_at: float | None = None, **more: Any) -> Refused:
    return Refused(1, Refusal(refusal), ready_at, **more)


def failed(reason: str, ready_at: float | None = None, **more: Any) -> Failed:
    return Failed(1, Failure.of(Reason(reason)), ready_at=ready_at, **more)


def way(*plan: Candidate, policy: Policy = DEFAULT, demand: Demand | None = None, **more: Any) -> Itinerary:
    return Itinerary(Plan(plan), demand or Demand(), policy, DEADLINE, **more)


ONE, TWO, THREE = candidate(1), candidate(2), candidate(3)


def asks(decision: Decision) -> tuple[str, bool]:
    assert isinstance(decision, Ask), decision
    return decision.candidate.key.name, decision.wait


def test_candidates_are_asked_in_order_and_the_first_that_serves_ends_it() -> None:
    it = way(ONE, TWO, THREE)
    assert asks(it.begin(0.0)) == ("c1", False)
    assert asks(it.refused(0.0, refused("cooling", 30.0))) == ("c2", False)
    assert asks(it.failed(1.0, failed("timeout"))) == ("c3", False)
    assert it.served(2.0) == Deliver()
    assert it.current is None


def test_a_request_queues_where_it_is_soonest_and_not_at_the_last_in_the_list() -> None:
    it = way(ONE, TWO, THREE)
    it.begin(0.0)
    it.refused(0.0, refused("saturated", 20.0))
    it.refused(0.0, refused("saturated", 5.0))
    assert asks(it.refused(0.0, refused("saturated", 60.0))) == ("c2", True)


def test_of_those_ready_at_the_same_time_the_first_in_the_list_is_waited_for() -> None:
    it = way(ONE, TWO, THREE)
    it.begin(0.0)
    it.refused(0.0, refused("saturated", 9.0))
    it.refused(0.0, refused("saturated", 5.0))
    assert asks(it.refused(0.0, refused("saturated", 5.0))) == ("c2", True)


def test_whoever_names_a_time_is_preferred_to_whoever_names_none() -> None:
    it = way(ONE, TWO)
    it.begin(0.0)
    it.refused(0.0, refused("busy", queued=0))
    assert asks(it.refused(0.0, refused("saturated", 99.0, queued=50))) == ("c2", True)


def test_when_nobody_names_a_time_before_the_deadline_the_shortest_queue_is_joined() -> None:
    it = way(ONE, TWO, THREE)
    it.begin(0.0)
    it.refused(0.0, refused("saturated", DEADLINE))
    it.refused(0.0, refused("busy", queued=3))
    assert asks(it.refused(0.0, refused("probing", queued=2))) == ("c3", True)


def test_a_full_queue_sends_on_to_the_next_soonest_until_nobody_is_left() -> None:
    it = way(ONE, TWO)
    it.begin(0.0)
    it.refused(0.0, refused("saturated", 20.0))
    assert asks(it.refused(0.0, refused("saturated", 5.0))) == ("c2", True)
    assert asks(it.refused(0.0, refused("saturated", 5.0, full=True))) == ("c1", True)
    assert it.refused(0.0, refused("saturated", 20.0, full=True)) == GiveUp(5.0)


def test_one_that_drops_it_from_its_queue_begins_another_pass_over_all_that_have_not_failed() -> None:
    it = way(ONE, TWO, THREE)
    it.begin(0.0)
    it.failed(0.0, failed("timeout", 30.0))
    it.refused(0.0, refused("cooling", 15.0))
    assert asks(it.refused(0.0, refused("saturated", 5.0))) == ("c3", True)
    assert asks(it.refused(4.0, refused("cooling", 34.0))) == ("c2", False)


@pytest.mark.parametrize(("patient", "decision"), [(False, GiveUp(30.0)), (True, Ask(ONE, wait=True))])
def test_a_cooldown_is_waited_for_only_if_the_caller_says_so(patient: bool, decision: Decision) -> None:
    it = way(ONE, wait_for_cooldown=patient)
    it.begin(0.0)
    assert it.refused(0.0, refused("cooling", 30.0)) == decision


def test_whoever_failed_is_waited_for_a_few_times_by_those_who_wait_for_cooldowns() -> None:
    it, now = way(ONE, wait_for_cooldown=True), 0.0
    decision = it.begin(now)
    for _ in range(MAX_FAILURES - 1):
        now += 10
        decision = it.failed(now, failed("timeout", now + 5))
        assert asks(decision) == ("c1", True)
    assert it.failed(60.0, failed("timeout", 65.0)) == GiveUp(65.0)


def test_one_that_is_down_is_never_waited_for() -> None:
    it = way(ONE, wait_for_cooldown=True)
    it.begin(0.0)
    assert it.refused(0.0, refused("down")) == GiveUp(None)


@pytest.mark.parametrize("reason", ["format", "content_filter", "context_overflow"])
def test_a_fault_of_the_request_is_told_at_once_and_nobody_else_is_asked(reason: str) -> None:
    it = way(ONE, TWO)
    it.begin(0.0)
    answer = failed(reason)
    assert it.failed(0.0, answer) == Reject(answer.failure, ONE.key)


@pytest.mark.parametrize(("reason", "next_"), [(reason.value, CLASSIC[reason].next) for reason in Reason])
def test_in_classic_unknown_and_overflow_end_the_way(reason: str, next_: Next) -> None:
    it = way(candidate(1, window=10), candidate(2, window=1000), policy=CLASSIC)
    it.begin(0.0)
    decision = it.failed(0.0, failed(reason))
    assert isinstance(decision, Ask) == (next_ is Next.YES)
    assert isinstance(decision, GiveUp) == (reason == "unknown")
    assert isinstance(decision, Reject) == (reason in {"context_overflow", "content_filter", "format"})


def test_an_overflow_goes_on_to_a_later_candidate_with_a_larger_window_only() -> None:
    small, same, unknown, large, none = (
        candidate(1, window=9),
        candidate(2, window=9),
        candidate(3),
        candidate(4, window=10),
        candidate(5, window=8),
    )
    it = way(small, same, unknown, large, none)
    it.begin(0.0)
    assert asks(it.failed(0.0, failed("context_overflow"))) == ("c4", False)
    assert it.failed(1.0, failed("timeout", 31.0)) == GiveUp(31.0)


def test_an_overflow_does_not_turn_back_to_an_earlier_larger_candidate() -> None:
    it = way(candidate(1, window=100), candidate(2, window=10))
    it.begin(0.0)
    it.refused(0.0, refused("saturated", 5.0))
    answer = failed("context_overflow")
    assert isinstance(it.failed(0.0, answer), Reject)


def test_a_second_try_needs_retries_and_a_time_before_the_deadline() -> None:
    it = way(candidate(1, retries=2), TWO)
    it.begin(0.0)
    assert it.retries_left == 2
    assert it.failed(0.0, failed("network", retry_at=0.0)) == Ask(candidate(1, retries=2), again=True, not_before=0.0)
    assert it.retries_left == 1
    again = it.failed(1.0, failed("network", retry_at=3.0))
    assert again == Ask(candidate(1, retries=2), again=True, not_before=3.0)
    assert it.retries_left == 0
    assert asks(it.failed(4.0, failed("network", retry_at=5.0))) == ("c2", False)
    assert [record.outcome for record in it.records] == [Outcome.FAILED] * 3

    late = way(candidate(1, retries=1), TWO)
    late.begin(0.0)
    assert asks(late.failed(0.0, failed("network", retry_at=DEADLINE))) == ("c2", False)


def test_who_cannot_take_the_request_is_skipped_with_that_as_the_reason() -> None:
    it = way(candidate(1, window=5), candidate(2, vision=False), THREE, demand=Demand(10, images=True))
    assert asks(it.begin(0.0)) == ("c3", False)
    assert [(record.key.name, record.reason) for record in it.records] == [
        ("c1", Refusal.UNFIT),
        ("c2", Refusal.UNFIT),
    ]
    assert it.failed(0.0, failed("timeout")) == GiveUp(None)


def test_nobody_to_ask_is_the_end_at_once() -> None:
    assert way().begin(0.0) == GiveUp(None)
    assert way(candidate(1, window=5), demand=Demand(10)).begin(0.0) == GiveUp(None)


def test_the_time_at_which_trying_again_makes_sense_is_the_soonest_that_was_named() -> None:
    it = way(ONE, TWO, THREE)
    it.begin(0.0)
    it.refused(0.0, refused("cooling", 30.0))
    it.refused(0.0, refused("cooling", 14.0))
    assert it.failed(9.0, failed("timeout", 39.0)) == GiveUp(14.0)


def test_whoever_has_recovered_while_others_failed_is_asked_again() -> None:
    it = way(ONE, TWO, THREE)
    it.begin(0.0)
    it.refused(0.0, refused("cooling", 30.0))
    it.refused(0.0, refused("cooling", 4.0))
    assert asks(it.failed(9.0, failed("timeout", 39.0))) == ("c1", False)
    assert asks(it.refused(9.0, refused("cooling", 30.0))) == ("c2", False)
    assert it.served(9.5) == Deliver()


def test_a_time_that_had_passed_when_it_was_named_is_no_reason_to_ask_again() -> None:
    it = way(ONE, TWO)
    it.begin(5.0)
    it.refused(5.0, refused("cooling", 5.0))
    assert it.failed(9.0, failed("timeout", 39.0)) == GiveUp(9.0)


def test_a_crash_goes_on_whatever_the_reason_would_say() -> None:
    it = way(ONE, TWO, policy=CLASSIC)
    it.begin(0.0)
    assert asks(it.failed(0.0, failed("unknown", crashed=True))) == ("c2", False)


def test_an_interrupted_stream_is_recorded_and_decides_nothing() -> None:
    it = way(ONE, TWO)
    it.begin(0.0)
    it.interrupted(3.0, failed("network", 33.0))
    assert it.records == [AttemptRecord(ONE.key, Outcome.FAILED, Reason.NETWORK, "", 0.0, 3.0, 33.0)]
    assert it.current is None
    assert it.retries_left == 0


def test_an_answer_without_a_question_is_a_bug() -> None:
    it = way(ONE)
    it.begin(0.0)
    it.served(0.0)
    with pytest.raises(AssertionError, match="answers a decision"):
        it.served(1.0)
    with pytest.raises(AssertionError, match="answers a decision"):
        it.refused(1.0, refused("busy"))


def test_records_are_kept_in_the_list_that_the_caller_gave() -> None:
    records: list[AttemptRecord] = []
    it = way(ONE, records=records)
    it.begin(1.0)
    it.served(2.5)
    assert records == [AttemptRecord(ONE.key, Outcome.SERVED, None, "", 1.0, 1.5)]
    assert math.isclose(records[0].duration, 1.5)
