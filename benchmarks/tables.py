"""What comes out of the benchmarks: figures, their medians, and the tables that show them."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from attrs import field, frozen
from environments import CONTESTANTS_ALL, CONTESTANTS_ALONE, LIMIT, LIMIT_ALONE, OURS

CALLERS: Final = (1, 16, 128)
SUMMARY_CALLERS: Final = 16
HOP: Final = "a hop"
SUMMARY_CASES: Final = ("plain", "plain, every request fails over once", "streamed, 200 chunks", HOP)
PEERS: Final = {contestant.name for contestant in (*CONTESTANTS_ALL, *CONTESTANTS_ALONE) if contestant.is_peer}


@frozen
class Reading:
    """Microseconds for one request, chunk, opening or hop, as measured, and what the core's loop took around it."""

    value: float
    loop: float

    def scaled(self, quickest: float) -> float:
        """Return what it would have been at the core's quickest."""
        return self.value * quickest / self.loop


@frozen
class Figure:
    """What `who` took for a case of a part, in each round, in `unit`."""

    part: str
    case: str
    who: str
    unit: str
    values: Sequence[float]
    note: str = ""
    callers: int | None = None

    @property
    def value(self) -> float:
        """The median."""
        return statistics.median(self.values)


@frozen
class Book:
    """All that was measured, and what could not be."""

    machine: str
    figures: list[Figure] = field(factory=list)
    skipped: list[str] = field(factory=list)

    def write(self, folder: Path, told: str) -> None:
        """Write benchmarks.json and benchmarks.md."""
        rows = [
            {
                "part": figure.part,
                "case": figure.case,
                "who": figure.who,
                "callers": figure.callers,
                "unit": figure.unit,
                "median": figure.value,
                "values": list(figure.values),
                "note": figure.note,
            }
            for figure in self.figures
        ]
        book = {"machine": self.machine, "figures": rows, "skipped": self.skipped}
        write_results(folder, "benchmarks", book, told)

    def told(self) -> str:
        """Return all of it for people."""
        pieces = [self.machine, *summary(self.figures)]
        parts = list(dict.fromkeys(figure.part for figure in self.figures))
        for part in parts:
            figures = [figure for figure in self.figures if figure.part == part]
            pieces.append(f"## {part}")
            pieces += contest(figures) if figures[0].callers is not None else [plain(figures)]
        if self.skipped:
            pieces.append("## Left out\n\n" + "\n".join(f"- {line}" for line in self.skipped))
        return "\n\n".join(pieces)


def write_results(folder: Path, name: str, book: Mapping[str, object], told: str) -> None:
    """Write what came out into a folder, which is made if need be: as JSON for machines, as Markdown for people."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(book, indent=2) + "\n", encoding="utf-8")
    (folder / f"{name}.md").write_text(told + "\n", encoding="utf-8")


def summary(figures: Iterable[Figure]) -> Iterator[str]:
    """Return the table that comes first: every contestant at one load, a case beside the other."""
    at_one_load = [figure for figure in figures if figure.callers == SUMMARY_CALLERS or figure.case == HOP]
    chosen = [figure for figure in at_one_load if figure.case in SUMMARY_CASES]
    cases = list(dict.fromkeys(figure.case for figure in chosen))
    if not cases:
        return
    rows = [
        f"## In short: µs of CPU a request at {SUMMARY_CALLERS} concurrent requests; {HOP}: µs that pass",
        "",
        "".join(["| who |", *(f" {case} | to the limit | to {OURS} |" for case in cases)]),
        "|---|" + "---:|" * 3 * len(cases),
    ]
    for who in dict.fromkeys(figure.who for figure in chosen):
        cells: list[str] = []
        for case in cases:
            values = {figure.who: figure for figure in chosen if figure.case == case}
            mine = values.get(who)
            cells.append("-" if mine is None else number(mine.value))
            cells += [ratio(mine, values[to].value if to in values else None) for to in (LIMIT, OURS)]
        rows.append(f"| {who} | {' | '.join(cells)} |")
    yield "\n".join(rows)


def plain(figures: Iterable[Figure]) -> str:
    """Return a table with a row for each figure."""
    rows = ["| what | median | unit | range | |", "|---|---:|---|---:|---|"]
    for figure in figures:
        least, most = min(figure.values), max(figure.values)
        span = f"{number(least)} to {number(most)}" if len(figure.values) > 1 else ""
        rows.append(f"| {figure.case} | {number(figure.value)} | {figure.unit} | {span} | {figure.note} |")
    return "\n".join(rows)


def contest(figures: Sequence[Figure]) -> Iterator[str]:
    """Return a table for each case, with a row for everybody who took part."""
    for case in dict.fromkeys(figure.case for figure in figures):
        chosen = {(figure.who, figure.callers): figure for figure in figures if figure.case == case}
        callers = sorted({figure.callers or 0 for figure in chosen.values()})
        unit = next(iter(chosen.values())).unit
        rows = [
            f"**{case}**, {unit}, at {' / '.join(map(str, callers))} concurrent requests",
            "",
            "| who | median | to the limit | to the best peer | to understudy |",
            "|---|---:|---:|---:|---:|",
        ]
        for who in dict.fromkeys(name for name, _ in chosen):
            mine = [chosen.get((who, count)) for count in callers]
            values = " / ".join("-" if figure is None else number(figure.value) for figure in mine)
            ratios = [
                " / ".join(ratio(figure, bests(chosen, figure, names)) for figure in mine)
                for names in ({LIMIT, LIMIT_ALONE}, PEERS, {OURS})
            ]
            rows.append(f"| {who} | {values} | {' | '.join(ratios)} |")
        yield "\n".join(rows)


def bests(chosen: dict[tuple[str, int | None], Figure], figure: Figure | None, names: set[str]) -> float | None:
    """Return the least of what these took at as many callers."""
    if figure is None:
        return None
    values = [other.value for (who, count), other in chosen.items() if who in names and count == figure.callers]
    return min(values, default=None)


def ratio(figure: Figure | None, to: float | None) -> str:
    """Return how many times as much it is."""
    return "-" if figure is None or not to else f"{figure.value / to:.2f}"


def number(value: float) -> str:
    """Return a number with three digits that matter, or all before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
