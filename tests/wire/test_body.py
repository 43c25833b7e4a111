"""The body of an answer: unpacked, bounded, and left with nothing open; and whole runs on whatever bytes come."""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import AsyncIterator, Sequence

import httpx
import pytest
import trio
from hypothesis import example, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

import understudy
from understudy.actors.providers.body import PIECE_BYTES, BadBody, Body

from .cast import MESSAGES

DATA = b"some text, and some more " * 50


class Pieces(httpx.AsyncByteStream):
    """A body in pieces; after the last one it ends, or breaks, or says no more."""

    def __init__(self, pieces: Sequence[bytes], end: str = "end") -> None:
        self.pieces = pieces
        self.end = end
        self.given = 0
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            await trio.lowlevel.checkpoint()
            self.given += 1
            yield piece
        if self.end == "break":
            raise httpx.ReadError("broken")
        if self.end == "wait":
            await trio.sleep(math.inf)

    async def aclose(self) -> None:
        self.closed = True


def response(pieces: Sequence[bytes], encoding: str | None = None, end: str = "end") -> httpx.Response:
    headers = {} if encoding is None else {"content-encoding": encoding}
    return httpx.Response(200, headers=headers, stream=Pieces(pieces, end))


def whole(pieces: Sequence[bytes], encoding: str | None = None, most: int = 10**9) -> bytes:
    async def main() -> bytes:
        answer = response(pieces, encoding)
        async with Body(answer) as body:
            data = await body.read(most)
            assert await body.piece() is None
        assert answer.is_closed
        return data

    return trio.run(main)


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@given(st.binary(max_size=300), st.integers(1, 50), st.sampled_from([None, "identity", "gzip", "x-gzip", "deflate"]))
def test_a_body_is_unpacked_however_it_is_cut(data: bytes, size: int, encoding: str | None) -> None:
    packed = {"gzip": gzip.compress(data), "x-gzip": gzip.compress(data), "deflate": zlib.compress(data)}
    assert whole(cut(packed.get(encoding or "", data), size), encoding) == data


@pytest.mark.parametrize("length", [PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES])
@pytest.mark.parametrize("size", [7, 10**6])
def test_what_unpacks_to_much_comes_in_bounded_pieces(length: int, size: int) -> None:
    async def main() -> None:
        async with Body(response(cut(gzip.compress(b"\0" * length), size), "gzip")) as body:
            lengths = []
            while (piece := await body.piece()) is not None:
                lengths.append(len(piece))
        assert sum(lengths) == length
        assert max(lengths) <= PIECE_BYTES

    trio.run(main)


def test_a_few_bytes_do_not_unpack_to_more_than_is_asked_for() -> None:
    bomb = gzip.compress(b"\0" * (64 * PIECE_BYTES))
    with pytest.raises(BadBody, match="longer than 5000000 bytes"):
        whole([bomb], "gzip", most=5_000_000)


@pytest.mark.parametrize(
    ("pieces", "encoding", "what"),
    [
        ([DATA], "gzip", "cannot be unpacked"),
        ([gzip.compress(DATA)[:-1]], "gzip", "ends too early"),
        ([], "gzip", "ends too early"),
        ([gzip.compress(DATA)[:-8] + b"\0" * 8], "gzip", "cannot be unpacked"),
        ([DATA], "br", "packed as 'br'"),
        ([DATA], "gzip, gzip", "packed as"),
        ([DATA, DATA], None, "longer than 2000 bytes"),
    ],
)
def test_a_body_that_is_not_right_says_what_is_wrong(pieces: list[bytes], encoding: str | None, what: str) -> None:
    with pytest.raises(BadBody, match=what):
        whole(pieces, encoding, most=2000)


def test_what_follows_a_packed_body_is_dropped_and_not_kept() -> None:
    async def main() -> None:
        body = Body(response([gzip.compress(DATA), *([b"x" * 1000] * 1000)], "gzip"))
        async with body:
            assert await body.read(10**6) == DATA
            assert body._unpack is not None
            assert len(body._unpack.unused_data) <= 1000

    trio.run(main)


@pytest.mark.parametrize("end", ["end", "break", "wait"])
def test_as_much_is_read_as_comes(end: str) -> None:
    async def main() -> None:
        async with Body(response([b"ab", b"cd", b"ef"], end=end)) as body:
            came = bytearray()
            await body.read_into(came, 3)
            assert came == b"abc"
        began, came = trio.current_time(), bytearray()
        async with Body(response([b"ab", b"cd"], end=end)) as body:
            with trio.move_on_after(2):
                await body.read_into(came, 100)
        assert came == b"abcd"
        assert trio.current_time() - began == (2 if end == "wait" else 0)
        async with Body(response([DATA], "gzip", end=end)) as body:
            came = bytearray()
            await body.read_into(came, 100)
            assert came == b""

    trio.run(main, clock=MockClock(autojump_threshold=0))


