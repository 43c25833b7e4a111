"""What must hold in every run, each a checker that recomputes it from the recording alone.

A checker knows the scenario, the facts and what the providers received; it knows nothing of how the actors came to
decide. It returns a sentence for each violation.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from ..actors.bucket import WINDOW
from ..actors.identity import ModelKey
from ..actors.trace import Fact, Kind
from .rehearsal import Recording

Checker = Callable[[Recording], Iterator[str]]


def provenance(run: Recording) -> Iterator[str]:
    """The candidate that a reply names is the one whose endpoint, credential and model truly received it."""
    hosts = {key: entry.endpoint.api_base.split("/")[2] for key, entry in run.config.entries.items()}
    for fare in run.fares:
        if fare.served_by is not None:
            key = fare.served_by
            claimed = f"{hosts[key]}|{key.credential}|{key.model}"
            if claimed != fare.stamp:
                yield f"caller {fare.caller} was told {claimed}, but {fare.stamp} answered"


def silence(run: Recording) -> Iterator[str]:
    """Nothing is sent to a candidate while it cools, and one probe at a time when it comes back."""
    until: dict[ModelKey, float] = {}
    probing: dict[ModelKey, int] = {}
    for fact in run.facts:
        key = fact.key
        if key is None:
            continue
        match fact.kind:
            case Kind.COOLING | Kind.EXTENDED:
                until[key] = _number(fact, "until")
                probing.pop(key, None)
            case Kind.ADMITTED:
                if fact.at < until.get(key, 0.0):
                    yield f"{key} was sent attempt {fact.attempt} at {fact.at:.3f} s, cooling until {until[key]:.3f} s"
                if key in probing:
                    yield f"{key} was sent attempt {fact.attempt} while attempt {probing[key]} probes"
                if fact.details.get("probe"):
                    probing[key] = fact.attempt or 0
            case Kind.RECOVERED | Kind.RETURNED:
                probing.pop(key, None)
                until.pop(key, None)


def rate(run: Recording) -> Iterator[str]:
    """In every 60-second window, what is sent to a candidate stays within `rpm`; at every instant in `max_parallel`."""
    sent: dict[ModelKey, deque[float]] = {key: deque() for key in run.config.entries}
    flying: Counter[ModelKey] = Counter()
    for fact in run.facts:
        if fact.key is None:
            continue
        limits = run.config.entries[fact.key].limits
        if fact.kind is Kind.ADMITTED:
            window = sent[fact.key]
            window.append(fact.at)
            while window[0] < fact.at - WINDOW:
                window.popleft()
            flying[fact.key] += 1
            if limits.rpm is not None and len(window) > limits.rpm:
                yield f"{fact.key} was sent {len(window)} attempts within 60 s at {fact.at:.3f} s (rpm {limits.rpm:g})"
            if limits.max_parallel is not None and flying[fact.key] > limits.max_parallel:
                yield f"{fact.key} had {flying[fact.key]} attempts in flight at {fact.at:.3f} s"
        elif fact.kind in (Kind.SERVED, Kind.FAILED, Kind.ABANDONED):
            flying[fact.key] -= 1


def one_answer(run: Recording) -> Iterator[str]:
    """Every request ends exactly once, and no attempt is left without an answer."""
    ends = Counter(fact.request for fact in run.facts if fact.kind in (Kind.DELIVERED, Kind.GAVE_UP))
    left = {fact.request for fact in run.facts if fact.kind is Kind.LEFT}
    for fact in run.facts:
        if fact.kind is Kind.REQUESTED and ends[fact.request] != 1 and fact.request not in left:
            yield f"request {fact.request} ended {ends[fact.request]} times"
    final = (Kind.SERVED, Kind.FAILED, Kind.ABANDONED, Kind.REFUSED, Kind.UNQUEUED)
    answers = Counter(fact.attempt for fact in run.facts if fact.kind in final)
    for fact in run.facts:
        if fact.kind is Kind.ADMITTED and answers[fact.attempt] != 1:
            yield f"attempt {fact.attempt} at {fact.key} was answered {answers[fact.attempt]} times"


def conservation(run: Recording) -> Iterator[str]:
    """At rest nothing is in flight and nobody waits."""
    for status in run.closing:
        if status.in_flight or status.queued:
            yield f"{status.key} is left with {status.in_flight} in flight and {status.queued} in its queue"


def deadline(run: Recording) -> Iterator[str]:
    """Every request ends by its deadline."""
    for fare in run.fares:
        late = fare.answered_at - fare.asked_at - run.scenario.traffic.timeout
        if late > 1e-6:
            yield f"caller {fare.caller} was answered {late:.3f} s after its deadline"


def secrecy(run: Recording) -> Iterator[str]:
    """No key appears in the trace or in an error."""
    secrets = [secret for host in run.scenario.hosts for secret in host.keys]
    texts = [*(fact.line() for fact in run.facts), *(fare.message for fare in run.fares), repr(run.config)]
    for label, secret in enumerate(secrets, start=1):
        if any(secret in text for text in texts):
            yield f"secret number {label} was written down"


INVARIANTS: Final[Mapping[str, Checker]] = {
    "provenance": provenance,
    "silence": silence,
    "rate": rate,
    "one-answer": one_answer,
    "conservation": conservation,
    "deadline": deadline,
    "secrecy": secrecy,
}


def violations(run: Recording) -> dict[str, list[str]]:
    """Return what is broken, by the invariant's name; nothing, if all of them hold."""
    found = {name: list(check(run)) for name, check in INVARIANTS.items()}
    return {name: sentences for name, sentences in found.items() if sentences}


def _number(fact: Fact, name: str) -> float:
    value = fact.details[name]
    assert isinstance(value, int | float), f"{fact.kind} has a number in {name}"
    return value
