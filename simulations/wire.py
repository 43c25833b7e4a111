"""The world at the other end of the lean line: real requests in bytes, real answers in bytes, and no network between.

A connection is a stream in memory, and the provider lives in it: it reads what is sent, lets the world decide, and says
in HTTP what the world says. It has no task of its own, it is performed by whoever waits for its answer. That somebody
leaves it is told, as over a network, only when the connection is closed.

Networks and servers do what they do, drawn anew for each connection and answer:

- Bytes come cut in two anywhere, or as much of them at once as there is. Whoever sends must wait now and then.
- A connection that breaks breaks in silence, or at once after the beginning of an answer; by a reset, or as if it had
  been closed.
- Providers close connections that have served a few requests. Of every two, one is seen to be closed while it is idle;
  of the other that is found out only by sending to it, and the request then goes out once more.
"""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

import h11
import httpx
import trio

from ..actors.providers.dialect import Outgoing
from ..actors.providers.lean.connection import ROUND_TRIP
from ..actors.providers.lean.line import LeanLine
from ..actors.providers.line import Incoming
from ..supervisors.config import Entry
from .exchange import Exchange
from .request_reader import Request, RequestReader
from .stage import sleep, stream
from .world import World

SERVED_MAX: Final = 5
"""How many requests a connection serves."""

CUT: Final = 1 / 8
"""How often what is sent comes in two, and a sender has to wait."""

DIAL_TIMES: Final = (0.0, 0.125)
"""How many virtual seconds it takes to connect where it does not happen at once; that is as rare."""

BEGUN: Final = 2 / 3
"""How often an answer has begun when its connection breaks."""

BROKEN_OFF: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 120\r\n\r\n",
    b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "half"}, "finish_reason": "stop"}]}',
)
"""As much of an answer as can come before its connection breaks, head and body: it lacks nothing but its length."""


class WorldWire:
    """A line into the world, which speaks HTTP."""

    def __init__(self, world: World, entry: Entry) -> None:
        parts = urlsplit(entry.endpoint.api_base)
        self._world = world
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._random = stream(world.seed, f"connections of {entry.key.name}")
        self._dialled = 0
        self._line = LeanLine(self._dial)

    async def send(self, outgoing: Outgoing, on_sent: Callable[[], None]) -> Incoming:
        """Send the request, unless nobody can be reached. That is so of kept connections, too."""
        if not self._world.is_open(outgoing.url):
            await self._world.exchange(outgoing.url, outgoing.headers, outgoing.body).connect()
        return await self._line.send(outgoing, on_sent)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._line.aclose()

    async def _dial(self) -> WorldStream:
        if self._random.random() < CUT:
            await sleep(self._random.choice(DIAL_TIMES))
        self._dialled += 1
        return WorldStream(self._world, self._origin, self._random, is_told=self._dialled % 2 == 0)


