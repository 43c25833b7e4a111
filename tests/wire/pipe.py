"""A connection in memory: two streams, each of which hears what the other is told. No sockets, no threads, no chance.

It is what `LeanLine` runs over where there is no network (`Link`). Each direction holds a bounded number of bytes that
have been sent and not read; a sender waits for room.
"""

from __future__ import annotations

from typing import Final

import trio
from attrs import define, field

BUFFER_BYTES: Final = 64 * 1024
"""How much may be under way in one direction."""


@define(eq=False)
class _Way:
    """One direction."""

    data: bytearray = field(factory=bytearray)
    ended: bool = False
    """Nothing more will be sent."""
    broken: bool = False
    """And that is no proper end."""
    deaf: bool = False
    """Nobody will read."""
    waiting: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)


@define(eq=False)
class PipeStream(trio.abc.Stream):
    """One end of a pipe."""

    _incoming: _Way
    _outgoing: _Way
    is_open: bool = field(default=True, init=False)

    @property
    def stream(self) -> PipeStream:
        """Itself: a pipe is its own link."""
        return self

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send it all, as there is room for it."""
        await trio.lowlevel.checkpoint()
        way, left = self._outgoing, memoryview(data)
        while True:
            if not self.is_open:
                raise trio.ClosedResourceError("this end is closed")
            if way.deaf:
                raise trio.BrokenResourceError("the other end is closed")
            room = BUFFER_BYTES - len(way.data)
            way.data += left[:room]
            left = left[room:]
            way.waiting.unpark_all()
            if not left:
                return
            await way.waiting.park()

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there is room."""
        await trio.lowlevel.checkpoint()
        while self.is_open and not self._outgoing.deaf and len(self._outgoing.data) >= BUFFER_BYTES:
            await self._outgoing.waiting.park()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return what has come, or wait for it; nothing at the end."""
        await trio.lowlevel.checkpoint()
        way = self._incoming
        while True:
            if not self.is_open:
                raise trio.ClosedResourceError("this end is closed")
            if way.data:
                piece = bytes(way.data[:max_bytes])
                del way.data[: len(piece)]
                way.waiting.unpark_all()
                return piece
            if way.broken:
                raise trio.BrokenResourceError("Connection reset by peer")
            if way.ended:
                return b""
            await way.waiting.park()

    def is_quiet(self) -> bool:
        """Whether nothing waits to be read, neither bytes nor the end."""
        return not (self._incoming.data or self._incoming.ended)

    def break_off(self) -> None:
        """Close this end so that the other one's reading fails, once it has read what was sent before."""
        self._outgoing.broken = True
        self.drop()

    def drop(self) -> None:
        """Close this end. May be called again."""
        self.is_open = False
        self._outgoing.ended = True
        self._incoming.deaf = True
        self._outgoing.waiting.unpark_all()
        self._incoming.waiting.unpark_all()

    async def aclose(self) -> None:
        """Close this end."""
        self.drop()
        await trio.lowlevel.checkpoint()


def pipe() -> tuple[PipeStream, PipeStream]:
    """Return both ends of a new one."""
    there, back = _Way(), _Way()
    return PipeStream(back, there), PipeStream(there, back)
