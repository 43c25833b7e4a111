"""HTTP transports that live under trio, driven from asyncio and from synchronous clients."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from understudy import portal
from understudy.portal import AsyncioRouter

from .gates import LAST, Gates, config, event, threads
from .test_asyncio_router import perform
from .test_blocking import beside, opened

URL = "http://elsewhere.example/v1/things?x=1"


def echo(request: httpx.Request) -> httpx.Response:
    headers = [("x-method", request.method), ("x-mark", request.headers.get("x-mark", "")), ("set-cookie", "a=1")]
    timeout = request.extensions.get("timeout", {}).get("read")
    headers += [("set-cookie", "b=2"), ("x-url", str(request.url)), ("x-timeout", str(timeout))]
    return httpx.Response(418, headers=headers, content=request.content, extensions={"network_stream": object()})


def packages() -> list[Any]:
    found = [pytest.param(httpx, id="httpx")]
    try:
        import httpx2
    except ImportError:
        return found
    return [*found, pytest.param(httpx2, id="httpx2")]


def translate(package: Any, gates: Gates) -> Any:
    """The same provider for another package's clients."""
    if package is httpx:
        return gates

    class Translated(package.AsyncBaseTransport):  # type: ignore[misc]
        async def handle_async_request(self, request: Any) -> Any:
            assert isinstance(request, package.Request)
            content = await request.aread()
            answer = await gates.handle_async_request(
                httpx.Request(
                    request.method,
                    str(request.url),
                    headers=request.headers.raw,
                    content=content,
                    extensions=request.extensions,
                )
            )
            return package.Response(answer.status_code, headers=answer.headers.raw, content=answer.content)

    return Translated()


@pytest.mark.parametrize("package", packages())
def test_request_and_response_cross_whole(package: Any) -> None:
    def check(response: Any, content: bytes) -> None:
        assert isinstance(response, package.Response)
        assert response.status_code == 418
        assert response.content == content
        assert response.headers["x-method"] == "PUT"
        assert response.headers["x-mark"] == "mine"
        assert response.headers["x-url"] == URL
        assert response.headers["x-timeout"] == "7"
        assert response.headers.get_list("set-cookie") == ["a=1", "b=2"]
        assert "network_stream" not in response.extensions

    body = b"x" * 100_000

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 10_000):
            await asyncio.sleep(0)
            yield body[start : start + 10_000]

    def sync_pieces() -> Iterator[bytes]:
        for start in range(0, len(body), 10_000):
            yield body[start : start + 10_000]

    options: Any = {"headers": {"x-mark": "mine"}, "timeout": 7}

    async def scene(router: AsyncioRouter, __: Gates) -> None:
        transport = router.transport(lambda _: translate(package, Gates(echo)))
        async with package.AsyncClient(transport=transport) as client:
            check(await client.put(URL, content=body, **options), body)
            check(await client.put(URL, **options), b"")
            check(await client.put(URL, content=pieces(), **options), body)
            files = await client.put(URL, files={"file": ("name", body)}, **options)
            assert body in files.content

    perform(scene)
    with opened() as (router, _):
        transport = router.transport(lambda _: translate(package, Gates(echo)))
        with package.Client(transport=transport) as client:
            check(client.put(URL, content=body, **options), body)
            check(client.put(URL, content=sync_pieces(), **options), body)


def test_the_transport_is_made_once_over_the_trio_router_and_closed_with_its_client() -> None:
    made: list[Any] = []
    inner = Gates(echo)

    def make(router: Any) -> Gates:
        made.append(router)
        return inner

    async def scene(router: AsyncioRouter, __: Gates) -> None:
        async with httpx.AsyncClient(transport=router.transport(make)) as client:
            await client.get(URL)
            await client.get(URL)
        await httpx.AsyncClient(transport=router.transport(make)).aclose()  # never used, never made

    perform(scene)
    assert [type(router).__name__ for router in made] == ["Router"]
    assert inner.closed == 1
    with opened() as (router, _), httpx.Client(transport=router.transport(make)) as client:
        client.get(URL)
    assert inner.closed == 2


