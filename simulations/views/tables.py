"""The tables of a report: who served what, how the callers fared, how long it took, when each candidate cooled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.style import Style
from rich.table import Table
from rich.text import Text

from .axis import clock
from .course import Course
from .fates import Fate
from .groups import PERCENTS, Group, Times
from .timeline import Timeline

ROWS_SHOWN: Final = 40
"""Of candidates and of classes of callers."""

COOLDOWNS_SHOWN: Final = 15

COLUMNS_OF_FATES: Final = {
    Fate.FIRST: "first",
    Fate.OTHER_KEY: "other key",
    Fate.FALLBACK: "fallback",
    Fate.FAILED: "failed",
    Fate.REJECTED: "rejected",
    Fate.LEFT: "left",
    Fate.OPEN: "no end",
}


def plain(text: object, style: str | Style = "") -> Text:
    """Return text that is shown as it is: names come from files, and are neither markup nor commands to a terminal."""
    return Text("".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in str(text)), style)


def shortened(text: str, width: int, *, ascii_only: bool) -> Text:
    """Return text that is at most so many characters wide, and says so where it goes on."""
    short = plain(text)
    if short.cell_len > width:
        short.truncate(max(0, width - 2))
        short.append(".." if ascii_only else "…")
    return short


def candidates(timeline: Timeline, *, wide: bool) -> Table:
    """Say who was sent what, and what came of it."""
    table = _table("Who served what", "candidate", *(("model", "credential") if wide else ()))
    for name in ("sent", "served", "share"):
        table.add_column(name, justify="right", no_wrap=True)
    courses = list(timeline.courses.values())
    unfinished = any(course.abandoned for course in courses)
    if unfinished:
        table.add_column("left", justify="right", no_wrap=True)
    table.add_column("failed")
    table.add_column("refused")
    shares = timeline.shares()
    for course in courses[:ROWS_SHOWN]:
        key = course.key
        table.add_row(
            plain(key.name),
            *((plain(f"{key.provider}/{key.model}"), plain(key.credential or "none")) if wide else ()),
            str(len(course.sent)),
            str(len(course.served)),
            f"{shares[key]:.1%}",
            *((str(len(course.abandoned)),) if unfinished else ()),
            _failures(course),
            by_reason(course.refused),
        )
    return _and_more(table, len(courses), ROWS_SHOWN)


def by_reason(moments: Mapping[str, Sequence[float]]) -> Text:
    """Return numbers with their reasons, the largest first."""
    counts = sorted(((len(times), reason) for reason, times in moments.items()), key=lambda each: (-each[0], each[1]))
    return plain(", ".join(f"{count} {reason}" for count, reason in counts) or "0")


def _failures(course: Course) -> Text:
    """Return what failed, with what was lost over a crash."""
    return by_reason({**course.failed, "lost": course.lost} if course.lost else course.failed)


def callers(groups: Sequence[Group]) -> Table:
    """Say how the requests of each class of callers ended."""
    table = _table("How the callers fared", "callers")
    shown = [f for f in COLUMNS_OF_FATES if f in (Fate.FIRST, Fate.FAILED) or any(group.fates[f] for group in groups)]
    for name in ("asked", "served", *(COLUMNS_OF_FATES[fate] for fate in shown)):
        table.add_column(name, justify="right")
    for group in groups[:ROWS_SHOWN]:
        share = f"{group.served / group.made:.1%}"
        table.add_row(plain(group.name), str(group.made), share, *(str(group.fates[fate]) for fate in shown))
    return _and_more(table, len(groups), ROWS_SHOWN)


def times(groups: Sequence[Group]) -> Table:
    """Say how long those had to wait who were served."""
    table = _table("How long it took, in seconds", "callers", "until")
    for percent in PERCENTS:
        table.add_column("longest" if percent == 100 else f"p{percent:g}", justify="right")
    for group in groups[:ROWS_SHOWN]:
        for what, taken in (("the answer is there", group.latency), ("a stream begins", group.first_content)):
            if taken.by_percent:
                table.add_row(plain(group.name), what, *_seconds(taken))
    return table


def _seconds(times: Times) -> Iterable[str]:
    return (f"{times.by_percent[percent]:.3f}" for percent in PERCENTS)


def cooldowns(timeline: Timeline) -> Table:
    """Say when each candidate cooled, and why."""
    table = _table("When each candidate cooled, and why", "candidate")
    for name in ("from", "until"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("why")
    table.add_column("incident", justify="right")
    found = timeline.cooldowns
    for cooled in found[:COOLDOWNS_SHOWN]:
        why = cooled.reason if cooled.by is None else f"{cooled.reason} of {cooled.by}"
        table.add_row(
            plain(cooled.key.name), clock(cooled.start), clock(cooled.until), plain(why), str(cooled.incidents)
        )
    return _and_more(table, len(found), COOLDOWNS_SHOWN)


def _table(title: str, *columns: str) -> Table:
    table = Table(
        title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, caption_justify="left", show_edge=False
    )
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def _and_more(table: Table, count: int, shown: int) -> Table:
    if count > shown:
        table.caption = f"and {count - shown} more"
    return table
