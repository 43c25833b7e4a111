"""How an error of the router is told to an SDK: a status and a body of which it makes its own exception.

| error | status |
|---|---|
| `RequestRejected` | the provider's own status and body where they are of the caller's dialect, else 400 |
| `AllCandidatesFailed` | what all of its attempts agree on (`AGREED`), else 503; with ``retry-after`` |
| `UnknownModel` | 404 |
| `RouterOverloaded` | 429 |
| `RouterCrashed` | 500: it may have been executed |

Each is final, and says so (``x-should-retry: false``): whoever made it has tried everybody already.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from attrs import field, frozen

from ..errors import (
    AllCandidatesFailed,
    RequestRejected,
    RouterCrashed,
    RouterOverloaded,
    UnderstudyError,
    UnknownModel,
)
from ..failures import Failure, Reason
from ..messages import AttemptRecord, Refusal
from .answering import JSON_TYPE, said_of, write_json
from .asking import NotCarried

FINAL: Final = {"x-should-retry": "false", "content-type": JSON_TYPE}

AGREED: Final[tuple[tuple[frozenset[Reason | Refusal], int], ...]] = (
    (frozenset({Refusal.UNFIT}), 400),
    (frozenset({Reason.AUTH}), 401),
    (frozenset({Reason.MODEL_NOT_FOUND}), 404),
    (
        frozenset(
            {Reason.RATE_LIMIT, Reason.QUOTA, Refusal.COOLING, Refusal.SATURATED, Refusal.BUSY, Refusal.PROBING},
        ),
        429,
    ),
    (frozenset({Reason.TIMEOUT}), 504),
)
"""Which statuses reasons have, where no attempt has another. Who could not take the request at all is not counted."""

ANTHROPIC_TYPES: Final[Mapping[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
}
OPENAI_TYPES: Final[Mapping[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "invalid_request_error",
    429: "rate_limit_error",
}
GEMINI_STATUSES: Final[Mapping[int, str]] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


@frozen
class Told:
    """An error as a response."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str]


def tell(error: UnderstudyError | NotCarried, dialect: str) -> Told:
    """Return what an SDK of this dialect is told of an error."""
    if isinstance(error, RequestRejected):
        return _rejected(error, dialect)
    code = None
    status = 400
    attempts: tuple[AttemptRecord, ...] = ()
    headers: dict[str, str] = {}
    match error:
        case AllCandidatesFailed():
            status, attempts = _agreed(error.attempts), error.attempts
            headers = _retry_after(error.retry_after)
            code = "no_candidate_could_serve"
        case UnknownModel():
            status, code = 404, "model_not_found"
        case RouterOverloaded():
            status, code = 429, "router_overloaded"
        case RouterCrashed():
            status, code = 500, "router_crashed"
    body = write_json(shaped(str(error), status, dialect, code)).encode()
    return Told(status, body, {**FINAL, **headers, **said_of(attempts)})


def shaped(message: str, status: int, dialect: str, code: str | None = None) -> dict[str, Any]:
    """Return an error in the shape that a dialect has for it."""
    if dialect == "anthropic":
        return {"type": "error", "error": {"type": ANTHROPIC_TYPES.get(status, "api_error"), "message": message}}
    if dialect == "gemini":
        return {"error": {"code": status, "message": message, "status": GEMINI_STATUSES.get(status, "INTERNAL")}}
    kind = OPENAI_TYPES.get(status, "server_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _rejected(error: RequestRejected, dialect: str) -> Told:
    """Hand on the provider's own words where the caller's SDK understands them."""
    failure = error.failure
    headers = {**FINAL, **said_of(error.attempts)}
    status = failure.status if failure.status is not None and 400 <= failure.status < 500 else 400
    if _speaks(failure, dialect):
        return Told(status, failure.body, headers)
    code = None if failure.reason is Reason.FORMAT else str(failure.reason)
    return Told(400, write_json(shaped(str(error), 400, dialect, code)).encode(), headers)


def _speaks(failure: Failure, dialect: str) -> bool:
    """Whether what the provider said is an error in the caller's dialect."""
    try:
        data = json.loads(failure.body)
    except (ValueError, RecursionError):
        return False
    return isinstance(data, dict) and _dialect_of_error(data) == dialect


def _dialect_of_error(data: Mapping[str, Any]) -> str:
    error = data.get("error")
    if data.get("type") == "error" and isinstance(error, dict):
        return "anthropic"
    if isinstance(error, dict) and isinstance(error.get("code"), int) and "status" in error:
        return "gemini"
    return "openai"


def _agreed(attempts: Iterable[AttemptRecord]) -> int:
    """Return the status that all attempts agree on."""
    reasons = {attempt.reason for attempt in attempts if attempt.reason is not None}
    reasons = reasons - {Refusal.UNFIT} or reasons
    return next((status for alike, status in AGREED if reasons and reasons <= alike), 503)


def _retry_after(seconds: float | None) -> dict[str, str]:
    """Return the header; whole seconds, and none too early."""
    return {} if seconds is None else {"retry-after": str(max(0, math.ceil(seconds)))}
