"""Bugs of limits, permits and queues: windows exceeded, tokens lost, the wrong one waited for."""

from __future__ import annotations

import math
from typing import Any

from ...actors.bucket import Gauge, TokenBucket, Wait, _Entry
from ...actors.itinerary import Itinerary
from ...actors.messages import Refusal
from ...actors.model import ModelActor
from ...actors.part import Obstacle, Part
from ...actors.queue import Queue
from .bug import CONSERVATION, DEADLINE, ISOLATION, NEEDLESS, ORDER, RATE, Patch, bug, instead


@bug("limits", "a bucket alone: up to twice the limit goes through in the first minute", RATE, ISOLATION, ORDER)
def window_exceeded_by_a_refilling_bucket() -> list[Patch]:
    return [(Gauge, "_window_ready_at", instead(lambda self, now, amount: now))]


@bug("limits", "the window begins anew at each full minute", RATE, ISOLATION, ORDER)
def window_exceeded_at_the_boundary() -> list[Patch]:
    def expires_at(self: _Entry) -> float:
        return (self.at // 60.0 + 1.0) * 60.0

    def forget(self: Gauge, now: float) -> None:
        while self._window and self._window[0].expires_at <= now:
            entry = self._window.popleft()
            entry.counts = False
            self._in_window -= entry.amount
            self._balance = self.capacity

    return [(_Entry, "expires_at", instead(property(expires_at))), (Gauge, "_forget", instead(forget))]


@bug("limits", "one more attempt than `max_parallel` is let through", RATE, ISOLATION, ORDER)
def one_too_many_in_flight() -> list[Patch]:
    def make(original: Any) -> Any:
        def blocked(self: TokenBucket, now: float, tokens: float = 0.0, **more: Any) -> Wait | None:
            limit = self.limits.max_parallel
            wait: Wait | None = original(self, now, tokens, **more)
            if wait is not None and wait.until is None and limit is not None and self.in_flight == limit:
                return None
            return wait

        return blocked

    return [(TokenBucket, "blocked", make)]


@bug("limits", "`tpm` is not kept", RATE, ISOLATION, ORDER)
def tokens_not_limited() -> list[Patch]:
    def make(original: Any) -> Any:
        def init(self: TokenBucket, limits: Any, now: float, **more: Any) -> None:
            original(self, limits, now, **more)
            self._tokens = Gauge(None, None, now)

        return init

    return [(TokenBucket, "__init__", make)]


@bug("limits", "an attempt that never went out does not give back its token", ISOLATION, ORDER)
def token_lost_when_nothing_was_sent() -> list[Patch]:
    def make(original: Any) -> Any:
        def release(self: TokenBucket, permit: Any, now: float, *, sent: bool, used: float | None = None) -> None:
            original(self, permit, now, sent=True, used=used)

        return release

    return [(TokenBucket, "release", make)]


@bug("limits", "a permit is not given back when the caller leaves", ISOLATION, CONSERVATION, ORDER)
def permit_lost_on_cancellation() -> list[Patch]:
    def make(original: Any) -> Any:
        def on_unknown(self: ModelActor, held: Any, ended: Any, now: float) -> None:
            ticket = held.ticket
            release, self._release = self._release, lambda *_, **__: None  # type: ignore[method-assign]
            try:
                original(self, held, ended, now)
            finally:
                self._release = release  # type: ignore[method-assign]
            held.ticket = ticket

        return on_unknown

    return [(ModelActor, "_on_unknown", make)]


@bug("limits", "a cancelled attempt gives its token back although it was sent", CONSERVATION, RATE)
def token_returned_after_sending() -> list[Patch]:
    def make(original: Any) -> Any:
        def on_unknown(self: ModelActor, held: Any, ended: Any, now: float) -> None:
            from attrs import evolve

            original(self, held, evolve(ended, sent=False), now)

        return on_unknown

    return [(ModelActor, "_on_unknown", make)]


@bug("limits", "the reserved tokens are never settled with those that were used", ISOLATION, ORDER, RATE)
def usage_never_settled() -> list[Patch]:
    return [
        (
            Gauge,
            "settle",
            lambda original: (
                lambda self, now, entry, amount: original(self, now, entry, amount) if amount == 0 else None
            ),
        )
    ]


@bug("limits", "what the provider says is left is not believed", RATE, ISOLATION, ORDER)
def statement_ignored() -> list[Patch]:
    return [(Gauge, "state", instead(lambda self, entry, left, until: None))]


@bug("limits", "a stream gives its place back at its first content", RATE, ISOLATION, CONSERVATION)
def stream_gives_its_place_back_early() -> list[Patch]:
    def make(original: Any) -> Any:
        def on_begun(self: ModelActor, begun: Any, now: float) -> None:
            original(self, begun, now)
            held = self.part.open.get(begun.attempt)
            if held is not None and held.ticket is not None:
                self.part.bucket._permits.pop(held.ticket.permit.serial, None)

        return on_begun

    def lenient(original: Any) -> Any:
        def release(self: TokenBucket, permit: Any, now: float, **more: Any) -> None:
            if permit.serial in self._permits:
                original(self, permit, now, **more)

        return release

    def trusting(_: Any) -> Any:
        return lambda self, now: True

    return [
        (ModelActor, "_on_begun", make),
        (TokenBucket, "release", lenient),
        (Part, "holds_together", trusting),
    ]


@bug("limits", "a request waits at the last candidate, not at the one that is ready soonest", ORDER)
def the_last_waited_for() -> list[Patch]:
    def make(original: Any) -> Any:
        def wait(self: Itinerary, now: float) -> Any:
            waitable = [turn for turn in self._turns if self._is_worth_waiting_for(turn)]
            if waitable and waitable[-1].ready_at is not None:
                return self._ask(now, waitable[-1], wait=True)
            return original(self, now)

        return wait

    return [(Itinerary, "_wait", make)]


@bug("limits", "whoever came last is let in first", ORDER)
def last_come_first_served() -> list[Patch]:
    def make(original: Any) -> Any:
        def reverse(queue: Queue) -> None:
            waiting = list(queue)
            queue.clear()
            for held in reversed(waiting):
                queue.append(held)

        def pump(self: ModelActor, now: float) -> None:
            reverse(self.part.queue)
            original(self, now)
            reverse(self.part.queue)

        return pump

    return [(ModelActor, "_pump", make)]


@bug("limits", "newcomers overtake those who wait", ORDER, ISOLATION)
def newcomers_overtake() -> list[Patch]:
    def make(original: Any) -> Any:
        def obstacle(self: Part, now: float, tokens: float, *, first_in_line: bool = False) -> Any:
            return original(self, now, tokens, first_in_line=True)

        return obstacle

    return [(Part, "obstacle", make)]


@bug(
    "limits",
    "who was refused for a limit once is refused until then, whatever becomes free",
    ORDER,
    NEEDLESS,
    ISOLATION,
)
def notice_believed_unchecked() -> list[Patch]:
    def make(original: Any) -> Any:
        def notice(self: Part, now: float, demand: Any) -> Any:
            found = original(self, now, demand)
            return Obstacle(Refusal.SATURATED, self.full_until) if found is None and now < self.full_until else found

        return notice

    return [(Part, "notice", make)]


@bug("limits", "the queue has no bound", ORDER)
def queue_without_bound() -> list[Patch]:
    def make(original: Any) -> Any:
        def init(self: Part, *args: Any, **more: Any) -> None:
            original(self, *args, **more)
            self.max_queued = 10**9

        return init

    return [(Part, "__init__", make)]


@bug("limits", "whoever waits for a candidate that begins to cool is forgotten there", NEEDLESS, ORDER)
def forgotten_in_the_queue() -> list[Patch]:
    return [(ModelActor, "_send_on_those_in_vain", instead(lambda self, now: None))]


@bug("limits", "`burst` is ignored", RATE, ISOLATION)
def burst_ignored() -> list[Patch]:
    def make(original: Any) -> Any:
        def init(self: Gauge, limit: Any, capacity: Any, now: float, **more: Any) -> None:
            original(self, limit, None if limit is None else math.inf, now, **more)

        return init

    return [(Gauge, "__init__", make)]


@bug(
    "limits",
    "a candidate whose places are all in use says only that, although a minute's limit lasts longer",
    ORDER,
    DEADLINE,
)
def busy_hides_how_long_it_lasts() -> list[Patch]:
    def make(original: Any) -> Any:
        def blocked(self: TokenBucket, now: float, tokens: float = 0.0, *, ahead: int = 0, **more: Any) -> Wait | None:
            limit = self.limits.max_parallel
            if limit is not None and self.in_flight + ahead >= limit:
                return Wait(None)
            wait: Wait | None = original(self, now, tokens, ahead=ahead, **more)
            return wait

        return blocked

    return [(TokenBucket, "blocked", make)]


@bug("limits", "whoever waits is sent on before others are let in, not after", ORDER)
def in_vain_behind_one_that_was_let_in() -> list[Patch]:
    def make(original: Any) -> Any:
        def pump(self: ModelActor, now: float) -> None:
            send_on = self._send_on_those_in_vain
            if self.part.queue:
                send_on(now)
            self._send_on_those_in_vain = lambda now: None  # type: ignore[method-assign]
            try:
                original(self, now)
            finally:
                self._send_on_those_in_vain = send_on  # type: ignore[method-assign]

        return pump

    return [(ModelActor, "_pump", make)]
