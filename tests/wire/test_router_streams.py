"""Streams over real sockets: where they begin, how they end, what becomes of broken ones, and who waits for whom."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import pytest
import trio

from tests.loopback import (
    USAGE,
    Answer,
    Behaviour,
    CloseEarly,
    CutStream,
    ErrorEvent,
    ErrorIn200,
    Events,
    Exchange,
    KeepOpenAfterDone,
    MalformedEvent,
    NoDone,
    NoFinish,
    Pings,
    Reset,
    Silent,
    SlowEvents,
    StallStream,
    Status,
    Trickle,
    sse,
)
from understudy import AllCandidatesFailed, DeadlineExceeded, Outcome, Reason, Restarted, StreamInterrupted, Usage

from .cast import MESSAGES, SHORT, TEXT, Cast, fell_back, perform, reasons

pytestmark = pytest.mark.usefixtures("either_reader")

BEFORE, AFTER = 1, 3
"""After so many events there is no content yet, and there is some."""

BILLING = {"error": {"message": "Your credit balance is too low"}}


def delta(content: str, finish_reason: str | None = None, index: int = 0) -> bytes:
    return sse({"choices": [{"index": index, "delta": {"content": content}, "finish_reason": finish_reason}]})


def test_a_stream_is_the_text_in_pieces_and_then_the_whole_reply() -> None:
    async def scene(it: Cast) -> None:
        reply, chunks = await it.read(stream_options={"include_usage": True})
        assert "".join(chunk.text for chunk in chunks) == reply.text == TEXT
        assert len([chunk for chunk in chunks if chunk.text]) == 4
        assert (reply.served_by.name, reply.finish_reason) == ("first", "stop")
        assert reply.usage == Usage(*USAGE.values())
        assert reply.body["object"] == "chat.completion"
        assert reasons(reply.attempts) == [("first", Outcome.SERVED, None)]
        assert it.first.requests[0].body["stream"] is True

    perform(scene)


def test_who_serves_is_known_from_the_first_chunk_and_the_reply_only_at_the_end() -> None:
    async def scene(it: Cast) -> None:
        async with it.stream() as stream:
            assert stream.served_by.name == "second"
            assert reasons(stream.attempts) == [("first", Outcome.FAILED, Reason.OVERLOADED)]
            with pytest.raises(RuntimeError):
                _ = stream.reply
            assert [chunk async for chunk in stream]
            assert [chunk async for chunk in stream] == []
        assert reasons(stream.reply.attempts) == fell_back(Reason.OVERLOADED)

    perform(scene, scripts=[[Status(503)]])


def test_tool_calls_are_put_together() -> None:
    async def scene(it: Cast) -> None:
        reply, chunks = await it.read()
        calls = [(call["id"][:5], call["type"], call["function"]) for call in reply.tool_calls]
        assert calls == [
            ("call_", "function", {"name": "add", "arguments": '{"a": [1, 2]}'}),
            ("call_", "function", {"name": "sub", "arguments": ""}),
        ]
        assert (reply.text, reply.finish_reason) == ("", "tool_calls")
        assert "".join(chunk.text for chunk in chunks) == ""

    perform(scene, scripts=[[Answer(text="", tool_calls=[("add", '{"a": [1, 2]}'), ("sub", "")])]])


def test_a_stream_may_come_byte_by_byte() -> None:
    async def scene(it: Cast) -> None:
        reply, _ = await it.read()
        assert reply.text == "Grüße, 世界 \U0001f600"

    perform(scene, scripts=[[Trickle(then=Answer(text="Grüße, 世界 \U0001f600"))]])


# ---- before the first content


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (CutStream(BEFORE), Reason.NETWORK),
        (CloseEarly(BEFORE), Reason.NETWORK),
        (Reset(BEFORE), Reason.NETWORK),
        (ErrorEvent(BEFORE), Reason.SERVER_ERROR),
        (ErrorEvent(0, BILLING), Reason.BILLING),
        (ErrorEvent(BEFORE, {"object": "error", "message": "The engine is gone."}), Reason.SERVER_ERROR),
        (Events([sse({"base_resp": {"status_code": 1008, "status_msg": ""}}), sse("[DONE]")]), Reason.BILLING),
        (Events([b'event: error\ndata: {"message": "Overloaded"}\n\n']), Reason.OVERLOADED),
        (MalformedEvent(BEFORE), Reason.SERVER_ERROR),
        (Events([]), Reason.NETWORK),
        (Events([sse("[DONE]")]), Reason.SERVER_ERROR),
        (Events([b": nothing but comments\n\n"] * 50), Reason.NETWORK),
        (Events([sse({"choices": []})] * 1100 + [delta("late", "stop")]), Reason.SERVER_ERROR),
        (Events([b"data: " + b"x" * 5_000_000 + b"\n\n"]), Reason.SERVER_ERROR),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_breaks_before_the_first_content_falls_back_unseen(behaviour: Behaviour, reason: Reason) -> None:
    async def scene(it: Cast) -> None:
        reply, chunks = await it.read()
        assert reasons(reply.attempts) == fell_back(reason)
        assert "".join(chunk.text for chunk in chunks) == reply.text == TEXT
        assert not [chunk for chunk in chunks if isinstance(chunk, Restarted)]

    perform(scene, scripts=[[behaviour]])


def test_pings_and_empty_deltas_are_no_beginning() -> None:
    async def scene(it: Cast) -> None:
        async with it.stream() as stream:
            assert stream.served_by.name == "second"

    perform(scene, scripts=[[Pings(5, then=CutStream(BEFORE))]])


def test_pings_before_the_content_do_no_harm() -> None:
    async def scene(it: Cast) -> None:
        reply, _ = await it.read()
        assert (reply.text, reply.served_by.name) == (TEXT, "first")

    perform(scene, scripts=[[Pings(5)]])


def test_a_stream_that_nobody_can_begin_fails_as_a_whole() -> None:
    async def scene(it: Cast) -> None:
        error = await it.fails(AllCandidatesFailed, it.read)
        assert [record.reason for record in error.attempts] == [Reason.NETWORK, Reason.SERVER_ERROR]

    perform(scene, scripts=[[CutStream(BEFORE)], [ErrorIn200()]])


# ---- after the first content

BREAKS: list[tuple[Behaviour, Reason]] = [
    (CutStream(AFTER), Reason.NETWORK),
    (CutStream(AFTER, Answer(until_close=True)), Reason.NETWORK),
    (CloseEarly(AFTER), Reason.NETWORK),
    (Reset(AFTER), Reason.NETWORK),
    (ErrorEvent(AFTER), Reason.SERVER_ERROR),
    (ErrorEvent(AFTER, BILLING), Reason.BILLING),
    (MalformedEvent(AFTER), Reason.SERVER_ERROR),
    (NoFinish(), Reason.NETWORK),
]


@pytest.mark.parametrize(("behaviour", "reason"), BREAKS, ids=lambda value: str(value)[:40])
def test_what_breaks_later_is_told_to_the_reader(behaviour: Behaviour, reason: Reason) -> None:
    async def scene(it: Cast) -> None:
        texts: list[str] = []

        async def read() -> None:
            async with it.stream() as stream:
                async for chunk in stream:
                    texts.append(chunk.text)  # noqa: PERF401  # what came before the error is looked at

        error = await it.fails(StreamInterrupted, read)
        assert error.served_by.name == "first"
        assert error.text == "".join(texts)
        assert TEXT.startswith(error.text)
        assert error.text
        assert error.failure.reason is reason
        assert reasons(error.attempts) == [("first", Outcome.FAILED, reason)]
        assert it.second.requests == []
        assert it.status().state == "cooling"

    perform(scene, scripts=[[behaviour]])


@pytest.mark.parametrize(("behaviour", "reason"), BREAKS, ids=lambda value: str(value)[:40])
def test_a_broken_stream_is_started_over_if_the_reader_wants_that(behaviour: Behaviour, reason: Reason) -> None:
    async def scene(it: Cast) -> None:
        reply, chunks = await it.read(on_interrupt="restart")
        (at,) = [at for at, chunk in enumerate(chunks) if isinstance(chunk, Restarted)]
        marker = chunks[at]
        assert isinstance(marker, Restarted)
        assert marker.served_by is not None
        assert marker.served_by.name == reply.served_by.name == "second"
        assert TEXT.startswith("".join(chunk.text for chunk in chunks[:at]))
        assert "".join(chunk.text for chunk in chunks[at:]) == reply.text == "Another text."
        assert reasons(reply.attempts) == fell_back(reason)

    perform(scene, scripts=[[behaviour], [Answer(text="Another text.")]])


def test_the_second_may_break_and_be_started_over_too() -> None:
    async def scene(it: Cast) -> None:
        reply, chunks = await it.read(on_interrupt="restart")
        assert [chunk.served_by.name for chunk in chunks if isinstance(chunk, Restarted) and chunk.served_by] == [
            "second",
            "third",
        ]
        assert reply.text == TEXT

    perform(scene, {}, {}, {}, scripts=[[CutStream(AFTER)], [Reset(AFTER)]])


def test_if_nobody_can_start_over_the_interruption_is_told() -> None:
    async def scene(it: Cast) -> None:
        error = await it.fails(StreamInterrupted, lambda: it.read(on_interrupt="restart"))
        assert error.served_by.name == "first"
        assert error.text
        assert [record.reason for record in error.attempts] == [Reason.NETWORK, Reason.SERVER_ERROR]

    perform(scene, scripts=[[CutStream(AFTER)], [Status(500)]])


# ---- ends


@pytest.mark.parametrize(
    "behaviour",
    [
        NoDone(),
        NoDone(Answer(until_close=True)),
        Answer(until_close=True),
        Events([delta("Hello from "), delta("the loopback.", "stop"), b'data: {"usage": {"total_to']),
        Events([delta("Hello from "), delta("the loopback.", "stop"), b"data: [DONE]"]),
        Events([delta("Hello from "), b"data: \n\n", delta("the loopback."), sse("[DONE]")]),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_stream_that_is_complete_in_substance_is_complete(behaviour: Behaviour) -> None:
    async def scene(it: Cast) -> None:
        reply, _ = await it.read()
        assert (reply.text, reply.served_by.name) == (TEXT, "first")
        assert it.status().served == 1

    perform(scene, scripts=[[behaviour]])


class CompleteThen(Behaviour):
    """Sends everything but `[DONE]`, and then breaks off, or waits."""

    def __init__(self, then: str) -> None:
        self.then = then

    async def play(self, exchange: Exchange) -> None:
        await Answer().begin_stream(exchange)
        await exchange.events(Answer().blocks(exchange.seen)[:-1])
        if self.then == "reset":
            await exchange.reset()
        elif self.then == "wait":
            await trio.sleep_forever()
        exchange.hang_up()


@pytest.mark.parametrize("then", ["reset", "wait", "close"])
def test_what_happens_after_the_finish_takes_nothing_away(then: str) -> None:
    async def scene(it: Cast) -> None:
        reply, _ = await it.read()
        assert (reply.text, reply.served_by.name) == (TEXT, "first")
        assert it.status().state == "healthy"

    perform(scene, {"idle_timeout": SHORT}, {}, scripts=[[CompleteThen(then)]])


def test_a_body_that_stays_open_after_done_is_not_waited_for() -> None:
    async def scene(it: Cast) -> None:
        began = trio.current_time()
        reply, _ = await it.read()
        assert trio.current_time() - began < 2
        assert reply.text == TEXT
        with trio.fail_after(1):
            await it.first.wait_closed()
        assert (it.status().state, it.status().served) == ("healthy", 1)

    # A limit shorter than the time that the body is given to end changes nothing.
    perform(scene, {"idle_timeout": 0.1}, {}, scripts=[[KeepOpenAfterDone()]])


def test_of_two_choices_the_one_that_has_not_come_is_missed() -> None:
    events = [delta("Hello from the loopback.", "stop"), delta("Another", index=1), delta(" one.", "stop", 1)]

    async def scene(it: Cast) -> None:
        reply, chunks = await it.read(n=2)
        assert [choice["message"]["content"] for choice in reply.body["choices"]] == [TEXT, "Another one."]
        assert "".join(chunk.text for chunk in chunks) == TEXT
        error = await it.fails(StreamInterrupted, lambda: it.read(n=2))
        assert error.text == TEXT

    perform(scene, scripts=[[Events(events), Events(events[:1])]])


def test_an_empty_answer_is_an_answer() -> None:
    async def scene(it: Cast) -> None:
        reply, _ = await it.read()
        assert (reply.text, reply.served_by.name, reply.finish_reason) == ("", "first", "stop")

    perform(scene, scripts=[[Answer(text="")]])


class PlainAnswer(Behaviour):
    """Answers a request for a stream with one JSON object."""

    async def play(self, exchange: Exchange) -> None:
        await exchange.reply(200, {"content-type": "application/json"}, Answer().plain(exchange.seen))


def test_a_provider_that_does_not_stream_sends_a_stream_of_one_chunk() -> None:
    async def scene(it: Cast) -> None:
        reply, chunks = await it.read()
        assert [chunk.text for chunk in chunks] == [TEXT]
        assert reply.text == TEXT
        assert reply.usage.total_tokens == 12
        assert chunks[0].body["choices"][0]["delta"]["content"] == TEXT

    perform(scene, scripts=[[PlainAnswer()]])


# ---- readers


class Flood(Behaviour):
    """Sends content as fast as it is taken, and counts what was taken."""

    def __init__(self) -> None:
        self.sent = 0

    async def play(self, exchange: Exchange) -> None:
        await Answer().begin_stream(exchange)
        piece = delta("x" * 1000) * 16
        while self.sent < 200_000_000:
            await exchange.send(piece)
            self.sent += len(piece)


def test_a_slow_reader_slows_the_provider_down_and_is_not_held_against_it() -> None:
    flood = Flood()

    async def scene(it: Cast) -> None:
        async with it.stream() as stream:
            await anext(stream)
            ahead = -1
            while ahead != flood.sent:
                ahead = flood.sent
                await trio.sleep(0.1)
            await trio.sleep(3 * SHORT)  # longer than all limits
            assert flood.sent == ahead, "nothing is taken for a reader who does not read"
            assert ahead < 20_000_000
            for _ in range(100):
                assert (await anext(stream)).text == "x" * 1000
        with trio.fail_after(1):
            await it.first.wait_closed()
        assert it.status().state == "healthy"

    perform(scene, {"idle_timeout": SHORT, "first_event_timeout": SHORT}, {}, scripts=[[flood]])


def test_the_time_of_a_slow_reader_does_not_count_for_the_whole_attempt() -> None:
    async def scene(it: Cast) -> None:
        count = 0
        async with it.stream() as stream:
            async for chunk in stream:
                count += bool(chunk.text)
                if count == 1:
                    await trio.sleep(3 * SHORT)
        assert count == 200
        assert it.status().state == "healthy"

    events = [*([delta("word ")] * 200), sse("[DONE]")]
    perform(scene, {"request_timeout": 2 * SHORT}, {}, scripts=[[Events(events)]])


@pytest.mark.parametrize("behaviour", [SlowEvents(0.05), StallStream(AFTER), Flood(), Answer(text="word " * 5000)])
def test_a_reader_who_leaves_closes_the_connection_at_once(behaviour: Behaviour) -> None:
    async def scene(it: Cast) -> None:
        async with it.stream() as stream:
            while not (await anext(stream)).text:
                pass
            assert it.status().in_flight == 1
        with trio.fail_after(1):
            await it.first.wait_closed()
            await it.until_idle()
        assert (it.status().state, it.status().served) == ("healthy", 0)
        assert it.second.requests == []

    perform(scene, scripts=[[behaviour]])


class TinyPieces(Behaviour):
    """Sends everything at once, in thousands of tiny chunks of HTTP."""

    async def play(self, exchange: Exchange) -> None:
        await exchange.begin_stream({})
        data = delta("a") * 100
        tiny = b"".join(b"1\r\n%c\r\n" % byte for byte in data)
        await exchange.raw(tiny)
        await trio.sleep_forever()


def test_a_reader_who_leaves_a_body_of_tiny_pieces_leaves_nothing_behind() -> None:
    async def scene(it: Cast) -> None:
        async with it.stream() as stream:
            assert (await anext(stream)).text == "a"
        with trio.fail_after(1):
            await it.first.wait_closed()

    perform(scene, scripts=[[TinyPieces()]])


def test_an_error_event_at_the_head_of_tiny_pieces_leaves_nothing_behind() -> None:
    class ErrorFirst(Behaviour):
        async def play(self, exchange: Exchange) -> None:
            await exchange.begin_stream({})
            data = sse(BILLING) + b": comment\n" * 400
            await exchange.raw(b"".join(b"1\r\n%c\r\n" % byte for byte in data))
            await trio.sleep_forever()

    async def scene(it: Cast) -> None:
        assert reasons((await it.read())[0].attempts) == fell_back(Reason.BILLING)
        with trio.fail_after(1):
            await it.first.wait_closed()

    perform(scene, scripts=[[ErrorFirst()]])


def test_a_reader_who_is_cancelled_closes_the_connection_at_once() -> None:
    async def scene(it: Cast) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(it.read)
            await it.first.wait_for_requests(1)
            await trio.sleep(0.05)
            nursery.cancel_scope.cancel()
        with trio.fail_after(1):
            await it.first.wait_closed()
            await it.until_idle()
        assert it.status().state == "healthy"

    perform(scene, scripts=[[StallStream(AFTER)]])


def test_an_error_of_the_reader_s_own_comes_out_as_it_is() -> None:
    async def scene(it: Cast) -> None:
        async def read() -> None:
            async with it.stream() as stream:
                await anext(stream)
                raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            await read()
        with trio.fail_after(1):
            await it.first.wait_closed()

    perform(scene, scripts=[[StallStream(AFTER)]])


def test_a_reader_whose_time_runs_out_is_told_so_and_nobody_is_to_blame() -> None:
    async def scene(it: Cast) -> None:
        await it.fails(DeadlineExceeded, lambda: it.read(timeout=SHORT))
        with trio.fail_after(1):
            await it.first.wait_closed()
        assert it.status().state == "healthy"

    perform(scene, scripts=[[StallStream(AFTER)]])


@pytest.mark.parametrize("behaviour", [StallStream(AFTER), Flood()])
def test_a_reader_who_neither_reads_nor_leaves_holds_nothing_past_its_deadline(behaviour: Behaviour) -> None:
    async def scene(it: Cast) -> None:
        async def dawdle() -> None:
            async with it.stream(timeout=SHORT) as stream:
                await trio.sleep(2 * SHORT)
                await it.until_idle()
                with trio.fail_after(1):
                    await it.first.wait_closed()
                async for _ in stream:
                    pass

        await it.fails(DeadlineExceeded, dawdle)
        assert it.status().state == "healthy"

    perform(scene, scripts=[[behaviour]])


def test_streams_at_the_same_time_do_not_mix() -> None:
    async def scene(it: Cast) -> None:
        async def read(n: int) -> None:
            text = " ".join([str(n)] * 30)
            async with it.router.stream("first", [{"role": "user", "content": text}]) as stream:
                texts = [chunk.text async for chunk in stream]
            assert "".join(texts) == stream.reply.text == text

        class Echo(Behaviour):
            async def play(self, exchange: Exchange) -> None:
                await Answer(text=exchange.seen.body["messages"][0]["content"]).play(exchange)

        it.first.always(SlowEvents(0.002, then=Echo()))
        async with trio.open_nursery() as nursery:
            for n in range(10):
                nursery.start_soon(read, n)

    perform(scene)


def test_the_body_of_a_chunk_is_the_provider_s_event() -> None:
    event = {"id": "x", "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}], "extra": [1]}

    async def scene(it: Cast) -> None:
        _, chunks = await it.read()
        assert [chunk.body for chunk in chunks] == [event]

    perform(scene, scripts=[[Events([f"data: {json.dumps(event)}\n\n".encode(), sse("[DONE]")])]])


def test_one_who_waits_for_the_first_content_can_be_cancelled() -> None:
    async def scene(it: Cast) -> None:
        ask: Callable[[], Awaitable[object]] = it.read
        with trio.move_on_after(SHORT) as scope:
            await ask()
        assert scope.cancelled_caught
        with trio.fail_after(1):
            await it.first.wait_closed()
        assert it.status().state == "healthy"
        assert (await it.router.chat("first", MESSAGES)).served_by.name == "first"

    perform(scene, scripts=[[Silent()]])
