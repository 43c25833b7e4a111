"""What is on its way to candidates and leaves no trace of its own when it is read: strikes and resets.

A candidate reads its mailbox within the instant, unless it is off stage. So whatever was sent must have had its effect
when time has moved on; if it had none by then, there was none to have. Only a crash may swallow a strike.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, field

from ...actors.failures import Failure
from ...actors.identity import ModelKey
from ...actors.trace import Fact
from ..faults import FaultKind
from ..run import Run
from ..trace import Sight
from .candidate import CandidateState, Strike


@define(eq=False)
class Reset:
    """An operator ends a cooldown. `done`: it was read; `crashes`: how often the candidate had crashed by then."""

    at: float
    done: bool = False
    crashes: int = 0


@define(eq=False)
class Mail:
    """Strikes and resets that may not have been read yet."""

    run: Run
    candidates: dict[ModelKey, CandidateState]
    _struck: dict[ModelKey, CandidateState] = field(factory=dict)
    _resets: dict[ModelKey, list[Reset]] = field(factory=dict)

    # Strikes

    def strike(self, by: ModelKey, failure: Failure, now: float) -> None:
        """Send a failure of the credential to all who share it."""
        for key, state in self.candidates.items():
            if key != by and key.credential is not None and key.credential == by.credential:
                # One who has not read the last word yet is sent no other.
                unread = any(strike.by == by for strike in state.strikes)
                silent = unread or state.down or not state.health.would_be_struck(now, failure)
                state.strikes.append(Strike(by, failure, now, silent))
                self._struck[key] = state

    def read(self, state: CandidateState, fact: Fact) -> Strike | None:
        """Return the strike that a fact tells of, which is thereby read; ``None`` if there was none."""
        by, reason = fact.details.get("by"), fact.details.get("reason")
        for i, strike in enumerate(state.strikes):
            if strike.by.name == by and strike.failure.reason == reason:
                del state.strikes[: i + 1]
                return strike
        return None

    def look_again(self, state: CandidateState, now: float) -> None:
        """Note which strikes would have no effect now, after something has happened to their candidate."""
        for strike in state.strikes:
            strike.silent = strike.silent or not state.health.would_be_struck(now, strike.failure)

    def crash(self, state: CandidateState) -> None:
        """Note that a candidate may have lost what it was about to read."""
        for strike in state.strikes:
            strike.swallowed = True

    # Resets

    def reset(self, sight: Sight) -> None:
        """Note that an operator ends cooldowns now."""
        if sight.details.get("fault") != FaultKind.RESET_BY_HAND or sight.details.get("what") != "happened":
            return
        number = sight.details["number"]
        assert isinstance(number, int), "a fault is told by its place in the scenario"
        fault = self.run.scenario.faults[number]
        for key in self.candidates:
            if fault.touches(key):
                self._resets.setdefault(key, []).append(Reset(sight.at))

    def is_reset(self, state: CandidateState) -> bool:
        """Whether an operator has ended this candidate's cooldown, so that it may be told now; each reset once."""
        for reset in self._resets.get(state.key, ()):
            # A reset over which the actor crashes is carried out once more by the next one.
            if not reset.done or (not state.on_stage and state.crashes > reset.crashes):
                reset.done, reset.crashes = True, state.crashes
                return True
        return False

    def may_be_reset(self, state: CandidateState, now: float) -> bool:
        """Whether an operator may have ended its cooldown at this very instant, without that being told."""
        return any(reset.at == now for reset in self._resets.get(state.key, ()))

    # Time

    def move_on(self, now: float) -> Iterator[tuple[CandidateState, str]]:
        """Let time move on to `now`; return who has not done what it must have read of by then."""
        if self._struck:
            yield from self._settle_strikes(now)
        if self._resets:
            yield from self._settle_resets(now)

    def _settle_strikes(self, now: float) -> Iterator[tuple[CandidateState, str]]:
        for key, state in list(self._struck.items()):
            while state.strikes and (state.down or state.is_settled(state.strikes[0].at, now)):
                strike = state.strikes.pop(0)
                if state.down:
                    continue
                if not strike.silent:
                    if strike.swallowed:
                        continue  # had it been read, that would have been told
                    yield state, f"does not cool although {strike.by.name} failed with their credential"
                # It has changed nothing that can be seen, and yet it is a failure: the time without any begins anew.
                state.health.note(strike.at, perhaps=strike.swallowed)
            if not state.strikes:
                del self._struck[key]

    def _settle_resets(self, now: float) -> Iterator[tuple[CandidateState, str]]:
        # Candidates are reset one after another: one that is off stage keeps those behind it waiting.
        for key, resets in list(self._resets.items()):
            at = max(reset.at for reset in resets)
            if not all(state.down or state.is_settled(at, now) for state in self.candidates.values()):
                continue
            del self._resets[key]
            if any(reset.done for reset in resets):
                continue
            state = self.candidates[key]
            incident = state.health.incident
            if incident is None:
                state.health.reset()
            elif incident.began < at and not state.down:
                yield state, f"still cools although it was reset by hand at {at:.3f} s"
