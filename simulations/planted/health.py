"""Bugs of cooldowns and probes: outages counted wrongly, probes leaked, the herd let through."""

from __future__ import annotations

import math
from typing import Any

from ...actors.cooldown import Change, Cooldown, Health, Stamp
from ...actors.failures import Failure, Reason, Scope
from ...actors.model import ModelActor
from .bug import FAULT_OF_REQUEST, INCIDENT, ISOLATION, NEEDLESS, SILENCE, Patch, bug, instead


@bug("health", "a success that was sent before an outage ends the cooldown", INCIDENT, SILENCE, ISOLATION)
def stale_success_clears_a_newer_cooldown() -> list[Patch]:
    def ok(self: Cooldown, stamp: Stamp) -> Change:
        recovered = self._until is not None
        self._lease = self._until = None
        self.incidents = 0
        return Change.RECOVERED if recovered else Change.NONE

    return [(Cooldown, "ok", instead(ok))]


@bug("health", "ten failures of one outage count ten times", INCIDENT, ISOLATION)
def every_failure_escalates() -> list[Patch]:
    def make(original: Any) -> Any:
        def failed(self: Cooldown, now: float, stamp: Stamp, failure: Failure) -> Change:
            return (
                Change(original(self, now, Stamp(self.generation, self._lease), failure))
                if (stamp.generation == self.generation or self._until is None)
                else _again(self, now, failure)
            )

        return failed

    def _again(self: Cooldown, now: float, failure: Failure) -> Change:
        if failure.scope is Scope.REQUEST or not self._policy[failure.reason].cools:
            return Change.NONE
        return self._begin(now, failure, self.incidents)

    return [(Cooldown, "failed", make)]


@bug("health", "a failure cools nobody", INCIDENT, ISOLATION)
def failures_cool_nobody() -> list[Patch]:
    return [(Cooldown, "failed", instead(lambda self, now, stamp, failure: self.unknown(stamp)))]


@bug("health", "the probe's lease is not given back when its caller leaves", INCIDENT, ISOLATION, NEEDLESS)
def probe_leaked_on_cancellation() -> list[Patch]:
    return [(Cooldown, "unknown", instead(lambda self, stamp: Change.NONE))]


@bug("health", "when a cooldown ends, everybody is let through", SILENCE, INCIDENT)
def the_herd_let_through() -> list[Patch]:
    def admits(self: Cooldown, now: float) -> bool:
        return self._until is None or now >= self._until

    def make(original: Any) -> Any:
        def admit(self: Cooldown, now: float) -> Stamp:
            return (
                Stamp(self.generation, self._lease) if self._lease is not None else Stamp(*_fields(original(self, now)))
            )

        return admit

    def _fields(stamp: Stamp) -> tuple[int, int | None]:
        return stamp.generation, stamp.lease

    return [(Cooldown, "admits", instead(admits)), (Cooldown, "admit", make)]


@bug("health", "a caller that leaves counts as a failure of the provider", INCIDENT, ISOLATION)
def cancelled_caller_cools_the_provider() -> list[Patch]:
    def make(original: Any) -> Any:
        def on_unknown(self: ModelActor, held: Any, ended: Any, now: float) -> None:
            self._note(self.part.cooldown.failed(now, held.ticket.stamp, _timeout()), now, _timeout())
            original(self, held, ended, now)

        return on_unknown

    return [(ModelActor, "_on_unknown", make)]


def _timeout() -> Failure:
    return Failure.of(Reason.TIMEOUT, "no answer")


@bug("health", "the end of the caller's own time counts as a timeout of the provider", INCIDENT, ISOLATION)
def callers_deadline_cools_the_provider() -> list[Patch]:
    def make(original: Any) -> Any:
        def on_unknown(self: ModelActor, held: Any, ended: Any, now: float) -> None:
            if held.attempt.deadline <= now:
                self._note(self.part.cooldown.failed(now, held.ticket.stamp, _timeout()), now, _timeout())
            original(self, held, ended, now)

        return on_unknown

    return [(ModelActor, "_on_unknown", make)]


@bug("health", "a request that is itself at fault cools its candidate", FAULT_OF_REQUEST, INCIDENT)
def request_fault_cools() -> list[Patch]:
    def make(original: Any) -> Any:
        def failed(self: Cooldown, now: float, stamp: Stamp, failure: Failure) -> Change:
            if failure.scope is Scope.REQUEST:
                failure = Failure(Reason.SERVER_ERROR, Scope.MODEL)
            return Change(original(self, now, stamp, failure))

        return failed

    return [(Cooldown, "failed", make)]


@bug("health", "a provider's stated wait is believed without bound", INCIDENT, ISOLATION)
def stated_wait_without_bound() -> list[Patch]:
    def make(original: Any) -> Any:
        def init(self: Cooldown, policy: Any, *, max_retry_after: float = 0.0) -> None:
            original(self, policy, max_retry_after=math.inf)

        return init

    return [(Cooldown, "__init__", make)]


@bug("health", "a provider's stated wait is ignored", INCIDENT, ISOLATION)
def stated_wait_ignored() -> list[Patch]:
    def end(self: Cooldown, now: float, failure: Failure, *, formula_from: float) -> float:
        return formula_from + self._policy[failure.reason].duration(self.incidents)

    return [(Cooldown, "_end", instead(end))]


@bug("health", "a late failure may move the end of a cooldown earlier", INCIDENT, ISOLATION)
def cooldown_shortened_by_a_late_failure() -> list[Patch]:
    def move_end(self: Cooldown, end: float) -> Change:
        self._until = end
        return Change.EXTENDED

    return [(Cooldown, "_move_end", instead(move_end))]


@bug("health", "a success does not reset the count of incidents", INCIDENT)
def incidents_never_forgotten() -> list[Patch]:
    def make(original: Any) -> Any:
        def ok(self: Cooldown, stamp: Stamp) -> Change:
            before = self.incidents
            change = Change(original(self, stamp))
            self.incidents = before
            return change

        return ok

    return [(Cooldown, "ok", make)]


@bug("health", "cooldowns do not escalate", INCIDENT, ISOLATION)
def no_escalation() -> list[Patch]:
    def make(original: Any) -> Any:
        def begin(self: Cooldown, now: float, failure: Failure, incidents: int) -> Change:
            return Change(original(self, now, failure, 0))

        return begin

    return [(Cooldown, "_begin", make)]


@bug("health", "a candidate that cools is asked all the same", SILENCE, INCIDENT)
def cooling_is_no_obstacle() -> list[Patch]:
    def make(original: Any) -> Any:
        def health(self: Cooldown, now: float) -> Health:
            found = Health(original(self, now))
            return Health.WAITING if found is Health.COOLING and self.incidents > 1 else found

        return health

    return [(Cooldown, "health", make)]


@bug("health", "a reset by hand lets the herd through", INCIDENT, SILENCE, ISOLATION)
def reset_forgets_the_probe() -> list[Patch]:
    def make(original: Any) -> Any:
        def reset(self: Cooldown) -> Change:
            change = Change(original(self))
            self._until = None
            return change

        return reset

    return [(Cooldown, "reset", make)]
