"""Mailboxes lose nothing, whatever coincides; slots are filled once."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from understudy.actors.mailbox import MAX_IN_A_ROW, Mailbox, Slot
from understudy.simulations.stage import perform


def run(main: Callable[[], Awaitable[None]]) -> None:
    trio.run(main, clock=MockClock(autojump_threshold=0))


def test_messages_come_out_in_the_order_in_which_they_were_left() -> None:
    async def main() -> None:
        box: Mailbox[int] = Mailbox("glm", 10)
        for n in range(10):
            box.post(n)
        assert len(box) == 10
        assert [await box.receive() for _ in range(4)] == [0, 1, 2, 3]
        assert [await box.receive(until=5.0) for _ in range(2)] == [4, 5]
        assert box.drain() == [6, 7, 8, 9]
        assert len(box) == 0
        assert box.drain() == []

    run(main)


def test_a_full_mailbox_is_a_bug_and_names_its_owner() -> None:
    async def main() -> None:
        box: Mailbox[int] = Mailbox("glm", 2)
        box.post(1)
        box.post(2)
        with pytest.raises(RuntimeError, match=r"mailbox of glm is full \(2 messages\)"):
            box.post(3)
        assert box.drain() == [1, 2]
        box.post(4)
        assert await box.receive() == 4

    run(main)


def test_whoever_receives_waits_until_a_message_comes() -> None:
    async def main() -> None:
        box: Mailbox[int] = Mailbox("glm", 2)

        async def later() -> None:
            await trio.sleep(7)
            box.post(1)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(later)
            start = trio.current_time()
            assert await box.receive() == 1
            assert trio.current_time() == start + 7

    run(main)


def test_at_the_time_that_was_set_there_is_no_message() -> None:
    async def main() -> None:
        box: Mailbox[int] = Mailbox("glm", 2)
        start = trio.current_time()
        assert await box.receive(until=start + 3) is None
        assert trio.current_time() == start + 3

    run(main)


def test_what_is_there_is_taken_before_a_time_that_has_passed() -> None:
    async def main() -> None:
        box: Mailbox[int] = Mailbox("glm", 2)
        for until in (trio.current_time(), trio.current_time() - 5, -math.inf):
            box.post(1)
            assert await box.receive(until) == 1
            assert await box.receive(until) is None
            assert len(box) == 0

    run(main)


def test_whoever_takes_many_gives_way_to_others_in_between() -> None:
    async def main() -> None:
        box: Mailbox[int] = Mailbox("glm", 100)
        for n in range(100):
            box.post(n)
        taken: list[int] = []
        between: list[int] = []

        async def others() -> None:
            while len(taken) < 100:
                between.append(len(taken))
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(others)
            for _ in range(100):
                message = await box.receive()
                assert message is not None
                taken.append(message)
        assert taken == list(range(100))
        assert max(late - early for early, late in pairwise([0, *between, 100])) <= 2 * (MAX_IN_A_ROW + 1)

    run(main)


def test_when_a_message_and_the_deadline_coincide_the_deadline_wins_and_the_message_is_kept() -> None:
    assert {coincidence(seed) for seed in range(60)} == {"deadline first"}


def coincidence(seed: int) -> str:
    async def main() -> str:
        box: Mailbox[int] = Mailbox("glm", 2)

        async def post_at_five() -> None:
            await trio.sleep_until(5.0)
            box.post(1)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(post_at_five)
            first = await box.receive(until=5.0)
            if first is None:
                assert await box.receive(until=6.0) == 1
                return "deadline first"
            assert first == 1
            assert await box.receive(until=6.0) is None
            return "message first"

    return perform(main, seed=seed, longest=100.0)


@settings(max_examples=60, deadline=None)
@given(
    posts=st.lists(st.integers(0, 20), max_size=12),
    waits=st.lists(st.integers(0, 4), min_size=1, max_size=30),
    seed=st.integers(0, 10**6),
)
def test_everything_that_is_posted_is_received_once_and_in_order(posts: list[int], waits: list[int], seed: int) -> None:
    """Posting and giving up fall on the same whole seconds again and again."""

    async def main() -> list[int]:
        box: Mailbox[int] = Mailbox("glm", len(posts))

        async def post(number: int, at: int) -> None:
            await trio.sleep_until(at)
            box.post(number)
            order.append(number)

        order: list[int] = []
        heard: list[int] = []
        async with trio.open_nursery() as nursery:
            for number, at in enumerate(posts):
                nursery.start_soon(post, number, at)
            for wait in waits:
                message = await box.receive(until=trio.current_time() + wait)
                if message is not None:
                    heard.append(message)
        heard += box.drain()
        assert heard == order
        return heard

    assert len(perform(main, seed=seed, longest=1000.0)) == len(posts)


def test_a_slot_is_filled_once_by_whoever_comes_first() -> None:
    async def main() -> None:
        slot: Slot[int] = Slot()
        assert not slot.filled
        assert slot.fill(1)
        assert slot.filled
        assert not slot.fill(2)
        assert not slot.fail(ValueError("late"))
        assert await slot.wait() == 1
        assert await slot.wait() == 1

    run(main)


def test_a_slot_that_was_failed_raises_and_stays_failed() -> None:
    async def main() -> None:
        slot: Slot[int] = Slot()
        assert slot.fail(KeyError("gone"))
        assert not slot.fill(1)
        assert not slot.fail(ValueError("late"))
        for _ in range(2):
            with pytest.raises(KeyError, match="gone"):
                await slot.wait()

    run(main)


def test_all_who_wait_for_a_slot_hear_the_answer_and_none_is_an_answer_too() -> None:
    async def main() -> None:
        slot: Slot[int | None] = Slot()
        heard: list[int | None] = []

        async def ask() -> None:
            heard.append(await slot.wait())

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ask)
            await trio.sleep(1)
            assert slot.fill(None)
        assert heard == [None, None, None]

    run(main)


def test_whoever_stops_waiting_leaves_the_slot_as_it_is() -> None:
    async def main() -> None:
        slot: Slot[int] = Slot()
        with trio.move_on_after(1) as scope:
            await slot.wait()
        assert scope.cancelled_caught
        assert slot.fill(1)
        assert await slot.wait() == 1

    run(main)
