"""How attempts end, and what follows for the health of their candidate and its kin, and for what they have taken."""

from __future__ import annotations

from attrs import frozen

from ...actors.failures import Failure, Scope
from ...actors.trace import Fact, Kind
from ..run import Run
from .candidate import CandidateState, Flight
from .changes import Changes
from .facts import failure_of, wait_for_second_try
from .ledger import Ledger
from .mail import Mail
from .needs import used_by_broken_stream


@frozen(eq=False)
class Outcomes:
    """Reads the ends of attempts."""

    run: Run
    ledger: Ledger
    changes: Changes
    mail: Mail

    def served(self, fact: Fact, state: CandidateState) -> None:
        """Read that an attempt succeeded."""
        flight = self._landed(fact, state)
        state.served += 1
        used = fact.details.get("tokens")
        if flight is not None:
            if isinstance(used, int | float):
                state.budget.tokens.change(fact.at, flight.reserved, used)
            self.changes.follow(state, state.health.served(flight.stamp))

    def failed(self, fact: Fact, state: CandidateState) -> None:
        """Read that an attempt failed."""
        flight = self._landed(fact, state)
        state.failed += 1
        if flight is None:
            return
        self._settle(fact, state, flight, sent=bool(fact.details.get("executed")))
        failure = failure_of(fact)
        again_at = self._second_try_at(flight, failure, fact.at)
        if again_at is not None:
            self.ledger.retry_at[flight.request] = again_at
            self.changes.follow(state, state.health.unknown(flight.stamp))
            return
        self.ledger.retry_at.pop(flight.request, None)
        change = state.health.failed(fact.at, flight.stamp, failure)
        self.changes.follow(state, change, failure)
        cools = change in (Kind.COOLING, Kind.EXTENDED)
        if cools and failure.scope is Scope.CREDENTIAL and self.run.config.policy.rules[failure.reason].shared:
            self.mail.strike(state.key, failure, fact.at)

    def abandoned(self, fact: Fact, state: CandidateState) -> None:
        """Read that an attempt was cancelled, which tells nothing about the provider."""
        flight = self._landed(fact, state)
        if flight is not None:
            self._settle(fact, state, flight, sent=bool(fact.details.get("sent")))
            self.changes.follow(state, state.health.unknown(flight.stamp))

    def lost(self, fact: Fact, state: CandidateState) -> None:
        """Read that an attempt ended because its actor crashed; the lease that it held was given back just before."""
        state.line.pop(fact.attempt or 0, None)
        state.held.pop(fact.attempt or 0, None)
        flight = self._landed(fact, state)
        if flight is not None and state.health.probe is flight.stamp:
            self.changes.wonder(state, f"still has attempt {flight.attempt} for its probe, which a crash has ended")
            state.health.unknown(flight.stamp)

    def _landed(self, fact: Fact, state: CandidateState) -> Flight | None:
        """Return the attempt that ends, which is then under way no more."""
        flight = state.flights.pop(fact.attempt or 0, None)
        if flight is not None and self.ledger.flights.get(flight.request) is flight:
            del self.ledger.flights[flight.request]
        return flight

    def _settle(self, fact: Fact, state: CandidateState, flight: Flight, *, sent: bool) -> None:
        """Give back what was not sent; of a stream that broke off, what it did not use."""
        if not sent:
            state.budget.requests.change(fact.at, flight.taken, 0.0)
            state.budget.tokens.change(fact.at, flight.reserved, 0.0)
            return
        caller = self.ledger.caller(flight.request)
        if caller is not None and caller.stream and flight.answer is not None:
            used = used_by_broken_stream(caller, self.ledger.needs(flight.request), flight.tokens)
            if used is not None:
                state.budget.tokens.change(fact.at, flight.reserved, used)

    def _second_try_at(self, flight: Flight, failure: Failure, now: float) -> float | None:
        """Return when the same candidate takes this request once more, ``None`` if it does not."""
        entry, ledger = self.run.config.entries[flight.key], self.ledger
        wait = wait_for_second_try(failure, entry.retry_within)
        if wait is None or flight.opened or entry.retries <= ledger.tries[flight.request, flight.key]:
            return None
        return now + wait if now + wait < ledger.deadlines.get(flight.request, 0.0) else None
