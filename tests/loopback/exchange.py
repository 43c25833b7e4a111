"""One request and the wire its reply goes out on: what behaviours are written with.

Replies are written by hand, since half of the behaviours need a reply that no HTTP library would write.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final

import trio
from attrs import define, frozen

BEFORE_RESET: Final = 0.02
"""Seconds that the client has for reading what was sent before a reset makes its system throw it away."""


@frozen
class Seen:
    """One request as it arrived.

    Attributes:
        number: its place among all requests, from 0.
        method: the HTTP method.
        path: path and query.
        headers: by lower-case name.
        body: the parsed JSON, or the bytes where they are none.
        key: the secret it was sent with (from `Authorization`, `x-api-key` or `x-goog-api-key`), if any.
        connection: the number of the connection it came on, from 0.

    """

    number: int
    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    key: str | None
    connection: int

    @property
    def wants_stream(self) -> bool:
        return isinstance(self.body, dict) and self.body.get("stream") is True

    @property
    def model(self) -> str:
        return str(self.body.get("model", "")) if isinstance(self.body, dict) else ""


@define(eq=False)
class Exchange:
    """A request, and the means to answer it.

    Four attributes are for behaviours that change how others look on the wire: `byte_delay` sends bytes
    one by one with a pause after each, `event_delay` pauses between events, and `prelude` goes ahead of the
    first event of a stream, with a pause of `prelude_delay` before each of its blocks.
    """

    seen: Seen
    stream: trio.abc.Stream
    socket: trio.socket.SocketType
    keep_alive: bool = True
    byte_delay: float | None = None
    event_delay: float = 0.0
    prelude: Sequence[bytes] = ()
    prelude_delay: float = 0.0
    _chunked: bool = False
    _events_sent: int = 0

    async def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        if self.byte_delay is None:
            await self.stream.send_all(data)
            return
        for place in range(len(data)):
            await self.stream.send_all(data[place : place + 1])
            await trio.sleep(self.byte_delay)

    async def begin(
        self,
        status: int,
        headers: Mapping[str, str],
        *,
        length: int | None = None,
        until_close: bool = False,
    ) -> None:
        """Send the head of a reply: its body has a stated length, is chunked, or ends the connection."""
        framing = {"transfer-encoding": "chunked"}
        if length is not None:
            framing = {"content-length": str(length)}
        elif until_close:
            framing = {"connection": "close"}
            self.keep_alive = False
        self._chunked = length is None and not until_close
        fields = framing | {name.lower(): value for name, value in headers.items()}
        lines = [
            f"HTTP/1.1 {status} Loopback",
            *(f"{name}: {value}" for name, value in fields.items()),
            "",
            "",
        ]
        await self.raw("\r\n".join(lines).encode("latin-1"))

    async def send(self, data: bytes) -> None:
        """Send a piece of the body."""
        if self._chunked and data:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        await self.raw(data)

    async def end(self) -> None:
        """End the body as HTTP wants it."""
        if self._chunked:
            await self.raw(b"0\r\n\r\n")

    async def reply(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Send a whole reply."""
        await self.begin(status, headers, length=len(body))
        await self.send(body)

    async def begin_stream(self, headers: Mapping[str, str], *, until_close: bool = False) -> None:
        """Send the head of an event stream, and its prelude."""
        await self.begin(200, {"content-type": "text/event-stream"} | dict(headers), until_close=until_close)
        for block in self.prelude:
            await trio.sleep(self.prelude_delay)
            await self.send(block)

    async def events(self, blocks: Sequence[bytes]) -> None:
        """Send events (or comments), pausing between each two."""
        for block in blocks:
            if self._events_sent and self.event_delay:
                await trio.sleep(self.event_delay)
            self._events_sent += 1
            await self.send(block)

    def hang_up(self) -> None:
        """Close the connection when the behaviour ends, as a server does that stops in the middle."""
        self.keep_alive = False

    async def reset(self) -> None:
        """Break the connection, so that the client finds it reset and not merely closed."""
        self.keep_alive = False
        await trio.sleep(BEFORE_RESET)
        break_connection(self.socket)


def break_connection(sock: trio.socket.SocketType) -> None:
    """Close a socket with RST instead of FIN: that is what no time to linger means."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def sse(data: object) -> bytes:
    """Write one event. Text goes out as it is, anything else as JSON."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return f"data: {text}\n\n".encode()
