"""One request's way through its candidates: event in, decision out.

::

    begin ──▶ Ask c₁ ── refused ──▶ Ask c₂ ── failed, retriable ──▶ Ask c₃ … ── served ──▶ Deliver
                │                                                    │
                │ failed by its own fault                             └─ nobody left in this pass:
                ▼                                                        someone will be ready in time?
              Reject                                                      yes ▶ Ask (wait) the soonest
                                                                          no  ▶ GiveUp

A *pass* goes over the candidates in their order and asks each at most once. What refused may be waited for: the
request then queues at the candidate that will be ready soonest. Another pass begins over all that have not failed, so
that whatever has recovered meanwhile is asked first, if that one drops the request from its queue (it began to cool),
and if at the end of a pass a time has come that somebody named who refused (others took theirs to fail).

An itinerary holds no health of anybody: it knows what this request was told, and nothing else. Pure: time comes in
as `now`, in seconds.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Final

from attrs import define, field, frozen

from .demand import Capabilities, Demand
from .failures import Failure, Reason
from .identity import ModelKey
from .messages import AttemptRecord, Failed, Outcome, Refusal, Refused
from .policy import Next, Policy
from .values import value

MAX_FAILURES: Final = 5
"""How often one candidate may fail one request that waits for cooldowns, before it is asked no more."""


@frozen
class Candidate:
    """A model key in a request's list of choices, and what it can take."""

    key: ModelKey
    capabilities: Capabilities = Capabilities()
    tpm: float | None = None
    retries: int = 0
    dialect: str = "openai"

    def unfit_for(self, demand: Demand) -> str | None:
        """Say why it cannot take a request at all, or return ``None``."""
        return demand.unspoken.get(self.dialect) or demand.unfit_for(self.capabilities, self.tpm, self.key.model)


class Plan(tuple[Candidate, ...]):
    """The candidates behind one route, in their order; made once, for all requests that take it.

    What all of them can take is found out once, so that a request costs no more where there are many.
    """

    @cached_property
    def dialects(self) -> tuple[str, ...]:
        """The dialects in which they are spoken to, each once."""
        return tuple(dict.fromkeys(each.dialect for each in self))

    @cached_property
    def _can(self) -> tuple[tuple[Capabilities, float | None], ...]:
        """What they can take, each once; whoever may take anything is left out."""
        can = dict.fromkeys((each.capabilities, each.tpm) for each in self)
        can.pop((Capabilities(), None), None)
        return tuple(can)

    def suits(self, demand: Demand) -> bool:
        """Whether every candidate can take a request; ``False`` where it takes a closer look to say."""
        if demand.embedding is not None or demand.unspoken:
            return False
        return all(demand.unfit_for(can, tpm) is None for can, tpm in self._can)


# Decisions


@value
class Ask:
    """Send an attempt to this candidate. `wait`: let it queue there; `again`: a second try, after `not_before`."""

    candidate: Candidate
    wait: bool = False
    again: bool = False
    not_before: float = -math.inf


@value
class Deliver:
    """The request is served."""


@value
class Reject:
    """The request was itself at fault: tell the caller, ask nobody else."""

    failure: Failure
    key: ModelKey


@value
class GiveUp:
    """Nobody is left. `retry_at` is when the first candidate expects to be ready, ``None`` if none can say."""

    retry_at: float | None


Decision = Ask | Deliver | Reject | GiveUp


@define
class _Turn:
    """What one candidate has told this request. `spent`: it is asked no more.

    `refusal`, `ready_at` and `queued` are what it said when it refused, at `refused_at`. They stand here and not as the
    message that they came in: where a thousand refuse, the garbage collector has that many objects less to look at.
    """

    candidate: Candidate
    retries_left: int
    failures: int = 0
    spent: bool = False
    refusal: Refusal | None = None
    ready_at: float | None = None
    queued: int = 0
    refused_at: float = 0.0
    queue_full: bool = False

    def refuse(self, now: float, refusal: Refusal, ready_at: float | None, queued: int = 0) -> None:
        """Note that it refuses."""
        self.refusal, self.ready_at, self.queued, self.refused_at = refusal, ready_at, queued, now

    def is_due(self, now: float) -> bool:
        """Whether the time has come that it named when it refused."""
        if self.spent or self.ready_at is None:
            return False
        return self.refused_at < self.ready_at <= now


