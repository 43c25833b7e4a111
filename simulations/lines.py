"""The two ways by which a rehearsal's requests reach the world: through httpx, or above it.

Through httpx everything is as in production but the network: httpx builds the request and reads the answer. Above it
the same dialects and the same wire run over a line that hands requests to the world itself, which costs less.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from types import TracebackType

import httpx
from attrs import frozen

from ..actors.providers.body import AnyBody
from ..actors.providers.dialect import Outgoing
from ..actors.providers.line import Incoming
from .exchange import Exchange
from .world import World


class WorldTransport(httpx.AsyncBaseTransport):
    """The network of one run: every request ends at one of the world's providers."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer as the provider would."""
        exchange = self._world.exchange(str(request.url), request.headers, json.loads(await request.aread()))
        await exchange.begin()
        return httpx.Response(exchange.status, headers=exchange.headers, stream=_Stream(exchange), request=request)


class _Stream(httpx.AsyncByteStream):
    """The body of an answer, for httpx."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece = await self._exchange.piece()
        if piece is None:
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        self._exchange.close()


@frozen(eq=False)
class WorldLine:
    """A line straight into the world."""

    world: World

    async def send(self, outgoing: Outgoing, on_sent: Callable[[], None]) -> Incoming:
        """Answer as the provider would."""
        on_sent()
        exchange = self.world.exchange(outgoing.url, outgoing.headers, outgoing.body)
        await exchange.begin()
        return Incoming(exchange.status, exchange.headers, _Body(exchange))

    async def aclose(self) -> None:
        """Leave the world as it is."""


class _Body(AnyBody):
    """The body of an answer, for the wire."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def piece(self) -> bytes | None:
        return await self._exchange.piece()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._exchange.close()
