"""The picture: one page that holds everything, loads nothing, stays small and draws what happened."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import attrs
import plotly.graph_objects
import plotly.offline
import pytest

from understudy.actors.identity import ModelKey
from understudy.actors.trace import Fact, Kind
from understudy.simulations.simulation import Report, simulate
from understudy.simulations.trace import Trace
from understudy.simulations.views.drawing import STATE_BARS_MAX
from understudy.simulations.views.fates import FATES, Fate
from understudy.simulations.views.figure import figure
from understudy.simulations.views.picture import picture, write_picture
from understudy.simulations.views.timeline import timeline_of

from .plays import NAMES, crashes, facts_alone, played
from .test_report import broken, renamed

DAY = 86_400
EVERY = 10
ROOM = 1_000_000
"""Characters that a page may have, besides the drawing library."""

EMPTY = Trace()


def without_library(page: str) -> str:
    library = plotly.offline.get_plotlyjs()
    assert library in page
    return page.replace(library, "")


class Reader(HTMLParser):
    """Notes every element, and the text outside of scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._in: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._in.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._in.pop()

    def handle_data(self, data: str) -> None:
        if not self._in:
            self.text += data


def drawn(report: Report) -> dict[str, Any]:
    return figure(timeline_of(report.run.trace, report.run.scenario.faults))


def day_of_trouble() -> Trace:
    """A day of traffic, recorded in production, in which half of twenty candidates fail again and again."""
    keys = [ModelKey(f"candidate-{i}", "openai", f"model-{i}", f"env:KEY_{i}") for i in range(20)]
    facts: list[Fact] = []
    for i in range(DAY // EVERY):
        at, key, fails = 1000.0 + i * EVERY, keys[i % 20], i % 2
        facts.append(Fact(at, Kind.REQUESTED, i, details={"route": "any", "deadline": at + 30}))
        facts.append(Fact(at, Kind.DISPATCHED, i, i, key, {"wait": 0}))
        facts.append(Fact(at, Kind.ADMITTED, i, i, key, {"generation": 0, "probe": fails, "tokens": 1}))
        if fails:
            facts.append(Fact(at + 0.5, Kind.FAILED, i, i, key, {"reason": "overloaded"}))
            facts.append(Fact(at + 0.5, Kind.COOLING, key=key, details={"until": at + 60, "reason": "overloaded"}))
            facts.append(Fact(at + 0.5, Kind.GAVE_UP, i, details={"reason": "interrupted"}))
        else:
            facts.append(Fact(at + 0.5, Kind.SERVED, i, i, key, {"tokens": 1}))
            facts.append(Fact(at + 0.5, Kind.DELIVERED, i, key=key))
    return Trace(records=list(facts))


@pytest.mark.parametrize("name", NAMES)
def test_a_page_loads_nothing(name: str) -> None:
    page = picture(broken(played(name)))
    rest = without_library(page)
    assert "http:" not in rest
    assert "https:" not in rest
    assert "//cdn" not in rest
    elements = Reader(page).elements
    assert not {tag for tag, _ in elements} & {"link", "img", "iframe", "object", "embed", "base", "form", "a"}
    assert not [attributes for _, attributes in elements if {"src", "href", "action", "srcset"} & set(attributes)]
    (policy,) = (a["content"] for tag, a in elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "connect-src" not in policy
    assert "@import" not in rest
    assert "url(" not in rest


def test_a_page_offers_to_send_the_figure_to_nobody() -> None:
    rest = without_library(picture(played("limited")))
    (options,) = re.findall(r'\{"displaylogo".*?\}\s*\)', rest)
    told = json.loads(options.rstrip(") \n"))
    assert told["showSendToCloud"] is False
    assert told["modeBarButtons"] == [["toImage", "zoom2d", "pan2d", "resetScale2d"]]
    assert "plotlyServerURL" not in told


def test_the_same_run_gives_the_same_page() -> None:
    assert picture(simulate(crashes())) == picture(played("crashes"))


@pytest.mark.parametrize("name", NAMES)
def test_every_request_is_drawn_once_and_in_the_colour_of_its_fate(name: str) -> None:
    report = played(name)
    everybody = timeline_of(report.run.trace).everybody()
    data = drawn(report)["data"]
    for fate, words in FATES.items():
        bars = [trace for trace in data if trace.get("name") == words]
        assert sum(sum(trace["y"]) for trace in bars) == everybody.fates[fate]
        assert len(bars) == (everybody.fates[fate] > 0)
    colours = {trace["name"]: trace["marker"]["color"] for trace in data if trace.get("name") in FATES.values()}
    assert len(set(colours.values())) == len(colours)


@pytest.mark.parametrize("name", NAMES)
def test_each_candidate_is_in_one_state_at_every_time(name: str) -> None:
    report = played(name)
    timeline = timeline_of(report.run.trace, report.run.scenario.faults)
    drawing = figure(timeline)
    end = drawing["layout"]["xaxis"]["range"][1]
    states = [trace for trace in drawing["data"] if trace.get("orientation") == "h" and trace["name"] != "faults"]
    for place in range(len(timeline.courses)):
        bars = sorted(
            (base, base + length)
            for trace in states
            for y, base, length in zip(trace["y"], trace["base"], trace["x"], strict=True)
            if y == place
        )
        assert bars[0][0] == 0
        assert bars[-1][1] == pytest.approx(end, abs=1e-3)
        assert all(one[1] == pytest.approx(other[0], abs=1e-3) for one, other in pairwise(bars))


def test_faults_are_drawn_and_shaded_while_they_are_on() -> None:
    drawing = drawn(played("crowd"))
    shades = [(shape["x0"], shape["x1"]) for shape in drawing["layout"]["shapes"]]
    assert shades == [(60.0 + 15 * i, 65.0 + 15 * i) for i in range(3)]  # five seconds on, ten off; in seconds
    (faults,) = (trace for trace in drawing["data"] if trace.get("name") == "faults")
    assert list(zip(faults["base"], faults["x"], strict=True)) == [(start, 5.0) for start, _ in shades]


def test_what_happened_can_be_read_at_a_mark() -> None:
    drawing = drawn(played("crashes"))
    texts = " ".join(text for trace in drawing["data"] for text in trace.get("hovertext", ()))
    assert "glm is down: its actor crashed too often" in texts
    assert "glm is revived" in texts
    assert "root/router crashed" in texts
    assert "router_crash at 0:50.2" in texts


@pytest.mark.parametrize("run", [*map(played, NAMES), played("limited").run.trace, EMPTY])
def test_plotly_knows_every_word_of_a_figure(run: Report | Trace) -> None:
    trace = run if isinstance(run, Trace) else run.run.trace
    plotly.graph_objects.Figure(figure(timeline_of(trace)))


def test_a_day_of_trouble_is_a_small_page() -> None:
    trace = day_of_trouble()
    timeline = timeline_of(trace)
    assert timeline.length > DAY - EVERY
    assert timeline.everybody().fates[Fate.FAILED] == len(timeline.cooldowns) == DAY // EVERY // 2
    assert sum(len(course.spans) for course in timeline.courses.values()) > 2 * STATE_BARS_MAX
    assert len(without_library(picture(trace))) < ROOM


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "<b>bold</b>", "$title ${figure}", "&amp; %{y}"])
def test_a_name_is_shown_as_it_is(name: str) -> None:
    page = without_library(picture(renamed(played("limited"), name)))
    reader = Reader(page)
    assert name in reader.text
    assert f">{name}<" not in page or "<" not in name
    assert not [tag for tag, _ in reader.elements if tag == "b" and "bold" in page.split("<b>")[1][:5]]
    shown = [text for trace in drawn(renamed(played("limited"), name))["data"] for text in trace.get("hovertext", ())]
    assert not [text for text in shown if "<script" in text or "<b>" in text]


