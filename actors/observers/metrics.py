"""Prometheus metrics: counters, gauges and histograms, labelled by candidate, route and reason, never by request.

How many series there are is bounded by the config: as many as there are candidates, routes, and words for reasons and
outcomes. Several routers may share a registry, each under a name of its own.

Scrapes come from another thread. They read numbers that the facts have set, and one clock: whether a candidate cools is
asked of the moment at which its cooldown ends, because no fact tells that it has ended. Times and durations are those
of the runtime's clock.
"""

from __future__ import annotations

import math
from collections import Counter as Tally
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import trio
from attrs import define
from prometheus_client import CollectorRegistry
from trio.abc import Clock

from ..identity import ModelKey
from ..part import State
from ..trace import Fact
from .families import Series
from .observer import Observer, Turn, falls_back, number

if TYPE_CHECKING:
    from ..handle import Router


@define(eq=False)
class Request:
    """One request under way. `turn`: the last that ended without an answer; the rest is of what is on its way."""

    route: str
    entered_at: float
    turn: Turn | None = None
    attempt: int | None = None
    key: ModelKey | None = None
    admitted_at: float = 0.0
    queued_at: ModelKey | None = None
    opened: bool = False
    outcome: str | None = None


@define(eq=False)
class Moment:
    """When a candidate's cooldown ends; read from other threads."""

    until: float

    def ahead_of(self, clock: Clock) -> Callable[[], float]:
        """Return what tells whether it is yet to come: 1 or 0."""
        return lambda: float(clock.current_time() < self.until)


