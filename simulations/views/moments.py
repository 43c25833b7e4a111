"""What stands in the margin of a timeline: the scenario's faults, and moments of note in words."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from attrs import define, frozen

from ...actors.identity import ModelKey
from ...actors.trace import Fact, Kind
from ..faults import Fault
from .axis import clock


@define
class FaultSpan:
    """A fault of the scenario: what, whom it touches (``""`` if that is not known), from when until when.

    `number` is its place in the scenario. One that happens at a moment ends when it begins; `flap` is as in `Fault`.
    """

    number: int
    kind: str
    start: float
    end: float
    whom: str = ""
    flap: tuple[float, float] | None = None

    @property
    def is_moment(self) -> bool:
        """Whether it happens at one moment."""
        return self.end == self.start

    @property
    def label(self) -> str:
        """What and whom, in words."""
        return f"{self.kind} {self.whom}".rstrip()

    def times_on(self) -> Iterator[tuple[float, float]]:
        """Return from when until when it is on."""
        if self.flap is None:
            yield self.start, self.end
            return
        on, off = self.flap
        for i in range(math.ceil((self.end - self.start) / (on + off))):
            start = self.start + i * (on + off)
            yield start, min(self.end, start + on)


@frozen
class Moment:
    """Something of note, in words; the candidate that it is about, if any; whether it is a fault of the scenario."""

    at: float
    text: str
    key: ModelKey | None = None
    is_fault: bool = False


def whom(fault: Fault) -> str:
    """Say whom a fault touches.

    >>> from ..faults import FaultKind
    >>> whom(Fault(FaultKind.REVOKED, candidate="glm*", credential="env:KEY"))
    'glm*, credential env:KEY'
    """
    globs = {"": fault.candidate, "provider ": fault.provider, "credential ": fault.credential, "route ": fault.route}
    words = [f"{what}{glob}" for what, glob in globs.items() if glob != "*"]
    return ", ".join(words)


WORDS: Final = {
    Kind.COOLING: "{name} cools until {until} ({reason})",
    Kind.EXTENDED: "{name} cools longer, until {until} ({reason})",
    Kind.RECOVERED: "{name} has recovered",
    Kind.DISTRUSTED: "{name} starts over empty and cooling: its state did not survive a crash",
    Kind.DOWN: "{name} is down: its actor crashed too often",
    Kind.REVIVED: "{name} is revived",
    Kind.CRASHED: "{actor} crashed ({detail})",
    Kind.RESTARTING: "{actor} comes back in {delay} s",
    Kind.RESTARTED_STREAM: "{name} starts the broken stream of request {request} over",
    Kind.GAVE_UP: "{name} broke off the stream of request {request}",
}
"""What is of note; of the requests that were given up, only streams that broke."""


def words(fact: Fact, key: ModelKey | None) -> str | None:
    """Say what happened, if it is of note, to a candidate, if it is about one."""
    template = WORDS.get(fact.kind)
    if template is None or (fact.kind is Kind.GAVE_UP and fact.details.get("reason") != "interrupted"):
        return None
    until = fact.details.get("until")
    told: dict[str, object] = defaultdict(lambda: "?", fact.details)
    told["until"] = clock(until) if isinstance(until, int | float) else "?"
    told["name"] = "somebody" if key is None else key.name
    if key is not None:
        told["actor"] = f"{'a worker' if told['actor'] == 'worker' else 'the actor'} of {key.name}"
    told["request"] = fact.request
    return template.format_map(told)
