"""What scripted providers put onto the wire where something is wrong: errors in the envelopes of four families.

The families differ as real ones do: in their statuses, in their words (`error_words`), and in where they say how long
to wait. A provider that is spoken to in a dialect of its own belongs to that family. Where OpenAI's dialect is spoken,
the provider's name tells; whoever is not known speaks as most gateways do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from math import ceil
from typing import Any, Final

from attrs import field, frozen

from .error_words import ERRORS, Family, Words
from .faults import FaultKind, Wait
from .scenario import Flaw

EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""The date of virtual time 0, for those who state dates."""

HUGE_WAIT: Final = 18 * 86_400.0
"""Seconds: what a provider once stated, and was believed."""

SHORT_WAIT: Final = 1.0
"""Seconds: what a provider states that is not yet back by then."""

REDIRECT: Final = 302

HTML: Final = "<html><head><title>{0} Bad Gateway</title></head><body><h1>{0} Bad Gateway</h1>nginx</body></html>"

FAMILIES: Final[Mapping[str, Family]] = {"anthropic": Family.ANTHROPIC, "gemini": Family.GOOGLE}


@frozen
class ErrorAnswer:
    """An HTTP answer that tells of an error."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(factory=dict)


def error_answer(
    what: FaultKind | Flaw,
    family: Family,
    *,
    wait: Wait | float = Wait.MISSING,
    now: float = 0.0,
    status: int | None = None,
    message: str | None = None,
    **facts: object,
) -> ErrorAnswer:
    """Return how a family tells of something, at a time.

    `wait` is what it states of how long to wait: seconds, or one of the words that are no number (anything else must
    have been made a number). `status` replaces the family's own; 502 and 504 come as a page of HTML, 302 sends
    elsewhere. `message` replaces the family's own, too; `facts` are put into it: `secret`, `model`, `window`, `prompt`.
    """
    words = ERRORS[what][family]
    status = words.status if status is None else status
    if status == REDIRECT:
        return ErrorAnswer(status, b"", {"location": "https://elsewhere.example/"})
    if status in (502, 504):
        return ErrorAnswer(status, HTML.format(status).encode(), {"content-type": "text/html"})
    headers, sentence, details = _stated(wait, family, now)
    said = words.message.format(**facts) if message is None else message
    body = json.dumps(_envelope(family, words, status, said + sentence, details)).encode()
    return ErrorAnswer(status, body, {"content-type": "application/json", **headers})


def _envelope(
    family: Family, words: Words, status: int, message: str, details: Sequence[Mapping[str, Any]]
) -> Mapping[str, Any]:
    if family is Family.ANTHROPIC:
        return {"type": "error", "error": {"type": words.type, "message": message}}
    if family is Family.GOOGLE:
        error: dict[str, Any] = {"code": 500 if status == 200 else status, "message": message, "status": words.type}
        return {"error": {**error, "details": list(details)} if details else error}
    if family is Family.AZURE:
        return {"error": {"code": words.code, "message": message}}
    return {"error": {"message": message, "type": words.type, "param": None, "code": words.code}}


def _stated(
    wait: Wait | float, family: Family, now: float
) -> tuple[Mapping[str, str], str, Sequence[Mapping[str, Any]]]:
    """Return headers, a sentence and details that state a wait, as this family would."""
    if wait is Wait.MALFORMED:
        return {"retry-after": "soon"}, " Try again soon.", ()
    if isinstance(wait, Wait):
        return {}, "", ()
    if family is Family.GOOGLE:
        info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{wait:.3f}s"}
        return {}, "", (info,)
    if family is Family.ANTHROPIC:
        # A date, whole seconds as all dates in headers: rounded up, so that nobody is back too early.
        until = EPOCH + timedelta(seconds=int(now) + int(wait) + 2)
        date = EPOCH + timedelta(seconds=int(now))
        return {"date": http_date(date), "retry-after": http_date(until)}, "", ()
    if family is Family.AZURE:
        milliseconds = f"{wait * 1000:.0f}"
        return (
            {"retry-after-ms": milliseconds, "retry-after": str(ceil(wait))},
            f" Please retry after {ceil(wait)} seconds.",
            (),
        )
    return {"retry-after-ms": f"{wait * 1000:.0f}"}, f" Please try again in {wait:.3f}s.", ()


def http_date(moment: datetime) -> str:
    """Write a date as headers have it, in whole seconds."""
    return format_datetime(moment, usegmt=True)
