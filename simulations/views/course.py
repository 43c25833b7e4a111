"""One candidate's course through a run, told from a trace alone: its states, its attempts, who waits for it.

This is no second implementation of the actors: it believes what they recorded, and fills in only what follows from it.
A cooldown ends at the time that was recorded with it; then the candidate waits for its probe. Whether it is *saturated*
is known only from what it refused or let queue, so that a limit which nobody met is not seen.

A trace may begin or break off in the middle: whatever is missing is no error here.
"""

from __future__ import annotations

import math
from typing import Final

from attrs import define, field, frozen

from ...actors.identity import ModelKey
from ...actors.messages import Refusal
from ...actors.part import State
from ...actors.trace import Fact, Kind

LIMITS: Final = (Refusal.SATURATED, Refusal.BUSY)
"""The refusals that tell of a limit."""


@frozen
class Span:
    """A time in which a candidate was in one state."""

    state: State
    start: float
    end: float


@define
class Cooled:
    """One cooldown of a candidate.

    Attributes:
        start, until: from when until when it cooled; a reset by hand ends it sooner than it was recorded.
        reason: why; ``distrusted`` if its state did not survive a crash.
        incidents: how many there were in a row, with this one.
        by: whose failure it was, if it was another's with the same credential.

    """

    key: ModelKey
    start: float
    until: float
    reason: str
    incidents: int
    by: str | None = None