class WorldStream(trio.abc.Stream):
    """One connection, and the provider at its end."""

    def __init__(self, world: World, origin: str, draw: random.Random, *, is_told: bool) -> None:
        self._world = world
        self._origin = origin
        self._random = draw
        self._is_told = is_told
        self._reader = RequestReader()
        self._served = 0
        self._is_open = True
        self._asked_at = 0.0
        self._asked: deque[Exchange] = deque()  # those not begun to be answered
        self._exchange: Exchange | None = None
        self._rest = b""
        self._is_broken = False

    @property
    def stream(self) -> WorldStream:
        """Itself."""
        return self

    def is_quiet(self) -> bool:
        """Whether it seems to be open still, and there is nothing to be read."""
        return not (self._rest or self._is_broken or (self._is_told and self._served >= SERVED_MAX))

    def drop(self) -> None:
        """Let go."""
        self._is_open = False
        for exchange in (self._exchange, *self._asked):
            if exchange is not None:
                exchange.close()

    async def aclose(self) -> None:
        """Let go."""
        self.drop()

    async def wait_send_all_might_not_block(self) -> None:
        """There is always room."""

    # What is asked

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Read what comes of a request."""
        if not self._is_open:
            raise trio.ClosedResourceError
        if self._served < SERVED_MAX:  # else nobody is there
            self._hear(bytes(data))
        if self._random.random() < CUT:
            await trio.lowlevel.checkpoint()

    def _hear(self, data: bytes) -> None:
        try:
            request = self._reader.feed(data)
            if request is None:
                return
            exchange = self._exchange_of(request)
        except h11.RemoteProtocolError as exc:
            exchange = self._world.exchange(self._origin, {}, {}, amiss=f"this is no request: {exc}")
        exchange.arrive()
        self._asked.append(exchange)
        self._asked_at = trio.current_time()

    def _exchange_of(self, request: Request) -> Exchange:
        body: Any = {}
        amiss = None
        try:
            body = json.loads(request.content.decode())
        except ValueError:
            amiss = "the body is no JSON"
        return self._world.exchange(self._origin + request.target, request.headers, body, amiss)

    # What is answered

    async def receive_some(self, max_bytes: int | None = None) -> bytes:  # noqa: ARG002 - it is never much
        """Perform the provider until it has something to say."""
        if self._rest:
            await trio.lowlevel.checkpoint()
            data, self._rest = self._rest, b""
        else:
            try:
                data = self._cut(await self._answer())
            except httpx.ReadError:
                self._is_broken = True
                data = b""
        if not self._is_open:
            raise trio.ClosedResourceError
        if self._is_broken and not data and self._random.random() < 0.5:
            raise trio.BrokenResourceError("Connection reset by peer")
        return data

    def _cut(self, data: bytes) -> bytes:
        """Return what comes first of this."""
        if len(data) < 2 or self._random.random() >= CUT:
            return data
        place = self._random.randrange(1, len(data))
        self._rest = data[place:]
        return data[:place]

    async def _answer(self) -> bytes:
        """Say the next of the answer; nothing, if nobody is there."""
        if self._is_broken or not self._is_open:
            return b""
        if self._exchange is not None:
            return await self._go_on(self._exchange)
        if self._served >= SERVED_MAX:
            return b""
        if not self._asked:
            await trio.sleep_forever()  # for the rest of a request
        self._exchange = self._asked.popleft()
        return await self._begin(self._exchange)

    async def _begin(self, exchange: Exchange) -> bytes:
        has_begun = self._random.random() < BEGUN
        try:
            await exchange.answer(breaks_at_once=has_begun)
        except httpx.ReadError:
            if has_begun:
                self._is_broken = True
                head, body = BROKEN_OFF
                return head + body if self._random.random() < 0.5 else head[: self._random.randrange(1, len(head))]
            # It had come to somebody, who had it for a while.
            await sleep(max(0.0, self._asked_at + 2 * ROUND_TRIP - trio.current_time()))
            raise
        if exchange.streams and exchange.status == 200:
            return _head(exchange, "transfer-encoding: chunked")
        pieces: list[bytes] = []
        while (piece := await exchange.piece()) is not None:
            pieces.append(piece)
        content = b"".join(pieces)
        self._end()
        return _head(exchange, f"content-length: {len(content)}") + content

    async def _go_on(self, exchange: Exchange) -> bytes:
        """Return the next chunks of a stream, as many as come at once."""
        said: list[bytes] = []
        while not said or exchange.goes_on_at_once():
            piece = await exchange.piece()
            if piece is None:
                self._end()
                said.append(b"0\r\n\r\n")
                break
            if piece:
                said.append(b"%x\r\n%b\r\n" % (len(piece), piece))
        return b"".join(said)

    def _end(self) -> None:
        self._served += 1
        self._exchange = None


def _head(exchange: Exchange, length: str) -> bytes:
    lines = [f"HTTP/1.1 {exchange.status} ", *(f"{name}: {value}" for name, value in exchange.headers.items()), length]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
