"""Our own limits on one attempt, over real sockets: which of them ends what, and what it says."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trio

from tests.loopback import (
    Behaviour,
    Exchange,
    Pings,
    Silent,
    Slow,
    SlowEvents,
    StallStream,
    Status,
    Trickle,
)
from understudy import AllCandidatesFailed, Reason, StreamInterrupted

from .cast import SHORT, TEXT, Cast, fell_back, perform, reasons

LIMIT_NAMES = ("connect_timeout", "first_event_timeout", "idle_timeout", "request_timeout")


@contextmanager
def unanswered_port() -> Iterator[str]:
    """Give a base URL where connections are neither taken nor refused: its queue of one is full."""
    with socket.socket() as listener, socket.socket() as one, socket.socket() as two:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for sock in (one, two):
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


@pytest.mark.parametrize(
    ("limit", "behaviour", "streamed"),
    [
        ("request_timeout", Silent(), False),
        ("request_timeout", Slow(1), False),
        ("request_timeout", StallStream(0), False),
        ("request_timeout", StallStream(1), False),
        ("request_timeout", Trickle(0.01), False),
        ("request_timeout", Silent(), True),
        ("first_event_timeout", Silent(), True),
        ("first_event_timeout", StallStream(0), True),
        ("first_event_timeout", StallStream(1), True),
        ("first_event_timeout", Pings(100, delay=0.02), True),
        ("first_event_timeout", Trickle(0.01), True),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_limit_that_is_reached_is_the_provider_s_timeout(limit: str, behaviour: Behaviour, streamed: bool) -> None:
    async def scene(it: Cast) -> None:
        began = trio.current_time()
        reply = (await it.read())[0] if streamed else await it.chat()
        assert SHORT <= trio.current_time() - began < SHORT + 2
        assert reasons(reply.attempts) == fell_back(Reason.TIMEOUT)
        assert limit in reply.attempts[0].detail
        assert reply.text == TEXT
        assert it.status().state == "cooling"
        with trio.fail_after(1):
            await it.first.wait_closed()

    perform(scene, {limit: SHORT}, {}, scripts=[[behaviour]])


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "stream"])
def test_a_connection_that_does_not_come_about_was_never_sent(streamed: bool) -> None:
    async def scene(it: Cast) -> None:
        reply = (await it.read())[0] if streamed else await it.chat()
        assert reasons(reply.attempts) == fell_back(Reason.TIMEOUT)
        assert "connect_timeout (0.15 s)" in reply.attempts[0].detail
        assert it.status().tokens == 2

    with unanswered_port() as url:
        perform(scene, {"api_base": url, "connect_timeout": SHORT, "rpm": 2}, {})


def test_the_whole_limit_holds_while_connecting_too() -> None:
    async def scene(it: Cast) -> None:
        reply = await it.chat()
        assert reasons(reply.attempts) == fell_back(Reason.TIMEOUT)
        assert it.status().tokens == 2

    with unanswered_port() as url:
        perform(scene, {"api_base": url, "request_timeout": SHORT, "rpm": 2}, {})


def test_a_whole_reply_has_no_limit_but_its_own() -> None:
    async def scene(it: Cast) -> None:
        assert (await it.chat()).served_by.name == "first"

    perform(scene, {"first_event_timeout": 0.05, "idle_timeout": 0.05}, {}, scripts=[[Slow(SHORT)]])


@pytest.mark.parametrize(
    ("limit", "behaviour"),
    [
        ("idle_timeout", StallStream(3)),
        ("idle_timeout", SlowEvents(2 * SHORT)),
        ("request_timeout", SlowEvents(SHORT / 2)),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_limit_that_is_reached_later_is_an_interruption(limit: str, behaviour: Behaviour) -> None:
    if isinstance(behaviour, SlowEvents):
        behaviour = SlowEvents(behaviour.delay, then=_Quick())

    async def scene(it: Cast) -> None:
        error = await it.fails(StreamInterrupted, it.read)
        assert error.failure.reason is Reason.TIMEOUT
        assert limit in error.failure.message
        assert error.served_by.name == "first"
        with trio.fail_after(1):
            await it.first.wait_closed()

    perform(scene, {limit: SHORT}, {}, scripts=[[behaviour]])


class _Quick(Behaviour):
    """Content from the first event on."""

    async def play(self, exchange: Exchange) -> None:
        await exchange.begin_stream({})
        await exchange.events([b'data: {"choices": [{"delta": {"content": "word "}}]}\n\n'] * 10)
        await exchange.end()


def test_signs_of_life_hold_the_idle_limit_off() -> None:
    class Breathing(Behaviour):
        async def play(self, exchange: Exchange) -> None:
            await exchange.begin_stream({})
            await exchange.events([b'data: {"choices": [{"delta": {"content": "Hi"}}]}\n\n'])
            for _ in range(4):
                await trio.sleep(SHORT * 0.6)
                await exchange.events([b": still there\n\n"])
            await exchange.events([b"data: [DONE]\n\n"])
            await exchange.end()

    async def scene(it: Cast) -> None:
        reply, _ = await it.read()
        assert (reply.text, reply.served_by.name) == ("Hi", "first")

    perform(scene, {"idle_timeout": SHORT}, {}, scripts=[[Breathing()]])


def test_a_stated_error_outlives_the_limit() -> None:
    class SlowError(Behaviour):
        async def play(self, exchange: Exchange) -> None:
            await exchange.begin(429, {"content-type": "application/json"}, length=1000)
            await exchange.send(b'{"error": {"message": "slow down"')
            await trio.sleep_forever()

    async def scene(it: Cast) -> None:
        for read in (it.chat, it.read):
            error = await it.fails(AllCandidatesFailed, read)
            assert [record.reason for record in error.attempts] == [Reason.RATE_LIMIT, Reason.SERVER_ERROR]
            for name in ("first", "second"):
                await it.router.reset(name)

    limits = {"request_timeout": SHORT}
    perform(scene, limits, {}, scripts=[[SlowError(), SlowError()], [Status(500), Status(500)]])


def test_a_candidate_that_timed_out_serves_again_after_its_cooldown() -> None:
    async def scene(it: Cast) -> None:
        assert (await it.chat()).served_by.name == "second"
        assert (await it.chat()).served_by.name == "second"
        await it.router.reset("first")
        assert (await it.chat()).served_by.name == "first"

    perform(scene, {"request_timeout": SHORT}, {}, scripts=[[Silent()]])
