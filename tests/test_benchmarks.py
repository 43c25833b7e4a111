"""The benchmarks run as their text says, and write what they print. What they measure is judged by nobody here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
OVER_HTTP = ("wire", "tls", "headers", "paced", "hop")
PARTS = (*OVER_HTTP, "router", "beside", "bodies", "streams", "carried", "endurance", "startup", "simulation")
TINY = ("--no-peers", "--rounds=1", "--seconds=0.001", "--requests=440", "--chunks=50", "--rehearsed=6")

pytestmark = pytest.mark.skipif(not BENCHMARKS.exists(), reason="benchmarks do not come with a source distribution")


def benchmark(*arguments: str, program: str = "run.py") -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    command = [sys.executable, str(BENCHMARKS / program), *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


def test_every_part_is_measured_and_written_as_it_is_printed(tmp_path: Path) -> None:
    only = [word for part in PARTS for word in ("--only", part)]
    done = benchmark(*TINY, *only, "--write", str(tmp_path / "new"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == (tmp_path / "new" / "benchmarks.md").read_text(encoding="utf-8")
    book = json.loads((tmp_path / "new" / "benchmarks.json").read_text(encoding="utf-8"))
    assert book["skipped"] == []
    figures = book["figures"]
    parts = list(dict.fromkeys(figure["part"] for figure in figures))
    short, *headings = [line.removeprefix("## ") for line in done.stdout.splitlines() if line.startswith("## ")]
    assert short.startswith("In short: ")
    assert headings == parts
    assert len(parts) == len(PARTS)
    contestants = [figure for figure in figures if (figure["case"], figure["callers"]) == ("plain", 16)]
    assert len(contestants) == 5
    in_short = [line.split(" | ") for line in done.stdout.partition(f"## {parts[0]}")[0].splitlines()]
    told = {cells[0].removeprefix("| "): cells[1] for cells in in_short if len(cells) > 1}
    for figure in contestants:
        assert float(told[figure["who"]].replace(",", "")) == pytest.approx(figure["median"], rel=0.01)
    contested = [[figure for figure in figures if figure["part"] == part] for part in parts[: len(OVER_HTTP)]]
    # Of five contestants: kinds by callers; streams one after another only by callers, a hop by nothing.
    assert [len(each) for each in contested] == [5 * 4 * 3, 5 * 2 * 3, 5 * 2 * 3, 5 * 2, 5]
    assert all(figure["median"] > 0 for each in contested for figure in each)
    for figure in figures:
        assert len(figure["values"]) == 1
        assert figure["median"] == figure["values"][0]
        assert f"**{figure['case']}**" in done.stdout or f"| {figure['case']} | " in done.stdout


def test_a_profile_names_the_functions_of_the_hot_path() -> None:
    for case in ("one fallback", "plain, 16 at once"):
        done = benchmark("--profile", case, "--seconds", "0.01")
        assert done.returncode == 0, done.stderr
        assert "(perform)" in done.stdout
        assert "understudy/actors/" in done.stdout


def test_a_peer_that_cannot_be_had_is_left_out_with_a_word(tmp_path: Path) -> None:
    nowhere = tmp_path / "a file"
    nowhere.write_text("", encoding="utf-8")
    done = benchmark("--only", "hop", "--rounds", "1", "--seconds", "0.001", "--peers", str(nowhere))
    assert done.returncode == 0, done.stderr
    assert "## Left out\n\n- TensorZero embedded: " in done.stdout
    assert "| understudy | " in done.stdout


def test_what_each_observer_costs_is_told_and_written(tmp_path: Path) -> None:
    done = benchmark("--requests", "10", "--rounds", "1", "--write", str(tmp_path), program="observers.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (tmp_path / "observers.md").read_text(encoding="utf-8")
    figures = json.loads((tmp_path / "observers.json").read_text(encoding="utf-8"))
    assert len(figures) == len(done.stdout.splitlines()) - 2 == 7
    assert all(figure > 0 for figure in figures.values())
