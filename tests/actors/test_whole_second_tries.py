"""Quick second tries at the same candidate, in virtual time."""

from __future__ import annotations

import pytest
import trio

from understudy import Reply, open_router

from .virtual import HELLO, Deal, Provider, Received, config, entry, fail, run


@pytest.mark.parametrize("seed", range(30))
def test_many_second_tries_that_are_held_back_for_the_same_instant_are_all_made(seed: int) -> None:
    def script(received: Received) -> Deal:
        return fail(429, retry_after=1) if received.at < 0.5 else Deal()

    provider = Provider(script)

    async def play() -> list[Reply]:
        replies: list[Reply] = []
        async with open_router(config(entry("a", retries=1, retry_within=2)), transport=provider) as router:

            async def ask() -> None:
                replies.append(await router.chat("a", HELLO, timeout=20))

            async with trio.open_nursery() as callers:
                for _ in range(5):
                    callers.start_soon(ask)
        return replies

    assert len(run(play, seed=seed)) == 5
    assert len(provider.log) == 10
    assert sorted({round(received.at, 3) for received in provider.log}) == [0, 1.1]
