"""What the tests of all SDKs share."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable
from typing import Any, Final, TypeVar

import httpx
import httpx2
import openai
import pytest

from tests.wire.cast import MESSAGES
from understudy import Router, RouterTransport

SERVED_BY: Final = "x-understudy-served-by"
ATTEMPTS: Final = "x-understudy-attempts"
HELLO: Final[Any] = MESSAGES

SDKS_OWN: Final = pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
"""The SDKs stop reading at ``[DONE]``, or where their caller does, and leave their own generators and httpx's to the
garbage collector, whatever transport they are given; trio says so each time."""

EXHAUSTED: Final = {"error": {"message": "Slow down.", "type": "requests", "code": "rate_limit_exceeded"}}
FAULT: Final = {
    "error": {
        "message": "Invalid value: 'wizard'.",
        "type": "invalid_request_error",
        "param": "messages[0].role",
        "code": "invalid_value",
    }
}

T = TypeVar("T")

Sdk = Callable[..., openai.AsyncOpenAI]
"""Opens OpenAI's SDK over a router."""


def told(headers: Any) -> tuple[str, str]:
    """Say who served, and what was attempted."""
    return headers[SERVED_BY], headers[ATTEMPTS]


def over_httpx(router: Router, **options: Any) -> openai.AsyncOpenAI:
    http: Any = httpx.AsyncClient(transport=RouterTransport(router))
    return openai.AsyncOpenAI(api_key="unused", http_client=http, **options)


def over_httpx2(router: Router, **options: Any) -> openai.AsyncOpenAI:
    http = httpx2.AsyncClient(transport=RouterTransport.of(httpx2, router))
    return openai.AsyncOpenAI(api_key="unused", http_client=http, **options)


async def read_into(stream: AsyncIterable[T], into: list[T]) -> None:
    """Read to the end; what came before an error is kept."""
    async for item in stream:
        into.append(item)  # noqa: PERF401 - extending the list would keep nothing of a stream that breaks
