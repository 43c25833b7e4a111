"""The benchmark of the rehearsal runs as its text says, and writes what it prints."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "simulation.py"

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="benchmarks do not come with a source distribution")


def benchmark(*arguments: str) -> str:
    command = [sys.executable, str(PROGRAM), "--requests", "12", "--rounds", "3", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_kind_of_traffic_and_the_fuzzing_are_measured_and_written(tmp_path: Path) -> None:
    printed = benchmark("--fuzz", "3", "--write", str(tmp_path / "new"))
    assert printed == (tmp_path / "new" / "simulation.md").read_text(encoding="utf-8")
    figures = json.loads((tmp_path / "new" / "simulation.json").read_text(encoding="utf-8"))["figures"]
    kinds = [figure for figure in figures if figure["name"].endswith(("wire", "line"))]
    assert len(kinds) == 8
    for figure in kinds:
        assert sorted(figure["values"])[1] == figure["median"] > 0
        assert f"| {figure['name']} | {figure['median']:,.0f} |" in printed
    assert [figure["unit"] for figure in figures[8:]] == ["examples a second", "requests a second"]


def test_a_profile_tells_whose_the_time_is() -> None:
    printed = benchmark("--profile", "streamed-busy-wire")
    rows = [line.strip("| %").split(" | ") for line in printed.splitlines() if line.endswith("% |")]
    shares = {name: int(share) for name, share in rows}
    assert {"trio", "the actors", "the world and its callers", "h11", "JSON"} <= shares.keys()
    assert abs(sum(shares.values()) - 100) <= len(shares)
    assert "unrolled_run" in printed
