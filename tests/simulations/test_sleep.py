"""The stage's own sleep does what trio's does, and is told apart from it by its price alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from understudy.simulations.stage import StageError, perform, sleep, sleep_until

Sleep = Callable[[float], Awaitable[None]]
Nap = tuple[float, float]
"""How long somebody sleeps, and for how long it may."""

SECONDS = st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0]) | st.floats(0, 3)
NAPS = st.lists(st.tuples(SECONDS, SECONDS), max_size=4)


def nights(sleepers: list[list[Nap]], how: Sleep, leaves: float, **stage: object) -> list[tuple[float, int, bool]]:
    """Everybody naps, and is woken early where a nap is too long; at `leaves` all are. Who woke when, and who early."""
    woke: list[tuple[float, int, bool]] = []

    async def sleeper(number: int, naps: list[Nap]) -> None:
        for seconds, most in naps:
            with trio.move_on_after(most) as nap:
                await how(seconds)
            woke.append((trio.current_time(), number, nap.cancelled_caught))

    async def play() -> None:
        with trio.move_on_after(leaves):
            async with trio.open_nursery() as nursery:
                for number, naps in enumerate(sleepers):
                    nursery.start_soon(sleeper, number, naps)

    perform(play, longest=100.0, **stage)  # type: ignore[arg-type]
    return woke


@given(st.lists(NAPS, max_size=5), SECONDS, st.integers(0, 9), st.lists(st.tuples(SECONDS, SECONDS), max_size=2))
def test_it_wakes_whom_trio_would_wake_at_the_same_time(
    sleepers: list[list[Nap]], leaves: float, seed: int, jumps: list[tuple[float, float]]
) -> None:
    ours = nights(sleepers, sleep, leaves, seed=seed, jumps=jumps)
    assert ours == sorted(ours, key=lambda woke: woke[0])
    # Who comes first of those who wake at the same instant is for the schedule to say.
    assert sorted(ours) == sorted(nights(sleepers, trio.sleep, leaves, seed=seed, jumps=jumps))


def test_a_deadline_at_the_same_instant_comes_first() -> None:
    assert nights([[(1.0, 1.0)]], sleep, 2.0) == [(1.0, 0, True)]


def test_whoever_was_woken_early_does_not_hold_up_the_clock() -> None:
    async def play() -> float:
        with trio.move_on_after(1):
            await sleep(50)
        await trio.sleep(1)
        return trio.current_time()

    assert perform(play, longest=100.0) == 2.0


def test_sleeping_until_a_time_that_has_passed_takes_no_time() -> None:
    async def play() -> float:
        await sleep(3)
        await sleep_until(1)
        return trio.current_time()

    assert perform(play, longest=100.0) == 3.0


def test_whoever_sleeps_past_the_end_of_the_run_is_named() -> None:
    async def play() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sleep, 1000.0, name="the one who oversleeps")

    with pytest.raises(StageError, match="still there are: the one who oversleeps"):
        perform(play, longest=100.0)


def test_without_a_stage_there_is_nothing_to_sleep_on() -> None:
    with pytest.raises(AssertionError, match="only on a stage"):
        trio.run(sleep, 1.0)
