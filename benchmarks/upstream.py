"""A static provider, as fast as asyncio's protocols are (over uvloop, where that is installed).

    python benchmarks/upstream.py [CERTIFICATE]     prints its port, and ends with its standard input

What lies below ``/bad`` fails with a 503, everything else is answered: with one small completion, or, where the body
asks for a stream, with 200 events of one word each, every one an HTTP chunk of its own, all written at once; or one
every 5 milliseconds below ``/every/5``. Below ``/headers`` what is not streamed comes with twenty headers more, as real
ones send them: a few of the proxy's before it, and what is left of the limits, another amount each time. Of a request
it reads no more than that. ``GET /hops`` tells, in seconds, how long after each refusal's first byte the next request
came, and forgets them. With the file of a certificate and its key it speaks TLS.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import ssl
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Final, cast

import measuring

WORDS: Final = 200
PLAIN_TEXT: Final = "Hi there"
STREAMED_TEXT: Final = "".join(f"word{number} " for number in range(WORDS))

COMPLETION: Final = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": PLAIN_TEXT}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
}


def event(delta: dict[str, str], finish: str | None = None) -> bytes:
    """Return one event of a stream."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "m"}
    return b"data: " + json.dumps({**body, "choices": [choice]}).encode() + b"\n\n"


EVENTS: Final = (
    event({"role": "assistant", "content": ""}),
    *(event({"content": f"word{number} "}) for number in range(WORDS)),
    event({}, "stop"),
    b"data: [DONE]\n\n",
)


def whole(status: str, body: bytes, more: Mapping[str, str] | None = None) -> bytes:
    """Return an answer whose length is known."""
    headers = {"content-type": "application/json", "content-length": f"{len(body)}", **(more or {})}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode() + body


def usual_headers(number: int) -> dict[str, str]:
    """Return headers such as come with every answer of a large provider; those of the limits vary."""
    return {
        "Date": "Tue, 01 Dec 2026 12:00:00 GMT",
        "Connection": "keep-alive",
        "Server": "proxy",
        "Set-Cookie": f"__session={number:064x}; path=/; domain=.provider.example; HttpOnly; Secure; SameSite=None",
        "Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload",
        "Alt-Svc": 'h3=":443"; ma=86400',
        "X-Content-Type-Options": "nosniff",
        "X-Request-Id": f"req_{number:032x}",
        "X-Cache-Status": "dynamic",
        "X-Ray": f"{number:016x}-FRA",
        "Access-Control-Expose-Headers": "X-Request-ID",
        "Provider-Organization": "org-0123456789",
        "Provider-Processing-Ms": f"{300 + number}",
        "Provider-Version": "2020-10-01",
        "X-RateLimit-Limit-Requests": "10000",
        "X-RateLimit-Limit-Tokens": "2000000",
        "X-RateLimit-Remaining-Requests": f"{9999 - number}",
        "X-RateLimit-Remaining-Tokens": f"{1999900 - 70 * number}",
        "X-RateLimit-Reset-Requests": f"{6 * number}ms",
        "X-RateLimit-Reset-Tokens": f"{number / 100:g}s",
    }


VARIANTS: Final = 200
"""How many answers there are that differ by these."""

WHOLE: Final = json.dumps(COMPLETION).encode()
OVERLOADED: Final = json.dumps({"error": {"message": "overloaded", "type": "server_error"}}).encode()


def answers(more: Mapping[str, str] | None = None) -> tuple[bytes, bytes]:
    """Return what is not streamed: the completion, and the refusal."""
    return whole("200 OK", WHOLE, more), whole("503 Service Unavailable", OVERLOADED, more)


USUAL: Final = answers()
WITH_HEADERS: Final = [answers(usual_headers(number)) for number in range(VARIANTS)]
STREAM: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
    *(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in EVENTS),
    b"0\r\n\r\n",
)
WHOLE_STREAM: Final = b"".join(STREAM)


class Hops:
    """When the last refusal went out, and how long it took each time until somebody asked again."""

    def __init__(self) -> None:
        self.refused_at: float | None = None
        self.seconds: list[float] = []

    def asked(self, at: float) -> None:
        """Note a request."""
        if self.refused_at is not None:
            self.seconds.append(at - self.refused_at)
            self.refused_at = None

    def told(self) -> bytes:
        """Return all of them as an answer, and forget them."""
        seconds, self.seconds = self.seconds, []
        return whole("200 OK", json.dumps(seconds).encode())


class Provider(asyncio.Protocol):
    """One connection."""

    def __init__(self, hops: Hops) -> None:
        self._hops = hops
        self._held = b""
        self._with_headers = itertools.cycle(WITH_HEADERS)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it; uvloop's is none of asyncio's classes."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        at = time.perf_counter()
        self._held += data
        while (end := self._held.find(b"\r\n\r\n")) >= 0:
            head = self._held[:end].lower()
            _, named, rest = head.partition(b"\r\ncontent-length:")
            body_end = end + 4 + (int(rest.partition(b"\r\n")[0]) if named else 0)
            if len(self._held) < body_end:
                return
            body, self._held = self._held[end + 4 : body_end], self._held[body_end:]
            self._answer(head, body, at)

    def _answer(self, head: bytes, body: bytes, at: float) -> None:
        assert self._transport is not None
        path = head.split(b" ", 2)[1]
        plain, refusal = USUAL
        if path.startswith(b"/headers/"):
            path = path.removeprefix(b"/headers")
            plain, refusal = next(self._with_headers)
        if path == b"/hops":
            self._transport.write(self._hops.told())
            return
        self._hops.asked(at)
        if path.startswith(b"/bad"):
            self._hops.refused_at = time.perf_counter()
            self._transport.write(refusal)
        elif b'"stream":true' in body or b'"stream": true' in body:
            if path.startswith(b"/every/"):
                self._write_slowly(iter(STREAM), int(path.split(b"/")[2]) / 1e3)
            else:
                self._transport.write(WHOLE_STREAM)
        else:
            self._transport.write(plain)

    def _write_slowly(self, pieces: Iterator[bytes], pause: float) -> None:
        assert self._transport is not None
        piece = next(pieces, None)
        if piece is not None and not self._transport.is_closing():
            self._transport.write(piece)
            asyncio.get_running_loop().call_later(pause, self._write_slowly, pieces, pause)


async def serve(tls: ssl.SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    hops = Hops()
    server = await loop.create_server(lambda: Provider(hops), "127.0.0.1", 0, backlog=1024, ssl=tls)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await loop.run_in_executor(None, sys.stdin.read)


def main() -> None:
    measuring.pin(-1)
    tls = None
    if len(sys.argv) > 1:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(sys.argv[1])
    try:
        import uvloop
    except ImportError:
        asyncio.run(serve(tls))
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(tls))


if __name__ == "__main__":
    main()
