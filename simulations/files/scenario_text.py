"""A scenario as TOML: readable, always the same text, and nothing lost.

First a scenario becomes plain values, only those that differ from the defaults: the inverse of what `scenario_fields`
does. Then these become text (`toml_text`).

The config goes along as it is, but for secrets that stand literally in it: a file that people pass on must not carry
any. They are replaced by placeholders that have the same labels, so that a run is the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from math import copysign, inf
from typing import Any, Final

from attrs import Attribute, fields

from ...supervisors.config_mistakes import Mistakes, Spot
from ...supervisors.config_secrets import REHEARSAL_PROXY, is_literal
from ..faults import Fault
from ..scenario import Expectation, ProviderScript, Scenario, Traffic
from .scenario_faults import NEEDS, TAKES
from .toml_text import toml_text

Points = Sequence[tuple[float, float]]


def scenario_text(scenario: Scenario, mistakes: Mistakes) -> str:
    """Return a scenario as TOML. What TOML cannot say is noted, and may raise `Mistaken`."""
    config = scenario.config
    lists: dict[str, list[dict[str, Any]]] = {
        "traffic": [_traffic(traffic) for traffic in scenario.traffic],
        "caller": [_given(caller) for caller in scenario.callers],
        "provider": [_given(script) for script in scenario.providers],
        "fault": [_fault(fault) for fault in scenario.faults],
        "expect": [_given(expectation) for expectation in scenario.expectations],
    }
    tree = {
        **_given(scenario, ("name", "teaches", "seed", "script", "own_turns", "wire", "healed_at")),
        "config": _without_secrets(config) if isinstance(config, Mapping) else os.fsdecode(config),
        **{name: tables for name, tables in lists.items() if tables},
    }
    return toml_text(Spot(tree, (), mistakes))


def _traffic(traffic: Traffic) -> dict[str, Any]:
    given = _given(traffic)
    # A file must say how many come, even if nobody does.
    return given if "rate" in given or "burst" in given else {**given, "burst": 0}


def _fault(fault: Fault) -> dict[str, Any]:
    given = _given(fault, TAKES[fault.kind])
    needs = NEEDS.get(fault.kind, ())
    if needs and not {*needs} & {*given}:
        given[needs[0]] = _plain(getattr(fault, needs[0]))
    return given


def _given(thing: Any, names: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the fields of an object that differ from their defaults, as plain values."""
    given: dict[str, Any] = {}
    for each in fields(type(thing)):
        value = getattr(thing, each.name)
        if value == _default(each):
            continue
        if names is None or each.name in names:
            given[each.name] = FORMS.get((type(thing), each.name), _plain)(value)
    return given


def _default(each: Attribute[Any]) -> Any:
    # Those that are made anew each time are all mappings.
    return {} if hasattr(each.default, "factory") else each.default


# From the objects' values to those of a file


def _plain(value: Any) -> Any:
    match value:
        case StrEnum():
            return value.value
        case float():
            return _number(value)
        case tuple():
            return [_plain(element) for element in value]
        case Mapping():
            return {str(name): _plain(element) for name, element in value.items()}
    return value


def _number(value: float) -> float | int:
    """Return a number as people write it: without a point if it has no fraction."""
    is_negative_zero = value == 0 and copysign(1, value) < 0
    return int(value) if value.is_integer() and not is_negative_zero else value


def _rate(points: Points) -> Any:
    return _plain(points[0][1]) if len(points) == 1 and points[0][0] == 0 else _plain(points)


def _range(bounds: tuple[float, float]) -> Any:
    return _plain(bounds[0]) if bounds[0] == bounds[1] else _plain(bounds)


def _latency(points: Points) -> Any:
    """Write a distribution as one number, as a table of percentiles, or as the points that it is."""
    if len(points) < 2 or points[0][0] != 0.0 or points[-1][0] != 1.0:
        return _plain(points)
    if len(points) == 2 and points[0][1] == points[1][1]:
        return _plain(points[0][1])
    return {_percentile(Decimal(repr(float(share))) * 100): _plain(seconds) for share, seconds in points}


def _percentiles(latency: Mapping[float, float]) -> dict[str, Any]:
    return {_percentile(Decimal(repr(float(percent)))): _plain(seconds) for percent, seconds in latency.items()}


def _percentile(percent: Decimal) -> str:
    return f"p{percent.normalize():f}"


def _share(bounds: Mapping[str, tuple[float, float]]) -> dict[str, Any]:
    return {
        glob: {"at_least": _plain(least)} | ({"at_most": _plain(most)} if most != 1.0 else {})
        for glob, (least, most) in bounds.items()
    }


def _spent(bounds: Mapping[str, tuple[float, float]]) -> dict[str, Any]:
    return {
        glob: {name: _plain(most) for name, most in zip(("attempts", "tokens"), both, strict=True) if most != inf}
        for glob, both in bounds.items()
    }


FORMS: Final[Mapping[tuple[type, str], Callable[[Any], Any]]] = {
    (Traffic, "rate"): _rate,
    (Traffic, "prompt_tokens"): _range,
    (Traffic, "answer_tokens"): _range,
    (Traffic, "leaves_after"): _range,
    (ProviderScript, "latency"): _latency,
    (Expectation, "latency"): _percentiles,
    (Expectation, "first_content"): _percentiles,
    (Expectation, "share"): _share,
    (Expectation, "spent"): _spent,
}
"""The fields that are written in a way of their own."""


# Secrets


def _without_secrets(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config with placeholders for the secrets that stand literally in it."""
    entries = config.get("model_list")
    if not isinstance(entries, (list, tuple)):
        return dict(config)
    stand_ins: dict[str, str] = {}
    return {**config, "model_list": [_entry_without_secrets(entry, stand_ins) for entry in entries]}


def _entry_without_secrets(entry: Any, stand_ins: dict[str, str]) -> Any:
    def key(source: Any) -> Any:
        if not isinstance(source, str) or not is_literal(source):
            return source
        # Literals are numbered in the order of their appearance, as their labels are.
        return stand_ins.setdefault(source, f"rehearsal-literal-{len(stand_ins) + 1}")

    def header(value: Any) -> Any:
        return "rehearsal" if isinstance(value, str) and is_literal(value) else value

    if not isinstance(entry, Mapping):
        return entry
    safe = dict(entry)
    if "api_key" in entry:
        safe["api_key"] = key(entry["api_key"])
    if isinstance(keys := entry.get("api_keys"), (list, tuple)):
        safe["api_keys"] = [key(source) for source in keys]
    if isinstance(headers := entry.get("headers"), Mapping):
        safe["headers"] = {name: header(value) for name, value in headers.items()}
    if isinstance(proxy := entry.get("proxy"), str) and is_literal(proxy) and "@" in proxy:
        safe["proxy"] = REHEARSAL_PROXY
    return safe
