"""Which connection of the lean line is used, which is closed, and when a request is sent once more."""

from __future__ import annotations

from functools import partial

import httpx
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.lean_world import GOOD, URL, Part, ask, asking, busy, idle, lean, play, read
from tests.wire.pipe import PipeStream, pipe
from understudy.actors.providers.dialect import Outgoing
from understudy.actors.providers.lean.connection import ROUND_TRIP
from understudy.actors.providers.lean.dial import Dial
from understudy.actors.providers.lean.idle import IdleConnections
from understudy.actors.providers.lean.line import LeanLine
from understudy.actors.providers.line import KEPT_ALIVE_TIME

pytestmark = pytest.mark.usefixtures("either_reader")

MANY = Part([[GOOD]] * 50)


async def at_once(line: LeanLine, count: int) -> None:
    """Have so many exchanges under way at the same time, and end them in the order in which they began."""
    answers = [await line.send(asking(n), lambda: None) for n in range(count)]
    for answer in answers:
        assert await read(answer) == b"hi"


def test_one_connection_serves_one_request_after_another() -> None:
    async def scene() -> None:
        async with lean(MANY) as (line, origin):
            for n in range(20):
                assert await ask(line, n) == b"hi"
            assert origin.seen == [(n, 0) for n in range(20)]
            assert (idle(line), busy(line)) == (1, 0)

    play(scene)


def test_the_connection_that_was_idle_the_shortest_is_used_first() -> None:
    async def scene() -> None:
        async with lean(MANY) as (line, origin):
            await at_once(line, 3)
            await ask(line, 3)
            assert origin.seen[-1] == (3, 2)
            await at_once(line, 3)
            assert [connection for _, connection in origin.seen[-3:]] == [2, 1, 0]

    play(scene)


def test_no_more_are_kept_than_are_to_be_and_the_oldest_go() -> None:
    async def scene() -> None:
        async with lean(MANY, house=IdleConnections(8)) as (line, origin):
            await at_once(line, 11)
            assert (idle(line), origin.open) == (8, 8)
            assert [end.is_open for end in origin.ends] == [False] * 3 + [True] * 8

    play(scene)


def test_idle_connections_are_counted_for_all_lines_together_and_the_longest_idle_goes() -> None:
    async def scene() -> None:
        house = IdleConnections(4)
        async with lean(MANY, house=house) as (one, here), lean(MANY, house=house) as (other, there):
            await at_once(one, 3)
            await at_once(other, 3)
            assert (len(house), idle(one), idle(other)) == (4, 1, 3)
            await ask(one)
            await at_once(other, 4)
            assert (len(house), idle(one), idle(other)) == (4, 0, 4)
            assert (here.open, there.open) == (0, 4)
        assert len(house) == 0

    play(scene)


def test_whoever_has_traffic_closes_what_has_been_idle_elsewhere_for_too_long() -> None:
    async def scene() -> None:
        house = IdleConnections()
        async with lean(MANY, house=house) as (one, here), lean(MANY, house=house) as (other, there):
            await at_once(one, 3)
            await trio.sleep(KEPT_ALIVE_TIME + 0.01)
            assert here.open == 3
            await ask(other)
            assert (here.open, idle(one), there.open, len(house)) == (0, 0, 1, 1)

    play(scene)


STEPS = st.lists(st.tuples(st.booleans(), st.integers(1, 4), st.sampled_from((0.0, 1.0, 3.0, 5.0))), max_size=8)


@given(steps=STEPS, most=st.integers(1, 5))
def test_the_house_knows_of_every_idle_connection_and_of_no_other(
    steps: list[tuple[bool, int, float]], most: int
) -> None:
    async def scene() -> None:
        house = IdleConnections(most)
        async with lean(MANY, house=house) as (one, here), lean(MANY, house=house) as (other, there):
            for first, count, pause in steps:
                await at_once(one if first else other, count)
                assert len(house) == idle(one) + idle(other) == here.open + there.open <= most
                await trio.sleep(pause)

    play(scene)


