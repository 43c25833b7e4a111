"""Server-sent events, read piece by piece: bytes in, events out.

Providers stream their replies as `text/event-stream`. `SSEParser` reads that format as the WHATWG's HTML
standard (section 9.2.6, "Interpreting an event stream") defines it, in whatever pieces the network
delivers, and in time linear in their length. It is pure: it knows no sockets, no JSON and no provider; what
`[DONE]` means is for the dialects to say.

It differs from the standard in one point. There, an event that the end of the stream cuts off before its
blank line is thrown away. Real providers forget the last blank line, or even the end of the last line, so
that `SSEParser.close` hands out such an event if it has data. It may thus be only half of what was meant:
where the end of the body does not prove that the body is whole, the dialect has to notice that the data
makes no sense.

This is not for `EventSource` clients: nothing here reconnects, and `retry` is only noted.
"""

from __future__ import annotations

from typing import Final

from ..values import value

MAX_EVENT_BYTES: Final = 4 * 1024 * 1024
"""How long a line, or the data of one event, may be unless the parser is told otherwise."""

MAX_RETRY_DIGITS: Final = 15
"""A `retry` of more digits than this is ignored: nobody waits so long, and `int` refuses very long texts."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class SSETooLong(ValueError):
    """A line or an event of the stream is longer than the parser was told to accept."""

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(
            f"The event stream holds {what} of more than {limit} bytes. Either it is no event stream, or "
            "its events are larger than was expected: then allow more with max_event_bytes."
        )
        self.limit = limit


@value
class SSEEvent:
    """One event.

    Attributes:
        event: its type, `"message"` where the stream names none.
        data: its data lines, joined by line feeds.
        id: the last event id that the stream stated, in this event or an earlier one; `""` if none.

    """

    event: str
    data: str
    id: str = ""


class SSEParser:
    r"""An incremental parser of one event stream.

    A line, and the data of one event, may each be up to `max_event_bytes` long; past that, `SSETooLong`.
    Events that were complete before are handed out first: the call that finds the fault raises it only if it
    has no events to return, else the next call does. From then on every call raises.

    Attributes:
        comments: how many comment lines have been read. Providers send them to show that they are alive.
        last_event_id: the last `id` that was read.
        retry_ms: the last `retry` that was read, `None` if none was.

    >>> parser = SSEParser()
    >>> parser.feed(b": still working\n\ndata: Hel")
    []
    >>> parser.comments
    1
    >>> parser.feed(b"lo\r\n\r\ndata: [DONE]")
    [SSEEvent(event='message', data='Hello', id='')]
    >>> parser.close()
    [SSEEvent(event='message', data='[DONE]', id='')]

    """

    def __init__(self, *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        assert max_event_bytes > 0, "an event stream needs room for at least one byte"
        self.comments = 0
        self.last_event_id = ""
        self.retry_ms: int | None = None
        self._limit = max_event_bytes
        self._line = bytearray()  # the beginning of a line whose end has not come yet
        self._data: list[bytes] = []  # the data lines of the current event
        self._size = 0  # of these, each with a line feed
        self._event = b""
        self._at_start = True
        self._after_cr = False
        self._closed = False
        self._fault: SSETooLong | None = None

    def feed(self, data: bytes) -> list[SSEEvent]:
        """Read the next piece of the stream and return the events that it completes."""
        assert not self._closed, "the end of this stream has been announced: nothing can follow it"
        self._raise_fault()
        return self._collect(self._split(data)) if data else []

    def close(self) -> list[SSEEvent]:
        """Announce the end of the stream and return its last event, if it was still waiting for its end."""
        self._raise_fault()
        if self._closed:
            return []
        self._closed = True
        # A line that is still open becomes a line, and a blank one ends the event; one too many does nothing.
        return self._collect([self._take_line(b""), b""])

    def _split(self, data: bytes) -> list[bytes]:
        """Return the lines that `data` completes; keep what begins the next one."""
        if self._after_cr and data.startswith(b"\n"):
            # The carriage return has ended its line already; waiting to see what follows it would hold back
            # an event that is complete.
            data = data[1:]
        self._after_cr = data.endswith(b"\r")
        lines = data.splitlines()  # of bytes, which has no line ends but those three
        rest = lines.pop() if lines and not data.endswith((b"\n", b"\r")) else b""
        if lines and self._line:
            lines[0] = self._take_line(lines[0])
        if rest:
            self._line += rest
        return lines

    def _take_line(self, end: bytes) -> bytes:
        self._line += end
        line = bytes(self._line)
        self._line.clear()
        return line

    def _collect(self, lines: list[bytes]) -> list[SSEEvent]:
        events: list[SSEEvent] = []
        try:
            if self._at_start and lines:
                self._check("a line", len(lines[0]))
                lines[0] = lines[0].removeprefix(_BYTE_ORDER_MARK)
                self._at_start = False
            for line in lines:
                if line:
                    self._read_line(line)
                elif self._data:
                    events.append(self._dispatch())
                else:
                    self._event = b""  # an event without a single data line is none
            self._check("a line", len(self._line))
        except SSETooLong as fault:
            self._fault = fault
            self._line.clear()
            self._data.clear()
            if not events:
                raise
        return events

    def _read_line(self, line: bytes) -> None:
        self._check("a line", len(line))
        name, _, value = line.partition(b":")
        if name:
            self._read_field(name, value.removeprefix(b" "))
        else:
            self.comments += 1

    def _read_field(self, name: bytes, value: bytes) -> None:
        match name:
            case b"data":
                self._data.append(value)
                self._size += len(value) + 1
                self._check("an event", self._size - 1)
            case b"event":
                self._event = value
            case b"id" if b"\0" not in value:
                self.last_event_id = _decode(value)
            case b"retry" if value.isdigit() and len(value) <= MAX_RETRY_DIGITS:
                self.retry_ms = int(value)
            case _:
                pass  # the standard has unknown fields ignored

    def _dispatch(self) -> SSEEvent:
        """End the current event."""
        kind = _decode(self._event) if self._event else "message"
        event = SSEEvent(kind, _decode(b"\n".join(self._data)), self.last_event_id)
        self._data.clear()
        self._size, self._event = 0, b""
        return event

    def _check(self, what: str, size: int) -> None:
        if size > self._limit:
            raise SSETooLong(what, self._limit)

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise self._fault


def _decode(data: bytes) -> str:
    """Decode whole lines. No character spans a line's end: this is as good as decoding the whole stream."""
    return data.decode("utf-8", errors="replace")
