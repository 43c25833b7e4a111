"""How providers count what they let through: each in its own way, and none of them in ours.

A provider that is asked too often says so, and when to come back. Whether a router keeps to its limits is thereby seen
from outside as well. This is not the router's own limit (`actors/bucket`), and shares nothing with it.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final, Protocol

from attrs import define, field

from .scenario import LimitKind

MINUTE: Final = 60.0


class Counter(Protocol):
    """Counts one quantity: requests or tokens."""

    def wait(self, now: float, amount: float) -> float:
        """Return for how many seconds this amount is refused; 0: it is let through."""
        ...

    def take(self, now: float, amount: float) -> None:
        """Count an amount that was let through, or take some of it back (negative)."""
        ...

    def left(self, now: float) -> float:
        """Return how much is left now."""
        ...


@define(eq=False)
class SlidingWindow:
    """Remembers everything of the last minute."""

    limit: float
    _taken: deque[tuple[float, float]] = field(factory=deque, init=False)
    _sum: float = field(default=0.0, init=False)

    def wait(self, now: float, amount: float) -> float:
        """See `Counter`."""
        over = amount - self.left(now)
        for at, taken in self._taken:
            if over <= 0:
                return 0.0
            over -= taken
            if over <= 0:
                return at + MINUTE - now
        return 0.0 if over <= 0 else MINUTE

    def take(self, now: float, amount: float) -> None:
        """See `Counter`."""
        self._taken.append((now, amount))
        self._sum += amount

    def left(self, now: float) -> float:
        """See `Counter`."""
        while self._taken and self._taken[0][0] <= now - MINUTE:
            self._sum -= self._taken.popleft()[1]
        return self.limit - self._sum


@define(eq=False)
class FixedWindow:
    """Forgets everything at each full minute of its own clock."""

    limit: float
    _minute: int = field(default=0, init=False)
    _sum: float = field(default=0.0, init=False)

    def wait(self, now: float, amount: float) -> float:
        """See `Counter`."""
        return 0.0 if amount <= self.left(now) else (self._minute + 1) * MINUTE - now

    def take(self, now: float, amount: float) -> None:
        """See `Counter`."""
        if self.left(now) >= 0 or amount > 0:
            self._sum += amount

    def left(self, now: float) -> float:
        """See `Counter`."""
        minute = math.floor(now / MINUTE)
        if minute != self._minute:
            self._minute, self._sum = minute, 0.0
        return self.limit - self._sum


@define(eq=False)
class Bucket:
    """Starts full, holds a minute's worth, and refills steadily."""

    limit: float
    _level: float = field(init=False)
    _at: float = field(default=0.0, init=False)

    def __attrs_post_init__(self) -> None:
        self._level = self.limit

    def wait(self, now: float, amount: float) -> float:
        """See `Counter`."""
        lacking = amount - self.left(now)
        return max(0.0, lacking * MINUTE / self.limit)

    def take(self, now: float, amount: float) -> None:
        """See `Counter`."""
        self._level = min(self.limit, self.left(now) - amount)

    def left(self, now: float) -> float:
        """See `Counter`."""
        self._level = min(self.limit, self._level + (now - self._at) * self.limit / MINUTE)
        self._at = now
        return self._level


KINDS: Final[dict[LimitKind, type[SlidingWindow | FixedWindow | Bucket]]] = {
    LimitKind.SLIDING_WINDOW: SlidingWindow,
    LimitKind.FIXED_WINDOW: FixedWindow,
    LimitKind.TOKEN_BUCKET: Bucket,
}

SLACK: Final = 1e-6
"""How much more than nothing a wait or an amount must be to count: floating-point sums are not exact."""


@define(eq=False)
class Doorkeeper:
    """Lets requests through, or says for how long not: by requests and by tokens a minute."""

    requests: Counter | None
    tokens: Counter | None

    @classmethod
    def of(cls, kind: LimitKind, rpm: float | None, tpm: float | None) -> Doorkeeper:
        """Return one that counts in this way; a limit of ``None`` is none."""
        make = KINDS[kind]
        return cls(None if rpm is None else make(rpm), None if tpm is None else make(tpm))

    def admit(self, now: float, tokens: float) -> float | None:
        """Count a request, or return for how many seconds it is refused."""
        wait = max(
            0.0 if self.requests is None else self.requests.wait(now, 1.0),
            0.0 if self.tokens is None else self.tokens.wait(now, tokens),
        )
        if wait > SLACK:
            return wait
        if self.requests is not None:
            self.requests.take(now, 1.0)
        if self.tokens is not None:
            self.tokens.take(now, tokens)
        return None

    def unused(self, now: float, tokens: float) -> None:
        """Take back tokens that were counted and not used."""
        if self.tokens is not None and tokens:
            self.tokens.take(now, -tokens)

    def left(self, now: float) -> list[tuple[str, float]]:
        """Return what is left of requests and of tokens, where there is a limit."""
        counters = (("requests", self.requests), ("tokens", self.tokens))
        return [(name, max(0.0, counter.left(now))) for name, counter in counters if counter is not None]
