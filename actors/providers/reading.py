"""What all dialects need to read what came back: JSON that may be none, counts that may be none, errors in a 200."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from ..classify import classify
from ..failures import Failure, Reason
from .dialect import any_json
from .json_reader import load_json


def read_json(body: bytes | str) -> Any:
    """Return what the body says, or ``None`` for whatever is not JSON, too deep or too odd."""
    try:
        return load_json(body)
    except (ValueError, RecursionError):
        return None


def malformed(headers: Mapping[str, str], body: bytes, what: str) -> Failure:
    """Tell an error inside a 200 from an answer that is simply not one; the latter is the server's error."""
    failure = classify(200, headers, body)
    if failure.reason is not Reason.UNKNOWN:
        return failure
    said = f"{what}: {failure.message}" if failure.message else what
    return Failure.of(Reason.SERVER_ERROR, said, status=200, retry_after=failure.retry_after)


def count(value: object) -> float | None:
    """Return a number of tokens, ``None`` for what is none."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1e12:
        return float(value)
    return None


def used_tokens(data: Mapping[str, Any]) -> float | None:
    """Return the tokens that the provider counted: its total, else the sum of the two that make it."""
    usage = any_json(data.get("usage"))
    if not isinstance(usage, dict):
        return None
    total = count(usage.get("total_tokens"))
    if total is not None:
        return total
    for names in (("prompt_tokens", "completion_tokens"), ("input_tokens", "output_tokens")):
        asked, answered = (count(usage.get(name)) for name in names)
        if asked is not None and answered is not None:
            return asked + answered
    return None


def is_error(data: Mapping[str, Any]) -> bool:
    """Whether this says that it is an error, in one of the ways in which servers say so."""
    return bool(data.get("error")) or "error" in (data.get("object"), data.get("type"))


def content_type(headers: Mapping[str, str]) -> str:
    """Return what an answer says it is, in lower case and without parameters.

    >>> content_type({"content-type": "Text/HTML; charset=utf-8"})
    'text/html'
    """
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def is_opaque(kind: str) -> bool:
    """Whether a content type is that of an answer to hand on as it is: neither JSON nor a gateway's page.

    >>> is_opaque("audio/mpeg"), is_opaque("application/json"), is_opaque("text/html")
    (True, False, False)
    """
    return kind != "" and "json" not in kind and kind != "text/html"


def created(headers: Mapping[str, str]) -> int:
    """Return when an answer was made, in seconds since the epoch, by its own date; 0 where it has none.

    >>> created({"date": "Thu, 01 Jan 1970 00:01:00 GMT"})
    60
    """
    try:
        return int(parsedate_to_datetime(headers.get("date", "")[:64]).timestamp())
    except (ValueError, TypeError, OverflowError, IndexError):
        return 0
