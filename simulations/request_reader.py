"""Reads requests from the bytes of a connection, as a server does. It shares nothing with what writes them.

h11 reads and checks every head; requests to one candidate have nearly always the same, and one that has been read is
remembered.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import h11
from attrs import frozen

HEAD_ENDS: Final = b"\r\n\r\n"

HEADS_KEPT: Final = 512
"""How many heads are remembered; those of one candidate differ in the length of the body."""


@frozen
class Request:
    """A request as it came. Names of `headers` are in lower case."""

    target: str
    headers: Mapping[str, str]
    content: bytes


@frozen
class _Head:
    target: str
    headers: Mapping[str, str]
    length: int


class RequestReader:
    """Reads the requests of one connection, one after another."""

    def __init__(self) -> None:
        self._data = b""

    def feed(self, data: bytes) -> Request | None:
        """Take in bytes; return the next request if that is whole now.

        Raises:
            h11.RemoteProtocolError: this is no request.

        """
        self._data += data
        head_bytes, ends, rest = self._data.partition(HEAD_ENDS)
        if not ends:
            return None
        head = _read_head(head_bytes)
        if len(rest) < head.length:
            return None
        self._data = rest[head.length :]
        return Request(head.target, head.headers, rest[: head.length])


@lru_cache(HEADS_KEPT)
def _read_head(head: bytes) -> _Head:
    parser = h11.Connection(h11.SERVER)
    parser.receive_data(head + HEAD_ENDS)
    event = parser.next_event()
    if not isinstance(event, h11.Request):
        raise h11.RemoteProtocolError("it is not whole")
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
    if "transfer-encoding" in headers:
        raise h11.RemoteProtocolError("its length is not told")
    return _Head(event.target.decode("latin-1"), headers, int(headers.get("content-length", "0")))
