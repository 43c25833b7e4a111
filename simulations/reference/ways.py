"""Each request's way through its candidates, recomputed: what it was told so far, and what it must do next.

This is what the runtime's own `Itinerary` is compared with. It is told only what the trace tells: whom the request was
sent to, and what they answered. Whether they answered truthfully is another question.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final

from attrs import define, field, frozen

from ...actors.failures import Failure
from ...actors.identity import ModelKey
from ...actors.itinerary import MAX_FAILURES
from ...actors.messages import Refusal
from ...actors.policy import Next, Policy
from ...supervisors.config import Entry
from .limits import CLOSE
from .needs import Needs


class Move(StrEnum):
    """What a request does next."""

    ASK = "ask"
    WAIT = "wait"
    AGAIN = "again"
    DELIVER = "deliver"
    REJECT = "reject"
    GIVE_UP = "give up"


@frozen
class Step:
    """A move, and whom it may go to (several, where they are ready at the same time)."""

    move: Move
    keys: tuple[ModelKey, ...] = ()

    def __str__(self) -> str:
        return f"{self.move} {' or '.join(key.name for key in self.keys)}".rstrip()


@frozen
class Word:
    """What a candidate said when it declined: why, when it is ready, how many wait there, and when it said so."""

    refusal: Refusal
    ready_at: float | None
    queued: int
    said_at: float


@define(eq=False)
class Turn:
    """One candidate of a request. `fits`: it can take the request at all; `out`: it is asked no more."""

    entry: Entry
    fits: bool
    out: bool = False
    asked_in: int = 0
    failures: int = 0
    word: Word | None = None
    is_full: bool = False

    @property
    def key(self) -> ModelKey:
        """Who it is."""
        return self.entry.key

    def is_due(self, now: float) -> bool:
        """Whether the time has come that it named when it declined."""
        ready_at = None if self.word is None else self.word.ready_at
        return self.word is not None and ready_at is not None and self.word.said_at < ready_at <= now


@define(eq=False)
class Ask:
    """An attempt that the request was sent as. `answered`: what came of it is known."""

    attempt: int
    turn: Turn
    move: Move
    at: float
    answered: bool = False


@define(eq=False)
class Way:
    """One request.

    `tour` counts its passes over the candidates. `opened`: a stream has begun; `broken`: that stream has broken off.
    `ended` is how it ended, for the router: the name of the fact, or the reason for which it was given up. `told`: its
    caller has been told.
    """

    request: int
    turns: Sequence[Turn]
    needs: Needs
    policy: Policy
    deadline: float
    waits: bool = False
    restarts: bool = False
    tour: int = field(default=1, init=False)
    current: Ask | None = field(default=None, init=False)
    opened: bool = field(default=False, init=False)
    broken: bool = field(default=False, init=False)
    ended: str | None = field(default=None, init=False)
    ended_at: float = field(default=0.0, init=False)
    told: bool = field(default=False, init=False)
    _verdict: Step | None = field(default=None, init=False)

    def turn(self, key: ModelKey) -> Turn | None:
        """Return a candidate's turn, ``None`` if it is none of this request's candidates."""
        return next((turn for turn in self.turns if turn.key == key), None)

    # What it was told

    def ask(self, attempt: int, turn: Turn, move: Move, now: float) -> None:
        """Note that it was sent to a candidate."""
        self.current, self._verdict = Ask(attempt, turn, move, now), None
        turn.asked_in = self.tour

    def refused(self, word: Word, *, full: bool) -> None:
        """Note that the candidate declined, or has dropped it from its queue."""
        ask = self._answer()
        ask.turn.word = word
        if ask.move is Move.WAIT and not full:
            self._begin_tour()
        else:
            ask.turn.is_full = ask.move is Move.WAIT
            self._go_round(word.said_at)

    def served(self) -> None:
        """Note that the candidate has served."""
        self._answer()
        self._verdict = Step(Move.DELIVER)

    def failed(self, failure: Failure, now: float, *, cooling_until: float | None, again: bool) -> None:
        """Note that the attempt failed. `again`: the same candidate takes it once more."""
        turn = self._answer().turn
        if self.opened:
            self.broken = True
            if not self.restarts:
                self._verdict = Step(Move.GIVE_UP)
                return
        if again:
            self._verdict = Step(Move.AGAIN, (turn.key,))
            return
        self._count_failure(turn, cooling_until, now)
        match self.policy.rules[failure.reason].next:
            case Next.NO:
                self._verdict = Step(Move.GIVE_UP if failure.retriable else Move.REJECT)
            case Next.LARGER if not self._keep_larger_than(turn):
                self._verdict = Step(Move.REJECT)
            case _:
                self._go_round(now)

    def lost(self, now: float) -> None:
        """Note that the attempt was lost to a crash of the candidate's own actor."""
        turn = self._answer().turn
        if self.opened:
            self.broken = True
            if not self.restarts:
                self._verdict = Step(Move.GIVE_UP)
                return
        self._count_failure(turn, None, now)
        self._go_round(now)

    def open(self) -> None:
        """Note that a stream has begun."""
        self.opened, self.broken = True, False

    def end(self, how: str, now: float) -> None:
        """Note that the request ended."""
        if self.ended is None:
            self.ended, self.ended_at = how, now

    def _answer(self) -> Ask:
        assert self.current is not None, "an answer answers an attempt"
        self.current.answered = True
        return self.current

    def _begin_tour(self) -> None:
        self.tour += 1
        for turn in self.turns:
            turn.is_full = False

    def _go_round(self, now: float) -> None:
        """Begin another pass if all were asked in this one, and a time has come that one of them named."""
        left = list(self._left())
        if all(turn.asked_in == self.tour for turn in left) and any(turn.is_due(now) for turn in left):
            self._begin_tour()

    def _count_failure(self, turn: Turn, cooling_until: float | None, now: float) -> None:
        turn.failures += 1
        if self.waits and cooling_until is not None and turn.failures < MAX_FAILURES:
            turn.word = Word(Refusal.COOLING, cooling_until, 0, now)
        else:
            turn.out = True

    def _keep_larger_than(self, small: Turn) -> bool:
        """Leave only those behind this one whose window is known to be larger. Return whether there are any."""
        window = small.entry.capabilities.context_window or self.needs.prompt
        is_behind = False
        for turn in self.turns:
            larger = (turn.entry.capabilities.context_window or 0) > window
            turn.out = turn.out or not (is_behind and larger)
            is_behind = is_behind or turn is small
        return any(not turn.out for turn in self._left())

    # What it must do next

    @property
    def must_end(self) -> bool:
        """Whether its last answer alone ends it, whoever is left."""
        return self._verdict is not None and self._verdict.move in (Move.GIVE_UP, Move.REJECT)

    def next(self) -> Step:
        """Return what it must do now that the last answer is in."""
        if self._verdict is not None:
            return self._verdict
        for turn in self._left():
            if turn.asked_in < self.tour:
                return Step(Move.ASK, (turn.key,))
        return self._wait()

    def _left(self) -> Iterator[Turn]:
        return (turn for turn in self.turns if turn.fits and not turn.out)

    def _wait(self) -> Step:
        hopes = [(turn, turn.word) for turn in self._left() if turn.word is not None and self.is_hope(turn, turn.word)]
        times = {turn.key: word.ready_at for turn, word in hopes if word.ready_at is not None}
        if times:
            soonest = min(times.values())
            return Step(Move.WAIT, tuple(key for key, ready_at in times.items() if ready_at <= soonest + CLOSE))
        if hopes:
            turn, _ = min(hopes, key=lambda hope: hope[1].queued)
            return Step(Move.WAIT, (turn.key,))
        return Step(Move.GIVE_UP)

    def is_hope(self, turn: Turn, word: Word) -> bool:
        """Whether a candidate that said this is worth waiting for."""
        if turn.is_full or word.refusal in NEVER_READY:
            return False
        if word.refusal is Refusal.COOLING and not self.waits:
            return False
        return word.ready_at is None or word.ready_at < self.deadline


NEVER_READY: Final = (Refusal.DOWN, Refusal.UNFIT)
