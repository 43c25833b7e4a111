"""That everybody is answered, and once."""

from __future__ import annotations

from typing import Final

from ...actors.failures import Reason
from ...actors.identity import ModelKey
from ...actors.trace import Fact
from ..reference.candidate import CandidateState
from ..reference.telling import Telling, move_of
from ..reference.ways import Move, Way
from ..trace import Sight
from .retelling import Invariant

NOT_LET_IN: Final = ("RouterOverloaded", "UnknownModel", "RequestRejected", "RouterCrashed")
"""What a caller may be told whose request has never come to a router that was on stage."""

AT_ANY_TIME: Final = ("left", "DeadlineExceeded")
"""What ends a request for its caller, whatever the router thinks of it."""

ENDS: Final = {
    "served": ("delivered",),
    "AllCandidatesFailed": ("exhausted",),
    "StreamInterrupted": ("interrupted",),
    "RequestRejected": tuple(reason.value for reason in Reason),
}
"""How a request must have ended of which the caller is told this."""


class OneAnswer(Invariant):
    """Every request ends exactly once, no attempt is left without a reply, nobody is asked twice in a pass."""

    name = "one-answer"

    def __init__(self, told: Telling) -> None:
        super().__init__(told)
        self._open: dict[int, Sight] = {}
        self._crashes = 0
        self._crashed_at: dict[str, float] = {}
        self._sent_at: dict[int, float] = {}
        self._leaving: list[tuple[CandidateState, int, float]] = []

    # Callers

    def on_asked(self, sight: Sight) -> None:
        """A caller asks once at a time."""
        assert sight.caller is not None, "it is a caller who asks"
        if sight.caller in self._open:
            self.say("it asks again, and has not been told")
        self._open[sight.caller] = sight

    def on_told(self, sight: Sight) -> None:
        """It is told once, and what the router has decided."""
        asked = self._open.pop(sight.caller if sight.caller is not None else -1, None)
        if asked is None:
            self.say("it is told, and has not asked")
            return
        way = self.told.way_of_caller(sight)
        self._check_told(str(sight.details["outcome"]), way, streams=bool(asked.details.get("stream")))

    def _check_told(self, outcome: str, way: Way | None, *, streams: bool) -> None:
        if outcome == "RouterCrashed":
            if not self._crashes:
                self.say("it is told that the router crashed, which it did not")
        elif outcome in AT_ANY_TIME:
            if way is not None and way.ended not in (None, "left") and way.ended_at < self.told.now and not streams:
                self.say(f"its request has ended ({way.ended}) at {way.ended_at:.3f} s, and it is told only now")
        elif way is None:
            if outcome not in NOT_LET_IN:
                self.say(f"it is told {outcome}, and its request was never let in")
        elif way.ended not in ENDS.get(outcome, ()):
            self.say(f"it is told {outcome}, and its request has ended as {way.ended}")

    # Requests

    def on_dispatched(self, fact: Fact) -> None:
        """One attempt at a time, to nobody twice in a pass."""
        self._sent_at[fact.attempt or 0] = fact.at
        way = self.told.way_of(fact)
        turn = None if way is None or fact.key is None else way.turn(fact.key)
        if way is None or way.ended is not None:
            self.say(f"attempt {fact.attempt} is sent for a request that is not under way")
        elif way.current is not None and not way.current.answered:
            self.say(f"attempt {fact.attempt} is sent, and attempt {way.current.attempt} has not been answered")
        elif turn is not None and turn.asked_in == way.tour and move_of(fact) is Move.ASK:
            self.say(f"{turn.key.name} is asked twice in a pass")

    def on_delivered(self, fact: Fact) -> None:
        """It ends with the answer of whoever served."""
        way = self._ending(fact)
        if way is not None and (way.next().move is not Move.DELIVER or _current(way) != fact.key):
            self.say(f"an answer of {fact.key} is delivered, and {_current(way)} was asked last and did not serve")

    def on_gave_up(self, fact: Fact) -> None:
        """It ends when the last answer is in."""
        way = self._ending(fact)
        if way is not None and way.current is not None and not way.current.answered:
            self.say(f"it is given up, and attempt {way.current.attempt} has not been answered")

    def on_left(self, fact: Fact) -> None:
        """It ends when its caller leaves, and then waits in no line."""
        way = self._ending(fact)
        if way is not None and way.current is not None and not way.current.answered:
            state = self.told.house.candidates[way.current.turn.key]
            self._leaving.append((state, way.current.attempt, fact.at))

    def on_time(self, at: float) -> None:
        """Whoever has left is out of line, as soon as its candidate has read of it."""
        unread: list[tuple[CandidateState, int, float]] = []
        for state, attempt, left_at in self._leaving:
            if not state.down and not state.is_settled(left_at, at):
                unread.append((state, attempt, left_at))
            elif attempt in state.line:
                self.say(f"attempt {attempt} waits for {state.key.name}, and its caller has left", key=state.key)
        self._leaving = unread

    def _ending(self, fact: Fact) -> Way | None:
        way = self.told.way_of(fact)
        if way is None or way.ended is not None:
            how = "" if way is None else f" ({way.ended})"
            self.say(f"the request ends ({fact.kind.value}), and it has not begun or has ended before{how}")
            return None
        return way

    # Attempts

    def on_admitted(self, fact: Fact) -> None:
        """Whoever is admitted was sent here, and has had no answer."""
        way = self.told.way_of_attempt(fact.attempt)
        if way is None or _current(way) != fact.key:
            self.say(f"attempt {fact.attempt} is admitted, and was not sent to {fact.key} or is answered already")
        if way is not None and way.request in self.told.ledger.flights:
            self.say(f"attempt {fact.attempt} is admitted, and another one of its request is under way")

    def on_refused(self, fact: Fact) -> None:
        """Whoever is refused has had no other answer."""
        if self.told.way_of_attempt(fact.attempt) is None:
            self.say(f"attempt {fact.attempt} is refused, and was not sent or is answered already")

    def on_served(self, fact: Fact) -> None:
        """Whatever ends was under way."""
        state = self.told.state_of(fact)
        if state is None or fact.attempt not in state.flights:
            self.say(f"attempt {fact.attempt} at {fact.key} has {fact.kind.value}, and was not under way")

    on_failed = on_served
    on_abandoned = on_served

    def on_received(self, sight: Sight) -> None:
        """Nothing is sent for a caller who has its answer."""
        flight = self.told.ledger.flight_of(sight.caller)
        way = None if flight is None else self.told.ways.get(flight.request)
        if flight is not None and (way is None or way.told):
            self.say(f"attempt {flight.attempt} is sent for a caller who was told already", key=flight.key)

    # Crashes and the end

    def on_crashed(self, fact: Fact) -> None:
        """Each crash of the router may take one request with it."""
        actor = str(fact.details.get("actor"))
        self._crashes += actor == "root/router"
        self._crashed_at[actor] = fact.at

    def on_lost(self, fact: Fact) -> None:
        """An attempt is lost in a crash of its candidate's actor, and for no other reason."""
        name = "" if fact.key is None else fact.key.name
        crashes = [self._crashed_at.get(actor, -1.0) for actor in (f"{name}/{name}", f"models/{name}", "root/models")]
        if max(crashes) < self._sent_at.get(fact.attempt or 0, 0.0):
            self.say(f"attempt {fact.attempt} is said to have been lost in a crash of {name}, which has not crashed")

    def at_end(self) -> None:
        """Everybody has been told, and every request has ended."""
        if self.run.hung is not None:
            self.say(f"the run has not come to its end: {self.run.hung}")
        for caller in self._open:
            self.say(f"caller {caller} is never told", caller=caller)
        endless = [way.request for way in self.told.ways.values() if way.ended is None]
        if len(endless) > self._crashes and not self.told.house.given_up:
            crashes = f" and {self._crashes} crashes of the router" if self._crashes else ""
            self.say(f"requests {endless} have no end{crashes}", request=endless[0])


def _current(way: Way) -> ModelKey | None:
    return None if way.current is None else way.current.turn.key
