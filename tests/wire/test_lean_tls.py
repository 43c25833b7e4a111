"""The TLS stream, with trio's own at the other end: all bytes in order, and nothing that the server did not say."""

from __future__ import annotations

import random
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache

import pytest
import trio
import trio.testing
import trustme
from attrs import define
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.carry import carry
from tests.wire.lean_world import play
from understudy.actors.providers.lean.plain import READ_BYTES
from understudy.actors.providers.lean.tls import PIECE_BYTES, TlsStream

HOST = "provider.test"
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@cache
def contexts(version: ssl.TLSVersion) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return what a client and its server speak TLS by."""
    authority = trustme.CA()
    client, server = ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.configure_trust(client)
    authority.issue_cert(HOST).configure_cert(server)
    client.minimum_version = client.maximum_version = version
    return client, server


@define(eq=False)
class Wire(trio.abc.Stream):
    """What lies between: it brings so many bytes at a time, and `spoils` what goes by."""

    stream: trio.abc.Stream
    sizes: Callable[[], int]
    spoils: Callable[[bytes], bytes] = bytes

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return self.spoils(bytes(await self.stream.receive_some(min(self.sizes(), max_bytes or READ_BYTES))))

    async def aclose(self) -> None:
        await self.stream.aclose()


@asynccontextmanager
async def connected(
    version: ssl.TLSVersion, *, host: str = HOST, sizes: Callable[[], int] = lambda: READ_BYTES
) -> AsyncIterator[tuple[TlsStream, trio.SSLStream[trio.abc.Stream], Wire]]:
    """Yield both ends, hands shaken, and what lies before ours."""
    client, server = contexts(version)
    near, far = trio.testing.memory_stream_pair()
    wire = Wire(near, sizes)
    ours = TlsStream(wire, client, host)
    theirs: trio.SSLStream[trio.abc.Stream] = trio.SSLStream(far, server, server_side=True, https_compatible=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(theirs.do_handshake)
        await ours.do_handshake()
    yield ours, theirs, wire
    await ours.aclose()
    await far.aclose()


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(VERSIONS),
    st.lists(st.sampled_from([1, 20_000, PIECE_BYTES, 150_000]) | st.integers(0, 99), max_size=4),
    st.sampled_from([10_000, READ_BYTES, 200_000]) | st.integers(1, 9_000),
    st.integers(0, 1000),
)
def test_all_bytes_arrive_in_order_both_ways(version: ssl.TLSVersion, sizes: list[int], most: int, seed: int) -> None:
    chance = random.Random(seed)
    pieces = [chance.randbytes(size) for size in sizes]
    widest = chance.choice([300, READ_BYTES])

    async def main() -> None:
        async with connected(version, sizes=lambda: chance.randint(1, widest)) as (ours, theirs, _):
            for sender, receiver in ((ours, theirs), (theirs, ours), (ours, theirs)):
                await carry(pieces, sender, receiver, most)

    play(main)


@pytest.mark.parametrize("version", VERSIONS)
def test_all_records_that_have_come_are_read_at_once(version: ssl.TLSVersion) -> None:
    async def main() -> None:
        async with connected(version) as (ours, theirs, _):
            for number in range(100):
                await theirs.send_all(b"%02d" % number)
            assert await ours.receive_some() == b"".join(b"%02d" % number for number in range(100))

    play(main)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("says_so", [True, False])
def test_the_end_is_read_as_often_as_asked_for_whether_it_was_announced_or_not(
    version: ssl.TLSVersion, says_so: bool
) -> None:
    async def main() -> None:
        async with connected(version) as (ours, theirs, _):
            await theirs.send_all(b"and that was all")
            if says_so:
                await theirs.aclose()
            else:
                await theirs.transport_stream.aclose()
            assert [await ours.receive_some() for _ in range(3)] == [b"and that was all", b"", b""]

    play(main)


async def read_all(stream: TlsStream) -> tuple[bytes, bool]:
    """Return what was read, and whether it came to an end without an error."""
    came = b""
    try:
        while data := await stream.receive_some():
            came += data
    except trio.BrokenResourceError:
        return came, False
    return came, True


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(VERSIONS),
    st.integers(0, 3000),
    st.lists(st.integers(1, 700), min_size=1, max_size=4),
    st.booleans(),
)
def test_of_what_was_cut_off_or_changed_on_the_way_only_what_came_before_is_read(
    version: ssl.TLSVersion, at: int, sizes: list[int], cut: bool
) -> None:
    pieces = [bytes([65 + place]) * size for place, size in enumerate(sizes)]
    passed = 0

    def spoil(came: bytes) -> bytes:
        nonlocal passed
        begin, passed = passed, passed + len(came)
        if not begin <= at < passed:
            return b"" if cut and at < begin else came
        before, rest = came[: at - begin], came[at - begin :]
        return before if cut else before + bytes([rest[0] ^ 1]) + rest[1:]

    async def main() -> None:
        async with connected(version) as (ours, theirs, wire):
            wire.spoils = spoil
            for piece in pieces:
                await theirs.send_all(piece)
            await theirs.transport_stream.aclose()
            came, well = await read_all(ours)
        whole = b"".join(pieces)
        assert whole.startswith(came)
        if at >= passed:
            assert came == whole
        elif not cut:
            assert not well or len(came) < len(whole)  # a changed length may make the rest a record that never ends
            assert came in [b"".join(pieces[:place]) for place in range(len(pieces))]

    play(main)


def test_a_server_of_another_name_is_not_spoken_to() -> None:
    async def main() -> None:
        async with connected(VERSIONS[-1], host="somebody.else.test"):
            pass

    with pytest.raises(BaseExceptionGroup) as caught:
        play(main)
    assert caught.group_contains(ssl.SSLCertVerificationError, match=r"somebody\.else\.test")


def test_whoever_waits_for_bytes_can_be_cancelled() -> None:
    async def main() -> None:
        async with connected(VERSIONS[-1]) as (ours, _, _):
            with trio.move_on_after(0) as scope:
                await ours.receive_some()
            assert scope.cancelled_caught

    play(main)
