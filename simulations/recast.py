"""The same play with another cast: a scenario over somebody's own config."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

from attrs import evolve

from .faults import Fault
from .files.scenario_faults import TAKES
from .scenario import Scenario


def recast(scenario: Scenario, config: Mapping[str, Any] | str | PathLike[str]) -> Scenario:
    """Return the scenario with another topology.

    Whoever asks for a route that the config does not have asks for its first one instead; a fault that would touch
    nobody touches the first candidate of that route. What is expected of single candidates is left out, for it was
    meant for others.

    Raises:
        ConfigError: the config does not hold.

    """
    scenario = evolve(scenario, config=config)
    loaded = scenario.load()
    first = next(iter(loaded.routes))
    star = loaded.routes[first][0].name

    def touching(fault: Fault) -> Fault:
        if "candidate" not in TAKES[fault.kind] or any(fault.touches(key) for key in loaded.entries):
            return fault
        return evolve(fault, candidate=star, provider="*", credential="*")

    return evolve(
        scenario,
        traffic=tuple(each if each.route in loaded.routes else evolve(each, route=first) for each in scenario.traffic),
        callers=tuple(each if each.route in loaded.routes else evolve(each, route=first) for each in scenario.callers),
        faults=tuple(touching(fault) for fault in scenario.faults),
        expectations=tuple(evolve(expected, share={}, spent={}) for expected in scenario.expectations),
    )
