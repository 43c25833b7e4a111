"""The scenarios that come with the package: each holds, each fails who does the obvious thing, all faults are there."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import pytest
from attrs import evolve

from understudy.actors.failures import Reason
from understudy.simulations.expectations import verdicts
from understudy.simulations.faults import FaultKind, Wait
from understudy.simulations.files.scenario_faults import TAKES
from understudy.simulations.planted import BUGS
from understudy.simulations.rehearsal import rehearse
from understudy.simulations.scenario import Flaw, LimitKind, Scenario
from understudy.simulations.scenario_files import built_in_scenarios, find_scenario, load_scenario
from understudy.simulations.simulation import simulate

PAGE: Final = (Path(__file__).parents[2] / "docs" / "library.md").read_text(encoding="utf-8")
SCENARIOS: Final[Mapping[str, Scenario]] = {stem: load_scenario(path) for stem, path in built_in_scenarios().items()}
STEMS: Final = list(SCENARIOS)

LONG: Final = ("a-bad-hour", "a-day", "a-model-withdrawn", "errors-in-disguise", "out-of-credit-and-quota")
"""What is played as a whole only once here, and `a-day` not at all."""

CUT: Final = 1_320.0
"""Seconds: what is played of these otherwise."""

SEEDS: Final = 20
"""Besides its own seed each scenario is played with one of so many others, each with another."""

Change = Callable[[dict[str, Any]], object]


def without(*fields: str) -> Change:
    """Take some fields away from every entry of a config."""

    def change(config: dict[str, Any]) -> None:
        for entry in config["model_list"]:
            for name in fields:
                entry.pop(name, None)

    return change


def no_cooldowns(config: dict[str, Any]) -> None:
    """Let no failure have consequences."""
    config["policy"] = {reason.value: {"base": 0} for reason in Reason}


OBVIOUS: Final[Mapping[str, str | Change]] = {
    "a-bad-hour": "cooldown per provider",
    "a-crash-storm": "journeys lost in a crash",
    "a-day": "sticky fallback",
    "a-few-huge-prompts": "tokens not limited",
    "a-flapping-primary": "incidents never forgotten",
    "a-laptop-asleep": "window exceeded by a refilling bucket",
    "a-lying-retry-after": "stated wait without bound",
    "a-misstated-limit": "statement ignored",
    "a-model-withdrawn": "model failure shared",
    "a-monday-morning": "sticky fallback",
    "a-revoked-key-among-siblings": "credential failure not shared",
    "a-slow-first-token": without("first_event_timeout"),
    "a-stream-cut-late": "interruption cools nobody",
    "all-down": no_cooldowns,
    "errors-in-disguise": "error in 200 delivered",
    "four-dialects": "fallback in the primarys dialect",
    "impatient-callers": "probe leaked on cancellation",
    "metastable-overload": without("max_parallel", "max_queued"),
    "one-outage-many-in-flight": "every failure escalates",
    "out-of-credit-and-quota": "failures not told apart",
    "recovery-with-forty-callers": "the herd let through",
    "requests-at-fault": "request fault cools",
    "saturation-with-a-queue": "the last waited for",
    "the-minute-boundary": "window exceeded at the boundary",
    "the-network": without("retries"),
    "two-names-for-one-model": "limiter per model",
}
"""What each scenario is there to fail: the obvious thing, as a planted bug by its name or as a change of the config."""


def beginning(stem: str) -> Scenario:
    """Return a scenario; if it is long its beginning, with what is expected of that."""
    scenario = SCENARIOS[stem]
    if stem not in LONG:
        return scenario
    return evolve(
        scenario,
        traffic=tuple(evolve(traffic, end=min(traffic.end, CUT)) for traffic in scenario.traffic),
        expectations=tuple(
            expected
            for expected in scenario.expectations
            if expected.end <= CUT or (expected.start == 0.0 and expected.end == math.inf)
        ),
    )


def changed(scenario: Scenario, change: Change) -> Scenario:
    assert isinstance(scenario.config, Mapping)
    config = deepcopy(dict(scenario.config))
    change(config)
    return evolve(scenario, config=config)


def unmet(scenario: Scenario) -> list[str]:
    return [f"{verdict.expected}: {verdict.measured}" for verdict in verdicts(rehearse(scenario)) if not verdict.met]


def check_that_it_holds(scenario: Scenario) -> None:
    report = simulate(scenario)
    assert report.run.hung is None
    assert [str(violation) for violation in report.violations] == []
    assert [f"{each.expected}: {each.measured}" for each in report.verdicts if not each.met] == []
    assert report.verdicts
    assert report.run.tasks_left == 0


# They hold


@pytest.mark.parametrize("stem", STEMS)
def test_every_expectation_is_met_and_no_invariant_breaks(stem: str) -> None:
    check_that_it_holds(beginning(stem) if stem == "a-day" else SCENARIOS[stem])


@pytest.mark.parametrize(("stem", "seed"), [(stem, 1 + place % SEEDS) for place, stem in enumerate(STEMS)])
def test_they_hold_with_another_seed_and_the_other_way_to_the_providers(stem: str, seed: int) -> None:
    scenario = beginning(stem)
    check_that_it_holds(evolve(scenario, seed=seed, wire=not scenario.wire))


# They can fail


@pytest.mark.parametrize("stem", STEMS)
def test_a_router_that_does_the_obvious_thing_misses_an_expectation(stem: str) -> None:
    scenario, obvious = beginning(stem), OBVIOUS[stem]
    if not isinstance(obvious, str):
        assert unmet(changed(scenario, obvious))
        return
    (bug,) = [bug for bug in BUGS if bug.name == obvious]
    with bug.plant():
        assert unmet(scenario)


@pytest.mark.parametrize("stem", ["one-outage-many-in-flight", "a-slow-first-token"])
def test_without_its_fallback_a_config_is_not_available(stem: str) -> None:
    missed = unmet(changed(SCENARIOS[stem], without("fallbacks")))
    assert [line for line in missed if line.startswith("availability of at least 100 %: ")], missed


# What is in them


def test_every_kind_of_fault_is_in_the_library() -> None:
    assert {fault.kind for scenario in SCENARIOS.values() for fault in scenario.faults} == set(FaultKind)


def test_every_way_to_state_a_wait_is_in_the_library() -> None:
    faults = [fault for scenario in SCENARIOS.values() for fault in scenario.faults]
    waits = {fault.wait for fault in faults if "wait" in TAKES[fault.kind]}
    assert waits > set(Wait), "and a number of seconds"


def test_every_way_to_count_and_every_flaw_is_in_the_library() -> None:
    scripts = [script for scenario in SCENARIOS.values() for script in scenario.providers]
    assert {script.limit for script in scripts} == set(LimitKind)
    traffic = [each for scenario in SCENARIOS.values() for each in scenario.traffic]
    assert {flaw for each in traffic for flaw in each.flaws} == set(Flaw)


@pytest.mark.parametrize("stem", STEMS)
def test_a_scenario_explains_itself_and_concerns_nobody_real(stem: str) -> None:
    scenario = SCENARIOS[stem]
    assert scenario.name == stem
    assert find_scenario(stem) == scenario
    assert len(" ".join(scenario.teaches.split())) >= 200
    entries = scenario.load().entries
    hosts = [entry.endpoint.api_base.split("/")[2] for entry in entries.values()]
    assert [host for host in hosts if not host.endswith(".example")] == []
    labels = [key.credential for key in entries if key.credential is not None]
    assert [label for label in labels if not label.startswith("env:")] == []


# Its page


def test_the_page_has_a_row_and_a_paragraph_for_each_scenario() -> None:
    rows = re.findall(r"^\| \[`(.+?)`\]\(#(.+?)\) \| .{20,} \| (.*) \|$", PAGE, re.MULTILINE)
    assert [stem for stem, _, _ in rows] == STEMS
    assert [anchor for _, anchor, _ in rows] == STEMS
    assert re.findall(r"^## (.+)\n\n\S.{60,}", PAGE, re.MULTILINE) == STEMS
    for stem, _, kinds in rows:
        used = dict.fromkeys(fault.kind.value for fault in SCENARIOS[stem].faults)
        assert re.findall(r"`(.+?)`", kinds) == list(used), stem
