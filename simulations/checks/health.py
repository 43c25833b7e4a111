"""Who may be asked when, and what failures do: silence, incident, isolation and memory."""

from __future__ import annotations

from typing import Final

from ...actors.failures import Reason
from ...actors.messages import Refusal
from ...actors.trace import Fact
from ..faults import FaultKind
from ..reference.candidate import LOST_SECONDS, CandidateState
from ..reference.changes import Surprise
from ..reference.limits import CLOSE
from ..reference.telling import Telling
from ..trace import Sight
from .retelling import Invariant


class Silence(Invariant):
    """Nothing is sent to a candidate while it cools; one probe at a time then, and no lease outlives its attempt."""

    name = "silence"

    def on_admitted(self, fact: Fact) -> None:
        """The candidate must be healthy, or this must be the one probe."""
        state = self.told.state_of(fact)
        if state is None:
            return
        health, name, attempt = state.health, state.key.name, fact.attempt
        until = health.cooling_until(fact.at)
        if state.down:
            self.say(f"{name} admitted attempt {attempt} while it was down")
        elif until is not None and until > fact.at + CLOSE:
            self.say(f"{name} admitted attempt {attempt} although it cools until {until:.3f} s")
        elif health.probe is not None:
            probe = state.probe
            other = "another" if probe is None else f"attempt {probe.attempt}"
            self.say(f"{name} admitted attempt {attempt} while {other} probes it")
        elif bool(fact.details.get("probe")) != (health.incident is not None):
            what = (
                "is not the probe, and must be" if health.incident is not None else "is a probe of a healthy candidate"
            )
            self.say(f"attempt {attempt} at {name} {what}")

    def on_refused(self, fact: Fact) -> None:
        """Whoever is told that somebody probes must be told the truth."""
        state = self.told.state_of(fact)
        if state is not None and fact.details.get("reason") == Refusal.PROBING and state.health.probe is None:
            self.say(f"{state.key.name} declined attempt {fact.attempt} as probing, and no attempt holds the lease")

    def on_received(self, sight: Sight) -> None:
        """What a provider sees come in must not come while its candidate cools."""
        flight = self.told.ledger.flight_of(sight.caller)
        if flight is None:
            return
        health = self.told.house.candidates[flight.key].health
        until = health.cooling_until(sight.at)
        if until is None or until <= sight.at + CLOSE or health.incident is None:
            return
        # What was admitted before the failure, at the same instant, is on its way already.
        if flight.at > health.incident.began:
            self.say(f"{flight.key.name} was sent attempt {flight.attempt} while it cooled", key=flight.key)


class Incident(Invariant):
    """Failures of one generation escalate once; an older outcome and a caller that leaves change nothing."""

    name = "incident"

    def on_surprise(self, surprise: Surprise) -> None:
        """Every change of health is the one that follows, and none is missing."""
        if not surprise.foreign:
            self.say(surprise.sentence, key=surprise.key)

    def on_failed(self, fact: Fact) -> None:
        """What we broke off ourselves is a failure only if one of our own limits on an attempt was reached."""
        state, flight = self.told.state_of(fact), self.told.flight_of(fact)
        if state is None or flight is None or flight.answer != "left" or flight.fault not in NO_ANSWER:
            return
        limits = state.entry.endpoint.limits
        caller = self.told.ledger.caller(flight.request)
        streams = caller is not None and caller.stream
        shortest = min(limits.request, limits.first_event, limits.idle) if streams else limits.request
        reason, seconds = fact.details.get("reason"), fact.at - flight.at
        if reason != Reason.TIMEOUT or seconds < shortest - CLOSE:
            self.say(
                f"attempt {flight.attempt} was broken off after {seconds:.3f} s, and is said to have failed ({reason})"
            )


NO_ANSWER: Final = (None, FaultKind.SILENT.value, FaultKind.STREAM_STALLED.value)
"""What a provider finds wrong that says nothing in the end."""

