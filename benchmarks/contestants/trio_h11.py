"""A trio stream, h11, and the standard library's JSON. No pool worth the name, no time limits, no health."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

import contest
import h11
import trio

READ = 65_536


class Asks(Protocol):
    """One connection, used by one request after another."""

    async def ask(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Send a request, return the answer's status and body."""
        ...

    async def aclose(self) -> None:
        """Close it."""
        ...


class Connection:
    """One connection, used by one request after another."""

    def __init__(self, stream: trio.abc.Stream, host: str) -> None:
        self._stream = stream
        self._host = host
        self._state = h11.Connection(h11.CLIENT)

    async def ask(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Send a request, return the answer's status and body."""
        headers = [
            ("host", self._host),
            ("authorization", f"Bearer {contest.KEY}"),
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
        ]
        out = self._state.send(h11.Request(method="POST", target=path, headers=headers))
        out += self._state.send(h11.Data(data=body)) + self._state.send(h11.EndOfMessage())
        await self._stream.send_all(out)
        status, pieces = 0, []
        while not isinstance(event := await self._event(), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                pieces.append(bytes(event.data))
        self._state.start_next_cycle()
        return status, b"".join(pieces)

    async def _event(self) -> object:
        while (event := self._state.next_event()) is h11.NEED_DATA:
            self._state.receive_data(bytes(await self._stream.receive_some(READ)))
        return event

    async def aclose(self) -> None:
        """Close it."""
        await self._stream.aclose()


def session(piece: contest.Slice) -> AbstractAsyncContextManager[contest.Ask]:
    """Ask over such connections."""
    return session_over(Connection, piece)


@asynccontextmanager
async def session_over(
    connect: Callable[[trio.abc.Stream, str], Asks], piece: contest.Slice
) -> AsyncIterator[contest.Ask]:
    """Keep the connections that callers have left behind."""
    idle: list[Asks] = []
    split = [urlsplit(f"{base}/chat/completions") for base in piece.bases]

    async def ask() -> str:
        connection = idle.pop() if idle else connect(await opened(split[0]), split[0].netloc)
        for url in split:
            body = {"model": "m", "messages": contest.MESSAGES, **({"stream": True} if piece.stream else {})}
            status, content = await connection.ask(url.path, json.dumps(body).encode())
            if status == 200:
                idle.append(connection)
                return streamed(content) if piece.stream else plain(content)
        raise AssertionError("nobody answered")

    try:
        yield ask
    finally:
        for connection in idle:
            await connection.aclose()


async def opened(url: SplitResult) -> trio.abc.Stream:
    """Connect."""
    host, port = url.hostname or "", url.port or 0
    if url.scheme == "http":
        return await trio.open_tcp_stream(host, port)
    return await trio.open_ssl_over_tcp_stream(host, port, https_compatible=True, ssl_context=context())


@cache
def context() -> ssl.SSLContext:
    """Return the one that all connections share."""
    return ssl.create_default_context()


def plain(content: bytes) -> str:
    """Read a completion."""
    return str(json.loads(content)["choices"][0]["message"]["content"])


def streamed(content: bytes) -> str:
    """Read all events of a stream."""
    events = [event for event in content.split(b"\n\n") if event and event != b"data: [DONE]"]
    return "".join([json.loads(event[6:])["choices"][0]["delta"].get("content", "") for event in events])


if __name__ == "__main__":
    contest.serve(session, contest.on_trio)
