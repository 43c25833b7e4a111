"""What headers say is left of a provider's limits."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.actors.bucket import Left
from understudy.actors.providers.stated import stated_left

DATE = "Thu, 01 Jan 2026 00:00:00 GMT"
NAMES = [
    f"{before}{what}{after}"
    for what in ("requests", "tokens")
    for before, after in (
        ("x-ratelimit-remaining-", ""),
        ("x-ratelimit-reset-", ""),
        ("anthropic-ratelimit-", "-remaining"),
        ("anthropic-ratelimit-", "-reset"),
    )
]


@pytest.mark.parametrize(
    ("headers", "left"),
    [
        ({}, ()),
        ({"x-ratelimit-remaining-requests": "59"}, (Left("requests", 59, None),)),
        (
            {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"},
            (Left("tokens", 0, 360),),
        ),
        (
            {"X-RateLimit-Remaining-Requests": " 7 ", "X-RateLimit-Reset-Requests": "120ms"},
            (Left("requests", 7, 0.12),),
        ),
        (
            {
                "anthropic-ratelimit-requests-remaining": "3",
                "anthropic-ratelimit-requests-reset": "2026-01-01T00:00:30Z",
                "anthropic-ratelimit-tokens-remaining": "1000",
                "date": DATE,
            },
            (Left("requests", 3, 30), Left("tokens", 1000, None)),
        ),
        (
            {
                "anthropic-ratelimit-requests-remaining": "3",
                "anthropic-ratelimit-requests-reset": "2026-01-01T00:00:30Z",
            },
            (Left("requests", 3, None),),  # without a date of its own, the answer does not say how long that is
        ),
        ({"x-ratelimit-reset-requests": "1s"}, ()),
        ({"x-ratelimit-remaining-requests": "-1"}, ()),
        ({"x-ratelimit-remaining-requests": "10s"}, ()),
        ({"x-ratelimit-remaining-requests": "nan"}, ()),
        ({"x-ratelimit-remaining-requests": "1e3"}, ()),
        ({"x-ratelimit-remaining-requests": "3, 4"}, ()),
        ({"x-ratelimit-remaining-requests": "٣"}, ()),
        ({"x-ratelimit-remaining-requests": "9" * 400}, ()),
        (
            {"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "soon"},
            (Left("requests", 3, None),),
        ),
    ],
)
def test_what_is_left_is_read(headers: dict[str, str], left: tuple[Left, ...]) -> None:
    assert stated_left(httpx.Headers([(name.encode(), value.encode()) for name, value in headers.items()])) == left


@given(st.dictionaries(st.sampled_from([*NAMES, "date"]), st.text(max_size=12) | st.from_regex(r"\A\d{1,12}[smh]?\Z")))
def test_any_headers_are_read_or_left(headers: dict[str, str]) -> None:
    for left in stated_left(headers):
        assert left.amount >= 0
        assert left.reset is None or 0 <= left.reset < float("inf")
