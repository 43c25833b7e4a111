"""Actors that act at once: every message once, in order, one handler at a time, and bugs where they belong."""

from __future__ import annotations

import math
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from itertools import pairwise
from typing import TypeVar

import pytest
import trio
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.actors.mailbox import Mailbox
from understudy.actors.prompter import MAX_IN_A_ROW, Prompter
from understudy.simulations.hesitation import Hesitation
from understudy.simulations.stage import StageError, perform

T = TypeVar("T")
WHO: ContextVar[str] = ContextVar("WHO", default="nobody")


class Crash(Exception):
    """What an actor of these tests crashes with."""


def run(main: Callable[[], Awaitable[T]], seed: int = 0) -> T:
    return perform(main, seed=seed, longest=1_000.0)


def test_a_message_to_an_actor_that_waits_is_handled_before_post_returns_and_in_the_actors_context() -> None:
    async def main() -> None:
        box: Mailbox[int] = Mailbox("glm", 2)
        heard: list[tuple[int, str]] = []

        def handle(message: int | None, now: float) -> float:
            if message is not None:
                heard.append((message, WHO.get()))
                WHO.set("an actor that has heard something")
            return math.inf

        async def actor() -> None:
            WHO.set("the actor")
            await box.perform(handle)

        WHO.set("the poster")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(actor)
            await trio.sleep(1)
            box.post(1)
            assert heard == [(1, "the actor")]
            box.post(2)
            assert heard[1] == (2, "an actor that has heard something")
            assert WHO.get() == "the poster"
            nursery.cancel_scope.cancel()

    run(main)


def test_what_a_handler_posts_is_handled_after_it_in_the_order_in_which_it_was_posted() -> None:
    async def main() -> None:
        prompter = Prompter()
        boxes = {name: Mailbox[int](name, 100, prompter) for name in "abc"}
        heard: list[str] = []

        def handler(name: str) -> Callable[[int | None, float], float]:
            def handle(message: int | None, now: float) -> float:
                if message is None:
                    return math.inf
                heard.append(f"{name}{message} begins")
                if message < 2:
                    for other in boxes.values():
                        other.post(message + 1)
                heard.append(f"{name}{message} ends")
                return math.inf

            return handle

        async with trio.open_nursery() as nursery:
            for name, box in boxes.items():
                nursery.start_soon(box.perform, handler(name))
            await trio.sleep(1)
            boxes["a"].post(0)
            nursery.cancel_scope.cancel()
        begun = [line.split()[0] for line in heard[::2]]
        assert begun == ["a0", "a1", "b1", "c1", *["a2", "b2", "c2"] * 3]
        assert heard[1::2] == [line.replace("begins", "ends") for line in heard[::2]], "one at a time"

    run(main)


def test_a_bug_in_a_handler_is_raised_in_its_actors_task_and_not_where_the_message_came_from() -> None:
    async def main() -> None:
        box: Mailbox[int] = Mailbox("glm", 5)
        heard: list[int] = []

        def handle(message: int | None, now: float) -> float:
            if message == 13:
                raise Crash
            heard.extend([] if message is None else [message])
            return math.inf

        async def actor() -> None:
            for _ in range(2):
                with pytest.raises(Crash):
                    await box.perform(handle)
            await box.perform(handle)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(actor)
            await trio.sleep(1)
            for message in (1, 13, 2, 3):
                box.post(message)
            assert heard == [1], "what comes after a crash waits for the next incarnation"
            await trio.sleep(1)
            assert heard == [1, 2, 3]
            box.crash(Crash())
            box.post(4)
            await trio.sleep(1)
            assert heard == [1, 2, 3, 4]
            nursery.cancel_scope.cancel()

    run(main)


def test_two_actors_that_have_no_end_of_messages_for_each_other_let_others_have_their_turn() -> None:
    async def main() -> None:
        prompter = Prompter()
        boxes = [Mailbox[int](name, 5, prompter) for name in "ab"]
        handled = 0
        between: list[int] = []

        def handler(other: Mailbox[int]) -> Callable[[int | None, float], float]:
            def handle(message: int | None, now: float) -> float:
                nonlocal handled
                if message is not None:
                    handled += 1
                    other.post(message)
                return math.inf

            return handle

        async with trio.open_nursery() as nursery:
            for box, other in zip(boxes, reversed(boxes), strict=True):
                nursery.start_soon(box.perform, handler(other))
            await trio.sleep(1)
            boxes[0].post(1)
            while handled < 50 * MAX_IN_A_ROW:
                between.append(handled)
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        assert max(late - early for early, late in pairwise(between)) <= 2 * MAX_IN_A_ROW

    run(main)