@pytest.mark.parametrize("end", ["end", "break", "wait"])
@pytest.mark.parametrize("pieces", [0, 1, 5])
def test_leaving_early_closes_the_body_and_every_generator(end: str, pieces: int) -> None:
    async def main() -> None:
        answer = response([b"x"] * 5, end=end)
        async with Body(answer) as body:
            for _ in range(pieces):
                assert await body.piece() == b"x"
        assert answer.is_closed
        assert isinstance(answer.stream, Pieces)
        assert answer.stream.closed
        assert answer.stream.given == pieces, "nothing more is taken"

    trio.run(main, clock=MockClock(autojump_threshold=0))


def test_an_error_within_comes_out_as_it_is() -> None:
    async def main() -> None:
        answer = response([b"x"], end="break")

        async def read() -> None:
            async with Body(answer) as body:
                await body.piece()
                raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            await read()
        assert answer.is_closed

    trio.run(main)


def test_an_answer_that_was_read_already_is_taken_as_it_is() -> None:
    async def main() -> None:
        answer = httpx.Response(200, headers={"content-encoding": "gzip"}, content=gzip.compress(DATA))
        async with Body(answer) as body:
            assert await body.read(10_000) == DATA
            assert await body.piece() is None

    trio.run(main)


# ---- whole runs, in virtual time, on whatever events come


EVENT = 'data: {"choices": [{"index": 0, "delta": {"content": "%s"}, "finish_reason": %s}]}\n\n'
GOOD = [(EVENT % ("Hel", "null")).encode(), (EVENT % ("lo", '"stop"')).encode(), b"data: [DONE]\n\n"]
SCRAPS = st.one_of(
    st.sampled_from([*GOOD, b": ping\n\n", b"\n", b"\r", b"data: {}\n\n", b"\xef\xbb\xbf", b"data: null\n\n",
                     b'data: {"error": {"message": "Overloaded"}}\n\n', b"event: error\n", b"data:\n\n",
                     b"data: " + b"[" * 9999 + b"\n\n",
                     b'data: {"choices": [{"delta": {"content": ["x", {"text": 3}]}}]}\n\n']),
    st.binary(max_size=10),
)  # fmt: skip


class Scripted(httpx.AsyncBaseTransport):
    """Answers each request with the same pieces and the same end, and remembers the bodies."""

    def __init__(self, pieces: Sequence[bytes], end: str, headers: dict[str, str]) -> None:
        self.pieces = pieces
        self.end = end
        self.headers = headers
        self.streams: list[Pieces] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if json.loads(request.content)["model"] == "m-2":
            return httpx.Response(200, stream=Pieces(GOOD))
        self.streams.append(Pieces(self.pieces, self.end))
        return httpx.Response(200, headers=self.headers, stream=self.streams[-1])


@given(
    st.lists(SCRAPS, max_size=6),
    st.integers(1, 200),
    st.sampled_from(["end", "break", "wait"]),
    st.sampled_from(["raise", "restart"]),
    st.sampled_from([{}, {"content-type": "text/event-stream"}, {"content-type": "application/json"}]),
    st.none() | st.integers(0, 3),
)
@example(GOOD, 1, "wait", "raise", {}, None)
@example([*GOOD[:1], b"data: {\n\n"], 200, "end", "restart", {}, None)
@settings(max_examples=150, deadline=None)
def test_whatever_events_come_a_stream_ends_well_or_with_a_typed_error(
    scraps: list[bytes], size: int, end: str, on_interrupt: str, headers: dict[str, str], leave_after: int | None
) -> None:
    transport = Scripted(cut(b"".join(scraps), size), end, headers)
    entries = [
        {"model_name": "first", "model": "openai/m-1", "api_base": "http://a/v1", "fallbacks": ["second"]},
        {"model_name": "second", "model": "openai/m-2", "api_base": "http://b/v1"},
    ]
    texts: list[str] = []

    async def read(router: understudy.Router) -> str:
        """Return what the reader is told at the end to have read."""
        async with router.stream("first", MESSAGES, on_interrupt=on_interrupt) as stream:
            async for chunk in stream:
                if isinstance(chunk, understudy.Restarted):
                    texts.clear()
                texts.append(chunk.text)
                if leave_after is not None and len(texts) > leave_after:
                    return "".join(texts)
        return stream.reply.text

    async def main() -> None:
        crashes: list[understudy.Fact] = []
        async with understudy.open_router({"model_list": entries}, transport=transport) as router:
            router.listen(lambda fact: crashes.append(fact) if fact is not None and fact.kind == "crashed" else None)
            began = trio.current_time()
            try:
                told = await read(router)
            except understudy.StreamInterrupted as error:
                told = error.text
            assert told == "".join(texts)
            assert trio.current_time() - began <= 400
            await trio.sleep(1)
            assert all(status.in_flight == 0 for status in router.snapshot())
        assert not crashes
        assert all(stream.closed for stream in transport.streams)

    trio.run(main, clock=MockClock(autojump_threshold=0))
