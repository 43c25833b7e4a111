"""A candidate's health, told in other words than the runtime's: eras and incidents are objects, not numbers.

An attempt belongs to the *era* in which it was admitted. A failure that cools ends an era, and the era remembers which
incident ended it. That is all there is to "one outage is one incident": a late failure looks at its own era.

This is what the runtime's own `Cooldown` is compared with; it shares nothing with it but the policy's table.
"""

from __future__ import annotations

import math

from attrs import define, field

from ...actors.failures import Failure, Scope
from ...actors.policy import Policy, Rule
from ...actors.trace import Kind

Change = Kind | None
"""What an outcome does to a candidate's health: the kind of fact that tells of it, ``None`` if there is none."""


@define(eq=False)
class Incident:
    """A cooldown: when it began, and when it ends."""

    began: float
    end: float


@define(eq=False)
class Era:
    """The time between two incidents, and what ended it."""

    ended_by: Incident | None = None


@define(eq=False)
class Stamp:
    """What is remembered of an attempt: the era in which it was admitted."""

    era: Era


@define(eq=False)
class Health:
    """What is known of one candidate.

    `incident` is ``None`` while it is healthy; `probe` is the attempt that holds the lease; `count` is the number of
    consecutive incidents. `last_perhaps` is a failure that it may have heard of or not, and `count_perhaps` the number
    that it must then be, if that makes a difference.
    """

    policy: Policy
    max_retry_after: float
    era: Era = field(factory=Era)
    incident: Incident | None = None
    probe: Stamp | None = None
    count: int = 0
    last_failure: float = -math.inf
    last_perhaps: float = -math.inf
    count_perhaps: int | None = None

    def state(self, now: float) -> str:
        """Return `healthy`, `cooling`, `waiting` (for whoever will be the probe) or `probing`."""
        if self.probe is not None:
            return "probing"
        if self.incident is None:
            return "healthy"
        return "cooling" if now < self.incident.end else "waiting"

    def cooling_until(self, now: float) -> float | None:
        """Return when the cooldown ends, ``None`` if there is none now."""
        return self.incident.end if self.incident is not None and self.state(now) == "cooling" else None

    def admit(self, now: float) -> Stamp:
        """Note an attempt that was let through; it is the probe if a cooldown is over."""
        stamp = Stamp(self.era)
        if self.state(now) == "waiting":
            self.probe = stamp
        return stamp

    def opened(self, stamp: Stamp) -> Change:
        """Note that a stream has begun: a probe has found out enough."""
        if stamp is not self.probe:
            return None
        self.probe = self.incident = None
        return Kind.RECOVERED

    def served(self, stamp: Stamp) -> Change:
        """Note a success."""
        change = self.opened(stamp)
        if stamp.era is self.era and self.incident is None:
            self.count = 0
        return change

    def unknown(self, stamp: Stamp) -> Change:
        """Note an end that tells nothing about the provider."""
        if stamp is not self.probe:
            return None
        self.probe = None
        return Kind.RETURNED

    def failed(self, now: float, stamp: Stamp, failure: Failure) -> Change:
        """Note a failure."""
        if failure.scope is Scope.REQUEST or not self._rule(failure).base > 0:
            return self.unknown(stamp)
        forgotten = self._is_forgotten(now)
        self.last_failure = now
        if stamp.era is self.era:
            return self._begin(now, failure, forgotten=forgotten)
        incident = stamp.era.ended_by
        if incident is None or incident is not self.incident or self.probe is not None:
            return None
        return self._move_end(self._end(now, failure, after=incident.began))

    def struck(self, now: float, failure: Failure) -> Change:
        """Note a failure of the credential that somebody else met."""
        if not self._rule(failure).base > 0:
            return None
        forgotten = self._is_forgotten(now)
        self.last_failure = now
        if self.state(now) == "cooling":
            return self._move_end(self._end(now, failure, after=now))
        return self._begin(now, failure, forgotten=forgotten)

    def would_be_struck(self, now: float, failure: Failure) -> bool:
        """Whether a failure that somebody else met would change anything now."""
        if not self._rule(failure).base > 0:
            return False
        if self.incident is None or self.state(now) != "cooling":
            return True
        return self._end(now, failure, after=now) > self.incident.end

    def reset(self) -> Change:
        """Note that an operator ended the cooldown; whoever is under way belongs to the time before."""
        self.count = 0
        if self.incident is None:
            return None
        self.incident, self.probe, self.era = Incident(-math.inf, -math.inf), None, Era()
        return Kind.RETURNED

    def note(self, at: float, *, perhaps: bool) -> None:
        """Note a failure that changes nothing but when the last one was."""
        if perhaps:
            self.last_perhaps = max(self.last_perhaps, at)
        else:
            self.last_failure = max(self.last_failure, at)

    def recount(self, now: float, failure: Failure, count: int) -> None:
        """Let the incident that has just begun be one of so many in a row."""
        assert self.incident is not None, "there is an incident to count"
        self.count = count
        self.incident.end = self._end(now, failure, after=now)

    def lose(self, now: float, seconds: float) -> None:
        """Note that all that was known is lost, and that it cools to be safe."""
        self.count, self.last_failure, self.last_perhaps = 1, -math.inf, -math.inf
        self.incident, self.probe, self.era = Incident(now, now + seconds), None, Era()

    def _begin(self, now: float, failure: Failure, *, forgotten: bool) -> Change:
        may_be_remembered = forgotten and now - self.last_perhaps < self.policy.forget_after
        self.count_perhaps = self.count + 1 if may_be_remembered else None
        self.count = 1 if forgotten else self.count + 1
        incident = Incident(now, self._end(now, failure, after=now))
        self.era.ended_by, self.incident, self.probe, self.era = incident, incident, None, Era()
        return Kind.COOLING

    def _move_end(self, end: float) -> Change:
        assert self.incident is not None, "only what cools can cool for longer"
        if end <= self.incident.end:
            return None
        self.incident.end = end
        return Kind.EXTENDED

    def _end(self, now: float, failure: Failure, *, after: float) -> float:
        stated = failure.retry_after
        if stated is not None:
            return now + min(max(stated, 0.0), self.max_retry_after)
        return after + seconds_of(self._rule(failure), self.count)

    def _rule(self, failure: Failure) -> Rule:
        return self.policy.rules[failure.reason]

    def _is_forgotten(self, now: float) -> bool:
        return now - self.last_failure >= self.policy.forget_after


def seconds_of(rule: Rule, count: int) -> float:
    """Return for how long the `count`-th consecutive incident cools."""
    return min(rule.cap, rule.base * rule.factor ** min(count - 1, rule.steps))
