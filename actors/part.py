"""A candidate's part: all that must survive whoever performs it. Lent to each incarnation of its model actor.

Bucket, cooldown, queue and the ledger of attempts that have not been answered belong to the part. A crash ends an
incarnation and not the part, so that it resets no limit, ends no cooldown and forgets no attempt. An incarnation
checks what it is lent; if that does not hold together, the part is distrusted: it starts over with an empty bucket
and a cooldown, never with a full one.

Nobody but the performer changes a part. `status`, `obstacle` and `notice` are reads without effect.
"""

from __future__ import annotations

import math
from collections import Counter
from enum import StrEnum
from typing import Final

from attrs import define, frozen

from .bucket import Limits, TokenBucket, Wait
from .cooldown import Cooldown, Health
from .demand import Demand
from .failures import Failure, Reason
from .identity import ModelKey
from .mailbox import Mailbox
from .messages import Attempt, Failed, ModelMessage, Refusal, Refused, Ticket
from .policy import Policy
from .queue import Queue
from .values import value

DISTRUST_COOLDOWN: Final = 60.0
"""Seconds that a part cools whose state was lost; as long as the window of its limits."""


class State(StrEnum):
    """A candidate's state, as `Router.snapshot` tells it."""

    HEALTHY = "healthy"
    COOLING = "cooling"
    PROBING = "probing"
    SATURATED = "saturated"
    DOWN = "down"


@frozen
class ModelStatus:
    """How one candidate is doing.

    Attributes:
        key: its identity; `name`, `provider`, `model` and `credential` are short for the key's.
        state: `healthy`; `cooling`; `probing` (its cooldown is over, and one attempt at a time finds out whether it
            is back); `saturated` (a limit is reached); `down` (its actor crashed too often).
        cooldown_remaining: seconds, 0 if it does not cool.
        tokens: how many requests its limits would let through at once; ``None``: no limit.
        in_flight: attempts under way.
        queued: requests that wait for it.
        failures: how many attempts failed, by reason.
        served: how many attempts succeeded.

    """

    key: ModelKey
    state: State
    cooldown_remaining: float
    tokens: float | None
    in_flight: int
    queued: int
    failures: dict[str, int]
    served: int

    @property
    def name(self) -> str:
        """The entry's name."""
        return self.key.name

    @property
    def provider(self) -> str:
        """The provider."""
        return self.key.provider

    @property
    def model(self) -> str:
        """The model, as the provider calls it."""
        return self.key.model

    @property
    def credential(self) -> str | None:
        """The credential's label."""
        return self.key.credential


@define(eq=False)
class Held:
    """An attempt that was taken from the mailbox and has not had its final answer.

    It is being looked at, or waits (in the queue, or held back for a second try), or has a `ticket` and is on its
    way. `attended`: somebody is at work on it, or the report on that is in the mailbox; `ended`: that was taken out.
    `place` is the queue's own: which of all that ever waited there it is.
    """

    attempt: Attempt
    ticket: Ticket | None = None
    opened: bool = False
    attended: bool = False
    ended: bool = False
    place: int = 0

    def crashed(self, *, executed: bool) -> Failed:
        """Return the answer to an attempt over which, or under which, its actor crashed."""
        attempt = self.attempt
        failure = Failure.of(Reason.UNKNOWN, f"the actor of {attempt.key} crashed while it held this attempt")
        return Failed(attempt.id, failure, may_have_executed=executed, crashed=True)


@value
class Obstacle:
    """Why an attempt cannot be admitted now, and when it could be (``None``: nobody can say)."""

    refusal: Refusal
    ready_at: float | None = None

    def words(self, now: float) -> str:
        """Say for people when it could be."""
        if self.ready_at is None:
            return "it cannot say when it will be ready"
        return f"ready in {max(0.0, self.ready_at - now):.3g} s"


def _limit_reached(wait: Wait | None) -> Obstacle | None:
    if wait is None:
        return None
    return Obstacle(Refusal.BUSY if wait.until is None else Refusal.SATURATED, wait.until)


