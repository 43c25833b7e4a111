"""The kinds of fault that a scripted provider can have, with payloads as real providers send them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

from attrs import field, frozen


class FaultKind(StrEnum):
    """What goes wrong."""

    RATE_LIMITED = "rate_limited"
    REVOKED = "revoked"
    UNREACHABLE = "unreachable"


@frozen
class Fault:
    """Something that is wrong with a provider, or with one credential of it, from `start` until `end` (seconds).

    `host` and `credential` are patterns (``*`` matches all).
    """

    kind: FaultKind
    start: float
    end: float
    host: str = "*"
    credential: str = "*"
    retry_after: float | None = None

    def touches(self, now: float, host: str, credential: str) -> bool:
        """Whether a request of this credential to this host meets the fault at `now`."""
        return (
            self.start <= now < self.end and fnmatchcase(host, self.host) and fnmatchcase(credential, self.credential)
        )


@frozen
class ErrorAnswer:
    """An HTTP answer that tells of an error."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(factory=dict)


def error_body(message: str, kind: str, code: str | None) -> bytes:
    """Return an error in the usual envelope."""
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}}).encode()


BAD_KEY: Final = ErrorAnswer(401, error_body("Incorrect API key provided.", "invalid_request_error", "invalid_api_key"))
NO_SUCH_MODEL: Final = ErrorAnswer(
    404, error_body("The model does not exist.", "invalid_request_error", "model_not_found")
)


def rate_limited(retry_after: float | None) -> ErrorAnswer:
    """Return a 429, with or without a stated wait in seconds."""
    headers = {} if retry_after is None else {"retry-after": f"{retry_after:g}"}
    return ErrorAnswer(429, error_body("Rate limit reached.", "requests", "rate_limit_exceeded"), headers)
