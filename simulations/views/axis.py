"""The axis of time that reports and pictures share: slices of equal length, marks at round times, times in words.

All times are seconds from the beginning of what is shown. Nothing here knows what is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from typing import Final, TypeVar

from attrs import frozen

T = TypeVar("T", bound=Hashable)

ROUND: Final = (
    *(0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30),
    *(60 * minutes for minutes in (1, 2, 5, 10, 15, 30)),
    *(3600 * hours for hours in (1, 2, 3, 6, 12, 24)),
)
"""Lengths of time that people take for round, in seconds; beyond, whole days."""

UNITS: Final = ((10_800.0, 3600.0, "h", "hours"), (180.0, 60.0, "min", "minutes"), (0.0, 1.0, "s", "seconds"))
"""From which length on (seconds) time is told in which unit: its seconds, its sign, its name."""

DAY: Final = 86_400.0


@frozen
class Slices:
    """A span of time from 0, cut into `count` slices of `width` seconds each; the last one may go beyond its end."""

    width: float
    count: int

    @classmethod
    def round(cls, length: float, most: int) -> Slices:
        """Cut a length of time into slices of a round width, as many as there may be."""
        width = round_width(length, most)
        return cls(width, max(1, math.ceil(round(length / width, 9))))

    @classmethod
    def exactly(cls, length: float, count: int) -> Slices:
        """Cut a length of time into so many slices."""
        return cls(max(length, 1e-3) / count, count)

    @property
    def starts(self) -> list[float]:
        """When each slice begins."""
        return [i * self.width for i in range(self.count)]

    def place(self, at: float) -> int:
        """Return the slice in which a moment falls; what lies outside falls into the first or the last one."""
        return min(self.count - 1, max(0, int(at / self.width)))

    def tally(self, moments: Iterable[float]) -> list[int]:
        """Count moments by slice."""
        counts = [0] * self.count
        for at in moments:
            counts[self.place(at)] += 1
        return counts

    def longest(self, spans: Iterable[tuple[float, float, T]], otherwise: T) -> list[T]:
        """Return what lasted longest in each slice, of things that last from a start to an end."""
        lasted: list[dict[T, float]] = [{} for _ in range(self.count)]
        for start, end, what in spans:
            for i in range(self.place(start), self.place(end) + 1):
                inside = min(end, (i + 1) * self.width) - max(start, i * self.width)
                if inside > 0:
                    lasted[i][what] = lasted[i].get(what, 0.0) + inside
        return [max(each, key=each.__getitem__) if each else otherwise for each in lasted]

    def peaks(self, steps: Sequence[tuple[float, int]]) -> list[int]:
        """Return for each slice the greatest value of a quantity that is given by its changes."""
        peaks = [0] * self.count
        ends = [*(at for at, _ in steps[1:]), math.inf]
        for (start, value), end in zip(steps, ends, strict=False):
            last = math.ceil(end / self.width) - 1 if end < self.width * self.count else self.count - 1
            first = self.place(start)
            for i in range(first, max(first, last) + 1):
                peaks[i] = max(peaks[i], value)
        return peaks


def round_width(length: float, most: int) -> float:
    """Return the least round width of which at most so many cover a length of time, all in seconds.

    >>> round_width(3600, 60), round_width(3601, 60)
    (60, 120)
    """
    least = length / most
    for width in ROUND:
        if width >= least - 1e-9:
            return width
    return DAY * math.ceil(least / DAY)


def unit_of(length: float) -> tuple[float, str, str]:
    """Return the unit in which an axis of this length is marked: its seconds, its sign and its name.

    >>> unit_of(3600)
    (60.0, 'min', 'minutes')
    """
    return next((seconds, sign, name) for least, seconds, sign, name in UNITS if length >= least)


def marks(length: float, most: int) -> list[tuple[float, str]]:
    """Return at most so many round moments from 0 on, each with its number in the axis's unit.

    >>> marks(3600, 5)
    [(0, '0'), (900, '15'), (1800, '30'), (2700, '45'), (3600, '60')]
    """
    unit = unit_of(length)[0]
    step = max(round_width(length, max(1, most - 1)), unit / 10)
    return [(i * step, f"{i * step / unit:g}") for i in range(int(length / step + 1e-9) + 1)]


def clock(seconds: float) -> str:
    """Return a time as people read it: minutes and seconds, and hours from the first hour on.

    >>> clock(75.25), clock(3675), clock(86400.5), clock(math.inf)
    ('1:15.2', '1:01:15', '24:00:00', 'the end')
    """
    if not math.isfinite(seconds):
        return "the end"
    if seconds >= 3600:
        whole = int(seconds)
        return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
    tenths = int(seconds * 10)
    return f"{tenths // 600}:{tenths // 10 % 60:02}.{tenths % 10}"
