"""A scenario and what went wrong in it, told so that a person can follow: who is there, what comes when, what broke."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

import attrs

from ..actors.identity import ModelKey
from ..supervisors.config import Config, Entry
from .faults import Fault
from .invariants import Violation, context
from .run import Run, host_of
from .scenario import Caller, ProviderScript, Scenario

VIOLATIONS_SHOWN: Final = 3


def events(scenario: Scenario) -> int:
    """Return the size of a story: its callers and its faults."""
    return len(scenario.callers) + len(scenario.faults)


def tell(run: Run, violations: Sequence[Violation]) -> str:
    """Tell the story of a run in which something broke."""
    return "\n".join([*_setting(run.scenario, run.config), *_plot(run.scenario), *_end(run, violations)])


def _setting(scenario: Scenario, config: Config) -> Iterator[str]:
    asked = {caller.route for caller in scenario.callers} | {traffic.route for traffic in scenario.traffic}
    routes = [name for name in config.routes if name in asked]
    on_stage = dict.fromkeys(key for name in routes for key in config.routes[name])
    yield "The candidates:"
    yield from (f"  {_candidate(config.entries[key])}" for key in on_stage)
    for name in routes:
        yield f"Whoever asks for {name} is served by {' → '.join(key.name for key in config.routes[name])}."
    for script in scenario.providers:
        changed = _changes(script, ProviderScript)
        if changed:
            yield f"The providers: {changed}."


def _candidate(entry: Entry) -> str:
    key: ModelKey = entry.key
    limits = ", ".join(f"{name} {value:g}" for name, value in attrs.asdict(entry.limits).items() if value is not None)
    place = f"{key.provider}/{key.model} at {host_of(entry.endpoint.api_base)} with {key.credential or 'no credential'}"
    retries = f", {entry.retries} retries" if entry.retries else ""
    return f"{key.name}: {place}{', ' if limits else ''}{limits}{retries}"


def _plot(scenario: Scenario) -> Iterator[str]:
    yield "What comes:"
    lines = [(caller.at, 1, _caller(i, caller)) for i, caller in enumerate(scenario.callers)]
    lines += [(fault.at, 0, _fault(fault)) for fault in scenario.faults]
    yield from (f"  {at:7g} s  {line}" for at, _, line in sorted(lines, key=lambda each: each[:2]))
    if scenario.script is not None and any(scenario.script):
        turns = ", ".join(f"{turn} at the {place}." for place, turn in enumerate(scenario.script, 1) if turn)
        yield f"  The tasks that are ready change places at contested moments: by {turns}"
    if scenario.own_turns:
        yield f"  Actors leave {scenario.own_turns:.0%} of their messages for a turn of their own."


def _caller(number: int, caller: Caller) -> str:
    how = "streams from" if caller.stream else "asks"
    more = _changes(caller, Caller, but=("at", "route", "stream", "group"))
    return f"caller {number} {how} {caller.route}" + (f" ({more})" if more else "")


def _fault(fault: Fault) -> str:
    until = "" if fault.until == math.inf else f" until {fault.until:g} s"
    more = _changes(fault, Fault, but=("kind", "at", "until"))
    return f"fault: {fault.kind}{until}" + (f" ({more})" if more else "")


def _changes(thing: Any, of: type, *, but: Sequence[str] = ()) -> str:
    """Return the fields that are not as they are by default."""
    return ", ".join(
        f"{field.name} {_word(getattr(thing, field.name))}"
        for field in attrs.fields(of)
        if field.name not in but and getattr(thing, field.name) != field.default
    )


def _word(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(_word(each) for each in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _end(run: Run, violations: Sequence[Violation]) -> Iterator[str]:
    yield "What broke:"
    for violation in violations[:VIOLATIONS_SHOWN]:
        yield f"  {violation}"
    if len(violations) > VIOLATIONS_SHOWN:
        yield f"  and {len(violations) - VIOLATIONS_SHOWN} more"
    if violations:
        yield "Around it:"
        yield from (f"  {line}" for line in context(run, violations[0]))
