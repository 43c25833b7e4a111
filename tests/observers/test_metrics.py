"""Metrics: a bounded number of series, gauges that are true at every scrape, several routers in one registry."""

from __future__ import annotations

import gc
import threading

import pytest
import trio
from prometheus_client import CollectorRegistry, generate_latest

from understudy import Router, UnderstudyError, observe, open_router
from understudy.actors.observers import families

from ..actors.virtual import HELLO, Deal, Provider, Received, config, entry, fail, run

TWO = config(entry("a", fallbacks=["b"], rpm=600), entry("b", model="gemini/flash", dialect="openai"))
OF_A = {"key": "a", "provider": "maker", "model": "a-model"}


def value(registry: CollectorRegistry, name: str, router: str = "default", **labels: str) -> float | None:
    return registry.get_sample_value(f"understudy_{name}", {"router": router, **labels})


def test_a_candidate_cools_until_the_moment_at_which_its_cooldown_ends() -> None:
    registry = CollectorRegistry()

    async def play() -> None:
        async with open_router(TWO, transport=Provider(lambda _: fail(429, retry_after=20, after=0))) as router:
            observe.count_requests(router, registry)
            assert value(registry, "cooling", **OF_A) == 0
            with pytest.raises(UnderstudyError):
                await router.chat("a", HELLO)
            assert value(registry, "cooling", **OF_A) == 1
            await trio.sleep(19.9)
            assert value(registry, "cooling", **OF_A) == 1
            await trio.sleep(0.1)
            assert value(registry, "cooling", **OF_A) == 0, "and no fact has told so"
            with pytest.raises(UnderstudyError):
                await router.chat("a", HELLO)
            assert value(registry, "cooling", **OF_A) == 1
            await router.reset("a")
            assert value(registry, "cooling", **OF_A) == 0

    run(play)


def test_whoever_begins_to_count_during_a_cooldown_knows_of_it() -> None:
    registry = CollectorRegistry()

    async def play() -> None:
        async with open_router(TWO, transport=Provider(lambda _: fail(429, retry_after=20))) as router:
            with pytest.raises(UnderstudyError):
                await router.chat("a", HELLO)
            observe.count_requests(router, registry)
            assert value(registry, "cooling", **OF_A) == 1

    run(play)


def test_a_scrape_from_another_thread_sees_what_is_under_way() -> None:
    registry = CollectorRegistry()
    scraped: list[str] = []

    async def play() -> None:
        async with open_router(TWO, transport=Provider(lambda _: Deal(10))) as router:
            observe.count_requests(router, registry)
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(router.chat, "a", HELLO)
                await trio.sleep(1)
                thread = threading.Thread(target=lambda: scraped.append(generate_latest(registry).decode()))
                thread.start()
                thread.join()

    run(play)
    assert 'understudy_requests_in_flight{router="default"} 3.0' in scraped[0]
    labels = 'key="a",model="a-model",provider="maker",router="default"'
    assert f"understudy_attempts_in_flight{{{labels}}} 3.0" in scraped[0]
    assert f"understudy_cooling{{{labels}}} 0.0" in scraped[0]


def test_two_routers_share_a_registry_under_two_names_and_a_name_is_free_again_when_its_router_has_closed() -> None:
    registry = CollectorRegistry()

    async def play() -> None:
        async with open_router(TWO, transport=Provider()) as one, open_router(TWO, transport=Provider()) as other:
            observe.count_requests(one, registry)
            with pytest.raises(ValueError, match=r"counted as 'default' in this registry already.*name=…"):
                observe.count_requests(other, registry)
            observe.count_requests(other, registry, name="other")
            await one.chat("a", HELLO)
            for _ in range(2):
                await other.chat("a", HELLO)
        async with open_router(TWO, transport=Provider()) as again:
            observe.count_requests(again, registry)
            await again.chat("a", HELLO)

    run(play)
    served = {"route": "a", "outcome": "served"}
    assert [value(registry, "requests_total", name, **served) for name in ("default", "other")] == [2, 2]


def test_how_many_series_there_are_does_not_depend_on_how_many_requests() -> None:
    registry = CollectorRegistry()
    counts: list[int] = []

    def script(received: Received) -> Deal:
        return fail(500, after=0.01) if received.number % 3 == 0 and received.host == "a.example" else Deal(0.01)

    async def ask(router: Router, number: int) -> None:
        for _ in range(number):
            await router.chat("a", HELLO)
            await trio.sleep(5)

    async def play() -> None:
        async with open_router(TWO, transport=Provider(script)) as router:
            observe.count_requests(router, registry)
            for number in (20, 200):
                await ask(router, number)
                counts.append(len(generate_latest(registry).splitlines()))

    run(play)
    assert counts[0] == counts[1]


def test_what_is_counted_of_a_registry_that_nobody_uses_any_more_is_forgotten() -> None:
    async def play() -> None:
        async with open_router(TWO, transport=Provider()) as router:
            observe.count_requests(router, CollectorRegistry())
            await router.chat("a", HELLO)

    gc.collect()
    before = len(families._known)
    run(play)
    gc.collect()
    assert len(families._known) == before
