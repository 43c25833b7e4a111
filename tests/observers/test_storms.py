"""Whole runs: whatever happens, spans, metrics and log lines say what the trace says, and nothing is kept of it.

What they should say is recomputed here from the trace's records, by code that shares nothing with the observers.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from understudy.actors.trace import Fact, Kind
from understudy.simulations import strategies
from understudy.simulations.faults import Fault, FaultKind
from understudy.simulations.fuzz import QUIET
from understudy.simulations.rehearsal import rehearse
from understudy.simulations.scenario import ProviderScript, Scenario
from understudy.simulations.trace import Scene

from ..simulations import trials
from ..simulations.storm import STORM
from .watching import Watch, attributes, watched

OUTCOMES = {Kind.SERVED: "served", Kind.FAILED: "failed", Kind.ABANDONED: "abandoned", Kind.LOST: "lost"}


def ends(facts: Iterable[Fact], kinds: Iterable[Kind], of: str) -> dict[int, Fact]:
    """The first fact of these kinds about each request or attempt."""
    found: dict[int, Fact] = {}
    for fact in facts:
        if fact.kind in kinds:
            found.setdefault(getattr(fact, of), fact)
    return found


def label(fact: Fact) -> tuple[str, str, str]:
    assert fact.key is not None
    return fact.key.name, fact.key.provider, fact.key.model


def fallbacks(facts: Iterable[Fact]) -> list[tuple[tuple[str, str, str], str]]:
    """Who was left for the next candidate, and why; one for each time."""
    last: dict[int, Fact] = {}
    found = []
    for fact in facts:
        assert isinstance(fact, Fact)
        if fact.kind in (Kind.REFUSED, Kind.FAILED, Kind.LOST):
            last[fact.request or 0] = fact
        elif fact.kind is Kind.DISPATCHED:
            before = last.pop(fact.request or 0, None)
            if before is not None and fact.details["wait"] == fact.details["again"] == 0:
                found.append((label(before), str(before.details.get("reason", "crashed"))))
    return found


def check(watch: Watch) -> None:
    assert watch.run.hung is None
    facts = list(watch.run.trace.facts())
    check_spans(watch, facts)
    check_metrics(watch, facts)
    check_lines(watch, facts)
    assert watch.spans.at_rest
    assert watch.counts.at_rest


# Spans


def check_spans(watch: Watch, facts: list[Fact]) -> None:
    assert len(watch.kept.begun) == len(watch.kept.ended), "every span that began has ended"
    requests = {attributes(span)["understudy.request"]: span for span in watch.kept.of_kind(SpanKind.INTERNAL)}
    assert sorted(requests) == list(range(1, watch.let_in + 1)), "one span for each request that was let in"
    assert len(watch.kept.ended) == len(requests) + len(watch.kept.of_kind(SpanKind.CLIENT)) + len(
        [span for span in watch.kept.ended if span.name == "a caller"]
    )
    check_requests(watch, facts, requests)
    check_attempts(watch, facts, requests)
    for span, model in watch.sent:
        assert isinstance(span, ReadableSpan)
        assert attributes(span)["gen_ai.request.model"] == model, "what is sent is sent within its attempt's span"
    sent = [attributes(span)["understudy.attempt"] for span, _ in watch.sent if isinstance(span, ReadableSpan)]
    assert len(sent) == len(set(sent))


def check_requests(watch: Watch, facts: list[Fact], requests: dict[int, ReadableSpan]) -> None:
    terminal = ends(facts, (Kind.DELIVERED, Kind.GAVE_UP, Kind.LEFT), "request")
    events = {
        Kind.REFUSED: Counter[int](),
        Kind.LOST: Counter[int](),
        Kind.SKIPPED: Counter[int](),
        Kind.QUEUED: Counter[int](),
    }
    for fact in facts:
        if fact.kind in events:
            events[fact.kind][fact.request or 0] += 1
    for number, span in requests.items():
        told = attributes(span)
        assert span.parent is not None
        assert span.parent.span_id == watch.callers[number].span_id, "the parent is the caller's span"
        end = terminal.get(number)
        if end is None:
            assert told["error.type"] in ("router_crashed", "router_closed")
        elif end.kind is Kind.DELIVERED:
            assert "error.type" not in told
            assert told["understudy.model_key"] == label(end)[0]
            assert span.end_time == watch.spans._ns(end.at)
        elif end.kind is Kind.GAVE_UP:
            assert (span.status.status_code, told["error.type"]) == (StatusCode.ERROR, end.details["reason"])
        else:
            assert told.get("error.type") == ("deadline" if end.details["reason"] == "deadline" else None)
        seen = Counter(event.name for event in span.events)
        assert {kind: seen[f"understudy.{kind}"] for kind in events} == {kind: events[kind][number] for kind in events}
    assert sum(event.name == "understudy.fallback" for span in requests.values() for event in span.events) == len(
        fallbacks(facts)
    )


def check_attempts(watch: Watch, facts: list[Fact], requests: dict[int, ReadableSpan]) -> None:
    admitted = ends(facts, (Kind.ADMITTED,), "attempt")
    ended = ends((fact for fact in facts if fact.attempt in admitted), OUTCOMES, "attempt")
    spans = watch.kept.of_kind(SpanKind.CLIENT)
    assert sorted(attributes(span)["understudy.attempt"] for span in spans) == sorted(admitted), "one for each attempt"
    for span in spans:
        told = attributes(span)
        began = admitted[told["understudy.attempt"]]
        end = ended.get(told["understudy.attempt"])
        request = requests[began.request or 0]
        assert span.parent is not None
        assert request.context is not None
        assert span.parent.span_id == request.context.span_id
        assert (told["understudy.model_key"], told["gen_ai.request.model"]) == (label(began)[0], label(began)[2])
        assert told["understudy.outcome"] == ("abandoned" if end is None else OUTCOMES[end.kind])
        if end is not None:
            assert span.end_time == watch.spans._ns(end.at)
            error = "actor_crashed" if end.kind is Kind.LOST else end.details.get("reason")
            assert told.get("error.type") == error
        assert span.start_time == watch.spans._ns(began.at)
        assert None not in (request.start_time, request.end_time, span.start_time, span.end_time)
        assert request.start_time <= span.start_time <= span.end_time <= request.end_time  # type: ignore[operator]


# Metrics


def samples(watch: Watch, name: str, *labels: str) -> dict[tuple[str, ...], float]:
    """The values of one metric, by these labels, summed over all others."""
    found: defaultdict[tuple[str, ...], float] = defaultdict(float)
    for family in watch.registry.collect():
        for sample in family.samples:
            if sample.name == f"understudy_{name}":
                found[tuple(sample.labels[each] for each in labels)] += sample.value
    return {labels: value for labels, value in found.items() if value}


def check_metrics(watch: Watch, facts: list[Fact]) -> None:
    candidate = ("key", "provider", "model")
    routes = {
        sight.details["request"]: watch.run.config.resolve(str(sight.details["route"]))
        for sight in watch.run.trace.sights(Scene.ASKED)
    }
    terminal = ends(facts, (Kind.DELIVERED, Kind.GAVE_UP, Kind.LEFT), "request")
    requests: Counter[tuple[str, ...]] = Counter()
    for number in range(1, watch.let_in + 1):
        end = terminal.get(number)
        requests[routes[number], "" if end is None else str(end.details.get("reason", "served"))] += 1
    seen = samples(watch, "requests_total", "route", "outcome")
    assert {(route, "" if how in ("crashed", "closed") else how): n for (route, how), n in seen.items()} == requests
    assert sum(samples(watch, "request_duration_seconds_count", "route").values()) == watch.let_in

    admitted = ends(facts, (Kind.ADMITTED,), "attempt")
    ended = ends((fact for fact in facts if fact.attempt in admitted), OUTCOMES, "attempt")
    attempts: Counter[tuple[str, ...]] = Counter()
    lasted: defaultdict[tuple[str, ...], float] = defaultdict(float)
    for number, began in admitted.items():
        end = ended.get(number)
        outcome = "abandoned" if end is None else OUTCOMES[end.kind]
        reason = {"failed": str(end and end.details.get("reason")), "lost": "crashed"}.get(outcome, "")
        attempts[(*label(began), outcome, reason)] += 1
        lasted[label(began)] += 0.0 if end is None else end.at - began.at
    assert samples(watch, "attempts_total", *candidate, "outcome", "reason") == attempts
    if len(ended) == len(admitted):
        measured = samples(watch, "attempt_duration_seconds_sum", *candidate)
        assert measured == pytest.approx({key: lasts for key, lasts in lasted.items() if lasts})

    def count(kind: Kind) -> Counter[tuple[Any, ...]]:
        return Counter((*label(fact), str(fact.details.get("reason", kind))) for fact in facts if fact.kind is kind)

    assert samples(watch, "refusals_total", *candidate, "reason") == count(Kind.REFUSED)
    assert samples(watch, "cooldowns_total", *candidate, "reason") == count(Kind.COOLING) + count(Kind.DISTRUSTED)
    assert samples(watch, "fallbacks_total", *candidate, "reason") == Counter(
        (*key, reason) for key, reason in fallbacks(facts)
    )
    tokens: Counter[tuple[str, ...]] = Counter()
    for number, end in ended.items():
        if end.kind is Kind.SERVED:
            tokens[label(admitted[number])] += end.details["tokens"]  # type: ignore[assignment, operator]
    assert samples(watch, "tokens_total", *candidate) == pytest.approx(dict(tokens))
    opened = ends(facts, (Kind.OPENED,), "attempt")
    assert sum(samples(watch, "attempt_first_content_seconds_count", "key").values()) == len(opened)
    readers = {fact.request for fact in opened.values()}
    assert sum(samples(watch, "request_first_content_seconds_count", "route").values()) == len(readers)
    assert sum(samples(watch, "crashes_total", "actor").values()) == sum(fact.kind is Kind.CRASHED for fact in facts)
    for gauge in ("attempts_in_flight", "attempts_queued", "cooling", "down", "requests_in_flight"):
        assert samples(watch, gauge) == {}, "what is no more has no gauge"


# Lines


def check_lines(watch: Watch, facts: list[Fact]) -> None:
    wanted: Counter[str] = Counter(
        fact.kind.value
        for fact in facts
        if fact.kind in (Kind.COOLING, Kind.EXTENDED, Kind.RECOVERED, Kind.DISTRUSTED, Kind.REVIVED, Kind.GAVE_UP)
    )
    last: set[int] = set()
    for fact in facts:
        if fact.kind in (Kind.REFUSED, Kind.FAILED, Kind.LOST):
            last.add(fact.request or 0)
        elif fact.kind is Kind.DISPATCHED and fact.request in last:
            last.remove(fact.request)
            wanted["dispatched"] += 1
    assert Counter(record.kind for record in watch.lines) == wanted  # type: ignore[attr-defined]
    assert sum("falls back" in record.getMessage() for record in watch.lines) == len(fallbacks(facts))


# Runs


@pytest.mark.parametrize("seed", [2, 5])
@pytest.mark.parametrize("play", [trials.storm, trials.crowd], ids=lambda play: play.__name__)
def test_in_a_storm_every_observer_says_what_the_trace_says(play: Any, seed: int) -> None:
    watch = watched(play(seed))
    check(watch)
    assert watch.let_in > 100
    assert watch.looks > 50
    assert len(watch.sent) > 50


def test_as_http_as_well() -> None:
    check(watched(trials.wired(3)))
    check(watched(STORM))


def test_a_router_that_crashes_for_good_leaves_no_span_open_and_nothing_under_way() -> None:
    crashes = Fault(FaultKind.ROUTER_CRASH, 20.0, times=20)
    slow = (ProviderScript(latency=((0.0, 2.0), (1.0, 8.0))),)
    watch = watched(evolve(trials.storm(1), faults=(crashes,), providers=slow))
    check(watch)
    facts = list(watch.run.trace.facts())
    begun = set(ends(facts, (Kind.ADMITTED,), "attempt"))
    assert begun > set(ends(facts, OUTCOMES, "attempt")), "some attempt was under way of which no fact tells the end"
    assert samples(watch, "requests_total", "outcome")["crashed",] > 0
    assert any(attributes(span).get("error.type") == "router_crashed" for span in watch.kept.ended)


@settings(max_examples=25, database=None, deadline=None, suppress_health_check=QUIET)
@given(strategies.scenarios())
def test_no_storm_makes_an_observer_say_anything_else(scenario: Scenario) -> None:
    check(watched(scenario))


def test_whoever_observes_changes_nothing() -> None:
    for scenario in (STORM, trials.storm(4)):
        alone = rehearse(scenario).trace
        assert alone.digest() == watched(scenario, looking=False).run.trace.digest()


def test_at_warning_a_log_says_what_is_rare_and_hears_nothing_else() -> None:
    watch = watched(trials.storm(3), level=logging.WARNING)
    kinds = Counter(fact.kind for fact in watch.run.trace.facts())
    said = Counter(record.kind for record in watch.lines)  # type: ignore[attr-defined]
    assert said["cooling"] == kinds[Kind.COOLING] > 0
    assert said["distrusted"] == kinds[Kind.DISTRUSTED]
    assert set(said) <= {"cooling", "distrusted", "gave_up"}
