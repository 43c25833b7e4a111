"""How much is sent: rate and conservation."""

from __future__ import annotations

from collections import Counter, defaultdict, deque

from ...actors.identity import ModelKey
from ...actors.trace import Fact, Kind
from ..reference.candidate import CandidateState
from ..reference.limits import CLOSE, MINUTE
from ..reference.telling import Telling
from ..trace import Record, Scene, Sight
from .retelling import Invariant


class Rate(Invariant):
    """In every minute what is sent stays within `rpm` and `tpm`; at every instant within `max_parallel`.

    It is counted twice: what the candidates admit, and what their providers receive.
    """

    name = "rate"

    def __init__(self, told: Telling) -> None:
        super().__init__(told)
        self._received: defaultdict[ModelKey, deque[float]] = defaultdict(deque)
        self._at_work: Counter[ModelKey] = Counter()

    def on_admitted(self, fact: Fact) -> None:
        """All limits must allow one more."""
        state = self.told.state_of(fact)
        if state is None:
            return
        name, attempt, now = state.key.name, fact.attempt, fact.at
        if not state.has_place():
            self.say(f"{name} admitted attempt {attempt} with {len(state.flights)} in flight, which is max_parallel")
        for what, ready_at in _limits(state, now, self.told.ledger.tokens(fact.request)).items():
            if ready_at > now + CLOSE:
                self.say(f"{name} admitted attempt {attempt}, and {what} allows no more until {ready_at:.6f} s")

    def on_received(self, sight: Sight) -> None:
        """Any 60 seconds, both ends included, see no more requests than `rpm`."""
        flight = self.told.ledger.flight_of(sight.caller)
        if flight is None:
            return
        key, limits = flight.key, self.told.house.candidates[flight.key].entry.limits
        received = self._received[key]
        received.append(sight.at)
        while received[0] < sight.at - MINUTE:
            received.popleft()
        if limits.rpm is not None and len(received) > limits.rpm:
            self.say(f"{key.name} was sent {len(received)} requests within 60 s; rpm is {limits.rpm:g}", key=key)
        self._at_work[key] += 1
        if limits.max_parallel is not None and self._at_work[key] > limits.max_parallel:
            self.say(
                f"{key.name} was sent a request with {self._at_work[key] - 1} others at work, which is max_parallel",
                key=key,
            )

    def on_answered(self, sight: Sight) -> None:
        """The provider is at work on one less."""
        flight = self.told.ledger.exchanges.get(int(sight.details["number"] or 0))
        if flight is not None:
            self._at_work[flight.key] -= 1


def _limits(state: CandidateState, now: float, tokens: float) -> dict[str, float]:
    """Return when each limit of a minute allows one more."""
    budget = state.budget
    found: dict[str, float] = {}
    for what, quantity, amount in (
        ("rpm", budget.requests, 1.0),
        ("tpm", budget.tokens, budget.reserve(tokens)),
    ):
        quantity.left(now)
        found[f"the last minute's {what}"] = quantity.when_the_minute_allows(now, amount)
        found["burst" if what == "rpm" else "the refill of tpm"] = quantity.when_refilled(amount)
        if quantity.word is not None and quantity.word.left < amount:
            found[f"the provider's word on {what}"] = quantity.word.until
    return found


class Conservation(Invariant):
    """Tokens taken are those of attempts sent; at rest nothing is in flight."""

    name = "conservation"

    def on_admitted(self, fact: Fact) -> None:
        """It takes as many tokens as its request needs."""
        state = self.told.state_of(fact)
        if state is None:
            return
        tokens = state.budget.reserve(self.told.ledger.tokens(fact.request))
        if fact.details.get("tokens") != tokens:
            self.say(f"attempt {fact.attempt} took {fact.details.get('tokens')} tokens; its request needs {tokens:g}")

    def on_received(self, sight: Sight) -> None:
        """Every request that reaches a provider is an attempt's, and it is its only one."""
        self._on_contact(sight)

    def on_unreached(self, sight: Sight) -> None:
        """The same where there is no connection."""
        self._on_contact(sight)

    def _on_contact(self, sight: Sight) -> None:
        if self.told.ledger.flight_of(sight.caller) is None:
            self.say(f"a request of caller {sight.caller} was sent that belongs to no attempt under way")

    def on_served(self, fact: Fact) -> None:
        """What was served was seen by a provider; of what failed or was abandoned, it is known whether it was sent.

        No provider is left at work on what is over.
        """
        flight = self.told.flight_of(fact)
        if flight is None:
            return
        sent = bool(fact.details.get("executed", fact.details.get("sent", 1)))
        seen, tried = flight.number is not None, flight.number is not None or flight.unreached
        if (seen and not sent) or (sent and not tried) or (fact.kind is Kind.SERVED and not seen):
            self._differ(fact, sent=sent)
        if seen and flight.answer is None:
            self.say(f"attempt {fact.attempt} at {fact.key} is over, and its provider is still at work on it")

    on_failed = on_served
    on_abandoned = on_served

    def _differ(self, fact: Fact, *, sent: bool) -> None:
        told, true = ("sent", "no provider saw it") if sent else ("not sent", "a provider saw it")
        self.say(f"attempt {fact.attempt} at {fact.key} is said to have been {told}, and {true}")

    def at_end(self) -> None:
        """At rest nothing is in flight and nobody waits."""
        if self.run.tasks_left:
            self.say(f"the router has left {self.run.tasks_left} tasks behind")
        if self.told.house.given_up:
            return
        for key, sight in self._last_looks().items():
            for what in ("in_flight", "queued"):
                if sight.details.get(what):
                    self.say(f"{key.name} is left with {what} {sight.details[what]} at the end", key=key)
        for key, state in self.told.house.candidates.items():
            for attempt in state.flights:
                self.say(f"attempt {attempt} at {key.name} has no end", key=key)

    def _last_looks(self) -> dict[ModelKey, Sight]:
        """Return the last status of each candidate, unless something has happened to it after that."""
        last: dict[ModelKey, Record] = {}
        for record in reversed(self.run.trace.records):
            if record.key is not None:
                last.setdefault(record.key, record)
                if len(last) == len(self.run.config.entries):
                    break
        return {
            key: record for key, record in last.items() if isinstance(record, Sight) and record.kind is Scene.STATUS
        }