class Counts(Observer):
    """Counts what happens."""

    def __init__(self, registry: CollectorRegistry, name: str) -> None:
        super().__init__()
        self._series = Series(registry, name)
        self._to = self._series.families
        self._of_key, self._of_router = self._series.of_key, self._series.of_router
        self._clock = trio.lowlevel.current_clock()  # which, unlike trio.current_time, other threads may ask
        self._requests: dict[int, Request] = {}
        self._cooling: dict[ModelKey, Moment] = {}
        self._in_flight: Tally[ModelKey] = Tally()
        self._queued: Tally[ModelKey] = Tally()

    def listen_to(self, router: Router) -> None:
        """Count from now on. All gauges are there at once, and know of the cooldowns that are going on."""
        self._of_router(self._to.under_way).set(0)
        for status in router.snapshot():
            until = trio.current_time() + status.cooldown_remaining if status.cooldown_remaining else -math.inf
            moment = self._cooling[status.key] = Moment(until)
            self._of_key(self._to.cooling, status.key).set_function(moment.ahead_of(self._clock))
            self._of_key(self._to.down, status.key).set(status.state is State.DOWN)
            self._of_key(self._to.in_flight, status.key).set(0)
            self._of_key(self._to.queued, status.key).set(0)
        router.listen(self, kinds=self.kinds, door=self)

    @property
    def at_rest(self) -> bool:
        """Whether it keeps nothing of any request, and thinks that nothing is on its way."""
        return not (self._requests or self._in_flight.total() or self._queued.total())

    def end(self) -> None:
        """Count what was still under way when the router closed, and show no more what is only true of one that runs.

        What was counted stays.
        """
        now = trio.current_time()
        for request in list(self._requests):
            self._close(request, now, "closed")
        self._series.close(self._cooling)

    # At the door

    def entered(self, request: int, at: float, route: str, *, endpoint: str, stream: bool) -> None:  # noqa: ARG002
        """Count a request as under way."""
        self._requests[request] = Request(route, at)
        self._of_router(self._to.under_way).inc()

    def closed(self, request: int, at: float) -> None:
        """Count it as ended. One whose end no fact has told was that over which the router crashed."""
        self._close(request, at, "crashed")

    def _close(self, request_id: int, at: float, why: str) -> None:
        request = self._requests.pop(request_id, None)
        if request is None:
            return
        self._unqueue(request)
        self._end_attempt(request, at, "abandoned")
        if request.outcome is None:
            self._end_request(request, at, why)
        self._of_router(self._to.under_way).dec()

    def _end_request(self, request: Request, at: float, outcome: str) -> None:
        request.outcome = outcome
        self._of_router(self._to.requests, request.route, outcome).inc()
        self._of_router(self._to.request_duration, request.route).observe(at - request.entered_at)

    # Requests

    def on_refused(self, fact: Fact) -> None:
        """Count a refusal."""
        request = self._of(fact)
        if request is not None:
            self._unqueue(request)
            request.turn = Turn.of(fact)
            self._of_key(self._to.refusals, request.turn.key, request.turn.reason).inc()

    def on_dispatched(self, fact: Fact) -> None:
        """Count a fallback, on whoever was asked before."""
        request = self._of(fact)
        if request is not None and request.turn is not None:
            if falls_back(fact):
                self._of_key(self._to.fallbacks, request.turn.key, request.turn.reason).inc()
            request.turn = None

    def on_queued(self, fact: Fact) -> None:
        """Count who waits in line."""
        request = self._of(fact)
        assert fact.key is not None, "an attempt's fact names its candidate"
        if request is not None and request.queued_at is None:
            request.queued_at = fact.key
            self._move(self._queued, self._to.queued, fact.key, 1)

    def on_unqueued(self, fact: Fact) -> None:
        """Count who waits in line."""
        request = self._of(fact)
        if request is not None:
            self._unqueue(request)

    def on_delivered(self, fact: Fact) -> None:
        """Count a request that was served."""
        self._on_end(fact, "served")

    def on_gave_up(self, fact: Fact) -> None:
        """Count a request that was not, and why."""
        self._on_end(fact, str(fact.details["reason"]))

    def on_left(self, fact: Fact) -> None:
        """Count a request whose caller has left, or whose deadline has passed."""
        self._on_end(fact, str(fact.details["reason"]))

    def _on_end(self, fact: Fact, outcome: str) -> None:
        request = self._of(fact)
        if request is not None and request.outcome is None:
            self._end_request(request, fact.at, outcome)

    # Attempts

    def on_admitted(self, fact: Fact) -> None:
        """Count an attempt as under way."""
        request = self._of(fact)
        assert fact.key is not None, "an attempt's fact names its candidate"
        if request is not None:
            self._unqueue(request)
            request.attempt, request.key, request.admitted_at = fact.attempt, fact.key, fact.at
            self._move(self._in_flight, self._to.in_flight, fact.key, 1)

    def on_opened(self, fact: Fact) -> None:
        """Measure how long the first content took."""
        request = self._of(fact)
        if request is None or request.attempt != fact.attempt or request.key is None:
            return
        self._of_key(self._to.attempt_first, request.key).observe(fact.at - request.admitted_at)
        if not request.opened:
            request.opened = True
            self._of_router(self._to.request_first, request.route).observe(fact.at - request.entered_at)

    def on_served(self, fact: Fact) -> None:
        """Count an attempt that succeeded, and its tokens."""
        request = self._of(fact)
        if request is None or request.attempt != fact.attempt or request.key is None:
            return
        usage = fact.usage
        if usage is not None and usage.prompt_tokens is not None and usage.completion_tokens is not None:
            self._of_key(self._to.tokens, request.key, "input").inc(max(0, usage.prompt_tokens))
            self._of_key(self._to.tokens, request.key, "output").inc(max(0, usage.completion_tokens))
        else:
            self._of_key(self._to.tokens, request.key, "unsplit").inc(max(0.0, number(fact.details["tokens"])))
        self._end_attempt(request, fact.at, "served")

    def on_failed(self, fact: Fact) -> None:
        """Count an attempt that failed."""
        self._on_failure(fact, "failed")

    def on_lost(self, fact: Fact) -> None:
        """Count an attempt whose actor crashed, unless it had ended before or never begun."""
        self._on_failure(fact, "lost")

    def _on_failure(self, fact: Fact, outcome: str) -> None:
        request = self._of(fact)
        if request is not None:
            request.turn = Turn.of(fact)
            self._unqueue(request)
            if request.attempt == fact.attempt:
                self._end_attempt(request, fact.at, outcome, request.turn.reason)

    def on_abandoned(self, fact: Fact) -> None:
        """Count an attempt of which nothing was learnt."""
        request = self._of(fact)
        if request is not None and request.attempt == fact.attempt:
            self._end_attempt(request, fact.at, "abandoned")

    # Candidates

    def on_cooling(self, fact: Fact) -> None:
        """Count a cooldown, and note when it ends."""
        assert fact.key is not None, "a cooldown is a candidate's"
        self._of_key(self._to.cooldowns, fact.key, str(fact.details["reason"])).inc()
        self._cool(fact)

    def on_extended(self, fact: Fact) -> None:
        """Note when a cooldown ends."""
        self._cool(fact)

    def on_distrusted(self, fact: Fact) -> None:
        """Count a cooldown, and note when it ends."""
        assert fact.key is not None, "a cooldown is a candidate's"
        self._of_key(self._to.cooldowns, fact.key, "distrusted").inc()
        self._cool(fact)

    def on_returned(self, fact: Fact) -> None:
        """Note that a cooldown was ended by hand; a probe that is given back had ended one before."""
        self._cool(fact)

    def on_down(self, fact: Fact) -> None:
        """Note that a candidate is down."""
        assert fact.key is not None, "it is a candidate that is down"
        self._of_key(self._to.down, fact.key).set(1)

    def on_revived(self, fact: Fact) -> None:
        """Note that it is not."""
        assert fact.key is not None, "it is a candidate that was down"
        self._of_key(self._to.down, fact.key).set(0)

    def on_crashed(self, fact: Fact) -> None:
        """Count a bug."""
        self._of_router(self._to.crashes, str(fact.details["actor"])).inc()

    # Small things

    def _of(self, fact: Fact) -> Request | None:
        """Return the request that a fact is about, unless it was under way before anybody listened."""
        return None if fact.request is None else self._requests.get(fact.request)

    def _cool(self, fact: Fact) -> None:
        assert fact.key is not None, "a cooldown is a candidate's"
        until = fact.details.get("until")
        self._cooling[fact.key].until = -math.inf if until is None else number(until)

    def _unqueue(self, request: Request) -> None:
        key, request.queued_at = request.queued_at, None
        if key is not None:
            self._move(self._queued, self._to.queued, key, -1)

    def _end_attempt(self, request: Request, at: float, outcome: str, reason: str = "") -> None:
        key, request.key, request.attempt = request.key, None, None
        if key is None:
            return
        self._of_key(self._to.attempts, key, outcome, reason).inc()
        self._of_key(self._to.attempt_duration, key).observe(at - request.admitted_at)
        self._move(self._in_flight, self._to.in_flight, key, -1)

    def _move(self, tally: Tally[ModelKey], gauge: Any, key: ModelKey, by: int) -> None:
        tally[key] += by
        self._of_key(gauge, key).set(tally[key])
