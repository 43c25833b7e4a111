"""Both readers of answers, without a connection: they read the same, or one of them refuses."""

from __future__ import annotations

from collections.abc import Sequence

import h11
import httpx
from attrs import evolve, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.lean_world import CUTS, GOOD, SOUND, answers, cut
from understudy.actors.providers.lean.quick_reader import QuickReader
from understudy.actors.providers.lean.reader import H11Reader, Reader


@frozen
class Read:
    """What was read of one answer, and whether another may follow."""

    status: int
    fields: dict[str, str]
    body: bytes
    ended: bool
    may_follow: bool


def reading(it: Reader, pieces: Sequence[bytes]) -> Read | None:
    """Let a reader read an answer; ``None`` if it refuses to."""
    it.begin(h11.Request(method="POST", target="/", headers=[("host", "here")]))
    it.pieces.clear()
    try:
        for piece in pieces:
            it.feed(piece)
            if it.ended:
                break
    except httpx.RemoteProtocolError:
        return None
    fields = {name: value.lower() for name, value in it.headers.items() if it.status}
    return Read(it.status, fields, b"".join(it.pieces), it.ended, it.may_follow())


@given(answers(), CUTS, st.booleans())
@settings(max_examples=500, deadline=None)
def test_both_readers_read_the_same_unless_one_refuses(data: bytes, cuts: list[int], closed: bool) -> None:
    pieces = [*cut(data, cuts), *([b""] if closed else [])]
    one, other = reading(H11Reader(), pieces), reading(QuickReader(), pieces)
    if one is None or other is None:
        return
    if other.may_follow and data.endswith((b"\r", b"\n")):
        other = evolve(other, may_follow=one.may_follow)  # httptools passes over empty lines after an answer
    assert one == other


@given(st.lists(st.tuples(st.sampled_from([GOOD, *SOUND[3:9]]), CUTS), min_size=1, max_size=4))
def test_both_readers_read_one_sound_answer_after_another(told: list[tuple[bytes, list[int]]]) -> None:
    one, other = H11Reader(), QuickReader()
    for data, cuts in told:
        pieces = cut(data, cuts)
        read = reading(one, pieces)
        assert read == reading(other, pieces)
        assert read is not None
        assert read.ended
        assert read.may_follow
