"""What a person is shown of a run: who served what, when each candidate cooled and why, and the trace's digest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import frozen
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from ..actors.identity import ModelKey
from ..actors.trace import Fact, Kind
from .invariants import INVARIANTS, violations
from .rehearsal import Recording

STRIP_WIDTH: Final = 60
MARKS: Final = {"served": ("█", "green"), "failed": ("▄", "yellow"), "cooling": ("·", "red"), "idle": (" ", "dim")}
WIDE: Final = 125
"""Columns from which on there is room for models and credentials."""

SHOWN_COOLDOWNS: Final = 40
SHOWN_VIOLATIONS: Final = 10


@frozen
class Interval:
    """One cooldown of one candidate, with the time at which it ended or the run did."""

    key: ModelKey
    start: float
    end: float
    reason: str
    incidents: int


def cooldowns(run: Recording) -> list[Interval]:
    """Return every cooldown, in the order in which they began."""
    found: list[Interval] = []
    open_at: dict[ModelKey, int] = {}
    for fact in run.facts:
        if fact.key is None or fact.kind not in (Kind.COOLING, Kind.EXTENDED):
            continue
        until = fact.details["until"]
        assert isinstance(until, float)
        if fact.kind is Kind.COOLING:
            open_at[fact.key] = len(found)
            incidents = fact.details["incidents"]
            assert isinstance(incidents, int)
            found.append(Interval(fact.key, fact.at, until, str(fact.details["reason"]), incidents))
        else:
            i = open_at[fact.key]
            found[i] = Interval(fact.key, found[i].start, until, found[i].reason, found[i].incidents)
    return found


def summary(run: Recording) -> dict[str, Any]:
    """Return the run as plain data, for machines."""
    broken = violations(run)
    kinds = _by_candidate(run.facts)
    return {
        "scenario": run.scenario.name,
        "seed": run.seed,
        "requests": len(run.fares),
        "served": sum(fare.served_by is not None for fare in run.fares),
        "errors": dict(Counter(fare.error for fare in run.fares if fare.error)),
        "candidates": {
            status.name: {
                "sent": kinds[status.key, Kind.ADMITTED],
                "served": kinds[status.key, Kind.SERVED],
                "failed": dict(sorted(status.failures.items())),
                "refused": kinds[status.key, Kind.REFUSED],
                "state": status.state.value,
            }
            for status in run.closing
        },
        "cooldowns": [
            {
                "candidate": cooldown.key.name,
                "from": cooldown.start,
                "until": cooldown.end,
                "reason": cooldown.reason,
                "incidents": cooldown.incidents,
            }
            for cooldown in cooldowns(run)
        ],
        "violations": broken,
        "facts": len(run.facts),
        "virtual_seconds": run.ended_at,
        "digest": run.digest,
    }


def show(run: Recording, console: Console) -> None:
    """Print the run for a person."""
    served = sum(fare.served_by is not None for fare in run.fares)
    console.print(Text(run.scenario.name, "bold"), f"(seed {run.seed})")
    console.print(Text(run.scenario.lesson, "dim"))
    console.print(
        Group("", _candidates(run, wide=console.width >= WIDE), "", _strips(run), "", _cooldown_table(run), "")
    )
    console.print(f"{served} of {len(run.fares)} requests served in {run.ended_at / 60:.1f} virtual minutes.")
    for error, count in Counter(fare.error for fare in run.fares if fare.error).items():
        console.print(f"  {count} ended with {error}")
    _show_violations(violations(run), console)
    console.print(f"Trace: {len(run.facts)} facts, digest {run.digest}", soft_wrap=True, highlight=False)


def _by_candidate(facts: Sequence[Fact]) -> Counter[tuple[ModelKey | None, Kind]]:
    return Counter((fact.key, fact.kind) for fact in facts)


def _candidates(run: Recording, *, wide: bool) -> Table:
    table = Table(title="Who served what", title_justify="left", header_style="bold", box=SIMPLE_HEAD)
    table.add_column("candidate", no_wrap=True)
    for name in ("model", "credential") if wide else ():
        table.add_column(name)
    for name in ("sent", "served", "share", "failed", "refused"):
        table.add_column(name, justify="right")
    kinds = _by_candidate(run.facts)
    total = sum(kinds[status.key, Kind.SERVED] for status in run.closing) or 1
    for status in run.closing:
        served = kinds[status.key, Kind.SERVED]
        failed = ", ".join(f"{count} {reason}" for reason, count in sorted(status.failures.items()))
        table.add_row(
            status.name,
            *((f"{status.provider}/{status.model}", status.credential or "none") if wide else ()),
            str(kinds[status.key, Kind.ADMITTED]),
            str(served),
            f"{served / total:.1%}",
            failed or "0",
            str(kinds[status.key, Kind.REFUSED]),
        )
    return table


def _strips(run: Recording) -> Table:
    """Draw each candidate's time from left to right: what it did most of in each slice."""
    table = Table.grid(padding=(0, 1))
    for status in run.closing:
        table.add_row(status.name, _strip(run, status.key))
    legend = Text.assemble(("█", "green"), " served  ", ("▄", "yellow"), " failed  ", ("·", "red"), " cooling")
    table.add_row("", Text(f"0 … {run.ended_at / 60:.0f} min   ", "dim").append_text(legend))
    return table


def _strip(run: Recording, key: ModelKey) -> Text:
    width = max(run.ended_at, 1.0) / STRIP_WIDTH
    states = ["idle"] * STRIP_WIDTH
    for cooldown in cooldowns(run):
        if cooldown.key == key:
            last = min(cooldown.end, run.ended_at - 1e-9)
            for i in range(int(cooldown.start / width), int(last / width) + 1):
                states[i] = "cooling"
    for kind, state in ((Kind.FAILED, "failed"), (Kind.SERVED, "served")):
        for fact in run.facts:
            i = min(int(fact.at / width), STRIP_WIDTH - 1)
            if fact.key == key and fact.kind is kind and (state == "failed" or states[i] != "failed"):
                states[i] = state
    return Text.assemble(*(MARKS[state] for state in states))


def _cooldown_table(run: Recording) -> Table:
    table = Table(
        title="When each candidate cooled, and why", title_justify="left", header_style="bold", box=SIMPLE_HEAD
    )
    for name in ("from", "until"):
        table.add_column(name, justify="right")
    table.add_column("candidate")
    table.add_column("why")
    table.add_column("incident", justify="right")
    all_of_them = cooldowns(run)
    for cooldown in all_of_them[:SHOWN_COOLDOWNS]:
        table.add_row(
            _clock(cooldown.start),
            _clock(cooldown.end),
            cooldown.key.name,
            cooldown.reason,
            str(cooldown.incidents),
        )
    if len(all_of_them) > SHOWN_COOLDOWNS:
        table.caption = f"and {len(all_of_them) - SHOWN_COOLDOWNS} more"
    return table


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds, 1), 60)
    return f"{minutes:.0f}:{rest:04.1f}"


def _show_violations(broken: Mapping[str, Sequence[str]], console: Console) -> None:
    if not broken:
        console.print(Text(f"All invariants hold: {', '.join(INVARIANTS)}.", "green"))
    for name, sentences in broken.items():
        console.print(Text(f"{name} is broken ({len(sentences)} times):", "bold red"))
        for sentence in sentences[:SHOWN_VIOLATIONS]:
            console.print(f"  {sentence}", highlight=False)
