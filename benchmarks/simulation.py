"""How many requests a rehearsal performs in a second of CPU time, and where that time goes.

    python benchmarks/simulation.py                  the table of requests, in about a minute
    python benchmarks/simulation.py --day            and a whole day of traffic, performed and checked
    python benchmarks/simulation.py --fuzz 200       and so many examples of fuzzing
    python benchmarks/simulation.py --write FOLDER   all of it as simulation.json and simulation.md, too
    python benchmarks/simulation.py --profile plain-sparse-line

What is measured is a whole `rehearse`: the callers, the router as in production, the scripted providers, and every fact
recorded. A case asks for *plain* answers or for *streamed* ones (of five pieces); its callers come so *sparsely* that
each is alone, or so *busily* that some fifty are under way; it goes as HTTP (*wire*) or above it (*line*). Each
round performs every case once, and the medians of all rounds are told, so that whatever else the machine does disturbs
all of them alike. Nothing is sent anywhere.

CPU times are scaled to the quickest that the core was in this process (`measuring`); what its own slowness was at the
worst is told with the table.

Where the time of callers that come sparsely goes, by `--profile`. (cProfile makes functions in Python look dearer than
they are. What built-in functions take is counted with whoever calls them.)

| | plain, line | plain, wire | streamed, line | streamed, wire |
|---|---:|---:|---:|---:|
| the actors, facts recorded | 45 % | 46 % | 40 % | 42 % |
| trio: its loop, tasks, cancel scopes, channels | 25 % | 23 % | 38 % | 33 % |
| the world and its callers, sights recorded | 21 % | 21 % | 13 % | 15 % |
| the stage: clock and schedule | 4 % | 4 % | 5 % | 4 % |
| JSON | 3 % | 4 % | 3 % | 3 % |
| the rest, httptools or h11 among it | 2 % | 2 % | 1 % | 3 % |

A plain request is one task, one cancel scope, four messages and two sleeps. No function of ours takes more than 3 %.
"""

from __future__ import annotations

import argparse
import cProfile
import itertools
import platform
import pstats
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import httpx
import trio
from attrs import frozen
from measuring import Core, Stretch
from tables import write_results

from understudy.simulations.fuzz import fuzz
from understudy.simulations.rehearsal import rehearse
from understudy.simulations.run import Run
from understudy.simulations.scenario import Caller, Scenario
from understudy.simulations.scenario_files import find_scenario
from understudy.simulations.simulation import simulate
from understudy.simulations.trace import Scene

CONFIG: Final = {
    "model_list": [
        {
            "model_name": "glm-4.7",
            "model": "zhipu/glm-4.7",
            "api_base": "https://zhipu.example/v4",
            "api_keys": ["env:ZHIPU_KEY_1", "env:ZHIPU_KEY_2"],
            "fallbacks": ["haiku"],
        },
        {
            "model_name": "haiku",
            "model": "anthropic/claude-haiku-4-5",
            "api_base": "https://anthropic.example/v1",
            "api_key": "env:ANTHROPIC_KEY",
            "dialect": "openai",  # else callers would hold longer conversations, and each would be translated
        },
    ]
}

SPARSE: Final = 5.0
"""Seconds between callers: more than any answer takes."""

BUSY: Final = 0.01
"""Seconds between callers: an answer takes some fifty times as long."""

LAYERS: Final = (
    ("understudy/actors", "the actors"),
    ("understudy/supervisors", "the actors"),
    ("understudy/simulations/stage", "the stage: clock and schedule"),
    ("understudy/simulations", "the world and its callers"),
    ("/trio/", "trio"),
    ("/outcome/", "trio"),
    ("contextlib", "trio"),  # its cancel scopes: nobody else on the way of a request needs it
    ("collections/__init__", "trio"),  # whether it has instruments
    ("trio.", "trio"),
    ("outcome.", "trio"),
    ("/httpx/", "httpx"),
    ("/h11/", "h11"),
    ("/json/", "JSON"),
    ("understudy.actors", "the actors"),
    ("understudy.simulations", "the world and its callers"),
)
"""Whose a function is: by a piece of its file's path, or of the name of the class whose methods attrs made."""


@frozen
class Case:
    """One kind of traffic."""

    stream: bool
    busy: bool
    wire: bool

    @property
    def name(self) -> str:
        """What it is called in the table."""
        words = ("streamed" if self.stream else "plain", "busy" if self.busy else "sparse")
        return "-".join((*words, "wire" if self.wire else "line"))

    def scenario(self, requests: int) -> Scenario:
        """Return so many callers."""
        every = BUSY if self.busy else SPARSE
        callers = tuple(Caller(number * every, "glm-4.7", stream=self.stream) for number in range(requests))
        return Scenario(self.name, CONFIG, callers=callers, wire=self.wire)


CASES: Final = {case.name: case for case in itertools.starmap(Case, itertools.product((False, True), repeat=3))}


@frozen
class Figure:
    """What came out: `value` is the median of `values`, in `unit`."""

    name: str
    unit: str
    values: Sequence[float]

    @property
    def value(self) -> float:
        """The median."""
        return statistics.median(self.values)

    def row(self) -> str:
        """Return a row of the table."""
        least, most = min(self.values), max(self.values)
        span = f"{least:,.0f} to {most:,.0f}" if len(self.values) > 1 else ""
        return f"| {self.name} | {self.value:,.0f} | {self.unit} | {span} |"


