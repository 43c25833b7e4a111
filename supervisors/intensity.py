"""How often is too often, and how long to wait before the next try.

Two questions that a supervisor asks at every restart, both pure: the time comes in as an argument, in
seconds on a monotonic clock.

`Intensity` is Erlang's: more than `max_restarts` restarts within `period` seconds, and the supervisor gives
up, so that a failure which restarts do not cure is handed to whoever stands above.

`Backoff` is not Erlang's, which restarts at once and leaves the rest to the intensity. Here the first
restart is immediate too, as most crashes are rare; only a child that keeps failing waits longer each time.
The two pull in opposite directions: waits that are long enough keep every restart out of the others'
period, and then nobody ever gives up. `Backoff.within` is a backoff that cannot do that.

This is not for requests to a provider. Their cooldowns are another matter, with other rules.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any, Final

from attrs import Attribute, define, field, frozen

BASE: Final = 0.1
"""Seconds from which the waits of `Backoff.within` grow."""

FACTOR: Final = 2.0
"""How much longer each wait is than the one before it."""


def _is_positive(_: object, attribute: Attribute[Any], value: float) -> None:
    if not value > 0:
        raise ValueError(f"{attribute.name} is a number of seconds above 0, not {value!r}")


def _is_not_negative(_: object, attribute: Attribute[Any], value: float) -> None:
    if not value >= 0:
        raise ValueError(f"{attribute.name} is 0 or more, not {value!r}")


def _does_not_shrink(_: object, attribute: Attribute[Any], value: float) -> None:
    if not value >= 1:
        raise ValueError(f"{attribute.name} is 1 or more, or the waits would become shorter; not {value!r}")


@define(eq=False)
class Intensity:
    """A memory of recent restarts, and whether there are too many of them.

    The period is closed at both ends: a restart exactly `period` seconds ago still counts, as in OTP's
    ``add_restart`` (which keeps every restart that is not older than ``Now - Period``). OTP reads a clock
    of whole seconds, this one counts fractions: ``Intensity(1, 5.0)`` allows restarts at 0.0 and 5.01, and
    not at 0.0 and 5.0.

    Only the latest ``max_restarts + 1`` times are kept: the oldest of them alone decides.
    """

    max_restarts: int = field(validator=_is_not_negative)
    period: float = field(validator=_is_positive)
    _recent: deque[float] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._recent = deque(maxlen=self.max_restarts + 1)

    def record(self, now: float) -> bool:
        """Count a restart at `now`; return ``False`` when it is one too many."""
        assert not self._recent or now >= self._recent[-1], "time does not go backwards"
        self._recent.append(now)
        return len(self._recent) <= self.max_restarts or now - self._recent[0] > self.period


@frozen
class Backoff:
    """The wait before the k-th consecutive restart, k counting from 1.

    The first restart is immediate, unless `immediate` says otherwise; the k-th waits
    ``min(cap, base * factor ** (k - 1))`` seconds: with a base of 0.1 and a factor of 2 that is 0, 0.2,
    0.4, 0.8. A child that has then been left alone for longer than `quiet` seconds starts over at the
    first.
    """

    base: float = field(default=BASE, validator=_is_not_negative)
    factor: float = field(default=FACTOR, validator=_does_not_shrink)
    cap: float = field(default=1.0, validator=_is_not_negative)
    quiet: float = field(default=60.0, validator=_is_not_negative)
    immediate: bool = True

    @classmethod
    def within(cls, max_restarts: int, period: float) -> Backoff:
        """Return a backoff under which a child that fails at once, each time, does exceed that intensity.

        The waits before ``max_restarts`` restarts add up to less than the period, whatever the two numbers
        are.
        """
        # The period is finite in earnest use; without an end it holds any wait, and the cap is the default
        # one.
        share = period / (max_restarts + 1)
        return cls(cap=min(1.0, share), quiet=period if math.isfinite(period) else cls().quiet)

    def delay(self, k: int) -> float:
        """Return the seconds to wait before the k-th consecutive restart."""
        if k < 1:
            raise ValueError(f"restarts are counted from 1, not from {k}")
        if k == 1 and self.immediate:
            return 0.0
        try:  # of a float, since powers of a whole number would grow without end
            return min(self.cap, self.base * float(self.factor) ** (k - 1))
        except OverflowError:  # a long row of restarts: larger than any float is larger than the cap
            return self.cap if self.base else 0.0


@define(eq=False)
class Streak:
    """One child's consecutive restarts: how many, and until when the last of them waited."""

    backoff: Backoff
    _count: int = field(default=0, init=False)
    _resumed_at: float = field(default=-math.inf, init=False)

    def next(self, now: float) -> float:
        """Count a failure at `now`, and return the seconds to wait before the restart that follows it.

        The quiet time is measured from the end of the last wait: the wait itself is not a time without
        failures.
        """
        if now - self._resumed_at > self.backoff.quiet:
            self._count = 0
        self._count += 1
        delay = self.backoff.delay(self._count)
        self._resumed_at = now + delay
        return delay
