"""`RouterTransport`: put it into an HTTP client, hand that to an SDK, and the code that uses it has failover.

Existing code stays as it is: the SDK builds its requests and makes typed objects, streams and exceptions of what
comes back. The transport is for trio and has no tasks of its own; whatever it waits for, it waits in its caller's task.

Answers are made of the package that a request comes from, so that one transport serves `httpx` and its fork `httpx2`,
on which the newer SDKs stand. Neither is imported for the other's sake.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol, TypeVar

import httpx
import trio

from ..errors import DeadlineExceeded, RouterClosed, StreamInterrupted, UnderstudyError
from ..handle import Router
from ..messages import Call
from .answering import JSON_TYPE, stream_head, whole, write_json
from .asking import Asked, NotCarried
from .listing import is_listing, listed
from .streaming import EventBody
from .telling import tell

T_co = TypeVar("T_co", covariant=True)


class Package(Protocol[T_co]):
    """`httpx`, or a package with the same interface, such as `httpx2`."""

    @property
    def AsyncBaseTransport(self) -> type[T_co]:  # noqa: N802 - the package's own name
        """What its clients take a transport for."""
        ...


class Transporting:
    """Answers an HTTP client's requests through a router."""

    def __init__(self, router: Router, *, wait_for_cooldown: bool = False) -> None:
        self._router = router
        self._wait_for_cooldown = wait_for_cooldown

    async def handle_async_request(self, request: Any) -> Any:
        """Answer a request of `httpx`, or of `httpx2`, with a response of the same.

        Raises:
            httpx.TransportError: of the request's own package: `ReadTimeout` where the time is up, `ConnectError`
                where there is no router any more.

        """
        if not trio.lowlevel.in_trio_task():
            raise RuntimeError(
                "understudy.RouterTransport is for clients that run on trio, and this one runs on something else, such"
                " as asyncio: open the router with understudy.portal.open_router there, and give the client"
                " transport=router.transport(understudy.RouterTransport)"
            )
        kind: Any = type(request)
        package = _package_of(kind)
        asked = Asked.of(request)
        try:
            self._check_retry(asked, package, request)
            if is_listing(asked.method, asked.place.endpoint):
                models = listed(asked.place.endpoint, asked.dialect, self._router.routes)
                return _response(package, request, 200, {"content-type": JSON_TYPE}, write_json(models).encode())
            call = asked.call(
                await request.aread(),
                default_timeout=self._router.default_timeout,
                wait_for_cooldown=self._wait_for_cooldown,
            )
            if call.stream:
                return await self._stream(package, request, asked, call)
            headers, body = whole(await self._router.request(call))
            return _response(package, request, 200, headers, body)
        except DeadlineExceeded as exc:
            raise package.ReadTimeout(str(exc), request=request) from exc
        except RouterClosed as exc:
            raise package.ConnectError(str(exc), request=request) from exc
        except StreamInterrupted as exc:
            raise package.ReadError(str(exc), request=request) from exc
        except (UnderstudyError, NotCarried) as exc:
            told = tell(exc, asked.dialect)
            return _response(package, request, told.status, told.headers, told.body)

    def _check_retry(self, asked: Asked, package: Any, request: Any) -> None:
        """Send nothing again: an SDK repeats what has timed out, and no header can tell it not to."""
        self._router.check_open()
        if asked.retried:
            raise package.ReadTimeout(
                "the time of this request is up, and it is not sent again although the SDK retries it: give the SDK"
                " max_retries=0, and it says at once how far the request had come",
                request=request,
            )

    async def _stream(self, package: Any, request: Any, asked: Asked, call: Call) -> Any:
        stream = None
        with trio.move_on_after(math.inf if asked.quiet is None else asked.quiet):
            stream = await self._router.open_stream(call)
        if stream is None:
            raise package.ReadTimeout(
                f"{call.model!r} sent no content within the client's read timeout ({asked.quiet:g} s)", request=request
            )
        try:
            first = await anext(stream, None)  # it is at hand, and says what is to come
        except BaseException:
            stream.close()
            raise
        headers = stream_head(stream.served_by, stream.attempts, first)
        body = _body_class(package)(package, request, asked, stream, first)
        return package.Response(200, headers=headers, stream=body, request=request)

    async def aclose(self) -> None:
        """Leave the router as it is: whoever opened it closes it."""


class RouterTransport(Transporting, httpx.AsyncBaseTransport):
    """An `httpx.AsyncBaseTransport` that answers through a router.

    ::

        http = httpx.AsyncClient(transport=understudy.RouterTransport(router))
        client = openai.AsyncOpenAI(api_key="unused", http_client=http)

    A request's `model` is the route. ``x-understudy-served-by`` and ``x-understudy-attempts`` are headers of each
    answer. With `wait_for_cooldown` requests wait for a candidate that cools, rather than fail at once.
    """

    @classmethod
    def of(cls, package: Package[T_co], router: Router, *, wait_for_cooldown: bool = False) -> T_co:
        """Return the same as a transport of another package with httpx's interface.

        ::

            http = httpx2.AsyncClient(transport=understudy.RouterTransport.of(httpx2, router))
            client = anthropic.AsyncAnthropic(api_key="unused", http_client=http)
        """
        any_package: Any = package
        made: T_co = _transport_class(any_package)(router, wait_for_cooldown=wait_for_cooldown)
        return made


@cache
def _package_of(kind: Any) -> Any:
    """Return the package that a class of requests belongs to, or the one that it is derived from."""
    packages = (sys.modules[base.__module__.partition(".")[0]] for base in kind.__mro__)
    return next(package for package in packages if hasattr(package, "AsyncByteStream"))


@cache
def _transport_class(package: Any) -> Any:
    return type("RouterTransport", (Transporting, package.AsyncBaseTransport), {"__module__": __name__})


@cache
def _body_class(package: Any) -> Any:
    return type("EventBody", (EventBody, package.AsyncByteStream), {"__module__": __name__})


def _response(package: Any, request: Any, status: int, headers: Mapping[str, str], body: bytes) -> Any:
    return package.Response(status, headers=headers, content=body, request=request)
