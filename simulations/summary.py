"""A run as plain data, for machines: what ``--json`` prints. The names are stable; `docs/trace.md` lists them.

Times are seconds from the beginning, shares are between 0 and 1, and what is not known or never happened is ``None``.
Everything that the report's tables show is here, and without their limits.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import asdict

from ..actors.part import State
from .invariants import INVARIANTS
from .scenario import Scenario
from .simulation import Report
from .trace import Trace
from .views.course import Course
from .views.fates import Fate
from .views.groups import Group, Times
from .views.timeline import Timeline, timeline_of

FORMAT: Final = 1
"""The version of the summary; it grows when a name changes or goes."""


def summary(report: Report, *, source: str | None = None) -> dict[str, Any]:
    """Return a rehearsal as plain data: all that its trace tells, and what is said of it.

    `source` is what the command line knows the scenario by, if that is not its name.
    """
    run = report.run
    timeline = timeline_of(run.trace, run.scenario.faults)
    return {
        **_course(timeline, run.trace, report.digest),
        "scenario": run.scenario.name,
        "teaches": run.scenario.teaches,
        "seed": run.scenario.seed,
        "again": again(run.scenario, source),
        "ok": report.ok,
        "hung": run.hung,
        "expectations": [asdict(verdict) for verdict in report.verdicts],
        "invariants": list(INVARIANTS),
        "violations": [
            {
                "invariant": violation.invariant,
                "sentence": violation.sentence,
                "at": violation.at,
                "request": violation.request,
                "caller": violation.caller,
                "candidate": None if violation.key is None else violation.key.name,
            }
            for violation in report.violations
        ],
    }


def trace_summary(trace: Trace) -> dict[str, Any]:
    """Return as plain data what a trace alone tells."""
    return {
        **_course(timeline_of(trace), trace, trace.digest()),
        "scenario": trace.header.get("scenario"),
        "seed": trace.header.get("seed"),
    }


def again(scenario: Scenario, source: str | None = None) -> str:
    """Return the line that performs a scenario again; `source` is its file, unless its name is enough."""
    return f"understudy simulate {shlex.quote(source or scenario.name)} --seed {scenario.seed}"


def _course(timeline: Timeline, trace: Trace, digest: str) -> dict[str, Any]:
    shares = timeline.shares()
    return {
        "summary": FORMAT,
        "seconds": timeline.length,
        "records": len(trace.records),
        "digest": digest,
        "requests": _group(timeline.everybody()),
        "callers": {group.name: _group(group) for group in timeline.groups()},
        "candidates": [_candidate(course, shares[key]) for key, course in timeline.courses.items()],
        "cooldowns": [
            {
                "candidate": cooled.key.name,
                "from": cooled.start,
                "until": cooled.until,
                "reason": cooled.reason,
                "incident": cooled.incidents,
                "by": cooled.by,
            }
            for cooled in timeline.cooldowns
        ],
        "faults": [
            {"number": fault.number, "fault": fault.kind, "whom": fault.whom, "from": fault.start, "until": fault.end}
            for fault in timeline.faults
        ],
        "moments": [
            {"at": moment.at, "candidate": None if moment.key is None else moment.key.name, "words": moment.text}
            for moment in timeline.moments
        ],
    }


def _group(group: Group) -> dict[str, Any]:
    return {
        "made": group.made,
        "served": group.served,
        **{fate.value: group.fates[fate] for fate in Fate},
        "errors": dict(group.errors),
        "latency": _times(group.latency),
        "first_content": _times(group.first_content),
    }


def _times(times: Times) -> dict[str, float] | None:
    if not times.by_percent:
        return None
    return {"max" if percent == 100 else f"p{percent:g}": value for percent, value in times.by_percent.items()}


def _candidate(course: Course, share: float) -> dict[str, Any]:
    key = course.key
    return {
        "candidate": key.name,
        "model": f"{key.provider}/{key.model}",
        "credential": key.credential,
        "sent": len(course.sent),
        "served": len(course.served),
        "share": share,
        "failed": _counts(course.failed),
        "abandoned": len(course.abandoned),
        "lost": len(course.lost),
        "refused": _counts(course.refused),
        "in_flight_max": max((count for _, count in course.in_flight), default=0),
        "queued_max": max((count for _, count in course.queued), default=0),
        "state": course.state.value,
        "seconds_in": {
            state.value: math.fsum(span.end - span.start for span in course.spans if span.state is state)
            for state in State
        },
    }


def _counts(moments: Mapping[str, Sequence[float]]) -> dict[str, int]:
    return {reason: len(times) for reason, times in sorted(moments.items())}
