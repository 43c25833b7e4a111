"""The figure of a run, as the plain data that plotly draws: rows above one another, on one axis of time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

from .axis import marks, unit_of
from .canvas import Row, short
from .drawing import FAULT_COLOUR, rows
from .timeline import Timeline

ROW_GAP: Final = 50
"""Pixels between rows, for the title of the lower one."""

TOP: Final = 34
BOTTOM: Final = 48
LEGEND_WIDTH: Final = 230
LABEL_LENGTH_MAX: Final = 40
SHADES_MAX: Final = 200
FEW: Final = 5
"""Up to here each whole number has a mark; beyond, marks at round numbers are whole by themselves."""

TICKS: Final = 13
SPACED: Final = {"ticks": "outside", "ticklen": 5, "tickcolor": "rgba(0,0,0,0)"}
"""Keeps the labels of two axes apart where they meet."""

FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"


def figure(timeline: Timeline) -> dict[str, Any]:
    """Return what a timeline looks like: plotly's `data` and `layout`. The ink is for light paper."""
    all_rows = list(rows(timeline))
    inside = sum(row.height for row in all_rows) + ROW_GAP * max(0, len(all_rows) - 1)
    layout: dict[str, Any] = {
        "height": inside + TOP + BOTTOM,
        "margin": {"l": 60, "r": LEGEND_WIDTH, "t": TOP, "b": BOTTOM},
        "barmode": "stack",
        "bargap": 0,
        "hovermode": "closest",
        "dragmode": "zoom",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 12, "color": "#2b3138"},
        "hoverlabel": {"font": {"family": FONT, "size": 12}, "align": "left"},
        "xaxis": _time_axis(timeline.length, len(all_rows)),
        "shapes": list(_shades(timeline)),
        "annotations": [],
    }
    data: list[dict[str, Any]] = []
    top = float(inside)
    for place, row in enumerate(all_rows, 1):
        number = "" if place == 1 else str(place)
        bottom = top - row.height
        domain = [round(max(0.0, bottom / inside), 6), round(top / inside, 6)]
        layout[f"yaxis{number}"] = _values(row, domain)
        layout[f"legend{number}"] = _legend(domain[1], stacked=row.stacked)
        layout["annotations"].append(_title(row.title, domain[1]))
        data += [{**trace, "xaxis": "x", "yaxis": f"y{number}", "legend": f"legend{number}"} for trace in row.traces]
        top = bottom - ROW_GAP
    return {"data": data, "layout": layout}


def _time_axis(length: float, last_row: int) -> dict[str, Any]:
    unit, _, name = unit_of(length)
    ticks = marks(length, TICKS)
    return {
        "range": [0, max(length, 1e-3) / unit],
        "tickvals": [at / unit for at, _ in ticks],
        "ticktext": [label for _, label in ticks],
        "title": {"text": name, "standoff": 8},
        **SPACED,
        "anchor": "y" if last_row <= 1 else f"y{last_row}",
        "gridcolor": "#e3e6ea",
        "zeroline": False,
    }


def _values(row: Row, domain: Sequence[float]) -> dict[str, Any]:
    axis: dict[str, Any] = {"domain": domain, "anchor": "x", "fixedrange": True, "zeroline": False, "automargin": True}
    axis |= SPACED
    if row.names is None:
        counts = [sum(together) if row.stacked else max(together) for together in zip(*_numbers(row), strict=True)]
        few = {"dtick": 1} if row.whole and max(counts, default=0) < FEW else {"nticks": 5}
        return {**axis, **few, "rangemode": "tozero", "gridcolor": "#e3e6ea"}
    return {
        **axis,
        "range": [len(row.names) - 0.5, -0.5],
        "tickvals": list(range(len(row.names))),
        "ticktext": [short(name, LABEL_LENGTH_MAX) for name in row.names],
        "showgrid": False,
    }


def _numbers(row: Row) -> list[list[float]]:
    return [[value or 0 for value in trace["y"]] for trace in row.traces]


def _legend(top: float, *, stacked: bool) -> dict[str, Any]:
    return {
        "x": 1.01,
        "xanchor": "left",
        "y": top,
        "yanchor": "top",
        "bgcolor": "rgba(0,0,0,0)",
        "font": {"size": 11},
        "traceorder": "reversed" if stacked else "normal",
        "tracegroupgap": 0,
    }


def _title(words: str, top: float) -> dict[str, Any]:
    return {
        "text": f"<b>{escape(words)}</b>",
        "xref": "paper",
        "yref": "paper",
        "x": 0,
        "y": top,
        "xanchor": "left",
        "yanchor": "bottom",
        "yshift": 5,
        "showarrow": False,
        "font": {"size": 13},
    }


def _shades(timeline: Timeline) -> Iterator[Mapping[str, Any]]:
    """Shade the times of faults through all the rows; with too many of them, without what flaps."""
    unit = unit_of(timeline.length)[0]
    lasting = [fault for fault in timeline.faults if not fault.is_moment]
    times = sorted({times for fault in lasting for times in fault.times_on()})
    if len(times) > SHADES_MAX:
        times = sorted({(fault.start, fault.end) for fault in lasting})[:SHADES_MAX]
    for start, end in times:
        yield {
            "type": "rect",
            "xref": "x",
            "yref": "paper",
            "x0": round(start / unit, 5),
            "x1": round(end / unit, 5),
            "y0": 0,
            "y1": 1,
            "fillcolor": FAULT_COLOUR,
            "opacity": 0.07,
            "line": {"width": 0},
            "layer": "below",
        }
