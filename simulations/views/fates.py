"""What became of every request, told from a trace: who asked for what, who served it, how long it took.

In a rehearsal the callers tell how they fared, and their word counts: also those are known who were never let in, and
streams end when they have been read. In a trace of facts alone a request lasts from `requested` to `delivered`,
`gave_up` or `left`, and its class is the route that it asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

from attrs import define, field

from ...actors.failures import Reason
from ...actors.identity import ModelKey
from ...actors.trace import Fact, Kind
from ..trace import Scene, Sight


class Fate(StrEnum):
    """How a request ended."""

    FIRST = "first"
    OTHER_KEY = "other_key"
    FALLBACK = "fallback"
    REJECTED = "rejected"
    LEFT = "left"
    FAILED = "failed"
    OPEN = "open"


FATES: Final[Mapping[Fate, str]] = {
    Fate.FIRST: "served by the first candidate",
    Fate.OTHER_KEY: "served by another key of that model",
    Fate.FALLBACK: "served by a fallback",
    Fate.REJECTED: "rejected, itself at fault",
    Fate.LEFT: "its caller left",
    Fate.FAILED: "failed",
    Fate.OPEN: "without an end in the trace",
}
"""The fates in words. A fallback is here whoever has another provider or model than the first candidate."""

SERVED: Final = (Fate.FIRST, Fate.OTHER_KEY, Fate.FALLBACK)

REJECTIONS: Final = ("RequestRejected", "UnknownModel")
"""The errors that say that the request is itself at fault."""

GIVEN_UP: Final = {"exhausted": "AllCandidatesFailed", "interrupted": "StreamInterrupted"}
"""What a caller is told whose request was given up for this reason; for all others: that it is rejected."""


@define(eq=False)
class Request:
    """One request.

    Attributes:
        at, ended_at: when it was made, and when it ended, in seconds from the beginning.
        group: its class of callers.
        route: what it asked for.
        stream: whether its answer was read as it was written.
        number: its number in the trace, ``None`` if it was not let in.
        first: the first candidate of its line, as far as the trace tells.
        served_by: who served it.
        first_content_at: when a stream's first content was there.
        fate: how it ended.
        error: the name of the error that its caller got.

    """

    at: float
    group: str
    route: str
    stream: bool = False
    number: int | None = None
    told_by_caller: bool = False
    first: ModelKey | None = None
    served_by: ModelKey | None = None
    first_content_at: float | None = None
    fate: Fate = Fate.OPEN
    error: str | None = None
    ended_at: float = math.inf

    @property
    def served(self) -> bool:
        """Whether it was served, by whomever."""
        return self.fate in SERVED

    def serve(self, at: float, key: ModelKey | None) -> None:
        """Note that it was served."""
        self.ended_at, self.served_by = at, key
        if key is None or self.first is None or key.ref != self.first.ref:
            self.fate = Fate.FALLBACK
        else:
            self.fate = Fate.FIRST if key == self.first else Fate.OTHER_KEY

    def fail(self, at: float, error: str) -> None:
        """Note which error its caller got."""
        self.ended_at, self.error = at, error
        self.fate = Fate.REJECTED if error in REJECTIONS else Fate.FAILED

    def leave(self, at: float) -> None:
        """Note that its caller left."""
        self.ended_at, self.fate = at, Fate.LEFT


@define(eq=False)
class Requests:
    """Collects requests from a trace's records. `routes` are the header's: the candidates' names by route."""

    routes: Mapping[str, Sequence[str]] = field(factory=dict)
    all: list[Request] = field(factory=list, init=False)
    _by_number: dict[int | None, Request] = field(factory=dict, init=False)
    _by_caller: dict[int | None, Request] = field(factory=dict, init=False)
    _skipped: dict[int | None, list[ModelKey]] = field(factory=dict, init=False)
    _heads: dict[str, str] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._heads = {route: names[0] for route, names in self.routes.items() if names}

    def see(self, sight: Sight) -> None:
        """Take in what a caller did or was told."""
        if sight.kind is Scene.ASKED:
            details = sight.details
            request = Request(
                sight.at, str(details.get("group")), str(details.get("route")), bool(details.get("stream"))
            )
            request.told_by_caller = True
            self.all.append(request)
            self._by_caller[sight.caller] = request
            # Whoever is not let in leaves the number to the next one, who then takes this place.
            number = details.get("request")
            self._by_number[number if isinstance(number, int) else None] = request
        elif sight.kind is Scene.TOLD and sight.caller in self._by_caller:
            self._told(self._by_caller.pop(sight.caller), sight)

    def take(self, fact: Fact) -> None:
        """Take in a fact about a request."""
        if fact.kind is Kind.REQUESTED:
            self._requested(fact)
            return
        request = self._by_number.get(fact.request)
        if request is None:
            return
        match fact.kind:
            case Kind.SKIPPED if fact.key is not None:
                self._skipped.setdefault(fact.request, []).append(fact.key)
            case Kind.DISPATCHED if request.first is None:
                request.first = self._first(request, fact)
            case Kind.OPENED if request.first_content_at is None:
                request.first_content_at, request.stream = fact.at, True
            case Kind.DELIVERED | Kind.GAVE_UP | Kind.LEFT if request.fate is Fate.OPEN and not request.told_by_caller:
                _end(request, fact)

    def _requested(self, fact: Fact) -> None:
        request = self._by_number.get(fact.request)
        if request is None or request.number is not None:
            route = str(fact.details.get("route"))
            request = Request(fact.at, route, route)
            self.all.append(request)
            self._by_number[fact.request] = request
        request.number = fact.request
        self._skipped.pop(fact.request, None)

    def _first(self, request: Request, fact: Fact) -> ModelKey | None:
        """Return the head of its line: who was asked first, unless the head of its route was skipped."""
        assert fact.key is not None
        skipped = self._skipped.pop(fact.request, [])
        if not skipped:
            self._heads.setdefault(request.route, fact.key.name)
        head = self._heads.get(request.route)
        return next((key for key in skipped if key.name == head), fact.key)

    def _told(self, request: Request, sight: Sight) -> None:
        outcome = str(sight.details.get("outcome"))
        match outcome:
            case "served":
                request.serve(sight.at, sight.key)
            case "left":
                request.leave(sight.at)
            case _:
                request.fail(sight.at, outcome)


def _end(request: Request, fact: Fact) -> None:
    reason = str(fact.details.get("reason"))
    if fact.kind is Kind.DELIVERED:
        request.serve(fact.at, fact.key)
    elif fact.kind is Kind.GAVE_UP:
        # What is neither of the two is a reason of policy: a request at fault, or one that nobody else may try.
        request.fail(fact.at, GIVEN_UP.get(reason, "RequestRejected" if reason in list(Reason) else reason))
    elif reason == "deadline":
        request.fail(fact.at, "DeadlineExceeded")
    else:
        request.leave(fact.at)
