"""Limits and waiting in virtual time: what goes out at once, who waits, where, and in which order."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any
from unittest.mock import patch

import pytest
import trio

from understudy import AllCandidatesFailed, Fact, Kind, Reply, Router, RouterOverloaded, State, open_router
from understudy.actors.mailbox import Mailbox

from .virtual import HELLO, Deal, Provider, Received, config, entry, fail, run

SEEDS = range(30)


@contextmanager
def counted_calls() -> Iterator[Counter[str]]:
    """Count the calls of functions and methods that are made here: steps, where time would depend on the machine."""
    calls = Counter[str]()

    def count(_: FrameType, event: str, __: object) -> None:
        calls[event] += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield calls
    finally:
        sys.setprofile(before)


def most_in_a_minute(times: list[float]) -> int:
    """The most in any window of 60 seconds, closed at both ends."""
    return max(sum(begin <= at <= begin + 60 for at in times) for begin in times)


async def everybody(router: Router, model: str, callers: int, *, timeout: float) -> list[tuple[int, object]]:
    """Let callers ask in order at one instant; return what each was told, in the order in which they were told."""
    told: list[tuple[int, object]] = []

    async def ask(i: int) -> None:
        try:
            told.append((i, await router.chat(model, HELLO, timeout=timeout, user=f"{i}", max_tokens=93)))
        except AllCandidatesFailed as exc:
            told.append((i, exc))

    async with trio.open_nursery() as nursery:
        for i in range(callers):
            nursery.start_soon(ask, i)
    return told


@pytest.mark.parametrize("seed", SEEDS)
def test_ten_of_fifty_go_at_once_and_the_others_go_on_to_the_fallback(seed: int) -> None:
    provider = Provider()

    async def play() -> None:
        made = config(entry("a", rpm=10, fallbacks=["b"]), entry("b"))
        async with open_router(made, transport=provider) as router:
            told = await everybody(router, "a", 50, timeout=30)
            assert all(isinstance(reply, Reply) for _, reply in told)

    run(play, seed=seed)
    assert [len(provider.at("a.example")), len(provider.at("b.example"))] == [10, 40]
    assert {received.at for received in provider.log} == {0.0}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("limit", [{"rpm": 10}, {"tpm": 1000}, {"rpm": 10, "burst": 3}])
def test_with_nobody_else_they_wait_in_the_order_in_which_they_came(seed: int, limit: dict[str, Any]) -> None:
    provider = Provider(lambda _: Deal(tokens=100))
    facts: list[Fact] = []

    async def play() -> list[tuple[int, object]]:
        async with open_router(config(entry("a", **limit)), transport=provider) as router:
            router.listen(lambda fact: facts.append(fact) if fact is not None else None)
            return await everybody(router, "a", 35, timeout=1_000)

    told = run(play, seed=seed)
    assert all(isinstance(reply, Reply) for _, reply in told)
    times = [received.at for received in provider.log]
    assert most_in_a_minute(times) == 10
    assert sum(at == 0 for at in times) == limit.get("burst", 10)
    assert times[-1] < 200, "and no longer than they must"
    assert len({received.body["user"] for received in provider.log}) == 35
    queued = [fact.attempt for fact in facts if fact.kind is Kind.QUEUED]
    assert queued == [fact.attempt for fact in facts if fact.kind is Kind.ADMITTED][-len(queued) :]


@pytest.mark.parametrize("limit", [{"max_parallel": 1}, {"tpm": 100}])
@pytest.mark.parametrize("patient", [False, True])
def test_a_request_behind_many_takes_no_more_steps_than_behind_few(limit: dict[str, Any], patient: bool) -> None:
    def steps(callers: int) -> float:
        provider = Provider(lambda _: Deal(tokens=100))

        async def ask(router: Router) -> None:
            await router.chat("a", HELLO, timeout=1e6, max_tokens=93, wait_for_cooldown=patient)

        async def play() -> None:
            async with open_router(config(entry("a", max_queued=0, **limit)), transport=provider) as router:
                async with trio.open_nursery() as nursery:
                    for _ in range(callers):
                        nursery.start_soon(ask, router)
                assert router.snapshot()[0].served == callers

        with counted_calls() as calls:
            run(play, seed=0)
        return calls["call"] / callers

    assert steps(400) < 1.2 * steps(100)


@pytest.mark.parametrize("limit", [{"max_parallel": 1}, {"rpm": 1}, {"tpm": 100}])
def test_a_candidate_that_is_known_to_be_full_is_not_asked(limit: dict[str, Any]) -> None:
    provider = Provider(lambda received: Deal(after=1.0 if received.host == "z.example" else 300.0, tokens=100))
    full = [f"full-{i}" for i in range(8)]
    facts: list[Fact] = []

    async def ask(router: Router, model: str) -> Reply:
        return await router.chat(model, HELLO, timeout=1_000, max_tokens=93)

    async def play() -> None:
        entries = [*(entry(name, **limit) for name in full), entry("z")]
        made = config(*entries, routes={"m": [*full, "z"]})
        async with open_router(made, transport=provider) as router, trio.open_nursery() as nursery:
            for name in full:
                nursery.start_soon(ask, router, name)
            await trio.sleep(1)
            first = await ask(router, "m")  # by this one it becomes known, where it is not from the beginning
            with patch.object(Mailbox, "post", autospec=True, side_effect=Mailbox.post) as post:
                router.listen(lambda fact: facts.append(fact) if fact is not None else None)
                second = await ask(router, "m")
            owners = {call.args[0].owner for call in post.call_args_list}
            assert "z" in " ".join(owners)
            assert not [owner for owner in owners if "full" in owner]
            assert [each[:3] for each in second.attempts] == [each[:3] for each in first.attempts]
            nursery.cancel_scope.cancel()

    run(play, seed=0)
    refused = [fact for fact in facts if fact.kind is Kind.REFUSED]
    assert [fact.key.name for fact in refused if fact.key is not None] == full
    assert len([fact for fact in facts if fact.kind is Kind.DISPATCHED]) == 9


@pytest.mark.parametrize("seed", SEEDS)
def test_first_come_is_first_served(seed: int) -> None:
    provider = Provider()
    served: list[int] = []

    async def ask(router: Router, i: int) -> None:
        await trio.sleep(i / 100)
        await router.chat("a", HELLO, timeout=1000, user=f"{i}")
        served.append(i)

    async def play() -> None:
        async with (
            open_router(config(entry("a", rpm=2, max_parallel=1)), transport=provider) as router,
            trio.open_nursery() as nursery,
        ):
            for i in range(12):
                nursery.start_soon(ask, router, i)

    run(play, seed=seed)
    assert served == list(range(12))
    assert [received.body["user"] for received in provider.log] == [str(i) for i in range(12)]


@pytest.mark.parametrize("seed", SEEDS)
def test_never_more_in_flight_than_max_parallel_and_never_fewer_than_could_be(seed: int) -> None:
    provider = Provider(lambda received: Deal(1 + received.number % 3))

    async def play() -> float:
        async with open_router(config(entry("a", max_parallel=4)), transport=provider) as router:
            await everybody(router, "a", 40, timeout=1000)
            return trio.current_time()

    ended_at = run(play, seed=seed)
    assert max(provider.most_in_flight.values()) == 4
    assert ended_at <= sum(1 + n % 3 for n in range(40)) / 4 + 3


@pytest.mark.parametrize("seed", SEEDS)
def test_the_request_waits_at_the_candidate_that_is_ready_soonest(seed: int) -> None:
    provider = Provider()

    async def play() -> None:
        made = config(entry("a", rpm=1, fallbacks=["b", "c"]), entry("b", rpm=1), entry("c", rpm=1))
        async with open_router(made, transport=provider) as router:
            for model, pause in (("b", 10), ("a", 10), ("c", 10)):
                await router.chat(model, HELLO)
                await trio.sleep(pause)
            reply = await router.chat("a", HELLO, timeout=100)
            assert reply.served_by.name == "b"
            assert trio.current_time() == pytest.approx(60 + 0.1, abs=1e-3)
            assert [record.reason for record in reply.attempts] == ["saturated"] * 3 + [None]

    run(play, seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_full_queue_refuses_and_the_next_soonest_is_waited_for(seed: int) -> None:
    provider = Provider()

    async def play() -> list[tuple[int, object]]:
        made = config(entry("a", rpm=1, max_queued=2, fallbacks=["b"]), entry("b", rpm=1, max_queued=3))
        async with open_router(made, transport=provider) as router:
            await router.chat("a", HELLO)
            await trio.sleep(5)
            await router.chat("b", HELLO)
            return await everybody(router, "a", 10, timeout=1000)

    told = run(play, seed=seed)
    assert sum(isinstance(answer, Reply) for _, answer in told) == 5
    refused = [answer for _, answer in told if isinstance(answer, AllCandidatesFailed)]
    assert len(refused) == 5
    assert all("queue is full" in str(error) for error in refused)
    assert all(error.retry_after is not None for error in refused)
    assert [len(provider.at("a.example")), len(provider.at("b.example"))] == [3, 4]


@pytest.mark.parametrize("seed", range(10))
def test_past_max_pending_the_door_is_shut_at_once(seed: int) -> None:
    provider = Provider(lambda _: Deal(5))

    async def play() -> None:
        made = config(entry("a"), max_pending=3)
        async with open_router(made, transport=provider) as router, trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(router.chat, "a", HELLO)
            await trio.sleep(1)
            for _ in range(3):
                with pytest.raises(RouterOverloaded, match="max_pending"):
                    await router.chat("a", HELLO)
                with pytest.raises(RouterOverloaded):
                    async with router.stream("a", HELLO):
                        pass
            assert trio.current_time() == 1
            await trio.sleep(5)
            await router.chat("a", HELLO)

    run(play, seed=seed)
    assert len(provider.log) == 4


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_provider_says_is_left_is_believed(seed: int) -> None:
    def script(received: Received) -> Deal:
        left = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "20s"}
        return Deal(headers=left if received.number == 0 else {})

    provider = Provider(script)

    async def play() -> None:
        async with open_router(config(entry("a")), transport=provider) as router:
            await router.chat("a", HELLO)
            assert router.snapshot()[0].state is State.SATURATED
            assert router.snapshot()[0].tokens == 0
            assert router.explain("a")[0].refusal == "saturated"
            with pytest.raises(AllCandidatesFailed) as info:
                await router.chat("a", HELLO, timeout=10)
            assert info.value.retry_after == pytest.approx(20)
            await router.chat("a", HELLO, timeout=30)
            assert provider.log[-1].at == pytest.approx(20.1)

    run(play, seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_busy_and_probing_candidates_are_waited_for_when_nobody_names_a_time(seed: int) -> None:
    def script(received: Received) -> Deal:
        return fail(500) if received.number == 0 else Deal(4)

    provider = Provider(script)

    async def play() -> None:
        async with open_router(config(entry("a")), transport=provider) as router:
            with pytest.raises(AllCandidatesFailed):
                await router.chat("a", HELLO)
            await trio.sleep(31)
            told = await everybody(router, "a", 5, timeout=100)
            assert all(isinstance(answer, Reply) for _, answer in told)

    run(play, seed=seed)
    times = [round(received.at, 3) for received in provider.log]
    assert times == [0, 31.1, 35.1, 35.1, 35.1, 35.1]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_cooldown_is_waited_for_only_if_the_caller_says_so(seed: int) -> None:
    provider = Provider(lambda received: fail(500) if received.at < 25 else Deal())

    async def play() -> None:
        async with open_router(config(entry("a")), transport=provider) as router:
            with pytest.raises(AllCandidatesFailed):
                await router.chat("a", HELLO, timeout=100)
            with pytest.raises(AllCandidatesFailed) as info:
                await router.chat("a", HELLO, timeout=100)
            assert info.value.retry_after == pytest.approx(30, abs=0.2)
            began = trio.current_time()
            with pytest.raises(AllCandidatesFailed):
                await router.chat("a", HELLO, timeout=20, wait_for_cooldown=True)
            assert trio.current_time() == began, "it is known at once that the time does not suffice"
            await router.chat("a", HELLO, timeout=100, wait_for_cooldown=True)
            assert trio.current_time() == pytest.approx(30.2)

    run(play, seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_whoever_waits_at_a_candidate_that_begins_to_cool_is_sent_on(seed: int) -> None:
    def script(received: Received) -> Deal:
        return fail(500, after=5) if received.host == "a.example" else Deal(8)

    provider = Provider(script)

    async def play() -> None:
        made = config(entry("a", max_parallel=1, fallbacks=["b"]), entry("b", max_parallel=1))
        async with open_router(made, transport=provider) as router:
            told = await everybody(router, "a", 6, timeout=500)
            assert all(isinstance(answer, Reply) for _, answer in told)

    run(play, seed=seed)
    assert len(provider.at("a.example")) == 1
    assert len(provider.at("b.example")) == 6


@pytest.mark.parametrize("seed", SEEDS)
def test_expired_work_is_never_sent(seed: int) -> None:
    provider = Provider(lambda _: Deal(10))
    late = 0

    async def ask(router: Router, i: int) -> None:
        nonlocal late
        with trio.move_on_after(3 + i % 7) as scope:
            try:
                await router.chat("a", HELLO, timeout=2 + i, user=f"{2 + i}")
            except Exception:
                late += 1
        late += scope.cancelled_caught

    async def play() -> None:
        async with open_router(config(entry("a", max_parallel=1)), transport=provider) as router:
            async with trio.open_nursery() as nursery:
                for i in range(20):
                    nursery.start_soon(ask, router, i)
            await trio.sleep(1)
            assert router.snapshot()[0].queued == 0

    run(play, seed=seed)
    assert late == 20
    assert all(received.at < min(float(received.body["user"]), 10) for received in provider.log)
