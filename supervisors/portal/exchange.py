"""One HTTP exchange through the portal, on the trio side: the request is sent here, its response told piece by piece.

The words at the hatch are, in order: `Piece.WANTED` each time the transport wants more of the request's body, then a
`Head`, then the response's body as bytes. Nothing of one loop is used in the other: the request is made anew, and what
belongs to a connection stays on this side. Requests of `httpx` and of its fork `httpx2` are told apart by their class,
so that neither is imported for the other's sake.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from enum import Enum
from functools import cache
from types import ModuleType
from typing import Any, Final

import trio
from attrs import define, field, frozen

from .errand import Errand
from .thread import LINGER_MAX_S

BELONGS_TO_A_LOOP: Final = frozenset({"network_stream", "trace"})
"""Extensions that only the loop can use in which they were made."""


class Piece(Enum):
    """What is said where the caller has to act."""

    WANTED = "wanted"


@frozen
class Head:
    """A response before its body."""

    status: int
    headers: Any
    extensions: Mapping[str, Any]


@define(eq=False)
class Exchange:
    """Sends `request` through the transport that `find` returns, in the words of the package it comes from."""

    request: Any
    find: Callable[[Any], Any]
    httpx: ModuleType = field(init=False)
    is_whole: bool = field(init=False)
    """Whether the request's body is at hand, and belongs to no loop."""

    _given: trio.Event | None = field(default=None, init=False)
    _piece: bytes | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.httpx = sys.modules[type(self.request).__module__.partition(".")[0]]
        self.is_whole = isinstance(self.request.stream, self.httpx.ByteStream)

    async def __call__(self, errand: Errand, resident: Any) -> None:
        """Perform the exchange."""
        transport = self.find(resident)
        response = await transport.handle_async_request(self._translated(errand))
        pieces = aiter(response.stream)
        try:
            await errand.say(Head(response.status_code, response.headers.raw, _movable(response.extensions)))
            async for piece in pieces:
                await trio.lowlevel.checkpoint()  # a body that is at hand would hold everybody else up
                await errand.say(piece)
        finally:
            with trio.move_on_after(LINGER_MAX_S, shield=True):
                if hasattr(pieces, "aclose"):
                    await pieces.aclose()
                await response.aclose()

    def give(self, piece: bytes | None) -> None:
        """Hand over the next piece of the request's body; ``None``: that was all. In trio's thread."""
        self._piece = piece
        if self._given is not None:
            self._given.set()

    def _translated(self, errand: Errand) -> Any:
        request = self.request
        translated = self.httpx.Request(
            request.method,
            request.url,
            headers=request.headers.raw,
            stream=request.stream if self.is_whole else _upload(self.httpx)(lambda: self._pieces(errand)),
            extensions=_movable(request.extensions),
        )
        if self.is_whole:
            translated.read()  # as the client has done: its content is at hand without waiting
        return translated

    async def _pieces(self, errand: Errand) -> AsyncIterator[bytes]:
        while True:
            self._given = trio.Event()
            errand.hatch.say(Piece.WANTED)
            await self._given.wait()
            if self._piece is None:
                return
            yield self._piece


def _movable(extensions: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in extensions.items() if name not in BELONGS_TO_A_LOOP}


@cache
def _upload(httpx: ModuleType) -> Any:
    class Upload(httpx.AsyncByteStream):  # type: ignore[misc, name-defined]
        """A request's body that comes through the portal."""

        def __init__(self, pieces: Callable[[], AsyncIterator[bytes]]) -> None:
            self._pieces = pieces

        async def __aiter__(self) -> AsyncIterator[bytes]:
            async with aclosing(self._pieces()) as pieces:  # type: ignore[type-var]
                async for piece in pieces:
                    yield piece

    return Upload
