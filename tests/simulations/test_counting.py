"""How providers count: each as its name says, and none lets more through in a minute than it should."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.simulations.counting import Bucket, Doorkeeper, FixedWindow, SlidingWindow
from understudy.simulations.scenario import LimitKind

pauses = st.lists(st.sampled_from((0.0, 0.0, 0.5, 7.0, 30.0, 60.0)), min_size=1, max_size=60)


def let_through(kind: LimitKind, limit: float, gaps: list[float]) -> list[float]:
    """When requests are let through that come after these gaps."""
    keeper = Doorkeeper.of(kind, limit, None)
    now, through = 0.0, list[float]()
    for gap in gaps:
        now += gap
        wait = keeper.admit(now, 0.0)
        if wait is None:
            through.append(now)
        else:
            assert wait > 0
    return through


@given(st.integers(1, 6), pauses)
def test_a_sliding_window_never_sees_more_than_its_limit(limit: int, gaps: list[float]) -> None:
    through = let_through(LimitKind.SLIDING_WINDOW, limit, gaps)
    for i, start in enumerate(through):
        assert sum(at < start + 60 for at in through[i:]) <= limit


@given(st.integers(1, 6), pauses)
def test_a_fixed_window_counts_by_full_minutes(limit: int, gaps: list[float]) -> None:
    through = let_through(LimitKind.FIXED_WINDOW, limit, gaps)
    by_minute = [int(at // 60) for at in through]
    assert all(by_minute.count(minute) <= limit for minute in by_minute)


@given(st.integers(1, 6), pauses)
def test_a_bucket_lets_through_what_it_holds_and_what_refills(limit: int, gaps: list[float]) -> None:
    through = let_through(LimitKind.TOKEN_BUCKET, limit, gaps)
    for i, start in enumerate(through):
        for j, end in enumerate(through[i:], 1):
            assert j <= limit + (end - start) * limit / 60 + 1e-6


@given(st.sampled_from(LimitKind), st.integers(1, 4), pauses)
def test_whoever_waits_as_long_as_it_is_told_is_let_through(kind: LimitKind, limit: int, gaps: list[float]) -> None:
    keeper = Doorkeeper.of(kind, limit, 100.0 * limit)
    now = 0.0
    for gap in gaps:
        now += gap
        wait = keeper.admit(now, 60.0)
        if wait is not None:
            now += wait + 1e-5
            assert keeper.admit(now, 60.0) is None


@pytest.mark.parametrize("counter", [SlidingWindow(10.0), FixedWindow(10.0), Bucket(10.0)])
def test_tokens_that_were_not_used_are_taken_back(counter: SlidingWindow | FixedWindow | Bucket) -> None:
    counter.take(1.0, 8.0)
    counter.take(2.0, -3.0)
    assert 5.0 <= counter.left(2.0) <= 5.2


def test_what_is_left_is_told_of_whatever_is_limited() -> None:
    keeper = Doorkeeper.of(LimitKind.SLIDING_WINDOW, 5.0, 100.0)
    keeper.admit(0.0, 30.0)
    assert keeper.left(1.0) == [("requests", 4.0), ("tokens", 70.0)]
    assert Doorkeeper.of(LimitKind.SLIDING_WINDOW, None, None).left(1.0) == []
