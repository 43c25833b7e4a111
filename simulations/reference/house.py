"""Reads a trace into references, record by record: what should be true of every candidate at each moment.

Nothing that a fact says of health and limits is believed. Of the attempts it is known when they were admitted, sent,
and how they ended; all else follows. Where a fact tells of a change of health, it is compared with the change that
follows (`changes`). From then on the reference still believes itself.

| what the trace tells | what follows |
|---|---|
| an attempt was admitted | it belongs to this era, it is the probe or not, it has taken what it needs |
| it ended | a change of health or none, which the next fact about this candidate must tell; what it used |
| it failed with a shared credential | whoever shares it is struck, as soon as it has read its mailbox |
| a cooldown was reset by hand | it is over, as soon as the candidate has read its mailbox |
| an actor crashed | nothing, but that it may have lost the message that it crashed over |
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

from ...actors.identity import ModelKey
from ...actors.trace import Fact, Kind
from ..run import Run
from ..trace import Record, Scene, Sight
from .candidate import LOST_SECONDS, CandidateState, Flight, HeldBack
from .changes import CHANGES, Changes
from .facts import ids_of, last_crash_of_router
from .ledger import Ledger
from .limits import MINUTE, Budget
from .mail import Mail
from .outcomes import Outcomes

Taker = Callable[[Fact, CandidateState], None]


@define(eq=False)
class House:
    """All candidates, as they should be at the present moment of the trace.

    `given_up`: in the end the router crashed for good, and everybody left the stage.
    """

    run: Run
    ledger: Ledger
    given_up: bool = field(default=False, init=False)
    now: float = field(default=0.0, init=False)
    candidates: dict[ModelKey, CandidateState] = field(init=False)
    mail: Mail = field(init=False)
    changes: Changes = field(init=False)
    _actors: dict[str, CandidateState] = field(init=False)
    _last_crash: Fact | None = field(init=False)
    _holding: dict[ModelKey, CandidateState] = field(factory=dict, init=False)
    _takers: dict[Kind, Taker] = field(init=False)

    def __attrs_post_init__(self) -> None:
        config = self.run.config
        self.candidates = {
            key: CandidateState.new(entry, config.policy, config.max_retry_after)
            for key, entry in config.entries.items()
        }
        self._actors = {f"{key.name}/{key.name}": state for key, state in self.candidates.items()}
        self.mail = Mail(self.run, self.candidates)
        self._last_crash = last_crash_of_router(self.run.trace)
        lost = [fact for fact in self.run.trace.facts() if fact.kind is Kind.LOST]
        self.changes = Changes(self.mail, {fact.attempt: fact.at for fact in lost if fact.attempt is not None})
        outcomes = Outcomes(self.run, self.ledger, self.changes, self.mail)
        self._takers = {
            Kind.DISPATCHED: self._on_dispatched,
            Kind.QUEUED: self._on_queued,
            Kind.UNQUEUED: self._on_away,
            Kind.REFUSED: self._on_away,
            Kind.ADMITTED: self._on_admitted,
            Kind.SENT: self._on_sent,
            Kind.OPENED: self._on_opened,
            Kind.SERVED: outcomes.served,
            Kind.FAILED: outcomes.failed,
            Kind.ABANDONED: outcomes.abandoned,
            Kind.LOST: outcomes.lost,
            Kind.STATED: self._on_stated,
            Kind.DISTRUSTED: self._on_distrusted,
            Kind.DOWN: self._on_down,
            Kind.REVIVED: self._on_revived,
            **dict.fromkeys(CHANGES, self.changes.take),
        }

    def move_on(self, at: float) -> None:
        """Let time move on, to that of the next record."""
        for state, sentence in self.mail.move_on(at):
            self.changes.wonder(state, sentence)
        for key, state in list(self._holding.items()):
            state.held = {
                attempt: held
                for attempt, held in state.held.items()
                if not (held.left and state.is_settled(held.at, at))
            }
            if not state.held:
                del self._holding[key]
        self.now = at

    def take(self, record: Record) -> None:
        """Read the next record."""
        if isinstance(record, Sight):
            if record.kind is Scene.FAULT:
                self.mail.reset(record)
            return
        state = None if record.key is None else self.candidates.get(record.key)
        taker = self._takers.get(record.kind)
        if state is None or taker is None:
            self._on_stage(record)
            return
        if record.kind is not Kind.DISPATCHED:
            self.changes.hear(record, state)
        taker(record, state)
        state.stirred = True
        if state.strikes:
            self.mail.look_again(state, self.now)

    def close(self) -> None:
        """Come to the end of the trace."""
        self.changes.close(self.candidates)

    # Waiting

    def _on_dispatched(self, fact: Fact, state: CandidateState) -> None:
        request, attempt = ids_of(fact)
        not_before = self.ledger.retry_at.get(request, fact.at) if fact.details.get("again") else fact.at
        if not_before > fact.at:
            state.held[attempt] = HeldBack(request, not_before, fact.at)
            self._holding[state.key] = state

    def _on_queued(self, fact: Fact, state: CandidateState) -> None:
        request, attempt = ids_of(fact)
        state.held.pop(attempt, None)
        state.line[attempt] = self.ledger.tokens(request)

    def _on_away(self, fact: Fact, state: CandidateState) -> None:
        _, attempt = ids_of(fact)
        state.held.pop(attempt, None)
        state.line.pop(attempt, None)

    # On the way

    def _on_admitted(self, fact: Fact, state: CandidateState) -> None:
        self._on_away(fact, state)
        request, attempt = ids_of(fact)
        budget, now = state.budget, fact.at
        flight = Flight(
            attempt,
            request,
            state.key,
            now,
            state.health.admit(now),
            budget.requests.take(now, 1.0),
            budget.tokens.take(now, budget.reserve(self.ledger.tokens(request))),
        )
        state.flights[attempt] = self.ledger.flights[request] = flight

    def _on_sent(self, fact: Fact, state: CandidateState) -> None:
        flight = state.flights.get(fact.attempt or 0)
        if flight is not None:
            state.budget.requests.move(flight.taken, fact.at)
            state.budget.tokens.move(flight.reserved, fact.at)

    def _on_stated(self, fact: Fact, state: CandidateState) -> None:
        flight = state.flights.get(fact.attempt or 0)
        left, reset = fact.details.get("left"), fact.details.get("reset")
        if flight is None or not isinstance(left, int | float):
            return
        seconds = reset if isinstance(reset, int | float) else MINUTE
        until = fact.at + min(seconds, self.run.config.max_retry_after)
        if fact.details.get("what") == "requests":
            state.budget.requests.say(flight.taken, left, until)
        else:
            state.budget.tokens.say(flight.reserved, left, until)

    def _on_opened(self, fact: Fact, state: CandidateState) -> None:
        flight = state.flights.get(fact.attempt or 0)
        if flight is not None:
            flight.opened = True
            self.changes.follow(state, state.health.opened(flight.stamp))

    # Who is on stage

    def _on_stage(self, fact: Fact) -> None:
        """Read a fact that is about no candidate, or not about how it does."""
        if fact is self._last_crash:
            self.given_up = True
            for state in self.candidates.values():
                state.on_stage = False
            return
        actor = self._actors.get(str(fact.details.get("actor")))
        if fact.kind is Kind.CRASHED and actor is not None:
            actor.on_stage = False
            actor.crashes += 1
            self.mail.crash(actor)
        elif fact.kind is Kind.STARTED and actor is not None:
            actor.on_stage, actor.since = True, fact.at
        elif fact.kind is Kind.LEFT:
            for state in self._holding.values():
                for held in state.held.values():
                    held.left = held.left or held.request == fact.request

    def _on_distrusted(self, fact: Fact, state: CandidateState) -> None:
        state.budget = Budget.spent(state.entry.limits, fact.at)
        state.health.lose(fact.at, LOST_SECONDS)
        for flight in list(state.flights.values()):
            self.ledger.flights.pop(flight.request, None)
        state.flights.clear()
        state.line.clear()
        state.held.clear()

    def _on_down(self, fact: Fact, state: CandidateState) -> None:
        del fact
        state.down = True
        self.mail.crash(state)

    def _on_revived(self, fact: Fact, state: CandidateState) -> None:
        """Whoever revives a candidate has reset it, which was told before if it had not been healthy."""
        state.down, state.since = False, fact.at
        if self.mail.is_reset(state):
            state.health.reset()
