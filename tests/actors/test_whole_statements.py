"""What a provider states to be left is believed, by those who come and by those who wait already."""

from __future__ import annotations

import pytest
import trio

from understudy import Outcome, Refusal, Reply, State, open_router

from .virtual import HELLO, Deal, Provider, Received, config, entry, run

SEEDS = range(10)
NOTHING_LEFT = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "40s"}


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_sent_while_the_provider_says_that_nothing_is_left(seed: int) -> None:
    provider = Provider(lambda received: Deal(1, headers=NOTHING_LEFT if received.number == 0 else {}))

    async def play() -> None:
        async with open_router(config(entry("a")), transport=provider) as router:
            await router.chat("a", HELLO)
            (status,) = router.snapshot()
            assert (status.state, status.tokens) == (State.SATURATED, 0)
            reply = await router.chat("a", HELLO, timeout=100)
            assert [record.reason for record in reply.attempts] == [Refusal.SATURATED, None]

    run(play, seed=seed)
    assert [received.at for received in provider.log] == [0.0, 41.0]


@pytest.mark.parametrize("seed", SEEDS)
def test_who_waits_in_vain_for_a_candidate_that_ran_dry_is_sent_on(seed: int) -> None:
    """Both are busy, and it waits at the first; that one then has nothing left until after the deadline."""

    def script(received: Received) -> Deal:
        if received.host == "a.example":
            return Deal(1, headers={"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "500s"})
        return Deal(5)

    provider = Provider(script)

    async def play() -> Reply:
        made = config(entry("a", max_parallel=1, fallbacks=["b"]), entry("b", max_parallel=1))
        async with open_router(made, transport=provider) as router, trio.open_nursery() as nursery:
            nursery.start_soon(router.chat, "a", HELLO)
            nursery.start_soon(router.chat, "b", HELLO)
            await trio.sleep(0.5)
            return await router.chat("a", HELLO, timeout=100)

    reply = run(play, seed=seed)
    assert reply.served_by.name == "b"
    assert reply.attempts[-1].outcome is Outcome.SERVED
    assert [(received.host, received.at) for received in provider.log[2:]] == [("b.example", 5.0)]
