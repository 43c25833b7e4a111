"""Reads answers by httptools; importing this raises ``ImportError`` where that is not installed. See `reader`.

httptools calls back while it is fed. It does not care how long a head may be, or a trailer, nor whether the end of the
connection is the end of a body, and reads on after an answer; so that is seen to here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import h11
import httptools
import httpx

from .reader import HEAD_BYTES_MAX, read_headers

BODILESS: Final = (204, 304)
"""Answers that have no body, whatever their heads say."""


class QuickReader:
    """Reads by httptools, to which it lends the methods whose names begin with ``on_``."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.pieces: list[bytes] = []
        self.ended = False
        self._fields: list[tuple[bytes, bytes]] = []
        self._around = 0  # bytes of the head, or since the last ones of the body
        self._flaw = ""
        self._length: int | None = None
        self._read = 0
        self._ends_with_connection = False
        self._is_kept = False
        self._parser = httptools.HttpResponseParser(self)
        # h11 takes these, too, and there are servers that write so. Nothing hides in them from a client.
        self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True)

    def begin(self, _: h11.Request, /) -> None:
        """Expect the answer to a request."""
        self.status = self._around = self._read = 0
        self.ended = self._is_kept = False

    def feed(self, data: bytes) -> None:
        """Take in bytes."""
        if self.ended:
            self._is_kept = False  # what follows an answer is no part of it
            return
        if not data:
            self._end()
            return
        self._around += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._flaw = "the server switches to another protocol, which nobody asked for"
        except httptools.HttpParserError as exc:
            self._flaw = str(exc) or type(exc).__name__
        if self._around > HEAD_BYTES_MAX:
            self._flaw = self._flaw or f"what stands {'around the body' if self.status else 'in the head'} is too long"
        if self._flaw:
            self._is_kept = False
            if not self.ended:
                raise httpx.RemoteProtocolError(self._flaw)

    def may_follow(self) -> bool:
        """Whether another request may."""
        return self.ended and self._is_kept

    def _end(self) -> None:
        if not self.status or not self._ends_with_connection:
            # In the words of h11, so that nobody can tell who has read.
            how = "incomplete chunked read"
            if self._length is not None:
                how = f"received {self._read} bytes, expected {self._length}"
            raise httpx.RemoteProtocolError(f"peer closed connection without sending complete message body ({how})")
        self.ended = True

    # What httptools calls

    def on_message_begin(self) -> None:
        """Hear that an answer begins. One that follows another was not asked for."""
        self._is_kept = False
        self._fields.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Hear of a header, or of a trailer, which is of no interest."""
        if not self.status:
            self._fields.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """Hear that a head has ended: that of an answer, or of one that announces it."""
        status = self._parser.get_status_code()
        if self.ended or (100 <= status < 200 and status != 101):
            return
        if status < 200:
            self._flaw = self._flaw or f"an answer cannot have the status {status}"
            return
        self.headers = read_headers(self._fields)
        self._see_where_it_ends(status)
        self.status = status

    def on_body(self, data: bytes) -> None:
        """Hear of a piece of the body."""
        if not self.ended:
            self.pieces.append(data)
            self._read += len(data)
            self._around = 0

    def on_message_complete(self) -> None:
        """Hear that an answer has ended."""
        if self.status and not self.ended:
            self.ended = True
            self._is_kept = self._parser.should_keep_alive()

    def _see_where_it_ends(self, status: int) -> None:
        coding, length = self.headers.get("transfer-encoding"), self.headers.get("content-length")
        if coding is not None and coding.lower() != "chunked":
            self._flaw = self._flaw or "of transfer encodings only chunked can be read"
        self._length = int(length or 0) if coding is None else None
        self._ends_with_connection = coding is None and length is None and status not in BODILESS
