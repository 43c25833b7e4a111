"""A provider under trio whose every move is ordered from outside, by a test in whatever thread.

Each request is `seen`, waits at its gate, and answers what the gate is opened with. A streamed answer waits at its
gate before every piece. Nothing here sleeps: whoever has to wait waits until something is `noticed`, for `PATIENCE`
at most.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import httpx
import trio
from attrs import define, field

PATIENCE: Final = 20.0
"""Seconds after which something that does not happen fails the test instead of hanging it."""

HELLO: Final = [{"role": "user", "content": "Hello"}]
CONFIG: Final = {
    "shutdown_timeout": 0.05,
    "model_list": [
        {
            "model_name": "a",
            "model": "openai/m-a",
            "api_base": "http://a.example/v1",
            "api_key": "k",
            "fallbacks": ["b"],
        },
        {"model_name": "b", "model": "openai/m-b", "api_base": "http://b.example/v1"},
    ],
}


def config(**top: Any) -> dict[str, Any]:
    return {**CONFIG, **top}


def threads() -> list[str]:
    """The portal's threads that live."""
    return [thread.name for thread in threading.enumerate() if thread.name == "understudy-portal"]


def event(text: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}).encode() + b"\n\n"


LAST: Final = (
    b"data: "
    + json.dumps({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}).encode()
    + b"\n\ndata: [DONE]\n\n"
)
CUT: Final = b""
"""A piece that breaks the connection off."""


def answer(text: str) -> httpx.Response:
    message = {"role": "assistant", "content": text}
    return httpx.Response(200, json={"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})


def refusal(status: int) -> httpx.Response:
    return httpx.Response(status, json={"error": {"message": "no"}})


@define(eq=False)
class Seen:
    """One request, and its gate."""

    provider: Gates
    request: httpx.Request
    body: Any
    token: trio.lowlevel.TrioToken
    gate: trio.MemorySendChannel[Any]
    end: str | None = None
    pieces: int = 0

    @property
    def host(self) -> str:
        return self.request.url.host

    def open(self, *answers: object) -> None:
        """Let the request go on with these answers: one response, or the pieces of a stream, one after another."""
        for each in answers:
            self.token.run_sync_soon(self.gate.send_nowait, each)

    def ended(self, how: str) -> None:
        self.end = self.end or how
        self.provider.note()


@define(eq=False)
class Gates(httpx.AsyncBaseTransport):
    """The provider. With `at_once`, it answers by itself: `at_once(request)` is the response."""

    at_once: Callable[[httpx.Request], httpx.Response] | None = None
    seen: list[Seen] = field(factory=list)
    closed: int = 0
    _changed: threading.Condition = field(factory=threading.Condition)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        trio.lowlevel.current_task()  # it lives under trio, whatever drives it
        content = await request.aread()
        send, receive = trio.open_memory_channel[Any](1_000_000)
        body = json.loads(content) if content.startswith(b"{") else content
        seen = Seen(self, request, body, trio.lowlevel.current_trio_token(), send)
        self.seen.append(seen)
        self.note()
        if self.at_once is not None:
            seen.ended("answered")
            return self.at_once(request)
        if isinstance(body, dict) and body.get("stream"):
            headers = {"content-type": "text/event-stream"}
            return httpx.Response(200, headers=headers, stream=Pieces(seen, receive))
        try:
            response = await receive.receive()
        except trio.Cancelled:
            seen.ended("cancelled")
            raise
        seen.ended("answered")
        if isinstance(response, Exception):
            raise response
        assert isinstance(response, httpx.Response)
        return response

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()
        self.closed += 1

    # For the test's thread

    def note(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def wait(self, until: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(until, PATIENCE), "it never happened"

    def wait_for(self, count: int) -> Seen:
        """Wait until so many requests have been seen; return the last of these."""
        self.wait(lambda: len(self.seen) >= count)
        return self.seen[count - 1]

    async def noticed(self, until: Callable[[], bool]) -> None:
        """Wait as `wait` does, in a thread beside asyncio."""
        await asyncio.to_thread(self.wait, until)

    async def arrival(self, count: int = 1) -> Seen:
        await self.noticed(lambda: len(self.seen) >= count)
        return self.seen[count - 1]

    @property
    def under_way(self) -> list[Seen]:
        return [seen for seen in self.seen if seen.end is None]


class Pieces(httpx.AsyncByteStream):
    """A body whose every piece waits at the gate."""

    def __init__(self, seen: Seen, pieces: trio.MemoryReceiveChannel[bytes]) -> None:
        self._seen = seen
        self._pieces = pieces
        self._said: deque[bytes] = deque()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._pieces:
                if piece == CUT:
                    raise httpx.ReadError("cut")
                self._seen.pieces += 1
                self._seen.provider.note()
                yield piece
                if piece.endswith(LAST):
                    self._seen.ended("answered")
                    return
        except trio.Cancelled:
            self._seen.ended("cancelled")
            raise

    async def aclose(self) -> None:
        self._seen.ended("closed")
