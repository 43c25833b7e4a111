"""From classes of callers to callers: right numbers at the right times, and nobody disturbs anybody."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from itertools import pairwise

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from understudy.simulations.scenario import Arrivals, Caller, Flaw, Scenario, Traffic
from understudy.simulations.stage import stream
from understudy.simulations.traffic import amount_of, callers_of, exponential

Points = tuple[tuple[float, float], ...]


def play(*traffic: Traffic, callers: Sequence[Caller] = (), seed: int = 0) -> tuple[Caller, ...]:
    return callers_of(Scenario("a play", {}, traffic=traffic, callers=tuple(callers)), seed)


def times(*traffic: Traffic, seed: int = 0) -> list[float]:
    return [caller.at for caller in play(*traffic, seed=seed)]


def rate_at(points: Points, at: float) -> float:
    """The rate by the definition in words: straight lines, and flat beyond the ends."""
    if at <= points[0][0]:
        return points[0][1]
    for (t0, r0), (t1, r1) in pairwise(points):
        if t0 <= at < t1:
            return r0 + (r1 - r0) * (at - t0) / (t1 - t0)
    return points[-1][1]


def cumulated(points: Points, start: float, end: float) -> float:
    """The area below the rate, by the trapezoidal rule, which is exact where the rate has no corners and no jumps."""
    corners = sorted({start, end, *(t for t, _ in points if start < t < end)})
    area = 0.0
    for t0, t1 in pairwise(corners):
        inside = [t0 + (t1 - t0) * share for share in (0.25, 0.75)]
        area += (t1 - t0) * sum(rate_at(points, t) for t in inside) / 2
    return area


@st.composite
def rates(draw: st.DrawFn) -> Points:
    moments = sorted(draw(st.lists(st.integers(0, 100), min_size=1, max_size=6)))
    return tuple((float(t), draw(st.integers(0, 8)) / 4) for t in moments)


@st.composite
def classes(draw: st.DrawFn) -> Traffic:
    start = float(draw(st.integers(0, 60)))
    return Traffic(
        "a",
        rate=draw(rates()),
        start=start,
        end=start + draw(st.integers(1, 80)),
        burst=draw(st.integers(0, 3)),
        arrivals=draw(st.sampled_from(Arrivals)),
    )


# --- when they come -------------------------------------------------------------------------------------------------


@given(classes())
def test_callers_who_come_evenly_come_at_each_whole_unit_of_the_cumulated_rate(traffic: Traffic) -> None:
    came = times(evolve(traffic, arrivals=Arrivals.EVEN, burst=0))
    total = cumulated(traffic.rate, traffic.start, traffic.end)
    assert len(came) == math.ceil(round(total, 6))
    for number, at in enumerate(came):
        assert cumulated(traffic.rate, traffic.start, at) == pytest.approx(number, abs=1e-6)


@given(classes())
def test_an_amount_is_the_area_below_the_rate_and_the_burst(traffic: Traffic) -> None:
    area = cumulated(traffic.rate, traffic.start, traffic.end)
    assert amount_of(traffic) == pytest.approx(area + traffic.burst)


@given(classes(), st.integers(0, 10))
def test_everybody_comes_between_start_and_end_and_in_order(traffic: Traffic, seed: int) -> None:
    came = times(traffic, seed=seed)
    assert came == sorted(came)
    assert all(traffic.start <= at <= traffic.end for at in came)
    assert came.count(traffic.start) >= traffic.burst


@given(classes(), st.integers(0, 10))
def test_nobody_comes_while_the_rate_is_zero(traffic: Traffic, seed: int) -> None:
    for at in times(evolve(traffic, burst=0), seed=seed):
        nearby = [rate_at(traffic.rate, at + shift) for shift in (-1e-6, 0.0, 1e-6)]
        assert max(nearby) > 0


def test_a_steady_rate_brings_one_caller_each_so_many_seconds() -> None:
    traffic = Traffic("a", rate=((0.0, 0.5),), start=10.0, end=20.0, arrivals=Arrivals.EVEN)
    assert times(traffic) == [10.0, 12.0, 14.0, 16.0, 18.0]


def test_a_rate_that_climbs_brings_them_closer_and_closer() -> None:
    traffic = Traffic("a", rate=((0.0, 0.0), (4.0, 2.0)), end=4.0, arrivals=Arrivals.EVEN)
    # The cumulated rate is t²/4.
    assert times(traffic) == pytest.approx([0.0, 2.0, math.sqrt(8.0), math.sqrt(12.0)], abs=1e-12)


def test_rounding_brings_nobody() -> None:
    """Tenths do not add up exactly: a hundred pieces of them end a little before or after a whole number."""
    moments = [n / 10 for n in range(101)]
    for tenths in range(1, 100):
        traffic = Traffic("a", rate=tuple((t, tenths / 10) for t in moments), end=10.0, arrivals=Arrivals.EVEN)
        assert len(times(traffic)) == tenths


def test_whoever_is_due_where_the_rate_falls_to_zero_comes_when_it_rises_again() -> None:
    rate = ((0.0, 1.0), (2.0, 1.0), (2.0, 0.0), (10.0, 0.0), (10.0, 1.0))
    traffic = Traffic("a", rate=rate, end=13.0, arrivals=Arrivals.EVEN)
    assert times(traffic) == [0.0, 1.0, 10.0, 11.0, 12.0]


def test_a_tiny_rate_is_no_trouble() -> None:
    traffic = Traffic("a", rate=((0.0, 0.0), (1e-300, 1e-300), (1.0, 5e-324)), end=1e9)
    assert times(traffic) == []


def test_without_a_rate_only_the_burst_comes() -> None:
    assert times(Traffic("a", burst=3, start=70.0)) == [70.0] * 3


# --- chance ---------------------------------------------------------------------------------------------------------


def test_a_variate_is_exponential() -> None:
    draw = random.Random("a fixed stream")
    count = 100_000
    drawn = sorted(exponential(draw) for _ in range(count))
    mean = sum(drawn) / count
    assert mean == pytest.approx(1, abs=4 / math.sqrt(count))
    assert sum((x - mean) ** 2 for x in drawn) / count == pytest.approx(1, abs=4 * math.sqrt(8 / count))
    # Kolmogorov and Smirnov: the largest distance from 1 - e^-x; beyond this with a probability of 1 in 10,000.
    distance = max(
        max(abs((n + 1) / count - (1 - math.exp(-x))), abs(n / count - (1 - math.exp(-x)))) for n, x in enumerate(drawn)
    )
    assert distance < 2.23 / math.sqrt(count)
    for share in (0.1, 0.5, 0.9, 0.99, 0.999):
        assert drawn[int(share * count)] == pytest.approx(-math.log(1 - share), rel=0.06)


def test_variates_are_independent_of_each_other() -> None:
    draw = random.Random("another fixed stream")
    count = 50_000
    drawn = [exponential(draw) - 1 for _ in range(count)]
    correlation = sum(a * b for a, b in pairwise(drawn)) / count
    assert abs(correlation) < 4 / math.sqrt(count)


def test_callers_who_come_at_random_are_a_poisson_process() -> None:
    """Their number in each stretch of time has the mean and the variance that it must have."""
    traffic = Traffic("a", rate=((0.0, 0.0), (10.0, 4.0), (10.0, 1.0), (20.0, 1.0)), end=20.0)
    runs = 2000
    counts: dict[tuple[int, int], list[int]] = {(0, 5): [], (5, 10): [], (10, 20): []}
    for seed in range(runs):
        came = times(traffic, seed=seed)
        for (low, high), each in counts.items():
            each.append(sum(low <= at < high for at in came))
    for (low, high), each in counts.items():
        expected = cumulated(traffic.rate, low, high)
        mean = sum(each) / runs
        assert mean == pytest.approx(expected, abs=4 * math.sqrt(expected / runs))
        variance = sum((n - mean) ** 2 for n in each) / runs
        assert variance == pytest.approx(expected, rel=0.15)


def test_shares_and_ranges_are_what_the_class_says() -> None:
    traffic = Traffic(
        "a",
        rate=((0.0, 10.0),),
        end=2000.0,
        stream=0.3,
        leave=0.2,
        leaves_after=(1.0, 3.0),
        prompt_tokens=(10, 13),
        answer_tokens=(7, 7),
        flaws={Flaw.TOO_LONG: 0.05, Flaw.FORMAT: 0.1},
        images=0.4,
        tools=1.0,
    )
    callers = play(traffic)
    count = len(callers)

    def share_of(has: Sequence[object]) -> float:
        return sum(bool(each) for each in has) / count

    close = 4 * math.sqrt(0.25 / count)
    assert share_of([c.stream for c in callers]) == pytest.approx(0.3, abs=close)
    assert share_of([c.leaves_after is not None for c in callers]) == pytest.approx(0.2, abs=close)
    assert share_of([c.images for c in callers]) == pytest.approx(0.4, abs=close)
    assert all(c.tools and c.answer_tokens == 7 for c in callers)
    assert share_of([c.flaw is Flaw.FORMAT for c in callers]) == pytest.approx(0.1, abs=close)
    assert share_of([c.flaw is Flaw.TOO_LONG for c in callers]) == pytest.approx(0.05, abs=close)
    for tokens in range(10, 14):
        assert share_of([c.prompt_tokens == tokens for c in callers]) == pytest.approx(0.25, abs=close)
    left = [c.leaves_after for c in callers if c.leaves_after is not None]
    assert 1 <= min(left) <= 1.01
    assert 2.99 <= max(left) <= 3
    assert sum(left) / len(left) == pytest.approx(2, abs=0.05)
    # What a caller is like tells nothing of what else it is like.
    both = share_of([c.stream and c.images for c in callers])
    assert both == pytest.approx(0.12, abs=close)


# --- nobody disturbs anybody ----------------------------------------------------------------------------------------


@given(classes(), classes(), st.integers(0, 10))
def test_each_class_draws_from_a_stream_of_its_own(one: Traffic, other: Traffic, seed: int) -> None:
    one, other = evolve(one, name="one"), evolve(other, name="other")
    together = play(one, other, seed=seed)
    assert [c for c in together if c.group == "one"] == list(play(one, seed=seed))
    quiet = evolve(one, rate=(), burst=0)
    assert [c for c in together if c.group == "other"] == list(play(quiet, other, seed=seed))


@given(classes(), st.integers(0, 10))
def test_a_share_moves_nobody_in_time(traffic: Traffic, seed: int) -> None:
    changed = evolve(traffic, stream=0.5, leave=0.5, images=0.5, flaws={Flaw.FORMAT: 0.5}, prompt_tokens=(1, 10**6))
    assert times(changed, seed=seed) == times(traffic, seed=seed)


def test_flaws_are_drawn_whatever_the_order_of_their_mapping() -> None:
    flaws = {Flaw.FORMAT: 0.2, Flaw.TOO_LONG: 0.3, Flaw.CONTENT_FILTER: 0.1}
    traffic = Traffic("a", rate=((0.0, 5.0),), flaws=flaws)
    assert play(traffic) == play(evolve(traffic, flaws=dict(reversed(flaws.items()))))


def test_callers_are_numbered_by_time_and_the_scenarios_own_come_first() -> None:
    own = [Caller(5.0, "a", "late"), Caller(0.0, "a", "early"), Caller(5.0, "a", "later")]
    traffic = Traffic("a", name="crowd", burst=2, start=5.0)
    assert [c.group for c in play(traffic, callers=own)] == ["early", "late", "later", "crowd", "crowd"]


def test_what_a_class_says_of_all_its_callers_is_said_of_each() -> None:
    traffic = Traffic(
        "r", name="n", burst=1, timeout=7.0, wait_for_cooldown=True, reads_every=0.5, retries=2, retry_wait=3.0
    )
    (caller,) = play(traffic)
    assert (caller.route, caller.group, caller.timeout) == ("r", "n", 7.0)
    assert (caller.wait_for_cooldown, caller.reads_every, caller.retries, caller.retry_wait) == (True, 0.5, 2, 3.0)


def test_the_same_seed_gives_the_same_callers_and_another_gives_others() -> None:
    traffic = Traffic("a", rate=((0.0, 1.0),), stream=0.5)
    assert play(traffic, seed=1) == play(traffic, seed=1)
    assert play(traffic, seed=1) != play(traffic, seed=2)
    first = exponential(stream(1, "traffic 0 callers"))
    assert play(traffic, seed=1)[0].at == first


def test_a_day_of_traffic_is_made_at_once() -> None:
    traffic = Traffic("a", rate=((0.0, 1.0),), end=86_400.0)
    before = time.process_time()
    callers = play(traffic)
    assert time.process_time() - before < 2
    assert len(callers) == pytest.approx(86_400, abs=4 * math.sqrt(86_400))
