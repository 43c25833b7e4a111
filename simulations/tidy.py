"""The last word on a storm: whatever can be left out without mending what is broken, is left out.

Hypothesis shrinks what it has drawn; this knows what a scenario is made of. It tries to do without each caller, each
fault, each entry and each peculiarity, until nothing more can go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import attrs
from attrs import evolve

from ..actors.errors import ConfigError
from .faults import Fault
from .scenario import Caller, Scenario

Breaks = Callable[[Scenario], bool]
"""Whether a scenario still breaks what it should."""

NEEDED: Final = ("model_name", "model", "api_base", "api_key", "api_keys")
"""Fields without which an entry is another one."""


def tidied(scenario: Scenario, breaks: Breaks) -> Scenario:
    """Return the scenario without all that it can do without and still break."""
    while True:
        smaller = next((each for each in _smaller(scenario) if _still(each, breaks)), None)
        if smaller is None:
            return scenario
        scenario = smaller


def _still(scenario: Scenario, breaks: Breaks) -> bool:
    try:
        return breaks(scenario)
    except ConfigError:
        return False


def _smaller(scenario: Scenario) -> Iterator[Scenario]:
    """Return scenarios that are a step simpler, the largest steps first."""
    for i in range(len(scenario.callers)):
        yield evolve(scenario, callers=_without(scenario.callers, i))
    for i in range(len(scenario.faults)):
        yield evolve(scenario, faults=_without(scenario.faults, i))
    yield from _simpler_topologies(scenario)
    if scenario.script:
        half = len(scenario.script) // 2
        yield from (evolve(scenario, script=script) for script in ((), scenario.script[:half], scenario.script[:-1]))
    if scenario.healed_at is not None:
        yield evolve(scenario, healed_at=None)
    if scenario.seed:
        yield evolve(scenario, seed=0)
    for i, caller in enumerate(scenario.callers):
        for plainer in _plainer(caller, Caller, ("at", "route")):
            yield evolve(scenario, callers=_with(scenario.callers, i, plainer))
    for i, fault in enumerate(scenario.faults):
        for plainer in _plainer(fault, Fault, ("kind", "at", "until", "candidate")):
            yield evolve(scenario, faults=_with(scenario.faults, i, plainer))


def _simpler_topologies(scenario: Scenario) -> Iterator[Scenario]:
    config = scenario.config
    if not isinstance(config, Mapping):
        return  # somebody's own: it stays as it is
    for name in config:
        if name != "model_list":
            yield evolve(scenario, config={key: value for key, value in config.items() if key != name})
    entries = list(config["model_list"])
    for i, entry in enumerate(entries):
        if len(entries) > 1:
            yield evolve(scenario, config={**config, "model_list": _unlinked(_without(entries, i), entry)})
        for name in entry:
            if name not in NEEDED:
                bare = {key: value for key, value in entry.items() if key != name}
                yield evolve(scenario, config={**config, "model_list": list(_with(entries, i, bare))})
        for other in entry.get("fallbacks", ()):
            fewer = {**entry, "fallbacks": [each for each in entry["fallbacks"] if each != other]}
            yield evolve(scenario, config={**config, "model_list": list(_with(entries, i, fewer))})


def _unlinked(entries: Any, gone: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Let nobody fall back on an entry that is gone."""
    name = gone["model_name"]
    return [
        {**entry, "fallbacks": [other for other in entry["fallbacks"] if other != name]}
        if name in entry.get("fallbacks", ())
        else entry
        for entry in entries
    ]


def _plainer(thing: Any, of: type, kept: tuple[str, ...]) -> Iterator[Any]:
    """Return the same with one field less that is not as it is by default."""
    for field in attrs.fields(of):
        if field.name not in kept and getattr(thing, field.name) != field.default:
            yield evolve(thing, **{field.name: field.default})


def _without(things: Any, i: int) -> Any:
    return (*things[:i], *things[i + 1 :])


def _with(things: Any, i: int, thing: Any) -> Any:
    return (*things[:i], thing, *things[i + 1 :])
