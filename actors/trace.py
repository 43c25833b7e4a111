"""The ordered record of everything that happened: the same vocabulary in production and in simulation.

Actors record facts as they act; where facts go is somebody else's business, and by default they go nowhere. A fact
names the request, the attempt and the model key that it is about, as far as there are any, and a few details that
are plain text or numbers. No fact carries a prompt, a reply or a secret.

`requested` and `admitted` are told inside a copy of the context (`contextvars`) in which the caller made its request;
of `admitted` it is the one in which the attempt will be performed, so that what a sink sets there is seen by whatever
the attempt runs through.

| kind | what happened | details |
|---|---|---|
| `requested` | a request entered | `route`, `deadline`, `candidates` |
| `skipped` | a candidate cannot take this request at all | `detail` |
| `dispatched` | the router asked a candidate | `wait` (1: it may queue), `again` (1: a second try) |
| `refused` | a candidate declined | `reason`, `ready_at`, `queued` (how many wait there), `full` (1: no more may) |
| `queued`, `unqueued` | an attempt waits for this candidate; it left the queue unsent | `ready_at`; `reason` |
| `admitted` | token and permit taken, the attempt is on its way | `generation`, `probe` (lease, 0: none), `tokens` |
| `sent` | the attempt went out later than it was admitted | |
| `opened` | a stream's first content arrived | |
| `served` | the attempt succeeded | `tokens` (used), `generation` |
| `failed` | the attempt failed | `reason`, `scope`, `status`, `stated`, `executed` (1: perhaps), `generation` |
| `abandoned` | the attempt was cancelled: its caller left, or its actor crashed | `sent` |
| `lost` | its actor crashed while it held the attempt, which ends as failed | `executed` (1: perhaps) |
| `cooling` | a cooldown began | `until`, `incidents`, `generation`, `reason`, `by` (whose failure, if shared) |
| `extended` | a cooldown's end moved later | as for `cooling` |
| `recovered` | the probe came back well | |
| `returned` | a probe's lease was given back, nothing learnt | |
| `stated` | the provider said what is left | `what`, `left`, `reset` |
| `restarted_stream` | the next candidate starts a broken stream over | |
| `delivered` | the request ended with an answer | `attempts` |
| `gave_up` | the request ended without one | `reason`, `attempts` |
| `left` | the caller left before its answer, or its deadline passed | `reason` |
| `started`, `crashed`, `restarting` | an actor is on stage; met a bug; will be back | `actor`, `detail`, `delay` |
| `down`, `revived` | a candidate's stand-in has taken over; it has left the stage again | |
| `distrusted` | a candidate's state did not survive a crash, and starts over empty and cooling | `until` |
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from attrs import field, frozen

from .identity import ModelKey

if TYPE_CHECKING:
    from .messages import Usage

log = logging.getLogger("understudy")

Detail = str | int | float | None


class Kind(StrEnum):
    """What happened; the table in the module's text says what each kind means."""

    __hash__ = str.__hash__  # each fact asks who hears its kind, and Enum's own takes a call of Python's

    REQUESTED = "requested"
    SKIPPED = "skipped"
    DISPATCHED = "dispatched"
    REFUSED = "refused"
    QUEUED = "queued"
    UNQUEUED = "unqueued"
    ADMITTED = "admitted"
    SENT = "sent"
    OPENED = "opened"
    SERVED = "served"
    FAILED = "failed"
    ABANDONED = "abandoned"
    LOST = "lost"
    COOLING = "cooling"
    EXTENDED = "extended"
    RECOVERED = "recovered"
    RETURNED = "returned"
    STATED = "stated"
    RESTARTED_STREAM = "restarted_stream"
    DELIVERED = "delivered"
    GAVE_UP = "gave_up"
    LEFT = "left"
    STARTED = "started"
    CRASHED = "crashed"
    RESTARTING = "restarting"
    DOWN = "down"
    REVIVED = "revived"
    DISTRUSTED = "distrusted"


@frozen
class Fact:
    """One thing that happened, at `at` seconds on the runtime's clock.

    `usage` is what the provider counted for an attempt that was `served`. It is for those who listen, and not written:
    what the limits go by is `tokens`.
    """

    at: float
    kind: Kind
    request: int | None = None
    attempt: int | None = None
    key: ModelKey | None = None
    details: Mapping[str, Detail] = field(factory=dict)
    usage: Usage | None = field(default=None, eq=False)

    def line(self) -> str:
        """Return the fact as one line of JSON that is the same on every machine: Python writes floats exactly."""
        told: dict[str, Detail] = {"at": self.at, "kind": self.kind.value}
        if self.request is not None:
            told["request"] = self.request
        if self.attempt is not None:
            told["attempt"] = self.attempt
        if self.key is not None:
            told |= identity_of(self.key)
        return json_line(told, self.details)


def identity_of(key: ModelKey) -> dict[str, Detail]:
    """Return a model key as a line tells it; a detail never has one of these names."""
    told: dict[str, Detail] = {"key": key.name, "model": f"{key.provider}/{key.model}"}
    if key.credential is not None:
        told["credential"] = key.credential
    return told


