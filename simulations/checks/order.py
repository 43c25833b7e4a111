"""Who is asked next, and whether those who declined told the truth."""

from __future__ import annotations

from ...actors.identity import ModelKey
from ...actors.messages import Refusal
from ...actors.trace import Fact
from ..reference.candidate import CandidateState, Obstacle
from ..reference.clock import awake_at, jumps_of
from ..reference.limits import CLOSE
from ..reference.telling import Telling, move_of, word_of
from ..reference.ways import Move, Way, Word
from .retelling import Invariant


class Order(Invariant):
    """At every dispatch each earlier candidate had truthfully refused or failed this request.

    Whoever waits does so where it is ready soonest, and lines are first come first served.
    """

    name = "order"

    def __init__(self, told: Telling) -> None:
        super().__init__(told)
        self._jumps = jumps_of(told.run.scenario)
        self._sent_on: set[int] = set()
        self._skipped: dict[int, list[ModelKey]] = {}

    # Who is asked

    def on_skipped(self, fact: Fact) -> None:
        """Only who cannot take the request is skipped."""
        way = self.told.way_of(fact)
        turn = None if way is None or fact.key is None else way.turn(fact.key)
        if fact.key is None or turn is None or turn.fits:
            self.say(f"{fact.key} is skipped, and could take the request")
        else:
            self._skipped.setdefault(fact.request or 0, []).append(fact.key)

    def on_dispatched(self, fact: Fact) -> None:
        """The request goes where it must go next."""
        way = self.told.way_of(fact)
        if way is None or fact.key is None:
            return
        turn = way.turn(fact.key)
        if turn is None:
            self.say(f"{fact.key.name} is asked, and is no candidate of this route")
            return
        if way.current is None:
            self._check_skipped(way)
        elif not way.current.answered:
            return
        step, move = way.next(), move_of(fact)
        if move is not step.move or fact.key not in step.keys:
            self.say(f"it is sent to {fact.key.name} ({move}), and by what it was told it must {step}")

    def _check_skipped(self, way: Way) -> None:
        skipped = self._skipped.pop(way.request, [])
        for turn in way.turns:
            if not turn.fits and turn.key not in skipped:
                self.say(f"{turn.key.name} cannot take the request, and is not skipped", key=turn.key)

    # Whether they tell the truth

    def on_unqueued(self, fact: Fact) -> None:
        """Note who is sent on: what it is told is meant for all who are."""
        if fact.attempt is not None and fact.details.get("reason") != "left":
            self._sent_on.add(fact.attempt)

    def on_refused(self, fact: Fact) -> None:
        """What is told to the request is true."""
        state = self.told.state_of(fact)
        way = self.told.way_of_attempt(fact.attempt)
        if state is None or way is None or fact.attempt is None:
            return
        word, full, name = word_of(fact), bool(fact.details.get("full")), state.key.name
        held = state.held.get(fact.attempt)
        sent_on = fact.attempt in self._sent_on
        self._sent_on.discard(fact.attempt)
        if held is not None and full and held.not_before == word.ready_at:
            if len(state.held) <= state.entry.max_queued:
                self.say(f"{name} holds back no more second tries, and holds back only {len(state.held) - 1}")
            return
        tokens = 0.0 if sent_on else float(way.needs.tokens)
        if not is_true(state, word, tokens, first_in_line=sent_on):
            true = state.obstacle(fact.at, tokens, first_in_line=sent_on)
            self.say(f"{name} declined as {_told(word)}; the truth is {true or 'that it could have admitted it'}")
        if word.refusal is not Refusal.DOWN and word.queued != len(state.line):
            self.say(f"{name} says that {word.queued} wait in its line, which are {len(state.line)}")
        if full and len(state.line) < state.entry.max_queued:
            self.say(f"{name} says that its line is full, with {len(state.line)} in it")
        self._check_wait(way, word, full=full)

    def _check_wait(self, way: Way, word: Word, *, full: bool) -> None:
        ask = way.current
        if ask is not None and ask.move is Move.WAIT and not full and way.is_hope(ask.turn, word):
            self.say(f"{ask.turn.key.name} did not let it wait, although it is worth that")

    def on_queued(self, fact: Fact) -> None:
        """Only who may wait does, for the time that it is told."""
        state = self.told.state_of(fact)
        way = self.told.way_of_attempt(fact.attempt)
        if state is None or way is None or way.current is None:
            return
        if way.current.move is not Move.WAIT:
            self.say(f"it waits for {state.key.name}, where it was not sent to wait")
        if len(state.line) >= state.entry.max_queued:
            self.say(f"{state.key.name} lets it wait, with {len(state.line)} in its line, which is max_queued")
        obstacle = state.obstacle(fact.at, float(way.needs.tokens))
        ready_at = fact.details.get("ready_at")
        true = None if obstacle is None else obstacle.ready_at
        same = _same_time(ready_at if isinstance(ready_at, int | float) else None, true, fact.at)
        if not same or (obstacle is None and ready_at is None):
            self.say(f"it waits for {state.key.name} until {ready_at}; the truth is {obstacle}")

    # Lines

    def on_admitted(self, fact: Fact) -> None:
        """Nobody overtakes those who wait."""
        state = self.told.state_of(fact)
        if state is not None and state.line and fact.attempt != next(iter(state.line)):
            self.say(f"attempt {fact.attempt} at {state.key.name} goes before attempt {next(iter(state.line))}")

    def on_time(self, at: float) -> None:
        """Whoever waits goes as soon as it can, and goes elsewhere once it waits in vain."""
        for state in self.told.house.candidates.values():
            if state.line and state.on_stage and not state.down:
                self._check_line(state, at)
                if state.stirred:
                    self._check_vain(state)
            state.stirred = False

    def _check_line(self, state: CandidateState, at: float) -> None:
        """Follow the first in line from one obstacle to the next; whoever meets none before `at` should have gone."""
        attempt, tokens = next(iter(state.line.items()))
        now = self.told.now
        while now < at - CLOSE:
            obstacle = state.obstacle(now, tokens, first_in_line=True)
            if obstacle is None:
                if state.free_at(now, tokens) < now - CLOSE:
                    self._say_late(state, attempt, now)
                return
            if obstacle.ready_at is None:
                return
            now = max(awake_at(self._jumps, obstacle.ready_at), now + CLOSE)

    def _say_late(self, state: CandidateState, attempt: int, since: float) -> None:
        way = self.told.way_of_attempt(attempt)
        request = None if way is None else way.request
        self.say(
            f"attempt {attempt} waits for {state.key.name}, which could have admitted it at {since:.6f} s",
            request=request,
            key=state.key,
        )

    def _check_vain(self, state: CandidateState) -> None:
        obstacle = state.obstacle(self.told.now, 0.0, first_in_line=True)
        if obstacle is None:
            return
        word = Word(obstacle.refusal, obstacle.ready_at, 0, self.told.now)
        for attempt in state.line:
            way = self.told.way_of_attempt(attempt)
            if way is None or way.ended is not None or way.current is None:
                continue
            if not way.is_hope(way.current.turn, word):
                self.say(
                    f"attempt {attempt} waits for {state.key.name} in vain: it is {obstacle}",
                    request=way.request,
                    key=state.key,
                )


def is_true(state: CandidateState, word: Word, tokens: float, *, first_in_line: bool) -> bool:
    """Whether a candidate that declined told the truth; where rounding decides, either is true."""
    now = word.said_at
    true = state.obstacle(now, tokens, first_in_line=first_in_line)
    if true is not None and true.refusal is word.refusal and _same_time(word.ready_at, true.ready_at, now):
        return True
    line = {} if first_in_line else state.line
    if word.refusal is Refusal.SATURATED and word.ready_at is not None and word.ready_at <= now + CLOSE:
        return state.free_at(now, tokens, line) > now - CLOSE
    if true is not None and true.refusal is Refusal.SATURATED and (true.ready_at or 0.0) <= now + CLOSE:
        return word.refusal is Refusal.BUSY and not state.has_place(len(line))
    return False


def _same_time(told: float | None, true: float | None, now: float) -> bool:
    if told is not None and true is not None:
        return abs(told - true) <= CLOSE
    one = true if told is None else told
    return one is None or one <= now + CLOSE


def _told(word: Word) -> Obstacle:
    return Obstacle(word.refusal, word.ready_at)