def test_a_page_says_what_the_report_says() -> None:
    report = broken(played("outage"))
    text = Reader(picture(report, source="mine.toml")).text
    assert "outage, seed 5" in text
    assert "understudy simulate mine.toml --seed 5" in text
    assert report.digest in text
    assert "61 attempts were sent within 60 s" in text
    assert '"kind":"admitted","request":3' in text
    for verdict in report.verdicts:
        assert verdict.expected in text
        assert verdict.measured in text
    for key in report.run.config.entries:
        assert key.name in text
        assert f"{key.provider}/{key.model}" in text
    held = Reader(picture(played("limited"))).text
    assert re.search(r"All \d+ invariants hold:", held)


def test_a_run_that_hangs_is_told_to_hang() -> None:
    run = attrs.evolve(played("crowd").run, hung="still there are: <caller 7>")
    assert "still there are: <caller 7>" in Reader(picture(Report(run, (), ()))).text


def test_where_nothing_happened_nothing_is_drawn() -> None:
    page = picture(EMPTY)
    assert "Nothing happened." in page
    assert len(page) < 10_000


def test_a_picture_is_written_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    trace = facts_alone(played("limited").run.trace, 77.0)
    write_picture(trace, path)
    page = path.read_text(encoding="utf-8")
    assert page == picture(trace)
    assert "A trace without a header" in Reader(page).text
    with pytest.raises(OSError, match="nowhere"):
        write_picture(EMPTY, tmp_path / "nowhere" / "page.html")


def test_the_drawing_library_is_loaded_only_for_a_picture() -> None:
    program = "import sys, understudy.simulations.views.picture as p; assert 'plotly' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
