"""Stated waits: every notation is read, and nothing else is taken for one."""

from __future__ import annotations

import itertools
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.actors import waits

DATE = "Wed, 21 Oct 2026 07:28:00 GMT"

whole = st.integers(0, 99)
milliseconds = st.integers(0, 10**9)


def go_duration(ms: int) -> str:
    """Write a duration like Go does: ``1h2m3.5s``, ``120ms``."""
    if ms < 1_000:
        return f"{ms}ms"
    hours, rest = divmod(ms, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    text = f"{rest / 1_000:g}s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("Please try again in 6.5s.", 6.5),
        ("try again in 6m0s", 360),
        ("try again in 20ms", 0.02),
        ("Please try again in 58 hours. Thank you", 208_800),
        ("try again in 1 minute 30 seconds", 90),
        ("try again in 1 hour, 2 minutes and 3 seconds", 3_723),
        ("try again in 1h2m3s", 3_723),
        ("Please retry after 12 seconds", 12),
        ("retry after 12", 12),
        ("Retry-After: 30", 30),
        ("Please wait 5 s", 5),
        ("You must wait 60 seconds before making another request", 60),
        ("please wait for at least 10 seconds and try again", 10),
        ("Please retry in 34.074824224s.", 34.074824224),
        ("Your quota will reset after 19h14m47s", 69_287),
        ("Limit resets in 2h", 7_200),
        ("In 5 minutes, try again", 300),
        ("try again in 3 days", 259_200),
        ("请在 30 秒后重试", 30),
        ("请于1分钟后再试", 60),
        ("请等待30秒", 30),
        ("5小时后重置", 18_000),
        ("TRY AGAIN IN 7S", 7),
        ("try   again\n in   7   s", 7),
    ],
)
def test_a_sentence_that_asks_for_a_wait_is_read(text: str, stated: float) -> None:
    assert waits.from_prose(text) == pytest.approx(stated)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Request timed out after 120s",
        "try again in",
        "try again after 3 attempts",
        "请稍后再试",
        "Your limit resets 2026-08-25 07:41:44",
        "resets 2am (Europe/Berlin)",
        "requests per 60 seconds",
        "took 503 ms",
        "Rate limit of 50 per 86400s exceeded",
        "try again in " + "9" * 400 + " s",
        "try again in 9999999999 hours",
    ],
)
def test_a_sentence_that_asks_for_none_is_left_alone(text: str) -> None:
    assert waits.from_prose(text) is None


@given(milliseconds)
def test_a_wait_round_trips_in_every_notation(ms: int) -> None:
    stated = ms / 1_000
    exact = pytest.approx(stated, abs=1e-6)
    fixed = f"{stated:.3f}"
    assert waits.seconds(fixed) == exact
    assert waits.seconds(f"{fixed}s") == exact
    assert waits.seconds(f"{ms}ms") == exact
    assert waits.from_headers({"retry-after-ms": str(ms)}) == exact
    assert waits.from_headers({"retry-after": fixed}) == exact
    assert waits.from_fields([("retrydelay", f"{fixed}s")]) == exact
    assert waits.from_fields([("resetsinseconds", stated)]) == exact
    assert waits.from_prose(f"Please try again in {fixed}s.") == exact
    assert waits.from_prose(f"Retry after {fixed} seconds") == exact
    assert waits.from_prose(f"请在 {fixed} 秒后重试") == exact


@given(milliseconds)
def test_a_wait_round_trips_as_a_go_duration(ms: int) -> None:
    text = go_duration(ms)
    exact = pytest.approx(ms / 1_000, rel=1e-4)
    assert waits.seconds(text) == exact
    assert waits.from_prose(f"Please try again in {text}. Visit us") == exact
    limits = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": text}
    assert waits.from_limit_headers(limits) == exact


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
def test_a_wait_in_words_is_the_sum_of_its_parts(hours: int, minutes: int, rest: int) -> None:
    text = f"Please wait {hours} hours {minutes} minutes and {rest} seconds before trying again"
    assert waits.from_prose(text) == hours * 3_600 + minutes * 60 + rest


@given(st.integers(0, 86_400 * 20))
def test_a_date_counts_from_the_response_s_own_date(ahead: int) -> None:
    from datetime import UTC, datetime, timedelta
    from email.utils import format_datetime

    sent = datetime(2026, 10, 21, 7, 28, tzinfo=UTC)
    due = sent + timedelta(seconds=ahead)
    assert waits.from_headers({"retry-after": format_datetime(due, usegmt=True), "date": DATE}) == ahead
    epoch = int(due.timestamp())
    for value in (str(epoch), str(epoch * 1_000), due.isoformat(), due.isoformat().replace("+00:00", "Z")):
        assert waits.from_limit_headers({"x-ratelimit-reset": value, "date": DATE}) == ahead


def test_a_date_without_the_response_s_own_date_states_no_wait() -> None:
    assert waits.from_headers({"retry-after": DATE}) is None
    assert waits.from_limit_headers({"x-ratelimit-reset": "1800000000"}) is None


def test_a_date_that_has_passed_is_no_wait_at_all() -> None:
    assert waits.from_headers({"retry-after": "Wed, 21 Oct 2026 07:00:00 GMT", "date": DATE}) == 0


