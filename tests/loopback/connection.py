"""One connection to the scripted provider: requests are read with h11, behaviours are played.

While a behaviour plays, a second task reads. What arrives belongs to the next request; the end of the input
means that the client has left, which ends the behaviour at once.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final

import h11
import trio

from .answer import Behaviour
from .exchange import Exchange, Seen

RECEIVE_SIZE: Final = 64 * 1024
GONE: Final = (trio.BrokenResourceError, trio.ClosedResourceError)


class Connection:
    """One connection: request, behaviour, and the next request."""

    def __init__(
        self,
        number: int,
        stream: trio.SocketStream,
        server_context: ssl.SSLContext | None,
        request_numbers: Iterator[int],
    ) -> None:
        self._number = number
        self._request_numbers = request_numbers
        self._socket = stream.socket
        self._stream: trio.SocketStream | trio.SSLStream[trio.SocketStream] = stream
        if server_context is not None:
            # As with most web servers, the client may leave without TLS's own good-bye.
            self._stream = trio.SSLStream(stream, server_context, server_side=True, https_compatible=True)
        self._early = b""  # what has arrived of the next request
        self._client_left = False

    async def run(self, choose: Callable[[Seen], Behaviour]) -> None:
        """Serve requests, each with the behaviour that is chosen for it, until either side has enough."""
        keep_alive = True
        while keep_alive:
            seen = await self._read_request()
            if seen is None:
                return
            exchange = Exchange(seen, self._stream, self._socket)
            await self._play(choose(seen), exchange)
            asked_to_close = seen.headers.get("connection", "").lower() == "close"
            keep_alive = exchange.keep_alive and not asked_to_close and not self._client_left

    async def close(self) -> None:
        """Close the connection. Over TLS the end is announced, as it must be for a body that ends with it."""
        with trio.move_on_after(1), suppress(*GONE):
            await self._stream.aclose()

    async def _play(self, behaviour: Behaviour, exchange: Exchange) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch, nursery.cancel_scope)
            try:
                await behaviour.play(exchange)
            except GONE:
                self._client_left = True
            nursery.cancel_scope.cancel()

    async def _watch(self, behaviour: trio.CancelScope) -> None:
        while data := await self._receive():
            self._early += data
        self._client_left = True
        behaviour.cancel()

    async def _receive(self) -> bytes:
        try:
            return bytes(await self._stream.receive_some(RECEIVE_SIZE))
        except GONE:
            return b""

    async def _read_request(self) -> Seen | None:
        """Read the next request; ``None`` if the client leaves first, or does not speak HTTP."""
        parser = h11.Connection(h11.SERVER)
        data, self._early = self._early, b""
        head: h11.Request | None = None
        body = bytearray()
        while True:
            if data:
                parser.receive_data(data)
            try:
                event = parser.next_event()
            except h11.RemoteProtocolError:
                return None
            data = b""
            match event:
                case h11.Request():
                    head = event
                case h11.Data():
                    body += event.data
                case h11.EndOfMessage():
                    assert head is not None
                    self._early, _ = parser.trailing_data
                    return self._seen(head, bytes(body))
                case _:
                    data = await self._receive()
                    if not data:
                        return None

    def _seen(self, head: h11.Request, body: bytes) -> Seen:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
        return Seen(
            number=next(self._request_numbers),
            method=head.method.decode(),
            path=head.target.decode(),
            headers=headers,
            body=_parsed(body),
            key=_key(headers),
            connection=self._number,
        )


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body


def _key(headers: dict[str, str]) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token
    return headers.get("x-api-key", headers.get("x-goog-api-key"))
