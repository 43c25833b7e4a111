"""The rows of a run's figure, as the plain data that plotly draws. How they are laid out is told in `figure`.

What is drawn is bounded, however long the run was: requests are counted in slices, marks that are close together are
one, and states are told by slices as well where there are too many of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from ...actors.identity import ModelKey
from ...actors.part import State
from .axis import Slices, clock
from .canvas import Bar, Canvas, Row, lines_of, span_words
from .course import Course
from .fates import FATES, Fate
from .groups import Times
from .moments import FaultSpan, Moment
from .timeline import Timeline

STATE_BARS_MAX: Final = 4000
STATE_SLICES_MAX: Final = 600
STATE_CELLS_MAX: Final = 12_000
"""Candidates times slices, where states are sliced."""

MARKS_MAX: Final = 1500
MARKS_ON_A_LINE_MAX: Final = 150
MOMENTS_AT_A_MARK: Final = 6
LINES_MAX: Final = 8
CANDIDATES_MAX: Final = 60
FAULTS_MAX: Final = 20

COLOURS_OF_FATES: Final = {
    Fate.FIRST: "#4f86b8",
    Fate.OTHER_KEY: "#9cc3e0",
    Fate.FALLBACK: "#f0a13a",
    Fate.FAILED: "#d3313f",
    Fate.REJECTED: "#a5795a",
    Fate.LEFT: "#a3a9b1",
    Fate.OPEN: "#5d6570",
}
COLOURS_OF_STATES: Final = {
    State.HEALTHY: "#86c29c",
    State.SATURATED: "#ecd06f",
    State.COOLING: "#8078b8",
    State.PROBING: "#dd93c8",
    State.DOWN: "#7d1f2c",
}
COLOURS_OF_LINES: Final = (
    "#3b7dd8",
    "#e0782f",
    "#3a9d6b",
    "#b04fa8",
    "#c2a11c",
    "#20a3b0",
    "#a0543c",
    "#7f8894",
)
FAULT_COLOUR: Final = "#d3313f"
MARK_COLOUR: Final = "#7f8894"
"""Is seen on light and on dark."""


def rows(timeline: Timeline) -> Iterator[Row]:
    """Return what there is to draw, from the top."""
    canvas = Canvas(timeline)
    if timeline.faults:
        yield _faults(canvas)
    if timeline.requests:
        yield Row(f"Requests in {canvas.width}, by how they ended", 220, list(_requests(canvas)), stacked=True)
    if timeline.courses:
        yield _candidates(canvas)
        yield from _loads(canvas)
    if any(request.served for request in timeline.requests):
        yield Row(f"Seconds until the answer is there, in {canvas.width}", 120, list(_times(canvas)), whole=False)


def _faults(canvas: Canvas) -> Row:
    by_label: dict[str, list[FaultSpan]] = {}
    for fault in canvas.timeline.faults:
        by_label.setdefault(fault.label, []).append(fault)
    names = list(by_label)[:FAULTS_MAX]
    spans = [(place, fault) for place, name in enumerate(names) for fault in by_label[name]]
    on = [(place, *times, f.label) for place, f in spans if not f.is_moment for times in f.times_on()]
    at = [(place, f.start, lines_of(f"{f.label} at {clock(f.start)}")) for place, f in spans if f.is_moment]
    marker = {"symbol": "triangle-down", "size": 11, "color": FAULT_COLOUR}
    title = "Faults" if len(by_label) <= FAULTS_MAX else f"Faults, {FAULTS_MAX} of {len(by_label)}"
    traces = [canvas.bars("faults", FAULT_COLOUR, on), canvas.marks(at, marker)]
    return Row(title, 24 * len(names) + 6, traces, names)


def _requests(canvas: Canvas) -> Iterator[dict[str, Any]]:
    slices = canvas.slices
    for fate, words in FATES.items():
        counts = slices.tally(request.at for request in canvas.timeline.requests if request.fate is fate)
        if any(counts):
            yield {
                "type": "bar",
                "name": words,
                "x": [canvas.x(start + slices.width / 2) for start in slices.starts],
                "y": counts,
                "width": canvas.x(slices.width),
                "marker": {"color": COLOURS_OF_FATES[fate], "line": {"width": 0}},
                "hovertext": [span_words(start, start + slices.width) for start in slices.starts],
                "hovertemplate": f"%{{y}} {words}<br>%{{hovertext}}<extra></extra>",
            }


def _candidates(canvas: Canvas) -> Row:
    timeline = canvas.timeline
    courses = list(timeline.courses.values())[:CANDIDATES_MAX]
    traces = [
        canvas.bars(state.value, COLOURS_OF_STATES[state], bars, legend=True)
        for state, bars in _states(timeline, courses).items()
        if bars
    ]
    moments = [moment for moment in timeline.moments if not moment.is_fault]
    names = [course.key.name for course in courses]
    places: dict[ModelKey | None, int] = {course.key: place for place, course in enumerate(courses)}
    if any(moment.key is None for moment in moments):
        places[None] = len(names)
        names.append("the house")
    slices = Slices.exactly(timeline.length, min(MARKS_ON_A_LINE_MAX, MARKS_MAX // len(names)))
    together: dict[tuple[int, int], list[Moment]] = {}
    for moment in moments:
        if moment.key in places:
            together.setdefault((places[moment.key], slices.place(moment.at)), []).append(moment)
    # Below the bars, so that however many there are they hide nothing.
    marks = [(place + 0.45, each[0].at, _several(each)) for (place, _), each in together.items()]
    traces.append(canvas.marks(marks, {"symbol": "triangle-up", "size": 7, "color": MARK_COLOUR}))
    title = "Candidates: what each was, and what happened (point at a bar or a mark to read it)"
    if len(timeline.courses) > len(courses):
        title += f", {len(courses)} of {len(timeline.courses)}"
    return Row(title, 29 * len(names) + 6, traces, names)


def _states(timeline: Timeline, courses: Sequence[Course]) -> Mapping[State, Sequence[Bar]]:
    """Return the bars of each state: exactly, or in slices if there are too many."""
    bars: dict[State, list[Bar]] = {state: [] for state in State}
    exact = sum(len(course.spans) for course in courses) <= STATE_BARS_MAX
    slices = Slices.exactly(timeline.length, min(STATE_SLICES_MAX, STATE_CELLS_MAX // len(courses)))
    for place, course in enumerate(courses):
        spans = [(span.start, span.end, span.state) for span in course.spans]
        for start, end, state in spans if exact else _sliced(spans, slices):
            bars[state].append((place, start, end, f"{course.key.name}: {state}"))
    return bars


def _sliced(spans: Sequence[tuple[float, float, State]], slices: Slices) -> Iterator[tuple[float, float, State]]:
    """Return by slices what it was longest, with equal slices put together."""
    for state, places in groupby(enumerate(slices.longest(spans, State.HEALTHY)), key=lambda each: each[1]):
        first, *others = [place for place, _ in places]
        last = others[-1] if others else first
        yield first * slices.width, (last + 1) * slices.width, state


def _loads(canvas: Canvas) -> Iterator[Row]:
    """Draw attempts under way and, if anybody ever waited, how many did."""
    courses = list(canvas.timeline.courses.values())
    busiest = sorted(courses, key=lambda course: -len(course.sent))[:LINES_MAX]
    drawn = list(zip([course for course in courses if course in busiest], COLOURS_OF_LINES, strict=False))
    of_whom = f", of the {LINES_MAX} busiest" if len(courses) > LINES_MAX else ""

    def lines(what: str, *, legend: bool) -> list[dict[str, Any]]:
        return [
            canvas.steps(
                course.key.name,
                canvas.slices.peaks(getattr(course, what)),
                "",
                line={"color": colour},
                legendgroup=course.key.name,
                showlegend=legend,
            )
            for course, colour in drawn
        ]

    yield Row(f"Attempts under way, at most in {canvas.width}{of_whom}", 130, lines("in_flight", legend=True))
    if any(count for course in courses for _, count in course.queued):
        yield Row(f"Requests that wait, at most in {canvas.width}{of_whom}", 110, lines("queued", legend=False))


def _times(canvas: Canvas) -> Iterator[dict[str, Any]]:
    by_slice: list[list[float]] = [[] for _ in range(canvas.slices.count)]
    for request in canvas.timeline.requests:
        if request.served:
            by_slice[canvas.slices.place(request.at)].append(request.ended_at - request.at)
    times = [Times.of(each).by_percent for each in by_slice]
    for percent, dash in ((50.0, "solid"), (95.0, "dot")):
        values = [round(each[percent], 4) if each else None for each in times]
        yield canvas.steps(f"p{percent:g}", values, " s", line={"color": MARK_COLOUR, "dash": dash})


def _several(moments: Sequence[Moment]) -> str:
    lines = [f"{clock(moment.at)} {moment.text}" for moment in moments[:MOMENTS_AT_A_MARK]]
    if len(moments) > MOMENTS_AT_A_MARK:
        lines.append(f"and {len(moments) - MOMENTS_AT_A_MARK} more")
    return lines_of(*lines)
