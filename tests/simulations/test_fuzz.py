"""The search: it reaches everything, finds nothing in the real code, and what it finds can be played again."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from understudy.simulations import coverage, strategies
from understudy.simulations.fuzz import QUIET, Search, fuzz
from understudy.simulations.planted import BUGS
from understudy.simulations.rehearsal import rehearse
from understudy.simulations.run import Run
from understudy.simulations.scenario import Scenario
from understudy.simulations.scenario_files import load_scenario, write_scenario
from understudy.simulations.simulation import simulate
from understudy.simulations.story import events, tell
from understudy.simulations.tidy import tidied

OWN: Mapping[str, Any] = {
    "model_list": [
        {"model_name": "mine", "model": "openai/large", "api_key": "env:MINE", "rpm": 3, "fallbacks": ["theirs"]},
        {"model_name": "theirs", "model": "anthropic/small", "api_key": "env:THEIRS"},
    ]
}


@pytest.fixture(scope="module")
def search() -> Search:
    return fuzz(examples=500, seed=1)


def test_nothing_breaks_in_the_real_code(search: Search) -> None:
    assert search.found is None, tell(search.found.run, search.found.violations)
    assert search.examples == 500


def test_every_state_refusal_reason_and_end_is_reached(search: Search) -> None:
    missed = [point for point in coverage.POINTS if not search.reached[point]]
    assert missed == []
    assert set(search.reached) <= set(coverage.POINTS)


def test_the_same_arguments_give_the_same_search() -> None:
    one, other = fuzz(examples=40, seed=5), fuzz(examples=40, seed=5)
    assert (one.requests, one.reached) == (other.requests, other.reached)
    assert fuzz(examples=40, seed=6).reached != one.reached


def test_what_else_is_loaded_makes_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[Scenario] = []

    def play(scenario: Scenario) -> Run:
        played.append(scenario)
        return rehearse(scenario)

    monkeypatch.setattr("understudy.simulations.fuzz.rehearse", play)
    fuzz(examples=100, seed=5)
    alone = played.copy()
    played.clear()
    (tmp_path / "elsewhere.py").write_text(f"NUMBERS = {list(range(256))}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("elsewhere")
    fuzz(examples=100, seed=5)
    assert played == alone


def test_a_config_of_ones_own_is_left_as_it_is() -> None:
    played: list[Scenario] = []

    @settings(max_examples=20, database=None, deadline=None, suppress_health_check=QUIET)
    @given(strategies.scenarios(OWN))
    def play(scenario: Scenario) -> None:
        played.append(scenario)
        assert not simulate(scenario).violations

    play()
    assert all(scenario.config == OWN for scenario in played)
    assert fuzz(OWN, examples=20).found is None


BY_NAME = {bug.name: bug for bug in BUGS}


@pytest.mark.parametrize(
    "name",
    ["every failure escalates", "fallback with the primarys key", "the last waited for", "last come first served"],
)
def test_a_storm_that_was_found_is_small_and_plays_again_from_its_file(name: str, tmp_path: Path) -> None:
    bug = BY_NAME[name]
    with bug.plant():
        found = fuzz(examples=500, seed=2, measure=False).found
        assert found is not None
        assert events(found.scenario) <= 6
        write_scenario(found.scenario, tmp_path / "storm.toml")
        again = simulate(load_scenario(tmp_path / "storm.toml"))
    assert again.digest == found.run.trace.digest()
    assert [str(each) for each in again.violations] == [str(each) for each in sorted_as(again, found.violations)]
    story = tell(found.run, found.violations)
    for word in ("The candidates:", "What comes:", "caller 0", "What broke:", found.violations[0].invariant):
        assert word in story
    assert not simulate(found.scenario).violations, "without the bug nothing breaks"


def sorted_as(report: Any, violations: Any) -> list[Any]:
    order = [str(each) for each in report.violations]
    return sorted(violations, key=lambda each: order.index(str(each)))


def test_tidying_leaves_only_what_is_needed() -> None:
    scenario = fuzz_one(lambda s: len(s.callers) > 3 and len(s.faults) > 1)

    def breaks(candidate: Scenario) -> bool:
        return sum(caller.stream for caller in candidate.callers) >= min(1, streams) and bool(candidate.faults)

    streams = sum(caller.stream for caller in scenario.callers)
    tidy = tidied(scenario, breaks)
    assert len(tidy.faults) == 1
    assert len(tidy.callers) <= 1
    assert not tidy.script


def fuzz_one(wanted: Any) -> Scenario:
    """The first scenario that is drawn and wanted."""
    found: list[Scenario] = []

    @settings(max_examples=200, database=None, deadline=None, suppress_health_check=QUIET)
    @given(strategies.scenarios())
    def look(scenario: Scenario) -> None:
        if wanted(scenario):
            found.append(scenario)

    look()
    return found[0]
