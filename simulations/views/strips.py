"""Time from left to right in a terminal: a character for each slice, of what a candidate was or whether a fault was on.

Colours help, and no meaning hangs on them: every mark is a character of its own, and there are marks for terminals that
know ASCII only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from attrs import frozen
from rich.text import Text

from ...actors.part import State
from .axis import Slices, marks, unit_of
from .course import Course
from .moments import FaultSpan

FAULTS_SHOWN: Final = 12


@frozen
class Mark:
    """How something is drawn: as which character, in which style, and what it means."""

    glyph: str
    plain: str
    style: str
    words: str

    def drawn(self, *, ascii_only: bool) -> str:
        """Return the character."""
        return self.plain if ascii_only else self.glyph


SERVES: Final = Mark("█", "#", "green", "serves")
IDLE: Final = Mark("·", ".", "dim", "idle")
FAILED: Final = Mark("✗", "x", "bold red", "an attempt failed")
STATES: Final = {
    State.SATURATED: Mark("▓", "%", "yellow", "saturated"),
    State.COOLING: Mark("░", ":", "blue", "cooling"),
    State.PROBING: Mark("?", "?", "magenta", "awaits its probe"),
    State.DOWN: Mark("▁", "_", "bold red", "down"),
}
FAULT: Final = Mark("━", "=", "red", "a fault is on")
MOMENT: Final = Mark("▼", "v", "red", "a fault happens")


def strip(course: Course, slices: Slices) -> list[Mark]:
    """Return for each slice what the candidate was for the longest time, or whether it failed while it was well."""
    busy = slices.tally([*course.sent, *course.served])
    failed = slices.tally(at for times in course.failed.values() for at in times)
    lost = slices.tally(course.lost)
    states = slices.longest(((s.start, s.end, s.state) for s in course.spans), State.HEALTHY)
    found = []
    for i, state in enumerate(states):
        if state in (State.HEALTHY, State.SATURATED) and (failed[i] or lost[i]):
            found.append(FAILED)
        else:
            found.append(STATES.get(state, SERVES if busy[i] else IDLE))
    return found


def fault_strips(faults: Iterable[FaultSpan], slices: Slices) -> list[tuple[str, list[Mark | None]]]:
    """Return a strip for each label that the faults have, in the order in which they begin."""
    strips: dict[str, list[Mark | None]] = {}
    for fault in faults:
        marks_of = strips.setdefault(fault.label, [None] * slices.count)
        for start, end in fault.times_on():
            last = slices.place(end)
            # One that ends where a slice begins is not on in that slice.
            last -= end > start and last > slices.place(start) and end <= last * slices.width
            for i in range(slices.place(start), last + 1):
                marks_of[i] = MOMENT if fault.is_moment else FAULT
    return list(strips.items())


def drawn(marks_of: Sequence[Mark | None], *, ascii_only: bool) -> Text:
    """Return marks as text."""
    text = Text()
    for mark in marks_of:
        if mark is None:
            text.append(" ")
        else:
            text.append(mark.drawn(ascii_only=ascii_only), mark.style)
    return text


def legend(used: Iterable[Mark], width: int, *, ascii_only: bool) -> Text:
    """Say what the marks mean that are used, in lines of at most so many characters."""
    present = set(used)
    text, taken = Text(), 0
    for mark in (SERVES, IDLE, FAILED, *STATES.values(), FAULT, MOMENT):
        if mark not in present:
            continue
        entry = Text.assemble((mark.drawn(ascii_only=ascii_only), mark.style), f" {mark.words}")
        gap = "" if taken == 0 else "\n" if taken + len(entry) + 2 > width else "  "
        taken = len(entry) if gap != "  " else taken + len(entry) + 2
        text.append(gap)
        text.append_text(entry)
    return text


def axis(length: float, width: int) -> Text:
    """Mark round times along so many characters."""
    line = [" "] * width
    sign = unit_of(length)[1]
    for at, label in marks(length, max(2, width // 10)):
        place = min(width - 1, int(at / max(length, 1e-3) * width))
        word = f"{label} {sign}" if at == 0 else label
        if place + len(word) <= width:
            line[place : place + len(word)] = word
    return Text("".join(line), "dim")
