"""What every stream must do: carry all bytes, in order, never more at a time than was asked for."""

from __future__ import annotations

from collections.abc import Sequence

import trio


async def carry(
    pieces: Sequence[bytes], sender: trio.abc.SendStream, receiver: trio.abc.ReceiveStream, most: int
) -> None:
    """Send all of these over one end, and see them come out at the other, at most so many bytes at a time."""
    whole = b"".join(pieces)
    came = bytearray()

    async def send() -> None:
        for piece in pieces:
            await sender.send_all(piece)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        while len(came) < len(whole):
            data = await receiver.receive_some(most)
            assert 0 < len(data) <= most
            came += data
    assert came == whole
