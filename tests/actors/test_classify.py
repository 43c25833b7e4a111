"""Errors mean what a careful reader says they mean, whatever envelope they come in."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
import trio
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from understudy.actors.classify import MESSAGE_MAX, SHORT_BODY, classify, classify_exception
from understudy.actors.classify_rules import RULES
from understudy.actors.failures import NATURAL_SCOPE, Failure, Reason, Scope
from understudy.actors.phrases import Phrasebook, compile_phrase

from .error_table import CASES, Case

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["error", "message", "code", "type", "status", "detail", "details", "metadata", "raw", "retryDelay"]
            )
            | st.text(max_size=8),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
statuses = st.none() | st.integers(-5, 1_200) | st.integers()
headers = st.dictionaries(
    st.sampled_from(["Retry-After", "retry-after-ms", "Date", "x-ratelimit-reset", "x-amzn-errortype"])
    | st.text(max_size=12),
    st.text(max_size=40),
    max_size=5,
)
cases = st.sampled_from(CASES)


def ask(case: Case, body: str | bytes | None = None) -> Failure:
    return classify(case.status, case.headers, case.body if body is None else body, provider=case.style)


def assert_valid(failure: Failure) -> None:
    """Assert what holds for every failure."""
    assert isinstance(failure.reason, Reason)
    natural = NATURAL_SCOPE[failure.reason]
    assert failure.scope is natural or (failure.reason is Reason.QUOTA and failure.scope is Scope.MODEL)
    wait = failure.retry_after
    assert wait is None or (type(wait) is float and 0 <= wait < 1e9)
    assert len(failure.message) <= MESSAGE_MAX
    assert failure.message == " ".join(failure.message.split())
    failure.message.encode()


# -- The tables ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case", CASES, ids=[f"{number}-{case.style}-{case.reason}" for number, case in enumerate(CASES)]
)
def test_an_error_of_the_table_means_what_the_table_says(case: Case) -> None:
    failure = ask(case)
    assert (failure.reason, failure.scope, failure.retry_after) == (case.reason, case.scope, case.wait)
    assert failure.status == case.status
    assert_valid(failure)


def test_the_table_has_every_reason_and_every_scope() -> None:
    assert {case.reason for case in CASES} == set(Reason)
    assert {case.scope for case in CASES} == set(Scope)
    assert len(CASES) == len(set(map(str, CASES))) >= 120


def recorded_errors() -> Path | None:
    """Return the file of recorded errors that may lie beside the repository."""
    for folder in Path(__file__).resolve().parents:
        path = folder / "shared" / "data" / "provider_errors.jsonl"
        if path.is_file():
            return path
    return None


@pytest.mark.parametrize("named", [True, False], ids=["with-the-provider-s-name", "without"])
def test_recorded_errors_are_read_right(named: bool) -> None:
    path = recorded_errors()
    if path is None:
        pytest.skip("shared/data/provider_errors.jsonl is not beside this repository")
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    expected = accepted = 0
    wrong_waits = []
    for record in records:
        failure = classify(
            record["status"], record["headers"], record["body"], provider=record["provider"] if named else None
        )
        assert_valid(failure)
        expected += failure.reason == record["expected"]
        accepted += failure.reason in {record["expected"], *record.get("alt", ())}
        if failure.retry_after != (None if record["retry_after_s"] is None else pytest.approx(record["retry_after_s"])):
            wrong_waits.append(record["id"])
    assert accepted / len(records) >= 0.97
    assert expected / len(records) >= 0.90
    assert wrong_waits == []


# -- Whatever comes in -----------------------------------------------------------------------------------


@given(statuses, headers, st.binary(max_size=2_000))
def test_any_bytes_yield_a_valid_failure(status: int | None, fields: dict[str, str], body: bytes) -> None:
    failure = classify(status, fields, body)
    assert_valid(failure)
    assert failure.status == status


@given(statuses, headers, json_values, st.booleans())
def test_any_json_yields_a_valid_failure(status: int | None, fields: dict[str, str], body: Any, as_event: bool) -> None:
    text = json.dumps(body)
    assert_valid(classify(status, fields, f"event: error\ndata: {text}\n\n" if as_event else text))


@given(cases, st.integers(0, 400), st.binary(max_size=8))
def test_a_broken_body_yields_a_valid_failure(case: Case, cut: int, noise: bytes) -> None:
    body = case.body.encode()
    assert_valid(ask(case, body[:cut] + noise + body[cut + 3 :]))
    assert_valid(ask(case, body[:cut]))


@given(cases)
def test_the_answer_is_always_the_same(case: Case) -> None:
    assert ask(case) == ask(case) == ask(case, case.body.encode())


@given(st.lists(st.tuples(cases, cases, cases), min_size=1, max_size=8))
def test_what_was_read_before_changes_nothing(mixed: list[tuple[Case, Case, Case]]) -> None:
    """One error's body with another's headers and the status of a third; a long body is read anew each time."""
    for first, second, third in mixed:
        told = [
            classify(third.status, second.headers, first.body + room, provider=third.style)
            for room in ("", " " * SHORT_BODY)
        ]
        assert told[0] == told[1]


@pytest.mark.parametrize(
    "text",
    [
        "{" * 100_000,
        "[" * 100_000,
        '{"a":' * 50_000,
        '{"error":' * 20_000,
        "[{" * 40_000,
        '{"' * 50_000,
        '{"message":"' + '\\"' * 60_000,
        "rate limit " * 20_000,
        "model " * 30_000,
        "model input prompt image " * 10_000,
        "sk-" * 50_000,
        "a" * 200_000,
        "A1" * 100_000,
        "*" * 100_000,
        "key=" * 50_000,
        "key " * 50_000 + ":",
        "<html><title" * 20_000,
        "<html>" + "<!--" * 40_000,
        "data: {}\n" * 20_000,
        "\n" * 100_000,
        " " * 100_000 + "x",
        "http://" * 20_000,
        "://a:" * 30_000,
        "1," * 60_000,
        "限流" * 60_000,
        json.dumps({"errors": ["x y"] * 20_000}),
        json.dumps({"message": "{" * 60_000}),
    ],
    ids=lambda text: f"{text[:8]!r}-{len(text)}",
)
def test_hostile_bodies_are_read_to_the_end(text: str) -> None:
    # No clock is asked: reading that is not linear would simply not come to an end here.
    assert_valid(classify(500, {}, text))


# -- What changes nothing --------------------------------------------------------------------------------


def shuffled(value: Any, backwards: bool) -> Any:
    """Return JSON with the keys of every object in another order."""
    if isinstance(value, dict):
        return {key: shuffled(value[key], backwards) for key in sorted(value, reverse=backwards)}
    return [shuffled(item, backwards) for item in value] if isinstance(value, list) else value


def as_json(case: Case) -> Any:
    try:
        return json.loads(case.body)
    except ValueError:
        assume(False)
        raise


@given(cases, st.booleans(), st.sampled_from([None, 1, 4, "\t"]))
def test_the_order_of_keys_and_white_space_change_nothing(
    case: Case, backwards: bool, indent: int | str | None
) -> None:
    body = json.dumps(shuffled(as_json(case), backwards), indent=indent)
    assert ask(case, body) == ask(case)
    assert ask(case, f"\n\n  {body}\r\n ") == ask(case)


@given(cases)
def test_the_spelling_of_header_names_changes_nothing(case: Case) -> None:
    upper = {name.upper(): value for name, value in case.headers.items()}
    assert classify(case.status, upper, case.body, provider=case.style) == ask(case)


number = st.integers(0, 10**7) | st.sampled_from(
    [400, 401, 402, 403, 404, 408, 413, 429, 498, 500, 502, 503, 529, 1113, 1302]
)


@given(
    number,
    number,
    st.sampled_from(["line {}", "took {} ms", "max {} tokens", "({} of {})", "id {}", "{}", "at {}:{}", "{} bytes"]),
)
def test_numbers_in_prose_never_change_the_reason(first: int, second: int, form: str) -> None:
    filled = f"The thing is odd, {form.format(first, second)}."
    assert classify(None, {}, filled).reason is classify(None, {}, f"The thing is odd, {form.format(7, 7)}.").reason
    wrapped = json.dumps({"error": {"message": filled}})
    assert classify(200, {}, wrapped).reason is classify(200, {}, filled.replace(str(first), "7")).reason


ENVELOPES: dict[str, Callable[[str], str]] = {
    "quoted by a gateway": lambda body: json.dumps({"error": {"message": body, "code": 500, "type": "upstream_error"}}),
    "after a gateway's words": lambda body: json.dumps({"error": {"message": f"Provider returned error: {body}"}}),
    "as raw metadata": lambda body: json.dumps(
        {"error": {"message": "Provider returned error", "code": 502, "metadata": {"raw": body, "provider_name": "x"}}}
    ),
    "quoted twice": lambda body: json.dumps({"message": json.dumps({"error": {"message": body}})}),
    "in a list": lambda body: f"[{body}]",
    "as an event": lambda body: f"event: error\ndata: {body}\n\n",
    "in FastAPI's detail": lambda body: json.dumps({"detail": body}),
    "in prose": lambda body: f"litellm.APIError: upstream said {body}",
}


@pytest.mark.parametrize("name", ENVELOPES)
def test_an_envelope_keeps_the_reason(name: str) -> None:
    wrap = ENVELOPES[name]
    told = [case for case in CASES if case.body.startswith("{") and not case.headers and case.style != "gateway"]
    kept = [case for case in told if classify(502, {}, case.body, provider=case.style).reason is case.reason]
    assert len(kept) > 90
    wrong = [
        (case.style, case.reason, got, case.body)
        for case in kept
        if (got := classify(502, {}, wrap(json.dumps(json.loads(case.body))), provider=case.style).reason)
        is not case.reason
    ]
    assert wrong == []


# -- How evidence is weighed -----------------------------------------------------------------------------


def test_a_specific_code_beats_prose_and_prose_beats_a_generic_code_and_all_beat_the_status() -> None:
    def reason(status: int, kind: str, message: str) -> Reason:
        return classify(status, {}, json.dumps({"error": {"type": kind, "message": message}})).reason

    assert reason(500, "context_length_exceeded", "Too many requests") is Reason.CONTEXT_OVERFLOW
    assert reason(500, "rate_limit_error", "Your credit balance is too low") is Reason.BILLING
    assert reason(500, "rate_limit_error", "not found") is Reason.RATE_LIMIT
    assert reason(500, "odd", "not found") is Reason.MODEL_NOT_FOUND
    assert reason(404, "invalid_request_error", "odd") is Reason.MODEL_NOT_FOUND
    assert reason(200, "invalid_request_error", "odd") is Reason.FORMAT


def test_an_embedded_status_beats_that_of_the_answer() -> None:
    assert classify(200, {}, '{"error": {"code": 429, "message": "odd"}}').reason is Reason.RATE_LIMIT
    assert classify(500, {}, "upstream answered with status code 401").reason is Reason.AUTH


def test_the_window_decides_between_a_rate_limit_and_a_quota() -> None:
    def reason(message: str) -> Reason:
        return classify(429, {}, message).reason

    assert reason("Quota exceeded: 10 requests per minute") is Reason.RATE_LIMIT
    assert reason("Rate limit exceeded: 10 requests per day, try again in 3s") is Reason.QUOTA
    assert reason("Rate limit exceeded, try again in 5 hours") is Reason.QUOTA
    assert reason("Quota exceeded, try again in 5 seconds") is Reason.RATE_LIMIT
    assert reason("Quota exceeded") is Reason.QUOTA


def test_what_the_caller_said_is_no_evidence() -> None:
    detail = [
        {"msg": "Field required", "type": "missing", "input": {"messages": "insufficient balance, invalid api key"}}
    ]
    assert classify(422, {}, json.dumps({"detail": detail})).reason is Reason.FORMAT


def test_a_request_s_fault_states_no_wait() -> None:
    failure = classify(400, {"retry-after": "3"}, '{"error": {"message": "prompt is too long"}}')
    assert (failure.scope, failure.retry_after) == (Scope.REQUEST, None)


def test_every_rule_is_found_by_its_own_words() -> None:
    for rule in RULES:
        for phrase in rule.phrases:
            pieces = compile_phrase(phrase)
            for choice in pieces[0]:
                text = " ".join([choice.strip(), *(more[0] for more in pieces[1:])])
                assert Phrasebook([(0, phrase)]).first(f" {text} ".replace("  ", " ")) == 0, phrase


# -- What is shown ---------------------------------------------------------------------------------------

alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
secret = st.text(alphabet, min_size=24, max_size=60).filter(
    lambda text: any(map(str.isdigit, text[:20])) and any(map(str.isalpha, text[:20]))
)


@given(
    secret,
    st.sampled_from(
        [
            "Incorrect API key provided: {}. Find it on the page",
            "Incorrect API key provided: sk-{}",
            "bad header Authorization: Bearer {}",
            "https://host/v1?key={}&alt=sse failed",
            "key {} is wrong",
            "token={}",
            'config {{"api_key": "{}"}} rejected',
            "AIza{}",
            "the key sk-proj-{}_x-y is revoked",
            "https://user:{}@proxy:8080/ refused",
        ]
    ),
    st.integers(0, 4_200),
    st.booleans(),
)
@example("A" * 23 + "1", "Incorrect API key provided: {}.", 3_980, True)
def test_a_key_is_never_shown(key: str, form: str, before: int, wrapped: bool) -> None:
    text = "x " * (before // 2) + form.format(key)
    body = json.dumps({"error": {"message": text}}) if wrapped else text
    for failure in (classify(401, {}, body), classify_exception(RuntimeError(text))):
        assert key not in failure.message
        assert key[:12] not in failure.message


@pytest.mark.parametrize(
    "key",
    ["sk-a", "sk-abcdefgh", "Bearer abc", "key=abc", "api_key='abc'", "password=hunter", "gsk_Ab3dEf", "xai-Ab3dEf"],
)
def test_short_keys_are_not_shown_either(key: str) -> None:
    planted = key.replace("=", " ").rpartition(" ")[2].strip("'")
    assert planted not in classify(401, {}, f"Wrong: {key} was refused").message


def test_a_model_s_name_is_shown() -> None:
    message = "The model `anthropic.claude-3-5-sonnet-20241022-v2:0` does not exist"
    assert classify(404, {}, json.dumps({"error": {"message": message}})).message == message


def test_the_message_is_the_provider_s_sentence_on_one_line() -> None:
    body = json.dumps({"error": {"type": "overloaded_error", "message": "  Over\n\tloaded  "}})
    assert classify(529, {}, body).message == "Over loaded"
    long = classify(500, {}, json.dumps({"message": "word " * 200})).message
    assert len(long) <= MESSAGE_MAX
    assert long.endswith("…")


# -- Exceptions ------------------------------------------------------------------------------------------

REQUEST = httpx.Request("POST", "https://api.example.com/v1")


class Odd(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("exc", "reason"),
    [
        (httpx.ConnectTimeout("x"), Reason.TIMEOUT),
        (httpx.ReadTimeout("x"), Reason.TIMEOUT),
        (httpx.WriteTimeout("x"), Reason.TIMEOUT),
        (httpx.PoolTimeout("x"), Reason.TIMEOUT),
        (TimeoutError("x"), Reason.TIMEOUT),
        (trio.TooSlowError(), Reason.TIMEOUT),
        (httpx.ConnectError("[Errno 111] Connection refused"), Reason.NETWORK),
        (httpx.ConnectError("[Errno -2] Name or service not known"), Reason.NETWORK),
        (httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED]"), Reason.NETWORK),
        (httpx.ReadError(""), Reason.NETWORK),
        (httpx.WriteError(""), Reason.NETWORK),
        (httpx.CloseError(""), Reason.NETWORK),
        (httpx.RemoteProtocolError("Server disconnected"), Reason.NETWORK),
        (httpx.ProxyError("407 Proxy Authentication Required"), Reason.NETWORK),
        (httpx.UnsupportedProtocol("no scheme"), Reason.NETWORK),
        (httpx.InvalidURL("no"), Reason.NETWORK),
        (httpx.DecodingError("bad gzip"), Reason.NETWORK),
        (httpx.TooManyRedirects("x"), Reason.NETWORK),
        (httpx.LocalProtocolError("Illegal header value b'Bearer '"), Reason.AUTH),
        (ConnectionResetError(), Reason.NETWORK),
        (socket.gaierror(-2, "Name or service not known"), Reason.NETWORK),
        (ssl.SSLCertVerificationError("bad"), Reason.NETWORK),
        (OSError(101, "Network is unreachable"), Reason.NETWORK),
        (EOFError(), Reason.NETWORK),
        (trio.BrokenResourceError(), Reason.NETWORK),
        (ValueError("rate limit exceeded"), Reason.UNKNOWN),
        (KeyboardInterrupt(), Reason.UNKNOWN),
        (Odd(), Reason.UNKNOWN),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_an_exception_of_the_client_means_what_its_kind_says(exc: BaseException, reason: Reason) -> None:
    failure = classify_exception(exc)
    assert failure.reason is reason
    assert failure.status is None
    assert_valid(failure)
    if isinstance(exc, Exception):
        assert classify_exception(ExceptionGroup("g", [ExceptionGroup("h", [exc])])).reason is reason
    outer = RuntimeError("the call failed")
    outer.__cause__ = exc
    assert classify_exception(outer).reason is reason


def test_an_exception_that_carries_an_answer_is_read_like_the_answer() -> None:
    body = {"error": {"message": "Your credit balance is too low"}}
    response = httpx.Response(400, json=body, headers={"retry-after": "9"}, request=REQUEST)
    exc = httpx.HTTPStatusError("400", request=REQUEST, response=response)
    assert classify_exception(exc) == classify(400, response.headers, response.content)
    assert classify_exception(exc).reason is Reason.BILLING


def test_an_answer_that_was_not_read_is_judged_by_its_status() -> None:
    response = httpx.Response(429, stream=httpx.ByteStream(b"odd"), headers={"Retry-After": "9"}, request=REQUEST)
    failure = classify_exception(httpx.HTTPStatusError("429", request=REQUEST, response=response))
    assert (failure.reason, failure.retry_after, failure.message) == (Reason.RATE_LIMIT, 9.0, "")


def test_a_circle_of_causes_comes_to_an_end() -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert classify_exception(one).reason is Reason.UNKNOWN


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.text(), st.integers(1, 40))
def test_any_chain_of_exceptions_yields_a_valid_failure(text: str, depth: int) -> None:
    exc: Exception = ValueError(text)
    for level in range(depth):
        outer = ExceptionGroup(text, [exc]) if level % 3 == 0 else RuntimeError(text)
        outer.__context__ = exc
        exc = outer
    assert_valid(classify_exception(exc))


def test_a_failure_is_a_value() -> None:
    failure = classify(500, {}, b"")
    assert attrs.asdict(failure)["status"] == 500
    assert classify(500, {}, "") == failure