@pytest.mark.parametrize(("seconds", "connections"), [(KEPT_ALIVE_TIME, 1), (KEPT_ALIVE_TIME + 0.01, 2)])
def test_a_connection_is_not_used_past_its_time(seconds: float, connections: int) -> None:
    async def scene() -> None:
        async with lean(MANY) as (line, origin):
            await ask(line)
            await trio.sleep(seconds)
            await ask(line)
            assert (len(origin.ends), origin.open) == (connections, 1)

    play(scene)


@pytest.mark.parametrize("end", ["closes", "breaks"])
def test_what_has_died_while_idle_is_dropped_unused(end: str) -> None:
    async def scene() -> None:
        dying = Part([[GOOD]], end, once_idle=True)
        async with lean(dying, dying, dying, MANY) as (line, origin):
            await at_once(line, 3)
            await trio.sleep(0.001)
            assert await ask(line, 7) == b"hi"
            assert (origin.seen[-1], origin.begun, idle(line)) == ((7, 3), 4, 1)

    play(scene)


def test_what_comes_after_an_answer_is_never_the_beginning_of_the_next() -> None:
    later = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"

    async def scene(pieces: list[bytes]) -> None:
        async with lean(Part([pieces]), MANY) as (line, origin):
            assert await ask(line) == b"hi"
            await trio.sleep(0.001)
            assert await ask(line, 1) == b"hi"
            assert origin.seen[-1] == (1, 1)

    play(lambda: scene([GOOD + later]))
    play(lambda: scene([GOOD, later]))
    play(lambda: scene([GOOD + b"x"]))


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi",
    ],
)
def test_who_wants_to_close_is_let_go(answer: bytes) -> None:
    async def scene() -> None:
        async with lean(Part([[answer]] * 2)) as (line, origin):
            assert await ask(line) == b"hi"
            assert origin.open == 0
            assert await ask(line) == b"hi"
            assert len(origin.ends) == 2

    play(scene)


def test_what_is_announced_is_skipped_and_what_switches_is_refused() -> None:
    async def scene() -> None:
        early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
        switch = b"HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n"
        async with lean(Part([[early, GOOD], [early + GOOD], [switch]])) as (line, origin):
            for n in range(2):
                assert await ask(line, n) == b"hi"
            with pytest.raises(httpx.RemoteProtocolError):
                await ask(line)
            assert (len(origin.ends), origin.open) == (1, 0)

    play(scene)


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"


@pytest.mark.parametrize("begun", [HEAD, CHUNKED + b"0\r\n"])
@pytest.mark.parametrize("more", [b"x" * 1000 + b": y\r\n", b"x" * 1000])
def test_neither_a_head_nor_what_follows_a_body_is_read_for_ever(begun: bytes, more: bytes) -> None:
    never_read(begun, more)


@pytest.mark.parametrize("begun", [HEAD + b"x: ", CHUNKED + b"0\r\nx: ", CHUNKED + b"3;"])
def test_neither_a_header_nor_a_chunk_s_length_is_read_for_ever(begun: bytes) -> None:
    never_read(begun, b"y" * 1000)


def never_read(begun: bytes, more: bytes) -> None:
    async def scene() -> None:
        answer = [begun, *([more] * 200)]
        async with lean(Part([answer])) as (line, origin):
            with pytest.raises(httpx.RemoteProtocolError, match="too long"):
                await ask(line)
            assert origin.open == 0

    play(scene)


def test_an_answer_may_come_before_the_request_has_been_taken() -> None:
    """A server that hangs up without reading a long request, and says why, is heard; nothing more is sent to it."""

    async def scene() -> None:
        async with trio.open_nursery() as nursery, lean(MANY) as (line, _):
            line._pool._dial = refusing(nursery)
            answer = await line.send(Outgoing("POST", URL, {}, {"padding": "x" * 300_000}), lambda: None)
            assert answer.status == 413
            assert await read(answer) == b"no"
            assert (idle(line), busy(line)) == (0, 0)

    play(scene)


