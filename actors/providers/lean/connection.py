"""One connection: requests go out over it one after another, and h11 reads the answers.

::

    idle ── ask ──▶ the head comes ── piece, piece, … ──▶ ended ── renew ──▶ idle

Whoever leaves this path, by an error, a cancellation, or a body that is not read to its end, drops the connection.
What is raised is httpx's.
"""

from __future__ import annotations

from typing import Final

import h11
import httpx
import trio

from .dial import Link
from .head import Head

READ_BYTES: Final = 64 * 1024
"""The most that is taken from the network at once."""

HEAD_BYTES_MAX: Final = 100 * 1024
"""The longest head of an answer that is read, in bytes; as much as httpx reads."""

AT_ONCE_BYTES: Final = 64 * 1024
"""Up to this length a body is sent together with its head; a longer one is not copied for it."""

ROUND_TRIP: Final = 0.05
"""Seconds within which the word comes back that a connection was closed already; or as long as it took to open it."""

GONE: Final = (trio.BrokenResourceError, trio.ClosedResourceError)

END: Final = h11.EndOfMessage()


class Connection:
    """A connection to one origin, for one exchange at a time.

    Attributes:
        was_used: whether an exchange has ended well over it.
        heard: whether a byte of the answer has come, in this exchange.
        idle_since: since when it has been idle, on trio's clock.

    """

    def __init__(self, link: Link, opened_in: float) -> None:
        self.was_used = False
        self.heard = False
        self.idle_since = 0.0
        self._link = link
        self._round_trip = max(ROUND_TRIP, opened_in)
        self._asked_at = 0.0
        self._parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES_MAX)
        self._is_sent = False
        self._ended = False
        self._pieces: list[bytes] = []
        self._failure: httpx.RemoteProtocolError | None = None

    async def ask(self, head: Head, content: bytes) -> h11.Response:
        """Send a request, and return the head of its answer."""
        self.heard = self._is_sent = self._ended = False
        self._asked_at = trio.current_time()
        self._parser.send(head.told)
        self._parser.send(END)
        try:
            await self._write(head.before(len(content)), content)
            self._is_sent = True
        except GONE:
            pass  # a server may hang up before it has read everything, and yet say why
        await self._receive()
        while True:
            event = self._next()
            if event is h11.NEED_DATA:
                await self._receive()
            elif isinstance(event, h11.Response):
                self._look()
                return event
            # All else is a 1xx, which only announces what comes.

    async def piece(self) -> bytes | None:
        """Return all of the body that is at hand, or the next bytes that come; ``None`` at its end."""
        while not self._pieces:
            if self._failure is not None:
                raise self._failure
            if self._ended:
                return None
            await self._receive()
            self._look()
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data

    @property
    def ended(self) -> bool:
        """Whether the answer has come to its end, so that all of it is at hand or has been read."""
        return self._ended

    @property
    def may_be_used_again(self) -> bool:
        """Whether the exchange has ended so that another can follow: nobody wants to close, nothing is left over."""
        parser = self._parser
        return (
            self._is_sent
            and parser.our_state is h11.DONE
            and parser.their_state is h11.DONE
            and parser.trailing_data == (b"", False)
        )

    def renew(self, now: float) -> None:
        """Begin to be idle."""
        self._parser.start_next_cycle()
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
        elif self._parser.their_state is h11.SEND_RESPONSE:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
        self._parser.receive_data(bytes(data))

    def _next(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        try:
            return self._parser.next_event()
        except h11.RemoteProtocolError as exc:
            raise httpx.RemoteProtocolError(str(exc)) from exc

    def _look(self) -> None:
        """Take what has come of the body. If it breaks after that, then that is raised once this has been read."""
        try:
            while isinstance(event := self._next(), h11.Data):
                self._pieces.append(event.data)
            self._ended = isinstance(event, h11.EndOfMessage)
        except httpx.RemoteProtocolError as exc:
            self._failure = exc
