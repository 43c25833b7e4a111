"""That nobody fails who need not, and that whoever is itself at fault troubles one candidate only."""

from __future__ import annotations

from typing import Final

from ...actors.failures import Reason, Scope
from ...actors.identity import ModelKey
from ...actors.messages import Refusal
from ...actors.policy import Next
from ...actors.trace import Fact
from ..faults import MOMENTS, Fault
from ..reference.candidate import CandidateState
from ..reference.telling import Telling
from ..reference.ways import Move, Turn, Way, Word
from ..scenario import Caller, Flaw
from ..trace import Sight
from .retelling import Invariant

TIME_ENOUGH: Final = 60.0
"""Seconds: whoever gives less may fail although all is well."""

OWN_LIMITS: Final = ("limit", "capacity")
"""What a provider that is well may find wrong all the same: it is asked for more than it can do."""


class NoNeedlessFailure(Invariant):
    """A request fails only when no candidate could have served it within its deadline."""

    name = "no-needless-failure"

    def __init__(self, told: Telling) -> None:
        super().__init__(told)
        self._asked: dict[int, Sight] = {}
        self._told_now = 0
        self._declined: dict[int, list[ModelKey]] = {}

    # Giving up

    def on_gave_up(self, fact: Fact) -> None:
        """Nobody is left to ask or to wait for, by what the request was told, and in truth."""
        way = self.told.way_of(fact)
        if way is None or way.current is None or not way.current.answered:
            return
        step = way.next()
        if step.move not in (Move.GIVE_UP, Move.REJECT):
            self.say(f"the request is given up, and by what it was told it must {step}")
        elif step.move is Move.GIVE_UP and not way.must_end:
            for turn in way.turns:
                self._check_turn(way, turn, fact.at)

    def _check_turn(self, way: Way, turn: Turn, now: float) -> None:
        """Say if a candidate could serve the request after all.

        What it said at this very instant is believed, and the time that it named, until that has come. Whoever was down
        counts as down for this request: only a person can bring it back, and that nobody waits for.
        """
        word = turn.word
        if not turn.fits or turn.out or word is None or word.said_at >= now or (word.ready_at or 0.0) > now:
            return
        if word.refusal is Refusal.DOWN:
            return
        state = self.told.house.candidates[turn.key]
        obstacle = state.obstacle(now, float(way.needs.tokens))
        name, said = turn.key.name, f"which declined as {word.refusal} at {word.said_at:.3f} s"
        if obstacle is None:
            self.say(f"the request is given up, and {name}, {said}, could have admitted it now", key=turn.key)
            return
        has_room = len(state.line) < state.entry.max_queued
        if has_room and way.is_hope(Turn(turn.entry, fits=True), Word(obstacle.refusal, obstacle.ready_at, 0, now)):
            self.say(f"the request is given up, and {name}, {said}, is worth waiting for: {obstacle}", key=turn.key)

    # The door

    def on_asked(self, sight: Sight) -> None:
        """Note who is at the door."""
        if sight.caller is not None:
            self._asked[sight.caller] = sight

    def on_time(self, at: float) -> None:
        """Whoever was told by now has left the house."""
        del at
        self._told_now = 0

    def on_told(self, sight: Sight) -> None:
        """Whoever is turned away at the door finds the house full."""
        asked = self._asked.pop(sight.caller if sight.caller is not None else -1, None)
        outcome = sight.details["outcome"]
        if outcome == "RouterOverloaded":
            inside = len(self._asked) + self._told_now + len(self.told.ledger.flights)
            if inside < self.run.config.max_pending:
                self.say(f"it is turned away, and at most {inside} requests are under way; max_pending allows more")
        else:
            self._told_now += 1
        if asked is not None and outcome not in ("served", "left"):
            self._check_healed(sight, asked)

    # After all is well again

    def on_refused(self, fact: Fact) -> None:
        """Note who declined whom."""
        if fact.key is not None and self._is_healed(fact.at):
            self._declined.setdefault(fact.request or 0, []).append(fact.key)

    def on_failed(self, fact: Fact) -> None:
        """Note who is asked for more than it can do."""
        flight = self.told.flight_of(fact)
        if flight is not None and flight.fault in OWN_LIMITS and self._is_healed(fact.at):
            self._declined.setdefault(flight.request, []).append(flight.key)

    def on_lost(self, fact: Fact) -> None:
        """Note whose attempt a crash has ended: it may have been executed, and is not tried again."""
        self.on_refused(fact)

    def _is_healed(self, at: float) -> bool:
        healed_at = self.run.scenario.healed_at
        return healed_at is not None and at >= healed_at

    def _check_healed(self, sight: Sight, asked: Sight) -> None:
        """Whoever comes when all who live are well is served, unless each of them has truthfully declined."""
        way = self.told.way_of_caller(sight)
        caller = None if sight.caller is None else self.run.callers[sight.caller]
        if way is None or caller is None or not self._is_healed(asked.at) or not _is_owed_service(caller):
            return
        dead = self._dead(asked.at)
        alive = [turn.key for turn in way.turns if turn.fits and turn.key not in dead]
        ask = way.current
        if not alive or (ask is not None and not ask.answered and ask.turn.key in dead):
            return  # it has spent its time on one that is dead
        if way.opened and ask is not None and ask.turn.key in dead:
            return  # the dead may begin a stream, and break it off
        declined = self._declined.get(way.request, ())
        if not any(key in declined for key in alive):
            names = ", ".join(key.name for key in alive)
            self.say(f"it is told {sight.details['outcome']} although {names} had been well since before it asked")

    def _dead(self, at: float) -> list[ModelKey]:
        faults: list[Fault] = [
            fault for fault in self.run.scenario.faults if fault.kind not in MOMENTS and fault.until > at
        ]
        return [key for key in self.run.config.entries if any(fault.touches(key) for fault in faults)]


