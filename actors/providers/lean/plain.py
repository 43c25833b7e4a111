"""A socket's bytes in as few turns of the event loop as there can be.

trio's own stream gives way to other tasks at each read and write, also where it need not wait: twice for a request
whose next step is to wait for the answer. Here a write is none, unless the socket is full, and a read is one. That, and
what it saves around it, is a tenth of a request (``benchmarks/run.py --only wire``).
"""

from __future__ import annotations

import os
from typing import Final

import trio

READ_BYTES: Final = 64 * 1024
"""The most that is taken from the network at once."""


class PlainStream(trio.abc.Stream):
    """A trio stream over a connected socket that a `SocketStream` holds, where a socket is a file descriptor."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._socket = stream.socket

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of it."""
        await trio.lowlevel.checkpoint_if_cancelled()
        sent = self._write(data)
        if sent < len(data):
            await self._stream.send_all(memoryview(data)[sent:])

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there may be room."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Wait for bytes, and return what is there; ``b""`` at the end."""
        await trio.lowlevel.wait_readable(self._descriptor())
        try:
            return os.read(self._descriptor(), max_bytes or READ_BYTES)
        except BlockingIOError:  # a false alarm
            return await self._stream.receive_some(max_bytes)
        except OSError as exc:
            raise trio.BrokenResourceError(f"socket connection broken: {exc}") from exc

    async def aclose(self) -> None:
        """Close the socket."""
        await self._stream.aclose()

    def _write(self, data: bytes | bytearray | memoryview) -> int:
        try:
            return os.write(self._descriptor(), data)
        except BlockingIOError:
            return 0
        except OSError as exc:
            raise trio.BrokenResourceError(f"socket connection broken: {exc}") from exc

    def _descriptor(self) -> int:
        descriptor = self._socket.fileno()
        if descriptor < 0:
            raise trio.ClosedResourceError("this socket was already closed")
        return descriptor