class Part:
    """One candidate's lasting state. See the module's text."""

    def __init__(
        self,
        key: ModelKey,
        limits: Limits,
        policy: Policy,
        mailbox: Mailbox[ModelMessage],
        *,
        now: float,
        max_retry_after: float,
        max_queued: int = 100,
    ) -> None:
        self.key = key
        self.limits = limits
        self.policy = policy
        self.mailbox = mailbox
        self.max_queued = max_queued
        self._max_retry_after = max_retry_after
        self.bucket = TokenBucket(limits, now)
        self.cooldown = Cooldown(policy, max_retry_after=max_retry_after)
        self.queue = Queue(limits)
        self.held_back: list[Held] = []
        self.open: dict[int, Held] = {}
        self.handling: ModelMessage | None = None
        self.full_until = -math.inf  # as it has said last: only while this lasts does the notice look at the limits
        self.failures: Counter[str] = Counter()
        self.served = 0
        self.down = False

    @property
    def max_retry_after(self) -> float:
        """For how many seconds a provider's word is believed."""
        return self._max_retry_after

    def obstacle(self, now: float, tokens: float, *, first_in_line: bool = False) -> Obstacle | None:
        """Say why an attempt cannot be admitted: behind all that wait, or as the first of them."""
        if self.down:
            return Obstacle(Refusal.DOWN)
        if not self.cooldown.is_healthy:
            until = self.cooldown.cooling_until(now)
            if until is not None:
                return Obstacle(Refusal.COOLING, until)
            if not self.cooldown.admits(now):
                return Obstacle(Refusal.PROBING)
        if first_in_line or not self.queue:
            return _limit_reached(self.bucket.blocked(now, tokens))
        wait = self.bucket.blocked(now, tokens, ahead=len(self.queue), tokens_ahead=self.queue.tokens)
        if wait is not None:
            return _limit_reached(wait)
        # There is room for all that wait and this one, yet they wait: then so must it.
        return self.obstacle(now, self.queue.first.attempt.demand.tokens, first_in_line=True)

    def notice(self, now: float, demand: Demand) -> Obstacle | None:
        """Say why this candidate refuses whoever would not wait: a notice at its door, so that it need not be asked.

        It hangs there while it cools, and while it is healthy as long as all its places are taken, or a limit is
        reached that it has refused somebody for. One that is down, or awaits its probe, says itself what it will do.
        """
        if self.down:
            return None
        if not self.cooldown.is_healthy:
            until = self.cooldown.cooling_until(now)
            return None if until is None else Obstacle(Refusal.COOLING, until)
        places = self.limits.max_parallel
        if now < self.full_until or (places is not None and self.bucket.in_flight >= places):
            return self.obstacle(now, demand.tokens)
        return None

    def refusal(self, attempt: int, obstacle: Obstacle, now: float, *, full: bool = False) -> Refused:
        """Word the refusal of an attempt that meets an obstacle; `full`: and may not queue either."""
        queued = len(self.queue)
        detail = obstacle.words(now) + (f", its queue is full ({queued})" if full else "")
        return Refused(attempt, obstacle.refusal, obstacle.ready_at, queued, full, detail)

    def status(self, now: float) -> ModelStatus:
        """Return how this candidate is doing at `now`."""
        until = self.cooldown.cooling_until(now)
        left = self.bucket.requests_left(now)
        return ModelStatus(
            key=self.key,
            state=self._state(now),
            cooldown_remaining=0.0 if until is None else until - now,
            tokens=None if left == float("inf") else left,
            in_flight=self.bucket.in_flight,
            queued=len(self.queue) + len(self.held_back),
            failures=dict(self.failures),
            served=self.served,
        )

    def _state(self, now: float) -> State:
        if self.down:
            return State.DOWN
        match self.cooldown.health(now):
            case Health.COOLING:
                return State.COOLING
            case Health.WAITING | Health.PROBING:
                return State.PROBING
        return State.SATURATED if self.obstacle(now, 0.0) is not None else State.HEALTHY

    def holds_together(self, now: float) -> bool:
        """Whether bucket, cooldown and ledger agree with themselves and with each other."""
        tickets = [held.ticket for held in self.open.values() if held.ticket is not None]
        waiting: list[Held] = [*self.queue, *self.held_back]
        return (
            self.bucket.holds_together(now)
            and self.cooldown.holds_together(now)
            and self.queue.holds_together()
            and len(tickets) == self.bucket.in_flight
            and all(self.open.get(held.attempt.id) is held and held.ticket is None for held in waiting)
        )

    def unattended(self) -> list[Held]:
        """Return the attempts that a crash left behind: nobody will report on them, and they wait for nothing."""
        waiting = {held.attempt.id for held in (*self.queue, *self.held_back)}
        return [held for held in self.open.values() if held.ended or not (held.attended or held.attempt.id in waiting)]

    def distrust(self, now: float) -> list[Held]:
        """Start over with an empty bucket and a cooldown; return all attempts, which nobody works on any more."""
        self.bucket = TokenBucket(self.limits, now, empty=True)
        generation = self.cooldown.generation
        self.cooldown = Cooldown(self.policy, max_retry_after=self._max_retry_after)
        self.cooldown.generation = max(0, generation)
        self.cooldown.cool_blindly(now, DISTRUST_COOLDOWN)
        orphans = list(self.open.values())
        self.open.clear()
        self.queue.clear()
        self.held_back.clear()
        return orphans
