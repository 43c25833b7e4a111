"""The portal over real sockets: the scripted provider lives in a portal of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.loopback import Answer, LoopbackProvider, StallStream, Status, loopback_provider
from tests.loopback.proxies import no_proxies_around  # noqa: F401 - a fixture
from understudy import portal
from understudy.supervisors.portal.errand import Errand
from understudy.supervisors.portal.thread import Portal
from understudy.supervisors.portal.waiting import ThreadErrand, ThreadHatch, ask

from .gates import HELLO, PATIENCE, threads


class Far:
    """A loopback provider in another thread."""

    def __init__(self, its_portal: Portal) -> None:
        self._portal = its_portal
        self.base_url: str = ask(its_portal, lambda provider: provider.base_url)

    def script(self, *behaviours: Any) -> None:
        ask(self._portal, lambda provider: provider.script(*behaviours))

    def connected(self) -> int:
        count: int = ask(self._portal, lambda provider: provider.open_connections)
        return count

    def wait(self, wait: Callable[[LoopbackProvider], Awaitable[None]]) -> None:
        async def act(_: Errand, provider: LoopbackProvider) -> None:
            await wait(provider)

        ThreadErrand(self._portal, act).call()


@contextmanager
def far_provider() -> Iterator[Far]:
    life = ThreadHatch()
    its_portal = Portal(loopback_provider, life)
    its_portal.start()
    life.wait()
    try:
        yield Far(its_portal)
    finally:
        its_portal.stop(at_once=False)
        life.wait_ended(PATIENCE)
        its_portal.join(PATIENCE)
    life.result()
    assert threads() == []


def config(provider: Far) -> dict[str, Any]:
    entry = {"model_name": "a", "model": "openai/m", "api_base": provider.base_url, "api_keys": ["one", "two"]}
    return {"model_list": [entry], "shutdown_timeout": 0.05}


def test_from_asyncio_a_failure_falls_back_and_a_reader_that_leaves_closes_the_connection() -> None:
    with far_provider() as provider:
        provider.script(Status(429), Answer(), StallStream(after_events=2))

        async def main() -> None:
            async with asyncio.timeout(PATIENCE), portal.open_router(config(provider)) as router:
                reply = await router.chat("a", HELLO)
                assert reply.served_by.name == "a__key_1"
                async with router.stream("a", HELLO) as stream:
                    assert (await anext(stream)).body
                    connected = provider.connected()
                await asyncio.to_thread(provider.wait, lambda it: it.wait_for_connections(connected - 1))
                async with router.stream("a", HELLO) as stream:
                    assert "".join([chunk.text async for chunk in stream]) == stream.reply.text != ""

        asyncio.run(main())
        provider.wait(lambda it: it.wait_closed())


def test_from_a_thread_it_is_the_same() -> None:
    with far_provider() as provider:
        provider.script(Status(429), Answer(), StallStream(after_events=2))
        with portal.open_blocking(config(provider)) as router:
            assert router.chat("a", HELLO).served_by.name == "a__key_1"
            with router.stream("a", HELLO) as stream:
                assert next(stream).body
                connected = provider.connected()
            provider.wait(lambda it: it.wait_for_connections(connected - 1))
            with router.stream("a", HELLO) as stream:
                assert "".join(chunk.text for chunk in stream) == stream.reply.text != ""
        provider.wait(lambda it: it.wait_closed())