def main() -> None:
    args = arguments()
    if args.profile is not None:
        profile(CASES[args.profile], args.requests)
        return
    core = Core()
    figures = list(requests_a_second(core, args.requests, args.rounds))
    if args.day:
        figures += day(core)
    if args.fuzz:
        figures += fuzzing(core, args.fuzz)
    rows = ["| what | median | unit | range |", "|---|---:|---|---|", *(figure.row() for figure in figures)]
    table = "\n".join([machine(core), "", *rows])
    print(table)
    if args.write is not None:
        write(args.write, table, core, figures)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="How many requests a rehearsal performs in a second of CPU time.")
    parser.add_argument("--requests", type=int, default=2000, help="how many each case makes (2000)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each case is performed (5)")
    parser.add_argument("--day", action="store_true", help="a whole day of traffic as well")
    parser.add_argument("--fuzz", type=int, default=0, metavar="N", help="so many examples of fuzzing as well")
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="where simulation.json and simulation.md go")
    parser.add_argument("--profile", choices=sorted(CASES), help="only show where the time of one case goes")
    return parser.parse_args()


def requests_a_second(core: Core, requests: int, rounds: int) -> Iterator[Figure]:
    """Play every case in every round."""
    stretches: dict[str, list[Stretch]] = {name: [] for name in CASES}
    for case in CASES.values():
        rehearse(case.scenario(50))  # what is compiled and cached at the first use is not to be measured
    for _ in range(rounds):
        for name, case in CASES.items():
            scenario = case.scenario(requests)
            with core.measured() as stretch:
                run = rehearse(scenario)
            stretches[name].append(stretch)
            check(run)
    for name, parts in stretches.items():
        yield Figure(name, "requests a second", [requests / part.scaled for part in parts])


def check(run: Run) -> None:
    """A run in which not everybody was served measures something else."""
    outcomes = Counter(sight.details["outcome"] for sight in run.trace.sights(Scene.TOLD))
    if run.hung is not None or outcomes != {"served": len(run.callers)}:
        raise SystemExit(f"{run.scenario.name} is no measure of anything: {run.hung or dict(outcomes)}")


def day(core: Core) -> Iterator[Figure]:
    """Perform the built-in day, with all its outages, and check all that is promised."""
    scenario = find_scenario("a-day")
    with core.measured() as stretch:
        report = simulate(scenario, progress=stretch.sample)
    if not report.ok:
        raise SystemExit(f"the day went wrong: {[*report.violations, *(v for v in report.verdicts if not v.met)]}")
    requests = len(report.run.callers)
    yield Figure(f"a day of {requests:,} requests, checked", "seconds", [stretch.scaled])
    yield Figure("the same", "requests a second", [requests / stretch.scaled])


def fuzzing(core: Core, examples: int) -> Iterator[Figure]:
    """Search for a storm that breaks an invariant."""
    with core.measured() as stretch:
        search = fuzz(examples=examples, progress=lambda number: stretch.sample() if number % 50 == 0 else None)
    took = stretch.scaled
    if search.found is not None:
        raise SystemExit(f"fuzzing found something: {list(search.found.violations)}")
    yield Figure("fuzzing, drawn, performed and checked", "examples a second", [search.examples / took])
    yield Figure("the same", "requests a second", [search.requests / took])


# Where the time goes


def profile(case: Case, requests: int) -> None:
    """Print each layer's share of the time, and the functions that take the most."""
    rehearse(case.scenario(50))
    scenario = case.scenario(requests)
    profiler = cProfile.Profile()
    profiler.enable()
    rehearse(scenario)
    profiler.disable()
    stats = pstats.Stats(profiler)
    spent = shares(stats)
    total = sum(spent.values())
    print(f"{machine()}\n\n| {case.name} | share |\n|---|---:|")
    for layer, seconds in spent.most_common():
        print(f"| {layer} | {100 * seconds / total:.0f} % |")
    stats.sort_stats("tottime").print_stats(50)


def shares(stats: pstats.Stats) -> Counter[str]:
    """Return the seconds that each layer spent itself. A built-in function is its caller's."""
    spent: Counter[str] = Counter()
    for function, (_, _, own, _, callers) in stats.stats.items():  # type: ignore[attr-defined]
        if function[0] == "~" and callers:
            for caller, (_, _, seconds, _) in callers.items():
                spent[layer_of(caller)] += seconds
        else:
            spent[layer_of(function)] += own
    return spent


def layer_of(function: tuple[str, int, str]) -> str:
    path = function[0].replace("\\", "/")
    return next((layer for piece, layer in LAYERS if piece in path), "the rest")


# What is written


def machine(core: Core | None = None) -> str:
    shared = "" if core is None else f", up to {core.slowness:.0%} slower than its quickest"
    return (
        f"Python {platform.python_version()}, trio {trio.__version__}, httpx {httpx.__version__},"
        f" {platform.system()} on {platform.machine()}, CPU time of one core{shared}"
    )


def write(folder: Path, table: str, core: Core, figures: Sequence[Figure]) -> None:
    book: dict[str, Any] = {
        "machine": machine(core),
        "figures": [
            {"name": figure.name, "unit": figure.unit, "median": figure.value, "values": list(figure.values)}
            for figure in figures
        ],
    }
    write_results(folder, "simulation", book, table)


if __name__ == "__main__":
    main()
