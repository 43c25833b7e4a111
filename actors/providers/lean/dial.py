"""The way to an origin: a TCP connection, and TLS over it. What goes wrong on the way is told as httpx tells it."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import httpx
import trio
from attrs import field, frozen

from .plain import PlainStream
from .tls import TlsStream


class Link(Protocol):
    """What a connection runs over: a stream, and what cannot be asked of every stream."""

    @property
    def stream(self) -> trio.abc.Stream:
        """Where bytes go and come."""
        ...

    def is_quiet(self) -> bool:
        """Whether nothing waits to be read, neither bytes nor the end. Asked of a link that is idle; does not wait."""
        ...

    def drop(self) -> None:
        """Close it at once, without a word and without waiting. May be called again."""
        ...


class Dial(Protocol):
    """How a link is made."""

    async def __call__(self) -> Link:
        """Make one.

        Raises:
            httpx.ConnectError: there is none to be had.
            httpx.ConnectTimeout: it has taken too long.

        """
        ...


@frozen(eq=False)
class SocketLink:
    """A link over a socket, with or without TLS between."""

    stream: trio.abc.Stream
    _socket: trio.socket.SocketType

    def is_quiet(self) -> bool:
        """Whether nothing waits to be read."""
        return not self._socket.is_readable()

    def drop(self) -> None:
        """Close the socket. Over TLS no good-bye is said: it would have to wait for room to be said in."""
        self._socket.close()


@frozen
class NetworkDial:
    """Dials one origin. Every step, TCP and TLS, may take `timeout` seconds; `tls` is ``None`` for plain HTTP."""

    host: str
    port: int
    tls: ssl.SSLContext | None = field(repr=False)
    timeout: float

    async def __call__(self) -> Link:
        """Connect."""
        with self._step():
            plain = await trio.open_tcp_stream(self.host, self.port)
        quick = plain if sys.platform == "win32" else PlainStream(plain)
        if self.tls is None:
            return SocketLink(quick, plain.socket)
        try:
            with self._step():
                stream = TlsStream(quick, self.tls, self.host)
                await stream.do_handshake()
        except BaseException:
            plain.socket.close()
            raise
        return SocketLink(stream, plain.socket)

    @contextmanager
    def _step(self) -> Iterator[None]:
        try:
            with trio.fail_after(self.timeout):
                yield
        except trio.TooSlowError as exc:
            raise httpx.ConnectTimeout(str(exc)) from exc
        except (OSError, trio.BrokenResourceError) as exc:
            raise httpx.ConnectError(str(exc)) from exc
        except ValueError:  # from the look-up of a name that no host can have, such as one with an empty label
            raise httpx.ConnectError("there can be no host of this name") from None
