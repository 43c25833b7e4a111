"""What the tests of the lean line have in common: an origin in memory that does as it is told on each connection.

A `Part` is what the origin does on one connection: each of its answers is sent once a request has been read whole, as
it is and cut as it says; then comes its end. Everything is counted, and nothing takes real time.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Final, TypeVar

import h11
import httpx
import trio
import trio.testing
from attrs import define, field, frozen
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.wire.pipe import PipeStream, pipe
from understudy.actors.providers.body import BadBody
from understudy.actors.providers.dialect import Outgoing
from understudy.actors.providers.lean.idle import IdleConnections
from understudy.actors.providers.lean.line import LeanLine
from understudy.actors.providers.line import Incoming

URL: Final = "http://origin.test/v1/chat/completions"
GOOD: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
GONE: Final = (trio.BrokenResourceError, trio.ClosedResourceError)
T = TypeVar("T")


PACKED = gzip.compress(b"some text, and some more " * 5)
SOUND = [
    GOOD,
    b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.1 204 No Content\r\nx: 1\r\nX: 2\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 Slow\r\nRetry-After: 7\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nafter: word\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n%b" % (len(PACKED), PACKED),
    b"HTTP/1.1 200 OK\r\nContent-Encoding: GZIP\r\nTransfer-Encoding: Chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
    % (len(PACKED), PACKED),
    b"HTTP/1.1 500 \xe9\xfc\r\nserver: caf\xc3\xa9\r\nserver: \xe9\r\ncontent-length: 3\r\n\r\nabc",
    b"HTTP/1.1 200\r\nserver: caf\xc3\xa9\r\ncontent-length: 3\r\n\r\nabc and more",
    b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 3\r\n\r\nab",
    b"HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ncontent-length: 2\r\n\r\nhi",
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\nmore",
]
ODD = [
    b"HTTP/1.1 200\r\nserver: caf\xc3\xa9\r\ncontent-length: 3, 3\r\n\r\nabc and more",
    b"HTTP/1.1 200 OK\ncontent-length: 3\n\nabc",
]
SCRAPS = [b"\r\n", b"\n", b"\0", b"HTTP/1.1 200 OK\r\n", b"content-length: 99999999999999999999\r\n", b"f" * 20,
          b"content-length: -1\r\n", b"transfer-encoding: gzip\r\n", b"transfer-encoding: chunked\r\n", b": \r\n", b" ",
          b"content-encoding: gzip\r\n", b"0\r\n\r\n", b"connection: upgrade\r\n"]  # fmt: skip


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """Sound ones, and such as have been tampered with."""
    data = draw(st.sampled_from([*SOUND, *ODD]) | st.binary(max_size=60))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        until = at + draw(st.integers(0, 4))
        data = data[:at] + draw(st.sampled_from([*SCRAPS, b""]) | st.binary(max_size=4)) + data[until:]
    return data


CUTS = st.lists(st.integers(0, 300), max_size=5)
ENDS = st.sampled_from(["closes", "breaks", "keeps"])


def cut(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    places = [0, *sorted({at for at in cuts if 0 < at < len(data)}), len(data)]
    return [data[a:b] for a, b in pairwise(places) if a < b]


def asking(number: int = 0) -> Outgoing:
    """A request that tells its number."""
    return Outgoing("POST", URL, {"authorization": "Bearer open-sesame"}, {"number": number})


@frozen
class Part:
    """What the origin does on one connection.

    After its `answers` it ends: it `closes`, `breaks` off, or `keeps` silent. With `once_idle` it does so as soon as
    the last answer is told, and else when the next request has begun to come (`in_head`) or has come whole.
    """

    answers: Sequence[Sequence[bytes]] = ()
    end: str = "keeps"
    once_idle: bool = False
    in_head: bool = False
    late: float = 0.0
    """Seconds until it ends."""


@define(eq=False)
class Origin:
    """The server of one line; `parts` are for its connections, in the order in which they are opened."""

    nursery: trio.Nursery
    parts: Sequence[Part]
    ends: list[PipeStream] = field(factory=list)
    seen: list[tuple[int, int]] = field(factory=list)
    """Which request came whole on which connection."""
    begun: int = 0
    """How many requests have begun to come."""
    dialling: float = 0.0
    """Seconds that it takes to connect."""
    refuses_from: int = 10**9
    """The number of the first connection that is refused."""

    async def dial(self) -> PipeStream:
        await trio.sleep(self.dialling)
        number = len(self.ends)
        if number >= self.refuses_from:
            raise httpx.ConnectError("Connection refused")
        ours, theirs = pipe()
        self.ends.append(ours)
        self.nursery.start_soon(self._serve, number, theirs, self.parts[min(number, len(self.parts) - 1)])
        return ours

    @property
    def open(self) -> int:
        """How many connections are open at the line's end."""
        return sum(end.is_open for end in self.ends)

    async def _serve(self, number: int, stream: PipeStream, part: Part) -> None:
        try:
            early = b""
            for answer in part.answers:
                early = await self._read(number, stream, early)
                for piece in answer:
                    await stream.send_all(piece)
                    await trio.testing.wait_all_tasks_blocked()
            if not part.once_idle:
                if part.in_head:
                    if await stream.receive_some(10):
                        self.begun += 1
                else:
                    await self._read(number, stream, early)
            await trio.sleep(part.late)
            if part.end == "keeps":
                await trio.sleep_forever()
            elif part.end == "breaks":
                stream.break_off()
        except GONE:
            pass
        finally:
            stream.drop()

    async def _read(self, number: int, stream: PipeStream, early: bytes) -> bytes:
        parser = h11.Connection(h11.SERVER)
        data, body = early, bytearray()
        while True:
            if data:
                parser.receive_data(data)
            event = parser.next_event()
            if isinstance(event, h11.Data):
                body += event.data
            if isinstance(event, h11.Request):
                self.begun += 1
            if isinstance(event, h11.EndOfMessage):
                self.seen.append((json.loads(bytes(body))["number"], number))
                return parser.trailing_data[0]
            data = b""
            if event is h11.NEED_DATA:
                data = await stream.receive_some()
                if not data:
                    raise trio.ClosedResourceError


