"""The built-in scenario: repeatable to the last bit, and telling what it should."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from trio._core import _run as trio_internals

from understudy.actors.trace import Kind
from understudy.cli import cli
from understudy.simulations import stage
from understudy.simulations.invariants import INVARIANTS, violations
from understudy.simulations.rehearsal import Recording, rehearse
from understudy.simulations.report import cooldowns, summary
from understudy.simulations.scenario import BUILT_IN, MINUTE

DIGEST = (
    "from understudy.simulations.rehearsal import rehearse; "
    "from understudy.simulations.scenario import BUILT_IN; "
    "print(rehearse(BUILT_IN, seed=7).digest)"
)


@pytest.fixture(scope="module")
def run() -> Recording:
    return rehearse(BUILT_IN, seed=7)


def interpreters() -> Iterator[str]:
    """Every Python from 3.11 to 3.13 that can be found here."""
    for minor in (11, 12, 13):
        candidates = [shutil.which(f"python3.{minor}")]
        candidates += [str(p) for p in sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python3"))]
        for candidate in candidates:
            if (
                candidate
                and subprocess.run([candidate, "-c", "pass"], capture_output=True, check=False).returncode == 0
            ):
                yield candidate
                break


def digest_in(python: str, hash_seed: int) -> str:
    # The dependencies are pure Python (or fall back to it), so that other versions can use this one's.
    import attrs
    import trio

    import understudy

    homes = {str(Path(module.__file__ or "").parents[1]) for module in (understudy, trio, attrs)}
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sorted(homes)), "PYTHONHASHSEED": str(hash_seed)}
    done = subprocess.run([python, "-c", DIGEST], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_python_and_every_hash_seed_gives_the_same_digest(run: Recording) -> None:
    pythons = [*interpreters(), sys.executable]
    digests = {(python, seed): digest_in(python, seed) for seed, python in enumerate(pythons, start=1)}
    assert set(digests.values()) == {run.digest}, digests


def test_another_seed_gives_another_run(run: Recording) -> None:
    assert rehearse(BUILT_IN, seed=8).digest != run.digest


def test_all_invariants_hold_over_many_seeds() -> None:
    for seed in range(6):
        assert violations(rehearse(BUILT_IN, seed=seed)) == {}, seed


def test_every_request_is_served_and_by_whom_the_faults_leave(run: Recording) -> None:
    assert all(fare.served_by is not None for fare in run.fares)
    by_time = [(fare.asked_at, fare.served_by.name) for fare in run.fares if fare.served_by is not None]
    assert {name for at, name in by_time if at < 4 * MINUTE} == {"glm-4.7"}
    assert {name for at, name in by_time if 6 * MINUTE < at < 14 * MINUTE} == {"glm-4.7__key_1"}
    assert {name for at, name in by_time if 21 * MINUTE < at < 24 * MINUTE} == {"glm-4.7"}
    assert {name for at, name in by_time if 41 * MINUTE < at < 44 * MINUTE} == {"claude-haiku"}
    assert "glm-4.7__key_1" in {name for at, name in by_time if at > 55 * MINUTE}


def test_streams_arrive_whole(run: Recording) -> None:
    texts = {fare.text for fare in run.fares}
    assert texts == {"All the world's a stage."}
    assert sum(fare.streamed for fare in run.fares) == len(run.fares) // 4


def test_the_first_key_cools_for_its_limit_and_then_for_its_revocation(run: Recording) -> None:
    first = [interval for interval in cooldowns(run) if interval.key.name == "glm-4.7"]
    assert [interval.reason for interval in first if interval.start < 20 * MINUTE] == ["rate_limit"] * 5
    lengths = [round(interval.end - interval.start) for interval in first if interval.reason == "rate_limit"]
    assert lengths == [30, 60, 120, 240, 300]
    revoked = [interval for interval in first if interval.reason == "auth"]
    assert [round(interval.end - interval.start) for interval in revoked] == [600, 1200, 2400][: len(revoked)]


def test_the_checkers_see_what_is_broken(run: Recording) -> None:
    """Each invariant is shown a recording that breaks it, so that none of them is a checker of nothing."""
    from attrs import evolve

    def broken(name: str, **changes: object) -> bool:
        bad = evolve(run, **changes)  # type: ignore[arg-type]
        return bool(list(INVARIANTS[name](bad)))

    served = run.fares[0]
    assert broken("provenance", fares=[evolve(served, stamp="elsewhere|env:OTHER|glm-4.7")])
    assert broken("deadline", fares=[evolve(served, answered_at=served.asked_at + 31)])
    assert broken("secrecy", fares=[evolve(served, message="key rehearsal-secret-z1 was refused")])
    cooling = next(fact for fact in run.facts if fact.kind is Kind.COOLING)
    admitted = next(fact for fact in run.facts if fact.kind is Kind.ADMITTED)
    sent_while_cooling = evolve(admitted, at=cooling.at + 1, key=cooling.key)
    assert broken("silence", facts=[cooling, sent_while_cooling])
    assert broken("rate", facts=[evolve(admitted, at=float(i) / 10) for i in range(61)])
    assert broken("one-answer", facts=[fact for fact in run.facts if fact.kind is not Kind.DELIVERED])
    assert broken("conservation", closing=[evolve(run.closing[0], in_flight=1)])


def test_the_stage_gives_trio_back_as_it_was() -> None:
    before = [getattr(trio_internals, name) for name in stage.HOOKS]
    with pytest.raises(stage.StageError, match="did not come to its end within 5 virtual seconds"):
        stage.perform(forever, seed=1, longest=5)
    assert [getattr(trio_internals, name) for name in stage.HOOKS] == before


async def forever() -> None:
    import trio

    await trio.sleep_forever()


def test_a_trio_without_the_hooks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(trio_internals, "_r")
    with pytest.raises(stage.StageError, match="has no _r"):
        stage.perform(forever, seed=1, longest=5)


def test_the_command_prints_who_served_and_the_digest(run: Recording, tmp_path: Path) -> None:
    trace = tmp_path / "trace.txt"
    done = CliRunner().invoke(cli, ["simulate", "--seed", "7", "--trace", str(trace)], env={"COLUMNS": "140"})
    assert done.exit_code == 0, done.output
    for word in ("glm-4.7__key_1", "claude-haiku", "rate_limit", "auth", "network", "All invariants hold", run.digest):
        assert word in done.output
    assert len(trace.read_text(encoding="utf-8").splitlines()) == len(run.facts)


def test_the_command_speaks_json(run: Recording) -> None:
    done = CliRunner().invoke(cli, ["simulate", "--seed", "7", "--json"])
    assert json.loads(done.output) == json.loads(json.dumps(summary(run)))
