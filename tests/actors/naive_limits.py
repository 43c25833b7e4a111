"""Limits as one would define them: lists of all that was ever taken, exact fractions, nothing forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from attrs import define, field

MINUTE = Fraction(60)
GUARD = Fraction(1e-6)


@define(eq=False)
class Taken:
    """One amount that was taken, when it counts from, and whether it was ever sent."""

    at: Fraction
    amount: Fraction
    sent: bool = True


@define(eq=False)
class Quantity:
    """One limited quantity. `limit` None: only the provider's word limits."""

    limit: Fraction | None
    capacity: Fraction
    balance: Fraction
    since: Fraction
    all: list[Taken] = field(factory=list)
    word: tuple[int, Fraction, Fraction] | None = None  # in answer to which, what is left, until when

    @classmethod
    def full(cls, limit: float | None, burst: float | None, now: float) -> Quantity:
        most = None if limit is None else Fraction(limit)
        capacity = Fraction(0) if most is None else min(most, Fraction(burst)) if burst is not None else most
        return cls(most, capacity, capacity, Fraction(now))

    @classmethod
    def spent(cls, limit: float | None, burst: float | None, now: float) -> Quantity:
        quantity = cls.full(limit, burst, now)
        quantity.balance = Fraction(0)
        if quantity.limit is not None:
            quantity.all.append(Taken(Fraction(now), quantity.limit))
        return quantity

    def flow(self, now: Fraction) -> None:
        if self.limit is not None:
            self.balance = min(self.capacity, self.balance + (now - self.since) * self.limit / MINUTE)
        self.since = now

    def when_refilled(self, now: Fraction, amount: Fraction) -> Fraction:
        if self.limit is None:
            return now
        return max(now, self.since + (amount - self.balance) * MINUTE / self.limit)

    def when_the_window_allows(self, now: Fraction, amount: Fraction) -> Fraction:
        if self.limit is None:
            return now
        for then in sorted({now, *(taken.at + MINUTE + GUARD for taken in self.all)}):
            if then >= now:
                inside = sum(taken.amount for taken in self.all if taken.at + MINUTE + GUARD > then)
                if inside + amount <= self.limit:
                    return then
        raise AssertionError("an empty window allows whatever a minute allows")

    def when_the_provider_allows(self, now: Fraction, amount: Fraction) -> Fraction:
        left, until = self.believed(now)
        return now if left is None or left >= amount else until

    def believed(self, now: Fraction) -> tuple[Fraction | None, Fraction]:
        """What is left by the provider's word: less all that was taken after what it answered."""
        if self.word is None or self.word[2] <= now:
            return None, now
        number, left, until = self.word
        return left - sum((taken.amount for taken in self.all[number + 1 :]), Fraction(0)), until

    def when(self, now: Fraction, amount: Fraction) -> Fraction:
        return max(
            self.when_refilled(now, amount),
            self.when_the_window_allows(now, amount),
            self.when_the_provider_allows(now, amount),
        )

    def take(self, now: Fraction, amount: Fraction) -> int:
        self.flow(now)
        self.balance -= amount
        self.all.append(Taken(now, amount))
        return len(self.all) - 1

    def change(self, now: Fraction, number: int, amount: Fraction, *, sent: bool = True) -> None:
        taken = self.all[number]
        self.flow(now)
        self.balance = min(self.capacity, self.balance + taken.amount - amount)
        taken.amount, taken.sent = amount, sent

    def fullest_window(self) -> Fraction:
        """The most that any minute, closed at both ends, has seen; it may as well begin with something taken."""
        return fullest([(taken.at, taken.amount) for taken in self.all if taken.sent])


def fullest(sent: Sequence[tuple[Fraction, Fraction]]) -> Fraction:
    return max(
        (sum((a for at, a in sent if start <= at <= start + MINUTE), Fraction(0)) for start, _ in sent),
        default=Fraction(0),
    )
