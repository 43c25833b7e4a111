"""The commands of the rehearsal: what they print, what they write, and how they exit."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from understudy.cli import cli
from understudy.simulations import TraceWriter, load_scenario, planted, simulate
from understudy.simulations.planted import BUDGET, BUGS, Proof

MODELS = """
model_list:
  - model_name: glm
    model: zhipu/glm-4.7
    api_keys: [env:ZHIPU_KEY_1, env:ZHIPU_KEY_2]
    rpm: 60
    fallbacks: [haiku]
  - model_name: haiku
    model: anthropic/claude-haiku-4-5
    api_key: env:ANTHROPIC_KEY
"""
OUTAGE = """
name = "an outage"
config = "models.yaml"
[[traffic]]
route = "glm"
rate = 2
end = "1 min"
[[fault]]
kind = "refused"
provider = "zhipu"
at = "10 s"
for = "20 s"
[[expect]]
availability = 0.99
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models.yaml").write_text(MODELS, encoding="utf-8")
    (tmp_path / "outage.toml").write_text(OUTAGE, encoding="utf-8")
    missed = OUTAGE + 'share = { "haiku" = { at_most = 0.1 } }\n'
    (tmp_path / "missed.toml").write_text(missed, encoding="utf-8")
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, words, env={"COLUMNS": "140"})


def test_a_scenario_that_goes_well_exits_with_0_and_says_how_to_play_it_again(folder: Path) -> None:
    done = run("simulate", "outage.toml")
    assert done.exit_code == 0, done.output
    for words in ("an outage", "glm__key_1", "network", "All expectations are met", "understudy simulate outage.toml"):
        assert words in done.output


def test_a_missed_expectation_exits_with_1(folder: Path) -> None:
    done = run("simulate", "missed.toml")
    assert done.exit_code == 1
    assert "MISSED haiku serves at most 10 %" in done.output


def test_the_trace_that_is_written_has_the_digest_that_is_printed_and_can_be_replayed(folder: Path) -> None:
    done = run("simulate", "outage.toml", "--trace", "t.jsonl", "--check-determinism")
    digest = hashlib.sha256((folder / "t.jsonl").read_bytes()).hexdigest()
    assert digest in done.output
    shown = run("replay", "t.jsonl")
    assert shown.exit_code == 0, shown.output
    assert "glm__key_1" in shown.output
    assert json.loads(run("replay", "t.jsonl", "--json").output)


def test_facts_that_were_recorded_in_production_can_be_replayed(folder: Path) -> None:
    facts = simulate(load_scenario("outage.toml")).run.trace.facts()
    with (folder / "production.jsonl").open("w", encoding="utf-8") as file:
        writer = TraceWriter(file)
        for fact in facts:
            writer(fact)
        writer(None)
    shown = run("replay", "production.jsonl", "--plot", "p.html")
    assert shown.exit_code == 0, shown.output
    assert "haiku" in shown.output
    assert (folder / "p.html").stat().st_size > 10_000


def test_json_is_for_machines(folder: Path) -> None:
    done = run("simulate", "outage.toml", "--json", "--seed", "3")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["seed"] == 3


def test_many_seeds_are_run_and_the_worst_is_shown(folder: Path) -> None:
    done = run("simulate", "outage.toml", "--seeds", "3")
    assert done.exit_code == 0, done.output
    assert "3 seeds: 3 went well" in done.output


def test_a_scenario_that_ships_plays_over_a_config_of_ones_own(folder: Path) -> None:
    done = run("simulate", "one-outage-many-in-flight", "--config", "models.yaml")
    assert done.exit_code in (0, 1), done.output
    assert "glm__key_1" in done.output
    assert "All 13 invariants hold" in done.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("simulate", "a-bad-our"), "did you mean `a-bad-hour`"),
        (("simulate", "nowhere.toml"), "nowhere.toml"),
        (("simulate", "--config", "nowhere.yaml"), "nowhere.yaml"),
        (("fuzz", "nowhere.yaml"), "nowhere.yaml"),
        (("replay", "nowhere.jsonl"), "nowhere.jsonl"),
        (("replay", "models.yaml"), "line 1"),
        (("simulate", "outage.toml", "--trace", "no/such/folder/t.jsonl"), "No such file"),
    ],
)
def test_what_people_can_put_right_ends_in_a_sentence(folder: Path, words: tuple[str, ...], told: str) -> None:
    done = run(*words)
    assert done.exit_code == 1
    assert told in done.output
    assert "Traceback" not in done.output


def test_the_list_has_what_each_teaches() -> None:
    done = run("simulate", "--list")
    assert done.exit_code == 0
    assert "metastable-overload" in done.output


def test_fuzzing_a_config_in_which_nothing_breaks_exits_with_0(folder: Path) -> None:
    done = run("fuzz", "models.yaml", "--examples", "20")
    assert done.exit_code == 0, done.output
    assert "No invariant broke" in done.output
    assert "refused: cooling" in done.output
    assert not (folder / "storm.toml").exists()


def test_a_storm_that_is_found_is_told_and_written_and_plays_again(folder: Path) -> None:
    bug = next(bug for bug in BUGS if bug.name == "request fault cools")
    (folder / "storms").mkdir()
    with bug.plant():
        done = run("fuzz", "models.yaml", "--examples", "300", "--out", "storms/s.toml")
        assert done.exit_code == 1, done.output
        assert "What broke:" in done.output
        again = run("simulate", "storms/s.toml")
    assert again.exit_code == 1
    assert "incident" in again.output
    mended = run("simulate", "storms/s.toml")
    assert mended.exit_code == 0, mended.output


@pytest.mark.parametrize(("asked", "examples"), [((), BUDGET), (("--examples", "7"), 7)])
def test_planted_bugs_are_searched_for_as_long_as_they_may_take(
    asked: tuple[str, ...], examples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def prove(bug: planted.PlantedBug, *, examples: int, seed: int) -> Proof:
        tried.append(examples)
        return Proof(bug, bug.caught_by if seed == 3 else (), 1, 1)

    monkeypatch.setattr(planted, "prove", prove)
    found = CliRunner().invoke(cli, ["fuzz", "--planted", "--seed", "3", *asked])
    assert (found.exit_code, tried) == (0, [examples] * len(BUGS))
    assert found.output.count("| 1 | 1 |") == len(BUGS)
    missed = CliRunner().invoke(cli, ["fuzz", "--planted", *asked])
    assert missed.exit_code == 1
    assert "not found" in missed.output
