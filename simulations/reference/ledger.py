"""Who is behind what: requests and their callers, attempts under way, and what of them reached a provider.

A provider sees a caller's request come in, and nothing of attempts. Which attempt that was is told by the caller: it
has one attempt under way at a time.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from attrs import define, field

from ...actors.identity import ModelKey
from ...actors.trace import Fact, Kind
from ..run import Run
from ..scenario import Caller
from ..trace import Scene, Sight
from .candidate import Flight
from .needs import Needs, needs_of

NO_NEEDS = Needs()


@define(eq=False)
class Ledger:
    """What is known of requests and attempts at the present moment of a trace.

    `asked` is the sight in which a request's caller asks, `flights` are the attempts under way by request, `exchanges`
    those that a provider is at work on, by the provider's number. `tries` counts second tries by request and candidate,
    and `retry_at` says for when one was granted, by request.
    """

    run: Run
    asked: dict[int, Sight] = field(factory=dict, init=False)
    deadlines: dict[int, float] = field(factory=dict, init=False)
    flights: dict[int, Flight] = field(factory=dict, init=False)
    exchanges: dict[int, Flight] = field(factory=dict, init=False)
    retry_at: dict[int, float] = field(factory=dict, init=False)
    tries: Counter[tuple[int, ModelKey]] = field(factory=Counter, init=False)
    _requests: defaultdict[int, list[int]] = field(factory=lambda: defaultdict(list), init=False)
    _needs: dict[int, Needs] = field(factory=dict, init=False)

    def caller(self, request: int | None) -> Caller | None:
        """Return who is behind a request, ``None`` if nobody is known."""
        number = self.caller_number(request)
        return None if number is None else self.run.callers[number]

    def caller_number(self, request: int | None) -> int | None:
        """Return the number of who is behind a request."""
        asked = None if request is None else self.asked.get(request)
        return None if asked is None else asked.caller

    def request_of(self, caller: int | None) -> int | None:
        """Return a caller's last request."""
        requests = self._requests.get(-1 if caller is None else caller)
        return requests[-1] if requests else None

    def needs(self, request: int | None) -> Needs:
        """Return what a request needs."""
        caller = self.caller_number(request)
        if caller is None:
            return NO_NEEDS
        if caller not in self._needs:
            number = caller if self.run.introduces else None
            self._needs[caller] = needs_of(self.run.callers[caller], number)
        return self._needs[caller]

    def tokens(self, request: int | None) -> float:
        """Return how many tokens a request needs."""
        return float(self.needs(request).tokens)

    def flight_of(self, caller: int | None) -> Flight | None:
        """Return the attempt under way for a caller of which no provider has heard yet."""
        for request in reversed(self._requests.get(-1 if caller is None else caller, ())):
            flight = self.flights.get(request)
            if flight is not None and flight.number is None and not flight.unreached:
                return flight
        return None

    # What happens

    def take(self, fact: Fact) -> None:
        """Read a fact of the router's."""
        assert fact.request is not None, "whatever the router tells is about a request"
        if fact.kind is Kind.REQUESTED:
            self.deadlines[fact.request] = float(fact.details["deadline"] or 0.0)
        elif fact.key is not None and fact.details.get("again"):
            self.tries[fact.request, fact.key] += 1

    def see(self, sight: Sight) -> None:
        """Read what a provider or a caller saw."""
        match sight.kind:
            case Scene.ASKED:
                self._on_asked(sight)
            case Scene.RECEIVED:
                flight = self.flight_of(sight.caller)
                if flight is not None:
                    flight.number = int(sight.details["number"] or 0)
                    self.exchanges[flight.number] = flight
            case Scene.UNREACHED:
                flight = self.flight_of(sight.caller)
                if flight is not None:
                    flight.unreached = True
            case Scene.ANSWERED:
                self._on_answered(sight)

    def _on_asked(self, sight: Sight) -> None:
        request, caller = sight.details["request"], sight.caller
        assert isinstance(request, int), "whoever asks knows the number that the request would have"
        assert caller is not None, "it is a caller who asks"
        before = self.asked.get(request)
        if before is not None and before.caller is not None:
            self._requests[before.caller].remove(request)  # that one was not let in
        self.asked[request] = sight
        self._requests[caller].append(request)

    def _on_answered(self, sight: Sight) -> None:
        flight = self.exchanges.pop(int(sight.details["number"] or 0), None)
        if flight is not None:
            flight.answer = str(sight.details["how"])
            fault = sight.details.get("fault")
            flight.fault = None if fault is None else str(fault)
            flight.tokens = float(sight.details["tokens"] or 0.0)