def test_milliseconds_come_before_seconds() -> None:
    assert waits.from_headers({"retry-after-ms": "812", "retry-after": "1"}) == 0.812


@pytest.mark.parametrize(
    "value",
    [
        "-1",
        "-0.5",
        "nan",
        "NaN",
        "inf",
        "Infinity",
        "1e5",
        "1e999",
        "",
        "  ",
        "soon",
        "0x10",
        "9" * 5_000,
        "١٢",
        "1,5",
        "--",
        "9" * 12,
    ],
)
def test_what_cannot_be_a_wait_is_none(value: str) -> None:
    assert waits.from_headers({"retry-after": value}) is None
    assert waits.from_headers({"retry-after-ms": value + "000" * value.isdecimal()}) is None
    assert waits.from_fields([("retryafter", value)]) is None


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1, 10**400, True, None, [], {}, 1e300])
def test_a_field_that_cannot_be_a_wait_is_none(value: object) -> None:
    assert waits.from_fields([("retryafter", value)]) is None


def test_only_the_limit_that_is_exhausted_states_a_wait() -> None:
    headers = {
        "x-ratelimit-remaining-requests": "12",
        "x-ratelimit-reset-requests": "1m0s",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "250ms",
    }
    assert waits.from_limit_headers(headers) == 0.25
    assert waits.from_limit_headers(headers | {"x-ratelimit-remaining-tokens": "1"}) is None


def test_a_reset_counts_where_no_header_tells_what_remains() -> None:
    assert waits.from_limit_headers({"x-ratelimit-reset": "20"}) == 20
    assert waits.from_limit_headers({"ratelimit-reset": "20"}) == 20


def test_of_two_exhausted_limits_the_longer_counts() -> None:
    headers = {
        "anthropic-ratelimit-requests-remaining": "0",
        "anthropic-ratelimit-requests-reset": "2026-10-21T07:28:05Z",
        "anthropic-ratelimit-tokens-remaining": "0",
        "anthropic-ratelimit-tokens-reset": "2026-10-21T07:29:00Z",
        "date": DATE,
    }
    assert waits.from_limit_headers(headers) == 60


def test_the_more_trustworthy_field_counts() -> None:
    assert waits.from_fields([("estimatedtime", 90), ("retrydelay", "3s")]) == 3


asking = st.sampled_from(
    [
        *("try again in 5s", "re-try your request: 5 s", "retry-after 12", "WA\u0130T 5 s", "ava\u0131lable in 2h"),
        *("re\u017fets in 2h", "5 s before retrying", "30 \u017f and retry", "in 5 minutes, please try"),
        *("5小时后重置", "30秒之後再试", "请等待30秒", "请在 30 秒", "等待 5 秒", "请稍等5秒"),
    ]
)


@given(st.lists(asking | st.text(max_size=5), max_size=4).map(" ".join))
def test_a_sentence_is_read_as_if_every_form_had_been_tried(text: str) -> None:
    text = " ".join(text.split())
    found = (re.search(pattern, text, re.IGNORECASE) for pattern, _ in waits.SENTENCES)
    first = next((match["wait"] for match in found if match), None)
    expected = None if first is None else waits.from_prose(f"try again in {first}.")
    assert waits.from_prose(text) == expected


@pytest.mark.parametrize("text", ["try again in 30 \u017f", "wait 5 M\u0130N", "retry in 5 m\u0131nutes"])
def test_a_unit_in_odd_letters_is_that_unit(text: str) -> None:
    assert waits.from_prose(text) in {30, 300}


@given(st.text(), st.dictionaries(st.text(max_size=30), st.text(max_size=60), max_size=5))
def test_nothing_ever_crashes_and_every_wait_is_sane(text: str, headers: dict[str, str]) -> None:
    found = [
        waits.from_prose(text),
        waits.seconds(text),
        waits.from_headers({"retry-after": text, "retry-after-ms": text, "date": text}),
        waits.from_limit_headers(headers | {"x-ratelimit-reset": text, "date": DATE}),
        waits.from_fields([("retryafter", text)]),
    ]
    for wait in found:
        assert wait is None or 0 <= wait <= waits.STATED_MAX


@pytest.mark.parametrize(
    "text",
    ["1" * 60_000, "1s " * 20_000, "try again in " * 5_000, "wait for " * 7_000, "1m, and " * 8_000, "1 " * 30_000],
)
def test_hostile_sentences_are_read_to_the_end(text: str) -> None:
    wait = waits.from_prose(text)
    assert wait is None or 0 <= wait <= waits.STATED_MAX


LETTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    ("headers", "stated"),
    [
        ({f"x-ratelimit{'-reset' * 400_000}!": "1s", "x-ratelimit-reset": "2s"}, 2.0),
        ({f"x-ratelimit-{''.join(name)}-reset": "1s" for name in itertools.product(LETTERS, repeat=4)}, 1.0),
        ({"x-ratelimit-reset": " " * 5_000_000 + "1s"}, 1.0),
        ({"x-ratelimit-reset": "1s" * 2_000_000}, None),
    ],
    ids=["a long name", "many names", "a value after blanks", "a long value"],
)
def test_hostile_headers_are_read_to_the_end(headers: dict[str, str], stated: float | None) -> None:
    # No clock is asked: reading that is not linear would simply not come to an end here.
    assert waits.from_limit_headers(headers) == stated
