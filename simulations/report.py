"""What a person is shown of a run in a terminal: what was on when, who served what, what broke, how to see it again.

`show` tells all that is known of a rehearsal; `show_trace` tells as much of it as a trace alone can. It is meant for 80
columns, and uses more where there are more. The same as plain data is made by `summary`, as a picture by `picture`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from .expectations import Verdict
from .invariants import INVARIANTS, Violation, context
from .rehearsal import Progress as Listener
from .run import Run
from .simulation import Report
from .summary import again
from .trace import Trace
from .views.axis import Slices, unit_of
from .views.strips import FAULTS_SHOWN, Mark, axis, drawn, fault_strips, legend, strip
from .views.tables import ROWS_SHOWN, callers, candidates, cooldowns, plain, shortened, times
from .views.timeline import Timeline, timeline_of

WIDE: Final = 110
"""Columns from which on there is room for models and credentials."""

INDENTED: Final = (0, 0, 0, 1)
VIOLATIONS_SHOWN: Final = 5
"""Of each invariant."""


def show(report: Report, console: Console, *, source: str | None = None) -> None:
    """Print a rehearsal: what happened, what was expected, what broke, and how to see it again.

    `source` is what the command line knows the scenario by, if that is not its name.
    """
    run = report.run
    timeline = timeline_of(run.trace, run.scenario.faults)
    console.print(Text.assemble(plain(run.scenario.name, "bold"), plain(f"  seed {run.scenario.seed}", "dim")))
    if run.scenario.teaches:
        console.print(Text(" ".join(run.scenario.teaches.split()), "italic"))
    _show_all(_course(timeline, console), console)
    _show_verdicts(report.verdicts, console)
    _show_violations(run, report.violations, console)
    if run.hung is not None:
        console.print(Text("The run did not come to its end:", "bold red"), plain(run.hung), sep="\n")
    _show_end(timeline, run.trace, report.digest, "virtual ", console)
    console.print(Text.assemble("Again: ", plain(again(run.scenario, source), "bold")), soft_wrap=True)


def show_trace(trace: Trace, console: Console) -> None:
    """Print what a trace alone can tell, of a rehearsal or recorded in production."""
    timeline = timeline_of(trace)
    scenario = trace.header.get("scenario")
    if scenario is None:
        console.print(Text("A trace without a header", "bold"), "(times are told from its first fact on)")
    else:
        seed = trace.header.get("seed")
        console.print(Text.assemble(plain(scenario, "bold"), plain(f"  seed {seed}, as it was recorded", "dim")))
    _show_all(_course(timeline, console), console)
    _show_end(timeline, trace, trace.digest(), "", console)


@contextmanager
def progress(console: Console, what: str) -> Iterator[Listener]:
    """Show a bar while something is under way, and give out whom to tell how much is over: a share of 1.

    The bar goes when it is over, and there is none where nobody would see it move.
    """
    if not console.is_terminal:
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    # It is drawn when something is told, not by a thread: there are none in a rehearsal.
    with Progress(*columns, console=console, transient=True, auto_refresh=False) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda share: bar.update(task, completed=share, refresh=True)


def _show_all(renderables: Iterator[RenderableType], console: Console) -> None:
    for each in renderables:
        console.print()
        console.print(each)


def _course(timeline: Timeline, console: Console) -> Iterator[RenderableType]:
    """Return what both a rehearsal and a trace have to show."""
    yield _strips(timeline, console)
    groups = timeline.groups()
    yield candidates(timeline, wide=console.width >= WIDE)
    if groups:
        yield callers(groups)
        yield times(groups)
    if timeline.cooldowns:
        yield cooldowns(timeline)


def _strips(timeline: Timeline, console: Console) -> Table:
    """Draw the faults and each candidate over time."""
    ascii_only = console.options.ascii_only
    courses = list(timeline.courses.values())
    labels = [course.key.name for course in courses] + [fault.label for fault in timeline.faults]
    label_width = min(console.width // 3, max((cell_len(label) for label in labels), default=0))
    width = max(10, console.width - label_width - 3)
    slices = Slices.exactly(timeline.length, width)
    rows: list[tuple[str, Sequence[Mark | None]]] = [*fault_strips(timeline.faults, slices)]
    left_out = max(0, len(rows) - FAULTS_SHOWN), max(0, len(courses) - ROWS_SHOWN)
    rows = rows[:FAULTS_SHOWN]
    rows += [(course.key.name, strip(course, slices)) for course in courses[:ROWS_SHOWN]]
    table = Table.grid(padding=(0, 1))
    table.add_column(width=label_width, no_wrap=True, overflow="crop")
    table.add_column(width=width, overflow="fold")
    table.add_row("", axis(timeline.length, width))
    for label, marks in rows:
        table.add_row(shortened(label, label_width, ascii_only=ascii_only), drawn(marks, ascii_only=ascii_only))
    if any(left_out):
        more = [f"{n} more {what}" for n, what in zip(left_out, ("faults", "candidates"), strict=True) if n]
        table.add_row("", Text(f"and {', '.join(more)}", "dim"))
    used = (mark for _, marks in rows for mark in marks if mark is not None)
    table.add_row("", legend(used, width, ascii_only=ascii_only))
    return table


def _show_verdicts(verdicts: Sequence[Verdict], console: Console) -> None:
    if not verdicts:
        return
    missed = sum(not verdict.met for verdict in verdicts)
    title = f"{missed} of {len(verdicts)} expectations missed" if missed else "All expectations are met"
    console.print()
    console.print(Text(title, "bold red" if missed else "bold green"))
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    for verdict in verdicts:
        word = Text(" met", "green") if verdict.met else Text(" MISSED", "bold red")
        table.add_row(word, Text.assemble(plain(verdict.expected), ": ", plain(verdict.measured, "bold")))
    console.print(table)


def _show_violations(run: Run, violations: Sequence[Violation], console: Console) -> None:
    console.print()
    if not violations:
        console.print(Text(f"All {len(INVARIANTS)} invariants hold", "bold green"), highlight=False)
        console.print(Text(f" {', '.join(INVARIANTS)}", "dim"))
        return
    by_name: dict[str, list[Violation]] = {}
    for violation in violations:
        by_name.setdefault(violation.invariant, []).append(violation)
    for name, theirs in by_name.items():
        often = f", {len(theirs)} times" if len(theirs) > 1 else ""
        console.print(plain(f"{name} is broken{often}", "bold red"))
        for violation in theirs[:VIOLATIONS_SHOWN]:
            words = plain(f"at {violation.at:.3f} s{_whom(violation)}: {violation.sentence}")
            console.print(Padding(words, INDENTED))
        if len(theirs) > VIOLATIONS_SHOWN:
            console.print(Text(f" and {len(theirs) - VIOLATIONS_SHOWN} more", "dim"))
        console.print(Text(" around the first of them:", "dim"))
        console.print(Padding(_records(context(run, theirs[0])), INDENTED))


def _whom(violation: Violation) -> str:
    about = [
        "" if violation.key is None else violation.key.name,
        "" if violation.request is None else f"request {violation.request}",
        "" if violation.caller is None else f"caller {violation.caller}",
    ]
    named = ", ".join(word for word in about if word)
    return f" ({named})" if named else ""


def _records(lines: Iterable[str]) -> Table:
    """Return lines of a trace as people read them: when, what, at whom, and the rest."""
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for line in lines:
        told = json.loads(line)
        what = told.pop("sight", None) or told.pop("kind")
        about = [str(told.pop("key"))] if "key" in told else []
        told.pop("model", None)
        told.pop("credential", None)
        at = told.pop("at")
        about += [
            f"{name}={value:.6g}" if isinstance(value, float) else f"{name}={value}" for name, value in told.items()
        ]
        table.add_row(plain(f"{at:.3f}", "dim"), plain(what), plain(" ".join(about), "dim"))
    return table


def _show_end(timeline: Timeline, trace: Trace, digest: str, kind: str, console: Console) -> None:
    everybody = timeline.everybody()
    console.print()
    seconds, _, unit = unit_of(timeline.length)
    words = f"{everybody.served} of {everybody.made} requests served in {timeline.length / seconds:.1f} {kind}{unit}"
    errors = ", ".join(f"{count} {error}" for error, count in everybody.errors.items())
    console.print(Text.assemble((words, "bold"), plain(f"; errors: {errors}" if errors else "")))
    console.print(plain(f"{len(trace.records)} records; the trace's digest is"))
    console.print(plain(digest), soft_wrap=True)
