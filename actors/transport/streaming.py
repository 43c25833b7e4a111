"""A stream's body: what the router hands on is written as events again, or as it came, whenever the SDK reads on.

The worker of the candidate that serves owns the provider's connection and is a few chunks ahead; here is the other end.
There is no task of its own: it waits in the task of whoever reads. Closing it, from whatever place, ends the
provider's connection; where an SDK drops its stream without closing it, the garbage collector does, and at the latest
the router when it closes.
"""

from __future__ import annotations

import contextlib
import math
from typing import Any

import trio

from ..errors import DeadlineExceeded, UnderstudyError
from ..messages import Chunk
from ..reply import ReplyStream
from .answering import last_event, write_event
from .asking import Asked
from .telling import shaped


class EventBody:
    """The body of a streamed answer; mixed with the byte stream of the package that the request came from.

    `first` has been read from `stream` already.
    """

    def __init__(self, package: Any, request: Any, asked: Asked, stream: ReplyStream, first: Chunk | None) -> None:
        self._package = package
        self._request = request
        self._asked = asked
        self._stream = stream
        self._first = first
        self._error: Exception | None = None
        self._ended = False
        self._reading: trio.CancelScope | None = None
        self._token = trio.lowlevel.current_trio_token()

    def __aiter__(self) -> EventBody:
        return self

    async def __anext__(self) -> bytes:
        if self._error is not None:
            raise self._error
        if self._ended:
            raise StopAsyncIteration
        assert self._reading is None, "a stream is read by one task at a time"
        first, self._first = self._first, None
        at_hand = first or self._stream.at_hand()
        if at_hand is not None:
            return self._write(at_hand)
        quiet = math.inf if self._asked.quiet is None else self._asked.quiet
        try:
            with trio.move_on_after(quiet) as self._reading:
                chunk = await anext(self._stream, None)
                return self._end() if chunk is None else self._write(chunk)
        except UnderstudyError as exc:
            return self._break(exc)
        finally:
            self._reading = None
        if self._ended:
            raise self._package.ReadError("the stream was closed while it was read", request=self._request)
        self._leave()
        raise self._package.ReadTimeout(
            f"{self._stream.served_by} sent nothing more within the client's read timeout ({quiet:g} s)",
            request=self._request,
        )

    async def aclose(self) -> None:
        """Leave the stream, read or not; whoever reads it at the moment is told."""
        self._leave()
        if self._reading is not None:
            self._reading.cancel()

    def __del__(self) -> None:
        if not self._ended:
            # Anywhere, perhaps in another thread: the run itself has to do it, if there still is one.
            with contextlib.suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._stream.close)

    def _leave(self, reason: str = "left") -> None:
        self._ended = True
        self._stream.close(reason)

    def _end(self) -> bytes:
        self._leave()
        last = last_event(self._asked.place.endpoint)
        if not last:
            raise StopAsyncIteration
        return last

    def _break(self, exc: UnderstudyError) -> bytes:
        """End the stream with the error: as an event where that is what the SDK understands, and always as one."""
        is_late = isinstance(exc, DeadlineExceeded)
        self._leave("deadline" if is_late else "left")
        kind = self._package.ReadTimeout if is_late else self._package.ReadError
        error: Exception = kind(str(exc), request=self._request)
        if not self._asked.tells_breaks:
            raise error from exc
        self._error = error
        return self._write(Chunk("", shaped(str(exc), 504 if is_late else 503, self._asked.dialect)))

    def _write(self, chunk: Chunk) -> bytes:
        if chunk.content is not None:
            return chunk.content
        return write_event(chunk, self._asked.dialect, self._asked.place.endpoint)
