"""Opening, leaving, and a long life: no task, no request and no memory is left over."""

from __future__ import annotations

import gc
from contextlib import suppress

import pytest
import trio

from understudy import AllCandidatesFailed, ConfigError, Router, RouterClosed, UnderstudyError, open_router

from .virtual import HELLO, Deal, Provider, Received, below, config, entry, fail, run, words

SEEDS = range(30)
ONE = config(entry("a"), shutdown_timeout=3)


@pytest.mark.parametrize(
    "error", [KeyError("mine"), KeyboardInterrupt(), SystemExit(3), ExceptionGroup("g", [OSError()])]
)
@pytest.mark.parametrize("seed", range(5))
def test_an_exception_of_the_body_leaves_as_itself(error: BaseException, seed: int) -> None:
    async def play() -> None:
        before = below()
        left: BaseException | None = None
        try:
            async with open_router(ONE, transport=Provider()) as router:
                await router.chat("a", HELLO)
                raise error
        except BaseException as exc:
            left = exc
        assert left is error
        assert below() == before

    run(play, seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_cancelling_around_it_leaves_at_once_and_leaves_no_task(seed: int) -> None:
    async def play() -> None:
        before = below()
        with trio.move_on_after(2) as scope:
            async with open_router(ONE, transport=Provider(lambda _: Deal(100))) as router:
                await router.chat("a", HELLO)
        assert scope.cancelled_caught
        assert trio.current_time() == 2
        assert below() == before

    run(play, seed=seed)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("seed", range(15))
def test_requests_of_other_tasks_get_the_shutdown_timeout_and_then_router_closed(stream: bool, seed: int) -> None:
    told: list[tuple[float, str]] = []

    async def ask(router: Router, wait: float) -> None:
        try:
            if stream:
                async with router.stream("a", HELLO, length=wait) as reader:
                    async for _ in reader:
                        pass
            else:
                await router.chat("a", HELLO, length=wait)
            told.append((trio.current_time(), "served"))
        except RouterClosed:
            told.append((trio.current_time(), "closed"))

    def script(received: Received) -> Deal:
        length = received.body["length"]
        return words("x", pause=length / 4) if stream else Deal(length)

    async def play() -> None:
        async with trio.open_nursery() as outside:
            async with open_router(ONE, transport=Provider(script)) as router:
                for wait in (2, 40):
                    outside.start_soon(ask, router, wait)
                await trio.sleep(1)
            assert trio.current_time() == 4, "one second, and three of shutdown_timeout"

    run(play, seed=seed)
    assert told == [(2, "served"), (4, "closed")]


@pytest.mark.parametrize("seed", SEEDS)
def test_when_leaving_itself_is_cancelled_those_who_wait_are_told_all_the_same(seed: int) -> None:
    told: list[float] = []

    async def play() -> None:
        async def ask(router: Router) -> None:
            with pytest.raises(RouterClosed):
                await router.chat("a", HELLO)
            told.append(trio.current_time())

        async with trio.open_nursery() as outside:
            with trio.move_on_after(2):
                async with open_router(ONE, transport=Provider(lambda _: Deal(100))) as router:
                    outside.start_soon(ask, router)
                    await trio.sleep(1)

    run(play, seed=seed)
    assert told == [2]


def test_a_closed_router_says_so() -> None:
    async def play() -> None:
        async with open_router(ONE, transport=Provider()) as router:
            events = router.events()
        with pytest.raises(RouterClosed):
            await router.chat("a", HELLO)
        with pytest.raises(RouterClosed):
            await router.reset("a")
        with pytest.raises(RouterClosed):
            async with router.stream("a", HELLO):
                pass
        assert [fact async for fact in events] == []
        assert [fact async for fact in router.events()] == []

    run(play)


def test_a_mistake_in_the_config_is_a_config_error_and_nothing_else() -> None:
    async def play() -> None:
        with pytest.raises(ConfigError):
            async with open_router({"model_list": [{"model_name": "a"}]}):
                pass

    run(play)


@pytest.mark.parametrize("seed", range(10))
def test_two_routers_side_by_side_and_one_within_the_other_know_nothing_of_each_other(seed: int) -> None:
    async def play() -> None:
        dead = Provider(lambda _: fail(500))
        async with open_router(ONE, transport=Provider()) as outer, open_router(ONE, transport=dead) as inner:
            with pytest.raises(AllCandidatesFailed):
                await inner.chat("a", HELLO)
            await outer.chat("a", HELLO)
            assert outer.snapshot()[0].failures == {}
        assert below() == 2, "the run's own"

    run(play, seed=seed)


async def live(router: Router, i: int) -> None:
    """One caller of a long life: some read streams, some leave early."""
    with trio.move_on_after(0.25 if i % 7 == 0 else 60), suppress(UnderstudyError):
        if i % 5 == 0:
            async with router.stream("a", HELLO, timeout=30, on_interrupt="restart") as stream:
                async for _ in stream:
                    pass
        else:
            await router.chat("a", HELLO, timeout=30)


def check_empty(router: Router) -> None:
    assert not router._pending
    for part in router._house.parts.values():
        assert not part.open
        assert not part.queue
        assert not part.held_back
        assert part.bucket.in_flight == 0


def test_ten_thousand_requests_leave_nothing_behind() -> None:
    """Against a world that fails and recovers, with streams, callers who leave, and callers who wait."""
    sizes: list[int] = []

    def script(received: Received) -> Deal:
        if received.host == "a.example" and received.at % 120 < 40:
            return fail(500)
        if received.body.get("stream"):
            return words("x", "y", error=received.host == "a.example" and received.number % 9 == 0)
        return Deal(0.3)

    async def play() -> None:
        provider = Provider(script)
        made = config(entry("a", max_parallel=3, fallbacks=["b", "c"]), entry("b", rpm=100), entry("c", max_parallel=9))
        async with open_router(made, transport=provider) as router:
            tasks = below()
            for _ in range(10):
                async with trio.open_nursery() as nursery:
                    for i in range(1_000):
                        nursery.start_soon(live, router, i)
                        if i % 10 == 9:
                            await trio.sleep(0.5)
                await trio.sleep(61)
                provider.log.clear()
                gc.collect()
                sizes.append(len(gc.get_objects()))
                assert below() == tasks
                check_empty(router)
            assert sum(status.served for status in router.snapshot()) > 5_000

    run(play)
    assert max(sizes[3:]) - min(sizes[3:]) < 1_500, sizes
