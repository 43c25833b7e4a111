"""Every way in which a provider can fail, over real sockets: the next candidate serves, and the record says why."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

import understudy
from tests.loopback import (
    Answer,
    Behaviour,
    CloseEarly,
    ErrorIn200,
    Exchange,
    Garbage,
    GzipBroken,
    HugeBody,
    MalformedEvent,
    Redirect,
    Reset,
    Silent,
    Status,
    Trickle,
    WrongLength,
    closed_port,
)
from understudy import AllCandidatesFailed, Outcome, Reason
from understudy.actors.providers import wire

from .cast import KEYS, SHORT, TEXT, Cast, cast, fell_back, perform, reasons

pytestmark = pytest.mark.usefixtures("either_reader")

PAGE = "<html><head><title>Welcome</title></head><body><h1>It works!</h1></body></html>"
LIMITS = {"connect_timeout": 1.0, "first_event_timeout": 1.0, "idle_timeout": 1.0, "request_timeout": 1.0}
MIB = 1024 * 1024
JSON = {"content-type": "application/json"}


class StatusThenSilence(Behaviour):
    """An error whose body never comes."""

    async def play(self, exchange: Exchange) -> None:
        await exchange.begin(429, {"content-type": "application/json", "retry-after": "7"}, length=100)
        await trio.sleep_forever()


FAILURES: list[tuple[str, Behaviour, Reason, int | None]] = [
    ("400 that is billing", Status(400, {"error": {"message": "Your credit balance is too low"}}), Reason.BILLING, 400),
    ("401", Status(401), Reason.AUTH, 401),
    ("403", Status(403), Reason.AUTH, 403),
    ("404", Status(404), Reason.MODEL_NOT_FOUND, 404),
    ("429", Status(429), Reason.RATE_LIMIT, 429),
    ("429 that is quota", Status(429, {"error": {"code": "insufficient_quota"}}), Reason.BILLING, 429),
    ("500", Status(500), Reason.SERVER_ERROR, 500),
    ("500 without a body", Status(500, b""), Reason.SERVER_ERROR, 500),
    ("502 page", Status(502, "<html><h1>Bad gateway</h1></html>"), Reason.SERVER_ERROR, 502),
    ("503", Status(503), Reason.OVERLOADED, 503),
    ("529", Status(529), Reason.OVERLOADED, 529),
    ("200 page", Status(200, PAGE), Reason.SERVER_ERROR, 200),
    ("200 with nothing", Status(200, b"", JSON), Reason.SERVER_ERROR, 200),
    ("200 with half a JSON", Status(200, b'{"choices": [{"mess', JSON), Reason.SERVER_ERROR, 200),
    ("200 with no choices", Status(200, {"id": "x", "choices": []}), Reason.SERVER_ERROR, 200),
    ("200 with null", Status(200, b"null", JSON), Reason.SERVER_ERROR, 200),
    ("204", Status(204, b"", JSON), Reason.SERVER_ERROR, 204),
    ("error in 200", ErrorIn200(), Reason.SERVER_ERROR, 200),
    ("rate limit in 200", ErrorIn200({"error": {"message": "Rate limit reached"}}), Reason.RATE_LIMIT, 200),
    ("vendor's code in 200", ErrorIn200({"base_resp": {"status_code": 1008, "status_msg": "?"}}), Reason.BILLING, 200),
    ("redirect", Redirect("http://127.0.0.1:9/v1/chat/completions"), Reason.UNKNOWN, 307),
    ("garbage", Garbage(), Reason.NETWORK, None),
    ("garbage after a status", Garbage(b"HTTP/1.1 200 OK\r\nno header\r\n\r\n"), Reason.NETWORK, None),
    ("endless header", Garbage(b"HTTP/1.1 200 OK\r\nx: " + b"x" * 200_000), Reason.NETWORK, None),
    ("reset at connect", Reset("connect"), Reason.NETWORK, None),
    ("reset at request", Reset("request"), Reason.NETWORK, None),
    ("reset at headers", Reset("headers"), Reason.NETWORK, None),
    ("closed at request", CloseEarly("request"), Reason.NETWORK, None),
    ("closed at headers", CloseEarly("headers"), Reason.NETWORK, None),
    ("closed in the middle", CloseEarly(1), Reason.NETWORK, None),
    ("length too long", WrongLength(10), Reason.NETWORK, None),
    ("length too short", WrongLength(-10), Reason.SERVER_ERROR, 200),
    ("broken gzip", GzipBroken(), Reason.SERVER_ERROR, 200),
    ("unasked-for coding", Answer(headers={"content-encoding": "br"}), Reason.SERVER_ERROR, 200),
    ("huge body", HugeBody(2 * MIB), Reason.SERVER_ERROR, 200),
    ("silence after an error", StatusThenSilence(), Reason.RATE_LIMIT, 429),
]


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(("behaviour", "reason"), [row[1:3] for row in FAILURES], ids=[row[0] for row in FAILURES])
def test_the_second_serves_what_the_first_cannot(
    behaviour: Behaviour, reason: Reason, streamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "MAX_ANSWER_BYTES", MIB)
    monkeypatch.setattr(wire, "MAX_STREAM_BYTES", MIB)
    monkeypatch.setattr(wire, "ERROR_TIME", SHORT)

    async def scene(it: Cast) -> None:
        reply = (await it.read())[0] if streamed else await it.chat()
        assert (reply.text, reply.served_by.name) == (TEXT, "second")
        assert reasons(reply.attempts) == fell_back(reason)
        assert it.status().failures == {reason: 1}

    perform(scene, LIMITS, {}, scripts=[[behaviour]])


@pytest.mark.parametrize(("row"), FAILURES, ids=[row[0] for row in FAILURES])
def test_an_error_says_whose_it_was_and_what_status_it_had(
    row: tuple[str, Behaviour, Reason, int | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, behaviour, reason, status = row
    monkeypatch.setattr(wire, "MAX_ANSWER_BYTES", MIB)
    monkeypatch.setattr(wire, "ERROR_TIME", SHORT)

    async def scene(it: Cast) -> None:
        error = await it.fails(AllCandidatesFailed, it.chat)
        assert reasons(error.attempts) == [("first", Outcome.FAILED, reason)]
        assert "first (openai/m-1): failed after" in str(error)
        assert error.attempts[0].detail != str(reason)
        assert status is None or str(status) in error.attempts[0].detail

    perform(scene, LIMITS, scripts=[[behaviour]])


@pytest.mark.parametrize(("stated", "expected"), [("0.4", 0.4), ("90", 90), (None, 30), ("99999", 600)])
def test_a_stated_wait_is_the_cooldown(stated: str | None, expected: float) -> None:
    headers = {} if stated is None else {"retry-after": stated}

    async def scene(it: Cast) -> None:
        await it.chat()
        assert it.status().cooldown_remaining == pytest.approx(expected, abs=0.2)
        error = await it.fails(AllCandidatesFailed, lambda: it.router.chat("first", [{"role": "user", "content": ""}]))
        assert error.retry_after == pytest.approx(min(expected, 30), abs=0.2)

    perform(scene, scripts=[[Status(429, headers=headers)], [Answer(), Status(429)]])


def test_a_redirect_is_not_followed_and_the_key_stays_at_home() -> None:
    async def scene(it: Cast) -> None:
        for status in (301, 302, 303, 307, 308):
            it.first.script(Redirect(f"{it.providers[2].base_url}/chat/completions", status))
            await it.chat()
        assert it.providers[2].requests == []
        assert it.providers[2].connections == 0

    perform(scene, {"fallbacks": ["second"]}, {}, {})


def test_a_closed_port_is_a_network_failure() -> None:
    async def scene(it: Cast) -> None:
        for read in (it.chat, it.read):
            reply = await read()
            reply = reply[0] if isinstance(reply, tuple) else reply
            assert reasons(reply.attempts) == fell_back(Reason.NETWORK)
            await it.router.reset("first")
        assert [fact.details["executed"] for fact in it.facts if fact.kind == "failed"] == [0, 0]

    with closed_port() as url:
        perform(scene, {"api_base": url}, {})


@pytest.mark.parametrize("host", ["nobody.invalid", "a..b.invalid", f"{'x' * 70}.invalid", "[::1%nowhere]"])
def test_a_host_that_does_not_resolve_is_a_network_failure(host: str) -> None:
    async def scene(it: Cast) -> None:
        reply = await it.chat()
        assert reasons(reply.attempts) == fell_back(Reason.NETWORK)
        assert it.status().tokens == 3

    perform(scene, {"api_base": f"http://{host}:9/v1", "rpm": 3}, {})


def test_a_failure_that_was_never_sent_spends_nothing() -> None:
    async def scene(it: Cast) -> None:
        for _ in range(5):
            await it.chat()
            await it.router.reset("first")
        assert it.status().tokens == 3
        assert it.status().failures == {Reason.NETWORK: 5}

    with closed_port() as url:
        perform(scene, {"api_base": url, "rpm": 3}, {})


def test_a_provider_that_talks_back_one_byte_at_a_time_is_understood() -> None:
    async def scene(it: Cast) -> None:
        assert (await it.chat()).text == TEXT
        assert (await it.read())[0].text == TEXT
        assert reasons((await it.chat()).attempts) == fell_back(Reason.RATE_LIMIT)

    perform(scene, scripts=[[Trickle(), Trickle(), Trickle(then=Status(429))]])


# ---- secrets


def echoes(key: str) -> list[Behaviour]:
    """Ways of telling a caller its own key."""
    error = {"message": f"The key {key} ({key[:-1]}) is wrong, Bearer {key}", "type": key, "code": key, key: key}
    long = {"error": {"message": "x " * 143 + key + " is wrong"}}
    return [
        Status(401, {"error": error}),
        Status(400, f"the header was 'Authorization: Bearer {key}'"),
        Status(500, f"<html><title>{key}</title><body>{key}</body></html>"),
        Status(429, {"error": error}, headers={"x-error-code": key, "retry-after": key}),
        *(Status(500, {"error": {"message": "x " * n + key}}) for n in range(130, 151)),
        Status(401, long),
        ErrorIn200({"error": error}),
        ErrorIn200({"error": key}),
        Redirect(f"http://127.0.0.1:9/?key={key}"),
        Garbage(f"{key}\r\n\r\n".encode()),
        Garbage(f"HTTP/1.1 200 {key}\r\n{key}\r\n\r\n".encode()),
        MalformedEvent(1, data=f'{{"key": "{key}'),
        Answer(headers={"content-encoding": key}),
    ]


def test_no_key_is_shown_also_if_the_provider_repeats_it() -> None:
    async def scene(it: Cast) -> None:
        for behaviour in echoes(KEYS[0]):
            for streamed in (False, True):
                it.first.script(behaviour)
                ask: Callable[[], Awaitable[Any]] = it.read if streamed else it.chat
                try:
                    await ask()
                except understudy.UnderstudyError as error:
                    it.hear(error, getattr(error, "attempts", ()), getattr(error, "failure", None))
                await it.router.reset("first")
        for length in range(3, len(KEYS[0])):  # where a message was cut short, no part of the key is left either
            assert not [said for said in it.said if KEYS[0][:length] + "…" in said]
        assert it.first.script_left == 0

    perform(scene)


def test_a_secret_header_is_not_shown_either() -> None:
    async def scene(it: Cast) -> None:
        await it.fails(AllCandidatesFailed, it.chat)

    perform(
        scene,
        {"api_key": None, "headers": {"X-Gate": f"Token {KEYS[0]}"}},
        scripts=[[Status(403, {"error": {"message": f"{KEYS[0]} may not pass"}})]],
    )


# ---- fuzz

NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
"""With real sockets and real time it would take minutes."""

WHOLE = b'{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}'
EVENTS = b'data: {"choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
VALID = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nset-cookie: a=b\r\ncontent-length: %d\r\n\r\n%b" % (
    len(WHOLE),
    WHOLE,
)
STREAMED = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    b"%x\r\n%b\r\n0\r\n\r\n" % (len(EVENTS), EVENTS)
)
SCRAPS = st.sampled_from(
    [
        b"\r\n", b"\n", b"\x00", b"\xff", b"HTTP/1.1 ", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 101 X\r\n\r\n",
        b"content-length: 5\r\n", b"transfer-encoding: gzip\r\n", b"content-encoding: gzip\r\n", b"location: //\r\n",
        b"retry-after: nan\r\n", b"x-ratelimit-remaining-requests: -1\r\n", b"set-cookie: a=b; expires=\xff\r\n",
        b"date: Thu, 99 Foo 9999\r\n", b"ffffffffffffffff\r\n", b"{", b"}", b'"', b"[DONE]", b"data: ", b"error", b"0",
    ]
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, original: bytes) -> bytes:
    """Cut, doubled or overwritten, in up to four places."""
    data = original
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 40)))
        data = data[:start] + draw(SCRAPS | st.binary(max_size=6) | st.just(data[start:end] * 2)) + data[end:]
    return data


RESPONSES = st.one_of(mutated(VALID), mutated(STREAMED), st.binary(max_size=60), st.lists(SCRAPS).map(b"".join))


@given(st.lists(st.tuples(RESPONSES, st.booleans()), min_size=6, max_size=6))
@example([(VALID, False), (VALID, True), (STREAMED, False), (STREAMED, True)])
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow], phases=NO_SHRINKING)
def test_whatever_bytes_come_back_somebody_serves_or_a_typed_error_comes(responses: list[tuple[bytes, bool]]) -> None:
    async def scene(it: Cast) -> None:
        for data, streamed in responses:
            it.first.script(Garbage(data))
            with trio.fail_after(5):
                try:
                    reply = (await it.read())[0] if streamed else await it.chat()
                    assert reply.served_by.name in {"first", "second"}
                except understudy.UnderstudyError as error:
                    it.hear(error)
            await it.router.reset("first")
        assert [fact for fact in it.facts if fact.kind == "crashed"] == []

    perform(scene, {**LIMITS, "request_timeout": SHORT}, {})


def test_the_valid_responses_of_the_fuzzer_are_valid() -> None:
    async def main() -> None:
        async with cast({}, scripts=[[Garbage(VALID), Garbage(STREAMED)]]) as it:
            assert (await it.chat()).text == "Hi"
            assert (await it.read())[0].text == "Hi"

    trio.run(main)


def test_a_silent_provider_is_given_up_and_let_go() -> None:
    async def scene(it: Cast) -> None:
        reply = await it.chat()
        assert reasons(reply.attempts) == fell_back(Reason.TIMEOUT)
        with trio.fail_after(1):
            await it.first.wait_closed()

    perform(scene, {"request_timeout": SHORT}, {}, scripts=[[Silent()]])
