"""The timeline is what the actors themselves would say, told from the trace alone."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from understudy.actors.identity import ModelKey
from understudy.actors.trace import Detail, Fact, Kind
from understudy.simulations import strategies
from understudy.simulations.rehearsal import rehearse
from understudy.simulations.scenario import Scenario
from understudy.simulations.trace import Record, Scene, Sight, Trace
from understudy.simulations.views.axis import ROUND, Slices, clock, marks, round_width, unit_of
from understudy.simulations.views.course import Course
from understudy.simulations.views.fates import Fate, Request
from understudy.simulations.views.timeline import Timeline, timeline_of

from .plays import NAMES, facts_alone, played

SNAPSHOTS = 12

FIRST = ModelKey("a", "zhipu", "glm", "env:A")
SAME = ModelKey("a__key_1", "zhipu", "glm", "env:B")
OTHER = ModelKey("b", "openai", "gpt", "env:C")


def last(steps: list[tuple[float, int]]) -> int:
    return steps[-1][1] if steps else 0


def told(course: Course) -> dict[str, Detail]:
    """What a course says of its candidate, in the words of a snapshot; a limit that nobody met is not seen."""
    state = course.state.value
    return {
        "state": "healthy" if state == "saturated" else state,
        "served": len(course.served),
        "failed": sum(map(len, course.failed.values())),
        "in_flight": last(course.in_flight),
        "queued": last(course.queued),
    }


def in_the_mailbox(records: list[Record], snapshot: Record) -> int:
    """How many second tries lie in the candidate's mailbox: a trace counts them as waiting already, it does not yet."""
    now = [record for record in records if isinstance(record, Fact) and record.at == snapshot.at]
    answered = {fact.attempt for fact in now if fact.kind is not Kind.DISPATCHED}
    return sum(
        fact.key == snapshot.key and fact.details.get("again") == 1 and fact.attempt not in answered for fact in now
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(strategies.scenarios())
def test_at_every_snapshot_the_timeline_says_what_the_candidates_said(scenario: Scenario) -> None:
    trace = rehearse(scenario).trace
    places = [i for i, record in enumerate(trace.records) if record.kind is Scene.STATUS]
    for place in places[:: max(1, len(places) // SNAPSHOTS)]:
        records = trace.records[: place + 1]
        snapshot = records[-1]
        assert snapshot.key is not None
        found = told(timeline_of(Trace(trace.header, records)).courses[snapshot.key])
        expected = {name: snapshot.details[name] for name in found}
        if expected["state"] == "saturated":
            expected["state"] = "healthy"
        more = int(str(found.pop("queued"))) - int(str(expected.pop("queued")))
        assert 0 <= more <= in_the_mailbox(records, snapshot), (place, snapshot)
        assert found == expected, (place, snapshot)


@pytest.mark.parametrize("name", NAMES)
def test_every_attempt_that_was_sent_ends_in_one_way(name: str) -> None:
    trace = played(name).run.trace
    sent = {(fact.key, fact.attempt) for fact in trace.facts() if fact.kind is Kind.ADMITTED}
    lost = Counter(f.key for f in trace.facts() if f.kind is Kind.LOST and (f.key, f.attempt) in sent)
    for key, course in timeline_of(trace).courses.items():
        failed = sum(map(len, course.failed.values()))
        assert len(course.sent) == len(course.served) + failed + len(course.abandoned) + lost[key]
        assert len(course.sent) == sum(each == key for each, _ in sent)


@pytest.mark.parametrize("name", NAMES)
def test_the_plays_reach_every_state(name: str) -> None:
    states = {span.state.value for c in timeline_of(played(name).run.trace).courses.values() for span in c.spans}
    assert {
        "limited": {"healthy", "cooling", "probing", "saturated"},
        "outage": {"healthy", "cooling", "probing", "saturated"},
        "crashes": {"healthy", "down"},
        "crowd": {"healthy", "saturated", "cooling", "probing"},
    }[name] <= states


def fates_of(timeline: Timeline) -> dict[int | None, tuple[Fate, str | None]]:
    return {request.number: (request.fate, request.error) for request in timeline.requests if request.number}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("clock_shows", [0.0, 123_456.75])
def test_facts_alone_tell_the_same_of_candidates_and_of_requests(name: str, clock_shows: float) -> None:
    whole = timeline_of(played(name).run.trace)
    alone = timeline_of(facts_alone(played(name).run.trace, clock_shows))
    fates = fates_of(whole)
    for number, fate in fates_of(alone).items():
        if fates[number] == (Fate.FAILED, "RouterCrashed"):
            assert fate[0] in (Fate.LEFT, Fate.OPEN)  # only its caller knows more than that it ended
        else:
            assert fate == fates[number], number
    assert len(alone.requests) == len([r for r in whole.requests if r.number is not None])
    assert alone.courses
    assert set(alone.courses) <= set(whole.courses)
    for key, course in alone.courses.items():
        other = whole.courses[key]
        assert [span.state for span in course.spans] == [span.state for span in other.spans]
        assert [span.start for span in course.spans] == pytest.approx([span.start for span in other.spans], abs=1e-6)
        assert told(course) == told(other)
        assert {reason: len(times) for reason, times in course.refused.items()} == {
            reason: len(times) for reason, times in other.refused.items()
        }
    assert [(c.key, c.reason, c.incidents) for c in alone.cooldowns] == [
        (c.key, c.reason, c.incidents) for c in whole.cooldowns
    ]
    assert [c.until for c in alone.cooldowns] == pytest.approx([c.until for c in whole.cooldowns], abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(NAMES), st.integers(0, 3000), st.integers(0, 3000), st.booleans())
def test_any_part_of_a_trace_can_be_read(name: str, start: int, length: int, with_header: bool) -> None:
    whole = played(name).run.trace
    records = whole.records[start : start + length]
    timeline = timeline_of(Trace(whole.header if with_header else {}, records))
    for course in timeline.courses.values():
        assert course.spans[0].start == 0.0
        assert course.spans[-1].end == timeline.length
        assert all(one.end == other.start and one.start < one.end for one, other in pairwise(course.spans))
        assert all(one.state is not other.state for one, other in pairwise(course.spans))
    everybody = timeline.everybody()
    assert everybody.made == sum(everybody.fates.values()) == len(timeline.requests)


def test_the_callers_word_is_counted_as_it_was_given() -> None:
    for name in NAMES:
        trace = played(name).run.trace
        outcomes = Counter(str(sight.details["outcome"]) for sight in trace.sights(Scene.TOLD))
        everybody = timeline_of(trace).everybody()
        assert everybody.served == outcomes.pop("served")
        assert everybody.fates[Fate.LEFT] == outcomes.pop("left", 0)
        assert everybody.errors == dict(sorted(outcomes.items()))


COOLS = (1.0, Kind.COOLING, {"until": 10.0, "reason": "timeout", "incidents": 1})
ENDS: tuple[float, Kind, dict[str, Detail]] = (30.0, Kind.DISPATCHED, {})


@pytest.mark.parametrize(
    ("facts", "spans", "until"),
    [
        ([COOLS], "healthy 1 cooling 10 probing 30", 10.0),
        ([COOLS, (2.0, Kind.EXTENDED, {"until": 20.0, "reason": "timeout"})], "healthy 1 cooling 20 probing 30", 20.0),
        (
            [COOLS, (12.0, Kind.EXTENDED, {"until": 20.0})],
            "healthy 1 cooling 10 probing 12 cooling 20 probing 30",
            20.0,
        ),
        ([COOLS, (5.0, Kind.RETURNED, {})], "healthy 1 cooling 5 probing 30", 5.0),
        ([COOLS, (11.0, Kind.RETURNED, {})], "healthy 1 cooling 10 probing 30", 10.0),
        ([COOLS, (11.0, Kind.RECOVERED, {})], "healthy 1 cooling 10 probing 11 healthy 30", 10.0),
        ([COOLS, (3.0, Kind.DOWN, {}), (20.0, Kind.REVIVED, {})], "healthy 1 cooling 3 down 20 probing 30", 10.0),
        ([(3.0, Kind.DOWN, {}), (20.0, Kind.REVIVED, {})], "healthy 3 down 20 healthy 30", None),
        ([(3.0, Kind.DISTRUSTED, {"until": 9.0})], "healthy 3 cooling 9 probing 30", 9.0),
        ([(3.0, Kind.REFUSED, {"reason": "saturated", "ready_at": 8.0})], "healthy 3 saturated 8 healthy 30", None),
        ([(3.0, Kind.QUEUED, {"ready_at": 8.0}), (8.0, Kind.ADMITTED, {})], "healthy 3 saturated 8 healthy 30", None),
        ([(3.0, Kind.REFUSED, {"reason": "busy"}), (6.0, Kind.SERVED, {})], "healthy 3 saturated 6 healthy 30", None),
        ([(3.0, Kind.ADMITTED, {"probe": 4}), (6.0, Kind.RECOVERED, {})], "healthy 3 probing 6 healthy 30", None),
    ],
)
def test_the_states_follow_from_the_facts(
    facts: list[tuple[float, Kind, dict[str, Detail]]], spans: str, until: float | None
) -> None:
    records = [Fact(at, kind, 1, 1, FIRST, details) for at, kind, details in [*facts, ENDS]]
    course = timeline_of(Trace({"scenario": "told by hand"}, [*records])).courses[FIRST]
    assert " ".join(f"{span.state} {span.end:g}" for span in course.spans) == spans
    assert [cooled.until for cooled in course.cooldowns] == ([] if until is None else [until])


def test_a_second_try_that_is_held_back_waits() -> None:
    facts = [
        Fact(1.0, Kind.DISPATCHED, 1, 1, FIRST, {"again": 0}),
        Fact(2.0, Kind.DISPATCHED, 1, 2, FIRST, {"again": 1}),
        Fact(4.0, Kind.ADMITTED, 1, 2, FIRST),
    ]
    assert timeline_of(Trace({"scenario": "told by hand"}, [*facts])).courses[FIRST].queued == [(2.0, 1), (4.0, 0)]


def request_of(*facts: tuple[Kind, ModelKey | None, dict[str, Detail]]) -> Request:
    start = Fact(0.0, Kind.REQUESTED, 1, details={"route": "a"})
    told = [Fact(float(i), kind, 1, 1, key, details) for i, (kind, key, details) in enumerate(facts, 1)]
    (request,) = timeline_of(Trace(records=[start, *told])).requests
    return request


@pytest.mark.parametrize(
    ("facts", "fate", "error"),
    [
        ([(Kind.DELIVERED, FIRST, {})], Fate.FIRST, None),
        ([(Kind.DELIVERED, SAME, {})], Fate.OTHER_KEY, None),
        ([(Kind.DELIVERED, OTHER, {})], Fate.FALLBACK, None),
        ([(Kind.GAVE_UP, None, {"reason": "exhausted"})], Fate.FAILED, "AllCandidatesFailed"),
        ([(Kind.GAVE_UP, None, {"reason": "interrupted"})], Fate.FAILED, "StreamInterrupted"),
        ([(Kind.GAVE_UP, None, {"reason": "format"})], Fate.REJECTED, "RequestRejected"),
        ([(Kind.LEFT, None, {"reason": "deadline"})], Fate.FAILED, "DeadlineExceeded"),
        ([(Kind.LEFT, None, {"reason": "left"})], Fate.LEFT, None),
        ([(Kind.DELIVERED, FIRST, {}), (Kind.LEFT, None, {"reason": "left"})], Fate.FIRST, None),
        ([], Fate.OPEN, None),
    ],
)
def test_a_request_ends_as_its_last_fact_says(
    facts: list[tuple[Kind, ModelKey | None, dict[str, Detail]]], fate: Fate, error: str | None
) -> None:
    request = request_of((Kind.DISPATCHED, FIRST, {}), *facts)
    assert (request.fate, request.error) == (fate, error)
    assert request.ended_at == (2.0 if facts else math.inf)


def test_who_is_skipped_is_still_the_first_of_its_line() -> None:
    # The first request teaches who is at the head of the route.
    before = [Fact(0.0, Kind.REQUESTED, 1, details={"route": "a"}), Fact(0.0, Kind.DISPATCHED, 1, 1, FIRST)]
    skipping = [
        Fact(1.0, Kind.REQUESTED, 2, details={"route": "a"}),
        Fact(1.0, Kind.SKIPPED, 2, key=FIRST),
        Fact(1.0, Kind.DISPATCHED, 2, 2, OTHER),
        Fact(2.0, Kind.DELIVERED, 2, key=OTHER),
    ]
    assert timeline_of(Trace(records=[*before, *skipping])).requests[1].fate is Fate.FALLBACK
    assert timeline_of(Trace(records=[*skipping])).requests[0].fate is Fate.FIRST  # nothing tells who that was


def test_a_caller_who_is_not_let_in_is_not_confused_with_the_next_one() -> None:
    def asked(caller: int, at: float) -> Sight:
        return Sight(at, Scene.ASKED, caller, details={"group": "all", "route": "a", "request": 1})

    def answer(caller: int, outcome: str, key: ModelKey | None = None) -> Sight:
        return Sight(2.0, Scene.TOLD, caller, key, {"outcome": outcome})

    turned_away, let_in = timeline_of(
        Trace(
            records=[
                asked(0, 0.0),
                answer(0, "RouterOverloaded"),
                asked(1, 1.0),
                Fact(1.0, Kind.REQUESTED, 1, details={"route": "a"}),
                Fact(1.0, Kind.DISPATCHED, 1, 1, FIRST),
                answer(1, "served", FIRST),
            ]
        )
    ).requests
    assert (turned_away.fate, turned_away.error, turned_away.number) == (Fate.FAILED, "RouterOverloaded", None)
    assert (let_in.fate, let_in.number) == (Fate.FIRST, 1)


# The axis of time

times = st.floats(0, 1000, allow_nan=False)
slicings = st.builds(Slices.exactly, st.floats(1, 1000), st.integers(1, 50))


@given(slicings, st.lists(times))
def test_every_moment_is_counted_once_and_in_its_slice(slices: Slices, moments: list[float]) -> None:
    counts = slices.tally(moments)
    assert sum(counts) == len(moments)
    for at in moments:
        place = slices.place(at)
        assert place == slices.count - 1 or at < (place + 1) * slices.width * (1 + 1e-12)
        assert at >= place * slices.width * (1 - 1e-12) or place == slices.count - 1


@given(slicings, st.lists(st.tuples(times, st.integers(0, 9)), unique_by=lambda step: step[0]))
def test_a_peak_is_the_greatest_value_within_a_slice(slices: Slices, steps: list[tuple[float, int]]) -> None:
    steps.sort()
    end = slices.width * slices.count
    steps = [step for step in steps if step[0] < end]
    for i, peak in enumerate(slices.peaks(steps)):
        start, stop = i * slices.width, (i + 1) * slices.width
        before = [value for at, value in steps if at <= start][-1:]
        inside = [value for at, value in steps if start < at < stop]
        assert peak == max([0, *before, *inside])


@given(slicings, st.lists(st.tuples(st.floats(0.01, 50), st.sampled_from("abc")), min_size=1))
def test_what_lasted_longest_fills_at_least_its_part_of_a_slice(
    slices: Slices, lengths: list[tuple[float, str]]
) -> None:
    spans, at = [], 0.0
    for length, what in lengths:
        spans.append((at, at + length, what))
        at += length
    for i, found in enumerate(slices.longest(spans, "none")):
        start, stop = i * slices.width, (i + 1) * slices.width
        lasted: Counter[str] = Counter()
        for begin, end, what in spans:
            inside = min(end, stop) - max(begin, start)
            if inside > 0:
                lasted[what] += inside  # type: ignore[assignment]
        if max(lasted.values(), default=0.0) > 1e-9:
            assert lasted[found] == pytest.approx(max(lasted.values()), abs=1e-9)


@given(st.floats(0.05, 1e7), st.integers(2, 500))
def test_a_round_width_is_the_least_that_suffices(length: float, most: int) -> None:
    width = round_width(length, most)
    assert width * most >= length * (1 - 1e-9)
    assert all(smaller * most < length for smaller in ROUND if smaller < width - 1e-9)


@given(st.floats(0.05, 1e7), st.integers(2, 30))
def test_marks_are_few_and_round_and_reach_the_end(length: float, most: int) -> None:
    found = marks(length, most)
    assert 1 <= len(found) <= most
    assert found[0] == (0.0, "0")
    assert all(at <= length * (1 + 1e-9) for at, _ in found)
    assert all(float(label) == pytest.approx(at / unit_of(length)[0], rel=1e-4) for at, label in found)


@given(st.floats(0, 1e6))
def test_a_clock_is_right_to_the_tenth_or_to_the_second(seconds: float) -> None:
    *hours, minutes, rest = map(float, clock(seconds).split(":"))
    assert len(hours) == (seconds >= 3600)
    value = sum(hours) * 3600 + minutes * 60 + rest
    assert 0 <= seconds - value + 1e-6 < (1.0 if hours else 0.1) + 2e-6