def test_a_rehearsal_is_stuck_where_actors_have_no_end_of_messages_for_each_other() -> None:
    async def main() -> None:
        boxes: list[Mailbox[int]] = []
        prompter = Hesitation(0.0, random.Random(0), most=1_000)

        def handle(message: int | None, now: float) -> float:
            del now
            if message is not None:
                boxes[0].post(message + 1)
            return math.inf

        boxes.append(Mailbox("glm", 5, prompter))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(boxes[0].perform, handle)
            await trio.sleep(1)
            boxes[0].post(1)
            await trio.sleep(1)

    with pytest.raises(StageError, match="time stands still at 1 s: actors have no end of messages"):
        run(main)


@pytest.mark.parametrize("seed", range(20))
def test_an_actor_is_called_at_the_time_that_it_named_last(seed: int) -> None:
    async def main() -> None:
        box: Mailbox[float] = Mailbox("glm", 5)
        alarms: list[float] = []
        alarm = math.inf

        def handle(message: float | None, now: float) -> float:
            nonlocal alarm
            assert now == trio.current_time()
            if now >= alarm:
                alarms.append(now)
                alarm = math.inf
            alarm = message or alarm
            return alarm

        async with trio.open_nursery() as nursery:
            nursery.start_soon(box.perform, handle)
            await trio.sleep(1)
            box.post(9.0)
            await trio.sleep(1)
            box.post(5.0)  # sooner than it was to wake
            await trio.sleep(10)
            box.post(15.0)
            await trio.sleep(1)
            box.post(20.0)  # later
            await trio.sleep(10)
            nursery.cancel_scope.cancel()
        assert alarms == [5.0, 20.0]

    run(main, seed)


@define(eq=False)
class Chatter:
    """Actors that pass numbers on, crash, leave, and are cancelled, against what must have been heard."""

    draws: random.Random
    prompter: Prompter
    posted: int = 0
    heard: list[int] = field(factory=list)
    handling: int = 0
    boxes: list[Mailbox[int]] = field(factory=list)

    def post(self) -> None:
        self.posted += 1
        self.draws.choice(self.boxes).post(self.posted)

    def handle(self, message: int | None, now: float) -> float | None:
        assert not self.handling, "one handler runs at a time"
        self.handling += 1
        try:
            if message is not None:
                self.heard.append(message)
                for _ in range(self.draws.choice((0, 0, 0, 0, 1, 2))):
                    self.post()
            chance = self.draws.random()
            if chance < 0.05:
                raise Crash
            return None if chance < 0.1 else now + self.draws.choice((0.5, 1.0, math.inf))
        finally:
            self.handling -= 1

    async def act(self, box: Mailbox[int]) -> None:
        """Perform again and again, however the last performance ended."""
        while True:
            with trio.move_on_after(self.draws.choice((0.5, 2.0, 5.0))):
                with suppress(Crash):
                    await box.perform(self.handle)
            await trio.sleep(self.draws.choice((0.0, 0.5)))


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 10**6), st.sampled_from((0.0, 0.5, 1.0)), st.integers(1, 4), st.lists(st.sampled_from((0, 0.5, 1)))
)
def test_every_message_is_heard_once_whatever_happens_to_the_actors(
    seed: int, share: float, actors: int, pauses: list[float]
) -> None:
    async def main() -> None:
        draws = random.Random(seed)
        chatter = Chatter(draws, Hesitation(share, draws))
        for n in range(actors):
            chatter.boxes.append(Mailbox(f"actor {n}", 100_000, chatter.prompter))
        async with trio.open_nursery() as nursery:
            for box in chatter.boxes:
                nursery.start_soon(chatter.act, box)
            for pause in pauses:
                chatter.post()
                await trio.sleep(pause)
            with trio.move_on_after(500):
                while any(map(len, chatter.boxes)):
                    await trio.sleep(1)
            nursery.cancel_scope.cancel()
        assert sorted(chatter.heard) == list(range(1, chatter.posted + 1)), "nothing is lost, and nothing heard twice"

    run(main, seed)
