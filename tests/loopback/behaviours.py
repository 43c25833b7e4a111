"""What a scripted provider can do with a request, from answering it to breaking off in the middle of a chunk.

A behaviour is a frozen value whose `play` answers one `Exchange`. Some wrap another one (`then`) and change
how it looks on the wire: `Slow(0.1, then=Status(500))`, `Trickle(then=Pings(2))`.

Where a behaviour counts events (`after_events`, `after`), it counts those of the answer that it spoils: the
role delta, one delta a word, the finish, perhaps the usage, `[DONE]`. After 1 event no content has been sent,
after 2 there is some. A plain reply is cut in its middle, or at its beginning if the number is 0.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import trio
from attrs import field, frozen

from .answer import JSON, Answer, Behaviour, Point
from .exchange import Exchange, sse

PING: Final = b": ping\n\n"
PIECE: Final = 64 * 1024
SERVER_ERROR: Final = {"error": {"message": "The server had an error.", "type": "server_error", "code": None}}


# ---- refusals, and replies that are none


@frozen
class Status(Behaviour):
    """A reply with this status. A body of text that begins with `<` is an HTML page, a mapping is JSON."""

    status: int
    body: Mapping[str, Any] | str | bytes | None = None
    headers: Mapping[str, str] = field(factory=dict)

    async def play(self, exchange: Exchange) -> None:
        kind, body = self._encoded()
        await exchange.reply(self.status, {"content-type": kind} | dict(self.headers), body)

    def _encoded(self) -> tuple[str, bytes]:
        match self.body:
            case bytes():
                return "application/octet-stream", self.body
            case str():
                return ("text/html" if self.body.startswith("<") else "text/plain"), self.body.encode()
            case None:
                error = {"message": f"Scripted status {self.status}.", "type": "error", "code": None}
                return JSON["content-type"], json.dumps({"error": error}).encode()
            case _:
                return JSON["content-type"], json.dumps(self.body, ensure_ascii=False).encode()


@frozen
class ErrorIn200(Behaviour):
    """An error object, in JSON, under a status that says all is well; for a stream request too."""

    body: Mapping[str, Any] = field(factory=lambda: SERVER_ERROR)

    async def play(self, exchange: Exchange) -> None:
        await Status(200, self.body).play(exchange)


@frozen
class Redirect(Behaviour):
    """Sends the client elsewhere."""

    url: str
    status: int = 307

    async def play(self, exchange: Exchange) -> None:
        await exchange.reply(self.status, {"location": self.url}, b"")


@frozen
class Garbage(Behaviour):
    """Bytes that are no HTTP, then the end of the connection."""

    data: bytes = b"\x00\x01 this is not HTTP \xff\r\n\r\n"

    async def play(self, exchange: Exchange) -> None:
        await exchange.raw(self.data)
        exchange.hang_up()


@frozen
class HugeBody(Behaviour):
    """A body of `size` bytes: one JSON object, or one event whose only line is that long."""

    size: int

    async def play(self, exchange: Exchange) -> None:
        stream = exchange.seen.wants_stream
        before, after = (b"data: ", b"\n\n") if stream else (b'{"padding": "', b'"}')
        assert self.size >= len(before) + len(after)
        kind = "text/event-stream" if stream else JSON["content-type"]
        await exchange.begin(200, {"content-type": kind}, length=self.size)
        await exchange.send(before)
        left = self.size - len(before) - len(after)
        while left:
            piece = min(left, PIECE)
            await exchange.send(b"x" * piece)
            left -= piece
        await exchange.send(after)


@frozen
class WrongLength(Behaviour):
    """A plain answer whose `content-length` is wrong by `by` bytes.

    Where it promises too much, the connection ends without keeping the promise; where it promises too little,
    the connection stays open and the rest of the body is in the way of the next reply.
    """

    by: int = 10
    answer: Answer = field(factory=Answer)

    async def play(self, exchange: Exchange) -> None:
        body = self.answer.plain(exchange.seen)
        await exchange.begin(200, JSON, length=len(body) + self.by)
        await exchange.send(body)
        if self.by > 0:
            exchange.hang_up()


@frozen
class GzipBroken(Behaviour):
    """A body that is said to be compressed and is not."""

    async def play(self, exchange: Exchange) -> None:
        headers = JSON | {"content-encoding": "gzip"}
        await exchange.reply(200, headers, Answer().plain(exchange.seen))


# ---- silence and slowness


@frozen
class Silent(Behaviour):
    """Reads the request and never says a word."""

    async def play(self, exchange: Exchange) -> None:
        await trio.sleep_forever()


@frozen
class Slow(Behaviour):
    """Waits before the headers."""

    delay: float
    then: Behaviour = field(factory=Answer)

    async def play(self, exchange: Exchange) -> None:
        await trio.sleep(self.delay)
        await self.then.play(exchange)


@frozen
class SlowEvents(Behaviour):
    """Waits between each two events of a stream, but not before the first."""

    delay: float
    then: Behaviour = field(factory=Answer)

    async def play(self, exchange: Exchange) -> None:
        exchange.event_delay = self.delay
        await self.then.play(exchange)


@frozen
class Trickle(Behaviour):
    """Sends the whole reply, head and all, byte by byte."""

    delay: float = 0.0
    then: Behaviour = field(factory=Answer)

    async def play(self, exchange: Exchange) -> None:
        exchange.byte_delay = self.delay
        await self.then.play(exchange)


@frozen
class Pings(Behaviour):
    """Begins a stream with `count` pairs of a comment and an empty delta; changes no plain reply."""

    count: int = 3
    delay: float = 0.0
    then: Behaviour = field(factory=Answer)

    async def play(self, exchange: Exchange) -> None:
        exchange.prelude = [PING, Answer().empty_delta(exchange.seen)] * self.count
        exchange.prelude_delay = self.delay
        await self.then.play(exchange)


# ---- answers that break off


@frozen
class Reset(Behaviour):
    """Breaks the connection off with a reset (RST).

    `after="connect"` breaks it as soon as it is accepted, before a request; a request that finds its
    connection already open is reset all the same. What a client makes of it depends on what it was doing when
    the reset arrived: connecting, writing or reading.
    """

    after: Literal["connect"] | Point = "request"
    answer: Answer = field(factory=Answer)

    async def play(self, exchange: Exchange) -> None:
        if self.after != "connect":
            await self.answer.play_part(exchange, self.after)
        await exchange.reset()


@frozen
class CloseEarly(Behaviour):
    """Closes the connection (FIN) in the middle: HTTP itself shows that the reply is not whole.

    Only with `Answer(until_close=True)` it does not: then a cut stream looks like one that ended.
    """

    after: Point = "request"
    answer: Answer = field(factory=Answer)

    async def play(self, exchange: Exchange) -> None:
        await self.answer.play_part(exchange, self.after)
        exchange.hang_up()


@frozen
class CutStream(Behaviour):
    """Ends the reply after so many events, but as HTTP wants it, like a proxy that lost its upstream.

    A plain reply is half a JSON text of the right `content-length`.
    """

    after_events: int
    answer: Answer = field(factory=Answer)

    async def play(self, exchange: Exchange) -> None:
        if exchange.seen.wants_stream:
            await self.answer.play_part(exchange, self.after_events)
            await exchange.end()
            return
        body = self.answer.plain(exchange.seen)
        await exchange.reply(200, JSON, body[: len(body) // 2 if self.after_events else 0])


@frozen
class StallStream(Behaviour):
    """Falls silent after so many events, and keeps the connection open."""

    after_events: int
    answer: Answer = field(factory=Answer)

    async def play(self, exchange: Exchange) -> None:
        await self.answer.play_part(exchange, self.after_events)
        await trio.sleep_forever()


@frozen
class ErrorEvent(Behaviour):
    """Sends an error object after so many events, and ends. A plain reply is the error, with status 200."""

    after_events: int
    body: Mapping[str, Any] = field(factory=lambda: SERVER_ERROR)
    answer: Answer = field(factory=Answer)

    async def play(self, exchange: Exchange) -> None:
        if not exchange.seen.wants_stream:
            await ErrorIn200(self.body).play(exchange)
            return
        await self.answer.play_part(exchange, self.after_events)
        await exchange.events([sse(self.body)])
        await exchange.end()


@frozen
class MalformedEvent(Behaviour):
    """Slips in an event that is no JSON, then goes on. A plain reply is that text alone."""

    after_events: int
    data: str = '{"choices": [{"delta": {"con'
    answer: Answer = field(factory=Answer)

    async def play(self, exchange: Exchange) -> None:
        if not exchange.seen.wants_stream:
            await exchange.reply(200, JSON, self.data.encode())
            return
        await self.answer.play_part(exchange, self.after_events)
        await exchange.events([sse(self.data), *self.answer.blocks(exchange.seen)[self.after_events :]])
        await exchange.end()


# ---- streams that end strangely


@frozen
class NoDone(Behaviour):
    """A stream that is complete but for `[DONE]`."""

    answer: Answer = field(factory=Answer)

    async def play(self, exchange: Exchange) -> None:
        await Events(self.answer.blocks(exchange.seen)[:-1], self.answer).play(exchange)


@frozen
class NoFinish(Behaviour):
    """A stream with all its text, and neither a finish reason nor `[DONE]`."""

    answer: Answer = field(factory=Answer)

    async def play(self, exchange: Exchange) -> None:
        await Events(self.answer.opening(exchange.seen), self.answer).play(exchange)


@frozen
class KeepOpenAfterDone(Behaviour):
    """A complete stream whose body does not end: after `[DONE]` nothing more comes."""

    answer: Answer = field(factory=Answer)

    async def play(self, exchange: Exchange) -> None:
        assert exchange.seen.wants_stream, "only a stream can be kept open"
        await self.answer.begin_stream(exchange)
        await exchange.events(self.answer.blocks(exchange.seen))
        await trio.sleep_forever()


@frozen
class Events(Behaviour):
    """A stream of exactly these blocks of bytes, then a proper end: for other dialects, and for odd cases.

    Of `answer`, only the headers and the framing are used.
    """

    blocks: Sequence[bytes]
    answer: Answer = field(factory=Answer)

    async def play(self, exchange: Exchange) -> None:
        await self.answer.begin_stream(exchange)
        await exchange.events(self.blocks)
        await exchange.end()
