"""The two tables of a supervisor: who comes back, and whom a failure touches."""

from __future__ import annotations

import math

import pytest
import trio
from attrs.exceptions import FrozenInstanceError
from hypothesis import given
from hypothesis import strategies as st

from understudy.supervisors.spec import (
    ChildSpec,
    Restart,
    Strategy,
    comes_back,
    declared,
    is_restarted,
    touched,
)


async def idle(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    task_status.started()


@pytest.mark.parametrize(
    ("restart", "after_normal", "after_crash"),
    [
        (Restart.PERMANENT, True, True),
        (Restart.TRANSIENT, False, True),
        (Restart.TEMPORARY, False, False),
    ],
)
def test_the_restart_type_decides_after_which_ends_a_child_comes_back(
    restart: Restart, after_normal: bool, after_crash: bool
) -> None:
    assert is_restarted(restart, crashed=False) is after_normal
    assert is_restarted(restart, crashed=True) is after_crash


def test_only_a_temporary_child_does_not_come_back_with_its_group() -> None:
    assert [comes_back(restart) for restart in Restart] == [True, True, False]


@pytest.mark.parametrize(
    ("strategy", "index", "members"),
    [
        (Strategy.ONE_FOR_ONE, 0, [0]),
        (Strategy.ONE_FOR_ONE, 2, [2]),
        (Strategy.ONE_FOR_ALL, 0, [0, 1, 2, 3]),
        (Strategy.ONE_FOR_ALL, 3, [0, 1, 2, 3]),
        (Strategy.REST_FOR_ONE, 0, [0, 1, 2, 3]),
        (Strategy.REST_FOR_ONE, 2, [2, 3]),
        (Strategy.REST_FOR_ONE, 3, [3]),
    ],
)
def test_the_strategy_decides_whom_a_failure_touches(strategy: Strategy, index: int, members: list[int]) -> None:
    assert list(touched(strategy, index, 4)) == members


@given(st.sampled_from(Strategy), st.integers(1, 50), st.data())
def test_a_failure_always_touches_the_one_that_failed(strategy: Strategy, count: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, count - 1))
    members = list(touched(strategy, index, count))
    assert index in members
    assert members == sorted(members)
    assert all(0 <= member < count for member in members)


@pytest.mark.parametrize("index", [-1, 4])
def test_nobody_is_touched_by_the_failure_of_a_child_that_does_not_exist(index: int) -> None:
    with pytest.raises(ValueError, match="no child"):
        touched(Strategy.ONE_FOR_ALL, index, 4)


def test_a_child_is_permanent_and_has_five_seconds_unless_it_says_otherwise() -> None:
    spec = ChildSpec("clock", idle)
    assert (spec.restart, spec.shutdown, spec.stop) == (Restart.PERMANENT, 5.0, None)


@pytest.mark.parametrize("shutdown", [0, 0.5, 5, math.inf])
def test_a_shutdown_time_may_be_nothing_or_endless(shutdown: float) -> None:
    assert ChildSpec("clock", idle, shutdown=shutdown).shutdown == shutdown


@pytest.mark.parametrize("shutdown", [-1, -math.inf, math.nan])
def test_a_shutdown_time_that_is_no_duration_is_refused(shutdown: float) -> None:
    with pytest.raises(ValueError, match="child 'clock': shutdown is a number of seconds"):
        ChildSpec("clock", idle, shutdown=shutdown)


def test_a_child_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a name"):
        ChildSpec("", idle)


def test_a_specification_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        ChildSpec("clock", idle).name = "bell"  # type: ignore[misc]


def test_children_keep_their_declared_order() -> None:
    specs = [ChildSpec(name, idle) for name in "cab"]
    assert declared(iter(specs)) == tuple(specs)


def test_two_children_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two children are called 'a'"):
        declared([ChildSpec("a", idle), ChildSpec("b", idle), ChildSpec("a", idle)])
