"""A candidate's limits: requests and tokens a minute, and attempts in flight.

Two things bound a rate here, and both must agree before anything is taken:

- a *refilling balance* (a token bucket): it starts full, refills steadily, and its capacity (`burst`) says how
  much may go out at once;
- a *sliding window*: what was sent in the last 60 seconds. A balance alone lets up to twice the limit through in
  its first minute (the full bucket, and all that refills meanwhile); the window is what makes "10 a minute" true
  of every minute, wherever it begins.

A third voice is the provider's own: where it states what is left, the bucket never believes more.

All of it is taken in one step or not at all, and what is taken is held as a `Permit`, which its owner redeems
exactly once. Time comes in as an argument, in seconds on a monotonic clock.

This is not for pacing: nothing here waits. `TokenBucket.blocked` says when it would be worth asking again.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from attrs import define, field, frozen

from .values import value

WINDOW: Final = 60.0
"""The length in seconds of the window that limits speak of."""

WINDOW_GUARD: Final = 1e-6
"""Seconds that an entry outstays its window, so that neither a window closed at both ends nor the rounding of
floating-point times ever counts one attempt too many."""


def _positive_or_none(value: float | None) -> float | None:
    return value or None


def _count_or_none(value: int | None) -> int | None:
    return value or None


@frozen
class Limits:
    """What a candidate may take. ``None`` (or 0) means unlimited.

    `rpm` and `tpm` are requests and tokens a minute, `max_parallel` attempts in flight, `burst` the number of
    requests that may go out at once (``None``: as many as `rpm`).
    """

    rpm: float | None = field(default=None, converter=_positive_or_none)
    tpm: float | None = field(default=None, converter=_positive_or_none)
    max_parallel: int | None = field(default=None, converter=_count_or_none)
    burst: float | None = field(default=None, converter=_positive_or_none)

    @property
    def is_rated(self) -> bool:
        """Whether there is a limit a minute."""
        return self.rpm is not None or self.tpm is not None

    def reservation(self, tokens: float) -> float:
        """Return what is reserved for an attempt of so many tokens: never more than a whole minute's."""
        return tokens if self.tpm is None else min(tokens, self.tpm)


@define(eq=False)
class _Entry:
    """One amount that was taken, and where it stands in the order of all that was.

    What was taken after it is the gauge's `_taken` less its `mark`. `counts`: it is in the window.
    """

    at: float
    amount: float
    number: int
    mark: float
    counts: bool = False

    @property
    def expires_at(self) -> float:
        return self.at + WINDOW + WINDOW_GUARD


