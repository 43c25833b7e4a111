"""The line to one candidate's provider: an HTTP request goes in, the head of the answer comes out, its body follows.

What runs over it (`wire.py`) is the same for every line: httpx's own network, an `httpx.AsyncBaseTransport` of the
user's, or the scripted providers of a rehearsal. A line raises what httpx raises.

One httpx client per model key, without a limit on connections (the candidate's permits limit, and httpcore's own queue
leaks a place when a waiting request is cancelled) and with few kept alive. Redirects are not followed: a credential
goes to the configured base URL and nowhere else.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final, Protocol

import httpx
import trio

from ..values import value
from .body import ACCEPTED, AnyBody, Body
from .dialect import Outgoing
from .endpoint import Endpoint

KEPT_ALIVE: Final = 8
"""How many idle connections are kept."""

KEPT_ALIVE_TIME: Final = 4.0
"""Seconds that one is kept. Many servers close theirs after five, and a request that crosses with that is lost."""

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


@value(eq=False)
class Incoming:
    """An answer whose head has come. `headers` has names in lower case; `body` is entered and left by whoever reads."""

    status: int
    headers: Mapping[str, str]
    body: AnyBody

    @property
    def is_success(self) -> bool:
        """Whether the status is a 2xx."""
        return 200 <= self.status < 300

    @property
    def redirects(self) -> bool:
        """Whether it sends us elsewhere."""
        return self.status in REDIRECTS and "location" in self.headers


class Line(Protocol):
    """How requests reach one provider."""

    async def send(self, outgoing: Outgoing, on_sent: Callable[[], None]) -> Incoming:
        """Send a request and wait for the head of its answer; `on_sent` is told when it goes out.

        Raises:
            httpx.HTTPError: as httpx would.

        """
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


class TransportLine:
    """A line through a transport that somebody else opened and will close."""

    def __init__(self, transport: httpx.AsyncBaseTransport, *, connect_timeout: float) -> None:
        self._transport = transport
        self._timeout = httpx.Timeout(None, connect=connect_timeout).as_dict()

    async def send(self, outgoing: Outgoing, on_sent: Callable[[], None]) -> Incoming:
        """Hand the request on. When it truly goes out, nobody tells: it counts as sent at once."""
        await trio.lowlevel.checkpoint()  # not every transport is one, and a request always is
        on_sent()
        request = _request(outgoing, {"timeout": self._timeout})
        return _incoming(await self._transport.handle_async_request(request))

    async def aclose(self) -> None:
        """Leave the transport as it is."""


class NetworkLine:
    """A line through a client of httpx's own."""

    def __init__(self, endpoint: Endpoint, tls: Callable[[], ssl.SSLContext]) -> None:
        self._client = httpx.AsyncClient(
            verify=tls(),
            proxy=endpoint.proxy,
            timeout=httpx.Timeout(None, connect=endpoint.limits.connect),
            limits=httpx.Limits(
                max_connections=None, max_keepalive_connections=KEPT_ALIVE, keepalive_expiry=KEPT_ALIVE_TIME
            ),
        )
        # No provider's API needs cookies, and a jar of them only grows.
        self._client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    async def send(self, outgoing: Outgoing, on_sent: Callable[[], None]) -> Incoming:
        """Send the request."""
        content = outgoing.content
        request = self._client.build_request(
            outgoing.method,
            read_url(outgoing.url),
            headers={"accept-encoding": ACCEPTED, **outgoing.headers},
            content=content,
            extensions={"trace": _when_sent(on_sent)},
        )
        request.stream = OnePiece(content)
        try:
            response = await self._client.send(request, stream=True)
        except UnicodeError:  # from the look-up of a name that no host can have, such as one with an empty label
            raise httpx.ConnectError("there can be no host of this name") from None
        on_sent()
        return _incoming(response)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()


class OnePiece(httpx.AsyncByteStream):
    """A request's body. httpx's own is an async generator, which trio complains about where sending breaks off."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._left: bytes | None = content

    def __aiter__(self) -> OnePiece:
        self._left = self._content
        return self

    async def __anext__(self) -> bytes:
        piece, self._left = self._left, None
        if piece is None:
            raise StopAsyncIteration
        return piece


@lru_cache(maxsize=256)
def read_url(text: str) -> httpx.URL:
    """Read a URL. There are as many as candidates at most, and each is needed again and again."""
    return httpx.URL(text)


def _request(outgoing: Outgoing, extensions: Mapping[str, Any]) -> httpx.Request:
    headers = {"accept-encoding": ACCEPTED, **outgoing.headers}
    return httpx.Request(
        outgoing.method, read_url(outgoing.url), headers=headers, content=outgoing.content, extensions=dict(extensions)
    )


def _incoming(response: httpx.Response) -> Incoming:
    return Incoming(response.status_code, dict(response.headers.items()), Body(response))


def _when_sent(on_sent: Callable[[], None]) -> Callable[[str, Mapping[str, Any]], Awaitable[None]]:
    """Return a trace hook for httpcore that notes when the request goes onto the wire."""

    async def note(event: str, _: Mapping[str, Any]) -> None:
        if event.endswith("send_request_headers.started"):
            on_sent()

    return note
