"""A run as one page that a browser shows: what the report tells, with a figure that can be pointed at.

The page holds everything it needs, the drawing library included; it loads nothing from anywhere, and its own policy
forbids it to. The same run gives the same page, byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from os import PathLike
from pathlib import Path
from string import Template
from typing import Final

from ...actors.identity import ModelKey
from ..invariants import INVARIANTS, context
from ..simulation import Report
from ..summary import again
from ..trace import Trace
from .axis import clock
from .fates import FATES, Fate
from .figure import figure
from .groups import PERCENTS
from .page import table, tile, word
from .timeline import Timeline, timeline_of

DIV: Final = "figure"
TEMPLATE: Final = Path(__file__).with_name("picture.html")

OPTIONS: Final = {
    "displaylogo": False,
    "responsive": True,
    # Named one by one: what is offered by default includes sending the figure to somebody.
    "modeBarButtons": [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
    "showSendToCloud": False,
    "toImageButtonOptions": {"format": "svg", "filename": "understudy"},
}


def write_picture(run: Report | Trace, path: str | PathLike[str], *, source: str | None = None) -> None:
    """Write a page that shows a rehearsal, or what a trace alone tells.

    `source` is what the command line knows the scenario by, if that is not its name.

    Raises:
        OSError: it cannot be written.

    """
    Path(path).write_text(picture(run, source=source), encoding="utf-8", newline="\n")


def picture(run: Report | Trace, *, source: str | None = None) -> str:
    """Return the page as HTML, see `write_picture`."""
    if isinstance(run, Trace):
        timeline, header = timeline_of(run), run.header
        name = (
            f"{header['scenario']}, seed {header.get('seed')}" if "scenario" in header else "A trace without a header"
        )
        return _page(timeline, name, judgement=(), tiles=(), ending=_ending(run, run.digest()))
    scenario = run.run.scenario
    return _page(
        timeline_of(run.run.trace, scenario.faults),
        f"{scenario.name}, seed {scenario.seed}",
        scenario.teaches,
        judgement=_judgement(run),
        tiles=_judgement_in_short(run),
        ending=_ending(run.run.trace, run.digest, again(scenario, source)),
    )


def _page(
    timeline: Timeline,
    name: str,
    teaches: str = "",
    *,
    judgement: Iterable[str],
    tiles: Iterable[str],
    ending: Iterable[str],
) -> str:
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=escape(name),
        teaches=escape(" ".join(teaches.split())),
        tiles="\n".join([*_tiles(timeline), *tiles]),
        figure=_figure(timeline),
        judgement="\n".join(judgement),
        tables="\n".join(_tables(timeline)),
        ending="\n".join(ending),
    )


def _figure(timeline: Timeline) -> str:
    if not timeline.courses and not timeline.requests:
        return "<p>Nothing happened.</p>"
    import plotly.io  # only here: it takes its time, and most runs are never drawn

    return str(
        plotly.io.to_html(
            figure(timeline), config=OPTIONS, include_plotlyjs=True, include_mathjax=False, full_html=False, div_id=DIV
        )
    )


# What is on top


def _tiles(timeline: Timeline) -> Iterator[str]:
    everybody = timeline.everybody()
    if everybody.made:
        yield tile(_percent(everybody.served / everybody.made), f"of {everybody.made:,} requests served")
        yield tile(_percent(everybody.fates[Fate.FALLBACK] / everybody.made), "served by a fallback")
        yield tile(f"{everybody.fates[Fate.FAILED]:,}", "failed")
    yield tile(clock(timeline.length), "minutes and seconds" if timeline.length < 3600 else "hours and minutes")
    yield tile(f"{len(timeline.cooldowns):,}", "cooldowns")


def _judgement_in_short(report: Report) -> Iterator[str]:
    met = sum(verdict.met for verdict in report.verdicts)
    if report.verdicts:
        yield tile(f"{met} of {len(report.verdicts)}", "expectations met", good=met == len(report.verdicts))
    broken = {violation.invariant for violation in report.violations}
    known = broken.union(INVARIANTS)
    yield tile(f"{len(known) - len(broken)} of {len(known)}", "invariants hold", good=not broken)


# What is said of the run


def _judgement(report: Report) -> Iterator[str]:
    if report.run.hung is not None:
        yield f'<h2 class="bad">The run did not come to its end</h2><pre>{escape(report.run.hung)}</pre>'
    if report.verdicts:
        yield table(
            "Expectations",
            ("", "expected", "measured"),
            [(word("met" if v.met else "missed", good=v.met), v.expected, v.measured) for v in report.verdicts],
        )
    if not report.violations:
        words = f"All {len(INVARIANTS)} invariants hold:"
        yield f"<h2>Invariants</h2><p>{word(words, good=True)} {escape(', '.join(INVARIANTS))}.</p>"
        return
    yield table(
        "Invariants that are broken",
        ("", "when", "candidate", "request", "caller", "what"),
        [
            (
                word(v.invariant, good=False),
                f"{v.at:.3f} s",
                _name(v.key),
                _or_not(v.request),
                _or_not(v.caller),
                v.sentence,
            )
            for v in report.violations
        ],
    )
    around = "\n".join(context(report.run, report.violations[0]))
    yield f'<p class="faint">Around the first of them:</p><pre>{escape(around)}</pre>'


def _ending(trace: Trace, digest: str, line: str | None = None) -> Iterator[str]:
    if line is not None:
        yield f"<p>Again: <code>{escape(line)}</code></p>"
    yield f"<p>{len(trace.records):,} records; the trace's digest is <code>{digest}</code></p>"


# Tables


def _tables(timeline: Timeline) -> Iterator[str]:
    groups = timeline.groups()
    yield table(
        "Who served what",
        ("candidate", "model", "credential", "sent", "served", "share", "failed", "refused", "left", "lost"),
        _candidates(timeline),
    )
    fates = [fate for fate in FATES if any(group.fates[fate] for group in groups)]
    yield table(
        "How the callers fared",
        ("callers", "asked", *(FATES[fate] for fate in fates), "errors"),
        [(g.name, g.made, *(g.fates[fate] for fate in fates), _counts(g.errors)) for g in groups],
    )
    yield table(
        "How long it took, in seconds",
        ("callers", "until", *("longest" if percent == 100 else f"p{percent:g}" for percent in PERCENTS)),
        [
            (group.name, what, *(round(taken.by_percent[percent], 3) for percent in PERCENTS))
            for group in groups
            for what, taken in (("the answer is there", group.latency), ("a stream begins", group.first_content))
            if taken.by_percent
        ],
    )
    yield table(
        "When each candidate cooled, and why",
        ("candidate", "from", "until", "why", "by", "incident"),
        [(c.key.name, clock(c.start), clock(c.until), c.reason, c.by or "", c.incidents) for c in timeline.cooldowns],
        folded=True,
    )
    yield table(
        "What happened",
        ("when", "what"),
        [(clock(moment.at), moment.text) for moment in timeline.moments],
        folded=True,
    )


def _candidates(timeline: Timeline) -> Iterator[Sequence[object]]:
    shares = timeline.shares()
    for key, course in timeline.courses.items():
        yield (
            key.name,
            f"{key.provider}/{key.model}",
            key.credential or "none",
            len(course.sent),
            len(course.served),
            _percent(shares[key]),
            _counts({reason: len(times) for reason, times in course.failed.items()}),
            _counts({reason: len(times) for reason, times in course.refused.items()}),
            len(course.abandoned),
            len(course.lost),
        )


def _name(key: ModelKey | None) -> str:
    return "" if key is None else key.name


def _or_not(number: int | None) -> str:
    return "" if number is None else str(number)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in sorted(counts.items(), key=lambda each: -each[1])) or "0"


def _percent(share: float) -> str:
    return f"{share:.1%}"