@define(eq=False)
class Course:
    """What became of one candidate.

    Attributes:
        spans: its states, without gaps, from the beginning to the end.
        cooldowns: in the order in which they began.
        sent, served, abandoned, lost: when attempts were admitted, and when they ended in one of these ways: those
            that are `lost` ended with their actor, whether or not they had been sent.
        failed, refused: the same by reason.
        in_flight, queued: how many attempts were under way and how many waited, after each change.

    """

    key: ModelKey
    spans: list[Span] = field(factory=list)
    cooldowns: list[Cooled] = field(factory=list)
    sent: list[float] = field(factory=list)
    served: list[float] = field(factory=list)
    abandoned: list[float] = field(factory=list)
    lost: list[float] = field(factory=list)
    failed: dict[str, list[float]] = field(factory=dict)
    refused: dict[str, list[float]] = field(factory=dict)
    in_flight: list[tuple[float, int]] = field(factory=list)
    queued: list[tuple[float, int]] = field(factory=list)
    _down: bool = False
    _state: State = State.HEALTHY
    _since: float = 0.0
    _cooling_until: float | None = None
    _saturated_until: float | None = None
    _flying: set[int | None] = field(factory=set)
    _waiting: set[int | None] = field(factory=set)
    _abandoned_last: int | None = None

    @property
    def state(self) -> State:
        """Its state at the end of what was told so far."""
        return self._state

    def take(self, fact: Fact) -> None:
        """Take in a fact about this candidate; its time is told from the beginning."""
        at = fact.at
        self.pass_to(at)
        match fact.kind:
            case Kind.DISPATCHED | Kind.QUEUED | Kind.UNQUEUED | Kind.REFUSED:
                self._take_wish(fact, at)
            case Kind.ADMITTED | Kind.SERVED | Kind.FAILED | Kind.ABANDONED | Kind.LOST:
                self._take_attempt(fact, at)
            case Kind.COOLING | Kind.EXTENDED | Kind.DISTRUSTED | Kind.RECOVERED | Kind.RETURNED:
                self._take_health(fact, at)
            case Kind.DOWN | Kind.REVIVED:
                self._down = fact.kind is Kind.DOWN
        self._turn(at)

    def pass_to(self, at: float) -> None:
        """Let time pass, and with it whatever had a known end."""
        if self._state is State.COOLING and self._cooling_until is not None and self._cooling_until <= at:
            self._switch(State.PROBING, self._cooling_until)
        elif self._state is State.SATURATED and self._saturated_until is not None and self._saturated_until <= at:
            self._switch(State.HEALTHY, self._saturated_until)
            self._saturated_until = None

    def end(self, at: float) -> None:
        """Come to the end of the trace."""
        self.pass_to(at)
        self.spans.append(Span(self._state, self._since, max(at, self._since)))

    # What attempts do

    def _take_wish(self, fact: Fact, at: float) -> None:
        """Take in what became of an attempt that is not on its way."""
        match fact.kind:
            case Kind.DISPATCHED:
                if fact.details.get("again"):  # it may be held back, and nothing more is recorded of that
                    self._wait(fact.attempt, at)
            case Kind.QUEUED:
                self._wait(fact.attempt, at)
                self._saturated_until = _number(fact, "ready_at", math.inf)
            case Kind.UNQUEUED:
                self._wait_no_more(fact.attempt, at)
            case Kind.REFUSED:
                reason = str(fact.details.get("reason"))
                self.refused.setdefault(reason, []).append(at)
                self._wait_no_more(fact.attempt, at)
                if reason in LIMITS:
                    self._saturated_until = _number(fact, "ready_at", math.inf)

    def _take_attempt(self, fact: Fact, at: float) -> None:
        """Take in the beginning or the end of an attempt."""
        if fact.kind is Kind.ADMITTED:
            self.sent.append(at)
            self._wait_no_more(fact.attempt, at)
            self._flying.add(fact.attempt)
            if not self._waiting:
                self._saturated_until = None
            if fact.details.get("probe") and self._cooling_until is None:
                self._cooling_until = at
        else:
            self._take_outcome(fact, at)
            if not self._waiting and self._saturated_until == math.inf:
                self._saturated_until = None
        _step(self.in_flight, at, len(self._flying))

    def _take_outcome(self, fact: Fact, at: float) -> None:
        self._flying.discard(fact.attempt)
        match fact.kind:
            case Kind.SERVED:
                self.served.append(at)
            case Kind.FAILED:
                self.failed.setdefault(str(fact.details.get("reason")), []).append(at)
            case Kind.ABANDONED:
                self.abandoned.append(at)
                self._abandoned_last = fact.attempt
            case Kind.LOST:
                self._wait_no_more(fact.attempt, at)
                self.lost.append(at)
                if self.abandoned and self._abandoned_last == fact.attempt:
                    self.abandoned.pop()  # not by its caller: its actor's end cancelled it

    def _wait(self, attempt: int | None, at: float) -> None:
        self._waiting.add(attempt)
        _step(self.queued, at, len(self._waiting))

    def _wait_no_more(self, attempt: int | None, at: float) -> None:
        if attempt in self._waiting:
            self._waiting.remove(attempt)
            _step(self.queued, at, len(self._waiting))

    # States

    def _take_health(self, fact: Fact, at: float) -> None:
        """Take in the beginning, the end or the lengthening of a cooldown, or a probe's outcome."""
        until = _number(fact, "until", at)
        match fact.kind:
            case Kind.RECOVERED:
                self._cooling_until = None
            case Kind.RETURNED:
                # A probe's lease was given back, or the cooldown was ended by hand.
                if self._cooling_until is None or self._cooling_until > at:
                    self._cooling_until = at
                if self.cooldowns:
                    self.cooldowns[-1].until = min(self.cooldowns[-1].until, at)
            case Kind.EXTENDED if self.cooldowns:
                self._cooling_until = self.cooldowns[-1].until = until
            case _:
                self._cooling_until = until
                self.cooldowns.append(_cooled(self.key, fact, at, until))

    def _turn(self, at: float) -> None:
        """Switch to the state that follows from what is known now."""
        if self._down:
            self._switch(State.DOWN, at)
        elif self._cooling_until is not None:
            self._switch(State.COOLING if at < self._cooling_until else State.PROBING, at)
        else:
            self._switch(State.HEALTHY if self._saturated_until is None else State.SATURATED, at)

    def _switch(self, state: State, at: float) -> None:
        if state is self._state:
            return
        if at > self._since:
            self.spans.append(Span(self._state, self._since, at))
        self._state, self._since = state, max(at, self._since)


def _cooled(key: ModelKey, fact: Fact, at: float, until: float) -> Cooled:
    distrusted = fact.kind is Kind.DISTRUSTED
    reason = "distrusted" if distrusted else str(fact.details.get("reason") or "by hand")
    by = fact.details.get("by")
    return Cooled(key, at, until, reason, int(_number(fact, "incidents", 1)), None if by is None else str(by))


def _number(fact: Fact, name: str, otherwise: float) -> float:
    """Return a detail that is a number; files may have been written by hand."""
    value = fact.details.get(name)
    return value if isinstance(value, int | float) else otherwise


def _step(steps: list[tuple[float, int]], at: float, value: int) -> None:
    """Add a change; of several at the same moment the last one counts."""
    if steps and steps[-1][0] >= at:
        steps[-1] = (steps[-1][0], value)
    elif not steps or steps[-1][1] != value:
        steps.append((at, value))
