"""What went wrong, and whose fault it was: the words for failures.

A `Failure` is a value, never an exception that crosses between actors. `Reason` and `Scope` are the words of the
policy table. How a status, headers and a body become a `Failure` is told in `classify.py`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from attrs import evolve, field, frozen

STRUCK: Final = "[secret]"
"""What stands in place of a secret."""


class Reason(StrEnum):
    """Why an attempt did not succeed."""

    __hash__ = str.__hash__  # every failure is looked up by it, and Enum's own takes a call of Python's

    RATE_LIMIT = "rate_limit"
    OVERLOADED = "overloaded"
    TIMEOUT = "timeout"
    NETWORK = "network"
    SERVER_ERROR = "server_error"
    MODEL_NOT_FOUND = "model_not_found"
    AUTH = "auth"
    BILLING = "billing"
    QUOTA = "quota"
    CONTEXT_OVERFLOW = "context_overflow"
    CONTENT_FILTER = "content_filter"
    FORMAT = "format"
    UNKNOWN = "unknown"


class Scope(StrEnum):
    """What a failure is about: the model as seen through this key, the credential, or the request itself."""

    MODEL = "model"
    CREDENTIAL = "credential"
    REQUEST = "request"


NATURAL_SCOPE: dict[Reason, Scope] = {
    Reason.RATE_LIMIT: Scope.MODEL,
    Reason.OVERLOADED: Scope.MODEL,
    Reason.TIMEOUT: Scope.MODEL,
    Reason.NETWORK: Scope.MODEL,
    Reason.SERVER_ERROR: Scope.MODEL,
    Reason.MODEL_NOT_FOUND: Scope.MODEL,
    Reason.AUTH: Scope.CREDENTIAL,
    Reason.BILLING: Scope.CREDENTIAL,
    Reason.QUOTA: Scope.CREDENTIAL,
    Reason.CONTEXT_OVERFLOW: Scope.REQUEST,
    Reason.CONTENT_FILTER: Scope.REQUEST,
    Reason.FORMAT: Scope.REQUEST,
    Reason.UNKNOWN: Scope.MODEL,
}
"""The scope that a reason has unless the error itself says otherwise."""


@frozen
class Failure:
    """One attempt's failure.

    Attributes:
        reason: why.
        scope: what it is about.
        status: the HTTP status, ``None`` where there was no HTTP answer.
        retry_after: the wait in seconds that the provider stated, unbounded, or ``None``.
        message: what the provider said, shortened and without secrets.
        body: the provider's own words in full where the request itself is at fault, without secrets; else nothing.

    """

    reason: Reason
    scope: Scope
    status: int | None = None
    retry_after: float | None = None
    message: str = ""
    body: bytes = field(default=b"", repr=False)

    @classmethod
    def of(
        cls,
        reason: Reason,
        message: str = "",
        *,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> Failure:
        """Return a failure with the reason's natural scope."""
        return cls(reason, NATURAL_SCOPE[reason], status, retry_after, message)

    @property
    def retriable(self) -> bool:
        """Whether another candidate may succeed where this one did not: anything but the request's own fault."""
        return self.scope is not Scope.REQUEST

    def without(self, secret: str) -> Failure:
        """Return the failure with every occurrence of a secret struck from what the provider said."""
        if not secret or not (secret in self.message or secret.encode() in self.body):
            return self
        return evolve(
            self,
            message=self.message.replace(secret, STRUCK),
            body=self.body.replace(secret.encode(), STRUCK.encode()),
        )

    def __str__(self) -> str:
        status = "" if self.status is None else f" (HTTP {self.status})"
        return f"{self.reason}{status}: {self.message}" if self.message else f"{self.reason}{status}"
