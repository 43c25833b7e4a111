"""The commands of the rehearsal: ``simulate``, ``fuzz``, ``replay``. They read arguments and print; no more."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import click
from attrs import evolve
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .actors.errors import UnderstudyError

if TYPE_CHECKING:
    from .simulations.fuzz import Search
    from .simulations.scenario import Scenario
    from .simulations.seeds import Outcome
    from .simulations.simulation import Report

FILE = click.Path(path_type=Path)
DEFAULT_SCENARIO = "a-bad-hour"
SEEDS_SHOWN = 10


def fail(message: str) -> NoReturn:
    """Say what is wrong, and exit with 1."""
    click.echo(message, err=True)
    sys.exit(1)


@contextmanager
def told() -> Iterator[None]:
    """Let what people can put right end in a sentence, and not in a traceback."""
    from .simulations.stage import StageError
    from .simulations.trace import TraceError

    try:
        yield
    except (UnderstudyError, StageError, TraceError) as exc:
        fail(str(exc))
    except OSError as exc:
        fail(f"{exc.filename or 'a file'}: {exc.strerror or exc}")


# simulate


@click.command()
@click.argument("scenario", default=DEFAULT_SCENARIO)
@click.option("--seed", type=int, help="What the run's randomness is drawn from.  [default: the scenario's own]")
@click.option("--seeds", type=click.IntRange(1), help="Run this many seeds on all cores, and report the worst.")
@click.option("--config", type=FILE, help="Play it over this config instead of the scenario's own.")
@click.option("--plot", type=FILE, help="Write a picture of the run: one page of HTML.")
@click.option("--trace", "trace_file", type=FILE, help="Write everything that happens: JSON, a line each.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option("--check-determinism", is_flag=True, help="Run it twice, and name the first event that differs.")
@click.option("--list", "list_all", is_flag=True, help="List the scenarios that come with understudy.")
def simulate(
    scenario: str,
    seed: int | None,
    seeds: int | None,
    config: Path | None,
    plot: Path | None,
    trace_file: Path | None,
    as_json: bool,
    check_determinism: bool,
    list_all: bool,
) -> None:
    """Rehearse SCENARIO, a file or one that comes with understudy, in virtual time.

    Exits with 1 if an invariant broke or an expectation was not met.
    """
    with told():
        if list_all:
            _list_scenarios()
            return
        play = _scenario(scenario, seed, config)
        outcomes: Sequence[Outcome] = ()
        if seeds is not None:
            outcomes = _all_seeds(play, seeds)
            play = evolve(play, seed=outcomes[0].seed, script=None)
        report = _performed(play, check_determinism=check_determinism, quiet=as_json)
        _write(report, scenario, plot, trace_file)
        _print(report, scenario, outcomes, as_json=as_json)
    if not report.ok or any(not outcome.ok for outcome in outcomes):
        sys.exit(1)


def _scenario(name: str, seed: int | None, config: Path | None) -> Scenario:
    from .simulations.recast import recast
    from .simulations.scenario_files import find_scenario

    play = find_scenario(name)
    if config is not None:
        play = recast(play, config)
    return play if seed is None else evolve(play, seed=seed, script=None)


def _performed(play: Scenario, *, check_determinism: bool, quiet: bool) -> Report:
    from .simulations.report import progress
    from .simulations.simulation import simulate as perform

    console = Console(stderr=True, quiet=quiet)
    with progress(console, play.name) as listener:
        return perform(play, check_determinism=check_determinism, progress=listener)


def _all_seeds(play: Scenario, seeds: int) -> list[Outcome]:
    from .simulations.seeds import run_seeds

    return run_seeds(play, range(play.seed, play.seed + seeds))


def _write(report: Report, source: str, plot: Path | None, trace_file: Path | None) -> None:
    if trace_file is not None:
        report.run.trace.write(trace_file)
    if plot is not None:
        from .simulations.views.picture import write_picture

        write_picture(report, plot, source=source)


def _print(report: Report, source: str, outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    from .simulations.report import show
    from .simulations.summary import summary

    if as_json:
        of_seeds = [{"seed": each.seed, "ok": each.ok, "digest": each.digest} for each in outcomes]
        click.echo(
            json.dumps({**summary(report, source=source), **({"seeds": of_seeds} if of_seeds else {})}, indent=2)
        )
        return
    console = Console()
    if outcomes:
        console.print(_seeds_table(outcomes))
    show(report, console, source=source)


def _seeds_table(outcomes: Sequence[Outcome]) -> Table:
    well = sum(outcome.ok for outcome in outcomes)
    table = Table(title=f"{len(outcomes)} seeds: {well} went well. The worst:", title_justify="left")
    for column in ("seed", "served", "of", "broken", "not met"):
        table.add_column(column)
    for each in outcomes[:SEEDS_SHOWN]:
        table.add_row(
            str(each.seed), str(each.served), str(each.requests), ", ".join(each.broken), "; ".join(each.unmet)
        )
    return table


def _list_scenarios() -> None:
    from .simulations.scenario_files import built_in_scenarios, load_scenario

    table = Table(show_header=False, box=None, padding=(0, 2, 1, 0))
    for name, path in built_in_scenarios().items():
        table.add_row(Text(name, "bold"), load_scenario(path).teaches.strip())
    Console().print(table)


# fuzz

EXAMPLES: Final = 500
"""How many scenarios are tried where nobody says."""


@click.command()
@click.argument("config", type=FILE, required=False)
@click.option(
    "--examples",
    type=click.IntRange(1),
    default=None,
    help="How many scenarios to try.  [default: 500; with --planted as many as a bug may take]",
)
@click.option("--seed", type=int, default=0, show_default=True, help="What the scenarios are drawn from.")
@click.option("--out", type=FILE, default=Path("storm.toml"), show_default=True, help="Where a storm is written to.")
@click.option("--planted", is_flag=True, help="Search for bugs planted into the real code: proof that it can fail.")
def fuzz(config: Path | None, examples: int | None, seed: int, out: Path, planted: bool) -> None:
    """Search for a storm of faults that breaks an invariant, over CONFIG or over drawn topologies.

    Prints the smallest one found, and writes it as a scenario file. Exits with 1 if there is one.
    """
    with told():
        if planted:
            _prove(examples, seed)
            return
        search = _searched(config, EXAMPLES if examples is None else examples, seed)
        console = Console()
        console.print(_coverage_table(search))
        console.print(f"{search.examples} scenarios with {search.requests} requests.")
        if search.found is None:
            console.print(Text("No invariant broke.", "green"))
            return
        _tell_found(search, out)
    sys.exit(1)


def _searched(config: Path | None, examples: int, seed: int) -> Search:
    from rich.progress import Progress

    from .simulations.fuzz import fuzz as search

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("searching", total=examples)
        return search(config, examples=examples, seed=seed, progress=lambda done: bar.update(task, completed=done))


def _coverage_table(search: Search) -> Table:
    from .simulations.coverage import POINTS

    table = Table(title="How many of the scenarios reached what", title_justify="left", show_header=False, box=None)
    points = [(point, search.reached[point] / max(1, search.examples)) for point in POINTS]
    half = (len(points) + 1) // 2
    for (left, a), right in zip(points[:half], [*points[half:], None], strict=False):
        b = ("", "") if right is None else (right[0], f"{right[1]:.1%}")
        table.add_row(left, f"{a:.1%}", *b)
    return table


def _tell_found(search: Search, out: Path) -> None:
    from .simulations.scenario_files import write_scenario
    from .simulations.story import tell

    assert search.found is not None
    found = search.found
    click.echo(tell(found.run, found.violations))
    write_scenario(found.scenario, out)
    click.echo(f"Written to {out}: understudy simulate {out}")


def _prove(examples: int | None, seed: int) -> None:
    from .simulations.planted import BUDGET, BUGS, prove, table

    proofs = []
    for bug in BUGS:
        proofs.append(prove(bug, examples=BUDGET if examples is None else examples, seed=seed))
        click.echo(f"{bug.name}: {', '.join(proofs[-1].invariants)} after {proofs[-1].examples}", err=True)
    click.echo(table(proofs))
    missed = [proof.bug.name for proof in proofs if not proof.found]
    if missed:
        fail(f"not found, or not as they should be: {', '.join(missed)}")


# replay


@click.command()
@click.argument("trace", type=FILE)
@click.option("--plot", type=FILE, help="Write a picture of it: one page of HTML.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def replay(trace: Path, plot: Path | None, as_json: bool) -> None:
    """Show a recorded TRACE: one of a rehearsal, or one that was recorded in production."""
    from .simulations.report import show_trace
    from .simulations.summary import trace_summary
    from .simulations.trace import read_trace

    with told():
        read = read_trace(trace)
        if plot is not None:
            from .simulations.views.picture import write_picture

            write_picture(read, plot)
        if as_json:
            click.echo(json.dumps(trace_summary(read), indent=2))
        else:
            show_trace(read, Console())
