"""TLS over a stream, for one task at a time.

trio's own stream lets several tasks read and write at once, and guards each step for that, with turns of the event
loop on the way. One exchange needs none of it, and without it a request over TLS takes a sixth less CPU time with one
caller, and a twentieth less with many whose answers come late (``benchmarks/run.py --only tls`` has trio's own beside
it; on loopback, where answers are there at once, many gain nothing).
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

import trio

from .plain import READ_BYTES

PIECE_BYTES: Final = 64 * 1024
"""The most that is encrypted before it is sent."""

T = TypeVar("T")


class TlsStream(trio.abc.Stream):
    """TLS with the server that is called `host`, over a stream to it.

    `do_handshake` comes first. Where anything was raised, a cancellation included, the stream is of no more use.

    As over the web, a server may end without a good-bye: HTTP tells by itself whether an answer is whole.
    """

    def __init__(self, stream: trio.abc.Stream, context: ssl.SSLContext, host: str) -> None:
        self._stream = stream
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    async def do_handshake(self) -> None:
        """Agree on keys, and see whether the server is who it is to be.

        Raises:
            ssl.SSLError: it is not, or it does not speak TLS as we do.

        """
        await self._step(self._tls.do_handshake)
        await self._flush()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of it."""
        with memoryview(data) as whole:
            for start in range(0, len(whole), PIECE_BYTES):
                await self._go_on(partial(self._tls.write, whole[start : start + PIECE_BYTES]))
                await self._flush()

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there may be room."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Wait for bytes, and return what is there; ``b""`` at the end."""
        return await self._go_on(partial(self._read, max_bytes or READ_BYTES))

    async def aclose(self) -> None:
        """Close the stream below, without a good-bye."""
        await self._stream.aclose()

    async def _go_on(self, step: Callable[[], T]) -> T:
        try:
            return await self._step(step)
        except ssl.SSLError as exc:
            raise trio.BrokenResourceError(f"TLS broke off: {exc}") from exc

    async def _step(self, step: Callable[[], T]) -> T:
        """Take a step, and before that send and read whatever it wants to have sent and read."""
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                pass
            await self._flush()
            data = await self._stream.receive_some(READ_BYTES)
            if data:
                self._incoming.write(data)
            else:
                self._incoming.write_eof()

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self._stream.send_all(self._outgoing.read())

    def _read(self, most: int) -> bytes:
        """Return all that has come, of as many records as it may be: whoever reads again is to wait."""
        pieces: list[bytes] = []
        try:
            while most > 0 and (piece := self._tls.read(most)):
                pieces.append(piece)
                most -= len(piece)
                if not self._incoming.pending:
                    break  # to read once more would only tell so
        except ssl.SSLEOFError:
            pass
        except ssl.SSLError:  # it will be said again
            if not pieces:
                raise
        return b"".join(pieces)
