"""The examples and the benchmark run as their texts say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not (ROOT / "examples").exists(), reason="programs do not come with a source distribution"
)


def run(program: str, *arguments: str, warnings: str = "error") -> str:
    environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    command = [sys.executable, "-W", warnings, str(ROOT / program), *arguments]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_the_trio_program_shows_what_it_says() -> None:
    lines = run("examples/embed.py").splitlines()
    described = "I am gpt-4o of the first provider, and you said: Describe an"
    assert sum(described in line and line.endswith("— clever (openai/gpt-4o)") for line in lines[:3]) == 3
    assert lines[3] == "I am llama3 of the second provider, and you said: Who are you? — local (openai/llama3)"
    assert [line.split()[0] for line in lines[4:7]] == ["clever", "clever__key_1", "local"]
    assert lines[7].endswith("Tell me more — local (openai/llama3)")
    assert [line.split()[:2] for line in lines[8:]] == [
        ["clever", "cooling"],
        ["clever__key_1", "cooling"],
        ["local", "healthy"],
    ]


def test_the_asyncio_program_shows_what_it_says() -> None:
    lines = run("examples/asyncio_app.py").splitlines()
    assert sum("I am gpt-4o of the first provider, and you said: Describe an" in line for line in lines) == 3
    assert any(line.endswith("… that is enough; the provider's connection is closed.") for line in lines)
    assert any(line.startswith("I am llama3 of the second provider, and you said: Are you still") for line in lines)
    assert lines[-3].endswith("And as a stream? — local (openai/llama3)")
    assert lines[-2:] == [
        "clever  cooling  served 3, failures 1",
        "local   healthy  served 2, failures 0",
    ]


def test_the_synchronous_program_shows_what_it_says() -> None:
    lines = run("examples/script.py").splitlines()
    assert lines[0] == "I am gpt-4o of the first provider, and you said: Who are you? — clever (openai/gpt-4o)"
    assert lines[1] == "I am gpt-4o of the first provider, and you said: Tell me more — clever (openai/gpt-4o)"
    assert [line.split(" — ")[1] for line in lines[2:4]] == ["local (openai/llama3)"] * 2
    assert lines[4].startswith("clever  ready in ")
    assert lines[5:] == ["local   admits", "clever (openai/gpt-4o)"]


def test_the_benchmark_measures_every_way_and_writes_what_it_prints(tmp_path: Path) -> None:
    printed = run("benchmarks/portal.py", "--requests", "128", "--rounds", "1", "--write", str(tmp_path / "new"))
    assert printed == (tmp_path / "new" / "portal.md").read_text(encoding="utf-8")
    figures = json.loads((tmp_path / "new" / "portal.json").read_text(encoding="utf-8"))["figures"]
    assert {(figure["way"], figure["callers"], figure["stream"]) for figure in figures} == {
        (way, callers, stream)
        for way in ("trio", "asyncio", "threads")
        for callers in (1, 16, 128)
        for stream in (False, True)
    }
    assert all(figure["median"] > 0 for figure in figures)
