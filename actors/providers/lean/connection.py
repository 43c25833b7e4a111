"""One connection: requests go out over it one after another, and a `Reader` reads the answers.

::

    idle ── ask ──▶ the head comes ── piece, piece, … ──▶ ended ── renew ──▶ idle

Whoever leaves this path, by an error, a cancellation, or a body that is not read to its end, drops the connection.
What is raised is httpx's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import httpx
import trio

from .dial import Link
from .head import Head
from .plain import READ_BYTES
from .reader import Reader

AT_ONCE_BYTES: Final = 64 * 1024
"""Up to this length a body is sent together with its head; a longer one is not copied for it."""

ROUND_TRIP: Final = 0.05
"""Seconds within which the word comes back that a connection was closed already; or as long as it took to open it."""

GONE: Final = (trio.BrokenResourceError, trio.ClosedResourceError)


class Connection:
    """A connection to one origin, for one exchange at a time.

    Attributes:
        was_used: whether an exchange has ended well over it.
        heard: whether a byte of the answer has come, in this exchange.
        idle_since: since when it has been idle, on trio's clock.

    """

    def __init__(self, link: Link, opened_in: float, reader: Reader) -> None:
        self.was_used = False
        self.heard = False
        self.idle_since = 0.0
        self._link = link
        self._round_trip = max(ROUND_TRIP, opened_in)
        self._asked_at = 0.0
        self._reader = reader
        self._is_sent = False
        self._failure: httpx.RemoteProtocolError | None = None

    async def ask(self, head: Head, content: bytes) -> tuple[int, Mapping[str, str]]:
        """Send a request, and return the status of its answer and the headers."""
        reader = self._reader
        self.heard = self._is_sent = False
        self._asked_at = trio.current_time()
        try:
            await self._write(head.before(len(content)), content)
            self._is_sent = True
        except GONE:
            pass  # a server may hang up before it has read everything, and yet say why
        reader.begin(head.told)  # only now, when the provider is at it already
        while not reader.status:
            await self._receive()
        return reader.status, reader.headers

    async def piece(self) -> bytes | None:
        """Return all of the body that is at hand, or the next bytes that come; ``None`` at its end."""
        reader = self._reader
        while not reader.pieces:
            if self._failure is not None:
                raise self._failure
            if reader.ended:
                return None
            await self._receive()
        data = b"".join(reader.pieces)
        reader.pieces.clear()
        return data

    @property
    def ended(self) -> bool:
        """Whether the answer has come to its end, so that all of it is at hand or has been read."""
        return self._reader.ended

    @property
    def may_be_used_again(self) -> bool:
        """Whether the exchange has ended so that another can follow: nobody wants to close, nothing is left over."""
        return self._is_sent and self._reader.may_follow()

    def renew(self, now: float) -> None:
        """Begin to be idle."""
        self.was_used = True
        self.idle_since = now

    def is_alive(self) -> bool:
        """Whether an idle connection seems to be open still: a server has nothing to say here but good-bye."""
        return self._link.is_quiet()

    def was_dead(self, now: float) -> bool:
        """Whether an exchange that has just failed met a kept connection which the other end had closed before.

        It has if that was told without a byte of an answer, and at once: had the request come to anybody, it would have
        been worked on.
        """
        return self.was_used and not self.heard and now - self._asked_at <= self._round_trip

    def drop(self) -> None:
        """Close it at once."""
        self._link.drop()

    async def _write(self, head: bytes, content: bytes) -> None:
        stream = self._link.stream
        if len(content) <= AT_ONCE_BYTES:
            await stream.send_all(head + content)
        else:
            await stream.send_all(head)
            await stream.send_all(content)

    async def _receive(self) -> None:
        try:
            data = await self._link.stream.receive_some(READ_BYTES)
        except GONE as exc:
            raise httpx.ReadError(str(exc)) from exc
        if data:
            self.heard = True
        elif not self._reader.status:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
        try:
            self._reader.feed(bytes(data))
        except httpx.RemoteProtocolError as exc:
            if not self._reader.status:
                raise
            self._failure = exc  # that is raised once what came before it has been read
