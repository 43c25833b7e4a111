"""What a person is shown: it fits, it is complete, and it does not hang on colours; and the same as plain data."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from pathlib import Path

import attrs
import pytest
from rich.console import Console

from understudy.actors.identity import ModelKey
from understudy.actors.trace import Fact, Kind
from understudy.simulations.expectations import Verdict
from understudy.simulations.invariants import INVARIANTS, Violation
from understudy.simulations.report import progress, show, show_trace
from understudy.simulations.simulation import Report
from understudy.simulations.summary import summary, trace_summary
from understudy.simulations.trace import Scene, Trace, read_trace
from understudy.simulations.views.axis import Slices
from understudy.simulations.views.fates import Fate
from understudy.simulations.views.moments import FaultSpan
from understudy.simulations.views.strips import FAILED, FAULT, IDLE, MOMENT, SERVES, STATES, fault_strips, strip
from understudy.simulations.views.timeline import timeline_of

from .plays import NAMES, facts_alone, played

DOCS = Path(__file__).parents[2] / "docs" / "trace.md"
MARKS = (SERVES, IDLE, FAILED, *STATES.values(), FAULT, MOMENT)


def printed(report: Report | Trace, width: int = 80, *, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding=encoding) as file:
        console = Console(file=file, width=width)
        if isinstance(report, Trace):
            show_trace(report, console)
        else:
            show(report, console)
        file.flush()
        return raw.getvalue().decode(encoding)


def renamed(report: Report, name: str) -> Report:
    """The same run, with another name for its first candidate."""
    records = [
        attrs.evolve(record, key=attrs.evolve(record.key, name=name))
        if record.key is not None and record.key.name == "glm"
        else record
        for record in report.run.trace.records
    ]
    header = json.loads(json.dumps(report.run.trace.header))
    header["candidates"][0]["key"] = name
    run = attrs.evolve(report.run, trace=Trace(header, records))
    return Report(run, report.violations, report.verdicts)


def broken(report: Report) -> Report:
    """The same run with violations, of which nothing is known or everything."""
    key = next(iter(report.run.config.entries))
    found = [
        Violation("rate", "61 attempts were sent within 60 s", 12.5, 3, 2, key, place=200),
        *(Violation("rate", f"and again, {i}", 13.0 + i, place=300) for i in range(9)),
        Violation("determinism", "line 1 differs", 0.0, place=0),
    ]
    return Report(report.run, found, [*report.verdicts, Verdict("that it is quick", "it was slow", met=False)])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(name: str, width: int) -> None:
    long_name = "a-candidate-with-a-name-that-is-much-longer-than-any-table-would-like-it-to-be"
    for report in (played(name), broken(played(name)), renamed(played(name), long_name), played(name).run.trace):
        for line in printed(report, width).splitlines():
            # Whoever copies these two lines wants them whole.
            if not re.fullmatch(r"[0-9a-f]{64}|Again: .*", line):
                assert len(line) <= width, line


@pytest.mark.parametrize("name", NAMES)
def test_a_report_names_everybody_and_everything_that_is_counted(name: str) -> None:
    report = played(name)
    text = printed(report, 200)
    run = report.run
    assert f"{name}  seed {run.scenario.seed}" in text
    assert f"Again: understudy simulate {name} --seed {run.scenario.seed}" in text
    assert report.digest in text
    assert " ".join(run.scenario.teaches.split()) in text
    sent = Counter(fact.key for fact in run.trace.facts() if fact.kind is Kind.ADMITTED)
    served = Counter(fact.key for fact in run.trace.facts() if fact.kind is Kind.SERVED)
    failed = Counter((f.key, f.details["reason"]) for f in run.trace.facts() if f.kind is Kind.FAILED)
    for key in run.config.entries:
        (row,) = (
            line.split() for line in text.splitlines() if line.split()[:2] == [key.name, f"{key.provider}/{key.model}"]
        )
        assert row[2:5] == [str(key.credential), str(sent[key]), str(served[key])]
        assert all(f"{count} {reason}" in " ".join(row) for (whose, reason), count in failed.items() if whose == key)
    outcomes = Counter(sight.details["outcome"] for sight in run.trace.sights(Scene.TOLD))
    assert f"{outcomes['served']} of {outcomes.total()} requests served in" in text
    assert all(f"{count} {error}" in text for error, count in outcomes.items() if error not in ("served", "left"))


def test_expectations_are_told_met_or_missed() -> None:
    text = printed(played("limited"), 120)
    assert "All expectations are met" in text
    assert text.count(" met ") == len(played("limited").verdicts)
    text = printed(played("outage"), 120)
    assert "1 of 1 expectations missed" in text
    assert " MISSED availability of at least 99 %" in text


def test_invariants_hold_or_are_named_with_whom_they_concern_and_what_happened_around() -> None:
    report = played("limited")
    text = printed(report, 200)
    assert f"All {len(INVARIANTS)} invariants hold" in text
    assert ", ".join(INVARIANTS) in text
    text = printed(broken(report), 200)
    assert "invariants hold" not in text
    assert "rate is broken, 10 times" in text
    assert "at 12.500 s (glm, request 3, caller 2): 61 attempts were sent within 60 s" in text
    assert "and 5 more" in text
    assert "determinism is broken\n" in text
    around = text[text.index("around the first of them:") : text.index("determinism is broken")]
    assert re.search(r"2\.000 requested +request=3 ", around)
    assert re.search(r"2\.000 admitted +glm request=3 ", around)


def test_a_run_that_hangs_is_told_to_hang() -> None:
    report = played("crowd")
    run = attrs.evolve(report.run, hung="time stands still\nstill there are: caller 7")
    text = printed(Report(run, (), ()))
    assert "The run did not come to its end:" in text
    assert "still there are: caller 7" in text


def test_no_meaning_hangs_on_a_colour() -> None:
    assert len({mark.glyph for mark in MARKS}) == len({mark.plain for mark in MARKS}) == len(MARKS)
    assert all(len(mark.glyph) == len(mark.plain) == 1 and mark.plain.isascii() for mark in MARKS)
    assert "\x1b" not in printed(played("crashes"))


@pytest.mark.parametrize("name", NAMES)
def test_a_terminal_that_knows_only_ascii_is_shown_all_the_same(name: str) -> None:
    long_name = "a-candidate-with-a-name-that-is-much-longer-than-any-table-would-like-it-to-be"
    for report in (broken(played(name)), renamed(played(name), long_name), played(name).run.trace):
        text = printed(report, 80, encoding="ascii")
        assert "# serves" in text
        assert text.isascii()


def test_names_are_neither_markup_nor_commands_to_the_terminal() -> None:
    text = printed(renamed(played("limited"), "[bold]\x1b[2Jx[/]"), 120)
    assert "\x1b" not in text
    assert "[bold]\N{REPLACEMENT CHARACTER}[2Jx[/]" in text


def test_a_strip_shows_what_the_candidate_was() -> None:
    timeline = timeline_of(played("limited").run.trace, played("limited").run.scenario.faults)
    slices = Slices(width=10.0, count=30)  # from 60 to 180 s the model cools
    strips = {
        key.name: "".join(mark.plain for mark in strip(course, slices)) for key, course in timeline.courses.items()
    }
    assert re.fullmatch(r"#{6}:{12}[:?]?#+", strips["glm"]), strips
    assert re.fullmatch(r"\.{6}#{12}#?\.+", strips["haiku"]), strips
    ((label, marks),) = fault_strips(timeline.faults, slices)
    assert label == "rate_limited glm*"
    assert "".join("." if mark is None else mark.plain for mark in marks) == "......============............"


@pytest.mark.parametrize(
    ("kind", "failed_at", "cools", "marks"),
    [
        (Kind.FAILED, 11.0, False, ".x..."),
        (Kind.LOST, 11.0, False, ".x..."),
        (Kind.FAILED, 18.0, True, ".x::?"),  # it was well for most of the second slice
        (Kind.FAILED, 11.0, True, ".:::?"),
    ],
)
def test_a_strip_shows_failures_of_those_who_are_well(kind: Kind, failed_at: float, cools: bool, marks: str) -> None:
    key = ModelKey("a", "openai", "gpt")
    facts = [Fact(failed_at, kind, 1, 1, key, {"reason": "unknown"})]
    if cools:
        facts.append(Fact(failed_at, Kind.COOLING, key=key, details={"until": 40.0, "reason": "timeout"}))
    facts.append(Fact(50.0, Kind.DISPATCHED, 2, 2, key))
    course = timeline_of(Trace({"scenario": "told by hand"}, [*facts])).courses[key]
    assert "".join(mark.plain for mark in strip(course, Slices(10.0, 5))) == marks


def test_a_fault_that_flaps_is_shown_only_while_it_is_on() -> None:
    fault = FaultSpan(0, "slow", 10.0, 40.0, flap=(5.0, 10.0))
    ((_, marks),) = fault_strips([fault, FaultSpan(1, "slow", 45.0, 45.0)], Slices.exactly(50.0, 10))
    assert "".join("." if mark is None else mark.plain for mark in marks) == "..=..=...v"


def test_a_trace_of_facts_alone_is_shown_as_far_as_it_tells() -> None:
    trace = facts_alone(played("limited").run.trace, 5000.0)
    text = printed(trace)
    assert "A trace without a header" in text
    assert "300 of 300 requests served in 5.0 minutes" in text
    assert "invariant" not in text
    assert trace.digest() in text


def test_an_empty_trace_is_shown() -> None:
    assert "0 of 0 requests served" in printed(Trace())
    assert trace_summary(Trace())["requests"]["made"] == 0


def test_progress_is_shown_on_a_terminal_and_goes_when_it_is_over() -> None:
    file = io.StringIO()
    with progress(Console(file=file), "on stage") as tell:
        tell(0.5)
    assert file.getvalue() == ""
    file = io.StringIO()
    with progress(Console(file=file, force_terminal=True, width=80), "on [stage]") as tell:
        tell(0.25)
        assert "on [stage]" in file.getvalue()
        assert " 25%" in file.getvalue()
    assert file.getvalue().endswith(("\x1b[2K", "\x1b[?25h"))


# The summary


@pytest.mark.parametrize("name", NAMES)
def test_the_summary_counts_what_the_trace_records(name: str) -> None:
    report = broken(played(name))
    told = json.loads(json.dumps(summary(report), allow_nan=False))
    facts = list(report.run.trace.facts())
    for candidate in told["candidates"]:
        mine = [fact for fact in facts if fact.key is not None and fact.key.name == candidate["candidate"]]
        kinds = Counter(fact.kind for fact in mine)
        assert (candidate["sent"], candidate["served"]) == (kinds[Kind.ADMITTED], kinds[Kind.SERVED])
        assert sum(candidate["failed"].values()) == kinds[Kind.FAILED]
        assert candidate["lost"] == kinds[Kind.LOST]
        assert candidate["refused"] == Counter(fact.details["reason"] for fact in mine if fact.kind is Kind.REFUSED)
        assert sum(candidate["seconds_in"].values()) == pytest.approx(told["seconds"])
    outcomes = Counter(sight.details["outcome"] for sight in report.run.trace.sights(Scene.TOLD))
    assert told["requests"]["made"] == outcomes.total() == sum(told["requests"][fate.value] for fate in Fate)
    assert told["requests"]["served"] == outcomes["served"]
    assert sum(group["made"] for group in told["callers"].values()) == outcomes.total()
    assert sum(candidate["share"] for candidate in told["candidates"]) == pytest.approx(1.0)
    assert len(told["cooldowns"]) == sum(fact.kind is Kind.COOLING for fact in facts)
    assert len(told["violations"]) == 11
    assert told["violations"][0] == {
        "invariant": "rate",
        "sentence": "61 attempts were sent within 60 s",
        "at": 12.5,
        "request": 3,
        "caller": 2,
        "candidate": "glm",
    }
    assert not told["ok"]
    assert told["digest"] == report.digest


def test_the_longest_time_is_the_longest_and_half_wait_no_longer_than_the_median() -> None:
    trace = played("crowd").run.trace
    asked, took = {}, []
    for sight in trace.sights(Scene.ASKED, Scene.TOLD):
        if sight.kind is Scene.ASKED:
            asked[sight.caller] = sight.at
        elif sight.details["outcome"] == "served":
            took.append(sight.at - asked[sight.caller])
    latency = summary(played("crowd"))["requests"]["latency"]
    assert latency["max"] == max(took)
    assert sum(time <= latency["p50"] for time in took) * 2 >= len(took)
    assert sum(time < latency["p50"] for time in took) * 2 <= len(took)
    assert latency["p50"] <= latency["p95"] <= latency["p99"] <= latency["max"]


def test_of_a_trace_alone_the_summary_is_the_same_but_for_the_judgement() -> None:
    report = played("crashes")
    whole, alone = summary(report), trace_summary(report.run.trace)
    judgement = {"teaches", "again", "ok", "hung", "expectations", "invariants", "violations"}
    assert set(whole) - set(alone) == judgement
    for fault in whole["faults"]:
        fault["whom"] = ""  # that is not in the trace
    assert {name: value for name, value in whole.items() if name not in judgement} == alone


# The documentation


def table_after(title: str) -> list[list[str]]:
    """The rows of the first table after a title or a sentence."""
    text = DOCS.read_text(encoding="utf-8")
    lines = iter(text[text.index(title) :].splitlines())
    rows: list[list[str]] = []
    for line in lines:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split(" |")])
        elif rows:
            break
    return rows[2:]


def named(cell: str) -> set[str]:
    """The names that a cell lists, without what stands in brackets."""
    return set(re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", cell)))


@pytest.mark.parametrize(("title", "kinds"), [("### Facts", Kind), ("### Sights", Scene)])
def test_the_documentation_tells_every_kind_and_every_field_of_it(title: str, kinds: type[Kind] | type[Scene]) -> None:
    rows = table_after(title)
    assert [row[0].strip("`") for row in rows] == [kind.value for kind in kinds]
    documented = {row[0].strip("`"): named(row[2]) | named(row[3]) for row in rows}
    seen: set[str] = set()
    for name in NAMES:
        for record in played(name).run.trace.records:
            if isinstance(record.kind, kinds):
                seen.add(record.kind.value)
                told = set(json.loads(record.line())) - {"at", "kind", "sight", "model", "credential"}
                assert told <= documented[record.kind.value], record
    assert len(seen) > len(kinds) / 2


def test_the_documentation_tells_the_header_and_a_line_of_a_trace(tmp_path: Path) -> None:
    header = json.loads(next(iter(played("limited").run.trace.lines())))
    rows = table_after("### The header")
    assert {name for row in rows for name in named(row[0])} == set(header)
    (candidates,) = (row for row in rows if row[0] == "`candidates`")
    assert named(candidates[1]) == set(header["candidates"][0])
    (line,) = re.findall(r"```json\n(.*)\n```", DOCS.read_text(encoding="utf-8"))
    (tmp_path / "one.jsonl").write_text(line, encoding="utf-8")
    assert list(read_trace(tmp_path / "one.jsonl").lines()) == [line]


def test_the_documentation_tells_every_name_of_the_summary() -> None:
    told = summary(broken(played("limited")))
    rows = table_after("## The summary")
    assert {name for row in rows for name in named(row[0])} == set(told)
    for name in ("cooldowns", "faults", "moments", "expectations", "violations"):
        (row,) = (row for row in rows if row[0] == f"`{name}`")
        assert named(row[1]) == set(told[name][0]), name
    assert {name for row in table_after("How requests fared:") for name in named(row[0])} == set(told["requests"])
    candidate = table_after("Of each candidate:")
    assert {name for row in candidate for name in named(row[0])} == set(told["candidates"][0])
    (latency,) = (row for row in table_after("How requests fared:") if row[0] == "`latency`")
    assert named(latency[1]) == set(told["requests"]["latency"])
