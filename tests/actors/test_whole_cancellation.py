"""A caller is cancelled at every step of its request, one after another: nothing of it is left, and nobody cools."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

import pytest
import trio
from attrs import define, field

from understudy import AllCandidatesFailed, DeadlineExceeded, Fact, Kind, Reply, Router, State, open_router

from .virtual import HELLO, Deal, Json, Provider, Received, below, config, entry, fail, run, words

Ask = Callable[[Router], Awaitable[object]]
Prepare = Callable[[Router, trio.Nursery], Awaitable[None]]


@define(eq=False)
class Steps(trio.abc.Instrument):
    """Cancels a scope at its k-th step, whichever task makes it. `limit` < 0: never."""

    scope: trio.CancelScope
    limit: int
    counted: int = 0
    active: bool = True

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if not self.active:
            return
        if self.counted == self.limit:
            self.scope.cancel()
        self.counted += 1


async def chat(router: Router, model: str = "a") -> object:
    return await router.chat(model, HELLO, timeout=100)


async def read(router: Router, model: str = "a", interrupt: str = "raise") -> object:
    async with router.stream(model, HELLO, timeout=100, on_interrupt=interrupt) as reader:
        async for _ in reader:
            pass
        return reader.reply


async def nothing(router: Router, nursery: trio.Nursery) -> None:
    await trio.lowlevel.checkpoint()


async def fill(router: Router, nursery: trio.Nursery, *, asks: int) -> None:
    for _ in range(asks):
        nursery.start_soon(chat, router)
    await trio.sleep(0.05)


async def cool(router: Router, nursery: trio.Nursery) -> None:
    await chat(router)
    await trio.sleep(31)
    assert router.snapshot()[0].state is State.PROBING


def first_fails(received: Received) -> Deal:
    if received.number == 0:
        return fail(500)
    return words("x", "y") if received.body.get("stream") else Deal()


def a_fails(received: Received) -> Deal:
    return fail(500) if received.host == "a.example" else Deal()


def streams(received: Received) -> Deal:
    return words("one", "two", "three") if received.body.get("stream") else Deal()


def first_stream_breaks(received: Received) -> Deal:
    if received.body.get("stream"):
        return words("one", "two", error=received.number == 0)
    return Deal()


@define
class Play:
    """One kind of request, and what comes before it."""

    entries: list[Json]
    script: Callable[[Received], Deal] = lambda _: Deal()
    ask: Ask = chat
    prepare: Prepare = nothing
    may_cool: bool = False
    facts: list[Fact] = field(factory=list)


TWO = [entry("a", fallbacks=["b"]), entry("b")]
PLAYS: dict[str, Callable[[], Play]] = {
    "plain": lambda: Play([entry("a", rpm=1000, tpm=1000)]),
    "streamed": lambda: Play([entry("a")], streams, read),
    "queued behind a full house": lambda: Play([entry("a", max_parallel=1)], prepare=partial(fill, asks=2)),
    "queued until the minute is over": lambda: Play([entry("a", rpm=1)], prepare=partial(fill, asks=1)),
    "with a fallback": lambda: Play(TWO, a_fails, may_cool=True),
    "as the probe": lambda: Play(TWO, first_fails, prepare=cool),
    "as a streamed probe": lambda: Play(TWO, first_fails, read, cool),
    "with a second try": lambda: Play([entry("a", retries=1)], first_fails),
    "with a second try that is held back": lambda: Play(
        [entry("a", retries=1, retry_within=3)],
        lambda received: fail(429, retry_after=2) if received.number == 0 else Deal(),
    ),
    "started over": lambda: Play(TWO, first_stream_breaks, partial(read, interrupt="restart"), may_cool=True),
}


def perform(play: Play, step: int, seed: int) -> int | None:
    """Cancel at this step; return how many there were if the request came through uncancelled."""
    provider = Provider(play.script)
    result: list[object] = []
    counted = 0

    async def main() -> None:
        nonlocal counted
        async with open_router(config(*play.entries), transport=provider) as router:
            router.listen(lambda fact: play.facts.append(fact) if fact is not None else None)
            tasks = below()
            async with trio.open_nursery() as nursery:
                await play.prepare(router, nursery)
                health = [status.state for status in router.snapshot()]
                scope = trio.CancelScope()
                steps = Steps(scope, step)
                with scope:
                    trio.lowlevel.add_instrument(steps)
                    try:
                        result.append(await play.ask(router))
                    finally:
                        steps.active = False
                        trio.lowlevel.remove_instrument(steps)
                counted = steps.counted
            await trio.sleep(0.5)
            check_at_rest(router, tasks)
            if not play.may_cool and not result:
                states = [status.state for status in router.snapshot()]
                assert all(
                    now in (then, State.HEALTHY, State.SATURATED) for now, then in zip(states, health, strict=True)
                )
                cooling = [fact for fact in play.facts if fact.kind is Kind.COOLING]
                assert len(cooling) == (play.prepare is cool)
            reply = await router.chat("a", HELLO, timeout=100)
            assert isinstance(reply, Reply)
            check_at_rest(router, tasks)
            if play.prepare is cool:
                assert reply.served_by.name == "a", "no lease is outstanding"

    run(main, seed=seed)
    assert all(received.ended_at is not None for received in provider.log)
    check_answers(play.facts)
    return counted if result else None


def check_at_rest(router: Router, tasks: int) -> None:
    for status in router.snapshot():
        assert (status.in_flight, status.queued) == (0, 0), status
    for part in router._house.parts.values():
        assert not part.open
        assert part.cooldown._lease is None
        assert part.holds_together(trio.current_time())
        assert len(part.mailbox) == 0
    assert not router._pending
    assert below() == tasks


FINAL = {Kind.REFUSED, Kind.SERVED, Kind.FAILED, Kind.ABANDONED}
ENDS = {Kind.DELIVERED, Kind.GAVE_UP, Kind.LEFT}


def check_answers(facts: Iterable[Fact]) -> None:
    """Every attempt that was admitted ended once, and so did every request."""
    facts = list(facts)
    for fact in facts:
        if fact.kind is Kind.ADMITTED:
            assert sum(other.attempt == fact.attempt and other.kind in FINAL for other in facts) == 1
        elif fact.kind is Kind.DISPATCHED:
            assert sum(other.attempt == fact.attempt and other.kind in FINAL for other in facts) <= 1
        elif fact.kind is Kind.REQUESTED:
            ends = [other.kind for other in facts if other.request == fact.request and other.kind in ENDS]
            assert len(ends) == 1, (fact, ends)


@pytest.mark.parametrize("name", PLAYS)
@pytest.mark.parametrize("seed", range(6))
def test_a_request_can_be_cancelled_at_every_step(name: str, seed: int) -> None:
    step = 0
    while (came_through := perform(PLAYS[name](), step, seed)) is None:
        step += 1
    assert step >= 2, "there were steps to cancel at"
    assert came_through >= step - 1


@pytest.mark.parametrize("name", PLAYS)
@pytest.mark.parametrize("seed", range(3))
def test_a_deadline_is_kept_to_the_instant_and_changes_nobodys_health(name: str, seed: int) -> None:
    play = PLAYS[name]()
    for timeout in (0.05, 0.1, 0.15, 0.2, 0.3, 0.35, 0.7, 2.1, 2.2, 2.25):
        perform_until(PLAYS[name](), timeout, seed)
    assert not play.facts


def perform_until(play: Play, timeout: float, seed: int) -> None:
    async def main() -> None:
        async with open_router(config(*play.entries), transport=Provider(play.script)) as router:
            router.listen(lambda fact: play.facts.append(fact) if fact is not None else None)
            tasks = below()
            async with trio.open_nursery() as nursery:
                await play.prepare(router, nursery)
                began = trio.current_time()
                error = None
                try:
                    if play.ask is chat or getattr(play.ask, "func", None) is chat:
                        await router.chat("a", HELLO, timeout=timeout)
                    else:
                        keywords: dict[str, Any] = getattr(play.ask, "keywords", {})
                        interrupt = keywords.get("interrupt", "raise")
                        async with router.stream("a", HELLO, timeout=timeout, on_interrupt=interrupt) as reader:
                            async for _ in reader:
                                pass
                except DeadlineExceeded as exc:
                    error = exc
                except AllCandidatesFailed:
                    play.may_cool = True  # there was not time enough to wait, which is said at once
                took = trio.current_time() - began
                # A reply that comes at the very instant of the deadline loses to it.
                assert took == pytest.approx(timeout, abs=1e-9) if error else took < timeout
            await trio.sleep(0.5)
            check_at_rest(router, tasks)

    run(main, seed=seed)
    check_answers(play.facts)
    if not play.may_cool:
        assert sum(fact.kind is Kind.COOLING for fact in play.facts) == (play.prepare is cool)


@pytest.mark.parametrize("seed", range(30))
def test_a_reply_at_the_instant_of_the_deadline_loses_to_it(seed: int) -> None:
    async def main() -> None:
        made = config(entry("a"), entry("broken"))
        provider = Provider(lambda received: fail(400, after=1) if received.host == "broken.example" else Deal(1))
        async with open_router(made, transport=provider) as router:
            for model in ("a", "broken"):
                began = trio.current_time()
                with pytest.raises(DeadlineExceeded):
                    await router.chat(model, HELLO, timeout=1)
                assert trio.current_time() == began + 1
            await trio.sleep(1)
            assert all(status.in_flight == 0 for status in router.snapshot())

    run(main, seed=seed)


@pytest.mark.parametrize("seed", range(30))
def test_whoever_is_cancelled_already_asks_nobody(seed: int) -> None:
    facts: list[Fact] = []
    provider = Provider()

    async def main() -> None:
        async with open_router(config(entry("a")), transport=provider) as router:
            router.listen(lambda fact: facts.append(fact) if fact is not None else None)
            for ask in (chat, read):
                with trio.CancelScope() as scope:
                    scope.cancel()
                    await ask(router)
                assert scope.cancelled_caught
            await trio.sleep(0.1)
            assert not router._pending

    run(main, seed=seed)
    assert not provider.log
    assert not facts


@pytest.mark.parametrize("seed", range(10))
def test_a_stream_ends_at_its_deadline_although_its_reader_sleeps(seed: int) -> None:
    facts: list[Fact] = []

    async def main() -> None:
        provider = Provider(lambda _: words(*"abcdefghijklmnopqrstuvwxyz" * 4))
        async with open_router(config(entry("a", max_parallel=1)), transport=provider) as router:
            router.listen(lambda fact: facts.append(fact) if fact is not None else None)
            async with router.stream("a", HELLO, timeout=5) as reader:
                await trio.sleep(5.5)
                assert router.snapshot()[0].in_flight == 0, "the permit is not held past the deadline"
                assert not router._pending
                with pytest.raises(DeadlineExceeded):
                    async for _ in reader:
                        pass
            assert provider.log[0].ended_at == 5

    run(main, seed=seed)
    check_answers(facts)
    assert [fact.details["reason"] for fact in facts if fact.kind is Kind.LEFT] == ["deadline"]


@pytest.mark.parametrize("seed", range(30))
def test_whoever_leaves_before_its_worker_begins_sends_nothing(seed: int) -> None:
    """Found on the way from admission to the wire: nothing goes out for nobody."""
    sent = 0
    for step in range(12):
        provider = Provider()

        async def main(step: int = step, provider: Provider = provider) -> int:
            async with open_router(config(entry("a", rpm=1)), transport=provider) as router:
                with trio.CancelScope() as scope:
                    steps = Steps(scope, step)
                    trio.lowlevel.add_instrument(steps)
                    try:
                        await router.chat("a", HELLO, timeout=10)
                    finally:
                        trio.lowlevel.remove_instrument(steps)
                await trio.sleep(0.01)
                tokens = router.snapshot()[0].tokens
                assert tokens is not None
                assert tokens == pytest.approx(0 if provider.log else 1, abs=1e-3), "only what was sent is spent"
            return len(provider.log)

        sent += run(main, seed=seed)
    assert 0 < sent < 12
