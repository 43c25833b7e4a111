"""What scripted providers put onto the wire: errors in the envelopes of three families, whole answers, and streams.

The families differ as real ones do: in their statuses, in their words, and in where they say how long to wait. Which
one a provider belongs to is told by its name; whoever is not known speaks as most gateways do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from enum import StrEnum
from typing import Any, Final

from attrs import field, frozen

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


class Family(StrEnum):
    """Whose envelope an error comes in."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GOOGLE = "google"


FAMILIES: Final[Mapping[str, Family]] = {"anthropic": Family.ANTHROPIC, "gemini": Family.GOOGLE}


@frozen
class ErrorAnswer:
    """An HTTP answer that tells of an error."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(factory=dict)


@frozen
class _Words:
    """How one family says one thing: the status, its type (or Google's status), its code, its message."""

    status: int
    type: str
    message: str
    code: str | None = None


_ERRORS: Final[Mapping[str, Mapping[Family, _Words]]] = {
    FaultKind.RATE_LIMITED: {
        Family.OPENAI: _Words(429, "requests", "Rate limit reached for requests per min.", "rate_limit_exceeded"),
        Family.ANTHROPIC: _Words(
            429, "rate_limit_error", "This request would exceed your organization's rate limit of requests per minute."
        ),
        Family.GOOGLE: _Words(
            429, "RESOURCE_EXHAUSTED", "Too many requests: the limit of requests per minute is reached."
        ),
    },
    FaultKind.OVERLOADED: {
        Family.OPENAI: _Words(503, "server_error", "The engine is currently overloaded, please try again later."),
        Family.ANTHROPIC: _Words(529, "overloaded_error", "Overloaded"),
        Family.GOOGLE: _Words(503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    },
    FaultKind.SERVER_ERROR: {
        Family.OPENAI: _Words(500, "server_error", "The server had an error while processing your request. Sorry!"),
        Family.ANTHROPIC: _Words(500, "api_error", "Internal server error"),
        Family.GOOGLE: _Words(500, "INTERNAL", "An internal error has occurred."),
    },
    FaultKind.ERROR_IN_200: {
        Family.OPENAI: _Words(200, "server_error", "Upstream provider returned an internal server error.", "502"),
        Family.ANTHROPIC: _Words(200, "api_error", "Internal server error"),
        Family.GOOGLE: _Words(200, "INTERNAL", "An internal error has occurred."),
    },
    FaultKind.REVOKED: {
        # Some gateways quote the whole key back. Nobody must ever see it.
        Family.OPENAI: _Words(401, "invalid_request_error", "Incorrect API key provided: {secret}.", "invalid_api_key"),
        Family.ANTHROPIC: _Words(401, "authentication_error", "invalid x-api-key"),
        Family.GOOGLE: _Words(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
    },
    FaultKind.OUT_OF_CREDIT: {
        Family.OPENAI: _Words(
            429,
            "insufficient_quota",
            "You exceeded your current quota, please check your plan and billing details.",
            "insufficient_quota",
        ),
        Family.ANTHROPIC: _Words(
            400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API."
        ),
        Family.GOOGLE: _Words(402, "FAILED_PRECONDITION", "Your prepayment credits are depleted: balance too low."),
    },
    FaultKind.OUT_OF_QUOTA: {
        Family.OPENAI: _Words(403, "quota", "You have exhausted your daily quota of requests.", "quota_exceeded"),
        Family.ANTHROPIC: _Words(429, "rate_limit_error", "You have reached your weekly usage limit."),
        Family.GOOGLE: _Words(
            429, "RESOURCE_EXHAUSTED", "Quota exceeded for metric: generate_requests_per_day, limit: 1500 per day."
        ),
    },
    FaultKind.WITHDRAWN: {
        Family.OPENAI: _Words(404, "invalid_request_error", "The model `{model}` does not exist.", "model_not_found"),
        Family.ANTHROPIC: _Words(404, "not_found_error", "model: {model}"),
        Family.GOOGLE: _Words(404, "NOT_FOUND", "models/{model} is not found for API version v1beta."),
    },
    Flaw.FORMAT: {
        Family.OPENAI: _Words(
            400, "invalid_request_error", "Invalid value: 'usr'. Supported values are: 'user'.", "invalid_value"
        ),
        Family.ANTHROPIC: _Words(400, "invalid_request_error", "messages.0.role: Input should be 'user'"),
        Family.GOOGLE: _Words(400, "INVALID_ARGUMENT", "Please use a valid role: user, model."),
    },
    Flaw.CONTENT_FILTER: {
        Family.OPENAI: _Words(
            400,
            "invalid_request_error",
            "The response was filtered due to the prompt triggering content management policy.",
            "content_filter",
        ),
        Family.ANTHROPIC: _Words(400, "invalid_request_error", "Output blocked by content filtering policy"),
        Family.GOOGLE: _Words(400, "INVALID_ARGUMENT", "The prompt was blocked by the content filtering policy."),
    },
    Flaw.TOO_LONG: {
        Family.OPENAI: _Words(
            400,
            "invalid_request_error",
            "This model's maximum context length is {window} tokens. However, your messages resulted in {prompt}.",
            "context_length_exceeded",
        ),
        Family.ANTHROPIC: _Words(
            400, "invalid_request_error", "prompt is too long: {prompt} tokens > {window} maximum"
        ),
        Family.GOOGLE: _Words(
            400,
            "INVALID_ARGUMENT",
            "The input token count ({prompt}) exceeds the maximum number of tokens allowed ({window}).",
        ),
    },
}


def error_answer(
    what: FaultKind | Flaw,
    family: Family,
    *,
    wait: Wait | float = Wait.MISSING,
    now: float = 0.0,
    status: int | None = None,
    **facts: object,
) -> ErrorAnswer:
    """Return how a family tells of something, at a time.

    `wait` is what it states of how long to wait: seconds, or one of the words that are no number (anything else must
    have been made a number). `status` replaces the family's own; 502 and 504 come as a page
    of HTML, 302 sends elsewhere. `facts` are put
    into the message: `secret`, `model`, `window`, `prompt`.
    """
    words = _ERRORS[what][family]
    status = words.status if status is None else status
    if status == REDIRECT:
        return ErrorAnswer(status, b"", {"location": "https://elsewhere.example/"})
    if status in (502, 504):
        return ErrorAnswer(status, HTML.format(status).encode(), {"content-type": "text/html"})
    headers, sentence, details = _stated(wait, family, now)
    message = words.message.format(**facts) + sentence
    body = json.dumps(_envelope(family, words, status, message, details)).encode()
    return ErrorAnswer(status, body, {"content-type": "application/json", **headers})


def _envelope(
    family: Family, words: _Words, status: int, message: str, details: Sequence[Mapping[str, Any]]
) -> Mapping[str, Any]:
    if family is Family.ANTHROPIC:
        return {"type": "error", "error": {"type": words.type, "message": message}}
    if family is Family.GOOGLE:
        error: dict[str, Any] = {"code": 500 if status == 200 else status, "message": message, "status": words.type}
        return {"error": {**error, "details": list(details)} if details else error}
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
        return {"date": _http_date(date), "retry-after": _http_date(until)}, "", ()
    return {"retry-after-ms": f"{wait * 1000:.0f}"}, f" Please try again in {wait:.3f}s.", ()


def _http_date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)


# Answers


@frozen
class Written:
    """What a provider has to say to one request: its pieces of text, and who says it. `number` is the request's."""

    number: int
    model: str
    stamp: str
    pieces: Sequence[str]
    prompt_tokens: int
    answer_tokens: int

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.pieces)

    @property
    def _usage(self) -> dict[str, int]:
        prompt, answer = self.prompt_tokens, self.answer_tokens
        return {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}

    def whole(self) -> bytes:
        """Return the answer as one body."""
        message = {"role": "assistant", "content": self.text}
        return json.dumps(
            {
                **self._head("chat.completion"),
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": self._usage,
            }
        ).encode()

    def role_event(self) -> bytes:
        """Return the event with which a stream begins; it has no content."""
        return self._event({"role": "assistant", "content": ""})

    def events(self) -> list[bytes]:
        """Return the event of each piece of text."""
        return [self._event({"content": piece}) for piece in self.pieces]

    def end_events(self) -> list[bytes]:
        """Return what ends a stream properly."""
        last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": self._usage}
        return [_sse({**self._head("chat.completion.chunk"), **last}), b"data: [DONE]\n\n"]

    def _event(self, delta: Mapping[str, Any]) -> bytes:
        return _sse({**self._head("chat.completion.chunk"), "choices": [{"index": 0, "delta": delta}]})

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": str(self.number), "object": kind, "model": self.model, "system_fingerprint": self.stamp}


PING: Final = b": keep-alive\n\n"
MALFORMED_EVENT: Final = b'data: {"choices": [{"index": 0, "del\n\n'


def error_event(family: Family) -> bytes:
    """Return an event that tells of an error in the middle of a stream."""
    return b"data: " + error_answer(FaultKind.OVERLOADED, family).body + b"\n\n"


def _sse(data: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"