class Gauge:
    """One limited quantity: a refilling balance, a sliding window and the provider's last statement.

    With `limit` ``None`` only the provider's statement limits.
    """

    def __init__(self, limit: float | None, capacity: float | None, now: float, *, empty: bool = False) -> None:
        self.limit = limit
        self.capacity = math.inf if limit is None else min(capacity or limit, limit)
        self._balance = 0.0 if empty and limit is not None else self.capacity
        self._balance_at = now
        self._window: deque[_Entry] = deque()
        self._in_window = 0.0
        self._taken = 0.0
        self._count = 0
        self._out: dict[int, _Entry] = {}
        # What the provider has stated: how much is left, until when, and as of which entry.
        self._left = math.inf
        self._left_until = math.inf
        self._left_after = 0
        if empty and limit is not None:
            # Nothing is known of what was sent before, so the whole limit counts as having been sent just now.
            self._window.append(_Entry(now, limit, 0, 0.0, counts=True))
            self._in_window = limit

    def balance(self, now: float) -> float:
        """Return what could be taken at once: the least of balance, window and statement."""
        self._forget(now)
        least = math.inf
        if self.limit is not None:
            refilled = self._balance + (now - self._balance_at) * self.limit / WINDOW
            least = min(self.capacity, refilled, self.limit - self._in_window)
        return min(least, self._left)

    def ready_at(self, now: float, amount: float) -> float:
        """Return the earliest time at which `amount` can be taken, if nothing else is taken until then.

        An amount beyond the capacity is what several takers want one after another; the time is then that of
        the last of them.
        """
        if self.limit is None and self._left == math.inf:
            return now
        self._forget(now)
        ready = now
        if self.limit is not None:
            # Whether it is ready is decided by this same expression, so that a sleeper who wakes at the time
            # named here is never turned away by a rounding error.
            refilled = self._balance_at + (amount - self._balance) * WINDOW / self.limit
            ready = max(ready, refilled, self._window_ready_at(now, amount))
        return max(ready, self._left_until) if self._left < amount else ready

    def _window_ready_at(self, now: float, amount: float) -> float:
        assert self.limit is not None
        rounds = max(0, math.ceil(amount / self.limit) - 1)
        overhang = self._in_window + amount - rounds * self.limit - self.limit
        ready = now
        for entry in self._window:
            if overhang <= 0:
                break
            overhang -= entry.amount
            ready = entry.expires_at
        return ready + rounds * (WINDOW + WINDOW_GUARD)

    def take(self, now: float, amount: float) -> _Entry:
        """Take `amount`; the caller has seen that it is ready."""
        self._taken += amount
        self._count += 1
        entry = self._out[self._count] = _Entry(now, amount, self._count, self._taken)
        if self.limit is None and self._left == math.inf:
            return entry
        self._forget(now)
        if self.limit is not None:
            self._refill(now)
            self._balance -= amount
            entry.counts = True
            self._window.append(entry)
            self._in_window += amount
        self._spend_statement(entry, amount)
        return entry

    def redeem(self, entry: _Entry) -> None:
        """Let go of an entry about which nothing more will be said."""
        self._out.pop(entry.number, None)

    def give_back(self, now: float, entry: _Entry) -> None:
        """Undo a take: its amount was never sent."""
        self.settle(now, entry, 0.0)
        if entry.counts:
            entry.counts = False
            self._window.remove(entry)

    def settle(self, now: float, entry: _Entry, amount: float) -> None:
        """Replace the amount that was reserved by the one that was used."""
        more = amount - entry.amount
        if self.limit is not None:
            self._forget(now)  # while the entry still has the amount with which it stands in the window
            self._refill(now)
            self._balance = min(self.capacity, self._balance - more)
            if entry.counts:
                self._in_window += more
        entry.amount = amount
        if more:
            for number, earlier in self._out.items():  # in the order in which they were taken, so that these are few
                if number >= entry.number:
                    break
                earlier.mark -= more
        self._spend_statement(entry, more)

    def restamp(self, entry: _Entry, now: float) -> None:
        """Move an entry to the later time at which it was really sent."""
        if self.limit is None:
            return
        window, later = self._window, list[_Entry]()
        if entry.counts:
            while (last := window.pop()) is not entry:
                later.append(last)
        else:
            entry.counts = True
            self._in_window += entry.amount
        entry.at = max(entry.at, now)
        # Others may have been taken between the sending and the news of it: the window stays in order.
        while later and later[-1].at <= entry.at:
            window.append(later.pop())
        while window and window[-1].at > entry.at:
            later.append(window.pop())
        window.append(entry)
        window.extend(reversed(later))

    def state(self, entry: _Entry, left: float, until: float) -> None:
        """Believe the provider's word, given in answer to `entry`, that `left` remains until `until`.

        What was taken after that entry the provider has not counted yet. An answer to an older entry than the
        one that was last believed says nothing new.
        """
        if entry.number >= self._left_after:
            taken_since = max(0.0, self._taken - entry.mark)
            self._left, self._left_until, self._left_after = left - taken_since, until, entry.number

    def holds_together(self, now: float) -> bool:
        """Whether this is a state that taking and giving back can lead to."""
        times = [entry.at for entry in self._window]
        return (
            math.isfinite(self._balance_at)
            and self._balance <= self.capacity
            and (self.limit is None or math.isfinite(self._balance))
            and self._balance_at <= now
            and times == sorted(times)
            and all(at <= now for at in times)
            and all(entry.amount >= 0 for entry in self._window)
            and math.isclose(self._in_window, math.fsum(e.amount for e in self._window), abs_tol=1e-3)
        )

    def _refill(self, now: float) -> None:
        assert self.limit is not None
        refilled = self._balance + (now - self._balance_at) * self.limit / WINDOW
        self._balance, self._balance_at = min(self.capacity, refilled), now

    def _forget(self, now: float) -> None:
        window = self._window
        while window and window[0].expires_at <= now:
            entry = window.popleft()
            entry.counts = False
            self._in_window -= entry.amount
        if not window:
            self._in_window = 0.0
        if self._left_until <= now:
            self._left = self._left_until = math.inf

    def _spend_statement(self, entry: _Entry, amount: float) -> None:
        # What became of those before it the statement covers already: an estimate settled below does not raise it.
        if entry.number > self._left_after:
            self._left -= amount


@define(eq=False)
class Permit:
    """What one attempt holds: its place in flight, its request and its tokens. Redeemed once, by `release`."""

    serial: int
    taken_at: float
    tokens: float
    _request: _Entry
    _reserved: _Entry


