"""The fields of a ``[[fault]]`` in a scenario file, and which of them each kind of fault takes.

The kinds themselves are told in `faults`. A field that a kind does not take would be read and have no effect; so it is
a mistake, and so is a fault that has no effect because it lacks one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import evolve

from ...supervisors.config_checks import number, text, whole
from ...supervisors.config_fields import Field, Values
from ...supervisors.config_mistakes import Spot, show
from ..faults import DELAYS, MOMENTS, STREAM_FAULTS, Fault, FaultKind
from .durations import any_time, moment_or_never, some_time
from .scenario_checks import error_status, pair_of, share, wait, word_of
from .scenario_tables import make

_WHOM: Final = ("candidate", "provider", "credential")
_WHILE: Final = ("until", "probability", "flap")

_PARTICULAR: Final[Mapping[FaultKind, tuple[str, ...]]] = {
    FaultKind.RATE_LIMITED: ("wait",),
    FaultKind.OVERLOADED: ("wait",),
    FaultKind.SERVER_ERROR: ("status",),
    FaultKind.MISSTATED: ("left", "wait"),
    FaultKind.SLOW: ("seconds", "factor"),
    FaultKind.SLOW_START: ("seconds",),
    **dict.fromkeys(STREAM_FAULTS, ("after",)),
    FaultKind.CLOCK_JUMP: ("seconds",),
    FaultKind.MODEL_CRASH: (*_WHOM, "times"),
    FaultKind.ROUTER_CRASH: ("times",),
    FaultKind.CALLERS_LEAVE: ("probability", "route"),
    FaultKind.RESET_BY_HAND: _WHOM,
}

TAKES: Final[Mapping[FaultKind, tuple[str, ...]]] = {
    kind: ("kind", "at", *(() if kind in MOMENTS else (*_WHOM, *_WHILE)), *_PARTICULAR.get(kind, ()))
    for kind in FaultKind
}
"""The fields of a `Fault` that mean something for each kind."""

NEEDS: Final[Mapping[FaultKind, tuple[str, ...]]] = {
    kind: _PARTICULAR[kind] for kind in (*DELAYS, FaultKind.CLOCK_JUMP)
}
"""Of what these kinds take, something must be given: without it nothing would happen."""

FAULT: Final[Mapping[str, Field]] = {
    "kind": Field(word_of(FaultKind, "kind of fault"), required=True),
    "at": Field(any_time),
    "until": Field(moment_or_never),
    "for": Field(some_time),
    "candidate": Field(text),
    "provider": Field(text),
    "credential": Field(text),
    "probability": Field(share),
    "flap": Field(pair_of("how long it is on, and how long off", some_time)),
    "wait": Field(wait),
    "status": Field(error_status),
    "seconds": Field(any_time),
    "factor": Field(number()),
    "after": Field(whole()),
    "left": Field(whole()),
    "times": Field(whole(1)),
    "route": Field(text),
}
"""``for`` is another way to say ``until``; all others are fields of `Fault`."""


def make_fault(spot: Spot, read: Values) -> Fault:
    """Make a fault of its fields, if it takes them."""
    if "kind" in read.given and "kind" not in read.wrong:
        _check_taken(spot, read)
    fault: Fault = make(Fault, read)
    if "for" not in read.given:
        if fault.until <= fault.at:
            raise spot.at("until", None).wrong("must be later than `at`")
        return fault
    if "until" in read.given:
        raise spot.at("for", None).wrong("either `for` or `until`, not both")
    return evolve(fault, until=fault.at + read["for"])


def _check_taken(spot: Spot, read: Values) -> None:
    """Note fields that this kind of fault does not take, and a lack of those that it needs."""
    kind: FaultKind = read["kind"]
    takes = [*TAKES[kind], *(["for"] if "until" in TAKES[kind] else [])]
    for name in read.given:
        if name not in takes:
            others = ", ".join(f"`{other}`" for other in takes[1:])
            spot.at(name, None).note(f"a fault of kind {show(kind)} does not take this; it takes {others}")
            read.wrong.append(name)
    if kind in NEEDS and not {*NEEDS[kind]} & {*read.given}:
        needed = " or ".join(f"`{name}`" for name in NEEDS[kind])
        spot.note(f"a fault of kind {show(kind)} needs {needed}")
        read.wrong.append(NEEDS[kind][0])
    if kind is FaultKind.MISSTATED and isinstance(read["wait"], str):
        spot.at("wait", None).note("must be a duration: for how long less is left")
        read.wrong.append("wait")