def refusing(nursery: trio.Nursery) -> Dial:
    async def serve(stream: PipeStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 413 Too Long\r\ncontent-length: 2\r\n\r\nno")
        stream.drop()

    async def dial() -> PipeStream:
        ours, theirs = pipe()
        nursery.start_soon(serve, theirs)
        return ours

    return dial


# ---- once more


def breaking(end: str, in_head: bool, served: int, begun: bytes = b"") -> Part:
    """A connection that serves so many requests, and breaks in the next, having said so much of its answer."""
    answers = [[GOOD]] * served
    return Part([*answers, [begun]] if begun else answers, end, once_idle=bool(begun), in_head=in_head)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["closes", "breaks"]),
            st.booleans(),
            st.integers(0, 3),
            st.sampled_from([b"", b"H", b"HTTP/1.1 200 OK\r\ncontent-le", GOOD[:-1]]),
        ),
        min_size=1,
        max_size=6,
    ),
    st.integers(1, 12),
    st.none() | st.integers(1, 5),
)
@settings(max_examples=200, deadline=None)
def test_a_request_is_sent_once_more_if_a_kept_connection_dies_before_a_byte_of_the_answer_and_only_then(
    ways: list[tuple[str, bool, int, bytes]], requests: int, refuses_from: int | None
) -> None:
    """Against a model that knows only the connections' stories."""

    async def scene() -> None:
        parts = [breaking(*way) for way in ways]
        async with lean(*parts, MANY) as (line, origin):
            if refuses_from is not None:
                origin.refuses_from = refuses_from
            model = Model(ways, refuses_from)
            for n in range(requests):
                sent: list[int] = []
                try:
                    answer = await line.send(asking(n), partial(sent.append, 1))
                    outcome = (await read(answer)).decode()
                except httpx.ConnectError:
                    outcome = "unreached"
                except (httpx.ReadError, httpx.RemoteProtocolError):
                    outcome = "lost"
                assert outcome == model.request()
                assert len(sent) == (0 if outcome == "unreached" else 1)
                assert (origin.begun, len(origin.ends), idle(line), busy(line)) == (
                    model.begun,
                    model.opened,
                    int(model.kept),
                    0,
                )
                await trio.sleep(0.001)

    play(scene)


class Model:
    """What should come of requests one after another."""

    def __init__(self, ways: list[tuple[str, bool, int, bytes]], refuses_from: int | None) -> None:
        self.left = [(served, begun) for _, _, served, begun in ways]
        self.refuses_from = refuses_from
        self.opened = 0
        self.begun = 0
        self.kept = False
        self.served = 0

    def request(self) -> str:
        was_kept, self.kept = self.kept, False
        if not was_kept and not self._open():
            return "unreached"
        outcome = self._exchange()
        if outcome == "silent" and was_kept:
            outcome = self._exchange() if self._open() else "lost"
        return "lost" if outcome == "silent" else outcome

    def _open(self) -> bool:
        if self.refuses_from is not None and self.opened >= self.refuses_from:
            return False
        self.opened += 1
        self.served = 0
        return True

    def _exchange(self) -> str:
        self.begun += 1
        served, begun = self.left[self.opened - 1] if self.opened <= len(self.left) else (10**9, b"")
        self.served += 1
        if self.served <= served:
            self.kept = True
            return "hi"
        return "lost" if begun else "silent"


@pytest.mark.parametrize(
    ("dialling", "late", "once_more"),
    [(0.0, ROUND_TRIP, True), (0.0, 0.06, False), (0.3, 0.3, True), (0.3, 0.31, False)],
)
@pytest.mark.parametrize("end", ["closes", "breaks"])
def test_who_breaks_off_after_a_while_may_have_been_at_work_and_is_not_asked_twice(
    dialling: float, late: float, once_more: bool, end: str
) -> None:
    async def scene() -> None:
        async with lean(Part([[GOOD]], end, late=late), MANY) as (line, origin):
            origin.dialling = dialling
            await ask(line)
            if once_more:
                assert await ask(line, 1) == b"hi"
            else:
                with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
                    await ask(line, 1)
            assert origin.seen[1:] == [(1, 0), (1, 1)][: 1 + once_more]

    play(scene)


def test_a_closed_line_opens_nothing_more() -> None:
    async def scene() -> None:
        async with lean(MANY) as (line, origin):
            answer = await line.send(asking(), lambda: None)
            await line.aclose()
            assert origin.open == 0
            assert await read(answer) == b"hi"  # it had come already
            with pytest.raises(httpx.ConnectError):
                await ask(line)
            assert origin.open == 0

    play(scene)