@value
class Wait:
    """Why nothing can be taken now. `until` is ``None`` if nobody can say when (every place is in use)."""

    until: float | None


@value
class Left:
    """What a provider's headers say is left: `requests` or `tokens`, for `reset` seconds (``None``: unsaid)."""

    what: str
    amount: float
    reset: float | None


class TokenBucket:
    """All limits of one candidate, taken in one step or not at all.

    >>> bucket = TokenBucket(Limits(rpm=1), now=0.0)
    >>> permit = bucket.take(now=0.0)
    >>> bucket.take(now=1.0)
    Wait(until=60.000001)
    """

    def __init__(self, limits: Limits, now: float, *, empty: bool = False) -> None:
        self.limits = limits
        burst = None if limits.burst is None else max(1.0, limits.burst)
        self._requests = Gauge(limits.rpm, burst, now, empty=empty)
        self._tokens = Gauge(limits.tpm, None, now, empty=empty)
        self._permits: dict[int, Permit] = {}
        self._serial = 0

    @property
    def in_flight(self) -> int:
        """How many permits are out."""
        return len(self._permits)

    def requests_left(self, now: float) -> float:
        """How many requests could be taken at once (``inf``: no limit)."""
        return max(0.0, self._requests.balance(now))

    def blocked(self, now: float, tokens: float = 0.0, *, ahead: int = 0, tokens_ahead: float = 0.0) -> Wait | None:
        """Say why one more attempt, behind `ahead` others that wait with `tokens_ahead`, cannot be taken now.

        ``None`` if it can. Where a minute's limit names a time, that time is told even if every place is in use as
        well: nobody goes out earlier. A reservation of more tokens than a minute allows counts as a whole minute's.
        """
        requests_at = self._requests.ready_at(now, 1.0 + ahead)
        tokens_at = self._tokens.ready_at(now, self.limits.reservation(tokens) + tokens_ahead)
        until = max(requests_at, tokens_at)
        if until > now:
            return Wait(until)
        limit = self.limits.max_parallel
        return Wait(None) if limit is not None and self.in_flight + ahead >= limit else None

    def take(self, now: float, tokens: float = 0.0) -> Permit | Wait:
        """Take one place, one request and a reservation of `tokens`; or nothing, and say why."""
        return self.blocked(now, tokens) or self.grant(now, tokens)

    def grant(self, now: float, tokens: float = 0.0) -> Permit:
        """Take the same; the caller has just seen that nothing is `blocked`."""
        reserve = self.limits.reservation(tokens)
        self._serial += 1
        permit = Permit(self._serial, now, reserve, self._requests.take(now, 1.0), self._tokens.take(now, reserve))
        self._permits[permit.serial] = permit
        return permit

    def sent(self, permit: Permit, now: float) -> None:
        """Note that the attempt went out only now, later than it was admitted (connecting took its time)."""
        assert permit.serial in self._permits, "a permit can be used only while it is out"
        self._requests.restamp(permit._request, now)
        self._tokens.restamp(permit._reserved, now)

    def release(self, permit: Permit, now: float, *, sent: bool, used: float | None = None) -> None:
        """Redeem a permit. What was never sent gives all of it back; `used` replaces the reserved tokens."""
        assert permit.serial in self._permits, "a permit is redeemed once, by the bucket that gave it"
        del self._permits[permit.serial]
        if not sent:
            self._requests.give_back(now, permit._request)
            self._tokens.give_back(now, permit._reserved)
        elif used is not None:
            self._tokens.settle(now, permit._reserved, used)
        self._requests.redeem(permit._request)
        self._tokens.redeem(permit._reserved)

    def state(self, permit: Permit, now: float, left: Left, longest: float = math.inf) -> None:
        """Believe what the provider stated in answer to this permit's attempt, for at most `longest` seconds.

        A statement without a reset time is believed for one window. Call it before `release`.
        """
        gauge, entry = (
            (self._requests, permit._request) if left.what == "requests" else (self._tokens, permit._reserved)
        )
        reset = WINDOW if left.reset is None else left.reset
        gauge.state(entry, left.amount, now + min(reset, longest))

    def holds_together(self, now: float) -> bool:
        """Whether this bucket is in a state that its own methods can lead to; lent state is checked with it."""
        limit = self.limits.max_parallel
        return (
            self._requests.holds_together(now)
            and self._tokens.holds_together(now)
            and (limit is None or self.in_flight <= limit)
            and all(serial == permit.serial for serial, permit in self._permits.items())
        )
