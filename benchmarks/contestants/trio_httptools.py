"""The limit: a trio stream, httptools, and the standard library's JSON. Otherwise as `trio_h11`."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import contest
import httptools
import trio
from trio_h11 import READ, session_over


class Connection:
    """One connection, used by one request after another."""

    def __init__(self, stream: trio.abc.Stream, host: str) -> None:
        self._stream = stream
        self._head = f"Host: {host}\r\nAuthorization: Bearer {contest.KEY}\r\nContent-Type: application/json\r\n"
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._ended = False

    async def ask(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Send a request, return the answer's status and body."""
        self._ended = False
        self._pieces.clear()
        head = f"POST {path} HTTP/1.1\r\n{self._head}Content-Length: {len(body)}\r\n\r\n"
        await self._stream.send_all(head.encode() + body)
        while not self._ended:
            self._parser.feed_data(await self._stream.receive_some(READ))
        return self._parser.get_status_code(), b"".join(self._pieces)

    def on_body(self, data: bytes) -> None:
        """Hear of a piece of the body."""
        self._pieces.append(data)

    def on_message_complete(self) -> None:
        """Hear of the end."""
        self._ended = True

    async def aclose(self) -> None:
        """Close it."""
        await self._stream.aclose()


def session(piece: contest.Slice) -> AbstractAsyncContextManager[contest.Ask]:
    """Ask over such connections."""
    return session_over(Connection, piece)


if __name__ == "__main__":
    contest.serve(session, contest.on_trio)
