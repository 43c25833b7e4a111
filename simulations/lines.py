"""The short way by which a rehearsal's requests reach the world: above HTTP (the other one is in `wire`).

The same dialects and the same wire as in production run over a line that hands requests to the world itself, which
costs less than to write them down and to read them.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from attrs import frozen

from ..actors.providers.body import AnyBody
from ..actors.providers.dialect import Outgoing
from ..actors.providers.line import Incoming
from .exchange import Exchange
from .world import World


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
