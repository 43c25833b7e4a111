"""Fixtures for users' own tests: their failover config, rehearsed in CI.

In ``conftest.py``::

    pytest_plugins = ["understudy.simulations.pytest_plugin"]

`rehearsal` performs a scenario and fails the test, with the report, unless all invariants hold and all expectations
are met. `storm_search` fuzzes a config and fails the test with the smallest storm that breaks something.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from os import PathLike
from pathlib import Path
from typing import Any, Final, Protocol

import pytest
from attrs import evolve
from rich.console import Console

from .recast import recast
from .report import show
from .scenario import Scenario
from .scenario_files import find_scenario, load_scenario
from .simulation import Report, simulate

WIDTH: Final = 110
"""Columns of a report in a failed test."""

Config = Mapping[str, Any] | str | PathLike[str]
Play = Scenario | Mapping[str, Any] | str | PathLike[str]


class Rehearsal(Protocol):
    """Performs a scenario and returns its report; fails the test if it did not go well."""

    def __call__(
        self,
        scenario: Play,
        *,
        config: Config | None = None,
        seeds: int = 1,
    ) -> Report:
        """Perform a scenario: one that was made, a mapping, the path of a file, or the name of one that ships.

        Relative paths start from the test's own folder. `config` plays it over another topology. With `seeds` it is
        performed so many times, each with another seed; the report is the last one's.
        """
        ...


class StormSearch(Protocol):
    """Searches for a storm that breaks an invariant; fails the test if there is one."""

    def __call__(self, config: Config, *, examples: int = 200, seed: int = 0) -> None:
        """Try so many scenarios over a config. A relative path starts from the test's own folder."""
        ...


@pytest.fixture
def rehearsal(request: pytest.FixtureRequest) -> Rehearsal:
    """Return what performs a scenario and fails the test if it does not go well."""
    folder = request.path.parent

    def perform(scenario: Play, *, config: Config | None = None, seeds: int = 1) -> Report:
        play = _scenario(scenario, folder)
        if config is not None:
            play = recast(play, _beside(folder, config))
        report = simulate(play)
        for seed in range(play.seed + 1, play.seed + seeds):
            _fail_unless_ok(report)
            report = simulate(evolve(play, seed=seed, script=None))
        _fail_unless_ok(report)
        return report

    return perform


@pytest.fixture
def storm_search(request: pytest.FixtureRequest) -> StormSearch:
    """Return what fuzzes a config and fails the test if a storm breaks an invariant."""
    from .fuzz import fuzz
    from .story import tell

    folder = request.path.parent

    def search(config: Config, *, examples: int = 200, seed: int = 0) -> None:
        found = fuzz(_beside(folder, config), examples=examples, seed=seed, measure=False).found
        if found is not None:
            pytest.fail(tell(found.run, found.violations), pytrace=False)

    return search


def _scenario(scenario: Play, folder: Path) -> Scenario:
    if isinstance(scenario, Scenario):
        return scenario
    if isinstance(scenario, Mapping):
        return load_scenario(scenario)
    beside = _beside(folder, scenario)
    return load_scenario(beside) if Path(beside).exists() else find_scenario(str(scenario))


def _beside(folder: Path, config: Any) -> Any:
    """Return a path as the test means it: from its own folder."""
    if isinstance(config, str | PathLike) and (folder / config).exists():
        return folder / config
    return config


def _fail_unless_ok(report: Report) -> None:
    if not report.ok:
        text = StringIO()
        show(report, Console(file=text, width=WIDTH))
        pytest.fail(text.getvalue(), pytrace=False)
