"""The lean line: one exchange from the request to the answer's body, over a connection of the pool."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from functools import lru_cache
from types import TracebackType
from typing import Final
from urllib.request import getproxies

import httpx
import trio

from ..body import UnpackedBody
from ..dialect import Outgoing
from ..endpoint import Endpoint
from ..line import Incoming, read_url
from .connection import Connection
from .dial import Dial, NetworkDial
from .head import Head, write_head
from .idle import IdleConnections
from .pool import Pool

HEADS_KEPT: Final = 16
"""How many heads of requests are remembered: one candidate has one for each way in which it is called."""

PORTS: Final = {"http": 80, "https": 443}


def is_proxied() -> bool:
    """Whether this machine sends what goes out through a proxy. It looks where httpx looks; that takes its time."""
    around = getproxies()
    return any(around.get(scheme) for scheme in ("http", "https", "all"))


def is_common(endpoint: Endpoint) -> bool:
    """Whether the lean line can speak to this endpoint: http or https, no proxy of its own, no user in its URL.

    It cannot speak to any where `is_proxied`.
    """
    try:
        url = read_url(endpoint.api_base)
    except httpx.InvalidURL:
        return False
    return url.scheme in PORTS and bool(url.host) and not url.userinfo and endpoint.proxy is None


def dial_to(endpoint: Endpoint, tls: Callable[[], ssl.SSLContext]) -> Dial:
    """Return what connects to an endpoint that `is_common`; `tls` is called if it speaks TLS."""
    url = read_url(endpoint.api_base)
    context = None
    if url.scheme == "https":
        context = tls()
        context.set_alpn_protocols(["http/1.1"])
    return NetworkDial(url.raw_host.decode("ascii"), url.port or PORTS[url.scheme], context, endpoint.limits.connect)


class LeanLine:
    """A line to one origin: that which `dial` connects to. `idle` are the idle connections of all lines of a router."""

    def __init__(self, dial: Dial, idle: IdleConnections | None = None) -> None:
        self._pool = Pool(dial, IdleConnections() if idle is None else idle)
        # Here and not in the module: heads hold credentials, and go when the line does.
        self._head = lru_cache(HEADS_KEPT)(_write_head)

    async def send(self, outgoing: Outgoing, on_sent: Callable[[], None]) -> Incoming:
        """Send the request.

        A connection that was kept may have been closed at the other end just when the request went out. If that is
        told at once, before a byte of an answer has come, then the request is sent once more, over a new one.
        """
        head = self._head(outgoing.method, outgoing.url, tuple(outgoing.headers.items()))
        content = outgoing.content
        kept = self._pool.take()
        if kept is None:
            connection = await self._pool.open()
            on_sent()
            return await self._exchange(connection, head, content)
        on_sent()
        try:
            return await self._exchange(kept, head, content)
        except (httpx.ReadError, httpx.RemoteProtocolError) as exc:
            if not kept.was_dead(trio.current_time()):
                raise
            lost = exc
        try:
            connection = await self._pool.open()
        except httpx.TransportError as exc:
            # Not that there was no connection: the first request has gone out, and may have arrived.
            raise lost from exc
        return await self._exchange(connection, head, content)

    async def aclose(self) -> None:
        """Close every connection."""
        self._pool.close()

    async def _exchange(self, connection: Connection, head: Head, content: bytes) -> Incoming:
        try:
            status, headers = await connection.ask(head, content)
        except BaseException:
            self._pool.discard(connection)
            raise
        body = LeanBody(self._pool, connection, headers.get("content-encoding", ""))
        return Incoming(status, headers, body)


class LeanBody(UnpackedBody):
    """The body of an answer. Read to its end it gives its connection back, and else closes it."""

    def __init__(self, pool: Pool, connection: Connection, encoding: str) -> None:
        super().__init__(encoding)
        self._pool = pool
        self._connection: Connection | None = connection

    @property
    def is_here(self) -> bool:
        """Whether it has come to its end."""
        return self._connection is None or self._connection.ended

    async def _packed_piece(self) -> bytes | None:
        connection = self._connection
        if connection is None:
            return None
        piece = await connection.piece()
        if connection.ended:
            self._connection = None
            self._pool.give_back(connection)
        return piece

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.discard(connection)


def _write_head(method: str, url: str, headers: Sequence[tuple[str, str]]) -> Head:
    return write_head(method, url, dict(headers))
