"""The body of an HTTP answer: read piece by piece, decoded, never longer than a limit, and never left half read.

httpx nests async generators, and closes none of them when a loop over the outermost is left early; trio then complains
about each. A read that is cancelled, however, unwinds them all, and that is how `Body` leaves. Decoding is done here
for the same reason (an error of httpx's decoders leaves its generators behind), and so that what a few bytes unpack to
is bounded, too.
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Final

import httpx
import trio

ACCEPTED: Final = "gzip"
"""What is put into ``accept-encoding``. Not ``deflate``: servers do not agree on what that is."""

PIECE_BYTES: Final = 1024 * 1024
"""The most that one piece unpacks to at once."""

CLOSE_TIME: Final = 1.0
"""Seconds that closing may take before the connection is dropped."""

LAST_READS: Final = 16_384
"""How many pieces are read in order to leave a body that has them at hand: as many as httpcore can have taken from the
network at once, 64 KiB in chunks of a single byte."""


class BadBody(Exception):
    """The body cannot be decoded, or is too long; the message says which."""


class AnyBody(ABC):
    """A body that comes in pieces, as an async context manager that leaves nothing open, wherever it comes from."""

    @abstractmethod
    async def piece(self) -> bytes | None:
        """Return the next piece, or ``None`` at the end."""

    @property
    def is_here(self) -> bool:
        """Whether all of it is known to have come, so that to read it is not to wait."""
        return False

    async def read(self, most: int) -> bytes:
        """Return the whole; `BadBody` if it is longer than `most` bytes."""
        pieces: list[bytes] = []
        total = 0
        while (piece := await self.piece()) is not None:
            total += len(piece)
            if total > most:
                raise BadBody(f"the body is longer than {most} bytes")
            pieces.append(piece)
        return b"".join(pieces)

    async def read_into(self, body: bytearray, most: int) -> None:
        """Read as much as there is, can be read, and is asked for; what has come stands in `body` at any time."""
        try:
            while len(body) < most and (piece := await self.piece()) is not None:
                body += piece[: most - len(body)]
        except (httpx.HTTPError, BadBody):
            pass  # what came before the end still tells more than how it ended

    async def __aenter__(self) -> AnyBody:
        return self

    @abstractmethod
    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Leave the body, read or not."""


class UnpackedBody(AnyBody):
    """A body that is unpacked as it comes."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._begun = False
        self._unpack: zlib._Decompress | None = None
        self._pending = b""

    @abstractmethod
    async def _packed_piece(self) -> bytes | None:
        """Return the next piece as it comes from the provider, or ``None`` at the end."""

    async def piece(self) -> bytes | None:
        """Return the next piece, or ``None`` at the end."""
        if not self._begun:
            self._unpack = _unpacker(self._encoding)
            self._begun = True
        while True:
            if self._unpack is not None and self._pending:
                piece = self._decode(self._pending)
            else:
                raw = await self._packed_piece()
                if raw is None:
                    self._check_whole()
                    return None
                piece = raw if self._unpack is None else self._decode(raw)
            if piece:
                return piece

    def _decode(self, data: bytes) -> bytes:
        assert self._unpack is not None
        if self._unpack.eof:
            return b""  # what follows the packed body is not part of it, and zlib would keep it all
        try:
            piece = self._unpack.decompress(data, PIECE_BYTES)
        except zlib.error as exc:
            raise BadBody(f"the body cannot be unpacked ({exc})") from None
        self._pending = self._unpack.unconsumed_tail
        return piece

    def _check_whole(self) -> None:
        if self._unpack is not None and not self._unpack.eof:
            raise BadBody("the packed body ends too early")


class Body(UnpackedBody):
    """The body of an answer of httpx's, as an async context manager that leaves nothing open."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(response.headers.get("content-encoding", ""))
        self._response = response
        self._raw: AsyncIterator[bytes] | None = None

    async def piece(self) -> bytes | None:
        """Return the next piece, or ``None`` at the end."""
        if self._raw is None and self._response.is_stream_consumed:
            return self._held_already()
        return await super().piece()

    async def _packed_piece(self) -> bytes | None:
        if self._raw is None:
            self._raw = self._response.aiter_raw()
        return await anext(self._raw, None)

    def _held_already(self) -> bytes | None:
        """Return the content of an answer that a transport has read, and decoded, by itself."""
        content, self._raw, self._encoding = self._response.content, _nothing(), ""
        return content or None

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self._response.is_closed:
            return  # it was read to its end, and closes itself there
        try:
            await self._abandon()
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_TIME):
                await self._response.aclose()

    async def _abandon(self) -> None:
        if self._raw is None:
            return
        with trio.CancelScope() as scope:
            scope.cancel()
            try:
                for _ in range(LAST_READS):
                    if await anext(self._raw, None) is None:
                        break
            except httpx.HTTPError:
                pass


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""  # which makes this a generator


def _unpacker(encoding: str) -> zlib._Decompress | None:
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return None
    if encoding in ("gzip", "x-gzip", "deflate"):
        return zlib.decompressobj(wbits=47)  # 47: gzip or zlib, told by the first bytes
    raise BadBody(f"the body is packed as {encoding[:40]!r}, although only {ACCEPTED} was asked for")
