"""The fixtures for users' own tests, in a project of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

MODELS = """
model_list:
  - model_name: glm
    model: zhipu/glm-4.7
    api_key: env:ZHIPU_KEY
    fallbacks: [haiku]
  - model_name: haiku
    model: anthropic/claude-haiku-4-5
    api_key: env:ANTHROPIC_KEY
"""
OUTAGE = """
name = "the primary is down"
config = "../models.yaml"

[[traffic]]
route = "glm"
rate = 1
end = "2 min"

[[fault]]
kind = "refused"
candidate = "glm"
at = "30 s"
for = "1 min"

[[expect]]
availability = {availability}
share = {{ "haiku" = {{ at_least = 0.2, at_most = {most} }} }}
"""
TESTS = """
def test_an_outage(rehearsal):
    report = rehearsal("outage.toml", seeds=2)
    assert report.run.callers


def test_no_storm(storm_search):
    storm_search("../models.yaml", examples=20)


def test_one_that_ships(rehearsal):
    rehearsal("one-outage-many-in-flight")
"""


def run(folder: Path, *, most: float) -> subprocess.CompletedProcess[str]:
    (folder / "models.yaml").write_text(MODELS, encoding="utf-8")
    tests = folder / "tests"
    tests.mkdir()
    plugins = 'pytest_plugins = ["understudy.simulations.pytest_plugin"]\n'
    (tests / "conftest.py").write_text(plugins, encoding="utf-8")
    (tests / "outage.toml").write_text(OUTAGE.format(availability=0.99, most=most), encoding="utf-8")
    (tests / "test_failover.py").write_text(TESTS, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(tests)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_config_that_holds_passes(tmp_path: Path) -> None:
    done = run(tmp_path, most=1.0)
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


def test_a_missed_expectation_fails_the_test_with_the_report(tmp_path: Path) -> None:
    done = run(tmp_path, most=0.25)
    assert done.returncode == 1
    assert "2 passed" in done.stdout
    for words in ("the primary is down", "haiku serves between 20 % and 25 %", "cooling"):
        assert words in done.stdout


@pytest.mark.parametrize("fixture", ["rehearsal", "storm_search"])
def test_the_page_on_testing_names_the_fixtures(fixture: str) -> None:
    page = Path(__file__).parents[2] / "docs" / "testing.md"
    assert f"`{fixture}(" in page.read_text(encoding="utf-8")