COUNTERS: Final = ("in_flight", "served", "failed")


class Isolation(Invariant):
    """A candidate's limits, health and counters change by its own attempts, or by a credential that it shares."""

    name = "isolation"

    def on_surprise(self, surprise: Surprise) -> None:
        """No failure of a stranger cools it."""
        if surprise.foreign:
            self.say(surprise.sentence, key=surprise.key)

    def on_status(self, sight: Sight) -> None:
        """How it is seen to be must be how it is by its own attempts."""
        state = self.told.state_of(sight)
        if state is None:
            self.say(f"nobody is called {sight.key}")
            return
        told, now = sight.details, sight.at
        states = state.states(now)
        if told["state"] not in states:
            self._wrong(state, "state", told["state"], " or ".join(states))
        self._compare(state, "cooling", told.get("cooling"), state.cooling(now))
        self._compare(state, "left", told.get("left"), state.left(now))
        for name, true in zip(COUNTERS, (len(state.flights), state.served, state.failed), strict=True):
            self._compare(state, name, told.get(name), true)
        least, most = state.queued(now)
        queued = told.get("queued")
        if not isinstance(queued, int) or not least <= queued <= most:
            self._wrong(state, "queued", queued, f"{least} to {most}")

    def _compare(self, state: CandidateState, name: str, told: object, true: float | None) -> None:
        if told is None or true is None:
            if told is not true:
                self._wrong(state, name, told, true)
        elif not isinstance(told, int | float) or abs(told - true) > CLOSE:
            self._wrong(state, name, told, true)

    def _wrong(self, state: CandidateState, name: str, told: object, true: object) -> None:
        self.say(f"{state.key.name} has {name} {told}; by what was sent to it that must be {true}")


class Memory(Invariant):
    """A restart resets no limit and ends no cooldown."""

    name = "memory"

    def __init__(self, told: Telling) -> None:
        super().__init__(told)
        self._restarted: dict[str, int] = {}

    def on_started(self, fact: Fact) -> None:
        """Note who has come back."""
        self._restarted[str(fact.details.get("actor"))] = self.told.place

    def on_status(self, sight: Sight) -> None:
        """Whoever has come back must not know of more that is left, nor of less that must pass."""
        state = self._restarted_state(sight)
        if state is None:
            return
        told, now, name = sight.details, sight.at, state.key.name
        left, true = told.get("left"), state.left(now)
        if true is not None and (left is None or (isinstance(left, int | float) and left > true + CLOSE)):
            self.say(f"{name} has been restarted and has {left} requests left; before the crash it had {true:.6f}")
        cooling = told.get("cooling")
        if isinstance(cooling, int | float) and cooling < state.cooling(now) - CLOSE:
            self.say(f"{name} has been restarted and cools for {cooling} s; it must for {state.cooling(now):.6f} s")

    def on_admitted(self, fact: Fact) -> None:
        """Whoever has come back must not admit what it could not have admitted before."""
        state = self._restarted_state(fact)
        if state is None:
            return
        obstacle = state.obstacle(fact.at, self.told.ledger.tokens(fact.request), first_in_line=True)
        if obstacle is not None and (obstacle.ready_at is None or obstacle.ready_at > fact.at + CLOSE):
            self.say(f"{state.key.name} has been restarted and admits attempt {fact.attempt}; it is {obstacle}")

    def on_distrusted(self, fact: Fact) -> None:
        """Whoever has lost its state must cool for as long as its limits look back."""
        until = fact.details.get("until")
        if not isinstance(until, int | float) or abs(until - fact.at - LOST_SECONDS) > CLOSE:
            self.say(f"{fact.key} has lost its state and cools until {until}; it must for {LOST_SECONDS:g} s")

    def _restarted_state(self, record: Fact | Sight) -> CandidateState | None:
        if record.key is None or f"{record.key.name}/{record.key.name}" not in self._restarted:
            return None
        return self.told.house.candidates.get(record.key)
