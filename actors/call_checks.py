"""What of a call is wrong before anybody is asked: what cannot be written, and what must not go to a provider."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from .errors import RequestRejected
from .failures import Failure, Reason
from .messages import Call, FormPart, write_json

METHODS: Final = ("GET", "POST")

NOT_THE_CALLERS: Final = frozenset(
    {
        "accept-encoding",
        "api-key",
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "host",
        "proxy-authorization",
        "te",
        "transfer-encoding",
        "upgrade",
        "x-api-key",
        "x-goog-api-key",
    }
)
"""Headers that are the candidate's own, or the connection's: a caller's would reach every candidate alike."""

_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def rejected(message: str) -> RequestRejected:
    """Return the error of a request that is itself at fault."""
    return RequestRejected(Failure.of(Reason.FORMAT, message))


def check_call(call: Call) -> None:
    """Refuse what cannot be sent to anybody.

    Raises:
        RequestRejected: and it says what is wrong.

    """
    _check_endpoint(call.endpoint)
    if call.method not in METHODS:
        raise rejected(f"method is one of {', '.join(METHODS)}, not {call.method!r}")
    _check_json(call)
    if call.headers:
        _check_headers(call.headers)
    if call.form:
        _check_form(call.form)


def _check_headers(headers: object) -> None:
    if not isinstance(headers, Mapping):
        raise rejected(f"headers is a mapping of names to texts, not {type(headers).__name__}")
    for name, value in headers.items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise rejected(f"headers has {name!r}, which is no header's name")
        if not isinstance(value, str) or not value.isascii() or not value.isprintable():
            raise rejected(f"headers[{name!r}] is a text of printable ASCII characters")
        if name.lower() in NOT_THE_CALLERS:
            raise rejected(f"headers must not have {name!r}: it is each candidate's own, and comes from the config")


def _check_form(form: object) -> None:
    if not isinstance(form, tuple):
        raise rejected(f"form is a tuple of FormPart, not {type(form).__name__}")
    for part in form:
        if not isinstance(part, FormPart) or not isinstance(part.content, bytes):
            raise rejected("form is a tuple of FormPart, each with its content in bytes")
        if part.content_type is not None and not part.content_type.isprintable():
            raise rejected(f"the content type of the form's part {part.name!r} has characters that cannot be sent")


def _check_endpoint(endpoint: object) -> None:
    """Refuse what is no path below the API's base: put after a host's name, it could make it another's."""
    if not isinstance(endpoint, str) or not _is_path(endpoint):
        raise rejected(f'endpoint is a path such as "/chat/completions", not {endpoint!r}')


@lru_cache(256)
def _is_path(text: str) -> bool:
    return text.startswith("/") and text.isascii() and text.isprintable() and " " not in text


def _check_json(call: Call) -> None:
    """Refuse what cannot be written as JSON, before anybody is asked."""
    body: object = call.body
    if not isinstance(body, (dict, Mapping)):
        raise rejected(f"a body is a mapping, not {type(body).__name__}")
    try:
        _ = call.written
    except (TypeError, ValueError, RecursionError) as exc:
        raise rejected(f"{_culprit(body)} cannot be written as JSON ({exc})") from None


def _culprit(body: Mapping[str, Any]) -> str:
    for name, value in body.items():
        try:
            write_json({name: value})
        except (TypeError, ValueError, RecursionError):
            return repr(name)
    return "the body"
