"""A trace told again, record by record, with what should be true beside it; and whoever listens for what is not.

An invariant is a class that listens: before a record is read into the references, its `on_` method for that kind is
called (`on_admitted`, `on_told`, …), and says what it finds. `on_time` is called when time is about to move on,
`on_surprise` where a change of health did not come as it should, `at_end` at the end. All invariants are told one
telling, so that checking them all costs little more than checking one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Final

from attrs import define, field, frozen

from ..actors.identity import ModelKey
from ..actors.messages import Refusal
from ..actors.trace import Fact, Kind
from .reference_changes import Surprise
from .reference_house import House, failure_of
from .reference_ledger import Ledger
from .reference_ways import Move, Turn, Way, Word
from .run import Run
from .trace import Record, Scene, Sight

CONTEXT_LINES: Final = 24
"""How many records are shown around a violation."""


@frozen
class Violation:
    """A promise that was broken.

    `sentence` says how, `at` when (virtual seconds), `request`, `caller` and `key` to whom, as far as that is known.
    `place` is that of the record, in the trace, at which it was noticed.
    """

    invariant: str
    sentence: str
    at: float
    request: int | None = None
    caller: int | None = None
    key: ModelKey | None = None
    place: int = -1

    def __str__(self) -> str:
        return f"{self.invariant}: at {self.at:.3f} s {self.sentence}"


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
            [Turn(entry, needs.fit(entry.capabilities, entry.limits.tpm)) for entry in entries],
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


class Invariant:
    """A promise, and whoever listens for what breaks it. See the module's text."""

    name: ClassVar[str]

    def __init__(self, told: Telling) -> None:
        self.told = told
        self.run = told.run
        self.violations: list[Violation] = []

    def say(
        self, sentence: str, *, request: int | None = None, caller: int | None = None, key: ModelKey | None = None
    ) -> None:
        """Say that the promise is broken. To whom, is told by the present record, as far as it is not told here."""
        record = self.told.record
        if isinstance(record, Fact):
            request = record.request if request is None else request
        if isinstance(record, Sight):
            caller = record.caller if caller is None else caller
        if record is not None and key is None:
            key = record.key
        if caller is None:
            caller = self.told.ledger.caller_number(request)
        place = self.told.place
        self.violations.append(Violation(self.name, sentence, self.told.now, request, caller, key, place))

    def on_time(self, at: float) -> None:
        """Time is about to move on to `at`."""

    def on_surprise(self, surprise: Surprise) -> None:
        """A change of health did not come as it should."""

    def at_end(self) -> None:
        """The trace has come to its end."""


Hook = Callable[[Any], None]


def tell(run: Run, invariants: Sequence[type[Invariant]]) -> Iterator[Violation]:
    """Tell a run to some invariants; return what is broken, in the order in which it was noticed."""
    told = Telling(run)
    listeners = [invariant(told) for invariant in invariants]
    hooks = {kind: _hooks(listeners, f"on_{kind.value}") for kind in (*Kind, *Scene)}
    clocks = [each.on_time for each in listeners if type(each).on_time is not Invariant.on_time]
    surprises = told.house.changes.surprises
    for told.place, record in enumerate(run.trace.records):
        if record.at > told.now:
            told.record = None
            for clock in clocks:
                clock(record.at)
            told.house.move_on(record.at)
            told.now = record.at
            _pass_on(surprises, listeners)
        told.record = record
        for hook in hooks[record.kind]:
            hook(record)
        told.take(record)
        _pass_on(surprises, listeners)
    told.record, told.place = None, len(run.trace.records)
    told.house.close()
    _pass_on(surprises, listeners)
    for listener in listeners:
        listener.at_end()
    yield from sorted((found for each in listeners for found in each.violations), key=lambda found: found.place)


def _hooks(listeners: Sequence[Invariant], name: str) -> list[Hook]:
    return [getattr(listener, name) for listener in listeners if hasattr(listener, name)]


def _pass_on(surprises: list[Surprise], listeners: Sequence[Invariant]) -> None:
    if surprises:
        for surprise in surprises:
            for listener in listeners:
                listener.on_surprise(surprise)
        surprises.clear()


def context(run: Run, violation: Violation) -> list[str]:
    """Return the lines of the trace around a violation that concern its request, its caller or its candidate."""
    records = run.trace.records
    before: list[int] = []
    after: list[int] = []
    middle = min(violation.place, len(records) - 1)
    for places, found in ((range(middle, -1, -1), before), (range(middle + 1, len(records)), after)):
        for place in places:
            if len(found) >= CONTEXT_LINES // 2:
                break
            if _concerns(records[place], violation, place):
                found.append(place)
    return [records[place].line() for place in [*reversed(before), *after]]


def _concerns(record: Record, violation: Violation, place: int) -> bool:
    if place == violation.place:
        return True
    if isinstance(record, Sight):
        if record.kind is Scene.STATUS:
            return False
        return violation.caller is not None and record.caller == violation.caller
    if violation.request is not None and record.request is not None:
        return record.request == violation.request
    return violation.key is not None and record.key == violation.key
