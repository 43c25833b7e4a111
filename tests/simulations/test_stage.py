"""The stage: time moves only when nobody can act, the schedule decides who goes first, and no run hangs."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio._core import _run as trio_internals

from understudy.simulations import stage
from understudy.simulations.stage import Schedule, StageError, perform, stream

LONG = 1000.0


def racing(count: int) -> Callable[[], Awaitable[list[int]]]:
    """Several tasks that become ready at the same moment, again and again; the order in which they ran."""

    async def play() -> list[int]:
        ran: list[int] = []

        async def task(number: int) -> None:
            for _ in range(3):
                await trio.sleep(1)
                ran.append(number)

        async with trio.open_nursery() as nursery:
            for number in range(count):
                nursery.start_soon(task, number)
        return ran

    return play


@given(st.lists(st.floats(0, 100), max_size=8))
def test_time_moves_to_the_next_deadline_and_no_further(delays: list[float]) -> None:
    async def play() -> list[tuple[float, float]]:
        woke: list[tuple[float, float]] = []

        async def sleeper(delay: float) -> None:
            await trio.sleep(delay)
            woke.append((delay, trio.current_time()))

        async with trio.open_nursery() as nursery:
            for delay in delays:
                nursery.start_soon(sleeper, delay)
        return woke

    woke = perform(play, longest=LONG)
    assert all(delay == at for delay, at in woke)
    assert [at for _, at in woke] == sorted(delays)


@given(st.floats(0, 50), st.floats(1, 50), st.floats(0, 100))
def test_whoever_sleeps_into_a_jump_of_the_clock_wakes_where_it_lands(at: float, by: float, until: float) -> None:
    async def play() -> float:
        await trio.sleep_until(until)
        return trio.current_time()

    woke = perform(play, longest=LONG, jumps=[(at, by)])
    assert woke == (max(until, at + by) if until >= at and until > 0 else until)


@given(st.integers(2, 4), st.lists(st.integers(0, 5), max_size=6))
def test_a_script_decides_and_zeros_at_its_end_change_nothing(count: int, script: list[int]) -> None:
    play = racing(count)
    once = perform(play, schedule=Schedule(None, tuple(script)), longest=LONG)
    assert once == perform(play, schedule=Schedule(None, (*script, 0, 0)), longest=LONG)
    if not any(script):
        assert once == list(range(count)) * 3


def test_scripts_reach_every_rotation_of_those_that_are_ready() -> None:
    scripts = [(0, 0, turn) for turn in range(3)]  # the tasks begin in two contested moments, and wake in the third
    orders = {tuple(perform(racing(3), schedule=Schedule(None, script), longest=LONG)[:3]) for script in scripts}
    assert orders == {(0, 1, 2), (1, 2, 0), (2, 0, 1)}


def test_the_same_seed_gives_the_same_order_and_others_another() -> None:
    orders = [tuple(perform(racing(5), seed=seed, longest=LONG)) for seed in range(20)]
    assert orders == [tuple(perform(racing(5), seed=seed, longest=LONG)) for seed in range(20)]
    assert len(set(orders)) == 20


def test_streams_of_components_do_not_depend_on_each_other() -> None:
    one = [stream(1, "a").random() for _ in range(3)]
    other = stream(1, "b")
    other.random()
    assert one == [stream(1, "a").random() for _ in range(3)]
    assert stream(1, "a").random() != stream(2, "a").random() != stream(1, "b").random()


async def forever() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever, name="the one who waits")


def test_a_run_that_does_not_end_says_who_still_waits() -> None:
    with pytest.raises(StageError) as failed:
        perform(forever, longest=5, describe=lambda: "two candidates, both cooling")
    assert str(failed.value).splitlines() == [
        "the run did not come to its end within 5 virtual seconds",
        "still there are: the one who waits",
        "two candidates, both cooling",
    ]


def test_tasks_that_run_on_while_time_stands_still_are_a_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "TURNS_MAX", 500)

    async def spin() -> None:
        await trio.sleep(3)
        while True:
            await trio.lowlevel.checkpoint()

    with pytest.raises(StageError, match="time stands still at 3 s"):
        perform(spin, longest=LONG)


def test_an_error_of_the_play_comes_out_as_itself() -> None:
    async def play() -> None:
        await trio.sleep(1)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        perform(play, longest=LONG)


@pytest.mark.parametrize("before", [(0, 10, 10), (700, 10, 10), (100_000, 20, 30)])
def test_the_garbage_collector_looks_around_as_often_as_before(before: tuple[int, int, int]) -> None:
    async def play() -> tuple[int, int, int]:
        return gc.get_threshold()

    was = gc.get_threshold()
    gc.set_threshold(*before)
    try:
        meanwhile = perform(play, longest=LONG)
        assert gc.get_threshold() == before
        with pytest.raises(StageError):
            perform(trio.sleep_forever, longest=LONG)
        assert gc.get_threshold() == before
    finally:
        gc.set_threshold(*was)
    assert meanwhile[0] == (before[0] and max(before[0], stage.OBJECTS_AT_A_TIME))
    assert meanwhile[1:] == before[1:]


def test_the_stage_gives_trio_back_as_it_was() -> None:
    before = [getattr(trio_internals, name) for name in stage.HOOKS]
    perform(racing(2), longest=LONG)
    with pytest.raises(StageError):
        perform(forever, longest=5)
    assert [getattr(trio_internals, name) for name in stage.HOOKS] == before


@pytest.mark.parametrize("name", stage.HOOKS)
def test_a_trio_without_the_hooks_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(trio_internals, name)
    with pytest.raises(StageError, match=f"trio {trio.__version__} has no {name}"):
        perform(forever, longest=5)
