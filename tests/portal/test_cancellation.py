"""Cancellation crosses the portal in both directions, and none is lost."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator

import httpx
import pytest
import trio

import understudy
from understudy import portal
from understudy.portal import AsyncioRouter
from understudy.supervisors.portal import loop as portal_loop

from .gates import HELLO, LAST, Gates, answer, config, event, threads
from .test_asyncio_router import perform


@pytest.mark.parametrize("times", [1, 2])
def test_cancelling_the_task_cancels_the_request(times: int) -> None:
    async def scene(router: AsyncioRouter, provider: Gates) -> None:
        task = asyncio.create_task(router.chat("a", HELLO))
        seen = await provider.arrival()
        for _ in range(times):
            assert task.cancel("enough")
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
        assert task.cancelling() == times
        await provider.noticed(lambda: seen.end == "cancelled")
        assert [status.failures for status in router.snapshot()] == [{}, {}], "a caller that leaves is nobody's failure"

    perform(scene)


def test_asyncios_own_scopes_work_and_the_count_of_cancellations_is_right() -> None:
    async def scene(router: AsyncioRouter, provider: Gates) -> None:
        task = asyncio.current_task()
        assert task is not None
        before = task.cancelling()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await router.chat("a", HELLO)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(router.chat("a", HELLO), 0.01)
        assert task.cancelling() == before
        sent = len(provider.seen)  # a time this short may be over before anything is sent

        async def two() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(router.chat("a", HELLO))
                await provider.arrival(sent + 1)
                group.create_task(router.chat("nobody", HELLO))

        with pytest.raises(ExceptionGroup) as info:
            await two()
        assert info.group_contains(understudy.UnknownModel)
        await provider.noticed(lambda: [seen.end for seen in provider.seen] == ["cancelled"] * (sent + 1))

    perform(scene)


class Stubborn(Gates):
    """A transport that takes its time to end when it is cancelled."""

    def __init__(self) -> None:
        super().__init__()
        self.may_end: trio.Event | None = None
        self.token: trio.lowlevel.TrioToken | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.may_end, self.token = trio.Event(), trio.lowlevel.current_trio_token()
        try:
            return await super().handle_async_request(request)
        finally:
            with trio.CancelScope(shield=True):
                await self.may_end.wait()

    def let_end(self) -> None:
        assert self.token is not None
        assert self.may_end is not None
        self.token.run_sync_soon(self.may_end.set)


def test_who_is_cancelled_waits_until_the_errand_has_ended_and_two_scopes_both_get_their_due() -> None:
    transport = Stubborn()

    async def scene(router: AsyncioRouter, _: Gates) -> None:
        client = httpx.AsyncClient(transport=router.transport(lambda _: transport))
        order: list[str] = []

        async def ask() -> None:
            try:
                async with asyncio.timeout(None) as outer:
                    try:
                        async with asyncio.timeout(None) as inner:
                            soon = asyncio.create_task(transport.arrival())
                            soon.add_done_callback(lambda _: inner.reschedule(0))
                            soon.add_done_callback(lambda _: asyncio.get_running_loop().call_later(0.02, outer_is_due))
                            outer_is_due = lambda: outer.reschedule(0)  # noqa: E731
                            await client.get("http://elsewhere.example/")
                    finally:
                        order.append("inner")
            except TimeoutError:
                order.append("outer")
            task = asyncio.current_task()
            assert task is not None
            assert task.cancelling() == 0

        task = asyncio.create_task(ask())
        await transport.noticed(lambda: bool(transport.seen) and transport.seen[0].end == "cancelled")
        await asyncio.sleep(0.05)
        assert order == [], "both have fired, and the exchange has not ended"
        transport.let_end()
        await task
        assert order == ["inner", "outer"]
        await client.aclose()

    perform(scene)


def test_what_does_not_end_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portal_loop, "LINGER_MAX_S", 0.02)
    transport = Stubborn()

    async def scene(router: AsyncioRouter, _: Gates) -> None:
        bridged = router.transport(lambda _: transport)
        request = httpx.Request("GET", "http://elsewhere.example/")
        task = asyncio.create_task(bridged.handle_async_request(request))
        await transport.arrival()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        transport.let_end()

    perform(scene)


def test_a_cancelled_opening_of_a_stream_leaves_nothing_open() -> None:
    async def scene(router: AsyncioRouter, provider: Gates) -> None:
        task = asyncio.create_task(router.stream("a", HELLO).__aenter__())
        seen = await provider.arrival()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await provider.noticed(lambda: seen.end == "cancelled")

    perform(scene)


@pytest.mark.parametrize("how", ["break", "raise", "aclose", "cancel"])
def test_a_reader_that_leaves_closes_the_providers_connection_at_once(how: str) -> None:
    async def scene(router: AsyncioRouter, provider: Gates) -> None:
        async def reader() -> None:
            async with router.stream("a", HELLO) as stream:
                async for _ in stream:
                    match how:
                        case "break":
                            break
                        case "raise":
                            raise KeyError("mine")
                        case "aclose":
                            await stream.aclose()
                            return

        task = asyncio.create_task(reader())
        seen = await provider.arrival()
        seen.open(event("one"))
        if how == "cancel":
            await provider.noticed(lambda: seen.pieces == 1)
            task.cancel()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        expected = {"raise": KeyError, "cancel": asyncio.CancelledError}.get(how, type(None))
        assert type(ended) is expected
        await provider.noticed(lambda: seen.end is not None)
        assert seen.end == "cancelled"

    perform(scene)


def test_when_the_router_closes_those_who_wait_in_other_tasks_are_told() -> None:
    async def main() -> None:
        provider = Gates()
        async with portal.open_router(config(), transport=provider) as router:
            waiting = asyncio.create_task(router.chat("a", HELLO))
            await provider.arrival()

            async def read() -> list[str]:
                texts = []
                async with router.stream("a", HELLO) as stream:
                    async for chunk in stream:
                        texts.append(chunk.text)
                        told.set_result(texts)
                return texts

            told: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
            reading = asyncio.create_task(read())
            (await provider.arrival(2)).open(event("one"))
            await told
        for task in (waiting, reading):
            with pytest.raises(understudy.RouterClosed):
                await task
        with pytest.raises(understudy.RouterClosed):
            await router.chat("a", HELLO)
        with pytest.raises(understudy.RouterClosed):
            async with router.stream("a", HELLO):
                pass
        with pytest.raises(understudy.RouterClosed):
            router.snapshot()
        assert provider.under_way == []

    asyncio.run(main())
    assert threads() == []


def test_what_is_under_way_may_end_within_the_shutdown_timeout() -> None:
    async def main() -> None:
        provider = Gates()
        async with portal.open_router(config(shutdown_timeout=20), transport=provider) as router:
            waiting = asyncio.create_task(router.chat("a", HELLO))
            seen = await provider.arrival()
            seen.token.run_sync_soon(lambda: seen.token.run_sync_soon(seen.gate.send_nowait, answer("late")))
        assert (await waiting).text == "late"

    asyncio.run(main())


def test_an_abandoned_generator_closes_its_stream() -> None:
    async def scene(router: AsyncioRouter, provider: Gates) -> None:
        async def texts() -> AsyncIterator[str]:
            async with router.stream("a", HELLO) as stream:
                async for chunk in stream:
                    yield chunk.text

        async def reader() -> str:
            generator = texts()
            return await anext(generator)

        task = asyncio.create_task(reader())
        seen = await provider.arrival()
        seen.open(event("one"))
        assert await task == "one"
        gc.collect()
        await provider.noticed(lambda: seen.end == "cancelled")

    perform(scene)


def test_many_at_once_each_get_their_own_answer() -> None:
    async def scene(router: AsyncioRouter, provider: Gates) -> None:
        async def ask(number: int) -> None:
            reply = await router.chat("a", [{"role": "user", "content": str(number)}])
            assert reply.text == str(number)

        async with asyncio.TaskGroup() as group:
            for number in range(300):
                group.create_task(ask(number))

    perform(scene, Gates(lambda request: answer(json.loads(request.content)["messages"][0]["content"])))


def test_a_finished_stream_that_nobody_has_read_yet_is_still_there_to_be_read() -> None:
    async def scene(router: AsyncioRouter, provider: Gates) -> None:
        async def reader() -> str:
            async with router.stream("a", HELLO) as stream:
                await provider.noticed(lambda: seen.end is not None)
                return "".join([chunk.text async for chunk in stream])

        task = asyncio.create_task(reader())
        seen = await provider.arrival()
        seen.open(event("one "), event("two"), LAST)
        assert await task == "one two"
        assert seen.end == "answered"

    perform(scene)
