"""The fields of a scenario file: one table for each kind of table in it, and what each makes of its fields.

The names are those of the classes in `scenario`, and so are the defaults; what a field's value may look like is in
`scenario_checks`, and faults have a file of their own, `scenario_faults`. Whether the parts of a scenario fit
together, and fit its config, is not decided here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ...actors.messages import OnInterrupt
from ...supervisors.config_checks import Check, boolean, list_of, number, one_of, text, whole
from ...supervisors.config_fields import Field, Values
from ...supervisors.config_mistakes import Spot
from ..scenario import Arrivals, Caller, Expectation, Flaw, LimitKind, ProviderScript, Traffic
from .durations import any_time, moment_or_never, some_time
from .scenario_checks import (
    by_name,
    integer,
    latency,
    natural,
    percentiles,
    prose,
    range_of,
    rate,
    share,
    share_bounds,
    spending,
    word_of,
)
from .scenario_faults import FAULT, make_fault
from .scenario_tables import Tables, make, maker, tables

FLAWS_WHOLE: Final = 1 + 1e-9
"""What the shares of all flaws may add up to; decimal fractions do not add up exactly."""


def _traffic(spot: Spot, read: Values) -> Traffic:
    if not {"rate", "burst"} & {*read.given}:
        raise spot.wrong("nobody comes; give it a `rate` (callers a second), or a `burst` of callers")
    traffic: Traffic = make(Traffic, read)
    if traffic.rate and traffic.end <= traffic.start:
        raise spot.at("end", None).wrong(f"({traffic.end:g} s) must be after the `start`")
    return traffic


def _flaws(spot: Spot) -> dict[Flaw, float]:
    """Check which share of requests is at fault, and how."""
    shares: dict[Flaw, float] = by_name("flaws and their shares", share, word_of(Flaw, "flaw"))(spot)
    if sum(shares.values()) > FLAWS_WHOLE:
        raise spot.wrong("the shares add up to more than 1")
    return shares


def _expectation(spot: Spot, read: Values) -> Expectation:
    if not {*read.given} - {"callers", "start", "end"}:
        raise spot.wrong("expects nothing; name an `availability`, a `latency` or the like")
    expectation: Expectation = make(Expectation, read)
    if expectation.end <= expectation.start:
        raise spot.at("end", None).wrong("must be after the `start`")
    return expectation


def _config(spot: Spot) -> object:
    """Check that this is the path of a config, or the config itself."""
    if isinstance(spot.value, Mapping):
        return spot.value
    if isinstance(spot.value, str):
        return text(spot)
    raise spot.must_be("the path of a config, or a table: the config itself")


def _words(kind: type[OnInterrupt] | type[Arrivals] | type[LimitKind]) -> Check:
    is_one = one_of(*kind)
    return lambda spot: kind(is_one(spot))


# --- the tables ---------------------------------------------------------------------------------------------------

_GLOB: Final = Field(text)
_ASKING: Final[Mapping[str, Field]] = {
    "route": Field(text, required=True),
    "timeout": Field(some_time),
    "wait_for_cooldown": Field(boolean),
    "on_interrupt": Field(_words(OnInterrupt)),
    "reads_every": Field(any_time),
    "retries": Field(whole(most=1000)),
    "retry_wait": Field(any_time),
}
"""What single callers and classes of them have in common."""

TRAFFIC: Final[Mapping[str, Field]] = {
    "name": Field(text),
    **_ASKING,
    "rate": Field(rate),
    "start": Field(any_time),
    "end": Field(any_time),
    "burst": Field(whole()),
    "arrivals": Field(_words(Arrivals)),
    "stream": Field(share),
    "prompt_tokens": Field(range_of(whole(1))),
    "answer_tokens": Field(range_of(whole(1))),
    "leave": Field(share),
    "leaves_after": Field(range_of(any_time)),
    "flaws": Field(_flaws),
    "images": Field(share),
    "tools": Field(share),
    "logit_bias": Field(share),
}

CALLER: Final[Mapping[str, Field]] = {
    "at": Field(any_time, required=True),
    "group": Field(text),
    **_ASKING,
    "stream": Field(boolean),
    "prompt_tokens": Field(whole(1)),
    "answer_tokens": Field(whole(1)),
    "leaves_after": Field(any_time),
    "flaw": Field(word_of(Flaw, "flaw")),
    "images": Field(boolean),
    "tools": Field(boolean),
    "logit_bias": Field(boolean),
}

PROVIDER: Final[Mapping[str, Field]] = {
    "candidate": _GLOB,
    "provider": _GLOB,
    "latency": Field(latency),
    "per_token": Field(any_time),
    "limit": Field(_words(LimitKind)),
    "rpm": Field(number(1, zero=True)),
    "tpm": Field(number(1, zero=True)),
    "capacity": Field(whole(1)),
    "slowdown": Field(number()),
    "states_limits": Field(boolean),
}

EXPECT: Final[Mapping[str, Field]] = {
    "callers": _GLOB,
    "start": Field(any_time),
    "end": Field(moment_or_never),
    "availability": Field(share),
    "latency": Field(percentiles),
    "first_content": Field(percentiles),
    "share": Field(by_name("candidates (globs) and bounds", share_bounds)),
    "spent": Field(by_name("candidates (globs) and bounds", spending)),
    "recovery": Field(any_time),
}

SCENARIO: Final[Mapping[str, Field]] = {
    "name": Field(text, required=True),
    "teaches": Field(prose, ""),
    "config": Field(_config, required=True),
    "seed": Field(integer, 0),
    "script": Field(list_of("numbers", natural)),
    "own_turns": Field(share, 0.0),
    "wire": Field(boolean, default=True),
    "healed_at": Field(any_time),
    "traffic": Field(tables("traffic", TRAFFIC, _traffic), Tables()),
    "caller": Field(tables("caller", CALLER, maker(Caller)), Tables()),
    "provider": Field(tables("provider", PROVIDER, maker(ProviderScript)), Tables()),
    "fault": Field(tables("fault", FAULT, make_fault), Tables()),
    "expect": Field(tables("expect", EXPECT, _expectation), Tables()),
}
"""The whole file."""
