"""A candidate's health, told in other words than the runtime's: eras and incidents are objects, not numbers.

An attempt belongs to the *era* in which it was admitted. A cooling failure ends an era, and the era remembers which
incident ended it. That is all there is to "one outage is one incident": a late failure looks at its own era.
"""

from __future__ import annotations

import math

from attrs import define, field

DAY = 86_400.0


@define(eq=False)
class Incident:
    began: float
    end: float
    count: int


@define(eq=False)
class Era:
    ended_by: Incident | None = None


@define(eq=False)
class Try:
    """An attempt as it was admitted."""

    era: Era
    probe: bool


@define(eq=False)
class Health:
    longest_hint: float
    forget_after: float
    era: Era = field(factory=Era)
    incident: Incident | None = None
    probe: Try | None = None
    count: int = 0
    last_failure: float | None = None

    def state(self, now: float) -> str:
        if self.probe is not None:
            return "probing"
        if self.incident is None:
            return "healthy"
        return "cooling" if now < self.incident.end else "waiting"

    def admit(self, now: float) -> Try:
        attempt = Try(self.era, probe=self.state(now) == "waiting")
        if attempt.probe:
            self.probe = attempt
        return attempt

    def ok(self, attempt: Try) -> str:
        if attempt.era is not self.era:
            return "none"
        was_probe = attempt is self.probe
        if was_probe:
            self.probe = self.incident = None
        if self.incident is None:
            self.count = 0
        return "recovered" if was_probe else "none"

    def answered(self, attempt: Try) -> str:
        if attempt is not self.probe:
            return "none"
        self.probe = self.incident = None
        return "recovered"

    def unknown(self, attempt: Try) -> str:
        if attempt is not self.probe:
            return "none"
        self.probe = None
        return "returned"

    def failed(self, now: float, attempt: Try, wait: float, hint: float | None) -> str:
        """`wait` is what the table says for this reason now; see `number`."""
        number = self.number(now, begins=True)
        self.last_failure = now
        if attempt.era is self.era:
            return self._begin(now, number, wait, hint)
        incident = attempt.era.ended_by
        if incident is not None and incident is self.incident and self.probe is None:
            return self._later(self._bounded(now, hint) if hint is not None else incident.began + wait)
        return "none"

    def struck(self, now: float, wait: float, hint: float | None) -> str:
        cooling = self.state(now) == "cooling"
        number = self.number(now, begins=True)
        self.last_failure = now
        if cooling:
            return self._later(self._bounded(now, hint) if hint is not None else now + wait)
        return self._begin(now, number, wait, hint)

    def reset(self) -> str:
        self.count = 0
        if self.incident is None:
            return "none"
        self.incident, self.probe, self.era = Incident(-math.inf, -math.inf, 0), None, Era()
        return "returned"

    def cool_blindly(self, now: float, seconds: float) -> None:
        self.count = max(1, self.count)
        self.incident, self.probe, self.era = Incident(now, now + seconds, self.count), None, Era()

    def number(self, now: float, *, begins: bool) -> int:
        """The number of the incident that a failure now is, or belongs to."""
        if not begins:
            return self.count
        return 1 if self._is_long_ago(now) else self.count + 1

    def _is_long_ago(self, now: float) -> bool:
        return self.last_failure is None or now - self.last_failure >= self.forget_after

    def _begin(self, now: float, number: int, wait: float, hint: float | None) -> str:
        self.count = number
        incident = Incident(now, self._bounded(now, hint) if hint is not None else now + wait, self.count)
        self.era.ended_by, self.incident, self.probe, self.era = incident, incident, None, Era()
        return "began"

    def _later(self, end: float) -> str:
        assert self.incident is not None
        if end <= self.incident.end:
            return "none"
        self.incident.end = end
        return "extended"

    def _bounded(self, now: float, hint: float) -> float:
        return now + min(max(hint, 0.0), self.longest_hint)
