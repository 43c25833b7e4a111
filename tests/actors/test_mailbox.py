"""Mailboxes lose nothing, whatever coincides; slots are filled once, and their waiters do what work there is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from understudy.actors.mailbox import Mailbox, Slot


def run(main: Callable[[], Awaitable[None]]) -> None:
    trio.run(main, clock=MockClock(autojump_threshold=0))


def test_a_full_mailbox_is_a_bug_and_names_its_owner() -> None:
    async def main() -> None:
        box: Mailbox[int] = Mailbox("glm", 2)
        box.post(1)
        box.post(2)
        assert len(box) == 2
        with pytest.raises(RuntimeError, match=r"mailbox of glm is full \(2 messages\)"):
            box.post(3)
        heard: list[int | None] = []

        def handle(message: int | None, now: float) -> float | None:
            heard.append(message)
            return None if len(heard) == 2 else 0.0

        await box.perform(handle)
        assert heard == [1, 2]
        assert len(box) == 0

    run(main)


def test_a_slot_is_filled_once_by_whoever_comes_first() -> None:
    async def main() -> None:
        slot: Slot[int] = Slot()
        assert not slot.filled
        assert slot.fill(1)
        assert slot.filled
        assert not slot.fill(2)
        assert not slot.fail(ValueError("late"))
        for _ in range(2):
            await slot.wait()
            assert slot.read() == 1

    run(main)


def test_a_slot_that_was_failed_raises_and_stays_failed() -> None:
    async def main() -> None:
        slot: Slot[int] = Slot()
        assert slot.fail(KeyError("gone"))
        assert not slot.fill(1)
        assert not slot.fail(ValueError("late"))
        for _ in range(2):
            await slot.wait()
            with pytest.raises(KeyError, match="gone"):
                slot.read()

    run(main)


def test_all_who_wait_for_a_slot_hear_the_answer_and_none_is_an_answer_too() -> None:
    async def main() -> None:
        slot: Slot[int | None] = Slot()
        heard: list[int | None] = []

        async def ask() -> None:
            await slot.wait()
            heard.append(slot.read())

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
        await slot.wait()
        assert slot.read() == 1

    run(main)


def test_whoever_waits_until_a_time_comes_back_then_without_an_answer() -> None:
    async def main() -> None:
        slot: Slot[int] = Slot()
        assert not await slot.wait(until=3)
        assert trio.current_time() == pytest.approx(3)
        assert not slot.filled
        slot.fill(1)
        assert not await slot.wait(until=2), "it has come too late"
        assert await slot.wait(until=4)
        assert slot.read() == 1

    run(main)


def test_work_is_done_by_whoever_waits_and_then_it_waits_on() -> None:
    async def main() -> None:
        slot: Slot[int] = Slot()
        done: list[str] = []
        waiters: set[str] = set()

        async def work(name: str) -> None:
            waiters.add(trio.lowlevel.current_task().name)
            await trio.sleep(1)
            done.append(name)

        async def give() -> None:
            slot.give_work(partial(work, "dropped for a newer one"))
            slot.give_work(partial(work, "first"))
            await trio.sleep(5)
            slot.give_work(partial(work, "second"))
            await trio.sleep(0.5)
            slot.fill(1)
            slot.give_work(partial(work, "dropped for the answer"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(give)
            await slot.wait()
            assert slot.read() == 1
            assert trio.current_time() == pytest.approx(6)
        assert done == ["first", "second"]
        assert waiters == {trio.lowlevel.current_task().name}

    run(main)
