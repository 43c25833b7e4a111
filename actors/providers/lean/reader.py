"""What reads the answers that come over one connection: httptools where it is installed (the extra ``fast``), else h11.

With httptools, the parser of Node, a request over HTTP takes a quarter less CPU time than with h11, and a stream two
fifths (``benchmarks/run.py --only wire``, Understudy with and without extras). From every answer that keeps to RFC 9112
both read the same. One that does not may be refused by either; it is never read as two different ones. (An empty line
after an answer, which nobody should send, httptools passes over, and h11 takes for a reason to close.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import h11
import httpx

HEAD_BYTES_MAX: Final = 100 * 1024
"""The longest head of an answer that is read, in bytes; as much as httpx reads."""

END: Final = h11.EndOfMessage()


class Reader(Protocol):
    """Reads the answers to one request after another, as their bytes come.

    Attributes:
        status: the answer's status; 0 until its head has come. Those that only announce one are passed over.
        headers: those of the answer, names in lower case.
        pieces: what has come of its body, for whoever takes it out.
        ended: whether it has come to its end.

    """

    status: int
    headers: Mapping[str, str]
    pieces: list[bytes]
    ended: bool

    def begin(self, told: h11.Request, /) -> None:
        """Expect the answer to a request, the first one or one that may follow."""
        ...

    def feed(self, data: bytes) -> None:
        """Take in bytes; ``b""`` when there will be no more.

        Raises:
            httpx.RemoteProtocolError: this is no answer. What had come before is read all the same.

        """
        ...

    def may_follow(self) -> bool:
        """Whether another request may: the answer has ended, the server keeps the connection, nothing is left over."""
        ...


def read_headers(raw: Sequence[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """Read headers as httpx does: names in lower case, what comes twice joined by a comma."""
    headers: dict[str, str] = {}
    try:
        for raw_name, raw_value in raw:
            name, value = raw_name.decode("ascii").lower(), raw_value.decode("ascii")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    except UnicodeDecodeError:  # what it is then is told by all headers together
        return dict(httpx.Headers(list(raw)).items())
    return headers


class H11Reader:
    """Reads by h11."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.pieces: list[bytes] = []
        self.ended = False
        self._parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES_MAX)

    def begin(self, told: h11.Request, /) -> None:
        """Expect the answer to a request; `told` is what h11 has to know of it."""
        if self._parser.our_state is h11.DONE:
            self._parser.start_next_cycle()
        self._parser.send(told)
        self._parser.send(END)
        self.status, self.ended = 0, False

    def feed(self, data: bytes) -> None:
        """Take in bytes."""
        self._parser.receive_data(data)
        try:
            while not self.ended:
                event = self._parser.next_event()
                if isinstance(event, h11.Data):
                    self.pieces.append(event.data)
                elif isinstance(event, h11.Response):
                    self.status, self.headers = event.status_code, read_headers(event.headers.raw_items())
                elif isinstance(event, h11.EndOfMessage):
                    self.ended = True
                elif event is h11.NEED_DATA:
                    return
        except h11.RemoteProtocolError as exc:
            raise httpx.RemoteProtocolError(str(exc)) from exc

    def may_follow(self) -> bool:
        """Whether another request may."""
        parser = self._parser
        return parser.our_state is h11.DONE and parser.their_state is h11.DONE and parser.trailing_data == (b"", False)


def best_reader() -> Callable[[], Reader]:
    """Return what makes the quickest reader that there is."""
    try:
        from .quick_reader import QuickReader
    except ImportError:
        return H11Reader
    return QuickReader


new_reader: Final = best_reader()
"""Makes what reads the answers of one connection."""
