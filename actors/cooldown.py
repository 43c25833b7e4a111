"""A candidate's health: healthy, cooling after a failure, then probed before it counts as healthy again.

::

                  failed (an incident: generation + 1, n + 1)
        healthy ───────────────────────────────────────────────▶ cooling ──┐ a late failure of the same incident
           ▲  ▲                                                   │    ▲ ◀─┘ may move the end later
           │  │                                        time is up │    │
           │  │                                                   ▼    │ failed (the next incident)
           │  │ answered: n is kept                            waiting ◀──────┐
           │  └───────────────────────────────────────────────┐   │            │ unknown: the lease is given back
           │ ok: n = 0                       admit: lease a probe ▼            │ and nothing else changes
           └──────────────────────────────────────────────────── probing ──────┘

A reset by hand leads from cooling, waiting or probing to waiting: n = 0, and what is in flight counts no more.

Three outcomes end an attempt, not two. *Ok* and *failed* speak of the provider. *Unknown* is everything that does
not: the caller left, the request was itself at fault, the reason is one that cools nobody.

**One outage is one incident.** An attempt carries the generation in which it was admitted. The first failure of a
generation begins an incident and with it a new generation; what was in flight then belongs to the older one. A
failure of an older generation is not counted again; it can only move the end of the incident that its own
generation caused, and only later. A success of an older generation ends nothing.

**A probe is a lease**, held by one attempt and named by a number that is never used again, so that an old probe
cannot give back a newer one's lease.

Pure: time comes in as `now`, in seconds on a monotonic clock.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Final

from .failures import Failure, Scope
from .policy import Policy
from .values import value

MAX_RETRY_AFTER: Final = 600.0
"""Seconds for which a provider's stated wait is believed, unless the config says otherwise."""


class Health(StrEnum):
    """Where a candidate stands."""

    HEALTHY = "healthy"
    COOLING = "cooling"
    WAITING = "waiting"
    PROBING = "probing"


@value
class Stamp:
    """What an admitted attempt carries: its generation, and the number of its lease if it is the probe."""

    generation: int
    lease: int | None = None

    @property
    def is_probe(self) -> bool:
        """Whether this attempt is the one that probes."""
        return self.lease is not None


class Change(StrEnum):
    """What an outcome did to the candidate's health."""

    NONE = "none"
    BEGAN = "began"
    EXTENDED = "extended"
    RECOVERED = "recovered"
    RETURNED = "returned"


