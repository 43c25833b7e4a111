"""What a trace tells of how things went over time: plain data, for whoever draws or counts.

It is made from a rehearsal's trace, or from one of facts alone as it is recorded in production. There the clock begins
anywhere; here every time is told from the beginning: of the rehearsal, or of the recording.

Not here: whether any of it is right. That is what `invariants` and `expectations` say.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from attrs import define, field

from ...actors.identity import ModelKey
from ...actors.trace import Fact, Kind
from ..faults import Fault
from ..trace import Record, Scene, Sight, Trace
from .course import Cooled, Course
from .fates import Request, Requests
from .groups import Group, groups
from .moments import FaultSpan, Moment, whom, words

TIMES_IN_DETAILS: Final = ("until", "ready_at", "deadline")
"""The details that are moments on the runtime's clock."""


@define(eq=False)
class Timeline:
    """A whole run over time.

    Attributes:
        length: how long it took, in seconds.
        courses: what became of each candidate, those of the header first.
        requests: what became of each request, in the order in which they were made.
        faults: the scenario's faults that began.
        moments: whatever is of note, in order.

    """

    length: float = 0.0
    courses: dict[ModelKey, Course] = field(factory=dict)
    requests: list[Request] = field(factory=list)
    faults: list[FaultSpan] = field(factory=list)
    moments: list[Moment] = field(factory=list)

    @property
    def cooldowns(self) -> list[Cooled]:
        """Every cooldown, in the order in which they began."""
        return sorted((each for course in self.courses.values() for each in course.cooldowns), key=lambda c: c.start)

    def groups(self) -> list[Group]:
        """Return how each class of callers fared."""
        return list(groups(self.requests))

    def everybody(self) -> Group:
        """Return how all callers together fared."""
        return Group.of("all", self.requests)

    def shares(self) -> dict[ModelKey, float]:
        """Return which share of all requests that were served each candidate served."""
        served = Counter(request.served_by for request in self.requests if request.served)
        return {key: served[key] / max(1, served.total()) for key in self.courses}


def timeline_of(trace: Trace, faults: Sequence[Fault] = ()) -> Timeline:
    """Return what a trace tells. With the scenario's `faults` it is also known whom each of them touched."""
    return _Reader(trace, faults).read()


@define(eq=False)
class _Reader:
    """Goes through a trace once."""

    trace: Trace
    scenario_faults: Sequence[Fault]
    timeline: Timeline = field(factory=Timeline, init=False)
    requests: Requests = field(init=False)
    actors: dict[str, ModelKey] = field(factory=dict, init=False)
    """The candidates by the names of their actors."""
    asked_last: dict[int | None, ModelKey] = field(factory=dict, init=False)
    """Who was asked last, by request."""

    def __attrs_post_init__(self) -> None:
        self.requests = Requests(self.trace.header.get("routes", {}))
        for told in self.trace.header.get("candidates", ()):
            provider, _, model = str(told["model"]).partition("/")
            self._course(ModelKey(told["key"], provider, model, told.get("credential")))

    def read(self) -> Timeline:
        """Read the whole trace."""
        end = 0.0
        for record in _from_zero(self.trace):
            end = max(end, record.at)
            if isinstance(record, Sight):
                self._see(record)
            else:
                self._take(record)
        self.timeline.length = end
        for course in self.timeline.courses.values():
            course.end(end)
        for span in self.timeline.faults:
            span.end = min(span.end, end)
        self.timeline.requests = self.requests.all
        return self.timeline

    def _see(self, sight: Sight) -> None:
        if sight.kind in (Scene.ASKED, Scene.TOLD):
            self.requests.see(sight)
        elif sight.kind is Scene.FAULT:
            self._see_fault(sight)

    def _take(self, fact: Fact) -> None:
        self.requests.take(fact)
        if fact.key is not None and fact.kind is not Kind.DELIVERED:
            self._course(fact.key).take(fact)
            if fact.kind is Kind.DISPATCHED:
                self.asked_last[fact.request] = fact.key
        key = self._whom(fact)
        text = words(fact, key)
        if text is not None:
            self.timeline.moments.append(Moment(fact.at, text, key))

    def _whom(self, fact: Fact) -> ModelKey | None:
        """Return the candidate that a fact is about, also where only its actor or its request is named."""
        if fact.key is not None:
            return fact.key
        if fact.kind is Kind.GAVE_UP:
            return self.asked_last.get(fact.request)
        return self.actors.get(str(fact.details.get("actor")))

    def _course(self, key: ModelKey) -> Course:
        course = self.timeline.courses.get(key)
        if course is None:
            course = self.timeline.courses[key] = Course(key)
            # The name of a model's actor is its supervisor's and its own, and these two are the same.
            self.actors[f"{key.name}/{key.name}"] = key
        return course

    def _see_fault(self, sight: Sight) -> None:
        number = sight.details.get("number")
        number = number if isinstance(number, int) else -1
        kind, what = str(sight.details.get("fault")), str(sight.details.get("what"))
        fault = self.scenario_faults[number] if 0 <= number < len(self.scenario_faults) else None
        if what == "ended":
            for span in self.timeline.faults:
                if span.number == number:
                    span.end = sight.at
        else:
            span = FaultSpan(number, kind, sight.at, math.inf if what == "began" else sight.at)
            if fault is not None:
                span.whom, span.flap = whom(fault), fault.flap
            self.timeline.faults.append(span)
        self.timeline.moments.append(Moment(sight.at, f"fault: {kind} {what}", is_fault=True))


def _from_zero(trace: Trace) -> Iterator[Record]:
    """Return the records with times from the beginning. A rehearsal's clock begins there; others begin anywhere."""
    if trace.header or not trace.records:
        return iter(trace.records)
    zero = min(record.at for record in trace.records)
    return (_moved(record, zero) for record in trace.records)


def _moved(record: Record, zero: float) -> Record:
    details = {
        name: value - zero if name in TIMES_IN_DETAILS and isinstance(value, int | float) else value
        for name, value in record.details.items()
    }
    if isinstance(record, Sight):
        return Sight(record.at - zero, record.kind, record.caller, record.key, details)
    return Fact(record.at - zero, record.kind, record.request, record.attempt, record.key, details)