def test_errors_of_the_transport_are_the_clients() -> None:
    async def scene(router: AsyncioRouter, __: Gates) -> None:
        inner = Gates()
        async with httpx.AsyncClient(transport=router.transport(lambda _: inner)) as client:
            for number, error in enumerate((httpx.ConnectError("no"), httpx.ReadTimeout("late"), KeyError("bug"))):
                task = asyncio.create_task(client.get(URL))
                (await inner.arrival(number + 1)).open(error)
                with pytest.raises(type(error)) as info:
                    await task
                assert info.value is error
                if isinstance(error, httpx.RequestError):
                    assert str(error.request.url) == URL

    perform(scene)


def test_a_body_that_fails_or_is_cancelled_ends_the_exchange() -> None:
    async def scene(router: AsyncioRouter, __: Gates) -> None:
        inner = Gates()
        waiting = asyncio.Event()

        async def broken() -> AsyncIterator[bytes]:
            yield b"x"
            raise OSError("the disk")

        async def endless() -> AsyncIterator[bytes]:
            yield b"x"
            waiting.set()
            await asyncio.Event().wait()

        async with httpx.AsyncClient(transport=router.transport(lambda _: inner)) as client:
            with pytest.raises(OSError, match="the disk"):
                await client.post(URL, content=broken())
            task = asyncio.create_task(client.post(URL, content=endless()))
            await waiting.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert inner.seen == []

    perform(scene)


@pytest.mark.parametrize("how", ["read", "close", "drop"])
def test_a_response_comes_as_it_is_read_and_ends_when_nobody_reads_it(how: str) -> None:
    async def scene(router: AsyncioRouter, __: Gates) -> None:
        inner = Gates()
        client = httpx.AsyncClient(transport=router.transport(lambda _: inner))
        response = await client.send(client.build_request("POST", URL, json={"stream": True}), stream=True)
        seen = await inner.arrival()
        lines: Any = response.aiter_raw()
        seen.open(event("one"))
        assert await anext(lines) == event("one")
        if how == "read":
            seen.open(*[event("x")] * 300)
            await inner.noticed(lambda: seen.pieces >= 16)
            for _ in range(20):
                router.snapshot()
            assert seen.pieces <= 20, "a reader that stops reading slows the provider"
            seen.open(LAST)
            assert len([line async for line in lines]) == 301
            assert seen.end == "answered"
        elif how == "close":
            await response.aclose()
        else:
            await lines.aclose()
            del response, lines
            for _ in range(5):  # asyncio itself holds a generator until it has closed it
                gc.collect()
                await asyncio.sleep(0)
        await inner.noticed(lambda: seen.end is not None)
        assert (seen.end == "answered") is (how == "read")
        await client.aclose()

    perform(scene)


def test_a_closing_router_is_a_transport_error_for_its_clients() -> None:
    async def main() -> None:
        inner = Gates()
        async with portal.open_router(config(), transport=Gates()) as router:
            client = httpx.AsyncClient(transport=router.transport(lambda _: inner))
            waiting = asyncio.create_task(client.post(URL, json={}))
            await inner.arrival()
            response = await client.send(client.build_request("POST", URL, json={"stream": True}), stream=True)
        with pytest.raises(httpx.ConnectError, match="closed"):
            await waiting
        with pytest.raises(httpx.ReadError, match="closed"):
            await response.aread()
        with pytest.raises(httpx.ConnectError, match="closed"):
            await client.get(URL)
        await response.aclose()
        await client.aclose()

    asyncio.run(main())
    assert threads() == []


def test_a_synchronous_client_streams_too() -> None:
    inner = Gates()
    with opened() as (router, _), httpx.Client(transport=router.transport(lambda _: inner)) as client:
        with (
            beside(lambda: inner.wait_for(1).open(event("one"), LAST)),
            client.stream("POST", URL, json={"stream": True}) as response,
        ):
            assert list(response.iter_raw()) == [event("one"), LAST]
        with (
            beside(lambda: inner.wait_for(2).open(event("one"))),
            client.stream("POST", URL, json={"stream": True}) as response,
        ):
            assert next(response.iter_raw()) == event("one")
        inner.wait(lambda: inner.seen[1].end is not None)