@define
class Itinerary:
    """The way of one request. Every event but the first answers the decision before it.

    `plan` is the finite list of candidates, made once. `records` grows with every answer, in order, and is what the
    caller is shown.
    """

    plan: Plan
    demand: Demand
    policy: Policy
    deadline: float
    wait_for_cooldown: bool = False
    records: list[AttemptRecord] = field(factory=list)
    _turns: list[_Turn] = field(factory=list, init=False)
    _next_place: int = field(default=0, init=False)
    _current: _Turn | None = field(default=None, init=False)
    _asked: Ask | None = field(default=None, init=False)
    _asked_at: float = field(default=0.0, init=False)

    @property
    def current(self) -> Candidate | None:
        """Whom the last decision asked, until the answer is in."""
        return None if self._current is None else self._current.candidate

    @property
    def retries_left(self) -> int:
        """How many second tries the candidate that is being asked has left."""
        return 0 if self._current is None else self._current.retries_left

    def begin(self, now: float) -> Decision:
        """Leave out whoever cannot take this request at all, and ask the first of the others."""
        if not self.plan.suits(self.demand):
            self._skip_the_unfit(now)
        return self._next(now)

    def _skip_the_unfit(self, now: float) -> None:
        for turn in self._all_turns():
            candidate = turn.candidate
            unfit = candidate.unfit_for(self.demand)
            if unfit is not None:
                turn.spent = True
                self._record(candidate.key, Outcome.REFUSED, Refusal.UNFIT, unfit, now, now)

    def served(self, now: float) -> Decision:
        """The candidate that was asked has served."""
        turn = self._take_turn()
        self._record(turn.candidate.key, Outcome.SERVED, None, "", self._asked_at, now)
        return Deliver()

    def refused(self, now: float, answer: Refused) -> Decision:
        """The candidate that was asked declines, or has dropped the request from its queue."""
        turn = self._take_turn()
        asked = self._asked
        turn.refuse(now, answer.refusal, answer.ready_at, answer.queued)
        self._record(
            turn.candidate.key,
            Outcome.REFUSED,
            answer.refusal,
            answer.detail,
            self._asked_at,
            now,
            ready_at=answer.ready_at,
        )
        if asked is None or not asked.wait:
            return self._next(now)
        if answer.full:
            turn.queue_full = True
            return self._wait(now)
        return self._begin_pass(now)

    def failed(self, now: float, answer: Failed) -> Decision:
        """The attempt failed. With `answer.retry_at` the same candidate takes it once more."""
        turn = self._take_turn()
        self._record_failure(now, turn, answer)
        if answer.retry_at is not None and turn.retries_left > 0 and answer.retry_at < self.deadline:
            turn.retries_left -= 1
            return self._ask(now, turn, again=True, not_before=answer.retry_at)
        turn.failures += 1
        if self.wait_for_cooldown and answer.ready_at is not None and turn.failures < MAX_FAILURES:
            # Whoever fails now and whoever refuses a moment later are waited for alike.
            turn.refuse(now, Refusal.COOLING, answer.ready_at)
        else:
            turn.spent = True
        return self._next(now) if answer.crashed else self._after_failure(now, turn, answer.failure)

    def interrupted(self, now: float, answer: Failed) -> None:
        """The stream broke after its first content, and the caller wants to know rather than start over."""
        self._record_failure(now, self._take_turn(), answer)

    def _record_failure(self, now: float, turn: _Turn, answer: Failed) -> None:
        failure = answer.failure
        self._record(
            turn.candidate.key,
            Outcome.FAILED,
            failure.reason,
            _words(failure),
            self._asked_at,
            now,
            ready_at=answer.ready_at,
        )

    def _after_failure(self, now: float, turn: _Turn, failure: Failure) -> Decision:
        match self.policy[failure.reason].next:
            case Next.NO if failure.retriable:
                return GiveUp(self._retry_at(now))
            case Next.NO:
                return Reject(failure, turn.candidate.key)
            case Next.LARGER if not self._leave_only_larger_than(turn.candidate):
                return Reject(failure, turn.candidate.key)
        return self._next(now)

    def _leave_only_larger_than(self, candidate: Candidate) -> bool:
        """Spend all turns but those of later candidates with a window known to be larger, and say if there are any."""
        window = candidate.capabilities.context_window or self.demand.prompt_tokens
        place = self.plan.index(candidate)
        left = False
        for i, turn in enumerate(self._all_turns()):
            larger = (turn.candidate.capabilities.context_window or 0) > window
            if i < place or not larger:
                turn.spent = True
            left = left or not turn.spent
        return left

    def _begin_pass(self, now: float) -> Decision:
        self._next_place = 0
        for turn in self._turns:
            turn.queue_full = False
        return self._next(now)

    def _next(self, now: float) -> Decision:
        """Ask the next one of this pass, or wait for whoever is ready soonest."""
        while self._next_place < len(self.plan):
            turn = self._turn_at(self._next_place)
            self._next_place += 1
            if not turn.spent:
                return self._ask(now, turn)
        return self._wait(now)

    def _turn_at(self, place: int) -> _Turn:
        """Return the turn of the candidate at a place; there are turns only as far as they have been come to."""
        if place == len(self._turns):
            candidate = self.plan[place]
            self._turns.append(_Turn(candidate, candidate.retries))
        return self._turns[place]

    def _all_turns(self) -> list[_Turn]:
        for place in range(len(self._turns), len(self.plan)):
            self._turn_at(place)
        return self._turns

    def _wait(self, now: float) -> Decision:
        if any(turn.is_due(now) for turn in self._turns):
            return self._begin_pass(now)
        waitable = [turn for turn in self._turns if self._is_worth_waiting_for(turn)]
        named = [turn for turn in waitable if turn.ready_at is not None]
        if named:
            return self._ask(now, min(named, key=lambda turn: turn.ready_at or 0.0), wait=True)
        if waitable:
            return self._ask(now, min(waitable, key=lambda turn: turn.queued), wait=True)
        return GiveUp(self._retry_at(now))

    def _is_worth_waiting_for(self, turn: _Turn) -> bool:
        if turn.spent or turn.refusal is None or turn.queue_full:
            return False
        if turn.refusal in (Refusal.DOWN, Refusal.UNFIT):
            return False
        if turn.refusal is Refusal.COOLING and not self.wait_for_cooldown:
            return False
        return turn.ready_at is None or turn.ready_at < self.deadline

    def _ask(
        self, now: float, turn: _Turn, *, wait: bool = False, again: bool = False, not_before: float = -math.inf
    ) -> Ask:
        self._current, self._asked_at = turn, now
        self._asked = Ask(turn.candidate, wait, again, not_before)
        return self._asked

    def _take_turn(self) -> _Turn:
        turn, self._current = self._current, None
        assert turn is not None, "an answer answers a decision to ask"
        return turn

    def _retry_at(self, now: float) -> float | None:
        """When the first candidate expects to be ready, by what each said last."""
        last = {record.key: record for record in self.records}
        times = [record.ready_at for record in last.values() if record.ready_at is not None]
        return max(now, min(times)) if times else None

    def _record(
        self,
        key: ModelKey,
        outcome: Outcome,
        reason: Reason | Refusal | None,
        detail: str,
        started_at: float,
        now: float,
        *,
        ready_at: float | None = None,
    ) -> None:
        self.records.append(AttemptRecord(key, outcome, reason, detail, started_at, now - started_at, ready_at))


def _words(failure: Failure) -> str:
    if failure.status is None:
        return failure.message
    return f"HTTP {failure.status}: {failure.message}" if failure.message else f"HTTP {failure.status}"
