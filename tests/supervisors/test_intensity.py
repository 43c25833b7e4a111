"""Restart intensity against a naive list of times, and the waits between restarts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.supervisors.intensity import Backoff, Intensity, Streak


class Naive:
    """What OTP's documentation says, with nothing forgotten."""

    def __init__(self, max_restarts: int, period: float) -> None:
        self.max_restarts = max_restarts
        self.period = period
        self.times: list[float] = []

    def record(self, now: float) -> bool:
        self.times.append(now)
        return sum(1 for then in self.times if now - then <= self.period) <= self.max_restarts


# Quarters of a second meet the edge of the period often, and exactly.
quarters = st.integers(0, 40).map(lambda n: n / 4)


@given(st.integers(0, 6), st.integers(1, 24).map(lambda n: n / 4), st.lists(quarters, max_size=60))
def test_the_intensity_counts_like_a_list_of_all_times(max_restarts: int, period: float, gaps: list[float]) -> None:
    intensity, naive, now = Intensity(max_restarts, period), Naive(max_restarts, period), 0.0
    for gap in gaps:
        now += gap
        assert intensity.record(now) == naive.record(now)


@given(
    st.integers(0, 4),
    st.floats(1e-3, 1e3),
    st.lists(st.floats(0, 1e6), max_size=40).map(sorted),
)
def test_the_intensity_counts_like_a_list_of_all_times_at_any_times(
    max_restarts: int, period: float, times: list[float]
) -> None:
    intensity, naive = Intensity(max_restarts, period), Naive(max_restarts, period)
    assert [intensity.record(now) for now in times] == [naive.record(now) for now in times]


def test_a_restart_exactly_one_period_ago_still_counts() -> None:
    intensity = Intensity(1, 5.0)
    assert intensity.record(100.0)
    assert not intensity.record(105.0)


def test_a_restart_more_than_one_period_ago_no_longer_counts() -> None:
    intensity = Intensity(1, 5.0)
    assert intensity.record(100.0)
    assert intensity.record(math.nextafter(105.0, math.inf))


def test_as_many_restarts_as_allowed_are_allowed_at_one_instant() -> None:
    intensity = Intensity(3, 5.0)
    assert [intensity.record(1.0) for _ in range(5)] == [True, True, True, False, False]


def test_an_intensity_of_nought_allows_no_restart() -> None:
    assert not Intensity(0, 5.0).record(0.0)


def test_a_period_without_an_end_counts_for_ever() -> None:
    intensity = Intensity(2, math.inf)
    assert [intensity.record(now) for now in (0.0, 1e9, 2e9)] == [True, True, False]


def test_the_memory_of_restarts_is_bounded() -> None:
    intensity = Intensity(3, 5.0)
    for now in range(1000):
        intensity.record(float(now))
    assert len(intensity._recent) == 4


def test_time_that_goes_backwards_is_noticed() -> None:
    intensity = Intensity(3, 5.0)
    intensity.record(2.0)
    with pytest.raises(AssertionError):
        intensity.record(1.0)


@pytest.mark.parametrize(("max_restarts", "period"), [(-1, 5.0), (1, 0.0), (1, -1.0), (1, math.nan)])
def test_an_intensity_that_makes_no_sense_is_refused(max_restarts: int, period: float) -> None:
    with pytest.raises(ValueError, match="not"):
        Intensity(max_restarts, period)


def test_the_first_restart_is_immediate_and_the_others_wait_longer_each_time() -> None:
    backoff = Backoff(base=0.125, factor=2, cap=1.5)
    assert [backoff.delay(k) for k in range(1, 8)] == [0, 0.25, 0.5, 1.0, 1.5, 1.5, 1.5]


def test_the_first_restart_waits_too_if_it_is_told_to() -> None:
    backoff = Backoff(base=0.125, factor=2, cap=1.5, immediate=False)
    assert [backoff.delay(k) for k in range(1, 4)] == [0.125, 0.25, 0.5]


def test_a_row_of_restarts_longer_than_a_float_can_count_waits_for_the_cap() -> None:
    assert Backoff(base=0.1, factor=10, cap=3.0).delay(10**6) == 3.0
    assert Backoff(base=0.0, factor=10, cap=3.0).delay(10**6) == 0.0


def test_restarts_are_counted_from_one() -> None:
    with pytest.raises(ValueError, match="counted from 1"):
        Backoff().delay(0)


@pytest.mark.parametrize("wrong", [{"base": -1.0}, {"cap": -1.0}, {"quiet": math.nan}, {"factor": 0.5}])
def test_a_backoff_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="not"):
        Backoff(
            base=wrong.get("base", 0.1),
            cap=wrong.get("cap", 1.0),
            quiet=wrong.get("quiet", 1.0),
            factor=wrong.get("factor", 2.0),
        )


@given(st.floats(0, 10), st.floats(1, 10), st.floats(0, 100), st.integers(1, 2000))
def test_waits_never_shrink_and_never_pass_the_cap(base: float, factor: float, cap: float, k: int) -> None:
    backoff = Backoff(base=base, factor=factor, cap=cap)
    assert 0 <= backoff.delay(k) <= backoff.delay(k + 1) <= cap


@given(st.integers(0, 300), st.floats(0.01, 1e6))
def test_under_the_backoff_made_for_it_an_intensity_is_exceeded_by_a_child_that_fails_at_once(
    max_restarts: int, period: float
) -> None:
    streak, intensity = Streak(Backoff.within(max_restarts, period)), Intensity(max_restarts, period)
    now = 1000.0
    for _ in range(max_restarts):
        assert intensity.record(now)
        now += streak.next(now)
    assert not intensity.record(now)


def test_a_period_without_an_end_has_a_backoff_too() -> None:
    assert Backoff.within(3, math.inf) == Backoff()


def test_a_streak_is_forgotten_after_a_quiet_time_and_not_before() -> None:
    backoff = Backoff(base=0.25, factor=2, cap=8.0, quiet=10.0)
    streak = Streak(backoff)
    assert [streak.next(100.0), streak.next(100.0)] == [0.0, 0.5]
    assert streak.next(110.5) == 1.0  # quiet since 100.5, for exactly ten seconds
    assert streak.next(math.nextafter(121.5, math.inf)) == 0.0