class Cooldown:
    """The health of one candidate. See the module's text for the states and the rules."""

    def __init__(self, policy: Policy, *, max_retry_after: float = MAX_RETRY_AFTER) -> None:
        self._policy = policy
        self._max_retry_after = max_retry_after
        self.generation = 0
        self.incidents = 0
        self._began_at = -math.inf
        self._until: float | None = None  # None: healthy, and there is no lease
        self._lease: int | None = None
        self._leases = 0
        self._last_failure_at = -math.inf

    def health(self, now: float) -> Health:
        """Return the state at `now`."""
        if self._lease is not None:
            return Health.PROBING
        if self._until is None:
            return Health.HEALTHY
        return Health.COOLING if now < self._until else Health.WAITING

    @property
    def is_healthy(self) -> bool:
        """Whether it is healthy, whatever the time."""
        return self._until is None

    def cooling_until(self, now: float) -> float | None:
        """Return when the cooldown ends, or ``None`` if there is none at `now`."""
        return self._until if self.health(now) is Health.COOLING else None

    def admits(self, now: float) -> bool:
        """Whether an attempt may go out at `now`."""
        return self.health(now) in (Health.HEALTHY, Health.WAITING)

    def admit(self, now: float) -> Stamp:
        """Admit one attempt; as the probe, with a lease, if a cooldown has just ended."""
        if self._until is None:
            return Stamp(self.generation)
        health = self.health(now)
        assert health is Health.WAITING, f"a candidate that is {health} admits nothing"
        self._leases += 1
        self._lease = self._leases
        return Stamp(self.generation, self._lease)

    def answered(self, stamp: Stamp) -> Change:
        """Note that a stream has begun: the probe has found the provider alive, but has yet to end well.

        Others are admitted again; what counts incidents is kept until the attempt is ok.
        """
        if not self._holds_lease(stamp):
            return Change.NONE
        self._lease = self._until = None
        return Change.RECOVERED

    def ok(self, stamp: Stamp) -> Change:
        """Note a success. One of an older generation changes nothing."""
        if stamp.generation != self.generation:
            return Change.NONE
        recovered = self._holds_lease(stamp)
        if recovered:
            self._lease = self._until = None
        if self._until is None:
            self.incidents = 0
        return Change.RECOVERED if recovered else Change.NONE

    def unknown(self, stamp: Stamp) -> Change:
        """Note an outcome that says nothing about the provider: a probe's lease is given back, nothing else."""
        if not self._holds_lease(stamp):
            return Change.NONE
        self._lease = None
        return Change.RETURNED

    def failed(self, now: float, stamp: Stamp, failure: Failure) -> Change:
        """Note a failure. A reason that cools nobody is an unknown outcome."""
        if failure.scope is Scope.REQUEST or not self._policy[failure.reason].cools:
            return self.unknown(stamp)
        forgotten = now - self._last_failure_at >= self._policy.forget_after
        self._last_failure_at = max(now, self._last_failure_at)
        if stamp.generation == self.generation and (self._until is None or self._holds_lease(stamp)):
            return self._begin(now, failure, 0 if forgotten else self.incidents)
        if stamp.generation == self.generation - 1:
            return self._extend(now, failure)
        return Change.NONE

    def struck(self, now: float, failure: Failure) -> Change:
        """Note a failure that another model key met with the credential that this one shares.

        It is news as of now: it begins an incident, or moves the end of the one that is going on. A probe on its
        way was sent before the news, and its outcome will be that of an older generation.
        """
        if not self._policy[failure.reason].cools:
            return Change.NONE
        forgotten = now - self._last_failure_at >= self._policy.forget_after
        self._last_failure_at = now
        if self.health(now) is not Health.COOLING:
            return self._begin(now, failure, 0 if forgotten else self.incidents)
        return self._move_end(self._end(now, failure, formula_from=now))

    def reset(self) -> Change:
        """End the cooldown by hand: the next attempt is the probe, and incidents are counted from one again.

        Outcomes of attempts that are in flight belong to the time before, and change nothing any more.
        """
        self.incidents = 0
        if self._until is None:
            return Change.NONE
        self._until = self._began_at = -math.inf
        self._lease = None
        # By two: the failures still in flight caused no incident that is going on, so none of them may extend one.
        self.generation += 2
        return Change.RETURNED

    def holds_together(self, now: float) -> bool:
        """Whether this is a state that the methods can lead to; lent state is checked with it."""
        return (
            self.generation >= 0
            and self.incidents >= 0
            and (self._lease is None or (self._until is not None and 0 < self._lease <= self._leases))
            and (self._until is None or not math.isnan(self._until))
            and self._last_failure_at <= now
            and self._began_at <= now
        )

    def cool_blindly(self, now: float, seconds: float) -> None:
        """Begin a cooldown that no failure caused: what was known of this candidate has been lost."""
        self.generation += 2
        self.incidents = max(1, self.incidents)
        self._began_at, self._until, self._lease = now, now + seconds, None

    def _begin(self, now: float, failure: Failure, incidents: int) -> Change:
        self.generation += 1
        self.incidents = incidents + 1
        self._began_at = now
        self._lease = None
        self._until = self._end(now, failure, formula_from=now)
        return Change.BEGAN

    def _extend(self, now: float, failure: Failure) -> Change:
        if self._lease is not None or self._until is None:
            return Change.NONE
        return self._move_end(self._end(now, failure, formula_from=self._began_at))

    def _move_end(self, end: float) -> Change:
        assert self._until is not None, "only a cooldown that is going on can be extended"
        if end <= self._until:
            return Change.NONE
        self._until = end
        return Change.EXTENDED

    def _end(self, now: float, failure: Failure, *, formula_from: float) -> float:
        """When the incident ends for this failure: after the stated wait from now, or by the formula."""
        if failure.retry_after is not None:
            return now + min(max(failure.retry_after, 0.0), self._max_retry_after)
        return formula_from + self._policy[failure.reason].duration(self.incidents)

    def _holds_lease(self, stamp: Stamp) -> bool:
        return stamp.lease is not None and stamp.lease == self._lease
