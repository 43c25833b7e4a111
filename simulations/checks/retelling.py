"""A trace told again, record by record, with what should be true beside it; and whoever listens for what is not.

An invariant is a class that listens: before a record is read into the references, its `on_` method for that kind is
called (`on_admitted`, `on_told`, …), and says what it finds. `on_time` is called when time is about to move on,
`on_surprise` where a change of health did not come as it should, `at_end` at the end. All invariants are told one
telling, so that checking them all costs little more than checking one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Final

from attrs import frozen

from ...actors.identity import ModelKey
from ...actors.trace import Fact, Kind
from ..reference.changes import Surprise
from ..reference.telling import Telling
from ..run import Run
from ..trace import Record, Scene, Sight

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
