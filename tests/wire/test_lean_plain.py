"""The plain stream: all bytes in order whatever the sizes, and the same errors as trio's own stream."""

from __future__ import annotations

import random
import socket
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.carry import carry
from understudy.actors.providers.lean.plain import PlainStream


def pair() -> tuple[PlainStream, trio.SocketStream]:
    """Return both ends of a connection that holds little: ours, and one of trio's."""
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return (
        PlainStream(trio.SocketStream(trio.socket.from_stdlib_socket(ours))),
        trio.SocketStream(trio.socket.from_stdlib_socket(theirs)),
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 60_000), max_size=6), st.integers(1, 70_000), st.integers(0, 1000))
def test_all_bytes_arrive_in_order_both_ways(sizes: list[int], most: int, seed: int) -> None:
    pieces = [random.Random(seed + place).randbytes(size) for place, size in enumerate(sizes)]

    async def main() -> None:
        ours, theirs = pair()
        for sender, receiver in ((ours, theirs), (theirs, ours)):
            await carry(pieces, sender, receiver, most)
        await theirs.aclose()
        assert await ours.receive_some(most) == b""
        await ours.aclose()

    trio.run(main)


@pytest.mark.parametrize("act", [lambda ours: ours.send_all(b"x"), lambda ours: ours.receive_some(9)])
def test_a_closed_socket_says_so(act: Callable[[PlainStream], Awaitable[object]]) -> None:
    async def main() -> None:
        ours, theirs = pair()
        await ours.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await act(ours)
        await theirs.aclose()

    trio.run(main)


def test_a_socket_that_is_closed_while_it_is_read_says_so() -> None:
    async def main() -> None:
        ours, theirs = pair()

        async def read() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await ours.receive_some(9)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await trio.testing.wait_all_tasks_blocked()
            await ours.aclose()
        await theirs.aclose()

    trio.run(main)


def test_whoever_writes_to_nobody_is_told_that_the_connection_is_broken() -> None:
    async def main() -> None:
        ours, theirs = pair()
        await theirs.aclose()
        with pytest.raises(trio.BrokenResourceError):
            await ours.send_all(b"x" * 100_000)
        await ours.aclose()

    trio.run(main)


def test_whoever_is_cancelled_neither_sends_nor_reads() -> None:
    async def main() -> None:
        ours, theirs = pair()
        await theirs.send_all(b"for later")
        with trio.CancelScope() as scope:
            scope.cancel()
            await ours.send_all(b"never")
        assert scope.cancelled_caught
        with trio.CancelScope() as scope:
            scope.cancel()
            await ours.receive_some(9)
        assert scope.cancelled_caught
        assert await ours.receive_some(100) == b"for later"
        await ours.aclose()
        assert await theirs.receive_some(9) == b""
        await theirs.aclose()

    trio.run(main)


def test_whoever_must_wait_for_room_can_be_cancelled() -> None:
    async def main() -> None:
        ours, theirs = pair()
        with trio.move_on_after(0) as scope:
            await ours.send_all(bytes(1_000_000))
        assert scope.cancelled_caught
        await ours.aclose()
        await theirs.aclose()

    trio.run(main)
