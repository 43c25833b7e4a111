"""The same scenario and schedule give the same trace, byte for byte: in another process, hash seed, Python version."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from understudy.simulations.rehearsal import rehearse
from understudy.simulations.stage import Schedule
from understudy.simulations.trace import TraceError, first_difference, read_trace

from .storm import STORM

PROGRAM = (
    "from understudy.simulations.rehearsal import rehearse; import storm; print(rehearse(storm.STORM).trace.digest())"
)


def interpreters() -> Iterator[str]:
    """Every Python from 3.11 to 3.13 that can be found here."""
    for minor in (11, 12, 13):
        candidates = [shutil.which(f"python3.{minor}")]
        candidates += [str(p) for p in sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python3"))]
        for candidate in filter(None, candidates):
            if subprocess.run([candidate, "-c", "pass"], capture_output=True, check=False).returncode == 0:
                yield candidate
                break


def digest_in(python: str, hash_seed: int) -> str:
    # The dependencies are pure Python (or fall back to it), so that other versions can use this one's.
    import attrs
    import trio

    import understudy

    homes = {str(Path(module.__file__ or "").parents[1]) for module in (understudy, trio, attrs)}
    paths = [*sorted(homes), str(Path(__file__).parent)]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONHASHSEED": str(hash_seed)}
    done = subprocess.run([python, "-c", PROGRAM], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_python_and_every_hash_seed_gives_the_same_trace() -> None:
    pythons = [*interpreters(), sys.executable]
    digests = {(python, seed): digest_in(python, seed) for seed, python in enumerate(pythons, start=1)}
    assert set(digests.values()) == {rehearse(STORM).trace.digest()}, digests


def test_another_seed_another_schedule_and_another_script_give_other_traces() -> None:
    runs = [
        rehearse(STORM),
        rehearse(evolve(STORM, seed=8)),
        rehearse(STORM, Schedule(99)),
        rehearse(STORM, Schedule(None)),
        rehearse(STORM, Schedule(None, (0, 1, 2, 3) * 20)),
    ]
    assert len({run.trace.digest() for run in runs}) == len(runs)


def test_the_digest_is_that_of_the_written_file_and_what_is_read_again_is_the_same(tmp_path: Path) -> None:
    trace = rehearse(STORM).trace
    trace.write(tmp_path / "trace.jsonl")
    assert hashlib.sha256((tmp_path / "trace.jsonl").read_bytes()).hexdigest() == trace.digest()
    again = read_trace(tmp_path / "trace.jsonl")
    assert list(again.lines()) == list(trace.lines())
    assert first_difference(trace.lines(), again.lines()) is None


def test_the_first_line_that_differs_is_found() -> None:
    one, other = list(rehearse(STORM).trace.lines()), list(rehearse(STORM, Schedule(99)).trace.lines())
    found = first_difference(one, other)
    assert found is not None
    number, left, right = found
    assert one[: number - 1] == other[: number - 1]
    assert (one[number - 1], other[number - 1]) == (left, right)
    assert first_difference(one, one[:-1]) == (len(one), one[-1], None)


@pytest.mark.parametrize(
    "line", ["", "[]", "no json", '{"at": 1}', '{"at": "x", "kind": "sent"}', '{"at": 1, "kind": "nothing"}']
)
def test_what_is_no_trace_is_told_with_its_line(line: str, tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text('{"at":0.0,"kind":"started"}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(TraceError, match="line 2"):
        read_trace(path)
    path.write_text('{"trace": 99}\n', encoding="utf-8")
    with pytest.raises(TraceError, match="version 99"):
        read_trace(path)
