"""What the rows of a figure are drawn on: one axis of time, and the ways of drawing that they share.

Everything is plain data in plotly's words. Texts are escaped here, as plotly takes some HTML for its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Final

from attrs import define, field, frozen

from .axis import Slices, clock, unit_of
from .timeline import Timeline

SLICES_MAX: Final = 240
NAME_LENGTH_MAX: Final = 26


@frozen
class Row:
    """One row: what it is called, how many pixels high it is, and what is drawn in it.

    `names` are the labels of lines that have no numbers, from the top; `stacked` bars stand on one another;
    the others' numbers are `whole` ones, or not.
    """

    title: str
    height: int
    traces: Sequence[dict[str, Any]]
    names: Sequence[str] | None = None
    stacked: bool = False
    whole: bool = True


Bar = tuple[int, float, float, str]
"""A bar on one line: which line, from when until when in seconds, and its words."""


@define(eq=False)
class Canvas:
    """A timeline, and the axis of time that all rows share."""

    timeline: Timeline
    unit: float = field(init=False)
    slices: Slices = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.unit = unit_of(self.timeline.length)[0]
        self.slices = Slices.round(self.timeline.length, SLICES_MAX)

    @property
    def width(self) -> str:
        """The width of a slice, in words."""
        seconds, sign, _ = unit_of(self.slices.width * 3)  # a width of a minute is told in minutes
        return f"{self.slices.width / seconds:g} {sign}"

    def x(self, seconds: float) -> float:
        """Return a time in the axis's unit."""
        return round(seconds / self.unit, 5)

    def steps(self, name: str, values: Sequence[float | None], unit: str, **more: Any) -> dict[str, Any]:
        """Return a line that has one value for each slice."""
        starts = self.slices.starts
        return {
            "type": "scatter",
            "mode": "lines",
            "name": short(name),
            "x": [self.x(start) for start in starts],
            "y": values,
            "line": {"shape": "hv", "width": 1.6, **more.pop("line", {})},
            "hovertext": [span_words(start, start + self.slices.width) for start in starts],
            "hovertemplate": f"{short(name)}: %{{y}}{unit}<br>%{{hovertext}}<extra></extra>",
            **more,
        }

    def bars(self, name: str, colour: str, bars: Iterable[Bar], *, legend: bool = False) -> dict[str, Any]:
        """Return bars that lie on lines."""
        found = list(bars)
        return {
            "type": "bar",
            "orientation": "h",
            "name": name,
            "showlegend": legend,
            "y": [place for place, _, _, _ in found],
            "base": [self.x(start) for _, start, _, _ in found],
            "x": [self.x(end - start) for _, start, end, _ in found],
            "width": 0.64,
            "hovertext": [lines_of(words, span_words(start, end)) for _, start, end, words in found],
            "hoverinfo": "text",
            "marker": {"color": colour, "line": {"width": 0}},
        }

    def marks(self, at: Sequence[tuple[float, float, str]], marker: dict[str, Any]) -> dict[str, Any]:
        """Return marks on lines: which line, when, and what is said of it."""
        return {
            "type": "scatter",
            "mode": "markers",
            "showlegend": False,
            "y": [place for place, _, _ in at],
            "x": [self.x(moment) for _, moment, _ in at],
            "hovertext": [words for _, _, words in at],
            "hoverinfo": "text",
            "marker": marker,
        }


def span_words(start: float, end: float) -> str:
    """Return a span of time in words."""
    return f"{clock(start)} to {clock(end)}"


def short(name: str, length: int = NAME_LENGTH_MAX) -> str:
    """Return a name that is at most so many characters long."""
    return escape(name if len(name) <= length else f"{name[: length - 1]}…")


def lines_of(*lines: str) -> str:
    """Return lines as they are to be shown: plotly takes some HTML for its own."""
    return "<br>".join(escape(line) for line in lines)