@asynccontextmanager
async def lean(*parts: Part, house: IdleConnections | None = None) -> AsyncIterator[tuple[LeanLine, Origin]]:
    """A line to an origin with these parts. At the end of the block every connection must be closed."""
    async with trio.open_nursery() as nursery:
        origin = Origin(nursery, parts)
        line = LeanLine(origin.dial, house)
        yield line, origin
        await line.aclose()
        assert origin.open == 0
        nursery.cancel_scope.cancel()


async def read(answer: Incoming) -> bytes:
    async with answer.body as body:
        return await body.read(10**6)


async def ask(line: LeanLine, number: int = 0) -> bytes:
    """Send a request and read its answer."""
    return await read(await line.send(asking(number), lambda: None))


@frozen
class Told:
    """What came of one exchange: the answer, or as far as it came and the class of its error."""

    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    error: str | None = None


async def tell(sending: Callable[[], Awaitable[Incoming]]) -> Told:
    """Carry an exchange to its end."""
    try:
        answer = await sending()
    except httpx.HTTPError as exc:
        return Told(error=type(exc).__name__)
    told, body = Told(answer.status, tuple(answer.headers.items())), b""
    error = None
    try:
        async with answer.body:
            while (piece := await answer.body.piece()) is not None:
                body += piece
    except (httpx.HTTPError, BadBody) as exc:
        error = type(exc).__name__
    return Told(told.status, told.headers, body, error)


def play(scene: Callable[[], Awaitable[T]]) -> T:
    """Run a scene in virtual time, and not for ever."""

    async def main() -> T:
        with trio.fail_after(1000):
            return await scene()

    return trio.run(main, clock=MockClock(autojump_threshold=0))


def idle(line: LeanLine) -> int:
    return line._pool.idle


def busy(line: LeanLine) -> int:
    return line._pool.busy
