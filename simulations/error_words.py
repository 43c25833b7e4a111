"""How four families of providers say what is wrong: statuses, types, codes and messages, as real ones have them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from attrs import frozen

from .faults import FaultKind
from .scenario import Flaw


class Family(StrEnum):
    """Whose envelope an error comes in."""

    OPENAI = "openai"
    AZURE = "azure"
    ANTHROPIC = "anthropic"
    GOOGLE = "google"


@frozen
class Words:
    """How one family says one thing: the status, its type (or Google's status), its code, its message."""

    status: int
    type: str
    message: str
    code: str | None = None


ERRORS: Final[Mapping[str, Mapping[Family, Words]]] = {
    FaultKind.RATE_LIMITED: {
        Family.OPENAI: Words(429, "requests", "Rate limit reached for requests per min.", "rate_limit_exceeded"),
        Family.AZURE: Words(
            429,
            "",
            "Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-10-21 have exceeded"
            " call rate limit of your current OpenAI S0 pricing tier.",
            "429",
        ),
        Family.ANTHROPIC: Words(
            429, "rate_limit_error", "This request would exceed your organization's rate limit of requests per minute."
        ),
        Family.GOOGLE: Words(
            429, "RESOURCE_EXHAUSTED", "Too many requests: the limit of requests per minute is reached."
        ),
    },
    FaultKind.OVERLOADED: {
        Family.OPENAI: Words(503, "server_error", "The engine is currently overloaded, please try again later."),
        Family.AZURE: Words(
            503, "", "The model is currently overloaded with other requests. Please try again.", "ServiceUnavailable"
        ),
        Family.ANTHROPIC: Words(529, "overloaded_error", "Overloaded"),
        Family.GOOGLE: Words(503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    },
    FaultKind.SERVER_ERROR: {
        Family.OPENAI: Words(500, "server_error", "The server had an error while processing your request. Sorry!"),
        Family.AZURE: Words(
            500, "", "The server had an error while processing your request. Sorry about that!", "InternalServerError"
        ),
        Family.ANTHROPIC: Words(500, "api_error", "Internal server error"),
        Family.GOOGLE: Words(500, "INTERNAL", "An internal error has occurred."),
    },
    FaultKind.ERROR_IN_200: {
        Family.OPENAI: Words(200, "server_error", "Upstream provider returned an internal server error.", "502"),
        Family.AZURE: Words(
            200, "", "The server had an error while processing your request. Sorry about that!", "InternalServerError"
        ),
        Family.ANTHROPIC: Words(200, "api_error", "Internal server error"),
        Family.GOOGLE: Words(200, "INTERNAL", "An internal error has occurred."),
    },
    FaultKind.REVOKED: {
        # Some gateways quote the whole key back. Nobody must ever see it.
        Family.OPENAI: Words(401, "invalid_request_error", "Incorrect API key provided: {secret}.", "invalid_api_key"),
        Family.AZURE: Words(
            401,
            "",
            "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for"
            " an active subscription and use a correct regional API endpoint for your resource.",
            "401",
        ),
        Family.ANTHROPIC: Words(401, "authentication_error", "invalid x-api-key"),
        Family.GOOGLE: Words(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
    },
    FaultKind.OUT_OF_CREDIT: {
        Family.OPENAI: Words(
            429,
            "insufficient_quota",
            "You exceeded your current quota, please check your plan and billing details.",
            "insufficient_quota",
        ),
        Family.AZURE: Words(
            429,
            "",
            "You exceeded your current quota, please check your plan and billing details.",
            "insufficient_quota",
        ),
        Family.ANTHROPIC: Words(
            400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API."
        ),
        Family.GOOGLE: Words(402, "FAILED_PRECONDITION", "Your prepayment credits are depleted: balance too low."),
    },
    FaultKind.OUT_OF_QUOTA: {
        Family.OPENAI: Words(403, "quota", "You have exhausted your daily quota of requests.", "quota_exceeded"),
        Family.AZURE: Words(
            403, "", "Out of call volume quota of this month. Quota will be replenished in 2.00:00:00.", "403"
        ),
        Family.ANTHROPIC: Words(429, "rate_limit_error", "You have reached your weekly usage limit."),
        Family.GOOGLE: Words(
            429, "RESOURCE_EXHAUSTED", "Quota exceeded for metric: generate_requests_per_day, limit: 1500 per day."
        ),
    },
    FaultKind.WITHDRAWN: {
        Family.OPENAI: Words(404, "invalid_request_error", "The model `{model}` does not exist.", "model_not_found"),
        Family.AZURE: Words(
            404,
            "",
            "The API deployment for this resource does not exist. If you created the deployment within the last 5"
            " minutes, please wait a moment and try again.",
            "DeploymentNotFound",
        ),
        Family.ANTHROPIC: Words(404, "not_found_error", "model: {model}"),
        Family.GOOGLE: Words(404, "NOT_FOUND", "models/{model} is not found for API version v1beta."),
    },
    Flaw.FORMAT: {
        Family.OPENAI: Words(
            400, "invalid_request_error", "Invalid value: 'usr'. Supported values are: 'user'.", "invalid_value"
        ),
        Family.AZURE: Words(400, "", "Invalid value: 'usr'. Supported values are: 'user'.", "invalid_value"),
        Family.ANTHROPIC: Words(400, "invalid_request_error", "messages.0.role: Input should be 'user'"),
        Family.GOOGLE: Words(400, "INVALID_ARGUMENT", "Please use a valid role: user, model."),
    },
    Flaw.CONTENT_FILTER: {
        Family.OPENAI: Words(
            400,
            "invalid_request_error",
            "The response was filtered due to the prompt triggering content management policy.",
            "content_filter",
        ),
        Family.AZURE: Words(
            400,
            "",
            "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
            "content_filter",
        ),
        Family.ANTHROPIC: Words(400, "invalid_request_error", "Output blocked by content filtering policy"),
        Family.GOOGLE: Words(400, "INVALID_ARGUMENT", "The prompt was blocked by the content filtering policy."),
    },
    Flaw.TOO_LONG: {
        Family.OPENAI: Words(
            400,
            "invalid_request_error",
            "This model's maximum context length is {window} tokens. However, your messages resulted in {prompt}.",
            "context_length_exceeded",
        ),
        Family.AZURE: Words(
            400,
            "",
            "This model's maximum context length is {window} tokens. However, your messages resulted in {prompt}.",
            "context_length_exceeded",
        ),
        Family.ANTHROPIC: Words(400, "invalid_request_error", "prompt is too long: {prompt} tokens > {window} maximum"),
        Family.GOOGLE: Words(
            400,
            "INVALID_ARGUMENT",
            "The input token count ({prompt}) exceeds the maximum number of tokens allowed ({window}).",
        ),
    },
}
"""What each family says of each fault of a provider, and of each flaw of a request."""