def _is_owed_service(caller: Caller) -> bool:
    return caller.flaw is None and caller.leaves_after is None and caller.timeout >= TIME_ENOUGH


BLAMES: Final = {
    Flaw.FORMAT: Reason.FORMAT,
    Flaw.CONTENT_FILTER: Reason.CONTENT_FILTER,
    Flaw.TOO_LONG: Reason.CONTEXT_OVERFLOW,
}
"""What a candidate's failure must be called when a provider has found this wrong with the request."""

ENDS_ALL_THE_SAME: Final = ("RequestRejected", "left", "DeadlineExceeded", "RouterCrashed")


class FaultOfTheRequest(Invariant):
    """A request that is itself at fault touches one candidate and cools none."""

    name = "fault-of-the-request"

    def __init__(self, told: Telling) -> None:
        super().__init__(told)
        self._found: dict[int, tuple[Flaw, CandidateState]] = {}
        self._just_found: dict[ModelKey, int] = {}

    def on_answered(self, sight: Sight) -> None:
        """Note that a provider has found something wrong with a request."""
        flight = self.told.ledger.exchanges.get(int(sight.details["number"] or 0))
        fault = sight.details.get("fault")
        if flight is not None and fault in list(Flaw) and sight.details["how"] == "error":
            self._found[flight.request] = Flaw(str(fault)), self.told.house.candidates[flight.key]

    def on_failed(self, fact: Fact) -> None:
        """It is called by its name."""
        if fact.key is not None:
            self._just_found.pop(fact.key, None)
        flight = self.told.flight_of(fact)
        if flight is None or flight.fault not in list(Flaw) or flight.answer != "error":
            return
        self._just_found[flight.key] = flight.attempt
        reason = BLAMES[Flaw(flight.fault)]
        if fact.details.get("reason") != reason or fact.details.get("scope") != Scope.REQUEST:
            told = f"{fact.details.get('reason')} of the {fact.details.get('scope')}"
            self.say(f"the request itself is at fault ({reason}), and the failure is called {told}")

    def on_served(self, fact: Fact) -> None:
        """Whatever follows now does not follow from the request's fault."""
        if fact.key is not None:
            self._just_found.pop(fact.key, None)

    on_abandoned = on_served

    def on_cooling(self, fact: Fact) -> None:
        """Nobody cools for it."""
        if fact.key in self._just_found and fact.details.get("by") is None:
            self.say(f"{fact.key} cools for a fault of the request itself")

    on_extended = on_cooling

    def on_lost(self, fact: Fact) -> None:
        """What the provider found was lost in a crash."""
        self._found.pop(fact.request or 0, None)

    def on_dispatched(self, fact: Fact) -> None:
        """Nobody else is asked, but those with a larger window if it was too long."""
        flaw, state = self._found.get(fact.request or 0, (None, None))
        if flaw is None or state is None or fact.key is None:
            return
        goes_on = self.run.config.policy.rules[BLAMES[flaw]].next
        if goes_on is Next.NO:
            self.say(f"the request itself is at fault ({flaw}), and {fact.key.name} is asked after {state.key.name}")
        elif goes_on is Next.LARGER:
            window = self.run.config.entries[fact.key].capabilities.context_window or 0
            least = state.entry.capabilities.context_window or self.told.ledger.needs(fact.request).prompt
            if window <= least:
                self.say(f"the request is too long for {state.key.name}, and {fact.key.name} is no larger")

    def on_gave_up(self, fact: Fact) -> None:
        """Where nobody else is to be asked, the request is rejected, and for its fault."""
        way = self.told.way_of(fact)
        if way is None or way.current is None or not way.current.answered:
            return
        if way.broken:
            self._found.pop(fact.request or 0, None)  # then its caller is told of the stream that it was reading
        step, reason = way.next(), str(fact.details.get("reason"))
        if step.move is Move.REJECT and not way.broken and reason in ("exhausted", "interrupted"):
            self.say(f"the request itself is at fault, and is given up as {reason}")
        if step.move is Move.GIVE_UP and reason not in ("exhausted", "interrupted"):
            self.say(f"the request is rejected ({reason}), and is not at fault")

    def on_told(self, sight: Sight) -> None:
        """Its caller is told that it is rejected, where nobody else is to be asked."""
        request = self.told.ledger.request_of(sight.caller)
        flaw, state = self._found.pop(request or 0, (None, None))
        if flaw is None or state is None or self.run.config.policy.rules[BLAMES[flaw]].next is not Next.NO:
            return
        outcome = sight.details["outcome"]
        if outcome not in ENDS_ALL_THE_SAME:
            self.say(f"{state.key.name} found the request at fault ({flaw}), and its caller is told {outcome}")
