"""A candidate's limits, recomputed: everything that was taken, with the time from which it counts.

Three voices must agree before anything is taken: a balance that refills, the last minute, and what the provider said.
Here each is asked *when* it would agree, and nobody is asked whether: so a time that is a rounding error away from
another can be told from one that is wrong. Amounts and times are floats, and what differs by less than `CLOSE` is the
same.

This is what the runtime's own `TokenBucket` is compared with; it shares nothing with it but the limits' numbers.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Final

from attrs import define, field

from ...actors.bucket import Limits

MINUTE: Final = 60.0
GUARD: Final = 1e-6
"""Seconds by which what was taken outstays its minute, so that a minute closed at both ends is kept as well."""

CLOSE: Final = 1e-6
"""Seconds, tokens or requests: what differs by less is the same."""


@define(eq=False)
class Taken:
    """One amount that was taken: its place among all, the time from which its minute counts, whether that is over."""

    place: int
    at: float
    amount: float
    over: bool = False


@define(eq=False)
class Word:
    """What the provider said is left, until when, and in answer to which of all that were taken."""

    left: float
    until: float
    place: int


@define(eq=False)
class Quantity:
    """One limited quantity; with `limit` ``None`` only the provider's word limits it."""

    limit: float | None
    capacity: float
    balance: float
    since: float
    minute: deque[Taken] = field(factory=deque)
    inside: float = 0.0
    word: Word | None = None
    _all: list[Taken] = field(factory=list)
    _heard: int = 0

    @classmethod
    def full(cls, limit: float | None, burst: float | None, now: float) -> Quantity:
        """Return one of which nothing was taken yet."""
        capacity = math.inf if limit is None else min(limit, burst or limit)
        return cls(limit, capacity, capacity, now)

    @classmethod
    def spent(cls, limit: float | None, burst: float | None, now: float) -> Quantity:
        """Return one of which nobody knows what was taken, so that it counts as all of it, just now."""
        quantity = cls.full(limit, burst, now)
        if limit is not None:
            quantity.balance = 0.0
            quantity.minute.append(Taken(-1, now, limit))
            quantity.inside = limit
        return quantity

    # What is known

    def when(self, now: float, amount: float) -> float:
        """Return when all three agree to an amount, if nothing else is taken; it may be long ago."""
        self._forget(now)
        when = -math.inf
        if self.limit is not None:
            when = max(self.when_refilled(amount), self.when_the_minute_allows(now, amount))
        if self.word is not None and self.word.left < amount:
            when = max(when, self.word.until)
        return when

    def when_refilled(self, amount: float) -> float:
        """Return when the balance has an amount."""
        return -math.inf if self.limit is None else self.since + (amount - self.balance) * MINUTE / self.limit

    def when_the_minute_allows(self, now: float, amount: float) -> float:
        """Return when an amount fits into a minute; whatever exceeds a minute's worth comes whole minutes later."""
        if self.limit is None:
            return -math.inf
        minutes = max(0, math.ceil(amount / self.limit) - 1)
        over = self.inside + amount - (minutes + 1) * self.limit
        when = now if minutes else -math.inf
        for taken in self.minute:
            if over <= 0:
                break
            over -= taken.amount
            when = taken.at + MINUTE + GUARD
        return when + minutes * (MINUTE + GUARD)

    def left(self, now: float) -> float:
        """Return how much could be taken at once."""
        self._forget(now)
        left = math.inf
        if self.limit is not None:
            refilled = self.balance + (now - self.since) * self.limit / MINUTE
            left = min(self.capacity, refilled, self.limit - self.inside)
        return left if self.word is None else min(left, self.word.left)

    # What happens

    def take(self, now: float, amount: float) -> Taken:
        """Take an amount."""
        self._forget(now)
        taken = Taken(len(self._all), now, amount)
        self._all.append(taken)
        if self.limit is not None:
            self._flow(now)
            self.balance -= amount
            self.minute.append(taken)
            self.inside += amount
        if self.word is not None:
            self.word.left -= amount
        return taken

    def change(self, now: float, taken: Taken, amount: float) -> None:
        """Let an amount that was taken be another: what was truly used, or nothing if it was never sent."""
        self._forget(now)
        more, taken.amount = amount - taken.amount, amount
        if self.limit is not None:
            self._flow(now)
            self.balance = min(self.capacity, self.balance - more)
            if not taken.over:
                self.inside += more
        if self.word is not None and taken.place > self.word.place:
            self.word.left -= more

    def move(self, taken: Taken, at: float) -> None:
        """Let an amount count from a later time, at which it was truly sent."""
        taken.at = max(taken.at, at)
        if self.limit is None:
            return
        if taken.over:
            taken.over = False
            self.minute.append(taken)
            self.inside += taken.amount
        self.minute = deque(sorted(self.minute, key=lambda each: each.at))

    def say(self, taken: Taken, left: float, until: float) -> None:
        """Note what the provider says is left in answer to one that was taken; it knows nothing of later ones."""
        if taken.place < self._heard:
            return
        self._heard = taken.place
        for later in reversed(self._all):
            if later is taken:
                break
            left -= later.amount
        self.word = Word(left, until, taken.place)

    def _flow(self, now: float) -> None:
        assert self.limit is not None, "without a limit nothing refills"
        self.balance = min(self.capacity, self.balance + (now - self.since) * self.limit / MINUTE)
        self.since = now

    def _forget(self, now: float) -> None:
        while self.minute and self.minute[0].at + MINUTE + GUARD <= now:
            old = self.minute.popleft()
            old.over = True
            self.inside -= old.amount
        if self.word is not None and self.word.until <= now:
            self.word = None


@define(eq=False)
class Budget:
    """All limits of one candidate, but for how many attempts are in flight, which is somebody else's to count."""

    limits: Limits
    requests: Quantity
    tokens: Quantity

    @classmethod
    def full(cls, limits: Limits, now: float) -> Budget:
        """Return the budget of a candidate to which nothing was sent."""
        return cls._made(limits, now, Quantity.full)

    @classmethod
    def spent(cls, limits: Limits, now: float) -> Budget:
        """Return the budget of a candidate of which nobody knows what was sent to it."""
        return cls._made(limits, now, Quantity.spent)

    @classmethod
    def _made(cls, limits: Limits, now: float, make: Make) -> Budget:
        burst = None if limits.burst is None else max(1.0, limits.burst)
        return cls(limits, make(limits.rpm, burst, now), make(limits.tpm, None, now))

    def reserve(self, tokens: float) -> float:
        """Return how many tokens are reserved for an attempt that needs so many: at most a minute's worth."""
        return tokens if self.limits.tpm is None else min(tokens, self.limits.tpm)

    def when(self, now: float, tokens: float, *, ahead: int = 0, tokens_ahead: float = 0.0) -> float:
        """Return when one more attempt can be taken, behind some that wait; it may be long ago."""
        return max(
            self.requests.when(now, 1.0 + ahead),
            self.tokens.when(now, self.reserve(tokens) + tokens_ahead),
        )


Make = Callable[[float | None, float | None, float], Quantity]