_write: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def json_line(told: dict[str, Detail], details: Mapping[str, Detail]) -> str:
    """Return who and when, then the details by name, as one line of JSON; what is ``None`` is left out."""
    for name in sorted(details):
        value = details[name]
        if value is not None:
            told[name] = value
    return _write(told)


Sink = Callable[[Fact | None], None]
"""Hears every fact, and ``None`` once there will be no more."""

EVERYTHING: Final = frozenset(Kind)
"""The kinds that a sink hears if it does not say which."""

OF_EACH_REQUEST: Final = frozenset(
    {Kind.REQUESTED, Kind.DISPATCHED, Kind.REFUSED, Kind.ADMITTED, Kind.SERVED, Kind.FAILED, Kind.DELIVERED}
)
"""What is told of nearly every request, so that it should cost nothing where nobody hears it."""

MAX_SINKS: Final = 64
"""How many may listen at once; more is a leak."""


class Door(Protocol):
    """Hears who comes and goes, which no fact tells of. It must neither raise nor wait, as a sink."""

    def entered(self, request: int, at: float, route: str, *, endpoint: str, stream: bool) -> None:
        """Hear of a request that is let in; in the task, and so in the context, of whoever makes it."""
        ...

    def closed(self, request: int, at: float) -> None:
        """Hear that nobody works on a request any more: no fact about it follows.

        That holds also for one whose end no fact tells, because the router crashed over it.
        """
        ...


@frozen(eq=False)
class _Listener:
    sink: Sink
    kinds: Collection[Kind]
    door: Door | None


class Trace:
    """Where actors record facts, and who listens.

    Recording is synchronous and happens in the order in which things were decided. A fact that nobody hears is not
    even made: actors ask first whether its kind is among those that are `heard`, or for what is told of each request
    whether anybody `hears_requests`: most often there is only the log, which hears what is rare. Likewise
    `has_doors`: whether anybody hears who comes and goes.
    """

    def __init__(self) -> None:
        # Both are replaced and never changed, so that they may be while facts are told.
        self._listeners: tuple[_Listener, ...] = ()
        self._doors: tuple[_Listener, ...] = ()
        self.heard: frozenset[Kind] = frozenset()
        self.hears_requests = False
        self.has_doors = False
        self.ended = False

    def add(self, sink: Sink, *, kinds: Collection[Kind] = EVERYTHING, door: Door | None = None) -> None:
        """Let `sink` hear every fact of these kinds from now on, and `door` who comes and goes.

        Neither must raise or wait. One that raises is told no more.
        """
        if len(self._listeners) >= MAX_SINKS:
            raise RuntimeError(f"more than {MAX_SINKS} listeners on one trace: close event streams after use")
        self._let_listen((*self._listeners, _Listener(sink, frozenset(kinds), door)))

    def remove(self, sink: Sink) -> None:
        """Let `sink` hear no more. Removing one that does not listen does nothing."""
        for place, listener in enumerate(self._listeners):
            if listener.sink == sink:
                self._let_listen(self._listeners[:place] + self._listeners[place + 1 :])
                return

    def _let_listen(self, listeners: tuple[_Listener, ...]) -> None:
        self._listeners = listeners
        self._doors = tuple(listener for listener in listeners if listener.door is not None)
        self.heard = frozenset(kind for listener in listeners for kind in listener.kinds)
        self.hears_requests = not self.heard.isdisjoint(OF_EACH_REQUEST)
        self.has_doors = bool(self._doors)

    def end(self) -> None:
        """Tell all who listen that there will be no more facts, and let go of them."""
        listeners, self.ended = self._listeners, True
        self._let_listen(())
        for listener in listeners:
            self._tell_one(listener, None)

    def record(
        self,
        at: float,
        kind: Kind,
        *,
        request: int | None = None,
        attempt: int | None = None,
        key: ModelKey | None = None,
        **details: Detail,
    ) -> None:
        """Make a fact and tell all who listen."""
        if kind in self.heard:
            self.tell(Fact(at, kind, request, attempt, key, details))

    def tell(self, fact: Fact) -> None:
        """Tell all who listen of a fact."""
        for listener in self._listeners:
            # Unless another listener has just removed it, or ended the trace.
            if fact.kind in listener.kinds and listener in self._listeners:
                self._tell_one(listener, fact)

    def entered(self, request: int, at: float, route: str, *, endpoint: str, stream: bool) -> None:
        """Tell those at the door that a request was let in; in the task of whoever makes it."""
        for listener in self._doors:
            assert listener.door is not None
            try:
                listener.door.entered(request, at, route, endpoint=endpoint, stream=stream)
            except Exception:
                self._dismiss(listener)

    def closed(self, request: int, at: float) -> None:
        """Tell those at the door that nobody works on a request any more."""
        for listener in self._doors:
            assert listener.door is not None
            try:
                listener.door.closed(request, at)
            except Exception:
                self._dismiss(listener)

    def _tell_one(self, listener: _Listener, fact: Fact | None) -> None:
        try:
            listener.sink(fact)
        except Exception:
            self._dismiss(listener)

    def _dismiss(self, listener: _Listener) -> None:
        """Tell one that raised no more: whoever only listens must not hurt those who act."""
        self.remove(listener.sink)
        log.exception("a listener of the trace raised and is told no more")
