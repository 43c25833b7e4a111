"""HTTP transports that live under trio, for clients on asyncio and for synchronous ones.

An SDK that takes an HTTP client of yours has failover with it, whatever it runs on. The response comes as it is read:
a client that stops reading slows the transport down, one that closes the response early cancels the exchange.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache, partial
from types import ModuleType
from typing import Any

import httpx

from ...actors.errors import RouterClosed, RouterCrashed
from ...actors.handle import Router
from .errand import Errand
from .exchange import Exchange, Head, Piece
from .loop import LoopErrand
from .thread import Portal
from .waiting import ThreadErrand

Make = Callable[[Router], Any]


class _Inner:
    """The transport under trio: made when it is first asked for, and closed there."""

    def __init__(self, make: Make) -> None:
        self._make = make
        self._transport: Any = None

    def find(self, router: Router) -> Any:
        if self._transport is None:
            self._transport = self._make(router)
        return self._transport

    async def close(self, _: Errand, __: Router) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.aclose()


class AsyncioTransport(httpx.AsyncBaseTransport):
    """Drives a transport that lives under trio from asyncio. Made by `AsyncioRouter.transport`."""

    def __init__(self, portal: Portal, send: Callable[[Any], LoopErrand], make: Make) -> None:
        self._portal = portal
        self._send = send
        self._inner = _Inner(make)

    async def handle_async_request(self, request: Any) -> Any:
        """Send a request of `httpx`, or of `httpx2`, and return a response of the same."""
        exchange = Exchange(request, self._inner.find)
        reading = _LoopReading(self._portal, self._send(exchange), exchange)
        try:
            head = await reading.open()
        except (RouterClosed, RouterCrashed) as exc:
            raise exchange.httpx.ConnectError(str(exc), request=request) from exc
        return _response(exchange, head, _async_body(exchange.httpx)(reading))

    async def aclose(self) -> None:
        """Close the transport under trio; where the portal is closed, there is none any more."""
        with contextlib.suppress(RouterClosed, RouterCrashed):
            await self._send(self._inner.close).call()


class BlockingTransport(httpx.BaseTransport):
    """Drives a transport that lives under trio from synchronous code. Made by `BlockingRouter.transport`."""

    def __init__(self, portal: Portal, send: Callable[[Any], ThreadErrand], make: Make) -> None:
        self._portal = portal
        self._send = send
        self._inner = _Inner(make)

    def handle_request(self, request: Any) -> Any:
        """Send a request of `httpx`, or of `httpx2`, and return a response of the same."""
        exchange = Exchange(request, self._inner.find)
        reading = _ThreadReading(self._portal, self._send(exchange), exchange)
        try:
            head = reading.open()
        except (RouterClosed, RouterCrashed) as exc:
            raise exchange.httpx.ConnectError(str(exc), request=request) from exc
        return _response(exchange, head, _sync_body(exchange.httpx)(reading))

    def close(self) -> None:
        """Close the transport under trio; where the portal is closed, there is none any more."""
        with contextlib.suppress(RouterClosed, RouterCrashed):
            self._send(self._inner.close).call()


class _LoopReading:
    """The words of one exchange, read from asyncio; whoever reads also hands over the request's body."""

    def __init__(self, portal: Portal, errand: LoopErrand, exchange: Exchange) -> None:
        self._portal = portal
        self._errand = errand
        self._exchange = exchange
        self._source: Any = None

    async def open(self) -> Head:
        try:
            word = await self._errand.open()
            head: Head = await self._give() if word is Piece.WANTED else word
        except BaseException as exc:
            await self._errand.leave(exc)
            raise
        return head

    async def next(self) -> Any:
        word = await self._errand.next()
        return await self._give() if word is Piece.WANTED else word

    async def _give(self) -> Any:
        """Hand over pieces as long as they are wanted; return what is said then."""
        if self._source is None:
            self._source = aiter(self._exchange.request.stream)
        word: Any = Piece.WANTED
        while word is Piece.WANTED:
            piece = await anext(self._source, None)
            self._portal.run_soon(partial(self._exchange.give, piece))
            word = await self._errand.next()
        return word

    async def close(self) -> None:
        await self._errand.leave()

    def drop(self) -> None:
        self._errand.drop()

    def broken(self, exc: Exception) -> Exception:
        error: Exception = self._exchange.httpx.ReadError(str(exc), request=self._exchange.request)
        return error


class _ThreadReading:
    """The words of one exchange, read by a thread; whoever reads also hands over the request's body."""

    def __init__(self, portal: Portal, errand: ThreadErrand, exchange: Exchange) -> None:
        self._portal = portal
        self._errand = errand
        self._exchange = exchange
        self._source: Any = None

    def open(self) -> Head:
        try:
            word = self._errand.open()
            head: Head = self._give() if word is Piece.WANTED else word
        except BaseException:
            self._errand.leave()
            raise
        return head

    def next(self) -> Any:
        word = self._errand.next()
        return self._give() if word is Piece.WANTED else word

    def _give(self) -> Any:
        """Hand over pieces as long as they are wanted; return what is said then."""
        if self._source is None:
            self._source = iter(self._exchange.request.stream)
        word: Any = Piece.WANTED
        while word is Piece.WANTED:
            piece = next(self._source, None)
            self._portal.run_soon(partial(self._exchange.give, piece))
            word = self._errand.next()
        return word

    def close(self) -> None:
        self._errand.leave()

    def drop(self) -> None:
        self._errand.drop()

    def broken(self, exc: Exception) -> Exception:
        error: Exception = self._exchange.httpx.ReadError(str(exc), request=self._exchange.request)
        return error


def _response(exchange: Exchange, head: Head, body: Any) -> Any:
    return exchange.httpx.Response(head.status, headers=head.headers, stream=body, extensions=head.extensions)


@cache
def _async_body(package: ModuleType) -> Any:
    class Body(package.AsyncByteStream):  # type: ignore[misc, name-defined]
        """A response's body as it comes; dropped unread it ends its exchange, as closed it does."""

        def __init__(self, reading: _LoopReading) -> None:
            self._reading = reading

        def __aiter__(self) -> AsyncIterator[bytes]:
            return self

        async def __anext__(self) -> bytes:
            try:
                piece: bytes = await self._reading.next()
            except (RouterClosed, RouterCrashed) as exc:
                raise self._reading.broken(exc) from exc
            return piece

        async def aclose(self) -> None:
            await self._reading.close()

        def __del__(self) -> None:
            self._reading.drop()

    return Body


@cache
def _sync_body(package: ModuleType) -> Any:
    class Body(package.SyncByteStream):  # type: ignore[misc, name-defined]
        """A response's body as it comes; dropped unread it ends its exchange, as closed it does."""

        def __init__(self, reading: _ThreadReading) -> None:
            self._reading = reading

        def __iter__(self) -> Iterator[bytes]:
            return self

        def __next__(self) -> bytes:
            try:
                piece: bytes = self._reading.next()
            except (RouterClosed, RouterCrashed) as exc:
                raise self._reading.broken(exc) from exc
            return piece

        def close(self) -> None:
            self._reading.close()

        def __del__(self) -> None:
            self._reading.drop()

    return Body
