"""Changes of health: those that must come, compared with those that a trace tells of.

What ends an attempt and what it does to its candidate's health are told in one breath, so the next fact about that
candidate must be the change that follows, or there is none to follow. A change that follows from nothing of the
candidate's own is a strike or a reset by hand, if there was one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import define, field, frozen

from ...actors.failures import Failure
from ...actors.identity import ModelKey
from ...actors.trace import Fact, Kind
from .candidate import CandidateState
from .health import Change
from .limits import CLOSE
from .mail import Mail

CHANGES: Final = (Kind.COOLING, Kind.EXTENDED, Kind.RECOVERED, Kind.RETURNED)


@frozen
class Surprise:
    """A change of health that was told and should not have been, or should have been told and was not.

    `foreign`: it is as if it came from another candidate.
    """

    sentence: str
    key: ModelKey
    foreign: bool = False


@frozen
class _Due:
    """A change that the next fact about a candidate must tell, and the failure that it follows from, if any."""

    change: Kind
    failure: Failure | None


@define(eq=False)
class Changes:
    """What is due, and what came as a surprise. `lost` says when attempts are lost to a crash."""

    mail: Mail
    lost: Mapping[int, float]
    surprises: list[Surprise] = field(factory=list)
    _due: dict[ModelKey, _Due] = field(factory=dict)

    def follow(self, state: CandidateState, change: Change, failure: Failure | None = None) -> None:
        """Note that a change follows from what has just happened."""
        if change is not None:
            self._due[state.key] = _Due(change, failure)

    def hear(self, fact: Fact, state: CandidateState) -> None:
        """Hear a fact about a candidate of which a change may be due."""
        due = self._due.get(state.key)
        if due is not None and due.change is not fact.kind:
            del self._due[state.key]
            self._miss(state, due)

    def close(self, candidates: Mapping[ModelKey, CandidateState]) -> None:
        """Come to the end of the trace."""
        for key, due in self._due.items():
            self._miss(candidates[key], due)

    def take(self, fact: Fact, state: CandidateState) -> None:
        """Take in a fact that tells of a change."""
        due = self._due.pop(state.key, None)
        if due is not None:
            self._compare(fact, state, due.failure)
        elif fact.kind is Kind.RETURNED:
            self._take_return(fact, state)
        elif fact.details.get("by") is not None:
            self._take_strike(fact, state)
        else:
            self.wonder(state, f"is said to be {fact.kind.value}, and nothing has happened that it follows from")

    def wonder(self, state: CandidateState, sentence: str, *, foreign: bool = False) -> None:
        """Note a surprise."""
        self.surprises.append(Surprise(f"{state.key.name} {sentence}", state.key, foreign))

    def _miss(self, state: CandidateState, due: _Due) -> None:
        why = "" if due.failure is None else f" after a failure ({due.failure.reason})"
        incident = state.health.incident
        until = "" if incident is None else f" until {incident.end:.6f} s"
        cools = due.change in (Kind.COOLING, Kind.EXTENDED)
        what = f"must cool{until}{why}" if cools else f"must be {due.change.value}"
        self.wonder(state, f"{what}, and the trace does not tell of it")

    def _take_return(self, fact: Fact, state: CandidateState) -> None:
        """Take in that a lease was given back: by a crash over the attempt that held it, or by hand."""
        probe = state.probe
        if probe is not None and self.lost.get(probe.attempt) == fact.at and (state.down or not state.on_stage):
            state.health.unknown(probe.stamp)
        elif self.mail.is_reset(state):
            state.health.reset()
        else:
            self.wonder(state, "is said to have a lease given back that no attempt has ended with")

    def _take_strike(self, fact: Fact, state: CandidateState) -> None:
        strike = self.mail.read(state, fact)
        if strike is None:
            by = fact.details["by"]
            self.wonder(state, f"cools for a failure of {by}, which did not fail with their credential", foreign=True)
            return
        change = state.health.struck(fact.at, strike.failure)
        if change is fact.kind:
            self._compare(fact, state, strike.failure)
        else:
            told = "nothing" if change is None else change.value
            self.wonder(state, f"is said to be {fact.kind.value} for a failure of {strike.by.name}; it must be {told}")

    def _compare(self, fact: Fact, state: CandidateState, failure: Failure | None) -> None:
        """Compare what is told of a cooldown with what it should be."""
        incident = state.health.incident
        if fact.kind not in (Kind.COOLING, Kind.EXTENDED) or incident is None or failure is None:
            return
        count = fact.details.get("incidents")
        if count == 1 != state.health.count and self.mail.may_be_reset(state, fact.at):
            state.health.recount(fact.at, failure, 1)
        elif fact.kind is Kind.COOLING and isinstance(count, int) and count == state.health.count_perhaps:
            state.health.recount(fact.at, failure, count)
        if count != state.health.count:
            self.wonder(state, f"counts {count} incidents in a row; they are {state.health.count}")
        until, end = fact.details.get("until"), incident.end
        if until is None and end > fact.at + CLOSE:
            self.wonder(state, f"does not cool, and should until {end:.6f} s")
        elif isinstance(until, int | float) and abs(until - end) > CLOSE:
            self.wonder(state, f"cools until {until:.6f} s; it should until {end:.6f} s, for {failure.reason}")
        if fact.details.get("reason") != failure.reason:
            self.wonder(state, f"is said to cool for {fact.details.get('reason')}; it failed with {failure.reason}")
