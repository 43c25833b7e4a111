"""A trace beside its references: candidates, requests and callers as they should be at the present record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import define, field

from ...actors.messages import Refusal
from ...actors.trace import Fact, Kind
from ..run import Run
from ..trace import Record, Scene, Sight
from .candidate import CandidateState, Flight
from .facts import failure_of
from .house import House
from .ledger import Ledger
from .ways import Move, Turn, Way, Word


@define(eq=False)
class Telling:
    """Where a telling has come to: the references, and the record that is being read.

    `ways` are the requests that have not ended or whose callers have not been told.
    """

    run: Run
    ledger: Ledger = field(init=False)
    house: House = field(init=False)
    ways: dict[int, Way] = field(factory=dict, init=False)
    place: int = field(default=-1, init=False)
    record: Record | None = field(default=None, init=False)
    now: float = field(default=0.0, init=False)
    _asks: dict[int, Way] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.ledger = Ledger(self.run)
        self.house = House(self.run, self.ledger)

    def state_of(self, record: Record) -> CandidateState | None:
        """Return the candidate that a record is about, ``None`` if it is about none of them."""
        return None if record.key is None else self.house.candidates.get(record.key)

    def flight_of(self, fact: Fact) -> Flight | None:
        """Return the attempt under way that a fact is about."""
        state = self.state_of(fact)
        return None if state is None or fact.attempt is None else state.flights.get(fact.attempt)

    def way_of(self, fact: Fact) -> Way | None:
        """Return the request that a fact is about, ``None`` if it is not under way."""
        return None if fact.request is None else self.ways.get(fact.request)

    def way_of_caller(self, sight: Sight) -> Way | None:
        """Return the last request of the caller that a sight is about."""
        request = self.ledger.request_of(sight.caller)
        return None if request is None else self.ways.get(request)

    def way_of_attempt(self, attempt: int | None) -> Way | None:
        """Return the request that is out as this attempt and has not been answered."""
        return self._asks.get(attempt or 0)

    def take(self, record: Record) -> None:
        """Read the present record into the references."""
        if isinstance(record, Sight):
            self.ledger.see(record)
            self.house.take(record)
            if record.kind is Scene.TOLD:
                self._on_told(record)
            return
        if record.kind in (Kind.REQUESTED, Kind.DISPATCHED):
            self.ledger.take(record)
        self.house.take(record)
        taker = _TAKERS.get(record.kind)
        if taker is not None:
            taker(self, record)

    # The requests' ways

    def _on_requested(self, fact: Fact) -> None:
        request = fact.request or 0
        asked = self.ledger.asked.get(request)
        details = {} if asked is None else asked.details
        needs, config = self.ledger.needs(request), self.run.config
        route = str(fact.details.get("route"))
        plan = config.image_routes.get(route) if needs.images else None
        entries = [config.entries[key] for key in plan or config.routes.get(route, ())]
        self.ways[request] = Way(
            request,
            [Turn(entry, needs.fit(entry.capabilities, entry.limits.tpm, entry.endpoint.dialect)) for entry in entries],
            needs,
            config.policy,
            self.ledger.deadlines[request],
            waits=bool(details.get("waits")),
            restarts=bool(details.get("restarts")),
        )

    def _on_dispatched(self, fact: Fact) -> None:
        way = self.ways.get(fact.request or 0)
        turn = None if way is None or fact.key is None else way.turn(fact.key)
        if way is not None and turn is not None and fact.attempt is not None:
            way.ask(fact.attempt, turn, move_of(fact), fact.at)
            self._asks[fact.attempt] = way

    def _on_refused(self, fact: Fact) -> None:
        way = self._asks.pop(fact.attempt or 0, None)
        if way is not None:
            way.refused(word_of(fact), full=bool(fact.details.get("full")))

    def _on_opened(self, fact: Fact) -> None:
        way = self._asks.get(fact.attempt or 0)
        if way is not None:
            way.open()

    def _on_served(self, fact: Fact) -> None:
        way = self._asks.pop(fact.attempt or 0, None)
        if way is not None:
            way.served()

    def _on_failed(self, fact: Fact) -> None:
        way = self._asks.pop(fact.attempt or 0, None)
        if way is not None and fact.key is not None:
            until = self.house.candidates[fact.key].health.cooling_until(fact.at)
            again = way.request in self.ledger.retry_at
            way.failed(failure_of(fact), fact.at, cooling_until=until, again=again)

    def _on_lost(self, fact: Fact) -> None:
        way = self._asks.pop(fact.attempt or 0, None)
        if way is not None:
            way.lost(fact.at)

    def _on_ended(self, fact: Fact) -> None:
        way = self.ways.get(fact.request or 0)
        if way is not None:
            reason = fact.details.get("reason")
            way.end(str(reason) if fact.kind is Kind.GAVE_UP else fact.kind.value, fact.at)
            if way.told:
                del self.ways[way.request]

    def _on_told(self, sight: Sight) -> None:
        way = self.ways.get(self.ledger.request_of(sight.caller) or 0)
        if way is not None:
            way.told = True
            if way.ended is not None:
                del self.ways[way.request]


_TAKERS: Final[dict[Kind, Callable[[Telling, Fact], None]]] = {
    Kind.REQUESTED: Telling._on_requested,
    Kind.DISPATCHED: Telling._on_dispatched,
    Kind.REFUSED: Telling._on_refused,
    Kind.OPENED: Telling._on_opened,
    Kind.SERVED: Telling._on_served,
    Kind.FAILED: Telling._on_failed,
    Kind.LOST: Telling._on_lost,
    Kind.DELIVERED: Telling._on_ended,
    Kind.GAVE_UP: Telling._on_ended,
    Kind.LEFT: Telling._on_ended,
}


def move_of(fact: Fact) -> Move:
    """Return the move that a dispatch is."""
    if fact.details.get("again"):
        return Move.AGAIN
    return Move.WAIT if fact.details.get("wait") else Move.ASK


def word_of(fact: Fact) -> Word:
    """Return what a candidate said when it declined."""
    ready_at, queued = fact.details.get("ready_at"), fact.details.get("queued")
    return Word(
        Refusal(str(fact.details["reason"])),
        float(ready_at) if isinstance(ready_at, int | float) else None,
        queued if isinstance(queued, int) else 0,
        fact.at,
    )
