"""The head of a request as bytes. Requests to one candidate have nearly always the same, but for the body's length.

httpx still says which headers there are, and in what order, so that a provider sees the same request as through httpx;
h11 checks them and writes them down.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import h11
import httpx
from attrs import field, frozen

from ..body import ACCEPTED

USUAL: Final = {
    "Accept": "*/*",
    "Connection": "keep-alive",
    "User-Agent": f"python-httpx/{httpx.__version__}",
}
"""What a client of httpx's sends besides what it is told to."""

WITH_LENGTH: Final = ("POST", "PUT", "PATCH")
"""Methods whose requests tell their length even if it is nothing."""


@frozen
class Head:
    """The head of a request, but for the length of its body.

    `told` is what h11 has to know of the request in order to read the answer: its method. Were it told all, it would
    write the same head again for each request, which costs more than all the rest of sending does.
    """

    told: h11.Request
    written: bytes = field(repr=False)
    always_with_length: bool

    def before(self, length: int) -> bytes:
        """Return what goes out before a body of so many bytes."""
        if length or self.always_with_length:
            return b"%bContent-Length: %d\r\n\r\n" % (self.written, length)
        return self.written + b"\r\n"


def write_head(method: str, url: str, headers: Mapping[str, str]) -> Head:
    """Write the head of such a request; `headers` say nothing of its length.

    Raises:
        httpx.InvalidURL: that is not a URL.
        httpx.LocalProtocolError: no request may look like this.

    """
    all_headers = httpx.Headers(USUAL)
    all_headers.update({"accept-encoding": ACCEPTED, **headers})
    request = httpx.Request(method, url, headers=all_headers)
    raw = [(name, value) for name, value in request.headers.raw if name.lower() != b"content-length"]
    try:
        event = h11.Request(method=method, target=request.url.raw_path, headers=raw)
        written = h11.Connection(h11.CLIENT).send(event)
        told = h11.Request(method=method, target="/", headers=[("host", "here")])
    except h11.LocalProtocolError as exc:
        raise httpx.LocalProtocolError(str(exc)) from exc
    return Head(told, written.removesuffix(b"\r\n"), method in WITH_LENGTH)
